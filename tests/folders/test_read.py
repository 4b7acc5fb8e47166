import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samebit import places, records
from samebit.errors import Damaged, NotFound, RunNotFound, StoreTooNew
from samebit.folders import folder as runs
from samebit.folders.ending import GONE
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.journal import frame
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart, Verdict

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


def begin(run: RunFolder, pid: int | None = None, **changed: Any) -> ExecutionStart:
    """An execution of a process of this machine."""
    pid = os.getpid() if pid is None else pid
    known = {
        "host": socket.gethostname(),
        "boot": alive.boot_id(),
        "pid": pid,
        "pid_started": alive.process_started(pid) or 0,
    }
    argv = changed.pop("argv", ("train.py",))
    return run.begin_execution(
        ExecutionStart(0, time.time_ns(), "script", argv, "here", **{**known, **changed})
    )


def write(run: RunFolder, *, letters: str | None = None, rank: str = "0") -> Writer:
    writer = Writer(run.journal, run.id, rank)
    if letters is not None:
        writer._writer = letters * 12
    return writer


CODE = {"root": "/project", "tree": "blake3:0", "files": 0, "size_bytes": 0}

# Facts and states.


def test_of_a_fact_the_last_counts_and_of_many_every_one(run: RunFolder) -> None:
    writer = write(run)
    for at in range(3):
        writer.fact("config", {"lr": at, "$seed": 2**70})
        writer.fact("problem", {"what": f"w{at}", "detail": "d"})
    writer.close()
    view = read_run(run)
    assert view.facts == {"config": {"lr": 2, "$seed": 2**70}}
    assert [p["what"] for p in view.all_facts("problem")] == ["w0", "w1", "w2"]
    assert view.all_facts("nothing") == []
    assert view.missing[:3] == ["w0: d", "w1: d", "w2: d"]


def test_a_state_that_there_is_not_is_told_with_those_there_are(run: RunFolder) -> None:
    writer = write(run)
    with pytest.raises(NotFound, match="none were recorded"):
        read_run(run).manifest("final")
    writer.fact("state", {"name": "step 0", "manifest": "blake3:0"})
    writer.close()
    assert read_run(run).manifest("step 0") == "blake3:0"
    with pytest.raises(NotFound, match=r"no state 'final'(.|\n)*'step 0'"):
        read_run(run).manifest("final")


def test_the_name_given_last_is_the_name(store: Path) -> None:
    run = runs.begin(store, name="first")
    assert read_run(run).name == "first"
    run.add_note("name", "second")
    assert read_run(run).name == "second"
    assert read_run(runs.begin(store)).name is None


def test_verdicts_come_back_oldest_first(run: RunFolder) -> None:
    verdicts = [
        Verdict("identical", run.id, replay="0123456789", scope=("trace",), at_ns=1),
        Verdict(
            "different", run.id, step=3, cause="loss", evidence={"loss": [math.inf, 2**70]}, at_ns=2
        ),
    ]
    for verdict in verdicts:
        run.add_note("tag", "between")
        run.add_note("verdict", verdict)
    assert read_run(run).verdicts == verdicts


def test_a_verdict_that_has_no_time_was_found_when_its_note_was_written(run: RunFolder) -> None:
    note = run.add_note("verdict", Verdict("unknown", run.id, cause="data is gone"))
    (verdict,) = read_run(run).verdicts
    assert verdict.at_ns == note.at_ns


@pytest.mark.parametrize("value", [None, "identical", {"run": "x"}, {"grade": 1, "run": "x"}])
def test_a_strangers_verdict_that_is_none_is_damaged(run: RunFolder, value: Any) -> None:
    run.add_note("verdict", value)
    with pytest.raises(Damaged, match="Verdict"):
        _ = read_run(run).verdicts


def test_a_damaged_note_is_said_with_its_path(run: RunFolder) -> None:
    run.add_note("tag", "sound")
    hurt = run.path / "notes" / "1-00000000.json"
    hurt.write_bytes(b"{")
    with pytest.raises(Damaged) as error:
        read_run(run)
    assert str(hurt) in str(error.value)


def test_a_view_stays_what_it_was(run: RunFolder) -> None:
    writer = write(run)
    writer.row({"loss": 1}, 1)
    view = read_run(run)
    writer.row({"loss": 2}, 2)
    writer.close()
    run.add_note("name", "later")
    assert view.metrics["loss"].steps == [1]
    assert view.name is None


# What became of it.

TRAINING = """
import os, socket, sys, time
from pathlib import Path
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.folders.folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
start = run.begin_execution(ExecutionStart(
    0, time.time_ns(), "script", ("train.py",), "here", host=socket.gethostname(),
    boot=alive.boot_id(), pid=os.getpid(), pid_started=alive.process_started(os.getpid()),
))
writer = Writer(run.journal, run.id)
writer.row({"loss": 0.5}, 1)
print("training", flush=True)
sys.stdin.readline()
writer.close()
run.end_execution(start.number, ExecutionEnd(time.time_ns(), "finished", 0))
"""


@pytest.fixture
def training(run: RunFolder) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "training\n"
        yield process
        process.kill()


@on_linux
def test_a_run_is_running_until_it_has_finished(
    run: RunFolder, training: subprocess.Popen[str]
) -> None:
    view = read_run(run)
    assert view.status == "running"
    assert view.end is None
    assert view.metrics["loss"].values == [0.5]
    training.communicate("finish\n")
    view = read_run(run)
    assert view.status == "finished"
    assert view.end is not None
    assert view.end.exit_code == 0


@on_linux
def test_a_run_that_was_killed_has_broken_off(
    run: RunFolder, training: subprocess.Popen[str]
) -> None:
    training.send_signal(signal.SIGKILL)
    training.wait()
    before = sorted(run.path.rglob("*"))
    view = read_run(run)
    assert view.status == "broken off"
    assert view.metrics["loss"].values == [0.5]
    assert view.gaps == []
    assert sorted(run.path.rglob("*")) == before  # concluded, never written


@on_linux
def test_training_that_outlives_its_supervisor_is_running(
    run: RunFolder, training: subprocess.Popen[str]
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as supervisor:
        start = begin(run, supervisor.pid)
    assert read_run(run).status == "broken off"
    writer = write(run)
    process = {"pid": training.pid, "pid_started": alive.process_started(training.pid)}
    about = {**process, "boot": alive.boot_id(), "execution": start.number}
    writer.fact("process", about)
    assert read_run(run).status == "running"
    training.kill()
    training.wait()
    assert read_run(run).status == "broken off"
    writer.close()


@pytest.mark.parametrize("status", ["finished", "failed", "killed"])
def test_an_end_says_how_it_went(run: RunFolder, status: str) -> None:
    start = begin(run)
    assert read_run(run).status == "running"
    run.end_execution(start.number, ExecutionEnd(1, status))
    assert read_run(run).status == status


@pytest.mark.parametrize("status", ["finished", "failed", "killed"])
def test_without_an_end_the_process_s_own_word_counts(run: RunFolder, status: str) -> None:
    start = begin(run)
    writer = write(run)
    writer.fact("end", {"execution": start.number, "status": status})
    assert read_run(run).status == status
    # A resume begins: what the execution before it said is no end of this one.
    begin(run)
    assert read_run(run).status == "running"
    writer.close()


def test_an_execution_that_was_only_claimed_changes_nothing(run: RunFolder) -> None:
    (run.path / "executions" / "1").mkdir()
    start = begin(run)
    assert start.number == 2
    writer = write(run)
    writer.fact("end", {"execution": 2, "status": "failed"})
    writer.close()
    (run.path / "executions" / "3").mkdir()
    assert read_run(run).status == "failed"


def test_a_resume_makes_it_running_again(run: RunFolder) -> None:
    first = begin(run)
    run.end_execution(first.number, ExecutionEnd(1, "failed", 1))
    assert read_run(run).status == "failed"
    begin(run)
    view = read_run(run)
    assert view.status == "running"
    assert view.start == view.starts[0]
    assert view.ends == [run.end(1), None]


def test_an_execution_speaks_of_itself_alone(run: RunFolder) -> None:
    for number, status in ((1, "killed"), (2, "finished")):
        begin(run, argv=("train.py", str(number)))
        writer = write(run)
        process = f"train.py {number}"
        writer.fact("joined", {"rank": "0", "execution": number, "process": process})
        writer.close()
        run.end_execution(number, ExecutionEnd(number, status, None))
    begin(run)
    view = read_run(run)
    assert view.status == "running"
    first, second, third = (view.at_execution(number) for number in (1, 2, 3))
    assert [one.status for one in (first, second, third)] == ["killed", "finished", "running"]
    assert (second.start, second.end) == (run.start(2), run.end(2))
    assert third.end is None
    # One after the other is another thing than a resume with other arguments.
    assert view.processes("0") == second.processes("0") == []


def test_elsewhere_a_journal_that_grew_lately_is_a_heartbeat(run: RunFolder) -> None:
    begin(run, host="another-machine")
    assert read_run(run).status == "running"
    writer = write(run)
    writer.row({"loss": 1}, 1)
    assert read_run(run).status == "running"
    writer.close()
    old = time.time() - 301
    for path in run.journal.iterdir():
        os.utime(path, (old, old))
    assert read_run(run).status == "broken off"


def test_elsewhere_it_is_gone_where_that_was_said_until_it_gives_a_sign_of_life_again(
    run: RunFolder,
) -> None:
    begin(run, host="another-machine")
    writer = write(run)
    writer.row({"loss": 1}, 1)
    writer.close()
    assert read_run(run).status == "running"
    run.add_note(GONE, {"execution": 2})
    assert read_run(run).status == "running"  # that was of another one
    run.add_note(GONE, {"execution": 1})
    assert read_run(run).status == "broken off"
    writer = write(run)
    writer.row({"loss": 1}, 2)
    writer.close()
    later = time.time() + 60
    for path in run.journal.iterdir():
        os.utime(path, (later, later))
    assert read_run(run).status == "running"


def test_on_this_machine_processes_tell_whatever_was_said(run: RunFolder) -> None:
    begin(run)
    run.add_note(GONE, {"execution": 1})
    assert read_run(run).status == "running"


def test_before_the_first_frame_elsewhere_the_start_counts(run: RunFolder) -> None:
    start = begin(run, host="another-machine")
    path = run.path / "executions" / "1" / "start.json"
    old = records.plain(start) | {"started_ns": start.started_ns - 301 * 10**9}
    path.write_bytes(records.encode(old))
    assert read_run(run).status == "broken off"


def test_a_run_that_never_started_has_broken_off(run: RunFolder) -> None:
    view = read_run(run)
    assert view.status == "broken off"
    assert (view.start, view.end) == (None, None)


# What is missing.


def finished(run: RunFolder) -> Path:
    """A run of three hundred rows in one segment, sealed; the segment."""
    start = begin(run)
    writer = write(run)
    writer.fact("code", CODE)
    for step in range(300):
        writer.row({"loss": step}, step)
    writer.close()
    run.end_execution(start.number, ExecutionEnd(1, "finished", 0))
    (segment,) = run.journal.iterdir()
    return segment


def test_a_sound_run_misses_nothing(run: RunFolder) -> None:
    finished(run)
    view = read_run(run)
    assert view.missing == []
    assert len(view.metrics["loss"].values) == 300


def test_a_problem_that_no_journal_took_is_missing_all_the_same(run: RunFolder) -> None:
    start = begin(run)
    problems = ({"what": "journal", "detail": "the disk is full"}, {"what": "odd"})
    run.end_execution(start.number, ExecutionEnd(1, "finished", 0, problems=problems))
    missing = read_run(run).missing
    assert missing[0] == "journal: the disk is full"
    assert missing[1].startswith("the fact 'problem' has a shape")


def test_code_that_was_not_recorded_is_missing(store: Path, run: RunFolder) -> None:
    assert read_run(run).missing == ["the code was not recorded"]
    assert read_run(runs.begin(store, kind="replay", of=run.id)).missing == []


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_whatever_is_hurt_in_a_sealed_segment_is_missing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = runs.begin(places.make_store(tmp_path_factory.mktemp("read") / ".samebit"))
    segment = finished(run)
    hurt = bytearray(segment.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del hurt[data.draw(st.integers(0, len(hurt) - 1)) :]
    else:
        hurt[data.draw(st.integers(0, len(hurt) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    segment.write_bytes(hurt)
    view = read_run(run)
    assert any("journal: " in line and segment.name in line for line in view.missing)
    values = view.metrics["loss"].values if "loss" in view.metrics else []
    assert values == list(range(len(values)))


def test_a_segment_that_is_gone_is_missing(run: RunFolder) -> None:
    segment = finished(run)
    segment.unlink()
    assert f"journal: the segment is gone ({segment.name})" in read_run(run).missing


def test_a_trace_that_broke_off_lacks_the_final_state(run: RunFolder) -> None:
    start = begin(run, pid=2**22 + 1)
    writer = write(run)
    writer.fact("code", CODE)
    writer.fact("trace", {"groups": ["loss"]})
    (line,) = read_run(run).missing
    assert "no final state" in line
    # Where the process came to its own end, it has said what kept it from having one.
    writer.fact("end", {"execution": start.number, "status": "finished"})
    writer.close()
    assert read_run(run).missing == []


strange = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**63 - 1) | st.text(max_size=3) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.just("$int"), inner, max_size=2)
    ),
    max_leaves=6,
)
close = st.sampled_from([0, 1, 1, {"$int": "5"}, {"$int": None}, [], ["a"], ["a", "b"], "x", b"12"])
strange_frames = st.builds(
    lambda kind, items: [kind, *items],
    st.integers(-1, 6) | strange,
    st.lists(close | strange, max_size=6),
)


@given(st.lists(strange_frames | strange, max_size=8))
@settings(deadline=None, max_examples=100)
@example([[1, 0, [[]]], [2, 0, 0, 0, 1]])
@example([[3, 0, "config", {"$int": "x"}], [2, 0, {"$int": "9" * 5000}, 1]])
def test_a_strangers_journal_is_read_or_passed_over(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[Any]
) -> None:
    """Whatever stands in frames whose checksums fit, reading them fails at nothing."""
    run = runs.begin(places.make_store(tmp_path_factory.mktemp("read") / ".samebit"))
    data = frame.pack_header(frame.Header(run.id, "a" * 12, 0))
    for sequence, payload in enumerate(payloads):
        data += frame.pack(sequence, msgspec.msgpack.encode(payload))
    (run.journal / f"0-{'a' * 12}-0.sbj").write_bytes(data)
    view = read_run(run)
    assert view.journal.unknown_frames + len(view.journal.frames) <= len(payloads)
    look_at_everything(view)


def look_at_everything(view: View) -> None:
    assert view.status
    assert view.facts is not None
    assert view.metrics is not None
    assert view.trace is not None
    assert view.schedule is not None
    assert view.missing is not None


# Copies.


def copy(run: RunFolder, store: Path) -> RunFolder:
    subprocess.run(["cp", "-r", str(run.path), str(store / "runs")], check=True)
    return RunFolder(store / "runs" / run.id)


@pytest.mark.skipif(shutil.which("cp") is None, reason="copies as people do")
def test_a_copied_run_is_a_run_there_and_two_copies_merge(store: Path, tmp_path: Path) -> None:
    run = runs.begin(store, name="first")
    finished(run)
    there = copy(run, places.make_store(tmp_path / "there" / ".samebit"))
    assert read_run(there).metrics == read_run(run).metrics
    assert read_run(there).missing == []

    run.add_note("verdict", Verdict("identical", run.id))
    there.add_note("name", "second")
    begin(there)
    writer = write(there)
    writer.row({"loss": -1}, 299)
    writer.close()
    there.end_execution(2, ExecutionEnd(2, "failed", 1))

    for one, other in ((run, there), (there, run)):
        subprocess.run(["cp", "-rn", f"{one.path}/.", str(other.path)], capture_output=True)
    for merged in (run, there):
        view = read_run(merged)
        assert view.name == "second"
        assert view.status == "failed"
        assert len(view.verdicts) == 1
        assert view.metrics["loss"].values == [*range(299), -1]
        assert view.missing == []


# Several ranks.


def test_rank_0_is_the_face_of_a_run(run: RunFolder) -> None:
    begin(run)
    for rank in ("1", "0", "10"):  # of all of them rank 10 writes last
        writer = write(run, rank=rank)
        writer.fact("config", {"rank": rank})
        writer.fact("trace", {"groups": ["loss"], "algorithm": "a"})
        writer.fact("rate", {"optimizer": 0, "count": 1, "k": int(rank)})
        writer.fact("state", {"name": "final", "manifest": f"of rank {rank}"})
        writer.fact("problem", {"what": "the same", "detail": "everywhere"})
        writer.row({"loss": int(rank), f"of {rank}": 1}, 1)
        writer.trace(0, 1, 1, rank.encode() * 8)
        writer.hyper(0, 1, 0, {"lr": int(rank)})
        writer.close()
        time.sleep(0.001)
    view = read_run(run)
    assert view.facts["config"] == {"rank": "0"}
    assert view.manifest("final") == "of rank 0"
    assert view.rates["0"] == [(0, 1, 0, 0)]
    assert view.missing.count("the same: everywhere") == 1
    assert view.metrics["loss"].values == [0]
    assert view.metrics.keys() == {"loss", "of 0", "of 1", "of 10"}
    assert [row.groups["loss"] for row in view.trace] == [b"0" * 8]
    assert list(view.traces) == ["0", "1", "10"]
    assert [row.groups["loss"] for row in view.traces["10"]] == [b"1010101010101010"[:8]]
    assert view.schedule == [(0, 1, 0, {"lr": 0})]
    assert [s.rank for s in view.schedules] == ["0", "1", "10"]
    assert view.schedules[1].rows() == [(0, 1, 0, {"lr": 1})]


def test_the_end_of_another_rank_is_not_the_end_of_the_run(run: RunFolder) -> None:
    start = begin(run)
    other, first = write(run, rank="1"), write(run)
    other.fact("end", {"execution": start.number, "status": "finished"})
    assert read_run(run).status == "running"
    first.fact("end", {"execution": start.number, "status": "failed"})
    other.fact("end", {"execution": start.number, "status": "finished"})
    assert read_run(run).status == "failed"
    first.close()
    other.close()


# Written by others.


def test_an_odd_fact_is_left_out_and_said(run: RunFolder) -> None:
    begin(run)
    writer = write(run)
    writer.fact("code", {**CODE, "of a newer version": [1]})
    writer.fact("state", {"name": "final"})
    writer.fact("file", {"path": "/x", "how": "dreamt"})
    writer.fact("something new", {"any": ["shape"]})
    writer.close()
    view = read_run(run)
    assert view.facts["code"]["of a newer version"] == [1]
    assert view.code is not None
    assert view.code.root == "/project"
    assert view.facts["something new"] == {"any": ["shape"]}
    assert (view.states, view.files) == ({}, [])
    assert [line.partition(" has a shape that this version does not know")[0] for line in view.odd]
    assert {line.split("'")[1] for line in view.odd} == {"state", "file"}
    assert set(view.odd) <= set(view.missing)


@pytest.mark.parametrize("name", ["run.json", "executions/1/start.json", "executions/1/end.json"])
def test_a_record_of_a_newer_major_version_is_refused_and_said(run: RunFolder, name: str) -> None:
    finished(run)
    path = run.path / name
    path.write_bytes(b'{"format":"samebit-run 2","all":"is new"}')
    with pytest.raises(StoreTooNew, match="format samebit-run 2, and this version") as e:
        read_run(run)
    assert str(path) in str(e.value)


def test_a_note_of_a_newer_version_is_named_and_the_run_is_read(run: RunFolder) -> None:
    finished(run)
    run.add_note("name", "given")
    (run.path / "notes" / "9-00000000.json").write_bytes(b'{"format":"samebit-run 2"}')
    view = read_run(run)
    assert view.name == "given"
    (line,) = view.missing
    assert line.startswith("notes/9-00000000.json: a record has format samebit-run 2")


def test_a_folder_that_a_process_died_in_is_no_damage(store: Path) -> None:
    run = RunFolder(store / "runs" / "0123456789")
    run.path.mkdir()
    for part in ("executions", "journal", "notes"):
        (run.path / part).mkdir()
        with pytest.raises(RunNotFound, match="never began") as error:
            read_run(run)
        assert not isinstance(error.value, Damaged)
    (run.path / "executions" / "1").mkdir()
    with pytest.raises(Damaged, match=r"cannot read run\.json"):
        read_run(run)


def test_a_copy_of_a_run_that_broke_off_elsewhere_is_not_running(run: RunFolder) -> None:
    begin(run, host="another-machine")
    writer = write(run)
    writer.row({"loss": 1}, 1)
    writer.close()
    assert read_run(run).status == "running"
    (segment,) = run.journal.iterdir()
    # As if it had been written an hour ago, and copied just now: a fresh file of old frames.
    header, rest = segment.read_bytes()[: frame.HEADER_BYTES], segment.read_bytes()
    frames, _ = frame.read_frames(rest)
    for _, items in frames:
        if items[0] == frame.Kind.CLOCK:
            items[1] -= 3600 * 10**9
    out = b"".join(frame.pack(at, msgspec.msgpack.encode(items)) for at, items in frames)
    segment.write_bytes(header + out)
    assert read_run(run).status == "broken off"


def test_a_heartbeat_is_a_clock_frame(run: RunFolder) -> None:
    begin(run, host="another-machine")
    writer = write(run)
    writer.row({"loss": 1}, 1)
    (segment,) = run.journal.iterdir()
    frames, _ = frame.read_frames(segment.read_bytes())
    now = [int(frame.Kind.CLOCK), time.time_ns() + 10**15, time.monotonic_ns() + 10**15, 1, "0"]
    with open(segment, "ab") as stream:
        stream.write(frame.pack(len(frames), msgspec.msgpack.encode(now)))
    view = read_run(run)
    assert view.journal.clock_ns == now[1]
    assert view.metrics["loss"].values == [1]
    assert view.gaps == []
    writer.close()
