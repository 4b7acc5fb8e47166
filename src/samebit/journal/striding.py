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
from samebit.journal.traced import as_array, moved, numbers_at, numpy_for

__all__ = ["read_sound"]

_SIGHT_BYTES = 1 << 13  # in which trace frames are counted: they come regularly or not at all
_PERIOD = 64  # frames: which rows are full goes by powers of two


def read_sound(data: bytes) -> tuple[list[tuple[int, list[Any]]], Apart] | None:
    """The frames of a sealed segment, as `read_frames` gives them.

    None where it has few of the frames that there may be very many of, or is not whole frames from
    end to end, numbered one by one.
    """
    middle = len(data) // 2  # at its beginning a run tells of itself
    sight = data[middle : middle + _SIGHT_BYTES]
    in_sight = sum(map(sight.count, (TRACE_START, *ROW_STARTS)))
    numpy = numpy_for(in_sight * len(data) // _SIGHT_BYTES)
    if numpy is None:
        return None
    parts = _starts(numpy, data)
    if not parts:
        return None
    expected: int | None = None
    traced: list[Any] = []
    logged: list[Any] = []
    others: list[int] = []
    for part in parts:
        numbers = numbers_at(numpy, data, "<u8", moved(part, FRAME_BYTES - 8))
        first, counted = int(numbers[0]), numpy.arange(len(part), dtype=numpy.uint64)
        if expected not in (None, first) or (numbers - numbers[0] != counted).any():
            return None
        expected = first + len(part)
        of_trace, of_rows = _kinds(numpy, data, part)
        payloads = as_array(numpy, moved(part, FRAME_BYTES))
        traced.append(payloads[of_trace])
        logged.append(payloads[of_rows])
        others += payloads[~(of_trace | of_rows)].tolist()
    found: list[tuple[int, list[Any]]] = []
    for start in (payload - FRAME_BYTES for payload in others):
        (length,) = LENGTH.unpack_from(data, start)
        more = Apart()
        frames, tail = read_frames(data[start : start + FRAME_BYTES + length], 0, apart=more)
        if tail.torn or not frames:
            return None  # damaged after all, or one that has to be put in its place
        found += frames
    return found, Apart(numpy.concatenate(traced), numpy.concatenate(logged))


def _kinds(numpy: Any, data: bytes, starts: Any) -> tuple[Any, Any]:
    """Which of the frames are of the trace, and which are rows of metrics."""
    begins = numbers_at(numpy, data, "<u2", moved(starts, FRAME_BYTES))
    if (begins == begins[0]).all():  # as most often where they lie evenly
        begins = begins[:1]
    is_row = numpy.zeros(1 << 16, bool)
    is_row[[int.from_bytes(start, "little") for start in ROW_STARTS]] = True
    of_trace, of_rows = begins == int.from_bytes(TRACE_START, "little"), is_row[begins]
    is_long = begins & 0xFF == LONG_ROW[0]
    if is_long.any():
        last = len(data) - 1
        kinds = as_array(numpy, moved(starts, FRAME_BYTES + KIND_OF_LONG))
        is_row_kind = numbers_at(numpy, data, "u1", numpy.minimum(kinds, last)) == Kind.ROW
        of_rows = of_rows | (is_long & is_row_kind)
    shape = (len(starts),)
    return numpy.broadcast_to(of_trace, shape), numpy.broadcast_to(of_rows, shape)


def _starts(numpy: Any, data: bytes) -> list[Any]:
    """Where each frame begins, in parts; nothing where the last does not end with the segment."""
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
                parts += [numpy.array(near), far]
                at += len(far) // _PERIOD * sum(sizes)
                near, look = [], 2 * _PERIOD
    if at != len(data):
        return []
    return [*parts, numpy.array(near)] if near else parts


def _period(near: Sequence[int], at: int) -> tuple[list[int], list[int]]:
    """The sizes of the last period but one, and of the last."""
    ends = [*near[-2 * _PERIOD :], at]
    sizes = [end - start for start, end in pairwise(ends)]
    return sizes[:_PERIOD], sizes[_PERIOD:]


def _stride(numpy: Any, data: bytes, at: int, sizes: Any) -> Any:
    """Where frames of these sizes begin, in as many whole periods as follow one another."""
    span = int(sizes.sum())
    periods = (len(data) - at) // span
    if (sizes == sizes[0]).all():
        starts = range(at, at + periods * span, int(sizes[0]))
        fits = numbers_at(numpy, data, "<u4", starts) + FRAME_BYTES == sizes[0]
        fitting = len(fits) if fits.all() else int(fits.argmin())
        return starts[: fitting // _PERIOD * _PERIOD]
    starts = at + numpy.arange(periods)[:, None] * span + (numpy.cumsum(sizes) - sizes)
    fits = (numbers_at(numpy, data, "<u4", starts) + FRAME_BYTES == sizes).all(axis=1)
    return (starts if fits.all() else starts[: int(fits.argmin())]).reshape(-1)
