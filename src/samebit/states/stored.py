"""One state of the store, opened: what it is made of, and its values given back."""

import re
import sys
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Literal

from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store
from samebit.records import LeafRecord, StateManifest
from samebit.states import dtypes, leaves, loading, skeleton, storing
from samebit.states import torch as torch_states
from samebit.states.plain import plain_values

__all__ = ["StoredState"]

_SHOWN = 40  # differences beyond these are counted
# What a state of the recorder has beside modules; an optimizer after the first has a number.
_NO_MODULES = re.compile(
    r"optimizer(_\d+)?|parameters|schedulers|scalers|others|generators|extra|progress"
)


class StoredState:
    """A state of a recorded run; nothing of its arrays is read before it is asked for."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.digest = name

    @cached_property
    def _manifest(self) -> StateManifest:
        return storing.read_manifest(self._store, self.digest)

    @cached_property
    def _places(self) -> dict[str, str]:
        places = dict(skeleton.references(self._manifest.skeleton))
        for leaf in places.values():
            if leaf not in self._manifest.leaves:
                raise Damaged(f"a state names a leaf that it does not have: {leaf!r}")
        return places

    @property
    def leaves(self) -> dict[str, LeafRecord]:
        """The record of each leaf by its name: dtype, shape, digest, size in bytes."""
        return dict(self._manifest.leaves)

    @cached_property
    def tied(self) -> dict[str, str]:
        """Places that hold an array again, with the leaf that it is."""
        first: dict[str, str] = {}
        return {
            place: leaf
            for place, leaf in self._places.items()
            if first.setdefault(leaf, place) != place
        }

    @cached_property
    def values(self) -> list[tuple[str, Any]]:
        """Everything that is no array, by its place."""
        return plain_values(self._manifest.skeleton)

    @cached_property
    def parts(self) -> dict[str, list[LeafRecord]]:
        """The parts that hold arrays, modules first, and the leaves of each."""
        found: dict[str, dict[str, LeafRecord]] = {}
        names = sorted(map(str, _entries(self._manifest.skeleton)), key=len, reverse=True)
        for place, leaf in self._places.items():
            name = next((name for name in names if place.startswith(f"{name}.")), None)
            if name is not None:
                found.setdefault(name, {})[leaf] = self._manifest.leaves[leaf]
        modules = [name for name in found if not _NO_MODULES.fullmatch(name)]
        return {name: list(found[name].values()) for name in dict.fromkeys([*modules, *found])}

    @property
    def modules(self) -> list[str]:
        """The parts that are modules."""
        return [name for name in self.parts if not _NO_MODULES.fullmatch(name)]

    def identity(self, part: str = "model") -> str:
        """The identity of a module, or of what else lies below a prefix."""
        return storing.identity(self._manifest, part)

    def value(self, library: Literal["torch", "numpy"] = "torch", *, mapped: bool = False) -> Any:
        """The nested plain value that was saved, its arrays verified.

        Args:
            library: whose arrays they are to be.
            mapped: map arrays from the store's files where they lie there as they are, instead of
                reading them: verified now, and changing one never changes the store.

        Raises:
            NotFound: only digests were kept, or an object is gone.
            Damaged: the bytes are not what their name says.
        """
        if library not in ("torch", "numpy"):
            raise UsageError(f"there is no {library!r} here", known="torch, numpy")
        arrays = loading.arrays_of(
            self._store, self._manifest.leaves, as_torch=library == "torch", mapped=mapped
        )
        return skeleton.join(self._manifest.skeleton, arrays)

    def state_dict(self, part: str = "model", *, mapped: bool = False) -> dict[str, Any]:
        """A module's tensors by name, for `load_state_dict`; tied names share one tensor."""
        storing.refuse_parts(self._manifest, part)
        named = storing.leaves_below(self._manifest, part)
        wanted = {leaf: self._manifest.leaves[leaf] for leaf in named.values()}
        for place, leaf in named.items():
            if not dtypes.torch_has(wanted[leaf].dtype):
                raise UsageError(f"torch has no {wanted[leaf].dtype}", leaf=place)
        tensors = loading.arrays_of(self._store, wanted, as_torch=True, mapped=mapped)
        return {place: tensors[leaf] for place, leaf in named.items()}

    def load_into(
        self,
        model: Any,
        optimizer: Any = None,
        *,
        part: str = "model",
        optimizer_part: str = "optimizer",
    ) -> None:
        """Copy the state into a model, and into an optimizer of it, in their own memory.

        Names, shapes and dtypes must be the same; before the first write everything is compared.
        Buffers that `state_dict()` leaves out are given back where both have them.

        Args:
            model: a torch module.
            optimizer: one over its parameters, in the same groups and order.
            part: the module's name in the state.
            optimizer_part: the optimizer's.

        Raises:
            UsageError: something does not fit; lists all of it, and nothing was changed.
            NotFound: only digests were kept, or an object is gone; nothing was changed.
            Damaged: an object is hurt; what was loaded until then stays.
        """
        wrong: list[str] = []
        into, calls = self._module(model, part, wrong)
        if optimizer is not None:
            calls.append(self._optimizer(optimizer, optimizer_part, model, part, wrong, into))
        if wrong:
            more = [f"… and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
            lines = "\n".join(f"  {line}" for line in [*wrong[:_SHOWN], *more])
            raise UsageError(
                f"the state does not fit: {len(wrong)} differences\n{lines}",
                hint="nothing was changed",
            )
        records = {leaf: self._manifest.leaves[leaf] for leaf, _ in into}
        loading.require(self._store, records)
        loading.fill(self._store, records, into)
        for call in calls:
            call()

    def _module(
        self, model: Any, part: str, wrong: list[str]
    ) -> tuple[list[tuple[str, Any]], list[Callable[[], None]]]:
        """Which leaf goes into which tensor, and what is to be called after."""
        storing.refuse_parts(self._manifest, part)
        live = torch_states.module_state(model)
        transient = live.pop(torch_states.NON_PERSISTENT, {})
        into: list[tuple[str, Any]] = []
        calls: list[Callable[[], None]] = []
        extra = {key: live.pop(key) for key in list(live) if _is_extra(key)}
        saved = {
            place.removeprefix(f"{part}."): leaf
            for place, leaf in self._places.items()
            if place.startswith(f"{part}.")
        }
        if not saved:
            raise NotFound(f"the state holds no array below {part!r}")
        hidden = {
            key.removeprefix(f"{torch_states.NON_PERSISTENT}."): leaf
            for key, leaf in saved.items()
            if key.startswith(f"{torch_states.NON_PERSISTENT}.")
        }
        frame = _entries(_entries(self._manifest.skeleton).get(part))
        named = {
            key: leaf
            for key, leaf in saved.items()
            if not key.startswith(f"{torch_states.NON_PERSISTENT}.")
            and not _is_in_extra(key, frame)
        }
        taken: dict[int, str] = {}  # what is tied in the model, by the tensor's id
        for key in [*live, *(key for key in named if key not in live)]:
            if key not in named:
                wrong.append(f"{part}.{key} is in the model alone")
            elif key not in live:
                wrong.append(f"{part}.{key} is in the state alone")
            elif self._fits(f"{part}.{key}", named[key], live[key], wrong):
                first = taken.setdefault(id(live[key]), key)
                if first == key:
                    into.append((named[key], live[key]))
                elif self._digest(named[first]) != self._digest(named[key]):
                    wrong.append(f"{part}.{key} is {part}.{first} in the model, not in the state")
        for key, buffer in transient.items():
            if key in hidden and self._fits(f"{part}.{key}", hidden[key], buffer, []):
                into.append((hidden[key], buffer))
        parts = dict(model.named_modules(remove_duplicate=False))
        for key in [*extra, *(key for key in frame if _is_extra(key) and key not in extra)]:
            owner = parts.get(key.removesuffix("_extra_state").removesuffix("."))
            if key not in extra or key not in frame or owner is None:
                where = "model" if key in extra else "state"
                wrong.append(f"{part}.{key} is in the {where} alone")
            else:
                value = self._joined(frame[key])
                calls.append(lambda give=owner.set_extra_state, value=value: give(value))
        return into, calls

    def _fits(self, place: str, leaf: str, ours: Any, wrong: list[str]) -> bool:
        record = self._manifest.leaves[leaf]
        if not leaves.is_array(ours):
            wrong.append(f"{place} is no tensor in the model")
        elif sys.modules["torch"].nn.parameter.is_lazy(ours):
            wrong.append(f"{place} has no memory yet: run the model once before")
        elif _dtype(ours) != record.dtype or tuple(ours.shape) != record.shape:
            theirs = _kind(record.dtype, record.shape)
            here = _kind(_dtype(ours), tuple(ours.shape))
            wrong.append(f"{place} is {theirs} in the state, {here} in the model")
        else:
            return True
        return False

    def _digest(self, leaf: str) -> str:
        return self._manifest.leaves[leaf].digest

    def _joined(self, frame: Any) -> Any:
        """A part of the state as it was saved."""
        names = dict.fromkeys(leaf for _, leaf in skeleton.references(frame))
        records = {name: self._manifest.leaves[name] for name in names}
        return skeleton.join(frame, loading.arrays_of(self._store, records, as_torch=True))

    def _optimizer(
        self,
        optimizer: Any,
        part: str,
        model: Any,
        module_part: str,
        wrong: list[str],
        into: list[tuple[str, Any]],
    ) -> Callable[[], None]:
        """Make room for an optimizer's state beside it; what is returned puts that in place."""
        frame = _entries(self._manifest.skeleton).get(part)
        if frame is None:
            wrong.append(f"{part} is not in the state")
            return lambda: None
        value = skeleton.join(frame, {name: _Leaf(name) for name in self._manifest.leaves})
        groups, ours = value["param_groups"], optimizer.param_groups
        counts = [[len(group["params"]) for group in side] for side in (groups, ours)]
        if counts[0] != counts[1]:
            wrong.append(
                f"{part} has groups of {counts[0]} parameters in the state, {counts[1]} here"
            )
            return lambda: None
        parameters = {
            key: (parameter, mine)
            for theirs, mine in zip(groups, ours, strict=True)
            for key, parameter in zip(theirs["params"], mine["params"], strict=True)
        }
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        state: dict[Any, Any] = {}
        for key, values in value["state"].items():
            parameter, group = parameters.get(key, (None, {}))
            here = names.get(id(parameter), key)
            if isinstance(key, str) and key not in (here, f"{module_part}.{here}"):
                wrong.append(f"{part}: {key} in the state is {here} here")
            beside = partial(self._beside, parameter, group, into)
            state[key if parameter is None else parameter] = _filled(values, beside)
        settings = [
            _filled(
                {name: item for name, item in group.items() if name != "params"},
                lambda leaf, _: self._read(leaf),
            )
            for group in groups
        ]

        def give() -> None:
            optimizer.state.clear()
            optimizer.state.update(state)
            for mine, theirs in zip(ours, settings, strict=True):
                mine.update(theirs)

        return give

    def _beside(
        self,
        parameter: Any,
        group: Mapping[str, Any],
        into: list[tuple[str, Any]],
        leaf: "_Leaf",
        name: str,
    ) -> Any:
        """Room for a tensor of an optimizer: with the strides of its parameter, on its device.

        The count of steps lies on the CPU, unless the optimizer is fused or inside of a graph.
        """
        torch = sys.modules["torch"]
        record = self._manifest.leaves[leaf.name]
        dtype = getattr(torch, record.dtype)
        on_device = name != "step" or group.get("capturable") or group.get("fused")
        device = parameter.device if on_device and parameter is not None else "cpu"
        if parameter is not None and tuple(parameter.shape) == record.shape:
            room = torch.empty_like(parameter, dtype=dtype, device=device, requires_grad=False)
        else:
            loading.require(self._store, {leaf.name: record})
            room = torch.empty(record.shape, dtype=dtype, device=device)
        into.append((leaf.name, room))
        return room

    def _read(self, leaf: "_Leaf") -> Any:
        return storing.read_leaf(
            self._store, leaf.name, self._manifest.leaves[leaf.name], as_torch=True
        )


class _Leaf:
    """Stands for a leaf that is not read yet."""

    def __init__(self, name: str) -> None:
        self.name = name


def _filled(value: Any, make: Callable[[_Leaf, str], Any], name: str = "") -> Any:
    """A plain value with what `make` gives in place of its leaves; `name` is the key above."""
    if isinstance(value, _Leaf):
        return make(value, name)
    if isinstance(value, dict):
        return type(value)((key, _filled(item, make, str(key))) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, make, name) for item in value)
    return value


def _entries(frame: Any) -> dict[Any, Any]:
    """The skeletons of a dict's values by key, whatever mark it has."""
    if isinstance(frame, dict) and len(frame) == 1 and next(iter(frame)) in ("$dict", "$ordered"):
        return {key: item for key, item in next(iter(frame.values())) if isinstance(key, str)}
    return frame if isinstance(frame, dict) else {}


def _is_extra(key: str) -> bool:
    return key == "_extra_state" or key.endswith("._extra_state")


def _is_in_extra(key: str, frame: Mapping[str, Any]) -> bool:
    return any(_is_extra(name) and (key == name or key.startswith(f"{name}.")) for name in frame)


def _dtype(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def _kind(dtype: str, shape: tuple[int, ...]) -> str:
    return f"{dtype} {'×'.join(map(str, shape)) or 'scalar'}"
