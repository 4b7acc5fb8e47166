"""The shapes of the facts about data: files, data sets, splits, fits, media, versions of data.

As those of all other facts they are checked in `facts.py`, and nowhere else.
"""

from typing import Any, Literal, NotRequired, TypedDict

from samebit.folders.bounds import Count, Digest, FilePath, Text

__all__ = [
    "FILES",
    "ArtifactFact",
    "DataFact",
    "FileFact",
    "FitFact",
    "FittedFact",
    "MediaFact",
    "SplitFact",
]


class _FromFact(TypedDict):
    run: str
    name: str
    manifest: str


SplitFact = TypedDict(
    "SplitFact",
    {
        "name": str,
        "manifest": str,
        "method": str,
        "rows": int | None,
        "parts": list[tuple[str, int, str]],
        "at": NotRequired[str | None],
        "from": NotRequired[_FromFact],
    },
)


class DataFact(TypedDict):
    """Data that the script says it uses."""

    name: str
    what: str
    fingerprint: str | None
    rows: NotRequired[int | None]
    counts: NotRequired[dict[str, int]]
    parts: NotRequired[dict[str, str]]
    notes: NotRequired[list[str]]
    path: NotRequired[FilePath]
    at: NotRequired[str | None]
    kept: NotRequired[str]
    size_bytes: NotRequired[int]
    version: NotRequired[str]


class MediaFact(TypedDict):
    """Something that was logged beside numbers; with `at`, one thing of it."""

    name: str
    step: int
    kind: str
    of: Count
    at: NotRequired[Count]
    type: NotRequired[str]
    object: NotRequired[Digest]
    size_bytes: NotRequired[int]
    exact: NotRequired[bool]
    kept: NotRequired[bool]
    caption: NotRequired[str]
    about: NotRequired[dict[str, Any]]
    why: NotRequired[str]


class FitFact(TypedDict):
    """Something that learned from rows before a model was trained on them."""

    number: int
    method: str
    kind: Literal["preprocessing", "selection"]
    at: str
    rows: int | None


class FittedFact(TypedDict):
    """Which rows of the parts of a split are among those that it learned from."""

    number: int
    split: str
    parts: list[tuple[str, int, int, list[int]]]
    unknown: str | None


class FileFact(TypedDict):
    """What every fact about a file has."""

    path: FilePath
    how: Literal["read", "write", "folder", "list", "many"]
    given: NotRequired[str]
    digest: NotRequired[str | None]
    kept: NotRequired[str | None]
    saved: NotRequired[str]  # the object that it is kept as, or a list of its pieces
    written: NotRequired[bool]
    left: NotRequired[str | None]
    changed: NotRequired[bool]
    sorted: NotRequired[bool]
    at: NotRequired[Text]


class _ReadFact(FileFact):
    size_bytes: int
    mtime_ns: int


class _WriteFact(FileFact):
    size_bytes: NotRequired[int]
    mtime_ns: NotRequired[int]


class _ListFact(FileFact):
    count: int
    names: NotRequired[list[Text]]
    order: NotRequired[str]


class _ManyFact(FileFact):
    count: int | None
    size_bytes: NotRequired[int | None]
    listing: NotRequired[str | None]


class ArtifactFact(TypedDict):
    """A version of data that the script saved, logged or used by a call."""

    how: str
    name: Text
    fingerprint: Text
    manifest: Digest
    given: NotRequired[str]  # by which name it was asked for
    file: NotRequired[str]  # of one that was saved, its name there


# A fact about a file has `how`, which says what else it has.
FILES = {
    "read": _ReadFact,
    "write": _WriteFact,
    "folder": FileFact,
    "list": _ListFact,
    "many": _ManyFact,
}
