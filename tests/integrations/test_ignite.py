"""Ignite's quickstart with our logger in the place of its own, on made-up digits."""

from pathlib import Path

import pytest

from tests.integrations.doors import WAYS, assert_comes_back, recorded, values

pytest.importorskip("ignite")
pytestmark = pytest.mark.slow  # starts of torch and Ignite

SCRIPT = """
import os, sys
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from samebit.integrations.ignite import SamebitLogger, global_step_from_engine

torch.manual_seed(1)
digits = TensorDataset(torch.randn(32, 4), torch.randint(0, 3, (32,)))
train_loader = DataLoader(digits, batch_size=8, shuffle=True)
val_loader = DataLoader(digits, batch_size=16)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)
schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
criterion = nn.CrossEntropyLoss()

trainer = create_supervised_trainer(model, optimizer, criterion)
metrics = {"accuracy": Accuracy(), "loss": Loss(criterion)}
train_evaluator = create_supervised_evaluator(model, metrics=metrics)
val_evaluator = create_supervised_evaluator(model, metrics=metrics)

@trainer.on(Events.EPOCH_COMPLETED)
def log_results(trainer):
    train_evaluator.run(train_loader)
    val_evaluator.run(val_loader)
    schedule.step()

if "odd" in sys.argv:
    @trainer.on(Events.ITERATION_STARTED(once=6))
    def odd(trainer):
        optimizer.param_groups[0]["lr"] += int.from_bytes(os.urandom(4)) / 2**40

logger = SamebitLogger(name="digits", config={"lr": 0.005})
logger.attach_output_handler(trainer, event_name=Events.ITERATION_COMPLETED(every=2),
                             tag="training", output_transform=lambda loss: {"batchloss": loss})
for tag, evaluator in [("training", train_evaluator), ("validation", val_evaluator)]:
    logger.attach_output_handler(evaluator, event_name=Events.EPOCH_COMPLETED, tag=tag,
                                 metric_names="all",
                                 global_step_transform=global_step_from_engine(trainer))
logger.attach_opt_params_handler(trainer, event_name=Events.EPOCH_STARTED, optimizer=optimizer)
trainer.run(train_loader, max_epochs=3)
logger.run.log({"seen": 96})
logger.close()
"""


@pytest.mark.parametrize("way", WAYS)
def test_engines_are_recorded_and_come_back(tmp_path: Path, way: str) -> None:
    project = recorded(tmp_path, SCRIPT, way)
    view = project.last()
    assert view.name == "digits"
    assert list(values(view, "training/batchloss")) == [2, 4, 6, 8, 10, 12]
    assert list(values(view, "validation/accuracy")) == [1, 2, 3]
    assert list(values(view, "training/loss")) == [1, 2, 3]
    assert values(view, "lr/group_0") == {1: 0.005, 2: 0.0025, 3: 0.00125}
    assert values(view, "seen") == {12: 96}
    config = view.facts["config"]
    assert config == {"lr": 0.005, "trainer": {"max_epochs": 3, "epoch_length": 4}}
    assert_comes_back(project)


def test_what_an_engine_did_otherwise_is_told_with_its_step(tmp_path: Path) -> None:
    project = recorded(tmp_path, SCRIPT, "samebit run", "odd")
    found = project.verify()
    assert (found.verdict["grade"], found.code) == ("different", 5), found.verdict
    assert found.verdict["step"] == 6, found.verdict
