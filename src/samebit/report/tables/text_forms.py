"""A table as Markdown and as HTML: for reading, with its notes below it."""

import html
from collections.abc import Sequence

from samebit.report.table import markup_free, shown, visible
from samebit.report.tables.values import (
    Cell,
    Column,
    Table,
    cells_by_column,
    is_numeric,
)
from samebit.report.tables.wording import plain_text

__all__ = ["spanners", "to_html", "to_markdown"]

_MINUS = "\u2212"


def to_markdown(table: Table) -> str:
    """A pipe table; what spans columns stands in each of them."""
    numeric = [is_numeric(cells) for cells in cells_by_column(table)]
    titles = [markup_free(visible(_whole_title(column))) for column in table.columns]
    rows = [titles, ["---:" if right else "---" for right in numeric]]
    for line in table.lines:
        if line.section:
            title = f"**{markup_free(visible(line.section))}**"
            rows.append([title, *[""] * (len(table.columns) - 1)])
            continue
        spread = [cell for cell in line.cells for _ in range(cell.across)]
        rows.append(
            [
                _markdown(cell, column, table.shape)
                for cell, column in zip(spread, table.columns, strict=True)
            ]
        )
    text = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    caption = f"{markup_free(visible(table.caption))}\n\n" if table.caption else ""
    notes = "".join(f"\n{markup_free(visible(note))}  " for note in table.notes)
    return caption + text + (notes.rstrip(" ") + "\n" if notes else "")


def _whole_title(column: Column) -> str:
    return " ".join(filter(None, [column.above, column.title]))


def _markdown(cell: Cell, column: Column, shape: str) -> str:
    if shape == "runs":  # as they are listed: exact words, and nothing where there is nothing
        return markup_free(shown(cell.value))
    text = markup_free(plain_text(cell.value, column.digits))
    return f"**{text}**" if cell.is_best and text else text


def to_html(table: Table) -> str:
    """A fragment: a table element, its notes in the foot; nothing in it is anything but text."""
    numeric = [is_numeric(cells) for cells in cells_by_column(table)]
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
