"""Every scalar of every group, exactly, whatever an optimizer keeps there."""

import enum
import gc
import math
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.trace import fingerprint
from samebit.trace.scalars import GONE, Scalars, plain
from tests.strategies import plain_values

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

OPTIMIZERS = [
    name
    for name, kind in sorted(vars(torch.optim).items())
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and name != "Optimizer"
]


def look(*groups: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return Scalars().changes(groups)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_scalar_of_every_optimizer_of_torch(name: str) -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2, 2))]
    optimizer = getattr(torch.optim, name)([parameters[0]], lr=0.125)
    if name != "LBFGS":
        optimizer.add_param_group({"params": [parameters[1]], "lr": 1e-3, "mine": "yes"})
    wanted = {
        at: {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in group.items()
            if key != "params"
        }
        for at, group in enumerate(optimizer.param_groups)
    }
    found = look(*optimizer.param_groups)
    assert repr(found) == repr(wanted)
    assert not any(str(v).startswith("<") for of in found.values() for v in of.values())


class Color(enum.IntEnum):
    RED = 3


class Spiteful:
    """Answers nothing."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"we were asked for {name}")

    def __repr__(self) -> str:
        raise AssertionError("we were shown")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("we were compared")

    __hash__ = None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (Color.RED, 3),
        ((0.9, np.float64(0.999)), [0.9, 0.999]),
        (torch.tensor(0.1), torch.tensor(0.1).item()),
        (torch.tensor(0.1, dtype=torch.float64), 0.1),
        (torch.tensor(0.1, dtype=torch.bfloat16), torch.tensor(0.1, dtype=torch.bfloat16).item()),
        (torch.tensor([1e-3], dtype=torch.float64), [1e-3]),
        ((torch.tensor(0.5), torch.tensor(0.25)), [0.5, 0.25]),
        (torch.tensor(0.1, device="meta"), "<Tensor on meta>"),
        (torch.zeros(2, 2), "<Tensor of shape (2, 2)>"),
        (torch.zeros(5000), "<Tensor of shape (5000,)>"),
        ({"a": 1, 2: 0.5}, {"a": 1, "2": 0.5}),
        ([0.0] * 1000, "<list of 1000>"),
        (object(), "<object>"),
        (Spiteful(), "<Spiteful>"),
        (1 + 2j, "<complex>"),
        (None, None),
        (2**70, 2**70),
        ("cosine", "cosine"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_values_are_exact_or_named(value: Any, wanted: Any) -> None:
    found = plain(value)
    assert repr(found) == repr(wanted)
    assert look({"params": [], "x": value}) == {0: {"x": wanted}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (1, True),
        (None, "None"),
        ((0.9, 0.99), (0.9, 0.999)),
        ([0.0], [-0.0]),
        (math.nan, 1.0),
        ({"a": 1}, {"a": 1.0}),
    ],
)
def test_a_change_of_bits_or_type_is_a_change(before: Any, after: Any) -> None:
    scalars = Scalars()
    scalars.changes([{"x": before}])
    digest = scalars.digest
    assert repr(scalars.changes([{"x": after}])) == repr({0: {"x": plain(after)}})
    assert scalars.digest != digest


def test_what_is_the_same_is_no_change() -> None:
    scalars = Scalars()
    scalars.changes([{"params": [], "a": math.nan, "b": (0.9,), "c": [1], "d": np.float64(2.0)}])
    group = {"params": [1], "a": float("nan"), "b": (0.9,), "c": [1], "d": 2.0}
    assert scalars.changes([group]) == {}


def test_values_that_change_where_they_lie_are_seen() -> None:
    rate, betas = torch.tensor(0.5), [0.9, 0.99]
    scalars, group = Scalars(), {"params": [], "lr": rate, "betas": betas}
    scalars.changes([group])
    rate.fill_(0.25)
    assert scalars.changes([group]) == {0: {"lr": 0.25}}
    betas[0] = 0.95
    assert scalars.changes([group]) == {0: {"betas": [0.95, 0.99]}}
    assert scalars.changes([group]) == {}


def test_names_and_groups_come_and_go() -> None:
    scalars = Scalars()
    scalars.changes([{"params": [], "lr": 0.1}])
    assert scalars.changes([{"lr": 0.1, "params": []}, {"lr": 0.2}]) == {1: {"lr": 0.2}}
    assert scalars.changes([{"params": [], "lr": 0.1, "new": 1}, {"lr": 0.2}]) == {0: {"new": 1}}
    assert scalars.changes([{"params": []}]) == {0: {"lr": GONE, "new": GONE}, 1: {"lr": GONE}}
    assert scalars.changes([{"params": [], "lr": 0.1}]) == {0: {"lr": 0.1}}


def test_nothing_of_the_script_is_kept_alive() -> None:
    class Thing:
        pass

    class Parameters(list[Any]):
        pass

    thing, parameters = Thing(), Parameters()
    held = weakref.ref(thing), weakref.ref(parameters)
    scalars = Scalars()
    scalars.changes([{"params": parameters, "lr": 0.1, "thing": thing}])
    scalars.changes([{"params": parameters, "lr": 0.2, "thing": 1}])
    del thing, parameters
    gc.collect()
    assert [ref() for ref in held] == [None, None]


group_values = st.dictionaries(st.sampled_from("abcdef"), plain_values, max_size=5)


@given(st.lists(st.lists(group_values, min_size=1, max_size=3), min_size=1, max_size=6))
def test_the_changes_make_up_the_groups_and_the_digest_is_theirs(
    looks: list[list[dict[str, Any]]],
) -> None:
    scalars = Scalars()
    known: dict[int, dict[str, Any]] = {}
    for groups in looks:
        ordered = [dict(sorted(group.items())) for group in groups]  # order is no scalar
        for at, changed in scalars.changes(ordered).items():
            known.setdefault(at, {}).update(changed)
            known[at] = {name: value for name, value in known[at].items() if value is not GONE}
        wanted = [{name: plain(of) for name, of in group.items()} for group in ordered]
        for at, group in enumerate(wanted):
            found = known.get(at, {})
            assert {k: repr(v) for k, v in found.items()} == {k: repr(v) for k, v in group.items()}
        assert scalars.digest == fingerprint.of_values(wanted)
