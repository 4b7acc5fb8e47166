"""The frames of a long segment found in strides.

A trace repeats itself: after 64 frames come, most often, 64 of the same sizes. Where they do, all
that follow so are found at once. It is for a segment of which is known that its bytes are what they
were when the run ended, and of trace frames, of which there may be a million, the checksums are not
computed again. Whatever is odd is left to the careful reader.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from samebit.journal.frame import (
    FRAME_BYTES,
    HEADER_BYTES,
    KIND_OF_LONG,
    LENGTH,
    LONG_ROW,
    ROW_STARTS,
    TRACE_START,
    Apart,
    Kind,
    read_frames,
)
from samebit.journal.traced import numbers_at, numpy_for

__all__ = ["read_sound"]

_SIGHT_BYTES = 1 << 16  # in which trace frames are counted: they come regularly or not at all
_PERIOD = 64  # frames: which rows are full goes by powers of two


def read_sound(data: bytes) -> tuple[list[tuple[int, list[Any]]], Apart] | None:
    """The frames of a sealed segment, as `read_frames` gives them.

    None where it has few of the frames that there may be very many of, or is not whole frames from
    end to end, numbered one by one.
    """
    in_sight = sum(data.count(start, 0, _SIGHT_BYTES) for start in (TRACE_START, *ROW_STARTS))
    numpy = numpy_for(in_sight * len(data) // _SIGHT_BYTES)
    if numpy is None:
        return None
    starts = _starts(numpy, data)
    if starts is None or not len(starts):
        return None
    numbers = numbers_at(numpy, data, "<u8", starts + (FRAME_BYTES - 8))
    if (numbers != numbers[0] + numpy.arange(len(numbers), dtype=numpy.uint64)).any():
        return None
    begins = numbers_at(numpy, data, "<u2", starts + FRAME_BYTES)
    is_traced = begins == int.from_bytes(TRACE_START, "little")
    is_logged = numpy.isin(begins, [int.from_bytes(start, "little") for start in ROW_STARTS])
    payloads = starts + FRAME_BYTES
    kinds = numbers_at(numpy, data, "u1", numpy.minimum(payloads + KIND_OF_LONG, len(data) - 1))
    is_logged |= (begins & 0xFF == LONG_ROW[0]) & (kinds == Kind.ROW)
    apart = Apart(payloads[is_traced], payloads[is_logged])
    found: list[tuple[int, list[Any]]] = []
    for start in starts[~(is_traced | is_logged)].tolist():
        (length,) = LENGTH.unpack_from(data, start)
        more = Apart()
        frames, tail = read_frames(data[start : start + FRAME_BYTES + length], 0, apart=more)
        if tail.torn or not frames:
            return None  # damaged after all, or one that has to be put in its place
        found += frames
    return found, apart


def _starts(numpy: Any, data: bytes) -> Any:
    """Where each frame begins; None where the last does not end with the segment."""
    unpack_from, last = LENGTH.unpack_from, len(data) - FRAME_BYTES - len(TRACE_START)
    parts: list[Any] = []
    near: list[int] = []  # frames found one by one since the last stride
    at, look = HEADER_BYTES, 2 * _PERIOD
    while at <= last:
        near.append(at)
        at += FRAME_BYTES + unpack_from(data, at)[0]
        if len(near) < look:
            continue
        look = len(near) + _PERIOD
        before, sizes = _period(near, at)
        if sizes == before:
            far = _stride(numpy, data, at, numpy.array(sizes))
            if len(far):
                parts += [numpy.array(near), far.reshape(-1)]
                at += len(far) * sum(sizes)
                near, look = [], 2 * _PERIOD
    if at != len(data):
        return None
    return numpy.concatenate([*parts, numpy.array(near, numpy.int64)])


def _period(near: Sequence[int], at: int) -> tuple[list[int], list[int]]:
    """The sizes of the last period but one, and of the last."""
    ends = [*near[-2 * _PERIOD :], at]
    sizes = [end - start for start, end in pairwise(ends)]
    return sizes[:_PERIOD], sizes[_PERIOD:]


def _stride(numpy: Any, data: bytes, at: int, sizes: Any) -> Any:
    """Where frames of these sizes begin, as often as they follow one another: (periods, sizes)."""
    span = int(sizes.sum())
    periods = (len(data) - at) // span
    starts = at + numpy.arange(periods)[:, None] * span + (numpy.cumsum(sizes) - sizes)
    fits = (numbers_at(numpy, data, "<u4", starts) + FRAME_BYTES == sizes).all(axis=1)
    return starts if fits.all() else starts[: int(fits.argmin())]
