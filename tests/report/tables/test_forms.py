"""The forms of a table: exact for programs, right for people, and nobody's text is a command."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.report.tables import (
    SHAPES,
    Options,
    make,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
)
from samebit.report.tables.values import Cell, Column, Line, Several, Table, Words
from samebit.stats import Estimate
from tests.report.tables.rows import row, settings, study
from tests.typeset import HOSTILE, needs_tex, on_the_page

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = plain | st.lists(plain, max_size=3).map(tuple)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width = draw(st.integers(1, 4))
    lines = draw(
        st.lists(
            st.lists(values.map(Cell), min_size=width, max_size=width).map(
                lambda cells: Line(tuple(cells))
            )
            | st.text(min_size=1, max_size=10).map(lambda title: Line(section=title)),
            max_size=5,
        )
    )
    titles = draw(st.lists(st.text(max_size=10), min_size=width, max_size=width))
    note = draw(st.text(max_size=30))
    columns = tuple(Column(title, name=f"column {at}") for at, title in enumerate(titles))
    return Table("parameters", columns, tuple(lines), (note,), caption=draw(st.text(max_size=10)))


def body(table: Table) -> list[Line]:
    return [line for line in table.lines if not line.section]


@given(tables())
def test_csv_holds_every_value_whole(table: Table) -> None:
    read = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    assert len(read) == 1 + len(body(table))
    has_sections = read[0][0] == "section"
    for found, line in zip(read[1:], body(table), strict=True):
        for text, cell in zip(found[has_sections:], line.cells, strict=True):
            if isinstance(cell.value, float):
                assert repr(float(text)) == repr(cell.value)
            elif isinstance(cell.value, str):
                assert text == cell.value.encode("utf-8", "backslashreplace").decode()


@given(tables())
def test_json_is_one_object_with_every_row(table: Table) -> None:
    read = json.loads(to_json(table))
    assert len(read["rows"]) == len(body(table))
    assert read["notes"] == list(table.notes) or "\\ud" in ascii(table.notes)


@given(tables())
def test_markdown_keeps_its_columns_whatever_is_in_them(table: Table) -> None:
    pipes = [
        len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))
        for line in to_markdown(table).split("\n")
        if line.startswith("| ")
    ]
    assert pipes == [len(table.columns) + 1] * (2 + len(table.lines))


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(tables())
def test_html_has_no_tag_that_is_not_ours(table: Table) -> None:
    page = Page()
    page.feed(to_html(table))
    ours = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "br", "sup"}
    assert page.tags <= ours
    assert page.attributes <= {"class", "data-records", "colspan", "scope", "style"}


@given(tables())
def test_latex_is_ascii_with_as_many_cells_as_columns(table: Table) -> None:
    text = to_latex(table)
    assert text.isascii()
    rows = text.split("\\midrule\n", 1)[1].split("\\bottomrule")[0]
    ends = len(re.findall(r" (?:\\\\|\\tabularnewline)\n", rows))
    assert ends == len(table.lines)
    ampersands = len(re.findall(r"(?<!\\)&", rows))
    assert ampersands == len(body(table)) * (len(table.columns) - 1)


def hostile_study() -> list[dict[str, Any]]:
    """Runs in which every name and every text is a stranger's."""
    return [
        row(
            at,
            seed=seed,
            **{
                f"config__{text}": text,
                "config__method": text,
                f"metric__{text}": 0.5 + seed / 10,
                f"data__{text}": f"fp1:{text}",
                f"split__{text}__{text}": 5,
                f"split_digest__{text}": text,
                f"source.{text}": f"file:/{text}",
                "optimizer__lr": text or 0.1,
                "machine.device": text,
            },
        )
        for at, (seed, text) in enumerate((seed, text) for text in HOSTILE for seed in (0, 1))
    ]


@needs_tex
@pytest.mark.parametrize("is_plain", [False, True])
def test_hostile_runs_make_tables_that_compile_and_do_nothing(
    is_plain: bool, tmp_path: Path
) -> None:
    rows = hostile_study()
    first = HOSTILE[0]
    own = settings(direction={text: "higher" for text in HOSTILE if text})
    parts: list[str] = []
    for shape in SHAPES:
        options = Options(
            group=("method",) if shape in ("results", "compute", "seeds") else (),
            metrics=(first,) if shape in ("results", "search") else None,
            settings=own,
            caption=HOSTILE[5],
            label=HOSTILE[5],
        )
        text = to_latex(make(shape, rows, options), plain=is_plain, made_by=HOSTILE[1])
        (tmp_path / f"{shape}.tex").write_text(text, encoding="ascii")
        parts.append(f"\\input{{{shape}}}\n\nend of {shape}\n\n\\clearpage")
    packages = ["{booktabs}", "{longtable}", *([] if is_plain else ["{siunitx}"])]
    page = on_the_page("\n".join(parts), tmp_path, packages)
    assert [shape for shape in SHAPES if f"end of {shape}" not in page] == []
    assert "root:" not in page
    assert not (tmp_path / "pwned").exists()


@needs_tex
def test_a_table_of_hundreds_of_rows_goes_over_pages_with_its_head(tmp_path: Path) -> None:
    rows = [row(at, config__lr=at / 1000, metric__acc=at / 300) for at in range(200)]
    table = make("runs", rows, Options(columns=("id", "lr", "acc"), caption="All of them"))
    text = to_latex(table)
    assert "% needs: \\usepackage{booktabs,longtable,siunitx}\n" in text
    page = on_the_page(text, tmp_path, ["{booktabs}", "{longtable}", "{siunitx}"])
    assert page.count("continued") >= 3
    assert page.count("Table 1: All of them") == 1
    assert len(re.findall(r"\bid +lr +acc\b", page)) >= 4
    assert len(re.findall(r"\brun\d{7}\b", page)) == 200


@needs_tex
def test_titles_stand_in_the_middle_of_what_their_columns_share(tmp_path: Path) -> None:
    shared = "a sentence that is much wider than both columns"
    table = Table(
        "parameters",
        (Column("key"), Column("ab"), Column("cd")),
        (Line((Cell("x"), Cell("y"), Cell("z"))), Line((Cell("w"), Cell(shared, across=2)))),
    )
    head, last = on_the_page(to_latex(table), tmp_path, ["{booktabs}"]).strip().splitlines()[:3:2]
    left, right = (head.index(title) - last.index(shared) for title in ("ab", "cd"))
    assert 0 < left < len(shared) / 2 < right


def test_the_header_names_runs_records_and_packages() -> None:
    table = make("results", study(), Options(group=("method",)))
    text = to_latex(table, made_by="samebit table --group method")
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert comments[0].startswith("% Made by `samebit table --group method`")
    assert "% needs: \\usepackage{booktabs,siunitx}" in comments
    assert f"% records: {table.records}" in comments
    assert all(any(run in line for line in comments) for run in table.runs)
    assert "siunitx" not in to_latex(table, plain=True)


@pytest.mark.parametrize(
    ("value", "latex", "markdown", "html"),
    [
        (None, "---", "---", "—"),
        (True, "yes", "yes", "yes"),
        (1e-4, "$10^{-4}$", "1e-4", "10<sup>−4</sup>"),
        (3e-4, r"$3\times10^{-4}$", "3e-4", "3×10<sup>−4</sup>"),
        (65536, "65536", "65536", "65536"),
        ((0.9, 0.999), "(0.9, 0.999)", "(0.9, 0.999)", "(0.9, 0.999)"),
        (Several((1, 2)), r"\{1, 2\}", "{1, 2}", "{1, 2}"),
        (Several((1, None)), r"\{1, none\}", "{1, none}", "{1, none}"),
        (Several((0, 1, 2), is_list=True), r"0\textendash{}2", "0–2", "0–2"),
        (Several((1, 3, 4), is_list=True), "1, 3, 4", "1, 3, 4", "1, 3, 4"),
        (Words("to 3e-4"), r"to $3\times10^{-4}$", "to 3e-4", "to 3e-4"),
        (
            "a_b & <c>",
            r"a\_b \& \textless{}c\textgreater{}",
            r"a_b \& \<c\>",
            "a_b &amp; &lt;c&gt;",
        ),
        (
            Estimate(0.5, 3, "seeds", "mean", 0.4, 0.7, "bootstrap"),
            "$0.50$ $[0.40, 0.70]$",
            r"0.50 \[0.40, 0.70\]",
            "0.50 [0.40, 0.70]",
        ),
    ],
)
def test_a_value_in_every_form(value: object, latex: str, markdown: str, html: str) -> None:
    table = Table("parameters", (Column("x"),), (Line((Cell(value),)),))
    cell = to_latex(table).split("\\midrule\n")[1].split("\n")[0].removesuffix(" \\\\")
    assert cell == latex
    assert to_markdown(table).splitlines()[2] == f"| {markdown} |"
    assert re.search("<td.*?>(.*)</td>", to_html(table))[1] == html  # type: ignore[index]


@needs_tex
def test_a_long_text_that_all_columns_share_breaks_on_the_page(tmp_path: Path) -> None:
    schedule = "one-cycle: cosine warm-up 56.6 steps from 1.2e-4 to 3e-3, cosine to 1.2e-8 at 191"
    rows = [
        row(at, config__method=method, optimizer__lr=schedule, config__width=at)
        for at, method in enumerate(("ours", "theirs"))
    ]
    text = to_latex(make("parameters", rows, Options(group=("method",))))
    on_the_page(text, tmp_path, ["{booktabs}", "{siunitx}"])
    assert "Overfull" not in (tmp_path / "page.log").read_text(errors="replace")
