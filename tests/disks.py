"""A disk that is full."""

from pathlib import Path

__all__ = ["fill"]


def fill(top: Path, *, but_bytes: int = 0) -> Path:
    """Fill a small file system, but for so many bytes; the file that takes the room."""
    path = top / "filling"
    with open(path, "wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            pass
        stream.truncate(stream.tell() - but_bytes)
    return path
