"""The media of a recorded run, for reading in Python and for writing into files."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from samebit.errors import Damaged, NotFound
from samebit.folders.data_facts import MediaFact
from samebit.folders.facts import read_fact
from samebit.folders.media import media_of
from samebit.folders.read import View
from samebit.media import types
from samebit.objects.store import Reads
from samebit.records import decode

__all__ = ["RecordedMedia", "find_object"]


class _Table(Struct, frozen=True):
    columns: list[str]
    rows: list[list[Any]]


class RecordedMedia:
    """One thing that a run logged: what was said of it, and its bytes when they are asked for."""

    def __init__(self, store: Reads, run: str, fact: MediaFact) -> None:
        self._store = store
        self._run = run
        self._fact = fact

    @property
    def name(self) -> str:
        """What it was logged as."""
        return self._fact["name"]

    @property
    def step(self) -> int:
        """The step it was logged at."""
        return self._fact["step"]

    @property
    def at(self) -> int:
        """Which of those that were logged together, from 0."""
        return self._fact.get("at", 0)

    @property
    def of(self) -> int:
        """How many were logged together: a list has several."""
        return self._fact["of"]

    @property
    def kind(self) -> str:
        """`image`, `histogram`, `table`, `text`, `audio`, `video` or `figure`."""
        return self._fact["kind"]

    @property
    def type(self) -> str:
        """What its bytes are: `image/png`."""
        return self._fact.get("type", "")

    @property
    def caption(self) -> str | None:
        """The text beside it."""
        return self._fact.get("caption")

    @property
    def about(self) -> Mapping[str, Any]:
        """What is known of it: `width`, `height`; `rate`, `seconds`; `rows`, `columns`…"""
        return dict(self._fact.get("about", {}))

    @property
    def digest(self) -> str:
        """The content name of its bytes."""
        return self._fact.get("object", "")

    @property
    def size_bytes(self) -> int:
        """How many bytes."""
        return self._fact.get("size_bytes", 0)

    @property
    def is_kept(self) -> bool:
        """Whether its bytes were kept, and not only their digest."""
        return self._fact.get("kept", True)

    @property
    def is_exact(self) -> bool:
        """Whether the bytes follow from what was logged alone; then `verify` compares them."""
        return self._fact.get("exact", False)

    def read(self) -> bytes:
        """Its bytes, checked.

        Raises:
            NotFound: only their digest was kept, or they are not in this store.
            Damaged: they are not what their name or their type says.
        """
        if not self.is_kept:
            raise NotFound(
                f"of {self} only the digest was kept",
                hint="a larger media.budget_mb keeps the bytes; a replay keeps none",
            )
        data = self._store.read(self.digest)
        if not types.is_one(self.type, data):
            raise Damaged(f"the bytes of {self} are no {self.type}", digest=self.digest)
        return data

    def cells(self) -> Iterator[tuple[int, str, "RecordedMedia"]]:
        """Of a table the media in it, each with its row, from 0, and its column; of others none.

        Raises:
            NotFound: as `read` does; Damaged also where it is no table.
        """
        if self.kind != "table":
            return
        table = decode(self.read(), _Table, where=self.digest)
        for number, row in enumerate(table.rows):
            for column, cell in zip(table.columns, row, strict=False):
                if isinstance(cell, dict) and "media" in cell:
                    yield number, column, self._in_a_cell(cell["media"])

    def _in_a_cell(self, said: Any) -> "RecordedMedia":
        fact = {"name": self.name, "step": self.step, "of": 1, "exact": self.is_exact}
        try:
            fact = read_fact("media", {**msgspec.convert(said, dict[str, Any]), **fact})
        except msgspec.ValidationError as error:
            raise Damaged(f"a cell of {self} is no thing that was logged: {error}") from error
        if fact["kind"] == "table" or "object" not in fact:
            raise Damaged(f"a cell of {self} is no thing that was logged")
        return RecordedMedia(self._store, self._run, fact)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} at step {self.step} of run {self._run}"

    def __repr__(self) -> str:
        return f"<{self}>"


def find_object(view: View, store: Reads, name: str) -> RecordedMedia | None:
    """What a run logged whose bytes have this name, also in a cell of a table; None if nothing."""
    tables: list[RecordedMedia] = []
    for facts in media_of(view).values():
        for fact in facts:
            if fact.get("object") == name:
                return RecordedMedia(store, view.id, fact)
            if fact["kind"] == "table" and fact.get("kept", True):
                tables.append(RecordedMedia(store, view.id, fact))
    for table in tables:
        try:
            for _, _, one in table.cells():
                if one.digest == name:
                    return one
        except NotFound:
            continue  # a table that is hurt, or not here, does not hide the others
    return None
