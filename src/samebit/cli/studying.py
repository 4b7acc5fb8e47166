"""What `samebit seeds` and `samebit sweep` both do: words, commands of runs, telling, signals."""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from msgspec.structs import replace

from samebit.cli.parsing import Parser
from samebit.cli.placing import THREADS, place_arguments
from samebit.cli.words import ProgressLine, Screen, counted, duration, say_wrapped, visible
from samebit.errors import CannotStart, UsageError
from samebit.folders.ending import WENT_WRONG
from samebit.folders.folder import RunFolder
from samebit.remotes.named import Remote
from samebit.session.resuming import goes_on
from samebit.session.studied import ROLES, SETTINGS, TRIAL
from samebit.studies.controlling import Controlled, Progress
from samebit.studies.declared import (
    Study,
    default_name,
    filled,
    roles,
    settings_of,
    study_id,
)
from samebit.studies.fates import Fate
from samebit.studies.places.place import Job, Place
from samebit.studies.restarting import AGAIN, ON, GoesOn
from samebit.studies.space import option_of
from samebit.studies.trials import Trial

__all__ = [
    "Telling",
    "goes_on_of",
    "jobs_of",
    "read_words",
    "say_states",
    "stopped_by_signals",
    "study_arguments",
    "what_runs",
    "where_of",
    "with_id",
]


_THEN = {AGAIN: "; it is started once more", ON: "; it goes on from its checkpoint"}


def study_arguments(parser: argparse.ArgumentParser) -> None:
    """What runs, how and where; the words of it come last."""
    add = parser.add_argument
    add("--deterministic", action="store_true", help="deterministic algorithms, strictly")
    place_arguments(parser)
    add("--retry", action="store_true", help="start what failed or was lost once more")
    add("--anew", action="store_true", help="from the beginning, and not from its checkpoint")
    add("--plan", "--dry-run", action="store_true", help="say what would run, and run nothing")
    add("-m", dest="module", metavar="MODULE", help="a module instead of a script")
    add("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def read_words(
    options: argparse.Namespace, add: Callable[[argparse.ArgumentParser], object], asked: str
) -> list[str]:
    """What stands after `--`; options of ours that stand behind the first word are read as such.

    Args:
        options: with the words that were not options.
        add: adds our options to a parser.
        asked: how the command is typed, `{}` for its script.
    """
    words = list(options.words)
    cut = words.index("--") if "--" in words else len(words)
    ours, theirs = words[:cut], words[cut + 1 :]
    prog = " ".join(asked.split()[:2])
    parser = Parser(prog=prog, allow_abbrev=False, add_help=False)
    add(parser)
    options.words = ours
    while len(options.words) > 1:
        first, behind = options.words[0], options.words[1:]
        if not behind[0].startswith("-"):
            if first == "show":
                more = options.words[2:]
                options.words = []
                parser.parse_args(more, options)
                options.words = [first, behind[0], *options.words]
                return theirs
            raise UsageError(
                f"what is {behind[0]!r}?",
                hint="the script's own arguments stand after `--`: "
                f"{asked.format(first)} -- {behind[0]}",
            )
        options.words = []
        parser.parse_args(behind, options)
        options.words = [first, *options.words]
    return theirs


def what_runs(
    options: argparse.Namespace, arguments: Sequence[str], asked: str, example: str
) -> tuple[str, list[str]]:
    """Script, module or command, and its words; `example` is what a script's may be."""
    if options.module is not None:
        if options.words:
            raise UsageError("a module, or a script, and not both", script=options.words[0])
        return "module", [options.module, *arguments]
    if options.words:
        script = options.words[0]
        if not Path(script).is_file():
            raise CannotStart(
                f"there is no script {script}",
                folder=Path.cwd(),
                hint="a command that is no Python script goes after `--`: "
                f"{asked.format('').replace('  ', ' ')} -- torchrun train.py",
            )
        return "script", [script, *arguments]
    if not arguments:
        raise UsageError("what is to be run?", hint=f"{asked.format('train.py')} -- {example}")
    return "command", list(arguments)


def jobs_of(study: Study, run_words: Sequence[str]) -> Callable[[Trial, Path, RunFolder], Job]:
    """What makes a command of a trial; the words are for `samebit run`."""

    def job(trial: Trial, log: Path, run: RunFolder) -> Job:
        assert trial.last is not None
        words, everything = filled(study, trial.values)
        attempt, named_by = trial.last.attempt, trial.named_by
        name = f"{study.name}-{trial.number + 1}" + (f".{named_by}" if named_by > 1 else "")
        argv = [sys.executable, "-m", "samebit.cli.main", "run", "--quiet"]
        argv += ["--resume", "auto"]  # where Slurm starts the very same job again, or it goes on
        argv += ["--seed", str(everything), "--group", study.name, "--name", name]
        argv += [*run_words, *(["--deterministic"] if study.deterministic else [])]
        argv += {"script": [], "module": ["-m"], "command": ["--"]}[study.how]
        environ = dict(os.environ)
        if study.threads:
            environ[THREADS] = str(study.threads)
        goes_on = f":{trial.last.execution}" if trial.last.execution > 1 else ""
        environ[TRIAL] = f"{study.id}:{trial.number}:{run.id}{goes_on}"
        environ[ROLES] = json.dumps(roles(study, trial.values))
        if study.sweep is not None:
            settings = settings_of(study, trial.values).items()
            given = {option_of(study.words, name): value for name, value in settings}
            environ[SETTINGS] = json.dumps(given)
        key = f"{study.id}-{trial.number}-{attempt}"
        at = (Path(study.cwd), log, run, study.threads)
        return Job(key, [*argv, *words], environ, *at, name=study.name)

    return job


def goes_on_of(options: argparse.Namespace, remote: Remote | None) -> GoesOn:
    """Whether a run that is started again may go on: not where its folder is not seen."""
    if options.anew or remote is not None:
        return lambda _run, _further: False
    return goes_on


def with_id(store: Path, study: Study) -> Study:
    """A study with its name, its id, and when it was declared."""
    name = study.name or default_name(store, Path(study.words[0]).stem or "study", study)
    return replace(study, id=study_id(store, name), name=name, at_ns=time.time_ns())


def where_of(study: Study, place: Place, remote: Remote | None) -> str:
    """Where runs are made, how they come home, and with how many threads each."""
    by = f", by way of the remote {remote.name}" if remote is not None else ""
    threads = f"{THREADS}={study.threads} in each" if study.threads else f"{THREADS} as it is"
    return f"{place.where}{by}, {threads}"


class Telling:
    """Says how far a study is: on a terminal a line that is redrawn, in a file one for each run."""

    def __init__(self, screen: Screen, study: Study) -> None:
        self._screen, self._name = screen, study.name
        self._line: ProgressLine | None = None
        self._told_of_going_on = False
        self._waits: set[str] = set()  # for what runs in the queue wait, as it was said last

    def __enter__(self) -> "Telling":
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.__exit__()

    def tell(self, progress: Progress) -> None:
        """Show it."""
        screen, ended = self._screen, progress.ended
        if progress.going_on and not self._told_of_going_on:
            self._told_of_going_on = True
            self._say(_going_on(progress.going_on))
        if screen.width is None:
            if progress.queued.keys() - self._waits:
                screen.say(f"samebit: {_queued(progress)}")
                screen.stream.flush()
            self._waits = set(progress.queued)
            if ended is not None:
                of = f" of {progress.total}" if progress.total is not None else ""
                how = _how_ended(ended, progress.then)
                screen.say(f"samebit: {progress.over}{of}: {how}{_left(progress)}")
                screen.stream.flush()
            return
        if self._line is None:
            self._line = ProgressLine(screen, progress.total or 0, self._name)
        if ended is not None and ended.state != "finished":
            self._say(
                _how_ended(ended, progress.then),
                screen.paint.red if ended.state in WENT_WRONG else str,
            )
        lost = [f"{n} {state}" for state, n in progress.counts.items() if n and state in WENT_WRONG]
        count = [] if progress.total is not None else [f"{progress.over} over"]
        queued = [_queued(progress)] if progress.queued else []
        label = ", ".join([self._name, *count, *lost, *queued])
        is_known = progress.left_s is not None and progress.over != progress.total
        left = max(1.0, progress.left_s or 0.0) if is_known else None
        self._line.at(progress.over, left, label)

    def _say(self, text: str, paint: Callable[[str], str] = str) -> None:
        """A line that stays, above the one that is redrawn."""
        if self._line is not None:
            self._line.clear()
        say_wrapped(self._screen, [f"samebit: {text}"], paint)
        self._screen.stream.flush()


def _going_on(runs: int) -> str:
    what = "1 run goes on from its" if runs == 1 else f"{runs:,} runs go on from their"
    return f"{what} last checkpoint; with --anew from the beginning"


def _left(progress: Progress) -> str:
    if progress.left_s is None or progress.over == progress.total:
        return ""
    return f", about {duration(max(1, math.ceil(progress.left_s)))} left"


def _queued(progress: Progress) -> str:
    waits = [f"{n} waiting {visible(why)}" for why, n in progress.queued.items()]
    return ", ".join(waits)


def _how_ended(ended: Fate, then: str) -> str:
    after = f" after {duration(ended.seconds)}" if ended.seconds is not None else ""
    why = f" ({visible(ended.cause)})" if ended.cause else ""
    run = f"run {ended.run} of trial" if ended.run is not None else "trial"
    return f"{run} {ended.trial.number + 1} {ended.state}{why}{after}{_THEN.get(then, '')}"


class stopped_by_signals:
    """Have SIGTERM and SIGHUP stop a study as Ctrl-C does."""

    def __enter__(self) -> None:
        self._before = {
            number: signal.signal(number, _interrupt)
            for name in ("SIGTERM", "SIGHUP")
            if (number := getattr(signal, name, None)) is not None
        }

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def say_states(screen: Screen, controlled: Controlled, place: Place) -> bool:
    """What became of the runs; whether the study went as far as it can."""
    states = Counter(one.called for one in controlled.fates)
    told = ", ".join(f"{n} {state}" for state, n in states.items()) or "none was begun"
    screen.say(f"samebit: {counted(len(controlled.fates), 'run')}: {told}")
    bad = next((one for one in controlled.fates if one.run and one.state in WENT_WRONG), None)
    if bad is not None:
        lost = bad.trial.last.lost if bad.trial.last is not None else ""  # no run knows of that
        why = f"run {bad.run}: {visible(lost)}" if lost else f"`samebit show {bad.run}` says why"
        again = "`--retry` starts it again once that is mended"
        say_wrapped(screen, [f"samebit: {why}; {again}"])
    if controlled.stopped:
        screen.say("samebit: stopped; the same command goes on")
        if controlled.still_running:
            how = "; `squeue --me` shows them, `scancel` ends them" if place.name == "slurm" else ""
            left = f"still running, out of reach: {controlled.still_running}{how}"
            say_wrapped(screen, [f"samebit: {left}"])
        return False
    if controlled.hopeless:
        screen.say("samebit: nothing but failures: the others were not started")
    return True
