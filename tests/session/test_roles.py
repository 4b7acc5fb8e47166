"""Roles: streams that are independent, go on where they were left, and leave no mark outside."""

import random
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

import samebit
from samebit.capture import randomness
from samebit.errors import UsageError
from samebit.session import roles
from tests.projects import Project


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """No roles yet; the generators are put back."""
    monkeypatch.setattr(roles, "_streams", roles._Streams())
    monkeypatch.setattr(randomness, "_given", [])
    before = states()
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])
    torch.set_rng_state(before[2])


def states() -> tuple[Any, Any, Any]:
    return random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()


def same(ours: tuple[Any, Any, Any], theirs: tuple[Any, Any, Any]) -> bool:
    return repr(ours[:2]) == repr(theirs[:2]) and bool((ours[2] == theirs[2]).all())


def draw() -> tuple[float, ...]:
    return random.random(), random.gauss(0, 1), np.random.randn(), torch.rand(1).item()


def test_a_role_goes_on_where_it_was_left_and_leaves_no_mark() -> None:
    samebit.seeds(init=1)
    with samebit.role("init"):
        whole = [draw() for _ in range(4)]
    samebit.seeds(init=1)
    random.gauss(0, 1), np.random.randn(), torch.randn(3)  # outside, with halves kept for later
    found: list[tuple[float, ...]] = []
    for _ in range(4):
        before, seed = states(), torch.initial_seed()
        with samebit.role("init"):
            found.append(draw())
        assert same(before, states())
        assert torch.initial_seed() == seed
        draw()
    assert found == whole


def test_one_is_varied_while_the_others_stay() -> None:
    def drawn(**given: int) -> dict[str, tuple[float, ...]]:
        samebit.seeds(**given)
        found: dict[str, tuple[float, ...]] = {}
        for name in given:
            with samebit.role(name):
                found[name] = draw()
        return found

    ours, theirs = drawn(init=1, order=2, dropout=3), drawn(dropout=3, order=5, init=1)
    assert ours["init"] == theirs["init"]
    assert ours["dropout"] == theirs["dropout"]
    assert not set(ours["order"]) & set(theirs["order"])
    equal = drawn(init=1, order=1)  # the same seed in two roles
    assert not set(equal["init"]) & set(equal["order"])


def test_roles_inside_each_other_and_after_an_error() -> None:
    samebit.seeds(a=1, b=2)
    with samebit.role("a"):
        whole = [draw() for _ in range(3)]
    samebit.seeds(a=1)
    before = states()
    found: list[tuple[float, ...]] = []

    def fail() -> None:
        with samebit.role("a"):
            found.append(draw())
            with samebit.role("b"):
                draw()
                with samebit.role("a"):
                    found.append(draw())
            found.append(draw())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert found == whole
    assert same(before, states())


def test_numbers_for_generators_of_ones_own_depend_on_seed_and_role() -> None:
    found = samebit.seeds(init=1, order=1)
    assert found == {"init": 10314451, "order": 2614501832}  # the same in every version
    assert samebit.seeds(order=1) == {"order": found["order"]}


def test_a_role_without_a_seed_takes_the_runs_or_is_refused() -> None:
    with pytest.raises(UsageError, match="the role 'init' has no seed"), samebit.role("init"):
        pass
    randomness.seed_everything(4)
    before = states()
    with samebit.role("init"):
        derived = draw()
    assert same(before, states())
    samebit.seeds(init=4)
    with samebit.role("init"):
        assert draw() == derived


def test_what_a_run_gave_a_role_is_not_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of a sweep may share a process."""
    told: list[Any] = []
    found: list[tuple[float, ...]] = []
    samebit.seeds(order=7)
    for seed in (1, 2):
        monkeypatch.setattr(randomness, "_given", [seed])
        roles.listen(told.append)
        with samebit.role("init"):
            found.append(draw())
        roles.listen(None)
    assert told[-1]["roles"] == {
        "order": {"seed": 7, "from": "seeds"},
        "init": {"seed": 2, "from": "run"},
    }
    samebit.seeds(init=2)
    with samebit.role("init"):
        assert draw() == found[1] != found[0]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None])
def test_what_is_no_seed_is_refused_and_nothing_is_set(seed: Any) -> None:
    with pytest.raises(UsageError, match="of role 'order'"):
        samebit.seeds(init=1, order=seed)
    with pytest.raises(UsageError, match="no seed"), samebit.role("init"):
        pass


@pytest.mark.slow
def test_jax_keys_are_seeds_and_are_recorded_as_words(project: Project) -> None:
    pytest.importorskip("jax")
    project.write(
        "a.py",
        """
        import json, random, sys
        import samebit
        seeds = samebit.seeds(init=1)
        import jax
        given = samebit.seeds(order=jax.random.key(7), raw=jax.random.PRNGKey(8))
        with samebit.role("order"):
            x = random.random()
            import torch  # comes inside a role: outside it is as it came
            y = torch.rand(1).item()
        state = torch.default_generator.get_state()
        fresh = torch.Generator().manual_seed(torch.initial_seed()).get_state()
        print(json.dumps([seeds, given, x, y, bool((state == fresh).all())]))
        """,
    )
    ended = project.run("a.py")
    assert ended.err == ""
    plain = project.python("a.py").json  # without a run, too
    assert ended.json == plain
    assert plain[4] is True
    roots = project.view().facts["seeds"]["roles"]
    assert roots == {
        "init": {"seed": 1, "from": "seeds"},
        "order": {"seed": {"jax": [0, 7], "impl": "threefry2x32"}, "from": "seeds"},
        "raw": {"seed": {"jax": [0, 8], "impl": "raw"}, "from": "seeds"},
    }
