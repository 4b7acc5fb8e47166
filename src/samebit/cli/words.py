"""All printing for people: what a screen can show, tables, numbers and times in words.

On a terminal the output is coloured and fits the width; in a pipe it is plain and whole. Every
text that comes from elsewhere passes through `visible`. Whoever prints makes a `Screen` once and
hands it on.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TextIO

from samebit.report.table import number, shown, visible

__all__ = [
    "Column",
    "Paint",
    "ProgressLine",
    "Screen",
    "ago",
    "duration",
    "fields",
    "number",
    "shorten",
    "shown",
    "size",
    "sparkline",
    "table",
    "visible",
    "when",
    "width",
]

_GAP = "  "
_ELLIPSIS = "…"
_BLOCKS = "▁▂▃▄▅▆▇█"
_FLAT = 1e-12  # a smaller relative range is the rounding of means, no curve
_DEFAULT_WIDTH = 80
_LEAST_VALUE_WIDTH = 20  # of a wrapped value beside its name
_REDRAW_S = 0.1
_SECOND_NS = 1_000_000_000
_BAR_WIDTH = 24
_LEAST_LABEL_WIDTH = 8  # of a progress line; then its end is cut


@dataclass(frozen=True)
class Paint:
    """Puts colour around a text, or leaves it as it is."""

    color: bool

    @classmethod
    def of(cls, stream: TextIO) -> Self:
        """With colour if the stream is a terminal, or if the environment insists."""
        return cls(_wants_color(stream))

    def bold(self, text: str) -> str:
        """What is read first."""
        return self._with("1", text)

    def dim(self, text: str) -> str:
        """What may be overlooked."""
        return self._with("2", text)

    def red(self, text: str) -> str:
        """Failed, different, damaged."""
        return self._with("31", text)

    def green(self, text: str) -> str:
        """Finished, identical."""
        return self._with("32", text)

    def yellow(self, text: str) -> str:
        """Unknown, incomplete."""
        return self._with("33", text)

    def cyan(self, text: str) -> str:
        """Still going on; names."""
        return self._with("36", text)

    def _with(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text


@dataclass(frozen=True)
class Screen:
    """Where words go: a stream, its columns if it is a terminal, and whether in colour."""

    stream: TextIO
    width: int | None  # None in a pipe or a file: nothing is cut or wrapped
    color: bool

    @classmethod
    def of(cls, stream: TextIO) -> Self:
        """What the stream and the environment say."""
        return cls(stream, _columns(stream), _wants_color(stream))

    @property
    def paint(self) -> Paint:
        """The colours of this screen."""
        return Paint(self.color)

    def say(self, text: str = "") -> None:
        """Write a line; what the stream's encoding does not have is written as an escape."""
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _wants_color(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if any(
        os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")
    ):
        return True
    if os.environ.get("TERM") == "dumb" or not _is_terminal(stream):
        return False
    # An old Windows console prints the codes as they are; the newer ones say who they are.
    return sys.platform != "win32" or any(name in os.environ for name in ("WT_SESSION", "TERM"))


def _columns(stream: TextIO) -> int | None:
    if not _is_terminal(stream):
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except (OSError, ValueError):
        return _DEFAULT_WIDTH


def width(text: str) -> int:
    """How many columns a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if character.isascii() or character == _ELLIPSIS:
        return 1
    import unicodedata  # noqa: PLC0415  (a megabyte of tables, for other alphabets only)

    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, columns: int) -> str:
    """The text, or as much of its beginning as fits before an ellipsis."""
    if width(text) <= columns:
        return text
    return _beginning(text, columns - 1) + _ELLIPSIS if columns > 0 else ""


def _beginning(text: str, columns: int) -> str:
    taken = 0
    for at, character in enumerate(text):
        taken += _character_width(character)
        if taken > columns:
            return text[:at]
    return text


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
    """Lines of name and value, the values under each other; long ones go on below."""
    texts = [(visible(name), shown(value)) for name, value in pairs]
    indent = max((width(name) for name, _ in texts), default=0) + len(_GAP)
    room = None if screen.width is None else max(screen.width - indent, _LEAST_VALUE_WIDTH)
    lines: list[str] = []
    for name, value in texts:
        first, *others = [value] if room is None else _wrap(value, room)
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
            head = _beginning(rest, columns)
            lines[-1:] = [head, ""]
            rest = rest[len(head) :]
        lines[-1] = rest
    return lines


def sparkline(values: Sequence[float], columns: int) -> str:
    """A curve one line high; each place is the mean of its values, NaN is a space."""
    count = min(len(values), columns)
    places: list[float] = []
    for at in range(count):
        part = values[at * len(values) // count : (at + 1) * len(values) // count]
        known = [value for value in part if value == value]
        # Halved, because the difference of two large numbers may be infinite.
        places.append(sum(value / 2 / len(known) for value in known) if known else float("nan"))
    finite = [place for place in places if abs(place) < float("inf")]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return "".join(_block(place, low, high) for place in places)


def _block(place: float, low: float, high: float) -> str:
    if place != place:
        return " "
    if high - low <= _FLAT * max(abs(low), abs(high)):
        share = 0.5 if low <= place <= high else float(place > high)
    else:
        share = min(max((place - low) / (high - low), 0.0), 1.0)
    return _BLOCKS[round(share * (len(_BLOCKS) - 1))]


def ago(ns: int, now_ns: int) -> str:
    """How long before now a time was; a clock that is ahead of ours is told."""
    seconds = abs(now_ns - ns) // _SECOND_NS
    if seconds == 0:
        return "now"
    length, unit = 1, "s"
    for next_length, next_unit in ((60, "min"), (3600, "h"), (86400, "d")):
        if seconds >= next_length:
            length, unit = next_length, next_unit
    text = f"{seconds // length} {unit}"
    return f"{text} ago" if ns < now_ns else f"in {text}"


def duration(seconds: float) -> str:
    """A length of time in at most two units."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if not seconds < float("inf"):
        return f"{number(seconds)} s"
    if 0 < seconds < 0.9995:  # what rounds to a second is said as one
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def size(size_bytes: int) -> str:
    """A number of bytes in decimal units, as disks and networks count."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount:.1f} PB"


def when(ns: int) -> str:
    """A time on the reader's own clock, to the minute."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(ns // _SECOND_NS))
    except (OverflowError, ValueError, OSError):
        return f"{ns} ns"  # no calendar reaches there; a damaged record does


class ProgressLine:
    """A line on a terminal that shows how far something is, and is gone at the end.

    In a pipe, and on a terminal that cannot go back to the beginning of a line, it is silent.
    """

    def __init__(
        self, screen: Screen, total: int, label: str, *, amount: Callable[[int], str] = str
    ) -> None:
        self._screen = screen
        self._total = total
        self._label = visible(label)
        self._amount = amount  # how a count is written, such as `size`
        self._done = 0
        self._shown_at = float("-inf")
        self._drawn = 0  # columns that are to be cleared
        self._silent = screen.width is None or os.environ.get("TERM") == "dumb"

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._write("")

    def advance(self, count: int = 1) -> None:
        """So much more is done."""
        self._done += count
        self._draw()

    def _draw(self) -> None:
        if self._silent or time.monotonic() - self._shown_at < _REDRAW_S:
            return
        self._shown_at = time.monotonic()
        share = min(self._done / self._total, 1.0) if self._total > 0 else 0.0
        filled = round(share * _BAR_WIDTH)
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        rest = f" {bar} {self._amount(self._done)} of {self._amount(self._total)}"
        room = (self._screen.width or 1) - 1  # a full line would move the cursor to the next one
        label = shorten(self._label, max(room - width(rest), _LEAST_LABEL_WIDTH))
        self._write(shorten(label + rest, room))

    def _write(self, text: str) -> None:
        if self._silent or not (text or self._drawn):
            return
        encoding = self._screen.stream.encoding or "utf-8"
        text = text.encode(encoding, "replace").decode(encoding)
        padding = " " * (self._drawn - width(text))
        try:
            self._screen.stream.write("\r" + text + padding + ("" if text else "\r"))
            self._screen.stream.flush()
        except OSError:
            self._silent = True  # the terminal has gone; what is being done goes on
        self._drawn = width(text)
