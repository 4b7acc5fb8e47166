"""What a script hands over as the parts of its data: row numbers, masks, subsets, rows, ids."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.data import arrays, fingerprints, row_ids
from samebit.data.members import numpy
from samebit.data.row_ids import Most, Rows
from samebit.data.splitting import Draft, Key, key_of
from samebit.errors import SamebitError, UsageError

__all__ = [
    "base_of",
    "class_name",
    "draft_of",
    "few_of",
    "innermost",
    "known_of",
    "row_count",
    "row_numbers",
]

_NAMED = 3  # rows that an error names


class _Chosen(Struct, frozen=True):
    """One part, as what it was handed over."""

    numbers: Any = None  # row numbers
    of: Any = None  # the data that they are rows of, where the part says it
    rows: int | None = None  # of that data
    held: Any = None  # or the rows themselves, or their ids


class Known(Struct, frozen=True):
    """What data is, as far as that was asked for."""

    what: str
    rows: int | None
    ids: Rows | None
    fingerprint: str | None
    notes: tuple[str, ...]


def draft_of(
    parts: Mapping[str, Any], *, of: Any = None, labels: Any = None, groups: Any = None, most: Most
) -> Draft:
    """A split of what a script handed over.

    Args:
        parts: by name; see `Run.splits`.
        of: the data that they are parts of.
        labels: a value for each row of the data, or for each row of each part, by its name.
        groups: the same.
        most: of how much data ids and fingerprints are made.

    Raises:
        UsageError: a part is none, or has a row that the data lacks.
    """
    if not parts:
        raise UsageError("a split has no parts", hint="name them: run.splits(train=…, test=…)")
    chosen = {_name(name): _choose(name, part) for name, part in parts.items()}
    bases = {id(one.of): one.of for one in chosen.values() if one.of is not None}
    if of is None and len(bases) == 1:
        (of,) = bases.values()
    if of is None and all(one.held is not None for one in chosen.values()):
        return _of_parts(chosen, labels, groups, most)
    if len(bases) > 1 or any(base is not of for base in bases.values()):
        raise UsageError(
            "the parts are subsets of different data",
            data=", ".join(class_name(base) for base in bases.values()),
            hint="record a split for each, or name with of= what all are parts of",
        )
    known = known_of(of, most) if of is not None else Known("", None, None, None, ())
    lengths = {one.rows for one in chosen.values() if one.rows is not None}
    rows = known.rows if known.rows is not None else max(lengths, default=None)
    numbers = {name: _numbers_of(name, one, known, most) for name, one in chosen.items()}
    for name, found in numbers.items():
        _check(name, found, chosen[name].rows, rows)
    return Draft(
        "given",
        numbers,
        known.what,
        rows,
        ids=known.ids,
        fingerprint=known.fingerprint,
        labels=_key(labels, numbers, rows),
        groups=_key(groups, numbers, rows),
        notes=known.notes,
    )


def known_of(data: Any, most: Most) -> Known:
    """The class, ids and fingerprint of some data; what cannot be had is in the notes."""
    rows = row_count(data)
    if isinstance(data, (list, tuple)) and data and all(map(_is_id, data)):
        return Known("ids", rows, row_ids.of_given(data), None, ())
    notes: list[str] = []
    ids = fingerprint = None
    try:
        found = row_ids.find_rows(data, most)
        if isinstance(found, str):
            notes.append(found)
        else:
            ids = found
        if row_ids.is_readable(data, most):
            fingerprint = _fingerprint(data)
    except SamebitError as error:
        notes.append(f"no ids of its rows: {error.what}")
    return Known(class_name(data), rows, ids, fingerprint, tuple(notes))


def row_count(data: Any) -> int | None:
    """How many rows data has; None where that is not known without reading it."""
    if isinstance(data, tuple) and data and not all(map(_is_id, data)):
        return row_count(data[0])
    # Asked of the class: one of the script's may compute what its objects are asked for.
    shape: Any = getattr(data, "shape", ()) if hasattr(type(data), "shape") else ()
    if len(shape):
        return int(shape[0])
    try:
        return len(data)
    except Exception:
        return None


def base_of(subset: Any) -> tuple[Any, Any] | None:
    """The data set and the row numbers of a `Subset` of torch, also of one of another; else None.

    The row numbers are an array of uint64.
    """
    torch = sys.modules.get("torch")
    if torch is None or type(subset) is not torch.utils.data.Subset:
        return None
    return innermost(subset.dataset, row_numbers(subset.indices))


def innermost(base: Any, numbers: Any) -> tuple[Any, Any]:
    """The data set that row numbers are of, where theirs is a `Subset`, and their numbers there."""
    kind = sys.modules["torch"].utils.data.Subset
    while type(base) is kind:
        inner = row_numbers(base.indices)
        if len(numbers) and int(numbers.max()) >= len(inner):
            raise UsageError(f"a Subset has row {int(numbers.max())} of {len(inner)} rows")
        numbers = inner[numbers]
        base = base.dataset
    return base, numbers


def row_numbers(value: Any) -> Any:
    """A new array of uint64 of a list, a range, an array or a tensor of row numbers."""
    np = numpy()
    if isinstance(value, range):
        held = np.arange(value.start, value.stop, value.step, dtype="i8")
    elif hasattr(value, "detach"):
        held = value.detach().cpu().numpy()
    elif isinstance(value, (list, tuple)):
        try:
            held = np.array(value, None if value else "u8")
        except (ValueError, OverflowError) as error:
            raise UsageError(f"row numbers must be whole numbers: {error}") from error
    else:
        held = np.asarray(value)
    if held.ndim != 1 or held.dtype.kind not in "iu":
        what = f"{held.ndim} dimensions of {held.dtype}"
        raise UsageError(f"row numbers must be one row of whole numbers, not {what}")
    if held.size and held.min() < 0:
        raise UsageError(f"a row number is below 0: {held.min()}")
    return held.astype("u8")


def class_name(value: Any) -> str:
    """By what a script knows a class: `pandas.DataFrame`."""
    kind = type(value)
    if kind is tuple:
        return ", ".join(class_name(one) for one in value)
    module = kind.__module__
    top = module.partition(".")[0]
    if getattr(sys.modules.get(top), kind.__name__, None) is kind:
        module = top
    elif module.startswith("torch.utils.data."):
        module = "torch.utils.data"
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _choose(name: str, part: Any) -> _Chosen:
    if (found := base_of(part)) is not None:
        return _Chosen(found[1], found[0], row_count(found[0]))
    if isinstance(part, str) or part is None or not hasattr(type(part), "__len__"):
        raise _none_of(name, part)
    if isinstance(part, (list, tuple)):
        return _of_list(name, part)
    if isinstance(part, range):
        return _Chosen(row_numbers(part))
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(part, pandas.Index) and row_ids.texts_of(part) is None:
        raise UsageError(
            f"part {name!r} is an index of pandas: whether its labels count rows is not known",
            hint="numbers of rows: np.flatnonzero(…) or .get_indexer(…); the rows: frame.loc[…]",
        )
    held = part
    if pandas is not None and isinstance(part, pandas.Series) and part.dtype.kind in "biu":
        held = part.to_numpy()
    if arrays.is_array(held) and len(held.shape) == 1:
        return _of_row(name, held)
    if len(getattr(held, "shape", (0, 0))) == 0:
        raise _none_of(name, part)
    return _Chosen(held=held)


def _of_list(name: str, part: Sequence[Any]) -> _Chosen:
    np = numpy()
    if part and all(isinstance(one, (bool, np.bool_)) for one in part):
        return _Chosen(np.flatnonzero(np.asarray(part)).astype("u8"), rows=len(part))
    if part and all(type(one) is str for one in part):
        return _Chosen(held=list(part))
    if isinstance(part, tuple) and part and not hasattr(part[0], "__index__"):
        return _Chosen(held=part)
    return _Chosen(row_numbers(part))


def _of_row(name: str, array: Any) -> _Chosen:
    np = numpy()
    held = array.detach().cpu().numpy() if hasattr(array, "detach") else np.asarray(array)
    if held.dtype.kind == "b":
        return _Chosen(np.flatnonzero(held).astype("u8"), rows=len(held))
    if held.dtype.kind in "iu":
        return _Chosen(row_numbers(held))
    if (texts := row_ids.texts_of(held)) is not None:
        return _Chosen(held=texts)
    raise UsageError(
        f"part {name!r} is a list of {held.dtype}, neither row numbers nor a mask",
        hint="rows of one value each: hand over array[:, None]",
    )


def _none_of(name: str, part: Any) -> UsageError:
    return UsageError(
        f"part {name!r} is no part of data: {type(part).__name__}",
        hint="row numbers, a mask, a Subset, a frame or array of its rows, or a list of their ids",
    )


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.isprintable() or not name:
        raise UsageError(f"a part is named by a text, not {name!r}")
    return name


def _numbers_of(name: str, one: _Chosen, known: Known, most: Most) -> Any:
    if one.numbers is not None:
        return one.numbers
    if known.ids is None:
        raise UsageError(
            f"part {name!r} has rows, and the data it is part of has no ids to find them by",
            why="; ".join(known.notes) or "no data was named",
            hint="hand over row numbers, or name with of= the data that all parts are of",
        )
    ids = _ids_of(name, one.held, most)
    if (known.ids.given is None) != (ids.given is None):
        raise UsageError(
            f"part {name!r} and of= are not alike: {_kind(ids)} and {_kind(known.ids)}"
        )
    found = row_ids.match(ids.ids, known.ids.ids)
    if (found < 0).any():
        missing = [ids.called(at) for at in numpy().flatnonzero(found < 0).tolist()]
        raise UsageError(
            f"part {name!r} has {len(missing):,} of {ids.count:,} rows that the data lacks",
            rows=few_of(missing),
        )
    return found.astype("u8")


def _ids_of(name: str, held: Any, most: Most) -> Rows:
    found = row_ids.find_rows(held, most)
    if isinstance(found, str):
        raise UsageError(f"part {name!r}: {found}")
    return found


def _kind(ids: Rows) -> str:
    return "rows" if ids.given is None else "ids"


def few_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _check(name: str, numbers: Any, mask: int | None, rows: int | None) -> None:
    if mask is not None and rows is not None and mask != rows:
        raise UsageError(f"part {name!r} is of {mask:,} rows, and the data has {rows:,}")
    if rows is not None and len(numbers) and int(numbers.max()) >= rows:
        raise UsageError(
            f"part {name!r} has row {int(numbers.max())} of data that has {rows:,} rows",
            hint="rows are counted from 0",
        )


def _of_parts(chosen: Mapping[str, _Chosen], labels: Any, groups: Any, most: Most) -> Draft:
    """A split of which nothing is known but the parts."""
    np = numpy()
    known = {name: known_of(one.held, most) for name, one in chosen.items()}
    sizes = {name: one.rows for name, one in known.items()}
    if unknown := [name for name, count in sizes.items() if count is None]:
        raise UsageError(f"part {unknown[0]!r} has no length", hint="hand over row numbers")
    numbers: dict[str, Any] = {}
    rows = 0
    for name, count in sizes.items():
        numbers[name] = np.arange(rows, rows + (count or 0), dtype="u8")
        rows += count or 0
    ids, notes = _joined([one.ids for one in known.values()]), _notes(known)
    whats = list(dict.fromkeys(one.what for one in known.values()))
    return Draft(
        "given",
        numbers,
        ", ".join(whats),
        rows,
        made_of_parts=True,
        ids=ids,
        fingerprint=_of_all({name: one.fingerprint for name, one in known.items()}),
        labels=_key(labels, numbers, rows),
        groups=_key(groups, numbers, rows),
        notes=notes,
    )


def _notes(known: Mapping[str, Known]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{n}: {note}" for n, one in known.items() for note in one.notes))


def _joined(each: Sequence[Rows | None]) -> Rows | None:
    """The ids of parts one behind the other, where all have some of one kind."""
    held = [one for one in each if one is not None]
    if len(held) < len(each) or len({one.given is None for one in held}) > 1:
        return None
    if len({tuple(name for name, _ in one.columns) for one in held}) > 1:
        return None
    raw = b"".join(one.ids for one in held)
    if held[0].given is None:
        return Rows(raw, held[0].columns)
    return Rows(raw, given=tuple(one for ids in held for one in ids.given or ()))


def _of_all(each: Mapping[str, str | None]) -> str | None:
    names = {name: one for name, one in each.items() if one is not None}
    if len(names) < len(each):
        return None
    found = {n: fingerprints.Fingerprint("", one) for n, one in names.items()}
    return fingerprints.group(found).name


def _fingerprint(data: Any) -> str | None:
    if isinstance(data, tuple):
        found = {str(at): fingerprints.fingerprint(_laid(one)) for at, one in enumerate(data)}
        return fingerprints.group(found).name
    return fingerprints.fingerprint(_laid(data)).name


def _laid(data: Any) -> Any:
    """A list of texts as an array, which has a fingerprint."""
    return numpy().asarray(data, dtype="U") if isinstance(data, list) else data


def _key(values: Any, numbers: Mapping[str, Any], rows: int | None) -> Key | None:
    if values is None:
        return None
    np = numpy()
    if not isinstance(values, Mapping):
        key = key_of(values)
        if rows is not None and len(key.codes) != rows:
            raise UsageError(
                f"there are {len(key.codes):,} labels or groups for {rows:,} rows of the data",
                hint="one for each row of the data, or a dict of those of each part",
            )
        return key
    if set(values) != set(numbers) or rows is None:
        raise UsageError("labels and groups by part name every part, and no other")
    laid = np.empty(rows, object)
    for name, found in numbers.items():
        given = np.asarray(values[name])
        if len(given) != len(found):
            raise UsageError(f"part {name!r} has {len(found):,} rows and {len(given):,} labels")
        laid[found] = given
    return key_of(np.asarray(laid.tolist()))


def _is_id(value: Any) -> bool:
    return type(value) is str or (type(value) is int)
