"""What wandb logged beside numbers: pictures, sounds, films, tables and histograms.

A history names the files of a run by paths inside its folder `files`. Anybody may have written
these paths: one that leads out of that folder is not followed.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.compat.files.wandbrecords import number_of
from samebit.journal.values import is_plain
from samebit.media.given import Audio, Histogram, Image, Media, Table, Video

__all__ = ["Shown", "shown"]

_MOST_BYTES = 256 << 20  # of one file
_MOST_DEPTH = 32
_MOST_BINS = 4096
# By what wandb calls one of them: what is made of its file, and the key under which many of them
# are listed where they are logged together.
_KINDS = {
    "image-file": Image,
    "audio-file": Audio,
    "video-file": Video,
    "images/separated": Image,
    "images": Image,
    "audio": Audio,
    "videos": Video,
}


class Shown(Struct, frozen=True):
    """One thing, or many that were logged together."""

    media: Sequence[Media] | Callable[[], Sequence[Media]]
    missing: Sequence[str] = ()  # files that it names and that are not there


def shown(said: Mapping[str, Any], files: Path) -> Shown | None:
    """What a value of the history stands for; None where it has no place here.

    Args:
        said: the value, with its `_type`; what is nested in it by dotted names.
        files: the folder with the files of the run.
    """
    kind = said.get("_type")
    if kind == "histogram":
        histogram = _histogram(said)
        return None if histogram is None else Shown([histogram])
    if kind == "table-file":
        path = _inside(files, said.get("path"))
        if path is None:
            return Shown((), [str(said.get("path"))])
        return Shown(functools.partial(_table, path))
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    named = _named(said)
    if make is None or not named:
        return None
    there = [(_inside(files, name), caption) for name, caption in named]
    missing = [str(name) for (name, _), (path, _) in zip(named, there, strict=True) if path is None]
    return Shown(functools.partial(_read, make, there), missing)


def _named(said: Mapping[str, Any]) -> list[tuple[Any, str | None]]:
    """The files that a value names, with their captions."""
    names, captions = said.get("filenames"), said.get("captions")
    if isinstance(names, list):
        texts = captions if isinstance(captions, list) and len(captions) == len(names) else ()
        return [(name, _caption(texts[at] if texts else None)) for at, name in enumerate(names)]
    for key in ("audio", "videos"):
        if isinstance(said.get(key), list):
            each = [one if isinstance(one, dict) else {} for one in said[key]]
            return [(one.get("path"), _caption(one.get("caption"))) for one in each]
    return [(said["path"], _caption(said.get("caption")))] if "path" in said else []


def _caption(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _inside(files: Path, name: Any) -> Path | None:
    """The file of a name that is inside a folder and there; None for any other."""
    if not isinstance(name, str) or not name or "\0" in name:
        return None
    try:
        path = (files / name).resolve()
        is_ours = path.is_relative_to(files.resolve()) and path.is_file()
        return path if is_ours and path.stat().st_size <= _MOST_BYTES else None
    except (OSError, ValueError, RuntimeError):
        return None


def _read(
    make: Callable[..., Media], there: Sequence[tuple[Path | None, str | None]]
) -> list[Media]:
    return [make(path, caption=caption) for path, caption in there if path is not None]


def _table(path: Path) -> list[Media]:
    try:
        found = json.loads(path.read_bytes())
        columns, rows = found["columns"], found["data"]
        cells = [[_cell(value) for value in row] for row in rows]
        return [Table([str(name) for name in columns], cells)]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return [Table([], [[f"{path.name} is no table of wandb"]])]  # refused, and so it is told


def _cell(value: Any) -> Any:
    """A cell as a table takes it; what is nested, as JSON."""
    if not isinstance(value, (dict, list)):
        return value
    return json.dumps(value) if is_plain(value, _MOST_DEPTH) else "…"


def _histogram(said: Mapping[str, Any]) -> Histogram | None:
    counts, edges = said.get("values"), said.get("bins")
    low, width, many = (said.get(f"packedBins.{name}") for name in ("min", "size", "count"))
    if edges is None and isinstance(many, int) and 0 < many <= _MOST_BINS:
        begin, step = number_of(low), number_of(width)
        if begin is None or step is None:
            return None
        edges = [begin + step * at for at in range(many + 1)]
    if not _are_numbers(counts) or not _are_numbers(edges):
        return None
    return Histogram(counts=counts, edges=edges)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(number_of(one) is not None for one in values)
