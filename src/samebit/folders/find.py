"""Finding runs: all of a store, or the one that a reference names.

A reference is an id, a name, any unambiguous beginning of an id, or `@last` (`@last-1` the one
before), with or without the `@`. A name comes before a beginning: "b" is the run called so, and
never the one in 32 whose id happens to begin with that letter.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from samebit.errors import AmbiguousRun, NotFound, RunNotFound, SamebitError
from samebit.folders.folder import RunFolder, is_run_id, user_name

__all__ = ["find_run", "list_runs"]

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


def _is_named(run: RunFolder, name: str) -> bool:
    try:
        given = [run.record().name, *(n.value for n in run.notes() if n.kind == "name")]
    except SamebitError:
        return False  # what is wrong with it is said where it is read
    return given[-1] == name
