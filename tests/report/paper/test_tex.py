r"""Reading the TeX of a paper: what is text, where it stands, which files it has."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import NotFound
from samebit.report.paper.tex import Source, Use, read_sources, uses


def keys(text: str, *, template: bool = False) -> list[tuple[str, int]]:
    return [(use.key, use.line) for use in uses([Source("main.tex", text, template=template)])]


def test_what_is_no_text_uses_no_value() -> None:
    text = r"""\val{a} % \val{comment}
\verb|\val{verb}| 50\% \val{b}
\begin{verbatim}
% \val{verbatim}
\end{verbatim}
\iffalse \val{hidden} \fi \\% \val{after a line break}
\begin{lstlisting}[language=TeX]
\val{listing}
\end{lstlisting}
\val{ c }\newcommand{\x}[1]{\val{group/#1}}
\end{document} \val{behind}"""
    assert keys(text) == [("a", 1), ("b", 2), ("c", 10)]


def test_a_claim_is_used_as_a_value_is() -> None:
    found = uses([Source("a.tex", "x\n\\claim{beats}")])
    assert found == [Use("claim", "beats", "a.tex", 2)]


def test_in_a_template_a_remark_uses_nothing() -> None:
    text = '<< val("a") >> #= << val("no") >> =#\n<< val["b/n"] >> \\val{c}'
    assert [key for key, _ in keys(text, template=True)] == ["a", "b/n", "c"]


@given(st.text(alphabet="ab\\{}%\n \t$&#é", max_size=60))
def test_masking_keeps_every_line_and_every_place(text: str) -> None:
    source = Source("a.tex", text)
    assert len(source.masked) == len(text)
    assert [len(line) for line in source.masked.split("\n")] == [len(x) for x in text.split("\n")]


def test_files_are_read_once_though_they_take_in_each_other(tmp_path: Path) -> None:
    (tmp_path / "sections").mkdir()
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated/values.tex").write_text("\\val{never}")
    (tmp_path / "main.tex").write_text(
        "\\input{generated/values}\\include{sections/a} \\input sections/b\n\\input{gone}"
        "\\input{../outside}"
    )
    (tmp_path / "sections/a.tex").write_text("\\val{a}\\input{main}\\import{sections/}{c}")
    (tmp_path / "sections/b.tex").write_bytes("\\val{b} é".encode("latin-1"))
    (tmp_path / "sections/c.tex").write_text("% \\input{main}\r\n\\val{c}\r\n")
    found = read_sources(tmp_path, "main.tex", "generated")
    assert [one.name for one in found] == [
        "main.tex",
        "sections/a.tex",
        "sections/b.tex",
        "sections/c.tex",
    ]
    assert [(use.key, use.file, use.line) for use in uses(found)] == [
        ("a", "sections/a.tex", 1),
        ("b", "sections/b.tex", 1),
        ("c", "sections/c.tex", 2),
    ]


def test_a_paper_without_its_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no main\.tex"):
        read_sources(tmp_path, "main.tex", "generated")
