"""Every operation of torch during one step: what went in, what came out, and who asked for it.

Only for executions that look for an op (`samebit diff --op`), never for a training. An entry has
digests taken *before* the op ran for what goes in, because many ops write where they read.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from samebit.trace import fingerprint
from samebit.trace.digests import NotTraceable

__all__ = ["COLLECTIVES", "Entry", "OpLog", "read_log"]

NO_EVIDENCE = "-"  # in place of a digest: memory that nobody has written yet, or a pure view
_MOST = 500_000  # entries
# What they give is whatever lay there before.
_UNINITIALISED = frozenset(
    {
        "empty",
        "empty_like",
        "empty_strided",
        "empty_permuted",
        "empty_quantized",
        "new_empty",
        "new_empty_strided",
        "resize_",
        "_efficientzerotensor",
    }
)
# They go on beside the script: what they give is there when somebody has waited for it.
COLLECTIVES = frozenset({"c10d", "_c10d_functional"})
# They overwrite their first argument, and what lay there before does not matter.
_OVERWRITING = frozenset(
    {
        "copy_",
        "fill_",
        "zero_",
        "normal_",
        "uniform_",
        "random_",
        "bernoulli_",
        "exponential_",
        "log_normal_",
        "cauchy_",
        "geometric_",
        "set_",
    }
)


class Entry(Struct, frozen=True, array_like=True):
    """One operation."""

    name: str  # `aten.mm.default`
    scalars: tuple[str, ...]  # every argument that is no tensor, as text
    shapes: tuple[str, ...]  # dtype and shape of each tensor that went in
    inputs: tuple[str, ...]  # their digests before it ran
    generator: str  # the digest of the generator that it draws from; empty where it draws nothing
    outputs: tuple[str, ...]  # of what it gave, and of what its schema says that it wrote
    module: str  # `layers.1` of the model, where one's `forward` asked
    node: str  # of autograd, in the backward pass
    line: str  # `train.py:31` of the script


def read_log(path: Path) -> list[Entry]:
    """The entries of one file; none where it was never written."""
    if not path.exists():
        return []
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Entry])


class OpLog:
    """Notes operations from `begin` to `end`, on the thread that calls these.

    Args:
        path: where `end` writes them.
        names: gives the name of each module by its id, when an op is noted.
        line: of a frame, the script's file and line; empty for what stands in between, None where
            the recorder itself asked.
    """

    def __init__(
        self,
        path: Path,
        names: Callable[[], Mapping[int, str]],
        line: Callable[[Any], str | None],
    ) -> None:
        self._path = path
        self._names = names
        self._line = line
        self._entries: list[Entry] = []
        self._mode: Any = None
        self._missing: dict[int, int] = {}  # bytes that nobody has written yet, by storage

    @property
    def is_on(self) -> bool:
        """Whether operations are noted now."""
        return self._mode is not None

    def begin(self, torch: Any) -> None:
        """Note operations from now on."""
        log, modes = self, sys.modules["torch.utils._python_dispatch"]

        class Mode(modes.TorchDispatchMode):
            def __torch_dispatch__(
                self, function: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                return log.note(torch, modes, function, args, kwargs or {})

        self._mode = Mode()
        self._mode.__enter__()

    def end(self) -> None:
        """Note no more, and write what there is."""
        mode, self._mode = self._mode, None
        if mode is not None:
            mode.__exit__(None, None, None)
        self._path.write_bytes(msgspec.msgpack.encode(self._entries))

    def note(self, torch: Any, modes: Any, function: Any, args: Any, kwargs: Any) -> Any:
        """Run one operation, and note it."""
        where = None if function.namespace == "profiler" else self._where(torch)
        if where is None or len(self._entries) >= _MOST:
            return function(*args, **kwargs)
        module, line = where
        base = function._schema.name.partition("::")[2]
        written = set(map(id, _written(function._schema, args, kwargs)))
        overwrites = base in _OVERWRITING or function._schema.overload_name.endswith("out")
        view = function.is_view if hasattr(function, "is_view") else False
        tensors = list(_tensors(torch, (args, kwargs)))
        with modes._disable_current_modes():
            inputs = tuple(
                NO_EVIDENCE if view or (overwrites and id(t) in written) else self._digest(torch, t)
                for t in tensors
            )
            generator = _generator(torch, function, args, kwargs)
            shapes = tuple(f"{_short(t.dtype)}{list(t.shape)}" for t in tensors)
        output = function(*args, **kwargs)
        with modes._disable_current_modes():
            given = list(_tensors(torch, output))
            if base in _UNINITIALISED:
                for tensor in given:
                    self._missing[_storage(tensor)] = _bytes(tensor)
            for tensor in tensors:
                if id(tensor) in written:
                    self._wrote(tensor)
            changed = [t for t in tensors if id(t) in written]
            beside = function.namespace in COLLECTIVES and base != "wait_tensor"
            nothing = view or beside or base in _UNINITIALISED
            outputs = tuple(
                NO_EVIDENCE if nothing else self._digest(torch, tensor)
                for tensor in (*given, *changed)
            )
        node = torch._C._current_autograd_node()
        entry = Entry(
            f"{function}",
            tuple(_scalars(torch, (args, kwargs))),
            shapes,
            inputs,
            generator,
            outputs,
            module,
            node.name() if node is not None else "",
            line,
        )
        self._entries.append(entry)
        return output

    def _where(self, torch: Any) -> tuple[str, str] | None:
        """Module and line that an op is asked from; None where it is ours."""
        module, names = "", None
        frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
        while frame is not None:
            line = self._line(frame)
            if line is None:
                return None
            if not module and frame.f_code.co_name == "forward":
                own = frame.f_locals.get("self")
                if isinstance(own, torch.nn.Module):
                    names = names or self._names()
                    module = names.get(id(own)) or type(own).__name__
            if line:
                return module, line
            frame = frame.f_back
        return module, ""

    def _digest(self, torch: Any, tensor: Any) -> str:
        if self._missing.get(_storage(tensor), 0) > 0:
            return NO_EVIDENCE
        try:
            if tensor.device.type not in ("cpu", "meta"):
                tensor = tensor.detach().cpu()  # nothing hurries here
            return fingerprint.leaf_here(tensor)[:8].hex()
        except (NotTraceable, RuntimeError, NotImplementedError):
            return f"<{type(tensor).__name__}>"

    def _wrote(self, tensor: Any) -> None:
        storage = _storage(tensor)
        if storage in self._missing:
            self._missing[storage] -= _bytes(tensor)


def _storage(tensor: Any) -> int:
    try:
        return int(tensor.untyped_storage().data_ptr())
    except (RuntimeError, NotImplementedError):
        return 0


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


def _short(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _tensors(torch: Any, value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(torch, item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(torch, item)


def _scalars(torch: Any, value: Any) -> Iterator[str]:
    if isinstance(value, torch.Tensor):
        return
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _scalars(torch, item)
    elif isinstance(value, dict):
        for name, item in value.items():
            for text in _scalars(torch, item):
                yield f"{name}={text}"
    elif isinstance(value, torch.Generator):
        yield "a generator"
    elif value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        yield repr(value)
    elif isinstance(value, (torch.dtype, torch.layout, torch.memory_format, torch.device)):
        yield str(value)
    else:  # not its repr: that may hold an address, which differs in every process
        yield type(value).__name__


def _written(schema: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """The tensors that an op writes, by what its schema says."""
    for at, argument in enumerate(schema.arguments):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        value = args[at] if at < len(args) else kwargs.get(argument.name)
        yield from value if isinstance(value, (list, tuple)) else [value]


def _generator(torch: Any, function: Any, args: Any, kwargs: Any) -> str:
    if torch.Tag.nondeterministic_seeded not in function.tags:
        return ""
    own = kwargs.get("generator")
    if own is None:
        own = next((arg for arg in args if isinstance(arg, torch.Generator)), None)
    state = (own or torch.default_generator).get_state()
    return fingerprint.leaf_here(state)[:8].hex()
