"""What each run of a store made and used, from its record or from the index.

A file's content counts as made when it was last changed, but neither before its run began nor after
the record speaks of it; as read by the time at which its digest is recorded.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from samebit.errors import Damaged
from samebit.folders.facts import read_fact
from samebit.folders.read import View
from samebit.journal.frame import Kind
from samebit.journal.values import sound
from samebit.query import index
from samebit.query.lineage import Trail, Use

__all__ = ["trails"]

_GONE_AT_THE_END = frozenset({"finished", "failed"})  # they look at what they wrote


def trails(store: Path) -> tuple[list[Trail], list[dict[str, object]]]:
    """Every run, replays too; and a row with id, state and `damage` for each unreadable one.

    Paths inside the project are those of where the store lies now.
    """
    (found,), unreadable = index.of_each_run(store, _TRAILS)
    return [_moved(trail, str(store.parent)) for trail in found], unreadable


def _moved(trail: Trail, project: str) -> Trail:
    if trail.project in ("", project):
        return trail
    below = trail.project.rstrip(os.sep) + os.sep
    return replace(
        trail,
        uses=tuple(
            replace(use, name=os.path.join(project, use.name.removeprefix(below)))
            if use.kind != "state" and use.name.startswith(below)
            else use
            for use in trail.uses
        ),
    )


def _describe(view: View) -> str:
    record = view.record
    trail = Trail(
        record.id,
        record.started_ns,
        record.kind,
        view.name,
        record.of,
        record.parent,
        view.group,
        command=" ".join(view.starts[-1].argv) if view.starts else "",
        project=record.project,
        state=view.status,
        verdict=index.verdict_of(view.verdicts),
        uses=tuple(_uses(view)),
    )
    return msgspec.json.encode(_writable(trail)).decode()


def _writable(trail: Trail) -> Any:
    """Names with bytes that are no UTF-8 are written out, as everywhere on a screen."""
    return msgspec.to_builtins(
        replace(
            trail,
            name=sound(trail.name) if trail.name is not None else None,
            command=sound(trail.command),
            project=sound(trail.project),
            uses=tuple(replace(use, name=sound(use.name)) for use in trail.uses),
        )
    )


_TRAILS = index.Table("trails_1", _describe, msgspec.json.Decoder(Trail).decode)


def _uses(view: View) -> Iterator[Use]:
    """Every content once for each of its names, as first met."""
    found: dict[tuple[str, str, str | None], Use] = {}
    for use in (*_files(view), *_states(view)):
        found.setdefault((use.does, use.name, use.digest), use)
    known = {(does, name) for does, name, content in found if content is not None}
    for (does, name, content), use in found.items():
        if content is not None or (does, name) not in known:
            yield use


def _facts(view: View, *names: str) -> Iterator[tuple[str, int, Any]]:
    """(name, time, value) of all ranks and executions, oldest first."""
    for frame in sorted(view.journal.frames, key=lambda frame: frame.time_ns):
        if frame.kind == Kind.FACT and frame.items[2] in names:
            try:
                yield frame.items[2], frame.time_ns, read_fact(frame.items[2], frame.items[3])
            except Damaged:
                continue  # a shape that is not known: `show` says so


def _files(view: View) -> Iterator[Use]:
    overwritten: dict[str, tuple[int, str | None]] = {}  # what was read first: since when, by what
    for _, time_ns, fact in _facts(view, "file"):
        path, size, changed_ns = fact["path"], fact.get("size_bytes"), fact.get("mtime_ns")
        kind = _kind(path)
        if fact["how"] == "read":
            content = fact.get("digest") or fact.get("kept")
            yield Use("used", kind, path, content, time_ns, size, changed_ns)
            if fact.get("written"):
                overwritten[path] = (overwritten.get(path, (time_ns,))[0], fact.get("left"))
            else:
                overwritten.pop(path, None)  # opened for writing, and left as it was
        elif fact["how"] == "write":
            content = fact.get("digest")
            if content is None and size is None and view.status in _GONE_AT_THE_END:
                continue  # it was not there any more: renamed, or deleted
            made_ns = changed_ns if changed_ns is not None else time_ns
            made_ns = min(max(made_ns, view.record.started_ns), time_ns)
            yield Use("made", kind, path, content, made_ns, size, changed_ns)
        elif fact["how"] == "many":
            yield Use("used", "folder", path, None, time_ns, size)
    for path, (began_ns, content) in overwritten.items():
        if content is not None or view.status not in _GONE_AT_THE_END:
            yield Use("made", _kind(path), path, content, began_ns)


def _kind(path: str) -> Literal["file", "source"]:
    return "source" if path.endswith(".py") else "file"


def _states(view: View) -> Iterator[Use]:
    for name, time_ns, fact in _facts(view, "state", "resumed"):
        does = "made" if name == "state" else "used"
        yield Use(does, "state", fact["name"], fact["manifest"], time_ns, fact.get("size_bytes"))
