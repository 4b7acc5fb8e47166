"""`samebit import`: runs that other tools have recorded become runs of the store."""

import argparse
import contextlib
import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from samebit import places
from samebit.cli.words import ProgressLine, Screen, counted, shorten, size, visible
from samebit.compat.foreign import ForeignRun, Found, Source
from samebit.compat.importing import Added, Importer, id_of
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, SamebitError
from samebit.folders.find import all_called

__all__ = ["READERS", "import_", "import_arguments"]

# By the word behind `samebit import`: the module and class of its `Source`, and what it reads.
READERS = {
    "tensorboard": (
        "samebit.compat.files.logdirs",
        "Logdir",
        "event files of TensorBoard: a folder of them and all inside it, or a file",
    ),
    "wandb": (
        "samebit.compat.files.wandbdirs",
        "Wandb",
        "runs of wandb: a folder `wandb`, one of a run, a `.wandb` file, or exported histories",
    ),
    "mlflow": (
        "samebit.compat.files.mlflowstores",
        "Mlflow",
        "runs of MLflow: a folder `mlruns`, one of a run, or a file of SQLite",
    ),
}

_LOOK_EVERY_S = 2.0
_TROUBLES = (SamebitError, OSError, MemoryError)  # of one run, whatever it claims; others go on
_FEW = 20  # runs, of each of which is told what is missing; of more, all together
_MOST_MISSING = 40
_MOST_NAME = 60  # letters
_APART = "--where 'project = NAME' or 'imported = TOOL' tells them apart"


def import_arguments(parser: argparse.ArgumentParser) -> None:
    """What import takes."""
    readers = parser.add_subparsers(dest="tool", required=True, metavar="|".join(READERS))
    for tool, (_, _, what) in READERS.items():
        reader = readers.add_parser(tool, help=what, description=f"Import {what}.")
        reader.add_argument("path", metavar="PATH", nargs="+", help="where it lies")
        reader.add_argument(
            "--follow", action="store_true", help="go on as it grows, until Ctrl-C ends it"
        )
        if tool in ("mlflow", "wandb"):
            reader.add_argument(
                "--artifacts", action="store_true", help="store the files that runs have made, too"
            )
        reader.add_argument(
            "--dry-run", action="store_true", help="tell what would come, and write nothing"
        )
        reader.add_argument(
            "--json", action="store_true", help="an object for each run, a line each"
        )


def import_(options: argparse.Namespace) -> int:
    """Import; exit code 7 where something could not be read, and the rest is imported."""
    module, name, _ = READERS[options.tool]
    make = getattr(importlib.import_module(module), name)
    sources: list[Source] = [make(_path(word)) for word in options.path]
    outputs = bool(getattr(options, "artifacts", False))
    telling = _Telling(as_data=options.json, is_dry=options.dry_run, copies=outputs)
    if options.dry_run:
        store = places.choose_store(Path.cwd())
        for found in _find(sources, telling, wait=False):
            telling.plan(found, store)
        telling.summarize()
        return telling.end()
    store = places.make_store(places.choose_store(Path.cwd()))
    with Importer(store, follows=options.follow, outputs=outputs) as importer:
        _import(_find(sources, telling, wait=options.follow), importer, telling)
        telling.summarize()
        telling.tell_shared(store)
        with contextlib.suppress(KeyboardInterrupt):
            while options.follow:
                time.sleep(_LOOK_EVERY_S)
                _import(_find(sources, telling, wait=True), importer, telling, quietly=True)
                telling.tell_shared(store)
    return telling.end()


def _path(word: str) -> Path:
    """What people typed, also as the address by which MLflow knows a place of this machine."""
    return Path(word.removeprefix("sqlite:///").removeprefix("file://"))


def _find(sources: Sequence[Source], telling: "_Telling", *, wait: bool) -> Iterator[Found]:
    """What lies there; where nothing does that is an error, unless it is waited for."""
    for source in sources:
        try:
            for found in source.find():
                if found.left_out:
                    telling.leaves(found)
                else:
                    yield found
        except NotFound as error:
            if not wait:
                raise
            telling.waits(error)


def _import(
    found: Iterator[Found], importer: Importer, telling: "_Telling", *, quietly: bool = False
) -> None:
    every = list(found)
    total = sum(one.size_bytes for one in every)
    screen = Screen.of(sys.stderr)
    line = ProgressLine(screen, total, "import", amount=size) if every and not quietly else None
    added: list[tuple[Found, ForeignRun | None, Added | None]] = []
    with line or contextlib.nullcontext():
        for one in every:
            try:
                run = one.read(line.advance if line is not None else _nobody)
                added.append((one, run, None if run is None else importer.add(run)))
            except _TROUBLES as error:
                telling.trouble(one, error)
        importer.publish()
    for one, run, done in added:
        telling.tell(one, run, done, quietly=quietly)


def _is_more(done: Added) -> bool:
    """Whether anything was written that was logged or made."""
    return bool(done.points or done.things or done.outputs)


def _called(name: str) -> str:
    """What somebody called a run, in a line."""
    return shorten(visible(name), _MOST_NAME)


def _nobody(count: int) -> None:
    """Progress that nobody looks at."""


class _Telling:
    """What people and scripts are told, run by run."""

    def __init__(self, *, as_data: bool, is_dry: bool, copies: bool) -> None:
        self._as_data = as_data
        self._copies = copies
        self._is_dry = is_dry
        self._screen = Screen.of(sys.stdout)
        self._done: list[Added] = []
        self._missing: dict[tuple[str, str], int] = {}  # in how many runs
        self._left = 0  # runs whose files stay where they are
        self._has_failed = False
        self._waits: set[str] = set()
        self._new: dict[str, ForeignRun] = {}  # by our id, since names were last told

    def waits(self, error: NotFound) -> None:
        """Nothing is there yet; said once of each place."""
        if str(error) not in self._waits:
            self._waits.add(str(error))
            Screen.of(sys.stderr).say(f"{visible(error.what)}; it is waited for")

    def leaves(self, found: Found) -> None:
        """What is not imported."""
        Screen.of(sys.stderr).say(f"{visible(found.where)}: {visible(found.left_out)}")

    def trouble(self, found: Found, error: Exception) -> None:
        """One run could not be had."""
        self._has_failed = True
        what = error.what if isinstance(error, SamebitError) else str(error)
        what = what or "there is not enough memory for it"  # a MemoryError says nothing
        Screen.of(sys.stderr).say(f"samebit: {visible(found.where)}: {visible(what)}")

    def plan(self, found: Found, store: Path) -> None:
        """What would come of a run."""
        try:
            run = found.read(_nobody)
        except _TROUBLES as error:
            self.trouble(found, error)
            return
        if run is None:
            self.tell(found, None, None)
            return
        ours = id_of(run.tool, run.id)
        is_new = not (store / "runs" / ours / "run.json").exists()
        points = sum(len(s.steps) for e in run.executions for s in (*e.series, *e.machine))
        things = sum(len(execution.things) for execution in run.executions)
        self.tell(found, run, Added(ours, is_new, points, things, problems=tuple(run.problems)))

    def tell(
        self, found: Found, run: ForeignRun | None, done: Added | None, *, quietly: bool = False
    ) -> None:
        """What has come of a run; `quietly`: nothing where nothing has."""
        if run is None or done is None:
            if not quietly and not self._as_data:
                self._screen.say(f"nothing was logged in {visible(found.where)}")
            return
        if quietly and not (_is_more(done) or done.problems):
            return
        self._done.append(done)
        if done.is_new:
            self._new[done.run] = run
        self._left += bool(run.outputs) and not self._copies
        for problem in done.problems:
            self._missing[problem] = self._missing.get(problem, 0) + 1
        if self._as_data:
            self._screen.say(canonical_json(self._data(run, done)).decode())
            return
        if not (self._is_dry or done.is_new or _is_more(done)):
            self._screen.say(f"nothing new in {done.run} {_called(run.name or '')}".rstrip())
            return
        paint = self._screen.paint
        amount = counted(done.points, "point")
        amount += f", {counted(done.things, 'thing')} to look at" if done.things else ""
        amount += f", {counted(done.outputs, 'file')}" if done.outputs else ""
        if self._is_dry:
            how = "would import" if done.is_new else "is there"
        elif done.is_new:
            how = paint.green("imported")
        else:
            how = paint.cyan("added to")
        new = "" if done.is_new or self._is_dry else " more"
        name = f" {_called(run.name)}" if run.name else ""
        self._screen.say(f"{how} {done.run}{name}: {amount}{new}")
        for what, detail in done.problems if len(self._done) <= _FEW else ():
            self._screen.say(paint.yellow(f"  {visible(what)}: {visible(detail)}"))

    def tell_shared(self, store: Path) -> None:
        """Which names and groups of new runs are those of others, too."""
        new, self._new = self._new, {}
        if self._as_data or not new:
            return
        names: dict[str, list[str]] = {}
        groups: dict[str, list[str]] = {}
        for one in all_called(store):
            for called, mine in ((one.name, names), (one.group, groups)):
                if called:
                    mine.setdefault(called, []).append(one.id)
        lines = [
            f"{len(ids):,} runs are called '{_called(name)}' now; a command takes the id of one"
            for name, ids in names.items()
            if len(ids) > 1 and not new.keys().isdisjoint(ids)
        ]
        for group, ids in groups.items():
            mine = [new[run] for run in ids if run in new]
            projects = {str(run.said.get("project") or run.said.get("experiment")) for run in mine}
            others = len(set(ids) - {done.run for done in self._done})
            if mine and (others or len(projects) > 1):
                has = f"{others:,} that were there" if others else f"{len(projects)} projects"
                what = f"the group '{_called(group)}' has runs of this import and of {has}"
                lines.append(f"{what}; {_APART}")
        for line in lines[:_FEW]:
            self._screen.say(line)
        if len(lines) > _FEW:
            self._screen.say(f"and {len(lines) - _FEW:,} more names that runs share")

    def _data(self, run: ForeignRun, done: Added) -> dict[str, Any]:
        return {
            "run": done.run,
            "tool": run.tool,
            "foreign_id": run.id,
            "where": run.where,
            "name": run.name,
            "is_new": done.is_new,
            "written": not self._is_dry,
            "points": done.points,
            "things": done.things,
            "files": done.outputs,
            "problems": [[what, detail] for what, detail in done.problems],
        }

    def summarize(self) -> None:
        """Several runs in a few lines: how many of what, and what is missing."""
        if self._as_data or not self._done:
            return
        if len(self._done) > 1:
            new = sum(done.is_new for done in self._done)
            more = sum(not done.is_new and _is_more(done) for done in self._done)
            imported = "would be imported" if self._is_dry else "imported"
            parts = [f"{new:,} {imported}"] if new else []
            parts += [f"{more:,} added to"] if more and not self._is_dry else []
            parts += (
                [f"{same:,} with nothing new"] if (same := len(self._done) - new - more) else []
            )
            points = sum(done.points for done in self._done)
            amount = f"; {counted(points, 'point')}" if points else ""
            self._screen.say(f"{counted(len(self._done), 'run')}: {', '.join(parts)}{amount}")
        if len(self._done) > _FEW:
            paint = self._screen.paint
            for (what, detail), runs in list(self._missing.items())[:_MOST_MISSING]:
                many = f" ({counted(runs, 'run')})" if runs > 1 else ""
                self._screen.say(paint.yellow(f"  {visible(what)}: {visible(detail)}{many}"))
            if (rest := len(self._missing) - _MOST_MISSING) > 0:
                self._screen.say(f"  and {rest:,} more; `samebit show RUN` has those of a run")
        if self._left:
            has = f"{counted(self._left, 'run')} made files, which stay where they are"
            self._screen.say(f"{has}; --artifacts stores them")

    def end(self) -> int:
        """The exit code."""
        return Exit.NOT_FOUND if self._has_failed else Exit.DONE
