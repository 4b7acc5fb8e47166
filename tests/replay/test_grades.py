"""Close within a tolerance, compatible with the spread of seeds, or different all the same."""

import math
from typing import Any

import numpy as np
import pytest

from samebit.folders.read import View
from samebit.records import Verdict
from samebit.replay.grades import regrade
from samebit.replay.verify import judge
from tests.replay.conftest import Recorder

ROW = {"loss": b"l" * 8}
OTHER = {"loss": b"x" * 8}
WEIGHTS = np.linspace(-2, 2, 7, dtype=np.float32)


def run(recorder: Recorder, weights: Any = WEIGHTS, loss: Any = 0.5, **more: Any) -> View:
    made: dict[str, Any] = {
        "trace": [ROW],
        "final": {"model": {"w": weights, "n": np.arange(3)}},
        "metrics": [(1, {"loss": loss, "time_s": 5.0})],
    }
    return recorder.run(**{**made, **more})


def told(recorder: Recorder, rtol: float = 1e-5, **now: Any) -> Verdict:
    recorded = run(recorder)
    replayed = run(recorder, **{"trace": [OTHER], **now})
    return regrade(recorded, replayed, judge(recorded, replayed), [], rtol)


def test_within_the_tolerance_it_is_close_and_the_largest_difference_is_named(
    recorder: Recorder,
) -> None:
    near = WEIGHTS.copy()
    near[0] = np.nextafter(near[0], np.float32(0))
    verdict = told(recorder, weights=near, loss=0.5 + 1e-9)
    assert verdict.grade == "close"
    assert "final state within 1e-05: at most 6e-08 (model.w, 1 ULP)" in verdict.scope
    assert any(
        line.startswith("metrics within 1e-05: at most 2e-09 (loss") for line in verdict.scope
    )


def test_an_array_is_measured_by_its_largest_number(recorder: Recorder) -> None:
    """A zero that became 1e-9 beside numbers of 2 is no large difference."""
    near = WEIGHTS.copy()
    near[3] = 1e-6
    assert told(recorder, weights=near).grade == "close"
    assert told(recorder, weights=near, rtol=1e-7).grade == "different"


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ({"weights": WEIGHTS * np.float32(1.01)}, "final state not within 1e-05: model.w"),
        ({"weights": np.full(7, np.nan, np.float32)}, "model.w (no numbers to compare)"),
        ({"weights": WEIGHTS.astype(np.float64)}, "float32 → float64"),
        ({"final": {"model": {"w": WEIGHTS, "n": np.arange(1, 4)}}}, "model.n"),
        ({"final": {"model": {"w": WEIGHTS}}}, "model.n"),
        ({"loss": 0.6}, "metrics not within 1e-05: loss at step 1"),
        ({"loss": math.nan}, "metrics not within"),
        ({"loss": "low"}, "metrics not within"),
    ],
)
def test_beyond_it_stays_different_and_says_by_what(
    recorder: Recorder, now: dict[str, Any], says: str
) -> None:
    verdict = told(recorder, **now)
    assert verdict.grade == "different"
    assert any(says in line for line in verdict.scope), verdict.scope


def test_nothing_is_regraded_that_was_cut_or_failed_or_is_identical(recorder: Recorder) -> None:
    recorded = run(recorder)
    same = run(recorder)
    identical = judge(recorded, same)
    assert regrade(recorded, same, identical, [], 0.1) == identical
    failed = run(recorder, status="failed", trace=[OTHER])
    verdict = judge(recorded, failed)
    assert regrade(recorded, failed, verdict, [], 0.1) == verdict


def seeds(recorder: Recorder, losses: list[float]) -> list[View]:
    code = recorder.code(recorder.store.parent, train="x = 1")
    found: list[View] = []
    for at, loss in enumerate(losses):
        facts = [code, ("config", {"lr": 0.1, "seed": at}), ("asked", {"seed": at})]
        found.append(run(recorder, loss=loss, facts=facts))
    return found


SPREAD = [0.50, 0.52, 0.47, 0.51, 0.49]


@pytest.mark.parametrize(("loss", "grade"), [(0.53, "compatible"), (0.60, "different")])
def test_among_five_seeds_it_is_compatible_where_one_more_would_lie(
    recorder: Recorder, loss: float, grade: str
) -> None:
    recorded, *others = seeds(recorder, SPREAD)
    replayed = run(recorder, loss=loss, trace=[OTHER])
    verdict = regrade(recorded, replayed, judge(recorded, replayed), others, 1e-5)
    assert verdict.grade == grade
    mean, sd = np.mean(SPREAD), np.std(SPREAD, ddof=1)
    half = 2.776 * sd * math.sqrt(1 + 1 / 5)
    assert any(f"{mean:.6g} ± {half:.3g}" in line for line in verdict.scope), verdict.scope


def test_fewer_seeds_or_other_trainings_say_nothing(recorder: Recorder) -> None:
    recorded, *others = seeds(recorder, SPREAD)
    replayed = run(recorder, loss=0.53, trace=[OTHER])
    verdict = judge(recorded, replayed)
    assert regrade(recorded, replayed, verdict, others[1:], 1e-5).grade == "different"
    code = recorder.code(recorder.store.parent, train="x = 1")
    lr = run(recorder, loss=0.5, facts=[code, ("config", {"lr": 0.2}), ("asked", {"seed": 9})])
    assert regrade(recorded, replayed, verdict, [*others[1:], lr], 1e-5).grade == "different"
    again = [others[1]] * 4  # one seed, several times
    assert regrade(recorded, replayed, verdict, [*others[1:], *again], 1e-5).grade == "different"
