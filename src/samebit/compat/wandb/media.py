"""wandb's kinds of media, and what each becomes in `Run.log`; values of other kinds, too.

What has no counterpart is said once, and never stops a training.
"""

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from samebit.compat.wandb import pictures
from samebit.compat.wandb.saying import lacks
from samebit.media import given

__all__ = [
    "Audio",
    "BatchableMedia",
    "Histogram",
    "Html",
    "Image",
    "Media",
    "Molecule",
    "NotKept",
    "Object3D",
    "Plotly",
    "Video",
    "WBValue",
    "as_media",
    "for_log",
]

_MOST_IN_A_LINE = 32  # values of an array that are written out; more are a histogram, as there
_MOST_BINS = 512
_SHORT = 1000  # characters of a text that stands among the values


class WBValue:
    """Something that can be logged beside numbers."""

    def as_media(self) -> given.Media | None:
        """What it becomes; None where it becomes nothing, which was said."""
        raise NotImplementedError


class Media(WBValue):
    """What can have a caption."""

    _caption: str | None = None

    @property
    def caption(self) -> str | None:
        """The text beside it."""
        return self._caption


class BatchableMedia(Media):
    """Media of which lists are logged."""


class Image(BatchableMedia):
    """A picture: an array, a tensor, an image of Pillow, a figure, the path of a file.

    Floats from 0 to 1 are drawn black to white; of numbers that lie neither there nor from 0 to
    255 the least is black and the greatest white. `boxes` and `masks` are not kept, and said once.
    """

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: Any = None,
        masks: Any = None,
        file_type: str | None = None,
        normalize: bool = True,
    ) -> None:
        self._caption = caption
        if boxes or masks:
            lacks("boxes", "boxes and masks of pictures are not kept; the pictures are")
        if isinstance(data_or_path, Image):
            self._made = data_or_path._made
        elif isinstance(data_or_path, (str, os.PathLike)):
            _there(data_or_path)
            self._made = given.Image(os.fspath(data_or_path))
        elif _figure(data_or_path) is not None:
            self._made = given.Figure(_figure(data_or_path))
        else:
            self._made = pictures.picture(data_or_path, mode)

    def as_media(self) -> given.Media:
        """The picture, or a figure."""
        if isinstance(self._made, given.Figure):
            return given.Figure(self._made.figure, self._caption)
        made = self._made
        return given.Image(made.data, self._caption, made.channels, made.range)


class Histogram(WBValue):
    """How often values are how large: of values, or as `numpy.histogram` counts them.

    Raises ValueError where wandb does: for more than 512 bins, or neither of the two.
    """

    MAX_LENGTH = _MOST_BINS

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        if np_histogram is not None:
            if not isinstance(np_histogram, (tuple, list)) or len(np_histogram) != 2:
                raise ValueError(
                    "Expected np_histogram to be a tuple of (values, bin_edges) "
                    "or sequence to be specified"
                )
            self._made = given.Histogram(counts=np_histogram[0], edges=np_histogram[1])
        else:
            if sequence is None:
                raise ValueError("a histogram is made of a sequence, or of np_histogram")
            self._made = given.Histogram(sequence, bins=num_bins)
        bins = num_bins if np_histogram is None else len(np_histogram[0])
        if bins > _MOST_BINS:
            raise ValueError(f"The maximum length of a histogram is {_MOST_BINS}")

    @property
    def histogram(self) -> list[Any]:
        """How many are in each bin."""
        return self._counted()[0]

    @property
    def bins(self) -> list[Any]:
        """Where the bins lie: one more than counts."""
        return self._counted()[1]

    def _counted(self) -> tuple[list[Any], list[Any]]:
        if self._made.counts is not None:
            return list(self._made.counts), list(self._made.edges)
        import numpy as np  # noqa: PLC0415  (whoever asks has it)

        values = pictures.as_numpy(self._made.values)
        counts, edges = np.histogram(values[np.isfinite(values)], bins=self._made.bins)
        return counts.tolist(), edges.tolist()

    def as_media(self) -> given.Media:
        """The histogram, counted in bins that are the same on every machine."""
        return self._made


class Audio(BatchableMedia):
    """Sound: samples and their rate, or the path of a file; ValueError for samples without one."""

    def __init__(
        self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None
    ) -> None:
        self._caption = caption
        is_path = isinstance(data_or_path, (str, os.PathLike))
        if not is_path and sample_rate is None:
            raise ValueError(
                'Argument "sample_rate" is required when instantiating wandb.Audio with raw data.'
            )
        self._data = os.fspath(data_or_path) if is_path else data_or_path
        self._rate = None if is_path else sample_rate

    def as_media(self) -> given.Media:
        """The sound."""
        return given.Audio(self._data, self._rate, self._caption)


class Video(BatchableMedia):
    """A film: the path of an MP4, WebM or GIF, or an array of time × channels × height × width.

    An array becomes an animated PNG, which loses nothing.
    """

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        fps: int | None = None,
        format: str | None = None,
    ) -> None:
        self._caption = caption
        self._data = data_or_path
        self._fps = fps or 4
        if isinstance(data_or_path, (str, os.PathLike)):
            _there(data_or_path)
        elif isinstance(data_or_path, io.BytesIO):
            self._data = data_or_path.getvalue()

    def as_media(self) -> given.Media:
        """The film, or a picture that moves."""
        if isinstance(self._data, (str, os.PathLike, bytes)):
            name = os.fspath(self._data) if not isinstance(self._data, bytes) else b""
            begins = self._data[:3] if isinstance(self._data, bytes) else b""
            if begins == b"GIF" or str(name).lower().endswith(".gif"):
                return given.Image(self._data, self._caption)
            return given.Video(self._data, self._caption)
        return given.Image(pictures.animated(self._data, self._fps), self._caption)


class Html(BatchableMedia):
    """A page: its text, an open file, or the path of one; kept as text, which nobody renders."""

    def __init__(
        self,
        data: Any,
        inject: bool = True,
        data_is_not_path: bool = False,
        caption: str | None = None,
    ) -> None:
        self._caption = caption
        if hasattr(data, "read"):
            data = data.read()
        elif not data_is_not_path and os.fspath(data).endswith(".html") and os.path.exists(data):
            with open(data, encoding="utf-8") as stream:
                data = stream.read()
        self.html = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)

    def as_media(self) -> given.Media:
        """The text of the page."""
        return given.Text(self.html, self._caption)


class Plotly(Media):
    """A figure of plotly: kept as the JSON that draws it again."""

    def __init__(self, val: Any) -> None:
        self._figure = val

    def as_media(self) -> given.Media:
        """Its JSON; of a figure of matplotlib the figure."""
        if hasattr(self._figure, "to_json"):
            return given.Text(self._figure.to_json(), "plotly")
        return given.Figure(self._figure)


class Molecule(BatchableMedia):
    """A molecule: the path of a file that is text, or the open file; kept as text."""

    def __init__(
        self, data_or_path: Any, caption: str | None = None, file_type: str | None = None
    ) -> None:
        self._caption = caption
        if hasattr(data_or_path, "read"):
            data = data_or_path.read()
        else:
            with open(data_or_path, "rb") as stream:
                data = stream.read()
        self._text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)

    @classmethod
    def from_smiles(cls, data: str, caption: str | None = None, **more: Any) -> "Molecule":
        """A molecule by its SMILES, which is what is kept."""
        return cls(io.StringIO(data), caption)

    def as_media(self) -> given.Media:
        """The text of the file."""
        return given.Text(self._text, self._caption)


class NotKept(Media):
    """What has no counterpart: taken, said once, left out."""

    what = "this"

    def __init__(self, *data: Any, **more: Any) -> None:
        lacks(self.what, f"{self.what} is not kept: there is nothing like it in the record")

    def as_media(self) -> None:
        """Nothing."""
        return None


class Object3D(NotKept, BatchableMedia):
    """Points in space: not kept."""

    what = "Object3D"

    @classmethod
    def from_numpy(cls, data: Any) -> "Object3D":
        """Not kept, too."""
        return cls(data)

    from_file = from_point_cloud = from_numpy


def _there(path: Any) -> None:
    if not os.path.exists(path):
        raise FileNotFoundError(2, "No such file or directory", os.fspath(path))


def _figure(value: Any) -> Any:
    """A figure of matplotlib: itself, its axes, or the module that has the current one."""
    if "matplotlib" not in sys.modules:
        return None
    if hasattr(value, "gcf") and hasattr(value, "savefig"):  # pyplot itself
        return value.gcf()
    return value if hasattr(value, "savefig") and hasattr(value, "axes") else None


def as_media(value: Any) -> given.Media | None:
    """What a value is beside a number; None where it is none of these."""
    if isinstance(value, WBValue):
        return value.as_media()
    if isinstance(value, given.Media):
        return value
    if (figure := _figure(value)) is not None:
        return given.Figure(figure)
    if hasattr(value, "to_plotly_json"):
        return Plotly(value).as_media()
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return given.Image(value)
    if hasattr(value, "itertuples") and hasattr(value, "columns"):
        from samebit.compat.wandb.tables import Table  # noqa: PLC0415  (it is made of this)

        return Table(dataframe=value).as_media()
    return None


def for_log(data: Mapping[str, Any]) -> dict[str, Any]:
    """A row as `Run.log` takes it.

    Media become ours; arrays of up to 32 values and lists texts of their values, larger arrays
    histograms; None is left out. What is none of these is left to `Run.log`, which says so once.
    """
    row: dict[str, Any] = {}
    for name, value in data.items():
        try:
            found = _one(value)
        except Exception as error:  # a figure that cannot be drawn, an array of no shape
            lacks(f"log of {name!r}", f"not kept: {type(error).__name__}: {error}")
            continue
        if found is not None:
            row[name] = found
    return row


def _one(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return for_log({str(name): one for name, one in value.items()})
    if isinstance(value, WBValue):
        return value.as_media()
    shape = getattr(value, "shape", None)
    if hasattr(value, "tolist") and isinstance(shape, tuple) and not hasattr(value, "columns"):
        return _array(value, shape)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _several(list(value))
    found = as_media(value)
    if found is not None:
        return found
    return value.isoformat() if hasattr(value, "isoformat") else value


def _array(value: Any, shape: tuple[int, ...]) -> Any:
    if not shape:
        return value
    count = 1
    for size in shape:
        count *= int(size)
    if count == 1:
        return value.reshape(())
    if count <= _MOST_IN_A_LINE and not getattr(value, "is_cuda", False):
        return json.dumps(value.tolist(), default=str)
    return given.Histogram(value)


def _several(values: Sequence[Any]) -> Any:
    media = [found for one in values if (found := as_media(one)) is not None]
    if media or any(isinstance(one, WBValue) for one in values):
        return media or None
    text = json.dumps([_listed(one) for one in values], default=str)
    return text if len(text) <= _SHORT else given.Text(text)


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
