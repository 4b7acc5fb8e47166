"""Checkpoints of Orbax, as every way of it writes them, in a process that JAX has to itself."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.states import storing
from samebit.states.containers import read_container

pytest.importorskip("orbax.checkpoint")
pytest.importorskip("tensorstore")
torch = pytest.importorskip("torch")

WRITE = """
import pathlib, sys
import jax.numpy as jnp, numpy as np, orbax.checkpoint as ocp
folder = pathlib.Path(sys.argv[1])
tree = {
    "params": {"kernel": jnp.arange(12.0).reshape(3, 4), "bias": jnp.ones(4, jnp.bfloat16)},
    "layers": [jnp.zeros(2), jnp.ones(())],
    "step": jnp.int32(7),
    "numpy": np.arange(3),
    "flag": np.array([True, False]),
    "rate": 0.5,
}
with ocp.StandardCheckpointer() as one:
    one.save(folder / "standard", tree)
ocp.PyTreeCheckpointer().save(folder / "tree", tree)
for name, more in {"files": {"use_ocdbt": False}, "zarr3": {"use_zarr3": True}}.items():
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**more)).save(folder / name, tree)
with ocp.CheckpointManager(folder / "managed") as manager:
    manager.save(3, args=ocp.args.StandardSave(tree))
with ocp.Checkpointer(ocp.CompositeCheckpointHandler("model", "average")) as both:
    given = {name: ocp.args.StandardSave(tree) for name in ("model", "average")}
    both.save(folder / "both", ocp.args.Composite(**given))
"""


def identity(path: Path) -> str:
    return storing.identity(read_container(path), "")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("orbax")
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(folder)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    arrays: dict[str, Any] = {
        "params.kernel": torch.arange(12.0).reshape(3, 4),
        "params.bias": torch.ones(4, dtype=torch.bfloat16),
        "layers.0": torch.zeros(2),
        "layers.1": torch.ones(()),
        "step": torch.tensor(7, dtype=torch.int32),
        "numpy": torch.arange(3),
        "flag": torch.tensor([True, False]),
    }
    path = tmp_path_factory.mktemp("plain") / "model.safetensors"
    save_file(arrays, path)
    return identity(path)


@pytest.mark.parametrize(
    "name", ["standard", "tree", "files", "zarr3", "managed/3", "managed/3/default", "both/model"]
)
def test_it_is_the_model_that_a_plain_file_holds(written: Path, expected: str, name: str) -> None:
    assert identity(written / name) == expected


def test_of_several_checkpoints_or_items_one_is_to_be_named(written: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)name one.*3"):
        read_container(written / "managed")
    with pytest.raises(UsageError, match=r"(?s)several items.*average, model"):
        read_container(written / "both")


@pytest.mark.parametrize("name", ["_METADATA", "manifest.ocdbt", "_CHECKPOINT_METADATA"])
def test_what_is_left_of_one_is_no_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises((Damaged, NotFound)):
        read_container(tmp_path)


def test_a_name_leads_to_nothing_outside(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(written / "files", folder)
    shutil.move(folder / "numpy", tmp_path / "numpy")
    listed = json.loads((folder / "_METADATA").read_text())
    for entry in listed["tree_metadata"].values():
        if entry["key_metadata"][0]["key"] == "numpy":
            entry["key_metadata"] = [{"key": "../numpy", "key_type": 2}]
    (folder / "_METADATA").write_text(json.dumps(listed))
    with pytest.raises(Damaged, match="out of the folder"):
        read_container(folder)


def test_what_unpacks_to_too_much_is_not_read(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(written / "files", folder)
    header = json.loads((folder / "numpy" / ".zarray").read_text())
    header["shape"] = [1 << 40]
    (folder / "numpy" / ".zarray").write_text(json.dumps(header))
    with pytest.raises(Damaged, match="unpacks to much more"):
        read_container(folder)


@pytest.mark.parametrize("name", ["standard", "files"])
def test_a_changed_byte_raises_nothing_but_our_errors(
    written: Path, tmp_path: Path, name: str
) -> None:
    chance = random.Random(0)
    files = sorted(path for path in (written / name).rglob("*") if path.is_file())
    assert len(files) > 5
    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(written / name, folder)
        path = folder / chance.choice(files).relative_to(written / name)
        data = bytearray(path.read_bytes())
        for _ in range(1 + number % 3 if data else 0):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            read_container(folder)
        except SamebitError:
            pass  # as it should be; where nothing looks at the byte, it is read
