"""A training that is killed and goes on gives the bits of one that was never stopped.

New processes, SIGKILL in the middle of an epoch or behind its end, and all that is compared: the
states' names, which are digests, and every row of the trace.
"""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from samebit.folders.read import View  # noqa: E402
from samebit.objects.store import Store  # noqa: E402
from samebit.states import storing  # noqa: E402
from tests.projects import Project  # noqa: E402

TRAIN = """
import json, os, random, signal, sys
import numpy as np, torch, samebit
from torch import nn
from torch.optim import swa_utils

given = json.loads(sys.argv[1])
device = given.get("device", "cpu")
torch.set_num_threads(1)
if device == "cuda":
    torch.use_deterministic_algorithms(True)
random.seed(1); np.random.seed(1); torch.manual_seed(1)

class Data(torch.utils.data.Dataset):
    def __init__(self):
        g = torch.Generator().manual_seed(99)
        self.x, self.y = torch.randn(64, 16, generator=g), torch.randint(0, 4, (64,), generator=g)
    def __len__(self):
        return 64
    def __getitem__(self, i):
        x = self.x[i]
        if given.get("noise") == "torch": x = x + 0.01 * torch.randn(16)
        if given.get("noise") == "numpy": x = x + torch.from_numpy(np.random.randn(16)).float()
        if given.get("noise") == "python": x = x * random.random()
        return x, self.y[i]

model = nn.Sequential(
    nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4)
).to(device)
ema = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
optimizer = getattr(torch.optim, given.get("optimizer", "AdamW"))(model.parameters(), 1e-2)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
scaler = torch.amp.GradScaler(device, init_scale=8.0, growth_interval=3)
own = torch.Generator().manual_seed(7) if given.get("own") else None
data = samebit.per_sample(Data(), seed=3) if given.get("per_sample") else Data()
loader = torch.utils.data.DataLoader(
    data, 8, shuffle=True, num_workers=given.get("workers", 0), generator=own,
    persistent_workers=bool(given.get("persistent")),
)
valid = torch.utils.data.DataLoader(data, 16, shuffle=True)
run = samebit.init()
at = run.resume_state(model, ema, optimizer, scheduler, scaler)
for epoch in range(at.epoch if at else 0, 4):
    if given.get("per_sample"):
        data.set_epoch(epoch)
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        ema.update_parameters(model)
        run.log({"loss": loss.item()})
        if run.step == given["at"] and not given.get("behind"):
            run.checkpoint(keep={"last": 9}, extra={"seen": run.step})
        if run.step == given.get("kill") and at is None:
            run._recording.checkpoints.wait()  # it is on the disk now
            os.kill(os.getpid(), signal.SIGKILL)
    model.eval()
    run.log({"valid": sum(model(x.to(device)).sum().item() for x, _ in valid)})
    model.train()
    if run.step == given["at"] and given.get("behind"):
        run.checkpoint(keep={"last": 9}, extra={"seen": run.step})
print(json.dumps([at.step, at.epoch, at.batch, at.extra["seen"]] if at else None))
"""


def twins(tmp_path: Path, **given: Any) -> tuple[View, View, Any]:
    """A run that was never stopped, one that was killed and went on, and where it did."""
    views: list[View] = []
    where: Any = None
    for kill in (None, given["at"] + 3):
        folder = tmp_path / str(kill)
        folder.mkdir()
        project = Project(folder)
        project.write("train.py", TRAIN)
        argument = json.dumps({"kill": kill, **given})
        seed = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        ended = project.run("train.py", argument, **seed)
        assert ended.code == (-signal.SIGKILL if kill else 0), ended
        if kill:
            ended = project.run("--resume", "@last", "train.py", argument, **seed)
            assert ended.code == 0, ended
            where = ended.json
        views.append(project.view())
    return views[0], views[1], where


def leaves(view: View, name: str) -> dict[str, str]:
    manifest = storing.read_manifest(Store(view.folder.store), view.manifest(name))
    return {name: leaf.digest for name, leaf in manifest.leaves.items()}


def assert_twins(straight: View, resumed: View) -> None:
    assert resumed.missing == straight.missing == []
    assert [start.number for start in resumed.starts] == [1, 2]
    assert leaves(resumed, "final") == leaves(straight, "final")
    assert resumed.manifest("final") == straight.manifest("final")
    assert [(row.count, *sorted(row.groups)) for row in straight.trace] != []
    ours = {row.count: row.groups for row in straight.trace}
    theirs = {row.count: row.groups for row in resumed.trace}
    assert list(theirs) == list(ours)
    for count, groups in theirs.items():
        both = groups.keys() & ours[count].keys()
        assert {"batch", "input", "rng.torch", "rng.numpy", "hyper", "loss"} <= both
        assert {n: groups[n] for n in both} == {n: ours[count][n] for n in both}, count
    for name in ("loss", "valid"):
        assert resumed.metrics[name].values == straight.metrics[name].values
        assert resumed.metrics[name].steps == straight.metrics[name].steps


CASES: list[dict[str, Any]] = [
    {"workers": 0},
    {"workers": 0, "noise": "torch"},
    {"workers": 2},
    {"workers": 2, "noise": "torch"},
    {"workers": 2, "noise": "numpy"},
    {"workers": 2, "noise": "torch", "own": True},
    {"workers": 0, "noise": "python", "own": True},
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_in_the_middle_of_an_epoch(tmp_path: Path, case: dict[str, Any]) -> None:
    straight, resumed, where = twins(tmp_path, at=11, **case)
    assert where == [11, 1, 3, 11]
    assert_twins(straight, resumed)


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[1], CASES[4]], ids=str)
def test_killed_behind_an_epoch(tmp_path: Path, case: dict[str, Any]) -> None:
    straight, resumed, where = twins(tmp_path, at=16, behind=True, **case)
    assert where == [16, 2, 0, 16]
    assert_twins(straight, resumed)


@pytest.mark.slow
def test_a_checkpoint_after_the_last_batch_of_an_epoch(tmp_path: Path) -> None:
    straight, resumed, where = twins(tmp_path, at=16, workers=2, noise="torch")
    assert where == [16, 1, 8, 16]
    assert_twins(straight, resumed)


@pytest.mark.slow
def test_an_optimizer_that_counts_nothing(tmp_path: Path) -> None:
    straight, resumed, where = twins(tmp_path, at=11, optimizer="SGD")
    assert where == [11, 1, 3, 11]
    assert_twins(straight, resumed)


@pytest.mark.slow
@pytest.mark.parametrize("at", [{"at": 5}, {"at": 11}, {"at": 16, "behind": True}], ids=str)
def test_workers_that_stay_with_samples_that_are_seeded_each(
    tmp_path: Path, at: dict[str, Any]
) -> None:
    given = {"workers": 2, "noise": "torch", "persistent": True, "per_sample": True}
    straight, resumed, _ = twins(tmp_path, **at, **given)
    assert_twins(straight, resumed)


@pytest.mark.slow
def test_workers_that_stay_and_draw_for_themselves_are_said_to_be_inexact(tmp_path: Path) -> None:
    _, resumed, _ = twins(tmp_path, at=11, workers=2, noise="torch", persistent=True)
    assert any(line.startswith("persistent workers: ") for line in resumed.missing)
