"""Each aspect of a record is there, missing with what to do, or was nothing to have."""

from pathlib import Path

import pytest

from samebit import places
from samebit.folders.ending import GONE
from samebit.folders.read import read_run
from samebit.query.aspects import find_aspects
from samebit.query.lacks import find_lacks
from tests.query.test_lacks import LOCKED, PACKAGES
from tests.replay.conftest import Recorder, file_fact


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    (tmp_path / "p").mkdir()
    (tmp_path / "data.bin").write_bytes(b"x")
    return Recorder(places.make_store(tmp_path / "p" / ".samebit"))


def test_what_is_there_is_told_beside_what_is_missing(recorder: Recorder, tmp_path: Path) -> None:
    code = recorder.code(recorder.store.parent, train="")
    plain = file_fact(tmp_path / "data.bin")
    facts = [code, PACKAGES, (plain[0], {**plain[1], "digest": None}), ("config", {"lr": 0.1})]
    view = recorder.run([*facts, ("settings", {"torch.deterministic_algorithms": True})])
    found = {one.name: one for one in find_aspects(view)}
    assert {name: one.state for name, one in found.items()} == {
        "code": "ok",
        "configuration": "ok",
        "data": "missing",
        "splits": "none",
        "seeds": "ok",
        "determinism": "ok",
        "environment": "ok",
        "lock": "missing",
        "machine": "none",
        "states": "none",
        "trace": "none",
        "schedule": "none",
        "metrics": "none",
        "media": "none",
        "end": "ok",
        "record": "ok",
    }
    assert (found["configuration"].what, found["data"].what) == ("1 setting", "1 file read")
    assert found["determinism"].what == "deterministic algorithms are on"
    assert all(one.lacks and one.lacks[0].fix for one in (found["data"], found["lock"]))


def test_every_lack_is_in_exactly_one_aspect(recorder: Recorder, tmp_path: Path) -> None:
    troubles = [
        ("problem", {"what": "log", "detail": "refused"}),
        ("problem", {"what": "parameters not traced", "detail": "too large"}),
        ("state", {"name": "final", "manifest": "blake3:00", "kept": False}),
        ("installed", {"checked": 3, "edited": {"numpy/core.py": None}}),
    ]
    view = recorder.run([recorder.code(recorder.store.parent, train=""), PACKAGES, *troubles])
    within = [lack for one in find_aspects(view) for lack in one.lacks]
    assert sorted(map(str, within)) == sorted(map(str, find_lacks(view)))
    assert find_aspects(view)[-1].state == "missing"  # the record itself: its journal says `log`


def test_without_code_it_is_missing_though_nothing_says_how_to_get_it(recorder: Recorder) -> None:
    view = recorder.run([LOCKED, PACKAGES])
    code = find_aspects(view)[0]
    assert (code.name, code.state, code.what) == ("code", "missing", "it was not recorded")


def test_how_a_run_ended_that_was_broken_off_is_missing(recorder: Recorder) -> None:
    folder = recorder.run().folder
    (folder.path / "executions" / "1" / "end.json").unlink()
    folder.add_note(GONE, {"execution": 1})
    (end,) = (one for one in find_aspects(read_run(folder)) if one.name == "end")
    assert (end.state, end.what) == ("missing", "broken off: nothing came that says how")
