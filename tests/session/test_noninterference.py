"""Training under the recorder is the same training, to the bit: every parameter and generator."""

from typing import Any

import pytest

from tests.projects import Project

# Trains a model, and prints digests of everything that training changes.
TRAIN = """
import hashlib, json, random, sys
import numpy as np
import torch
from torch import nn

which = sys.argv[1]
if "high" in sys.argv:
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
random.seed(1); np.random.seed(2); torch.manual_seed(3)

class Digits(torch.utils.data.Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, at):
        image = torch.full((1, 8, 8), float(at)) + torch.randn(1, 8, 8)
        image = image + float(np.random.rand()) + random.random()
        return image, at % 10

def mlp():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Dropout(), nn.Linear(32, 10))
    return model, torch.optim.Adam(model.parameters())

def cnn():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                          nn.Linear(144, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 10)
    def forward(self, x):
        return self.head(self.layer(x.squeeze(1)).mean(1))

def transformer():
    model = Transformer()
    return model, torch.optim.AdamW(model.parameters(), fused=True)

model, optimizer = {"mlp": mlp, "cnn": cnn, "transformer": transformer}[which]()
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
workers = 2 if which == "cnn" else 0
loader = torch.utils.data.DataLoader(Digits(), 4, shuffle=True, num_workers=workers)
losses = []
for epoch in range(2):
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item().hex())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        losses.append(model(torch.ones(4, 1, 8, 8)).sum().item().hex())

def digest(*tensors):
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()

state = optimizer.state_dict()
found = {
    "model": {name: digest(value) for name, value in model.state_dict().items()},
    "optimizer": [digest(*s.values()) if all(torch.is_tensor(v) for v in s.values()) else digest(
        *(v for v in s.values() if torch.is_tensor(v))) for s in state["state"].values()],
    "groups": repr(state["param_groups"]),
    "losses": losses,
    "torch": digest(torch.get_rng_state()),
    "numpy": repr(np.random.get_state()[1].tolist()) + repr(np.random.get_state()[2:]),
    "python": repr(random.getstate()),
    "settings": [torch.get_num_threads(), torch.get_float32_matmul_precision(),
                 torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()],
    "cuda": torch.cuda.is_initialized(),
}
print(json.dumps(found))
"""


def trained(project: Project, *words: str, recorded: bool) -> dict[str, Any]:
    project.write("train.py", TRAIN)
    call = project.run if recorded else project.python
    ended = call("train.py", *words, PYTHONHASHSEED="1")
    assert (ended.code, ended.err) == (0, "")
    found = ended.json
    assert found["cuda"] is False
    return found


@pytest.mark.parametrize(
    "words",
    [
        ["cnn"],
        pytest.param(["mlp", "high"], marks=pytest.mark.slow),
        pytest.param(["transformer"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_training_is_the_same_to_the_bit_with_the_recorder_off_and_on(
    project: Project, words: list[str]
) -> None:
    assert trained(project, *words, recorded=True) == trained(project, *words, recorded=False)
    view = project.view()
    assert view.all_facts("problem") == []
    assert {"batch", "input", "rng.torch", "loss", "grad", "param", "entering"} <= set(
        view.trace[0].groups
    )
    assert len(view.trace) == 12
    assert set(view.states) == {"step 0", "final"}


@pytest.mark.slow
def test_this_check_can_fail(project: Project) -> None:
    """A recorder that drew one number from the user's generator would be seen."""
    plain = trained(project, "mlp", recorded=False)
    project.write(
        "mine/sitecustomize.py",
        "from samebit.session.training import Training\n"
        "import sys\n"
        "plain = Training.before_step\n"
        "def drawing(self, optimizer):\n"
        "    sys.modules['torch'].rand(1)\n"
        "    plain(self, optimizer)\n"
        "Training.before_step = drawing\n",
    )
    ended = project.run("train.py", "mlp", PYTHONHASHSEED="1", PYTHONPATH=f"{project.path}/mine")
    assert ended.code == 0
    assert {name for name in plain if ended.json[name] != plain[name]} >= {"torch", "model"}
