"""Each epoch of a data loader notes the generators in use; how they began is noted once."""

from typing import Any

import pytest

from tests.projects import Project

LOADERS = """
import random
import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

random.seed(1); np.random.seed(2); torch.manual_seed(3)
class Data(TensorDataset):
    def __init__(self):
        super().__init__(torch.arange(4.0))
        self.rng = np.random.default_rng(6)
        self.own = random.Random(7)
class Shard:  # as accelerate has one for each of several ranks
    def __init__(self, batches):
        self.batch_sampler = batches
    def __iter__(self):
        return iter(self.batch_sampler)
data = Data()
shuffled = DataLoader(data, 2, shuffle=True)
own = DataLoader(data, 2, shuffle=True, generator=torch.Generator().manual_seed(4))
sampled = DataLoader(data, 2, sampler=RandomSampler(data, generator=torch.Generator()))
fixed = DataLoader(data, 2)
for epoch in range(2):
    for loader in (shuffled, own, sampled, fixed):
        for batch in loader:
            data.rng.random()
drawn = RandomSampler(data, generator=torch.Generator().manual_seed(8))
for batches in (
    BatchSampler(RandomSampler(data), 2, False), BatchSampler(drawn, 2, False), [[1, 0], [2, 3]],
    Shard(BatchSampler(RandomSampler(data), 2, False)),
):
    for batch in DataLoader(data, batch_sampler=batches): pass
for _ in range(130):
    for batch in fixed: pass
"""


@pytest.fixture(scope="module")
def epochs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    project = Project(tmp_path_factory.mktemp("loaders"))
    project.write("a.py", LOADERS)
    ended = project.run("a.py")
    assert (ended.code, ended.err) == (0, "")
    return project.view().all_facts("epoch")


def test_each_epoch_says_which_generator_decides_the_order(epochs: list[dict[str, Any]]) -> None:
    orders = ["torch", "loader.generator", "sampler.generator", "fixed"]
    assert [fact["order"] for fact in epochs[:8]] == orders * 2
    assert [fact["epoch"] for fact in epochs[:8]] == [1] * 4 + [2] * 4
    assert epochs[1]["seeds"] == {"loader.generator": 4}
    assert epochs[2]["seeds"] == {"sampler.generator": 67280421310721}  # torch's constant


def test_what_decides_within_batches_that_were_given(epochs: list[dict[str, Any]]) -> None:
    assert [fact["order"] for fact in epochs[8:12]] == [
        "torch",
        "sampler.generator",
        "fixed",
        "torch",
    ]
    assert epochs[9]["seeds"] == {"sampler.generator": 8}


def test_the_states_are_in_the_first_and_their_digests_in_all(epochs: list[dict[str, Any]]) -> None:
    common = {"python", "numpy", "torch", "dataset.rng", "dataset.own"}
    for at, more in enumerate([set(), {"loader.generator"}, {"sampler.generator"}, set()]):
        assert set(epochs[at]["states"]) == set(epochs[at]["generators"]) == common | more
        assert "states" not in epochs[at + 4]
    first, again = epochs[0]["generators"], epochs[4]["generators"]
    assert first["torch"] != again["torch"]
    assert first["dataset.rng"] != again["dataset.rng"]
    assert first["python"] == again["python"]  # nobody drew from it
    assert epochs[0]["states"]["torch"] == {"seed": 3}


def test_after_a_hundred_epochs_only_powers_of_two_are_noted(epochs: list[dict[str, Any]]) -> None:
    numbers = [
        fact["epoch"]
        for fact in epochs
        if fact["order"] == "fixed" and fact["place"].endswith("#4")
    ]
    assert numbers == [*range(1, 101), 128]


@pytest.mark.slow
def test_how_generators_began_is_noted_only_where_nobody_gave_a_seed(project: Project) -> None:
    project.write("a.py", "import numpy.random, torch\n")
    project.run("a.py")
    found = project.view().all_facts("generator")
    assert sorted(fact["library"] for fact in found) == ["numpy", "python", "torch"]
    (torchs,) = [fact["state"] for fact in found if fact["library"] == "torch"]
    assert set(torchs) == {"seed"}  # nothing was drawn while it was imported
