"""Recorded runs that were chosen, for reading in Python: as runs, as plain rows, as frames."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.query.tabular import taking
from samebit.query.tabular.columns import Batch, Shape, values_of
from samebit.query.tabular.frames import make_frame
from samebit.session.reading import RecordedRun, store_at

__all__ = ["Runs", "runs"]

Row = dict[str, Any]


class Runs(Sequence[RecordedRun]):
    """Recorded runs in an order, as they were when they were asked for.

    A run is read when it is taken out; of their rows the index knows without reading any.
    """

    def __init__(self, store: Path, rows: Sequence[taking.Row]) -> None:
        """Take what the index has of the runs that can be read."""
        self._store = store
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, index: slice) -> "Runs": ...
    def __getitem__(self, index: int | slice) -> "RecordedRun | Runs":
        if isinstance(index, slice):
            return Runs(self._store, self._rows[index])
        run = str(self._rows[index]["id"])
        return RecordedRun(read_run(RunFolder(self._store / "runs" / run)))

    def __iter__(self) -> Iterator[RecordedRun]:
        return (self[at] for at in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} recorded run{'' if len(self) == 1 else 's'}>"

    @property
    def ids(self) -> list[str]:
        """Their ids, in order; no run is read."""
        return [str(row["id"]) for row in self._rows]

    def rows(self, table: str = "runs") -> list[Row]:
        """A table of these runs as plain values; docs/export.md has the tables and their columns.

        Args:
            table: `runs`, `metrics`, `config`…: those that `samebit export` writes.

        Raises:
            UsageError: there is no such table.
        """
        shape, batches = self._taken(table)
        return [
            dict(zip(shape.names, row, strict=True))
            for batch in batches
            for row in zip(*(values_of(c, batch.rows) for c in batch.columns), strict=True)
        ]

    def frame(self, table: str = "runs", to: str = "pandas") -> Any:
        """The same as a frame: what `samebit export --parquet` writes, of the same types.

        Args:
            table: as for `rows`.
            to: `pandas`, `polars`, or `pyarrow` (a table).

        Raises:
            UsageError: there is no such table, or the library is not installed.
        """
        shape, batches = self._taken(table)
        return make_frame(shape, batches, to, taking.load_numpy())

    def _taken(self, table: str) -> tuple[Shape, list[Batch]]:
        shape = taking.shape_of(table, self._rows)
        failed: list[str] = []
        batches = [
            batch
            for _, batch in taking.read_batches(
                self._store,
                self._rows,
                [shape],
                taking.load_numpy(),
                failed=lambda run, why: failed.append(f"run {run}: {why}"),
            )
        ]
        _warn(failed, 4)
        return shape, batches


def runs(
    *references: str,
    where: str | None = None,
    sort: str | None = None,
    group: str | None = None,
    replays: bool = False,
    store: str | Path | None = None,
) -> Runs:
    """The runs of a store that are meant, in the order of `samebit ls`: the newest first.

    What cannot be read is left out, with a warning that says so.

    Args:
        references: ids, their beginnings, names, `@last`; without any of these and `where`, all.
        where: a condition as that of `samebit ls --where`: `"acc > 0.9 and config.lr < 0.01"`.
        sort: an order as that of `samebit ls --sort`: `"acc:desc,seed"`.
        group: only runs of this group.
        replays: replays, too.
        store: a `.samebit` folder; found from the working directory where it is left out.

    Raises:
        UsageError: the condition or the order cannot be read, or no run has a name in it.
        StoreNotFound, RunNotFound, AmbiguousRun.
    """
    folder = store_at(store)
    rows = taking.choose_rows(folder, references, where, sort, replays=replays)
    damaged = [str(row["damage"]) for row in rows if "damage" in row]
    _warn(damaged, 3)
    whole = [row for row in rows if "damage" not in row]
    return Runs(folder, [row for row in whole if group is None or row["group"] == group])


def _warn(unreadable: Sequence[str], level: int) -> None:
    if unreadable:
        what = f"{len(unreadable)} run folders cannot be read and are left out (`samebit ls` shows "
        warnings.warn(f"{what}them): {'; '.join(unreadable[:3])}", stacklevel=level)
