"""What a training shows of itself, counted from what really happens."""

from typing import Any

import pytest
import torch
from torch import nn

from samebit.session.tally import Tally
from tests.projects import Project


class Training:
    """A model whose training is told to a tally, as the hooks tell it."""

    def __init__(self, lr: float = 0.1) -> None:
        self.facts: list[dict[str, Any]] = []
        self.model = nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=0.9)
        self.tally = Tally(self.facts.append, lambda: [("model", self.model)])
        self.tally.before_first_step(self.optimizer, 0)

    def step(self, index: int = 0) -> None:
        self.tally.after_step(index, is_main=index == 0)

    @property
    def fact(self) -> dict[str, Any]:
        self.tally.finish()
        return self.facts[-1]


def loader(samples: int, size: int, **more: Any) -> Any:
    return torch.utils.data.DataLoader(torch.randn(samples, 3), size, **more)


def passes(tally: Tally, loader: Any) -> Any:
    """A pass over a loader, told as the hooks tell it."""
    iterator = iter(loader)
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            tally.loader_ends(iterator)
            return
        tally.batch(batch, iterator)
        yield batch


@pytest.fixture
def training() -> Training:
    return Training()


def test_accumulated_batches_make_the_effective_one(training: Training) -> None:
    batches = loader(20, 2)
    for _ in range(3):
        for at, _batch in enumerate(passes(training.tally, batches)):
            training.tally.backward()
            if at % 5 == 4:
                training.step()
    fact = training.fact
    assert fact["steps"] == 6
    assert fact["epochs"] == {"begun": 3, "finished": 3}
    assert fact["samples"] == 60
    assert fact["batch"] == {
        **{"micro": 2, "accumulation": 5, "world": 1, "effective": 10, "from": "loader"},
        **{"sizes": [[2, 30]], "accumulations": [[5, 6]]},
    }


def test_evaluation_and_a_second_backward_are_no_batches(training: Training) -> None:
    train, held_out = loader(8, 4), loader(9, 3)
    for _ in range(2):
        for _batch in passes(training.tally, train):
            training.tally.backward()
            training.tally.backward()  # another loss of the same batch
            training.step()
        for _batch in passes(training.tally, held_out):
            pass
    fact = training.fact
    assert (fact["samples"], fact["batch"]["sizes"]) == (16, [[4, 4]])
    assert fact["batch"]["accumulations"] == [[1, 4]]
    assert fact["epochs"] == {"begun": 2, "finished": 2}


def test_a_batch_that_is_fetched_ahead_is_counted_once(training: Training) -> None:
    """As trainers do that want to know whether a batch is the last."""
    for _ in range(2):
        ahead = passes(training.tally, loader(7, 2))
        batch = next(ahead)
        while batch is not None:
            batch = next(ahead, None)
            training.tally.backward()
            training.step()
    fact = training.fact
    assert (fact["samples"], fact["steps"]) == (14, 8)
    assert fact["batch"]["sizes"] == [[2, 6], [1, 2]]


def test_without_a_loader_the_input_tells_the_size(training: Training) -> None:
    for _ in range(3):
        training.tally.forward((torch.ones(5, 3),), {})
        training.tally.backward()
        training.step()
    fact = training.fact
    assert (fact["samples"], fact["epochs"], fact["batch"]["from"]) == (15, None, "input")


def test_the_world_multiplies(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    for _batch in passes(training.tally, loader(4, 2)):
        training.tally.backward()
        training.step()
    assert training.fact["batch"]["effective"] == 8


def test_models_and_groups_are_described_when_they_are_first_stepped() -> None:
    training = Training()
    training.model.bias.requires_grad_(False)
    groups = [
        {"params": [training.model.weight], "lr": 0.5},
        {"params": [training.model.bias], "name": "bias"},
    ]
    training.tally.before_first_step(torch.optim.AdamW(groups), 1)
    training.step()
    training.step(1)
    fact = training.fact
    (model,) = fact["models"]
    assert (model["parameters"], model["trainable"], model["dtypes"]) == (4, 3, {"float32": 4})
    first, second = fact["optimizers"]
    assert (first["class"], first["steps"]) == ("torch.optim.sgd.SGD", 1)
    assert first["groups"][0]["hyper"]["momentum"] == 0.9
    assert [group["hyper"]["lr"] for group in second["groups"]] == [0.5, 0.001]
    assert second["groups"][1]["hyper"]["name"] == "bias"
    assert [group["parameters"] for group in second["groups"]] == [3, 1]


def test_different_sizes_beyond_many_are_counted_together(training: Training) -> None:
    for size in range(1, 200):
        training.tally.forward((torch.ones(size, 3),), {})
        training.tally.backward()
        training.step()
    fact = training.fact
    assert fact["samples"] == 199 * 100
    assert len(fact["batch"]["sizes"]) == 65
    assert fact["batch"]["sizes"][-1] == ["others", 135]


def test_the_fact_is_written_rarely(training: Training) -> None:
    for _ in range(1000):
        training.tally.backward()
        training.step()
    assert [fact["steps"] for fact in training.facts] == [1 << k for k in range(10)]


SCRIPT = """
import sys
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_  # by name, before anything is recorded
if "init" in sys.argv:
    import samebit
    samebit.init()
torch.manual_seed(0)
data = torch.utils.data.TensorDataset(torch.randn(24, 3), torch.randn(24, 1))
train = torch.utils.data.DataLoader(data, 4, shuffle=True)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
for epoch in range(2):
    for at, (x, y) in enumerate(train):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (model(x) - y).square().mean()
        if (epoch, at) == (1, 2):
            loss = loss * float("inf")
        scaler.scale(loss).backward()
        if at % 2:
            scaler.unscale_(optimizer)
            clip_grad_norm_(model.parameters(), 1.5)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
model(x).sum().backward()
nn.utils.clip_grad_value_(parameters=model.parameters(), clip_value=0.5)
print([value.hex() for value in model.weight.flatten().tolist()])
if "kill" in sys.argv:
    import os
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["run", "init", "kill"])
def test_a_real_training_is_described_and_unchanged(project: Project, how: str) -> None:
    project.write("a.py", SCRIPT)
    words = ["a.py", *([] if how == "run" else [how])]
    call = project.python if how == "init" else project.run
    recorded = call(*words)
    plain = project.python("a.py")
    assert (recorded.out, plain.code) == (plain.out, 0)
    view = project.view()
    assert view.all_facts("problem") == [] or how == "init"
    fact = view.facts["training"]
    assert fact["precision"]["autocast"] == ["cpu bfloat16"]
    assert fact["optimizers"][0]["class"] == "torch.optim.sgd.SGD"
    assert fact["batch"]["effective"] == 8
    clipping = {"kind": "norm", "limit": 1.5, "norm_type": 2.0}
    if how == "kill":  # what was written at the step that was a power of two
        assert (fact["steps"], fact["samples"]) == (4, 32)
        assert fact["clipping"] == [{**clipping, "calls": 4}]
        return
    assert (fact["steps"], fact["samples"]) == (5, 48)
    assert fact["epochs"] == {"begun": 2, "finished": 2}
    assert fact["clipping"] == [
        {**clipping, "calls": 6},
        {"kind": "value", "limit": 0.5, "calls": 1},
    ]
    scaling = fact["loss_scaling"]
    assert (scaling["steps"], scaling["skipped"], scaling["scale"]) == (6, 1, 1024.0)
    assert scaling["scales"] == [[0, 1024.0], [3, 2048.0], [4, 1024.0]]


@pytest.mark.slow
def test_a_compiled_function_that_clips_compiles_as_without_us(project: Project) -> None:
    project.write(
        "a.py",
        "import torch\nfrom torch._dynamo.utils import counters\n"
        "p = torch.nn.Parameter(torch.ones(3))\np.grad = torch.full((3,), 2.0)\n"
        "@torch.compile(backend='eager')\ndef f(x):\n"
        "    torch.nn.utils.clip_grad_norm_([p], 1.0)\n    return x + 1\n"
        "print(f(torch.ones(2)), p.grad, dict(counters['stats']), dict(counters['graph_break']))\n",
    )
    assert project.run("a.py") == project.python("a.py")
