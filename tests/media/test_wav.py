"""WAV of samples: exact, as the standard library and libsndfile read it."""

import io
import wave
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.media.wav import write_wav

np = pytest.importorskip("numpy")


def samples(seed: int, count: int, channels: int, kind: str) -> Any:
    chance = np.random.default_rng(seed)
    if kind == "float32":
        return chance.normal(size=(count, channels)).astype(np.float32)
    bounds = np.iinfo(kind)
    return chance.integers(bounds.min, bounds.max, (count, channels), kind, endpoint=True)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.integers(1, 2),
    st.sampled_from(["uint8", "int16", "int32"]),
    st.integers(1, 192_000),
)
def test_the_standard_library_reads_every_sample(
    seed: int, count: int, channels: int, kind: str, rate: int
) -> None:
    mine = samples(seed, count, channels, kind)
    with wave.open(io.BytesIO(write_wav(mine, rate))) as found:
        assert (found.getnframes(), found.getnchannels()) == (count, channels)
        assert (found.getframerate(), found.getsampwidth()) == (rate, mine.itemsize)
        read = np.frombuffer(found.readframes(count), np.dtype(kind).newbyteorder("<"))
    np.testing.assert_array_equal(read.reshape(count, channels), mine)


@pytest.mark.parametrize("kind", ["int16", "int32", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_libsndfile_reads_every_sample(count: int, channels: int, kind: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    mine = samples(count, count, channels, kind)
    stream = io.BytesIO(write_wav(mine, 16_000))
    read, rate = soundfile.read(stream, dtype=kind, always_2d=True)
    assert rate == 16_000
    np.testing.assert_array_equal(read, mine)


def test_chunks_are_of_even_length_and_the_file_is_as_long_as_it_says() -> None:
    file = write_wav(samples(1, 3, 1, "uint8"), 8000)
    assert len(file) == 8 + int.from_bytes(file[4:8], "little") == 48
    assert file[40:44] == (3).to_bytes(4, "little")
