"""The parts of sharded tensors, put together from the states of all ranks.

Writers never talk to each other; each says where its part begins. Whoever reads puts them
together here, and is told where a part is missing.
"""

import math
from collections.abc import Sequence
from typing import Any

from samebit.errors import Damaged, UsageError
from samebit.states import leaves
from samebit.states.forms import Shard

__all__ = ["assemble"]


def assemble(states: Sequence[Any]) -> Any:
    """The loaded states of all ranks as one: each sharded tensor whole, all else from the first.

    A part that several ranks have (replicas of shards) must be the same on each.

    Raises:
        UsageError: parts are missing, as where not all ranks are given.
        Damaged: parts do not fit the whole, overlap, or differ between replicas.
    """
    if not states:
        raise UsageError("there is no state to assemble")
    return _assemble(states[0], states, "")


def _assemble(first: Any, states: Sequence[Any], path: str) -> Any:
    if isinstance(first, Shard) or any(isinstance(state, Shard) for state in states):
        return _whole(states, path)
    if isinstance(first, dict):
        return type(first)(
            (key, _assemble(item, _each(states, key), f"{path}.{key}".lstrip(".")))
            for key, item in first.items()
        )
    if type(first) in (list, tuple):
        return type(first)(
            _assemble(item, _each(states, i), f"{path}.{i}".lstrip("."))
            for i, item in enumerate(first)
        )
    return first


def _each(states: Sequence[Any], key: Any) -> list[Any]:
    """What each rank holds at one place; a rank that has no such place holds nothing of it."""
    found: list[Any] = []
    for state in states:
        try:
            found.append(state[key])
        except (KeyError, IndexError, TypeError):
            continue
    return found


def _whole(states: Sequence[Any], path: str) -> Any:
    """One tensor from its parts, which are checked before the whole is made room for."""
    parts: dict[tuple[int, ...], Any] = {}
    if not all(isinstance(state, Shard) for state in states):
        raise Damaged("a tensor is sharded on one rank and whole on another", at=path)
    shape = tuple(states[0].shape)
    for shard in states:
        part = shard.value
        if not leaves.is_array(part) or tuple(shard.shape) != shape:
            raise Damaged("ranks do not agree on the shape of a sharded tensor", at=path)
        if 0 in part.shape and 0 not in shape:
            continue  # of an uneven split this rank got nothing
        known = parts.setdefault(tuple(shard.offset), part)
        if known is not part and leaves.canonical(known) != leaves.canonical(part):
            raise Damaged("replicas of a part of a sharded tensor differ", at=path)
    for offset, part in parts.items():
        ends = [start + length for start, length in zip(offset, part.shape, strict=False)]
        if not (len(offset) == part.ndim == len(shape)) or any(map(int.__gt__, ends, shape)):
            raise Damaged("a part of a sharded tensor lies outside it", at=path, shape=shape)
        if part.dtype != next(iter(parts.values())).dtype:
            raise Damaged("parts of a sharded tensor have several dtypes", at=path)
    _refuse_overlaps(parts, path)
    found = sum(math.prod(part.shape) for part in parts.values())
    if found != math.prod(shape) or not parts:
        raise UsageError(
            f"a sharded tensor is not whole: {found} of {math.prod(shape)} elements are here",
            at=path,
            hint="give the states of all ranks",
        )
    one = next(iter(parts.values()))
    whole = one.new_empty(shape) if hasattr(one, "new_empty") else _empty_like(one, shape)
    for offset, part in parts.items():
        places = zip(offset, part.shape, strict=True)
        whole[tuple(slice(start, start + length) for start, length in places)] = part
    return whole


def _refuse_overlaps(parts: dict[tuple[int, ...], Any], path: str) -> None:
    # By the first axis, so that of very many parts few are compared.
    active: list[tuple[tuple[int, ...], Any]] = []
    for offset, part in sorted(parts.items(), key=lambda one: one[0]):
        if not offset:
            return
        active = [(at, other) for at, other in active if at[0] + other.shape[0] > offset[0]]
        for at, other in active:
            axes = zip(at, other.shape, offset, part.shape, strict=True)
            if all(a < b + length and b < a + size for a, size, b, length in axes):
                raise Damaged("parts of a sharded tensor overlap", at=path)
        active.append((offset, part))


def _empty_like(array: Any, shape: tuple[int, ...]) -> Any:
    import numpy  # noqa: PLC0415  (a lazy door; loaded already, for the array)

    return numpy.empty(shape, array.dtype)
