"""Which functions of libraries open files in C, C++ or Rust, and which argument says the path.

Nothing here imports a library, and a name that a version of it does not have is passed over. What
is not tried in the tests with the real library was tried once by hand (av, rasterio); torchaudio,
torchcodec and torchvision, which fit one PyTorch only, are here as their documents describe them.
"""

import glob
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

__all__ = ["OPENERS", "READ", "UNSEEN", "UPDATE", "WRITE", "Opener"]

# What an opening means for the bytes that were there: nothing, all, or both.
READ, WRITE, UPDATE = "read", "write", "update"

_BEGAN_NS = time.time_ns()
_MAX_SPREAD = 20_000  # files of one folder or pattern

_Use = Callable[[Sequence[Any], Mapping[str, Any]], str]
_Inside = Callable[[str, Sequence[Any], Mapping[str, Any]], Iterable[str]]
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


class Opener(Struct, frozen=True):
    """A function that opens what one of its arguments names."""

    module: str
    name: str  # in the module; `Class.__init__` for a class
    position: int  # of the path among the arguments; of an `__init__`, self is the first
    keyword: str
    use: _Use = _reads
    after: _Paths | None = None  # the files that it turned out to be, once it has returned
    inside: _Inside | None = None  # the files, where the path names a folder or a pattern


def _files(result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[Any]:
    """Of an Arrow dataset, or of the object that an `__init__` made one in."""
    found = getattr(result if result is not None else args[0], "files", None)
    return found if isinstance(found, list) else ()


def _in_lmdb(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[str]:
    has_folder = args[2] if len(args) > 2 else kwargs.get("subdir", True)
    return [os.path.join(path, "data.mdb") if has_folder else path]


def _spread(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[str]:
    """What polars makes of a path: the files of a folder, and those that a pattern names."""
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        path = os.path.join(glob.escape(path), "**")
    elif not any(letter in path for letter in "*?[") or os.path.exists(path):
        return [path]
    found = islice(glob.iglob(path, recursive=True), _MAX_SPREAD)
    return [each for each in found if not os.path.isdir(each)]


def _at_home(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[str]:
    return [os.path.expanduser(path)]


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

_SOUND = _by_mode(2, "r", {"r": READ, "r+": UPDATE}, WRITE)
_RASTER = _by_mode(1, "r", {"r": READ, "r+": UPDATE}, WRITE)
_MEDIA = _by_mode(1, "r", {"r": READ}, WRITE)

OPENERS = (
    Opener("torch.serialization", "save", 1, "f", _writes),
    Opener("torch.jit._serialization", "save", 1, "f", _writes),
    Opener("torch.jit._serialization", "load", 0, "f"),
    Opener("torch.jit._script", "RecursiveScriptModule.save", 1, "f", _writes),
    Opener("torch", "from_file", 0, "filename", _SHARED),
    Opener("torch.storage", "UntypedStorage.from_file", 0, "filename", _SHARED),
    Opener("safetensors", "safe_open.__init__", 1, "filename"),
    *(
        Opener(f"safetensors.{framework}", "save_file", 1, "filename", _writes)
        for framework in ("torch", "numpy", "flax", "tensorflow", "paddle")
    ),
    Opener("h5py._hl.files", "File.__init__", 1, "name", _HDF5),
    Opener("lmdb", "open", 0, "path", _LMDB, inside=_in_lmdb),
    Opener("cv2", "imread", 0, "filename"),
    Opener("cv2", "imreadmulti", 0, "filename"),
    Opener("cv2", "imwrite", 0, "filename", _writes),
    Opener("cv2", "VideoCapture.__init__", 1, "filename"),
    Opener("cv2", "VideoWriter.__init__", 1, "filename", _writes),
    Opener("pyarrow", "memory_map", 0, "path", _MAP),
    Opener("pyarrow", "create_memory_map", 0, "path", _writes),
    Opener("pyarrow", "input_stream", 0, "source"),
    Opener("pyarrow", "output_stream", 0, "source", _writes),
    Opener("pyarrow.parquet.core", "ParquetFile.__init__", 1, "source"),
    Opener("pyarrow.parquet.core", "ParquetDataset.__init__", 1, "path_or_paths", after=_files),
    Opener("pyarrow.parquet.core", "ParquetWriter.__init__", 1, "where", _writes),
    Opener("pyarrow.dataset", "dataset", 0, "source", after=_files),
    Opener("pyarrow.dataset", "write_dataset", 1, "base_dir", after=_made),
    Opener("pyarrow.feather", "read_table", 0, "source"),
    Opener("pyarrow.feather", "read_feather", 0, "source"),
    Opener("pyarrow.feather", "write_feather", 1, "dest", _writes),
    Opener("pyarrow.csv", "read_csv", 0, "input_file"),
    Opener("pyarrow.csv", "open_csv", 0, "input_file"),
    Opener("pyarrow.csv", "write_csv", 1, "output_file", _writes),
    Opener("pyarrow.json", "read_json", 0, "input_file"),
    Opener("pandas.core.frame", "DataFrame.to_parquet", 1, "path", _writes, inside=_at_home),
    Opener("pyarrow.orc", "read_table", 0, "source"),
    Opener("pyarrow.orc", "ORCFile.__init__", 1, "source"),
    Opener("pyarrow.orc", "ORCWriter.__init__", 1, "where", _writes),
    Opener("tables.file", "File.__init__", 1, "filename", _HDF5),
    Opener("netCDF4._netCDF4", "Dataset.__init__", 1, "filename", _HDF5),
    Opener("soundfile", "SoundFile.__init__", 1, "file", _SOUND),
    Opener("rasterio", "open", 0, "fp", _RASTER),
    Opener("av.container.core", "open", 0, "file", _MEDIA),
    Opener("decord.video_reader", "VideoReader.__init__", 1, "uri"),
    Opener("decord.audio_reader", "AudioReader.__init__", 1, "uri"),
    Opener("decord.video_loader", "VideoLoader.__init__", 1, "uris"),
    Opener("torchcodec.decoders._video_decoder", "VideoDecoder.__init__", 1, "source"),
    Opener("torchcodec.decoders._audio_decoder", "AudioDecoder.__init__", 1, "source"),
    Opener("torchaudio", "load", 0, "uri"),
    Opener("torchaudio", "save", 0, "uri", _writes),
    Opener("torchvision.io.image", "read_file", 0, "path"),
    Opener("torchvision.io.image", "write_file", 0, "filename", _writes),
    Opener("tokenizers", "Tokenizer.from_file", 0, "path"),
    Opener("tokenizers", "Tokenizer.save", 1, "path", _writes),
    Opener("sentencepiece", "SentencePieceProcessor.LoadFromFile", 1, "arg"),
    *(
        Opener(f"polars.io.{module}", f"{verb}_{kind}", 0, "source", inside=_spread)
        for module, kind in (
            ("parquet.functions", "parquet"),
            ("csv.functions", "csv"),
            ("ipc.functions", "ipc"),
            ("ndjson", "ndjson"),
        )
        for verb in ("read", "scan")
    ),
    Opener("polars.io.csv.functions", "read_csv_batched", 0, "source", inside=_spread),
    Opener("polars.io.ipc.functions", "read_ipc_stream", 0, "source", inside=_at_home),
    Opener("polars.io.json.read", "read_json", 0, "source", inside=_at_home),
    Opener("polars.io.avro", "read_avro", 0, "source", inside=_at_home),
    *(
        Opener(
            "polars.dataframe.frame", f"DataFrame.write_{kind}", 1, "file", _writes, None, _at_home
        )
        for kind in ("parquet", "csv", "ipc", "ipc_stream", "ndjson", "json", "avro")
    ),
    *(
        Opener(
            "polars.lazyframe.frame", f"LazyFrame.sink_{kind}", 1, "path", _writes, None, _at_home
        )
        for kind in ("parquet", "csv", "ipc", "ndjson")
    ),
)

# Libraries that read files in code of their own, where there is no function of Python's to wrap.
# What they had open when nobody looked is not known, and a record says so.
UNSEEN = {
    "tensorflow.python.data": "TensorFlow",
    "nvidia.dali": "DALI",
    "ffcv": "FFCV",
    "duckdb": "DuckDB",
}
