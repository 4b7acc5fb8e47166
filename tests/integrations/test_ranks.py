"""Doors in two processes that torchrun starts: each has its part of the run, metrics are one's."""

import sys
from pathlib import Path

import pytest

from tests.integrations import test_lightning
from tests.integrations.doors import values
from tests.replay.conftest import make_project

pytestmark = pytest.mark.slow  # starts of torch and of what is built on it, twice each

LIGHTNING = test_lightning.SCRIPT.replace("seed_everything(1)", "seed_everything(1, verbose=False)")
ACCELERATE = """
import torch
from accelerate import Accelerator
from samebit.integrations.accelerate import SamebitTracker

accelerator = Accelerator(cpu=True, log_with=SamebitTracker(run_name="linear"))
accelerator.init_trackers("project", config={"lr": 0.1})
torch.manual_seed(1)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.TensorDataset(torch.randn(16, 3))
loader = torch.utils.data.DataLoader(data, batch_size=4)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for (batch,) in loader:
    loss = (model(batch) ** 2).mean()
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    accelerator.log({"loss": loss.item()})
accelerator.end_training()
"""
TRAINER = """
import torch
from transformers import Trainer, TrainingArguments
from samebit.integrations.transformers import SamebitCallback

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(3, 1)

    def forward(self, x):
        return {"loss": (self.net(x) ** 2).mean()}

torch.manual_seed(1)
callback = SamebitCallback(name="linear")
data = [{"x": torch.randn(3)} for _ in range(16)]
args = TrainingArguments(output_dir="out", per_device_train_batch_size=4, num_train_epochs=1,
                         logging_steps=1, report_to="none", use_cpu=True, save_strategy="no",
                         disable_tqdm=True)
trainer = Trainer(Model(), args, train_dataset=data, callbacks=[callback])
trainer.train()
"""
CASES = {
    "lightning": (
        LIGHTNING,
        ("lightning.pytorch", "{'devices': 2, 'strategy': 'ddp'}"),
        "val_loss",
    ),
    "accelerate": (ACCELERATE, (), "loss"),
    "transformers": (TRAINER, (), "loss"),
}


@pytest.mark.parametrize("door", CASES)
def test_two_ranks_are_recorded_and_come_back(tmp_path: Path, door: str) -> None:
    pytest.importorskip(door)
    script, words, metric = CASES[door]
    project = make_project(tmp_path)
    project.write(train=script)
    torchrun = str(Path(sys.executable).with_name("torchrun"))
    project.run("--", torchrun, "--nproc-per-node=2", "train.py", *words, OMP_NUM_THREADS="1")
    view = project.last()
    assert view.ranks == ["0", "1"]
    assert list(values(view, metric)) == [1, 2] or door == "lightning", values(view, metric)
    for rank in view.ranks:
        part = view.at_rank(rank)
        assert len(part.trace) >= 2, rank
        assert {"step 0", "final"} <= part.states.keys(), (rank, part.states.keys())
    assert metric not in view.at_rank("1").metrics
    assert view.all_facts("problem") == []
    found = project.verify()
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict
