"""Sharded tensors on two real ranks, whose states are put together without a word between them."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import places
from samebit.errors import Damaged, NotFound
from samebit.objects.store import Store
from samebit.states import comparing, loading, storing
from samebit.states.forms import Shard
from samebit.states.stored import StoredState

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


def together(store: Store, states: Sequence[Any], **how: Any) -> StoredState:
    """What ranks have kept, one state each, as one."""
    names = {str(rank): storing.save(store, one, **how) for rank, one in enumerate(states)}
    return StoredState(store, names["0"], ranks=names)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_a_sharded_model_is_put_together_from_what_each_rank_kept(
    two_ranks: tuple[Store, list[str], Any], library: Any
) -> None:
    store, names, expected = two_ranks
    parts = [StoredState(store, name, apart=True).value(library) for name in names]
    assert parts[0]["rows"].shape == parts[1]["rows"].shape == (7, 5)
    assert [part["rows"].offset for part in parts] == [(0, 0), (4, 0)]
    assert [part["columns"].offset for part in parts] == [(0, 0), (0, 3)]
    assert isinstance(parts[0]["model"]["2.weight"], Shard)  # one row: all of it on rank 0
    stored = StoredState(store, names[0], ranks={"0": names[0], "1": names[1]})
    made = stored.value(library)
    for name in ("rows", "columns", "copies"):
        assert torch.equal(torch.as_tensor(made[name]), expected["whole"])
    assert list(made["model"]) == list(expected["model"])
    for name, tensor in expected["model"].items():
        assert torch.equal(torch.as_tensor(made["model"][name]), tensor)
    never_cut = storing.save(store, {"model": expected["model"], "rows": expected["whole"]})
    assert stored.identity() == StoredState(store, never_cut).identity()
    assert stored.leaves["model.0.weight"].digest == stored_digest(store, never_cut)


def stored_digest(store: Store, name: str) -> str:
    return StoredState(store, name).leaves["model.0.weight"].digest


@pytest.mark.slow
def test_a_part_alone_is_not_taken_for_the_whole(two_ranks: tuple[Store, list[str], Any]) -> None:
    store, names, _ = two_ranks
    alone = StoredState(store, names[0], ranks={"0": names[0]}, absent={"1": "it crashed"})
    with pytest.raises(NotFound, match="is not whole: the part of rank 1 is not here") as told:
        alone.value()
    assert "rank 1: it crashed" in str(told.value)
    assert alone.leaves["rows"].shape == (7, 5)  # what there is can still be looked at


@settings(deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.data())
def test_parts_in_any_order_make_the_whole(
    store: Store, rows: int, columns: int, ranks: int, data: st.DataObject
) -> None:
    whole = np.arange(rows * columns).reshape(rows, columns)
    cuts = cut(whole, data.draw(st.sampled_from([0, 1, None])), ranks)
    cuts += data.draw(st.lists(st.sampled_from(cuts), max_size=2))  # replicas
    stored = together(store, [{"a": [part]} for part in data.draw(st.permutations(cuts))])
    assert (stored.value("numpy")["a"][0] == whole).all()
    assert stored.identity("a") == together(store, [{"a": [whole]}]).identity("a")


def cut(whole: Any, axis: int | None, ranks: int) -> list[Shard]:
    """Parts along an axis; without one, runs of its elements."""
    at, parts = 0, []
    laid = whole.reshape(-1) if axis is None else whole
    along = axis or 0
    for piece in np.array_split(laid, ranks, along):
        offset = tuple(at if along == i else 0 for i in range(laid.ndim))
        at += piece.shape[along]
        parts.append(Shard(whole.shape, offset, piece))
    return parts


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 6), max_size=3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.data(),
)
def test_any_cut_is_given_to_any_other(
    store: Store, shape: list[int], ranks: int, others: int, data: st.DataObject
) -> None:
    whole = torch.arange(1.0, 1 + int(np.prod(shape))).reshape(shape)
    axes = st.sampled_from([None, *range(len(shape))])
    parts = cut(whole.numpy(), data.draw(axes), ranks)
    stored = together(store, [{"model": {"w": part}} for part in parts])
    for ours in cut(whole.numpy(), data.draw(axes), others):
        tensor = torch.zeros(ours.value.shape)
        if data.draw(st.booleans()):
            tensor = torch.zeros(ours.value.shape[::-1]).permute(*range(ours.value.ndim)[::-1])
        target = loading.Target("model.w", tensor, ours.offset)
        loading.fill(stored.source, [target], staged=data.draw(st.booleans()))
        assert np.array_equal(tensor.numpy(), ours.value)


def test_a_leaf_of_many_objects_is_cut_anew(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(storing, "_WHOLE_BYTES", 1000)
    monkeypatch.setattr(storing, "PART_BYTES", 600)
    whole = torch.randn(101, 13)
    stored = together(store, [{"model": {"w": part}} for part in cut(whole.numpy(), 0, 2)])
    assert stored.source.together.pieces["model.w"][0].record.parts
    runs = together(store, [{"model": {"w": part}} for part in cut(whole.numpy(), None, 3)])
    assert torch.equal(runs.state_dict()["w"], whole)
    for ours in [
        *cut(whole.numpy(), 0, 3),
        *cut(whole.numpy(), 1, 3),
        *cut(whole.numpy(), None, 4),
    ]:
        again = torch.zeros(ours.value.shape)
        loading.fill(runs.source, [loading.Target("model.w", again, ours.offset)])
        assert np.array_equal(again.numpy(), ours.value)
        tensor = torch.zeros(ours.value.shape)
        loading.fill(stored.source, [loading.Target("model.w", tensor, ours.offset)])
        assert np.array_equal(tensor.numpy(), ours.value)
    assert torch.equal(stored.state_dict()["w"], whole)


def test_what_one_rank_alone_has_is_there_and_ties_stay_tied(store: Store) -> None:
    first, second = cut(np.arange(12.0).reshape(6, 2), 0, 2)
    stored = together(
        store,
        [
            {"model": {"a": first, "tied": first}, "step": 7, "rank": np.zeros(1)},
            {"model": {"a": second, "tied": second, "late": np.ones(3)}, "step": 7},
        ],
    )
    value = stored.value("numpy")
    assert value["model"]["tied"] is value["model"]["a"]
    assert stored.tied == {"model.tied": "model.a"}
    assert list(value["model"]) == ["a", "tied", "late"]
    assert value["step"] == 7


def test_digests_of_parts_are_compared(store: Store) -> None:
    parts = cut(np.arange(12.0), 0, 3)
    kept, digests, changed = (
        together(store, [{"w": part} for part in found], keep=keep)
        for found, keep in ((parts, True), (parts, False), (cut(np.ones(12), 0, 3), False))
    )
    other_cut = together(store, [{"w": part} for part in cut(np.arange(12.0), 0, 2)])

    def differing(*pair: StoredState) -> list[str]:
        found = comparing.compare_leaves(*map(comparing.of_state, pair))
        return [one.why for one in found if one is not None]

    assert differing(kept, digests) == []
    assert differing(kept, other_cut) == []
    assert differing(kept, changed) == ["only digests of parts were kept"]
    with pytest.raises(NotFound, match="only the digests were kept"):
        digests.value("numpy")


def test_a_part_that_is_gone_or_hurt_is_told_by_rank_and_leaf(tmp_path: Path) -> None:
    store = Store(places.make_store(tmp_path / ".samebit"))
    parts = cut(np.random.default_rng(0).random(40_000), 0, 2)
    stored = together(store, [{"model": {"w": part}} for part in parts])
    path = store.object_path(stored.source.together.pieces["model.w"][1].record.digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    model = torch.nn.Module()
    model.w = torch.nn.Parameter(torch.zeros(40_000, dtype=torch.float64))
    for read in (stored.value, stored.identity, lambda: stored.load_into(model)):
        with pytest.raises(Damaged, match="is damaged") as told:
            read()
        assert (told.value.facts["rank"], told.value.facts["leaf"]) == ("1", "model.w")
    path.unlink()
    model.w.data.zero_()
    with pytest.raises(NotFound, match="not in this store") as gone:
        stored.load_into(model)
    assert (gone.value.facts["rank"], gone.value.facts["leaf"]) == ("1", "model.w")
    assert not model.w.any()


def test_a_manifest_that_is_gone_is_told_by_rank(tmp_path: Path) -> None:
    store = Store(places.make_store(tmp_path / ".samebit"))
    first = storing.save(store, {"w": Shard((2,), (0,), np.ones(1))})
    stored = StoredState(store, first, ranks={"0": first, "1": "blake3:" + 64 * "0"})
    with pytest.raises(NotFound, match="the part of rank 1 is not here") as told:
        stored.value()
    assert "rank 1: object 00000000 is not in this store" in str(told.value)


@pytest.mark.parametrize(
    ("parts", "error", "why"),
    [
        ([Shard((4,), (0,), np.ones(3)), Shard((4,), (2,), np.ones(1))], Damaged, "overlap"),
        ([Shard((4,), (3,), np.ones(3))], Damaged, "outside"),
        ([Shard((4,), (0, 0), np.ones(3))], Damaged, "outside"),
        ([Shard((4,), (0,), np.ones(4)), Shard((5,), (4,), np.ones(1))], Damaged, "agree"),
        ([Shard((4,), (0,), None)], Damaged, "no plain array"),
        ([Shard((2,), (0,), np.ones(2)), Shard((2,), (0,), np.zeros(2))], Damaged, "differ"),
        ([Shard((2,), (0,), np.ones(2)), np.ones(2)], Damaged, "whole on another"),
        ([Shard((3,), (0,), np.ones(2)), Shard((3,), (2,), np.ones(1, "f4"))], Damaged, "dtypes"),
        ([Shard((2**60,), (0,), np.ones(2))], NotFound, "not whole"),
        ([Shard((2, 2), (0,), np.ones(3)), Shard((2, 2), (2,), np.ones(2))], Damaged, "overlap"),
        ([Shard((2, 2), (3,), np.ones(2))], Damaged, "outside"),
        ([Shard((2, 2), (0,), np.ones((1, 2)))], Damaged, "outside"),
        (
            [Shard((2, 2), (0,), np.ones(2)), Shard((2, 2), (1, 0), np.ones((1, 2)))],
            Damaged,
            "outs",
        ),
        ([Shard((2**30, 2**30), (7,), np.ones(2))], NotFound, "not whole"),
    ],
)
def test_parts_that_do_not_fit_make_no_whole(
    store: Store, parts: list[Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        together(store, [{"w": part} for part in parts]).value("numpy")
