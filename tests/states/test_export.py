import contextlib
import functools
import json
import math
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store
from samebit.states import dtypes, export, leaves, storing
from samebit.states import torch as states
from samebit.states.containers import read_container
from samebit.states.forms import Shard
from samebit.states.stored import StoredState
from tests.states.test_storing import new_store
from tests.states.test_torch import Tied
from tests.strategies import names


def saved(store: Store, state: Any) -> str:
    return storing.save(store, {"model": state})


def bits(array: Any) -> tuple[Any, ...]:
    leaf = leaves.canonical(array)
    return leaf.dtype, leaf.shape, bytes(leaf.data)


def every_dtype(names: Any) -> dict[str, torch.Tensor]:
    raw = torch.arange(48, dtype=torch.uint8) * 5
    tensors = {name: raw.view(getattr(torch, name)) for name in names if name != "bool"}
    return tensors | {"bool": torch.tensor([True, False, True]), "zero_d": torch.tensor(-0.0)}


def test_the_safetensors_package_reads_every_dtype_to_the_bit(store: Store, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = every_dtype(export.SAFETENSORS.keys() - {"float4_e2m1fn_x2"}) | {
        "empty": torch.empty(0, 3),
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
        "ünï.codé\n": torch.ones(1),
        "nan": torch.tensor([0x7F800001, -1], dtype=torch.int32).view(torch.float32),
    }
    path = tmp_path / "model.safetensors"
    export.to_safetensors(StoredState(store, saved(store, state)), path, "model")
    back = load_file(path)
    assert {k: bits(v) for k, v in back.items()} == {k: bits(v) for k, v in state.items()}


def test_half_bytes_are_written_as_the_safetensors_package_writes_them(
    store: Store, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    pairs = torch.arange(24, dtype=torch.uint8).reshape(3, 8).view(torch.float4_e2m1fn_x2)
    theirs, ours = tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors"
    save_file({"w": pairs}, theirs)
    stored = StoredState(store, saved(store, {"w": pairs}))
    export.to_safetensors(stored, ours)
    assert b'"F4","shape":[3,16]' in ours.read_bytes()
    for path in (theirs, ours):
        assert storing.identity(read_container(path), "") == stored.identity()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_model_loads_its_exported_self(store: Store, tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import load_file

    model, other = Tied(), Tied()
    path = tmp_path / f"model{suffix}"
    export.to_file(StoredState(store, saved(store, states.module_state(model))), path)
    loaded = torch.load(path) if suffix == ".pt" else load_file(path)
    other.load_state_dict(loaded)
    identities = [
        storing.identity(storing.read_manifest(store, saved(store, state)))
        for state in (states.module_state(model), states.module_state(other), loaded)
    ]
    assert len(set(identities)) == 1


def test_a_safetensors_file_is_laid_out_as_the_format_says(store: Store, tmp_path: Path) -> None:
    weight = torch.ones(2)
    state = {"w": weight, "a": torch.ones(3, dtype=torch.uint8), "again": weight}
    path = tmp_path / "model.safetensors"
    export.to_safetensors(StoredState(store, saved(store, state)), path, "model")
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    text = content[8 : 8 + length]
    header = json.loads(text)
    assert length % 8 == 0
    assert list(header) == sorted(header)
    assert header["again"] == {"data_offsets": [0, 8], "dtype": "F32", "shape": [2]}
    assert header["w"]["data_offsets"] == [8, 16]
    assert header["a"]["data_offsets"] == [16, 19]
    assert json.loads(header["__metadata__"]["samebit.tied"]) == {"again": "w"}
    assert len(content) == 8 + length + 19


@pytest.mark.parametrize("length", range(1, 9))
def test_the_data_of_a_safetensors_file_are_aligned(
    store: Store, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "model.safetensors"
    export.to_file(StoredState(store, saved(store, {"w" * length: torch.ones(1)})), path)
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


def test_an_npz_says_no_time(store: Store, tmp_path: Path) -> None:
    export.to_file(StoredState(store, saved(store, {"w": torch.ones(1)})), tmp_path / "model.npz")
    with zipfile.ZipFile(tmp_path / "model.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
def test_equal_models_give_equal_files(store: Store, tmp_path: Path, suffix: str) -> None:
    state = {"b": torch.ones(2), "a": torch.arange(3)}
    one, other = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
    export.to_file(StoredState(store, saved(store, state)), one)
    export.to_file(StoredState(store, storing.save(store, {"step": 1, "model": state})), other)
    assert one.read_bytes() == other.read_bytes()


def test_numpy_reads_the_npz_to_the_bit(store: Store, tmp_path: Path) -> None:
    names = [name for name in leaves.ITEM_BYTES if hasattr(np, name)]
    state = every_dtype(names) | {"empty": torch.empty(0, 3)}
    export.to_file(StoredState(store, saved(store, state)), tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as back:
        found = {name: bits(back[name]) for name in back.files}
    assert found == {name: bits(tensor) for name, tensor in state.items()}


def test_the_users_tensors_share_what_was_tied(store: Store) -> None:
    name = saved(store, states.module_state(Tied()))
    tensors = StoredState(store, name).state_dict()
    assert list(tensors) == list(Tied().state_dict())
    assert tensors["head.weight"] is tensors["embed.weight"]


def test_a_file_that_is_there_is_replaced_only_when_told(store: Store, tmp_path: Path) -> None:
    name = saved(store, {"w": torch.ones(1)})
    for suffix in (".safetensors", ".pt", ".npz"):
        path = tmp_path / f"model{suffix}"
        path.write_text("mine")
        with pytest.raises(UsageError, match="there already"):
            export.to_file(StoredState(store, name), path)
        assert path.read_text() == "mine"
        export.to_file(StoredState(store, name), path, overwrite=True)
        assert path.read_bytes() != b"mine"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
def test_a_damaged_leaf_spoils_no_file(tmp_path: Path, suffix: str) -> None:
    store = new_store(tmp_path)
    name = saved(store, {"a": torch.ones(2), "b": torch.arange(40_000)})
    (big,) = [p for p in (store.path / "objects").rglob("*") if p.is_file()]
    content = bytearray(big.read_bytes())
    content[-1] ^= 1
    big.write_bytes(content)
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"model{suffix}"
    path.write_text("mine")
    with pytest.raises(Damaged):
        export.to_file(StoredState(store, name), path, overwrite=True)
    assert [p.name for p in folder.iterdir()] == [path.name]
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("file_name", "message"),
    [
        ("model.onnx", r"known: \.safetensors, \.pt, \.npz"),
        ("model", "without suffix"),
        ("absent/model.pt", "there is no folder"),
        ("model.safetensors", "safetensors has no complex128"),
        ("model.npz", "NumPy has no bfloat16"),
    ],
)
def test_what_cannot_be_written_says_why(
    store: Store, tmp_path: Path, file_name: str, message: str
) -> None:
    tensors = {"b": torch.ones(1, dtype=torch.bfloat16), "c": torch.ones(1, dtype=torch.complex128)}
    with pytest.raises(UsageError, match=message):
        export.to_file(StoredState(store, saved(store, tensors)), tmp_path / file_name)
    assert list(tmp_path.iterdir()) == []


def test_names_that_safetensors_keeps_for_itself_are_refused(store: Store, tmp_path: Path) -> None:
    name = saved(store, {"__metadata__": torch.ones(1)})
    with pytest.raises(UsageError, match="no room"):
        export.to_file(StoredState(store, name), tmp_path / "model.safetensors")


@pytest.mark.parametrize("names", [["a\0b"], ["w", "w.npy"]])
def test_names_that_an_npz_would_confuse_are_refused(
    store: Store, tmp_path: Path, names: list[str]
) -> None:
    stored = StoredState(store, saved(store, {name: torch.ones(1) for name in names}))
    with pytest.raises(UsageError, match="no room for that name"):
        export.to_file(stored, tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_another_part_of_a_state_can_be_written(store: Store, tmp_path: Path) -> None:
    name = storing.save(store, {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}})
    export.to_file(StoredState(store, name), tmp_path / "o.npz", "optimizer.state")
    with np.load(tmp_path / "o.npz") as back:
        assert back.files == ["0.exp_avg"]
    with pytest.raises(NotFound):
        export.to_file(StoredState(store, name), tmp_path / "m.npz")


def test_one_ranks_part_of_a_tensor_is_not_written_as_the_whole(
    store: Store, tmp_path: Path
) -> None:
    part = Shard((6,), (3,), torch.arange(3.0))
    name = storing.save(store, {"model": {"w": part}})
    with pytest.raises(NotFound, match=r"'model\.w' is not whole"):
        export.to_safetensors(StoredState(store, name), tmp_path / "m.safetensors")
    with pytest.raises(NotFound, match=r"'model\.w' is not whole"):
        StoredState(store, name).state_dict()
    assert not (tmp_path / "m.safetensors").exists()


# Whatever is stored, in whatever memory it lay: a library reads it bit for bit, or we say why not.

NUMPY_ALONE = ["U3", "S2", "V5", "datetime64", "datetime64[ns]", "timedelta64[25s]"]
DTYPES = [*dtypes.ITEM_BYTES, *NUMPY_ALONE]


class Drawn:
    """An array, and the dtype, shape and bytes that are to be read of it."""

    def __init__(self, dtype: str, array: Any, items: Any) -> None:
        self.array = array
        self.bits = dtype, tuple(array.shape), items.tobytes()

    def __repr__(self) -> str:
        return f"<{self.bits}>"


@st.composite
def arrays(draw: st.DrawFn, dtype: str) -> Drawn:
    """An array of a dtype, often over strides of its own."""
    item = dtypes.item_bytes(dtype) or 0
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    size = item * math.prod(shape)
    data = np.random.default_rng(draw(st.integers(0, 99))).bytes(size)
    if dtype == "bool":
        data = bytes(byte & 1 for byte in data)
    elif dtype[0] == "U":
        data = bytes(size)  # not every word is a code point
    raw = np.frombuffer(bytearray(data), np.uint8)
    items = raw.reshape(*shape, item)
    if dtypes.torch_has(dtype):
        array = torch.from_numpy(raw).view(getattr(torch, dtype)).reshape(shape)
    else:
        array = raw.view(dtype if dtype in NUMPY_ALONE else getattr(ml_dtypes, dtype))
        array = array.reshape(shape)
    how = draw(st.sampled_from(["as it is", "turned", "every second", "one row many times"]))
    if not shape or not array.shape[0] or how == "as it is":
        return Drawn(dtype, array, items)
    if how == "turned":
        axes = draw(st.permutations(range(len(shape))))
        turned = array.permute(*axes) if torch.is_tensor(array) else array.transpose(axes)
        return Drawn(dtype, turned, items.transpose(*axes, len(shape)))
    if how == "every second":
        return Drawn(dtype, array[..., ::2], items[..., ::2, :])
    wide = (3, *shape[1:])
    widen: Any = torch.broadcast_to if torch.is_tensor(array) else np.broadcast_to
    return Drawn(dtype, widen(array[:1], wide), np.broadcast_to(items[:1], (*wide, item)))


@functools.cache
def has(suffix: str, dtype: str) -> bool:
    """Whether a format has a dtype: whether its library gives back what it has written."""
    from safetensors.torch import load_file, save_file

    if not dtypes.torch_has(dtype):
        return suffix == ".npz" and dtype in NUMPY_ALONE
    if suffix == ".npz":
        return hasattr(np, dtype)
    tensor = torch.zeros(16, dtype=torch.uint8).view(getattr(torch, dtype))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Exception):
        path = Path(folder) / "w"
        if suffix == ".pt":
            torch.save({"w": tensor}, path)
            return bool(torch.load(path))
        save_file({"w": tensor}, path)
        return bool(load_file(path))
    return False


def is_one_pair(drawn: Drawn) -> bool:
    """Whether it is one byte of two numbers, which the numbers' shape cannot say."""
    return drawn.bits[:2] == ("float4_e2m1fn_x2", ())


def read_back(path: Path) -> dict[str, tuple[Any, ...]]:
    """What the library of a format reads from a file."""
    from safetensors.torch import load_file

    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as back:
            return {name: bits(back[name]) for name in back.files}
    found = load_file(path) if path.suffix != ".pt" else torch.load(path, weights_only=True)
    return {name: bits(tensor) for name, tensor in found.items()}


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
@given(data=st.data())
def test_a_library_reads_every_bit_of_what_was_exported(
    store: Store, tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    known = st.sampled_from([dtype for dtype in DTYPES if has(suffix, dtype)])
    can = known.flatmap(arrays).filter(
        lambda each: suffix != ".safetensors" or not is_one_pair(each)
    )
    drawn = data.draw(st.dictionaries(names, can, min_size=1, max_size=8))
    folder = tmp_path_factory.mktemp("export")
    one, other = folder / f"one{suffix}", folder / f"other{suffix}"
    name = saved(store, {name: each.array for name, each in drawn.items()})
    for path in (one, other):
        export.to_file(StoredState(store, name), path)
    assert read_back(one) == {name: each.bits for name, each in drawn.items()}
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
def test_what_a_format_does_not_have_is_refused_with_another_that_has_it(
    store: Store, tmp_path: Path, suffix: str
) -> None:
    absent = [dtype for dtype in DTYPES if not has(suffix, dtype)]
    assert len(absent) > 9
    for dtype in absent:
        raw = np.zeros(16, np.uint8)
        if dtypes.torch_has(dtype):
            array = torch.from_numpy(raw).view(getattr(torch, dtype))
        else:
            array = raw[: dtypes.item_bytes(dtype)].view(
                dtype if dtype in NUMPY_ALONE else getattr(ml_dtypes, dtype)
            )
        stored = StoredState(store, saved(store, {"w": array}))
        with pytest.raises(UsageError, match=rf"\b{re.escape(dtype)}") as raised:
            export.to_file(stored, tmp_path / f"model{suffix}")
        assert raised.value.facts == {"leaf": "w"}
        told = [other for other in (".pt", ".npz") if other in (raised.value.hint or "")]
        assert told == [other for other in (".pt", ".npz") if has(other, dtype)][:1]
    assert list(tmp_path.iterdir()) == []
