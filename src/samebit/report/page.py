"""A page that tells of runs: one file of HTML that loads nothing and needs no script.

What is told comes as frozen values, all of it texts and curves; whatever stands in them is shown as
text. What is the same for all of several runs is said once. The same values make the same bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, structs

from samebit.report.charts import Line, chart, key
from samebit.report.curves import Curve
from samebit.report.table import visible

__all__ = ["Fact", "Page", "Part", "Told", "each_text", "html"]

T = TypeVar("T")

# Nothing from anywhere, and no script: not even a fault in our escaping could run one.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_MOST_ABOVE = 20  # runs in a table above the charts; a longer one comes below them
_MOST_OPEN = 4  # runs that are told in full; of more each is folded
_SHORT = 32  # letters of a cell that is not broken
_FIRST = 1  # parts of a single run that stand before its charts
_GRADES = {"identical": "good", "different": "bad", "finished": "good", "failed": "bad"}


class Fact(Struct, frozen=True):
    """A name and what is said under it, a line each."""

    name: str
    values: tuple[str, ...]


class Part(Struct, frozen=True):
    """Facts of one kind."""

    title: str
    facts: tuple[Fact, ...]


class Told(Struct, frozen=True):
    """One run.

    Attributes:
        label: what it is called in charts.
        marks: its state, and its last verdict where it has one.
        lead: when it was, in a line.
        parts: everything that is told of it.
        curves: by title, what is drawn of it.
    """

    label: str
    marks: tuple[str, ...]
    lead: str
    parts: tuple[Part, ...]
    curves: tuple[tuple[str, Curve], ...]


class Page(Struct, frozen=True):
    """What a page tells.

    Attributes:
        title: its heading.
        runs: in their order.
        headers: of a table in which each run is a row; empty for none.
        rows: its cells, as many rows as runs.
        check: what to do to see whether it is true: a sentence, and commands.
    """

    title: str
    runs: tuple[Told, ...]
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    numeric: tuple[bool, ...] = ()  # of each column, whether it holds numbers only
    check: tuple[str, tuple[str, ...]] = ("", ())


def each_text(value: T, change: Callable[[str], str]) -> T:
    """The same with each of its texts changed: none can be forgotten."""
    if isinstance(value, str):
        return change(value)  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(each_text(item, change) for item in value)  # type: ignore[return-value]
    if isinstance(value, Curve) or not isinstance(value, Struct):
        return value
    return type(value)(*(each_text(item, change) for item in structs.astuple(value)))


def html(page: Page) -> str:
    """The page."""
    several = len(page.runs) > 1
    body = [f"<header><h1>{_text(page.title)}</h1>{_lead(page)}</header>"]
    first = page.runs[0].parts
    if several:
        body += [_table(page), _charts(page)][:: 1 if len(page.runs) <= _MOST_ABOVE else -1]
        shared = _shared(page.runs)
        body += [_section("The same for all", "".join(_parts(shared)), "shared")] if shared else []
        body += [_run(at, told, shared, page) for at, told in enumerate(page.runs)]
    else:
        body += [*_parts(first[:_FIRST]), _charts(page), *_parts(first[_FIRST:])]
    sentence, commands = page.check
    if sentence:
        typed = f"<pre>{_text_lines(commands)}</pre>" if commands else ""
        body.append(_section("See for yourself", f"<p>{_text(sentence)}</p>{typed}", "check"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(page.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, body))
        + "\n</main>\n<footer>Recorded with Samebit. This page is one file, and loads nothing from"
        " elsewhere.</footer>\n</body>\n</html>\n"
    )


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _lead(page: Page) -> str:
    if len(page.runs) == 1:
        return f"<p>{_marks(page.runs[0])} {_text(page.runs[0].lead)}</p>"
    counts: dict[str, int] = {}
    for told in page.runs:
        for mark in told.marks:
            counts[mark] = counts.get(mark, 0) + 1
    said = ", ".join(f"{count} {mark}" for mark, count in counts.items())
    return f"<p>{_text(said)}</p>"


def _marks(told: Told) -> str:
    return " ".join(
        f'<span class="mark {_GRADES.get(mark.split()[0], "")}">{_text(mark)}</span>'
        for mark in told.marks
    )


def _table(page: Page) -> str:
    """Each run in a row, with the stroke that it has in the charts."""
    sides = ["number" if is_number else "" for is_number in page.numeric]
    head = "".join(
        f'<th scope="col" class="{side}">{_text(header)}</th>'
        for header, side in zip(page.headers, sides, strict=True)
    )
    rows: list[str] = []
    for at, (first, *cells) in enumerate(page.rows):
        link = f'<th scope="row">{key(at)} <a href="#run-{at + 1}">{_text(first)}</a></th>'
        pairs = zip(cells, sides[1:], strict=True)
        rest = ""
        for cell, side in pairs:
            kind = side or ("short" if len(cell) <= _SHORT else "")
            rest += f'<td class="{kind}">{_text(cell)}</td>'
        rows.append(f"<tr>{link}{rest}</tr>")
    table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<section class="runs"><div class="wide"><table>{table}</table></div></section>'


def _charts(page: Page) -> str:
    titles = dict.fromkeys(title for told in page.runs for title, _ in told.curves)
    drawn: list[str] = []
    for number, title in enumerate(titles, start=1):
        lines = [
            Line(told.label, at, curve)
            for at, told in enumerate(page.runs)
            for name, curve in told.curves
            if name == title
        ]
        drawn.append(chart(f"chart-{number}", title, lines))
    return '<section class="charts">\n' + "\n".join(drawn) + "\n</section>" if drawn else ""


def _shared(runs: Sequence[Told]) -> tuple[Part, ...]:
    """The facts that are the same for all of them, in the order of the first one."""
    others = [_facts(told) for told in runs[1:]]
    parts: list[Part] = []
    for part in runs[0].parts:
        same = [
            fact
            for fact in part.facts
            if all(other.get((part.title, fact.name)) == fact.values for other in others)
        ]
        parts += [Part(part.title, tuple(same))] if same else []
    return tuple(parts)


def _facts(told: Told) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(part.title, fact.name): fact.values for part in told.parts for fact in part.facts}


def _run(at: int, told: Told, shared: Sequence[Part], page: Page) -> str:
    """What is particular to one of several runs."""
    said = {(part.title, fact.name) for part in shared for fact in part.facts}
    parts = [
        Part(part.title, tuple(f for f in part.facts if (part.title, f.name) not in said))
        for part in told.parts
    ]
    title = f"{key(at)} {_text(told.label)} {_marks(told)}"
    name = f'<p id="run-{at + 1}">{_text(told.lead)}</p>'
    inside = name + "".join(_parts([part for part in parts if part.facts]))
    if len(page.runs) <= _MOST_OPEN:
        return f'<section class="run"><h2>{title}</h2>{inside}</section>'
    return f'<details class="run"><summary><h2>{title}</h2></summary>{inside}</details>'


def _parts(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        facts = ""
        for fact in part.facts:
            values = "".join(f"<dd>{_text(value)}</dd>" for value in fact.values)
            facts += f"<div><dt>{_text(fact.name)}</dt>{values}</div>"
        yield f'<section class="part"><h3>{_text(part.title)}</h3><dl>{facts}</dl></section>'


def _section(title: str, inside: str, kind: str) -> str:
    return f'<section class="{kind}"><h2>{_text(title)}</h2>{inside}</section>'


def _text_lines(lines: Sequence[str]) -> str:
    return "\n".join(map(_text, lines))


def _text(text: str) -> str:
    """Any text as one that shows itself, whatever is in it."""
    return escape(visible(text))
