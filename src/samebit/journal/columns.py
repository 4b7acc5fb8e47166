"""Scalars that change step after step, held back for a moment and packed as columns of differences.

A learning rate moves a little at every step. Written one by one, a change costs a frame; here the
bits of neighbouring values are subtracted from each other until small integers are left, of which
msgpack makes a byte each. Every bit comes back (`docs/formats/journal.md`).
"""

import math
import struct
from collections.abc import Mapping, Sequence
from itertools import accumulate, islice
from operator import sub
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["MOST_HELD", "Block", "Held", "pack_column", "unpack", "unpack_column"]

MOST_HELD = 512  # values; packing so many takes a tenth of a millisecond
_MOST_IN_A_LIST = 8  # betas have two
_MOST_ORDER = 3  # a cosine's third differences are the rounding of its last bits
_MOST_ROWS = 1 << 16  # of a column that is read: a stranger's count must not fill the memory
_encode = msgspec.msgpack.Encoder().encode

_Key = tuple[int, int, str]


class Block(Struct, frozen=True):
    """One scalar's changes, in order."""

    optimizer: int
    group: int
    name: str
    counts: list[int]
    values: list[Any]  # floats, or lists of floats


class Held:
    """Changes that have not been written yet: floats, and short lists of floats, by their scalar.

    The first value of a scalar is never taken, nor any that is no float: those are written at once.
    """

    def __init__(self) -> None:
        self.size = 0  # values
        self._lengths: dict[_Key, int] = {}  # 0 for a float; what is not here is not taken
        # One append per change: a signal handler in between finds whole pairs.
        self._changes: dict[_Key, list[tuple[int, Any]]] = {}

    def take(self, optimizer: int, count: int, group: int, values: Mapping[str, Any]) -> bool:
        """Hold back the changes of a group; False where any of them has to be written at once."""
        for name, value in values.items():
            length = self._lengths.get((optimizer, group, name), -1)
            if length < 0 or length != _length(value):
                self._learn(optimizer, group, values)
                return False
        for name, value in values.items():
            self._changes.setdefault((optimizer, group, name), []).append((count, value))
        self.size += len(values)
        return True

    def _learn(self, optimizer: int, group: int, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._lengths[optimizer, group, name] = _length(value)

    def release(self) -> list[Any] | None:
        """What is held, as the items of a frame after its kind; None where nothing is."""
        changes, self._changes, self.size = self._changes, {}, 0
        if not changes:
            return None
        places: dict[bytes, int] = {}
        packed: list[list[int]] = []

        def place(bits: bytes) -> int:
            # Groups with the same values share a column; so do all that change at the same steps.
            if bits not in places:
                places[bits] = len(packed)
                packed.append(pack_column(struct.unpack(f"<{len(bits) // 8}q", bits)))
            return places[bits]

        blocks: list[list[Any]] = []
        for (optimizer, group, name), pairs in changes.items():
            size = len(pairs)
            counts, values = zip(*pairs, strict=True)
            counts_at = place(struct.pack(f"<{size}q", *counts))
            values_at = (
                [place(struct.pack(f"<{size}d", *item)) for item in zip(*values, strict=True)]
                if isinstance(values[0], list)
                else place(struct.pack(f"<{size}d", *values))
            )
            blocks.append([optimizer, group, name, counts_at, values_at])
        return [packed, blocks]


def _length(value: Any) -> int:
    """0 for a float, how many for a list of floats, -1 for what has to be written at once."""
    if type(value) is float:
        return 0
    if type(value) is list and 0 < len(value) <= _MOST_IN_A_LIST:
        return len(value) if all(type(item) is float for item in value) else -1
    return -1


def pack_column(bits: Sequence[int]) -> list[int]:
    """Length, order, and the differences of that order; zeros at the end are left out."""
    best: list[int] = []
    size = math.inf
    found = list(bits)
    for order in range(_MOST_ORDER + 1):
        if order:
            found = [found[0], *map(sub, islice(found, 1, None), found)]
        column = [len(bits), order, *_without_zeros(found)]
        try:
            length = len(_encode(column))
        except OverflowError:  # beyond 64 bits; order 0 is not
            continue
        if length < size:
            best, size = column, length
    return best


def _without_zeros(numbers: list[int]) -> list[int]:
    end = len(numbers)
    while end and not numbers[end - 1]:
        end -= 1
    return numbers[:end]


def unpack_column(column: Sequence[int]) -> list[int]:
    """The numbers of which a column was made; ValueError where it is none."""
    size, order, *numbers = column
    if not (len(numbers) <= size <= _MOST_ROWS and 0 <= order <= _MOST_ORDER):
        raise ValueError("no column of ours")
    numbers += [0] * (size - len(numbers))
    for _ in range(order):
        numbers = list(accumulate(numbers))
    return numbers


def unpack(items: Sequence[Any]) -> list[Block] | None:
    """The scalars of a frame, or None where it is not whole: a stranger may have written it."""
    try:
        _, packed, found = items[:3]
        if sum(column[0] for column in packed) > _MOST_ROWS:
            return None
        bits = [_numbers(column) for column in packed]
        blocks = [_block(bits, *block) for block in found]
    except (TypeError, ValueError, LookupError, struct.error):
        return None
    return blocks if sum(len(block.counts) for block in blocks) <= _MOST_ROWS else None


def _numbers(column: Any) -> list[int]:
    if not all(type(number) is int for number in column):
        raise ValueError("no column of ours")
    return unpack_column(column)


def _block(
    bits: Sequence[list[int]], optimizer: Any, group: Any, name: Any, counts_at: Any, values_at: Any
) -> Block:
    if not (type(optimizer) is int and type(group) is int and isinstance(name, str)):
        raise ValueError("no block of ours")
    counts = bits[counts_at]
    values: list[Any] = (
        [list(row) for row in zip(*[_floats(bits[at]) for at in values_at], strict=True)]
        if isinstance(values_at, list)
        else list(_floats(bits[values_at]))
    )
    if len(values) != len(counts):
        raise ValueError("a value for each count")
    return Block(optimizer, group, name, counts, values)


def _floats(bits: Sequence[int]) -> tuple[float, ...]:
    return struct.unpack(f"<{len(bits)}d", struct.pack(f"<{len(bits)}q", *bits))
