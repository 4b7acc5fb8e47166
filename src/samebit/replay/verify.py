"""Running a recorded run again, and the verdict: pure comparison of two runs that were read."""

import fnmatch
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samebit.capture.generators import LIBRARIES
from samebit.capture.unseeded import find_unseeded, in_words, seeded_libraries
from samebit.digest import canonical_json
from samebit.errors import SamebitError
from samebit.folders.folder import user_name
from samebit.folders.read import View
from samebit.folders.series import Column, TraceRow
from samebit.folders.streams import FACE, OTHERS
from samebit.objects.store import Store
from samebit.records import StateManifest, Verdict
from samebit.states import skeleton, storing
from samebit.trace import compare
from samebit.trace.compare import Matched, Side
from samebit.trace.recorder import FULL_ROWS_ONLY

__all__ = ["VOLATILE", "compare_traces", "is_volatile", "judge", "unseeded"]

# Metrics that are facts of clock or machine: listed, never judged. `volatile=` adds to them.
VOLATILE = (
    "*time*",
    "*second*",
    "*_s",
    "*_ms",
    "*per_s*",
    "*throughput*",
    "*speed*",
    "*fps*",
    "*memory*",
    "*mem_*",
    "*gpu_util*",
    "*elapsed*",
    "*duration*",
    "*timestamp*",
    "*eta*",
)
_GENERATORS = "generators"
_OF_RANDOMNESS = ("init", "batch", "input", "rng.python", "rng.numpy", "rng.torch", "rng.cuda")
_SEED_IT = "`samebit run --seed N` seeds it"


def compare_traces(ours: View, theirs: View) -> Matched:
    """The first difference of two runs, each rank compared with the same rank."""
    return compare.compare_ranks(_sides(ours, theirs), _sides(theirs, ours))


def _sides(view: View, other: View) -> dict[str, Side]:
    """What the comparison of traces needs to know of a run, by rank, or by process."""
    algorithms = [traced.get("algorithm") for traced in view.all_facts("trace")]
    algorithm = algorithms[-1] if algorithms else None
    sides: dict[str, Side] = {}
    for rank, rows in (view.traces or {FACE: []}).items():
        beginning = f"rank {rank}, " if len(view.traces) > 1 else ""
        for process in _processes(view, other, rank):
            part = view.at_process(rank, process)
            if part.trace:
                sides[beginning + process] = _side(part, rank, part.trace, algorithm)
        if not _processes(view, other, rank):
            alone = view.at_rank(rank) if rank in view.ranks else view
            sides[rank] = _side(alone, rank, rows, algorithm)
    return sides


def _side(view: View, rank: str, rows: Sequence[TraceRow], algorithm: str | None) -> Side:
    manifest = _manifest(view, "step 0")
    initial = _leaves(manifest) if manifest is not None else None
    schedules = [schedule for schedule in view.schedules if schedule.rank == rank]
    return Side(rows, schedules, initial, algorithm)


def _by_rank(recorded: View, replayed: View) -> list[tuple[str, View, View | None]]:
    """Each rank that recorded, as what is said of it begins, with its twin in the replay.

    Where a rank was several processes, each of them and what their children wrote: two that ran at
    the same time have no order of their own.
    """
    found: list[tuple[str, View, View | None]] = []
    for rank in recorded.ranks:
        several = len(recorded.ranks) > 1
        processes = _processes(recorded, replayed, rank)
        is_there = rank in replayed.ranks
        for process in processes:
            label = ", ".join([f"rank {rank}"] * several + [process] * bool(process))
            twin = replayed.at_process(rank, process) if is_there else None
            found.append((label + ": " * bool(label), recorded.at_process(rank, process), twin))
        if not processes:
            twin = replayed.at_rank(rank) if is_there else None
            found.append((f"rank {rank}: " * several, recorded.at_rank(rank), twin))
    return found or [("", recorded, replayed)]


def _processes(ours: View, theirs: View, rank: str) -> list[str]:
    """A rank's processes, to be compared one by one; none where the two name them otherwise."""
    names = ours.processes(rank)
    if not names or sorted(names) != sorted(theirs.processes(rank)):
        return []
    return [*names, OTHERS]


def judge(
    recorded: View,
    replayed: View,
    *,
    differences: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> Verdict:
    """Compare a run with its replay.

    Args:
        recorded: the run.
        replayed: its replay, ended.
        differences: of environment and data, known before it was run.
        problems: why the replay cannot prove anything, whatever the bits say.
    """
    matched = compare_traces(recorded, replayed)
    problems = [*problems, *recorded.odd, *replayed.odd]
    metrics = _compare_metrics(recorded, replayed)
    final = _compare_final(recorded, replayed)
    grade, cause, step = _grade(recorded, replayed, matched, metrics, final, problems)
    evidence: dict[str, Any] = {
        "rows": matched.rows,
        "groups": matched.groups,
        "metrics": len(metrics.compared),
        "final": final.digest if final is not None else None,
    }
    if matched.divergence is not None:
        found = matched.divergence
        evidence["divergence"] = {
            "step": found.step,
            "where": found.where,
            "cause": found.cause,
            "optimizer": found.optimizer,
            "groups": list(found.groups),
            "facts": list(found.facts),
            **({"rank": found.rank} if found.rank else {}),
        }
    same_user = recorded.record.user == user_name()
    same_machine = _machine_class(recorded) == _machine_class(replayed)
    return Verdict(
        grade=grade,
        run=recorded.id,
        replay=replayed.id,
        cause=cause,
        step=step,
        scope=(
            *_scope(recorded, replayed, matched, metrics, final),
            *_given_back(recorded, replayed),
        ),
        differences=(*differences, *_settings_differences(recorded, replayed)),
        evidence=evidence,
        who="repeated" if same_user and same_machine else "reproduced (claimed)",
        at_ns=time.time_ns(),
        by=user_name(),
        host=replayed.record.host,
    )


def _grade(
    recorded: View,
    replayed: View,
    matched: Matched,
    metrics: "_Metrics",
    final: "_Final | None",
    problems: Sequence[str],
) -> tuple[str, str, int | None]:
    """Grade, cause and step; doubt is never a pass."""
    divergence = matched.divergence
    cut = recorded.status != "finished" and replayed.status != recorded.status
    if divergence is not None and not (divergence.cause == "length" and cut):
        cause = divergence.what
        seedless = not_given_back(recorded, replayed)
        if divergence.cause in _OF_RANDOMNESS and seedless:
            cause += f"; {seedless}"
        if not problems:
            return "different", cause, divergence.step
        return "unknown", "; ".join([*problems, f"{divergence.where}: {cause}"]), divergence.step
    if problems:
        return "unknown", "; ".join(problems), None
    if replayed.status != recorded.status:
        return "unknown", _ended_otherwise(recorded, replayed), None
    if final is not None and final.differing:
        names = ", ".join(final.differing[:3])
        more = f" and {len(final.differing) - 3} more" if len(final.differing) > 3 else ""
        return "different", f"the final state differs: {names}{more}", None
    if metrics.differing:
        name, at = metrics.differing[0]
        where = f"{name} at step {at}"
        seedless = not_given_back(recorded, replayed)
        alone = final is not None or bool(matched.rows)
        what = "metric only (evaluation)" if alone else "a metric differs"
        return "different", f"{what}: {where}{'; ' + seedless if seedless else ''}", at
    if recorded.status != "finished":
        return "unknown", f"the run {recorded.status}; what both have of it is identical", None
    if recorded.gaps:
        return "unknown", f"the run's journal is damaged: {recorded.gaps[0].what}", None
    if final is None:
        what = "metrics agree, but " if metrics.compared else ""
        why = "no final state was recorded on both sides"
        if not recorded.trace:
            why = "no optimizer of PyTorch stepped, so there is no trace and no state to compare"
        return "unknown", what + why, None
    return "identical", "", None


def _ended_otherwise(recorded: View, replayed: View) -> str:
    text = f"the run {recorded.status}, and its replay {replayed.status}"
    if replayed.end is not None and replayed.end.exit_code:
        text += f" with exit code {replayed.end.exit_code}"
    exception = replayed.facts.get("exception")
    if isinstance(exception, str) and exception.strip():
        text += f": {exception.strip().splitlines()[-1]}"
    return text


def unseeded(view: View) -> str:
    """Why a run would not come out the same by itself: what nobody seeded; else empty."""
    seed = view.seed
    if seed is not None:
        return ""
    called = seeded_libraries(view.all_facts, None)
    if "torch" in called if view.trace else called:
        return ""
    lines = [s for s in find_unseeded(view.all_facts, None) if s.at and s.matters == "likely"]
    named = f"; {in_words(lines)}" if lines else ""
    if view.trace:
        return f"the run was never seeded: {_SEED_IT}{named}"
    return f"nobody seeded Python's or NumPy's generators: {_SEED_IT}{named}"


def not_given_back(recorded: View, replayed: View) -> str:
    """What was random in a run and could not be given back to its replay; else empty."""
    if not _was_given(replayed) and (never := unseeded(recorded)):
        return never  # an older record, or two runs of which neither replays the other
    found = find_unseeded(recorded.all_facts, recorded.seed)
    lost = [s.short for s in found if not s.given_back and s.matters != "unlikely"]
    for source in find_unseeded(_only_new(replayed), 0):
        lost.append(f"{source.short}, of which the record has no seed")
    if recorded.start is not None and recorded.start.how == "init" and recorded.seed is None:
        lost.append("what was drawn before init()")
    return f"random, and not given back: {', '.join(lost[:5])}" if lost else ""


def _was_given(replayed: View) -> bool:
    facts = (*replayed.all_facts("generator"), *replayed.all_facts("unseeded"))
    return any(fact.get("given") for fact in facts)


def _only_new(replayed: View) -> Callable[[str], list[Any]]:
    """The generators of a replay for which its run has no seed."""
    new = [fact for fact in replayed.all_facts("unseeded") if fact.get("given") is False]
    return lambda name: new if name == "unseeded" else []


def _given_back(recorded: View, replayed: View) -> list[str]:
    """What of the run's randomness its replay was given; part of what the verdict rests on."""
    libraries = [f["library"] for f in replayed.all_facts("generator") if f.get("given")]
    seeded = seeded_libraries(recorded.all_facts, recorded.seed)
    lines: list[str] = []
    names = [name for name in LIBRARIES if name in libraries and name not in seeded]
    if names:
        lines.append(f"given back: how the generators began that nobody seeded: {', '.join(names)}")
    new = [fact for fact in replayed.all_facts("unseeded") if fact.get("given")]
    sources = find_unseeded(lambda name: new if name == "unseeded" else [], 0)
    shown = [source for source in sources if source.matters != "unlikely"]
    if shown:
        lines.append(f"given back: the seeds of {in_words(shown)}")
    for fact in replayed.all_facts("epoch"):
        if fact.get("given"):
            lines.append(f"given back: the state of {', '.join(fact['given'])} of a data loader")
    return list(dict.fromkeys(lines))


def is_volatile(name: str, view: View) -> bool:
    """Whether a metric is a fact of clock or machine, by its name or by what the run said."""
    patterns = (*VOLATILE, *(view.facts.get("volatile") or ()))
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


@dataclass
class _Metrics:
    """The comparison of two runs' metrics."""

    compared: list[str] = field(default_factory=list[str])
    points: int = 0
    differing: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    volatile: list[str] = field(default_factory=list[str])


def _compare_metrics(recorded: View, replayed: View) -> _Metrics:
    found = _Metrics()
    for rank, mine, twin in _by_rank(recorded, replayed):
        ours, theirs = mine.metrics, twin.metrics if twin is not None else {}
        for name in [*ours, *(n for n in theirs if n not in ours)]:
            if is_volatile(name, recorded):
                found.volatile.append(rank + name)
                continue
            found.compared.append(rank + name)
            step = _first_difference(ours.get(name), theirs.get(name))
            if step is not None:
                found.differing.append((rank + name, step))
            elif name in ours:
                found.points += len(ours[name].steps)
    found.differing.sort(key=lambda pair: pair[1])
    return found


def _first_difference(ours: Column | None, theirs: Column | None) -> int | None:
    if ours is None or theirs is None:
        present = ours or theirs
        return present.steps[0] if present is not None and present.steps else 0
    mine = dict(zip(ours.steps, ours.values, strict=True))
    other = dict(zip(theirs.steps, theirs.values, strict=True))
    for step in dict.fromkeys([*ours.steps, *theirs.steps]):
        if step not in mine or step not in other or not _same(mine[step], other[step]):
            return step
    return None


def _same(ours: Any, theirs: Any) -> bool:
    """Equal as bits: two NaNs with equal bits agree, 0.0 and -0.0 do not, 1 and 1.0 do not."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return struct.pack("<d", ours) == struct.pack("<d", theirs)
    return type(ours) is type(theirs) and ours == theirs


@dataclass(frozen=True)
class _Final:
    """The comparison of two final states."""

    count: int  # arrays
    differing: list[str]
    digest: str


def _compare_final(recorded: View, replayed: View) -> _Final | None:
    """Every final state that the run has; None where there is none or one side lacks it."""
    count, differing, digests = 0, list[str](), list[str]()
    for rank, view, twin in _by_rank(recorded, replayed):
        for name in (name for name in view.states if name.startswith("final")):
            ours = _manifest(view, name)
            theirs = _manifest(twin, name) if twin is not None else None
            if ours is None or theirs is None:
                return None
            mine, other = _leaves(ours), _leaves(theirs)
            differing += [rank + n for n in {**mine, **other} if mine.get(n) != other.get(n)]
            if _plain_values(ours) != _plain_values(theirs):
                differing.append(f"{rank}a plain value of the state")
            count += len(mine)
            digests.append(view.states[name]["manifest"])
    return _Final(count, differing, digests[0]) if digests else None


def _manifest(view: View, name: str) -> StateManifest | None:
    if name not in view.states:
        return None
    try:
        return storing.read_manifest(Store(view.folder.store), view.manifest(name))
    except SamebitError:
        return None


def _leaves(manifest: StateManifest) -> dict[str, str]:
    """Leaf names to what they hold; generators are compared by the trace, stream by stream."""
    return {
        name: f"{leaf.dtype} {leaf.shape} {leaf.digest}"
        for name, leaf in manifest.leaves.items()
        if not name.startswith(_GENERATORS)
    }


def _plain_values(manifest: StateManifest) -> bytes:
    """Everything of a state that is no array, but for the generators, as bytes to compare."""
    parts = skeleton.top_level(manifest.skeleton)
    return canonical_json([[k, part] for k, part in parts.items() if k != _GENERATORS])


def _scope(
    recorded: View, replayed: View, matched: Matched, metrics: _Metrics, final: _Final | None
) -> list[str]:
    lines: list[str] = []
    if matched.rows:
        every = [
            name
            for name, count in matched.groups.items()
            if count == matched.rows and name not in FULL_ROWS_ONLY
        ]
        some = {name: count for name, count in matched.groups.items() if name not in every}
        if any(name.startswith("rng.") for name in every):
            some.pop("rng.python", None)  # sampled more rarely than the other generators
        lines.append(f"{_steps(recorded.traces, matched.rows)}: {_in_words(every)} bit-identical")
        if some:
            fewest = min(some.values())
            lines.append(f"in {fewest} of them also {_in_words(list(some))}")
    if matched.divergence is None or matched.divergence.cause != "init":
        initial = _manifest(recorded, "step 0")
        if initial is not None and _manifest(replayed, "step 0") is not None:
            lines.append(f"initial state identical: {len(_leaves(initial))} arrays")
    if final is not None and not final.differing:
        lines.append(f"final state identical: {final.count} arrays")
    agreeing = len(metrics.compared) - len(metrics.differing)
    if agreeing:
        lines.append(f"metrics identical: {agreeing} names, {metrics.points} values")
    if metrics.volatile:
        lines.append(f"not judged (clock or machine): {', '.join(metrics.volatile)}")
    for problem in recorded.all_facts("problem"):
        line = f"{problem['what']}: {problem['detail']}"
        if problem["what"].endswith("not traced") and line not in lines:
            lines.append(line)
    settings = recorded.facts.get("settings") or {}
    if lines and "torch.threads" in settings:
        lines.append(f"all with {settings['torch.threads']} threads")
    return lines


def _steps(traces: Mapping[str, Sequence[TraceRow]], count: int) -> str:
    if len(traces) > 1:
        return f"{count} steps of {len(traces)} ranks"
    (rows,) = traces.values()
    if count > len(rows):
        return f"{count} steps of several processes"
    first, last = rows[0].count, rows[count - 1].count
    optimizers = {row.optimizer for row in rows[:count]}
    text = f"steps {first} to {last}" if len(optimizers) == 1 else f"{count} steps"
    return text if len(optimizers) == 1 else f"{text} of {len(optimizers)} optimizers"


_WORDS = {
    "batch": "batch",
    "input": "model input",
    "hyper": "hyper-parameters",
    "output": "model output",
    "loss": "loss",
    "grad": "gradients",
    "param": "parameters",
}


def _in_words(groups: Sequence[str]) -> str:
    words = [_WORDS[name] for name in _WORDS if name in groups]
    if any(name.startswith("rng.") for name in groups):
        words.append("generators")
    return ", ".join(words) or "nothing"


def _settings_differences(recorded: View, replayed: View) -> list[str]:
    ours, theirs = recorded.facts.get("settings") or {}, replayed.facts.get("settings") or {}
    return [
        f"{name}: {ours.get(name)} then, {theirs.get(name)} now"
        for name in ours
        if ours.get(name) != theirs.get(name) and name != "torch.initial_seed"
    ]


def _machine_class(view: View) -> Mapping[str, Any]:
    found = view.facts.get("machine") or {}
    return {name: found.get(name) for name in ("system", "cpu", "gpus") if name in found}
