"""`wandb.Api`: finds runs, artifacts and projects of the store."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit import places
from samebit.compat.wandb import joining, kept, making
from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.faults import CommError, RunNotFound
from samebit.compat.wandb.filters import fits, sort_key
from samebit.compat.wandb.read_runs import Run, User
from samebit.compat.wandb.recorded import Recorded
from samebit.errors import NotFound, SamebitError
from samebit.folders.find import find_run, list_runs
from samebit.folders.folder import user_name
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.records import DataRecord
from samebit.session import doors

__all__ = ["Api", "Project", "Runs"]

_MOST_ROWS = 500


class Api:
    """The store of the working directory, or another one.

    Args:
        overrides: of which `project` and `entity` count, as those of paths that name none.
        store: a `.samebit` folder.
    """

    def __init__(
        self,
        overrides: Mapping[str, Any] | None = None,
        timeout: int | None = None,
        api_key: str | None = None,
        *,
        store: Path | None = None,
    ) -> None:
        self.settings = {"entity": None, "project": None, **(overrides or {})}
        self._store = store
        self._is_of_here = store is None

    @property
    def store(self) -> Path:
        """Where it reads; CommError where there is none."""
        if self._store is None:
            try:
                self._store = places.find_store(Path.cwd())
            except NotFound as error:
                raise CommError(error.what) from error
        return self._store

    @property
    def default_entity(self) -> str:
        """The user."""
        return str(self.settings["entity"] or user_name())

    @property
    def viewer(self) -> Any:
        """The user, as `.username`."""
        return User(user_name())

    def _recorded(self) -> Recorded | None:
        """The run of this process, unless the store was said."""
        return joining.here() if self._is_of_here else None

    def _artifacts(self, recorded: Recorded | None) -> Path:
        """Where artifacts are: of a replay in the store of its run."""
        return making.store_of(recorded) if recorded is not None else self.store

    def run(self, path: str) -> "Run":
        """A run, by `entity/project/id` or the id alone: ours, one that `init` was given, a name.

        Raises:
            RunNotFound: which is CommError and ValueError.
        """
        id = path.rstrip("/").rpartition("/")[2].rpartition(":")[2]
        try:
            found = joining.find_ours(self.store, id) or find_run(self.store, id)
            return Run(read_run(found))
        except SamebitError as error:
            raise RunNotFound(f"Could not find run <Run {path}>: {error.what}") from error

    def runs(
        self,
        path: str | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str | None = "+created_at",
        per_page: int = 50,
        include_sweeps: bool = True,
        lazy: bool = True,
    ) -> "Runs":
        """Runs that are no replays, in an order.

        Args:
            path: `entity/project`, of which the project counts; all where it is left out.
            filters: as wandb takes them: `{"config.lr": {"$gt": 0.1}, "state": "finished"}`;
                names are `config.…`, `summary_metrics.…`, `tags`, `group`, `display_name`, `state`…
            order: a name, behind `+` or `-`: `-summary_metrics.loss`.
            per_page: of no effect, as are the others.
            include_sweeps: there are none.
            lazy: each is read at once.
        """
        project = (path or "").rpartition("/")[2] or self.settings["project"]
        found: list[Run] = []
        for folder in list_runs(self.store):
            try:
                run = Run(read_run(folder))
                if run.view.record.kind == "replay" or project not in (None, "", run.project):
                    continue
                if fits(filters, run.value):
                    found.append(run)
            except SamebitError:
                continue  # `samebit ls` names those that cannot be read
        lacking = [run for run in found if sort_key(order, run.value)[0]]
        having = [run for run in found if not sort_key(order, run.value)[0]]
        having.sort(key=lambda run: run.created_ns)
        having.sort(
            key=lambda run: sort_key(order, run.value)[1], reverse=(order or "").startswith("-")
        )
        return Runs([*having, *lacking])

    def artifact(self, name: str, type: str | None = None) -> Artifact:
        """A version of data by `NAME:v3`, `NAME:ALIAS`, `NAME`; CommError where there is none.

        A run that goes on has used it, so that its replay finds the same one.
        """
        recorded = self._recorded()
        if recorded is not None and doors.current() is not None:
            return making.use_artifact(recorded, name, type)
        return making.find_artifact(self._artifacts(recorded), name, type, recorded)[0]

    def artifact_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is one; in a replay, whether there was one then."""
        recorded = self._recorded()
        store = self._artifacts(recorded)
        try:
            found = kept.find(store, name, _counts(recorded))
        except SamebitError:
            return False
        return type in (None, Artifact.of(Store(store), found).type)

    def artifacts(
        self, type_name: str, name: str, per_page: int = 50, tags: Any = None
    ) -> list[Artifact]:
        """Every version of a name that is of a type, the newest first."""
        recorded = self._recorded()
        store = self._artifacts(recorded)
        try:
            known = kept.versions_of(store, name.rpartition("/")[2], _counts(recorded))
        except SamebitError as error:
            raise CommError(error.what) from error
        of_it = [Artifact.of(Store(store), one) for one in reversed(known)]
        return [one for one in of_it if type_name in (None, one.type)]

    def artifact_versions(self, type_name: str, name: str, per_page: int = 50) -> list[Artifact]:
        """The same."""
        return self.artifacts(type_name, name)

    def projects(self, entity: str | None = None, per_page: int = 50) -> list["Project"]:
        """The projects that runs were told, by their names."""
        names = sorted({run.project for run in self.runs()})
        return [Project(self, name) for name in names]

    def project(self, name: str, entity: str | None = None) -> "Project":
        """One of them."""
        return Project(self, name)

    def flush(self) -> None:
        """Of no effect: each call reads anew."""


def _counts(recorded: Recorded | None) -> Callable[[DataRecord], bool] | None:
    return making.there_then(recorded) if recorded is not None else None


class Project:
    """A name that runs share."""

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self.name = self.id = name
        self.entity = api.default_entity

    def runs(self) -> "Runs":
        """Its runs."""
        return self._api.runs(self.name)


class Runs(Sequence["Run"]):
    """Some runs."""

    def __init__(self, runs: list["Run"]) -> None:
        self._runs = runs

    def __getitem__(self, index: Any) -> Any:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def histories(
        self, samples: int = _MOST_ROWS, keys: Any = None, x_axis: str = "_step", **more: Any
    ) -> list[dict[str, Any]]:
        """The rows of all of them, each with its `run_id`."""
        rows: list[dict[str, Any]] = []
        for run in self._runs:
            found = run.history(samples, keys, x_axis, pandas=False)
            rows += [{"run_id": run.id, **row} for row in found]
        return rows
