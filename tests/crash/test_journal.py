"""A row that was acknowledged is there: after a kill, on a bad disk, on a full one."""

import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import disk
from samebit.errors import SamebitError
from samebit.journal import frame, keeping, reader, writer
from samebit.journal.frame import Kind, read_frames
from samebit.journal.values import unwrap
from samebit.journal.writer import Writer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and descriptors of POSIX")

RUN = "0123456789"

# Says each step on its standard output once row() has returned.
LOGGING = """
import itertools, os, sys
from pathlib import Path
from samebit.journal import writer
writer.SEAL_BYTES = int(sys.argv[2])
w = writer.Writer(Path(sys.argv[1]), "0123456789")
names = [("loss", "acc"), ("val",), ("loss",)]
for step in range(int(sys.argv[3])) if len(sys.argv) > 3 else itertools.count():
    try:
        w.row({name: step / 7 for name in names[step // 10 % 3]}, step)
        os.write(1, b"%d\\n" % step)
        if step % 13 == 0:
            w.fact("at", step)
    except Exception as error:
        sys.stderr.write(f"{step} {type(error).__name__}: {error}\\n")
try:
    w.close()
except OSError as error:
    sys.stderr.write(f"close {error}\\n")
"""


def steps_in(folder: Path) -> list[int]:
    journal = reader.read_journal(folder, RUN, ended=False)
    found = [(step, values) for step, _, values in reader.rows(journal.logged)]
    for step, values in found:
        assert all(value == step / 7 for value in values.values())
        assert list(values) == [["loss", "acc"], ["val"], ["loss"]][step // 10 % 3]
    return [step for step, _ in found]


def only_torn_tails(folder: Path) -> bool:
    gaps = reader.read_journal(folder, RUN, ended=True).gaps
    return all("are no frames" in gap.what for gap in gaps)


@pytest.mark.parametrize("seed", range(8))
def test_a_kill_at_any_moment_loses_no_acknowledged_row(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    seal = chance.choice([300, 5_000, 4 << 20])
    command = [sys.executable, "-c", LOGGING, str(tmp_path), str(seal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        told = child.stdout.read(1)
        deadline = time.monotonic() + chance.uniform(0, 0.3)
        while time.monotonic() < deadline:
            told += child.stdout.read(4096)
        child.send_signal(signal.SIGKILL)
        while piece := child.stdout.read(1 << 16):
            told += piece
    acknowledged = [int(line) for line in told.splitlines()]
    found = steps_in(tmp_path)
    assert acknowledged == list(range(len(acknowledged)))
    assert found[: len(acknowledged)] == acknowledged
    assert found == list(range(len(found)))
    assert len(found) <= len(acknowledged) + 1
    assert reader.read_journal(tmp_path, RUN, ended=False).gaps == []
    assert only_torn_tails(tmp_path)


# Named fault points, in a real process.


def log_with(faults: str, folder: Path, rows: int = 60) -> tuple[list[int], str, int]:
    """Rows that were acknowledged, what was said on stderr, and the exit code."""
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, str(folder), "700", str(rows)],
        env={**os.environ, "SAMEBIT_FAULTS": faults},
        capture_output=True,
        text=True,
    )
    return [int(line) for line in done.stdout.split()], done.stderr, done.returncode


@pytest.mark.parametrize("action", ["short", "error", "full"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 17, 18, 40])
def test_one_failed_write_loses_nothing(tmp_path: Path, action: str, at: int) -> None:
    acknowledged, said, code = log_with(f"journal.write={action}@{at}", tmp_path)
    assert (acknowledged, code) == (list(range(60)), 0), said
    assert steps_in(tmp_path) == acknowledged
    assert reader.read_journal(tmp_path, RUN, ended=True).gaps == []


@pytest.mark.parametrize("at", [1, 2])
def test_a_segment_that_cannot_be_opened_is_followed_by_one_that_can(
    tmp_path: Path, at: int
) -> None:
    acknowledged, said, code = log_with(f"journal.open=full@{at}", tmp_path)
    assert code == 0
    assert len(acknowledged) >= 59, said
    assert steps_in(tmp_path) == acknowledged
    assert reader.read_journal(tmp_path, RUN, ended=True).gaps == []


@pytest.mark.parametrize("action", ["short", "error", "full", "raise"])
def test_a_disk_that_stays_bad_loses_only_what_was_refused(tmp_path: Path, action: str) -> None:
    acknowledged, said, code = log_with(f"journal.write={action}@30+", tmp_path)
    assert 0 < len(acknowledged) < 60
    assert code == 0, said
    assert steps_in(tmp_path) == acknowledged == list(range(len(acknowledged)))
    # Each refused row tries again, and leaves no file behind for it.
    assert len(reader.list_segments(tmp_path)) <= 8
    assert only_torn_tails(tmp_path)


@pytest.mark.parametrize("action", ["error", "full", "raise"])
def test_where_no_second_segment_can_be_opened_the_first_takes_every_row(
    tmp_path: Path, action: str
) -> None:
    acknowledged, said, code = log_with(f"journal.open={action}@2+", tmp_path)
    assert (code, len(acknowledged)) == (0, 60), said
    assert steps_in(tmp_path) == acknowledged
    assert len(reader.list_segments(tmp_path)) == 1
    assert reader.read_journal(tmp_path, RUN, ended=True).gaps == []


@pytest.mark.parametrize("point", ["journal.write", "journal.open", "journal.sync"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_kill_at_a_fault_point_loses_no_acknowledged_row(
    tmp_path: Path, point: str, at: int
) -> None:
    acknowledged, _, code = log_with(
        f"{point}=kill@{at + 20 * (point == 'journal.write')}", tmp_path
    )
    assert code == -signal.SIGKILL
    found = steps_in(tmp_path)
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
    assert only_torn_tails(tmp_path)


@pytest.mark.parametrize("action", ["error", "full", "raise"])
@pytest.mark.parametrize("when", ["@1", "@2", ""])
def test_a_failed_sync_loses_nothing_and_is_said_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, when: str
) -> None:
    monkeypatch.setattr(disk, "FAULTS", disk._Faults(f"journal.sync={action}{when}"))
    monkeypatch.setattr(writer, "SEAL_BYTES", 500)
    w = Writer(tmp_path, RUN)
    for step in range(200):
        w.row({"loss": step}, step)
    with pytest.raises((OSError, RuntimeError), match="injected fault"):
        w.close()
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert [step for step, _, _ in reader.rows(journal.logged)] == list(range(200))
    assert journal.gaps == []
    w.close()  # it is said once


def test_a_sync_that_fails_in_the_background_is_said_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SYNC_EVERY_S", 0.01)
    monkeypatch.setattr(disk, "FAULTS", disk._Faults("journal.sync=raise@1"))
    w = Writer(tmp_path, RUN)
    w.row({"loss": 1}, 1)
    deadline = time.monotonic() + 60
    while w._unsynced is None and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(RuntimeError, match="injected fault"):
        w.close()


# Any pattern of refusals, in this process.


class BadDisk:
    """Takes whole frames, parts of them, or none, as it is told; then everything."""

    def __init__(self, appends: list[int | None], truncates: list[bool]) -> None:
        self.appends = iter(appends)
        self.truncates = iter(truncates)
        self.refused = 0

    def append(self, fd: int, data: bytes) -> int:
        take = next(self.appends, None)
        if take is None:
            return os.write(fd, data)
        self.refused += 1
        if take < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.write(fd, data[: min(take, len(data) - 1)])

    def truncate(self, fd: int, size_bytes: int) -> None:
        if not next(self.truncates, True):
            self.refused += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.ftruncate(fd, size_bytes)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Instead of the real one."""
        real = writer._append, disk.truncate
        writer._append, disk.truncate = self.append, self.truncate
        try:
            yield
        finally:
            writer._append, disk.truncate = real


refusals = st.lists(st.none() | st.integers(-1, 60), max_size=25)
actions = st.lists(
    st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")]) | st.just("fact"), max_size=20
)


@given(refusals, st.lists(st.booleans(), max_size=6), actions, st.sampled_from([200, 4 << 20]))
@settings(deadline=None, max_examples=200)
def test_whatever_a_disk_refuses_what_was_taken_is_there_once(
    tmp_path_factory: pytest.TempPathFactory,
    refusals: list[int | None],
    truncates: list[bool],
    actions: list[Any],
    seal: int,
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    w = Writer(folder, RUN)
    rows: list[tuple[int, dict[str, int]]] = []
    facts: list[int] = []
    keep, writer.SEAL_BYTES = writer.SEAL_BYTES, seal
    try:
        with BadDisk(refusals, truncates).in_place():
            for at, action in enumerate(actions):
                try:
                    if action == "fact":
                        facts.append(at)  # even one that is refused: it is written later
                        w.fact("at", at)
                    else:
                        w.row({name: at for name in action}, at)
                        rows.append((at, dict.fromkeys(action, at)))
                except SamebitError:
                    pass
        w.row({"end": 1}, 99)  # a disk that is well again takes everything
        rows.append((99, {"end": 1}))
        w.close()
    finally:
        writer.SEAL_BYTES = keep
    journal = reader.read_journal(folder, RUN, ended=True)
    assert [(step, values) for step, _, values in reader.rows(journal.logged)] == rows
    said = [f for f in journal.frames if f.kind == Kind.FACT]
    said.sort(key=lambda f: f.time_ns)  # each has the time at which it was learnt
    assert [unwrap(f.items[3]) for f in said] == facts
    assert all("are no frames" in gap.what or "without a whole" in gap.what for gap in journal.gaps)


@given(refusals, st.lists(st.booleans(), max_size=6))
@settings(deadline=None)
def test_no_single_refusal_loses_a_row(
    tmp_path_factory: pytest.TempPathFactory, refusals: list[int | None], truncates: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    bad = BadDisk(refusals, truncates)
    w = Writer(folder, RUN)
    with bad.in_place():
        for step in range(30):
            before = bad.refused
            try:
                w.row({"loss": step}, step)
            except SamebitError:
                assert bad.refused >= before + 2
    w.close()


# What a script may do to us.


def test_a_script_that_closes_every_descriptor_loses_nothing(tmp_path: Path) -> None:
    w = Writer(tmp_path, RUN)
    for step in range(200):
        if step % 50 == 25:
            os.close(w._fd)
        w.row({"loss": step / 7, "acc": step / 7}, step)
    w.close()
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert [step for step, _, _ in reader.rows(journal.logged)] == list(range(200))
    assert journal.gaps == []


@pytest.mark.parametrize("end", [Writer.close, lambda w: w.row({"loss": 1.0}, 64)])
def test_a_file_of_the_script_s_under_our_number_is_not_closed(
    tmp_path: Path, end: Callable[[Writer], None]
) -> None:
    w = Writer(tmp_path, RUN)
    w.row({"loss": 1.0}, 1)
    (tmp_path / "theirs").write_text("theirs")
    theirs = os.open(tmp_path / "theirs", os.O_RDONLY)
    os.dup2(theirs, w._fd)
    number = w._fd
    end(w)
    assert os.pread(number, 6, 0) == b"theirs"
    os.close(number)
    os.close(theirs)
    w.close()


def test_a_step_may_be_any_number(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    w = Writer(tmp_path, RUN)
    given_steps = [numpy.int64(3), True, 0.5, numpy.float32(0.25), 2**70, -1]
    for step in given_steps:
        w.row({"loss": 1}, step)
    for step in ("3", None, [1], numpy.array([1, 2])):
        with pytest.raises(SamebitError, match="a step must be a number"):
            w.row({"loss": 1}, step)
    w.close()
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    found = [step for step, _, _ in reader.rows(journal.logged)]
    assert found == [3, 1, 0.5, 0.25, 2**70, -1]
    assert [type(step) for step in found] == [int, int, float, float, int, int]
    assert journal.unknown_frames == 0


# A full disk, a power cut.


def test_a_full_disk_loses_only_what_it_refused(tmp_path: Path) -> None:
    top = tmp_path / "disk"
    top.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(top)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        w = Writer(top, RUN)
        (top / "filling").write_bytes(bytes(100_000))
        taken: list[int] = []
        refused, said = 0, set()
        for step in range(20_000):
            if step == 15_000:
                (top / "filling").unlink()
            try:
                w.row({"loss": step / 7}, step)
                taken.append(step)
            except SamebitError as error:
                said.add(error.what.partition(": ")[2])
                refused += 1
        with contextlib.suppress(OSError):
            w.close()
        assert refused > 1_000
        assert said <= {"the disk is full", os.strerror(errno.ENOSPC)}
        assert any(step >= 15_000 for step in taken)
        journal = reader.read_journal(top, RUN, ended=True)
        assert [step for step, _, _ in reader.rows(journal.logged)] == taken
        assert len(reader.list_segments(top)) <= 4
        assert only_torn_tails(top)
    finally:
        subprocess.run(["umount", "-l", str(top)], check=True)


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segment")
    w = Writer(folder, RUN)
    for step in range(40):
        w.row({"loss": step / 7, "acc": step / 7}, step)
    w.close()
    return reader.list_segments(folder)[0].path


def ends_of(data: bytes) -> list[int]:
    """Where each frame of a segment ends."""
    ends, at = [], frame.HEADER_BYTES
    while at < len(data):
        at += frame.FRAME_BYTES + frame.FRAME.unpack_from(data, at)[0]
        ends.append(at)
    return ends


def test_a_cut_at_every_byte_loses_only_the_frames_after_it(segment: Path, tmp_path: Path) -> None:
    data = segment.read_bytes()
    ends = ends_of(data)
    hurt = tmp_path / segment.name
    for cut in [*range(ends[1] + 40), *range(ends[-4], len(data) + 1)]:
        hurt.write_bytes(data[:cut])
        journal = reader.read_journal(tmp_path, RUN, ended=True)
        whole = sum(end <= cut for end in ends)
        steps = [step for step, _, _ in reader.rows(journal.logged)]
        assert steps == list(range(max(0, whole - 2)))  # a clock and a schema come first
        # An empty file is one that was begun and not written: nothing was acknowledged in it.
        assert bool(journal.gaps) == (cut not in [0, frame.HEADER_BYTES, *ends])
        assert reader.read_journal(tmp_path, RUN, ended=False).gaps == []


@given(st.data())
@settings(deadline=None)
def test_a_tail_of_zeros_costs_only_the_frames_it_covers(
    segment: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A file system may bring back the length after a power cut, and not the bytes."""
    whole = segment.read_bytes()
    begins = data.draw(st.integers(0, len(whole)), label="zeros from")
    more = data.draw(st.sampled_from([0, 1, 16, 4096]), label="zeros after the end")
    frames, tail = read_frames(whole[:begins] + bytes(len(whole) - begins + more))
    kept = sum(end <= begins for end in ends_of(whole))
    # Zeros that stood there anyway do no harm.
    assert len(frames) >= kept
    assert frames == read_frames(whole)[0][: len(frames)]
    assert tail.intact + tail.torn == len(whole) + more


def test_what_a_writer_lost_in_one_segment_is_a_gap_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEAL_BYTES", 1_000)
    w = Writer(tmp_path, RUN)
    for step in range(300):
        w.row({"loss": step}, step)
    w.close()
    segments = reader.list_segments(tmp_path)
    data = segments[1].path.read_bytes()
    segments[1].path.write_bytes(data[:500] + bytes(len(data) - 500))
    journal = reader.read_journal(tmp_path, RUN, ended=False)
    steps = [step for step, _, _ in reader.rows(journal.logged)]
    assert steps == sorted(set(steps))
    assert 0 < 300 - len(steps) < 60
    assert steps[-1] == 299
    assert {gap.segment for gap in journal.gaps} == {s.path.name for s in segments[1:3]}
