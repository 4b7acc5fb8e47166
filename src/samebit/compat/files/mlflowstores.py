"""Stores of MLflow: a folder `mlruns`, one of an experiment or a run, or a file of SQLite."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from samebit.compat.files import mlflowsql
from samebit.compat.files.mlflowfiles import Experiments, run_folders, size_and_time
from samebit.compat.foreign import Found
from samebit.errors import NotFound

__all__ = ["Mlflow"]


class Mlflow:
    """One store.

    Args:
        path: a folder, or a file of SQLite.

    Raises:
        UsageError: it is a folder, and PyYAML is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = None if path.is_file() else Experiments()
        self._known: dict[object, tuple[Any, ...]] = {}

    def find(self) -> Sequence[Found]:
        """The runs that lie there, of those that have changed since they were last found."""
        return self._in_sqlite() if self._files is None else self._in_folders(self._files)

    def _in_folders(self, files: Experiments) -> list[Found]:
        folders = run_folders(self._path)
        if not folders:
            raise NotFound("no run of MLflow lies there", path=self._path.absolute())
        found: list[Found] = []
        deleted = 0
        for folder in folders:
            state = size_and_time(folder)
            if self._known.get(folder) == state:
                continue
            self._known[folder] = state
            kind = files.kind_of(folder)
            deleted += kind == "deleted"
            if kind == "active":
                read = functools.partial(files.read, folder)
                found.append(Found(str(folder), state[0], read))
        return [*found, *self._left_out(deleted)]

    def _in_sqlite(self) -> list[Found]:
        found: list[Found] = []
        runs, deleted = mlflowsql.list_runs(self._path)
        for name, state in runs.items():
            if self._known.get(name) != state:
                self._known[name] = state
                read = functools.partial(mlflowsql.read_run, self._path, name)
                found.append(Found(f"{self._path} {name}", state[2] or 0, read))
        is_new = self._known.get("") != (deleted,)
        self._known[""] = (deleted,)
        return [*found, *self._left_out(deleted if is_new else 0)]

    def _left_out(self, deleted: int) -> list[Found]:
        if not deleted:
            return []
        many = "1 run was" if deleted == 1 else f"{deleted:,} runs were"
        return [Found(str(self._path), 0, _nothing, f"{many} deleted in MLflow, and left out")]


def _nothing(told: Callable[[int], object]) -> None:
    """What is left out is not read."""
