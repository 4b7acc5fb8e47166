"""The verdict: pure comparison of a run and its replay, both as they were read."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from samebit.folders.ending import raised
from samebit.folders.folder import user_name
from samebit.folders.read import View
from samebit.folders.steps import last_counts
from samebit.records import Verdict
from samebit.replay.pairs import Pair, compare_part, compare_traces
from samebit.replay.randomness import drawn_in_workers, given_back, not_given_back
from samebit.replay.results import (
    Checkpoints,
    Data,
    Final,
    Media,
    Metrics,
    Splits,
    compare_checkpoints,
    compare_data,
    compare_final,
    compare_media,
    compare_metrics,
    compare_splits,
)
from samebit.replay.scope import not_comparable, scope, settings_differences
from samebit.trace.compare import Matched, in_order

__all__ = ["ended_otherwise", "judge"]

_NOT_BEGUN = "not begun"  # why a replay ends before its last execution
_OF_RANDOMNESS = ("init", "batch", "input", "rng.python", "rng.numpy", "rng.torch", "rng.cuda")


def judge(
    recorded: View,
    replayed: View,
    *,
    differences: Sequence[str] = (),
    problems: Sequence[str] = (),
    pairs: Sequence[Pair] = (),
) -> Verdict:
    """Compare a run with its replay.

    Args:
        recorded: the run.
        replayed: its replay, ended.
        differences: of environment and data, known before it was run.
        problems: why the replay cannot prove anything, whatever the bits say.
        pairs: of a run that was resumed, the executions that were run again, in order.
    """
    cut = _cut_short(pairs) if pairs else _cut(recorded, replayed)
    each: list[tuple[Pair, int]] = []  # executions, and how many of their steps agree
    if pairs:
        matched, each = _matched(pairs)
    else:
        matched = compare_traces(recorded, replayed, cut=cut is not None)
    problems = [*problems, *recorded.odd, *replayed.odd]
    metrics = compare_metrics(recorded, replayed, cut=cut is not None, beyond=_beyond(pairs))
    final = None if cut else compare_final(recorded, replayed)
    checkpoints = compare_checkpoints(recorded, replayed)
    splits = compare_splits(recorded, replayed, cut=cut is not None)
    data = compare_data(recorded, replayed, cut=cut is not None)
    more = bool(pairs) or recorded.status != "finished"
    media = compare_media(recorded, replayed, cut=cut is not None, more=more)
    compared = matched, metrics, final, checkpoints, splits, data, media
    # Of a run that was resumed it is the execution that was run again last which ended so.
    ended = pairs[-1].recorded if pairs else recorded
    grade, cause, step = _grade(recorded, replayed, ended.status, *compared, problems, cut)
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
            **({"execution": found.execution} if found.execution else {}),
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
            *scope(recorded, replayed, *compared, each),
            *given_back(recorded, replayed),
        ),
        differences=(*differences, *_settings(recorded, replayed, pairs)),
        evidence=evidence,
        who="repeated" if same_user and same_machine else "reproduced (claimed)",
        at_ns=time.time_ns(),
        by=user_name(),
        host=replayed.record.host,
        until=cut["count"] if cut else None,
    )


def _cut(recorded: View, replayed: View) -> Mapping[str, Any] | None:
    """How the replay was ended before its time; None where it came as far as the run."""
    stopped = replayed.facts.get("stopped")
    return stopped if stopped != recorded.facts.get("stopped") else None


def _cut_short(pairs: Sequence[Pair]) -> Mapping[str, Any] | None:
    """The same of a run that was resumed; its last execution may not have been begun again."""
    last = pairs[-1]
    if last.part.is_last:
        return _cut(last.recorded, last.replayed)
    stopped = last.replayed.facts.get("stopped")
    if stopped is not None and _is_early(last):
        return stopped
    counts = last_counts(last.replayed.trace).values()
    return {"why": _NOT_BEGUN, "count": max(counts, default=0)}


def _is_early(pair: Pair) -> bool:
    """Whether the replay of an execution was ended before it could come to its own end."""
    stopped, until = pair.replayed.facts.get("stopped"), pair.part.until
    if stopped is None or until is None:
        return stopped is not None and stopped != pair.recorded.facts.get("stopped")
    return stopped["count"] is None or stopped["count"] < until


def _matched(pairs: Sequence[Pair]) -> tuple[Matched, list[tuple[Pair, int]]]:
    """What was compared of all executions, as far as the first in which they part."""
    groups, apart = dict[str, int](), set[str]()
    each: list[tuple[Pair, int]] = []
    divergence = None
    for pair in pairs:
        found = compare_part(pair, cut=_is_early(pair))
        each.append((pair, found.rows))
        for name, count in found.groups.items():
            groups[name] = groups.get(name, 0) + count
        apart.update(found.apart)
        divergence = found.divergence
        if divergence is not None:
            break
    rows = sum(rows for _, rows in each)
    return Matched(rows, groups, divergence, in_order(apart)), each


def _settings(recorded: View, replayed: View, pairs: Sequence[Pair]) -> list[str]:
    views = [(pair.recorded, pair.replayed) for pair in pairs] or [(recorded, replayed)]
    return list(dict.fromkeys(line for two in views for line in settings_differences(*two)))


def _beyond(pairs: Sequence[Pair]) -> Mapping[str, set[int]]:
    """By metric, the steps of which a replay may have more than its run.

    A run that was killed did not come to log them; its replay ends at the step after.
    """
    found: dict[str, set[int]] = defaultdict(set)
    for pair in pairs:
        if not pair.part.is_last and pair.recorded.status != "finished":
            for rank in pair.replayed.ranks:
                for name, column in pair.replayed.at_rank(rank).metrics.items():
                    found[name].update(column.steps)
    return found


def _grade(
    recorded: View,
    replayed: View,
    status: str,
    matched: Matched,
    metrics: Metrics,
    final: Final | None,
    checkpoints: Checkpoints,
    splits: Splits,
    data: Data,
    media: Media,
    problems: Sequence[str],
    cut: Mapping[str, Any] | None,
) -> tuple[str, str, int | None]:
    """Grade, cause and step; doubt is never a pass."""
    divergence = matched.divergence
    told = [f"data differs: {data.differing[0]}"] if data.differing else []
    told += [f"a split differs: {splits.differing[0]}"] if splits.differing else []
    also = "".join(f"; {one}" for one in told)
    broke_off = status != "finished" and replayed.status != status
    if divergence is not None and not (divergence.cause == "length" and broke_off):
        cause = divergence.what
        seedless = not_given_back(recorded, replayed)
        is_random = divergence.cause in _OF_RANDOMNESS or bool(drawn_in_workers(recorded))
        if is_random and seedless:
            cause += f"; {seedless}"
        cause += also
        if not problems:
            return "different", cause, divergence.step
        return "unknown", "; ".join([*problems, f"{divergence.where}: {cause}"]), divergence.step
    if problems:
        return "unknown", "; ".join(problems), None
    if replayed.status != status and not (cut and replayed.status == "finished"):
        return "unknown", ended_otherwise(status, replayed), None
    if final is not None and final.differing:
        names = ", ".join(final.differing[:3])
        more = f" and {len(final.differing) - 3} more" if len(final.differing) > 3 else ""
        return "different", f"the final state differs: {names}{more}{also}", None
    if checkpoints.differing:
        return "different", f"a checkpoint differs: {checkpoints.differing[0]}{also}", None
    if metrics.differing:
        name, at = metrics.differing[0]
        where = f"{name} at step {at}"
        seedless = not_given_back(recorded, replayed)
        alone = final is not None or bool(matched.rows)
        what = "metric only (evaluation)" if alone else "a metric differs"
        return "different", f"{what}: {where}{'; ' + seedless if seedless else ''}{also}", at
    if media.differing:
        what, at = media.differing[0]
        return "different", f"what was logged differs: {what}{also}", at
    if told:
        return "different", "; ".join(told), None
    if status != "finished" and (cut is None or cut["why"] == "parted"):
        return "unknown", f"the run {status}; what both have of it is identical", None
    if recorded.gaps:
        return "unknown", f"the run's journal is damaged: {recorded.gaps[0].what}", None
    if cut is not None and cut["why"] == _NOT_BEGUN:
        return "unknown", "its later executions were not run again", None
    if cut is not None and matched.rows and matched.apart:
        return "unknown", not_comparable(matched), None
    if cut is not None and matched.rows:
        return "identical", "", None
    if final is None:
        what = "metrics agree, but " if metrics.compared else ""
        why = "no final state was recorded on both sides"
        if not recorded.trace:
            why = (
                "no optimizer of PyTorch stepped and `run.trace` was not called, "
                "so there is no trace and no state to compare"
            )
        return "unknown", what + why, None
    return "identical", "", None


def ended_otherwise(status: str, replayed: View) -> str:
    """That a run ended so, and its replay, or an execution of it, in another way."""
    text = f"the run {status}, and its replay {replayed.status}"
    if replayed.end is not None and replayed.end.exit_code:
        text += f" with exit code {replayed.end.exit_code}"
    if line := raised(replayed.facts.get("exception")):
        text += f": {line}"
    return text


def _machine_class(view: View) -> Mapping[str, Any]:
    found = view.facts.get("machine") or {}
    return {name: found.get(name) for name in ("system", "cpu", "gpus") if name in found}
