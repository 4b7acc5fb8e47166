r"""A table as LaTeX that `\input` takes: booktabs, with siunitx or without, longtable where long.

A header of comments says which packages it needs and which runs, with which records, it is made of.
"""

import re
from collections.abc import Sequence
from textwrap import wrap

from msgspec import Struct
from msgspec.structs import replace

from samebit.report.latex import comment, escape, interval, number, numbers_in
from samebit.report.table import number as rounded
from samebit.report.tables.text_forms import spanners
from samebit.report.tables.values import (
    Cell,
    Column,
    Digest,
    Line,
    Several,
    Table,
    Words,
    cells_by_column,
    is_numeric,
)
from samebit.report.tables.wording import in_words, listed, plain_text
from samebit.stats.values import Estimate

__all__ = ["to_latex"]

_LONG = 40  # rows, from which on a table may break across pages
_PAGE = 66  # characters of a line
_GAP = 3  # between columns
_CHARACTER_EM = 0.5  # about as wide as one is
_LEAST = 16  # of a column whose texts break
_BAR = ", separate-uncertainty, table-align-uncertainty=false"  # siunitx 2 and 3 know them
_STYLE = ", detect-weight, group-digits=integer"
_BREAK = r"\allowbreak{}"
_PARTS = re.compile(r"[^/_.:=\\-]*[/_.:=\\-]*")
_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?")


class _Layout(Struct, frozen=True):
    """How each column is set: as text `l`, on the right `r`, in a width `p`, by siunitx `S`."""

    kinds: list[str]
    specs: list[str]
    takes: list[float]  # of a line
    end: str  # of a row; after cells that break, `\\` would be a line of the cell
    least: list[float]  # of a column's title in em, where a cell across columns needs the room

    def share_of(self, cell: Cell, at: int) -> float:
        """Of a line, for a text across columns that has no room in one; else 0."""
        if cell.across == 1:
            return 0.0
        inside = sum(self.takes[at : at + cell.across])
        room = max(inside, 1 - (sum(self.takes) - inside)) - _GAP / _PAGE
        return room if len(plain_text(cell.value)) > room * _PAGE else 0.0


def to_latex(table: Table, *, plain: bool = False, made_by: str = "samebit table") -> str:
    r"""A `tabular` or `longtable` with its notes; a float where there is a caption.

    Args:
        table: any.
        plain: without siunitx.
        made_by: the command, for the header.
    """
    layout = _layout(table, plain=plain)
    is_long = len(table.lines) > _LONG
    body = _long(table, layout) if is_long else _short(table, layout)
    notes = _notes(table)
    if table.caption and not is_long:
        caption = rf"\caption{{{escape(table.caption)}}}" + _label(table) + "\n"
        body = f"\\begin{{table}}\n\\centering\n{caption}{body}{notes}\\end{{table}}\n"
    else:
        body += notes
    packages = ["booktabs", *["longtable"] * is_long, *["siunitx"] * ("S" in layout.kinds)]
    return _header(table, packages, made_by) + body


def _header(table: Table, packages: Sequence[str], made_by: str) -> str:
    lines = [
        f"Made by `{made_by}`: make it again rather than edit it.",
        f"needs: \\usepackage{{{','.join(packages)}}}",
        f"shape: {table.shape}",
        *([f"records: {table.records}"] if table.records else []),
    ]
    for title, texts in (
        ("runs", table.runs),
        ("left out", [f"{run} ({why})" for run, why in table.left_out]),
    ):
        pieces = wrap(", ".join(texts), 88, break_on_hyphens=False) or ["none"]
        lines += [f"{title}: {pieces[0]}", *(f"  {piece}" for piece in pieces[1:])]
    return "".join(map(comment, lines))


def _label(table: Table) -> str:
    # A label is never set, so it cannot be escaped: what could be a command is left away.
    return rf"\label{{{re.sub(r'[^A-Za-z0-9:._/+-]', '', table.label)}}}" if table.label else ""


def _layout(table: Table, *, plain: bool) -> _Layout:
    columns = list(zip(table.columns, cells_by_column(table), strict=True))
    numeric = [is_numeric(cells) for _, cells in columns]
    widths = [_characters(*column) for column in columns]
    shares = _shares(widths, numeric)
    kinds: list[str] = []
    specs: list[str] = []
    for (column, cells), is_number, share in zip(columns, numeric, shares, strict=True):
        spec = "" if plain or not is_number else _format(column, cells)
        if share:
            kinds.append("p")
            specs.append(rf"p{{{share:.2f}\linewidth}}")
        elif spec:
            kinds.append("S")
            bar = _BAR * ("(" in spec)
            specs.append(f"S[table-format={spec}{bar}{_STYLE}]")
        else:
            kinds.append("r" if is_number else "l")
            specs.append(kinds[-1])
    takes = [
        (share or width / _PAGE) + _GAP / _PAGE for share, width in zip(shares, widths, strict=True)
    ]
    found = _Layout(kinds, specs, takes, r" \\", [0.0] * len(kinds))
    placed = [one for line in table.lines for one in _placed(line)]
    least = _least(placed, widths, found)
    specs = [
        "c" if spec == "l" and needed else spec for spec, needed in zip(specs, least, strict=True)
    ]
    breaks = any(shares) or any(found.share_of(cell, at) for at, cell in placed)
    end = r" \tabularnewline" if breaks else r" \\"
    return replace(found, specs=specs, end=end, least=least)


def _least(
    placed: Sequence[tuple[int, Cell]], widths: Sequence[int], layout: _Layout
) -> list[float]:
    """Columns of equal width under a cell that is wider than they are.

    Else LaTeX gives all that it is wider to the last of them, and no title is where it belongs.
    """
    found = [0.0] * len(widths)
    for at, cell in placed:
        columns = range(at, at + cell.across)
        share = layout.share_of(cell, at)
        wide = share * _PAGE or len(plain_text(cell.value))
        wide -= _GAP * (cell.across - 1)
        if cell.across > 1 and wide > sum(widths[one] for one in columns):
            for one in columns:
                found[one] = max(found[one], wide / cell.across * _CHARACTER_EM)
    return found


def _shares(widths: Sequence[int], numeric: Sequence[bool]) -> list[float]:
    """Of a line, for the widest texts where not all have room beside each other; else 0."""
    free = _PAGE - _GAP * len(widths) - sum(widths)
    broken: list[int] = []
    by_width = sorted(range(len(widths)), key=widths.__getitem__, reverse=True)
    for at in by_width:
        if free >= _LEAST * len(broken):
            break
        if not numeric[at] and widths[at] > _LEAST:
            broken.append(at)
            free += widths[at]
    room = max(free, _LEAST * len(broken)) / _PAGE
    whole = sum(widths[at] for at in broken)
    return [room * width / whole if at in broken else 0.0 for at, width in enumerate(widths)]


def _characters(column: Column, cells: Sequence[Cell]) -> int:
    """About how wide a column is."""
    texts = [plain_text(cell.value, column.digits) for cell in cells if cell.across == 1]
    return max(map(len, [column.title, *texts]))


def _placed(line: Line) -> list[tuple[int, Cell]]:
    found: list[tuple[int, Cell]] = []
    at = 0
    for cell in line.cells:
        found.append((at, cell))
        at += cell.across
    return found


def _format(column: Column, cells: Sequence[Cell]) -> str:
    """The widest number of a column in siunitx's words; empty where one of them is no decimal."""
    whole = fraction = uncertain = 0
    sign = ""
    for cell in cells:
        if cell.value is None or cell.across > 1:
            continue
        texts = _digits(cell.value, column.digits)
        found = [_DECIMAL.fullmatch(text) for text in texts]
        if not found or found[0] is None or found[-1] is None:
            return ""
        sign = "-" if found[0][1] else sign
        whole = max(whole, len(found[0][2]))
        fraction = max(fraction, len(found[0][3] or ""))
        uncertain = max(uncertain, *(len(_uncertainty(text)) for text in texts[1:]), 0)
    bar = f"({uncertain})" if uncertain else ""
    return f"{sign}{whole}{f'.{fraction}' if fraction else ''}{bar}"


def _digits(value: object, digits: int | None) -> list[str]:
    """A number's digits, and those of its uncertainty; nothing where it has other parts."""
    if isinstance(value, Estimate):
        found = value.digits()
        if found.half is not None:
            return [found.value, found.half]
        return [found.value] if found.low is None else []
    if isinstance(value, (int, float)):
        return [plain_text(value, digits)]
    return []


def _uncertainty(half: str) -> str:
    """`0.020` as siunitx takes it in parentheses: `20`."""
    return half.replace(".", "").lstrip("0") or "0"


def _head(table: Table, layout: _Layout) -> str:
    lines: list[str] = []
    if any(column.above for column in table.columns):
        cells: list[str] = []
        rules: list[str] = []
        at = 1
        for title, count in spanners(table.columns):
            cells.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(title)}}}" if title else "")
            rules += [rf"\cmidrule(lr){{{at}-{at + count - 1}}}"] if title else []
            at += count
        lines.append(" & ".join(cells) + layout.end)
        lines.append("".join(rules))
    titles = [
        _title(escape(column.title), kind, least)
        for column, kind, least in zip(table.columns, layout.kinds, layout.least, strict=True)
    ]
    lines.append(" & ".join(titles) + layout.end)
    return "\n".join(lines) + "\n"


def _title(title: str, kind: str, least: float) -> str:
    if least and kind == "l":
        return rf"\makebox[{least:.1f}em]{{{title}}}"
    return f"{{{title}}}" if kind == "S" else title


def _short(table: Table, layout: _Layout) -> str:
    rows = "".join(_lines(table, layout))
    return (
        f"\\begin{{tabular}}{{{''.join(layout.specs)}}}\n\\toprule\n{_head(table, layout)}"
        f"\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n"
    )


def _long(table: Table, layout: _Layout) -> str:
    head = f"\\toprule\n{_head(table, layout)}\\midrule\n"
    caption = ""
    if table.caption:
        caption = rf"\caption{{{escape(table.caption)}}}" + _label(table) + " \\\\\n"
    rows = "".join(_lines(table, layout))
    return (
        f"\\begin{{longtable}}{{{''.join(layout.specs)}}}\n{caption}{head}\\endfirsthead\n"
        f"{head}\\endhead\n\\midrule\n\\multicolumn{{{len(layout.kinds)}}}{{r}}{{continued}} \\\\\n"
        f"\\endfoot\n\\bottomrule\n\\endlastfoot\n{rows}\\end{{longtable}}\n"
    )


def _lines(table: Table, layout: _Layout) -> list[str]:
    found: list[str] = []
    for line in table.lines:
        if line.section:
            gap = "\\addlinespace\n" if found else ""
            title = rf"\multicolumn{{{len(layout.kinds)}}}{{l}}{{\emph{{{escape(line.section)}}}}}"
            found.append(f"{gap}{title}{layout.end}\n")
            continue
        rule = "\\midrule\n" if line.is_apart and found else ""
        cells = [
            _cell(cell, table.columns[at], layout.kinds[at], layout.share_of(cell, at))
            for at, cell in _placed(line)
        ]
        found.append(f"{rule}{' & '.join(cells)}{layout.end}\n")
    return found


def _cell(cell: Cell, column: Column, kind: str, share: float) -> str:
    value = cell.value
    if kind == "S" and cell.across == 1 and value is not None:
        texts = _digits(value, column.digits)
        bar = f"({_uncertainty(texts[1])})" if len(texts) > 1 else ""
        return ("\\bfseries " if cell.is_best else "") + texts[0] + bar
    text = _set(value, column.digits)
    if cell.is_best:
        text = rf"{{\bfseries\boldmath {text}}}"
    if share:
        broken = rf"p{{{share:.2f}\linewidth}}"
        return rf"\multicolumn{{{cell.across}}}{{{broken}}}{{\raggedright {text}}}"
    if cell.across > 1:
        return rf"\multicolumn{{{cell.across}}}{{c}}{{{text}}}"
    if kind == "p":
        return rf"\raggedright {_broken(value) if isinstance(value, str) else text}"
    return f"{{{text}}}" if kind == "S" else text


def _broken(text: str) -> str:
    """A text of which long words, such as paths, may break where their parts meet."""
    return " ".join(
        _BREAK.join(map(escape, filter(None, _PARTS.findall(word))))
        if len(word) > _LEAST
        else escape(word)
        for word in text.split(" ")
    )


def _set(value: object, digits: int | None) -> str:
    """A value in the language of LaTeX."""
    if value is None:
        return "---"
    if isinstance(value, Estimate):
        return interval(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(float(rounded(value, digits)) if digits and type(value) is float else value)
    if isinstance(value, Words):
        return numbers_in(value.text)
    if isinstance(value, Several):
        return listed(value, lambda one: _set(one, digits), r"\{", r"\}", r"\textendash{}")
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(_set(one, digits) for one in value) + ")"
    return escape(plain_text(value) if isinstance(value, Digest) else in_words(value))


def _notes(table: Table) -> str:
    if not table.notes:
        return ""
    said = "; ".join(table.notes)
    return f"\\par\\smallskip\\noindent{{\\footnotesize {numbers_in(said)}.\\par}}\n"
