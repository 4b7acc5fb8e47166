import itertools
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import digest, records
from samebit.errors import Damaged, SamebitError
from samebit.folders import folder as runs
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart, RunRecord

START = ExecutionStart(0, 17, "script", ("train.py", "--lr", "0.1"), "here", seed=42)
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@given(st.text(LETTERS, min_size=10, max_size=10))
def test_ten_letters_of_crockfords_alphabet_are_an_id(text: str) -> None:
    assert runs.is_run_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "012345678", "0123456789a", "012345678A", "012345678\n", "01234567é9", "012345678٣"],
)
def test_other_texts_are_no_id(text: str) -> None:
    assert not runs.is_run_id(text)


@pytest.mark.parametrize("letter", "ilou/.-_")
def test_letters_that_are_mistaken_or_mean_something_are_in_no_id(letter: str) -> None:
    assert not runs.is_run_id(letter + "012345678")
    assert not runs.is_run_id("012345678" + letter)


def test_a_run_says_who_it_is(store: Path) -> None:
    before = time.time_ns()
    run = runs.begin(store, kind="trial", of="0000000000", parent="1111111111", group="g", name="n")
    record = run.record()
    assert runs.is_run_id(run.id)
    assert record.id == run.id == run.path.name
    assert (record.kind, record.of, record.parent) == ("trial", "0000000000", "1111111111")
    assert (record.group, record.name) == ("g", "n")
    assert record.user == runs.user_name() != ""
    assert record.project == str(store.parent)
    assert before <= record.started_ns <= time.time_ns()
    assert run.store == store
    assert run.journal.is_dir()
    assert not os.listdir(store / "tmp")


def test_what_was_written_is_never_rewritten(store: Path) -> None:
    run = runs.begin(store)
    number = run.begin_execution(START).number
    run.add_note("tag", "one")
    assert run.end_execution(number, ExecutionEnd(1, "finished", 0))
    before = everything(run.path)
    run.add_note("tag", "two")
    run.begin_execution(START)
    assert not run.end_execution(number, ExecutionEnd(2, "failed", 1))
    after = everything(run.path)
    assert {name: after[name] for name in before} == before
    assert run.end(number) == ExecutionEnd(1, "finished", 0)


def test_executions_are_numbered_from_one(store: Path) -> None:
    run = runs.begin(store)
    assert run.executions() == []
    for number in range(1, 12):
        assert run.begin_execution(START).number == number
    assert run.executions() == list(range(1, 12))
    assert run.start(3) == records.decode(records.encode(run.start(3)), ExecutionStart)
    assert run.start(3).argv == START.argv
    assert run.start(3).number == 3
    assert run.end(3) is None
    assert run.console(3).is_dir()


def test_an_execution_that_was_claimed_and_not_begun_is_none(store: Path) -> None:
    run = runs.begin(store)
    (run.path / "executions" / "1").mkdir()  # killed before start.json was there
    assert run.executions() == []
    assert run.begin_execution(START).number == 2
    assert run.executions() == [2]


def test_a_start_that_is_lost_is_damage(store: Path) -> None:
    run = runs.begin(store)
    run.begin_execution(START)
    (run.path / "executions" / "1" / "start.json").unlink()
    assert run.executions() == [1]
    with pytest.raises(Damaged, match=r"start\.json"):
        run.start(1)


def test_an_end_knows_the_segments_as_they_were(store: Path) -> None:
    run = runs.begin(store)
    number = run.begin_execution(START).number
    for rank in ("0", "1"):
        writer = Writer(run.journal, run.id, rank)
        writer.row({"loss": 1.0}, 1)
        writer.close()
    assert run.end_execution(number, ExecutionEnd(1, "finished", 0))
    end = run.end(number)
    assert end is not None
    assert end.segments == {
        path.name: (path.stat().st_size, digest.of_bytes(path.read_bytes()))
        for path in run.journal.iterdir()
    }


def test_notes_come_back_oldest_first(store: Path) -> None:
    run = runs.begin(store)
    notes = [run.add_note("tag", {"at": [at, float("inf")]}) for at in range(30)]
    assert run.notes() == notes
    assert {note.by for note in notes} == {runs.user_name()}
    assert len(os.listdir(run.path / "notes")) == 30


def test_other_files_among_the_notes_are_passed_over(store: Path) -> None:
    run = runs.begin(store)
    note = run.add_note("name", "first")
    (run.path / "notes" / "README").write_text("not a note")
    (run.path / "executions" / "old").mkdir()
    (run.path / "executions" / "old" / "start.json").write_text("not an execution")
    assert run.notes() == [note]
    assert run.executions() == []


def test_fields_of_a_later_version_are_skipped(store: Path) -> None:
    run = runs.begin(store)
    fields = digest.from_json((run.path / "run.json").read_bytes())
    (run.path / "run.json").write_bytes(digest.canonical_json({**fields, "colour": {"a": [1]}}))
    assert run.record().id == run.id
    (run.path / "run.json").write_bytes(digest.canonical_json({"id": run.id, "started_ns": 5}))
    assert run.record() == RunRecord(run.id, 5)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"id":1}', b"\xff", b"\0" * 99])
@pytest.mark.parametrize("name", ["run.json", "executions/1/start.json", "executions/1/end.json"])
def test_a_damaged_record_is_said_with_its_path(store: Path, name: str, content: bytes) -> None:
    run = runs.begin(store)
    run.begin_execution(START)
    run.end_execution(1, ExecutionEnd(1, "finished", 0))
    (run.path / name).write_bytes(content)
    read = {
        "run.json": run.record,
        "executions/1/start.json": lambda: run.start(1),
        "executions/1/end.json": lambda: run.end(1),
    }[name]
    with pytest.raises(Damaged) as error:
        read()
    assert str(run.path / name) in str(error.value)


def test_a_record_that_is_gone_is_said_with_its_path(store: Path) -> None:
    run = RunFolder(store / "runs" / "0123456789")
    with pytest.raises(Damaged, match=r"run\.json of run 0123456789") as error:
        run.record()
    assert str(run.path / "run.json") in str(error.value)
    with pytest.raises(Damaged, match=r"start\.json"):
        run.start(1)


def test_where_no_run_can_be_begun_it_says_where(tmp_path: Path) -> None:
    with pytest.raises(SamebitError, match=r"cannot begin a run(.|\n)*SAMEBIT_DIR"):
        runs.begin(tmp_path / "nowhere")


BEGINNING = """
    import sys
    from pathlib import Path
    from samebit.records import ExecutionStart
    from samebit.folders import folder as runs
    from samebit.folders.folder import RunFolder
    store, shared = Path(sys.argv[1]), RunFolder(Path(sys.argv[2]))
    sys.stdin.readline()
    for at in range(25):
        start = ExecutionStart(0, at, "script", (sys.argv[3], str(at)), "here")
        print(runs.begin(store).id, shared.begin_execution(start).number, at)
"""


def test_processes_that_begin_at_once_never_share_a_run_or_a_number(store: Path) -> None:
    shared = runs.begin(store)
    code = textwrap.dedent(BEGINNING)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(store), str(shared.path), str(at)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for at in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("now\n")
        child.stdin.flush()
    told = [child.communicate()[0].splitlines() for child in children]
    begun = [line.split()[0] for line in itertools.chain(*told)]
    assert len(begun) == len(set(begun)) == 100
    assert {run.id for run in list_runs(store)} == {shared.id, *begun}
    assert {run.record().id for run in list_runs(store)} == {shared.id, *begun}
    assert shared.executions() == list(range(1, 101))
    for who, lines in enumerate(told):
        for line in lines:
            _, number, at = line.split()
            start = shared.start(int(number))
            assert (start.number, start.argv) == (int(number), (str(who), at))
