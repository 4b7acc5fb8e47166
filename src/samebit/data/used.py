"""What data a training uses: its fingerprint, what can be said of it, and its content to be kept.

It is asked once, before the training, within bounds that are numbers and no times: what is beyond
has another kind of fingerprint, or none, and a note that says so.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.data import datasets, fingerprints, stowing
from samebit.data.arrays import is_array
from samebit.data.forms import Fingerprint
from samebit.data.members import numpy
from samebit.data.parts import class_name, row_count
from samebit.data.row_ids import size_bytes, texts_of
from samebit.data.stowing import Stowed
from samebit.errors import SamebitError, UsageError

__all__ = ["SAMPLE", "Used", "describe", "path_of", "too_large"]

SAMPLE = 2_000  # items of a data set that is read item by item


class Used(Struct, frozen=True):
    """Data as it was when it was looked at.

    Attributes:
        what: its class.
        rows: how many, where that is known.
        fingerprint: its `name` is None where there is none; its notes say why.
        stowed: its content, where that is to be kept and can be.
    """

    what: str
    rows: int | None
    fingerprint: Fingerprint
    stowed: Stowed | None = None


class _TooLarge(Exception):
    """The items that were to be kept do not fit."""


def path_of(value: Any) -> Path | None:
    """The file or folder that a script means by a path; None of what is data itself.

    Raises UsageError for the address of a place elsewhere.
    """
    if isinstance(value, str) and "://" in value:
        raise UsageError(
            f"{value.partition('://')[0]}:// is not read: the data must lie here",
            hint="hand over the file that it was copied to, or the arrays or frames read from it",
        )
    return Path(value) if isinstance(value, (str, os.PathLike)) else None


def describe(value: Any, *, sample: int | None, most_bytes: int, keep: bool) -> Used:
    """Take the fingerprint of data, and its content where that is to be kept.

    No generator of the program is moved. What cannot be kept is in the notes.

    Args:
        value: an array, frame or table; a data set of torch or Hugging Face; a list of items; a
            dict or tuple of these.
        sample: of data that is read item by item, at most so many items; None for all.
        most_bytes: arrays and tables above it have no fingerprint, and items above it are not
            kept.
        keep: whether the content is to be kept.

    Raises:
        UsageError: it has no fingerprint by its kind, or something in it has no bytes.
    """
    what, rows = class_name(value), _rows(value)
    if _is_of_arrays(value):
        return _of_arrays(value, what, rows, most_bytes, keep=keep)
    if keep and isinstance(value, (Mapping, tuple)):
        found = _read(value, sample, None)
        return Used(what, rows, _noted(found, "not kept: give each by a call of its own"))
    if keep:
        held: list[Any] = []
        try:
            found = _read(value, None, _keeper(held, most_bytes))
            return _with_items(Used(what, rows, found), held)
        except _TooLarge:
            note = f"not kept: its items have more than {most_bytes >> 20} MiB"
            found = _read(value, sample, None)
            return Used(what, rows, _noted(found, note))
    return Used(what, rows, _read(value, sample, None))


def _rows(value: Any) -> int | None:
    if isinstance(value, Mapping):
        counts = set(map(row_count, value.values()))
        return counts.pop() if len(counts) == 1 else None
    return row_count(value)


def _members(value: Any) -> tuple[Any, ...] | None:
    """What data is made of, as a dict, a tuple or a list of data is; else None."""
    if isinstance(value, Mapping):
        return tuple(value.values())
    if isinstance(value, (tuple, list)) and texts_of(value) is None:
        return tuple(value)
    found = stowing.tensors_under(value)
    return None if found is None else found[0]


def _is_of_arrays(value: Any) -> bool:
    """Whether it is an array or table, or a dict, tuple or list of nothing else."""
    members = _members(value)
    if members is not None:
        return bool(members) and all(map(_is_of_arrays, members))
    return is_array(value) or size_bytes(value) is not None


def _size_bytes(value: Any) -> int:
    members = _members(value)
    return sum(map(_size_bytes, members)) if members is not None else size_bytes(value) or 0


def _of_arrays(value: Any, what: str, rows: int | None, most_bytes: int, *, keep: bool) -> Used:
    if _size_bytes(value) > most_bytes:
        return Used(what, rows, too_large(most_bytes))
    found = _fingerprint(value)
    if not keep:
        return Used(what, rows, found)
    try:
        return Used(what, rows, found, stowing.stow(value))
    except SamebitError as error:
        return Used(what, rows, _noted(found, f"not kept: {error.what}"))


def _fingerprint(value: Any) -> Fingerprint:
    if isinstance(value, Mapping):
        return fingerprints.group({name: _fingerprint(one) for name, one in value.items()})
    if isinstance(value, list) and (texts := texts_of(value)) is not None:
        return fingerprints.fingerprint(numpy().asarray(texts, "U"))
    if isinstance(value, (tuple, list)):
        return fingerprints.group({str(at): _fingerprint(one) for at, one in enumerate(value)})
    return fingerprints.fingerprint(value)


def _read(value: Any, sample: int | None, keep: Callable[[Any], None] | None) -> Fingerprint:
    """The fingerprint of what is read item by item."""
    if isinstance(value, tuple):
        value = {str(at): one for at, one in enumerate(value)}
    if not isinstance(value, list):
        return fingerprints.fingerprint(value, sample=sample, keep=keep)
    if not value:
        raise UsageError("a list of nothing has no fingerprint")
    if keep is not None:
        for item in value:
            keep(item)
    return datasets.of_list(value)


def _keeper(held: list[Any], most_bytes: int) -> Callable[[Any], None]:
    total = 0

    def keep(item: Any) -> None:
        nonlocal total
        total += stowing.item_bytes(item)
        if total > most_bytes:
            held.clear()
            raise _TooLarge
        held.append(item)

    return keep


def _with_items(used: Used, held: Sequence[Any]) -> Used:
    """With the items that were read, if they are what the fingerprint is of."""
    found = used.fingerprint
    if found.name is None or not found.is_whole:
        return Used(used.what, used.rows, _noted(found, "not kept: its items are random"))
    try:
        stowed = stowing.stow_items(held)
        again = stowing.unstow(stowed)
        if datasets.of_list(again, streamed=found.kind == "stream").name != found.name:
            note = "not kept: its items do not come back as they were"
            return Used(used.what, used.rows, _noted(found, note))
    except SamebitError as error:
        return Used(used.what, used.rows, _noted(found, f"not kept: {error.what}"))
    return Used(used.what, used.rows, found, stowed)


def too_large(most_bytes: int) -> Fingerprint:
    """What there is of data that is not read."""
    note = f"larger than {most_bytes >> 20} MiB (files.hash_budget_mb): not read"
    return Fingerprint("", None, notes=(note,))


def _noted(found: Fingerprint, note: str) -> Fingerprint:
    return Fingerprint(found.kind, found.name, found.counts, found.parts, (*found.notes, note))
