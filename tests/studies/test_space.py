"""Where a setting is searched: what a file can say, what a grid is, how the script is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.studies.space import check_words, grid, option_of, present, read_space, words


def test_what_a_space_can_say_is_said_back_for_papers() -> None:
    space = read_space(
        {
            "lr": {"log": [1e-5, 1e-1]},
            "dropout": {"float": [0, 0.55], "step": 0.1},
            "layers": {"int": [1, 8]},
            "width": {"log_int": [8, 512]},
            "optimizer": ["sgd", "adam"],
            "momentum": {"float": [0, 1], "when": {"optimizer": "sgd"}},
        }
    )
    assert [words(one) for one in space] == [
        "LogUniform[1e-05, 0.1]",
        "Uniform[0.0, 0.5, step 0.1]",  # 0.55 is never reached
        "Int[1, 8]",
        "LogInt[8, 512]",
        "{sgd, adam}",
        "Uniform[0.0, 1.0] where optimizer is sgd",
    ]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "the space is empty"),
        ({"seed": [1, 2]}, "the seed of a run"),
        ({"a b": [1]}, "no name"),
        ({"lr": 0.1}, "a list of choices"),
        ({"lr": []}, "choices"),
        ({"lr": [[1], [2]]}, "choices"),
        ({"lr": [16, 16]}, "there twice"),
        ({"lr": [1, True]}, "there twice"),
        ({"lr": {"log": [0, 1]}}, "above 0"),
        ({"lr": {"float": [1, 1]}}, "smaller number first"),
        ({"lr": {"float": [0, float("inf")]}}, "smaller number first"),
        ({"lr": {"int": [0.5, 2]}}, "whole numbers"),
        ({"lr": {"log": [1, 2], "step": 1}}, "a step"),
        ({"lr": {"int": [1, 5], "step": 0}}, "a step above 0"),
        ({"lr": {"normal": [0, 1]}}, "one of float"),
        ({"m": {"float": [0, 1], "when": {"opt": "sgd"}}}, "does not stand before it"),
        ({"opt": ["a"], "m": {"float": [0, 1], "when": {"opt": "b"}}}, "never has"),
        ({"opt": {"int": [1, 2]}, "m": {"float": [0, 1], "when": {"opt": 1}}}, "never has"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(table: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_space(table)
    assert says in str(caught.value)


def test_a_grid_is_every_combination_without_settings_that_are_none() -> None:
    space = read_space(
        {
            "opt": ["sgd", "adam"],
            "m": {"float": [0, 0.3], "step": 0.1, "when": {"opt": "sgd"}},
            "n": {"int": [1, 5], "step": 2},
        }
    )
    found = grid(space)
    assert len(found) == 4 * 3 + 3
    assert found[:3] == [{"opt": "sgd", "m": 0.0, "n": n} for n in (1, 3, 5)]
    assert [one["m"] for one in found[::3] if "m" in one] == [0.0, 0.1, 0.2, 0.3]
    assert found[-1] == {"opt": "adam", "n": 5}
    with pytest.raises(UsageError, match="which values of lr"):
        grid(read_space({"lr": {"log": [1e-5, 1e-1]}}))
    with pytest.raises(UsageError, match="too large"):
        grid(read_space({name: {"int": [1, 1000]} for name in "abc"}))


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(), min_size=1, unique=True)))
def test_no_cell_of_a_grid_is_there_twice(table: dict[str, list[int]]) -> None:
    small = {name: choices[:4] for name, choices in table.items()}
    if small:
        cells = [tuple(one.items()) for one in grid(read_space(small))]
        assert len(cells) == len(set(cells))


def test_words_of_a_setting_that_is_none_go_with_their_option() -> None:
    space = read_space({"opt": ["sgd", "adam"], "m": {"float": [0, 1], "when": {"opt": "sgd"}}})
    given_words = ["t.py", "--opt", "{opt}", "--m", "{m}", "--n={m}", "{other}"]
    assert present(given_words, space, {"opt": "adam"}) == ["t.py", "--opt", "{opt}", "{other}"]
    assert present(given_words, space, {"opt": "sgd", "m": 0.5}) == given_words
    with pytest.raises(UsageError, match=r"no argument of the script has \{m\}"):
        check_words(["t.py", "{opt}"], space)


@pytest.mark.parametrize(
    ("given_words", "name"),
    [
        (["t.py", "--learning-rate", "{lr}"], "learning_rate"),
        (["t.py", "--learning-rate={lr}"], "learning_rate"),
        (["t.py", "optim.lr={lr}"], "optim.lr"),
        (["t.py", "{lr}"], "lr"),
        (["t.py", "x{lr}"], "lr"),
    ],
)
def test_a_setting_is_called_as_the_script_calls_it(given_words: list[str], name: str) -> None:
    assert option_of(given_words, "lr") == name
