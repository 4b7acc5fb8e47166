"""The log of operations, and the first one that differs."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from samebit.trace.op_compare import compare_ops
from samebit.trace.ops import NO_EVIDENCE, Entry, OpLog, read_log

torch = pytest.importorskip("torch")

BASE = Entry(
    "aten.mm.default", ("1",), ("float32[2, 2]",), ("aa", "bb"), "", ("cc",), "", "", "t.py:1"
)


def line(frame: FrameType) -> str | None:
    own = frame.f_code.co_filename == __file__
    return f"test:{frame.f_lineno}" if own and frame.f_code.co_name != "logged" else ""


@pytest.fixture
def logged(tmp_path: Path) -> Callable[[Callable[[], Any]], list[Entry]]:
    def logged(function: Callable[[], Any], names: dict[int, str] | None = None) -> list[Entry]:
        log = OpLog(tmp_path / "ops", lambda: names or {}, line)
        log.begin(torch)
        try:
            function()
        finally:
            log.end()
        return read_log(tmp_path / "ops")

    return logged


def test_an_op_is_noted_with_what_went_in_before_it_ran(logged: Any) -> None:
    tensor = torch.ones(3)
    entries = logged(lambda: tensor.add_(1.5))
    (entry,) = entries
    assert (entry.name, entry.scalars, entry.shapes) == (
        "aten.add_.Tensor",
        ("1.5",),
        ("float32[3]",),
    )
    assert entry.inputs != entry.outputs[:1]
    assert entry.line.startswith("test:")
    assert logged(lambda: torch.ones(3).add_(1.5))[-1].inputs == entry.inputs


def test_module_and_node_of_the_backward_pass_are_named(logged: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    names = {id(module): f"net.{name}" for name, module in model.named_modules()}

    def train() -> None:
        model(torch.ones(2, 4)).square().mean().backward()

    entries = logged(train, names)
    assert {"net.0", "net.1", "net.2"} <= {entry.module for entry in entries}
    assert any(e.node == "AddmmBackward0" and e.name == "aten.mm.default" for e in entries)
    assert compare_ops(entries, logged(train, names)) is not None  # gradients are added up now
    model.zero_grad()
    model.zero_grad()
    first = logged(train, names)
    model.zero_grad()
    assert compare_ops(first, logged(train, names)) is None


def test_what_nobody_has_written_yet_is_no_evidence(logged: Any) -> None:
    def fill(value: float) -> Callable[[], Any]:
        def act() -> None:
            room = torch.empty(4)
            room[:2] = 1.0
            room[2:] = value
            room.sum()

        return act

    entries = logged(fill(2.0))
    assert entries[0].outputs == (NO_EVIDENCE,)
    total = entries[-1]
    assert total.name == "aten.sum.default"
    assert NO_EVIDENCE not in total.inputs
    for _ in range(5):  # memory that lay there before differs from time to time
        junk = [torch.rand(4) for _ in range(50)]
        assert compare_ops(entries, logged(fill(2.0))) is None
        del junk
    found = compare_ops(entries, logged(fill(3.0)))
    assert found is not None
    assert found.kind == "outside"  # a number of Python's became a tensor


def test_what_an_op_draws_from_is_noted(logged: Any) -> None:
    def draw() -> None:
        torch.rand(2)
        torch.randperm(4, generator=own)
        torch.nn.functional.dropout(torch.ones(4))

    own = torch.Generator()
    own.manual_seed(1)
    torch.manual_seed(0)
    entries = logged(draw)
    assert sum(bool(entry.generator) for entry in entries) == 3
    torch.manual_seed(0)
    found = compare_ops(entries, logged(draw))
    assert found is not None
    assert (found.kind, found.ours and found.ours.name) == ("generator", "aten.randperm.generator")


def test_values_from_outside_are_told_from_operations(logged: Any) -> None:
    def outside(value: float) -> Callable[[], Any]:
        return lambda: torch.from_numpy(np.full(3, value)).sum()

    found = compare_ops(logged(outside(1.0)), logged(outside(2.0)))
    assert found is not None
    assert found.kind == "outside"
    assert "(test:" in found.what


def test_logging_changes_no_result(logged: Any) -> None:
    def train() -> list[Any]:
        torch.manual_seed(3)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3),
            torch.nn.BatchNorm2d(4),
            torch.nn.Flatten(),
            torch.nn.Dropout(),
            torch.nn.Linear(4 * 36, 2),
        )
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.rand(5, 1, 8, 8)).logsumexp(1).mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return [*model.state_dict().values(), torch.get_rng_state()]

    bare = train()
    seen: list[Any] = []
    entries = logged(lambda: seen.extend(train()))
    assert len(entries) > 100
    assert all(torch.equal(a, b) for a, b in zip(bare, seen, strict=True))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"name": "aten.add.Tensor"}, "control flow"),
        ({"shapes": ("float32[3, 2]",)}, "control flow"),
        ({"scalars": ("2",)}, "value"),
        ({"scalars": ("1", "2")}, "value"),
        ({"generator": "dd"}, "generator"),
        ({"inputs": ("aa", "xx")}, "outside"),
        ({"inputs": ("aa",)}, "outside"),
        ({"outputs": ("xx",)}, "op"),
        ({"inputs": ("xx", "bb"), "outputs": ("xx",)}, "outside"),
        ({"inputs": (NO_EVIDENCE, "bb")}, None),
        ({"outputs": (NO_EVIDENCE,)}, None),
        ({"line": "t.py:2"}, None),
    ],
)
def test_the_first_entry_that_differs_says_what_it_was(
    change: dict[str, Any], kind: str | None
) -> None:
    log = [BASE, replace(BASE, **change), BASE]
    found = compare_ops([BASE] * 3, log)
    assert (found and found.kind) == kind
    if found is not None:
        assert found.at == 1
        other = compare_ops(log, [BASE] * 3)
        assert other is not None
        assert other.kind == kind


def test_a_log_that_goes_on_is_control_flow() -> None:
    found = compare_ops([BASE, BASE], [BASE])
    assert found is not None
    assert (found.kind, found.at, found.theirs) == ("control flow", 1, None)
    assert "only the first run goes on" in found.what
    assert compare_ops([], []) is None


def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none") == []
    assert "torch" in sys.modules


def test_what_a_collective_gives_is_no_evidence_until_somebody_waits(
    logged: Any, tmp_path: Path
) -> None:
    distributed = torch.distributed
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/s", rank=0, world_size=1)
    try:
        entries = logged(lambda: distributed.all_reduce(torch.ones(3)))
    finally:
        distributed.destroy_process_group()
    (reduced,) = (entry for entry in entries if entry.name.startswith("c10d.allreduce_"))
    assert set(reduced.outputs) == {NO_EVIDENCE}
    assert NO_EVIDENCE not in reduced.inputs


def test_a_value_from_outside_may_be_that_of_the_collective_before_it() -> None:
    beside = replace(BASE, name="c10d.allreduce_.default", outputs=(NO_EVIDENCE,))
    before, after = [BASE, beside], [BASE, beside]
    found = compare_ops([*before, BASE], [*after, replace(BASE, inputs=("aa", "xx"))])
    assert found is not None
    assert (found.kind, found.at) == ("outside", 2)
    assert found.what.endswith("; c10d.allreduce_ of float32[2, 2] (t.py:1) went on beside it")
