r"""What text in LaTeX promises: it reads as it was, it is no command, and it never stops TeX."""

import math
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import stats
from samebit.report.latex import comment, escape, interval, number, numbers_in
from tests.typeset import HOSTILE, needs_tex, on_the_page


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("val_acc", r"val\_acc"),
        ("50 %", r"50 \%"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("--lr", "-{}-lr"),
        ("[b]", "{[}b{]}"),
        ("\u00e9", r"\'{e}"),
        ("\u00ef", r"\"{\i{}}"),
        ("\u0142\u00f3d\u017a", r"\l{}\'{o}d\'{z}"),
        ("\u03bb", r"\ensuremath{\lambda}"),
        ("\u03b2\u2081 10\u207b\u2074", r"\ensuremath{\beta_{1}} 10\ensuremath{^{-4}}"),
        ("\u00b2\u2081\u00b2", r"\ensuremath{^{2}{}_{1}{}^{2}}"),
        ("\u4e2d", "U+4E2D"),
        ("a\nb\x1b", r"a\textbackslash{}nb\textbackslash{}x1b"),
        ("\u202eabc", r"\textbackslash{}u202eabc"),
    ],
)
def test_a_text_reads_as_it_was(text: str, written: str) -> None:
    assert escape(text) == written


@given(st.text())
def test_no_text_holds_anything_that_only_some_engines_know(text: str) -> None:
    written = escape(text)
    assert written.isascii()
    assert written.isprintable()  # no line ends in it


@given(st.text())
def test_no_text_can_end_its_comment(text: str) -> None:
    lines = comment(text).split("\n")
    assert lines.pop() == ""
    assert len(lines) == text.count("\n") + 1
    assert all(line.startswith("%") and line.isascii() for line in lines)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e-4, "$10^{-4}$"),
        (3e-4, r"$3\times10^{-4}$"),
        (-1e-4, "$-10^{-4}$"),
        (1.5e-3, r"$1.5\times10^{-3}$"),
        (0.999, "0.999"),
        (-0.5, "$-0.5$"),
        (1024, "1024"),
        (10000, r"10\,000"),
        (65536.0, r"65\,536"),
        (1234567, r"1\,234\,567"),
        (12345.678, r"12\,345.678"),
        (math.nan, "NaN"),
        (-math.inf, r"$-\infty$"),
    ],
)
def test_a_number_is_set_as_papers_set_it(value: float, written: str) -> None:
    assert number(value) == written


def test_an_estimate_is_set_with_its_interval() -> None:
    assert interval(stats.mean([0.91, 0.89, 0.93, 0.90, 0.92])) == r"$0.910 \pm 0.020$"
    assert interval(stats.proportion(45, 50)) == "$0.900$ $[0.786, 0.957]$"
    assert interval(stats.mean([0.91])) == "0.91"
    tiny = [1.2e-12, 1.4e-12]
    assert interval(stats.mean(tiny, how="sd")) == (r"$1.3\times10^{-12} \pm 1.41\times10^{-13}$")


def test_numbers_in_a_schedule_are_set_as_numbers() -> None:
    words = "linear warm-up 500 steps to 3e-4, cosine (whole: to 1e-6), 1e of_it"
    assert numbers_in(words) == (
        r"linear warm-up 500 steps to $3\times10^{-4}$, cosine (whole: to $10^{-6}$), 1e of\_it"
    )


@needs_tex
@pytest.mark.parametrize("encoding", ["[OT1]", "[T1]"])
def test_hostile_texts_are_read_on_the_page_and_do_nothing(encoding: str, tmp_path: Path) -> None:
    rows = [f"{escape(text)} & item{at}x" for at, text in enumerate(HOSTILE)]
    body = "\\noindent\\begin{tabular}{ll}\n" + " \\\\\n".join(rows) + "\n\\end{tabular}\n\nthe end"
    page = on_the_page(body, tmp_path, [f"{encoding}{{fontenc}}"])
    assert [f"item{at}x" in page for at in range(len(HOSTILE))] == [True] * len(HOSTILE)
    assert "the end" in page
    assert "input{/etc/passwd}" in page
    assert "root:" not in page
    assert not (tmp_path / "pwned").exists()
    assert r"\u202eright to left" in page  # said to be there, and not obeyed
    assert "U+4E2D" in page
    assert "U+1F600" in page


@needs_tex
def test_every_character_of_the_first_plane_compiles(tmp_path: Path) -> None:
    """Most of them by their number; every one that has a command of its own is used once."""
    once: dict[str, str] = {}
    for code in range(0x10000):
        written = escape(chr(code))
        if not written.startswith("U+"):
            once.setdefault(written, unicodedata.name(chr(code), "?"))
    assert len(once) > 500
    body = "\\begin{sloppypar}\n" + "\n".join(once) + "\n\\end{sloppypar}\nthe end"
    assert "the end" in on_the_page(body, tmp_path)
