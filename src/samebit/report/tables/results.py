"""A table of results: each metric's mean and interval over seeds, a row for each group of runs.

Bold is the best of a column, and what cannot be told from it: an estimate whose interval reaches
into that of the best.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import UsageError
from samebit.report.results import Result, result, same, varied
from samebit.report.table import few, visible
from samebit.report.tables.cells import group_runs, told
from samebit.report.tables.keys import are_seeds, whole_keys, without_left_out
from samebit.report.tables.naming import better, label
from samebit.report.tables.options import Options
from samebit.report.tables.testing import Tested, compare, corrected
from samebit.report.tables.values import Cell, Column, Line, Table
from samebit.report.tables.wording import in_words
from samebit.stats.values import Estimate, level

__all__ = ["best_of", "differing", "metrics_of", "numeric_metrics", "results"]

Row = Mapping[str, object]

_ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
_MOST_METRICS = 12  # that are shown without being asked for
_MOST_TOLD = 4  # groups in a note
_P_DIGITS = 3
_ONE_VALUE = "one value: no interval"  # as the statistics say it of each


class _Strip(Struct, frozen=True):
    """One metric in one column: what each group down the table came to."""

    metric: str
    group: str  # of the runs in this column, in words; empty where there is one column
    direction: str | None
    results: list[Result | None]  # None where a group has no run here
    is_best: list[bool]
    tests: list[Tested | None]  # None where nothing was to be tested


def results(rows: Sequence[Row], options: Options) -> Table:
    """A row for each group; of several keys the last one makes columns."""
    rows = without_left_out(rows, options.settings, whole_keys(options.group, rows))
    names = whole_keys(options.group or differing(rows), rows)
    is_wide = len(options.group) > 1
    down = group_runs(rows, names[:-1] if is_wide else names)
    across = group_runs(rows, names[-1:] if is_wide else ())
    inside = {
        tuple(map(same, values)): members for values, members in group_runs(rows, names).groups
    }
    metrics, notes = metrics_of(rows, options)
    reference = _reference(down.groups, options)
    strips: list[_Strip] = []
    for metric in metrics:
        for header, _ in across.groups:
            parts = [
                inside.get(tuple(map(same, (*values, *header))), []) for values, _ in down.groups
            ]
            strips.append(
                _strip(
                    metric, told(across.keys, header, options.settings), parts, reference, options
                )
            )
    strips = _corrected(strips)
    titles = [told(down.keys, values, options.settings) for values, _ in down.groups]
    notes += [*_notes(strips, titles), *_notes_of_tests(strips, titles, reference, options)]
    left = (left for strip in strips for one in strip.results if one for left in one.left_out)
    if options.transpose:
        columns, lines = _down(strips, titles, options)
    else:
        own = options.settings.labels
        columns = [Column(label(key, own), name=key) for key in down.keys]
        columns += [column for strip in strips for column in _columns(strip, options)]
        lines = [
            Line((*map(Cell, values), *(cell for strip in strips for cell in _cells(strip, at))))
            for at, (values, _) in enumerate(down.groups)
        ]
    return Table(
        "results",
        tuple(columns),
        tuple(lines),
        tuple(notes),
        left_out=tuple(dict.fromkeys(left)),
        method=_method(strips),
    )


def differing(rows: Sequence[Row]) -> list[str]:
    """The settings in which runs differ, but for seeds."""
    return [key for key in varied(rows) if not are_seeds(key, rows)]


def metrics_of(rows: Sequence[Row], options: Options) -> tuple[list[str], list[str]]:
    """The metrics of a table, by their names; and a note on those that could not be in it."""
    numbers, texts = numeric_metrics(rows)
    if options.metrics is not None:
        wanted = [metric.removeprefix("metric.") for metric in options.metrics]
        for metric in wanted:
            if metric not in (*numbers, *texts):
                logged = few(list(map(visible, numbers)), _MOST_METRICS) or "none"
                raise UsageError(f"no run here has a metric {metric!r}", logged=logged)
        return wanted, []
    if not numbers:
        texts_said = few(list(map(visible, texts)), _MOST_METRICS) or "none"
        raise UsageError("no run here has a metric that is a number", texts=texts_said)
    if len(numbers) > _MOST_METRICS:
        raise UsageError(
            f"these runs have {len(numbers)} metrics",
            metrics=few(list(map(visible, numbers)), _MOST_METRICS),
            hint="choose some: --metric NAME[,NAME]",
        )
    return numbers, [f"no numbers, left out: {', '.join(texts)}"] if texts else []


def numeric_metrics(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The metrics that are numbers in all runs that have them, and the others."""
    known = dict.fromkeys(key for row in rows for key in row if key.startswith("metric."))
    texts = [key for key in known if any(isinstance(row.get(key), (str, bool)) for row in rows)]
    numbers = [key for key in known if key not in texts]
    return [key[len("metric.") :] for key in numbers], [key[len("metric.") :] for key in texts]


def _reference(groups: Sequence[tuple[tuple[object, ...], list[Row]]], options: Options) -> int:
    """Which group the others are tested against."""
    if options.against is None:
        return 0
    for at, (values, _) in enumerate(groups):
        if options.against in (*map(in_words, values), ",".join(map(in_words, values))):
            return at
    known = few([visible(",".join(map(in_words, values))) for values, _ in groups], _MOST_METRICS)
    raise UsageError(f"there is no group {options.against!r}", groups=known)


def _strip(
    metric: str, group: str, parts: Sequence[Sequence[Row]], reference: int, options: Options
) -> _Strip:
    found = [
        result(part, metric, take=options.take, how=options.how, confidence=options.confidence)
        if part
        else None
        for part in parts
    ]
    tests: list[Tested | None] = [None] * len(parts)
    base = found[reference]
    if options.test is not None and base is not None:
        tests = [
            None
            if one is None or at == reference
            else compare(options.test, (one, parts[at]), (base, parts[reference]))
            for at, one in enumerate(found)
        ]
    direction = better(metric, options.settings.direction)
    is_best = best_of([one and one.estimate for one in found], direction)
    return _Strip(metric, group, direction, found, is_best, tests)


def _corrected(strips: Sequence[_Strip]) -> list[_Strip]:
    """All tests of the table count together."""
    made = [test for strip in strips for test in strip.tests if test is not None]
    fixed = iter(corrected(made))
    return [
        replace(strip, tests=[test and next(fixed) for test in strip.tests]) for strip in strips
    ]


def best_of(estimates: Sequence[Estimate | None], direction: str | None) -> list[bool]:
    """Which estimates are the best, or have an interval that overlaps that of the best."""
    there = [one for one in estimates if one is not None]
    if direction is None or len(there) < 2:
        return [False] * len(estimates)
    sign = 1 if direction == "higher" else -1
    top = max(there, key=lambda one: sign * one.value)
    return [one is not None and (one.value == top.value or _overlap(one, top)) for one in estimates]


def _overlap(one: Estimate, other: Estimate) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _estimates(strip: _Strip) -> list[Estimate | None]:
    return [one.estimate if one else None for one in strip.results]


def _title(strip: _Strip, options: Options) -> str:
    return label("metric." + strip.metric, options.settings.labels) + _ARROWS[strip.direction]


def _columns(strip: _Strip, options: Options) -> list[Column]:
    title = _title(strip, options)
    above, own = (title, strip.group) if strip.group else ("", title)
    name = " ".join(filter(None, [strip.metric, strip.group]))
    columns = [Column(own, name=name, above=above)]
    if _has_counts(strip):
        columns.append(Column("n", name=f"{name} n", above=above))
    if any(strip.tests):
        columns.append(Column("p", name=f"{name} p", above=above, digits=_P_DIGITS))
    return columns


def _cells(strip: _Strip, at: int) -> list[Cell]:
    estimates = _estimates(strip)
    estimate, test = estimates[at], strip.tests[at]
    cells = [Cell(estimate, is_best=strip.is_best[at])]
    if _has_counts(strip):
        cells.append(Cell(estimate.n if estimate else 0))
    if any(strip.tests):
        cells.append(Cell(test.comparison.p if test and test.comparison else None))
    return cells


def _has_counts(strip: _Strip) -> bool:
    return len({one.n if one else 0 for one in _estimates(strip)}) > 1


def _down(
    strips: Sequence[_Strip], titles: Sequence[str], options: Options
) -> tuple[list[Column], list[Line]]:
    """A row for each metric, a column for each group."""
    if options.test is not None:
        raise UsageError("tests need their groups down the table, not across")
    lines: list[Line] = []
    for strip in strips:
        name = ", ".join(filter(None, [_title(strip, options), strip.group]))
        lines.append(Line((Cell(name), *map(Cell, _estimates(strip), strip.is_best))))
    return [Column("metric"), *(Column(title or "result") for title in titles)], lines


def _method(strips: Sequence[_Strip]) -> str:
    """How the numbers came about: `mean ± 95 % t interval over 5 seeds`."""
    there = [one for strip in strips for one in _estimates(strip) if one is not None]
    with_interval = [one for one in there if one.method]
    if not there:
        return "no run has a number"
    counts = sorted({one.n for one in there})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    over = "seeds" if all(one.over == "seeds" for one in there) else "runs"
    over = over.removesuffix("s") if counts == [1] else over
    if not with_interval:
        return f"of {n} {over} each, without an interval"
    one = with_interval[0]
    bar = f"{level(one.confidence)} {one.method}" if one.confidence else one.method
    return f"mean ± {bar} over {n} {over}"


def _notes(strips: Sequence[_Strip], titles: Sequence[str]) -> list[str]:
    method = _method(strips)
    notes = [method]
    if any(any(strip.is_best) for strip in strips):
        bars = [one.method for strip in strips for one in _estimates(strip) if one and one.method]
        ties = f"and those whose {bars[0]} overlaps the best one's" if bars else ""
        notes.append(f"bold: the best, {ties or 'and nothing tells how sure that is'}")
    unknown = dict.fromkeys(strip.metric for strip in strips if strip.direction is None)
    if unknown and len(titles) > 1:
        notes.append(f"whether higher or lower is better is not known of {', '.join(unknown)}")
    if "±" in method and any(one.n == 1 for strip in strips for one in _estimates(strip) if one):
        notes.append("one value has no interval")
    notes += _counted(
        [
            (note, title)
            for strip in strips
            for one, title in zip(strip.results, titles, strict=True)
            if one
            for note in (*one.notes, one.estimate.note if one.estimate else "")
            if note and note != _ONE_VALUE
        ]
    )
    return notes + _left_out(strips, titles)


def _left_out(strips: Sequence[_Strip], titles: Sequence[str]) -> list[str]:
    """How many runs have no result, and why; of several groups, how many of each."""
    found: dict[str, dict[str, set[str]]] = {}
    for strip in strips:
        for one, title in zip(strip.results, titles, strict=True):
            for run, why in one.left_out if one else ():
                said = f"no {strip.metric}" if why == "no such metric" else why
                found.setdefault(said, {}).setdefault(title, set()).add(run)
    notes: list[str] = []
    for why, groups in found.items():
        each = [
            f"{len(runs)} of {title}" if title else f"{len(runs)}" for title, runs in groups.items()
        ]
        whole = f"{sum(map(len, groups.values()))} of {len(groups)} groups"
        notes.append(f"left out, {why}: {whole if len(each) > _MOST_TOLD else ', '.join(each)}")
    return notes


def _counted(said: Sequence[tuple[str, str]]) -> list[str]:
    """Notes, each once, with the groups that they are of."""
    found: dict[str, dict[str, None]] = {}
    for note, title in said:
        found.setdefault(note, {})[title] = None
    return [
        f"{note} ({few(list(filter(None, titles)), _MOST_TOLD)})" if any(titles) else note
        for note, titles in found.items()
    ]


def _notes_of_tests(
    strips: Sequence[_Strip], titles: Sequence[str], reference: int, options: Options
) -> list[str]:
    if options.test is None:
        return []
    tests = [test for strip in strips for test in strip.tests if test is not None]
    made = [test.comparison for test in tests if test.comparison is not None]
    if not made:
        none = "; ".join(dict.fromkeys(test.why_none for test in tests)) or "there is one group"
        return [f"no {options.test} test: {none}"]
    counted = ", ".join(dict.fromkeys(one.counted for one in made))
    against = titles[reference] or "the first"
    notes = [f"p: {made[0].method}, against {against}, {counted}"]
    notes += dict.fromkeys(one.note for one in made if one.note)
    notes += dict.fromkeys(f"no test: {test.why_none}" for test in tests if test.why_none)
    return notes
