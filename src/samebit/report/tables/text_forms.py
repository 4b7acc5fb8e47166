"""A table as Markdown and as HTML: for reading, with its notes below it."""

import html
from collections.abc import Sequence

from samebit import digest
from samebit.report.numerals import numeral
from samebit.report.table import markup_free, number, shown, visible
from samebit.report.tables.values import Cell, Column, Digest, Line, Several, Table, Words, in_words
from samebit.stats.values import Estimate

__all__ = ["is_numeric", "listed", "to_html", "to_markdown"]

MOST_VALUES = 8  # in one pair of braces
MOST_SEEDS = 10
_MINUS = "\u2212"


def to_markdown(table: Table) -> str:
    """A pipe table; what spans columns stands in each of them."""
    numeric = [is_numeric(table, at) for at in range(len(table.columns))]
    titles = [markup_free(visible(_whole_title(column))) for column in table.columns]
    rows = [titles, ["---:" if right else "---" for right in numeric]]
    for line in table.lines:
        if line.section:
            title = f"**{markup_free(visible(line.section))}**"
            rows.append([title, *[""] * (len(table.columns) - 1)])
            continue
        rows.append([_markdown(cell, table.columns[at], table.shape) for at, cell in _spread(line)])
    text = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    caption = f"{markup_free(visible(table.caption))}\n\n" if table.caption else ""
    notes = "".join(f"\n{markup_free(visible(note))}  " for note in table.notes)
    return caption + text + (notes.rstrip(" ") + "\n" if notes else "")


def _spread(line: Line) -> list[tuple[int, Cell]]:
    """The cells by column; one that spans several is there several times."""
    found: list[tuple[int, Cell]] = []
    for cell in line.cells:
        found += [(len(found) + more, cell) for more in range(cell.across)]
    return found


def _whole_title(column: Column) -> str:
    return " ".join(filter(None, [column.above, column.title]))


def _markdown(cell: Cell, column: Column, shape: str) -> str:
    if shape == "runs":  # as they are listed: exact words, and nothing where there is nothing
        return markup_free(shown(cell.value))
    text = markup_free(plain_text(cell.value, column.digits))
    return f"**{text}**" if cell.is_best and text else text


def plain_text(value: object, digits: int | None = None) -> str:
    """A value in a line of text, safe on a screen; `---` where there is none."""
    return visible(_text(value, digits))


def _text(value: object, digits: int | None) -> str:
    if value is None:
        return "---"
    if isinstance(value, Estimate):
        found = value.digits()
        if found.half is not None:
            return f"{found.value} ± {found.half}"
        return found.value if found.low is None else f"{found.value} [{found.low}, {found.high}]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value, digits) if digits else numeral(value)
    if isinstance(value, Words):
        return value.text
    if isinstance(value, Digest):
        return digest.short(value.text)
    if isinstance(value, Several):
        texts = [_text(one, digits) if one is not None else "none" for one in value.values]
        return listed(value, texts, "{", "}", "…")
    return in_words(value)


def listed(several: Several, texts: Sequence[str], begin: str, end: str, dots: str) -> str:
    """Several values in one cell; of very many how many, and between which they lie."""
    values = several.values
    is_whole = all(type(value) is int for value in values)
    most = MOST_SEEDS if several.is_list else MOST_VALUES
    if several.is_list and is_whole and len(values) > 2 and _is_run(values):
        return f"{texts[0]}{dots}{texts[-1]}"
    if len(texts) > most:
        are_numbers = all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
        )
        between = f" between {texts[0]} and {texts[-1]}" if are_numbers else ""
        return f"{len(texts)} values{between}"
    joined = ", ".join(texts)
    return joined if several.is_list else f"{begin}{joined}{end}"


def _is_run(values: Sequence[object]) -> bool:
    numbers = [value for value in values if isinstance(value, int)]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def is_numeric(table: Table, at: int) -> bool:
    """Whether a column holds numbers and estimates only."""
    values = [
        cell.value
        for line in table.lines
        if not line.section
        for place, cell in _spread(line)
        if place == at and cell.value is not None
    ]
    return bool(values) and all(
        isinstance(value, (int, float, Estimate)) and not isinstance(value, bool)
        for value in values
    )


def to_html(table: Table) -> str:
    """A fragment: a table element, its notes in the foot; nothing in it is anything but text."""
    numeric = [is_numeric(table, at) for at in range(len(table.columns))]
    width = len(table.columns)
    lines = [f'<table class="samebit" data-records="{_escape(table.records)}">']
    if table.caption:
        lines.append(f"<caption>{_escape(table.caption)}</caption>")
    lines += ["<thead>", *_html_head(table), "</thead>", "<tbody>"]
    for line in table.lines:
        if line.section:
            title = f'<th colspan="{width}" scope="rowgroup">{_escape(line.section)}</th>'
            lines.append(f"<tr>{title}</tr>")
            continue
        cells: list[str] = []
        at = 0
        for cell in line.cells:
            span = f' colspan="{cell.across}"' if cell.across > 1 else ""
            side = ' style="text-align:right"' if numeric[at] and cell.across == 1 else ""
            text = _html(cell.value, table.columns[at].digits)
            text = f"<strong>{text}</strong>" if cell.is_best else text
            cells.append(f"<td{span}{side}>{text}</td>")
            at += cell.across
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines.append("</tbody>")
    if table.notes:
        notes = "<br>".join(map(_escape, table.notes))
        lines.append(f'<tfoot><tr><td colspan="{width}">{notes}</td></tr></tfoot>')
    return "\n".join([*lines, "</table>", ""])


def _html_head(table: Table) -> list[str]:
    titles = "".join(f"<th>{_escape(column.title)}</th>" for column in table.columns)
    if not any(column.above for column in table.columns):
        return [f"<tr>{titles}</tr>"]
    above = "".join(
        f'<th colspan="{count}">{_escape(title)}</th>' for title, count in spanners(table.columns)
    )
    return [f"<tr>{above}</tr>", f"<tr>{titles}</tr>"]


def spanners(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """The titles over neighbours that share one, and over how many each stands."""
    found: list[tuple[str, int]] = []
    for column in columns:
        if found and column.above and found[-1][0] == column.above:
            found[-1] = column.above, found[-1][1] + 1
        else:
            found.append((column.above, 1))
    return found


def _html(value: object, digits: int | None) -> str:
    text = plain_text(value, digits)
    if isinstance(value, float) and "e" in text and not text.startswith("n"):
        mantissa, _, exponent = text.partition("e")
        power = f"10<sup>{exponent.replace('-', _MINUS).replace('+', '')}</sup>"
        return power if mantissa == "1" else f"{_escape(mantissa)}×{power}"
    return "—" if value is None else _escape(text)


def _escape(text: str) -> str:
    return html.escape(visible(text))
