"""What is known of every run of a store, from an index that can be deleted at any time.

The index is a SQLite file in the user's cache folder. It holds runs that have ended, each with the
modification times of its folders: a run's files are created once and never rewritten, so whatever
is added to it changes one of these times. All other runs are read anew. Whatever goes wrong with
the index, what comes out is the same, only later. Nothing is ever written into a store.

One flat row of each run is what `samebit ls` lists; another room may keep something else of each
run in the same file, as a `Table` of its own. `query.watching` keeps looking at what is here read
once.
"""

import json
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from samebit import places
from samebit.errors import RunNotFound, SamebitError, StoreTooNew

if TYPE_CHECKING:
    from samebit.folders.read import View
    from samebit.folders.summaries import Summary
    from samebit.records import Verdict

__all__ = [
    "COLUMNS",
    "ROWS",
    "Entry",
    "Table",
    "age",
    "forget",
    "in_order",
    "is_on_network",
    "keep",
    "modified_ns",
    "names",
    "of_each_run",
    "read_each",
    "recall",
    "rows",
    "stamp",
    "stamps",
    "verdict_of",
    "whole_verdict_of",
]

Row = dict[str, object]
T = TypeVar("T")

# What every row has, but for one of a run that cannot be read: that has id, state and damage.
# `tags`, `note` and `archived` are there only where somebody has said so, `study` and `trial` only
# where a study had it started, `imported` and `project` only where another tool has recorded it, or
# its script told wandb of a project.
COLUMNS = (
    "id",
    "name",
    "state",
    "kind",
    "of",
    "group",
    "parent",
    "user",
    "host",
    "started",  # UTC, ns
    "seconds",  # over all executions; None while one has no known end
    "seed",
    "deterministic",
    "commit",
    "verdict",  # the grade of the last one, and up to which step, where it was run so far
    "missing",  # what the record lacks, in a word each; None where it lacks nothing
    "steps",
    "cause",  # why it failed or was killed, in a few words
    "ranks",  # processes that trained together; None where there was one
    "executions",  # None where there was one
    "job",  # of a batch system, as `squeue` prints it
)

_SCHEMA = 7  # part of the file's name; a change of rows or table takes the next number
_TABLE = """create table if not exists {} (
    id text primary key, executions text not null, stamp text not null, row text not null)"""
_DAY_S = 86400
_UNUSED_DAYS = 90  # then an index goes: its store is gone, or it will be read anew
_BUSY_S = 2.0  # reading a thousand runs takes about as long
# A file that comes within one tick of the clock leaves the folder's time as it was, so a time is
# trusted only once it is older than any tick, and than what two clocks may differ by.
_SETTLED_NS = 5_000_000_000
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4"}
    | {"orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs"}
)
_OCTAL = re.compile(r"\\([0-7]{3})")  # how mountinfo writes spaces


@dataclass(frozen=True)
class Table(Generic[T]):
    """What is kept of each run, as a text: how it is made, and what a reader makes of it."""

    name: str  # of the table in the index; another form takes another name
    describe: Callable[["View"], str]
    parse: Callable[[str], T]  # raises for a text that is none of `describe`'s
    # Of a run that goes on, what is other by its metrics and the steps of its main optimizer alone.
    grown: Callable[[Mapping[str, "Summary"], int | None], Row] | None = None


class Entry(NamedTuple, Generic[T]):
    """What the index holds of one run."""

    executions: str  # their numbers, with spaces between
    stamp: str
    value: T
    text: str = ""  # where it is to be written


def rows(store: Path, *, replays: bool = False) -> list[Row]:
    """Every run as a flat row, oldest first; replays only when asked for.

    Beside `COLUMNS` a row has `config.<dotted name>` and `metric.<name>`, each metric's last value.
    A run that cannot be read is a row with id, state and `damage`, which says why: `damaged`, `too
    new`, or `not begun` where a process has made the folder and nothing else, yet or for ever.
    """
    (found,), unreadable = of_each_run(store, ROWS)
    return in_order(found + unreadable, replays=replays)


def in_order(found: Iterable[Row], *, replays: bool) -> list[Row]:
    """Rows, oldest first, with those of replays or without."""
    return sorted((row for row in found if replays or row.get("kind") != "replay"), key=age)


def of_each_run(store: Path, *tables: Table[T]) -> tuple[list[list[T]], list[Row]]:
    """What each table has of every run, in one order; and a row for each run that cannot be read.

    A run that one of them does not know yet is read once, for all of them.
    """
    there = names(store)
    known = [recall(store, table) for table in tables]
    in_all = there.intersection(*known)
    current = [name for name in in_all if _is_current(store, name, [of[name] for of in known])]
    found = [[of[name].value for name in current] for of in known]
    unreadable: list[Row] = []
    learnt: list[dict[str, Entry[T]]] = [{} for _ in tables]
    for name, read, settled in read_each(store, there.difference(current), tables):
        if isinstance(read, dict):
            unreadable.append(read)
            continue
        for values, new, entry in zip(found, learnt, read, strict=True):
            values.append(entry.value)
            if settled:
                new[name] = entry
    for table, of, new in zip(tables, known, learnt, strict=True):
        keep(store, table, new, of.keys() - there)
    return found, unreadable


def _is_current(store: Path, name: str, entries: Sequence[Entry[T]]) -> bool:
    """Whether a run is as it was when all of these were made of it."""
    executions, before = entries[0][:2]
    is_one = all(one[:2] == (executions, before) for one in entries[1:])
    return is_one and before == stamp(store, name, executions)


def age(row: Row) -> tuple[int, str]:
    """By what rows stand in the order in which their runs began."""
    started = row.get("started")
    return (started if isinstance(started, int) else 0), str(row["id"])


def names(store: Path) -> set[str]:
    """Every name in the store's folder of runs."""
    folder = os.path.join(store, "runs")
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
    except OSError as error:
        what = f"cannot list the runs of this store: {error.strerror}"
        raise SamebitError(what, path=folder) from error


def stamp(store: Path, name: str, executions: str) -> str:
    """When each of a run's folders last got or lost a name; told apart from any other state."""
    run = f"{store}/runs/{name}"
    folders = [run, f"{run}/executions", f"{run}/notes", f"{run}/journal"]
    folders += [f"{run}/executions/{number}" for number in executions.split()]
    return " ".join(map(str, map(modified_ns, folders)))


def modified_ns(folder: str) -> int:
    """When a folder last got or lost a name; 0 where it is not there."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0  # a copy may have lost an empty folder


def read_each(
    store: Path,
    names: Iterable[str],
    tables: Sequence[Table[T]],
    also: Callable[["View"], None] | None = None,
) -> Iterator[tuple[str, list[Entry[T]] | Row, bool]]:
    """What each table has of these runs, or why none has; whether it will stay so by itself.

    A run that is gone meanwhile is passed over. `also` is called with each run that was read.
    """
    if not names:
        return
    # They take as long to import as all the rest of `samebit ls`, and it seldom needs them.
    from samebit.folders.folder import RunFolder, is_run_id  # noqa: PLC0415
    from samebit.folders.read import read_run  # noqa: PLC0415

    runs = store / "runs"
    for name in filter(is_run_id, names):
        folder = RunFolder(runs / name)
        executions = " ".join(map(str, folder.claimed()))
        now_ns = time.time_ns()
        before = stamp(store, name, executions)  # before reading: what comes later shows
        try:
            view = read_run(folder)
            texts = [table.describe(view) for table in tables]
            # As they will come from the index.
            values = [table.parse(text) for table, text in zip(tables, texts, strict=True)]
            if also is not None:
                also(view)
        except Exception as error:  # it may be a stranger's run, with anything in it
            if folder.path.is_dir():
                yield name, _unreadable(name, error), False
            continue
        settled = max(map(int, before.split())) + _SETTLED_NS < now_ns
        both = zip(values, texts, strict=True)
        entries = [Entry(executions, before, value, text) for value, text in both]
        has_ended = view.end is not None or view.record.imported is not None
        yield name, entries, has_ended and settled


def _unreadable(name: str, error: Exception) -> Row:
    text = error.what if isinstance(error, SamebitError) else f"{type(error).__name__}: {error}"
    state = "not begun" if isinstance(error, RunNotFound) else "damaged"
    state = "too new" if isinstance(error, StoreTooNew) else state
    return {"id": name, "state": state, "damage": text}


def _row(view: "View") -> Row:
    from samebit.capture import batch, config  # noqa: PLC0415  (as in `_read`)
    from samebit.folders.imported import project_of  # noqa: PLC0415
    from samebit.query.lacks import find_lacks  # noqa: PLC0415

    record, start, code = view.record, view.start, view.code
    asked = view.facts.get("asked") or {}  # what `init()` was given inside `samebit run`
    row: Row = {
        "id": view.folder.id,
        "name": view.name,
        "state": view.status,
        "kind": record.kind,
        "of": record.of,
        "group": view.group,
        "parent": record.parent,
        "user": record.user,
        "host": record.host,
        "started": record.started_ns,
        "seconds": _seconds(view),
        "seed": view.seed,
        "deterministic": bool(asked.get("deterministic") or (start and start.deterministic)),
        "commit": code.head if code is not None else None,
        "verdict": verdict_of(view.verdicts),
        "missing": ", ".join(dict.fromkeys(lack.key for lack in find_lacks(view))) or None,
        "steps": _steps(view),
        "cause": view.cause,
        "ranks": len(view.ranks) if len(view.ranks) > 1 else None,
        "executions": len(view.starts) if len(view.starts) > 1 else None,
        "job": batch.job_of(view.facts.get("variables") or {}),
    }
    said = view.said
    told: Row = {"tags": ", ".join(said.tags), "note": said.text, "archived": said.archived}
    if record.study is not None:
        row |= {"study": record.study, "trial": record.trial}
    tracked = view.facts.get("wandb")
    if isinstance(tracked, dict):  # what its script told a tracker, and we have no word for
        told |= {key: tracked.get(key) for key in ("project", "job_type")}
    if record.imported is not None:
        told |= {"imported": record.imported.tool, "project": project_of(view)}
    row |= {key: value for key, value in told.items() if value}
    given = view.facts.get("config")
    if isinstance(given, dict):
        row |= {f"config.{key}": value for key, value in config.flat(given).items()}
    _add_searched(row, view.facts.get("searched"))
    return row | _last_values(view.summaries)


def _add_searched(row: Row, searched: object) -> None:
    """What a sweep has set, where the script's own configuration does not tell of it."""
    if isinstance(searched, dict):
        known = {key.rpartition(".")[2] for key in row if key.startswith("config.")}
        for name, value in searched.items():
            if name not in known and f"config.{name}" not in row:
                row[f"config.{name}"] = value


def _last_values(metrics: Mapping[str, "Summary"]) -> Row:
    return {f"metric.{name}": one.last for name, one in metrics.items()}


def verdict_of(verdicts: Sequence["Verdict"]) -> str | None:
    """The last word; a quick proof of the beginning takes nothing from one of the whole run."""
    whole = whole_verdict_of(verdicts)
    if whole is not None:
        return whole.grade
    return f"identical to {verdicts[-1].until}" if verdicts else None


def whole_verdict_of(verdicts: Sequence["Verdict"]) -> "Verdict | None":
    """The last one that is of more than the beginning."""
    whole = [one for one in verdicts if one.until is None or one.grade != "identical"]
    return whole[-1] if whole else None


def _seconds(view: "View") -> float | None:
    total_ns = 0
    for start, end in zip(view.starts, view.ends, strict=True):
        if end is None:
            return None
        total_ns += end.ended_ns - start.started_ns
    return total_ns / 1e9 if view.starts else None


def _steps(view: "View") -> int | None:
    from samebit.folders.steps import last_counts  # noqa: PLC0415  (a warm index reads no run)

    traced = last_counts(view.trace).get(view.facts.get("main", 0))
    return _last_step(view.summaries, traced)


def _last_step(metrics: Mapping[str, "Summary"], traced: int | None) -> int | None:
    """Steps of the main optimizer; where none was traced, the last step that has a metric."""
    if traced is not None:
        return traced
    return max((one.highest for one in metrics.values()), default=None)


def _grown(metrics: Mapping[str, "Summary"], traced: int | None) -> Row:
    return {"steps": _last_step(metrics, traced), **_last_values(metrics)}


ROWS = Table("runs", lambda view: json.dumps(_row(view)), json.loads, _grown)


def recall(store: Path, table: Table[T], names: Iterable[str] | None = None) -> dict[str, Entry[T]]:
    """What the index has of each run, or of some, current or not; nothing where there is none."""
    wanted = f"select id, executions, stamp, row from {table.name}"
    given = None if names is None else list(names)
    if given is not None:
        wanted += f" where id in ({', '.join('?' * len(given))})"
    found = _ask(store, table, wanted, given or ())
    try:
        return {
            name: Entry(executions, stamp, table.parse(text))
            for name, executions, stamp, text in found
        }
    except Exception:  # rubbish, of whatever kind: the next one begins anew
        forget(store)
        return {}


def stamps(store: Path, table: Table[T]) -> dict[str, tuple[str, str]]:
    """The executions and the stamp of each run that the index has in a table."""
    found = _ask(store, table, f"select id, executions, stamp from {table.name}", ())
    return {name: (executions, stamp) for name, executions, stamp in found}


def _ask(store: Path, table: Table[T], wanted: str, given: Sequence[str]) -> list[tuple[str, ...]]:
    file = _file(store)
    if file is None:
        return []
    _use(file)
    try:
        with _opened(file, table) as connection:
            return connection.execute(wanted, given).fetchall()
    except sqlite3.OperationalError:
        return []  # locked for too long, read-only, no space: nothing is wrong with the file
    except sqlite3.Error:
        _remove(file)
        return []


def forget(store: Path) -> None:
    """Take the index of a store away: it is damaged, or the store goes."""
    file = _file(store)
    if file is not None:
        _remove(file)


def _use(file: Path) -> None:
    """Say that an index is in use; with a new one, those go that nobody has used for a season."""
    now = time.time()
    try:
        if file.exists():
            if now - file.stat().st_mtime > _DAY_S:
                os.utime(file)
            return
        for other in file.parent.glob("runs-*.sqlite"):
            if now - other.stat().st_mtime > _UNUSED_DAYS * _DAY_S:
                other.unlink()
    except OSError:
        return  # somebody else's, or gone: nothing depends on it


def keep(store: Path, table: Table[T], learnt: Mapping[str, Entry[T]], gone: Iterable[str]) -> None:
    """Put into the index what will stay as it is, and take out what is gone."""
    left_behind = [(name,) for name in gone]
    file = _file(store) if learnt or left_behind else None
    if file is None:
        return
    rows = [(name, entry.executions, entry.stamp, entry.text) for name, entry in learnt.items()]
    put = f"insert or replace into {table.name} values (?, ?, ?, ?)"
    drop = f"delete from {table.name} where id = ?"
    try:
        with _opened(file, table) as connection, connection:
            connection.executemany(put, rows)
            connection.executemany(drop, left_behind)
    except sqlite3.Error:
        return  # the caller has what it asked for; the next one reads it from the store again


@contextmanager
def _opened(file: Path, table: Table[T]) -> Generator[sqlite3.Connection]:
    # The rollback journal of old, no WAL: that needs memory shared by all who read.
    with closing(sqlite3.connect(file, timeout=_BUSY_S)) as connection:
        connection.execute(_TABLE.format(table.name))
        yield connection


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return  # somebody has it open (Windows): the next one tries again


def _file(store: Path) -> Path | None:
    """Where a store's index lies; None where it can lie nowhere."""
    name = places.store_id(store)
    if not name.isalnum():  # a stranger's store may give itself any name
        return None
    try:
        folder = _cache_folder()
    except (OSError, RuntimeError):  # no permission, or no home
        return None
    return folder and folder / f"runs-{name}-{_SCHEMA}.sqlite"


def _cache_folder() -> Path | None:
    folder = places.cache_folder()
    mounts = _mounts()
    if not is_on_network(folder, mounts):
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    import tempfile  # noqa: PLC0415  (for homes on a network only)

    # Anybody may make folders there; one that is not ours could hold any rows.
    folder = Path(tempfile.gettempdir()) / f"samebit-{os.getuid()}"
    if is_on_network(folder, mounts):
        return None
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    return folder if found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode) else None


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""  # not Linux


def is_on_network(folder: Path, mounts: str) -> bool:
    """Whether a folder lies on a file system where locks are slow or not to be trusted.

    `mounts` is the text of `/proc/self/mountinfo`. A file system of FUSE's counts as one.
    """
    folder = folder.resolve()
    above = {os.fspath(path) for path in (folder, *folder.parents)}
    kind, longest = "", 0
    for line in mounts.splitlines():
        fields, _, source = line.partition(" - ")
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields.split(" ")[4])
        if point in above and len(point) >= longest:  # of two at one place the later one shows
            kind, longest = source.split(" ")[0], len(point)
    return kind in _NETWORK or kind.startswith("fuse.")
