import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit import digest
from samebit.errors import Damaged, UsageError
from samebit.records import LeafRecord
from samebit.states import dtypes, leaves

TORCH = sorted(name for name in leaves.ITEM_BYTES if dtypes.torch_has(name))
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def record_of(leaf: leaves.Canonical, **changes: Any) -> LeafRecord:
    fields = {"dtype": leaf.dtype, "shape": leaf.shape, "size_bytes": leaf.data.nbytes}
    return LeafRecord(**{**fields, "digest": digest.of_bytes(leaf.data), **changes})


@st.composite
def tensors(draw: st.DrawFn) -> tuple[torch.Tensor, bytes]:
    """A tensor of any dtype, shape and stride order, with the canonical bytes it must have."""
    name, shape = draw(st.sampled_from(TORCH)), draw(shapes)
    size = int(np.prod(shape, dtype=int)) * leaves.ITEM_BYTES[name]
    data = draw(st.binary(min_size=size, max_size=size))
    if name == "bool":
        data = bytes(byte & 1 for byte in data)
    order = draw(st.permutations(range(len(shape))))
    # The same logical tensor over other strides: laid out in another order, seen in the first.
    items = np.frombuffer(data, "u1").reshape(*shape, leaves.ITEM_BYTES[name])
    laid_out = items.transpose([*order, len(shape)])
    flat = torch.tensor(list(laid_out.tobytes()), dtype=torch.uint8).view(getattr(torch, name))
    tensor = flat.reshape([shape[axis] for axis in order])
    return tensor.permute([order.index(axis) for axis in range(len(shape))]), data


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@given(tensors())
def test_every_bit_of_every_dtype_and_stride_comes_back(drawn: tuple[torch.Tensor, bytes]) -> None:
    tensor, data = drawn
    leaf = leaves.canonical(tensor)
    assert bytes(leaf.data) == data
    assert (leaf.dtype, leaf.shape) == (str(tensor.dtype)[6:], tuple(tensor.shape))
    assert leaf.data.nbytes == leaves.size_bytes(tensor)
    back = leaves.restore(record_of(leaf), data, as_torch=True)
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    assert bytes(leaves.canonical(back).data) == data
    if leaf.dtype not in dtypes.TORCH_ALONE:
        array = leaves.restore(record_of(leaf), data, as_torch=False)
        assert (array.dtype.name, array.shape, array.tobytes()) == (leaf.dtype, leaf.shape, data)
        assert array.flags.writeable
        assert leaves.canonical(array) == leaf
    assert bytes(leaves.canonical(leaves.frozen(tensor)).data) == data


@given(tensors())
def test_torch_and_numpy_agree_on_the_bytes(drawn: tuple[torch.Tensor, bytes]) -> None:
    tensor, data = drawn
    if str(tensor.dtype)[6:] not in dtypes.NUMPY_OWN:
        return
    array = tensor.numpy()
    assert leaves.canonical(array) == leaves.canonical(tensor)
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert bytes(leaves.canonical(swapped).data) == data


@pytest.mark.parametrize("bits", [0x7FC00001, 0xFFC00000, 0x7F800001, 0x80000000, 0x00000001])
def test_nan_payloads_negative_zero_and_subnormals_survive(bits: int) -> None:
    data = bits.to_bytes(4, "little")
    for array in (np.frombuffer(data, "<f4"), np.frombuffer(data[::-1], ">f4")):
        assert bytes(leaves.canonical(array).data) == data
    tensor = torch.tensor([bits - (1 << 32) if bits >> 31 else bits], dtype=torch.int32)
    assert bytes(leaves.canonical(tensor.view(torch.float32)).data) == data


def test_a_contiguous_array_is_not_copied() -> None:
    tensor, array = torch.zeros(4), np.zeros(4)
    of_tensor, of_array = leaves.canonical(tensor), leaves.canonical(array)
    tensor[0], array[0] = 1, 1
    assert bytes(of_tensor.data)[:4] == b"\0\0\x80?"
    assert bytes(of_array.data)[6:8] == b"\xf0?"
    assert of_tensor.data.readonly


def test_lazy_conjugates_and_negatives_are_carried_out() -> None:
    base = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64)
    assert base.conj().is_conj()
    assert base.conj().imag.is_neg()
    expected = np.array([1 - 2j, 3 + 4j], np.complex64)
    assert bytes(leaves.canonical(base.conj()).data) == expected.tobytes()
    negative = leaves.canonical(base.conj().imag)
    assert bytes(negative.data) == expected.imag.tobytes()


def test_a_bool_of_foreign_bytes_is_zero_or_one() -> None:
    raw = torch.tensor([0, 1, 2, 255], dtype=torch.uint8)
    for array in (raw.view(torch.bool), raw.numpy().view(np.bool_)):
        assert bytes(leaves.canonical(array).data) == b"\0\1\1\1"
    assert raw.tolist() == [0, 1, 2, 255]


@pytest.mark.parametrize(
    ("array", "data"),
    [
        (torch.tensor(5, dtype=torch.int16), b"\5\0"),
        (np.int16(5), b"\5\0"),
        (np.array(5, ">i2"), b"\5\0"),
        (torch.ones(1, dtype=torch.int8).expand(3), b"\1\1\1"),
        (np.broadcast_to(np.int8(1), 3), b"\1\1\1"),
        (np.arange(4, dtype=np.int8)[::-1], b"\3\2\1\0"),
        (np.arange(6, dtype="<i2")[::-2], b"\5\0\3\0\1\0"),
        (torch.arange(6, dtype=torch.int16)[1::2], b"\1\0\3\0\5\0"),
        (torch.nn.Parameter(torch.zeros(1)), bytes(4)),
        (torch.empty(0, 3), b""),
    ],
)
def test_odd_arrays_have_plain_bytes(array: Any, data: bytes) -> None:
    leaf = leaves.canonical(array)
    assert bytes(leaf.data) == data
    assert leaf.data.contiguous


class Wrapper(torch.Tensor):
    pass


def fake() -> torch.Tensor:
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        return torch.ones(2)


def freed() -> torch.Tensor:
    tensor = torch.ones(2)
    tensor.untyped_storage().resize_(0)
    return tensor


def quantised() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


def nested() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: torch.ones(2).to_sparse(), "layout sparse_coo"),
        (lambda: torch.ones(2).as_subclass(Wrapper), "subclass .*Wrapper"),
        (fake, "subclass .*FakeTensor"),
        (lambda: torch.ones(2, device="meta"), "meta device"),
        (quantised, "quantised"),
        (nested, "nested"),
        (freed, "given back"),
        (lambda: torch.ones([1] * 65), "65 dimensions"),
        (lambda: torch.nn.UninitializedParameter(), "UninitializedParameter"),
        (lambda: np.array([object()]), "dtype object"),
        (lambda: np.zeros(1, [("a", "i4")]), "dtype void"),
        (lambda: np.zeros(1, np.longdouble), "dtype (float128|longdouble)"),
        (lambda: np.array(["text"], np.dtypes.StringDType()), "dtype StringDType"),
        (lambda: np.ma.masked_array([1], [True]), "MaskedArray"),
    ],
)
def test_an_array_that_cannot_be_a_leaf_is_refused_with_its_reason(make: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        leaves.canonical(make())


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "object"},
        {"dtype": "float64"},
        {"shape": (-2, -1)},
        {"shape": (3,)},
        {"shape": (2**63, 2**63)},
        {"shape": (1,) * 65 + (2,)},
        {"shape": (-1,), "size_bytes": -4},
        {"size_bytes": -8},
        {"shape": (0, 2**64), "size_bytes": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("as_torch", [True, False])
def test_a_hostile_record_is_damage_before_it_costs_memory(
    changes: dict[str, Any], as_torch: bool
) -> None:
    record = record_of(leaves.canonical(torch.zeros(2)), **changes)
    with pytest.raises(Damaged):
        leaves.check(record, "w")
    with pytest.raises(Damaged):
        leaves.restore(record, b"" if record.size_bytes == 0 else bytes(8), as_torch=as_torch)


@pytest.mark.parametrize("as_torch", [True, False])
def test_bytes_that_are_too_few_or_too_many_are_damage(as_torch: bool) -> None:
    record = record_of(leaves.canonical(torch.zeros(2)))
    for size in (0, 7, 9, 16):
        with pytest.raises(Damaged, match=f"'w' has {size} bytes where 8 were recorded"):
            leaves.restore(record, bytes(size), as_torch=as_torch, name="w")


def test_a_record_of_terabytes_allocates_nothing() -> None:
    record = LeafRecord("float32", (2**40,), digest.of_bytes(bytes(8)), 2**42)
    for as_torch in (True, False):
        with pytest.raises(Damaged, match="8 bytes where 4398046511104"):
            leaves.restore(record, bytes(8), as_torch=as_torch)


@pytest.mark.parametrize("as_torch", [True, False])
def test_an_empty_array_of_countless_rows_costs_nothing(as_torch: bool) -> None:
    record = LeafRecord("float32", (0, 2**62, 2**62), digest.of_bytes(b""), 0)
    try:
        assert leaves.restore(record, b"", as_torch=as_torch).shape == record.shape
    except Damaged:
        pass  # NumPy cannot count them


def test_a_dtype_that_numpy_lacks_says_so() -> None:
    leaf = leaves.canonical(torch.zeros(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2))
    with pytest.raises(UsageError, match="NumPy has no float4_e2m1fn_x2"):
        leaves.restore(record_of(leaf), bytes(2), as_torch=False)


def test_without_ml_dtypes_numpy_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    leaf = leaves.canonical(torch.zeros(2, dtype=torch.bfloat16))
    with pytest.raises(UsageError, match="install ml_dtypes, or load the state with torch"):
        leaves.restore(record_of(leaf), bytes(4), as_torch=False)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("name", sorted(set(leaves.ITEM_BYTES) - dtypes.NUMPY_OWN))
def test_ml_dtypes_and_torch_agree_on_the_bytes(name: str) -> None:
    import ml_dtypes

    size = leaves.ITEM_BYTES[name]
    data = bytes(range(16 * size))
    arrays: list[Any] = []
    if hasattr(ml_dtypes, name):
        dtype = np.dtype(getattr(ml_dtypes, name))
        arrays += [np.frombuffer(data, dtype), np.frombuffer(data + data, dtype)[:16].copy()]
        arrays.append(
            np.frombuffer(
                b"".join(data[i : i + size] * 2 for i in range(0, 16 * size, size)), dtype
            )[::2]
        )
    if dtypes.torch_has(name):
        arrays.append(torch.tensor(list(data), dtype=torch.uint8).view(getattr(torch, name)))
    for array in arrays:
        leaf = leaves.canonical(array)
        assert (leaf.dtype, leaf.shape, bytes(leaf.data)) == (name, (16,), data)
        assert bytes(leaves.canonical(leaves.frozen(array)).data) == data


def names_of_width(letter: str) -> Any:
    return st.integers(1, 5).map(lambda n: f"{letter}{n}")


units = st.sampled_from(["", "[ns]", "[D]", "[25s]", "[us]"])
numpy_dtypes = st.one_of(
    *(names_of_width(letter) for letter in "USV"),
    st.tuples(st.sampled_from(["datetime64", "timedelta64"]), units).map("".join),
)


@given(numpy_dtypes, shapes, st.data())
def test_texts_bytes_and_times_come_back_to_the_bit(
    name: str, shape: tuple[int, ...], data: st.DataObject
) -> None:
    size = int(np.prod(shape, dtype=int))
    if name[0] == "U":
        texts = st.text(st.characters(exclude_characters="\0"), max_size=int(name[1:]))
        flat = np.array(data.draw(st.lists(texts, min_size=size, max_size=size)), name)
    else:
        each = dtypes.item_bytes(name) or 0
        flat = np.frombuffer(data.draw(st.binary(min_size=each * size, max_size=each * size)), name)
    array = flat.reshape(shape)
    leaf = leaves.canonical(array)
    assert (leaf.dtype, leaf.shape, bytes(leaf.data)) == (name, shape, array.tobytes())
    assert leaf.data.nbytes == leaves.size_bytes(array)
    for as_torch in (True, False):  # torch has no such tensors
        back = leaves.restore(record_of(leaf), bytes(leaf.data), as_torch=as_torch)
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, shape, array.tobytes())
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert bytes(leaves.canonical(swapped).data) == array.tobytes()


@pytest.mark.parametrize(
    "dtype",
    ["U0", "S", "U-1", "U٣", "U99999999999", "datetime64[x]", "datetime64[0s]", "V", "O", "T",
     "load", "timedelta64[ns", "float128", "qint8", "U5,U5", "", "Tensor"],
)  # fmt: skip
def test_a_dtype_that_does_not_exist_is_damage(dtype: str) -> None:
    for size in (0, 4):
        with pytest.raises(Damaged, match="dtype that does not exist"):
            leaves.check(LeafRecord(dtype, (size,), "", size), "w")


def test_a_jax_array_is_the_numpy_array_that_it_shows() -> None:
    jnp = pytest.importorskip("jax.numpy")
    import jax

    for name in ("float32", "bfloat16", "int4", "bool", "complex64", "float8_e4m3fn"):
        array = jnp.arange(6).reshape(2, 3).astype(name)
        assert leaves.is_array(array)
        assert leaves.canonical(array) == leaves.canonical(np.asarray(array))
        assert leaves.size_bytes(array) == leaves.canonical(array).data.nbytes
        frozen = leaves.frozen(array)
        array.delete()
        assert leaves.canonical(frozen).shape == (2, 3)
        assert "given back" in str(leaves.why_not(array))
    reasons: list[str | None] = []
    jax.jit(lambda x: (reasons.append(leaves.why_not(x)), x)[1])(jnp.ones(2))
    assert "traced" in str(reasons)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@given(tensors())
def test_nothing_of_the_users_changes(drawn: tuple[torch.Tensor, bytes]) -> None:
    tensor, data = drawn
    if tensor.is_floating_point() and tensor.itemsize > 1:
        tensor.requires_grad_()
    generator, mode = torch.get_rng_state(), torch.is_grad_enabled()
    before = (tensor.stride(), tensor.requires_grad, tensor.grad_fn, tensor.data_ptr())
    version = tensor._version
    copy = leaves.frozen(tensor)
    leaves.restore(record_of(leaves.canonical(tensor)), data, as_torch=True)
    assert before == (tensor.stride(), tensor.requires_grad, tensor.grad_fn, tensor.data_ptr())
    assert (tensor._version, torch.is_grad_enabled()) == (version, mode)
    assert torch.equal(generator, torch.get_rng_state())
    assert bytes(leaves.canonical(copy).data) == data


def test_a_channels_last_tensor_stays_so_and_is_stored_in_logical_order() -> None:
    plain = torch.arange(24.0).reshape(1, 2, 3, 4)
    tensor = plain.to(memory_format=torch.channels_last)
    assert bytes(leaves.canonical(tensor).data) == bytes(leaves.canonical(plain).data)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert leaves.frozen(tensor).is_contiguous(memory_format=torch.channels_last)


def test_a_default_device_is_not_where_leaves_are_made() -> None:
    with torch.device("meta"):
        back = leaves.restore(record_of(leaves.canonical(np.ones(2))), bytes(16), as_torch=True)
    assert back.device.type == "cpu"


def test_importing_the_room_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, samebit.states.export, samebit.states.torch as t; t.generator_states();"
        "from samebit.states import skeleton; skeleton.split([1, 'a', {2: None}]);"
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
