"""MLflow's store in SQLite: opened to be read, and nothing but its own tables is asked.

SQLite has neither NaN nor infinities for MLflow: of NaN it keeps a mark, and of an infinity the
largest float, which is given as it is kept.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from samebit.compat.files.mlflowrun import Kept, foreign_run
from samebit.compat.foreign import ForeignRun
from samebit.digest import canonical_json, of_bytes
from samebit.errors import Damaged

__all__ = ["list_runs", "read_run"]

_OF_A_SERVER = "mlflow-artifacts:"  # whose client alone knows where they lie
_WAIT_S = 5.0  # for whoever writes into it
_NEEDED = ("experiments", "runs", "params", "metrics", "tags")
_DATASETS = """
    SELECT d.name, d.digest, d.dataset_source_type, t.value
    FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
    LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context'
    WHERE i.destination_id = ? AND i.source_type = 'DATASET' ORDER BY d.name, d.digest"""
_MODELS = """
    SELECT v.name, v.version, v.current_stage, group_concat(a.alias) FROM model_versions v
    LEFT JOIN registered_model_aliases a ON a.name = v.name AND a.version = v.version
    WHERE v.run_id = ? GROUP BY v.name, v.version ORDER BY v.name, v.version LIMIT 1000"""
_RUN = """
    SELECT r.name, r.status, r.user_id, r.start_time, r.end_time, r.artifact_uri,
           r.experiment_id, e.name
    FROM runs r LEFT JOIN experiments e ON e.experiment_id = r.experiment_id
    WHERE r.run_uuid = ?"""
_STATES = """
    SELECT r.run_uuid, r.status, r.end_time, m.many, p.many, t.many FROM runs r
    LEFT JOIN (SELECT run_uuid, count(*) many FROM metrics GROUP BY 1) m USING (run_uuid)
    LEFT JOIN (SELECT run_uuid, count(*) many FROM params GROUP BY 1) p USING (run_uuid)
    LEFT JOIN (SELECT run_uuid, count(*) many FROM tags GROUP BY 1) t USING (run_uuid)
    WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time, r.run_uuid"""


@contextmanager
def _opened(file: Path) -> Generator[sqlite3.Connection]:
    """The store; Damaged where it is none, or cannot be read to its end."""
    try:
        uri = f"file:{quote(str(file.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
            connection.execute("PRAGMA trusted_schema = OFF")
            tables = _tables(connection)
            if missing := [name for name in _NEEDED if name not in tables]:
                raise Damaged(f"it has no table {missing[0]!r}, and so is no store of MLflow")
            yield connection
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:  # the last of its words
        raise Damaged(f"it cannot be read: {error}", path=file) from error


def _tables(connection: sqlite3.Connection) -> set[Any]:
    """The names of its tables; a view, which may compute for ever, is none."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def list_runs(file: Path) -> tuple[dict[str, tuple[Any, ...]], int]:
    """The runs, each with what changes when it grows; and how many others were deleted."""
    with _opened(file) as connection:
        rows = connection.execute(_STATES).fetchall()
        every = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    return {_text(row[0]): row[1:] for row in rows}, every - len(rows)


def read_run(file: Path, name: str, told: Callable[[int], object]) -> ForeignRun:
    """One run; Damaged where the store cannot be read."""
    with _opened(file) as connection:
        row = connection.execute(_RUN, (name,)).fetchone()
        if row is None:
            raise Damaged(f"the run {name!r} is not there any more")
        title, status, user, started_ms, ended_ms, artifacts, experiment_id, experiment = row
        kept = Kept(
            id=name,
            where=str(file.absolute()),
            experiment=_text(experiment),
            experiment_id=_text(experiment_id),
            name=_text(title),
            status=_text(status),
            user=_text(user),
            started_ms=started_ms,
            ended_ms=ended_ms,
        )
        kept.artifacts = _beside(file, _text(artifacts))
        if artifacts and kept.artifacts is None:
            kept.elsewhere = _text(artifacts)
        for table, where in (("params", kept.params), ("tags", kept.tags)):
            rows = connection.execute(
                f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY key", (name,)
            )
            where |= {_text(key): _text(value) for key, value in rows}
        rows = connection.execute(
            "SELECT key, timestamp, value, step, is_nan FROM metrics WHERE run_uuid = ?"
            " ORDER BY rowid",
            (name,),
        )
        for point in rows:
            _add_point(kept, *point)
        tables = _tables(connection)
        if {"inputs", "datasets", "input_tags"} <= tables:
            kept.datasets = _named(_OF_DATASET, connection.execute(_DATASETS, (name,)))
        if {"model_versions", "registered_model_aliases"} <= tables:
            kept.models = _named(_OF_MODEL, connection.execute(_MODELS, (name,)))
    kept.digest = of_bytes(canonical_json([_text(status), kept.params, kept.tags, kept.metrics]))
    told(sum(map(len, kept.metrics.values())))
    return foreign_run(kept)


_OF_DATASET = ("name", "digest", "source_type", "context")
_OF_MODEL = ("name", "version", "stage", "aliases")


def _named(keys: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, str]]:
    """What rows have, as texts by name; nothing where they have nothing."""
    pairs = (zip(keys, map(_text, row), strict=True) for row in rows)
    return [{key: value for key, value in row if value} for row in pairs]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _add_point(kept: Kept, key: Any, ms: Any, value: Any, step: Any, is_nan: Any) -> None:
    name = _text(key)
    if not isinstance(value, (int, float)) or not isinstance(step, int):
        kept.troubles[name, "has points that are no numbers; they are left out"] = None
        return
    number = float("nan") if is_nan else float(value)
    kept.metrics.setdefault(name, []).append((ms, number, step))


def _beside(file: Path, uri: str) -> Path | None:
    """The folder of a run's artifacts where it is in that of the store: it may say any path.

    It is made with the first of them, and so may not be there.
    """
    path = uri.removeprefix("file://")
    if not path or "://" in path or path.startswith(_OF_A_SERVER):
        return None
    try:
        top = file.parent.resolve()
        found = (top / path).resolve()
        return found if found.is_relative_to(top) else None
    except (OSError, ValueError, RuntimeError):
        return None
