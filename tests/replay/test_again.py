"""The three-run rule, and looking at a replay that goes on."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from samebit.folders.read import View
from samebit.records import Verdict
from samebit.replay.again import ENVIRONMENT, RUN_TO_RUN, tell_apart
from samebit.replay.verify import judge
from samebit.replay.watching import Watch
from tests.replay.conftest import Recorder

ROW = {"batch": b"b" * 8, "loss": b"l" * 8, "param": b"p" * 8}
OTHER = {**ROW, "batch": b"x" * 8}
SETTINGS = ("settings", {"python.hash_seed": "7"})
THIRD = {**ROW, "batch": b"y" * 8}


def told(
    recorder: Recorder, *traces: list[dict[str, bytes]], facts: Sequence[tuple[str, Any]] = ()
) -> Verdict:
    """The verdict where run, replay and second replay have these traces; the run these facts."""
    recorded, replayed, again = (
        recorder.run(facts if at == 0 else [SETTINGS], trace=trace, final=None)
        for at, trace in enumerate(traces)
    )
    return tell_apart(recorded, replayed, again, judge(recorded, replayed))


def test_two_replays_that_agree_against_the_run_are_the_environment(recorder: Recorder) -> None:
    verdict = told(recorder, [ROW, ROW, ROW], [ROW, OTHER, OTHER], [ROW, OTHER])
    assert (verdict.grade, verdict.step, verdict.kind) == ("different", 2, ENVIRONMENT)


def test_a_hash_seed_that_was_drawn_is_not_to_be_set_to_none(recorder: Recorder) -> None:
    parted = [ROW, OTHER]
    for seed, wanted in ((None, ()), ("3", ("PYTHONHASHSEED=3 gives it what it had",))):
        facts = [("settings", {"python.hash_seed": seed})]
        assert told(recorder, [ROW, ROW], parted, parted, facts=facts).remedies == wanted


def test_what_scikit_learn_draws_in_its_workers_is_named(recorder: Recorder) -> None:
    """The verdict said that the parameters differed, and to look for an operation of torch."""
    other, third = {**ROW, "param": b"x" * 8}, {**ROW, "param": b"y" * 8}
    search = {"unseeded_in_workers": ["estimator__random_state"]}
    facts = [("config", {"sklearn": {"GridSearchCV": search}})]
    verdict = told(recorder, [ROW, ROW], [ROW, other], [ROW, third], facts=facts)
    named = "estimator__random_state of GridSearchCV"
    assert verdict.cause.endswith(f"; random, and not given back: {named}, drawn in workers")
    assert verdict.remedies == (f"give it a fixed seed: {named}",)


@pytest.mark.parametrize("again", [[ROW, THIRD], [ROW, ROW], [THIRD]])
def test_two_replays_that_do_not_agree_are_run_to_run(
    recorder: Recorder, again: list[dict[str, bytes]]
) -> None:
    verdict = told(recorder, [ROW, ROW, ROW], [ROW, OTHER, OTHER], again)
    assert (verdict.grade, verdict.step, verdict.kind) == ("different", 2, RUN_TO_RUN)


def test_a_second_replay_that_ends_too_early_tells_nothing(recorder: Recorder) -> None:
    verdict = told(recorder, [ROW, ROW, ROW], [ROW, OTHER, OTHER], [ROW])
    assert (verdict.grade, verdict.kind) == ("different", "")
    assert verdict.evidence["again"]["status"] == "finished"


def test_a_replay_that_goes_on_has_parted_only_where_a_row_differs(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samebit.replay.watching._EVERY_S", 0.0)
    recorded = recorder.run(trace=[ROW, ROW, ROW])
    for trace, parted in (([ROW], False), ([], False), ([ROW, OTHER], True)):
        watch = Watch(recorded)
        time.sleep(0.001)
        assert watch.has_parted(recorder.run(trace=trace).folder) is parted


def test_looking_takes_a_twentieth_of_the_time_at_most(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[View] = []

    def slow(folder: object) -> View:
        looks.append(view)
        clock[0] += 10
        return view

    clock = [0.0]
    view = recorder.run(trace=[ROW])
    monkeypatch.setattr("samebit.replay.watching.read_run", slow)
    monkeypatch.setattr("samebit.replay.watching.time.monotonic", lambda: clock[0])
    watch = Watch(view)
    for _ in range(500):
        clock[0] += 1
        assert not watch.has_parted(view.folder)
    assert len(looks) == 3


def test_a_replay_that_goes_beyond_a_run_that_was_killed_is_ended_and_proves_nothing(
    recorder: Recorder,
) -> None:
    recorded = recorder.run(trace=[ROW, ROW], status="killed", metrics=[(1, {"loss": 0.5})])
    watch = Watch(recorded)
    watch._next = 0.0
    stopped = ("stopped", {"why": "parted", "count": 3})
    metrics = [(1, {"loss": 0.5}), (2, {"loss": 0.4})]
    replayed = recorder.run([stopped], trace=[ROW] * 3, metrics=metrics)
    assert watch.has_parted(replayed.folder)
    verdict = judge(recorded, replayed)
    assert (verdict.grade, verdict.cause) == (
        "unknown",
        "the run killed; what both have of it is identical",
    )
    other = recorder.run([stopped], trace=[ROW, OTHER, ROW], metrics=metrics)
    assert judge(recorded, other).grade == "different"
