"""What a study comes to: its trials, their seeds, their commands."""

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from samebit import places
from samebit.errors import UsageError
from samebit.studies.declared import (
    Study,
    at_home,
    default_name,
    design,
    filled,
    find_study,
    join_or_declare,
    roles,
    seed_of,
    study_id,
)

STUDY = Study("x", "g", "script", ("t.py", "--lr={lr}", "{seed}-{init}"), "/w", ("all",), False, 1)


def test_seeds_are_the_same_again_and_others_for_each_factor_and_study() -> None:
    found = [
        seed_of(study, factor, number)
        for study in (STUDY, replace(STUDY, seed=1))
        for factor in ("all", "init")
        for number in range(20)
    ]
    assert len(set(found)) == len(found)
    assert all(0 <= seed < 2**32 for seed in found)
    # They never change: a study that goes on would have others.
    assert [seed_of(STUDY, "all", number) for number in range(2)] == [2456760697, 3098941568]


def test_counted_seeds_begin_where_they_are_told() -> None:
    study = replace(STUDY, first=7)
    assert [one.values for one in design(study, {"all": 2}, 0)] == [{"all": 7}, {"all": 8}]
    with pytest.raises(UsageError, match="below 2"):
        seed_of(replace(STUDY, first=2**32 - 1), "all", 1)


def test_a_longer_study_begins_with_the_shorter_one() -> None:
    assert design(STUDY, {"all": 9}, 0)[:4] == design(STUDY, {"all": 4}, 0)


def test_crossed_seeds_are_each_with_each_and_the_first_again() -> None:
    study = replace(STUDY, factors=("init", "order"), crossed=True)
    found = design(study, {"init": 2, "order": 3}, 1)
    assert len(found) == 7
    assert len({tuple(one.values.items()) for one in found}) == 6
    assert (found[-1].values, found[-1].repeat) == (found[0].values, 1)
    together = replace(study, crossed=False)
    assert len({one.values["init"] for one in design(together, {"init": 3, "order": 3}, 0)}) == 3


def test_places_in_arguments_get_seeds_and_others_braces_stay() -> None:
    assert filled(STUDY, {"all": 5}) == (["t.py", "--lr={lr}", "5-5"], 5)
    study = replace(STUDY, factors=("init",))
    kept = seed_of(study, "all", 0)
    assert filled(study, {"init": 3}) == (["t.py", "--lr={lr}", f"{kept}-3"], kept)
    both = replace(STUDY, factors=("init", "all"))
    assert roles(both, {"init": 3, "all": 4}) == {"init": 3, "*": 4}


def test_a_name_is_one_study(tmp_path: Path) -> None:
    store = places.make_store(tmp_path / ".samebit")
    study = replace(STUDY, id=study_id(store, "g"))
    assert join_or_declare(store, study) == study
    assert join_or_declare(store, replace(study, threads=4, at_ns=9)) == study
    assert find_study(store, "g") == study
    assert find_study(store, "h") is None
    with pytest.raises(UsageError, match="another one") as caught:
        join_or_declare(store, replace(study, words=("t.py", "--lr=2")))
    assert caught.value.facts["asked"] == "words t.py --lr=2"


def test_a_study_goes_on_in_a_copy_of_its_project_and_in_no_other_folder_of_its_own(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "sub").mkdir(parents=True)
    study = replace(STUDY, cwd=str(here))
    store = places.make_store(here / ".samebit")
    join_or_declare(store, study)
    with pytest.raises(UsageError, match="another one") as caught:
        join_or_declare(store, replace(study, cwd=str(here / "sub")))
    assert caught.value.facts["its"] == f"cwd {here}"
    shutil.copytree(here, there)
    moved = replace(study, cwd=str(there))
    assert join_or_declare(there / ".samebit", moved) == moved
    assert at_home(store, study, str(there)) == study
    shutil.rmtree(here)
    assert at_home(there / ".samebit", study, str(there)) == moved


def test_the_same_command_in_a_copy_of_its_project_has_the_same_name(tmp_path: Path) -> None:
    names = {
        default_name(root / ".samebit", "t", replace(STUDY, cwd=str(root / where)))
        for root in (tmp_path / "here", tmp_path / "there")
        for where in (".", "sub")
    }
    assert len(names) == 2
