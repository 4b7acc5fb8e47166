"""The fingerprint of arrays, batches and generators: XXH3-128 of canonical bytes on the CPU.

What lies on a CUDA device is digested there, by TF128 (`samebit.trace.cards`), and comes later.
Reads memory in place and draws nothing. Torch and NumPy are looked at only where the caller hands
over one of their arrays. `docs/formats/trace.md` defines every value made here.
"""

import ctypes
import functools
import random
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xxhash

from samebit.trace import cards
from samebit.trace.digests import Digest, NotTraceable, Symbolic, combine, of_bytes

__all__ = [
    "Leaves",
    "generators",
    "leaf",
    "leaf_here",
    "lines_of",
    "of_lines",
    "of_values",
    "samples",
]

_digest128 = xxhash.xxh3_128_digest
_digest64 = xxhash.xxh3_64_intdigest
_MASK64 = (1 << 64) - 1
_MT19937_BYTES = 624 * 4 + 4  # NumPy's mt19937_state: the key, then the position
_PYTHON_STATE = struct.Struct("<625I")
_SYMBOLIC = frozenset({"KerasTensor", "FakeTensor"})
_MAX_SAMPLES = 4096  # beyond it the order-free twin would cost more than the batch


class _OnADevice(NotTraceable):
    """A plain tensor that does not lie in the host's memory."""

    def __init__(self, tensor: Any) -> None:
        super().__init__(f"a tensor on {tensor.device}")
        self.tensor = tensor


def leaf_here(array: Any) -> bytes:
    """The sixteen bytes of an array in the host's memory; NotTraceable where it is none."""
    return _digest128(_memory(array))


def leaf(array: Any) -> Digest:
    """The sixteen bytes of one array; NotTraceable where there are none to read."""
    try:
        return _digest128(_memory(array))
    except _OnADevice as there:
        return cards.leaves([there.tensor])[0]


def of_values(*values: Any) -> Digest:
    """The eight bytes of nested values: arrays by their bytes, scalars by type and repr."""
    header: list[str] = []
    leaves: list[Digest] = []
    for value in values:
        _collect(value, "", header, leaves)
    return combine("\n".join(header).encode("utf-8", "surrogatepass"), leaves)


def lines_of(value: Any, name: str) -> list[str]:
    """What a value without arrays adds to the header of `of_values`, under its dotted name."""
    header: list[str] = []
    _collect(value, name, header, [])
    return header


def of_lines(header: Iterable[str]) -> bytes:
    """The eight bytes that `of_values` gives of the values with these lines."""
    return of_bytes("\n".join(header).encode("utf-8", "surrogatepass"))


def samples(value: Any) -> int | None:
    """A number that does not depend on the order of the samples in a batch.

    None where there is none: its arrays have not all the same first dimension, or not all of them
    lie in the host's memory.
    """
    arrays: list[Any] = []
    _arrays_in(value, arrays)
    count = {int(array.shape[0]) if len(array.shape) else 0 for array in arrays}
    if len(count) != 1:
        return None
    n = count.pop()
    if not 1 < n <= _MAX_SAMPLES:
        return None
    digests = [0] * n
    for array in arrays:
        try:
            view = memoryview(_memory(array)).cast("B")
        except _OnADevice:
            return None
        size = view.nbytes // n
        digests = [
            _digest64(view[at : at + size], seed)
            for at, seed in zip(range(0, n * size, size or 1), digests, strict=False)
        ] or digests
    return sum(digests) & _MASK64


class _Numpys:
    """The memory of NumPy's global generator, which has another one where a script sets one."""

    of: Any = None
    memory: Any = None


_numpys = _Numpys()


def generators(*, python: bool = True) -> dict[str, Digest]:
    """The state of each global generator that is loaded, as eight bytes by stream."""
    found: dict[str, Digest] = {}
    if python:
        _, key, gauss = random.getstate()
        state = _PYTHON_STATE.pack(*key) + repr(gauss).encode()
        found["rng.python"] = of_bytes(state)
    torch = sys.modules.get("torch")
    if torch is not None:
        state = torch.default_generator.get_state()
        if type(state) is not torch.Tensor:  # a symbol, or of a mode of the script's
            found["rng.torch"] = _digest128(_memory(state))[:8]
        else:  # bytes of the host that are a copy: there is nothing to ask about them
            memory = (ctypes.c_char * state.numel()).from_address(state.data_ptr())
            found["rng.torch"] = _digest128(memory)[:8]
        on_cards = cards.generators()
        if on_cards is not None:
            found["rng.cuda"] = of_bytes(on_cards)
    module = sys.modules.get("numpy.random.mtrand")
    if module is not None:
        bits = module._rand._bit_generator
        if type(bits).__name__ == "MT19937":
            # Reading the state where it lies takes a microsecond; get_state() takes forty-five.
            if _numpys.of is not bits:
                _numpys.of = bits
                where = bits.ctypes.state_address
                _numpys.memory = (ctypes.c_char * _MT19937_BYTES).from_address(where)
            found["rng.numpy"] = _digest128(_numpys.memory)[:8]
        else:
            found["rng.numpy"] = of_values(bits.state)
    return found


def _memory(array: Any) -> Any:
    """Something with the buffer protocol over an array's canonical bytes."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return _tensor_memory(torch, array)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(array, (numpy.ndarray, numpy.generic)):
        if array.dtype.hasobject:
            raise NotTraceable("an array of Python objects")
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        return numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
    name = type(array).__name__
    raise (Symbolic if name in _SYMBOLIC else NotTraceable)(f"a {name}")


def _tensor_memory(torch: Any, tensor: Any) -> Any:
    if type(tensor) is not torch.Tensor and type(tensor) is not torch.nn.Parameter:
        # Of a DTensor (FSDP, tensor parallelism) this rank's part; nothing is sent for it.
        part = getattr(tensor, "_local_tensor", None)
        if type(part) is torch.Tensor:
            return _tensor_memory(torch, part)
        name = type(tensor).__name__
        raise (Symbolic if name in _SYMBOLIC else NotTraceable)(f"a tensor of class {name}")
    if not tensor.is_cpu:
        raise _OnADevice(tensor)
    if tensor.layout is not torch.strided:
        raise NotTraceable(f"a tensor with layout {tensor.layout}")
    if tensor.is_conj() or tensor.is_neg() or not tensor.is_contiguous():
        with torch.no_grad():
            tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    size = tensor.numel() * tensor.element_size()
    if size == 0:
        return b""
    try:
        address = tensor.data_ptr()
    except RuntimeError as error:
        raise NotTraceable("a tensor without memory of its own (torch.func)") from error
    memory = (ctypes.c_char * size).from_address(address)
    # The array does not own its memory; whoever made a copy just above must keep it alive.
    memory._tensor = tensor
    return memory


@functools.lru_cache(maxsize=256)
def _is_mapping(kind: type) -> bool:
    """Whether a class is one of maps, which a class of tensors is long in being asked."""
    return issubclass(kind, Mapping)


def _collect(value: Any, name: str, header: list[str], leaves: list[Digest]) -> None:
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        header.append(f"{name} {type(value).__name__} {value!r}")
    elif isinstance(value, (list, tuple)):
        header.append(f"{name} {len(value)}")
        for at, item in enumerate(value):
            _collect(item, f"{name}.{at}", header, leaves)
    elif _is_mapping(value.__class__):
        for key, item in value.items():
            _collect(item, f"{name}.{key}", header, leaves)
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        leaves.append(leaf(value))
        header.append(f"{name} {value.dtype} {tuple(value.shape)}")
    else:
        # Not its repr: that may hold an address, which differs in every process.
        header.append(f"{name} {type(value).__qualname__}")


def _arrays_in(value: Any, found: list[Any]) -> None:
    if isinstance(value, Mapping):
        for item in value.values():
            _arrays_in(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _arrays_in(item, found)
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        found.append(value)


class Leaves:
    """The arrays of a list that stays the same from step to step, with their header made once."""

    def __init__(self, names: Sequence[str], arrays: Sequence[Any]) -> None:
        self.header = "\n".join(
            f"{name} {array.dtype} {tuple(array.shape)}"
            for name, array in zip(names, arrays, strict=True)
        ).encode()
        self.names = tuple(names)
        self.latest: dict[str, list[Digest]] = {}  # each group's digests, as they were last
        self._places: dict[str, list[_Place | None]] = {}

    def digest(self, group: str, arrays: Sequence[Any]) -> Digest:
        """The eight bytes of the group; None among the arrays stands for itself.

        Where an array lies is remembered under the group's name: asking torch everything about
        each array, in a step that has just thrown its code out of the caches, costs more than
        reading a small one.
        """
        places = self._places.get(group)
        if places is None or len(places) != len(arrays):
            places = self._places[group] = [None] * len(arrays)
        digests: list[Digest] = []
        away: dict[int, Any] = {}  # by place in the list: what lies on a device
        for at, array in enumerate(arrays):
            if array is None:
                digests.append(b"none")
                continue
            place = places[at]
            try:
                if place is None or not place.is_of(array):
                    place = places[at] = _Place.of(array)
                digests.append(_digest128(_memory(array) if place is None else place.memory))
            except _OnADevice as there:
                away[at] = there.tensor
                digests.append(b"")
        if away:
            for at, found in zip(away, cards.leaves(list(away.values())), strict=True):
                digests[at] = found
        return self.of_digests(group, digests)

    def of_digests(self, group: str, digests: list[Digest]) -> Digest:
        """The same of arrays whose digests were taken one by one; `none` stands for None."""
        self.latest[group] = digests
        return combine(self.header, digests)


class _Place:
    """Memory that a plain tensor on the CPU was found in."""

    __slots__ = ("_address", "_count", "_dtype", "_type", "memory")

    def __init__(self, array: Any, memory: Any) -> None:
        self._type = type(array)
        self._dtype = array.dtype
        self._address = array.data_ptr()
        self._count = array.numel()
        self.memory = memory

    @classmethod
    def of(cls, array: Any) -> "_Place | None":
        """The place of an array; None where it has to be looked at anew each time."""
        torch = sys.modules.get("torch")
        if torch is None or type(array) not in (torch.Tensor, torch.nn.Parameter):
            return None
        if array.layout is not torch.strided or array.is_complex() or array.is_neg():
            return None
        if not array.is_contiguous() or not array.numel():
            return None
        memory = _tensor_memory(torch, array)
        memory._tensor = None  # it does not keep the tensor alive, and is read only while it is
        return cls(array, memory)

    def is_of(self, array: Any) -> bool:
        """Whether the array lies here, whole and in order."""
        return (
            type(array) is self._type
            and array.dtype is self._dtype
            and array.is_contiguous()
            and array.data_ptr() == self._address
            and array.numel() == self._count
            and not array.is_neg()
        )
