"""A split out of the store: its row numbers, and by the ids of rows those of other data."""

import itertools
import struct
from typing import Any

from samebit import digest, records
from samebit.data import members, parts
from samebit.data.arrays import of_indices
from samebit.data.members import numpy
from samebit.data.row_ids import ASKED, ID_BYTES, Rows, match, of_given
from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store
from samebit.records import RowIds, SplitManifest, SplitPart

__all__ = ["RecordedSplit", "read_manifest"]


def read_manifest(store: Store, name: str) -> SplitManifest:
    """A split's manifest; NotFound or Damaged where there is no whole one."""
    manifest = records.decode(store.read(name), SplitManifest, where=name)
    if manifest.format != records.SPLIT_FORMAT:
        raise Damaged("not a split", digest=name)
    return manifest


class RecordedSplit:
    """A split that a run recorded; `samebit.open_run(RUN).split()` opens one."""

    def __init__(self, store: Store, run: str, name: str, manifest: str, at: str | None) -> None:
        self._store = store
        self._run = run
        self._name = name
        self._digest = manifest
        self._at = at
        self._manifest = read_manifest(store, manifest)

    @property
    def run(self) -> str:
        """The id of the run."""
        return self._run

    @property
    def name(self) -> str:
        """Its name in the run."""
        return self._name

    @property
    def at(self) -> str | None:
        """File and line of the script that made it, where that is known."""
        return self._at

    @property
    def digest(self) -> str:
        """The digest of its manifest: equal splits of equal data have the same."""
        return self._digest

    @property
    def manifest(self) -> SplitManifest:
        """Everything that is recorded about it but the lists."""
        return self._manifest

    @property
    def has_given_ids(self) -> bool:
        """Whether the script gave ids of its rows."""
        ids = self._manifest.data.ids
        return ids is not None and ids.kind == "given"

    @property
    def parts(self) -> dict[str, int]:
        """How many rows each part has, by its name."""
        return {part.name: part.rows for part in self._manifest.parts}

    def indices(self, data: Any = None) -> dict[str, Any]:
        """The row numbers of each part, in the order in which they were used.

        Args:
            data: what they are to be rows of; rows are found by their ids, wherever they stand
                now. What was split then, where left out: the recorded numbers.

        Returns:
            An array of int64 for each part, by its name.

        Raises:
            UsageError: the split has no ids of rows, or `data` has other columns.
            NotFound: rows are not in the data; the error names them.
            Damaged: a list is not what its fingerprint says.
        """
        if data is None:
            if self._manifest.data.made_of_parts:
                raise UsageError(
                    f"the parts of {self._reference} are rows, not numbers of rows",
                    hint="name the data to find them in: split.indices(data); or read split.ids()",
                )
            return {p.name: self._numbers(p).astype("i8") for p in self._manifest.parts}
        theirs = parts.known_of(data, ASKED)
        if theirs.ids is None:
            raise UsageError("the rows of this data have no ids", why="; ".join(theirs.notes))
        return self.placed(theirs.ids)

    def placed(self, rows: Rows) -> dict[str, Any]:
        """The same, given the ids of the rows of other data."""
        ours = self._rows()
        _compare(ours, rows, self._reference)
        numbers = {part.name: self._numbers(part) for part in self._manifest.parts}
        places = match(ours.ids, rows.ids)
        found = {name: places[these] for name, these in numbers.items()}
        for name, there in found.items():
            missing = numpy().flatnonzero(there < 0)
            if len(missing):
                names = [ours.called(int(numbers[name][at])) for at in missing.tolist()]
                of_part = f"{len(missing):,} of {len(there):,} rows of part {name!r}"
                raise NotFound(
                    f"{of_part} are not in this data",
                    rows=parts.few_of(names),
                    hint="it is other data, or its rows were changed",
                )
        return found

    def ids(self) -> dict[str, list[str | int]]:
        """The ids that the script gave of the rows of each part; UsageError where it gave none."""
        given = self._rows().given
        if given is None:
            raise UsageError(f"no ids were given for the rows of {self._reference}")
        found = {part.name: self._numbers(part) for part in self._manifest.parts}
        return {name: [given[at] for at in rows.tolist()] for name, rows in found.items()}

    def rows_not_in(self, other: "RecordedSplit", part: str) -> int:
        """How many rows of a part the same part of another split lacks, by ids where both have."""
        both = (self, other)
        by_id = all(one.manifest.data.ids is not None for one in both)
        mine, theirs = (one._row_names(part, by_id=by_id) for one in both)
        return int(numpy().count_nonzero(match(mine, theirs) < 0))

    def _row_names(self, name: str, *, by_id: bool) -> bytes:
        """16 bytes for each row of a part: its id, or else its number."""
        np = numpy()
        part = next(part for part in self._manifest.parts if part.name == name)
        numbers = self._numbers(part)
        if by_id:
            held = np.frombuffer(self._rows().ids, "u1").reshape(-1, ID_BYTES)
            return held[numbers].tobytes()
        return np.repeat(numbers.astype(">u8")[:, None], 2, axis=1).tobytes()

    def __repr__(self) -> str:
        each = ", ".join(f"{name} {rows:,}" for name, rows in self.parts.items())
        return f"<split {self._name} of run {self._run}: {each}>"

    @property
    def _reference(self) -> str:
        return f"split {self._run}:{self._name}"

    def numbers(self) -> dict[str, Any]:
        """The row numbers of each part as recorded, arrays of uint64; see `begins`. Or Damaged."""
        return {part.name: self._numbers(part) for part in self._manifest.parts}

    def begins(self) -> dict[str, int] | None:
        """Where each part begins in data that is the parts one behind the other; else None."""
        if not self._manifest.data.made_of_parts:
            return None
        sizes = [part.rows for part in self._manifest.parts]
        ends = itertools.accumulate(sizes, initial=0)
        return {part.name: end for part, end in zip(self._manifest.parts, ends, strict=False)}

    def row_ids(self) -> Rows | None:
        """The ids of all rows of the data, in its order; None where there are none. Or Damaged."""
        return self._rows() if self._manifest.data.ids is not None else None

    def has_equal_rows(self) -> bool:
        """Whether two rows of the data have one id; False where there are no ids. Or Damaged.

        Needs no NumPy, and half a microsecond a row.
        """
        rows = self.row_ids()
        if rows is None:
            return False
        return len(set(struct.iter_unpack(f"{ID_BYTES}s", rows.ids))) < rows.count

    def _numbers(self, part: SplitPart) -> Any:
        """The row numbers of a part as used, checked."""
        if part.sequence is not None:
            numbers = members.read_sequence(self._store.read(part.sequence), part.rows)
        else:
            numbers = members.read_members(self._store.read(part.members), part.rows)
        rows = self._manifest.data.rows
        if of_indices(numbers).name != part.order:
            raise Damaged(f"part {part.name!r} of {self._reference} is not what its name says")
        if rows is not None and len(numbers) and int(numbers.max()) >= rows:
            raise Damaged(f"part {part.name!r} of {self._reference} has rows that there are not")
        return numbers

    def _rows(self) -> Rows:
        ids = self._manifest.data.ids
        if ids is None:
            raise UsageError(
                f"{self._reference} has no ids of its rows",
                why="; ".join(self._manifest.notes) or "they are not known by their content",
                hint="its row numbers: split.indices()",
            )
        rows = self._manifest.data.rows
        if rows is None:
            raise Damaged(f"{self._reference} has ids of rows, and does not say of how many")
        return _read_ids(self._store, ids, rows)


def _read_ids(store: Store, ids: RowIds, rows: int) -> Rows:
    data = store.read(ids.object)
    if ids.kind == "given":
        given = digest.from_json(data)
        is_list = isinstance(given, list) and all(type(one) in (str, int) for one in given)
        if not is_list or len(given) != rows:
            raise Damaged("a list of ids is damaged", digest=ids.object)
        return of_given(given)
    if len(data) != rows * ID_BYTES:
        raise Damaged("a list of ids is damaged: it has another length", digest=ids.object)
    return Rows(data, ids.columns)


def _compare(ours: Rows, theirs: Rows, reference: str) -> None:
    """UsageError where the ids of two data cannot be the same, whatever their rows."""
    if (ours.given is None) != (theirs.given is None):
        kinds = ["ids" if one.given is not None else "rows" for one in (ours, theirs)]
        raise UsageError(
            f"{reference} knows its rows by {kinds[0]}",
            hint="hand over the list of ids" if kinds[0] == "ids" else "hand over the rows",
        )
    before, after = dict(ours.columns), dict(theirs.columns)
    differ = [n for n in dict.fromkeys((*before, *after)) if before.get(n) != after.get(n)]
    if differ:
        lines = [
            f"{name or 'value'}: {_type(before, name)} → {_type(after, name)}" for name in differ
        ]
        raise UsageError(
            f"this data has other columns than what {reference} is of",
            columns=parts.few_of(lines),
            hint="hand over the same columns, of the same types; of several arrays a tuple",
        )


def _type(columns: dict[str, Any], name: str) -> str:
    if name not in columns:
        return "not there"
    found = columns[name]
    return found if isinstance(found, str) else digest.canonical_json(found).decode()
