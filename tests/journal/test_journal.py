import contextlib
import errno
import math
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import disk, errors
from samebit.errors import SamebitError
from samebit.journal import frame, keeping, reader, refused, writer
from samebit.journal.frame import Header, pack, pack_header, read_frames
from samebit.journal.values import unwrap
from tests.descriptors import opened
from tests.strategies import metric_rows, plain_values

RUN = "0123456789"
payloads = st.lists(st.lists(st.one_of(st.integers(0, 9), st.text()), min_size=1), max_size=8)


def segment_of(items: list[list[object]]) -> tuple[bytes, list[int]]:
    data = pack_header(Header(RUN, "abcdefghijkl", 0))
    ends = []
    for sequence, item in enumerate(items):
        data += pack(sequence, writer._encode(item))
        ends.append(len(data))
    return data, ends


@given(payloads)
def test_frames_come_back_as_they_were_written(items: list[list[object]]) -> None:
    data, _ = segment_of(items)
    frames, tail = read_frames(data)
    assert [payload for _, payload in frames] == items
    assert (tail.intact, tail.torn) == (len(data), 0)


@given(payloads, st.data())
def test_a_cut_anywhere_loses_only_the_frames_after_it(
    items: list[list[object]], data: st.DataObject
) -> None:
    segment, ends = segment_of(items)
    cut = data.draw(st.integers(frame.HEADER_BYTES, len(segment)))
    frames, _ = read_frames(segment[:cut])
    assert [payload for _, payload in frames] == items[: sum(end <= cut for end in ends)]


@given(payloads, st.integers(1, 64))
def test_zeros_after_a_power_cut_are_no_frames(items: list[list[object]], zeros: int) -> None:
    segment, _ = segment_of(items)
    frames, tail = read_frames(segment + bytes(zeros))
    assert [payload for _, payload in frames] == items
    assert tail.torn == zeros


@given(payloads.filter(len), st.data())
def test_a_flipped_bit_is_never_read_as_a_frame(
    items: list[list[object]], data: st.DataObject
) -> None:
    segment, ends = segment_of(items)
    at = data.draw(st.integers(frame.HEADER_BYTES, len(segment) - 1))
    hurt = bytearray(segment)
    hurt[at] ^= 1 << data.draw(st.integers(0, 7))
    frames, _ = read_frames(bytes(hurt))
    assert [payload for _, payload in frames] == items[: sum(end <= at for end in ends)]


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and a == b


@given(st.lists(st.tuples(metric_rows, st.integers(-5, 2**70)), max_size=10))
def test_rows_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    folder = tmp_path_factory.mktemp("journal")
    w = writer.Writer(folder, RUN)
    for values, step in rows:
        w.row(values, step)
    w.close()
    journal = reader.read_journal(folder, RUN, ended=True)
    found = list(reader.rows(journal.logged))
    assert not journal.gaps
    assert [(step, list(values)) for step, _, values in found] == [
        (step, list(values)) for values, step in rows
    ]
    for (_, _, ours), (theirs, _) in zip(found, rows, strict=True):
        assert all(same(ours[name], theirs[name]) for name in theirs)


@given(plain_values)
def test_facts_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    folder = tmp_path_factory.mktemp("journal")
    w = writer.Writer(folder, RUN)
    try:
        w.fact("config", value)
    finally:
        w.close()
    (found,) = reader.read_journal(folder, RUN, ended=True).frames
    assert repr(unwrap(found.items[3])) == repr(value)


def test_nested_names_are_joined_with_dots(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    w.row({"val": {"acc": 0.5, "by": {"cat": 1}}}, 3)
    w.close()
    rows = list(reader.rows(reader.read_journal(tmp_path, RUN, ended=True).logged))
    assert rows[0][2] == {"val.acc": 0.5, "val.by.cat": 1}


def test_what_is_no_number_is_refused_by_name(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    with pytest.raises(errors.UsageError, match=r"val\.x.*list"):
        w.row({"val": {"x": [1, 2]}}, 1)
    w.row({"ok": 1}, 1)
    w.close()
    assert len(list(reader.rows(reader.read_journal(tmp_path, RUN, ended=True).logged))) == 1


def test_zero_dimensional_arrays_are_their_exact_value(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    w = writer.Writer(tmp_path, RUN)
    w.row({"a": numpy.float32(0.1), "b": torch.tensor(7), "c": numpy.bool_(True)}, 1)
    w.close()
    ((_, _, values),) = reader.rows(reader.read_journal(tmp_path, RUN, ended=True).logged)
    assert values == {"a": float(numpy.float32(0.1)), "b": 7, "c": True}
    assert type(values["c"]) is bool


def test_a_full_segment_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEAL_BYTES", 20_000)
    w = writer.Writer(tmp_path, RUN)
    for step in range(2_000):
        w.row({"loss": step / 7}, step)
    w.close()
    assert len(reader.list_segments(tmp_path)) > 2
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert [step for step, _, _ in reader.rows(journal.logged)] == list(range(2_000))
    assert not journal.gaps


def test_a_lost_segment_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SEAL_BYTES", 5_000)
    w = writer.Writer(tmp_path, RUN)
    for step in range(1_000):
        w.row({"loss": step / 7}, step)
    w.close()
    segments = reader.list_segments(tmp_path)
    segments[1].path.unlink()
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert any("are missing" in gap.what for gap in journal.gaps)


def test_a_descriptor_that_was_taken_is_not_written_to(tmp_path: Path) -> None:
    """A script that closes descriptors by number and opens its own file keeps that file clean."""
    w = writer.Writer(tmp_path, RUN)
    w.row({"loss": 1.0}, 1)
    victim = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    os.dup2(victim, w._fd)
    for step in range(200):
        w.row({"loss": 1.0}, step)
    w.close()
    os.close(victim)
    # Between two looks at the descriptor up to 63 rows can go astray; never more.
    assert (tmp_path / "theirs").stat().st_size <= 64 * 64
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert len(list(reader.rows(journal.logged))) >= 200 - 63


@pytest.mark.parametrize("theirs", ["closed", "to read", "to write"])
def test_a_descriptor_that_was_taken_while_it_was_opened_costs_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    """A thread opens a segment while the script closes all descriptors and opens a file itself."""
    folder = tmp_path / "journal"
    folder.mkdir()
    (tmp_path / "theirs").write_bytes(b"theirs")
    open_for_append = disk.open_for_append

    def taken(path: Path) -> int:
        fd = open_for_append(path)
        monkeypatch.setattr(disk, "open_for_append", open_for_append)
        os.close(fd)
        if theirs != "closed":
            how = os.O_RDONLY if theirs == "to read" else os.O_WRONLY | os.O_APPEND
            victim = os.open(tmp_path / "theirs", how)
            os.dup2(victim, fd)
            os.close(victim)
            victims.append(fd)
        return fd

    victims: list[int] = []
    monkeypatch.setattr(disk, "open_for_append", taken)
    w = writer.Writer(folder, RUN)
    for step in range(3):
        w.row({"loss": 1.0}, step)
    for victim in victims:
        os.fstat(victim)  # it was not closed
    w.close()
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    journal = reader.read_journal(folder, RUN, ended=True)
    assert [step for step, _, _ in reader.rows(journal.logged)] == [0, 1, 2]
    assert [gap.what for gap in journal.gaps] == []
    for victim in victims:
        os.close(victim)


def test_a_forked_child_writes_its_own_segment(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    w.row({"loss": 1.0}, 1)
    child = os.fork()
    if child == 0:
        w.row({"loss": 2.0}, 2)
        os._exit(0)
    os.waitpid(child, 0)
    w.row({"loss": 3.0}, 3)
    w.close()
    assert len({segment.writer for segment in reader.list_segments(tmp_path)}) == 2
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert sorted(step for step, _, _ in reader.rows(journal.logged)) == [1, 2, 3]


def test_a_segment_of_another_run_is_reported_and_left_out(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    w.row({"loss": 1.0}, 1)
    w.close()
    journal = reader.read_journal(tmp_path, "9876543210", ended=True)
    assert not journal.frames
    assert "header" in journal.gaps[0].what


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the kernel refuse the next so many appends of a frame."""
    left = [0]
    original = writer._append

    def append(fd: int, data: bytes) -> int:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, "refused")
        return original(fd, data)

    monkeypatch.setattr(writer, "_append", append)

    def refuse(times: int) -> None:
        left[0] = times

    return refuse


@pytest.mark.parametrize("times", [1, 2, 4, 7, 10, 30])
def test_facts_that_the_journal_refused_are_written_when_it_takes_frames_again(
    tmp_path: Path, refusals: Callable[[int], None], times: int
) -> None:
    w = writer.Writer(tmp_path, RUN)
    refusals(times)
    for number in range(8):
        with contextlib.suppress(SamebitError):
            w.fact("config", number)
    refusals(0)
    w.row({"loss": 1.0}, 1)
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    facts = [each for each in journal.frames if each.kind == frame.Kind.FACT]
    # With the time at which each was learnt, so that the last one is still the last.
    facts.sort(key=lambda fact: fact.time_ns)
    assert [unwrap(fact.items[3]) for fact in facts] == list(range(8))
    assert not journal.gaps
    assert len(list(reader.rows(journal.logged))) == 1
    w.close()
    assert w.unwritten == []


def test_a_text_that_is_no_utf8_comes_back_and_of_a_name_its_escape(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    texts = ["\ud800", "a\udcff\\udcff\\", "\\ud800"]
    for step, text in enumerate(texts):
        w.row({"text": text, "of \udcff": step, "a": {"\ud800": 2**70}}, step)
    assert w.latest("text") == texts[-1]
    w.close()
    found = list(reader.rows(reader.read_journal(tmp_path, RUN, ended=True).logged))
    assert [row and row[2] for row in found] == [
        {"text": text, "of \\udcff": step, "a.\\ud800": 2**70} for step, text in enumerate(texts)
    ]


def test_the_end_is_the_last_attempt_for_facts_that_were_refused(
    tmp_path: Path, refusals: Callable[[int], None]
) -> None:
    w = writer.Writer(tmp_path, RUN)
    refusals(1000)
    for name, value in (("config", {"path": "a\udcff", "$n": 2**70}), ("problem", {"what": "x"})):
        with pytest.raises(SamebitError):
            w.fact(name, value)
    w.close()
    assert w.unwritten == [
        ("config", {"path": "a\udcff", "$n": 2**70}),
        ("problem", {"what": "x"}),
    ]
    assert reader.list_segments(tmp_path) == []  # no file without a header is left
    refusals(0)
    w.close()
    assert w.unwritten == []
    assert len(reader.read_journal(tmp_path, RUN, ended=True).frames) == 2


def test_refused_facts_are_kept_within_bounds_and_problems_longest(
    tmp_path: Path, refusals: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused, "MOST_BYTES", 1000)
    w = writer.Writer(tmp_path, RUN)
    refusals(1000)
    for name in ["file"] * 20 + ["problem"] * 3:
        with pytest.raises(SamebitError):
            w.fact(name, "x" * 100)
    kept = [name for name, _ in w.unwritten]
    assert 0 < kept.count("file") < 10
    assert kept.count("problem") == 3
    assert w.dropped == 20 - kept.count("file")


def test_a_forked_child_writes_no_fact_that_its_parent_could_not(
    tmp_path: Path, refusals: Callable[[int], None]
) -> None:
    w = writer.Writer(tmp_path, RUN)
    refusals(1000)
    with pytest.raises(SamebitError):
        w.fact("config", 1)
    refusals(0)
    child = os.fork()
    if child == 0:
        w.row({"loss": 2.0}, 2)
        os._exit(0)
    os.waitpid(child, 0)
    w.row({"loss": 1.0}, 1)
    w.close()
    frames = reader.read_journal(tmp_path, RUN, ended=True).frames
    assert [each.kind for each in frames].count(frame.Kind.FACT) == 1


def test_a_segment_that_cannot_be_followed_by_another_takes_the_rows_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEAL_BYTES", 5_000)
    original, attempts = writer.disk.open_for_append, []

    def open_for_append(path: Path) -> int:
        attempts.append(path)
        if 2 <= len(attempts) < 8:  # out of descriptors, for a while
            raise OSError(errno.EMFILE, "too many open files")
        return original(path)

    monkeypatch.setattr(writer.disk, "open_for_append", open_for_append)
    w = writer.Writer(tmp_path, RUN)
    for step in range(2_000):
        w.row({"loss": step / 7}, step)
    w.close()
    assert len(attempts) > 9
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert [step for step, _, _ in reader.rows(journal.logged)] == list(range(2_000))
    assert not journal.gaps


@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError(errno.EIO, "refused")])
def test_a_segment_that_could_not_be_begun_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def append(fd: int, data: bytes) -> int:
        raise error

    w = writer.Writer(tmp_path, RUN)
    before = opened()
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_append", append)
        with pytest.raises(SamebitError, match="could not be begun"):
            w.row({"loss": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []
    assert opened().items() <= before.items()
    w.row({"loss": 2.0}, 2)
    w.close()
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert [step for step, _, _ in reader.rows(journal.logged)] == [2]
    assert not journal.gaps


ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\\"), max_size=9)


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_texts_with_bytes_that_are_no_utf8_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    w = writer.Writer(folder, RUN)
    try:
        w.fact("config", {"k": value})
    finally:
        w.close()
    (found,) = reader.read_journal(folder, RUN, ended=True).frames
    assert unwrap(found.items[3]) == {"k": value}


def test_a_silent_journal_shows_that_its_writer_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SYNC_EVERY_S", 0.01)
    monkeypatch.setattr(keeping, "BEAT_EVERY_S", 0.02)
    made = writer.Writer(tmp_path, RUN)
    made.row({"loss": 1.0}, 1)
    (segment,) = reader.list_segments(tmp_path)
    before = reader.read_journal(tmp_path, RUN, ended=False).clock_ns
    size = segment.path.stat().st_size
    deadline = time.monotonic() + 60
    while segment.path.stat().st_size == size and time.monotonic() < deadline:
        time.sleep(0.01)
    made.row({"loss": 2.0}, 2)
    made.close()
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert journal.clock_ns > before
    assert journal.gaps == []
    assert [row[2]["loss"] for row in reader.rows(journal.logged)] == [1.0, 2.0]
