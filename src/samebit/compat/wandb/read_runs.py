"""Recorded runs as `wandb.Api` gives them: rows, summaries, files, and what is said of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace as replace_fields

from samebit.compat.wandb import kept
from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.configs import Config
from samebit.compat.wandb.faults import CommError
from samebit.compat.wandb.history import definition_of, read_definition
from samebit.compat.wandb.summaries import metric_name, summed_up
from samebit.compat.wandb.times import iso
from samebit.data import versions
from samebit.folders import said
from samebit.folders.read import View, read_run
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["File", "Run", "User"]

_STATES = {"broken off": "crashed", "killed": "killed", "failed": "failed"}
_MOST_ROWS = 500


class User:
    """Who ran it."""

    def __init__(self, name: str) -> None:
        self.username = self.name = self.entity = name
        self.teams: list[str] = []


class Summary(dict[str, Any]):
    """The summary of one; wandb's guide to exports asks it for `_json_dict`."""

    @property
    def _json_dict(self) -> dict[str, Any]:
        return dict(self)


class Run:
    """A run that was recorded."""

    def __init__(self, view: View) -> None:
        self.view = view
        fact = view.facts.get("wandb")
        told: dict[str, Any] = fact if isinstance(fact, dict) else {}
        self._told = told
        self.entity = str(told.get("entity") or view.record.user)
        self.project = str(told.get("project") or "uncategorized")
        self.job_type = told.get("job_type") or None
        self.tags: list[str] = list(view.said.tags)
        self.notes = view.said.text
        self._name = view.name
        self._config: dict[str, Any] | None = None
        self._summary: Summary | None = None

    @property
    def id(self) -> str:
        """Its id; of a replay that of the run that it repeats, as `wandb.run.id` is."""
        return self.view.record.of or self.view.id

    @property
    def name(self) -> str:
        """Its name; its id where it has none."""
        return self._name or self.id

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    display_name = name

    @property
    def path(self) -> list[str]:
        """Entity, project, id."""
        return [self.entity, self.project, self.id]

    @property
    def state(self) -> str:
        """`running`, `finished`, `failed`, `killed`, `crashed`."""
        return _STATES.get(self.view.status, self.view.status)

    @property
    def group(self) -> str | None:
        """The runs that it belongs to."""
        return self.view.group

    @property
    def url(self) -> None:
        """None: there is no server."""
        return None

    sweep = sweep_name = url

    @property
    def user(self) -> User:
        """Who ran it."""
        return User(self.view.record.user)

    @property
    def created_ns(self) -> int:
        """When it began."""
        return self.view.record.started_ns

    @property
    def created_at(self) -> str:
        """The same, as a text."""
        return iso(self.created_ns)

    createdAt = created_at

    @property
    def commit(self) -> str | None:
        """The commit of its code."""
        return self.view.code.head if self.view.code is not None else None

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration."""
        if self._config is None:
            config = self.view.facts.get("config")
            self._config = dict(config) if isinstance(config, dict) else {}
        return self._config

    @property
    def rawconfig(self) -> Config:
        """The same, as a `Config`."""
        found = Config()
        found.update(self.config)
        return found

    @property
    def metadata(self) -> dict[str, Any]:
        """Where and how it ran."""
        start = self.view.start
        if start is None:
            return {}
        return {
            "host": start.host,
            "executable": start.python,
            "args": list(start.argv[1:]),
            "program": start.argv[0] if start.argv else "",
            "python": (self.view.facts.get("interpreter") or {}).get("version", ""),
            "startedAt": iso(start.started_ns),
        }

    @property
    def summary(self) -> Summary:
        """One value a metric: as it was said, defined, or logged last."""
        if self._summary is None:
            self._summary = Summary(self._summed_up())
        return self._summary

    summary_metrics = summary

    def _summed_up(self) -> dict[str, Any]:
        metrics = self.view.metrics
        said_names = [name for name in self._told.get("said", ()) if isinstance(name, str)]
        definitions = [read_definition(one) for one in self._told.get("metrics", ())]
        found: dict[str, Any] = {}
        for name, column in metrics.items():
            value = summed_up(column.values, definition_of(name, definitions))
            if value is not None and not name.startswith("summary."):
                found[name] = value
        for name in said_names:
            beside = metric_name(name, [name])
            column = metrics.get(beside) or metrics.get(name)
            if column is not None:
                found[name] = column.values[-1]
        found["_step"] = self.last_step
        return found

    @property
    def last_step(self) -> int:
        """The greatest step of a metric; -1 where there is none."""
        steps = (step for column in self.view.metrics.values() for step in column.steps)
        return max(steps, default=-1)

    lastHistoryStep = last_step

    def scan_history(
        self,
        keys: Sequence[str] | None = None,
        page_size: int = 1000,
        min_step: int | None = None,
        max_step: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Every row, by step; with `keys` those that have all of them."""
        began_ns = self.created_ns
        rows: dict[int, dict[str, Any]] = {}
        for name, column in self.view.metrics.items():
            for step, time_ns, value in zip(
                column.steps, column.times_ns, column.values, strict=True
            ):
                row = rows.setdefault(step, {"_step": step})
                row[name] = value
                row["_timestamp"] = max(time_ns / 1e9, row.get("_timestamp", 0.0))
                row["_runtime"] = row["_timestamp"] - began_ns / 1e9
        for step in sorted(rows):
            if (min_step is not None and step < min_step) or (
                max_step is not None and step >= max_step
            ):
                continue
            row = rows[step]
            if keys is None:
                yield row
            elif all(key in row for key in keys):
                yield {key: row[key] for key in keys}

    def history(
        self,
        samples: int = _MOST_ROWS,
        keys: Sequence[str] | None = None,
        x_axis: str = "_step",
        pandas: bool = True,
        stream: str = "default",
    ) -> Any:
        """At most so many rows, spread evenly; a frame where pandas is there and wanted."""
        wanted = [x_axis, *(key for key in keys if key != x_axis)] if keys else None
        rows = list(self.scan_history(wanted))
        if len(rows) > samples > 0:
            rows = [rows[at * len(rows) // samples] for at in range(samples)]
        if pandas:
            try:
                import pandas as pd  # noqa: PLC0415  (whoever wants a frame has it)
            except ModuleNotFoundError:
                return rows
            return pd.DataFrame.from_records(rows)
        return rows

    # Files and artifacts.

    def files(self, names: Sequence[str] | None = None, per_page: int = 50) -> list["File"]:
        """What it saved: of each name the last."""
        store = self.view.folder.store
        found = {
            record.origin.get("file", record.name): record
            for record in sorted(
                kept.made_by(store, self.id, "save"), key=lambda record: record.at_ns
            )
        }
        return [
            File(Store(store), name, record)
            for name, record in found.items()
            if not names or name in names
        ]

    def file(self, name: str) -> "File":
        """One of them; CommError where there is none."""
        for one in self.files([name]):
            return one
        known = ", ".join(one.name for one in self.files()) or "none"
        raise CommError(f"run {self.id} saved no file {name!r}; it saved: {known}")

    def logged_artifacts(self, per_page: int = 100) -> list[Artifact]:
        """What it logged."""
        store = self.view.folder.store
        records = kept.made_by(store, self.id, "artifact")
        return [Artifact.of(Store(store), kept.labelled(store, one)) for one in records]

    def used_artifacts(self, per_page: int = 100) -> list[Artifact]:
        """What it used, as far as that is still there."""
        store = self.view.folder.store
        found: list[Artifact] = []
        for fact in self.view.all_facts("artifact"):
            if fact.get("how") != "used":
                continue
            for one in kept.versions_of(store, versions.check_name(str(fact.get("name")))):
                if one.record.manifest == fact.get("manifest"):
                    found.append(Artifact.of(Store(store), one))
        return found

    # What may be said of it.

    def update(self) -> None:
        """Have its name, tags and notes as they are set now."""
        folder, view = self.view.folder, self.view
        if self._name and self._name != view.name:
            folder.add_note(said.NAME, self._name)
        for tag in self.tags:
            if tag not in view.said.tags:
                said.check(said.TAG, tag)
                folder.add_note(said.TAG, tag)
        for tag in view.said.tags:
            if tag not in self.tags:
                folder.add_note(said.UNTAG, tag)
        if (self.notes or None) != view.said.text:
            folder.add_note(said.TEXT, self.notes or "")

    save = update

    def load(self, force: bool = False) -> None:
        """Read it again."""
        self.__init__(read_run(self.view.folder))

    def delete(self, delete_artifacts: bool = False) -> None:
        """Refused: a record is not deleted by a script."""
        raise CommError(f"run {self.id} is not deleted from here: delete its folder yourself")

    def value(self, name: str) -> Any:
        """What a filter or an order means by a name."""
        first, _, rest = name.partition(".")
        if first == "config" and rest:
            return _inside(self.config, rest.removesuffix(".value"))
        if first in ("summary_metrics", "summary") and rest:
            return _inside(self.summary, rest)
        plain = {
            "name": self.id,
            "display_name": self.name,
            "displayName": self.name,
            "created_at": self.created_at,
            "createdAt": self.created_at,
            "jobType": self.job_type,
            "username": self.view.record.user,
        }
        return plain[name] if name in plain else getattr(self, name, None)

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


def _inside(values: Mapping[str, Any], name: str) -> Any:
    """A value by its name, which may lead into others."""
    if name in values:
        return values[name]
    found: Any = values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


class File:
    """A file that a run saved."""

    def __init__(self, store: Store, name: str, record: DataRecord) -> None:
        self._store = store
        self._record = record
        self.name = name
        self.size = record.size_bytes
        self.url = None
        self.updated_at = iso(record.at_ns)

    def download(
        self,
        root: str | os.PathLike[str] = ".",
        replace: bool = False,
        exist_ok: bool = False,
        api: Any = None,
    ) -> Any:
        """Write it below a folder; the open file.

        Raises ValueError where there is one already, and neither `replace` nor `exist_ok`.
        """
        place = Path(root) / self.name
        if place.exists() and not replace:
            if not exist_ok:
                raise ValueError(
                    "File already exists, pass replace=True to overwrite or exist_ok=True to "
                    "leave it as is and don't error."
                )
            return open(place, encoding="utf-8", errors="surrogateescape")
        (item,) = kept.items_of(self._store, self._record)
        named = replace_fields(item, path=os.fsencode(os.path.normpath(self.name)))
        written = kept.lay_out(self._store, named, Path(root))
        return open(written, encoding="utf-8", errors="surrogateescape")

    def __repr__(self) -> str:
        return f"<File {self.name} ({self.size} bytes)>"
