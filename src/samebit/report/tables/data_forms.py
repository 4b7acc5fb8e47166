"""A table as CSV and as JSON: exact values, for programs."""

from collections.abc import Iterator

from samebit import digest
from samebit.report.table import rows_to_csv
from samebit.report.tables.values import Cell, Digest, Several, Table, Words, names_of
from samebit.stats.values import Estimate

__all__ = ["to_csv", "to_json"]

_PARTS = ("low", "high", "n")  # of an estimate, in columns of their own


def to_csv(table: Table) -> str:
    """Numbers whole; an estimate has its bounds and its n in columns beside it."""
    width = len(table.columns)
    rows = list(_rows(table))
    estimated = [
        any(isinstance(cells[at].value, Estimate) for _, cells in rows) for at in range(width)
    ]
    has_sections = any(section for section, _ in rows)
    headers = ["section"] * has_sections
    for name, is_estimated in zip(names_of(table), estimated, strict=True):
        headers += [name, *(f"{name} {part}" for part in _PARTS if is_estimated)]
    body: list[list[object]] = []
    for section, cells in rows:
        line: list[object] = [section] * has_sections
        for cell, is_estimated in zip(cells, estimated, strict=True):
            value = cell.value
            if isinstance(value, Estimate):
                line += [value.value, value.low, value.high, value.n]
            else:
                line += [_exact(value), *[None] * (len(_PARTS) * is_estimated)]
        body.append(line)
    return rows_to_csv(headers, body)


def to_json(table: Table) -> str:
    """Everything that a table knows, as one object."""
    names = names_of(table)
    rows: list[dict[str, object]] = []
    for section, cells in _rows(table):
        row = {name: _exact(cell.value) for name, cell in zip(names, cells, strict=True)}
        best = [name for name, cell in zip(names, cells, strict=True) if cell.is_best]
        row |= {"section": section} if section and "section" not in row else {}
        rows.append(row | ({"best": best} if best and "best" not in row else {}))
    said = {
        "shape": table.shape,
        "columns": names,
        "rows": rows,
        "method": table.method,
        "notes": list(table.notes),
        "runs": list(table.runs),
        "left_out": [{"run": run, "why": why} for run, why in table.left_out],
        "records": table.records,
    }
    return digest.canonical_json(said).decode() + "\n"


def _rows(table: Table) -> Iterator[tuple[str, list[Cell]]]:
    section = ""
    for line in table.lines:
        if line.section:
            section = line.section
        else:
            yield section, [cell for cell in line.cells for _ in range(cell.across)]


def _exact(value: object) -> object:
    if isinstance(value, (Words, Digest)):
        return value.text
    if isinstance(value, (Several, list, tuple)):
        values = value.values if isinstance(value, Several) else value
        return [_exact(one) for one in values]
    if isinstance(value, Estimate):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    return value
