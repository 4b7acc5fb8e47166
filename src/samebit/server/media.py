"""What a run logged beside numbers: listed, and given so that nothing in it can run."""

import re
from collections.abc import Iterator

from msgspec import Struct

from samebit.digest import from_json
from samebit.errors import NotFound, SamebitError
from samebit.folders.data_facts import MediaFact
from samebit.folders.media import find_media
from samebit.folders.read import View
from samebit.media import types
from samebit.objects.store import Store
from samebit.server.answers import Media, RunMedia

__all__ = ["HEADERS", "Given", "listed", "of_run", "part", "read"]

# Also where a browser shows it by itself, it has no scripts, no forms and no origin.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cache-control": "private, max-age=31536000, immutable",  # a digest names these bytes alone
}
_UNKNOWN = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{1,15})?-(\d{1,15})?")
_TABLE = "table"


class Given(Struct, frozen=True):
    """The bytes of one thing, and what a browser may take them for."""

    data: bytes
    type: str
    name: str  # of a file in which it is kept
    is_shown: bool


def listed(view: View) -> list[Media]:
    """What has an object, in the order in which it was logged."""
    return [
        Media(
            name=fact["name"],
            step=fact["step"],
            at=fact.get("at", 0),
            of=fact["of"],
            kind=fact["kind"],
            type=fact.get("type", _UNKNOWN),
            digest=fact["object"],
            size_bytes=fact.get("size_bytes", 0),
            kept=fact.get("kept", True),
            caption=fact.get("caption"),
            about=fact.get("about", {}),
        )
        for fact in find_media(view, None)
        if "object" in fact
    ]


def of_run(view: View) -> RunMedia:
    """The same of a run by itself, to lie beside another's."""
    return RunMedia(view.id, listed(view))


def read(view: View, digest: str) -> Given:
    """One thing that the run logged; NotFound for any other object of the store."""
    store = Store(view.folder.store)
    for fact in find_media(view, None):
        if fact.get("object") == digest:
            return _given(store.read(digest), fact.get("type", ""), digest)
        for inner, kind in _in_table(store, fact):
            if inner == digest:
                return _given(store.read(digest), kind, digest)
    raise NotFound("this run logged no such thing", object=digest)


def _given(data: bytes, kind: str, digest: str) -> Given:
    is_shown = types.is_one(kind, data)  # a record may say anything
    name = digest.rpartition(":")[2][:12] + types.extension(kind if is_shown else _UNKNOWN)
    return Given(data, _with_charset(kind) if is_shown else _UNKNOWN, name, is_shown)


def _with_charset(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind in (types.TEXT, types.JSON) else kind


def _in_table(store: Store, fact: MediaFact) -> Iterator[tuple[str, str]]:
    """The objects that the cells of a table name, and of which type each is."""
    if fact["kind"] != _TABLE or "object" not in fact:
        return
    try:
        table = from_json(store.read(fact["object"]))
    except SamebitError:
        return
    rows = table.get("rows") if isinstance(table, dict) else None
    for row in rows if isinstance(rows, list) else ():
        for cell in row if isinstance(row, list) else ():
            told = cell.get("media") if isinstance(cell, dict) else None
            if isinstance(told, dict) and isinstance(told.get("object"), str):
                yield told["object"], str(told.get("type"))


def part(asked: str | None, size: int) -> tuple[int, int] | None:
    """From where to where of so many bytes is asked for, empty if outside; None for all of them."""
    match = _RANGE.fullmatch(asked or "")
    if match is None or not (match[1] or match[2]):
        return None  # what we do not understand is as if nobody had said it
    if match[1] is None:
        return max(0, size - int(match[2])), size
    return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
