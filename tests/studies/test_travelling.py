"""Studies to a remote and back: what one begins, the other has; what disagrees is not moved."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import disk, places, records
from samebit.cli.checking import examine
from samebit.errors import Damaged
from samebit.objects.store import Store
from samebit.remotes import checking, studies
from samebit.remotes.folder import FolderPlace
from samebit.studies.declared import Design, Study, find_study, folder_of, join_or_declare, study_id
from samebit.studies.holding import Hold
from samebit.studies.travelling import pull_studies, push_studies, studies_here
from samebit.studies.trials import Trials, read_history


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "here" / ".samebit")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "there" / ".samebit")


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    (tmp_path / "remote").mkdir()
    place = FolderPlace(tmp_path / "remote")
    place.put("format", places.new_format().encode())
    return place


def declare(store: Path, name: str = "g", **more: Any) -> Study:
    study = Study(study_id(store, name), name, "script", ("t.py",), "a", ("all",), False, 1, **more)
    return join_or_declare(store, study)


def decide(store: Path, study: str, numbers: range) -> None:
    with Trials(folder_of(store, study), study) as log:
        for number in numbers:
            log.decide(Design({"all": number}))
            log.start(number)


def values(store: Path, study: str) -> list[int]:
    return [one.values["all"] for one in read_history(folder_of(store, study), study).trials]


def test_what_was_decided_here_is_known_there_and_grows(
    store: Path, other: Path, place: FolderPlace
) -> None:
    study = declare(store)
    decide(store, study.id, range(3))
    assert push_studies(store, place, [study.id]).studies == [study.id]
    assert push_studies(store, place, [study.id]).studies == []
    assert pull_studies(other, place, [study.id]).studies == [study.id]
    assert values(other, study.id) == [0, 1, 2]
    assert find_study(other, "g") == study
    assert join_or_declare(other, study) == study  # it is gone on with, and not declared anew
    assert studies_here(other) == [study.id]
    decide(store, study.id, range(3, 5))
    assert push_studies(store, place, [study.id]).studies == [study.id]
    assert len(list(place.list(f"studies/{study.id}"))) == 3  # what was there is as it was
    assert pull_studies(other, place, [study.id]).studies == [study.id]
    assert pull_studies(other, place, [study.id]).studies == []
    assert values(other, study.id) == [0, 1, 2, 3, 4]


def test_one_without_a_trial_and_one_that_is_not_there(
    store: Path, other: Path, place: FolderPlace
) -> None:
    study = declare(store)
    assert push_studies(store, place, [study.id]).studies == [study.id]
    done = pull_studies(other, place, [study.id, "0123456789"])
    assert (done.studies, done.failed) == ([study.id], {})
    assert find_study(other, "g") == study


def test_of_a_run_that_came_without_its_study_nothing_is_to_be_pushed(
    store: Path, place: FolderPlace
) -> None:
    done = push_studies(store, place, ["0123456789"])
    assert (done.studies, done.failed) == ([], {})


def test_what_went_on_in_two_stores_stays_as_it_is_in_both(
    store: Path, other: Path, place: FolderPlace
) -> None:
    study = declare(store)
    decide(store, study.id, range(2))
    push_studies(store, place, [study.id])
    pull_studies(other, place, [study.id])
    decide(store, study.id, range(2, 4))
    with Trials(folder_of(other, study.id), study.id) as log:
        log.decide(Design({"all": 77}))
    push_studies(store, place, [study.id])
    pulled = pull_studies(other, place, [study.id])
    pushed = push_studies(other, place, [study.id])
    for done in (pulled, pushed):
        assert done.studies == []
        assert "not those of one study" in done.failed[f"study {study.id}"]
    assert values(other, study.id) == [0, 1, 77]
    assert values(store, study.id) == [0, 1, 2, 3]


def test_a_study_that_a_process_here_controls_is_left_to_it(
    store: Path, other: Path, place: FolderPlace
) -> None:
    study = declare(store)
    decide(store, study.id, range(1))
    push_studies(store, place, [study.id])
    pull_studies(other, place, [study.id])
    decide(store, study.id, range(1, 2))
    push_studies(store, place, [study.id])
    with Hold(folder_of(other, study.id)):
        assert pull_studies(other, place, [study.id]).failed == {}
        assert values(other, study.id) == [0]
    pull_studies(other, place, [study.id])
    assert values(other, study.id) == [0, 1]


def test_a_line_that_is_being_written_does_not_travel(
    store: Path, other: Path, place: FolderPlace
) -> None:
    study = declare(store)
    decide(store, study.id, range(1))
    with open(folder_of(store, study.id) / "trials.jsonl", "ab") as stream:
        stream.write(b'{"kind":"tri')
    push_studies(store, place, [study.id])
    pull_studies(other, place, [study.id])
    decide(store, study.id, range(1, 2))
    push_studies(store, place, [study.id])
    assert pull_studies(other, place, [study.id]).failed == {}
    assert values(other, study.id) == [0, 1]


def test_a_damaged_part_is_found_named_and_sent_again(
    store: Path, other: Path, place: FolderPlace, tmp_path: Path
) -> None:
    study = declare(store)
    decide(store, study.id, range(2))
    push_studies(store, place, [study.id])
    (lines,) = (tmp_path / "remote" / "studies" / study.id).glob("0*")
    lines.write_bytes(lines.read_bytes()[:-1] + b"\xff")
    assert (
        f"studies/{study.id}/" in pull_studies(other, place, [study.id]).failed[f"study {study.id}"]
    )
    assert studies_here(other) == []
    identity = "r"
    found = checking.check(place, Store(store), identity, full=False)
    path = f"studies/{study.id}/{lines.name}"
    assert list(found.damaged) == [path]
    assert checking.repair(place, Store(store), identity, found.damaged) == ([path], [])
    push_studies(store, place, [study.id])
    assert checking.check(place, Store(store), identity, full=False).damaged == {}
    pull_studies(other, place, [study.id])
    assert values(other, study.id) == [0, 1]


def test_without_its_declaration_it_is_said_to_be_hurt(store: Path, place: FolderPlace) -> None:
    study = declare(store)
    decide(store, study.id, range(2))
    push_studies(store, place, [study.id])
    for found in list(place.list(f"studies/{study.id}")):
        if "/study-" in found.path:
            place.remove(found.path)
    assert f"study {study.id}" in checking.check(place, Store(store), "r", full=False).hurt


@pytest.mark.parametrize(
    "declared",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        records.encode(Study("0000000000", "g", "script", (), "a", (), False, 1)),
    ],
)
def test_what_a_stranger_says_is_read_before_it_is_believed(
    other: Path, place: FolderPlace, declared: bytes
) -> None:
    studies.send(place, "0123456789", declared)
    done = pull_studies(other, place, ["0123456789"])
    assert list(done.failed) == ["study 0123456789"]
    assert studies_here(other) == []


def test_lines_that_make_no_sense_and_names_that_are_none(
    store: Path, other: Path, place: FolderPlace
) -> None:
    study = declare(store)
    studies.send(place, study.id, (folder_of(store, study.id) / "study.json").read_bytes())
    studies.send(place, study.id, b'{"kind":"trial"}\n', 0)
    place.put(f"studies/{study.id}/trials.jsonl", b"x")
    assert pull_studies(other, place, [study.id]).failed == {}  # a line without a checksum is none
    assert values(other, study.id) == []
    files = sorted(path.name for path in folder_of(other, study.id).iterdir())
    assert files == ["study.json", "trials.jsonl"]


@pytest.mark.slow
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_of_any_parts_in_any_state_here_all_lines_come(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], data: st.DataObject
) -> None:
    top = tmp_path_factory.mktemp("s")
    store, other = (places.make_store(top / name / ".samebit") for name in ("a", "b"))
    (top / "remote").mkdir()
    place = FolderPlace(top / "remote")
    study = declare(store)
    known = 0
    for many in steps:
        decide(store, study.id, range(known, known + many))
        known += many
        if data.draw(st.booleans()):
            push_studies(store, place, [study.id])
        if data.draw(st.booleans()):
            pull_studies(other, place, [study.id])
    push_studies(store, place, [study.id])
    assert pull_studies(other, place, [study.id]).failed == {}
    both = [folder_of(one, study.id) / "trials.jsonl" for one in (store, other)]
    assert both[0].read_bytes() == both[1].read_bytes()


@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename"])
def test_a_pull_that_ends_in_between_leaves_the_lines_that_there_were(
    store: Path, other: Path, place: FolderPlace, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = declare(store)
    decide(store, study.id, range(1))
    push_studies(store, place, [study.id])
    pull_studies(other, place, [study.id])
    decide(store, study.id, range(1, 2))
    push_studies(store, place, [study.id])

    def stop(at: str) -> None:
        if at == point:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(disk, "fault", stop)
        with pytest.raises(KeyboardInterrupt):
            pull_studies(other, place, [study.id])
    assert values(other, study.id) == [0]
    pull_studies(other, place, [study.id])
    assert values(other, study.id) == [0, 1]


def test_a_name_that_no_part_has_is_refused(place: FolderPlace) -> None:
    place.put("studies/0123456789/what", b"x")
    (found,) = place.list("studies/0123456789")
    with pytest.raises(Damaged, match=re.escape("not the name")):
        studies.of_path(found)


@pytest.mark.parametrize("file", ["study.json", "trials.jsonl"])
def test_a_check_of_the_store_names_a_damaged_study(store: Path, file: str) -> None:
    study = declare(store)
    decide(store, study.id, range(2))
    assert examine(Store(store)).damage == []
    path = folder_of(store, study.id) / file
    path.write_bytes(path.read_bytes().replace(b":", b";", 3))
    (said,) = examine(Store(store)).damage
    assert said.startswith(f"study {study.id}: ")
