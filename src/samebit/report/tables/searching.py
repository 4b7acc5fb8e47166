"""A table of a search: each setting with where it was searched, how often, and what was best.

A space that nobody declared is not guessed: the values that were tried stand in its place, and a
note says so.
"""

import math
from collections.abc import Mapping, Sequence

from samebit.errors import UsageError
from samebit.report.results import Result, result, same
from samebit.report.table import number as rounded
from samebit.report.tables.cells import Grouped, columns_of, distinct, group_runs, told
from samebit.report.tables.keys import sort_keys, whole_keys, without_left_out
from samebit.report.tables.naming import better, label, labels, matches
from samebit.report.tables.options import Options
from samebit.report.tables.results import metrics_of, numeric_metrics
from samebit.report.tables.settings import Searched, Settings
from samebit.report.tables.values import Cell, Column, Line, Several, Table, Words

__all__ = ["search"]

Row = Mapping[str, object]


def search(rows: Sequence[Row], options: Options) -> Table:
    """Setting, space, and the best value; of several groups the best of each."""
    across = whole_keys(options.group, rows)
    settings = options.settings
    rows = without_left_out(rows, settings, across)
    notes: list[str] = []
    keys = [
        key.key
        for key in sort_keys(rows, (), settings)
        if key.kind in ("searched", "varies")
        and key.key not in across
        and key.key.startswith("config.")
    ]
    if options.columns is not None:
        keys = [key for key in keys if matches(key, options.columns)]
    if not keys:
        raise UsageError(
            "these runs differ in no setting, so nothing was searched",
            hint="a space is declared in samebit.toml: [table.search]",
        )
    grouped = group_runs(rows, across)
    metric, direction = _metric(rows, options)
    found = [_best(members, keys, metric, direction, options) for _, members in grouped.groups]
    spaces = {key: _space(key, rows, settings) for key in keys}
    has_sampler = any(one.sampler for one in spaces.values() if isinstance(one, Searched))
    names = labels(keys, settings.labels)
    lines: list[Line] = []
    for key in keys:
        space = spaces[key]
        cells = [
            Cell(names[key]),
            Cell(Words(space.space) if isinstance(space, Searched) else space),
        ]
        cells += [Cell(space.sampler if isinstance(space, Searched) else None)] * has_sampler
        cells += [Cell(best[0].get(key) if best else None) for best in found] * bool(metric)
        lines.append(Line(tuple(cells)))
    lines += _counts(rows, grouped.groups, keys, has_sampler, bool(metric))
    tried = [names[key] for key, one in spaces.items() if not isinstance(one, Searched)]
    if tried:
        notes.append(f"no space is declared for {', '.join(tried)}: these are the values tried")
    notes += _notes(rows, keys, found, grouped, metric, direction, options)
    columns = [Column("parameter"), Column("search space", name="space")]
    columns += [Column("sampler")] * has_sampler
    columns += [_titled(column) for column in columns_of(grouped, settings)] * bool(metric)
    return Table("search", tuple(columns), tuple(lines), tuple(notes))


def _titled(column: Column) -> Column:
    if not column.name:
        return Column("best")
    return Column(column.title, name=f"best {column.name}", above=f"best {column.above}".strip())


def _space(key: str, rows: Sequence[Row], settings: Settings) -> Searched | Several:
    for name, searched in settings.search.items():
        if matches(key, [name]):
            return searched
    return Several(tuple(distinct(key, rows)))


def _metric(rows: Sequence[Row], options: Options) -> tuple[str | None, str]:
    """The metric that chooses, and which way; none where it is not clear which is meant."""
    if options.metrics is None:
        metrics, _ = numeric_metrics(rows)
        if len(metrics) != 1:
            return None, ""
    else:
        metrics, _ = metrics_of(rows, options)
    direction = better(metrics[0], options.settings.direction)
    if direction is None:
        hint = f"say it: --direction {metrics[0]}=higher"
        raise UsageError(f"whether higher or lower {metrics[0]} is better is not known", hint=hint)
    return metrics[0], direction


def _best(
    rows: Sequence[Row], keys: Sequence[str], metric: str | None, direction: str, options: Options
) -> tuple[Row, Result] | None:
    """A run with the best settings, and what all runs with these came to."""
    if metric is None:
        return None
    sign = 1 if direction == "higher" else -1
    best: tuple[Row, Result] | None = None
    highest = -math.inf
    for members in _trials(rows, keys):
        found = result(
            members, metric, take=options.take, how=options.how, confidence=options.confidence
        )
        if found.estimate is not None and sign * found.estimate.value > highest:
            highest = sign * found.estimate.value
            best = members[0], found
    return best


def _trials(rows: Sequence[Row], keys: Sequence[str]) -> list[list[Row]]:
    """The runs of each configuration that was tried; some keys may be in none of these runs."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(same(row.get(key)) for key in keys), []).append(row)
    return list(found.values())


def _counts(
    rows: Sequence[Row],
    grouped: Sequence[tuple[tuple[object, ...], list[Row]]],
    keys: Sequence[str],
    has_sampler: bool,
    has_best: bool,
) -> list[Line]:
    """How many settings were tried, and with how many runs."""
    before = [Cell("")] * has_sampler

    def line(name: str, whole: int, each: Sequence[int], is_apart: bool) -> Line:
        counts = [Cell(count) for count in each] if has_best and len(each) > 1 else []
        rest = counts or [Cell("")] * (len(grouped) * has_best)
        return Line((Cell(name), Cell(whole), *before, *rest), is_apart=is_apart)

    trials = [len(_trials(members, keys)) for _, members in grouped]
    runs = [len(members) for _, members in grouped]
    lines = [line("trials", sum(trials), trials, True)]
    if runs != trials:
        lines.append(line("runs", sum(runs), runs, False))
    return lines


def _notes(
    rows: Sequence[Row],
    keys: Sequence[str],
    found: Sequence[tuple[Row, Result] | None],
    grouped: Grouped,
    metric: str | None,
    direction: str,
    options: Options,
) -> list[str]:
    notes: list[str] = []
    sizes = [len(distinct(key, rows)) for key in keys]
    trials = len(_trials(rows, keys))
    if len(keys) > 1 and math.prod(sizes) == trials:
        notes.append(f"{' × '.join(map(str, sizes))} = {trials} configurations, each of which ran")
    if metric is None:
        has_metrics = any(key.startswith("metric.") for row in rows for key in row)
        which = "which was best depends on the metric: --metric NAME"
        return [*notes, which] if has_metrics else notes
    name = label("metric." + metric, options.settings.labels)
    said = ", ".join(
        " ".join(filter(None, [told(grouped.keys, values, options.settings), _came_to(best[1])]))
        for (values, _), best in zip(grouped.groups, found, strict=True)
        if best is not None
    )
    notes.append(
        f"best by the mean of {name}, {direction} is better: {said}"
        if said
        else f"no run has a {name}"
    )
    failed = sum(row.get("state") != "finished" for row in rows)
    if failed:
        notes.append(f"runs that did not finish, among these: {failed}")
    return notes


def _came_to(best: Result) -> str:
    """The mean with its interval, or what the only run came to."""
    estimate = best.estimate
    if estimate is not None and estimate.n == 1:
        return f"{rounded(estimate.value)} in one run"
    return str(estimate)
