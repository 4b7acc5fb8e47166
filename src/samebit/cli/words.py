"""Words on a screen: what it can show, how far something is, numbers and times for people.

On a terminal the output is coloured and fits the width; in a pipe it is plain and whole. Every
text that comes from elsewhere passes through `visible`. Whoever prints makes a `Screen` once and
hands it on.
"""

import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TextIO

from samebit.report.amounts import counted, duration, size
from samebit.report.table import few, number, shown, visible

__all__ = [
    "Paint",
    "ProgressLine",
    "Screen",
    "ago",
    "beginning",
    "counted",
    "duration",
    "few",
    "number",
    "say_list",
    "say_wrapped",
    "seconds_of",
    "shorten",
    "shown",
    "size",
    "sparkline",
    "visible",
    "when",
    "width",
    "write_data",
]

_LENGTH = re.compile(r"^(\d+(?:\.\d+)?)(s|m|min|h|d|w)$")
_LENGTHS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}

# What is copied from a screen is never broken: what is in backticks, a command or path behind `: `.
_WHOLE = re.compile(
    r"`[^`]*`"
    r"|(?<=[:;] )(?:samebit|pip install)(?: (?:'[^']*'|\"[^\"]*\"|[^;,(` ])+)+"
    r"|(?<=: )(?:~|\.{0,2})/.*"
)
_GLUE = "\ue000"  # in its spaces while a line is broken
_ELLIPSIS = "…"
_BLOCKS = "▁▂▃▄▅▆▇█"
_LISTED = 12  # lines below one title
_FLAT = 1e-12  # a smaller relative range is the rounding of means, no curve
_DEFAULT_WIDTH = 80
_REDRAW_S = 0.1
_TELLING_S, _LEAST_TELLING = 5.0, 0.02  # from when on the time left can be told
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


def say_wrapped(screen: Screen, lines: Iterable[str], paint: Callable[[str], str] = str) -> None:
    """Write lines, each in several where it is too long for the screen."""
    for line in lines:
        for piece in _wrapped(line, screen.width):
            screen.say(paint(visible(piece)))


def _wrapped(line: str, columns: int | None) -> list[str]:
    """A line in pieces that fit, between words; what is longer than a piece stands by itself."""
    if columns is None or len(line) <= columns:
        return [line]
    import textwrap  # noqa: PLC0415  (most lines fit)

    indent = " " * (len(line) - len(line.lstrip()) + 2)
    glued = _WHOLE.sub(lambda found: found[0].replace(" ", _GLUE), line)
    pieces = textwrap.wrap(
        glued, columns, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return [piece.replace(_GLUE, " ") for piece in pieces]


def say_list(screen: Screen, title: str, lines: Sequence[str], indent: str = "") -> None:
    """A title and the lines below it, if there are any; of very many the first ones."""
    if not lines:
        return
    screen.say(indent + title)
    for line in lines[:_LISTED]:
        for piece in _wrapped(f"{indent}  {visible(line)}", screen.width):
            screen.say(piece)
    if len(lines) > _LISTED:
        screen.say(f"{indent}  and {len(lines) - _LISTED} more (--json has all)")


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
    return beginning(text, columns - 1) + _ELLIPSIS if columns > 0 else ""


def beginning(text: str, columns: int) -> str:
    """As much of a text as fits."""
    taken = 0
    for at, character in enumerate(text):
        taken += _character_width(character)
        if taken > columns:
            return text[:at]
    return text


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


def seconds_of(text: str) -> float | None:
    """How long `30min`, `12h`, `14d` or `2w` is; None for what is no such length."""
    match = _LENGTH.match(text)
    return float(match[1]) * _LENGTHS_S[match[2]] if match is not None else None


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
        self._left_s: float | None = None  # as somebody knows it
        self._began = time.monotonic()
        self._shown_at = float("-inf")
        self._drawn = 0  # columns that are to be cleared
        self._silent = screen.width is None or os.environ.get("TERM") == "dumb"

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._write("")

    def expect(self, count: int) -> None:
        """So much more is to be done than was known."""
        self._total += count

    def advance(self, count: int = 1) -> None:
        """So much more is done."""
        self._done += count
        self._draw()

    def at(self, done: int, left_s: float | None, label: str) -> None:
        """So much is done, and so long it takes until the end, as who calls knows better."""
        self._done, self._left_s, self._label = done, left_s, visible(label)
        self._draw()

    def clear(self) -> None:
        """Make room for another line; the next drawing shows it again."""
        self._write("")
        self._shown_at = float("-inf")

    def _draw(self) -> None:
        if self._silent or time.monotonic() - self._shown_at < _REDRAW_S:
            return
        self._shown_at = time.monotonic()
        share = min(self._done / self._total, 1.0) if self._total > 0 else 0.0
        filled = round(share * _BAR_WIDTH)
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        rest = f" {bar} {self._amount(self._done)} of {self._amount(self._total)}"
        if not self._total:  # it is still being found out
            rest = " …"
        passed_s = time.monotonic() - self._began
        if self._left_s is not None:
            rest += f", {duration(math.ceil(self._left_s))} left"
        elif passed_s > _TELLING_S and _LEAST_TELLING < share < 1:
            rest += f", {duration(math.ceil(passed_s * (1 - share) / share))} left"
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


def write_data(text: str) -> None:
    """Data as it is, in UTF-8; on a terminal nothing in it may be obeyed."""
    if sys.stdout.isatty():
        text = "\n".join(map(visible, text.replace("\r\n", "\n").split("\n")))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
