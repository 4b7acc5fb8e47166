"""Schedules in words: the shape that was used, and never one that does not fit."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.folders.series import Changes, Schedule
from samebit.report.schedule import amount, count, curves, words
from samebit.report.shapes import segments

torch = pytest.importorskip("torch")
lr = torch.optim.lr_scheduler
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Used = tuple[list[int], list[float], int]


def used(make: Callable[[Any], Any], steps: int, rate: float = 0.1, *metrics: float) -> Used:
    """What an optimizer under a scheduler of torch uses, as the recorder tells it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*metrics)
    return changes(found)


def changes(values: Sequence[float]) -> Used:
    at = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
    return [i + 1 for i in at], [values[i] for i in at], len(values)


def warm(steps: int, shape: Callable[[int], float]) -> Callable[[Any], Any]:
    return lambda o: lr.LambdaLR(o, lambda t: t / steps if t < steps else shape(t))


CASES: list[tuple[str, Callable[[Any], Any], int, str]] = [
    ("ConstantLR", lambda o: lr.ConstantLR(o, 1.0, 0), 50, "constant 0.1"),
    (
        "LinearLR",
        lambda o: lr.LinearLR(o),
        50,
        "linear warm-up 5 steps from 0.03333 to 0.1, then constant",
    ),
    ("LinearLR down", lambda o: lr.LinearLR(o, 1, 0, 100), 100, "0.1, linear to 0 at 100"),
    (
        "CosineAnnealingLR",
        lambda o: lr.CosineAnnealingLR(o, 1000, 1e-3),
        1000,
        "0.1, cosine to 1e-3 at 1k",
    ),
    (
        "CosineAnnealingLR, run on",
        lambda o: lr.CosineAnnealingLR(o, 100, 1e-3),
        500,
        "cosine between 1e-3 and 0.1, 100 steps each way, 2.5 cycles",
    ),
    (
        "CosineAnnealingLR, cut",
        lambda o: lr.CosineAnnealingLR(o, 1000, 1e-3),
        500,
        "0.1, part of a cosine, to 0.05066 at 499 (whole: to 1e-3 at 1k)",
    ),
    (
        "CosineAnnealingLR, cut early",
        lambda o: lr.CosineAnnealingLR(o, 1000, 1e-3),
        100,
        "0.1, part of a cosine, to 0.09763 at 99",
    ),
    (
        "CosineAnnealingWarmRestarts",
        lambda o: lr.CosineAnnealingWarmRestarts(o, 100),
        400,
        "cosine from 0.1 to 0 with restarts every 100 steps, 4 cycles",
    ),
    (
        "CosineAnnealingWarmRestarts, T_mult",
        lambda o: lr.CosineAnnealingWarmRestarts(o, 100, 2, eta_min=1e-4),
        700,
        "cosine from 0.1 to 1e-4 with restarts after 100 steps, then each ×2 later, 3 cycles",
    ),
    (
        "SequentialLR",
        lambda o: lr.SequentialLR(
            o, [lr.LinearLR(o, 0.01, 1, 50), lr.CosineAnnealingLR(o, 950)], [50]
        ),
        1000,
        "linear warm-up 50 steps from 1e-3 to 0.1, cosine to 0 at 1k",
    ),
    (
        "OneCycleLR",
        lambda o: lr.OneCycleLR(o, 0.1, total_steps=191),
        191,
        "one-cycle: cosine warm-up 56.3 steps from 4e-3 to 0.1, cosine to 4e-7 at 190",
    ),
    ("StepLR", lambda o: lr.StepLR(o, 30), 100, "0.1, ×0.1 every 30 steps to 1e-4"),
    ("MultiStepLR", lambda o: lr.MultiStepLR(o, [30, 80]), 100, "0.1, ×0.1 at 30, 80"),
    (
        "ExponentialLR",
        lambda o: lr.ExponentialLR(o, 0.99),
        200,
        "0.1, exponential ×0.99 a step to 0.01353 at 199",
    ),
    (
        "PolynomialLR",
        lambda o: lr.PolynomialLR(o, 100, 2.0),
        100,
        "0.1, polynomial (power 2) to 0 at 100",
    ),
    (
        "LambdaLR, inverse square root",
        lambda o: lr.LambdaLR(o, lambda t: min((t + 1) / 400, math.sqrt(400 / (t + 1)))),
        5000,
        "linear warm-up 400 steps to 0.1, inverse square root to 0.02828 at 4999",
    ),
    (
        "CyclicLR",
        lambda o: lr.CyclicLR(o, 1e-3, 0.1, step_size_up=50, cycle_momentum=False),
        400,
        "triangular between 1e-3 and 0.1, 50 steps each way, 4 cycles",
    ),
    (
        "CyclicLR, triangular2",
        lambda o: lr.CyclicLR(o, 1e-3, 0.1, 50, mode="triangular2", cycle_momentum=False),
        400,
        "triangular between 1e-3 and 0.1, 50 steps each way, 4 cycles, the height ×0.5 each",
    ),
    (
        "warm-up, constant, decay",
        lambda o: lr.LambdaLR(o, lambda t: min(1, (t + 1) / 100, max(0, (1000 - t) / 200))),
        1000,
        "linear warm-up 100 steps to 0.1, constant to 800, linear to 0 at 1k",
    ),
    (
        "warm-up, then steps",
        lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.1, 1, 5), lr.MultiStepLR(o, [25, 60])], [5]),
        100,
        "linear warm-up 5 steps from 0.01 to 0.1, ×0.1 at 30, 65",
    ),
    (
        "a cosine by epochs",
        lambda o: lr.LambdaLR(o, lambda t: 0.5 * (1 + math.cos(math.pi * (t // 50) / 20))),
        1000,
        "0.1, cosine to 0 at 1k, changed every 50 steps",
    ),
]


@pytest.mark.parametrize(
    ("make", "steps", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_schedulers_of_torch_are_called_what_they_are(
    make: Callable[[Any], Any], steps: int, said: str
) -> None:
    assert words(*used(make, steps)) == said


def test_a_plateau_is_steps() -> None:
    found = used(lambda o: lr.ReduceLROnPlateau(o, factor=0.5, patience=9), 50, 0.1, 1.0)
    assert words(*found) == "0.1, ×0.5 at 11, 21, 31, 41"


def test_the_schedule_of_a_paper() -> None:
    floor = 0.1
    cosine = warm(
        500, lambda t: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (t - 500) / 19500))
    )
    found = used(cosine, 20_000, 3e-4)
    assert words(*found) == "linear warm-up 500 steps to 3e-4, cosine to 3e-5 at 20k"


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: 1 + math.sin(t * t),
        lambda t: math.exp(-((t / 100) ** 1.37)),
        lambda t: math.cos(t / 200) * (1 + 1e-4 * math.sin(t)),
        lambda t: 1 - (t / 400) ** 2 * (1 + 3e-5 * (t % 2)),
    ],
)
def test_what_has_no_shape_is_said_to_have_none(shape: Callable[[int], float]) -> None:
    text = words(*changes([shape(t) for t in range(300)]))
    assert text.startswith("no known shape: 299 changes between ")


@given(st.data())
def test_one_wrong_value_in_a_cosine_is_never_passed_over(data: st.DataObject) -> None:
    values = [0.05 * (1 + math.cos(math.pi * t / 200)) for t in range(200)]
    at = data.draw(st.integers(1, 198))
    values[at] *= 1 + data.draw(st.sampled_from([1e-4, -1e-4, 1e-5, -1e-2]))
    assert words(*changes(values)) != "0.1, cosine to 0 at 200"


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=60), st.integers(1, 3))
def test_any_numbers_are_told_and_segments_hold_what_was_recorded(
    values: list[float], every: int
) -> None:
    steps = [1 + at * every for at in range(len(values))]
    assert words(steps, values, steps[-1] + 3)
    for segment in segments(steps, values, steps[-1] + 3):
        assert {segment.start, segment.end} <= set(values)
        assert 0 <= segment.begin <= segment.until


def test_a_scheduler_that_goes_on_where_steps_are_skipped_is_found_by_counting_them() -> None:
    draw = random.Random(3)
    skipped, steps, values = [], [], []
    for t in range(1000):
        if t < 2 or draw.random() < 0.01:
            skipped.append(len(steps) + 1)
            continue
        steps.append(len(steps) + 1)
        values.append(3e-4 * (t / 50 if t < 50 else 0.5 * (1 + math.cos(math.pi * (t - 50) / 950))))
    said = "linear warm-up 50 steps to 3e-4, cosine to 0 at 1k"
    assert words(steps, values, len(steps)).startswith("no known shape")
    assert words(steps, values, len(steps), skipped) == f"{said} (counting {len(skipped)} skipped)"


def test_what_is_no_number_is_told_as_it_is() -> None:
    assert words([1, 5], [[0.9, 0.99], [0.9, 0.999]], 9) == "(0.9, 0.99), (0.9, 0.999) at 4"
    assert words([1, 5], [None, True], 9) == "none, true at 4"
    assert words([1, 2], [math.nan, math.inf], 9) == "nan, inf at 1"


def test_groups_are_folded_where_they_are_equal_or_in_proportion() -> None:
    rates = [math.cos(t / 10) for t in range(5)]
    counts = [1, 2, 3, 4, 5]
    schedule = Schedule(
        "0",
        {
            (0, 0, "lr"): Changes(counts, rates),
            (0, 1, "lr"): Changes(counts, list(rates)),
            (0, 2, "lr"): Changes(counts, [rate * 0.1 for rate in rates]),
            (0, 3, "lr"): Changes(counts, [rate + 0.1 for rate in rates]),
            (0, 0, "betas"): Changes(counts, [[rate, 0.999] for rate in rates]),
            (0, 0, "eps"): Changes([1], [1e-8]),
        },
    )
    found = [
        (c.name, c.same, {g: round(f, 9) for g, f in c.scaled.items()}) for c in curves(schedule)
    ]
    assert found == [("lr", [0, 1], {2: 0.1}), ("lr", [3], {}), ("betas[0]", [0], {})]


def test_numbers_are_written_as_papers_do() -> None:
    assert [amount(v) for v in (3e-4, 0.05, 1.0, 1e-8, 123456.0, 0.0, -2.5e-3)] == [
        *("3e-4", "0.05", "1", "1e-8", "1.235e5", "0", "-2.5e-3")
    ]
    assert [count(n) for n in (500, 20_000, 1500, 1_500_000, 1234, 56.3)] == [
        *("500", "20k", "1.5k", "1.5M", "1234", "56.3")
    ]
