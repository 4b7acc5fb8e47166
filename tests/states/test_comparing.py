"""Two states, or a state and a file, leaf by leaf."""

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.states import comparing, export, files, storing
from samebit.states.comparing import LeafDifference, Side
from samebit.states.stored import StoredState
from tests.states.test_storing import new_store


def side(store: Store, state: Any, *, keep: bool = True) -> Side:
    return comparing.of_state(StoredState(store, storing.save(store, state, keep=keep)))


def differences(first: Side, second: Side) -> dict[str, LeafDifference]:
    return {d.place: d for d in comparing.compare_leaves(first, second) if d is not None}


def test_each_leaf_says_how_it_differs(store: Store) -> None:
    w = torch.arange(6.0).reshape(2, 3)
    first = {"same": w, "moved": w, "only a": w, "kind": w, "turned": w, "zero": torch.zeros(2)}
    second = {
        "same": w.clone(),
        "moved": w + torch.tensor([0.0, 0.0, 0.5]),
        "kind": w.double(),
        "turned": w.t(),
        "zero": -torch.zeros(2),
        "only b": w,
    }
    found = differences(side(store, first), side(store, second))
    assert sorted(found) == ["kind", "moved", "only a", "only b", "turned", "zero"]
    assert found["moved"].apart is not None
    assert (found["moved"].apart.count, found["moved"].apart.max_abs) == (2, 0.5)
    assert found["zero"].apart is not None
    assert found["zero"].apart.only == "sign of zero only"
    assert found["kind"].why == "float32 → float64"
    assert found["turned"].why == "2×3 → 3×2"
    assert found["only a"].theirs is None
    assert found["only b"].ours is None


def test_the_last_element_of_leaves_in_parts_is_compared(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    first = np.zeros(storing._WHOLE_BYTES // 4 + 5, np.float32)
    second = first.copy()
    second[-1] = 1
    names = [storing.save(store, {"w": array}) for array in (first, second)]
    del first, second
    tracemalloc.start()
    (found,) = differences(
        *(comparing.of_state(StoredState(store, name)) for name in names)
    ).values()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.apart is not None
    assert (found.apart.count, found.apart.max_abs) == (1, 1.0)
    assert peak < 2 * storing._WHOLE_BYTES  # some parts of each, and not both leaves


def test_of_digests_alone_it_is_told_whether_they_are_equal(store: Store) -> None:
    kept, digests = side(store, {"w": np.ones(3)}), side(store, {"w": np.ones(3)}, keep=False)
    assert differences(kept, digests) == {}
    other = side(store, {"w": np.zeros(3)})
    assert differences(other, digests)["w"].why == "only digests were kept"


def test_tied_leaves_are_compared_under_each_name(store: Store) -> None:
    w, v = np.ones(3), np.zeros(3)
    found = differences(side(store, {"a": w, "b": w}), side(store, {"a": v, "b": v}))
    assert {place: d.apart and d.apart.count for place, d in found.items()} == {"a": 3, "b": 3}
    assert differences(side(store, {"a": w, "b": w}), side(store, {"a": w, "b": w.copy()})) == {}


def test_plain_values_are_compared_by_type_and_sign(store: Store) -> None:
    first = {"a": 1, "b": (0.0, 2), "c": {3: "x"}, "d": None, "e": [[1], [2]]}
    second = {"a": 1.0, "b": (-0.0, 2), "c": {3: "x"}, "f": None, "e": [[1], [3]]}
    found = comparing.compare_values(side(store, first), side(store, second))
    assert found == [
        ("a", 1, 1.0),
        ("b", [0.0, 2], [-0.0, 2]),
        ("d", None, ...),
        ("e.1", [2], [3]),
        ("f", ..., None),
    ]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_an_exported_model_equals_its_state(store: Store, tmp_path: Path, suffix: str) -> None:
    state = {
        "w": torch.tensor([[0.0, -0.0], [float("nan"), 3.0]]),
        "n": torch.tensor(7),
        "z": torch.tensor([1 + 2j]),
        "e": torch.empty(0, 3),
        "t": torch.tensor([True, False]),
    }
    name = storing.save(store, {"model": state, "optimizer": {"lr": 0.1}})
    path = tmp_path / f"model{suffix}"
    export.to_file(StoredState(store, name), path)
    ours = comparing.of_state(StoredState(store, name)).below("model", strictly=True)
    assert differences(ours, files.of_file(path)) == {}
    state["w"][1, 1] = 4.0
    other = side(store, {"model": state}).below("model", strictly=True)
    assert list(differences(other, files.of_file(path))) == ["w"]


def test_arrays_of_any_order_are_read_from_an_npz(store: Store, tmp_path: Path) -> None:
    arrays = {
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
        "packed": np.zeros(100_000),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    assert differences(side(store, arrays), files.of_file(tmp_path / "a.npz")) == {}


def test_a_nested_pt_of_others_has_places_and_values(store: Store, tmp_path: Path) -> None:
    state = {"model": {"w": torch.ones(2)}, "optimizer": {"lr": 0.1}}
    torch.save(state, tmp_path / "a.pt")
    theirs = files.of_file(tmp_path / "a.pt")
    assert differences(side(store, state), theirs) == {}
    assert comparing.compare_values(side(store, state), theirs) == []
    assert list(theirs.below("model", strictly=False).records) == ["w"]


def test_a_prefix_that_a_state_does_not_have_is_said(store: Store) -> None:
    with pytest.raises(NotFound, match="below 'modle'"):
        side(store, {"model": {"w": np.ones(2)}}).below("modle", strictly=True)


def safetensors(path: Path, header: bytes, data: bytes = bytes(8)) -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b'{"w": {}}',
        b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}}',
        b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}',
        b'{"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}',
        b'{"w": {"dtype": "F32", "shape": [1000000000000000000], "data_offsets": [0, 8]}}',
        b'{"w": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}',
        b'{"w": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}',
        b'{"w": {"dtype": "F32", "shape": "2", "data_offsets": "08"}}',
    ],
)
def test_a_safetensors_file_that_is_none_is_damaged(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(Damaged):
        files.of_file(safetensors(tmp_path / "a.safetensors", header))


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 8, b"PK\x03\x04", b"\xff" * 100])
@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_rubbish_is_an_error_of_ours(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(SamebitError):
        files.of_file(path)


def test_an_npz_that_would_run_code_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.array([print], object))
    with pytest.raises(SamebitError):
        files.of_file(tmp_path / "a.npz")


def test_an_npz_with_a_shape_beyond_its_bytes_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, w=np.zeros(4))
    with zipfile.ZipFile(path) as archive:
        member = archive.read("w.npy")
    huge = member.replace(b"(4,), }        ", b"(4000000000,), }"[:15].ljust(15))
    assert len(huge) == len(member)
    for hurt in (member[:-8], huge):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", hurt)
        with pytest.raises(Damaged):
            files.of_file(path)


def test_a_pt_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1), "f": Path}, tmp_path / "a.pt")
    with pytest.raises(SamebitError):
        files.of_file(tmp_path / "a.pt")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        files.of_file(tmp_path / "a.safetensors")
