"""Groups of runs as a table: a row for each, with n and the estimate of each metric."""

from collections.abc import Mapping, Sequence

from samebit.query.where import Sort, sort_rows
from samebit.report.results import TAKES, Result, groups, result
from samebit.report.tables.naming import plain_name
from samebit.report.tables.values import Cell, Column, Line, Table
from samebit.stats.values import level

__all__ = ["grouped"]

Row = Mapping[str, object]

_WAYS = {prefix: take for take, prefix in TAKES.items()}


def grouped(
    rows: Sequence[Row], by: Sequence[str], columns: Sequence[str], order: Sort | None = None
) -> Table:
    """Runs in groups.

    Args:
        rows: of `report.facts`.
        by: names whose values make a group.
        columns: metrics as rows have them: `metric.acc`, or `min.loss` for its lowest point.
        order: by one of both; without it groups come as their first runs do.

    Raises:
        UsageError: no run has one of the names, or a metric is a text.
    """
    whole = [row for row in rows if "damage" not in row]
    metrics = [_way(column) for column in columns]
    found = [
        (values, members, [result(members, name, take=take) for name, take in metrics])
        for values, members in groups(whole, by)
    ]
    if order is not None:
        found = _sorted(found, by, columns, order)
    results = [one for _, _, each in found for one in each]
    notes = dict.fromkeys(note for one in results for note in _notes(one))
    return Table(
        "groups",
        (
            *(Column(plain_name(key), name=key) for key in by),
            Column("n"),
            *(
                Column(_title(*metric), name=key)
                for metric, key in zip(metrics, columns, strict=True)
            ),
        ),
        tuple(
            Line((*map(Cell, values), Cell(len(members)), *(Cell(one.estimate) for one in each)))
            for values, members, each in found
        ),
        notes=tuple(notes),
        runs=tuple(str(row["id"]) for row in whole),
        left_out=tuple(dict.fromkeys(left for one in results for left in one.left_out)),
    )


def _way(column: str) -> tuple[str, str]:
    prefix, _, name = column.partition(".")
    return (name, _WAYS[f"{prefix}."]) if f"{prefix}." in _WAYS else (column, "last")


def _title(name: str, take: str) -> str:
    return name if take == "last" else f"{name} {take}"


_Found = tuple[tuple[object, ...], Sequence[Row], Sequence[Result]]


def _sorted(
    found: Sequence[_Found], by: Sequence[str], columns: Sequence[str], order: Sort
) -> list[_Found]:
    told: list[dict[str, object]] = []
    for at, (values, members, each) in enumerate(found):
        means = (one.estimate.value if one.estimate else None for one in each)
        told.append(
            {"at": at, "n": len(members)}
            | dict(zip((*by, *columns), (*values, *means), strict=True))
        )
    return [found[int(str(row["at"]))] for row in sort_rows(told, [order])]


def _notes(one: Result) -> list[str]:
    estimate = one.estimate
    if estimate is None or estimate.confidence is None:
        return list(one.notes)
    return [f"mean and {level(estimate.confidence)} {estimate.method}", *one.notes]
