"""The files of a `wandb.Artifact`, and the names that one of its versions may have."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["ArtifactEntry", "Manifest", "check_aliases"]


def check_aliases(aliases: str | Sequence[str] | None) -> list[str]:
    """Aliases as a list; ValueError for one that wandb refuses."""
    found = [aliases] if isinstance(aliases, str) else list(aliases or ())
    if any("/" in alias or ":" in alias for alias in found):
        raise ValueError("Aliases must not contain any of the following characters: '/', ':'")
    return found


class _Fetches(Protocol):
    def fetch(self, paths: Iterable[str], root: str | os.PathLike[str] | None) -> list[str]:
        """Write files below a folder; their paths."""
        ...


class ArtifactEntry:
    """A file of an artifact."""

    def __init__(
        self, artifact: _Fetches, path: str, size: int, digest: str, ref: str = ""
    ) -> None:
        self.path = path
        self.name = path
        self.size = size
        self.digest = digest
        self.ref = ref or None
        self._artifact = artifact

    def ref_target(self) -> str:
        """The address that it stands for; ValueError where it is a file."""
        if self.ref is None:
            raise ValueError("Only reference entries support ref_target().")
        return self.ref

    def download(self, root: str | os.PathLike[str] | None = None, **more: Any) -> str:
        """Write it below a folder; its path."""
        return self._artifact.fetch([self.path], root)[0]


class Manifest:
    """All of them, by their paths."""

    def __init__(self, entries: dict[str, ArtifactEntry]) -> None:
        self.entries = entries
