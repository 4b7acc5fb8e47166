"""`samebit seeds`: one script with many seeds, as a group of runs; `seeds show` tells of one."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from samebit import places
from samebit.cli.placing import MOST, place_of, run_words, so_many, threads_of
from samebit.cli.seeds_early import (
    early_arguments,
    keeping_of,
    said_after,
    said_before,
    said_of_loss,
)
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
from samebit.cli.words import Screen, counted, say_wrapped
from samebit.errors import Exit, UsageError
from samebit.report.facts import facts
from samebit.studies.asking import Listed
from samebit.studies.controlling import Controlled, control
from samebit.studies.declared import (
    ALL,
    FACTORS,
    Design,
    Study,
    design,
    filled,
    join_or_declare,
    seed_of,
)
from samebit.studies.keeping import BestAt

__all__ = ["seeds", "seeds_arguments"]

_CROSSED = tuple(factor for factor in FACTORS if factor != ALL)
_ASKED = "samebit seeds {} --n 10"
_SHOWN = 12  # trials of a plan


def seeds_arguments(parser: argparse.ArgumentParser) -> None:
    """What varies and how often, where it runs; or which group is to be shown."""
    parser.usage = (
        "samebit seeds SCRIPT.py --n 10 [options] [-- its arguments]\n"
        "       samebit seeds -m MODULE --n 10 [options] [-- its arguments]\n"
        "       samebit seeds --n 10 [options] -- COMMAND [its arguments]\n"
        "       samebit seeds SCRIPT.py --start 20 --keep 5 --at STEP --metric METRIC\n"
        "       samebit seeds show GROUP [--metric METRIC] [--json]"
    )
    add = parser.add_argument
    add(
        *("--n", "--start"),
        dest="n",
        type=so_many,
        metavar="N",
        help="so many runs, each with seeds of its own",
    )
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
    early_arguments(parser)
    add("--name", metavar="GROUP", help="of the runs; the study of this name goes on")
    add("--seed", type=seed, default=0, help="from which all seeds are derived; else 0")
    add("--from", dest="first", type=seed, metavar="N", help="seeds are N, N+1, …, not derived")
    add("--metric", metavar="METRIC", help="what the runs are judged by")
    add("--better", choices=("higher", "lower"), help="which way; else as its name says")
    add("--within", type=float, metavar="X", help="how many seeds give a mean ± X?")
    add("--than", metavar="GROUP", help="how many seeds tell it from this other group?")
    add("--json", action="store_true", help="what a group came to, for programs")
    study_arguments(parser)


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
    rest = read_words(options, seeds_arguments, _ASKED)
    if options.words[:1] == ["show"] and options.module is None:
        from samebit.cli.seeds_shown import show  # noqa: PLC0415  (NumPy is loaded for it alone)

        return show(options, options.words[1:] + rest)
    if options.json:
        raise UsageError("--json is of `samebit seeds show GROUP`")
    return _run(options, rest)


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    how, words = what_runs(options, arguments, _ASKED, "--lr 0.1")
    study, counts, repeats = _study(options, how, words)
    errors = Screen.of(sys.stderr)
    place, remote = place_of(options), remote_of(options)
    wanted = design(study, counts, repeats)
    if len(wanted) > MOST:
        raise UsageError(f"{len(wanted):,} runs are too many", at_most=MOST)
    study = replace(study, keeping=keeping_of(options, len(wanted), repeats))
    before = said_before(study, len(wanted), place)
    if options.like:
        store = places.find_store(Path.cwd())
        before.append(said_of_loss(store, study, len(wanted), options.like))
    if options.plan:
        _say_plan(Screen.of(sys.stdout), study, wanted, [where_of(study, place, remote), *before])
        return Exit.DONE
    store = places.make_store(places.choose_store(Path.cwd()))
    study = with_id(store, study)
    study = join_or_declare(store, study)
    _say_begin(errors, study, wanted, [where_of(study, place, remote), *before])
    with (
        sent_from(errors, store, study, place, remote) as place,
        Telling(errors, study) as telling,
        stopped_by_signals(),
    ):
        controlled = control(
            store, study, Listed(wanted), counts, repeats, place,
            jobs_of(study, run_words(options)), telling.tell,
            known=partial(facts, store),
            retry=options.retry,
            goes_on=goes_on_of(options, remote),
            stops=BestAt(study.keeping, study.metric) if study.keeping is not None else None,
        )  # fmt: skip
    if not say_states(errors, controlled, place):
        return 130
    return _say_end(errors, store, study, controlled, options)


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
    again = int(len(crossed) > 1 and options.keep is None)
    repeats = options.repeat if options.repeat is not None else again
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
        metric=(options.metric or "").removeprefix("metric."),
    )
    return study, counts, repeats


def _say_plan(screen: Screen, study: Study, wanted: Sequence[Design], more: Sequence[str]) -> None:
    screen.say(f"{counted(len(wanted), 'run')}: {_how_varied(study, wanted)}")
    say_wrapped(screen, [f"  {line}" for line in more])
    for number, one in enumerate(wanted[:_SHOWN], 1):
        words, everything = filled(study, one.values)
        given = ", ".join(f"{name} {value}" for name, value in one.values.items() if name != ALL)
        again = " (again)" if one.repeat else ""
        said = "; ".join(filter(None, [f"seed {everything}" if ALL in one.values else "", given]))
        say_wrapped(screen, [f"  {number:>3}{again}  {said}  {' '.join(words)}"])
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


def _say_begin(screen: Screen, study: Study, wanted: Sequence[Design], more: Sequence[str]) -> None:
    runs = counted(len(wanted), "run")
    say_wrapped(screen, [f"samebit: group {study.name}: {runs}, {_how_varied(study, wanted)}"])
    say_wrapped(screen, [f"samebit: {line}" for line in more], screen.paint.dim)


def _say_end(
    screen: Screen,
    store: Path,
    study: Study,
    controlled: Controlled,
    options: argparse.Namespace,
) -> int:
    from samebit.cli.seeds_shown import in_short  # noqa: PLC0415  (NumPy is loaded for it alone)

    metric = options.metric or study.metric
    rows = controlled.rows if controlled.rows is not None else facts(store)
    told = [*said_after(store, study, controlled, rows), *in_short(store, study, metric, rows)]
    say_wrapped(screen, [f"samebit: {line}" for line in told])
    screen.say(screen.paint.dim(f"samebit: next: samebit seeds show {study.name}"))
    has_some = any(one.state == "finished" for one in controlled.fates)
    return Exit.DONE if has_some else Exit.OUR_FAULT
