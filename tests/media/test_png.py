"""PNG of arrays: exact as others read it, and equal pixels are equal bytes."""

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import digest
from samebit.media.png import write_png

np = pytest.importorskip("numpy")


def pixels(seed: int, height: int, width: int, channels: int, bits: int) -> Any:
    chance = np.random.default_rng(seed)
    dtype = np.uint8 if bits == 8 else np.uint16
    return chance.integers(0, 1 << bits, (height, width, channels), dtype=dtype)


PIXELS = st.builds(
    pixels,
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from([8, 16]),
)


def read_png(file: bytes) -> Any:
    """Pixels by the specification (ISO/IEC 15948), of files without interlacing or a palette."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        kind, data = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", file, at + 8 + length)
        assert check == zlib.crc32(kind + data)
        assert kind not in chunks
        chunks[kind] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, bits, color, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [0, 0, 0]
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    step = channels * bits // 8
    stream, row_bytes = zlib.decompress(chunks[b"IDAT"]), width * step
    above, rows = bytes(row_bytes), []
    for begin in range(0, len(stream), row_bytes + 1):
        kind, line = stream[begin], bytearray(stream[begin + 1 : begin + 1 + row_bytes])
        for i in range(row_bytes):
            left = line[i - step] if i >= step else 0
            line[i] = (line[i] + (0, left, above[i])[kind]) & 255
        above = bytes(line)
        rows.append(above)
    assert len(rows) == height
    dtype = np.uint8 if bits == 8 else np.dtype(">u2")
    return np.frombuffer(b"".join(rows), dtype).reshape(height, width, channels)


@given(PIXELS)
def test_every_pixel_comes_back(given_pixels: Any) -> None:
    np.testing.assert_array_equal(read_png(write_png(given_pixels)), given_pixels)


@given(PIXELS)
def test_another_program_reads_the_same_pixels(given_pixels: Any) -> None:
    pillow = pytest.importorskip("PIL.Image")
    height, width, channels = given_pixels.shape
    if given_pixels.dtype == np.uint16 and channels > 1:
        return  # Pillow rounds those to eight bits
    with pillow.open(io.BytesIO(write_png(given_pixels))) as image:
        assert image.size == (width, height)
        read = np.asarray(image).reshape(height, width, channels)
    np.testing.assert_array_equal(read, given_pixels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_opencv_reads_the_same_pixels(channels: int, bits: int) -> None:
    cv2 = pytest.importorskip("cv2")
    mine = pixels(channels, 9, 13, channels, bits)
    file = np.frombuffer(write_png(mine), np.uint8)
    read = cv2.imdecode(file, cv2.IMREAD_UNCHANGED).reshape(9, 13, -1)
    order = {1: [0], 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]  # its own is BGR
    np.testing.assert_array_equal(read, mine[:, :, order])


def test_no_library_has_a_say_in_the_bytes() -> None:
    counted = np.arange(150 * 200 * 3) % 251
    file = write_png(counted.astype(np.uint8).reshape(150, 200, 3))
    name = "blake3:4f71918ed9edc6522da8b9c49e5ea06954bb2ca1c2e76caf5d5df82a465085de"
    assert digest.of_bytes(file) == name
    stream = file[8 + 25 + 8 : -12 - 4]
    assert stream[:3] == b"\x78\x01\x00"  # a stored block, and not the last
    assert len(stream) == 2 + 2 * 5 + 150 * 601 + 4


@given(PIXELS)
def test_layout_in_memory_and_byte_order_do_not_matter(given_pixels: Any) -> None:
    turned = np.asfortranarray(given_pixels)
    swapped = given_pixels.astype(given_pixels.dtype.newbyteorder())
    assert write_png(turned) == write_png(swapped) == write_png(given_pixels)
