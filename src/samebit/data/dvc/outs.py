"""What DVC's files name: each file or folder that it keeps (an *out*), and the md5 it has for it.

A `.dvc` file names its outs beside where it lies, `dvc.lock` those of the stages of a pipeline,
relative to the stage's working folder, which only `dvc.yaml` says. Nothing that they say of a path
is believed until it was seen to stay inside the project.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from samebit.data.dvc import text
from samebit.errors import SamebitError

__all__ = [
    "FORBIDDEN",
    "LEGACY",
    "LOCK",
    "PIPELINE",
    "Listed",
    "Out",
    "Outs",
    "checked",
    "is_dvc_file",
    "is_read",
    "read",
]

LOCK, PIPELINE = "dvc.lock", "dvc.yaml"
LEGACY = "md5-dos2unix"  # of DVC 1 and 2, where an entry says nothing of its hash
FORBIDDEN = frozenset(("", ".", "..", ".git"))  # in what is to be laid out
_MD5 = re.compile(r"([0-9a-f]{32})(\.dir)?")
_SIZE = re.compile(r"[0-9]{1,18}")
_ADDRESS = re.compile(r"\w[\w+.-]*://")


class Listed(Struct, frozen=True):
    """A file of a folder: its path below it, and its md5."""

    relpath: str
    md5: str


class Out(Struct, frozen=True):
    """A file or folder that DVC keeps.

    Attributes:
        file: the DVC file that says so, from the top of the project.
        path: of the out, from there too.
        hash: how its md5 is made: md5 | md5-dos2unix.
        md5: 32 digits; of a folder that of its list.
        is_folder: whether it is one.
        stage: of a pipeline, which of its stages made it.
        is_executable: of a file.
        size_bytes: how large DVC says it is; 0 where it does not.
        files: of a folder whose list stands in the DVC file itself.
    """

    file: str
    path: str
    hash: str
    md5: str
    is_folder: bool = False
    stage: str = ""
    is_executable: bool = False
    size_bytes: int = 0
    files: tuple[Listed, ...] | None = None

    @property
    def target(self) -> str:
        """What DVC's own commands call it."""
        return self.path if self.stage else self.file

    @property
    def name(self) -> str:
        """Its md5 as DVC writes it."""
        return self.md5 + (".dir" if self.is_folder else "")


class Outs(Struct, frozen=True):
    """What some DVC files name; and what of them could not be read, in sentences."""

    outs: tuple[Out, ...]
    problems: tuple[str, ...]


def is_dvc_file(path: str) -> bool:
    """Whether a path is that of a file in which DVC says what it keeps."""
    folder, _, name = path.rpartition("/")
    is_one = name == LOCK or (name.endswith(".dvc") and name != ".dvc")
    return is_one and ".dvc" not in folder.split("/")


def is_read(path: str) -> bool:
    """Whether a file is needed to know what DVC keeps."""
    return is_dvc_file(path) or posixpath.basename(path) == PIPELINE


def read(files: Mapping[str, bytes]) -> Outs:
    """The outs that DVC files name, by path; files are given by their paths from the top."""
    found: dict[str, Out] = {}
    problems: list[str] = []
    for file in sorted(filter(is_dvc_file, files)):
        try:
            content = text.read(files[file])
            for stage, folder, one in _entries(file, content, files):
                try:
                    out = _out(file, stage, folder, one)
                except ValueError as error:
                    problems.append(f"{file}: {error}")
                    continue
                if out is not None:
                    found.setdefault(out.path, out)
        except SamebitError as error:
            problems.append(f"{file} cannot be read: {error.what}")
    return Outs(tuple(found[path] for path in sorted(found)), tuple(problems))


def _entries(
    file: str, content: Any, files: Mapping[str, bytes]
) -> Iterator[tuple[str, str | None, Any]]:
    """Each entry with its stage, and the folder from which its path is meant."""
    here = posixpath.dirname(file)
    if content is None:
        return
    if not isinstance(content, dict):
        raise text.Unreadable("it is no table of keys")
    if posixpath.basename(file) != LOCK:
        wdir = content.get("wdir") or "."
        folder = posixpath.join(here, wdir) if isinstance(wdir, str) else None
        yield from (("", folder, one) for one in _rows(content.get("outs")))
        return
    stages = content.get("stages") if "schema" in content else content  # DVC 1 had no `schema`
    if stages is not None and not isinstance(stages, dict):
        raise text.Unreadable("its stages are no table")
    wdirs = _working_folders(files.get(posixpath.join(here, PIPELINE), b""))
    for stage, said in (stages or {}).items():
        if isinstance(said, dict):
            wdir = wdirs if wdirs is None else wdirs.get(stage.partition("@")[0], ".")
            folder = None if wdir is None else posixpath.join(here, wdir)
            yield from ((stage, folder, one) for one in _rows(said.get("outs")))


def _rows(outs: Any) -> Iterable[Any]:
    if outs is None:
        return ()
    if not isinstance(outs, list):
        raise text.Unreadable("its outs are no list")
    return outs


def _working_folders(pipeline: bytes) -> dict[str, str | None] | None:
    """The folder of each stage that has one (None where it is computed); None: cannot be told."""
    if b"wdir" not in pipeline:
        return {}
    try:
        stages = text.read(pipeline)["stages"]
        found: dict[str, str | None] = {}
        for name, stage in stages.items():
            said = stage.get("do", stage) if isinstance(stage, dict) else stage
            wdir = said.get("wdir", ".") if isinstance(said, dict) else None
            is_plain = isinstance(wdir, str) and "${" not in wdir
            found[name] = wdir if is_plain else None
        return found
    except (text.Unreadable, KeyError, TypeError, AttributeError):
        return None


def _out(file: str, stage: str, folder: str | None, one: Any) -> Out | None:
    """One entry; None for what has no md5 yet; ValueError says what cannot be meant."""
    if not isinstance(one, dict) or not isinstance(one.get("path"), str):
        raise ValueError("an entry has no path that can be read")
    path: str = one["path"]
    if folder is None:
        raise ValueError(
            f"in which folder {path!r} lies is said in {PIPELINE} in a way that only DVC reads"
        )
    if _ADDRESS.match(path):
        raise ValueError(f"{path!r} lies on another system")
    whole = posixpath.normpath(posixpath.join(folder, path))
    if "\0" in path or whole.startswith(("/", "../")) or whole in (".", ".."):
        raise ValueError(f"{path!r} lies outside of the project")
    files = _inline(one.get("files"))
    md5 = one.get("md5")
    if md5 is None and files is None:
        other = one.get("hash") or next((k for k in ("etag", "checksum", "sha256") if k in one), "")
        if other:
            raise ValueError(f"{path!r} is known by its {other}, which is not read here")
        return None
    match = _MD5.fullmatch(md5) if isinstance(md5, str) else None
    if md5 is not None and match is None:
        raise ValueError(f"{path!r} has an md5 that is none: {md5!r}")
    hashed = one.get("hash", LEGACY)
    if hashed not in ("md5", LEGACY):
        raise ValueError(f"{path!r} is known by its {hashed}, which is not read here")
    is_folder = files is not None or (match is not None and match[2] is not None)
    size = one.get("size")
    return Out(
        file=file,
        path=whole,
        hash=hashed,
        md5=match[1] if match else "",
        is_folder=is_folder,
        stage=stage,
        is_executable=one.get("isexec") == "true",
        size_bytes=int(size) if isinstance(size, str) and _SIZE.fullmatch(size) else 0,
        files=files,
    )


def _inline(files: Any) -> tuple[Listed, ...] | None:
    """The list of a folder that stands in its DVC file: of remotes that keep versions."""
    if files is None:
        return None
    if not isinstance(files, list):
        raise ValueError("the files of a folder are no list")
    return checked((one.get("relpath"), one.get("md5")) for one in files if isinstance(one, dict))


def checked(rows: Iterable[tuple[Any, Any]]) -> tuple[Listed, ...]:
    """A folder's list by path; ValueError where it names what it may not."""
    found: dict[str, Listed] = {}
    for relpath, md5 in rows:
        if not isinstance(relpath, str) or not FORBIDDEN.isdisjoint(relpath.lower().split("/")):
            raise ValueError(f"it names a path that it may not: {relpath!r}")
        relpath.encode()  # a lone surrogate is no name, and a ValueError
        if "\0" in relpath or relpath in found:
            raise ValueError(f"it names a path that it may not, or twice: {relpath!r}")
        if not isinstance(md5, str) or not re.fullmatch(r"[0-9a-f]{32}", md5):
            raise ValueError(f"{relpath!r} has an md5 that is none: {md5!r}")
        found[relpath] = Listed(relpath, md5)
    for relpath in found:
        parent = posixpath.dirname(relpath)
        while parent:
            if parent in found:
                raise ValueError(f"it names something below a file: {relpath!r}")
            parent = posixpath.dirname(parent)
    return tuple(found[relpath] for relpath in sorted(found))
