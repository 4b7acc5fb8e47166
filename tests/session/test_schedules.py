"""The schedule of scripts that do what people do: scalers that skip, schedulers of every kind."""

from pathlib import Path
from typing import Any

import pytest

from samebit.folders.read import View
from tests.projects import Project

SCRIPT = """
import functools, warnings
import numpy as np
import torch
from torch.optim import lr_scheduler as s
import samebit

warnings.simplefilter("ignore")

def start(name):
    torch.manual_seed(0)
    return samebit.init(name=name), torch.nn.Linear(3, 2)

X = torch.ones(4, 3)

run, model = start("scaler")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
other = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
off = torch.amp.GradScaler("cpu", enabled=False)
for at in range(8):
    factor = float("inf") if at in (0, 3, 4) else 1.0
    for of in (optimizer, other):
        of.zero_grad()
    scaler.scale(model(X).sum() * factor).backward()
    for of in (optimizer, other):
        scaler.step(of)
    scaler.update()
optimizer.zero_grad()
off.scale(model(X).sum()).backward()
off.step(optimizer)
run.finish()

run, model = start("schedulers")
optimizer = torch.optim.SGD(model.parameters(), lr=np.float64(0.1), momentum=0.9)
def warm(step, warmup):
    return min(1.0, (step + 1) / warmup)
parts = [s.LambdaLR(optimizer, functools.partial(warm, warmup=2))]
parts += [s.CosineAnnealingLR(optimizer, 6)]
whole = s.SequentialLR(optimizer, parts, milestones=[2])
plateau = s.ReduceLROnPlateau(optimizer, factor=0.5, patience=3)
never = torch.optim.SGD(model.parameters(), lr=0.2)
unused = s.MultiStepLR(never, [30, 80])
used = []
for at in range(8):
    optimizer.zero_grad()
    model(X).sum().backward()
    used.append(optimizer.param_groups[0]["lr"])
    optimizer.step()
    whole.step()
late = s.StepLR(optimizer, 5)
optimizer.step()
run.log({f"used.{at}": float(value) for at, value in enumerate(used)}, step=0)
run.finish()

run, model = start("by hand")
optimizer = torch.optim.AdamW(model.parameters(), lr=torch.tensor(0.5), foreach=False)
for at in range(6):
    optimizer.zero_grad()
    model(X).sum().backward()
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(0.5 / (at + 1))
        group["betas"] = (0.9, 0.99 - at / 100)
    optimizer.step()
run.finish()
"""


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, View]:
    project = Project(Path(tmp_path_factory.mktemp("schedules")))
    project.write("cases.py", SCRIPT)
    ended = project.python("cases.py", PYTHONHASHSEED="1")
    assert (ended.code, ended.err) == (0, "")
    return {view.name: view for view in project.views()}


@pytest.mark.slow
def test_a_skipped_step_is_told_with_the_scale_before_and_after(views: dict[Any, View]) -> None:
    view = views["scaler"]
    scalars = view.schedules[0].scalars
    # Attempts 0, 3 and 4 of eight had gradients that were not finite; three good ones double it.
    skipped = scalars[0, -1, "skipped"]
    assert list(zip(skipped.counts, skipped.values, strict=True)) == [
        (1, [1, 1024.0]),
        (3, [2, 512.0]),
        (3, [3, 256.0]),
    ]
    scale = scalars[0, -1, "scale"]
    assert list(zip(scale.counts, scale.values, strict=True)) == [
        (1, 1024.0),
        (1, 512.0),
        (3, 256.0),
        (3, 128.0),
    ]
    assert [row.count for row in view.trace if row.optimizer == 0] == [1, 2, 3, 4, 5, 6]
    assert view.schedules[0].at(0, 6)[-1, "scale"] == 128.0
    assert [row for row in view.schedule if row[:3] == (0, 3, -1)] == [
        (0, 3, -1, {"scale": 256.0, "skipped": [2, 512.0]}),
        (0, 3, -1, {"scale": 128.0, "skipped": [3, 256.0]}),
    ]


@pytest.mark.slow
def test_a_fused_step_that_changed_nothing_is_told(views: dict[Any, View]) -> None:
    scalars = views["scaler"].schedules[0].scalars
    found = scalars[1, -1, "without_effect"]
    assert (found.counts, [times for times, _ in found.values]) == ([1, 4, 5], [1, 2, 3])
    assert (1, -1, "skipped") not in scalars


def test_the_schedule_is_what_the_optimizer_used(views: dict[Any, View]) -> None:
    view = views["schedulers"]
    rates = view.schedules[0].scalars[0, 0, "lr"]
    used = [view.metrics[f"used.{at}"].values[0] for at in range(8)]
    assert [view.schedules[0].at(0, at + 1)[0, "lr"] for at in range(8)] == used
    assert (rates.counts[0], rates.values[0]) == (1, 0.05)
    assert view.schedules[0].at(0, 5)[0, "momentum"] == 0.9
    assert view.missing == []


def test_what_was_done_by_hand_is_there_too(views: dict[Any, View]) -> None:
    schedule = views["by hand"].schedules[0]
    import torch

    rates = [torch.tensor(0.5 / (at + 1)).item() for at in range(6)]
    assert schedule.scalars[0, 0, "lr"].values == rates
    betas = [[0.9, 0.99 - at / 100] for at in range(6)]
    assert schedule.scalars[0, 0, "betas"].values == betas


def test_schedulers_are_told_with_their_arguments(views: dict[Any, View]) -> None:
    whole, plateau, late, unused = views["schedulers"].all_facts("scheduler")
    assert (whole["class"], whole["optimizer"]) == ("torch.optim.lr_scheduler.SequentialLR", 0)
    assert whole["values"]["milestones"] == [2]
    first, second = whole["parts"]
    assert first["values"]["lr_lambdas"] == [
        {"function": "__main__.warm", "args": [], "keywords": {"warmup": 2}}
    ]
    assert second["class"] == "torch.optim.lr_scheduler.CosineAnnealingLR"
    assert (second["values"]["T_max"], second["values"]["eta_min"]) == (6, 0.0)
    assert second["values"]["base_lrs"] == [0.1]
    assert (plateau["values"]["factor"], plateau["values"]["patience"]) == (0.5, 3)
    assert (late["values"]["step_size"], late["optimizer"]) == (5, 0)
    assert unused["optimizer"] is None
    assert unused["values"]["milestones"] == {"30": 1, "80": 1}
