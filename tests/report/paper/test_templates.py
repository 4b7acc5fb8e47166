"""Papers as Jinja templates: escaped, strict, and of their runs alone."""

from pathlib import Path

import pytest

from samebit.errors import UsageError
from samebit.report.paper.templates import render
from tests.report.paper.papers import made_of, paper_of, run, runs

SETTINGS = """
[paper]
main = "paper.tex.j2"
[paper.selections]
ours = "group = ours"
[paper.values]
"ours/acc" = { of = "ours", metric = "acc" }
"""


def rendered(folder: Path, text: str) -> str:
    (folder / "paper.tex.j2").write_text(text)
    paper = paper_of(folder, SETTINGS)
    rows = [*runs(), run(5, **{"name": "a & b_{x}", "metric.val/acc": 1e-4})]
    return render(paper, made_of(paper, rows)).partition("\n")[2]


def test_values_loops_and_errors_as_a_script_of_numbers_had_them(tmp_path: Path) -> None:
    text = r"""#= the delimiters leave TeX alone: {{x}} {%y%} #1 =#
\newcommand{\x}[1]{#1} << val("ours/acc/n") >>
#< for run in runs.ours if run.metric.acc > 0.9 >#
<< run.seed >> & << run.metric.acc | number(3) >> \\
#< endfor >#
<< exact["ours/acc"] | error(0.0123) >> << runs.ours[5].name >> << runs.ours[5].metric["val/acc"] >>
"""
    assert (
        rendered(tmp_path, text)
        == r"""\newcommand{\x}[1]{#1} 6
0 & 0.910 \\
2 & 0.930 \\
4 & 0.920 \\
$0.908 \pm 0.012$ a \& b\_\{x\} $10^{-4}$
"""
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('\n<< val("ours/ac") >>', r"paper.tex.j2:2: unknown value 'ours/ac'"),
        ("a\nb\n<< answer >>", r"paper.tex.j2:3: 'answer' is undefined"),
        ("<< runs.ours[0].metric.nix >>", "paper.tex.j2:1: 'dict object' has no attribute 'nix'"),
        ("\n#< for x in y >#", "paper.tex.j2:2: Unexpected end of template"),
        ("<< 1 / 0 >>", "paper.tex.j2:1: division by zero"),
        ('#< include "../secret" >#', "no file ../secret"),
        ("<< ''.__class__.__mro__ >>", "unsafe"),
        ("<< runs.ours.append(1) >>", "attribute 'append' of 'list' object is unsafe"),
    ],
)
def test_what_is_not_there_or_not_allowed_stops_it_with_its_line(
    tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        rendered(tmp_path, text)
