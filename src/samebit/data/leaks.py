"""Leaks between the parts of a split: findings, and those that the record alone can tell.

A pair of parts has a *first*, which is learned from, and a *second*, whose rows are counted. Row
numbers are those of the data; where the data is the parts one behind the other, those of the part.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.data import row_ids
from samebit.data.members import numpy
from samebit.data.recorded import RecordedSplit
from samebit.data.row_ids import ID_BYTES

__all__ = [
    "DEPENDENCE",
    "DUPLICATES",
    "EQUAL_ROWS",
    "HEADINGS",
    "NOT_LOOKED_AT",
    "NO_SPLIT",
    "PREPROCESSING",
    "SAME_ROWS",
    "SELECTION",
    "TEMPORAL",
    "Leak",
    "Leaks",
    "Match",
    "leak_of",
    "matches",
    "no_test",
    "of_record",
    "pairs_of",
    "same_numbers",
    "shared",
]

# The taxonomy of Kapoor and Narayanan, in its order.
NO_SPLIT = "no split"
PREPROCESSING = "preprocessing on all"
SELECTION = "feature selection on all"
DUPLICATES = "duplicates"
TEMPORAL = "temporal"
DEPENDENCE = "dependence of train and test"
HEADINGS = (
    NO_SPLIT,
    PREPROCESSING,
    SELECTION,
    DUPLICATES,
    "illegitimate features",
    TEMPORAL,
    DEPENDENCE,
    "sampling bias",
)
NOT_LOOKED_AT = tuple(
    one for one in HEADINGS if one not in (NO_SPLIT, DUPLICATES, TEMPORAL, DEPENDENCE)
)

SAME_ROWS = "same_rows"  # kinds: of what numbers of rows tell, and ids
EQUAL_ROWS = "equal_rows"

_LISTED = 10  # pairs of rows of each finding
_ROLES = (("train", "fit"), ("val", "dev", "eval"), ("test", "hold"))


class Leak(Struct, frozen=True):
    """A finding about two parts.

    Attributes:
        heading: of the taxonomy, one of `HEADINGS`.
        kind: what was looked for, a word that does not change.
        what: the same in words, to follow `3 of 40 rows of test:`.
        first: the part that is learned from.
        second: the other.
        count: how many rows of the second it is about; a row that stands there twice counts twice.
        of: how many rows the second has.
        rows: some to look at, a row of the first and one of the second that belong together.
        note: what else is to be said.
    """

    heading: str
    kind: str
    what: str
    first: str
    second: str
    count: int
    of: int
    rows: tuple[tuple[int, int], ...] = ()
    note: str = ""


class Leaks(Struct, frozen=True):
    """What was found in a split, and what could not be judged and why."""

    found: tuple[Leak, ...]
    unknown: tuple[str, ...] = ()


def of_record(split: RecordedSplit) -> Leaks:
    """What the record alone tells: rows in two parts, and rows that are equal across parts.

    Raises:
        Damaged: a list is not what its fingerprint says.
    """
    parts = split.numbers()
    if len(parts) < 2:
        return Leaks((), ("there are no two parts to compare",))
    begins = split.begins()
    found = list(same_numbers(parts)) if begins is None else []
    ids = split.row_ids()
    if ids is None:
        why = "; ".join(split.manifest.notes) or "they are not known by their content"
        return Leaks(tuple(found), (f"whether rows are equal: the split has no ids ({why})",))
    what = "equal to rows of {}, in all that was handed over"
    if ids.given is not None:
        what = "known by an id of {}, too"
    codes = row_ids.codes_of(_matrix(ids.ids))
    found += shared(codes, parts, DUPLICATES, EQUAL_ROWS, what, begins=begins)
    return Leaks(tuple(found))


def no_test(parts: Mapping[str, int]) -> Leak | None:
    """That there is nothing to test on, where fewer than two parts have rows."""
    held = [name for name, rows in parts.items() if rows]
    if len(held) > 1:
        return None
    name = held[0] if held else ""
    rows = parts.get(name, 0)
    return Leak(NO_SPLIT, "no_test", "in the only part that has any", name, name, rows, rows)


def pairs_of(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each two parts; the one to learn from first, as far as names tell, else as they stand."""
    yield from itertools.combinations(sorted(names, key=_role), 2)


def _role(name: str) -> int:
    word = name.lower().rpartition(".")[2]
    for at, beginnings in enumerate(_ROLES):
        if word.startswith(beginnings):
            return at
    return 1


def same_numbers(parts: Mapping[str, Any]) -> Iterator[Leak]:
    """Rows that are in two parts by their number."""
    np = numpy()
    each = [np.unique(rows) for rows in parts.values()]
    if len(np.unique(np.concatenate(each))) == sum(map(len, each)):
        return
    for first, second in pairs_of(list(parts)):
        both = np.isin(parts[second], parts[first])
        if count := int(np.count_nonzero(both)):
            rows = np.unique(parts[second][both])[:_LISTED].tolist()
            listed = tuple((row, row) for row in rows)
            of = len(parts[second])
            yield Leak(
                DUPLICATES, "same_rows", f"rows of {first}, too", first, second, count, of, listed
            )


class Match(Struct, frozen=True):
    """Rows of two parts that belong together.

    Attributes:
        first: the part that is learned from.
        second: the other.
        at: positions in the row numbers of the second.
        partner: for each of them the number of a row of the first.
    """

    first: str
    second: str
    at: Any
    partner: Any


def shared(
    codes: Any,
    parts: Mapping[str, Any],
    heading: str,
    kind: str,
    what: str,
    *,
    begins: Mapping[str, int] | None = None,
    but: Any = None,
    counts: str = "",
) -> Iterator[Leak]:
    """Rows of two parts that have one code, as findings.

    Args:
        codes: see `matches`.
        parts: row numbers by part.
        heading: as of `Leak`.
        kind: as of `Leak`.
        what: as of `Leak`, with `{}` for the name of the first.
        begins: where each part begins in the data that is the parts one behind the other.
        but: see `matches`.
        counts: what codes stand for, if how many are in both parts is to be said, too.
    """
    np = numpy()
    for match in matches(codes, parts, but):
        note = ""
        if counts:
            note = f"{counts}: {len(np.unique(codes[match.partner])):,}"
        yield leak_of(match, parts, heading, kind, what, begins=begins, note=note)


def leak_of(
    match: Match,
    parts: Mapping[str, Any],
    heading: str,
    kind: str,
    what: str,
    *,
    begins: Mapping[str, int] | None = None,
    note: str = "",
    by_row: bool = True,
) -> Leak:
    """Rows that belong together as a finding; listed by row, or as the match has them."""
    first, second = match.first, match.second
    few = slice(0, 8 * _LISTED)
    rows = parts[second][match.at[few]].tolist()
    pairs = list(dict.fromkeys(zip(match.partner[few].tolist(), rows, strict=True)))
    if by_row:
        pairs.sort(key=lambda two: two[1])
    listed = tuple(_numbered(pair, first, second, begins) for pair in pairs[:_LISTED])
    said, count, of = what.replace("{}", first), len(match.at), len(parts[second])
    return Leak(heading, kind, said, first, second, count, of, listed, note)


def matches(codes: Any, parts: Mapping[str, Any], but: Any = None) -> Iterator[Match]:
    """Rows of two parts that have one code.

    Args:
        codes: a whole number for each row of the data, from 0, below its number of rows; below 0
            of rows that are like no other.
        parts: row numbers by part.
        but: codes of rows that are not to be paired where they agree in these: said elsewhere.
    """
    np = numpy()
    # Most rows are like none of another part. What is left is few, and only that is sorted.
    times = np.zeros(len(codes), "u2")
    for rows in parts.values():
        mine = np.zeros(len(codes), bool)
        mine[codes[rows][codes[rows] >= 0]] = True
        times += mine
    if not (times > 1).any():
        return
    left = {name: np.flatnonzero(_in_two(codes[rows], times)) for name, rows in parts.items()}
    for first, second in pairs_of(list(parts)):
        ours = np.unique(parts[first][left[first]])
        partner = _partners(codes, but, ours, parts[second][left[second]])
        hits = partner >= 0
        if hits.any():
            yield Match(first, second, left[second][hits], partner[hits])


def _in_two(codes: Any, times: Any) -> Any:
    return (codes >= 0) & (times[codes] > 1)


def _partners(codes: Any, but: Any, ours: Any, theirs: Any) -> Any:
    """For each of their rows one of ours of the same code, and of another `but`; else -1.

    A row is never its own partner: that it is in both parts is said by its number.
    """
    np = numpy()
    if not len(ours):
        return np.full(len(theirs), -1, "i8")
    # The first and the last of a code, in the order of `but`: one of the two is another's if any.
    other = codes if but is None else but
    order = np.lexsort((ours, other[ours], codes[ours]))
    ours = ours[order].astype("i8")
    mine = codes[ours]
    low = np.searchsorted(mine, codes[theirs], "left")
    high = np.searchsorted(mine, codes[theirs], "right") - 1
    there = low <= high
    partner = np.full(len(theirs), -1, "i8")
    for at in (high, low):
        row = ours[np.where(there, at, 0)]
        fits = there & (row != theirs.astype("i8"))
        if but is not None:
            fits &= but[row] != but[theirs]
        partner[fits] = row[fits]
    return partner


def _numbered(
    pair: tuple[int, int], first: str, second: str, begins: Mapping[str, int] | None
) -> tuple[int, int]:
    if begins is None:
        return pair
    return pair[0] - begins[first], pair[1] - begins[second]


def _matrix(ids: bytes) -> Any:
    return numpy().frombuffer(ids, "u1").reshape(-1, ID_BYTES)
