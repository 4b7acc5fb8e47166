r"""`values.tex`, word for word, and what TeX makes of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from samebit.report.paper.claims import Claim
from samebit.report.paper.compiling import Compiled, compile_tex
from samebit.report.paper.macros import values_tex
from samebit.report.paper.settings import Paper
from tests.report.paper.papers import made_of, paper_of, run, runs

HAS_TEX = shutil.which("latexmk") is not None and shutil.which("pdflatex") is not None
needs_tex = pytest.mark.skipif(not HAS_TEX, reason="latexmk and pdflatex are not installed")

SETTINGS = """
[paper.selections]
ours = "group = ours"
[paper.values]
"ours/val_acc" = { of = "ours", metric = "acc", percent = true }
"ours/opt" = { of = "ours", fact = "config.opt" }
"""

GOLDEN = r"""
% ours/opt: config.opt, the same in 3 runs
% runs: ours0 (00000000), ours1 (11111111), ours2 (22222222)
\samebitset{val}{ours/opt}{a\_b}%
\samebitset{val}{ours/opt/n}{3}%

% ours/val_acc: 0.900 +- 0.025 (95 % t interval over 2 seeds)
% runs: ours0 (00000000), ours1 (11111111)
% without ours2: failed
% exactly 0.9
\samebitset{val}{ours/val_acc}{90.0\,\%}%
\samebitset{val}{ours/val_acc/half}{2.5\,\%}%
\samebitset{val}{ours/val_acc/high}{92.5\,\%}%
\samebitset{val}{ours/val_acc/interval}{$90.0 \pm 2.5$\,\%}%
\samebitset{val}{ours/val_acc/low}{87.5\,\%}%
\samebitset{val}{ours/val_acc/max}{90.2\,\%}%
\samebitset{val}{ours/val_acc/median}{90\,\%}%
\samebitset{val}{ours/val_acc/method}{95\,\% t interval over 2 seeds}%
\samebitset{val}{ours/val_acc/min}{89.8\,\%}%
\samebitset{val}{ours/val_acc/n}{2}%
\samebitset{val}{ours/val_acc/sd}{0.28\,\%}%
\samebitset{claim}{beats}{We win by \val{ours/val_acc}.}%
"""


def written(folder: Path) -> tuple[Paper, str]:
    paper = paper_of(folder, SETTINGS)
    rows = [*runs([0.898, 0.902]), run(2, state="failed")]
    records = {f"ours{at}": f"blake3:{str(at) * 64}" for at in range(3)}
    claim = Claim("We win by \\val{ours/val_acc}.", "ours", 0.5, "acc")
    text = values_tex(made_of(paper, rows).lock.values, {"beats": claim}, records)
    (folder / "generated").mkdir()
    (folder / "generated/values.tex").write_text(text)
    return paper, text


def compiled(paper: Paper, text: str, *, draft: bool = False) -> Compiled:
    (paper.folder / "main.tex").write_text(text)
    found = compile_tex(paper, "main.tex", ["ours/val_acc"], draft=draft)
    assert found is not None
    return found


def text_of(found: Compiled) -> str:
    assert found.pdf is not None, found.errors
    said = subprocess.run(["pdftotext", found.pdf, "-"], capture_output=True, text=True, check=True)
    return " ".join(said.stdout.split()).replace(" %", "%")


def test_word_for_word(tmp_path: Path) -> None:
    assert written(tmp_path)[1].endswith(GOLDEN)


EVERYWHERE = r"""
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[french]{babel}
\usepackage{underscore}
\usepackage{siunitx}
\usepackage{hyperref}
\input{generated/values}
\begin{document}
\tableofcontents
\section{Title: \val{ours/val_acc/n} seeds \val{ours/val_acc}}
Text \val{ours/val_acc}, \emph{\val{ours/val_acc/interval}} and \claim{beats}
Number \num{\val{ours/val_acc/n}}; macro \newcommand\x[1]{\val{ours/#1}}\x{opt}.
\begin{tabular}{ll}\val{ours/val_acc/min} & \val{ours/val_acc/max}\end{tabular}
\edef\y{\val{ours/val_acc/n}}\ifnum\y=2 two\fi
\end{document}
"""


@needs_tex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_a_value_may_stand_anywhere(tmp_path: Path) -> None:
    paper, _ = written(tmp_path)
    text = EVERYWHERE
    if subprocess.run(["kpsewhich", "frenchb.ldf", "french.ldf"], capture_output=True).returncode:
        text = text.replace("\\usepackage[french]{babel}\n", "")
    said = text_of(compiled(paper, text))
    assert "2 seeds 90.0%" in said
    assert "Text 90.0%, 90.0 ± 2.5% and We win by 90.0%." in said
    assert "Number 2; macro a_b." in said
    assert "89.8% 90.2% two" in said


@needs_tex
def test_an_unknown_key_stops_it_and_in_a_draft_does_not(tmp_path: Path) -> None:
    paper, _ = written(tmp_path)
    text = (
        "\\documentclass{article}\n\\input{generated/values}\n\\begin{document}\n"
        "\\section{\\val{ours/val_acc}}\n\n\\claim{nix} \\val{ours/val_ac}\\end{document}\n"
    )
    found = compiled(paper, text)
    assert found.pdf is None
    assert [one.where for one in found.errors] == ["main.tex:6"]
    assert "unknown key in \\claim{nix}" in found.errors[0].what
    assert "??" in text_of(compiled(paper, text, draft=True))


@needs_tex
@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("\\undefined", "Undefined control sequence", "generated/values"),
        ("\\val{ours/val_ac}", "unknown key in \\val{ours/val_ac}", "did you mean ours/val_acc?"),
        ("\\usepackage{nosuchpackage}", "nosuchpackage.sty' not found", "not installed"),
        ("$$x", "", ""),
    ],
)
def test_what_tex_complains_of_is_told_with_its_line(
    tmp_path: Path, line: str, what: str, hint: str
) -> None:
    paper, _ = written(tmp_path)
    body = (
        f"{line}\n\\begin{{document}}\n" if "package" in line else f"\\begin{{document}}\n{line}\n"
    )
    text = f"\\documentclass{{article}}\n\\input{{generated/values}}\n{body}x\n\\end{{document}}\n"
    found = compiled(paper, text)
    if what:
        assert found.pdf is None
        assert found.errors[0].where.startswith("main.tex:")
        assert what in found.errors[0].what
        assert hint in found.errors[0].hint
    elif found.pdf is None:
        assert all(one.what for one in found.errors)


@needs_tex
def test_a_text_starts_nothing_but_tex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the shell of a system that allows it, and not by an rc file beside the paper."""
    (tmp_path / "cnf").mkdir()
    (tmp_path / "cnf/texmf.cnf").write_text("shell_escape = t\n")
    monkeypatch.setenv("TEXMFCNF", f"{tmp_path / 'cnf'}:")
    (tmp_path / ".latexmkrc").write_text("system('touch by_rc');\n")
    paper, _ = written(tmp_path)
    shell = "\\immediate\\write18{touch by_shell}"
    text = f"\\documentclass{{article}}\\begin{{document}}{shell}x\\end{{document}}"
    assert compiled(paper, text).pdf is not None
    assert not (tmp_path / "by_shell").exists()
    assert not (tmp_path / "by_rc").exists()
