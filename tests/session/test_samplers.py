"""Splits of Hugging Face's datasets and of samplers: recorded, and nothing changed by it."""

from typing import Any

import pytest

from samebit.session.reading import RecordedRun
from tests.projects import Project

pytest.importorskip("torch")
pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
np = pytest.importorskip("numpy")

SCRIPT = """
import json, sys, traceback
import numpy as np, torch
from datasets import Dataset, load_from_disk
from torch.utils.data import (
    BatchSampler, DataLoader, Subset, SubsetRandomSampler, TensorDataset, WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

if sys.argv[1] == "recorded":
    import samebit
    run = samebit.init()
np.random.seed(3)
torch.manual_seed(3)
found, drawn, errors = {}, [], []

class Own(DistributedSampler):
    def __iter__(self):
        return iter(np.random.permutation(20)[:3].tolist())  # nobody else may ask

table = Dataset.from_dict({"x": list(range(40)), "label": [at % 2 for at in range(40)]})
table.save_to_disk(sys.argv[1])

def note(name, parts, whole=table):
    places = {x: at for at, x in enumerate(whole["x"])}
    found[name] = [[places[x] for x in parts[part]["x"]] for part in ("train", "test")]

note("train_test_split", table.train_test_split(test_size=0.25))
note("train_test_split 2", table.train_test_split(0.25, seed=5))
turned = table.shuffle(seed=1)
note("train_test_split 3", turned.train_test_split(test_size=1, seed=5), turned)
note("train_test_split 4", table.train_test_split(test_size=0.25, shuffle=False))
table = table.class_encode_column("label")
note("train_test_split 5", table.train_test_split(
    test_size=0.5, stratify_by_column="label", generator=np.random.default_rng(2)))
for number in (6, 7):  # the second one comes from a cache on the disk
    note(f"train_test_split {number}", load_from_disk(sys.argv[1]).train_test_split(0.5, seed=1))
for number in (8, 9):
    lying = load_from_disk(sys.argv[1]).shuffle(seed=2)
    note(f"train_test_split {number}", lying.train_test_split(0.5, seed=1), lying)
try:
    table.train_test_split(test_size=50)
except ValueError:
    errors.append(traceback.format_exc())

items = TensorDataset(torch.arange(20), torch.arange(20) % 2)
some = Subset(items, range(5, 20))
for data, sampler in (
    (items, SubsetRandomSampler([1, 2, 3])),
    (items, SubsetRandomSampler([4, 5])),
    (some, WeightedRandomSampler([0.0, 1.0, 2.0] * 5, 7)),
    (items, DistributedSampler(items, 2, 1, seed=4)),
    (items, Own(items, 2, 0)),
):
    loader = DataLoader(data, batch_size=2, sampler=sampler)
    drawn += [[batch.tolist() for batch, _ in loader] for _ in range(2)]
batches = BatchSampler(SubsetRandomSampler([7, 8, 9]), 2, True)
drawn += [[batch.tolist() for batch, _ in DataLoader(items, batch_sampler=batches)]]
drawn += [[batch.tolist() for batch, _ in DataLoader(items, shuffle=True)]]
print(json.dumps([found, drawn, errors, np.random.rand(), torch.rand(1).item()]))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, RecordedRun]:
    """What the script printed without us, and the run."""
    project = Project(tmp_path_factory.mktemp("samplers"))
    project.write("a.py", SCRIPT)
    env = {"PYTHONHASHSEED": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    plain = project.python("a.py", "plain", **env)
    recorded = project.python("a.py", "recorded", **env)
    assert (plain.code, recorded.code, recorded.err) == (0, 0, plain.err)
    assert recorded.out == plain.out
    return plain.json, RecordedRun(project.view())


def test_splits_of_datasets_are_of_the_rows_of_what_was_split(ran: tuple[Any, RecordedRun]) -> None:
    (found, *_), run = ran
    assert [name for name in run.splits if name.startswith("train_test_split")] == list(found)
    for name, lists in found.items():
        split = run.split(name)
        assert [rows.tolist() for rows in split.indices().values()] == lists, name
        assert (split.manifest.covered, split.manifest.overlaps) == (40, ())
        assert split.manifest.data.ids is not None
    one = {name: run.split(name).manifest for name in found}
    assert one["train_test_split"].generator is not None
    assert one["train_test_split"].generator["of"] == "numpy"
    assert (one["train_test_split 2"].seed, one["train_test_split 2"].generator) == (5, None)
    assert one["train_test_split 4"].parameters["shuffle"] is False
    assert (one["train_test_split 4"].seed, one["train_test_split 4"].generator) == (None, None)
    assert one["train_test_split 5"].stratify is not None
    assert one["train_test_split 5"].parts[1].labels == {"0": 10, "1": 10}
    assert one["train_test_split 5"].generator is not None
    assert one["train_test_split 5"].generator["of"] == "argument"
    assert one["train_test_split 6"] == one["train_test_split 7"]
    assert one["train_test_split 8"] == one["train_test_split 9"]


@pytest.mark.slow
def test_samplers_say_which_rows_a_loader_takes(ran: tuple[Any, RecordedRun]) -> None:
    (_, drawn, *_), run = ran
    chosen = run.split("SubsetRandomSampler")
    rows = {name: found.tolist() for name, found in chosen.indices().items()}
    assert rows == {"0": [1, 2, 3], "1": [4, 5], "2": [7, 8, 9]}
    weighted = run.split("WeightedRandomSampler")
    expected = [5 + at for at in range(15) if at % 3]  # of the innermost data set
    assert weighted.indices()["0"].tolist() == expected
    assert weighted.manifest.parameters["num_samples"] == 7
    assert weighted.manifest.parameters["weights"].startswith("fp1:array:")
    ranked = run.split("DistributedSampler/1")
    assert ranked.indices()["rank 1"].tolist() == [at for batch in drawn[6] for at in batch]
    assert ranked.manifest.seed == 4
    assert ranked.manifest.parameters["num_replicas"] == 2
    own = run.split("DistributedSampler 2/0").manifest
    assert (own.parts, own.parameters["rank"]) == ((), 0)
    assert own.notes[-1].startswith("its rows are not listed")
    assert not [name for name in run.splits if name.startswith("RandomSampler")]
