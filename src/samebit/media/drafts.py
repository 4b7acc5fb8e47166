"""What `run.log` takes of media at once, and what is made of it later, beside the training.

A draft shares nothing with the script any more: arrays are copied, files read, figures rendered.
"""

import functools
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit.errors import UsageError
from samebit.media import tables, types
from samebit.media.arrays import Array, Fetch, HasCome, copied
from samebit.media.given import Audio, Figure, Histogram, Image, Media, Table, Text, Video
from samebit.media.histograms import made_of_counts, made_of_values
from samebit.media.png import write_png
from samebit.media.wav import write_wav

__all__ = ["MOST_BYTES", "Draft", "Made", "draft"]

MOST_BYTES = 256 << 20  # of one thing
_MOST_CAPTION = 10_000  # characters
_MOST_BINS = 4096
_MOST_CHANNELS = 255  # of sound
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_SOUNDS = (types.WAV, "audio/mpeg", "audio/ogg")
_FILMS = ("video/mp4", "video/webm")
_AS_THEY_ARE = ("L", "LA", "RGB", "RGBA", "I;16")  # modes of Pillow

About = dict[str, Any]


class Made(Struct, frozen=True):
    """The bytes of one thing, and of what they name; `record` is what a table says of it."""

    type: str
    data: bytes
    about: About = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()


class Draft(Struct, frozen=True):
    """One thing on its way."""

    kind: str
    make: Callable[[], Made]  # raises UsageError for values that cannot be shown
    size_bytes: int  # that are held until then
    exact: bool  # the bytes follow from the values alone
    caption: str | None = None
    has_come: tuple[HasCome, ...] = ()  # what a device has still to give


def draft(given: Media, fetch: Fetch) -> Draft:
    """Take what was given.

    Args:
        given: by the script, which may change it afterwards.
        fetch: begins to copy a tensor from a device; gives the copy, and whether it is filled.

    Raises:
        UsageError: it cannot be meant so.
    """
    caption = getattr(given, "caption", None)
    if caption is not None and not isinstance(caption, str):
        raise UsageError(f"a caption is a text, not a {type(caption).__name__}")
    if caption is not None and len(caption) > _MOST_CAPTION:
        raise UsageError(
            f"a caption of {len(caption):,} characters: {_MOST_CAPTION:,} are the most"
        )
    kind, make = _KINDS[type(given)]
    found = make(given, fetch)
    if found.size_bytes > MOST_BYTES:
        size = f"{found.size_bytes >> 20} MiB"
        raise UsageError(f"the {kind} has {size}, and {MOST_BYTES >> 20} MiB are the most")
    return Draft(kind, found.make, found.size_bytes, found.exact, caption, found.has_come)


def _as_it_is(kind: str, data: Any, known: tuple[str, ...], takes: str) -> Draft:
    """Bytes, or those of a file, of one of some types."""
    if isinstance(data, (str, os.PathLike)):
        path = Path(data)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise UsageError(f"{path.name} has more than {MOST_BYTES >> 20} MiB")
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
    data = bytes(data)
    found = types.type_of(data)
    if found not in known:
        what = found or ("nothing" if not data else f"bytes that begin with {data[:8]!r}")
        raise UsageError(f"{what}, which is no {kind} that is known; taken are {takes}")
    made = Made(found, data)
    return Draft(kind, lambda: made, len(data), exact=False)


def _is_file(data: Any) -> bool:
    return isinstance(data, (str, os.PathLike, bytes, bytearray, memoryview))


# Pictures


def _image(given: Image, fetch: Fetch) -> Draft:
    if _is_file(given.data):
        return _as_it_is("image", given.data, _IMAGES, "PNG, JPEG, GIF, WebP, arrays and Pillow's")
    found = copied(_of_pillow(given.data), fetch, most_bytes=MOST_BYTES)
    first = _has_channels_first(given.channels, found)
    bounds = _bounds(given.range)
    _check_picture(found, first=first)
    return Draft(
        "image",
        lambda: _made_picture(found, first, bounds),
        found.size_bytes,
        exact=True,
        has_come=found.has_come,
    )


def _of_pillow(data: Any) -> Any:
    pillow = sys.modules.get("PIL.Image")
    if pillow is None or not isinstance(data, pillow.Image):
        return data
    mode = data.mode
    if mode in ("F", "I"):
        raise UsageError(f"an image of the mode {mode} has no range; give an array, and `range=`")
    if mode == "1":
        data = data.convert("L")
    elif mode not in _AS_THEY_ARE:
        has_alpha = "transparency" in data.info or mode in ("PA", "La", "RGBa")
        data = data.convert("RGBA" if has_alpha else "RGB")
    import numpy as np  # noqa: PLC0415  (`copied` says what to do where it is missing)

    return np.asarray(data)


def _has_channels_first(said: Any, found: Array) -> bool:
    if said not in (None, "first", "last"):
        raise UsageError(f"channels are `first` or `last`, not {said!r}")
    return found.is_torch if said is None else said == "first"


def _bounds(said: Any) -> tuple[float, float] | None:
    if said is None:
        return None
    try:
        low, high = (float(one) for one in said)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a range is (lowest, highest), not {said!r}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"a range is two numbers that rise, not {said!r}")
    return low, high


def _check_picture(found: Array, *, first: bool) -> None:
    shape = found.shape
    if found.kind not in "buif":
        raise UsageError(f"a picture is made of numbers, not of {found.dtype}")
    if len(shape) not in (2, 3):
        hint = "a list of pictures is logged as one: [samebit.Image(x) for x in batch]"
        raise UsageError(f"an array of the shape {shape} is no picture", hint=hint)
    if not all(shape):
        raise UsageError(f"an array of the shape {shape} is empty")
    if len(shape) == 3:
        channels = shape[0] if first else shape[2]
        if channels > 4:
            where, other = ("first", "last") if first else ("last", "first")
            said = f"{channels} channels ({where}) in the shape {shape}, where 1 to 4 are known"
            raise UsageError(said, hint=f"channels={other!r} says that they are {other}")


def _made_picture(found: Array, first: bool, bounds: tuple[float, float] | None) -> Made:
    pixels = found.read()
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    elif first:
        pixels = pixels.transpose(1, 2, 0)
    pixels = _as_samples(pixels, bounds)
    height, width, channels = pixels.shape
    about = {"width": width, "height": height, "channels": channels}
    return Made(types.PNG, write_png(pixels), about)


def _as_samples(values: Any, bounds: tuple[float, float] | None) -> Any:
    """Whole numbers that a PNG holds; UsageError where the values are none, and no range says."""
    import numpy as np  # noqa: PLC0415

    kind = values.dtype.kind
    if bounds is not None:
        low, high = bounds
        values = values.astype(np.float64)
        if np.isnan(values).any():
            raise UsageError("a picture with NaN in it")
        values = np.clip((values - low) / (high - low), 0.0, 1.0)
        return np.rint(values * 255).astype(np.uint8)
    if kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype in (np.uint8, np.uint16):
        return values
    if kind == "f":
        values = values.astype(np.float64) * 255
        if np.isnan(values).any():
            raise UsageError("a picture with NaN in it")
        values = np.rint(values)
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        scale = 255 if kind == "f" else 1
        meant = "0.0 to 1.0" if kind == "f" else "0 to 255"
        said = f"its values are {low / scale:.6g} to {high / scale:.6g}, not {meant}"
        raise UsageError(said, hint="range=(lowest, highest) says which are black and white")
    return values.astype(np.uint8)


def _figure(given: Figure, _: Fetch) -> Draft:
    import io  # noqa: PLC0415

    figure = given.figure
    figure = figure if hasattr(figure, "savefig") else getattr(figure, "figure", figure)  # an Axes
    try:
        if hasattr(figure, "savefig"):
            stream = io.BytesIO()
            figure.savefig(stream, format="png", metadata={"Software": None})
            data = stream.getvalue()
        elif hasattr(figure, "to_image"):
            data = bytes(figure.to_image(format="png"))
        else:
            raise UsageError(
                f"a {type(given.figure).__name__} is no figure of matplotlib or plotly"
            )
    except UsageError:
        raise
    except Exception as error:
        hint = "plotly needs kaleido for it" if not hasattr(figure, "savefig") else None
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"the figure could not be rendered: {why}", hint=hint) from error
    made = Made(types.PNG, data)
    return Draft("figure", lambda: made, len(data), exact=False)


# Sound and films


def _audio(given: Audio, fetch: Fetch) -> Draft:
    if _is_file(given.data):
        return _as_it_is("audio", given.data, _SOUNDS, "WAV, MP3, Ogg and arrays")
    rate = given.rate
    if rate is None or not hasattr(rate, "__index__") or not 0 < int(rate) < 1 << 32:
        raise UsageError(f"samples have a rate, as samebit.Audio(samples, 16000), not {rate!r}")
    found = copied(given.data, fetch, most_bytes=MOST_BYTES)
    if found.dtype not in ("uint8", "int16", "int32") and found.kind != "f":
        raise UsageError(f"samples are uint8, int16, int32 or floats, not {found.dtype}")
    if len(found.shape) not in (1, 2) or not all(found.shape):
        raise UsageError(f"an array of the shape {found.shape} is no sound")
    channels = 1 if len(found.shape) == 1 else found.shape[0 if found.is_torch else 1]
    if channels > _MOST_CHANNELS:
        order = "channels × samples" if found.is_torch else "samples × channels"
        raise UsageError(f"{channels} channels in the shape {found.shape}, which is {order}")
    make = functools.partial(_made_sound, found, int(rate))
    return Draft("audio", make, found.size_bytes, exact=True, has_come=found.has_come)


def _made_sound(found: Array, rate: int) -> Made:
    import numpy as np  # noqa: PLC0415

    samples = found.read()
    if samples.ndim == 1:
        samples = samples[:, None]
    elif found.is_torch:
        samples = samples.T
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            samples = samples.astype(np.float32)
        if not np.isfinite(samples).all():
            raise UsageError("sound with NaN or infinity in it")
    about = {"rate": rate, "channels": samples.shape[1], "seconds": samples.shape[0] / rate}
    return Made(types.WAV, write_wav(np.ascontiguousarray(samples), rate), about)


def _video(given: Video, _: Fetch) -> Draft:
    if not _is_file(given.data):
        raise UsageError(
            f"a {type(given.data).__name__} is no film: MP4 or WebM, as bytes or a path, is taken"
        )
    return _as_it_is("video", given.data, _FILMS, "MP4 and WebM")


# What is written as text


def _text(given: Text, _: Fetch) -> Draft:
    if not isinstance(given.text, str):
        raise UsageError(f"a text is no {type(given.text).__name__}")
    data = given.text.encode("utf-8", "backslashreplace")  # of a lone surrogate its escape
    made = Made(types.TEXT, data)
    return Draft("text", lambda: made, len(data), exact=True)


def _histogram(given: Histogram, fetch: Fetch) -> Draft:
    if (given.values is None) == (given.counts is None) or (given.edges is None) != (
        given.counts is None
    ):
        raise UsageError("a histogram is made of values, or of counts and edges")
    if given.values is None:
        made = Made(types.JSON, *made_of_counts(given.counts, given.edges))
        return Draft("histogram", lambda: made, len(made.data), exact=True)
    bins = given.bins
    if not hasattr(bins, "__index__") or not 0 < int(bins) <= _MOST_BINS:
        raise UsageError(f"a histogram has 1 to {_MOST_BINS} bins, not {bins!r}")
    found = copied(given.values, fetch, most_bytes=MOST_BYTES)
    if found.kind not in "buif":
        raise UsageError(f"a histogram is of numbers, not of {found.dtype}")
    if not all(found.shape):
        raise UsageError("a histogram of no values")
    return Draft(
        "histogram",
        lambda: Made(types.JSON, *made_of_values(found.read(), int(bins))),
        found.size_bytes,
        exact=True,
        has_come=found.has_come,
    )


def _table(given: Table, fetch: Fetch) -> Draft:
    def inside(value: Any) -> Draft:
        if isinstance(value, Table):
            raise UsageError("a table in a cell of a table")
        return draft(value, fetch)

    columns, rows = tables.plain(given.columns, given.rows, inside)
    drafts = [cell for row in rows for cell in row if isinstance(cell, Draft)]
    held = sum(one.size_bytes for one in drafts) + tables.size_bytes(rows)
    return Draft(
        "table",
        lambda: _made_table(columns, rows),
        held,
        exact=all(one.exact for one in drafts),
        has_come=tuple(has_come for one in drafts for has_come in one.has_come),
    )


def _made_table(columns: list[str], rows: list[list[Any]]) -> Made:
    parts: list[bytes] = []

    def cell(value: Any) -> Any:
        if not isinstance(value, Draft):
            return value
        made = value.make()
        parts.append(made.data)
        return tables.of_media(value.kind, made.type, made.data, made.about, value.caption)

    data = tables.write(columns, [[cell(value) for value in row] for row in rows])
    return Made(types.JSON, data, {"rows": len(rows), "columns": len(columns)}, tuple(parts))


_KINDS: dict[type[Media], tuple[str, Callable[[Any, Fetch], Draft]]] = {
    Audio: ("audio", _audio),
    Figure: ("figure", _figure),
    Histogram: ("histogram", _histogram),
    Image: ("image", _image),
    Table: ("table", _table),
    Text: ("text", _text),
    Video: ("video", _video),
}
