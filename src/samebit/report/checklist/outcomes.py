"""Evidence of how the runs went: what became of them, what they took, what was tested how often."""

import math
from collections.abc import Callable, Sequence

from samebit.report.amounts import counted, duration, size
from samebit.report.checklist.project import (
    SEEDED,
    Evidence,
    Project,
    Row,
    configurations,
    each,
    names_under,
    number_under,
    numbers_under,
    of,
    spread,
    validation_of,
)
from samebit.report.table import few, number

__all__ = [
    "compute",
    "error_bars",
    "fates",
    "measures",
    "run_time",
    "seconds_of",
    "tests",
    "validation",
    "verdicts",
]

_HOUR_S = 3600
_STATES = ("finished", "stopped early", "diverged", "failed", "killed", "broken off", "running")


def verdicts(project: Project) -> Evidence:
    """How many were run again, and what came of it."""
    runs = project.runs
    judged = [row for row in runs if row.get("verified") is not None]
    if not judged:
        return Evidence("run again", (), "`samebit verify RUN` runs one again and compares")
    grades = each(judged, "verified")
    if len({row["verified"] for row in judged}) == 1:
        grades = str(judged[0]["verified"])
    line = f"{of(len(judged), len(runs))} run again and compared with the record: {grades}"
    hint = "`samebit verify RUN` runs another one again" if len(judged) < len(runs) else ""
    return Evidence("run again", (line,), hint)


def fates(project: Project) -> Evidence:
    """What became of the runs that were started, also of those that the paper does not show."""
    lines = [_fates(project.runs)]
    if project.others:
        lines.append(f"in the same project besides: {_fates(project.others)}")
    if project.unreadable:
        lines.append(f"{counted(project.unreadable, 'more run')} cannot be read")
    seeds = len({repr(row.get("seed")) for row in project.runs if row.get("seed") is not None})
    if seeds:
        lines.append(f"seeds given to the runs of the paper: {seeds:,} different")
    return Evidence("runs started and finished", tuple(lines))


def _fates(rows: Sequence[Row]) -> str:
    counts: dict[str, int] = dict.fromkeys(_STATES, 0)
    lost: list[str] = []
    for runs in configurations(rows):
        longest = max(
            numbers_under((r for r in runs if r.get("state") == "finished"), "steps"), default=0.0
        )
        for row in runs:
            state = str(row.get("state"))
            if state == "finished":
                names = _not_finite(row)
                lost += names
                steps = number_under(row, "steps")
                if names:
                    state = "diverged"
                elif steps is not None and steps < longest:
                    state = "stopped early"
            counts[state] = counts.get(state, 0) + 1
    said = [f"{count:,} {state}" for state, count in counts.items() if count]
    line = f"{len(rows):,} started: {', '.join(said)}"
    notes: list[str] = []
    if counts["stopped early"]:
        notes.append("stopped early: fewer steps than the longest run of its configuration")
    if lost:
        names = few(list(dict.fromkeys(lost)))
        notes.append(f"diverged: no finite number at its end ({names})")
    return f"{line} ({'; '.join(notes)})" if notes else line


def _not_finite(row: Row) -> list[str]:
    return [
        key.removeprefix("metric.")
        for key, value in row.items()
        if key.startswith("metric.") and isinstance(value, float) and not math.isfinite(value)
    ]


def error_bars(project: Project) -> Evidence:
    """How many runs stand behind a mean, and what varied from one to the other."""
    finished = [row for row in project.runs if row.get("state") == "finished"]
    groups = configurations(finished)
    if not groups:
        return Evidence("what error bars capture", (), "they need finished runs of several seeds")
    sizes = [len(group) for group in groups]
    line = f"{counted(len(groups), 'configuration')}, of each "
    low, high = min(sizes), max(sizes)
    line += counted(low, "finished run") if low == high else f"{low:,} to {high:,} finished runs"
    if high == 1:
        hint = "more seeds: an error bar needs at least two runs of one configuration"
        return Evidence("what error bars capture", (f"{line}: no error bar can be drawn",), hint)
    varied, same = _factors(groups)
    lines = [line]
    if varied:
        lines.append(f"what varied between runs of one configuration: {', '.join(varied)}")
    else:
        lines.append("what varied between runs of one configuration is not recorded")
    if same:
        lines.append(f"the same in all of them: {', '.join(same)}")
    hint = "`samebit table` gives intervals with their method and n"
    return Evidence("what error bars capture", tuple(lines), hint)


def _factors(groups: Sequence[Sequence[Row]]) -> tuple[list[str], list[str]]:
    """What differs within at least one configuration, and what in none of them."""
    several = [group for group in groups if len(group) > 1]
    rows = [row for group in several for row in group]
    varied: list[str] = []
    same: list[str] = []
    kinds: list[tuple[str, Callable[[str], str]]] = [
        ("seeds.", lambda name: f"the seed of {SEEDED.get(name, name)}"),
        ("split_digest.", lambda name: f"the split {name}"),
        ("data.", lambda name: f"the data {name}"),
    ]
    candidates = [("seed", "the seed that samebit gave every library")]
    candidates += [(p + n, say(n)) for p, say in kinds for n in names_under(rows, p)]
    candidates += [("code.ran", "the code"), ("machine.device", "the machine")]
    for key, text in candidates:
        if all(row.get(key) is None for row in rows):
            continue
        differs = any(len({repr(row.get(key)) for row in group}) > 1 for group in several)
        (varied if differs else same).append(text)
    return varied, same


def run_time(project: Project) -> Evidence:
    """What one run takes."""
    finished = [row for row in project.runs if row.get("state") == "finished"]
    times = [one for row in finished if (one := seconds_of(row)) is not None]
    lines = [f"a finished run took {spread(times, duration)}"] if times else []
    if peaks := numbers_under(finished, "machine.peak_memory_bytes"):
        lines.append(f"at most {_bytes(max(peaks))} of memory in use")
    if steps := numbers_under(finished, "steps"):
        lines.append(f"{spread(steps)} steps")
    return Evidence("time of one run", tuple(lines))


def compute(project: Project) -> Evidence:
    """What all runs took together, also those that failed, that came before, and the replays."""
    lines: list[str] = []
    if project.others:
        lines.append(f"the runs of the paper: {_took(project.runs)}")
    every = project.every
    what = "all runs of the project, failed and preliminary ones too" if len(every) > 1 else "it"
    lines.append(f"{what}: {_took(every)}")
    states = dict.fromkeys(str(row.get("state")) for row in every)
    if len(states) > 1:
        by_state = [
            f"{state} {_took([row for row in every if str(row.get('state')) == state])}"
            for state in states
        ]
        lines.append(f"of these: {'; '.join(by_state)}")
    if project.replays:
        lines.append(f"besides, recorded runs run again: {_took(project.replays)}")
    return Evidence("compute in total", tuple(lines))


def _took(rows: Sequence[Row]) -> str:
    """`12 runs, 3 h 4 min; device hours: 3.07 of NVIDIA H100`."""
    times = [one for row in rows if (one := seconds_of(row)) is not None]
    text = counted(len(rows), "run")
    if not times:
        return f"{text}, of which no time is known"
    text += f", {duration(math.fsum(times))}"
    if len(times) < len(rows):
        text += f" (of {len(rows) - len(times):,} it is not known)"
    hours: dict[str, float] = {}
    for row in rows:
        held, device = number_under(row, "device_hours"), row.get("machine.device")
        if held is not None and isinstance(device, str):
            model = device.rpartition(" × ")[0] or device
            hours[model] = hours.get(model, 0.0) + held
    said = [f"{number(count)} of {model}" for model, count in hours.items()]
    return text + (f", device hours {few(said)}" if said else "")


def seconds_of(row: Row) -> float | None:
    """How long a run took; of one that was broken off, until its last sign of life."""
    taken, held = number_under(row, "seconds"), number_under(row, "device_hours")
    devices = number_under(row, "machine.devices")
    if taken is not None:
        return taken
    return held * _HOUR_S / devices if held is not None and devices else None


def _bytes(count: float) -> str:
    return size(int(count))


def tests(project: Project) -> Evidence:
    """How often a test set was looked at."""
    hint = "log test scores under a name with `test` in it, or name them: `--test-metric NAME`"
    if not project.tests:
        return Evidence("evaluations on test data", (), hint)
    lines = [_tested(project.runs, project.tests, "the runs of the paper")]
    if any(_points(row, project.tests) for row in project.others):
        lines.append(_tested(project.others, project.tests, "other runs of the project"))
    often = [row for row in project.runs if _points(row, project.tests) > 1]
    if often:
        lines.append(
            f"more than once in {of(len(often), len(project.runs))}: say whether anything was"
            " chosen by these scores"
        )
    names = few(list(project.tests), 6)
    lines.append(f"counted are the points of {names} ({project.test_rule})")
    return Evidence("evaluations on test data", tuple(lines))


def _tested(rows: Sequence[Row], names: Sequence[str], whose: str) -> str:
    points = [count for row in rows if (count := _points(row, names))]
    if not points:
        return f"{whose}: none"
    total, runs = counted(sum(points), "evaluation"), counted(len(points), "run")
    return f"{whose}: {total} in {runs}, {spread([float(count) for count in points])} each"


def _points(row: Row, names: Sequence[str]) -> int:
    """Several scores that are logged at once are one evaluation."""
    return int(max((number_under(row, f"points.{name}") or 0 for name in names), default=0))


def validation(project: Project) -> Evidence:
    """Which validation score stands beside each test score."""
    about = "validation score of each test score"
    if not project.tests:
        return Evidence(about)
    names = names_under(project.runs, "metric.")
    lines: list[str] = []
    missing: list[str] = []
    for test in project.tests:
        beside = validation_of(test, (name for name in names if name not in project.tests))
        if beside is None:
            missing.append(test)
            continue
        tested = [row for row in project.runs if row.get(f"metric.{test}") is not None]
        both = [row for row in tested if row.get(f"metric.{beside}") is not None]
        lines.append(
            f"{test} has {beside} in {of(len(both), len(tested))}; {_pair(both, test, beside)}"
        )
    hint = ""
    if missing:
        hint = f"of {few(missing)} there is none: log it as {_called(missing[0])}"
    return Evidence(about, tuple(lines), hint)


def _pair(rows: Sequence[Row], test: str, beside: str) -> str:
    said = [
        f"{name} {spread(values)}"
        for name in (test, beside)
        if (values := numbers_under(rows, f"metric.{name}"))
    ]
    return " beside ".join(said) or "neither is a number"


def _called(test: str) -> str:
    low = test.lower()
    at = low.find("test")
    return f"{test[:at]}val{test[at + 4 :]}" if at >= 0 else f"val/{test}"


def measures(project: Project) -> Evidence:
    """What was measured; how it is defined, only its authors know."""
    declared = project.declared.measures
    names = names_under(project.runs, "metric.")
    lines = [f"logged: {few(names, 8)}"] if names else []
    lines += [f"declared: {name} is {what}" for name, what in declared.items()]
    hint = 'below [checklist.measures] in samebit.toml: METRIC = "averaging, library, unit"'
    return Evidence("measures", tuple(lines), "" if declared else hint)
