"""Tables, and names with their values, fitted to the width of a screen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from samebit.cli.words import Paint, Screen, beginning, shorten, shown, visible, width

__all__ = ["Column", "fields", "table"]

_GAP = "  "
_LEAST_VALUE_WIDTH = 20  # of a wrapped value beside its name


@dataclass(frozen=True)
class Column:
    """How one column of a table looks."""

    title: str
    align: str = "left"  # left | right
    shrink: int = 0  # 0 keeps its width; of the others the highest gives way first
    least: int = 8  # columns that shrinking leaves
    stays: bool = False  # where others go for want of room
    style: Callable[[str], str] | None = None  # colours a cell, of which it gets the text


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    *,
    columns_wide: int | None,
    color: bool,
) -> str:
    """Rows under their titles, fitted to a width; None takes whatever width is needed.

    Columns that may shrink do so first. If that is not enough the last columns go, but for those
    that are to stay, and a last line says how many; the first one always stays.
    """
    titles = [visible(column.title) for column in columns]
    cells = [[shown(cell) for cell in row] for row in rows]
    natural = [max(map(width, column)) for column in zip(titles, *cells, strict=True)]
    left_out = 0
    widths = natural
    if columns_wide is not None:
        kept = _kept(columns, natural, columns_wide)
        left_out = len(columns) - len(kept)
        columns, titles = [columns[at] for at in kept], [titles[at] for at in kept]
        cells = [[row[at] for at in kept] for row in cells]
        widths = _fit(columns, [natural[at] for at in kept], columns_wide)
    paint = Paint(color)
    styles = [column.style if color else None for column in columns]
    lines = [_line(columns, [paint.bold] * len(columns), titles, widths)]
    lines += [_line(columns, styles, row, widths) for row in cells]
    if left_out:
        plural = "s" if left_out > 1 else ""
        lines.append(paint.dim(f"+{left_out} column{plural}: --columns or a wider terminal"))
    return "\n".join(lines)


def _kept(columns: Sequence[Column], natural: Sequence[int], columns_wide: int) -> list[int]:
    """Which columns there is room for."""
    least = _least(columns, natural)
    kept = list(range(len(columns)))
    # The last one first; those that are to stay only when nothing else is left.
    going = sorted(kept[1:], key=lambda at: (not columns[at].stays, at))
    while going and _total([least[at] for at in kept]) > columns_wide:
        kept.remove(going.pop())
    return kept


def _least(columns: Sequence[Column], natural: Sequence[int]) -> list[int]:
    return [
        min(wanted, column.least) if column.shrink else wanted
        for column, wanted in zip(columns, natural, strict=True)
    ]


def _fit(columns: Sequence[Column], natural: Sequence[int], columns_wide: int) -> list[int]:
    least, widths = _least(columns, natural), list(natural)
    for at in sorted(range(len(widths)), key=lambda at: (-columns[at].shrink, -widths[at])):
        excess = _total(widths) - columns_wide
        widths[at] -= max(0, min(excess, widths[at] - least[at]))
    return widths if len(widths) != 1 else [min(widths[0], columns_wide)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(
    columns: Sequence[Column],
    styles: Sequence[Callable[[str], str] | None],
    cells: Sequence[str],
    widths: Sequence[int],
) -> str:
    line, spaces = "", ""  # spaces are written when something follows them
    for column, style, cell, wide in zip(columns, styles, cells, widths, strict=False):
        text = shorten(cell, wide)
        padding = " " * (wide - width(text))
        if column.align == "right":
            spaces, padding = spaces + padding, ""
        if text:
            line += spaces + (style(text) if style else text)
            spaces = ""
        spaces += padding + _GAP
    return line


def fields(pairs: Iterable[tuple[str, object]], screen: Screen) -> str:
    """Lines of name and value, the values under each other; long ones go on below.

    A name beside which there is no room for a value has it below.
    """
    texts = [(visible(name), shown(value)) for name, value in pairs]
    most = None if screen.width is None else screen.width - len(_GAP) - _LEAST_VALUE_WIDTH
    beside = [width(name) for name, _ in texts if most is None or width(name) <= most]
    indent = max(beside, default=0) + len(_GAP)
    room = None if screen.width is None else max(screen.width - indent, _LEAST_VALUE_WIDTH)
    lines: list[str] = []
    for name, value in texts:
        first, *others = [value] if room is None else _wrap(value, room)
        if most is not None and width(name) > most:
            lines += [screen.paint.dim(name), " " * indent + first]
        else:
            padding = " " * (indent - width(name)) if first else ""
            lines.append(screen.paint.dim(name) + padding + first)
        lines += [" " * indent + line for line in others]
    return "\n".join(lines)


def _wrap(text: str, columns: int) -> list[str]:
    """Lines that fit, broken at spaces where there are any."""
    lines = [""]
    for word in text.split(" "):
        joined = lines[-1] + " " + word if lines[-1] else word
        if width(joined) <= columns:
            lines[-1] = joined
            continue
        rest = word
        if lines[-1]:
            lines.append("")
        while width(rest) > columns:
            head = beginning(rest, columns)
            lines[-1:] = [head, ""]
            rest = rest[len(head) :]
        lines[-1] = rest
    return lines
