"""The media of a recorded run, for reading in Python and for writing into files."""

from collections.abc import Mapping
from typing import Any

from samebit.errors import Damaged, NotFound
from samebit.folders.facts import MediaFact
from samebit.media import types
from samebit.objects.store import Store

__all__ = ["RecordedMedia"]


class RecordedMedia:
    """One thing that a run logged: what was said of it, and its bytes when they are asked for."""

    def __init__(self, store: Store, run: str, fact: MediaFact) -> None:
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

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} at step {self.step} of run {self._run}"

    def __repr__(self) -> str:
        return f"<{self}>"
