"""Rows that a loop gives itself: which of them are full, and that a budget holds."""

from typing import Any

import numpy as np
import pytest

from samebit.trace.loops import Loop
from samebit.trace.recorder import Recorder
from samebit.trace.rows import Emit
from tests.trace.test_recorder import Clock, Sink

BIG = np.zeros(1 << 21)


def make(sink: Sink, rates: dict[tuple[int, int], int] | None = None, base: int = 0) -> Loop:
    emit = Emit(sink.trace, sink.hyper, sink.fact)
    recorder = Recorder(emit)
    return Loop(recorder.next_index(), recorder.row, emit, rates, base)


def problems(sink: Sink) -> list[dict[str, Any]]:
    return [value for name, value in sink.facts if name == "problem"]


def test_a_row_has_what_was_given_and_the_generators() -> None:
    sink = Sink()
    loop = make(sink)
    loop.give({"loss": 0.5})
    loop.give({"batch": np.arange(4), "param": np.ones(2)}, {"lr": 0.1})
    assert sink.rows[0] == (0, 1, {"loss", "rng.torch", "rng.numpy", "rng.python"})
    streams = {"rng.torch", "rng.numpy", "rng.python"}
    assert sink.rows[1] == (0, 2, {"batch", "samples", "param", "hyper", *streams})
    assert sink.hypers == [(0, 2, 0, {"lr": 0.1})]
    loop.give({}, {"lr": 0.1})
    loop.give({}, {"lr": 0.2})
    assert sink.hypers[1:] == [(0, 4, 0, {"lr": 0.2})]


def test_a_row_of_the_same_step_adds_to_it_and_everything_given_counts() -> None:
    def digest_of(*parts: Any) -> tuple[list[int], dict[str, bytes]]:
        found: dict[str, bytes] = {}
        sink, rows = Sink(), list[int]()
        loop = make(sink)
        write = loop._write  # pyright: ignore[reportPrivateUsage]

        def note(index: int, count: int, row: Any, written: Any) -> None:
            rows.append(count)
            found.update(row)
            write(index, count, row, written)

        loop._write = note  # pyright: ignore[reportPrivateUsage]
        for part in parts:
            loop.give(part, None, 7)
        return rows, found

    first, second = {"batch": np.arange(3)}, {"batch": np.arange(1, 4)}
    rows, both = digest_of(first, second, {"loss": 1.0})
    assert rows == [7, 7, 7]
    assert "loss" in both
    assert both["batch"] != digest_of(second)[1]["batch"] != digest_of(first)[1]["batch"]
    turned = digest_of(second, first, {"loss": 1.0})[1]
    assert both["batch"] != turned["batch"]
    assert both["samples"] != turned["samples"]  # in parts, their order counts


def test_full_rows_become_rarer_where_they_cost_too_much_and_the_last_is_completed() -> None:
    sink = Sink()
    loop = make(sink)
    for _ in range(65):
        loop.give({"loss": 1.0, "param": BIG})
    rates = [value for name, value in sink.facts if name == "rate"]
    assert [r["k"] for r in rates] == sorted({r["k"] for r in rates})  # k only rises
    assert rates
    full = {count for _, count, names in sink.rows if "param" in names}
    assert full >= set(range(1, 11))
    assert len(full) < 64
    k = 0
    for count in range(1, 66):
        assert (count in full) == (count <= 10 or count % (1 << k) == 0)
        k = next((r["k"] for r in rates if r["count"] == count), k)
    loop.complete({"param": BIG})
    assert sink.rows[-1] == (0, 65, {"param"})
    loop.complete({"param": BIG})
    assert sink.rows[-1] == (0, 65, {"param"})
    assert len([row for row in sink.rows if row[1] == 65]) == 2
    again = Sink()
    twin = make(again, rates={(0, r["count"]): (r["k"], 0) for r in rates})
    for _ in range(65):
        twin.give({"loss": 1.0, "param": BIG})
    assert again.rows == sink.rows[:-1]


def test_what_costs_little_is_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, clock = Sink(), Clock(0.05)
    for module in ("budget", "loops"):
        monkeypatch.setattr(f"samebit.trace.{module}.time", clock)
    loop = make(sink)
    for _ in range(20):
        clock.step()
        loop.give({"param": np.ones(2), "state": 1, "grad": np.ones(2)})
    assert sum({"param", "state", "grad"} <= row[2] for row in sink.rows) == 20


def test_what_cannot_be_read_is_said_once_and_the_rest_is_there() -> None:
    sink = Sink()
    loop = make(sink)
    for _ in range(3):
        loop.give({"param": object(), "loss": 1.0})
    assert [problem["what"] for problem in problems(sink)] == ["param not traced"]
    assert "object" in problems(sink)[0]["detail"]
    assert all("loss" in names and "param" not in names for _, _, names in sink.rows)


@pytest.mark.parametrize("base", [0, 40])
def test_a_loop_that_goes_on_counts_on(base: int) -> None:
    sink = Sink()
    loop = make(sink, base=base)
    loop.give({"param": 1})
    assert (loop.count, sink.rows[0][1]) == (base + 1, base + 1)


def test_what_torchs_hooks_met_waits_for_no_optimizer_that_never_steps() -> None:
    """A model of Keras on torch calls `backward`, and steps with an optimizer of its own."""
    torch = pytest.importorskip("torch")
    sink = Sink()
    emit = Emit(sink.trace, sink.hyper, sink.fact)
    recorder = Recorder(emit)
    loop = Loop(recorder.next_index(), recorder.row, emit)
    for _ in range(3):
        recorder.batch(torch.ones(2))
        recorder.loss(torch.ones(()))
        loop.give({"loss": 1.0})
        assert recorder.since_the_step == {}
    assert all("batch" not in names for _, _, names in sink.rows)
