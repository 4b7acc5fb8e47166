"""Finding runs: all of a store, or the one that a reference names.

A reference is an id, a name, any unambiguous beginning of an id, or `@last` (`@last-1` the one
before), with or without the `@`. A name comes before a beginning: "b" is the run called so, and
never the one in 32 whose id happens to begin with that letter.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.errors import AmbiguousRun, NotFound, RunNotFound, SamebitError
from samebit.folders.folder import RunFolder, is_run_id, user_name
from samebit.records import Note, RunRecord

__all__ = ["Called", "all_called", "find_run", "list_runs"]

_LAST = re.compile(r"^@?last(?:-(\d+))?$")


def list_runs(store: Path) -> Iterator[RunFolder]:
    """Every run of a store, in no order; a folder that is none is passed over."""
    try:
        names = os.listdir(store / "runs")
    except OSError:
        return
    for name in names:
        if is_run_id(name):
            yield RunFolder(store / "runs" / name)


def find_run(store: Path, reference: str) -> RunFolder:
    """The run that a reference names; RunNotFound or AmbiguousRun."""
    match = _LAST.match(reference)
    if match:
        return _last(store, int(match[1] or 0), reference)
    exact = RunFolder(store / "runs" / reference)
    if is_run_id(reference) and exact.path.is_dir():
        return exact
    every = list(list_runs(store)) if reference else []
    fits = [run for run in every if _is_named(run, reference)]
    if not fits:
        fits = [run for run in every if run.id.startswith(reference.lower())]
    if len(fits) == 1:
        return fits[0]
    if fits:
        shown = ", ".join(sorted(run.id for run in fits)[:8])
        raise AmbiguousRun(
            f"{reference!r} fits {len(fits)} runs",
            runs=shown + (", …" if len(fits) > 8 else ""),
            hint="give the id, or more letters of it",
        )
    raise RunNotFound(
        f"there is no run {reference!r} in this store",
        store=store,
        hint="`samebit ls` lists the runs; a run is named by its id, the beginning of it, "
        "its name, or @last",
    )


def _last(store: Path, back: int, reference: str) -> RunFolder:
    me = user_name()
    begun: list[tuple[int, str]] = []
    for run in list_runs(store):
        try:
            record = run.record()
        except NotFound:
            continue
        if record.kind == "run" and record.user == me:
            begun.append((record.started_ns, run.id))
    if back >= len(begun):
        raise RunNotFound(
            f"there is no {reference}: you have begun {len(begun)} runs in this store",
            store=store,
            hint="`samebit run train.py` makes one",
        )
    return RunFolder(store / "runs" / sorted(begun)[-1 - back][1])


class Called(Struct, frozen=True):
    """How a run is called, and which runs it belongs to."""

    id: str
    name: str | None
    group: str | None


def all_called(store: Path) -> Iterator[Called]:
    """Every run by its record and notes alone, in no order; one that is damaged is passed over."""
    for run in list_runs(store):
        with contextlib.suppress(SamebitError):  # what is wrong is said where it is read
            record, notes = run.record(), run.notes()
            group = record.group or next((n.value for n in notes if n.kind == "group"), None)
            yield Called(run.id, _last_name(record, notes), group)


def _is_named(run: RunFolder, name: str) -> bool:
    try:
        return _last_name(run.record(), run.notes()) == name
    except SamebitError:
        return False  # as above


def _last_name(record: RunRecord, notes: Iterable[Note]) -> Any:
    return [record.name, *(note.value for note in notes if note.kind == "name")][-1]
