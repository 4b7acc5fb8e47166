"""One flipped bit in a store: nobody is given other bytes, and every error is one of ours."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samebit.errors import NotFound
from samebit.states import comparing, export, leaves, shards, storing
from samebit.states.forms import Shard
from samebit.states.stored import StoredState
from tests.states.test_storing import new_store

_FLIPS = 80


def state(rank: int) -> dict[str, Any]:
    chance = np.random.default_rng(1)
    whole, weights = chance.random((6, 3000)), chance.standard_normal((300, 100))
    return {
        "model": {
            "small": np.arange(5),
            "raw": chance.integers(0, 2**63, 9000, np.uint64),
            "encoded": weights.astype(np.float32),
            "brain": torch.randn(4, generator=torch.Generator().manual_seed(1)).bfloat16(),
            "cut": Shard((6, 3000), (3 * rank, 0), whole[3 * rank : 3 * rank + 3]),
            "large": np.arange(30_000),
        },
        "optimizer": {"step": np.float32(3), "text": "a", "raw": b"1234"},
    }


def everything(value: Any) -> Any:
    """A loaded state in a form in which equal means equal bits."""
    if leaves.is_array(value):
        leaf = leaves.canonical(value)
        return leaf.dtype, leaf.shape, bytes(leaf.data)
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    return value


def into_a_model(stored: StoredState) -> Any:
    model = torch.nn.Module()
    for name, record in sorted(stored.leaves.items()):
        if name.startswith("model."):
            tensor = torch.zeros(record.shape, dtype=getattr(torch, record.dtype))
            model.register_buffer(name.removeprefix("model."), tensor)
    stored.load_into(model)
    return {name: everything(buffer) for name, buffer in sorted(model.named_buffers())}


READS: dict[str, Callable[[StoredState, Path], Any]] = {
    "value": lambda stored, _: everything(stored.value()),
    "mapped": lambda stored, _: everything(stored.value("numpy", mapped=True)),
    "state_dict": lambda stored, _: everything(stored.state_dict()),
    "load_into": lambda stored, _: into_a_model(stored),
    "identity": lambda stored, _: stored.identity(),
    "plain": lambda stored, _: (stored.values, stored.tied, list(stored.leaves)),
    "compare": lambda stored, _: list(
        comparing.compare_leaves(comparing.of_state(stored), comparing.of_state(stored))
    ),
}


def exported(stored: StoredState, path: Path) -> bytes:
    export.to_safetensors(stored, path, overwrite=True)
    return path.read_bytes()


READS["export"] = exported


@pytest.mark.parametrize("read", READS)
def test_a_flipped_bit_is_an_error_or_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(storing, "_WHOLE_BYTES", 200_000)
    monkeypatch.setattr(storing, "PART_BYTES", 70_000)
    store = new_store(tmp_path)
    names = {str(rank): storing.save(store, state(rank)) for rank in (0, 1)}
    out = tmp_path / "out.safetensors"

    def opened() -> StoredState:
        fresh = type(store)(store.path)
        return StoredState(fresh, names["0"], ranks=names)

    assert shards.is_sharded(storing.read_manifest(store, names["0"]))
    expected = READS[read](opened(), out)
    files = [path for path in store.path.rglob("*") if path.is_file() and path.name != "format"]
    packs = [path for path in files if path.suffix == ".pack"]  # manifests, and small leaves
    chance = random.Random(read)
    refused = 0
    for _ in range(_FLIPS):
        path = chance.choice(chance.choice([files, packs]))
        whole = path.read_bytes()
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            assert READS[read](opened(), out) == expected
        except NotFound:
            refused += 1
        finally:
            path.write_bytes(whole)
    assert refused > 0
    assert READS[read](opened(), out) == expected
