"""What `samebit paper check` finds: each thing that can be wrong, with its line and its weight."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samebit.report.paper.checking import check
from samebit.report.paper.finding import Finding
from samebit.report.paper.lock import Lock
from samebit.report.paper.tex import Source
from tests.report.paper.papers import made_of, paper_of, run, runs

SETTINGS = """
[paper.selections]
ours = "group = ours"
[paper.values]
"ours/acc" = { of = "ours", metric = "acc" }
"""
TEXT = "one\n\\val{ours/acc} of \\val{ours/acc/n}\n\\val{ours/acc/interval}\n"


def verified(rows: list[dict[str, Any]], grade: str = "identical") -> list[dict[str, Any]]:
    return [row | {"verified": grade} for row in rows]


def found(
    folder: Path,
    rows: list[dict[str, Any]],
    *,
    before: list[dict[str, Any]] | None = None,
    text: str = TEXT,
    settings: str = SETTINGS,
    records: tuple[dict[str, str], dict[str, str]] | None = None,
) -> list[Finding]:
    """Findings of a paper that was built when its runs were `before`."""
    paper = paper_of(folder, settings)
    made, then = made_of(paper, rows), made_of(paper, rows if before is None else before)
    old, new = records or ({}, {})
    made = replace(made, lock=replace(made.lock, runs=new))
    lock = replace(then.lock, runs=old)
    return check(paper, made, lock, [Source("main.tex", text)], rows)


def errors(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.where, one.what) for one in findings if one.level == "error"]


def test_a_paper_as_its_runs_say_has_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path, verified(runs())) == []


def test_every_line_that_is_stale_is_named_with_what_changed(tmp_path: Path) -> None:
    rows = verified([*runs(), run(5, 0.99)])
    assert errors(found(tmp_path, rows, before=runs())) == [
        (
            "main.tex:2",
            "\\val{ours/acc} says 0.910, and its runs say 0.923 (new: ours5)",
        ),
        ("main.tex:2", "\\val{ours/acc/n} says 5, and its runs say 6 (new: ours5)"),
        (
            "main.tex:3",
            "\\val{ours/acc/interval} says $0.910 \\pm 0.020$, and its runs say "
            "$0.923 \\pm 0.037$ (new: ours5)",
        ),
    ]


def test_a_value_that_hides_its_change_by_rounding_is_doubted(tmp_path: Path) -> None:
    rows = verified(runs())
    (finding,) = found(tmp_path, rows, records=({"ours0": "blake3:1"}, {"ours0": "blake3:2"}))
    assert finding.level == "warning"
    assert "is what it was, of other records (another record: ours0)" in finding.what


def test_a_run_that_is_gone_is_named_with_what_it_is_behind(tmp_path: Path) -> None:
    gone = {"ours4": "blake3:0"}
    findings = found(tmp_path, verified(runs()[:4]), before=runs(), records=(gone, {}))
    assert ("generated/values.json", "run ours4 is gone or damaged; behind ours/acc") in errors(
        findings
    )


def test_what_was_never_built_says_so(tmp_path: Path) -> None:
    paper = paper_of(tmp_path, SETTINGS)
    rows = verified(runs())
    made = made_of(paper, rows)
    findings = check(paper, made, None, [Source("main.tex", TEXT)], rows)
    assert [one.what[-25:] for one in findings] == ["this paper was never built"[-25:]]
    made_lock = Lock()
    stale = check(paper, made, made_lock, [Source("main.tex", TEXT)], rows)
    assert stale[0].what == "\\val{ours/acc} was not built yet; its runs say 0.910"


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("\n\\val{ours/ac}", "main.tex:2", "\\val{ours/ac} is not defined", "mean ours/acc"),
        ("\\claim{x}", "main.tex:1", "\\claim{x} is in no claims.toml", ""),
    ],
)
def test_a_key_that_nothing_defines(
    tmp_path: Path, text: str, where: str, what: str, hint: str
) -> None:
    (finding,) = [
        one
        for one in found(tmp_path, verified(runs()), text=TEXT + "%\n" + text)
        if one.level == "error"
    ]
    line = int(where.partition(":")[2]) + 4
    assert (finding.where, finding.what) == (f"main.tex:{line}", what)
    assert hint in finding.hint


@pytest.mark.parametrize(
    ("rows", "level", "what"),
    [
        (runs(), "warning", "5 runs behind numbers not verified: ours0, ours1"),
        (verified(runs(), "different"), "error", "5 runs behind numbers came out different"),
        (verified(runs(), "unknown"), "warning", "verified as unknown"),
        (
            verified([*runs()[:4], run(4, 0.92, **{"code.dirty": True})]),
            "warning",
            "1 run behind numbers of code that no commit has: ours4; behind ours/acc",
        ),
        (
            verified([*runs(), run(5, state="failed")]),
            "warning",
            "run ours5 is left out of ours/acc: failed",
        ),
        (
            verified([*runs()[:4], run(4, 0.92, **{"config.lr": 0.2})]),
            "warning",
            "ours/acc: the runs differ in more than seeds: lr",
        ),
        (
            verified(runs([0.91])),
            "warning",
            "\\val{ours/acc/interval} is a number without an interval: one run has none",
        ),
    ],
)
def test_runs_that_could_be_doubted(
    tmp_path: Path, rows: list[dict[str, Any]], level: str, what: str
) -> None:
    (finding,) = found(tmp_path, rows)
    assert finding.level == level
    assert what in finding.what


def test_what_is_used_nowhere_is_a_note(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, verified(runs()), text="none")
    assert finding == Finding("note", "samebit.toml:5", "ours/acc is used nowhere")


def test_a_selection_without_runs_names_both_lines(tmp_path: Path) -> None:
    rows = verified(runs(group="theirs"))
    assert errors(found(tmp_path, rows, before=runs()))[:2] == [
        ("samebit.toml:5", "ours/acc: selection ours: no run fits: group = ours"),
        ("main.tex:2", "\\val{ours/acc} cannot be derived any more"),
    ]
    listed = SETTINGS.replace('"group = ours"', '["ours0", "nobody"]')
    paper_of(tmp_path, listed)
    assert "there is no run 'ours0'" in errors(found(tmp_path, rows, settings=listed))[0][1]
