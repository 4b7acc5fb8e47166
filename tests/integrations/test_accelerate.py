"""A loop of accelerate with our tracker."""

from pathlib import Path

import pytest

from tests.integrations.doors import WAYS, assert_comes_back, recorded, values

pytestmark = pytest.mark.slow  # starts of torch and accelerate

SCRIPT = """
import torch
from accelerate import Accelerator
from samebit.integrations.accelerate import SamebitTracker

accelerator = Accelerator(cpu=True, log_with=SamebitTracker(run_name="linear"))
accelerator.init_trackers("project", config={"lr": 0.1, "note": [1, 2]})
torch.manual_seed(1)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.TensorDataset(torch.randn(16, 3))
loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for step, (batch,) in enumerate(loader, 1):
    loss = (model(batch) ** 2).mean()
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    accelerator.log({"loss": loss.item()}, step=step * 10)
    accelerator.log({"odd": object(), "own": step})
assert accelerator.get_tracker("samebit", unwrap=True).id
accelerator.end_training()
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_is_recorded_and_comes_back(tmp_path: Path, way: str) -> None:
    """A value that is no number is said once, and costs neither the others nor the training."""
    script = SCRIPT if way == "python" else SCRIPT.replace('"odd": object(), ', "")
    project = recorded(tmp_path, script, way, marked=way == "python")
    view = project.last()
    assert view.name == "linear"
    assert list(values(view, "loss")) == [10, 20, 30, 40]
    assert list(values(view, "own")) == [1, 2, 3, 4]
    config = view.facts["config"]
    assert (config["lr"], config["note"]) == (0.1, [1, 2])
    assert_comes_back(project)
