"""Tables of what runs took: devices and hours, seeds, data and its splits."""

from collections.abc import Mapping, Sequence

from samebit.errors import UsageError
from samebit.report.tables.cells import cell, columns_of, distinct, group_runs
from samebit.report.tables.keys import are_seeds, whole_keys
from samebit.report.tables.naming import label, labels
from samebit.report.tables.options import Options
from samebit.report.tables.values import Cell, Column, Digest, Line, Several, Table

__all__ = ["compute", "data", "seeds"]

Row = Mapping[str, object]

_HOUR_S = 3600
_DIGITS = 3
_ENOUGH = 60  # of a unit, from which on the next larger one is taken
_HASH = "seeds.hash"


def compute(rows: Sequence[Row], options: Options) -> Table:
    """Devices, runs and hours of each group; failed runs count, since they ran."""
    keys = whole_keys(options.group, rows)
    known = set().union(*rows)
    by = [*keys, "machine.device"] if "machine.device" in known else keys
    grouped = group_runs(rows, by)
    unit, unit_s = _unit(rows)
    lines: list[Line] = []
    for values, members in grouped.groups:
        shown = values if "machine.device" in known else (*values, None)
        lines.append(Line((*map(Cell, shown), *_spent(members, unit_s))))
    if len(lines) > 1:
        blank = [Cell("")] * len(keys)
        lines.append(Line((Cell("all"), *blank, *_spent(rows, unit_s)), is_apart=True))
    own = options.settings.labels
    columns = (
        *(Column(label(key, own), name=key) for key in keys),
        Column("device"),
        Column("runs"),
        Column("finished"),
        Column(f"{unit} per run", digits=_DIGITS),
        Column("device-hours", digits=_DIGITS),
    )
    unknown = sum(row.get("device_hours") is None for row in rows)
    states = [f"{count} {state}" for state, count in _states(rows).items()]
    notes = [f"of {len(rows)} runs: {', '.join(states)}; device-hours are those of all of them"]
    if unknown:
        notes.append(f"how long they took is not known of {unknown}, which count as nothing")
    return Table("compute", columns, tuple(lines), tuple(notes))


def _unit(rows: Sequence[Row]) -> tuple[str, int]:
    """In what the time of a run is told, so that most numbers have something before the point."""
    longest = max(_took(rows), default=0.0)
    units = {"seconds": 1, "minutes": 60, "hours": _HOUR_S}
    return next(one for one in units.items() if longest < _ENOUGH * one[1] or one[1] == _HOUR_S)


def _took(rows: Sequence[Row]) -> list[float]:
    seconds = [_number(row.get("seconds")) for row in rows if row.get("state") == "finished"]
    return [one for one in seconds if one is not None]


def _spent(rows: Sequence[Row], unit_s: int) -> list[Cell]:
    hours = [_number(row.get("device_hours")) for row in rows]
    took = _took(rows)
    held = [one for one in hours if one is not None]
    return [
        Cell(len(rows)),
        Cell(sum(row.get("state") == "finished" for row in rows)),
        Cell(sum(took) / len(took) / unit_s if took else None),
        Cell(sum(held) if held else None),
    ]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _states(rows: Sequence[Row]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        state = str(row.get("state") or "unknown")
        found[state] = found.get(state, 0) + 1
    return found


def seeds(rows: Sequence[Row], options: Options) -> Table:
    """What was seeded with what in each group; and how many runs began and finished."""
    grouped = group_runs(rows, options.group)
    parts = [members for _, members in grouped.groups]
    known = dict.fromkeys(key for row in rows for key in row)
    keys = [key for key in known if key not in grouped.keys and _is_seed(key, rows)]
    own = [key for key in keys if key == "seed" or not _is_that_of_the_run(key, rows)]
    drawn = len(rows) > 1 and len(distinct(_HASH, rows)) == len(rows)
    shown = [key for key in own if key != _HASH or not drawn]
    names = labels(shown, options.settings.labels)
    lines = [
        Line((Cell(names[key]), *(cell(key, members) for members in parts)))
        for key in sorted(shown, key=lambda key: key != "seed")
    ]
    states = [_states(members) for members in parts]
    counts = {"runs started": [len(members) for members in parts]}
    counts |= {
        name: [part.get(name, 0) for part in states]
        for name in dict.fromkeys(state for part in states for state in part)
    }
    lines += [
        Line((Cell(name), *map(Cell, each)), is_apart=name == "runs started" and bool(shown))
        for name, each in counts.items()
    ]
    unseeded = sum(all(row.get(key) is None for key in keys if key != _HASH) for row in rows)
    notes = [f"runs of which no seed is known: {unseeded}"] if unseeded else []
    notes += ["the seed of Python's hashes was another in each run"] if drawn else []
    columns = (Column("seeds"), *columns_of(grouped, options.settings))
    return Table("seeds", columns, tuple(lines), tuple(notes))


def _is_seed(key: str, rows: Sequence[Row]) -> bool:
    return are_seeds(key, rows) and any(row.get(key) is not None for row in rows)


def _is_that_of_the_run(key: str, rows: Sequence[Row]) -> bool:
    return key.startswith("config.") and all(row.get(key) == row.get("seed") for row in rows)


def data(rows: Sequence[Row], options: Options) -> Table:
    """Each data set and each split, with rows and fingerprint; several where runs differ."""
    known = dict.fromkeys(key for row in rows for key in row)
    lines: list[Line] = []
    for key in known:
        if key.startswith("data."):
            name = key.removeprefix("data.")
            cells = (Cell(name), Cell(""), _of(f"data_rows.{name}", rows), _digests(key, rows))
            lines.append(Line(cells))
    for key in known:
        if not key.startswith("split_digest."):
            continue
        name = key.removeprefix("split_digest.")
        prefix = f"split.{name}."
        parts = [part for part in known if part.startswith(prefix)]
        for part in parts:
            is_first = part == parts[0]
            title = Cell(f"split {name}" if is_first else "")
            mark = _digests(key, rows) if is_first else Cell("")
            cells = (title, Cell(part.removeprefix(prefix)), _of(part, rows), mark)
            lines.append(Line(cells, is_apart=is_first and bool(lines)))
    if not lines:
        raise UsageError(
            "nothing is recorded of the data of these runs",
            hint="`samebit show RUN` says what is missing, and how to get it",
        )
    columns = (Column("data"), Column("part"), Column("rows"), Column("fingerprint"))
    return Table("data", columns, tuple(lines))


def _of(key: str, rows: Sequence[Row]) -> Cell:
    values = [value for value in distinct(key, rows) if value is not None]
    return Cell(Several(tuple(values)) if len(values) > 1 else values[0] if values else None)


def _digests(key: str, rows: Sequence[Row]) -> Cell:
    values = [Digest(str(value)) for value in distinct(key, rows) if value is not None]
    return Cell(
        Several(tuple(values), is_list=True) if len(values) > 1 else values[0] if values else None
    )
