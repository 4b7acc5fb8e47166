"""What a script hands to `run.log` beside numbers: each holds what it was given, and no more.

Nothing is checked or copied before `log` has it, so that what is wrong is said in one place, as of
a number, and never stops a training.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

__all__ = ["Audio", "Figure", "Histogram", "Image", "Media", "Table", "Text", "Video", "apart"]


class Media(Struct, frozen=True, eq=False):
    """Something to look at or to listen to."""


class Image(Media, frozen=True, eq=False):
    """A picture, for `run.log({"samples": samebit.Image(array)})`; lists of them, too.

    Args:
        data: an array of height × width, or with 1 to 4 channels: grey, grey and alpha, RGB, RGBA.
            Tensors of torch have their channels first, all others last. bool, uint8 and uint16
            are taken as they are, other whole numbers from 0 to 255, floats from 0.0 to 1.0 as the
            nearest of 0 to 255. Or an image of Pillow; or PNG, JPEG, GIF or WebP: its bytes, or
            the path of a file.
        caption: a text beside it.
        channels: `first` or `last`, where they are elsewhere.
        range: (lowest, highest), of numbers that are drawn black and white, and what is beyond as
            the nearer of the two.
    """

    data: Any
    caption: str | None = None
    channels: str | None = None
    range: tuple[float, float] | None = None


class Histogram(Media, frozen=True, eq=False):
    """How often values are how large, for `run.log`.

    Args:
        values: numbers, in an array of any shape; NaN and infinities are counted apart.
        bins: how many, of equal width from the least to the greatest value.
        counts: instead of `values`, how many are in each bin…
        edges: …and where the bins lie: one more than counts, rising.
        caption: a text beside it.
    """

    values: Any = None
    bins: int = 64
    counts: Any = None
    edges: Any = None
    caption: str | None = None


class Table(Media, frozen=True, eq=False):
    """Rows under columns, for `run.log`.

    Args:
        columns: names; or a frame of pandas or polars, or a table of Arrow, and no rows.
        rows: of each a cell for each column: None, bool, number, text, date, or one of these media.
        caption: a text beside it.
    """

    columns: Any
    rows: Iterable[Sequence[Any]] | None = None
    caption: str | None = None


class Text(Media, frozen=True, eq=False):
    """A long text, for `run.log`: a generated sample, a prompt; short ones are values as they are.

    Args:
        text: itself.
        caption: a text beside it.
    """

    text: str
    caption: str | None = None


class Audio(Media, frozen=True, eq=False):
    """Sound, for `run.log`.

    Args:
        data: an array of samples, or of samples × channels (torch: channels × samples): uint8,
            int16, int32, or floats, which are kept as float32. Or WAV, MP3 or Ogg: its bytes, or
            the path of a file.
        rate: samples a second, of an array.
        caption: a text beside it.
    """

    data: Any
    rate: int | None = None
    caption: str | None = None


class Video(Media, frozen=True, eq=False):
    """A film, for `run.log`.

    Args:
        data: MP4 or WebM: its bytes, or the path of a file.
        caption: a text beside it.
    """

    data: Any
    caption: str | None = None


class Figure(Media, frozen=True, eq=False):
    """A figure of matplotlib or plotly, for `run.log`, which renders it before it returns.

    Args:
        figure: it.
        caption: a text beside it.
    """

    figure: Any
    caption: str | None = None


def apart(values: Mapping[Any, Any]) -> tuple[dict[str, list[Media]], dict[Any, Any]]:
    """The media among values to log, by dotted name, and the values without them."""
    media: dict[str, list[Media]] = {}
    rest: dict[Any, Any] = {}
    for name, value in values.items():
        if isinstance(name, str) and (found := _media(value)):
            media[name] = found
        elif isinstance(name, str) and isinstance(value, Mapping):
            inner, others = apart(value)
            media.update({f"{name}.{below}": found for below, found in inner.items()})
            if others or not inner:
                rest[name] = others
        else:
            rest[name] = value
    return media, rest


def _media(value: Any) -> list[Media]:
    if isinstance(value, Media):
        return [value]
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Media):
        return list(value)
    return []
