"""Trace frames read together give the same rows as read one by one, whatever is in the segment."""

import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import digest
from samebit.journal import reader, striding, traced, writer
from samebit.journal.frame import Apart, Header, pack, pack_header, read_frames
from samebit.journal.traced import Traced, read_traced

RUN, WRITER = "0123456789", "abcdefghijkl"
# Around every width that msgpack has, and what no writer of ours writes.
integers = st.sampled_from(
    [
        0,
        1,
        127,
        128,
        255,
        256,
        2**16 - 1,
        2**16,
        2**32 - 1,
        2**32,
        2**62 - 1,
        2**62,
        2**63,
        2**64 - 1,
        -1,
    ]
)
masks = st.integers(0, 2**15 - 1) | integers
rows = st.tuples(integers, integers, integers, masks, st.integers(0, 40), st.booleans())
odd = st.sampled_from(
    [
        [4],
        [4, 0, 1, 2, 3, "text"],
        [4, 0, 1.5, 2, 3, b""],
        [4, 0, 1, 2, 1, b"12345678", "what a newer version added"],
        [3, 1, "name", "value"],
        [9, None],
        [2, 0, 1, 5],
        [2, 0, 1, 5, 0.5],
        [2, 0, 1, 5, *range(12)],
        [2],
    ]
)


def payload_of(row: tuple[int, int, int, int, int, bool]) -> list[Any]:
    optimizer, count, time_ns, mask, size, fits = row
    size = 8 * mask.bit_count() if fits and mask >= 0 else size
    return [4, optimizer, count, time_ns, mask, bytes(range(size % 256))]


frames = st.lists(rows.map(payload_of) | odd, max_size=40)


def segment_of(payloads: list[list[Any]], first: int = 0) -> bytes:
    data = pack_header(Header(RUN, WRITER, 0))
    for number, items in enumerate(payloads):
        data += pack(first + number, msgspec.msgpack.encode(items))
    return data


def plain(rows: Traced) -> list[tuple[int, ...]]:
    columns = (rows.optimizers, rows.counts, rows.times_ns, rows.masks, rows.starts)
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]


@given(frames, st.integers(0, 2**40))
def test_frames_read_together_are_those_read_singly(
    payloads: list[list[Any]], offset_ns: int
) -> None:
    data = segment_of(payloads)
    apart = Apart()
    read_frames(data, apart=apart)
    places = apart.traced
    with pytest.MonkeyPatch.context() as patch:
        singly, odd = read_traced("0", WRITER, data, places, offset_ns)
        patch.setattr(traced, "MANY", 0)
        together, also_odd = read_traced("0", WRITER, data, places, offset_ns)
    assert isinstance(singly.counts, list)
    assert isinstance(together.counts, np.ndarray)
    assert (plain(together), also_odd) == (plain(singly), odd)


def sizes_of(period: list[int], times: int) -> list[list[Any]]:
    """Frames of a pattern of sizes, as often as asked."""
    return [
        [4, 0, count % 128, 2**40 + count, 2**size - 1, bytes([count % 256]) * 8 * size]
        for count, size in enumerate(period * times)
    ]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.integers(0, 120),
    frames,
    st.integers(0, 3),
)
@settings(deadline=None)
def test_strides_find_the_frames_that_steps_find(
    period: list[int], times: int, between: list[list[Any]], first: int
) -> None:
    payloads = [*sizes_of(period, times), *between, *sizes_of(period, times)]
    data = segment_of(payloads, first)
    apart = Apart()
    found, tail = read_frames(data, apart=apart)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traced, "MANY", 0)
        sound = striding.read_sound(data)
    assert not tail.torn
    assert (sound is None) == (not payloads)
    if sound is not None:
        assert sound[0] == found
        assert sound[1].traced.tolist() == apart.traced
        assert sound[1].logged.tolist() == apart.logged


@given(st.integers(0, 2**30), st.integers(0, 7), st.integers(1, 55))
@settings(deadline=None)
def test_what_is_odd_is_left_to_the_careful_reader(at: int, bit: int, cut: int) -> None:
    data = segment_of([*sizes_of([1, 2], 200), [3, 1, "name", "value"], *sizes_of([3], 70)])
    apart = Apart()
    read_frames(data, apart=apart)
    places = apart.traced
    hurt = bytearray(data)
    hurt[32 + at % (len(data) - 32)] ^= 1 << bit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traced, "MANY", 0)
        assert striding.read_sound(data[:-cut]) is None
        sound = striding.read_sound(bytes(hurt))
    # A flipped bit inside a trace frame's digests is what the segment's own digest is for.
    if sound is not None:
        missed = {*places} ^ {*sound[1].traced.tolist()}
        assert len(missed) <= 1


def test_a_sealed_segment_is_read_as_an_open_one(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = writer.Writer(tmp_path, RUN)
    for count in range(1, 3000):
        w.trace(0, count, 0b11 if count % 8 else 0b1111, count.to_bytes(8, "big") * 4)
        if not count % 700:
            w.row({"loss": count / 2}, count)
    w.close()
    (segment,) = reader.list_segments(tmp_path)
    data = segment.path.read_bytes()
    sealed = {segment.path.name: (len(data), digest.of_bytes(data))}
    careful = reader.read_journal(tmp_path, RUN, ended=True)
    monkeypatch.setattr(traced, "MANY", 0)
    quick = reader.read_journal(tmp_path, RUN, ended=True, sealed=sealed)
    assert (quick.gaps, quick.frames) == (careful.gaps, careful.frames) == ([], careful.frames)
    assert list(reader.rows(quick.logged)) == list(reader.rows(careful.logged))
    assert len(list(reader.rows(quick.logged))) == 4
    assert [plain(rows) for rows in quick.traced] == [plain(rows) for rows in careful.traced]
    assert len(quick.traced[0]) == 2999
    # What was changed since is said, and read as far as it is whole.
    segment.path.write_bytes(data[:-200] + b"\x00" + data[-199:])
    hurt = reader.read_journal(tmp_path, RUN, ended=True, sealed=sealed)
    assert [gap.what for gap in hurt.gaps] == [
        "its bytes are not what they were when the run ended"
    ]
    assert 2990 < len(hurt.traced[0]) < 2999


def test_missing_frames_are_told_among_traced_ones(tmp_path: Any) -> None:
    w = writer.Writer(tmp_path, RUN)
    for count in range(1, 9):
        w.trace(0, count, 1, bytes(8))
    w.close()
    (segment,) = reader.list_segments(tmp_path)
    data = segment.path.read_bytes()
    apart = Apart()
    read_frames(data, apart=apart)
    places = apart.traced
    segment.path.write_bytes(data[: places[2] - 16] + data[places[4] - 16 :])
    journal = reader.read_journal(tmp_path, RUN, ended=True)
    assert [gap.what for gap in journal.gaps] == ["frames 3 to 4 are missing"]
    assert list(journal.traced[0].counts) == [1, 2, 5, 6, 7, 8]


def test_a_process_that_trains_does_not_get_numpy_from_us(tmp_path: Any) -> None:
    w = writer.Writer(tmp_path, RUN)
    for count in range(traced.MANY):
        w.trace(0, count, 1, bytes(8))
    w.close()
    script = (
        "import sys; from pathlib import Path\n"
        "from samebit.journal import reader, traced\n"
        "at, run = sys.argv[1:]\n"
        "def read(): return len(reader.read_journal(Path(at), run, ended=True).traced[0])\n"
        "assert read() == traced.MANY and 'numpy' not in sys.modules\n"
        "traced.load_numpy_when_it_pays()\n"
        "assert read() == traced.MANY and 'numpy' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), RUN], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
