"""A whole run on a device that answers late: its rows, its verdict, and what a kill takes of it.

The device keeps its arrays in the host's memory: `imitated.py` puts them there.
"""

import signal

import pytest

from tests.projects import SAMEBIT, Project

IMITATED = """
import time, torch
from samebit.trace import cards, fingerprint, tf128
from samebit.trace.ring import Ring

HERE = torch.device("cpu")
memory = fingerprint._tensor_memory

def away(torch, tensor):
    if tensor.is_floating_point():
        raise fingerprint._OnADevice(tensor)
    return memory(torch, tensor)

class Late:
    '''Has what it was asked for some milliseconds later.'''
    def begin(self, arrays):
        lines = [tf128.words(array) for array in arrays]
        layout = tf128.Layout([line.numel() * line.element_size() for line in lines], HERE)
        out = torch.empty((len(lines), 2), dtype=torch.int64)
        tf128.sums(layout, lines, tf128.weights(torch, HERE), out)
        return out, time.monotonic()
    def has_come(self, token):
        return time.monotonic() - token[1] > 0.005
    def read(self, token):
        return [row.numpy().tobytes() for row in token[0]], 1e-6
    def generator(self):
        return torch.default_generator.get_state()[:16].numpy().tobytes()

fingerprint._tensor_memory = away
cards._rings[HERE] = Ring(Late())
"""

TRAIN = """
import imitated, os, signal, sys, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
data = torch.utils.data.TensorDataset(torch.randn(120, 8), torch.randn(120, 1))
step = 0
for epoch in range(2):
    for x, y in torch.utils.data.DataLoader(data, 5, shuffle=True):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        step += 1
        if "die" in sys.argv and step == 30:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_run_on_a_late_device_is_recorded_whole_and_verified(project: Project) -> None:
    project.write("imitated.py", IMITATED)
    project.write("train.py", TRAIN)
    assert project.run("train.py").code == 0
    view = project.view()
    assert view.missing == []
    assert [row.count for row in view.trace] == list(range(1, 49))
    groups = {"batch", "input", "loss", "rng.cuda", "entering", "grad", "param", "state"}
    assert groups <= view.trace[0].groups.keys()
    assert "param" in view.trace[-1].groups
    digested = {fact["group"] for fact in view.all_facts("digested")}
    assert digested >= groups - {"rng.cuda"}
    verified = project.call(SAMEBIT, "verify", "@last")
    assert verified.code == 0, (verified.out, verified.err)
    assert "steps 1 to 48: " in verified.out
    assert "gradients, parameters" in verified.out
    assert "not comparable" not in verified.out


@pytest.mark.slow
def test_a_kill_takes_the_rows_whose_digests_had_not_come(project: Project) -> None:
    project.write("imitated.py", IMITATED)
    project.write("train.py", TRAIN)
    assert project.run("train.py", "die").code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    counts = [row.count for row in project.view().trace]
    assert counts == list(range(1, len(counts) + 1))
    assert 20 <= len(counts) < 30
