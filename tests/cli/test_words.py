"""What printing promises: safe on any screen, cut to its width, silent in a pipe."""

import io
import math
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.cli.main import main
from samebit.cli.words import (
    Paint,
    ProgressLine,
    Screen,
    ago,
    duration,
    say_list,
    say_wrapped,
    shorten,
    size,
    sparkline,
    when,
    width,
)

pty = pytest.importorskip("pty")

MINUTE = 60 * 10**9
DAY = 24 * 60 * MINUTE


@pytest.fixture(autouse=True)
def plain_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()  # other tests of this process have the machine's time again


@dataclass
class Terminal:
    """A real pseudo-terminal: what we write to, and the end that shows it."""

    stream: TextIO
    other_end: int

    def output(self) -> str:
        self.stream.flush()
        shown = b""
        while select.select([self.other_end], [], [], 0)[0]:
            shown += os.read(self.other_end, 65536)
        return shown.decode()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with open(theirs, "w", encoding="utf-8", newline="") as stream:
        yield Terminal(stream, ours)
    os.close(ours)


def test_a_terminal_has_width_and_colour_and_a_pipe_has_neither(terminal: Terminal) -> None:
    assert Screen.of(terminal.stream) == Screen(terminal.stream, 60, True)
    assert Paint.of(terminal.stream).red("x") == "\x1b[31mx\x1b[0m"
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as pipe:
        screen = Screen.of(pipe)
        assert (screen.width, screen.color) == (None, False)
        assert screen.paint.bold("x") == "x"


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "in_a_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_the_environment_decides_on_colour(
    variables: dict[str, str],
    on_a_terminal: bool,
    in_a_pipe: bool,
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Screen.of(terminal.stream).color is on_a_terminal
    assert Screen.of(io.StringIO()).color is in_a_pipe
    assert Screen.of(io.StringIO()).width is None


def test_the_user_can_set_the_columns(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    assert Screen.of(terminal.stream).width == 33
    monkeypatch.setenv("COLUMNS", "many")
    assert Screen.of(terminal.stream).width == 60


def test_a_poor_encoding_does_not_stop_a_line() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Screen.of(stream).say("café ▁▂")
    stream.seek(0)
    assert stream.read() == "caf\\xe9 \\u2581\\u2582\n"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👩", 2), ("a\u200db", 2), ("█…", 2), ("", 0)],
)
def test_width_counts_columns_not_characters(text: str, columns: int) -> None:
    assert width(text) == columns


def test_shorten_keeps_what_fits() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdef", 5) == "abcd…"
    assert shorten("日本語", 5) == "日本…"
    assert shorten("日本語", 4) == "日…"
    assert shorten("ab", 1) == "…"
    assert shorten("ab", 0) == ""
    assert shorten("e\u0301tude", 3) == "e\u0301t…"


@given(st.text(), st.integers(0, 20))
def test_a_shortened_text_is_never_too_wide(text: str, columns: int) -> None:
    short = shorten(text, columns)
    assert width(short) <= columns
    assert short == text or text.startswith(short.removesuffix("…"))


def test_a_list_is_indented_escaped_and_cut_and_an_empty_one_is_not_there() -> None:
    stream = io.StringIO()
    screen = Screen(stream, None, False)
    say_list(screen, "none", [])
    say_list(screen, "two", ["a", "\x1b[2J"], indent="  ")
    say_list(screen, "many", [str(n) for n in range(40)])
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["  two", "    a", "    \\x1b[2J"]
    assert lines[3:] == ["many", *(f"  {n}" for n in range(12)), "  and 28 more (--json has all)"]


def test_a_sparkline_shows_the_curve() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, math.nan, 8], 10) == "▁ █"
    assert sparkline([math.inf, 0, 1, -math.inf], 4) == "█▁█▁"
    assert sparkline([0.1] * 1000, 7) == "▅" * 7
    assert sparkline([-1.7e308, 0, 1.7e308], 3) == "▁▅█"
    assert sparkline([], 5) == ""
    assert sparkline([math.nan], 5) == " "
    assert sparkline(range(1000), 8) == "▁▂▃▄▅▆▇█"


@given(st.lists(st.floats()), st.integers(0, 30))
def test_a_sparkline_takes_any_numbers(values: list[float], columns: int) -> None:
    line = sparkline(values, columns)
    assert len(line) == min(len(values), columns)
    assert set(line) <= set(" ▁▂▃▄▅▆▇█")


@pytest.mark.parametrize(
    ("past_ns", "text"),
    [
        (0, "now"),
        (5 * 10**9, "5 s ago"),
        (90 * 10**9, "1 min ago"),
        (59 * MINUTE, "59 min ago"),
        (61 * MINUTE, "1 h ago"),
        (47 * 60 * MINUTE, "1 d ago"),
        (400 * DAY, "400 d ago"),
        (-2 * MINUTE, "in 2 min"),
    ],
)
def test_ago(past_ns: int, text: str) -> None:
    assert ago(1000 * DAY - past_ns, 1000 * DAY) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0123, "12.3 ms"),
        (0.9999, "1 s"),
        (3.214, "3.21 s"),
        (59.97, "1 min"),
        (3599.7, "1 h"),
        (3725, "1 h 2 min"),
        (86399, "1 d"),
        (2.5 * 86400, "2 d 12 h"),
        (-61, "-1 min 1 s"),
        (math.nan, "nan s"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (999_950, "1.0 MB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_size(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


def test_when_is_on_the_readers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")  # two hours east
    time.tzset()
    assert when(0) == "1970-01-01 02:00"
    assert when(10**40) == f"{10**40} ns"


def test_progress_is_drawn_at_most_ten_times_a_second_and_gone_at_the_end(
    terminal: Terminal,
) -> None:
    began = time.monotonic()
    with ProgressLine(Screen.of(terminal.stream), 40, "push\x1b") as line:
        for _ in range(40):
            line.advance()
        drawn = terminal.output()
    draws = drawn.count("\r")
    assert 1 <= draws <= 1 + (time.monotonic() - began) * 10
    assert "push\\x1b" in drawn
    assert "of 40" in drawn
    assert "\n" not in drawn
    assert all(width(part) < 60 for part in drawn.split("\r"))
    cleared = terminal.output()
    assert re.fullmatch(r"\r +\r", cleared)
    assert len(cleared) - 2 == width(drawn.split("\r")[-1])


@pytest.mark.parametrize("columns", [1, 20, 60])
def test_progress_stays_on_one_line(columns: int, terminal: Terminal) -> None:
    with ProgressLine(Screen(terminal.stream, columns, False), 3, "push to a far place " * 9):
        drawn = terminal.output()
    assert width(drawn.removeprefix("\r")) == columns - 1
    assert drawn.endswith("0 of 3") is (columns == 60)


def test_progress_says_nothing_that_is_not_known(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bar before anything is expected; the time left is no finer than a second."""
    with ProgressLine(Screen.of(terminal.stream), 0, "pull", amount=size) as line:
        assert terminal.output() == "\rpull …"
        later = time.monotonic() + 10
        monkeypatch.setattr(time, "monotonic", lambda: later)
        line.expect(1000)
        line.advance(999)
        assert terminal.output().endswith("999 B of 1.0 kB, 1 s left")


def test_progress_is_cleared_when_the_work_fails(terminal: Terminal) -> None:
    with pytest.raises(KeyError):
        with ProgressLine(Screen.of(terminal.stream), 0, "pull", amount=size):
            raise KeyError
    assert terminal.output().endswith(" \r")


def test_progress_is_silent_in_a_pipe_and_on_a_dumb_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    with ProgressLine(Screen.of(stream), 3, "push") as line:
        line.advance(3)
    assert stream.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    with ProgressLine(Screen.of(terminal.stream), 3, "push") as line:
        line.advance(3)
    assert terminal.output() == ""


def test_work_goes_on_when_the_terminal_has_gone() -> None:
    ours, theirs = pty.openpty()
    stream = os.fdopen(theirs, "w", encoding="utf-8")
    screen = Screen.of(stream)
    assert screen.width is not None
    os.close(ours)
    with ProgressLine(screen, 3, "push") as line:
        line.advance(3)
    with pytest.raises(OSError, match="Input/output error"):
        stream.close()


def test_words_are_quick_to_load_and_know_no_alphabets_until_asked() -> None:
    code = (
        "import sys; before = set(sys.modules); from samebit.cli import tables, words;"
        "tables.table([tables.Column('x')], [['plain text']], columns_wide=5, color=False);"
        "heavy = {'unicodedata', 'textwrap', 'shutil', 'json', 'csv', 'msgspec', 'numpy'};"
        "assert not heavy & (set(sys.modules) - before), heavy & set(sys.modules);"
        "words.width('é'); assert 'unicodedata' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_long_line_is_wrapped_on_a_screen_alone() -> None:
    line = "samebit: " + "all results are equal to the bit " * 4
    for columns in (80, None):
        stream = io.StringIO()
        say_wrapped(Screen(stream, columns, False), [line, "short"])
        said = stream.getvalue().splitlines()
        assert " ".join(" ".join(said).split()) == " ".join(f"{line} short".split())
        assert len(said) == (2 if columns is None else 3)
        assert columns is None or max(map(len, said)) <= columns


def test_what_is_copied_from_a_screen_is_not_broken() -> None:
    whole = [
        "`samebit seeds show a-group --metric test/acc`",
        "samebit sweep --maximize acc --space 'lr = [0.1, 0.01]' -- torchrun train.py",
        "/a folder/with spaces/of somebody/who likes/them",
    ]
    lines = [
        f"hint: that is what {whole[0]} is for, and not what stands here",
        f"hint: {whole[1]}",
        f"  folder: {whole[2]}",
        "hint: samebit sees nothing of what an unbreakable/" + "word/" * 20 + " does; look there",
    ]
    stream = io.StringIO()
    say_wrapped(Screen(stream, 50, False), lines)
    said = stream.getvalue()
    assert all(one in said for one in [*whole, "word/" * 20])
    assert max(len(line) for line in said.splitlines() if "samebit" not in line) <= 80
    assert "is for, and" in said.replace("\n  ", " ")


def test_an_error_fits_the_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal.stream)
    assert main(["nosuch"]) == 2
    with pytest.raises(SystemExit, match="2"):
        main(["seeds", "--vary", "a-kind-of-seed-that-there-is-not"])
    said = terminal.output().splitlines()
    ours = [line for line in said if "samebit seeds" not in line or "error" in line]  # no usage
    assert ours[0] == "samebit: there is no command 'nosuch'"
    assert max(map(len, ours)) <= 60
    assert " ".join(map(str.strip, ours)).endswith("not': init, order, dropout, split, all")
