"""The values of a paper, derived from rows of `report.facts`: numbers, their texts, whose they are.

What cannot be derived is a `Problem` and no value; nothing here reads or writes a file.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from samebit import stats
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.query.choosing import choose, fitting
from samebit.report import latex, pairing
from samebit.report.paper.forms import Form
from samebit.report.paper.settings import Paper, Selector, ValueOf
from samebit.report.results import Result, result
from samebit.report.table import few, shown
from samebit.stats import Estimate
from samebit.stats.distributions import t_quantile
from samebit.stats.values import level

__all__ = ["Part", "Problem", "Selected", "Value", "derive", "explained", "keys_of", "select"]

Row = dict[str, object]


class Part(Struct, frozen=True):
    """One thing that a text can say of a value: as TeX, and as a number where it is one."""

    text: str
    number: int | float | None = None  # whole ones stay whole in the lock


class Value(Struct, frozen=True):
    r"""What a key of `\val` stands for; `parts` are the keys below it, and "" is itself."""

    parts: dict[str, Part]
    runs: tuple[str, ...]
    n: int
    method: str
    left_out: tuple[tuple[str, str], ...] = ()  # runs of the selection, and why
    notes: tuple[str, ...] = ()


class Problem(Struct, frozen=True):
    """Why something cannot be derived, and where it is asked for."""

    where: str  # "samebit.toml:12"
    what: str
    hint: str = ""


class Selected(Struct, frozen=True):
    """The runs of a selection, or why there are none."""

    rows: tuple[Row, ...] = ()
    problem: str = ""


def keys_of(values: Mapping[str, Value]) -> dict[str, tuple[str, str]]:
    """Every key that a text may use: of which value it is, and which part."""
    return {
        f"{key}/{part}" if part else key: (key, part)
        for key, value in values.items()
        for part in value.parts
    }


def select(
    store: Path, rows: Sequence[Row], selections: Mapping[str, Selector]
) -> dict[str, Selected]:
    """The runs of each selection, in the order in which they began or are named."""
    return {name: _selected(store, rows, one) for name, one in selections.items()}


def _selected(store: Path, rows: Sequence[Row], selector: Selector) -> Selected:
    try:
        if isinstance(selector, str):
            found = fitting(rows, selector)
            return Selected(tuple(found), "" if found else f"no run fits: {selector}")
        return Selected(tuple(choose(store, rows, selector)))
    except SamebitError as error:
        return Selected((), explained(error))


def explained(error: SamebitError) -> str:
    """What happened, with its facts, in a line."""
    facts = [f"{name}: {value}" for name, value in error.facts.items() if name != "store"]
    return f"{error.what} ({'; '.join(facts)})" if facts else error.what


def derive(
    paper: Paper, selected: Mapping[str, Selected]
) -> tuple[dict[str, Value], list[Problem]]:
    """Every value of a paper, and why the others cannot be had."""
    found: dict[str, Value] = {}
    problems: list[Problem] = []
    for key, asked in paper.values.items():
        where = paper.where("paper.values", key)
        hidden = [name for name in (asked.of, asked.minus) if name and selected[name].problem]
        if hidden:
            problems += [
                Problem(where, f"{key}: selection {name}: {selected[name].problem}")
                for name in hidden
            ]
            continue
        try:
            found[key] = _value(asked, selected, Form.of(asked, siunitx=paper.siunitx))
        except SamebitError as error:
            problems.append(Problem(where, f"{key}: {explained(error)}", error.hint or ""))
    clashes = [
        Problem(paper.where("paper.values", key), f"{key} is a part of {above} already")
        for key in found
        for above, _, part in [key.rpartition("/")]
        if above in found and part in found[above].parts
    ]
    return found, problems + clashes


def _value(asked: ValueOf, selected: Mapping[str, Selected], form: Form) -> Value:
    rows = selected[asked.of].rows
    if asked.fact:
        return _fact(asked, rows, form)
    if not asked.metric:
        return _count(rows)
    if asked.minus:
        return _difference(asked, rows, selected[asked.minus].rows, form)
    found = _result(asked, asked.of, rows)
    values = found.values
    estimate = found.estimate
    assert estimate is not None
    parts = _spread(values, form)
    if asked.aggregate == "mean":
        parts |= _estimated(estimate, form)
    else:
        number = _aggregated(asked, values)
        parts[""] = Part(form.text(number), number)
    if asked.aggregate == "mean":
        return _made(parts, found, str(estimate), _method(estimate))
    return _made(parts, found, said := _said(asked, estimate), said)


def _made(parts: dict[str, Part], found: Result, said: str, method: str) -> Value:
    n = len(found.values)
    parts |= {"n": Part(str(n), n), "method": Part(_unbroken(method))}
    return Value(parts, found.runs, n, said, found.left_out, found.notes)


def _unbroken(sentence: str) -> str:
    """As TeX, in which no line ends between a number and its percent sign."""
    return latex.numbers_in(sentence).replace(r" \%", r"\,\%")


def _method(estimate: Estimate) -> str:
    """What is behind its number: `95 % t interval over 5 seeds`."""
    if estimate.low is None:
        over = estimate.over.removesuffix("s") if estimate.n == 1 else estimate.over
        return f"{estimate.n} {over}, no interval"
    certain = f"{level(estimate.confidence)} " if estimate.confidence else ""
    return f"{certain}{estimate.method} over {estimate.n} {estimate.over}"


def _result(asked: ValueOf, of: str, rows: Sequence[Row]) -> Result:
    found = result(
        rows, asked.metric, take=asked.take, how=asked.interval, confidence=asked.confidence
    )
    if found.estimate is None:
        why = [f"{run} {why}" for run, why in found.left_out]
        metrics = sorted({key[7:] for row in rows for key in row if key.startswith("metric.")})
        raise NotFound(
            f"no run of {of} has a number for {asked.metric}",
            runs=few(why) or "none",
            metrics=", ".join(metrics) or "none",
        )
    return found


def _spread(values: Sequence[float], form: Form) -> dict[str, Part]:
    """What is said of the values themselves."""
    parts = {
        "min": Part(form.text(min(values)), min(values)),
        "max": Part(form.text(max(values)), max(values)),
        "median": Part(form.text(statistics.median(values)), statistics.median(values)),
    }
    if len(values) > 1:
        sd = stats.sd(values)
        parts["sd"] = Part(form.text(sd, of_spread=True), sd)
    return parts


def _estimated(estimate: Estimate, form: Form) -> dict[str, Part]:
    """A mean, and its interval where it has one."""
    parts = {"": Part(form.estimated(estimate), estimate.value)}
    if estimate.low is None or estimate.high is None:
        # So that a text compiles with the first seed; `check` tells who uses it.
        return parts | {"interval": Part(parts[""].text)}
    parts["interval"] = Part(form.interval(estimate))
    parts["low"] = Part(form.bound(estimate, "low"), estimate.low)
    parts["high"] = Part(form.bound(estimate, "high"), estimate.high)
    if estimate.digits().half is not None:
        half = estimate.high - estimate.value
        parts["half"] = Part(form.bound(estimate, "half"), half)
    return parts


_AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "min": min,
    "max": max,
}


def _aggregated(asked: ValueOf, values: Sequence[float]) -> float:
    return stats.sd(values) if asked.aggregate == "sd" else _AGGREGATES[asked.aggregate](values)


def _said(asked: ValueOf, estimate: Estimate) -> str:
    if asked.aggregate in ("min", "max"):
        best = {"min": "lowest", "max": "highest"}[asked.aggregate]
        return f"the {best} of {estimate.n} {estimate.over}"
    return f"{asked.aggregate} over {estimate.n} {estimate.over}"


def _count(rows: Sequence[Row]) -> Value:
    finished = [row for row in rows if row.get("state") == "finished"]
    left_out = [(str(r["id"]), str(r.get("state"))) for r in rows if r.get("state") != "finished"]
    n = len(finished)
    return Value(
        {"": Part(latex.number(n), n), "all": Part(latex.number(len(rows)), len(rows))},
        tuple(str(row["id"]) for row in finished),
        n,
        f"{n} finished runs of {len(rows)}",
        tuple(left_out),
    )


def _fact(asked: ValueOf, rows: Sequence[Row], form: Form) -> Value:
    """Something that all runs of a selection have in common."""
    found = {repr(row[asked.fact]): row[asked.fact] for row in rows if asked.fact in row}
    without = [str(row["id"]) for row in rows if asked.fact not in row]
    if not found:
        raise NotFound(
            f"no run of {asked.of} has {asked.fact}", hint="`samebit ls --json` shows what there is"
        )
    if len(found) > 1 or without:
        values = [shown(value) for value in found.values()]
        raise UsageError(
            f"the runs of {asked.of} differ in {asked.fact}",
            values=few([*values, *(["none"] if without else [])]),
            hint="take a selection in which it is the same",
        )
    (value,) = found.values()
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    text = latex.numbers_in(shown(value)) if number is None else form.text(number)
    runs = tuple(str(row["id"]) for row in rows)
    parts = {"": Part(text, number), "n": Part(str(len(runs)), len(runs))}
    return Value(parts, runs, len(runs), f"{asked.fact}, the same in {len(runs)} runs")


def _difference(asked: ValueOf, ours: Sequence[Row], theirs: Sequence[Row], form: Form) -> Value:
    first, second = _result(asked, asked.of, ours), _result(asked, asked.minus, theirs)
    paired = pairing.pair((first, ours), (second, theirs))
    assert first.estimate is not None
    assert second.estimate is not None
    if paired.why:
        estimate = _apart(asked, paired, first.estimate.value - second.estimate.value)
    else:
        off = [a - b for a, b in zip(paired.a, paired.b, strict=True)]
        estimate = stats.mean(
            off, over="pairs by seed", how=asked.interval, confidence=asked.confidence
        )
    parts = _estimated(estimate, form)
    said = [str(estimate)]
    try:
        compared = pairing.compare(paired, asked.test)
    except UsageError as error:
        if asked.test:
            raise
        said.append(f"no test: {error.what}")
    else:
        parts["p"] = Part(form.p(compared.p), compared.p)
        parts["test"] = Part(_unbroken(str(compared)))
        said.append(str(compared))
    left_out = tuple(dict.fromkeys([*first.left_out, *second.left_out]))
    notes = tuple(dict.fromkeys([*first.notes, *second.notes]))
    runs = tuple(dict.fromkeys([*first.runs, *second.runs]))
    both = replace(first, values=paired.a + paired.b, runs=runs, left_out=left_out, notes=notes)
    made = _made(parts, both, "; ".join(said), _method(estimate))
    return replace(made, n=estimate.n, parts=made.parts | {"n": Part(str(estimate.n), estimate.n)})


def _apart(asked: ValueOf, groups: pairing.Paired, value: float) -> Estimate:
    """A difference of means of runs that are no pairs, with the interval of Welch's t test."""
    n = len(groups.a), len(groups.b)
    over = f"{groups.over} ({n[0]} and {n[1]})"
    if min(n) == 1 or asked.interval != "t":
        note = "one value: no interval" if min(n) == 1 else "no pairs: no such interval"
        return Estimate(value, sum(n), over, "difference of means", note=note)
    half = 0.0
    spread = math.hypot(stats.sem(groups.a), stats.sem(groups.b))
    if spread:
        (freedom,) = stats.welch_t(groups.a, groups.b).freedom
        half = spread * t_quantile((1 + asked.confidence) / 2, freedom)
    low, high, method = value - half, value + half, "Welch's t interval"
    return Estimate(value, sum(n), over, "difference of means", low, high, method, asked.confidence)
