"""The functions of libraries that open files in C, C++ or Rust, where no audit event tells of it.

Each is wrapped when its module is imported: the wrapper tells which path is about to be opened and
what for, and calls the original. A class is wrapped at `__init__`, so that it stays the same class;
where a library's class does not allow it (`lmdb.Environment`, `pyarrow.OSFile`), the memory maps
and open descriptors are what shows the file (`mapped.py`).
"""

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from samebit.capture.importing import step_aside, when_imported

__all__ = ["READ", "UPDATE", "WRITE", "Tell", "leave", "listen"]

# What an opening means for the bytes that were there: nothing, all, or both.
READ, WRITE, UPDATE = "read", "write", "update"

_BEGAN_NS = time.time_ns()

Tell = Callable[[Any, str], object]  # a path as the script gave it, and what it is opened for
_Use = Callable[[Sequence[Any], Mapping[str, Any]], str]
_Inside = Callable[[str, Sequence[Any], Mapping[str, Any]], str]
_Paths = Callable[[Any, Sequence[Any], Mapping[str, Any]], Iterable[Any]]


def _by_mode(position: int, default: str, uses: Mapping[str, str], other: str) -> _Use:
    def use(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        mode = args[position] if len(args) > position else kwargs.get("mode", default)
        return uses.get(str(mode or default), other)

    return use


def _by_flag(position: int, keyword: str, when_set: str, otherwise: str) -> _Use:
    def use(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        flag = args[position] if len(args) > position else kwargs.get(keyword)
        return when_set if flag else otherwise

    return use


def _reads(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    return READ


def _writes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    return WRITE


@dataclass(frozen=True)
class _Opener:
    """A function that opens what one of its arguments names."""

    module: str
    name: str  # in the module; `Class.__init__` for a class
    position: int  # of the path among the arguments; of an `__init__`, self is the first
    keyword: str
    use: _Use = _reads
    after: _Paths | None = None  # the files that it turned out to be, once it has returned
    inside: _Inside | None = None  # the file, where the path names a folder


def _files(result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[Any]:
    """Of an Arrow dataset, or of the object that an `__init__` made one in."""
    found = getattr(result if result is not None else args[0], "files", None)
    return found if isinstance(found, list) else ()


def _in_lmdb(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    has_folder = args[2] if len(args) > 2 else kwargs.get("subdir", True)
    return os.path.join(path, "data.mdb") if has_folder else path


def _made(result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[Any]:
    """The files below the folder that `write_dataset` was given: what is new there, it made."""
    folder = args[1] if len(args) > 1 else kwargs.get("base_dir")
    if isinstance(folder, (str, os.PathLike)):
        for place, _, names in os.walk(folder):
            for path in (os.path.join(place, name) for name in names):
                if os.stat(path).st_mtime_ns >= _BEGAN_NS:
                    yield path


_HDF5 = _by_mode(2, "r", {"r": READ, "r+": UPDATE, "a": UPDATE}, WRITE)
_LMDB = _by_flag(3, "readonly", READ, UPDATE)
_SHARED = _by_flag(1, "shared", UPDATE, READ)
_MAP = _by_mode(1, "r", {"r": READ}, UPDATE)

_OPENERS = (
    _Opener("torch.serialization", "save", 1, "f", _writes),
    _Opener("torch.jit._serialization", "save", 1, "f", _writes),
    _Opener("torch.jit._serialization", "load", 0, "f"),
    _Opener("torch.jit._script", "RecursiveScriptModule.save", 1, "f", _writes),
    _Opener("torch", "from_file", 0, "filename", _SHARED),
    _Opener("torch.storage", "UntypedStorage.from_file", 0, "filename", _SHARED),
    _Opener("safetensors", "safe_open.__init__", 1, "filename"),
    *(
        _Opener(f"safetensors.{framework}", "save_file", 1, "filename", _writes)
        for framework in ("torch", "numpy", "flax", "tensorflow", "paddle")
    ),
    _Opener("h5py._hl.files", "File.__init__", 1, "name", _HDF5),
    _Opener("lmdb", "open", 0, "path", _LMDB, inside=_in_lmdb),
    _Opener("cv2", "imread", 0, "filename"),
    _Opener("cv2", "imreadmulti", 0, "filename"),
    _Opener("cv2", "imwrite", 0, "filename", _writes),
    _Opener("cv2", "VideoCapture.__init__", 1, "filename"),
    _Opener("cv2", "VideoWriter.__init__", 1, "filename", _writes),
    _Opener("pyarrow", "memory_map", 0, "path", _MAP),
    _Opener("pyarrow", "create_memory_map", 0, "path", _writes),
    _Opener("pyarrow", "input_stream", 0, "source"),
    _Opener("pyarrow", "output_stream", 0, "source", _writes),
    _Opener("pyarrow.parquet.core", "ParquetFile.__init__", 1, "source"),
    _Opener("pyarrow.parquet.core", "ParquetDataset.__init__", 1, "path_or_paths", after=_files),
    _Opener("pyarrow.parquet.core", "ParquetWriter.__init__", 1, "where", _writes),
    _Opener("pyarrow.dataset", "dataset", 0, "source", after=_files),
    _Opener("pyarrow.dataset", "write_dataset", 1, "base_dir", after=_made),
    _Opener("pyarrow.feather", "read_table", 0, "source"),
    _Opener("pyarrow.feather", "read_feather", 0, "source"),
    _Opener("pyarrow.feather", "write_feather", 1, "dest", _writes),
    _Opener("pyarrow.csv", "read_csv", 0, "input_file"),
    _Opener("pyarrow.csv", "open_csv", 0, "input_file"),
    _Opener("pyarrow.csv", "write_csv", 1, "output_file", _writes),
    _Opener("pyarrow.json", "read_json", 0, "input_file"),
    _Opener("pandas.core.frame", "DataFrame.to_parquet", 1, "path", _writes),
    _Opener("pyarrow.orc", "read_table", 0, "source"),
    _Opener("pyarrow.orc", "ORCFile.__init__", 1, "source"),
    _Opener("pyarrow.orc", "ORCWriter.__init__", 1, "where", _writes),
)


_listeners: list[Tell] = []
_installed: list[bool] = []


def listen(tell: Tell) -> None:
    """Have a function called before a file is opened; for the files of a dataset, after.

    It must not raise: it is called in the middle of the script.
    """
    _listeners.append(tell)
    if not _installed:
        _installed.append(True)
        for opener in _OPENERS:
            when_imported(opener.module, functools.partial(_wrap, opener))


def leave(tell: Tell) -> None:
    """Have it called no more; the wrappers stay."""
    if tell in _listeners:
        _listeners.remove(tell)


def _wrap(opener: _Opener, module: ModuleType) -> None:
    *inside, name = opener.name.split(".")
    owner: Any = module
    for part in inside:
        owner = getattr(owner, part, None)
    original = getattr(owner, name, None)
    if original is None:
        return  # of another version of the library
    takes_nothing = original is object.__init__  # the class does it all in `__new__`

    def noting(*args: Any, **kwargs: Any) -> Any:
        if _listeners:
            _tell(_before, opener, args, kwargs)
        try:
            result = None if takes_nothing else original(*args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if opener.after is not None and _listeners:
            _tell(opener.after, result, args, kwargs)
        return result

    functools.update_wrapper(noting, original)
    # With this name a warning that the original gives is still one of the line that called it.
    noting.__code__ = noting.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    is_bound = inside and isinstance(getattr(original, "__self__", None), type)
    setattr(owner, name, staticmethod(noting) if is_bound else noting)
    package = module.__name__
    while not inside and (package := package.rpartition(".")[0]):
        above = sys.modules.get(package)
        if getattr(above, name, None) is original:
            setattr(above, name, noting)


def _tell(find: Callable[..., Iterable[Any]], *given: Any) -> None:
    try:
        for item in find(*given):
            path, use = item if isinstance(item, tuple) else (item, READ)
            for tell in _listeners:
                tell(path, use)
    except Exception:
        # An object of another version of the library, or a path that fails when it is asked: the
        # original says so itself, where it matters.
        return


def _before(
    opener: _Opener, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterable[tuple[Any, str]]:
    at = opener.position
    target = args[at] if len(args) > at else kwargs.get(opener.keyword)
    elsewhere = kwargs.get("filesystem")
    if elsewhere is not None and type(elsewhere).__name__ != "LocalFileSystem":
        return  # the path is one of a bucket
    for path in target if isinstance(target, list) else [target]:
        if not isinstance(path, (str, bytes, os.PathLike)):
            continue  # something that is open already, or is none
        if isinstance(path, str) and "://" in path:
            if not path.startswith("file://"):
                continue
            path = path.removeprefix("file://")
        if opener.inside is not None:
            path = opener.inside(os.fsdecode(path), args, kwargs)
        elif opener.module.startswith("pandas"):
            path = os.path.expanduser(path)
        yield path, opener.use(args, kwargs)
