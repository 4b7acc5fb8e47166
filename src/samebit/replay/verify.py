"""The verdict: pure comparison of a run and its replay, both as they were read."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from samebit.folders.folder import user_name
from samebit.folders.read import View
from samebit.records import Verdict
from samebit.replay.pairs import compare_traces
from samebit.replay.randomness import given_back, not_given_back
from samebit.replay.results import (
    Checkpoints,
    Final,
    Metrics,
    compare_checkpoints,
    compare_final,
    compare_metrics,
)
from samebit.replay.scope import scope, settings_differences
from samebit.trace.compare import Matched

__all__ = ["judge"]

_OF_RANDOMNESS = ("init", "batch", "input", "rng.python", "rng.numpy", "rng.torch", "rng.cuda")


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
    cut = _cut(recorded, replayed)
    matched = compare_traces(recorded, replayed, cut=cut is not None)
    problems = [*problems, *recorded.odd, *replayed.odd]
    metrics = compare_metrics(recorded, replayed, cut=cut is not None)
    final = None if cut else compare_final(recorded, replayed)
    checkpoints = compare_checkpoints(recorded, replayed)
    compared = matched, metrics, final, checkpoints
    grade, cause, step = _grade(recorded, replayed, *compared, problems, cut)
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
            *scope(recorded, replayed, *compared),
            *given_back(recorded, replayed),
        ),
        differences=(*differences, *settings_differences(recorded, replayed)),
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


def _grade(
    recorded: View,
    replayed: View,
    matched: Matched,
    metrics: Metrics,
    final: Final | None,
    checkpoints: Checkpoints,
    problems: Sequence[str],
    cut: Mapping[str, Any] | None,
) -> tuple[str, str, int | None]:
    """Grade, cause and step; doubt is never a pass."""
    divergence = matched.divergence
    broke_off = recorded.status != "finished" and replayed.status != recorded.status
    if divergence is not None and not (divergence.cause == "length" and broke_off):
        cause = divergence.what
        seedless = not_given_back(recorded, replayed)
        if divergence.cause in _OF_RANDOMNESS and seedless:
            cause += f"; {seedless}"
        if not problems:
            return "different", cause, divergence.step
        return "unknown", "; ".join([*problems, f"{divergence.where}: {cause}"]), divergence.step
    if problems:
        return "unknown", "; ".join(problems), None
    if replayed.status != recorded.status and not (cut and replayed.status == "finished"):
        return "unknown", _ended_otherwise(recorded, replayed), None
    if final is not None and final.differing:
        names = ", ".join(final.differing[:3])
        more = f" and {len(final.differing) - 3} more" if len(final.differing) > 3 else ""
        return "different", f"the final state differs: {names}{more}", None
    if checkpoints.differing:
        return "different", f"a checkpoint differs: {checkpoints.differing[0]}", None
    if metrics.differing:
        name, at = metrics.differing[0]
        where = f"{name} at step {at}"
        seedless = not_given_back(recorded, replayed)
        alone = final is not None or bool(matched.rows)
        what = "metric only (evaluation)" if alone else "a metric differs"
        return "different", f"{what}: {where}{'; ' + seedless if seedless else ''}", at
    if recorded.status != "finished" and (cut is None or cut["why"] == "parted"):
        return "unknown", f"the run {recorded.status}; what both have of it is identical", None
    if recorded.gaps:
        return "unknown", f"the run's journal is damaged: {recorded.gaps[0].what}", None
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


def _ended_otherwise(recorded: View, replayed: View) -> str:
    text = f"the run {recorded.status}, and its replay {replayed.status}"
    if replayed.end is not None and replayed.end.exit_code:
        text += f" with exit code {replayed.end.exit_code}"
    exception = replayed.facts.get("exception")
    if isinstance(exception, str) and exception.strip():
        text += f": {exception.strip().splitlines()[-1]}"
    return text


def _machine_class(view: View) -> Mapping[str, Any]:
    found = view.facts.get("machine") or {}
    return {name: found.get(name) for name in ("system", "cpu", "gpus") if name in found}
