"""A plain value that was saved, as the living object has it: of its types, and what stays its own.

No type is looked up by a name that a file says; where one is needed it is the living object's.
"""

import enum
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from samebit.states import leaves, skeleton
from samebit.states.described import Strange
from samebit.states.forms import Described, Named, Text, type_name

__all__ = ["as_ours", "dtype_of", "kind_of"]


def as_ours(saved: Any, ours: Any, place: str, wrong: list[str], untold: list[str]) -> Any:
    """A saved value as the object has it: NumPy's arrays again, and its own types.

    What is only described stays as the object has it, if its description is the same.
    """
    if isinstance(saved, (Described, Named)):
        return _of_type(saved, ours, place, wrong, untold)
    if isinstance(saved, Text):
        text, said = _described(ours)
        if saved.text != text:
            what = f"{place} was {saved.text}, of which there is only this description"
            wrong.append(what)
        elif not said:
            untold.append(place)
        return ours
    if leaves.is_array(saved):
        if leaves.is_array(ours):
            theirs, here = (kind_of(dtype_of(one), tuple(one.shape)) for one in (saved, ours))
            if theirs != here:
                wrong.append(f"{place} is {theirs} in the state, {here} here")
            if not hasattr(ours, "detach") and hasattr(saved, "detach"):
                return saved.numpy()
        return saved
    if isinstance(saved, Mapping):
        of = ours if isinstance(ours, Mapping) else {}
        found = {k: as_ours(v, of.get(k), f"{place}.{k}", wrong, untold) for k, v in saved.items()}
        return OrderedDict(found) if isinstance(saved, OrderedDict) else found
    if isinstance(saved, (list, tuple)):
        of = ours if isinstance(ours, (list, tuple)) and len(ours) == len(saved) else ()
        mine = [*of, *[None] * (len(saved) - len(of))]
        row = [
            as_ours(item, mine[at], f"{place}.{at}", wrong, untold) for at, item in enumerate(saved)
        ]
        return row if isinstance(saved, list) else tuple(row)
    return saved


def _of_type(
    saved: Described | Named, ours: Any, place: str, wrong: list[str], untold: list[str]
) -> Any:
    """An object of a type that only the living one has: made of it, or the living one."""
    if type_name(ours) == saved.type:
        if isinstance(ours, enum.Enum) and str(saved.content) in type(ours).__members__:
            return type(ours)[str(saved.content)]
        if isinstance(saved, Named) and tuple(saved.content) == getattr(ours, "_fields", ()):
            fields = {
                name: as_ours(item, getattr(ours, name), f"{place}.{name}", wrong, untold)
                for name, item in saved.content.items()
            }
            return type(ours)(**fields)
    if _marked(saved) != _marked(ours):
        wrong.append(f"{place} was another {saved.type}, which only the script can make")
    return ours


def dtype_of(array: Any) -> str:
    """The dtype of an array by the name that a state has for it."""
    return str(array.dtype).removeprefix("torch.")


def kind_of(dtype: str, shape: tuple[int, ...]) -> str:
    """Dtype and shape in words."""
    return f"{dtype} {'×'.join(map(str, shape)) or 'scalar'}"


def _described(value: Any) -> tuple[str, bool]:
    """What a state says of a value that it can only describe, and whether that tells all of it."""
    strange: list[Strange] = []
    frame, _ = skeleton.split([value], "text", strange)
    text = frame[0]["$text"] if isinstance(frame[0], dict) and "$text" in frame[0] else ""
    return text, all(one.tells for one in strange)


def _marked(value: Any) -> tuple[Any, ...]:
    """What a state has of a value; equal of equal ones."""
    frame, arrays = skeleton.split([value], "text")
    words = {name: leaves.canonical(array) for name, array in arrays.items()}
    return frame, {name: (one.dtype, one.shape, bytes(one.data)) for name, one in words.items()}
