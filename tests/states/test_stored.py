"""A state given back: as values, mapped, or into a model and its optimizer."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store
from samebit.states import leaves, loading, storing
from samebit.states import torch as states
from samebit.states.shards import Together
from samebit.states.sources import Source
from samebit.states.stored import StoredState
from tests.states.test_storing import new_store
from tests.states.test_torch import Tied


class Net(nn.Module):
    """Buffers of both kinds, an extra state, and strides that are not in order."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3).to(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 2)
        self.scale = nn.Parameter(torch.randn(4).bfloat16())
        self.register_buffer("mask", torch.rand(3), persistent=False)
        self.seen = {"n": 0}

    def get_extra_state(self) -> Any:
        return {"seen": self.seen, "t": torch.ones(2) * self.seen["n"]}

    def set_extra_state(self, state: Any) -> None:
        self.seen = state["seen"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x)).mean((2, 3))) + self.scale.sum()


def trained(seed: int, make: Callable[[], Any] = Net) -> tuple[Any, Any]:
    torch.manual_seed(seed)
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1 * (seed + 1))
    for _ in range(2 + seed):
        model(torch.randn(4, 3, 5, 5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    if hasattr(model, "seen"):
        model.seen = {"n": seed}
    return model, optimizer


def state_of(model: Any, optimizer: Any) -> dict[str, Any]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        "model": states.module_state(model),
        "optimizer": states.optimizer_state(optimizer, names),
    }


def opened(store: Store, state: Any, **how: Any) -> StoredState:
    return StoredState(store, storing.save(store, state, **how))


def test_a_model_and_its_optimizer_are_given_back_to_the_bit(store: Store) -> None:
    first, second = trained(1), trained(2)
    stored = opened(store, state_of(*first))
    stored.load_into(*second)
    assert storing.save(store, state_of(*second)) == stored.digest
    assert second[0].seen == {"n": 1}
    moment = second[1].state[second[0].conv.weight]["exp_avg"]
    assert moment.is_contiguous(memory_format=torch.channels_last)
    x = torch.ones(2, 3, 5, 5)
    for model, optimizer in (first, second):
        model(x).sum().backward()
        optimizer.step()
    assert storing.save(store, state_of(*first)) == storing.save(store, state_of(*second))


def test_an_optimizer_keeps_moments_of_a_wider_dtype(store: Store) -> None:
    # `Optimizer.load_state_dict` would round them to the dtype of the parameter.
    model, other = nn.Linear(3, 2).bfloat16(), nn.Linear(3, 2).bfloat16()
    optimizer, another = (torch.optim.AdamW(m.parameters()) for m in (model, other))
    for parameter in model.parameters():
        moment = torch.rand(parameter.shape)
        optimizer.state[parameter] = {"step": torch.tensor(1.0), "exp_avg": moment}
    stored = opened(store, state_of(model, optimizer))
    stored.load_into(other, another)
    assert storing.save(store, state_of(other, another)) == stored.digest


def test_everything_that_does_not_fit_is_listed_and_nothing_is_changed(store: Store) -> None:
    stored = opened(store, state_of(*trained(1)))
    model, optimizer = trained(2, lambda: Net(7))
    model.more = nn.Linear(2, 2)
    del model.scale
    model.head = model.head.double()
    before = storing.save(store, {"model": states.module_state(model)})
    with pytest.raises(UsageError) as caught:
        stored.load_into(model, optimizer)
    said = str(caught.value).splitlines()
    for line in (
        "  model.conv.weight is float32 6×3×3×3 in the state, float32 7×3×3×3 in the model",
        "  model.head.bias is float32 2 in the state, float64 2 in the model",
        "  model.more.weight is in the model alone",
        "  model.scale is in the state alone",
    ):
        assert line in said
    assert said[-1] == "hint: nothing was changed"
    assert storing.save(store, {"model": states.module_state(model)}) == before


def test_an_optimizer_over_other_parameters_is_refused(store: Store) -> None:
    model, optimizer = trained(1)
    stored = opened(store, state_of(model, optimizer))
    with pytest.raises(UsageError, match="groups of"):
        stored.load_into(model, torch.optim.AdamW(model.head.parameters()))
    backwards = torch.optim.AdamW(list(model.parameters())[::-1])
    with pytest.raises(UsageError, match=r"scale in the state is head\.bias here"):
        stored.load_into(model, backwards)
    with pytest.raises(NotFound, match="below 'student'"):
        stored.load_into(model, part="student")


def test_tied_parameters_take_one_leaf_and_refuse_two(store: Store) -> None:
    model, other = Tied(), Tied()
    stored = opened(store, {"model": states.module_state(model)})
    stored.load_into(other)
    assert storing.save(store, {"model": states.module_state(other)}) == stored.digest
    apart = dict(states.module_state(model))
    apart["head.weight"] = apart["head.weight"].detach().clone()
    opened(store, {"model": apart}).load_into(other)  # equal, if not tied
    apart["head.weight"] += 1
    with pytest.raises(UsageError, match="in the model, not in the state"):
        opened(store, {"model": apart}).load_into(other)


def test_autograd_learns_that_a_tensor_was_written(store: Store) -> None:
    model = nn.Linear(2, 2)
    stored = opened(store, {"model": states.module_state(model)})
    loss = model(torch.ones(1, 2, requires_grad=True)).square().sum()
    stored.load_into(model)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_is_missing_is_said_before_the_first_write(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    model, other = nn.Linear(300, 300), nn.Linear(300, 300)
    before = other.weight.detach().clone()
    with pytest.raises(NotFound, match="only the digests were kept"):
        opened(store, {"model": states.module_state(model)}, keep=False).load_into(other)
    stored = opened(store, {"model": states.module_state(model)})
    store.object_path(stored.leaves["model.weight"].digest).unlink()
    with pytest.raises(NotFound, match="not in this store"):
        stored.load_into(other)
    assert torch.equal(other.weight, before)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_flipped_bit_is_never_given_back(tmp_path: Path, mapped: bool) -> None:
    store = new_store(tmp_path)
    stored = opened(store, {"w": np.arange(40_000)})
    path = store.object_path(stored.leaves["w"].digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        stored.value("numpy", mapped=mapped)


def test_where_a_leaf_is_hurt_it_is_said_that_the_model_holds_parts_of_both(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    model, other = torch.nn.Linear(200, 100), torch.nn.Linear(200, 100)
    stored = opened(store, {"model": states.module_state(model)})
    path = store.object_path(stored.leaves["model.weight"].digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"(?s)model\.weight.*now: .*holds parts of both"):
        stored.load_into(other)


def raw(store: Store, size: int) -> tuple[StoredState, np.ndarray]:
    array = np.random.default_rng(1).integers(0, 2**63, size // 8, np.uint64)
    return opened(store, {"w": array}), array


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_map_is_written_to_without_changing_the_store(tmp_path: Path, library: Any) -> None:
    store = new_store(tmp_path)
    stored, array = raw(store, 1 << 17)
    mapped = stored.value(library, mapped=True)["w"]
    assert leaves.canonical(mapped).data == array.data.cast("B")
    assert leaves.canonical(mapped).data.obj is not None
    mapped[0] = 0
    assert np.array_equal(stored.value("numpy")["w"], array)


def test_a_mapped_array_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    stored, _ = raw(store, 8 << 20)
    stored.value("numpy", mapped=True)  # what is loaded on first use
    tracemalloc.start()
    mapped = stored.value("numpy", mapped=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert mapped["w"].nbytes == 8 << 20
    assert peak < 1 << 20


def test_no_leaf_is_held_twice_while_it_is_read(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    stored, _ = raw(store, storing._WHOLE_BYTES + (1 << 20))
    tracemalloc.start()
    value = stored.value("numpy")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < value["w"].nbytes + (1 << 20)


def test_a_size_that_nothing_has_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    stored, _ = raw(store, 1 << 17)
    name = stored.leaves["w"].digest
    huge = {"w": storing.LeafRecord("uint8", (1 << 50,), name, 1 << 50)}
    source = Source(store, Together(storing.StateManifest({"w": {"$leaf": "w"}}, huge)))
    with pytest.raises(NotFound, match="bytes where"):
        loading.arrays_of(source, huge, as_torch=False)


@given(st.data())
def test_whatever_was_saved_comes_back(data: st.DataObject) -> None:
    import tempfile

    dtype = data.draw(st.sampled_from(sorted(loading._TORCH)))
    item = leaves.ITEM_BYTES[dtype]
    shape = data.draw(st.lists(st.integers(0, 5), max_size=3))
    size = int(np.prod(shape)) * item
    content = bytearray(data.draw(st.binary(min_size=size, max_size=size)))
    if dtype == "bool":
        content = bytearray(byte & 1 for byte in content)
    flat = torch.frombuffer(content, dtype=torch.uint8) if size else torch.empty(0).byte()
    tensor = flat.view(getattr(torch, dtype)).reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        stored = opened(new_store(Path(folder)), {"w": tensor, "again": [tensor]})
        value = stored.value()
    assert leaves.canonical(value["w"]) == leaves.canonical(tensor)
    assert value["again"][0] is value["w"]


def test_a_library_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="known: torch, numpy"):
        opened(store, {"w": np.ones(1)}).value("jax")  # pyright: ignore
