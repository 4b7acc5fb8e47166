"""The verdict on two recorded runs, for every way in which they can agree or not."""

from typing import Any

import pytest

from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.records import Verdict
from samebit.replay.results import compare_metrics
from samebit.replay.verify import judge
from tests.replay.conftest import Recorder

ROW = {"batch": b"b" * 8, "loss": b"l" * 8, "param": b"p" * 8}
BASE: dict[str, Any] = {
    "metrics": [(1, {"loss": 0.5}), (2, {"loss": 0.25})],
    "trace": [ROW, ROW],
    "final": {"model": {"scale": 2.0}},
}


def compare(recorder: Recorder, then: dict[str, Any], now: dict[str, Any], **more: Any) -> Verdict:
    return judge(recorder.run(**{**BASE, **then}), recorder.run(**{**BASE, **now}), **more)


def test_two_equal_runs_are_identical(recorder: Recorder) -> None:
    verdict = compare(recorder, {}, {})
    assert (verdict.grade, verdict.cause, verdict.step) == ("identical", "", None)
    assert list(verdict.scope[:2]) == [
        "steps 1 to 2: batch, loss bit-identical",
        "in 2 of them also parameters",
    ]


def test_settings_that_a_replay_never_read_back_are_no_difference(recorder: Recorder) -> None:
    read = {"torch.threads": 2, "torch.inductor.max_autotune": False}
    then = {"facts": [("settings", read)]}
    failed = {"status": "failed", "trace": [], "facts": [("settings", {"torch.threads": 1})]}
    verdict = compare(recorder, then, failed)
    assert list(verdict.differences) == ["torch.threads: 2 then, 1 now"]


OTHER: dict[str, tuple[dict[str, Any], str, str]] = {
    "one batch": ({"trace": [ROW, {**ROW, "batch": b"x" * 8}]}, "different", "batch"),
    "the final state": ({"final": {"model": {"scale": 3.0}}}, "different", "final state differs"),
    "a metric": (
        {"metrics": [(1, {"loss": 0.5}), (2, {"loss": 0.26})]},
        "different",
        "metric only (evaluation): loss at step 2",
    ),
    "a metric's type": (
        {"metrics": [(1, {"loss": 0.5}), (2, {"loss": "0.25"})]},
        "different",
        "metric only (evaluation): loss at step 2",
    ),
    "a metric less": ({"metrics": [(1, {"loss": 0.5})]}, "different", "loss at step 2"),
    "another metric": (
        {"metrics": [*BASE["metrics"], (3, {"acc": 1})]},
        "different",
        "acc at step 3",
    ),
    "the sign of a zero": (
        {"metrics": [(1, {"loss": 0.5}), (2, {"loss": 0.25}), (3, {"acc": -0.0})]},
        "different",
        "acc",
    ),
    "no final state": ({"final": None}, "unknown", "no final state was recorded on both sides"),
    "the end": ({"status": "failed"}, "unknown", "the run finished, and its replay failed"),
    "a step less": ({"trace": [ROW]}, "different", "no such step"),
}


@pytest.mark.parametrize("what", OTHER)
def test_whatever_differs_is_named(recorder: Recorder, what: str) -> None:
    now, grade, cause = OTHER[what]
    verdict = compare(recorder, {}, now)
    assert verdict.grade == grade
    assert cause in verdict.cause


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_a_run_that_broke_is_unknown_though_both_agree(recorder: Recorder, status: str) -> None:
    verdict = compare(recorder, {"status": status}, {"status": status})
    assert verdict.grade == "unknown"
    assert "what both have of it is identical" in verdict.cause


def test_of_a_run_that_broke_off_only_what_both_have_is_counted(recorder: Recorder) -> None:
    then = recorder.run(status="killed", metrics=[(1, {"loss": 0.5})])
    now = recorder.run(metrics=[(1, {"loss": 0.5}), (2, {"loss": 0.25})])
    found = compare_metrics(then, now, cut=True)
    assert (found.compared, found.points, found.differing) == (["loss"], 1, [])


def test_equal_not_a_numbers_agree(recorder: Recorder) -> None:
    same = {"metrics": [(1, {"loss": float("nan")})]}
    assert compare(recorder, same, same).grade == "identical"


@pytest.mark.parametrize("name", ["time_s", "Train/Samples_per_second", "gpu_memory", "mine"])
def test_facts_of_clock_and_machine_are_listed_and_not_judged(
    recorder: Recorder, name: str
) -> None:
    facts = [("volatile", ["mi*"])]
    then = {"facts": facts, "metrics": [(1, {name: 1.0})]}
    verdict = compare(recorder, then, {"facts": facts, "metrics": [(1, {name: 2.0})]})
    assert verdict.grade == "identical"
    assert f"not judged (clock or machine): {name}" in verdict.scope


@pytest.mark.parametrize("what", ["nothing", "the final state", "one batch"])
def test_doubt_is_never_a_pass_and_never_a_difference(recorder: Recorder, what: str) -> None:
    now = OTHER[what][0] if what in OTHER else {}
    verdict = compare(recorder, {}, now, problems=["ran other code: pkg from pkg.py"])
    assert verdict.grade == "unknown"
    assert verdict.cause.startswith("ran other code: pkg from pkg.py")


def test_two_runs_without_anything_to_compare_are_unknown(recorder: Recorder) -> None:
    nothing = {"metrics": [], "trace": [], "final": None}
    assert compare(recorder, nothing, nothing).grade == "unknown"


def test_of_several_ranks_each_is_compared_with_itself(recorder: Recorder) -> None:
    def with_rank_1(loss: bytes) -> Any:
        view = recorder.run(**BASE)
        writer = Writer(view.folder.journal, view.id, "1")
        writer.fact("trace", {"algorithm": "xxh3", "groups": ["loss"]})
        for step in (1, 2):
            writer.trace(0, step, 1, loss * 8)
        writer.close()
        return read_run(view.folder)

    recorded, same, other = with_rank_1(b"x"), with_rank_1(b"x"), with_rank_1(b"y")
    verdict = judge(recorded, same)
    assert verdict.grade == "identical"
    assert verdict.scope[0].startswith("4 steps of 2 ranks: ")
    verdict = judge(recorded, other)
    assert (verdict.grade, verdict.step) == ("different", 1)
    assert verdict.evidence["divergence"]["rank"] == "1"
    verdict = judge(recorded, recorder.run(**BASE))
    assert (verdict.grade, verdict.cause) == ("different", "the second run has no trace of rank 1")


def test_what_cannot_be_read_of_a_run_is_doubt(recorder: Recorder) -> None:
    odd = {"facts": [("settings", ["no map"])]}
    for pair in ((odd, {}), ({}, odd)):
        verdict = compare(recorder, *pair)
        assert verdict.grade == "unknown"
        assert "the fact 'settings' has a shape" in verdict.cause


def test_what_a_gpu_digested_in_one_of_two_only_is_no_evidence(recorder: Recorder) -> None:
    there = [("digested", {"group": "param", "algorithm": "tf128"})]
    other = {"trace": [ROW, {**ROW, "param": b"x" * 8}]}
    line = "not comparable: parameters (on a GPU in one of the two only)"
    verdict = compare(recorder, {"facts": there}, other)
    assert verdict.grade == "identical"  # by the final state
    assert line in verdict.scope
    stopped = ("stopped", {"why": "asked", "count": 2})
    verdict = compare(recorder, {"facts": there}, {**other, "facts": [stopped], "final": None})
    assert (verdict.grade, verdict.cause) == ("unknown", line)
    verdict = compare(recorder, {"facts": there}, {**other, "facts": there})
    assert (verdict.grade, verdict.step) == ("different", 2)
