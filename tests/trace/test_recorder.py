"""Which steps are recorded, and how deeply."""

from collections.abc import Mapping
from typing import Any

import pytest

from samebit.trace.groups import GROUPS
from samebit.trace.recorder import Recorder
from samebit.trace.rows import Emit

torch = pytest.importorskip("torch")


class Sink:
    """Takes what a recorder emits."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, set[str]]] = []
        self.hypers: list[tuple[int, int, int, dict[str, Any]]] = []
        self.facts: list[tuple[str, Any]] = []

    def trace(self, optimizer: int, count: int, mask: int, digests: bytes, _: int) -> None:
        names = {name for at, name in enumerate(GROUPS) if mask >> at & 1}
        assert len(digests) == 8 * len(names)
        self.rows.append((optimizer, count, names))

    def hyper(self, optimizer: int, count: int, group: int, values: Mapping[str, Any]) -> None:
        self.hypers.append((optimizer, count, group, dict(values)))

    def fact(self, name: str, value: Any) -> None:
        self.facts.append((name, value))


class Clock:
    """In place of `time` where costs are taken: a machine on which nothing else runs.

    It goes on by `step_s` where a test lets it, and by a microsecond each time that it is read.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._now = 0.0

    def step(self) -> None:
        self._now += self._step_s

    def perf_counter(self) -> float:
        self._now += 1e-6
        return self._now


def steps(
    recorder: Recorder,
    count: int,
    *,
    size: int = 4,
    clock: Clock | None = None,
    optimizer: Any = None,
) -> Any:
    if optimizer is None:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(size))], lr=0.1)
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.ones_like(parameter)
    for _ in range(count):
        if clock is not None:
            clock.step()
        recorder.before_step(optimizer, dict)
        optimizer.step()
        assert recorder.after_step(optimizer)
    return optimizer


def make(sink: Sink, **options: Any) -> Recorder:
    return Recorder(Emit(sink.trace, sink.hyper, sink.fact), **options)


def test_the_first_ten_steps_are_always_full() -> None:
    sink = Sink()
    steps(make(sink), 10, size=1 << 20)
    assert all({"entering", "grad", "param"} <= names for _, _, names in sink.rows)


def test_full_rows_become_rarer_where_they_cost_too_much_and_each_change_is_told() -> None:
    sink = Sink()
    steps(make(sink), 64, size=1 << 21)
    rates = [value for name, value in sink.facts if name == "rate"]
    assert rates
    assert [r["k"] for r in rates] == sorted({r["k"] for r in rates})  # k only rises
    full = [count for _, count, names in sink.rows if "param" in names]
    assert len(full) < 64
    k = 0
    for count in range(1, 65):
        assert (count in full) == (count <= 10 or count % (1 << k) == 0)
        k = next((r["k"] for r in rates if r["count"] == count), k)


def test_full_rows_stay_where_they_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, clock = Sink(), Clock(0.02)
    for module in ("budget", "recorder"):
        monkeypatch.setattr(f"samebit.trace.{module}.time", clock)
    steps(make(sink), 20, clock=clock)
    assert sum("param" in names for _, _, names in sink.rows) == 20


def test_a_replay_takes_the_recorded_rates_and_no_others() -> None:
    sink = Sink()
    steps(make(sink, rates={(0, 12): (2, 0)}), 24, size=1 << 21)
    full = [count for _, count, names in sink.rows if "param" in names]
    assert full == [*range(1, 13), 16, 20, 24]
    assert not [name for name, _ in sink.facts if name == "rate"]


def test_the_last_step_is_completed_at_the_end() -> None:
    sink = Sink()
    recorder = make(sink, rates={(0, 10): (3, 0)})
    optimizer = steps(recorder, 13)
    assert "param" not in sink.rows[-1][2]
    recorder.finish(optimizer)
    assert sink.rows[-1] == (0, 13, {"param"})
    recorder.finish(optimizer)
    assert len(sink.rows) == 14


def test_scalars_are_told_when_they_change_and_only_then() -> None:
    sink = Sink()
    recorder = make(sink)
    optimizer = steps(recorder, 3)
    optimizer.param_groups[0]["lr"] = 0.05
    steps(recorder, 2, optimizer=optimizer)
    assert [(count, group) for _, count, group, _ in sink.hypers] == [(1, 0), (4, 0)]
    assert sink.hypers[1][3] == {"lr": 0.05}


def test_optimizers_are_numbered_by_their_first_step_and_count_for_themselves() -> None:
    sink = Sink()
    recorder = make(sink)
    first = steps(recorder, 2)
    second = steps(recorder, 1)
    steps(recorder, 1, optimizer=first)
    assert [(o, c) for o, c, _ in sink.rows] == [(0, 1), (0, 2), (1, 1), (0, 3)]
    assert recorder.index(second) == 1


def test_a_step_inside_a_step_is_one_step() -> None:
    sink = Sink()
    recorder = make(sink)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    recorder.before_step(optimizer, dict)
    recorder.before_step(optimizer, dict)
    assert not recorder.after_step(optimizer)
    assert recorder.after_step(optimizer)
    assert [count for _, count, _ in sink.rows] == [1]


def test_a_group_that_cannot_be_read_is_left_out_and_told_once() -> None:
    sink = Sink()
    recorder = make(sink)
    parameter = torch.nn.Parameter(torch.zeros(3, 2))
    optimizer = torch.optim.SparseAdam([parameter])
    for _ in range(3):
        parameter.grad = torch.eye(3, 2).to_sparse()
        recorder.before_step(optimizer, dict)
        optimizer.step()
        recorder.after_step(optimizer)
    assert all("grad" not in names and "param" in names for _, _, names in sink.rows)
    problems = [value for name, value in sink.facts if name == "problem"]
    assert [p["what"] for p in problems] == ["grad not traced"]


def test_batches_since_the_last_step_are_one_group() -> None:
    sink = Sink()
    recorder = make(sink)
    recorder.batch(torch.zeros(4))
    recorder.batch(torch.ones(4))
    optimizer = steps(recorder, 1)
    recorder.batch([torch.eye(2).to_sparse()])
    steps(recorder, 1, optimizer=optimizer)
    assert {"batch", "samples"} <= sink.rows[0][2]
    assert not {"batch", "samples"} & sink.rows[1][2]


def test_a_step_that_raised_and_was_caught_does_not_end_the_trace() -> None:
    sink = Sink()
    recorder = make(sink)
    optimizer = steps(recorder, 1)
    recorder.before_step(optimizer, dict)  # it raises: its end is never told
    recorder.loss(torch.tensor(1.0))
    steps(recorder, 2, optimizer=optimizer)
    assert [count for _, count, _ in sink.rows] == [1, 2, 3]


def test_data_that_takes_too_long_to_read_is_read_more_rarely() -> None:
    sink = Sink()
    recorder = make(sink)
    data = torch.zeros(1 << 22)
    optimizer = None
    for _ in range(64):
        recorder.batch([data])
        recorder.entered((data,), {})
        optimizer = steps(recorder, 1, optimizer=optimizer)
    rates = [value for name, value in sink.facts if name == "rate"]
    assert rates
    assert all(0 <= rate["data"] <= rate["k"] for rate in rates)
    data_rate, k = 0, 0
    for (_, count, names), _ in zip(sink.rows, range(64), strict=True):
        full = count <= 10 or count % (1 << k) == 0
        read = full or count % (1 << data_rate) == 0
        assert ({"batch", "input"} <= names, "entering" in names) == (read, full)
        assert {"loss", "hyper"} & names  # whatever was read, there is a row
        rate = next((r for r in rates if r["count"] == count), None)
        data_rate, k = (rate["data"], rate["k"]) if rate else (data_rate, k)
    assert data_rate > 0


def test_a_step_of_which_a_part_was_not_read_has_no_batch() -> None:
    sink = Sink()
    recorder = make(sink, rates={(0, 1): (5, 5), (0, 12): (5, 0)})
    optimizer = steps(recorder, 11)
    recorder.batch([torch.zeros(2)])  # fetched before the step that still counted as unread
    steps(recorder, 1, optimizer=optimizer)
    recorder.batch([torch.zeros(2)])
    steps(recorder, 1, optimizer=optimizer)
    assert ["batch" in names for *_, names in sink.rows[-2:]] == [False, True]


def test_gradients_before_their_reduction_are_in_full_rows() -> None:
    sink = Sink()
    recorder = make(sink, rates={(0, 10): (1, 0)})
    optimizer = steps(recorder, 1)
    (parameter,) = optimizer.param_groups[0]["params"]
    for _ in range(12):
        assert recorder.is_full_next == (
            recorder.count(optimizer) < 10 or recorder.count(optimizer) % 2 == 1
        )
        if recorder.is_full_next:
            recorder.accumulated(parameter)
        steps(recorder, 1, optimizer=optimizer)
    assert [count for _, count, names in sink.rows if "grad.local" in names] == [*range(2, 11), 12]


@pytest.mark.parametrize("count", [4095, 4096, 9000])
def test_gradients_without_a_step_take_no_memory_without_end(count: int) -> None:
    def met(other: int) -> Recorder:
        recorder = make(Sink())
        for at in range(count):
            recorder.loss(torch.tensor(float(at) + (at == other)))
        return recorder

    assert len(met(-1).since_the_step["loss"]) < 4096
    assert met(-1).since_the_step == met(-1).since_the_step
    assert met(-1).since_the_step != met(7).since_the_step != met(count - 1).since_the_step


def test_building_a_model_is_no_call_of_it() -> None:
    sink = Sink()
    recorder = make(sink)
    with torch._subclasses.FakeTensorMode():
        fake = torch.zeros(3)
    recorder.batch([fake])
    recorder.entered((fake,), {})
    recorder.returned(fake)
    recorder.entered((torch.zeros(3),), {})
    recorder.returned(torch.zeros(3))
    steps(recorder, 1)
    assert sink.rows[0][2] >= {"input", "output"}
    assert not [value for name, value in sink.facts if name == "problem"]
