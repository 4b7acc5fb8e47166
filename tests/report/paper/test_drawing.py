"""Figures: means over seeds as vector, whatever the runs are called and whatever they logged."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.errors import NotFound, UsageError
from samebit.folders import folder as folders
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.report.paper.compiling import compile_tex
from samebit.report.paper.drawing import draw
from samebit.report.paper.settings import Figure
from samebit.report.paper.values import Selected
from tests.report.paper.papers import paper_of

HAS_TEX = shutil.which("latexmk") is not None and shutil.which("pdflatex") is not None


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def record(store: Path, points: dict[int, Any], metric: str = "loss") -> dict[str, Any]:
    run = folders.begin(store)
    start = ExecutionStart(0, 10**18, "script", ("train.py",), "/p")
    number = run.begin_execution(start).number
    writer = Writer(run.journal, run.id, "0")
    for step, value in points.items():
        writer.row({metric: value}, step)
    writer.close()
    run.end_execution(number, ExecutionEnd(10**18 + 1, "finished"))
    return {"id": run.id, "state": "finished"}


def drawn(store: Path, rows: list[dict[str, Any]], **asked: Any) -> str:
    figure = Figure(**{"of": "a", "metric": "loss"} | asked)
    return draw(store, figure, {"a": Selected(tuple(rows))}).text


def coordinates(text: str) -> list[str]:
    return text.rpartition("coordinates {")[2].partition("}")[0].split()


def test_a_curve_is_the_mean_at_the_steps_that_all_logged(store: Path) -> None:
    rows = [
        record(store, {0: 1.0, 1: 2.0, 2: 3.0, 4: 9.0}),
        record(store, {0: 3.0, 1: 4.0, 2: 5.0, 3: 7.0}),
    ]
    text = drawn(store, rows, band="range")
    assert coordinates(text) == ["(0,2)", "(1,3)", "(2,4)"]
    assert "{(0,3) (1,4) (2,5) (2,3) (1,2) (0,1)} -- cycle" in text
    assert "% runs: " + ", ".join(row["id"] for row in rows) in text


def test_what_is_no_number_breaks_the_line_and_its_band(store: Path) -> None:
    rows = [
        record(store, {0: 1.0, 1: 1.0, 2: math.nan, 3: 1.0, 4: 1.0}),
        record(store, {step: 2.0 for step in range(5)}),
    ]
    text = drawn(store, rows)
    assert coordinates(text) == ["(0,1.5)", "(1,1.5)", "(2,nan)", "(3,1.5)", "(4,1.5)"]
    assert text.count("-- cycle") == 2


def test_a_long_curve_is_thinned_and_one_run_has_no_band(store: Path) -> None:
    text = drawn(store, [record(store, {step: float(step) for step in range(5000)})])
    assert 100 < len(coordinates(text)) <= 160
    assert "cycle" not in text


def test_runs_without_such_a_curve_are_left_out_and_named(store: Path) -> None:
    whole = record(store, {0: 1.0, 1: 2.0})
    other, failed = record(store, {0: 1.0, 1: 2.0}, "acc"), {"id": "x", "state": "failed"}
    text = drawn(store, [whole, other, failed])
    assert f"% without {other['id']}: no such curve\n% without x: failed\n" in text
    with pytest.raises(NotFound, match="no run of a has a curve of loss"):
        drawn(store, [other, record(store, {0: "text", 1: "text"})])
    with pytest.raises(UsageError, match="at different steps"):
        drawn(store, [whole, record(store, {5: 1.0, 6: 2.0})])
    with pytest.raises(NotFound, match="nobody"):
        draw(store, Figure("a", "loss"), {"a": Selected((), "nobody")})


@pytest.mark.skipif(not HAS_TEX, reason="latexmk and pdflatex are not installed")
def test_it_compiles_whatever_things_are_called(store: Path, tmp_path: Path) -> None:
    odd = r"\input{x}%$^&#~_ é 中 ]"
    rows = [record(store, {0: 1e-9, 1: -1.0, 2: 3e8, 3: 2.0}, odd) for _ in range(2)]
    figure = Figure("a", odd, labels={"a": odd}, x=odd, log=True, band="sd")
    (tmp_path / "f.tex").write_text(draw(store, figure, {"a": Selected(tuple(rows))}).text)
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\\usepackage{pgfplots}\\pgfplotsset{compat=1.16}"
        "\\begin{document}\\input{f}\\end{document}"
    )
    found = compile_tex(paper_of(tmp_path, "[paper]"), "main.tex", [])
    assert found is not None
    assert found.pdf is not None, found.errors
