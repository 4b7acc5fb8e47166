"""Writing a bundle: aside, with a sum of every file, and given its name when it is whole.

Equal contents give equal bytes: a zip has its files in order, all of one time and not compressed,
for what a compressor writes is another thing with each of its versions.
"""

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath

from samebit import disk
from samebit.errors import SamebitError, UsageError

__all__ = ["SUMS", "Draft", "draft", "publish", "sum_line", "sums_of"]

SUMS = "SHA256SUMS"
_CHUNK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


class Draft:
    """A bundle that is being written, in a folder of its own."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.executable: set[str] = set()

    def place(self, name: str) -> Path:
        """Where a file of a name goes; its folder is there when this returns."""
        path = self.top / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, name: str, data: bytes, *, executable: bool = False) -> str:
        """Write a file, which must be new; its name."""
        with open(self.place(name), "xb") as stream:
            stream.write(data)
        if executable:
            self.place(name).chmod(0o755)
        return name

    def write(self, name: str, text: str) -> str:
        """Write a text. A surrogate, which no encoding has, is written as its escape."""
        return self.put(name, text.encode("utf-8", "backslashreplace"))

    def has(self, name: str) -> bool:
        """Whether a file of that name was written."""
        return os.path.lexists(self.top / name)

    def names(self) -> list[str]:
        """Every file, in order."""
        return sorted(files_below(self.top))


def files_below(top: Path) -> Iterator[str]:
    """The names of all that is no folder, with forward slashes; no link is followed."""
    for folder, _, names in os.walk(top):
        below = os.path.relpath(folder, top)
        for name in names:
            yield name if below == "." else f"{below}/{name}".replace(os.sep, "/")


@contextlib.contextmanager
def draft(target: Path) -> Generator[Draft]:
    """A folder beside the target, gone at the end whatever happens."""
    if os.path.lexists(target):
        raise UsageError("there is something of that name already", path=target)
    if not target.parent.is_dir():
        raise UsageError("the folder that it is to lie in is not there", path=target.parent)
    aside = target.parent / f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        aside.mkdir()
        yield Draft(aside / "bundle")
    except OSError as error:
        raise SamebitError(
            f"the release cannot be written: {error.strerror or error}",
            path=target,
            hint="nothing of it was left behind",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sums_of(made: Draft, *, without: frozenset[str] = frozenset()) -> str:
    """The lines that `sha256sum -c` checks, of every file."""
    return "".join(
        sum_line(sha256_of(made.top / name), name) for name in made.names() if name not in without
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sum_line(sha256: str, name: str) -> str:
    """A line as GNU's `sha256sum` writes it: a name that would break it is escaped."""
    escaped = name.translate(_ESCAPES)
    mark = "\\" if escaped != name else ""
    return f"{mark}{sha256}  {escaped}\n"


def publish(made: Draft, target: Path) -> None:
    """Give a bundle its name, durable; as a zip where the name ends so."""
    if target.suffix == ".zip":
        done = disk.publish_by(target, lambda fd: _zip(made, fd), made.top.parent)
    else:
        done = disk.publish_folder(made.top, target)
    if not done:
        raise UsageError("there is something of that name already", path=target)


def _zip(made: Draft, fd: int) -> None:
    with (
        open(fd, "wb", closefd=False) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name in made.names():
            path = made.top / name
            found = path.stat()
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, whichever this is: it says what the mode means
            info.external_attr = (0o100755 if found.st_mode & 0o100 else 0o100644) << 16
            info.file_size = found.st_size
            with open(path, "rb") as source, archive.open(info, "w") as into:
                shutil.copyfileobj(source, into, _CHUNK_BYTES)
