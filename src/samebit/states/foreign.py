"""What is asked of somebody's file before it is believed, whichever program wrote it."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

from samebit.errors import Damaged, UsageError

__all__ = ["first_line", "is_name", "load_weights", "parse_json", "unpacks_to_too_much"]

_MAX_RATIO = 100  # of an array that must be held whole: what it unpacks to, over what is stored
_SMALL_BYTES = 64 << 20


def is_name(name: object) -> bool:
    """Whether it names a file of the folder itself: no way up, no way elsewhere."""
    return isinstance(name, str) and Path(name).name == name and name not in ("", ".", "..")


def unpacks_to_too_much(size_bytes: int, stored_bytes: int) -> bool:
    """Whether an array would take much more memory than what is stored of it explains."""
    return size_bytes > max(_SMALL_BYTES, _MAX_RATIO * stored_bytes)


def parse_json(data: bytes, path: Path) -> Any:
    """A JSON value; Damaged where it is none, or where an object has a name twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise Damaged("a name is there twice", path=path)
        return dict(pairs)

    try:
        return json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"not readable as JSON: {error}", path=path) from error


# What torch's loader names where a file holds more than weights.
_HELD = re.compile(r"(?:GLOBAL|class) ([A-Za-z_][\w.]*\.\w+)")


def load_weights(file: Any, path: Path, *, mmap: bool | None = None) -> Any:
    """What `torch.save` wrote, by torch's weights-only loader.

    Args:
        file: a path, or an open file.
        path: for what is said.
        mmap: as `torch.load` takes it.
    """
    try:
        import torch  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError("torch is not installed", hint="install it to read this") from error
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # whatever a stranger's file makes of torch's reader
        if held := _HELD.search(str(error)):
            raise UsageError(
                f"it holds {held[1]}, which is no array and no plain value",
                path=path,
                hint="it is not read: that could run code; a `state_dict()` alone can be saved",
            ) from error
        raise Damaged(f"torch reads no weights from it: {_said(error)}", path=path) from error


def _said(error: Exception) -> str:
    """What torch says is wrong, and not its advice to load the file without looking."""
    pieces = [piece.strip() for piece in str(error).split("\n\n")]
    if pieces[0].startswith("Weights only load failed"):
        return next(filter(None, pieces[1:]), "not a file of weights")
    if isinstance(error, KeyError):  # a byte that is no operation of a pickle
        return "it is not a file of weights"
    return "it ends too early" if isinstance(error, EOFError) else first_line(error)


def first_line(error: Exception) -> str:
    """The beginning of what a library says, for a line of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
