"""Fingerprints of arrays and of row numbers, whichever library holds them."""

from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samebit.data.arrays import of_indices
from samebit.data.fingerprints import fingerprint
from samebit.errors import UsageError


def name(value: Any) -> str:
    return str(fingerprint(value))


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=4, min_side=0, max_side=4)))
def test_layout_and_byte_order_do_not_matter(array: Any) -> None:
    wide = np.zeros((2, *array.shape), array.dtype)
    wide[1] = array
    layouts = [
        np.asfortranarray(array),
        wide[1],
        array[..., ::-1][..., ::-1] if array.ndim else array,
    ]
    if array.dtype.kind not in "mM":
        layouts.append(array.astype(array.dtype.newbyteorder()))
    assert {name(one) for one in layouts} == {name(array)}


@given(hnp.arrays(np.dtype("f8"), 3), hnp.arrays(np.dtype("f8"), 3))
def test_every_bit_of_a_number_matters(one: Any, other: Any) -> None:
    assert (name(one) == name(other)) == (one.tobytes() == other.tobytes())


def test_shape_and_dtype_matter() -> None:
    zeros = [np.zeros(4, "i4"), np.zeros((2, 2), "i4"), np.zeros((4, 1), "i4"), np.zeros(2, "i8")]
    zeros += [np.zeros(4, "f4"), np.zeros(4, "u4"), np.zeros((), "i4"), np.zeros((0, 4), "i4")]
    zeros += [np.zeros((4, 0), "i4"), np.zeros(4, "U1"), np.zeros(4, "S1")]
    assert len({name(one) for one in zeros}) == len(zeros)


def test_numpy_torch_and_jax_say_the_same() -> None:
    for dtype in ("float32", "int32", "bool", "complex64"):
        array = np.array([[0, 1], [2, 3]]).astype(dtype)
        assert name(torch.from_numpy(array)) == name(jnp.asarray(array)) == name(array)
    narrow = np.array([1.5, -2], ml_dtypes.bfloat16)
    assert name(torch.tensor([1.5, -2], dtype=torch.bfloat16)) == name(narrow)
    grown = torch.nn.Parameter(torch.ones(3))
    assert name(grown) == name(torch.ones(6)[::2]) == name(np.ones(3, "f4"))


def test_the_width_of_texts_does_not_matter() -> None:
    texts = ["", "a", "日本"]
    same = [np.array(texts, dtype) for dtype in ("U2", "U50", np.dtypes.StringDType())]
    assert len({name(one) for one in same}) == 1
    assert name(np.array(["", "a日", "本"])) != name(same[0])
    assert name(np.array(texts).reshape(3, 1)) != name(same[0])


def test_what_has_no_bytes_is_refused_with_what_to_do() -> None:
    missing = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    refused = [
        np.array([1, "a"], object),
        np.zeros(2, "longdouble"),
        torch.eye(2).to_sparse(),
        missing,
    ]
    refused += [np.zeros(2, [("a", "i4")]), torch.empty(2, device="meta"), np.array(["\ud800"])]
    for value in refused:
        with pytest.raises(UsageError):
            fingerprint(value)
    with pytest.raises(UsageError, match="convert it to a plain"):
        fingerprint(refused[0])


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_row_numbers_are_the_same_from_every_library(numbers: list[int]) -> None:
    expected = of_indices(numbers)
    assert of_indices(np.array(numbers, "u8")) == of_indices(tuple(numbers)) == expected
    small = [n % 2**31 for n in numbers]
    assert of_indices(torch.tensor(small, dtype=torch.int64)) == of_indices(small)
    assert of_indices(np.array(small, ">i4")) == of_indices(small)
    loose = of_indices(numbers, ordered=False)
    assert of_indices(np.array(numbers[::-1], "u8"), ordered=False) == loose
    assert (of_indices(sorted(numbers)).name == expected.name) == (sorted(numbers) == numbers)


def test_row_numbers_count_and_are_no_array() -> None:
    assert of_indices(range(3)) == of_indices([0, 1, 2])
    names = {of_indices(n, ordered=o).name for n in ([1, 1], [1], []) for o in (True, False)}
    assert len(names | {name(np.array([1, 1], "u8"))}) == 7
    wrong: list[Any] = [[-1], [2**64], [1.5], [True], ["1"], np.array([-1]), np.zeros((2, 2), int)]
    for numbers in [*wrong, np.array([0.5]), torch.tensor([True])]:
        with pytest.raises(UsageError):
            of_indices(numbers)
