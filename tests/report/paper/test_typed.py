"""Numbers that were typed: found where they are results, and nowhere else."""

from pathlib import Path

import pytest

from samebit.report.paper.finding import Finding
from samebit.report.paper.tex import Source
from samebit.report.paper.typed import numerals, typed_numbers
from tests.report.paper.papers import made_of, paper_of, run, runs

SETTINGS = """
[paper.selections]
ours = "group = ours"
[paper.values]
"ours/acc" = { of = "ours", metric = "acc", percent = true }
"ours/n" = { of = "ours", aggregate = "count" }
"ours/lr" = { of = "ours", fact = "config.lr" }
"""


def found_in(folder: Path, text: str, acc: float = 0.9137) -> list[Finding]:
    paper = paper_of(folder, SETTINGS)
    rows = [run(at, acc + off) for at, off in enumerate([-0.004, 0.0, 0.004])]
    return list(typed_numbers(paper, made_of(paper, rows), [Source("main.tex", text)]))


def numbers(text: str) -> list[float]:
    return [one.value for one in numerals(Source("main.tex", text))]


@pytest.mark.parametrize(
    "text",
    [
        r"The accuracy is 91.4\%.",
        r"The accuracy is $91.37$\,\%.",
        r"We get 91.37 percent.",
        r"an acc of 0.91",
        r"\num{91.37}",
        r"& 91.37 & x",
        "The accuracy\nof all is 91.4~\\%",
        r"$9.137 \times 10^{1}$",
    ],
)
def test_a_number_that_runs_have_is_to_be_a_value(tmp_path: Path, text: str) -> None:
    (finding,) = found_in(tmp_path, text)
    assert (finding.level, finding.where[:9]) == ("warning", "main.tex:")
    assert finding.hint == r"write \val{ours/acc}"


@pytest.mark.parametrize(
    "text",
    [
        r"The accuracy is 91.9\%.",
        r"An accuracy of $89.8$\,\% was reached",
        r"accuracies of 91.21~\%",
    ],
)
def test_a_number_that_was_meant_for_one_is_an_error(tmp_path: Path, text: str) -> None:
    (finding,) = found_in(tmp_path, text)
    assert finding.level == "error"
    assert "ours/acc is 91.37" in finding.what


@pytest.mark.parametrize(
    "text",
    [
        r"The accuracy of 91.9\% is theirs \citep{x}.",  # somebody else's
        r"The accuracy is 91.9\%. % samebit: typed",
        r"% The accuracy is 91.9\%",
        r"Of all examples 91.9\% are large.",  # names no metric
        r"The accuracy of 75.2\% is another one.",  # not near
        r"Its accuracy grows by 0.9.",
        r"An accuracy in 1991 of ResNet-91.4, Section 91.4, Figure~91.4, \cite[p.~91.4]{x}",
        r"\vspace{91.4pt} accuracy \hspace{0.914\textwidth} \includegraphics[width=91.4mm]{a91.4}",
        r"accuracy \begin{tikzpicture}91.4\%\end{tikzpicture}\label{91.4}\ref{eq:91.4}",
        r"\newcommand{\acc}[1]{accuracy} v1.91.4 x_{91.4} 10^{91.4} \begin{tabular}{p{91.4mm}}",
        r"accuracy \verb|91.9\%|",
        r"\documentclass{a}accuracy 91.9\%\begin{document}",
        r"Our 3 seeds, 5 folds and 10 epochs have an accuracy.",  # small whole numbers
    ],
)
def test_what_is_no_result_of_ours_is_left_alone(tmp_path: Path, text: str) -> None:
    assert found_in(tmp_path, text) == []


def test_a_mean_that_is_no_value_yet_is_told_with_the_line_to_write(tmp_path: Path) -> None:
    paper = paper_of(tmp_path, SETTINGS)
    rows = [run(at, **{"metric.loss": 0.123 + at / 1000}) for at in range(3)]
    (finding,) = typed_numbers(paper, made_of(paper, rows), [Source("main.tex", "It is 0.124.")])
    assert finding.what == "0.124 was typed, and is the mean of loss over ours"
    assert '"ours/loss" = { of = "ours", metric = "loss" }' in finding.hint


def test_numerals_are_read_as_they_are_written() -> None:
    assert numbers(r"1,234.5 and 12{,}345 and -0.25 and 1--5 and .5 and 3e-4") == [
        *(1234.5, 12345.0, -0.25, 1.0, 5.0, 0.5, 3e-4)
    ]
    assert numbers(r"$2 \times 10^{-3}$ and $7 \cdot 10^4$") == [2e-3, 7e4]
    assert numbers(r"x2 2x 1.2.3 5-fold a_2 \foo2 [] 2019") == []


def test_of_many_runs_and_a_long_text_it_stays_quick(tmp_path: Path) -> None:
    paper = paper_of(tmp_path, SETTINGS)
    made = made_of(paper, runs([0.9 + at / 1e5 for at in range(500)]))
    text = "The accuracy of 12.34\\% is old. " * 3000 + "{" * 5000
    assert list(typed_numbers(paper, made, [Source("main.tex", text)])) == []


@pytest.mark.parametrize(
    "text",
    [
        r"its 95\,\% interval",
        r"95~\% t interval",
        r"90\% bootstrap confidence intervals",
        r"a $99\%$ CI",
    ],
)
def test_the_level_of_an_interval_is_no_result(text: str) -> None:
    assert numbers(text) == []
    assert len(numbers(text.partition("%")[0] + "% of the runs")) == 1


def test_a_file_may_say_that_all_its_numbers_are_meant_so(tmp_path: Path) -> None:
    text = "% samebit: typed throughout\n\nThe accuracy is 91.4\\%.\n"
    assert found_in(tmp_path, text) == []
    assert len(found_in(tmp_path, text.replace(" throughout", ""))) == 1
