"""Which md5 a content has: what was computed once, in a cache file for each project.

It is a fact about bytes and not about files, so that nothing makes it wrong; without the file the
bytes are read again.
"""

import os
from pathlib import Path

import msgspec

from samebit import digest, disk, places
from samebit.data.dvc.cache import Seen

__all__ = ["Known"]

_CHECKSUM_BYTES = 16


class Known:
    """By rule and digest of a content its md5."""

    def __init__(self, top: Path | None) -> None:
        name = digest.raw(os.fsencode(top or "")).hex()[:32]
        self._path = places.cache_folder() / f"dvc-{name}.known"
        self._md5s: dict[tuple[str, str], tuple[str, ...]] = {}
        self._contents: dict[tuple[str, str], set[str]] = {}
        self._is_new = False
        try:
            data = self._path.read_bytes()
            if digest.raw(data[_CHECKSUM_BYTES:])[:_CHECKSUM_BYTES] == data[:_CHECKSUM_BYTES]:
                rows = msgspec.msgpack.decode(
                    data[_CHECKSUM_BYTES:], type=list[tuple[str, str, tuple[str, ...]]]
                )
                for rule, name, md5s in rows:
                    self._put(rule, name, md5s)
        except (OSError, msgspec.MsgspecError):
            pass

    def find(self, rule: str, name: str) -> tuple[str, ...]:
        """The md5 of a content; two where DVC's versions do not agree; none if it is not known."""
        return self._md5s.get((rule, name), ())

    def having(self, rule: str, md5: str) -> set[str]:
        """The contents that are known to have an md5; by the older rule there may be several."""
        return self._contents.get((rule, md5), set())

    def add(self, rule: str, seen: Seen) -> None:
        """Remember what was computed."""
        self._put(rule, seen.digest, seen.md5s)
        self._is_new = True

    def _put(self, rule: str, name: str, md5s: tuple[str, ...]) -> None:
        self._md5s[rule, name] = md5s
        for md5 in md5s:
            self._contents.setdefault((rule, md5), set()).add(name)

    def save(self) -> None:
        """Write it down, if there is anything new."""
        if not self._is_new:
            return
        rows = [(rule, name, md5s) for (rule, name), md5s in sorted(self._md5s.items())]
        data = msgspec.msgpack.encode(rows)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            disk.replace_cache(self._path, digest.raw(data)[:_CHECKSUM_BYTES] + data)
        except OSError:
            pass  # the next one computes it again
