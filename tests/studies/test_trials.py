"""What was decided is read as it was written, whatever a crash leaves behind it."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import disk
from samebit.errors import Damaged, SamebitError
from samebit.folders.folder import is_run_id
from samebit.studies.declared import Design
from samebit.studies.trials import FILE, Trials, named, packed, parse, read_history

STUDY = "aaaaaaaaaa"
LINES = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2**32) | st.text(max_size=5)), max_size=6
)


@given(LINES, st.binary(max_size=40).filter(lambda tail: b"\n" not in tail))
def test_a_torn_tail_takes_nothing_from_the_whole_lines(
    lines: list[dict[str, object]], tail: bytes
) -> None:
    whole = b"".join(map(packed, lines))
    assert parse(whole + tail) == (lines, len(whole))
    assert parse(whole + bytes(len(tail))) == (lines, len(whole))


@given(LINES.filter(bool), st.data())
def test_a_cut_anywhere_leaves_the_lines_before_it(
    lines: list[dict[str, object]], data: st.DataObject
) -> None:
    whole = b"".join(map(packed, lines))
    cut = data.draw(st.integers(0, len(whole)))
    found, intact = parse(whole[:cut])
    assert found == lines[: len(found)]
    assert whole[:cut].count(b"\n") == len(found)
    assert intact <= cut


@given(LINES.filter(lambda lines: len(lines) > 1), st.data())
def test_a_changed_byte_between_whole_lines_is_damage(
    lines: list[dict[str, object]], data: st.DataObject
) -> None:
    first = bytearray(packed(lines[0]))
    at = data.draw(st.integers(0, len(first) - 2))
    first[at] ^= data.draw(st.integers(1, 255).filter(lambda bit: first[at] ^ bit != 10))
    with pytest.raises(Damaged):
        parse(bytes(first) + b"".join(map(packed, lines[1:])))


def test_what_is_decided_is_there_for_the_next_one(tmp_path: Path) -> None:
    with Trials(tmp_path, STUDY) as log:
        log.want({"init": 2}, 1)
        log.want({"init": 2}, 1)  # says nothing new
        log.decide(Design({"init": 5}))
        log.decide(Design({"init": 6}))
        log.start(1)
        log.stopped(1)
        log.start(1)
        log.give_up(1, "killed 2 times")
        before = log.history
    history = read_history(tmp_path, STUDY)
    assert history == before
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 7
    assert [start.stopped for start in history.trials[1].starts] == [True, False]
    assert (history.trials[1].counted, history.trials[1].given_up) == (1, "killed 2 times")
    runs = [start.run for start in history.trials[1].starts]
    assert len(set(runs)) == 2
    assert all(map(is_run_id, runs))
    assert history.trials[0].starts == ()


def test_the_next_writer_cuts_a_torn_line_off(tmp_path: Path) -> None:
    with Trials(tmp_path, STUDY) as log:
        log.decide(Design({"all": 1}))
    with open(tmp_path / FILE, "ab") as file:
        file.write(packed({"kind": "trial"})[:-3])
    with Trials(tmp_path, STUDY) as log:
        log.decide(Design({"all": 2}))
    assert [one.values for one in read_history(tmp_path, STUDY).trials] == [{"all": 1}, {"all": 2}]


def test_a_full_disk_leaves_nothing_half_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Trials(tmp_path, STUDY) as log:
        log.decide(Design({"all": 1}))
        monkeypatch.setattr(disk, "append", lambda fd, data: len(data) // 2)
        with pytest.raises(SamebitError, match="no space left"):
            log.decide(Design({"all": 2}))
        monkeypatch.undo()
        log.decide(Design({"all": 3}))
    assert [one.values for one in read_history(tmp_path, STUDY).trials] == [{"all": 1}, {"all": 3}]


def test_what_cannot_be_made_durable_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with Trials(tmp_path, STUDY) as log:
        log.decide(Design({"all": 1}))
        log.sync()
        log.decide(Design({"all": 2}))
        log.start(1)
        monkeypatch.setattr(disk, "sync", fail)
        with pytest.raises(SamebitError, match="input/output"):
            log.sync()
    assert [one.values for one in read_history(tmp_path, STUDY).trials] == [{"all": 1}]


def test_lines_that_make_no_sense_are_damage(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(packed({"kind": "start", "number": 3, "attempt": 1}))
    with pytest.raises(Damaged, match="makes no sense"):
        read_history(tmp_path, STUDY)


def test_no_two_starts_share_a_run() -> None:
    names = {named(STUDY, number, attempt) for number in range(50) for attempt in (1, 2)}
    assert len(names) == 100
