"""The scalars of a schedule: held back for a moment, packed, and back to the bit."""

import math
import os
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import disk
from samebit.journal import columns, reader, writer
from samebit.journal.columns import Block, Held
from samebit.journal.frame import HEADER_BYTES, Header, pack, pack_header
from tests.strategies import plain_values

RUN = "0123456789"
Change = tuple[int, int, int, dict[str, Any]]

floats = st.floats(allow_nan=True, allow_infinity=True)
values = st.one_of(floats, floats, st.lists(floats, max_size=9), plain_values)
rows = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(-1, 2),
        st.dictionaries(st.sampled_from(["lr", "betas", "$x", ""]), values, min_size=1),
    ),
    max_size=40,
)


def bits(value: Any) -> Any:
    """What tells -0.0 from 0.0, 1 from 1.0, and one NaN from another."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, list):
        return [bits(item) for item in value]
    if isinstance(value, dict):
        return {name: bits(item) for name, item in value.items()}
    return type(value), value


def told(blocks: list[Block]) -> dict[tuple[int, int, str], list[Any]]:
    found: dict[tuple[int, int, str], list[Any]] = {}
    for block in blocks:
        pairs = found.setdefault((block.optimizer, block.group, block.name), [])
        pairs += zip(block.counts, map(bits, block.values), strict=True)
    return found


def given_rows(written: list[Change]) -> dict[tuple[int, int, str], list[Any]]:
    return told(
        [
            Block(optimizer, group, name, [count], [value])
            for optimizer, count, group, changed in written
            for name, value in changed.items()
        ]
    )


def read(folder: Path) -> list[Block]:
    journal = reader.read_journal(folder, RUN, ended=False)
    assert not journal.unknown_frames
    return [block for frame in journal.frames for block in reader.changes(frame)]


@given(rows)
def test_any_sequence_of_changes_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, given_changes: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    w = writer.Writer(folder, RUN)
    written = [(o, count, group, of) for count, (o, group, of) in enumerate(given_changes)]
    for change in written:
        w.hyper(*change)
    w.close()
    assert told(read(folder)) == given_rows(written)


@given(st.integers(2, 40), st.integers(1, 9), st.data())
def test_a_cut_anywhere_loses_only_the_last_changes(
    tmp_path_factory: pytest.TempPathFactory, count: int, every: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    w = writer.Writer(folder, RUN)
    written: list[Change] = []
    for at in range(count):
        written.append((0, at, 0, {"lr": math.cos(at), "betas": [0.9, 1 / (at + 1)]}))
        w.hyper(*written[-1])
        if not at % every:
            w.flush()
    w.close()
    (segment,) = reader.list_segments(folder)
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[: data.draw(st.integers(HEADER_BYTES, len(whole)))])
    found, wanted = told(read(folder)), given_rows(written)
    for key, pairs in found.items():
        assert pairs == wanted[key][: len(pairs)]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50))
def test_a_column_of_any_bits_comes_back(numbers: list[int]) -> None:
    assert columns.unpack_column(columns.pack_column(numbers)) == numbers


def test_a_schedule_costs_about_a_byte_a_step(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    steps = 20_000
    for at in range(steps):
        w.hyper(0, at + 1, 0, {"lr": 1.5e-4 * (1 + math.cos(math.pi * at / 1_000_000))})
    w.close()
    assert sum(s.path.stat().st_size for s in reader.list_segments(tmp_path)) < 1.3 * steps


def test_groups_with_the_same_values_share_their_column() -> None:
    held = Held()
    for count in range(3):
        for group in range(4):
            held.take(0, count, group, {"lr": 1 / (count + 1)})
    items = held.release()
    assert items is not None
    packed, blocks = items
    assert (len(packed), len(blocks)) == (2, 4)


def test_a_change_that_is_no_float_is_written_at_once(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    for count, value in enumerate([0.5, 0.25, None, 0.125, 0.0625, "off", [1.0], [1.0, 2.0]]):
        w.hyper(0, count, 0, {"lr": value})
        held = count in (1, 4)
        assert len(told(read(tmp_path)).get((0, 0, "lr"), [])) == count + (not held)
    w.close()


def test_what_is_held_back_is_never_much(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    for count in range(5_000):
        w.hyper(0, count, 0, {"lr": 1 / (count + 1)})
        if not count % 500:
            (changes,) = told(read(tmp_path)).values()
            assert count + 1 - len(changes) < columns.MOST_HELD
    w.sync()
    (changes,) = told(read(tmp_path)).values()
    assert len(changes) == 5_000
    w.close()


def test_a_row_is_never_held_back_by_a_schedule(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    for step in range(5):
        w.hyper(0, step, 0, {"lr": 1 / (step + 1)})
        w.row({"loss": 1.0}, step)
        logged = reader.read_journal(tmp_path, RUN, ended=False).logged
        assert [s for s, _, _ in reader.rows(logged)] == list(range(step + 1))
    w.close()


def test_a_forked_child_does_not_write_what_its_parent_holds(tmp_path: Path) -> None:
    w = writer.Writer(tmp_path, RUN)
    w.hyper(0, 1, 0, {"lr": 0.5})
    w.hyper(0, 2, 0, {"lr": 0.25})
    child = os.fork()
    if child == 0:
        w.row({"loss": 1.0}, 1)
        w.close()
        os._exit(0)
    os.waitpid(child, 0)
    w.close()
    assert told(read(tmp_path)) == {(0, 0, "lr"): [(1, bits(0.5)), (2, bits(0.25))]}


def test_a_full_disk_is_said_when_the_writer_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = writer.Writer(tmp_path, RUN)
    w.hyper(0, 1, 0, {"lr": 0.5})
    w.hyper(0, 2, 0, {"lr": 0.25})
    monkeypatch.setattr(writer, "_append", lambda fd, data: 0)
    monkeypatch.setattr(disk, "truncate", lambda fd, size: None)
    with pytest.raises(Exception, match="disk is full"):
        w.close()


def test_a_frame_of_version_1_stays_readable() -> None:
    frame = bytes.fromhex(
        "93069394030202ff940302cf3ff0000000000000d3c000000000000000930301cf3feff7ced916872b"
        "93950000a26c720001950001a26c720001950001a5626574617300920102"
    )
    halves = [1.0, 0.5, 0.25]
    assert columns.unpack(msgspec.msgpack.decode(frame)) == [
        Block(0, 0, "lr", [2, 3, 4], halves),
        Block(0, 1, "lr", [2, 3, 4], halves),
        Block(0, 1, "betas", [2, 3, 4], [[half, 0.999] for half in halves]),
    ]


@given(st.recursive(st.one_of(st.none(), st.integers(), st.text(), st.floats()), st.lists))
def test_a_strangers_columns_are_read_or_counted_as_unknown(
    tmp_path_factory: pytest.TempPathFactory, rest: Any
) -> None:
    items = [6, *(rest if isinstance(rest, list) else [rest])]
    try:
        payload = msgspec.msgpack.encode(items)
    except (OverflowError, UnicodeEncodeError):
        return
    folder = tmp_path_factory.mktemp("journal")
    data = pack_header(Header(RUN, "a" * 12, 0)) + pack(0, payload)
    (folder / f"0-{'a' * 12}-0.sbj").write_bytes(data)
    journal = reader.read_journal(folder, RUN, ended=True)
    assert journal.unknown_frames + len(journal.frames) == 1
    assert [reader.changes(frame) for frame in journal.frames] in ([], [[]])


@pytest.mark.parametrize(
    "items",
    [
        [6, [[10**9, 0]], [[0, 0, "lr", 0, 0]]],  # a count that would fill the memory
        [6, [[65536, 0]], [[0, 0, "lr", 0, 0]] * 2],
        [6, [[1, 0, 5], [2, 0, 5]], [[0, 0, "lr", 0, 1]]],  # more values than counts
        [6, [[1, 0, 2**64 - 1]], [[0, 0, "lr", 0, 0]]],  # not 64 bits
        [6, [[1, 9, 5]], []],
        [6, [[1, 0, 5]], [[0, 0, "lr", 0, 7]]],
        [6, [[1, 0, 5]], [[0, 0, 7, 0, 0]]],
        [6],
    ],
)
def test_columns_that_cannot_be_ours_are_passed_over(items: list[Any]) -> None:
    assert columns.unpack(items) is None
