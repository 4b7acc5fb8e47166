from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from samebit import places, records
from samebit.errors import AmbiguousRun, RunNotFound, UsageError
from samebit.folders import folder as runs
from samebit.folders.find import find_run, list_runs
from samebit.folders.folder import RunFolder
from samebit.records import RunRecord

ME = runs.user_name()


def keep(store: Path, run: str, started_ns: int = 0, user: str = ME, **identity: Any) -> RunFolder:
    """A run of a chosen id, as if it had come from another machine."""
    folder = RunFolder(store / "runs" / run)
    (folder.path / "notes").mkdir(parents=True)
    record = replace(RunRecord(run, started_ns, user=user), **identity)
    (folder.path / "run.json").write_bytes(records.encode(record))
    return folder


ids = st.lists(st.text("01ab", min_size=3, max_size=3), min_size=1, max_size=6, unique=True)


@given(ids, st.data())
@settings(deadline=None, max_examples=50)
def test_a_beginning_finds_the_one_run_that_it_fits(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], data: st.DataObject
) -> None:
    store = places.make_store(tmp_path_factory.mktemp("find") / ".samebit")
    full = {keep(store, letters + "0000000").id for letters in ids}
    asked = data.draw(st.sampled_from(sorted(full))) if full else ""
    asked = asked[: data.draw(st.integers(1, 10))]
    if data.draw(st.booleans()):
        asked = asked.upper()
    fits = {run for run in full if run.startswith(asked.lower())}
    if len(fits) == 1:
        assert {find_run(store, asked).id} == fits
    else:
        with pytest.raises(AmbiguousRun, match=f"fits {len(fits)} runs") as error:
            find_run(store, asked)
        assert all(run in str(error.value) for run in fits)


def test_a_whole_id_is_found_though_it_names_another_run(store: Path) -> None:
    keep(store, "aaaaaaaaaa", name="bbbbbbbbbb")
    keep(store, "bbbbbbbbbb")
    assert find_run(store, "bbbbbbbbbb").id == "bbbbbbbbbb"


def test_many_that_fit_are_not_all_shown(store: Path) -> None:
    for at in range(12):
        keep(store, f"aaaaaaaa{at:02}")
    with pytest.raises(AmbiguousRun, match="aaaaaaaa07, …") as error:
        find_run(store, "a")
    assert isinstance(error.value, UsageError)


def test_a_name_finds_its_run(store: Path) -> None:
    keep(store, "0000000000")
    named = keep(store, "1111111111", name="base line")
    assert find_run(store, "base line") == named
    keep(store, "2222222222", name="base line")
    with pytest.raises(AmbiguousRun, match="1111111111, 2222222222"):
        find_run(store, "base line")


def test_a_name_comes_before_the_beginning_of_an_id(store: Path) -> None:
    keep(store, "b000000000")
    named = keep(store, "1111111111", name="b")
    (store / "runs" / "c000000000").mkdir()
    (store / "runs" / "c000000000" / "run.json").write_text("no JSON")
    assert find_run(store, "b") == named
    assert find_run(store, "B").id == find_run(store, "b0").id == "b000000000"


def test_the_name_given_last_is_the_name(store: Path) -> None:
    run = keep(store, "1111111111", name="first")
    run.add_note("name", "second")
    run.add_note("tag", "nothing")
    run.add_note("name", "third")
    assert find_run(store, "third") == run
    for gone in ("first", "second", "nothing"):
        with pytest.raises(RunNotFound):
            find_run(store, gone)


def test_last_is_the_newest_and_counts_back(store: Path) -> None:
    keep(store, "zzzzzzzzzz", 10)
    keep(store, "0000000000", 30)
    keep(store, "5555555555", 20)
    for sign in ("@", ""):
        assert find_run(store, f"{sign}last").id == "0000000000"
        assert find_run(store, f"{sign}last-0").id == "0000000000"
        assert find_run(store, f"{sign}last-1").id == "5555555555"
        assert find_run(store, f"{sign}last-2").id == "zzzzzzzzzz"
        with pytest.raises(RunNotFound, match="begun 3 runs"):
            find_run(store, f"{sign}last-3")


def test_replays_trials_and_other_peoples_runs_are_not_last(store: Path) -> None:
    mine = keep(store, "0000000000", 10)
    keep(store, "1111111111", 20, kind="replay", of=mine.id)
    keep(store, "2222222222", 30, kind="trial")
    theirs = keep(store, "3333333333", 40, user="somebody else")
    assert find_run(store, "@last") == mine
    with pytest.raises(RunNotFound):
        find_run(store, "@last-1")
    assert find_run(store, "3") == theirs  # by its id it is found all the same


def test_a_half_begun_run_is_in_nobodys_way(store: Path) -> None:
    run = keep(store, "0000000000", 10, name="named")
    (store / "runs" / "1111111111").mkdir()  # killed before run.json was there
    keep(store, "2222222222", 20).path.joinpath("run.json").write_bytes(b"{")
    assert find_run(store, "@last") == run
    assert find_run(store, "named") == run
    assert find_run(store, "1").id == "1111111111"


@pytest.mark.parametrize(
    "reference", ["", "nothing", "9", "@last-", "last-x", "@first", "../../etc", "0000000000/", "."]
)
def test_what_is_not_there_is_not_found(store: Path, reference: str) -> None:
    keep(store, "0000000000")
    with pytest.raises(RunNotFound) as error:
        find_run(store, reference)
    assert repr(reference) in str(error.value)
    assert "samebit ls" in str(error.value)


def test_only_folders_named_by_an_id_are_listed(store: Path) -> None:
    keep(store, "0000000000")
    keep(store, "1111111111")
    for stray in ("tmp", "not-a-run!", "0123456789ab"):
        (store / "runs" / stray).mkdir()
    assert {run.id for run in list_runs(store)} == {"0000000000", "1111111111"}


def test_a_store_without_runs_has_none(store: Path) -> None:
    (store / "runs").rmdir()
    assert list(list_runs(store)) == []
    with pytest.raises(RunNotFound, match="begun 0 runs"):
        find_run(store, "@last")
