"""Pictures, sounds, histograms and texts of event files, as `run.log` would take them."""

import math
from collections.abc import Sequence
from pathlib import Path

from samebit.compat.files.eventfile import Logged
from samebit.compat.files.events import Span, bins_of, read_event, read_tensor, tensor_shape
from samebit.compat.files.wire import BYTES, Malformed, fields, text_of
from samebit.errors import SamebitError
from samebit.media.given import Audio, Histogram, Image, Media, Text

__all__ = ["bins", "read_logged"]

_HALF_OF_NOTHING = 0.5  # on either side of a value that is the only one, as of our own histograms


def read_logged(path: Path, logged: Logged) -> list[Media]:
    """Read what a file has at a place; raises SamebitError for what cannot be had (any more)."""
    try:
        with path.open("rb") as stream:
            stream.seek(logged.begin)
            data = stream.read(logged.length)
        value = read_event(data, 0, len(data)).values[logged.at]
        if value.image:
            return [Image(_bytes(data, value.image, 4))]
        if value.audio:
            return [Audio(_bytes(data, value.audio, 4))]
        if value.histogram:
            limits, counts, low, high = bins_of(data, value.histogram)
            lefts = [low, *limits[:-1]]
            return [_histogram(lefts, limits, counts, low, high)]
        if value.tensor:
            return _of_tensor(data, value.tensor, logged.plugin)
    except (Malformed, IndexError, OSError) as error:
        raise SamebitError(
            f"{logged.tag!r} at step {logged.step} cannot be read: {error}"
        ) from error
    return []


def _bytes(data: bytes, span: Span, wanted: int) -> bytes:
    found = [s for n, k, s in fields(data, *span) if (n, k) == (wanted, BYTES)]
    return data[slice(*found[-1])] if found else b""


def _of_tensor(data: bytes, span: Span, plugin: str) -> list[Media]:
    _, shape = tensor_shape(data, span)
    values = read_tensor(data, span)
    if plugin == "histograms":
        if len(shape) != 2 or shape[1] != 3:
            raise Malformed(f"a histogram of the shape {shape}")
        lefts, rights, counts = values[::3], values[1::3], values[2::3]
        return [
            _histogram(lefts, rights, counts, min(lefts, default=0.0), max(rights, default=0.0))
        ]
    texts = [one for one in values if isinstance(one, bytes)]
    if plugin == "text":
        return [Text(text_of(one)) for one in texts]
    if plugin == "images":  # behind width and height
        return [Image(one) for one in texts[2:]]
    # A sound, or a sound and its label.
    return [Audio(one) for one in (texts[::2] if shape[1:] == (2,) else texts)]


def _histogram(
    lefts: Sequence[float],
    rights: Sequence[float],
    counts: Sequence[float],
    low: float,
    high: float,
) -> Histogram:
    edges, many = bins(lefts, rights, counts, low, high)
    return Histogram(counts=many, edges=edges)


def bins(
    lefts: Sequence[float],
    rights: Sequence[float],
    counts: Sequence[float],
    low: float,
    high: float,
) -> tuple[list[float], list[float]]:
    """Rising edges of the bins that have something, and their counts.

    TensorBoard's first bin reaches down to the least value and its last one up to the greatest; one
    without a width belongs to the one before it.

    Args:
        lefts: where each bin begins.
        rights: where it ends; the largest float, or an infinity, where nothing was above.
        counts: how many are in it.
        low: the least value.
        high: the greatest.
    """
    kept = [at for at, count in enumerate(counts) if count]
    if not kept:
        kept = list(range(len(counts)))
    edges: list[float] = []
    many: list[float] = []
    for at in range(kept[0], kept[-1] + 1) if kept else ():
        left, right, count = lefts[at], rights[at], counts[at]
        if at == kept[-1] and (not math.isfinite(right) or right > high > left):
            right = high
        if not edges:
            edges.append(max(left, low) if at == kept[0] and low < right else left)
        if right > edges[-1]:
            edges.append(right)
            many.append(count)
        elif many:
            many[-1] += count
        else:  # all that there is has one value
            edges = [left - _HALF_OF_NOTHING, left + _HALF_OF_NOTHING]
            many.append(count)
    return edges, [int(one) if one == int(one) else one for one in many if math.isfinite(one)]
