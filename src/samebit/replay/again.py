"""The three-run rule: of which kind a difference is, by a second replay, and what to do about it.

A is the run, B its replay, B′ a second replay. Where B and B′ agree, and A is another, it is the
environment. Where they do not, the training comes out otherwise each time. Pure, over the three as
they were read.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from msgspec.structs import replace

from samebit.capture.callers import short_place
from samebit.capture.unseeded import find_unseeded
from samebit.folders.read import View
from samebit.folders.steps import row_at
from samebit.records import Verdict
from samebit.replay.pairs import compare_traces
from samebit.replay.randomness import begins_late, drawn_in_workers
from samebit.replay.results import compare_final, compare_metrics

__all__ = ["ENVIRONMENT", "RUN_TO_RUN", "tell_apart"]

ENVIRONMENT = "environment"
RUN_TO_RUN = "run-to-run"
_OF_DATA = ("init", "batch", "samples", "input")
_DETERMINISTIC = "torch.deterministic_algorithms"
_NAMED = 3
# Settings that a variable or an option sets, before the interpreter starts.
_SET_BY = {
    "torch.threads": "OMP_NUM_THREADS={}",
    "torch.cpu_capability": "ATEN_CPU_CAPABILITY={}",
    "python.hash_seed": "PYTHONHASHSEED={}",
}


def tell_apart(
    recorded: View, replayed: View, again: View, verdict: Verdict, *, rebuilt: bool = False
) -> Verdict:
    """The verdict with the kind of its difference, and remedies.

    Args:
        recorded: the run.
        replayed: its replay, which came out otherwise.
        again: another replay, as far as the step at which the first one parted.
        verdict: on the first replay.
        rebuilt: whether the replays had an environment that was made from the record.
    """
    found = verdict.evidence.get("divergence")
    told: dict[str, Any] = {"replay": again.id}
    if found is None and again.status != replayed.status:
        told["status"] = again.status
        return replace(verdict, evidence={**verdict.evidence, "again": told})
    parted = _parted(replayed, again, is_whole=found is None)
    if not parted and found is not None and not _came_to(again, found):
        told["status"] = again.status  # it ended before it could show anything
        return replace(verdict, evidence={**verdict.evidence, "again": told})
    told["parted"] = parted or None
    kind = RUN_TO_RUN if parted else ENVIRONMENT
    cause = found["cause"] if found is not None else ""
    remedies = (
        _of_the_training(recorded, replayed, cause)
        if parted
        else _of_the_environment(recorded, replayed, rebuilt=rebuilt)
    )
    return replace(
        verdict,
        kind=kind,
        remedies=tuple(dict.fromkeys(remedies)),
        evidence={**verdict.evidence, "again": told},
    )


def _parted(first: View, second: View, *, is_whole: bool) -> str:
    """Where two replays of one run differ; empty where they do not."""
    matched = compare_traces(first, second, cut=True)
    if matched.divergence is not None:
        return f"{matched.divergence.where}: {matched.divergence.what}"
    if not is_whole:
        return ""
    final = compare_final(first, second)
    if final is not None and final.differing:
        return f"the final state: {final.differing[0]}"
    metrics = compare_metrics(first, second)
    return f"{metrics.differing[0][0]}" if metrics.differing else ""


def _came_to(again: View, found: dict[str, Any]) -> bool:
    """Whether a replay has the row in which the first one differed."""
    at = (found["optimizer"], found["step"])
    if found["cause"] in ("init", "length"):
        return bool(again.trace)
    return any(row_at(rows, at) is not None for rows in again.traces.values())


def _of_the_training(recorded: View, replayed: View, cause: str) -> Iterator[str]:
    """What makes a training repeatable that comes out otherwise each time."""
    is_of_data = cause in _OF_DATA or cause.startswith("rng.")
    lost = [
        source
        for source in find_unseeded(recorded.all_facts, recorded.seed)
        if not source.given_back and source.matters != "unlikely"
    ]
    if is_of_data and begins_late(recorded):
        yield "begin the record before what is drawn: with `samebit run`, or `init()` further up"
    for source in lost[:_NAMED]:
        yield f"give it a fixed seed: {source.short}"
    in_workers = drawn_in_workers(recorded)
    for name in in_workers[:_NAMED]:
        yield f"give it a fixed seed: {name}"
    settings = recorded.facts.get("settings") or {}
    if not is_of_data and settings.get(_DETERMINISTIC) is False:
        yield "`samebit run --deterministic` takes deterministic algorithms"
    listings = [f for f in recorded.all_facts("file") if f.get("sorted") is False and f.get("at")]
    if is_of_data and not lost:
        for fact in listings[:_NAMED]:
            yield f"sort the listing of {PurePath(fact['path']).name}/: {short_place(fact['at'])}"
    if not lost and not in_workers:
        yield f"`samebit diff {recorded.id} {replayed.id} --trace --op` names the op"


def _of_the_environment(recorded: View, replayed: View, *, rebuilt: bool) -> Iterator[str]:
    """What gives a run the surroundings again that it had."""
    then = recorded.facts.get("settings") or {}
    now = replayed.facts.get("settings") or {}
    for name, how in _SET_BY.items():
        # None is what no variable gives: a hash seed that was drawn.
        if name in now and then.get(name) not in (None, now[name]):
            yield f"{how.format(then[name])} gives it what it had"
    versions = [
        (view.facts.get("packages") or {}).get("versions", {}) for view in (recorded, replayed)
    ]
    others = [n for n in versions[0] if versions[0][n] != versions[1].get(n) and n != "samebit"]
    if others and versions[1] and not rebuilt:
        some = ", ".join(f"{name} {versions[0][name]}" for name in others[:_NAMED])
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield f"`samebit verify {recorded.id} --env rebuild` has what it had: {some}{more}"
