"""Folders of torch's distributed checkpoints: which model they hold; nothing in them is run."""

import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.metadata import Metadata

from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.states import storing
from samebit.states.containers import read_container


def tensors() -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "layer.weight": torch.randn(4, 3),
        "layer.half": torch.randn(5).bfloat16(),
        "flag": torch.tensor([True, False]),
        "count": torch.tensor(3),
        "nothing": torch.empty(0, 4),
    }


def identity(path: Path, part: str = "") -> str:
    return storing.identity(read_container(path), part)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint"
    state = {"model": tensors(), "step": 3, "name": "a"}
    with pytest.warns(UserWarning, match="single process"):
        dcp.save(state, checkpoint_id=path, no_dist=True)
    return path


def test_it_is_the_model_that_a_plain_file_holds(folder: Path, tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "plain.pt")
    assert identity(folder, "model") == identity(tmp_path / "plain.pt")


class Runs:
    """As a stranger's index could be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_an_index_that_would_run_code_runs_none(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for value in (Runs(ran), Metadata(state_dict_metadata={"a": Runs(ran)})):  # pyright: ignore
        (folder / ".metadata").write_bytes(pickle.dumps(value))
        with pytest.raises(UsageError, match="which is not torch's"):
            read_container(folder)
    assert not ran.exists()


def changed(folder: Path, **fields: Any) -> None:
    """Say something else of each part."""
    path = folder / ".metadata"
    index = pickle.loads(path.read_bytes())
    for info in index.storage_data.values():
        for name, value in fields.items():
            setattr(info, name, value)
    path.write_bytes(pickle.dumps(index))


@pytest.mark.parametrize(
    ("fields", "error", "why"),
    [
        ({"relative_path": "../plain.pt"}, Damaged, "outside its folder"),
        ({"relative_path": "gone.distcp"}, NotFound, "is missing"),
        ({"offset": 10**9}, Damaged, "beyond the end"),
        ({"offset": -1}, Damaged, "no place"),
        ({"length": 3}, Damaged, "longer than what is stored"),
        ({"transform_descriptors": ["zstd"]}, UsageError, "transformed"),
    ],
)
def test_a_part_that_is_not_where_the_index_says_is_told(
    folder: Path, fields: dict[str, Any], error: type[Exception], why: str
) -> None:
    changed(folder, **fields)
    with pytest.raises(error, match=why):
        read_container(folder)


@pytest.mark.parametrize("what", ["gone", "twice", "outside", "huge"])
def test_parts_that_do_not_make_the_whole_are_damage(folder: Path, what: str) -> None:
    path = folder / ".metadata"
    index = pickle.loads(path.read_bytes())
    entry = index.state_dict_metadata["model.layer.weight"]
    if what == "gone":
        entry.chunks.clear()
    elif what == "twice":
        entry.chunks *= 2
    elif what == "outside":
        entry.chunks[0].sizes = torch.Size((9, 3))
    else:
        entry.size = entry.chunks[0].sizes = torch.Size((2**40, 2**20))
    path.write_bytes(pickle.dumps(index))
    with pytest.raises(Damaged):
        read_container(folder)


def test_a_flipped_byte_gives_a_model_or_our_error(folder: Path, tmp_path: Path) -> None:
    """Only what a checksum guards is noticed; what is not noticed is another model's bits."""
    whole = read_container(folder).leaves
    chance = random.Random(3)
    for _ in range(60):
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        file = chance.choice([".metadata", "__0_0.distcp"])
        content = bytearray((copy / file).read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (copy / file).write_bytes(content)
        try:
            found = read_container(copy).leaves
        except SamebitError:
            continue
        finally:
            shutil.rmtree(copy)
        kinds = {name: (r.dtype, r.shape) for name, r in found.items() if name in whole}
        if file != ".metadata":
            assert kinds == {name: (r.dtype, r.shape) for name, r in whole.items()}
