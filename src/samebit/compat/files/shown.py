"""Pictures, sounds, histograms and texts of event files, as `run.log` would take them."""

import math
from collections.abc import Sequence
from pathlib import Path

from samebit.compat.files.eventfile import Logged
from samebit.compat.files.events import Span, bins_of, read_event, read_tensor, tensor_shape
from samebit.compat.files.wire import BYTES, Malformed, fields, text_of
from samebit.errors import SamebitError
from samebit.media.given import Audio, Histogram, Image, Media, Text

__all__ = ["read_logged", "rising"]

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
            return [_histogram(data, value.histogram)]
        if value.tensor:
            return _of_tensor(data, value.tensor, logged.plugin)
    except (Malformed, IndexError, OSError) as error:
        what = f"{logged.tag!r} at step {logged.step} cannot be read: {error}"
        raise SamebitError(what, path=path) from error
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
        edges, counts = rising(values[::3], values[1::3], values[2::3])
        return [Histogram(counts=counts, edges=edges)] if counts else []
    texts = [one for one in values if isinstance(one, bytes)]
    if plugin == "text":
        return [Text(text_of(one)) for one in texts]
    if plugin == "images":  # behind width and height
        return [Image(one) for one in texts[2:]]
    # A sound, or a sound and its label.
    return [Audio(one) for one in (texts[::2] if shape[1:] == (2,) else texts)]


def _histogram(data: bytes, span: Span) -> Histogram:
    """One of the old form: limits between which empty bins lie at both ends, often hundreds.

    The first bin that has something begins at the least value, or at the limit before it; the last
    one ends at its limit, or at the greatest value, where that limit stands for infinity.
    """
    limits, counts, low, high = bins_of(data, span)
    filled = [at for at, count in enumerate(counts) if count]
    if not filled:
        raise Malformed("a histogram of no values")
    first, last = filled[0], filled[-1]
    lefts, rights = [low, *limits[:-1]], limits
    lefts[first] = max(lefts[first], low) if low < rights[first] else lefts[first]
    if not math.isfinite(rights[last]) or rights[last] > high > lefts[last]:
        rights[last] = high
    kept = slice(first, last + 1)
    edges, many = rising(lefts[kept], rights[kept], counts[kept])
    return Histogram(counts=many, edges=edges)


def rising(
    lefts: Sequence[float], rights: Sequence[float], counts: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Edges that rise, and counts, of bins of which some may have no width.

    What such a bin holds is in the one before it, else in the one behind it. Where all values are
    one, its bin reaches half a unit to either side.

    Args:
        lefts: where each bin begins, which is where the one before it ends.
        rights: where it ends.
        counts: how many are in it.
    """
    edges: list[float] = []
    many: list[float] = []
    before: float = 0
    for left, right, count in zip(lefts, rights, counts, strict=True):
        if not edges and right > left:
            edges.append(left)
        if edges and right > edges[-1]:
            edges.append(right)
            many.append(before + count)
            before = 0
        elif many:
            many[-1] += count
        else:
            before += count
    if before:
        edges, many = [lefts[0] - _HALF_OF_NOTHING, lefts[0] + _HALF_OF_NOTHING], [before]
    return edges, [int(one) if one == one // 1 else one for one in many]
