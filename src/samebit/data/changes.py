"""What differs between two versions of data: files, and of tables rows, columns and labels."""

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit import digest
from samebit.data import files, manifests, placing, reading
from samebit.data.files import Advance
from samebit.data.manifests import Item
from samebit.data.pieces import arrow, of_arrow
from samebit.data.rows import ROW_BYTES, of_pieces
from samebit.errors import SamebitError
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = [
    "Changes",
    "Side",
    "TableChange",
    "compare",
    "compare_tables",
    "of_path",
    "of_version",
]

LABELS = ("label", "labels", "target", "class", "y")  # a column that is taken for one
_TABLES = frozenset((".csv", ".parquet", ".feather", ".arrow"))
_MOST_ROWS = 5_000_000  # of which each is compared; a digest each is held in memory
_MOST_LABELS = 1000

Opened = Callable[[Item], contextlib.AbstractContextManager[Path]]


class Side(Struct, frozen=True):
    """One of the two: its items by path, and how to get at the bytes of one.

    Attributes:
        items: by path; that of a file which is no folder is empty.
        open: lays one out, if it does not lie anywhere.
        name: what the file or folder is called.
    """

    items: Mapping[bytes, Item]
    open: Opened
    name: str = ""

    def is_table(self, item: Item) -> bool:
        """Whether it is a file of which the rows can be compared."""
        return bool(item.digest) and self.suffix(item).lower() in _TABLES

    def suffix(self, item: Item) -> str:
        """By which its content is read."""
        return os.path.splitext(os.fsdecode(item.path) or self.name)[1]


class Changes(Struct, frozen=True):
    """How the second differs from the first; each list sorted by path.

    Attributes:
        added: items that only the second has.
        removed: items that only the first has.
        changed: of each path whose content differs, both.
        moved: files that lie elsewhere now, with the item that each was.
        same: how many are the same.
        folders: of each folder at the top how many files it had and has, where that differs.
    """

    added: tuple[Item, ...]
    removed: tuple[Item, ...]
    changed: tuple[tuple[Item, Item], ...]
    moved: tuple[tuple[Item, Item], ...]
    same: int
    folders: dict[str, tuple[int, int]]

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.removed or self.changed or self.moved)


class TableChange(Struct, frozen=True):
    """How a table differs from what it was.

    Attributes:
        rows: how many it had and has.
        added: rows that it did not have before, in the columns that both have; None where there
            are too many to compare.
        removed: rows that it has no more.
        new_columns: names that it has now.
        lost_columns: names that it has no more.
        types: of columns that both have, what their type was and is, where that differs.
        label: the column whose values are counted.
        labels: of each of its values how often it was there and is, where that differs.
    """

    rows: tuple[int, int]
    added: int | None
    removed: int | None
    new_columns: tuple[str, ...] = ()
    lost_columns: tuple[str, ...] = ()
    types: dict[str, tuple[str, str]] = field(default_factory=dict)
    label: str = ""
    labels: dict[str, tuple[int, int]] = field(default_factory=dict)


def of_version(store: Store, version: DataRecord) -> Side:
    """A version; of a reference no bytes can be had."""
    manifest = manifests.read_manifest(store, version.manifest)
    items = {item.path: item for item in manifests.read_items(store, manifest)}

    @contextlib.contextmanager
    def opened(item: Item) -> Generator[Path]:
        with tempfile.TemporaryDirectory(prefix="samebit-") as folder:
            path = Path(folder) / f"data{side.suffix(item)}"
            with open(path, "wb", buffering=0) as stream:
                placing.write_file(store, item, stream.fileno())
            yield path

    side = Side(items, opened, os.path.basename(version.path))
    return side


def of_path(root: Path, advance: Advance | None = None) -> Side:
    """What lies at a path now; every file is read."""
    found = files.survey(root)
    raws = dict(files.digests(found.files, advance))
    items: dict[bytes, Item] = {}
    for entry in found.entries:
        name, kind = "", "x" if entry.executable else entry.kind
        if entry.kind == "f":
            name = f"{digest.ALGORITHM}:{raws[entry.path].hex()}"
        items[entry.path] = Item(entry.path, kind, entry.size_bytes, name, entry.target)

    @contextlib.contextmanager
    def opened(item: Item) -> Generator[Path]:
        yield root / os.fsdecode(item.path) if item.path else root

    return Side(items, opened, root.name)


def compare(ours: Side, theirs: Side) -> Changes:
    """How the second differs from the first, file by file."""
    both = ours.items.keys() & theirs.items.keys()
    removed = {path: ours.items[path] for path in ours.items.keys() - both}
    added = {path: theirs.items[path] for path in theirs.items.keys() - both}
    moved: list[tuple[Item, Item]] = []
    by_digest = {item.digest: item for item in sorted(removed.values(), key=_path) if item.digest}
    for item in sorted(added.values(), key=_path):
        if item.size_bytes and (before := by_digest.pop(item.digest, None)) is not None:
            moved.append((before, item))
            del removed[before.path], added[item.path]
    changed = [
        (ours.items[path], theirs.items[path])
        for path in sorted(both)
        if manifests.content(ours.items[path]) != manifests.content(theirs.items[path])
    ]
    return Changes(
        added=tuple(sorted(added.values(), key=_path)),
        removed=tuple(sorted(removed.values(), key=_path)),
        changed=tuple(changed),
        moved=tuple(moved),
        same=len(both) - len(changed),
        folders=_differing(_by_folder(ours), _by_folder(theirs)),
    )


def _path(item: Item) -> bytes:
    return item.path


def _by_folder(side: Side) -> Counter[str]:
    tops = (path.partition(b"/") for path, item in side.items.items() if item.digest)
    return Counter(top.decode("utf-8", "backslashreplace") for top, slash, _ in tops if slash)


def _differing(ours: Counter[str], theirs: Counter[str]) -> dict[str, tuple[int, int]]:
    names = sorted({*ours, *theirs})
    return {name: (ours[name], theirs[name]) for name in names if ours[name] != theirs[name]}


def compare_tables(before: Path, after: Path, label: str = "") -> TableChange:
    """How the table in one file differs from that in another.

    Args:
        before: a `.parquet`, `.feather`, `.arrow` or `.csv` (of which every column is text).
        after: a file of one of these, too.
        label: the column whose values are counted; without it one of a usual name.

    Raises:
        UsageError: pyarrow is not installed, or a column has no bytes to compare.
        SamebitError: a file is not what its suffix says, or changes meanwhile.
    """
    with reading.open_content(before) as one, reading.open_content(after) as other:
        types = [{f.name: str(f.type) for f in side.schema} for side in (one, other)]
        common = sorted(types[0].keys() & types[1].keys())
        if not label:
            label = next((name for name in LABELS if name in common), "")
        elif label not in common:
            known = ", ".join(common)
            raise SamebitError(f"no column {label!r} is in both tables", columns=known)
        ours = _Rows(one, common, label)
        theirs = _Rows(other, common, label)
    added = removed = None
    if ours.digests is not None and theirs.digests is not None:
        added = (theirs.digests - ours.digests).total()
        removed = (ours.digests - theirs.digests).total()
    return TableChange(
        rows=(ours.count, theirs.count),
        added=added,
        removed=removed,
        new_columns=tuple(name for name in types[1] if name not in types[0]),
        lost_columns=tuple(name for name in types[0] if name not in types[1]),
        types={n: (types[0][n], types[1][n]) for n in common if types[0][n] != types[1][n]},
        label=label,
        labels=_differing(ours.labels, theirs.labels),
    )


class _Rows:
    """The rows of a table as a multiset of digests over some columns, and the counts of one."""

    def __init__(self, content: reading.Content, names: Sequence[str], label: str) -> None:
        self.count = 0
        self.digests: Counter[bytes] | None = Counter()
        self.labels: Counter[str] = Counter()
        library = arrow("pyarrow.compute")
        for batch in content.batches() if content.batches is not None else ():
            self.count += batch.num_rows
            if self.count > _MOST_ROWS:
                self.digests = None
            columns = [batch.column(batch.schema.get_field_index(name)) for name in names]
            if self.digests is not None and batch.num_rows:
                pieces = [of_arrow(column, strict=False) for column in columns]
                raw = of_pieces(batch.num_rows, pieces)
                self.digests.update(
                    raw[at : at + ROW_BYTES] for at in range(0, len(raw), ROW_BYTES)
                )
            if label and len(self.labels) <= _MOST_LABELS:
                self._count(library, columns[names.index(label)])

    def _count(self, library: Any, column: Any) -> None:
        for pair in library.compute.value_counts(column):
            self.labels[str(pair["values"].as_py())] += pair["counts"].as_py()
