"""`samebit sweep`: one script with many settings, searched; `sweep show` tells what was found."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from samebit import places
from samebit.cli.placing import MOST, place_of, run_words, so_many, threads_of
from samebit.cli.studying import (
    Telling,
    goes_on_of,
    jobs_of,
    read_words,
    say_states,
    stopped_by_signals,
    study_arguments,
    what_runs,
    where_of,
    with_id,
)
from samebit.cli.typed import seed
from samebit.cli.via import remote_of, sent_from
from samebit.cli.words import Screen, counted, duration, number, say_wrapped, seconds_of, visible
from samebit.errors import Exit, NotFound, UsageError
from samebit.query import index
from samebit.report.checklist.project import is_test
from samebit.report.facts import TABLES, facts
from samebit.studies.controlling import control
from samebit.studies.declared import (
    Study,
    Sweep,
    at_home,
    filled,
    find_study,
    folder_of,
    join_or_declare,
)
from samebit.studies.following import Following
from samebit.studies.pruning import PRUNERS, Pruning
from samebit.studies.samplers import LEARNING, SAMPLERS, Answers, open_sampler
from samebit.studies.space import read_line, words
from samebit.studies.sweep_file import Wanted, budget_of, read_sweep, study_of
from samebit.studies.sweeping import Budget, Results, Sweeping
from samebit.studies.trials import History, read_history

__all__ = ["sweep", "sweep_arguments"]

Row = Mapping[str, object]

_ASKED = "samebit sweep {} --maximize acc --space 'lr = [0.1, 0.01]'"
_SHOWN = 12  # configurations of a plan


def sweep_arguments(parser: argparse.ArgumentParser) -> None:
    """What is searched and how, where it runs; or which sweep is to be shown."""
    parser.usage = (
        "samebit sweep FILE.toml [options]\n"
        "       samebit sweep SCRIPT.py --maximize METRIC --space LINE [-- arguments]\n"
        "       samebit sweep NAME --trials 50\n"
        "       samebit sweep show NAME [--json]"
    )
    add = parser.add_argument
    add("--space", action="append", metavar="LINE", help="such as 'lr = {log = [1e-5, 1e-1]}'")
    add("--maximize", metavar="METRIC", help="by which the best is chosen")
    add("--minimize", metavar="METRIC", help="by which the best is chosen")
    add("--take", choices=("last", "best"), help="a run's last value, or the best of its steps")
    add("--sampler", choices=SAMPLERS, help="who says what is tried next; else tpe")
    add("--pruner", choices=PRUNERS, help="stop runs early that do worse than others at their step")
    add("--seed", type=seed, help="of the sampler and of all runs; else 0")
    add("--seeds", type=so_many, metavar="N", help="runs of each configuration; else 1")
    add("--trials", type=so_many, metavar="N", help="so many configurations")
    add("--for", dest="lasts", metavar="TIME", help="so long, such as 2h: no more is begun then")
    add("--gpu-hours", type=_hours, metavar="N", help="so many hours of devices that runs hold")
    add("--name", metavar="GROUP", help="of the runs; the sweep of this name goes on")
    add("--json", action="store_true", help="what a sweep came to, for programs")
    study_arguments(parser)


def _hours(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"hours, above 0, and not {text!r}")
    return found


@dataclass(frozen=True)
class _Meant:
    """A sweep as it is asked for: a new one, or one that is there and goes on."""

    study: Study
    sweep: Sweep
    budget: Budget


def sweep(options: argparse.Namespace) -> int:
    """Search, or show what was found."""
    rest = read_words(options, sweep_arguments, _ASKED)
    if options.words[:1] == ["show"] and options.module is None:
        from samebit.cli.sweep_shown import show  # noqa: PLC0415  (NumPy is loaded for it alone)

        return show(options, options.words[1:] + rest)
    if options.json:
        raise UsageError("--json is of `samebit sweep show NAME`")
    place, remote = place_of(options), remote_of(options)
    meant = _meant(options, rest)
    if place.name == "slurm" and options.jobs is None:
        _check_at_once(meant)
    answers = open_sampler(meant.study, meant.sweep)
    _check(meant, answers)
    if options.plan:
        _say_plan(Screen.of(sys.stdout), meant, answers, where_of(meant.study, place, remote))
        return Exit.DONE
    store = places.make_store(places.choose_store(Path.cwd()))
    study = join_or_declare(store, with_id(store, meant.study))
    answers = open_sampler(study, meant.sweep)
    errors = Screen.of(sys.stderr)
    _say_begin(errors, study, _what(meant, answers), where_of(study, place, remote))
    with sent_from(errors, store, study, place, remote) as place:
        results, known = _results_of(store, study, meant.sweep)
        asked = Sweeping(study, meant.sweep, answers, meant.budget, results)
        with Telling(errors, study) as telling, stopped_by_signals():
            controlled = control(
                store, study, asked, meant.budget.counts, 0, place,
                jobs_of(study, run_words(options)), telling.tell,
                known=known,
                stops=Pruning(study, meant.sweep) if meant.sweep.pruner else None,
                retry=options.retry, goes_on=goes_on_of(options, remote),
            )  # fmt: skip
    if not say_states(errors, controlled, place):
        return 130
    if asked.is_blind:
        errors.say("samebit: nothing to choose by: the others were not started")
    if asked.used_up:
        errors.say(f"samebit: {_used_up(meant.budget, asked.used_up)}: no more was begun")
    from samebit.cli.sweep_shown import in_short  # noqa: PLC0415  (NumPy is loaded for it alone)

    rows = controlled.rows if controlled.rows is not None else facts(store)
    told = in_short(store, study, meant.sweep, rows)
    say_wrapped(errors, [f"samebit: {line}" for line in told])
    errors.say(errors.paint.dim(visible(f"samebit: next: samebit sweep show {study.name}")))
    has_some = any(one.state == "finished" for one in controlled.fates)
    return Exit.DONE if has_some else Exit.OUR_FAULT


def _used_up(budget: Budget, name: str) -> str:
    if name == "seconds":
        return f"the time of {duration(budget.seconds)} is used up"
    return f"{number(budget.gpu_seconds / 3600)} device-hours are used up"


def _results_of(
    store: Path, study: Study, sweep: Sweep
) -> tuple[Results, Callable[[], Sequence[Row]]]:
    """What the runs of a sweep came to, from a store; and what reads them all, to begin with."""
    rows: dict[str, Row] = {}

    def known() -> Sequence[Row]:
        every = facts(store)
        rows.update((str(row["id"]), row) for row in every if row.get("study") == study.id)
        return every

    def row_of(run: str) -> Row | None:
        found = rows.pop(run, None)  # once: what goes on is read again
        if found is not None and found.get("state") != "running":
            return found
        for _, entries, _ in index.read_each(store, {run}, TABLES):
            if isinstance(entries, dict):
                return entries
            return entries[0].value | entries[1].value
        return None

    return Results(study, sweep, row_of, Following(store, study.metric).points), known


def _meant(options: argparse.Namespace, arguments: Sequence[str]) -> _Meant:
    wanted, first = Wanted(), options.words[0] if options.words else ""
    if first.endswith(".toml"):
        wanted = read_sweep(Path(first))
        ways = [name for name in ("script", "module", "command") if getattr(wanted, name)]
        if len(ways) != 1:
            raise UsageError(
                f"{first} says what is run by one of script, module and command",
                given=", ".join(ways) or "none of them",
            )
        options.module = wanted.module or None
        options.words = [wanted.script] if wanted.script else []
    elif (
        first and options.module is None and not first.endswith(".py") and not Path(first).is_file()
    ):
        return _known(options, first, arguments)
    wanted = _with_options(wanted, options, arguments)
    how, given = what_runs(options, [*wanted.command, *wanted.arguments], _ASKED, "--lr {lr}")
    study = study_of(wanted, how, given, threads_of(options))
    assert study.sweep is not None
    return _Meant(study, study.sweep, _budget(wanted, Budget(), study))


def _known(options: argparse.Namespace, name: str, arguments: Sequence[str]) -> _Meant:
    """A sweep by its name: it goes on as it was declared."""
    store = places.find_store(Path.cwd())
    study = find_study(store, name)
    if study is None or study.sweep is None:
        what = "is a study of seeds" if study is not None else "is neither a file nor a sweep"
        raise NotFound(
            f"{name} {what}", folder=Path.cwd(), hint="samebit sweep sweep.toml; samebit sweep t.py"
        )
    fixed = ("space", "maximize", "minimize", "take", "sampler", "pruner", "seed", "seeds", "name")
    given = [f"--{one}" for one in fixed if getattr(options, one) is not None]
    if given or arguments or options.deterministic:
        raise UsageError(
            f"the sweep {name} goes on as it was declared",
            given=", ".join(given) or " ".join(arguments) or "--deterministic",
            hint="only the budget, --jobs, --on and --retry can be others",
        )
    study = at_home(store, study, str(Path.cwd()))
    assert study.sweep is not None
    wanted = _with_options(Wanted(), options, ())
    before = _budget_before(read_history(folder_of(store, study.id), study.id))
    return _Meant(study, study.sweep, _budget(wanted, before, study))


def _budget_before(history: History) -> Budget:
    known = Budget.__struct_fields__
    return Budget(**{name: count for name, count in history.counts.items() if name in known})


def _with_options(wanted: Wanted, options: argparse.Namespace, arguments: Sequence[str]) -> Wanted:
    """What a file says, with what the command line says above it."""
    space = dict(wanted.space)
    for line in options.space or ():
        space |= read_line(line)
    names = (
        "maximize",
        "minimize",
        "take",
        "sampler",
        "pruner",
        "seed",
        "seeds",
        "trials",
        "lasts",
        "name",
    )
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.maximize or options.minimize:
        given = {"maximize": "", "minimize": "", **given}
    return replace(
        wanted,
        space=space,
        arguments=(*wanted.arguments, *arguments),
        gpu_hours=options.gpu_hours or wanted.gpu_hours,
        deterministic=options.deterministic or wanted.deterministic,
        **given,
    )


def _budget(wanted: Wanted, before: Budget, study: Study) -> Budget:
    """What is said now, or where nothing is, what was said before."""
    seconds = seconds_of(wanted.lasts) if wanted.lasts else 0.0
    if seconds is None or (wanted.lasts and seconds < 1):
        raise UsageError(
            f"{wanted.lasts!r} is no length of time", hint="--for 90s, 30min, 2h, 1.5d"
        )
    found = budget_of(wanted, seconds)
    found = found if found.counts else before
    is_grid = study.sweep is not None and study.sweep.sampler == "grid"
    if not found.counts and not is_grid:
        raise UsageError(
            "how much may it take?", hint="--trials 50, --for 2h or --gpu-hours 10; or several"
        )
    return found


def _check_at_once(meant: _Meant) -> None:
    """Whether all may be in a queue before anything is known of the first."""
    sampler, budget = meant.sweep.sampler, meant.budget
    if sampler in LEARNING:
        why = f"{sampler} would be asked for all before it knows any"
    elif budget.seconds or budget.gpu_seconds:
        why = "all would be in the queue before any of the time is used"
    else:
        return
    raise UsageError(f"how many at once? {why}", hint="--jobs 8")


def _check(meant: _Meant, answers: Answers) -> None:
    most = meant.budget.most(answers.size) or 1
    if most * meant.sweep.seeds > MOST:
        raise UsageError(f"{most * meant.sweep.seeds:,} runs are too many", at_most=MOST)


def _say_plan(screen: Screen, meant: _Meant, answers: Answers, where: str) -> None:
    study, sweep = meant.study, meant.sweep
    space = [f"  {one.name}: {words(one)}" for one in sweep.space]
    say_wrapped(screen, [_what(meant, answers), f"  {where}", *space])
    _warn(screen, study)
    if answers.size is None:
        screen.say("  the first:")
    most = min(meant.budget.most(answers.size) or 1, _SHOWN)
    shown = most if answers.size is not None else 1
    for at in range(shown):
        given, _ = filled(study, {**answers.ask(at), "all": 0})
        say_wrapped(screen, [f"  {at + 1:>3}  {' '.join(given)}"])
    if answers.size is not None and answers.size > shown:
        screen.say(f"  and {answers.size - shown:,} more")


def _what(meant: _Meant, answers: Answers) -> str:
    sweep, budget = meant.sweep, meant.budget
    most = budget.most(answers.size)
    limits = [counted(most, "configuration")] if most else []
    limits += [duration(budget.seconds)] if budget.seconds else []
    limits += [f"{number(budget.gpu_seconds / 3600)} device-hours"] if budget.gpu_seconds else []
    each = f", {sweep.seeds} seeds each" if sweep.seeds > 1 else ""
    how = f"{sweep.sampler} over {', '.join(one.name for one in sweep.space)}"
    return f"{how}, {' or '.join(limits)}{each}; {meant.study.metric}: {sweep.rule}"


def _say_begin(screen: Screen, study: Study, what: str, where: str) -> None:
    say_wrapped(screen, [f"samebit: sweep {study.name}: {what}"])
    say_wrapped(screen, [f"samebit: {where}"], screen.paint.dim)
    _warn(screen, study)


def _warn(screen: Screen, study: Study) -> None:
    if is_test(study.metric):
        look = f"mind: {study.metric} looks like a test metric"
        say_wrapped(screen, [f"samebit: {look}; what is chosen by it cannot be judged by it"])
