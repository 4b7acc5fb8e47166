"""`samebit seeds`: one script with many seeds, as a group of runs; `seeds show` tells of one."""

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

from samebit import places
from samebit.cli.placing import (
    MOST,
    THREADS,
    place_arguments,
    place_of,
    run_words,
    so_many,
    threads_of,
)
from samebit.cli.running import seed
from samebit.cli.words import ProgressLine, Screen, counted, duration, visible
from samebit.errors import CannotStart, Exit, UsageError
from samebit.folders.folder import RunFolder
from samebit.session.studied import ROLES, TRIAL
from samebit.studies.controlling import Controlled, Progress, control
from samebit.studies.declared import (
    ALL,
    FACTORS,
    Design,
    Study,
    default_name,
    design,
    filled,
    join_or_declare,
    roles,
    seed_of,
    study_id,
)
from samebit.studies.fates import Fate, goes_again
from samebit.studies.places.place import Job, Place
from samebit.studies.trials import Trial

__all__ = ["seeds", "seeds_arguments"]

_CROSSED = tuple(factor for factor in FACTORS if factor != ALL)
_SHOWN = 12  # trials of a plan


def seeds_arguments(parser: argparse.ArgumentParser) -> None:
    """What varies and how often, where it runs; or which group is to be shown."""
    parser.usage = (
        "samebit seeds SCRIPT.py --n 10 [options] [-- its arguments]\n"
        "       samebit seeds -m MODULE --n 10 [options] [-- its arguments]\n"
        "       samebit seeds --n 10 [options] -- COMMAND [its arguments]\n"
        "       samebit seeds show GROUP [--metric METRIC] [--json]"
    )
    add = parser.add_argument
    add("--n", type=so_many, metavar="N", help="so many runs, each with seeds of its own")
    add(
        "--vary",
        metavar="a,b",
        type=_factors,
        help=f"what varies with --n: {', '.join(FACTORS)}; else all",
    )
    for factor in _CROSSED:
        add(
            f"--{factor}",
            type=so_many,
            metavar="N",
            help=f"so many seeds of {factor}, each with each of the other kinds",
        )
    add(
        "--repeat",
        type=_whole,
        metavar="N",
        help="run the first one so often again with its own seeds; else 1 of crossed seeds, 0",
    )
    add("--name", metavar="GROUP", help="of the runs; the study of this name goes on")
    add("--seed", type=seed, default=0, help="from which all seeds are derived; else 0")
    add("--from", dest="first", type=seed, metavar="N", help="seeds are N, N+1, …, not derived")
    add("--deterministic", action="store_true", help="deterministic algorithms, strictly")
    place_arguments(parser)
    add("--retry", action="store_true", help="start what failed once more")
    add("--plan", "--dry-run", action="store_true", help="say what would run, and run nothing")
    add("--metric", metavar="METRIC", help="what the runs are judged by")
    add("--better", choices=("higher", "lower"), help="which way; else as its name says")
    add("--within", type=float, metavar="X", help="how many seeds give a mean ± X?")
    add("--json", action="store_true", help="what a group came to, for programs")
    add("-m", dest="module", metavar="MODULE", help="a module instead of a script")
    add("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _whole(text: str) -> int:
    return 0 if text == "0" else so_many(text)


def _factors(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for name in found:
        if name not in FACTORS:
            known = ", ".join(FACTORS)
            raise argparse.ArgumentTypeError(f"no kind of seed is called {name!r}: {known}")
    if not found:
        raise argparse.ArgumentTypeError("which kinds of seeds?")
    return found


def seeds(options: argparse.Namespace) -> int:
    """Run them, or show what they came to."""
    rest = _read_words(options)
    if options.words[:1] == ["show"] and options.module is None:
        from samebit.cli.seeds_shown import show  # noqa: PLC0415  (NumPy is loaded for it alone)

        return show(options, options.words[1:] + rest)
    if options.json:
        raise UsageError("--json is of `samebit seeds show GROUP`")
    return _run(options, rest)


def _read_words(options: argparse.Namespace) -> list[str]:
    """What stands after `--`; options of ours that stand behind the script are read as such."""
    words = list(options.words)
    cut = words.index("--") if "--" in words else len(words)
    ours, theirs = words[:cut], words[cut + 1 :]
    parser = argparse.ArgumentParser(prog="samebit seeds", allow_abbrev=False, add_help=False)
    seeds_arguments(parser)
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
                f"samebit seeds {first} --n 10 -- {behind[0]}",
            )
        options.words = []
        parser.parse_args(behind, options)
        options.words = [first, *options.words]
    return theirs


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    how, words = _what(options, arguments)
    study, counts, repeats = _study(options, how, words)
    errors = Screen.of(sys.stderr)
    place = place_of(options)
    wanted = design(study, counts, repeats)
    if len(wanted) > MOST:
        raise UsageError(f"{len(wanted):,} runs are too many", at_most=MOST)
    if options.plan:
        _say_plan(Screen.of(sys.stdout), study, wanted, place)
        return Exit.DONE
    store = places.make_store(places.choose_store(Path.cwd()))
    study = _with_id(store, study)
    study = join_or_declare(store, study)
    _say_begin(errors, study, wanted, place)
    with _Telling(errors, study) as telling, _stopped_by_signals():
        controlled = control(
            store, study, wanted, counts, repeats, place, _jobs(study, run_words(options)),
            telling.tell, retry=options.retry,
        )  # fmt: skip
    return _say_end(errors, store, study, controlled, options)


def _what(options: argparse.Namespace, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Script, module or command, and its words."""
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
                "samebit seeds --n 10 -- torchrun train.py",
            )
        return "script", [script, *arguments]
    if not arguments:
        raise UsageError("what is to be run?", hint="samebit seeds train.py --n 10 -- --lr 0.1")
    return "command", list(arguments)


def _study(
    options: argparse.Namespace, how: str, words: list[str]
) -> tuple[Study, dict[str, int], int]:
    """What is declared, how many of each kind of seed, and how many repeats."""
    given: list[tuple[str, int | None]] = [(name, getattr(options, name)) for name in _CROSSED]
    crossed = {name: n for name, n in given if n is not None}
    together: int | None = options.n
    if crossed and (options.n is not None or options.vary):
        raise UsageError("--n varies all kinds together, --init and the like cross them: not both")
    if not crossed and together is None:
        raise UsageError("how many?", hint="--n 10; or crossed: --init 5 --order 5")
    factors: tuple[str, ...] = tuple(crossed) or options.vary or (ALL,)
    counts = crossed or dict.fromkeys(factors, together or 0)
    repeats = options.repeat if options.repeat is not None else int(len(crossed) > 1)
    study = Study(
        id="",
        name=options.name or "",
        how=how,
        words=tuple(words),
        cwd=str(Path.cwd()),
        factors=factors,
        crossed=bool(crossed),
        threads=threads_of(options),
        seed=options.seed,
        first=options.first,
        deterministic=options.deterministic,
        metric=options.metric or "",
    )
    return study, counts, repeats


def _with_id(store: Path, study: Study) -> Study:
    stem = Path(study.words[0]).stem or "seeds"
    name = study.name or default_name(stem, study)
    return replace(study, id=study_id(store, name), name=name, at_ns=time.time_ns())


def _jobs(study: Study, more: Sequence[str]) -> Callable[[Trial, Path, RunFolder], Job]:
    """What makes a command of a trial."""

    def job(trial: Trial, log: Path, run: RunFolder) -> Job:
        assert trial.last is not None
        words, everything = filled(study, trial.values)
        attempt = trial.last.attempt
        name = f"{study.name}-{trial.number + 1}" + (f".{attempt}" if attempt > 1 else "")
        argv = [sys.executable, "-m", "samebit.cli.main", "run", "--quiet"]
        argv += ["--seed", str(everything), "--group", study.name, "--name", name]
        argv += [*more, *(["--deterministic"] if study.deterministic else [])]
        argv += {"script": [], "module": ["-m"], "command": ["--"]}[study.how]
        environ = dict(os.environ)
        if study.threads:
            environ[THREADS] = str(study.threads)
        environ[TRIAL] = f"{study.id}:{trial.number}:{run.id}"
        environ[ROLES] = json.dumps(roles(trial.values))
        key = f"{study.id}-{trial.number}-{attempt}"
        return Job(key, [*argv, *words], environ, Path(study.cwd), log, run, study.threads)

    return job


def _say_plan(screen: Screen, study: Study, wanted: Sequence[Design], place: Place) -> None:
    screen.say(f"{counted(len(wanted), 'run')}: {_how_varied(study, wanted)}")
    screen.say(f"  {_where(study, place)}")
    for number, one in enumerate(wanted[:_SHOWN], 1):
        words, everything = filled(study, one.values)
        given = ", ".join(f"{name} {value}" for name, value in one.values.items() if name != ALL)
        again = " (again)" if one.repeat else ""
        said = f"seed {everything}" + (f"; {given}" if given else "")
        screen.say(visible(f"  {number:>3}{again}  {said}  {' '.join(words)}"))
    if len(wanted) > _SHOWN:
        screen.say(f"  and {len(wanted) - _SHOWN:,} more")
    if study.factors != (ALL,):
        screen.say(f"  what does not vary has the seed {seed_of(study, ALL, 0)}")


def _how_varied(study: Study, wanted: Sequence[Design]) -> str:
    repeats = sum(bool(one.repeat) for one in wanted)
    if study.crossed:
        sizes = [len({one.values[factor] for one in wanted}) for factor in study.factors]
        said = " × ".join(f"{n} seeds of {f}" for n, f in zip(sizes, study.factors, strict=True))
    else:
        kinds = ["everything"] if ALL in study.factors else study.factors
        said = f"each with its own seeds of {', '.join(kinds)}"
    return said + (f"; the first one {_once_more(repeats)}" if repeats else "")


def _once_more(repeats: int) -> str:
    return "once more" if repeats == 1 else f"{repeats} times more"


def _where(study: Study, place: Place) -> str:
    threads = f"{THREADS}={study.threads} in each" if study.threads else f"{THREADS} as it is"
    return f"{place.where}, {threads}"


def _say_begin(screen: Screen, study: Study, wanted: Sequence[Design], place: Place) -> None:
    screen.say(
        visible(f"samebit: group {study.name}: {counted(len(wanted), 'run')}, ")
        + _how_varied(study, wanted)
    )
    screen.say(screen.paint.dim(f"samebit: {_where(study, place)}"))


class _Telling:
    """Says how far a study is: on a terminal a line that is redrawn, in a file one for each run."""

    def __init__(self, screen: Screen, study: Study) -> None:
        self._screen, self._name = screen, study.name
        self._line: ProgressLine | None = None

    def __enter__(self) -> "_Telling":
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.__exit__()

    def tell(self, progress: Progress) -> None:
        """Show it."""
        screen, ended = self._screen, progress.ended
        if screen.width is None:
            if ended is not None:
                screen.say(f"samebit: {progress.over} of {progress.total}: {_how_ended(ended)}"
                           + _left(progress))  # fmt: skip
                screen.stream.flush()
            return
        if self._line is None:
            self._line = ProgressLine(screen, progress.total, self._name)
        if ended is not None and ended.state != "finished":
            self._line.clear()
            screen.say(screen.paint.red(f"samebit: {_how_ended(ended)}"))
        lost = [f"{n} {state}" for state, n in progress.counts.items() if n and state in _SAID]
        label = ", ".join([self._name, *lost])
        is_known = progress.left_s is not None and progress.over < progress.total
        left = max(1.0, progress.left_s or 0.0) if is_known else None
        self._line.at(progress.over, left, label)


_SAID = ("failed", "killed", "broken off", "damaged")


def _left(progress: Progress) -> str:
    if progress.left_s is None or progress.over == progress.total:
        return ""
    return f", about {duration(max(1, math.ceil(progress.left_s)))} left"


def _how_ended(ended: Fate) -> str:
    after = f" after {duration(ended.seconds)}" if ended.seconds is not None else ""
    why = f" ({visible(ended.cause)})" if ended.cause else ""
    again = "; it is started once more" if goes_again(ended) else ""
    return f"run {ended.run} of trial {ended.trial.number + 1} {ended.state}{why}{after}{again}"


class _stopped_by_signals:
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


def _say_end(
    screen: Screen,
    store: Path,
    study: Study,
    controlled: Controlled,
    options: argparse.Namespace,
) -> int:
    from samebit.cli.seeds_shown import in_short  # noqa: PLC0415  (NumPy is loaded for it alone)

    states = Counter(one.state for one in controlled.fates)
    told = ", ".join(f"{n} {state}" for state, n in states.items())
    screen.say(f"samebit: {counted(len(controlled.fates), 'run')}: {told}")
    if controlled.stopped:
        screen.say("samebit: stopped; the same command goes on")
        if controlled.still_running:
            screen.say(f"samebit: still running, out of reach: {controlled.still_running}")
        return 130
    if controlled.hopeless:
        screen.say("samebit: nothing but failures: the others were not started")
    for line in in_short(store, study, options.metric or study.metric):
        screen.say(f"samebit: {visible(line)}")
    screen.say(screen.paint.dim(f"samebit: next: samebit seeds show {study.name}"))
    return Exit.DONE if states.get("finished") else Exit.OUR_FAULT
