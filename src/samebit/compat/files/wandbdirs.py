"""Folders of wandb: each `.wandb` file is what was logged from one start of a run to its end.

Files of one run (it was resumed) lie in folders beside each other; they are its executions.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.compat.files.wandbexports import find_exports, is_export
from samebit.compat.files.wandbfiles import saved_files, staged_file
from samebit.compat.files.wandblog import BLOCK_BYTES, Log, read_log
from samebit.compat.files.wandbmedia import shown
from samebit.compat.files.wandbrecords import Recorded, Row, read_beginning, read_records
from samebit.compat.foreign import Column, Execution, ForeignRun, Found, Names, Problems, Thing
from samebit.digest import canonical_json, of_bytes
from samebit.errors import Damaged, NotFound
from samebit.media.given import Text

__all__ = ["Wandb"]

_SUFFIX = ".wandb"
_MOST_BYTES = 2 << 30  # of a file, which is read as a whole
_BEGINNING_BYTES = 4 << 10  # in which most files say whose they are
_MOST_LISTED = 1000  # files and artifacts
_MOST_CONSOLE = 16 << 20  # characters
_MOST_TROUBLES = 100
_MOST_REQUIREMENTS = 4 << 20  # bytes
_TABLE = "run_table"  # the type of artifact that wandb makes of a table, which comes as one
_SECOND_NS = 1_000_000_000

_Key = tuple[str, str, str]  # entity, project, id


class Wandb:
    """A folder of wandb's, that of one run, or a `.wandb` file; else what its servers gave.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes: dict[Path, int] = {}
        self._keys: dict[Path, tuple[_Key, int]] = {}

    def find(self) -> Sequence[Found]:
        """The runs that lie there, of those that have grown since they were last found."""
        sizes = {path: _size(path) for path in self._files()}
        if not sizes:
            what = "no .wandb file lies there, nor a history as Parquet, CSV or JSON"
            raise NotFound(what, path=self._path.absolute())
        if any(is_export(path) for path in sizes):
            is_known, self._sizes = self._sizes == sizes, sizes
            return [] if is_known else find_exports(list(sizes))
        together: dict[object, list[Path]] = {}
        for path in sizes:
            key = self._key(path)
            together.setdefault(path if key is None else (path.parent.parent, key[0]), []).append(
                path
            )
        found: list[Found] = []
        for paths in together.values():
            if all(self._sizes.get(path) == sizes[path] for path in paths):
                continue
            paths.sort(key=lambda path: (self._keys.get(path, ((), 0))[1], path))
            read = functools.partial(_read, tuple(paths))
            found.append(Found(str(paths[0]), sum(sizes[path] for path in paths), read))
        self._sizes = sizes
        return found

    def _files(self) -> list[Path]:
        """The `.wandb` files; where there are none, the exports."""
        if self._path.is_file():
            return [self._path]
        every = sorted(
            path
            for folder, _, names in os.walk(self._path)
            for path in (Path(folder, name) for name in names)
            if path.is_file()  # a pipe would be waited for
        )
        own = [path for path in every if path.name.endswith(_SUFFIX)]
        return own or [path for path in every if is_export(path) and not path.is_symlink()]

    def _key(self, path: Path) -> tuple[_Key, int] | None:
        """Which run a file is of, and when it was begun; None where it does not say so (yet)."""
        if path not in self._keys:
            try:
                said = _beginning(path)
            except (Damaged, OSError):
                return None
            if not said.run.get("id"):
                return None
            self._keys[path] = _key_of(said), said.started_ns
        return self._keys[path]


def _beginning(path: Path) -> Recorded:
    """What the first records of a file say; they are short, but for a long configuration."""
    with path.open("rb") as stream:
        data = stream.read(_BEGINNING_BYTES)
        said = read_beginning(read_log(data).records)
        if said.run.get("id"):
            return said
        return read_beginning(read_log(data + stream.read(BLOCK_BYTES - len(data))).records)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _key_of(said: Recorded) -> _Key:
    entity, project, name = (said.run.get(part, "") for part in ("entity", "project", "id"))
    return entity, project, name


class _Part(Struct, frozen=True):
    """One file, as it was read."""

    path: Path
    said: Recorded
    log: Log
    digest: str


def _read(paths: Sequence[Path], told: Callable[[int], object]) -> ForeignRun | None:
    parts: list[_Part] = []
    for path in paths:
        if _size(path) > _MOST_BYTES:
            raise Damaged(f"it has more than {_MOST_BYTES >> 30} GiB, and is not read", path=path)
        data = path.read_bytes()
        log = read_log(data)
        parts.append(_Part(path, read_records(log.records), log, of_bytes(data)))
        told(len(data))
    first, last = parts[0], parts[-1]
    if not first.said.run.get("id"):
        if first.log.damaged or first.said.troubles:
            raise Damaged("the record that says which run it is cannot be read")
        return None
    problems: Problems = {}
    names = Names(problems)
    executions = [_execution(part, names, problems) for part in parts]
    run: dict[str, Any] = {}
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    for part in parts:
        run |= part.said.run
        config |= part.said.config
        environment |= part.said.environment
    for part in parts:
        _tell_troubles(part, problems)
    named = [one["type"] for part in parts for one in part.said.artifacts]
    if many := sum(kind != _TABLE for kind in named):
        subject = "artifact was" if many == 1 else "artifacts were"
        what = f"{many:,} {subject} logged or used: names and digests are kept"
        problems["artifacts", what] = None
    outputs, md5 = _outputs(parts)
    entity, project, name = _key_of(first.said)
    return ForeignRun(
        tool="wandb",
        id=f"{entity}/{project}/{name}@{first.said.started_ns}",
        where=str(first.path.absolute()),
        executions=executions,
        version=last.said.version,
        name=run.get("name") or name,
        group=run.get("group"),
        status=_status(last.said),
        config=config,
        text=run.get("notes", ""),
        tags=last.said.tags,
        facts=_facts(last, environment),
        said=_said(run, environment, parts, names),
        problems=list(problems),
        outputs=outputs,
        md5=md5,
        digest=of_bytes(canonical_json([[part.path.name, part.digest] for part in parts])),
    )


def _outputs(parts: Sequence[_Part]) -> tuple[dict[str, Path], dict[str, str]]:
    """The files that it has made and that lie here; of those of artifacts their digests."""
    outputs: dict[str, Path] = {}
    md5: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        again = f" ({number})" if number > 1 else ""
        for path, place in saved_files(part.path.parent):
            outputs[f"files{again}/{path}"] = place
        for one in part.said.staged:
            if (place := staged_file(one)) is not None:
                outputs[f"artifacts{again}/{one.path}"] = place
                md5[f"artifacts{again}/{one.path}"] = one.md5
    return outputs, md5


def _status(said: Recorded) -> str:
    if said.exit_code is None:
        return ""
    return "failed" if said.exit_code else "finished"


def _tell_troubles(part: _Part, problems: Problems) -> None:
    for at, size in part.log.damaged[:_MOST_TROUBLES]:
        what = f"at byte {at:,}: checksums do not fit; {size:,} bytes are left out"
        problems[part.path.name, what] = None
    for trouble in part.said.troubles:
        problems[part.path.name, trouble] = None


# What was logged


def _execution(part: _Part, names: Names, problems: Problems) -> Execution:
    said = part.said
    columns: dict[str, Column] = {}
    things: list[Thing] = []
    for row in said.rows:
        values = row.values
        if any(path[-1] == "_type" and len(path) > 1 for path in values):
            values = _without_media(row, part, things, names, problems)
        for path, value in values.items():
            name = names.of(path)
            if isinstance(value, (list, dict)):
                problems[name, "is a list or a map, which has no place here"] = None
            elif value is not None:
                columns.setdefault(name, Column()).add(row.step, row.time_ns, value)
    if said.console:
        things.append(_console(part, problems))
    machine: dict[str, Column] = {}
    for time_ns, name, value in said.machine:
        machine.setdefault(name, Column()).add(0, time_ns, value)
    return Execution(
        said.started_ns,
        _ended_ns(said),
        series=[column.series(name) for name, column in columns.items()],
        things=things,
        machine=[column.series(name) for name, column in machine.items()],
    )


def _ended_ns(said: Recorded) -> int | None:
    """Start and duration, as wandb says them; of a resumed run it has the sum of all parts."""
    if said.exit_code is None or said.runtime_s <= 0 or not said.started_ns or said.is_resumed:
        return None
    return said.started_ns + said.runtime_s * _SECOND_NS


def _without_media(
    row: Row, part: _Part, things: list[Thing], names: Names, problems: Problems
) -> dict[tuple[str, ...], Any]:
    """The values of a row that are no media; what are, become things."""
    tops = {path[:-1] for path in row.values if path[-1] == "_type" and len(path) > 1}
    media: dict[tuple[str, ...], dict[str, Any]] = {}
    rest: dict[tuple[str, ...], Any] = {}
    for path, value in row.values.items():
        top = next((path[:n] for n in range(1, len(path)) if path[:n] in tops), None)
        if top is None:
            rest[path] = value
        else:
            media.setdefault(top, {})[".".join(path[len(top) :])] = value
    for top, said in media.items():
        name = names.of(top)
        found = shown(said, part.path.parent / "files")
        if found is None:
            problems[name, f"is a {str(said.get('_type'))[:100]!r}, which has no place here"] = None
            continue
        for missing in found.missing:
            what = f"at step {row.step:,}: no file {missing[:200]!r} is in the run's folder"
            if len(problems) < _MOST_LISTED:
                problems[name, what] = None
        if found.media:
            things.append(Thing(name, row.step, row.time_ns, found.media))
    return rest


def _console(part: _Part, problems: Problems) -> Thing:
    text = "".join(part.said.console)
    if len(text) > _MOST_CONSOLE:
        problems["console", f"only its first {_MOST_CONSOLE:,} characters are kept"] = None
    step = max((row.step for row in part.said.rows), default=0)
    return Thing("console", step, part.said.console_ns, [Text(text[:_MOST_CONSOLE])])


# What is said of it


def _facts(part: _Part, environment: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    implementation, _, version = environment.get("python", "").rpartition(" ")
    if version:
        facts["interpreter"] = {"implementation": implementation.lower(), "version": version}
        if "executable" in environment:
            facts["interpreter"]["executable"] = environment["executable"]
    cpu = {
        ours: environment[theirs]
        for ours, theirs in (("model", "cpu"), ("physical", "cores"), ("logical", "threads"))
        if theirs in environment
    }
    machine: dict[str, Any] = {"cpu": cpu} if cpu else {}
    if "gpus" in environment:
        machine["gpus"] = [{"model": name} for name in environment["gpus"]]
    for name in ("memory_bytes", "host"):
        if name in environment:
            machine[name] = environment[name]
    if machine:
        facts["machine"] = machine
    versions = _requirements(part.path.parent / "files" / "requirements.txt")
    return {**facts, "packages": {"versions": versions}} if versions else facts


def _requirements(path: Path) -> dict[str, str]:
    """The packages that `pip freeze` named, those with a version."""
    try:
        if path.is_symlink() or path.stat().st_size > _MOST_REQUIREMENTS:
            return {}
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    pairs = (line.strip().partition("==") for line in lines)
    return {name: version for name, is_exact, version in pairs if name and is_exact and version}


def _said(
    run: Mapping[str, Any], environment: Mapping[str, Any], parts: Sequence[_Part], names: Names
) -> dict[str, Any]:
    last = parts[-1].said
    told = ("entity", "project", "job_type", "sweep", "host", "git", "commit")
    said: dict[str, Any] = {name: run[name] for name in told if name in run}
    for name in ("command", "user", "host", "git", "commit", "system"):
        if name in environment:
            said.setdefault(name, environment[name])
    if last.exit_code is not None:
        said["exit_code"] = last.exit_code
        said["runtime_s"] = last.runtime_s
    if summary := _summary(parts, names):
        said["summary"] = summary
    files = list(dict.fromkeys(name for part in parts for name in part.said.files))
    lists: dict[str, list[Any]] = {
        "artifacts": [one for part in parts for one in part.said.artifacts],
        "metrics": [one for part in parts for one in part.said.metrics],
        "alerts": [one for part in parts for one in part.said.alerts],
        "files": files,
    }
    said |= {name: every[:_MOST_LISTED] for name, every in lists.items() if every}
    unread = {part.path.name: part.log.unread_bytes for part in parts if part.log.unread_bytes}
    return {**said, "unread_bytes": unread} if unread else said


def _summary(parts: Sequence[_Part], names: Names) -> dict[str, Any]:
    """What the summary says that is not the last value logged under its name."""
    last: dict[tuple[str, ...], Any] = {}
    found: dict[str, Any] = {}
    for part in parts:
        for row in part.said.rows:
            last |= row.values
        for path, value in part.said.summarized():
            if path[0] in ("_wandb", "_step", "_runtime", "_timestamp"):
                continue
            if path not in last or not _is_same(last[path], value):
                found[names.of(path)] = value
            else:
                found.pop(names.of(path), None)
    return found


def _is_same(one: Any, other: Any) -> bool:
    return canonical_json(one) == canonical_json(other)
