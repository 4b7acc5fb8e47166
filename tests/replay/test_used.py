"""Data as a run used it: a replay must use the same, and what differs is named."""

from typing import Any

from samebit.folders.read import View
from samebit.replay.results import compare_data
from samebit.replay.verify import judge
from tests.replay.conftest import Project, Recorder

TRAIN = """
import numpy, samebit
run = samebit.init(config={"lr": 0.1})
run.data("train", numpy.arange(24).reshape(3, 8), save=True)
run.data("labels", {"y": numpy.arange(3)})
for step in range(3):
    run.trace(loss=float(step), params=numpy.full(3, step))
"""


def run(recorder: Recorder, **data: Any) -> View:
    facts = [
        ("data", {"name": name, "what": "numpy.ndarray", "fingerprint": said, "rows": 3})
        for name, said in data.items()
    ]
    trace = [{"loss": bytes(8)}]
    return recorder.run(facts, trace=trace, final={"w": 1})


def test_other_data_is_a_difference_also_where_all_else_agrees(recorder: Recorder) -> None:
    first = run(recorder, train="fp1:array:" + "1" * 64, none=None)
    other = run(recorder, train="fp1:array:" + "2" * 64, none=None)
    assert judge(first, run(recorder, train="fp1:array:" + "1" * 64)).grade == "identical"
    verdict = judge(first, other)
    assert verdict.grade == "different"
    assert verdict.cause == "data differs: train: array:11111111 → array:22222222"
    gone = judge(first, run(recorder))
    assert gone.cause == "data differs: train: array:11111111 → not there"
    assert compare_data(first, run(recorder), cut=True).differing == []


def test_a_sample_is_said_to_be_one(recorder: Recorder) -> None:
    first = run(recorder, train="fp1:items-sample:" + "1" * 64)
    assert "data as used identical: 1 of 1 (1 by a sample)" in judge(first, first).scope


def test_a_run_is_verified_with_its_data_and_a_replay_keeps_none(project: Project) -> None:
    project.write(train=TRAIN)
    project.run("train.py")
    found = project.verify()
    assert found.verdict["grade"] == "identical", found.text
    assert "data as used identical: 2 of 2" in found.verdict["scope"]
    replay = project.view(found.verdict["replay"])
    assert not any("kept" in fact for fact in replay.all_facts("data"))
