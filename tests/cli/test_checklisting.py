"""`samebit checklist`: which runs, in which form, and what it says where it cannot be done."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit import digest
from samebit.cli.main import main
from samebit.data.parts import draft_of
from samebit.data.row_ids import ASKED
from samebit.data.splitting import build
from samebit.folders import folder as runs
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import ExecutionEnd, ExecutionStart
from tests.cli.stores import said


def record(store: Path, seed: int, *, state: str | None = "finished", **more: Any) -> str:
    """A run with code, configuration and scores, and what more is said of it."""
    folder = runs.begin(store, kind=more.pop("kind", "run"), of=more.pop("of", None))
    start = ExecutionStart(0, time.time_ns(), "script", ("train.py",), "/p", seed=seed)
    number = folder.begin_execution(start).number
    writer = Writer(folder.journal, folder.id)
    files = [SourceFile("README.md", "file", b"# it\n"), SourceFile("train.py", "file", b"1\n")]
    tree, code = save_tree(Store(store), files)
    sizes = {"files": len(code.entries), "size_bytes": 7}
    writer.fact("code", {"root": "/p", "tree": tree, **sizes})
    writer.fact("config", {"lr": 0.1, "seed": seed})
    for name, value in more.items():
        writer.fact(name, value)
    for step in (1, 2):
        writer.row({"val/acc": 0.5, "test/acc": math.nan if seed == 9 else 0.25}, step)
    writer.close()
    if state is not None:
        folder.end_execution(number, ExecutionEnd(time.time_ns(), state))
    return folder.id


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, text = said(capsys, "checklist", *words, "--json")
    assert code == 0
    return json.loads(text)


def evidence(found: dict[str, Any], about: str) -> list[str]:
    every = [one for answer in found["answers"] for one in answer["evidence"]]
    return next(one["recorded"] for one in every if one["about"] == about)


def test_the_papers_runs_are_told_apart_from_all_others(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = [record(store, seed) for seed in range(2)]
    record(store, 9)
    record(store, 3, state="failed")
    record(store, 0, kind="replay", of=paper[0])
    (store / "runs" / "aaaaaaaaaa").mkdir()
    found = listed(capsys, *paper)
    assert found["about"] == "2 runs of 4 in the project"
    assert evidence(found, "runs started and finished") == [
        "2 started: 2 finished",
        "in the same project besides: 2 started: 1 diverged, 1 failed"
        " (diverged: no finite number at its end (test/acc))",
        "1 more run cannot be read",
        "seeds given to the runs of the paper: 2 different",
    ]
    assert evidence(found, "compute in total")[-1].startswith("besides, recorded runs run again: 1")
    assert evidence(found, "README") == ["README.md in the only version of the code"]
    assert listed(capsys, "--where", "seed < 2") == found
    assert listed(capsys)["about"] == "4 runs"


def test_splits_are_told_with_the_rows_that_two_parts_share(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.arange(40).reshape(20, 2)
    rows[19] = rows[0]
    parts = {"train": np.arange(15), "test": np.arange(15, 20)}
    built = build(draft_of(parts, of=rows, labels=np.arange(20) % 2, most=ASKED))
    Store(store).put_all(list(built.objects))
    sizes = [[part.name, part.rows, part.order] for part in built.manifest.parts]
    kept = {"name": "mine", "manifest": built.name, "rows": 20, "parts": sizes, "method": "given"}
    gone = {**kept, "name": "gone", "manifest": digest.of_bytes(b"nowhere")}
    record(store, 1, split=kept)
    record(store, 2, split=gone)
    found = listed(capsys)
    name = digest.short(built.name)
    mine, lost = evidence(found, "splits")
    parts_told = "mine: train 15, test 5; given by the script"
    assert mine == f"{parts_told}; {name}, in 1 of 2 runs; labels 0: 10, 1: 10"
    assert lost.startswith("gone: rows not listed; ")
    told, unknown = evidence(found, "leaks between splits")
    assert told == "mine: 1 of 5 rows of test: equal to rows of train, in all that was handed over"
    assert unknown.startswith("gone: ")


def test_test_scores_are_named_where_their_names_do_not_tell(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store, 1)
    assert "2 evaluations in 1 run" in evidence(listed(capsys), "evaluations on test data")[0]
    named = evidence(listed(capsys, "--test-metric", "val/*"), "evaluations on test data")
    assert named[-1] == "counted are the points of val/acc (as asked for)"
    code, text = said(capsys, "checklist", "--test-metric", "final")
    assert (code, text) == (7, "")


def test_a_file_with_answers_is_not_replaced_unless_asked(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store, 1)
    path = store.parent / "checklist.tex"
    code, text = said(capsys, "checklist", "--to", "checklist.tex")
    assert (code, text) == (0, "checklist.tex: 16 items, answers proposed for 1\n")
    assert path.read_text().count(r"\answerTODO{}") > 16
    path.write_text("mine")
    assert said(capsys, "checklist", "--to", "checklist.tex")[0] == 2
    assert path.read_text() == "mine"
    words = ("--for", "completeness", "--latex", "--to", "checklist.tex", "--force")
    assert said(capsys, "checklist", *words)[0] == 0
    assert "ML code completeness" in path.read_text()
    assert said(capsys, "checklist", "--to", "nowhere/checklist.tex")[0] == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [(["@last"], 7), ([], 7), (["--where", "x >"], 2), (["--where", "nope > 1"], 7)],
)
def test_of_no_runs_there_is_no_checklist(
    store: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "checklist", *words)[0] == code


def test_runs_that_cannot_be_read_are_said_to_be_that(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = record(store, 1)
    (store / "runs" / found / "run.json").write_text("{")
    assert main(["checklist"]) == 7
    assert "samebit ls --where damage" in capsys.readouterr().err


def test_what_a_project_declares_stands_in_its_settings(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store, 1)
    settings = store.parent / "samebit.toml"
    settings.write_text(
        '[checklist]\nchosen = "by hand"\n[table.search]\nlr = { space = "{0.1}" }\n'
    )
    found = listed(capsys)
    assert evidence(found, "how hyper-parameters were chosen") == ["declared: by hand"]
    assert evidence(found, "values tried")[0] == "declared: lr in {0.1}"
    settings.write_text("[checklist]\nchose = 1\n")
    assert main(["checklist"]) == 2
    told = capsys.readouterr().err
    assert "[checklist] cannot be read" in told
    assert "known: chosen, preprocessing" in told
