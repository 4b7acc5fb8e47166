"""Sharded tensors on two real ranks, whose states are put together without a word between them."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit import places
from samebit.errors import Damaged, UsageError
from samebit.objects.store import Store
from samebit.states import skeleton, storing
from samebit.states.forms import Shard
from samebit.states.shards import assemble

RANK = """
import os, sys
import torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from samebit.errors import UsageError
from samebit.states import skeleton, storing
from samebit.states import torch as states
from samebit.objects.store import Store
from pathlib import Path

rank = int(os.environ["RANK"])
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(0)
plain = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
model = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
model.load_state_dict(plain.state_dict())
for layer in (model[0], model[2], model):
    fully_shard(layer, mesh=mesh)
whole = torch.arange(35.0).reshape(7, 5)
made = {
    "rows": distribute_tensor(whole, mesh, [Shard(0)]),
    "columns": distribute_tensor(whole, mesh, [Shard(1)]),
    "copies": distribute_tensor(whole, mesh, [Replicate()]),
}
# From here on nobody may talk: a collective would be one rank's alone.
for name in ("all_gather", "all_gather_into_tensor", "all_reduce", "broadcast", "scatter"):
    setattr(dist, name, None)
state = {"model": states.module_state(model), **made}
frozen = states.frozen_copy(state)
if rank == 0:
    skeleton.split(state)  # alone
try:
    skeleton.split({"sum": DTensor.from_local(whole, mesh, [Partial()])})
    raise AssertionError("a summand was taken for a part")
except UsageError as error:
    assert "parts of a sum" in str(error) and "at: sum" in str(error), error
store = Store(Path(sys.argv[1]))
names = [storing.save(store, one) for one in (state, frozen)]
assert names[0] == names[1]
with open(f"{sys.argv[2]}.{rank}", "w") as file:
    file.write(names[0])
if rank == 0:
    torch.save({"model": dict(plain.state_dict()), "whole": whole}, sys.argv[2])
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, list[str], Any]:
    folder = tmp_path_factory.mktemp("ranks")
    store = Store(places.make_store(folder / ".samebit"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (folder / "rank.py").write_text(RANK)
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "rank.py", str(store.path), str(folder / "out")],
            cwd=folder,
            env={**os.environ, **common, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=200)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    names = [Path(f"{folder / 'out'}.{rank}").read_text() for rank in range(2)]
    return Store(store.path), names, torch.load(folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize("as_torch", [True, False])
def test_a_sharded_model_is_put_together_from_what_each_rank_kept(
    two_ranks: tuple[Store, list[str], Any], as_torch: bool
) -> None:
    store, names, expected = two_ranks
    parts = [storing.load(store, name, as_torch=as_torch) for name in names]
    assert parts[0]["rows"].shape == parts[1]["rows"].shape == (7, 5)
    assert [part["rows"].offset for part in parts] == [(0, 0), (4, 0)]
    assert [part["columns"].offset for part in parts] == [(0, 0), (0, 3)]
    assert isinstance(parts[0]["model"]["2.weight"], Shard)  # one row: all of it on rank 0
    made = assemble(parts)
    for name in ("rows", "columns", "copies"):
        assert torch.equal(torch.as_tensor(made[name]), expected["whole"])
    assert list(made["model"]) == list(expected["model"])
    for name, tensor in expected["model"].items():
        assert torch.equal(torch.as_tensor(made["model"][name]), tensor)


@pytest.mark.slow
def test_a_part_alone_is_not_taken_for_the_whole(two_ranks: tuple[Store, list[str], Any]) -> None:
    store, names, _ = two_ranks
    with pytest.raises(UsageError, match="give the states of all ranks"):
        assemble([storing.load(store, names[0], as_torch=True)])


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.data())
def test_parts_in_any_order_make_the_whole(
    rows: int, columns: int, ranks: int, data: st.DataObject
) -> None:
    whole = np.arange(rows * columns).reshape(rows, columns)
    axis = data.draw(st.sampled_from([0, 1]))
    at, parts = 0, []
    for piece in np.array_split(whole, ranks, axis):
        offset = (at, 0) if axis == 0 else (0, at)
        at += piece.shape[axis]
        parts.append(Shard((rows, columns), offset, piece))
    parts += data.draw(st.lists(st.sampled_from(parts), max_size=2))  # replicas
    states = [{"a": [part]} for part in data.draw(st.permutations(parts))]
    assert (assemble(states)["a"][0] == whole).all()
    frame, arrays = skeleton.split(states)
    assert (assemble(skeleton.join(frame, arrays))["a"][0] == whole).all()


@pytest.mark.parametrize(
    ("parts", "error", "why"),
    [
        ([Shard((4,), (0,), np.ones(3)), Shard((4,), (2,), np.ones(1))], Damaged, "overlap"),
        ([Shard((4,), (3,), np.ones(3))], Damaged, "outside"),
        ([Shard((4,), (0, 0), np.ones(3))], Damaged, "outside"),
        ([Shard((4,), (0,), np.ones(4)), Shard((5,), (4,), np.ones(1))], Damaged, "agree"),
        ([Shard((4,), (0,), None)], Damaged, "agree"),
        ([Shard((2,), (0,), np.ones(2)), Shard((2,), (0,), np.zeros(2))], Damaged, "differ"),
        ([Shard((2,), (0,), np.ones(2)), np.ones(2)], Damaged, "whole on another"),
        ([Shard((3,), (0,), np.ones(2)), Shard((3,), (2,), np.ones(1, "f4"))], Damaged, "dtypes"),
        ([Shard((2**60,), (0,), np.ones(2))], UsageError, "not whole"),
        ([], UsageError, "no state"),
    ],
)
def test_parts_that_do_not_fit_make_no_whole(
    parts: list[Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        assemble(parts)
