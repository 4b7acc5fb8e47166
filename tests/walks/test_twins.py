"""Pairs of real trainings that differ in one thing: the right step, for the right cause."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.replay.pairs import compare_traces
from samebit.replay.verify import judge

pytest.importorskip("torch")

# variant: (step, cause, what the sentence must say)
DIFFERENT = {
    "another seed": (0, "init", "initial state"),
    "unseeded": (0, "init", "never seeded"),
    "another shuffle": (1, "batch", "other samples"),
    "other order inside a batch": (3, "input", "input differed"),
    "input changed after the loader": (4, "input", "loader's batch was the same"),
    "a NumPy draw more": (5, "rng.numpy", "NumPy's global generator"),
    "one draw more": (6, "rng.torch", "torch generator"),
    "another learning rate at one step": (7, "hyper", "hyper-parameter"),
    "noise in the backward pass": (8, "grad", "backward pass"),
    "noise in the loss": (9, "loss", "model's output was the same"),
    "a wrong update": (10, "param", "optimizer's update"),
    "one flipped bit in one weight": (6, "entering", "outside the optimizer"),
    "two steps more": (13, "length", "no such step"),
}
IDENTICAL = "the same again"
METRIC_ONLY = "evaluation with its own randomness"


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, View]:
    folder = tmp_path_factory.mktemp("twins")
    script = Path(__file__).parent / "twin_runs.py"
    variants = ["the first", IDENTICAL, METRIC_ONLY, *DIFFERENT]
    done = subprocess.run(
        [sys.executable, str(script), *variants],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    assert done.returncode == 0, done.stderr
    ids = json.loads(done.stdout.splitlines()[-1])
    store = folder / ".samebit"
    return {variant: read_run(find_run(store, run)) for variant, run in ids.items()}


def test_the_same_seed_gives_identical_runs(twins: dict[str, View]) -> None:
    verdict = judge(twins["the first"], twins[IDENTICAL])
    assert (verdict.grade, verdict.cause) == ("identical", "")
    assert verdict.evidence["rows"] == 12
    assert any("final state identical" in line for line in verdict.scope)
    assert any("time_s" in line for line in verdict.scope)  # listed, never judged


@pytest.mark.parametrize("variant", DIFFERENT)
def test_a_difference_is_found_at_its_step_and_for_its_cause(
    twins: dict[str, View], variant: str
) -> None:
    step, cause, sentence = DIFFERENT[variant]
    recorded, other = twins["the first"], twins[variant]
    if variant == "unseeded":
        recorded, other = other, recorded
    found = compare_traces(recorded, other).divergence
    assert found is not None
    assert (found.step, found.cause) == (step, cause)
    verdict = judge(recorded, other)
    assert (verdict.grade, verdict.step) == ("different", step)
    assert sentence in verdict.cause


def test_both_sides_of_a_hyper_parameter_are_named(twins: dict[str, View]) -> None:
    views = [twins["the first"], twins["another learning rate at one step"]]
    found = compare_traces(*views).divergence
    assert found is not None
    (fact,) = found.facts
    assert fact.startswith("lr of parameter group 0: ")
    rates = [
        next(values["lr"] for _, count, _, values in view.schedule if count == 7) for view in views
    ]
    assert all(repr(rate) in fact for rate in rates)
    assert rates[1] == rates[0] * 1.0000001


def test_a_metric_that_differs_alone_is_called_so(twins: dict[str, View]) -> None:
    verdict = judge(twins["the first"], twins[METRIC_ONLY])
    assert verdict.grade == "different"
    assert verdict.cause.startswith("metric only (evaluation): score")


def test_no_run_is_incomplete(twins: dict[str, View]) -> None:
    for view in twins.values():
        assert view.status == "finished"
        assert [line for line in view.missing if "PYTHONHASHSEED" not in line] == []
