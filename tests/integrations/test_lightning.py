"""A LightningModule with our logger, of both names that Lightning is installed by."""

from pathlib import Path

import pytest

from tests.integrations.doors import WAYS, assert_comes_back, recorded, values

pytestmark = pytest.mark.slow  # starts of torch and lightning

SCRIPT = """
import sys, importlib
import torch
L = importlib.import_module(sys.argv[1])
from samebit.integrations.lightning import SamebitLogger

class Model(L.LightningModule):
    def __init__(self, lr, width=4):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Linear(width, 1))

    def step(self, batch, name):
        loss = (self.net(batch[0]) ** 2).mean()
        self.log(name, loss)
        return loss

    def training_step(self, batch, at):
        return self.step(batch, "train_loss")

    def validation_step(self, batch, at):
        self.step(batch, "val_loss")

    def test_step(self, batch, at):
        self.step(batch, "test_loss")

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]

def loader():
    data = torch.utils.data.TensorDataset(torch.randn(16, 3))
    return torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)

def trainer(logger, **more):
    return L.Trainer(logger=logger, max_epochs=2, accelerator="cpu", log_every_n_steps=2,
                     enable_progress_bar=False, enable_model_summary=False, **more)

if __name__ == "__main__":
    L.seed_everything(1)
    logger = SamebitLogger(name="linear")
    model, data = Model(0.01), loader()
    train = trainer(logger, **eval(sys.argv[2]))
    train.fit(model, data, data)
"""
TESTED = """
    train.test(model, data, verbose=False)
    assert logger.experiment is logger.run
"""


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
@pytest.mark.parametrize("way", WAYS)
def test_a_module_is_recorded_and_comes_back(tmp_path: Path, way: str, package: str) -> None:
    project = recorded(tmp_path, SCRIPT + TESTED, way, package, "{'gradient_clip_val': 0.5}")
    view = project.last()
    assert list(values(view, "train_loss")) == [1, 3, 5, 7]
    assert list(values(view, "val_loss")) == [3, 7]
    assert list(values(view, "test_loss")) == [8]
    config = view.facts["config"]
    assert (config["lr"], config["width"]) == (0.01, 4)
    assert (config["trainer"]["max_epochs"], config["trainer"]["gradient_clip_val"]) == (2, 0.5)
    (checkpoint,) = project.folder.rglob("*.ckpt")
    assert view.id in str(checkpoint)
    assert_comes_back(project)


@pytest.mark.parametrize("way", WAYS)
def test_a_logger_is_pickled_into_ranks_that_are_spawned(tmp_path: Path, way: str) -> None:
    ranks = "{'strategy': 'ddp_spawn', 'devices': 2, 'enable_checkpointing': False}"
    is_alone = way == "python"  # what spawned workers read is then not watched
    project = recorded(tmp_path, SCRIPT, way, "lightning.pytorch", ranks, marked=is_alone)
    view = project.last()
    assert list(values(view, "val_loss")) == [1, 3]
    assert view.facts["config"]["lr"] == 0.01
    assert view.ranks == ["0", "1"]
    assert [len(view.at_rank(rank).trace) for rank in view.ranks] == [4, 4]
