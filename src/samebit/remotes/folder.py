"""A remote that is a folder: another disk, a share of the network, a mounted bucket."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from samebit import disk
from samebit.errors import NotFound
from samebit.remotes.place import Found, Guarantees, RemoteError

__all__ = ["FolderPlace"]

_PIECE_BYTES = 4 << 20


class FolderPlace:
    """A place that is a folder; what is put is durable."""

    guarantees = Guarantees()

    def __init__(self, top: Path) -> None:
        self._top = top

    @property
    def url(self) -> str:
        """`file:///…`."""
        return "file://" + quote(str(self._top))

    def put(self, path: str, data: bytes, *, new: bool = False) -> bool:
        """See `Place`."""
        where = self._top / path
        scratch = self._top / "tmp"
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            scratch.mkdir(exist_ok=True)
            return bool(disk.publish(where, [data], scratch, replace=not new))
        except OSError as error:
            raise self._refused(error) from error

    def read(self, path: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Place`."""
        try:
            yield from _pieces(self._top / path, begin, end)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound("it is not at the remote", path=path, remote=self.url) from None
        except OSError as error:
            raise self._refused(error) from error

    def find(self, path: str) -> Found | None:
        """See `Place`."""
        try:
            found = os.stat(self._top / path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused(error) from error
        # Whatever else somebody has put there (a pipe that nobody writes to) is nothing of ours.
        if not stat.S_ISREG(found.st_mode):
            return None
        return Found(path, found.st_size, found.st_mtime_ns)

    def list(self, folder: str) -> Iterator[Found]:
        """See `Place`."""
        for top, _, files in os.walk(self._top / folder):
            below = os.path.relpath(top, self._top)
            for name in files:
                found = self.find(f"{below}/{name}")
                if found is not None:  # not taken away meanwhile
                    yield found

    def folders(self, folder: str) -> Iterator[str]:
        """See `Place`."""
        try:
            with os.scandir(self._top / folder) as entries:
                # One in which nothing lies, as a kill may leave it, is none, as in a bucket.
                names = [one.name for one in entries if one.is_dir() and os.listdir(one)]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise self._refused(error) from error
        yield from names

    def remove(self, path: str) -> None:
        """See `Place`."""
        try:
            (self._top / path).unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> RemoteError:
        return RemoteError(
            f"the folder of the remote refuses it: {error.strerror or error}",
            remote=self.url,
            hint="is it mounted, with room, and may you write there?",
        )


def _pieces(path: Path, begin: int, end: int | None) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as stream:
        stream.seek(begin)
        left = end - begin if end is not None else None
        while left is None or left > 0:
            piece = stream.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece
