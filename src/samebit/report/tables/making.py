"""One door for all shapes of tables: runs in, a table out that says what it is made of."""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from samebit.errors import UsageError
from samebit.report.table import runs_table
from samebit.report.tables import parameters, results, searching, spent
from samebit.report.tables.options import SHAPES, USES, Options
from samebit.report.tables.values import Cell, Column, Line, Table, record_digest

__all__ = ["make"]

Row = Mapping[str, object]

_DIGITS = 4  # of what runs logged, in a table that is no table of results
_MAKERS: dict[str, Callable[[Sequence[Row], Options], Table]] = {
    "parameters": parameters.parameters,
    "results": results.results,
    "search": searching.search,
    "supplement": parameters.supplement,
    "compute": spent.compute,
    "seeds": spent.seeds,
    "data": spent.data,
}


def make(shape: str, rows: Sequence[Row], options: Options) -> Table:
    """A table of some runs.

    Args:
        shape: one of `SHAPES`.
        rows: of `report.facts`; those of runs that cannot be read are left out, and told.
        options: what else was asked for.

    Raises:
        UsageError: there is no such shape, or no use for an option in it; there is no run, or no
            such thing in these runs.
    """
    if shape not in SHAPES:
        raise UsageError(f"no shape {shape!r}", known=", ".join(SHAPES))
    for name in dict.fromkeys(used for uses in USES.values() for used in uses):
        if getattr(options, name) and name not in USES[shape]:
            said = ", ".join(USES[shape]) or "none of its kind"
            raise UsageError(f"nothing to a table of {shape}: {name}", it_takes=said)
    whole = [row for row in rows if "damage" not in row]
    damaged = tuple((str(row["id"]), "damaged") for row in rows if "damage" in row)
    if not whole and shape != "runs":
        raise UsageError("there is not one run for this table")
    made = _runs(whole, options) if shape == "runs" else _MAKERS[shape](whole, options)
    return replace(
        made,
        runs=tuple(str(row["id"]) for row in whole),
        left_out=(*damaged, *made.left_out),
        records=record_digest(whole),
        caption=options.caption,
        label=options.label,
    )


def _runs(rows: Sequence[Row], options: Options) -> Table:
    headers, cells = runs_table(rows, options.columns)
    columns = tuple(Column(header, digits=_DIGITS) for header in headers)
    return Table("runs", columns, tuple(Line(tuple(map(Cell, row))) for row in cells))
