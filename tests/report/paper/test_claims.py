"""Claims: what supports one, what refutes it, and what is too little for either."""

from pathlib import Path
from typing import Any

import pytest

from samebit.errors import UsageError
from samebit.report.paper.claims import Judged, judge, read_claims
from samebit.report.paper.values import select
from tests.report.paper.papers import paper_of, run, runs

SETTINGS = """
[paper.selections]
ours = "group = ours"
base = "group = base"
"""
OURS = [0.91, 0.92, 0.93, 0.90, 0.92, 0.94]
THEIRS = [0.89, 0.90, 0.90, 0.88, 0.91, 0.90]


def judged(folder: Path, line: str, rows: list[dict[str, Any]]) -> Judged:
    paper = paper_of(folder, SETTINGS)
    claim = f'[[claim]]\ntext = "x"\nbetter = "ours"\nmetric = "acc"\n{line}\n'
    (folder / "claims.toml").write_text(claim)
    selected = select(folder, rows, paper.selections)
    (only,) = read_claims(paper).values()
    return judge(only, selected)


def both(ours: list[float] = OURS, theirs: list[float] = THEIRS) -> list[dict[str, Any]]:
    return runs(ours) + runs(theirs, "base")


@pytest.mark.parametrize(
    ("line", "rows", "holds", "said"),
    [
        ('than = "base"', both(), "holds", "exact sign-flip test"),
        ('than = "base"', both(THEIRS, OURS), "does not hold", "worse by 0.0233"),
        ('than = "base"\nlower = true', both(THEIRS, OURS), "holds", "better by 0.0233"),
        ('than = "base"\nby = 0.05', both(), "does not hold", "the claim is by 0.05"),
        ('than = "base"', both(OURS[:5], THEIRS[:5]), "unknown", "5 pairs cannot be significant"),
        ('than = "base"\ntest = "welch"', both(OURS[:5], THEIRS[:5]), "holds", "Welch's t test"),
        ('than = "base"\ntest = "none"', both(OURS[:1], THEIRS[:1]), "holds", "no test"),
        ('than = "base"', both(OURS[:1], THEIRS[:1]), "unknown", "cannot be significant"),
        ('than = "base"', both([0.9] * 6, [0.9] * 6), "does not hold", "equal"),
        ('than = "base"\ntest = "decide"', both(), "holds", "significant and meaningful"),
        ("than = 0.9", both(), "holds", "above 0.9"),
        ("than = 0.915", both(), "does not hold", "inside of the interval"),
        ("than = 0.95", both(), "does not hold", "above 0.95"),
        ("than = 0.9", both(OURS[:1]), "unknown", "one value: no interval"),
        ("than = 0.95\nlower = true", both(), "holds", "below 0.95"),
        ('than = "base"', runs(OURS), "unknown", "selection base: no run fits"),
        (
            'than = "base"',
            [*runs(OURS), run(0, 0.5, "base", state="failed")],
            "unknown",
            "no run of base has a number for acc: failed",
        ),
        (
            'than = "base"',
            [*both(), run(7, state="killed")],
            "holds",
            "left out, having no result: 1",
        ),
    ],
)
def test_what_runs_say_of_a_claim(
    tmp_path: Path, line: str, rows: list[dict[str, Any]], holds: str, said: str
) -> None:
    found = judged(tmp_path, line, rows)
    assert found.holds == holds, found.evidence
    assert said in found.evidence


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[claim]]\nx = 1", "claims.toml:1: claim: unknown field `x`|missing required"),
        ("[claim]\nx = 1", "nothing but"),
        ("x = 1", "nothing but"),
        (
            '\n[[claim]]\ntext = "x"\nbetter = "we"\nthan = "base"\nmetric = "a"',
            "claims.toml:2: there is no selection 'we'",
        ),
        (
            '[[claim]]\ntext = "a}b{"\nbetter = "ours"\nthan = 1\nmetric = "a"',
            "no whole piece of TeX",
        ),
        (
            '[[claim]]\ntext = "a"\nbetter = "ours"\nthan = 1\nmetric = "a"\ngamma = 0.4',
            "gamma is above",
        ),
        ("[[claim]", "cannot read claims.toml"),
    ],
)
def test_claims_that_cannot_be_meant_are_told(tmp_path: Path, text: str, what: str) -> None:
    paper = paper_of(tmp_path, SETTINGS)
    (tmp_path / "claims.toml").write_text(text)
    with pytest.raises(UsageError, match=what):
        read_claims(paper)


def test_without_the_file_there_are_no_claims(tmp_path: Path) -> None:
    assert read_claims(paper_of(tmp_path, SETTINGS)) == {}
