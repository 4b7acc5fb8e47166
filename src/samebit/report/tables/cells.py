"""What a cell of a table holds: the value that its runs have, or all of them, never one for all."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from samebit.report.results import groups, same
from samebit.report.tables.keys import are_seeds, whole_keys
from samebit.report.tables.naming import label, plain_name
from samebit.report.tables.settings import Settings
from samebit.report.tables.values import Cell, Column, Several, Words
from samebit.report.tables.wording import in_words

__all__ = ["Grouped", "cell", "columns_of", "distinct", "group_runs", "members_of", "told"]

Row = Mapping[str, object]


class Grouped(Struct, frozen=True):
    """Runs in groups: by which keys, what each group has under them, and its runs."""

    keys: tuple[str, ...]
    groups: list[tuple[tuple[object, ...], list[Row]]]


def group_runs(rows: Sequence[Row], names: Sequence[str]) -> Grouped:
    """The groups of some runs; all in one where no name is given."""
    keys = whole_keys(names, rows)
    found = groups(rows, keys) if keys else [((), list(rows))]
    return Grouped(tuple(keys), [(values, list(members)) for values, members in found])


def members_of(rows: Sequence[Row], keys: Sequence[str], values: Sequence[object]) -> list[Row]:
    """The runs that have these values under these keys."""
    wanted = [same(value) for value in values]
    return [row for row in rows if [same(row.get(key)) for key in keys] == wanted]


def columns_of(grouped: Grouped, settings: Settings) -> list[Column]:
    """A column for each group; what is no text needs to be told of what it is a value."""
    if not grouped.keys:
        return [Column("value")]
    is_told = all(isinstance(value, str) for values, _ in grouped.groups for value in values)
    name = ", ".join(label(key, settings.labels) for key in grouped.keys)
    return [
        Column(
            ", ".join(map(in_words, values)),
            name=",".join(
                f"{plain_name(key)}={in_words(value)}"
                for key, value in zip(grouped.keys, values, strict=True)
            ),
            above="" if is_told else name,
        )
        for values, _ in grouped.groups
    ]


def told(keys: Sequence[str], values: Sequence[object], settings: Settings) -> str:
    """A group in words: its texts, and its other values with what they are values of."""
    return " / ".join(
        value if isinstance(value, str) else f"{label(key, settings.labels)} {in_words(value)}"
        for key, value in zip(keys, values, strict=True)
    )


def cell(key: str, rows: Sequence[Row]) -> Cell:
    """What some runs have under a key."""
    found = distinct(key, rows)
    if are_seeds(key, rows):
        return Cell(found[0] if len(found) == 1 else Several(tuple(found), is_list=True))
    if key.startswith("optimizer"):  # a schedule
        found = [Words(value) if isinstance(value, str) else value for value in found]
    return Cell(found[0] if len(found) == 1 else Several(tuple(found)))


def distinct(key: str, rows: Sequence[Row]) -> list[object]:
    """The values of a key, each once, numbers first; None where a run has no such key."""
    values = list({same(row.get(key)): row.get(key) for row in rows}.values())
    numbers: list[float] = []
    others: list[object] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            others.append(value)  # also NaN, which has no place among numbers
        else:
            numbers.append(value)
    return [*sorted(numbers), *others]
