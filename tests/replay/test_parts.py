"""Which executions of a resumed run are run again, and how far; from what was recorded alone."""

import time
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart, TreeRecord, Verdict
from samebit.replay.executions import Found, parts_of
from samebit.replay.inputs import made_before
from samebit.report.anonymous import OPEN
from samebit.report.certificate import make_statement

OWN = ("file", {"path": "/p/ckpt.pt", "how": "write", "given": "relative"})
READ_OWN = ("file", {"path": "/p/ckpt.pt", "how": "read", "size_bytes": 1, "mtime_ns": 1})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return runs.begin(places.make_store(tmp_path / ".samebit"))


def execution(
    folder: RunFolder,
    steps: range = range(0),
    *,
    base: int | None = None,
    status: str = "killed",
    facts: tuple[tuple[str, Any], ...] = (),
    metrics: int = 0,
) -> None:
    """Record one more execution of a run."""
    asked = ExecutionStart(0, time.time_ns(), "script", ("train.py",), "/p")
    number = folder.begin_execution(asked).number
    writer = Writer(folder.journal, folder.id, "0")
    writer.fact("joined", {"rank": "0", "execution": number, "process": f"train.py {number}"})
    if base is not None:
        said = {"execution": number, "optimizer": 0, "count": base, "by": "optimizer"}
        writer.fact("continued", said)
    for name, value in facts:
        writer.fact(name, value)
    if steps:
        writer.fact("trace", {"algorithm": "xxh3", "groups": ["loss"]})
    for step in steps:
        writer.trace(0, step, 1, b"l" * 8)
    for step in range(metrics):
        writer.row({"acc": 1.0}, step)
    writer.close()
    folder.end_execution(number, ExecutionEnd(time.time_ns(), status, 0))


def found(folder: RunFolder) -> Found:
    return parts_of(read_run(folder))


def told(found: Found) -> list[tuple[int, int | None]]:
    return [(part.number, part.until) for part in found.parts]


def test_an_execution_is_run_one_step_beyond_the_one_that_was_gone_on_from(
    folder: RunFolder,
) -> None:
    execution(folder, range(1, 45))
    execution(folder, range(41, 61), base=40, status="finished")
    first, second = found(folder).parts
    assert (first.until, dict(first.limits), dict(first.bases)) == (41, {0: 40}, {})
    assert (second.until, dict(second.bases), second.is_last) == (None, {0: 40}, True)
    # What it had when it began: an optimizer that keeps no count is counted on from there.
    assert second.counts == {"0": {0: 44}}


def test_one_that_goes_back_behind_another_replaces_it(folder: RunFolder) -> None:
    execution(folder, range(1, 45))
    execution(folder, range(41, 50), base=40)
    execution(folder, range(31, 61), base=30, status="finished")
    all_of_it = found(folder)
    assert told(all_of_it) == [(1, 31), (3, None)]
    assert all_of_it.left_out == (
        "execution 2 not run again: a later one made all of its steps again",
    )
    assert all_of_it.parts[-1].counts == {"0": {0: 49}}


def test_what_a_later_one_read_is_written_again_whatever_became_of_its_steps(
    folder: RunFolder,
) -> None:
    execution(folder, range(1, 45), facts=(OWN,))
    execution(folder, range(1, 61), base=0, status="finished", facts=(READ_OWN,))
    assert told(found(folder)) == [(1, 45), (2, None)]


def test_what_recorded_nothing_is_left_out_at_the_end_too(folder: RunFolder) -> None:
    execution(folder, status="failed")
    execution(folder, range(1, 21), status="finished")
    execution(folder, status="failed")
    assert told(found(folder)) == [(2, None)]


def test_where_nothing_was_recorded_at_all_the_last_is_run(folder: RunFolder) -> None:
    execution(folder, status="failed")
    execution(folder, status="failed")
    assert told(found(folder)) == [(2, None)]


@pytest.mark.parametrize("status", ["killed", "failed"])
def test_what_was_killed_and_has_no_steps_cannot_be_ended_there(
    folder: RunFolder, status: str
) -> None:
    execution(folder, metrics=5, status=status)
    execution(folder, range(1, 21), base=0, status="finished")
    assert any("has no steps" in line for line in found(folder).blockers) is (status == "killed")


def test_a_checkpoint_that_was_gone_on_from_is_known_by_its_name(folder: RunFolder) -> None:
    state = {"name": "checkpoint epoch", "manifest": "blake3:1", "count": 40}
    older = {"name": "checkpoint 39", "manifest": "blake3:0", "count": 39}
    execution(folder, range(1, 45), facts=(("state", older), ("state", state)))
    resumed = {"execution": 2, "name": "checkpoint epoch", "manifest": "blake3:1", "count": 40}
    execution(folder, range(41, 61), base=40, facts=(("resumed", resumed),))
    first, second = found(folder).parts
    assert first.keep == ("checkpoint epoch",)
    assert second.resumed["0"].name == "checkpoint epoch"


def test_in_an_older_record_it_is_the_newest_of_that_step(folder: RunFolder) -> None:
    states = [
        ("state", {"name": f"checkpoint {name}", "manifest": f"blake3:{at}", "count": count})
        for at, (name, count) in enumerate([("a", 40), ("b", 40), ("c", 41)])
    ]
    execution(folder, range(1, 45), facts=tuple(states))
    said = {"execution": 2, "optimizer": 0, "count": 40, "by": "checkpoint"}
    execution(folder, range(41, 61), facts=(("continued", said),))
    assert found(folder).parts[-1].resumed["0"].name == "checkpoint b"


@pytest.mark.parametrize(
    ("left", "read", "is_its_own"),
    [("blake3:1", "blake3:1", True), ("blake3:1", "blake3:2", False), (None, "blake3:2", True)],
)
def test_a_file_is_an_execution_s_own_unless_somebody_changed_it(
    folder: RunFolder, left: str | None, read: str, is_its_own: bool
) -> None:
    execution(folder, range(1, 9), facts=(("file", {**OWN[1], "digest": left}),))
    execution(folder, range(9, 20), base=8, facts=(("file", {**READ_OWN[1], "digest": read}),))
    first, second = found(folder).parts
    path = Path("/p/ckpt.pt")
    made = made_before(second.view, Path("/p"), TreeRecord(()), [(first.view, [path])])
    assert (path in made) is is_its_own


def test_a_certificate_states_the_command_of_each(folder: RunFolder) -> None:
    execution(folder, range(1, 9))
    execution(folder, range(5, 20), base=4, status="finished")
    verdict = Verdict("identical", folder.id)
    stated = make_statement(read_run(folder), None, verdict, (), wording=OPEN)
    command = stated["predicate"]["command"]
    assert command["argv"] == ["train.py"]
    assert command["executions"] == [{"how": "script", "argv": ["train.py"], "tree": None}] * 2
