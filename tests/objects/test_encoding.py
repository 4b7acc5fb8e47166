import os
import resource
import subprocess
import sys

import blake3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samebit.errors import Damaged
from samebit.objects import encoding
from samebit.objects.encoding import FOOTER_BYTES, PackEntry, zstd

repeating = st.builds(
    lambda piece, times: piece * times, st.binary(min_size=1, max_size=30), st.integers(0, 3000)
)
contents = st.binary(max_size=500) | repeating
packed = st.lists(contents, max_size=8)


def raw_name(data: bytes) -> bytes:
    return blake3.blake3(data).digest()


def pack_of(contents: list[bytes]) -> bytes:
    return b"".join(encoding.pack_pieces({raw_name(data): data for data in contents}.items()))


def entries_of(pack: bytes) -> list[PackEntry]:
    at, length, checksum = encoding.read_footer(pack[-FOOTER_BYTES:], len(pack))
    return encoding.read_index(pack[at : at + length], at, checksum)


def body_of(pack: bytes, entry: PackEntry) -> bytes:
    body = pack[entry.offset : entry.offset + entry.stored]
    return encoding.decode(entry.encoding, body, entry.size)


@given(contents)
def test_what_was_encoded_comes_back(data: bytes) -> None:
    kind, body = encoding.encode(data)
    assert encoding.decode(kind, bytes(body), len(data)) == data
    assert memoryview(body).nbytes <= len(data)


def test_only_what_shrinks_is_compressed() -> None:
    assert encoding.encode(b"code " * 1000)[0] == encoding.ZSTD
    assert encoding.encode(os.urandom(100_000))[0] == encoding.RAW
    assert encoding.encode(b"") == (encoding.RAW, b"")
    # A beginning that promises more than the rest keeps.
    assert encoding.encode(bytes(1 << 16) + os.urandom(1 << 21))[0] == encoding.RAW


@given(contents, st.integers(0, 5000))
def test_a_body_of_another_size_is_damaged(data: bytes, size: int) -> None:
    kind, body = encoding.encode(data)
    if size == len(data):
        assert encoding.decode(kind, bytes(body), size) == data
    else:
        with pytest.raises(Damaged, match=f"object of {size} bytes"):
            encoding.decode(kind, bytes(body), size)


@given(
    st.integers(0, 255) | st.just(encoding.ZSTD),
    st.binary(max_size=60) | contents.map(zstd.compress),
    st.integers(0, 100) | st.integers(0, 2**64 - 1),
)
@example(encoding.ZSTD, zstd.compress(b"x"), 2**64 - 1)
def test_a_strange_body_is_damaged_or_as_large_as_declared(
    kind: int, body: bytes, size: int
) -> None:
    try:
        assert len(encoding.decode(kind, body, size)) == size
    except Damaged:
        pass


def test_one_frame_and_nothing_after_it() -> None:
    frame = zstd.compress(b"x" * 100)
    for more in (b"\0", frame, zstd.compress(b"")):
        with pytest.raises(Damaged):
            encoding.decode(encoding.ZSTD, frame + more, 100)
    with pytest.raises(Damaged):
        encoding.decode(encoding.ZSTD, frame[:-1], 100)


@given(st.sampled_from([encoding.RAW, encoding.ZSTD]), st.integers(0, 2**64 - 1))
def test_a_header_comes_back(kind: int, size: int) -> None:
    header = encoding.object_header(kind, size)
    assert len(header) == encoding.HEADER_BYTES == 64
    assert encoding.read_object_header(header) == (kind, size)


@given(st.integers(0, 63), st.integers(0, 7))
def test_a_header_with_another_bit_says_something_else_or_is_damaged(at: int, bit: int) -> None:
    header = bytearray(encoding.object_header(encoding.ZSTD, 70_000))
    header[at] ^= 1 << bit
    try:
        found = encoding.read_object_header(bytes(header))
    except Damaged:
        assert not 16 <= at < 24  # the size is a field that may hold any number
    else:
        assert found != (encoding.ZSTD, 70_000)


@given(st.binary(max_size=64))
def test_a_strange_header_is_damaged(header: bytes) -> None:
    with pytest.raises(Damaged, match="header"):
        encoding.read_object_header(header)


def test_these_bytes_never_change() -> None:
    assert encoding.object_header(encoding.ZSTD, 70_000) == (
        b"samebitO\x01" + bytes(7) + (70_000).to_bytes(8, "little") + bytes(40)
    )
    pack = pack_of([b"b", b"a", b""])
    names = sorted([raw_name(b"a"), raw_name(b"b"), raw_name(b"")])
    bodies = {raw_name(b"a"): b"a", raw_name(b"b"): b"b", raw_name(b""): b""}
    index, at = b"", 16
    for name in names:
        size = len(bodies[name]).to_bytes(8, "little")
        index += name + at.to_bytes(8, "little") + size + size + b"\0"
        at += len(bodies[name])
    assert pack == (
        b"samebitP\x01\0\0\0\0\0\0\0"
        + b"".join(bodies[name] for name in names)
        + index
        + at.to_bytes(8, "little")
        + (3).to_bytes(8, "little")
        + blake3.blake3(index).digest()[:16]
        + b"samebitQ"
    )


@given(packed)
def test_a_pack_gives_every_object_back(contents: list[bytes]) -> None:
    pack = pack_of(contents)
    entries = entries_of(pack)
    assert {entry.digest: body_of(pack, entry) for entry in entries} == {
        raw_name(data): data for data in contents
    }


@given(packed, st.randoms(use_true_random=False))
def test_the_order_of_the_objects_does_not_change_their_pack(contents: list[bytes], order) -> None:
    shuffled = list(contents)
    order.shuffle(shuffled)
    assert pack_of(shuffled) == pack_of(contents)


@given(packed, st.data())
def test_a_flipped_bit_in_an_index_is_damaged(contents: list[bytes], data: st.DataObject) -> None:
    pack = bytearray(pack_of(contents))
    begins = int.from_bytes(pack[-FOOTER_BYTES : -FOOTER_BYTES + 8], "little")
    pack[data.draw(st.integers(begins, len(pack) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Damaged):
        entries_of(bytes(pack))


@given(packed, st.data())
def test_a_pack_that_was_cut_off_is_damaged(contents: list[bytes], data: st.DataObject) -> None:
    pack = pack_of(contents)
    with pytest.raises(Damaged):
        entries_of(pack[: data.draw(st.integers(0, len(pack) - 1))])


def index_of(entries: list[PackEntry]) -> tuple[bytes, bytes]:
    index = b"".join(
        encoding._ENTRY.pack(e.digest, e.offset, e.stored, e.size, e.encoding) for e in entries
    )
    return index, blake3.blake3(index).digest(16)


NAMES = [bytes([at]) * 32 for at in range(3)]
HUGE = 2**63


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(
            [PackEntry(NAMES[1], 16, 1, 1, 0), PackEntry(NAMES[0], 17, 1, 1, 0)], id="order"
        ),
        pytest.param(
            [PackEntry(NAMES[1], 16, 1, 1, 0), PackEntry(NAMES[1], 17, 1, 1, 0)], id="twice"
        ),
        pytest.param([PackEntry(NAMES[0], 15, 1, 1, 0)], id="in the header"),
        pytest.param([PackEntry(NAMES[0], 90, 11, 11, 0)], id="in the index"),
        pytest.param([PackEntry(NAMES[0], HUGE, HUGE, 1, 0)], id="beyond the file"),
        pytest.param([PackEntry(NAMES[0], 16, 2**64 - 16, 1, 0)], id="sum overflows"),
    ],
)
def test_an_index_that_names_places_outside_is_damaged(entries: list[PackEntry]) -> None:
    index, checksum = index_of(entries)
    with pytest.raises(Damaged, match="not in order"):
        encoding.read_index(index, 100, checksum)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 10_000))
def test_a_footer_that_does_not_fit_its_file_is_damaged(at: int, count: int, size: int) -> None:
    footer = encoding._FOOTER.pack(at, count, bytes(16), b"samebitQ")
    try:
        begins, length, _ = encoding.read_footer(footer, size)
    except Damaged:
        return
    assert begins + length + FOOTER_BYTES == size


BOMB = """
import resource, sys
from samebit.errors import Damaged
from samebit.objects import encoding
from samebit.objects.encoding import zstd
machine = zstd.ZstdCompressor()
body = b"".join(machine.compress(bytes(1 << 20)) for _ in range(1024)) + machine.flush()
assert len(body) < 1 << 17
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + (200 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    encoding.decode(encoding.ZSTD, body, int(sys.argv[1]))
except Damaged:
    print("damaged")
except MemoryError:
    print("memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child")
@pytest.mark.parametrize("declared", [0, 1000, 1 << 20, 1 << 25])
def test_a_bomb_costs_no_more_than_it_declared(declared: int) -> None:
    assert resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(declared)], capture_output=True, text=True
    )
    assert done.stdout == "damaged\n", done.stderr
