"""A stored state given back to living objects, in their own memory: all of it, or nothing.

Names, shapes and dtypes are compared before the first write. What may still fail then is code of
others (`load_state_dict` of a scheduler, `set_extra_state`): it comes first, and is taken back
where it fails. A rank that holds a part of a tensor is given that part, however it was cut when it
was saved.
"""

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from samebit.errors import Damaged, NotFound, UsageError
from samebit.records import LeafRecord
from samebit.states import leaves, loading, skeleton, sources
from samebit.states import torch as torch_states
from samebit.states.flat import Cut
from samebit.states.forms import Shard, Text
from samebit.states.loading import Target
from samebit.states.modules import of_this_rank
from samebit.states.saved import as_ours, dtype_of, kind_of
from samebit.states.sources import Source

__all__ = ["Giving", "entries_of"]

_SHOWN = 40  # differences beyond these are counted
_NAMED = 6  # names in one of them


class Giving:
    """What is given back, gathered object by object, and then done at once by `do`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frame = source.together.manifest.skeleton
        self._into: list[Target] = []
        # What loads, what it is given, and what it had before.
        self._calls: list[tuple[Callable[[Any], object], Any, Any]] = []
        self._ready: list[Callable[[], None]] = []
        self._cuts: dict[int, Cut] = {}  # of the flat parameters of modules so far
        self.wrong: list[str] = []
        # What stays as it is, by a description that does not tell whether it was the same.
        self.untold: list[str] = []

    def module(self, part: str, module: Any, *, strictly: bool = False) -> None:
        """A module's parameters, buffers and extra state.

        `strictly`: buffers that `state_dict()` leaves out must be on both sides, too.
        """
        _reshard(module)
        self._cuts.update(torch_states.cuts_of(module))
        live = torch_states.module_state(module)
        transient = live.pop(torch_states.NON_PERSISTENT, {})
        extra = {key: live.pop(key) for key in list(live) if _is_extra(key)}
        formed, passing = (
            {key: side.pop(key) for key in list(side) if _is_formed(side[key])}
            for side in (live, transient)
        )
        frame = entries_of(entries_of(self._frame).get(part))
        named, hidden = self._places_below(part, frame)
        taken: dict[int, str] = {}  # what is tied in the model, by the tensor's id
        for key in self._on_both(part, live, named):
            target = self._target(f"{part}.{key}", named[key], live[key], self.wrong)
            if target is None:
                continue
            first = taken.setdefault(id(target.tensor), key)
            if first == key:
                self._into.append(target)
            elif self._record(named[first]).digest != self._record(named[key]).digest:
                what = f"{part}.{key} is {part}.{first} in the model, not in the state"
                self.wrong.append(what)
        if strictly:
            self._on_both(part, transient, hidden)
        for key in transient.keys() & hidden.keys():
            wrong = self.wrong if strictly else []
            target = self._target(f"{part}.{key}", hidden[key], transient[key], wrong)
            self._into += [target] if target is not None else []
        self._extra(part, module, extra, frame)
        self._formed(part, module, formed, frame)
        if strictly:
            below = entries_of(frame.get(torch_states.NON_PERSISTENT))
            self._formed(part, module, passing, below)

    def optimizer(self, part: str, optimizer: Any, names: Mapping[int, str], module: str) -> None:
        """An optimizer's state, laid out beside it and put in place when everything fits.

        Args:
            part: its name in the state.
            optimizer: one over the same parameters, in the same groups and order.
            names: of parameters by id, to be compared; of others the place alone counts.
            module: the name of the module in the state that the names are of.
        """
        frame = entries_of(self._frame).get(part)
        if frame is None:
            self.wrong.append(f"{part} is not in the state")
            return
        value = skeleton.make(frame, self._leaf)
        groups, ours = value["param_groups"], optimizer.param_groups
        counts = [[len(group["params"]) for group in side] for side in (groups, ours)]
        if counts[0] != counts[1]:
            what = f"{part} has groups of {counts[0]} parameters in the state, {counts[1]} here"
            self.wrong.append(what)
            return
        parameters = {
            key: (parameter, mine)
            for theirs, mine in zip(groups, ours, strict=True)
            for key, parameter in zip(theirs["params"], mine["params"], strict=True)
        }
        state: dict[Any, Any] = {}
        for key, values in value["state"].items():
            parameter, group = parameters.get(key, (None, {}))
            here = names.get(id(parameter), key)
            if isinstance(key, str) and key not in (here, f"{module}.{here}"):
                self.wrong.append(f"{part}: {key} in the state is {here} here")
            place = f"{part}.state.{key}"
            beside = partial(self._beside, parameter, group)
            state[key if parameter is None else parameter] = self._filled(values, beside, place)
        settings = [
            {
                name: self._setting(mine.get(name), item, f"{part}.{name}")
                for name, item in theirs.items()
                if name != "params"
            }
            for theirs, mine in zip(groups, ours, strict=True)
        ]

        def give() -> None:
            optimizer.state.clear()
            optimizer.state.update(state)
            for mine, theirs in zip(ours, settings, strict=True):
                mine.update(theirs)

        self._ready.append(give)

    def thing(self, thing: Any, saved: Any, *, names_stay: bool) -> None:
        """What has a `load_state_dict`: a scheduler, a scaler, or something of the user's.

        `names_stay`: a dict of it has the same names on both sides.
        """
        name = type(thing).__name__
        before = copy.deepcopy(thing.state_dict())
        new = as_ours(saved, before, name, self.wrong, self.untold)
        dicts = isinstance(before, Mapping) and isinstance(saved, Mapping)
        if names_stay and dicts and set(before) != set(saved):
            differing = sorted(map(str, set(before) ^ set(saved)))
            self.wrong.append(f"{name} has other names in it: {', '.join(differing[:_NAMED])}")
        if new or before:  # a scaler that is off has nothing, and takes nothing
            self._calls.append((thing.load_state_dict, new, before))

    def do(self, what: str, *, hint: str = "", staged: bool = False) -> None:
        """Do it all, or refuse it all.

        Args:
            what: is given back, for what is said.
            hint: what to do where it does not fit.
            staged: read and verify everything before the first write, at the cost of its memory;
                else a leaf that turns out to be hurt leaves the model with parts of both.

        Raises:
            UsageError: something does not fit; lists all of it, and nothing was changed.
            NotFound: only digests were kept, or an object is gone; nothing was changed.
            Damaged: an object is hurt.
        """
        self.refuse(what, hint)
        sources.require(self._source, [(target.leaf, target.box()) for target in self._into])
        begun: list[bool] = []

        def before() -> None:
            _call(self._calls, what)
            begun.append(True)

        try:
            loading.fill(self._source, self._into, staged=staged, before=before)
        except (Damaged, NotFound) as error:
            if begun and not staged:
                error.facts["now"] = "what was loaded into holds parts of both"
            raise
        for give in self._ready:
            give()

    def refuse(self, what: str, hint: str = "") -> None:
        """UsageError with all that does not fit so far."""
        if not self.wrong:
            return
        count = len(self.wrong)
        more = [f"… and {count - _SHOWN} more"] if count > _SHOWN else []
        lines = "\n".join(f"  {line}" for line in [*self.wrong[:_SHOWN], *more])
        raise UsageError(
            f"{what} does not fit: {count} difference{'s' if count > 1 else ''}\n{lines}",
            hint=f"{hint}; nothing was changed" if hint else "nothing was changed",
        )

    def _places_below(
        self, part: str, frame: Mapping[Any, Any]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """The leaf at each place of a module, and at each that `state_dict()` leaves out."""
        hides = f"{torch_states.NON_PERSISTENT}."
        saved = {
            place.removeprefix(f"{part}."): leaf
            for place, leaf in skeleton.references(self._frame)
            if place.startswith(f"{part}.")
        }
        if not saved and part not in entries_of(self._frame):
            raise NotFound(f"the state holds no array below {part!r}")
        named = {
            key: leaf
            for key, leaf in saved.items()
            if not key.startswith(hides) and not _is_within(key, frame)
        }
        below = entries_of(frame.get(torch_states.NON_PERSISTENT))
        hidden = {
            key.removeprefix(hides): leaf for key, leaf in saved.items() if key.startswith(hides)
        }
        return named, {key: leaf for key, leaf in hidden.items() if not _is_within(key, below)}

    def _on_both(self, part: str, live: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
        """The keys that both have; those that one has alone do not fit."""
        for key in [*live, *(key for key in saved if key not in live)]:
            if key not in saved:
                self.wrong.append(f"{part}.{key} is in the model alone")
            elif key not in live:
                self.wrong.append(f"{part}.{key} is in the state alone")
        return [key for key in live if key in saved]

    def _extra(
        self, part: str, module: Any, extra: Mapping[str, Any], frame: Mapping[Any, Any]
    ) -> None:
        parts = dict(module.named_modules(remove_duplicate=False))
        saved = {key: mark for key, mark in frame.items() if _is_extra(key)}
        for key in self._on_both(part, extra, saved):
            owner = parts[key.removesuffix("_extra_state").removesuffix(".")]
            joined, place = self._joined(saved[key]), f"{part}.{key}"
            value = as_ours(joined, extra[key], place, self.wrong, self.untold)
            self._calls.append((owner.set_extra_state, value, extra[key]))

    def _formed(
        self, part: str, module: Any, live: Mapping[str, Any], frame: Mapping[Any, Any]
    ) -> None:
        """Sparse and quantised buffers: no memory to write into, so a new one is put there."""
        saved = {key: mark for key, mark in frame.items() if _is_form(mark)}
        for key in self._on_both(part, live, saved):
            ours, (owner, _, name) = live[key], key.rpartition(".")
            buffers = module.get_submodule(owner)._buffers
            new = self._joined(saved[key]).to_torch().to(ours.device)
            theirs, here = map(_form_of, (new, ours))
            if name not in buffers:
                self.wrong.append(
                    f"{part}.{key} is {here} and no buffer: only those are given back"
                )
            elif theirs != here:
                self.wrong.append(f"{part}.{key} is {theirs} in the state, {here} in the model")
            else:
                self._ready.append(partial(buffers.__setitem__, name, new))

    def _target(self, place: str, leaf: str, ours: Any, wrong: list[str]) -> Target | None:
        """Where a leaf goes, if it fits there: of a part of a tensor its dtype, and whole shape."""
        sharded = isinstance(ours, Shard)
        tensor = ours.value if sharded else ours
        record = self._record(leaf)
        if not leaves.is_array(tensor):
            wrong.append(f"{place} is no tensor in the model")
        elif _is_lazy(tensor):
            wrong.append(f"{place} has no memory yet: run the model once before")
        else:
            shape = tuple(ours.shape)
            if dtype_of(tensor) == record.dtype and shape == tuple(record.shape):
                return Target(leaf, tensor, tuple(ours.offset) if sharded else None)
            theirs, here = kind_of(record.dtype, record.shape), kind_of(dtype_of(tensor), shape)
            wrong.append(f"{place} is {theirs} in the state, {here} in the model")
        return None

    def _beside(self, parameter: Any, group: Mapping[str, Any], leaf: "_Leaf", name: str) -> Any:
        """Room for a tensor of an optimizer: with the strides of its parameter, on its device.

        The count of steps lies on the CPU, unless the optimizer is fused or inside of a graph.
        Like a parameter of which each rank has a part, it is a part.
        """
        torch = sys.modules["torch"]
        record = self._record(leaf.name)
        dtype = getattr(torch, record.dtype)
        cut = self._cuts.get(id(parameter))
        if cut is not None and cut.shape == tuple(record.shape) and name != "step":
            room = torch.empty_like(parameter, dtype=dtype, requires_grad=False)
            self._into.append(Target(leaf.name, room, (cut.begins,)))
            return room
        on_device = name != "step" or group.get("capturable") or group.get("fused")
        device = parameter.device if on_device and parameter is not None else "cpu"
        if parameter is not None and tuple(parameter.shape) == record.shape:
            room = torch.empty_like(parameter, dtype=dtype, device=device, requires_grad=False)
        else:
            sources.require(self._source, [(leaf.name, sources.all_of(record))])
            room = torch.empty(record.shape, dtype=dtype, device=device)
        part = of_this_rank(room)
        if isinstance(part, Shard):
            self._into.append(Target(leaf.name, part.value, tuple(part.offset)))
        else:
            self._into.append(Target(leaf.name, part))
        return room

    def _filled(
        self, value: Any, make: Callable[["_Leaf", str], Any], place: str, name: str = ""
    ) -> Any:
        """A plain value with what `make` gives in place of its leaves; `name` is the key above."""
        if isinstance(value, _Leaf):
            return make(value, name)
        if isinstance(value, dict):
            return type(value)(
                (key, self._filled(item, make, f"{place}.{key}", str(key)))
                for key, item in value.items()
            )
        if isinstance(value, (list, tuple)):
            return type(value)(self._filled(item, make, place, name) for item in value)
        if isinstance(value, Text):
            self.wrong.append(f"{place} could only be described")
        return value

    def _setting(self, ours: Any, saved: Any, place: str) -> Any:
        """A scalar of a parameter group; a tensor lies where the optimizer has it."""
        value = self._filled(saved, lambda leaf, _: self._read([leaf.name])[leaf.name], place)
        found = as_ours(value, ours, place, self.wrong, self.untold)
        return found.to(ours.device) if hasattr(found, "to") and hasattr(ours, "to") else found

    def _leaf(self, name: str, is_value: bool) -> Any:
        """What stands for a leaf; a scalar and bytes are read."""
        self._record(name)
        return self._read([name])[name] if is_value else _Leaf(name)

    def _record(self, name: str) -> LeafRecord:
        return self._source.records[name]

    def _joined(self, frame: Any) -> Any:
        """A part of the state as it was saved."""
        names = dict.fromkeys(leaf for _, leaf in skeleton.references(frame))
        return skeleton.join(frame, self._read(names))

    def _read(self, names: Any) -> dict[str, Any]:
        return loading.arrays_of(self._source, names, as_torch=True)


class _Leaf:
    """Stands for a leaf that is not read yet."""

    def __init__(self, name: str) -> None:
        self.name = name


def entries_of(frame: Any) -> dict[Any, Any]:
    """The skeletons of a dict's values by key, whatever mark it has; empty where it is none."""
    if isinstance(frame, dict) and len(frame) == 1 and next(iter(frame)) in ("$dict", "$ordered"):
        return {key: item for key, item in next(iter(frame.values())) if isinstance(key, str)}
    return frame if isinstance(frame, dict) else {}


def _reshard(module: Any) -> None:
    """A model that has put its parameters together for use shows whole ones, and drops them."""
    fsdp = getattr(sys.modules.get("torch.distributed.fsdp"), "FSDPModule", ())
    for part in module.modules():
        if isinstance(part, fsdp):
            part.reshard()


def _is_extra(key: Any) -> bool:
    return key == "_extra_state" or str(key).endswith("._extra_state")


def _is_form(mark: Any) -> bool:
    return isinstance(mark, dict) and not {"$sparse", "$quantized"}.isdisjoint(mark)


def _is_within(key: str, frame: Mapping[Any, Any]) -> bool:
    """Whether a place lies in a module's extra state, or in a sparse or quantised tensor."""
    within = [name for name, mark in frame.items() if _is_extra(name) or _is_form(mark)]
    return any(key == name or key.startswith(f"{name}.") for name in within)


def _is_formed(tensor: Any) -> bool:
    torch = sys.modules["torch"]
    plain = isinstance(tensor, torch.Tensor)
    return plain and (tensor.is_quantized or tensor.layout is not torch.strided)


def _form_of(tensor: Any) -> str:
    layout = str(tensor.layout).removeprefix("torch.")
    return f"{layout} {kind_of(dtype_of(tensor), tuple(tensor.shape))}"


def _is_lazy(array: Any) -> bool:
    return bool(sys.modules["torch"].nn.parameter.is_lazy(array))


def _call(calls: Sequence[tuple[Callable[[Any], object], Any, Any]], what: str) -> None:
    """Call what may fail; what was done before a failure is taken back."""
    done: list[tuple[Callable[[Any], object], Any]] = []
    for load, new, before in calls:
        done.append((load, before))
        try:
            load(new)
        except Exception as error:
            for undo, earlier in reversed(done):
                _undo(undo, earlier)
            who = type(getattr(load, "__self__", load)).__name__
            raise UsageError(
                f"{what} does not fit: {who} does not take it: {error}",
                hint="it is not as it was; nothing was changed",
            ) from error


def _undo(load: Callable[[Any], object], before: Any) -> None:
    try:
        load(before)
    except Exception:
        pass  # it took nothing, and does not take its own either
