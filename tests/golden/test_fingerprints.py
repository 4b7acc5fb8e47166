"""Golden fingerprints: every source of the same data has this one, in every version, for ever."""

import json
from pathlib import Path

import pytest

from tests.data import examples

GOLDEN = json.loads(Path(__file__).with_name("fingerprints.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> dict[str, list[tuple[str, str]]]:
    by_name: dict[str, list[tuple[str, str]]] = {}
    for source in examples.SOURCES.values():
        for name, how, value in source():
            by_name.setdefault(name, []).append((how, value))
    return by_name


def test_every_golden_value_is_still_made_and_every_example_has_one(
    found: dict[str, list[tuple[str, str]]],
) -> None:
    assert sorted(found) == sorted(GOLDEN)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_golden_fingerprint_never_changes(
    name: str, found: dict[str, list[tuple[str, str]]]
) -> None:
    assert {how: value for how, value in found[name]} == {
        how: GOLDEN[name] for how, _ in found[name]
    }


def test_no_two_different_examples_have_one_fingerprint() -> None:
    assert GOLDEN["people shuffled.set"] == GOLDEN["people.set"]
    assert len(set(GOLDEN.values())) == len(GOLDEN) - 1
