import collections
import enum
import functools
import random
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

import samebit
from samebit import digest
from samebit.errors import Damaged, UsageError
from samebit.states import forms, leaves, skeleton, storing
from samebit.states import torch as states
from samebit.states.forms import Described, Named, Quantized, Sparse, Text

pytestmark = pytest.mark.filterwarnings("ignore:.*[Ss]parse")  # torch says it is not finished


def stored(value: Any) -> tuple[bytes, dict[str, leaves.Canonical]]:
    frame, arrays = skeleton.split(value)
    return digest.canonical_json(frame), {k: leaves.canonical(v) for k, v in arrays.items()}


def loaded(value: Any) -> Any:
    """A value as it comes back from what is stored of it, and is stored again the same."""
    frame, arrays = skeleton.split(value)
    back = skeleton.join(digest.from_json(digest.canonical_json(frame)), arrays)
    assert stored(back) == stored(value)
    assert stored(states.frozen_copy(value)) == stored(value)
    return back


def dense() -> torch.Tensor:
    return torch.tensor([[0.0, 1.0, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0], [0, 4, 5, 0]])


def uncoalesced() -> torch.Tensor:
    return torch.sparse_coo_tensor([[0, 0, 2], [1, 1, 0]], [1.0, 2.0, 3.0], (3, 4))


def hybrid() -> torch.Tensor:
    return torch.sparse_coo_tensor([[1, 0]], torch.arange(6.0).reshape(2, 3), (2, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: dense().to_sparse(),
        lambda: dense().to_sparse_csr(),
        lambda: dense().to_sparse_csc(),
        lambda: dense().to_sparse_bsr((2, 2)),
        lambda: dense().to_sparse_bsc((2, 1)),
        lambda: torch.nn.Parameter(dense().to_sparse()),
        uncoalesced,
        hybrid,
    ],
    ids=["coo", "csr", "csc", "bsr", "bsc", "parameter", "uncoalesced", "hybrid"],
)
def test_a_sparse_tensor_comes_back_as_it_was(make: Any) -> None:
    tensor = make()
    back = loaded({"w": tensor})["w"]
    made = back.to_torch()
    assert (made.layout, made.shape, made.dtype) == (tensor.layout, tensor.shape, tensor.dtype)
    assert torch.equal(made.to_dense(), tensor.detach().to_dense())
    if tensor.layout is torch.sparse_coo:
        assert made.is_coalesced() == tensor.is_coalesced()
        assert torch.equal(made._indices(), tensor.detach()._indices())
        assert torch.equal(made._values(), tensor.detach()._values())


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_a_matrix_of_scipy_comes_back_as_it_was(layout: str, kind: str) -> None:
    matrix = getattr(scipy.sparse, f"{layout}_{kind}")(dense().numpy())
    back = loaded(matrix)
    made = back.to_scipy()
    assert made.format == ("coo" if layout in ("lil", "dok") else layout)
    assert (made.shape, made.dtype) == (matrix.shape, matrix.dtype)
    assert (made.toarray() == dense().numpy()).all()


def test_torch_and_scipy_agree_on_a_sparse_matrix() -> None:
    theirs = scipy.sparse.csr_array(dense().numpy().astype("f4"))
    theirs.indices, theirs.indptr = theirs.indices.astype("i8"), theirs.indptr.astype("i8")
    assert stored(theirs) == stored(dense().to_sparse_csr())


@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "bsc", "dia"])
@given(
    st.lists(st.integers(-3, 9), max_size=4),
    st.lists(st.integers(-3, 9), max_size=4),
    st.integers(0, 4),
    st.booleans(),
    st.lists(st.integers(0, 2**62), max_size=3).map(tuple),
)
def test_hostile_indices_are_damage(
    layout: str,
    starts: list[int],
    indices: list[int],
    count: int,
    coalesced: bool,
    shape: tuple[int, ...],
) -> None:
    index = np.array([indices] if layout == "coo" else indices, np.int64)
    form = Sparse(layout, shape, coalesced, np.array(starts, np.int64), index, np.ones(count))
    for make in (form.to_torch, form.to_scipy):
        try:
            made = make()
        except (Damaged, UsageError):
            continue
        assert tuple(made.shape) == shape
        assert all(0 <= i < max(shape, default=0) for i in indices) or layout == "dia"


def quantized(channel: bool, dtype: torch.dtype = torch.qint8) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = torch.arange(12.0).reshape(3, 4)
        if not channel:
            return torch.quantize_per_tensor(values, 0.1, 3, dtype)
        scales, points = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 1, 2, 3])
        return torch.quantize_per_channel(values, scales, points, 1, dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.qint8, torch.quint8, torch.qint32])
@pytest.mark.parametrize("channel", [False, True])
def test_a_quantised_tensor_comes_back_as_it_was(channel: bool, dtype: torch.dtype) -> None:
    tensor = quantized(channel, dtype)
    made = loaded([tensor])[0].to_torch()
    assert (made.dtype, made.qscheme()) == (tensor.dtype, tensor.qscheme())
    assert torch.equal(made.int_repr(), tensor.int_repr())
    assert torch.equal(made.dequantize(), tensor.dequantize())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "form",
    [
        Quantized("qint8", None, 1.0, 0, np.zeros(2, "f4")),
        Quantized("qint8", None, "x", 0, np.zeros(2, "i1")),
        Quantized("quint8", 5, np.ones(2), np.zeros(2, "i8"), np.zeros((2, 2), "u1")),
        Quantized("quint8", 0, np.ones(3), np.zeros(2, "i8"), np.zeros((2, 2), "u1")),
        Quantized("quint8", 0, np.ones(9), np.zeros(9, "i8"), np.zeros((2, 2), "u1")),
        Quantized("quint8", 0, None, None, None),
    ],
)
def test_a_quantised_tensor_whose_parts_do_not_fit_is_damage(form: Quantized) -> None:
    with pytest.raises(Damaged):
        form.to_torch()


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_module_keeps_its_packed_weights() -> None:
    from torch.ao.nn.quantized import Linear

    one, other = Linear(3, 2), Linear(3, 2)
    weight, bias = quantized(False)[:2, :3], torch.ones(2)
    one.set_weight_bias(weight, bias)
    state = states.module_state(one)
    assert list(state) == list(one.state_dict())
    assert stored(state) == stored(dict(one.state_dict()))
    assert stored(state) != stored(states.module_state(other))


def test_a_tensor_made_of_tensors_is_taken_apart_by_its_class() -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    two = TwoTensor(torch.ones(2), torch.zeros(2))
    back = loaded({"w": two})["w"]
    assert isinstance(back, Described)
    assert back.type == "torch.testing._internal.two_tensor.TwoTensor"
    assert back.content["shape"] == (2,)
    assert [t.tolist() for t in back.content["tensors"].values()] == [[1, 1], [0, 0]]
    ragged = torch.nested.nested_tensor([torch.ones(1, 2), torch.ones(3, 2)], layout=torch.jagged)
    back = loaded(ragged)
    assert back.content["tensors"]["_values"].shape == (4, 2)
    assert back.content["shape"] is None
    assert torch.equal(back.content["tensors"]["_offsets"], torch.tensor([0, 1, 4]))


@pytest.mark.parametrize("align", [True, False])
def test_a_structured_array_comes_back_as_it_was(align: bool) -> None:
    dtype = np.dtype([("b", "u1"), ("x", "<f8", (2,)), ("in", [("name", "U3")])], align=align)
    array = np.zeros((2, 3), dtype)
    array["x"] = np.arange(12.0).reshape(2, 3, 2)
    array["in"]["name"][0] = "abc"
    frame, arrays = skeleton.split({"tree": array})
    assert list(arrays) == ["tree.b", "tree.x", "tree.in.name"]
    made = skeleton.join(frame, arrays)["tree"].to_numpy()
    assert (made.dtype, made.shape) == (array.dtype, array.shape)
    assert (made == array).all()
    loaded(array)
    assert stored(array[0, 0]) != stored(array[1, 1])  # one row of it is a structure, too


def test_a_structure_of_terabytes_costs_nothing() -> None:
    for shape in ((2**40,), (2**62,) * 3):
        with pytest.raises(Damaged):
            forms.Struct(shape, False, {"a": np.zeros(3)}).to_numpy()
        with pytest.raises(Damaged):
            forms.Objects(shape, [1]).to_numpy()


def test_an_array_of_objects_comes_back_as_it_was() -> None:
    array = np.array([["a", 1], [None, np.float32(2)]], object)
    made = loaded({"o": array})["o"].to_numpy()
    assert made.shape == (2, 2)
    assert made.tolist() == array.tolist()
    assert type(made[1, 1]) is np.float32
    rows = np.empty(1, object)
    rows[0] = [1, 2]
    assert loaded(rows).to_numpy()[0] == [1, 2]
    with pytest.raises(UsageError, match=r"at: o\.1"):
        skeleton.split({"o": np.array([1, object()], object)})


class Color(enum.Enum):
    RED = 1


class Point(tuple):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "left right")


def f(x: int) -> int:
    return x


def test_small_things_are_described() -> None:
    name = __name__
    assert loaded(Pair(1, [2])) == Named(f"{name}.Pair", {"left": 1, "right": [2]})
    assert loaded(Color.RED) == Described(f"{name}.Color", "RED")
    assert loaded(slice(1, None)) == Described("slice", (1, None, None))
    assert loaded(torch.Size([1, 2])) == Described("torch.Size", (1, 2))
    assert loaded(torch.float32) == Described("torch.dtype", "torch.float32")
    assert loaded(np.dtype("<f4")) == Described("numpy.dtype", "<f4")
    assert loaded(f) == Text(f"function {name}.f")
    assert loaded(torch.nn.functional.relu) == Text("function torch.nn.functional.relu")
    assert loaded(len) == Text("function builtins.len")
    partial = loaded(functools.partial(f, x=1))
    assert partial == Described("functools.partial", (Text(f"function {name}.f"), (), {"x": 1}))
    assert loaded({1 + 2j, b"", (1, frozenset({2}))} - {b""}) == {1 + 2j, (1, frozenset({2}))}
    assert loaded(bytearray(b"ab")) == b"ab"
    assert loaded({None: 1, 1.5: 2, (1, "a"): 3}) == {None: 1, 1.5: 2, (1, "a"): 3}
    assert loaded({np.int64(3): 1}) == {Described("numpy.int64", 3): 1}
    for refused in (Point((1,)), Color, object(), torch, {b"bytes"}):
        with pytest.raises(UsageError, match=r"at: a\.b"):
            skeleton.split({"a": {"b": refused}})


def test_generators_are_described_and_draw_nothing() -> None:
    generators: list[Any] = [
        np.random.default_rng(1),
        np.random.RandomState(1),
        np.random.PCG64(1),
        np.random.SeedSequence(5),
        random.Random(1),
        torch.Generator().manual_seed(1),
    ]
    first = [stored(generator) for generator in generators]
    assert [stored(generator) for generator in generators] == first
    for generator in generators:
        loaded(generator)
    for generator, before in zip(generators, first, strict=True):
        if hasattr(generator, "random"):
            generator.random()
            assert stored(generator) != before


def test_equal_bytes_and_scalars_are_never_ties_by_chance() -> None:
    one = b"x" * 50
    other = bytes(bytearray(one))
    assert stored([one, one]) == stored([one, other])
    number = np.float64(1)
    assert stored([number, number]) == stored([number, np.float64(1)])


class Trap:
    def __reduce__(self) -> Any:
        raise AssertionError("it was pickled")


class Bomb:
    def __init__(self, fired: list[int]) -> None:
        self.fired = fired

    def __reduce__(self) -> Any:
        return fire, ()


def fire() -> None:
    raise AssertionError("a pickle of the user's was loaded")


def test_what_the_user_attaches_is_kept_and_never_loaded() -> None:
    attached = samebit.opaque(Bomb([]))
    back = loaded({"mine": attached})["mine"]
    assert (back.type, back.pickled) == (f"{__name__}.Bomb", attached.pickled)
    with pytest.raises(UsageError, match=r"as `samebit\.opaque"):
        skeleton.split({"mine": Bomb([])})
    with pytest.raises(UsageError, match="cannot be pickled"):
        samebit.opaque(lambda: 1)


def test_nothing_is_pickled_unasked() -> None:
    with pytest.raises(UsageError):
        skeleton.split([Trap()])
    assert isinstance(skeleton.split([Trap()], "text")[0][0]["$text"], str)


def test_the_identity_knows_the_shape_of_what_is_sparse(store: Any) -> None:
    def identity(value: Any) -> str:
        return storing.identity(storing.read_manifest(store, storing.save(store, {"model": value})))

    one, other = ([[0], [1]], [1.0], (2, 2)), ([[0], [1]], [1.0], (2, 3))
    made = [torch.sparse_coo_tensor(*parts) for parts in (one, one, other)]
    first, again, wider = (identity({"w": tensor}) for tensor in made)
    assert first == again != wider
