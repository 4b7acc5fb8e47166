"""Records with checksums: the same as TensorBoard's own, and of a damaged file what is whole."""

from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import (
    PyRecordReader_New,
    masked_crc32c,
)
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import (
    crc32c as their_crc32c,
)
from tensorboard.summary.writer.record_writer import RecordWriter

from samebit.compat.files import framed
from samebit.compat.files.crc32c import crc32c, crc32c_of_rows, masked
from samebit.compat.files.framed import pack_records, read_parts


def read_all(path: Path) -> tuple[list[bytes], int, list[int]]:
    """The payloads, where the last whole record ends, and where something is damaged."""
    payloads: list[bytes] = []
    end, damaged = 0, list[int]()
    for part in read_parts(path, 0, numpy):
        pairs = zip(part.payloads.tolist(), part.lengths.tolist(), strict=True)
        payloads += [part.data[at : at + length] for at, length in pairs]
        end = part.end
        damaged += [at for at, _ in part.damaged]
    return payloads, end, damaged


@given(st.binary(max_size=6000))
def test_checksums_are_those_of_tensorboard(data: bytes) -> None:
    assert crc32c(data, numpy) == their_crc32c(data)
    assert masked(data, numpy) == masked_crc32c(data)


def test_the_checksum_of_a_known_message() -> None:
    assert crc32c(b"123456789", numpy) == 0xE3069283  # RFC 3720's polynomial, its check value
    rows = numpy.frombuffer(b"123456789" * 3, numpy.uint8).reshape(3, 9)
    assert crc32c_of_rows(rows, numpy).tolist() == [0xE3069283] * 3


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_what_is_written_tensorboard_reads_and_what_it_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("records")
    ours, theirs = folder / "ours", folder / "theirs"
    ours.write_bytes(pack_records(payloads, numpy))
    with theirs.open("wb") as stream:
        writer = RecordWriter(stream)
        for payload in payloads:
            writer.write(payload)
    assert ours.read_bytes() == theirs.read_bytes()
    assert read_all(theirs) == (payloads, theirs.stat().st_size, [])
    reader = PyRecordReader_New(str(ours))
    for payload in payloads:
        reader.GetNext()
        assert reader.record() == payload


def test_a_file_that_ends_anywhere_gives_its_whole_records(tmp_path: Path) -> None:
    payloads = [b"a" * 3, b"", b"b" * 40, b"c"]
    whole = pack_records(payloads, numpy)
    ends = [0]
    for payload in payloads:
        ends.append(ends[-1] + 16 + len(payload))
    path = tmp_path / "cut"
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        count = sum(end <= size for end in ends) - 1
        assert read_all(path) == (payloads[:count], ends[count], [])


def test_no_flipped_bit_gives_a_record_that_was_not_written(tmp_path: Path) -> None:
    payloads = [bytes([at]) * 9 for at in range(5)]
    whole = pack_records(payloads, numpy)
    path = tmp_path / "flipped"
    for bit in range(len(whole) * 8):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        found, end, damaged = read_all(path)
        assert set(found) <= set(payloads)
        assert len(found) < 5
        # A payload that is hurt costs itself alone; a length all that follows, which is seen.
        assert (len(found), damaged) == (4, [bit // 8 // 25 * 25]) or end < len(whole)


def test_zeros_and_rubbish_behind_whole_records_are_none(tmp_path: Path) -> None:
    path = tmp_path / "tail"
    for tail in (bytes(500), b"\xff" * 500, b"\x01" + bytes(11)):
        path.write_bytes(pack_records([b"one", b"two"], numpy) + tail)
        assert read_all(path) == ([b"one", b"two"], 38, [])


def test_a_length_is_never_believed_before_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes((1 << 62).to_bytes(8, "little") + bytes(100))
    assert read_all(path) == ([], 0, [])


def test_records_larger_than_what_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framed, "_CHUNK_BYTES", 64)
    monkeypatch.setattr(framed, "MOST_RECORD", 1000)
    payloads = [b"a" * 10, b"b" * 300, b"c" * 2000, b"d", b"e" * 70]
    path = tmp_path / "chunks"
    path.write_bytes(pack_records(payloads, numpy))
    found, end, damaged = read_all(path)
    assert found == [payloads[0], payloads[1], payloads[3], payloads[4]]
    assert end == path.stat().st_size
    assert damaged == [26 + 316]  # too long a one is passed over, and told
