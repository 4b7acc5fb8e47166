import math
import struct
from collections import OrderedDict, deque
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from samebit import digest
from samebit.errors import Damaged, UsageError
from samebit.states import skeleton
from samebit.states.forms import Described, Named, Objects, Opaque, Quantized, Shard, Sparse, Struct
from samebit.states.skeleton import Text

floats = st.binary(min_size=8, max_size=8).map(lambda b: struct.unpack(">d", b)[0])
keys = (
    st.text(max_size=4) | st.integers() | st.sampled_from(["a.b", "a", "b", "$leaf", "$", 0, "0"])
)
plain = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | floats | st.text(max_size=4)
) | st.builds(complex, floats, floats)
arrays = st.builds(lambda n: np.full((n,), n), st.integers(0, 3))
atoms = plain | arrays | st.binary(max_size=4)
hashables = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
shapes = st.lists(st.integers(0, 2**63 - 1), max_size=3).map(tuple)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4).map(OrderedDict)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.builds(Described, st.text(max_size=4), inner)
        | st.builds(Named, st.text(max_size=4), st.dictionaries(keys, inner, max_size=3))
        | st.builds(Opaque, st.text(max_size=4), st.binary(max_size=4))
        | st.builds(Objects, shapes, st.lists(inner, max_size=3))
        | st.builds(Struct, shapes, st.booleans(), st.dictionaries(st.text(), arrays, max_size=3))
        | st.builds(
            Sparse, st.sampled_from(["coo", "bsr"]), shapes, st.booleans(), inner, arrays, arrays
        )
        | st.builds(
            Quantized,
            st.sampled_from(["qint8", "quint8"]),
            st.none() | st.integers(0, 63),
            floats | arrays,
            st.integers() | arrays,
            arrays,
        )
        | st.builds(Shard, shapes, shapes, arrays)
    ),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    """Equal as types, order and bits; `==` would call 1, 1.0 and True the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, msgspec.Struct):
        return all(map(same, structs.astuple(one), structs.astuple(other)))
    if isinstance(one, complex):
        return same([one.real, one.imag], [other.real, other.imag])
    if isinstance(one, (set, frozenset)):
        return skeleton.split(one) == skeleton.split(other)
    if isinstance(one, dict):
        return same([list(pair) for pair in one.items()], [list(pair) for pair in other.items()])
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    return one is other if isinstance(one, np.ndarray) else one == other


@given(values)
def test_a_nested_value_comes_back_as_it_was_from_its_json(value: Any) -> None:
    frame, leaves = skeleton.split(value)
    stored = digest.from_json(digest.canonical_json(frame))
    assert same(skeleton.join(stored, leaves), value)
    assert same(skeleton.join(frame, leaves), value)


@given(values)
def test_every_place_has_a_name_of_its_own(value: Any) -> None:
    frame, leaves = skeleton.split(value)
    stored = digest.from_json(digest.canonical_json(frame))
    places = skeleton.references(stored)
    assert len({place for place, _ in places}) == len(places)
    assert {leaf for _, leaf in places} == set(leaves)
    assert skeleton.references(frame) == places


def test_names_are_the_dotted_way_to_an_array() -> None:
    array = np.zeros
    state = {
        "model": {"conv1.weight": array(1)},
        "optimizer": {"state": {0: {"exp_avg": array(1)}}, "groups": [array(1)]},
    }
    _, leaves = skeleton.split(state)
    names = ["model.conv1.weight", "optimizer.state.0.exp_avg", "optimizer.groups.0"]
    assert list(leaves) == names
    assert list(skeleton.split(array(1))[1]) == ["value"]


def test_names_that_would_collide_stay_apart() -> None:
    a, b, c, d = (np.full(1, n) for n in range(4))
    state = {"x.y": a, "x": {"y": b}, "x.y~2": c, 0: d}
    frame, leaves = skeleton.split(state)
    assert list(leaves) == ["x.y", "x.y~2", "x.y~2~2", "0"]
    assert same(skeleton.join(frame, leaves), state)


def test_one_memory_under_two_names_is_one_leaf() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 3))
    state = {"a": weight, "b": weight.detach(), "view": weight.detach().t(), "c": weight.clone()}
    frame, leaves = skeleton.split(state)
    assert list(leaves) == ["a", "view", "c"]
    assert skeleton.references(frame) == [("a", "a"), ("b", "a"), ("view", "view"), ("c", "c")]
    back = skeleton.join(frame, leaves)
    assert back["a"] is back["b"]


@pytest.mark.parametrize(
    "make", [lambda: torch.ones(3), lambda: np.ones(3)], ids=["torch", "numpy"]
)
def test_one_memory_read_as_two_dtypes_or_shapes_is_two_leaves(make: Any) -> None:
    array = make()
    integers = array.view(torch.int32 if isinstance(array, torch.Tensor) else np.int64)
    _, leaves = skeleton.split([array, integers, array[:2], array.reshape(1, 3)])
    assert len(leaves) == 4


def test_empty_arrays_are_never_taken_for_one() -> None:
    one, other = torch.empty(0), torch.empty(0)
    _, leaves = skeleton.split([one, other, one])
    assert list(leaves) == ["0", "1"]


def test_a_lazy_conjugate_is_no_tie_of_its_base() -> None:
    base = torch.tensor([1 + 2j])
    _, leaves = skeleton.split([base, base.conj(), base.conj().imag, base.imag])
    assert len(leaves) == 4


class Stranger:
    def __repr__(self) -> str:
        raise RuntimeError("no repr for you")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (deque([torch.ones(1), object()]), "deque([<torch.Tensor>, <object object>])"),
        (Stranger, f"<class '{__name__}.Stranger'>"),
        (Stranger(), f"<{__name__}.Stranger>"),
        (object(), "<object object>"),
        ("\udc80", "'\\udc80'"),
        (torch.ones(2, device="meta"), "a tensor on the meta device, which holds no values"),
        (1 << 100_000, "<int>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_recorder_describes_what_a_state_cannot_hold(value: Any, text: str) -> None:
    state = {"a": [{"b": value}], "kept": np.ones(1)}
    with pytest.raises(UsageError, match=r"at: a\.0\.b"):
        skeleton.split(state)
    frame, leaves = skeleton.split(state, unknown="text")
    back = skeleton.join(digest.from_json(digest.canonical_json(frame)), leaves)
    assert back["kept"] is state["kept"]
    assert back["a"][0]["b"] == Text(text)
    assert skeleton.split(back)[0] == frame


def test_the_recorder_survives_cycles_depths_and_strange_keys() -> None:
    cycle: dict[Any, Any] = {"array": np.ones(1), (1, 2): np.ones(1), None: 1, "\udc80": np.ones(1)}
    cycle["self"] = cycle
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    frame, leaves = skeleton.split([cycle, deep], unknown="text")
    back = skeleton.join(digest.from_json(digest.canonical_json(frame)), leaves)
    assert back[0]["self"] == Text("a container that contains itself")
    assert back[0][(1, 2)] is cycle[(1, 2)]
    for state in (cycle, deep):
        with pytest.raises(UsageError):
            skeleton.split(state)


def test_a_description_is_short_however_long_the_thing_is() -> None:
    frame, _ = skeleton.split((lambda: 0).__code__.replace(co_name="x" * 10_000), unknown="text")
    assert len(frame["$text"]) < 300


def test_a_subclass_of_a_plain_type_is_not_taken_for_it() -> None:
    for value in (type("D", (dict,), {})(), type("I", (int,), {})(1)):
        with pytest.raises(UsageError):
            skeleton.split(value)


def test_a_numpy_scalar_comes_back_as_one() -> None:
    frame, leaves = skeleton.split({"lr": np.float64(0.1), "zero_d": np.array(0.1)})
    back = skeleton.join(frame, {name: np.asarray(leaf) for name, leaf in leaves.items()})
    assert type(back["lr"]) is np.float64
    assert type(back["zero_d"]) is np.ndarray


SPARSE = {
    "layout": "coo",
    "shape": [1],
    "coalesced": True,
    "starts": None,
    "indices": None,
    "values": None,
}


@pytest.mark.parametrize(
    "mark",
    [
        {"$leaf": "absent"},
        {"$leaf": 3},
        {"$leaf": "a", "more": 1},
        {"$scalar": None},
        {"$tuple": {"a": 1}},
        {"$dict": [["key"]]},
        {"$dict": [[["unhashable"], 1]]},
        {"$dict": [[{"$leaf": "a"}, 1]]},
        {"$dict": [[{"$set": []}, 1]]},
        {"$dict": [[1, 1], [1, 2]]},
        {"$dict": [[{"$bytes": "a"}, 1]]},
        {"$set": [1, 1]},
        {"$set": [[1]]},
        {"$set": [{"$tuple": [[]]}]},
        {"$frozenset": {}},
        {"$complex": [1, 2]},
        {"$complex": [1.0]},
        {"$bytes": "a"},
        {"$bytes": "absent"},
        {"$bytes": [1]},
        {"$object": {"type": "os.system"}},
        {"$object": {"type": 1, "content": 1}},
        {"$object": {"type": "x", "content": 1, "more": 1}},
        {"$object": ["x", 1]},
        {"$named": {"type": None, "content": {}}},
        {"$opaque": {"type": "x", "pickled": {"$leaf": "absent"}}},
        {"$objects": {"shape": [-1], "content": []}},
        {"$objects": {"shape": [True], "content": []}},
        {"$struct": {"shape": [2**63], "aligned": False, "content": {}}},
        {"$struct": {"shape": [1] * 65, "aligned": False, "content": {}}},
        {"$sparse": {"layout": "made_up", "shape": [1]}},
        {"$sparse": {**SPARSE, "layout": "strided"}},
        {"$sparse": {**SPARSE, "shape": [0.5]}},
        {"$sparse": {**SPARSE, "coalesced": 1}},
        {
            "$quantized": {
                "dtype": "float32",
                "axis": None,
                "scale": 1,
                "zero_point": 0,
                "values": 0,
            }
        },
        {"$quantized": {"dtype": "qint8", "axis": -1, "scale": 1, "zero_point": 0, "values": 0}},
        {"$shard": {"shape": "1", "offset": [0], "value": 1}},
        {"$dict": "ab"},
        {"$ordered": ["ab"]},
        {"$nan": "xx"},
        {"$nan": "00"},
        {"$text": 1},
        {"$newer": 1},
        {"plain": 1, "$leaf": "a"},
    ],
    ids=str,
)
def test_a_skeleton_that_is_none_is_damage(mark: Any) -> None:
    with pytest.raises(Damaged):
        skeleton.join([mark], {"a": np.ones(1)})


def test_a_skeleton_nested_without_end_is_damage() -> None:
    mark: Any = 1
    for _ in range(900):
        mark = {"$tuple": [mark]}
    with pytest.raises(Damaged):
        skeleton.join(mark, {})


@given(values)
def test_splitting_changes_nothing(value: Any) -> None:
    before = repr(value)
    skeleton.split(value)
    assert repr(value) == before


def test_the_nan_of_a_processor_keeps_its_sign() -> None:
    negative = struct.unpack(">d", bytes.fromhex("fff8000000000000"))[0]
    frame, _ = skeleton.split(negative)
    assert math.copysign(1, skeleton.join(frame, {})) == -1
