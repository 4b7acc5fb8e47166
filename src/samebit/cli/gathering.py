"""What a published page tells of a run: the lines of `samebit show`, its curves, its verdicts.

Nothing here depends on the time or place of publishing, so equal runs make equal pages.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from samebit.capture.variables import variable_class
from samebit.cli.configuring import config_entries, training_facts
from samebit.cli.scheduling import optimizer_lines
from samebit.cli.showing import code_lines, randomness_lines
from samebit.cli.splitting import split_lines
from samebit.cli.surroundings import (
    environment_lines,
    file_lines,
    link_lines,
    use_lines,
    used_lines,
)
from samebit.cli.verifying import in_words
from samebit.cli.words import duration, shown, size
from samebit.errors import SamebitError
from samebit.folders.ending import raised
from samebit.folders.imported import imported_lines
from samebit.folders.read import View
from samebit.folders.said import KINDS
from samebit.folders.series import Changes, Schedule
from samebit.folders.steps import last_counts
from samebit.objects.store import Store
from samebit.query.index import verdict_of
from samebit.query.lacks import find_lacks
from samebit.records import Verdict
from samebit.replay.results import is_volatile
from samebit.report.curves import Curve, stairs, thinned
from samebit.report.page import Fact, Part, Told
from samebit.states.stored import StoredState

__all__ = ["lead", "marks", "part", "parts", "rates", "tell"]

_MOST_CURVES = 4  # of learning rates: an optimizer may have a group for each layer
_MOST_OPTIMIZERS = 8
_MOST_VERDICTS = 8
# Of these alone something is said in a note that is somebody's own words.
_OUR_NOTES = frozenset({"verdict", "dropped", "certificate", "group", *KINDS})
# Whole lines that tell whose a run is.
_PERSONAL = frozenset({"by", "on", "job", "inside run", "commit", "kept as", "repository"})

Lines = Iterable[tuple[str, object]]


def tell(view: View, columns: int, *, anonymous: bool) -> Told:
    """What there is to say of a run.

    Args:
        view: the run.
        columns: of a chart, by which its curves are thinned.
        anonymous: leave out the lines that could only be hidden.
    """
    curves = dict(_curves(view, columns))
    return Told(
        view.name or view.id,
        marks(view),
        lead(view),
        parts(view, _other_metrics(view, curves), anonymous=anonymous),
        tuple(curves.items()),
    )


def marks(view: View) -> tuple[str, ...]:
    """Its state, and its last verdict where it has one."""
    grade = verdict_of(view.verdicts)
    return (view.status, grade) if grade is not None else (view.status,)


def parts(view: View, metrics: Lines, *, anonymous: bool) -> tuple[Part, ...]:
    """All that is told in words, with these lines of metrics."""
    told: list[tuple[str, Lines]] = [
        ("Run", _execution(view)),
        ("Hyper-parameters", [(name, value) for name, value, _ in config_entries(view)]),
        ("Training", _training(view)),
        ("Schedule", _schedule(view)),
        ("Randomness", randomness_lines(view)),
        ("Metrics", metrics),
        ("Verdicts", _verdicts(view.verdicts)),
        ("Code", _code(view)),
        ("Data", [*used_lines(view, _fingerprint), *link_lines(view)]),
        ("Splits", split_lines(view)),
        ("States", _states(view)),
        ("Files", file_lines(view)),
        ("Environment", [*environment_lines(view), *_variables(view), *_packages(view, anonymous)]),
        ("Use of the machine", use_lines(view)),
        ("Missing from the record", _lacks(view)),
    ]
    hidden = _PERSONAL if anonymous else ()
    found = (part(title, lines, hidden) for title, lines in told)
    return tuple(one for one in found if one.facts)


def part(title: str, lines: Lines, hidden: Iterable[str] = ()) -> Part:
    """Lines of one kind, without those of some names."""
    return Part(title, _facts(lines, hidden))


def _facts(lines: Lines, hidden: Iterable[str]) -> tuple[Fact, ...]:
    """Lines of one name as one fact; a line without a name goes on with the one before."""
    found: dict[str, list[str]] = {}
    name = ""
    for key, value in lines:
        name = key.strip() or name
        if text := shown(value):
            found.setdefault(name, []).append(text)
    return tuple(Fact(name, tuple(said)) for name, said in found.items() if name not in hidden)


def _utc(ns: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(ns // 10**9))
    except (OverflowError, ValueError, OSError):
        return f"{ns} ns"  # no calendar reaches there; a damaged record does


def lead(view: View) -> str:
    """Why it ended, when it was and how long it took, in a line."""
    cause = [view.cause] if view.cause else []
    took = [duration(taken)] if (taken := _seconds(view)) is not None else []
    return ", ".join([*cause, _utc(view.record.started_ns), *took])


def _seconds(view: View) -> float | None:
    spans = zip(view.starts, view.ends, strict=True)
    taken = [(end.ended_ns - start.started_ns) / 1e9 for start, end in spans if end is not None]
    return sum(taken) if taken and len(taken) == len(view.starts) else None


def _execution(view: View) -> Iterator[tuple[str, object]]:
    yield "id", view.id
    yield "name", view.name
    if view.record.kind != "run":
        yield "kind", f"{view.record.kind} of {view.record.of}"
    yield "group", view.group
    yield "inside run", view.record.parent
    start = view.start
    if start is not None and view.record.imported is None:
        yield "command", " ".join(start.argv)
    yield from imported_lines(view)
    yield "by", view.record.user
    yield "on", view.record.host
    if len(view.ranks) > 1:
        yield "ranks", len(view.ranks)
    for one, end in zip(view.starts, view.ends, strict=True):
        text = _utc(one.started_ns)
        if end is not None:
            how = f" by {end.signal}" if end.signal else ""
            how += f", exit code {end.exit_code}" if end.exit_code else ""
            took = duration((end.ended_ns - one.started_ns) / 1e9)
            text += f", {end.status}{how} after {took}"
        yield "executions" if len(view.starts) > 1 else "when", text
    yield "exception", raised(view.facts.get("exception"))
    yield "tags", ", ".join(view.said.tags)
    yield "note", view.said.text
    if view.said.archived:
        yield "archived", "yes"
    for note in view.notes:
        if note.kind not in _OUR_NOTES and isinstance(note.value, str):
            yield note.kind, note.value
    yield "recorded by", f"samebit {view.record.samebit}" if view.record.samebit else None


def _training(view: View) -> Iterator[tuple[str, object]]:
    counts = last_counts(view.trace)
    for optimizer, count in list(counts.items())[:_MOST_OPTIMIZERS]:
        label = "steps" if len(counts) == 1 else f"steps of optimizer {optimizer}"
        yield label, f"{count:,}, each with its fingerprints"
    fact = view.facts.get("training")
    if isinstance(fact, dict):
        yield from training_facts(fact)


def _schedule(view: View) -> Iterator[tuple[str, object]]:
    """What the optimizers of the first process used; of a run that was resumed, of each."""
    face = [one for one in view.schedules if one.rank == view.schedules[0].rank]
    for at, schedule in enumerate(face):
        optimizers = list(dict.fromkeys(key[0] for key in schedule.scalars))
        for optimizer in optimizers[:_MOST_OPTIMIZERS]:
            of = f"execution {at + 1}, " if len(face) > 1 else ""
            of += f"optimizer {optimizer}, " if len(optimizers) > 1 else ""
            for name, text in optimizer_lines(view, schedule, optimizer):
                yield (f"{of}{name}" if name else ""), text


def _curves(view: View, columns: int) -> Iterator[tuple[str, Curve]]:
    """The metrics, those of the clock and the machine last, and the learning rates."""
    for name in sorted(view.metrics, key=lambda name: is_volatile(name, view)):
        column = view.metrics[name]
        curve = thinned(column.steps, column.values, columns)
        if curve is not None:
            yield name, curve
    yield from rates(view.schedules, last_counts(view.trace), columns)


def rates(
    schedules: list[Schedule], last: dict[int, int], columns: int
) -> Iterator[tuple[str, Curve]]:
    """Each learning rate that changed, once where several groups have it."""
    found: dict[tuple[int, int], Changes] = {}
    for schedule in (one for one in schedules if one.rank == schedules[0].rank):
        for (optimizer, group, name), changes in schedule.scalars.items():
            if name == "lr" and group >= 0:
                before = found.get((optimizer, group), Changes([], []))
                found[optimizer, group] = before.followed_by(changes)
    told: list[tuple[list[int], list[Any]]] = []
    for (optimizer, group), changes in sorted(found.items(), key=lambda one: one[0]):
        counts, values = changes.counts, changes.values
        if len({*map(repr, values)}) < 2 or (counts, values) in told or len(told) == _MOST_CURVES:
            continue
        title = "learning rate" + (f", optimizer {optimizer}" if optimizer else "")
        title += f", group {group}" if group else ""
        told.append((counts, values))
        corners = stairs(counts, values, last.get(optimizer, counts[-1]))
        curve = thinned(*corners, columns, is_linear=True)
        if curve is not None:
            yield title, curve


def _other_metrics(view: View, curves: Iterable[str]) -> Iterator[tuple[str, object]]:
    for name, column in view.metrics.items():
        if name not in curves:
            yield name, f"{shown(column.values[-1])} at step {column.steps[-1]}"


def _verdicts(verdicts: list[Verdict]) -> Iterator[tuple[str, object]]:
    """The newest first, each with its evidence."""
    for verdict in verdicts[: -_MOST_VERDICTS - 1 : -1]:
        when = _utc(verdict.at_ns)
        yield when, in_words(verdict)
        for fact in (verdict.evidence.get("divergence") or {}).get("facts", ()):
            yield when, fact
        if verdict.scope:
            yield when, f"compared: {'; '.join(verdict.scope)}"
        if verdict.differences:
            yield when, f"another environment: {'; '.join(verdict.differences)}"
        if verdict.who:
            yield when, f"{verdict.who}, in replay {verdict.replay}"


def _code(view: View) -> Iterator[tuple[str, object]]:
    code = view.code
    if code is not None:
        yield "repository", code.remote
    yield from code_lines(view)
    if code is not None:
        yield "tree", code.tree


def _fingerprint(name: str | None) -> str:
    return name or "no fingerprint"


def _states(view: View) -> Iterator[tuple[str, object]]:
    """What it began and ended with, by the identity that a file of its weights has, too."""
    others = 0
    for name, state in view.states.items():
        if name != "step 0" and not name.startswith("final"):
            others += not state.get("dropped")
            continue
        kept = "" if state.get("kept", True) else ", digests only"
        yield name, f"{size(state.get('size_bytes', 0))}{kept}, {state['manifest']}"
        try:
            opened = StoredState(Store(view.folder.store), state["manifest"], apart=True)
            for part in [] if opened.is_sharded else opened.modules:
                yield name, f"identity of {part}: {opened.identity(part)}"
        except SamebitError:
            continue  # its bytes were let go of; the name of its manifest says as much
    if others:
        yield "checkpoints", others


def _variables(view: View) -> Iterator[tuple[str, object]]:
    """Those that can change a result."""
    for name, value in sorted((view.facts.get("variables") or {}).items()):
        if variable_class(name) == "result":
            yield "variables", f"{name}={value}"


def _packages(view: View, anonymous: bool) -> Iterator[tuple[str, object]]:
    """What came from a folder or a repository may be the author's own, and tell who that is."""
    packages = view.facts.get("packages") or {}
    versions, origins = packages.get("versions") or {}, packages.get("origins")
    elsewhere = origins if anonymous and isinstance(origins, dict) else {}
    listed = [f"{name} {versions[name]}" for name in sorted(versions) if name not in elsewhere]
    yield "packages", ", ".join(listed)


def _lacks(view: View) -> Iterator[tuple[str, object]]:
    for lack in find_lacks(view):
        yield lack.key, lack.what
