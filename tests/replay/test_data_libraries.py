"""Data that libraries read in C or Rust: laid out for a replay, and missed when it is another."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.replay.conftest import Project

pytestmark = pytest.mark.slow

for _name in ("torch", "safetensors", "h5py", "pyarrow", "cv2", "lmdb", "datasets"):
    pytest.importorskip(_name)

MAKE = """
import cv2, h5py, lmdb, numpy as np, torch, pyarrow as pa, pyarrow.parquet as pq
import safetensors.torch, datasets
numbers = np.arange(8, dtype=np.float32)
with h5py.File("data/x.h5", "w") as file:
    file["x"] = numbers
pq.write_table(pa.table({"x": numbers}), "data/x.parquet")
safetensors.torch.save_file({"x": torch.from_numpy(numbers)}, "data/x.safetensors")
cv2.imwrite("data/x.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
with lmdb.open("data/x.lmdb") as env, env.begin(write=True) as transaction:
    transaction.put(b"x", numbers.tobytes())
datasets.Dataset.from_dict({"x": numbers}).save_to_disk("data/arrow")
"""
TRAIN = """
import cv2, h5py, lmdb, numpy as np, torch, pyarrow.parquet as pq, safetensors.torch, datasets

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, at):
        with h5py.File("data/x.h5") as file:
            numbers = [file["x"][at], cv2.imread("data/x.png", 0)[at, 0]]
        numbers.append(pq.read_table("data/x.parquet")["x"][at].as_py())
        numbers.append(safetensors.torch.load_file("data/x.safetensors")["x"][at].item())
        with lmdb.open("data/x.lmdb", readonly=True, lock=False) as env, env.begin() as found:
            numbers.append(np.frombuffer(found.get(b"x"), dtype=np.float32)[at])
        numbers.append(datasets.load_from_disk("data/arrow")[at]["x"])
        return torch.tensor(numbers, dtype=torch.float32)

torch.manual_seed(1)
torch.set_num_threads(1)
model = torch.nn.Linear(6, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
for batch in torch.utils.data.DataLoader(Rows(), batch_size=4, num_workers=2):
    optimizer.zero_grad()
    (model(batch) ** 2).mean().backward()
    optimizer.step()
"""


@pytest.fixture(scope="module")
def recorded(make: Callable[..., Project]) -> Project:
    project = make("libraries")
    (project.folder / "data").mkdir()
    subprocess.run([sys.executable, "-c", MAKE], cwd=project.folder, check=True, timeout=120)
    for path in (project.folder / "data").rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    project.write(train=TRAIN)
    project.run("train.py")
    return project


def test_all_of_it_is_there_again(recorded: Project) -> None:
    found = recorded.verify()
    assert (found.code, found.text) == (0, "identical: ")
    (line,) = [line for line in found.verdict["scope"] if line.startswith("data: ")]
    assert int(line.split()[1]) >= 8  # of `datasets` three


@pytest.mark.parametrize("name", ["x.parquet", "x.h5", "x.safetensors", "x.lmdb/data.mdb", "x.png"])
def test_one_that_changed_since_is_named(recorded: Project, name: str) -> None:
    path = recorded.folder / "data" / name
    before, found = path.read_bytes(), path.stat()
    changed = bytearray(before)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))
    verdict = recorded.verify()
    path.write_bytes(before)
    os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))
    assert (verdict.code, verdict.verdict["replay"]) == (6, None)
    assert f"{path}, whose content is another now" in verdict.text
