"""What people say of a run afterwards, by notes: its tags, a text, whether it is put away.

A note is never changed: the last word counts, and a tag is there if it was given later than taken.
"""

from collections.abc import Iterable

from msgspec import Struct

from samebit.errors import UsageError
from samebit.records import Note

__all__ = ["ARCHIVED", "KINDS", "NAME", "TAG", "TEXT", "UNTAG", "Said", "check", "said_by"]

NAME, TAG, UNTAG, TEXT, ARCHIVED = "name", "tag", "untag", "text", "archived"
KINDS = (NAME, TAG, UNTAG, TEXT, ARCHIVED)
_LONGEST = {NAME: 200, TAG: 100, UNTAG: 100, TEXT: 10_000}  # characters
_BETWEEN = ","  # tags in a row


class Said(Struct, frozen=True):
    """What holds now."""

    tags: tuple[str, ...] = ()
    text: str | None = None
    archived: bool = False


def said_by(notes: Iterable[Note]) -> Said:
    """What all notes come to; of odd ones nothing."""
    tags: dict[str, None] = {}
    text: str | None = None
    archived = False
    for note in notes:
        if note.kind == TAG and isinstance(note.value, str):
            tags[note.value] = None
        elif note.kind == UNTAG and isinstance(note.value, str):
            tags.pop(note.value, None)
        elif note.kind == TEXT and isinstance(note.value, str):
            text = note.value or None
        elif note.kind == ARCHIVED and isinstance(note.value, bool):
            archived = note.value
    return Said(tuple(tags), text, archived)


def check(kind: str, value: object) -> None:
    """Raise UsageError for what cannot be said so."""
    if kind not in KINDS:
        raise UsageError(f"nothing of the kind {kind!r} can be said", known=", ".join(KINDS))
    if kind == ARCHIVED:
        if not isinstance(value, bool):
            raise UsageError("a run is archived, or it is not: true or false")
        return
    if not isinstance(value, str) or len(value) > _LONGEST[kind]:
        raise UsageError(f"a {kind} is a text of at most {_LONGEST[kind]:,} characters")
    if kind in (TAG, UNTAG) and (not value.strip() or _BETWEEN in value):
        raise UsageError("a tag has a letter, and no comma")
