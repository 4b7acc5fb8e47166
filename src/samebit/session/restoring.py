"""A checkpoint back into the objects it was taken from: all of it, or nothing.

Names, shapes and dtypes are compared before the first write. What may still fail then is code of
others (`load_state_dict` of a scheduler): it comes first, and is taken back where it fails.
"""

import copy
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from samebit.errors import UsageError
from samebit.states import leaves, skeleton
from samebit.states import torch as torch_states
from samebit.states.skeleton import Text

__all__ = ["Into", "restore"]

_NAMED = 6  # differences that are told one by one


@dataclass(frozen=True)
class Into:
    """The objects of this process, each list in the order of its kind."""

    modules: Sequence[Any]
    optimizers: Sequence[Any]
    schedulers: Sequence[Any]
    scalers: Sequence[Any]
    others: Sequence[Any]
    generators: Sequence[Any]


def restore(state: Mapping[str, Any], into: Into, name: str) -> None:
    """Give the objects the state of a checkpoint, in place.

    Args:
        state: the whole of it, as it was saved, its arrays as tensors.
        into: what to give it to.
        name: of the checkpoint, for what is said.

    Raises:
        UsageError: an object has other arrays than the checkpoint, or is missing; nothing of any
            object was changed.
    """
    progress = state["progress"]
    modules = [state[name] for name in progress["modules"]]
    optimizers = [state[_numbered(at)] for at in range(len(progress["optimizers"]))]
    wrong = [
        *_count("module", modules, into.modules),
        *_count("optimizer", optimizers, into.optimizers),
        *_count("scheduler", state["schedulers"], into.schedulers),
        *_count("scaler", state["scalers"], into.scalers),
        *_count("other object", state["others"], into.others),
        *_count("generator", progress["generators"], into.generators),
    ]
    if wrong:
        raise _refused(name, wrong, "give it what watch() or resume_state() was given before")
    copies: list[tuple[Any, Any]] = []  # into, from
    calls: list[tuple[Callable[[Any], object], Any, Any]] = []  # load, what, what was there before
    for at, (saved, module) in enumerate(zip(modules, into.modules, strict=True)):
        wrong += _module(progress["modules"][at], saved, module, copies, calls)
    ready: list[Callable[[], None]] = []
    for at, (saved, optimizer) in enumerate(zip(optimizers, into.optimizers, strict=True)):
        wrong += _optimizer(_numbered(at), saved, optimizer, ready)
    for kind in ("schedulers", "scalers", "others"):
        for saved, thing in zip(state[kind], getattr(into, kind), strict=True):
            wrong += _object(type(thing).__name__, saved, thing, calls)
    if wrong:
        raise _refused(name, wrong, "the model, or what trains it, is not as it was")
    _call(calls, name)
    with sys.modules["torch"].no_grad() if copies else nullcontext():
        for ours, theirs in copies:
            ours.copy_(theirs)
    for give in ready:
        give()


def _numbered(at: int) -> str:
    return "optimizer" if not at else f"optimizer_{at + 1}"


def _refused(name: str, wrong: Sequence[str], hint: str) -> UsageError:
    more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    what = f"{name} does not fit: {'; '.join(wrong[:_NAMED])}{more}"
    return UsageError(what, hint=f"{hint}; nothing was changed")


def _count(kind: str, saved: Sequence[Any], ours: Sequence[Any]) -> list[str]:
    if len(saved) == len(ours):
        return []
    return [f"it has {len(saved)} of the kind {kind}, and was given {len(ours)}"]


def _module(
    name: str,
    saved: Mapping[str, Any],
    module: Any,
    copies: list[tuple[Any, Any]],
    calls: list[tuple[Callable[[Any], object], Any, Any]],
) -> list[str]:
    ours = torch_states.module_state(module)
    wrong: list[str] = []
    parts = dict(module.named_modules(remove_duplicate=False))
    for place, mine, theirs in _pairs(ours, saved, name, wrong):
        key = place.removeprefix(f"{name}.")
        if key == "_extra_state" or key.endswith("._extra_state"):
            part = parts[key.removesuffix("_extra_state").removesuffix(".")]
            calls.append((part.set_extra_state, _like(theirs, mine, place, wrong), mine))
        elif _fits(place, mine, theirs, wrong):
            copies.append((mine.detach(), theirs))
    return wrong


def _pairs(
    ours: Mapping[str, Any], saved: Mapping[str, Any], name: str, wrong: list[str]
) -> list[tuple[str, Any, Any]]:
    """What both have, by place; buffers that `state_dict()` leaves out are a dict below."""
    found: list[tuple[str, Any, Any]] = []
    for key in [*ours, *(key for key in saved if key not in ours)]:
        place = f"{name}.{key}"
        if key not in saved:
            wrong.append(f"{place} is not in it")
        elif key not in ours:
            wrong.append(f"{place} is in it alone")
        elif key == torch_states.NON_PERSISTENT:
            found += _pairs(ours[key], saved[key], place, wrong)
        else:
            found.append((place, ours[key], saved[key]))
    return found


def _fits(place: str, ours: Any, saved: Any, wrong: list[str]) -> bool:
    if not leaves.is_array(ours) or not leaves.is_array(saved):
        wrong.append(f"{place} could only be described")
    elif _is_lazy(ours):
        wrong.append(f"{place} has no memory yet: run the model once before")
    elif str(ours.dtype) != str(saved.dtype) or tuple(ours.shape) != tuple(saved.shape):
        wrong.append(f"{place} is {_kind(saved)} in it and {_kind(ours)} here")
    else:
        return True
    return False


def _is_lazy(array: Any) -> bool:
    return bool(sys.modules["torch"].nn.parameter.is_lazy(array))


def _kind(array: Any) -> str:
    dtype = str(array.dtype).removeprefix("torch.")
    return f"{dtype} {'×'.join(map(str, array.shape)) or 'scalar'}"


def _optimizer(
    name: str, saved: Mapping[str, Any], optimizer: Any, ready: list[Callable[[], None]]
) -> list[str]:
    """Lay an optimizer's state out beside it; it is put in place when everything fits."""
    groups, ours = saved["param_groups"], optimizer.param_groups
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in ours]:
        counts = [[len(group["params"]) for group in side] for side in (groups, ours)]
        return [f"{name} has groups of {counts[0]} parameters in it and of {counts[1]} here"]
    parameters = {
        key: parameter
        for theirs, mine in zip(groups, ours, strict=True)
        for key, parameter in zip(theirs["params"], mine["params"], strict=True)
    }
    wrong: list[str] = []
    state: dict[Any, Any] = {}
    for key, values in saved["state"].items():
        parameter = parameters.get(key)
        group = next((g for g in ours if any(parameter is p for p in g["params"])), {})
        of = {
            part: _beside(value, parameter, part, group, f"{name}.state.{key}.{part}", wrong)
            for part, value in values.items()
        }
        state[parameter if parameter is not None else key] = of
    settings = [
        {
            part: _setting(mine.get(part), value, f"{name}.{part}", wrong)
            for part, value in theirs.items()
            if part != "params"
        }
        for theirs, mine in zip(groups, ours, strict=True)
    ]

    def give() -> None:
        optimizer.state.clear()
        optimizer.state.update(state)
        for mine, theirs in zip(ours, settings, strict=True):
            mine.update(theirs)

    ready.append(give)
    return wrong


def _beside(
    value: Any, parameter: Any, part: str, group: Mapping[str, Any], place: str, wrong: list[str]
) -> Any:
    """A value of an optimizer's state where that keeps it: like the parameter, and on its device.

    The count of steps lies on the CPU, unless the optimizer runs inside of a graph or is fused.
    """
    if isinstance(value, (list, tuple)):
        items = [_beside(item, parameter, part, group, place, wrong) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, Text):
        wrong.append(f"{place} could only be described")
        return value
    if not leaves.is_array(value) or parameter is None:
        return value
    torch = sys.modules["torch"]
    on_device = part != "step" or group.get("capturable") or group.get("fused")
    device = parameter.device if on_device else "cpu"
    if value.shape != parameter.shape:
        return value.to(device)
    # With the strides of its parameter, as those have that an optimizer makes for itself.
    with torch.no_grad():
        return torch.empty_like(parameter, dtype=value.dtype, device=device).copy_(value).detach()


def _setting(ours: Any, saved: Any, place: str, wrong: list[str]) -> Any:
    """A scalar of a parameter group; a tensor lies where the optimizer has it."""
    found = _like(saved, ours, place, wrong)
    return found.to(ours.device) if hasattr(found, "to") and hasattr(ours, "to") else found


def _object(
    name: str,
    saved: Any,
    thing: Any,
    calls: list[tuple[Callable[[Any], object], Any, Any]],
) -> list[str]:
    before = copy.deepcopy(thing.state_dict())
    wrong: list[str] = []
    new = _like(saved, before, name, wrong)
    if isinstance(before, Mapping) and isinstance(saved, Mapping) and set(before) != set(saved):
        differing = sorted(map(str, set(before) ^ set(saved)))
        wrong.append(f"{name} has other names in it: {', '.join(differing[:_NAMED])}")
    if new or before:  # a scaler that is off has nothing, and takes nothing
        calls.append((thing.load_state_dict, new, before))
    return wrong


def _like(saved: Any, ours: Any, place: str, wrong: list[str]) -> Any:
    """A saved value as the object has it: NumPy's arrays again, and what could only be described.

    The latter stays as the object has it, if its description is the same.
    """
    if isinstance(saved, Text):
        if saved.text != _described(ours):
            wrong.append(f"{place} was {saved.text}, of which there is only this description")
        return ours
    if leaves.is_array(saved):
        if leaves.is_array(ours):
            _fits(place, ours, saved, wrong)
            if not hasattr(ours, "detach") and hasattr(saved, "detach"):
                return saved.numpy()
        return saved
    if isinstance(saved, Mapping):
        of = ours if isinstance(ours, Mapping) else {}
        items = ((k, _like(v, of.get(k), f"{place}.{k}", wrong)) for k, v in saved.items())
        found = dict(items)
        return OrderedDict(found) if isinstance(saved, OrderedDict) else found
    if isinstance(saved, (list, tuple)):
        of = ours if isinstance(ours, (list, tuple)) and len(ours) == len(saved) else ()
        mine = [*of, *[None] * (len(saved) - len(of))]
        row = [_like(item, mine[at], f"{place}.{at}", wrong) for at, item in enumerate(saved)]
        return row if isinstance(saved, list) else tuple(row)
    return saved


def _described(value: Any) -> str:
    """What a state says of a value that it can only describe."""
    frame, _ = skeleton.split([value], "text")
    return frame[0]["$text"] if isinstance(frame[0], dict) and "$text" in frame[0] else ""


def _call(calls: Sequence[tuple[Callable[[Any], object], Any, Any]], name: str) -> None:
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
            raise _refused(name, [f"{who} does not take it: {error}"], "it is not as it was") from (
                error
            )


def _undo(load: Callable[[Any], object], before: Any) -> None:
    try:
        load(before)
    except Exception:
        pass  # it took nothing, and does not take its own either
