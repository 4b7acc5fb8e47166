"""`samebit versus`: two groups of runs against each other, in plain words."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from samebit import places
from samebit.cli.seeds_shown import declared, plain, read_group
from samebit.cli.tables import Column, table
from samebit.cli.words import Screen, number, say_wrapped, write_data
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound
from samebit.query.choosing import fitting
from samebit.query.seeds import Number
from samebit.query.volatile import is_volatile
from samebit.report.facts import facts
from samebit.report.studied import metrics_of
from samebit.report.tables.settings import of_project
from samebit.report.versus import Side, Versus
from samebit.report.versus import versus as compare

__all__ = ["versus", "versus_arguments"]

Row = Mapping[str, object]

_PAIRS_SHOWN = 12


def versus_arguments(parser: argparse.ArgumentParser) -> None:
    """Which two groups, judged by what."""
    add = parser.add_argument
    add("first", metavar="A", help="a group of runs, or a condition: 'method = new'")
    add("second", metavar="B", help="the one that it is compared with")
    add("--metric", metavar="METRIC", help="what they are judged by; else the first of both")
    add("--better", choices=("higher", "lower"), help="which way; else as its name says")
    add("--where", metavar="EXPR", help="of both only the runs that fit this condition")
    add("--json", action="store_true", help="exact values, for programs")


def versus(options: argparse.Namespace) -> int:
    """Print what two groups came to against each other."""
    store = places.find_store(Path.cwd())
    every = facts(store)
    among = every if options.where is None else fitting(every, options.where)
    words = options.first, options.second
    first, second = (_chosen(store, every, among, word) for word in words)
    theirs = set(metrics_of(second, is_volatile))
    names = [name for name in metrics_of(first, is_volatile) if name in theirs]
    known = [one for word in words if (one := plain(declared(store, word)))]
    metric = plain(options.metric or "") or next((one for one in known if one in names), "")
    if not metric and not names:
        raise NotFound("the two groups have no metric in common that is a number")
    found = compare(
        (words[0], first),
        (words[1], second),
        metric or names[0],
        better=options.better or "",
        directions=of_project(store).direction,
        metrics=names,
        chosen_by=known,
    )
    if options.json:
        write_data(canonical_json(msgspec.to_builtins(found)).decode() + "\n")
        return Exit.DONE
    _print(Screen.of(sys.stdout), found)
    others = [name for name in names if name != found.metric]
    if others:
        say_wrapped(
            Screen.of(sys.stdout), ["", f"other metrics: {', '.join(others[:8])} (--metric NAME)"]
        )
    return Exit.DONE


def _chosen(store: Path, every: Sequence[Row], among: Sequence[Row], word: str) -> list[Row]:
    """The runs of a group, or those that fit a condition."""
    is_group = any(row.get("group") == word for row in every)
    if not is_group and not any(sign in word for sign in "=<>~"):
        return read_group(store, every, word)  # which says what is wrong
    kept = {row["id"] for row in among}
    found = read_group(store, every, word) if is_group else fitting(every, word)
    rows = [row for row in found if row["id"] in kept]
    if not rows:
        raise NotFound(f"no run fits {word!r}", hint="`samebit ls --where EXPR` shows which do")
    return rows


def _print(screen: Screen, found: Versus) -> None:
    first, second = found.first, found.second
    say_wrapped(
        screen,
        [f"{first.name} versus {second.name}, by {found.metric} ({found.better} is better)", ""],
    )
    titles = [Column(""), Column(first.name, shrink=1), Column(second.name, shrink=1)]
    rows = list(_beside(found.metric, first, second))
    screen.say(table(titles, rows, columns_wide=screen.width, color=screen.color))
    say_wrapped(screen, ["", found.verdict, *_numbers(found)])
    if found.pairs.pairs:
        say_wrapped(screen, ["", *_pairs(found)])
    if found.warnings:
        say_wrapped(screen, ["", *(f"mind: {warning}" for warning in found.warnings)])


def _beside(metric: str, *sides: Side) -> Iterator[list[str]]:
    yield [
        "runs",
        *(", ".join(f"{n} {state}" for state, n in side.states.items()) for side in sides),
    ]
    yield [metric, *(_estimate(side) for side in sides)]
    yield ["n", *(f"{side.group.n} {side.group.over}" for side in sides)]
    yield ["SD", *("" if side.group.sd is None else f"{side.group.sd:.3g}" for side in sides)]
    if any(side.settings > 1 for side in sides):
        yield ["settings", *(str(side.settings) for side in sides)]
    if all(side.device_hours is not None for side in sides):
        yield ["device hours", *(f"{side.device_hours:.3g}" for side in sides)]


def _estimate(side: Side) -> str:
    if side.estimate is None:
        return "no result"
    digits = side.estimate.digits()
    if digits.low is None:
        return digits.value
    spread = f"± {digits.half}" if digits.half else f"[{digits.low}, {digits.high}]"
    return f"{digits.value} {spread}"


def _numbers(found: Versus) -> Iterator[str]:
    names = found.first.name, found.second.name
    if found.pairs.difference is not None:
        yield f"  {names[0]} - {names[1]}: {_number(found.pairs.difference, found)}"
    if found.pairs.wins is not None:
        yield f"  P({names[0]} better): {_number(found.pairs.wins, found)}"
    for test in found.pairs.tests:
        statistic = "" if test.statistic is None else f"{test.symbol} {number(test.statistic)}, "
        note = _note(test.note, found)
        yield f"  {test.method}: p = {test.p:.3g} ({statistic}{test.counted}{note})"
    is_told = found.pairs.answer.startswith("significant")
    if found.pairs.needed is not None and not is_told:
        what = "pairs" if found.pairs.pairs else "runs of each"
        yield f"  if it stays as here, {found.pairs.needed:,} {what} would tell (Noether 1987)"


def _number(one: Number, found: Versus) -> str:
    value = number(one.value) if one.value is not None else "unknown"
    note = _note(one.note, found)
    if one.low is None or one.high is None:
        return f"{value} ({note.removeprefix('; ')})"
    method = one.method.partition(" from ")[0]  # so many resamples
    return f"{value} [{number(one.low)}, {number(one.high)}] ({method}{note})"


def _note(note: str, found: Versus) -> str:
    """What a warning does not say already."""
    parts = [part for part in note.split("; ") if part and part not in found.warnings]
    return "".join(f"; {part}" for part in parts)


def _pairs(found: Versus) -> Iterator[str]:
    """Where the differences of pairs lie about zero."""
    made = found.pairs.pairs
    for pair in made[:_PAIRS_SHOWN]:
        values = " and ".join(number(value) for value in pair.values)
        of = pair.seed if pair.seed[:1].isalpha() else f"seed {pair.seed}"
        yield f"  {of}: {values}, {pair.difference:+.3g}"
    if len(made) > _PAIRS_SHOWN:
        yield f"  and {len(made) - _PAIRS_SHOWN:,} more pairs (--json has all)"
