"""What a file holds, as a table or as arrays: its fingerprint is that of the values in memory.

Nothing in a file is run. Rows are read some at a time, and a file that changes meanwhile has no
fingerprint.
"""

import contextlib
import importlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from samebit.capture.hashing import look
from samebit.data import arrays, frames, row_ids, tables
from samebit.data.fingerprints import group
from samebit.data.forms import Fingerprint
from samebit.data.pieces import arrow
from samebit.data.row_ids import Rows
from samebit.errors import Damaged, NotFound, SamebitError, UsageError

__all__ = ["SUFFIXES", "Content", "open_content"]

_CSV_NOTE = "a .csv has no types: every column is text"


class Content(Struct, frozen=True):
    """An opened file.

    Attributes:
        rows: how many it says it has; 0 where it does not.
        take: hashes them.
        ids: gives the ids of its rows, or why there are none.
        schema: of a table, Arrow's.
        batches: of a table its rows, some at a time, as Arrow's record batches.
        arrays: of arrays all of them by name; of a `.npy` the name is empty.
    """

    rows: int
    take: Callable[[str, Callable[[int], None] | None], Fingerprint]
    ids: Callable[[], Rows | str]
    schema: Any = None
    batches: Callable[[], Iterator[Any]] | None = None
    arrays: Callable[[], dict[str, Any]] | None = None


@contextlib.contextmanager
def open_content(path: Path) -> Generator[Content]:
    """Open a file by its suffix; what it holds is hashed within.

    Raises:
        NotFound: there is no such file.
        UsageError: a kind that is not read, or the library that reads it is not installed.
        Damaged: it is not what its suffix says.
        SamebitError: it changed meanwhile.
    """
    before = look(str(path))
    if before is None:
        raise NotFound("there is no such file", path=path)
    if (make := _OPENERS.get(path.suffix.lower())) is None:
        kind = path.suffix or "a file without suffix"
        raise UsageError(f"no table is read from {kind}", path=path, known=", ".join(SUFFIXES))
    try:
        with make(path) as content:
            yield content
    except (SamebitError, KeyboardInterrupt):
        raise
    except Exception as error:  # of a stranger's file the libraries raise many kinds
        said = str(error).partition("\n")[0][:200]
        raise Damaged(f"not readable as {path.suffix}: {said}", path=path) from error
    if look(str(path)) != before:
        hint = "let whoever writes it finish, and take it again"
        raise SamebitError("a file changed while it was read", path=path, hint=hint)


def _table(schema: Any, batches: Callable[[], Iterator[Any]], rows: int, *notes: str) -> Content:
    def take(level: str, advance: Callable[[int], None] | None) -> Fingerprint:
        table = frames.from_batches(schema, batches(), strict=level == "strict")
        return tables.of_table(structs.replace(table, notes=notes), level, advance)

    def ids() -> Rows:
        return row_ids.of_table(frames.from_batches(schema, batches(), strict=False))

    return Content(rows, take, ids, schema, batches)


@contextlib.contextmanager
def _parquet(path: Path) -> Generator[Content]:
    library = arrow("pyarrow.parquet")
    with path.open("rb") as stream:
        file = library.parquet.ParquetFile(stream)
        known = file.metadata
        groups = [known.row_group(at) for at in range(known.num_row_groups)]
        size_bytes = sum(group.total_byte_size for group in groups)
        step = frames.rows_together(known.num_rows, size_bytes)
        yield _table(file.schema_arrow, lambda: file.iter_batches(step), known.num_rows)


@contextlib.contextmanager
def _feather(path: Path) -> Generator[Content]:
    library = arrow("pyarrow.ipc")
    with path.open("rb") as stream:
        file = library.ipc.open_file(stream)

        def batches() -> Iterator[Any]:
            for at in range(file.num_record_batches):
                batch = file.get_batch(at)
                batch.validate(full=True)  # places of a stranger's, which would be followed
                yield batch

        yield _table(file.schema, batches, 0)


@contextlib.contextmanager
def _csv(path: Path) -> Generator[Content]:
    library = arrow("pyarrow.csv")
    with path.open("rb") as stream:
        with library.csv.open_csv(stream) as head:
            names = head.schema.names
    text = library.large_string()
    convert = library.csv.ConvertOptions(
        column_types=dict.fromkeys(names, text), strings_can_be_null=False
    )
    with path.open("rb") as stream:
        with library.csv.open_csv(stream, convert_options=convert) as file:
            yield _table(file.schema, lambda: iter(file), 0, _CSV_NOTE)


@contextlib.contextmanager
def _array(path: Path) -> Generator[Content]:
    numpy = _numpy()
    # Mapped: what a header declares is compared with the file's size before memory is taken.
    held = numpy.load(path, mmap_mode="r", allow_pickle=False)
    yield Content(
        0,
        lambda level, advance: arrays.of_array(held),
        lambda: row_ids.find_rows(numpy.asarray(held), row_ids.ASKED),
        arrays=lambda: {"": numpy.asarray(held)},
    )


@contextlib.contextmanager
def _several(path: Path) -> Generator[Content]:
    numpy = _numpy()
    with numpy.load(path, allow_pickle=False) as held:
        yield Content(
            0,
            lambda level, advance: group({name: arrays.of_array(held[name]) for name in held}),
            lambda: row_ids.find_rows(tuple(held[name] for name in held), row_ids.ASKED),
            arrays=lambda: {name: held[name] for name in held},
        )


def _numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError as error:
        raise UsageError("NumPy is not installed", hint="pip install numpy") from error


_OPENERS = {
    ".parquet": _parquet,
    ".feather": _feather,
    ".arrow": _feather,
    ".csv": _csv,
    ".npy": _array,
    ".npz": _several,
}
SUFFIXES = tuple(_OPENERS)
