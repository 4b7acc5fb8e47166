import math
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from samebit import digest, disk, places, records
from samebit.errors import Damaged, NotFound, SamebitError, StoreTooNew, UsageError
from samebit.objects.batch import Pace
from samebit.objects.store import Store
from samebit.records import LeafRecord, StateManifest
from samebit.states import skeleton, storing
from samebit.states import torch as states
from tests.loaded import load
from tests.states.test_skeleton import values


def model_state(model: torch.nn.Module) -> dict[str, Any]:
    return {"model": states.module_state(model), "step": 3}


def new_store(folder: Path) -> Store:
    return Store(places.make_store(folder / ".samebit"))


@given(values)
def test_a_state_comes_back_from_the_store(store: Store, state: Any) -> None:
    back = load(store, storing.save(store, state), as_torch=False)
    (frame, arrays), (theirs, others) = skeleton.split(back), skeleton.split(state)
    assert digest.canonical_json(frame) == digest.canonical_json(theirs)
    assert repr(arrays) == repr(others)


@given(values)
def test_equal_states_have_equal_names(store: Store, state: Any) -> None:
    assert storing.save(store, state) == storing.save(store, states.frozen_copy(state))


def test_a_model_and_its_optimizer_go_on_as_if_nothing_had_happened(store: Store) -> None:
    def make() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
        return model, torch.optim.Adam(model.parameters(), lr=0.1)

    def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(4, 3)).square().sum().backward()
            optimizer.step()

    model, optimizer = make()
    train(model, optimizer)
    state = model_state(model) | {
        "optimizer": states.optimizer_state(optimizer, {}),
        "generators": states.generator_states(),
    }
    name = storing.save(store, state)
    train(model, optimizer)

    other, other_optimizer = make()
    back = load(store, name, as_torch=True)
    other.load_state_dict(back["model"])
    other_optimizer.load_state_dict(back["optimizer"])
    states.restore_generators(back["generators"])
    train(other, other_optimizer)
    assert storing.save(store, model_state(model)) == storing.save(store, model_state(other))


def test_ties_are_stored_once_and_tied_again(store: Store) -> None:
    weight = torch.ones(40_000)
    state = {"a": weight, "b": [weight.detach()]}
    assert storing.size_bytes(state) == 160_000
    back = load(store, storing.save(store, state), as_torch=True)
    assert back["a"] is back["b"][0]


def test_only_digests_are_kept_where_the_bytes_are_too_many(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    state = {"model": {"w": torch.ones(3)}}
    lean = storing.read_manifest(store, storing.save(store, state, keep=False))
    record = lean.leaves["model.w"]
    assert not record.kept
    assert not store.has(record.digest)
    with pytest.raises(NotFound, match="only the digests were kept"):
        load(store, storing.save(store, state, keep=False), as_torch=True)
    full = storing.read_manifest(store, storing.save(store, state))
    assert storing.identity(full) == storing.identity(lean)


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with pytest.raises(UsageError, match="at: b"):
        storing.save(store, {"a": torch.ones(40_000), "b": object()})
    assert list(store.names()) == []
    name = storing.save(store, {"a": torch.ones(2), "b": object()}, unknown="text")
    assert load(store, name, as_torch=True)["b"].text == "<object object>"


def test_a_failing_disk_leaves_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store(tmp_path)
    for fault in ("state.save=error", "disk.rename=full@2"):
        monkeypatch.setattr(disk, "FAULTS", disk._Faults(fault))
        with pytest.raises(SamebitError, match="cannot be written: injected"):
            storing.save(store, {"a": torch.ones(40_000), "b": torch.ones(2)})
        monkeypatch.setattr(disk, "FAULTS", None)
        for name in list(store.names()):
            with pytest.raises(Damaged):
                storing.read_manifest(store, name)


@given(st.data())
@settings(deadline=None)
def test_a_flipped_bit_in_a_stored_leaf_is_never_read(
    tmp_path_factory: Any, data: st.DataObject
) -> None:
    store = new_store(tmp_path_factory.mktemp("flip"))
    size = data.draw(st.sampled_from([3, 40_000]), "elements")
    state = {"model": {"w": torch.arange(size) * 7919}}
    name = storing.save(store, state)
    files = [p for folder in ("objects", "packs") for p in (store.path / folder).rglob("*")]
    path = data.draw(st.sampled_from(sorted(p for p in files if p.is_file())), "file")
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, len(content) * 8 - 1), "bit")
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    try:
        back = load(Store(store.path), name, as_torch=True)
    except NotFound:  # damaged, or in a damaged pack, whose objects count as missing
        return
    # Then it was a bit that no object lies on, such as a pack's magic.
    assert storing.save(store, back) == name


@pytest.mark.parametrize("size", [30, 100_000])
@pytest.mark.parametrize("byte", [0, -1])
def test_a_flipped_bit_in_the_bytes_of_a_leaf_is_damage(
    tmp_path: Path, size: int, byte: int
) -> None:
    store = new_store(tmp_path)
    leaf = np.random.default_rng(0).bytes(size)  # cannot be compressed
    name = storing.save(store, {"w": np.frombuffer(leaf, "u1")})
    (path,) = [p for p in store.path.rglob("*") if p.is_file() and leaf in p.read_bytes()]
    content = bytearray(path.read_bytes())
    at = content.index(leaf) + byte % len(leaf)
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        load(Store(store.path), name, as_torch=False)


GOOD = LeafRecord("float32", (2,), digest.of_bytes(bytes(8)), 8)


@pytest.mark.parametrize(
    "record",
    [
        LeafRecord("float32", (3,), GOOD.digest, 12),
        LeafRecord("float32", (2**62,), GOOD.digest, 2**64),
        LeafRecord("float32", (2,), "blake3:../../etc/passwd", 8),
        LeafRecord("float32", (2,), digest.of_bytes(b"absent"), 8),
    ],
    ids=str,
)
def test_a_record_of_bytes_that_are_not_there_is_refused(store: Store, record: LeafRecord) -> None:
    store.put(bytes(8))
    name = store.put(records.encode(StateManifest({"$leaf": "w"}, {"w": record})))
    with pytest.raises(NotFound):
        load(store, name, as_torch=True)


@pytest.mark.parametrize(
    "record",
    [
        LeafRecord("float32", (-2,), GOOD.digest, -8),
        LeafRecord("float64", (2,), GOOD.digest, 8),
        LeafRecord("pickle", (2,), GOOD.digest, 8),
        LeafRecord("float32", (2,) * 100, GOOD.digest, 8),
    ],
    ids=str,
)
def test_a_hostile_manifest_is_refused_before_a_leaf_is_read(
    store: Store, record: LeafRecord
) -> None:
    name = store.put(records.encode(StateManifest({"$leaf": "w"}, {"w": record})))
    with pytest.raises(Damaged):
        storing.read_manifest(store, name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04N.",
        b"[]",
        b'{"skeleton":1,"leaves":[],"format":"samebit-state 1"}',
        b'{"skeleton":1,"leaves":{"a":{"dtype":"float32"}},"format":"samebit-state 1"}',
        b'{"skeleton":1,"leaves":{},"format":"samebit-tree 1"}',
        b'{"skeleton":1,"leaves":{},"format":"samebit-state x"}',
        b'{"skeleton":{"$float":null},"leaves":{},"format":"samebit-state 1"}',
        b'{"skeleton":{"$int":"9"},"leaves":{},"format":[]}',
        b'{"skeleton":' + b"[" * 5000 + b"]" * 5000 + b',"leaves":{},"format":"samebit-state 1"}',
    ],
    ids=lambda data: str(data[:60]),
)
def test_what_is_no_manifest_is_damage(store: Store, data: bytes) -> None:
    with pytest.raises(Damaged):
        load(store, store.put(data), as_torch=False)


@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 20))
@settings(deadline=None)
def test_no_change_to_a_manifest_gives_anything_but_our_errors(
    store: Store, rubbish: bytes, at: int, cut: int
) -> None:
    state = {
        "model": {"w": np.ones(2), "$": (1, math.nan, 2**70)},
        "z": OrderedDict({"a": 1}),
    }
    data = store.read(storing.save(store, state))
    name = store.put(data[:at] + rubbish + data[at + cut :])
    try:
        load(store, name, as_torch=False)
    except SamebitError:
        pass


def test_a_newer_state_is_refused_and_unknown_fields_are_not(store: Store) -> None:
    plain = records.plain(StateManifest({"$leaf": "w"}, {"w": GOOD}))
    store.put(bytes(8))
    newer = digest.canonical_json(plain | {"format": "samebit-state 2"})
    with pytest.raises(StoreTooNew):
        storing.read_manifest(store, store.put(newer))
    wider = digest.canonical_json(plain | {"colour": "blue"})
    assert load(store, store.put(wider), as_torch=False).tolist() == [0, 0]


def identity_of(store: Store, state: Any, prefix: str = "model") -> str:
    return storing.identity(storing.read_manifest(store, storing.save(store, state)), prefix)


def test_equal_models_have_equal_identity_whatever_holds_them(store: Store) -> None:
    one, two = torch.ones(2), torch.zeros(3)
    identity = identity_of(store, {"model": {"a": one, "b": two, "c": one}})
    alike = [
        {"model": OrderedDict(c=one.clone(), b=two.numpy(), a=one)},
        {"ema": one, "model": {"a": one, "b": two, "c": one, "$non_persistent": {"x": two}}},
        {"model": {"a": one.requires_grad_(), "b": two, "c": one}, "step": 7},
    ]
    assert [identity_of(store, state) for state in alike] == [identity] * 3
    assert identity_of(store, {"a": one, "b": two, "c": one}, prefix="") == identity
    different = [
        {"model": {"a": two, "b": two, "c": one}},
        {"model": {"a": one, "b": two}},
        {"model": {"a": one, "b": two, "d": one}},
        {"model": {"a": one.reshape(1, 2), "b": two, "c": one}},
        {"model": {"a": one.view(torch.int32), "b": two, "c": one}},
    ]
    assert identity not in [identity_of(store, state) for state in different]


def test_the_identity_of_nothing_is_an_error(store: Store) -> None:
    with pytest.raises(NotFound, match="'model'"):
        identity_of(store, {"models": {"a": torch.ones(1)}})


def test_the_format_page_tells_the_truth(store: Store) -> None:
    state = {"b": (1,), "a": {1: torch.tensor([[1.0, 2.0]]).t()}}
    data = store.read(storing.save(store, state))
    assert msgspec.json.decode(data) == {
        "format": "samebit-state 1",
        "skeleton": {
            "$$dict": [["b", {"$$tuple": [1]}], ["a", {"$$dict": [[1, {"$$leaf": "a.1"}]]}]]
        },
        "leaves": {
            "a.1": {
                "dtype": "float32",
                "shape": [2, 1],
                "digest": digest.of_bytes(b"\0\0\x80\x3f\0\0\0\x40"),
                "size_bytes": 8,
                "kept": True,
            }
        },
    }


def test_saving_changes_nothing_of_the_users(store: Store) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3), torch.nn.BatchNorm2d(2))
    model.to(memory_format=torch.channels_last)
    image = torch.randn(1, 2, 5, 5)
    loss = model(image).sum()
    generator = torch.get_rng_state()
    before = [(p.data_ptr(), p.stride(), p._version, p.requires_grad) for p in model.parameters()]
    storing.save(store, model_state(model) | {"loss": loss})
    after = [(p.data_ptr(), p.stride(), p._version, p.requires_grad) for p in model.parameters()]
    assert before == after
    assert torch.equal(generator, torch.get_rng_state())
    loss.backward()  # the graph is whole: saving wrote to nothing that it needs


# A large leaf lies in parts.


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Parts of 80 kB, so that a leaf of a few hundred is large."""
    monkeypatch.setattr(storing, "PART_BYTES", 80_000)
    monkeypatch.setattr(storing, "_WHOLE_BYTES", 200_000)
    return 80_000


def test_a_large_leaf_lies_in_parts_and_comes_back(tmp_path: Path, small_parts: int) -> None:
    store = new_store(tmp_path)
    state = {"w": np.random.default_rng(1).standard_normal(60_001), "edge": np.ones(200_000, "u1")}
    name = storing.save(store, state)
    manifest = storing.read_manifest(store, name)
    record = manifest.leaves["w"]
    data = state["w"].tobytes()
    assert list(record.parts) == [
        digest.of_bytes(data[at : at + small_parts]) for at in range(0, len(data), small_parts)
    ]
    assert record.digest == digest.of_bytes(data)
    assert not store.has(record.digest)
    assert manifest.leaves["edge"].parts == ()
    assert storing.objects_of(store, name) == set(store.names())
    back = load(store, name, as_torch=False)
    assert back["w"].tobytes() == data
    buffer = bytearray(len(data))
    storing.read_into(store, "w", record, memoryview(buffer))
    assert buffer == data
    with pytest.raises(Damaged, match="room"):
        storing.read_into(store, "w", record, memoryview(bytearray(8)))


def test_of_a_large_leaf_only_the_parts_that_changed_are_written(
    tmp_path: Path, small_parts: int
) -> None:
    store = new_store(tmp_path)
    weights = np.random.default_rng(1).standard_normal(60_000)
    storing.save(store, {"w": weights})
    before = set(store.names())
    weights[25_000] += 1
    name = storing.save(store, {"w": weights})
    assert len(set(store.names()) - before) == 2  # one part, and the manifest
    assert np.array_equal(load(store, name, as_torch=False)["w"], weights)


@pytest.mark.parametrize("parts", [1, 3, 7, 400])
def test_a_number_of_parts_that_does_not_fit_is_damage(
    tmp_path: Path, small_parts: int, parts: int
) -> None:
    store = new_store(tmp_path)
    part = store.put(bytes(small_parts))
    record = LeafRecord(
        "uint8", (6 * small_parts,), GOOD.digest, 6 * small_parts, parts=(part,) * 6
    )
    right = store.put(records.encode(StateManifest({"$leaf": "w"}, {"w": record})))
    assert load(store, right, as_torch=False).size == 6 * small_parts
    wrong = replace(record, parts=(part,) * parts)
    name = store.put(records.encode(StateManifest({"$leaf": "w"}, {"w": wrong})))
    with pytest.raises(Damaged, match="parts"):
        load(store, name, as_torch=False)


def test_a_part_of_another_size_is_damage(tmp_path: Path, small_parts: int) -> None:
    store = new_store(tmp_path)
    parts = store.put_all([bytes(small_parts), bytes(small_parts + 8)])
    record = LeafRecord(
        "uint8", (2 * small_parts,), GOOD.digest, 2 * small_parts, parts=tuple(parts)
    )
    name = store.put(records.encode(StateManifest({"$leaf": "w"}, {"w": record})))
    with pytest.raises(Damaged, match="were recorded"):
        load(store, name, as_torch=False)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_weights_are_encoded_and_come_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(Pace, "encoding_pays", lambda *_: True)  # a quick disk gets them raw
    weights = np.random.default_rng(3).standard_normal(40_000).astype(dtype)
    name = storing.save(store, {"w": weights})
    record = storing.read_manifest(store, name).leaves["w"]
    stored = store.object_path(record.digest).stat().st_size
    assert stored < 0.9 * weights.nbytes
    assert load(store, name, as_torch=False)["w"].tobytes() == weights.tobytes()


def test_small_leaves_and_the_manifest_share_one_pack(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    state = {str(at): np.full(100, at) for at in range(50)} | {"big": np.random.rand(40_000)}
    for _ in range(2):
        storing.save(store, state)
        assert len(store.pack_paths()) == 1


def test_one_store_is_used_by_many_threads(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    shared = np.random.default_rng(0).standard_normal(30_000)
    states_of = [{"mine": np.full(30_000, at), "shared": shared, "s": at} for at in range(8)]
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda state: storing.save(store, state), states_of))
    for name, state in zip(names, states_of, strict=True):
        back = load(Store(store.path), name, as_torch=False)
        assert np.array_equal(back["mine"], state["mine"])
        assert back["s"] == state["s"]
