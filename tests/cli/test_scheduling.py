"""`samebit show RUN --schedule`: words in a pipe, a drawing on a terminal, exact values as data."""

import io
import json
import math
from pathlib import Path

import pytest

from samebit import places
from samebit.cli import scheduling
from samebit.cli.main import main
from samebit.cli.scheduling import chart
from samebit.cli.words import Screen, width
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.folders.series import Changes
from samebit.journal.writer import Writer

STEPS = 1000
RATES = [
    3e-4 * (t / 50 if t < 50 else 0.5 * (1 + math.cos(math.pi * (t - 50) / 950)))
    for t in range(STEPS)
]


def write(run: RunFolder, rank: str = "0") -> None:
    writer = Writer(run.journal, run.id, rank)
    writer.fact(
        "scheduler",
        {"optimizer": 0, "class": "torch.optim.\x1b[31mCosine", "values": {"T_max": 950}},
    )
    for at, rate in enumerate(RATES):
        first = {"betas": [0.9, 0.999], "weight_decay": 0.01} if not at else {}
        writer.hyper(0, at + 1, 0, {"lr": rate, **first})
        writer.hyper(0, at + 1, 1, {"lr": rate * 0.5, **(first and {**first, "weight_decay": 0.0})})
    writer.hyper(0, 1, -1, {"scale": 1024.0})
    writer.hyper(0, 700, -1, {"skipped": [1, 1024.0]})
    writer.hyper(0, 700, -1, {"scale": 512.0})
    writer.close()


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "SAMEBIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    run = runs.begin(places.make_store(tmp_path / ".samebit"))
    write(run)
    return read_run(run)


def test_a_pipe_gets_words_and_no_drawing(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", view.id, "--schedule"]) == 0
    assert capsys.readouterr().out == (
        "optimizer 0: 1k steps, 2 parameter groups\n"
        "  made by       \\x1b[31mCosine(T_max=950)\n"
        "  lr group 0    linear warm-up 50 steps to 3e-4, cosine to 0 at 1k\n"
        "  lr group 1    the same × 0.5\n"
        "  loss scale    1024, 1 change, to 512\n"
        "  skipped       1 of 1001 attempts, gradients not finite: before step 700"
        " (scale 1024 → 512)\n"
        "  weight_decay  0.01 (group 0), 0 (group 1)\n"
        "  constant      betas (0.9, 0.999)\n"
    )


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_gets_a_curve_that_fits(view: View, columns: int) -> None:
    stream = io.StringIO()
    scheduling.show_schedule(view, Screen(stream, columns, color=False))
    lines = stream.getvalue().splitlines()
    assert max(map(width, lines)) <= columns
    assert next(line for line in lines if "┤" in line).startswith("      3e-4 ┤")
    assert any(line.startswith("   skipped") and line.endswith("×") for line in lines)


def test_a_curve_stands_where_its_values_are() -> None:
    rises = chart(Changes([1, 501], [0.0, 1.0]), 1000, 32)
    assert rises[0].split("┤")[1].startswith("\u2800" * 9)
    assert rises[0].split("┤")[1].endswith("⠉" * 9)
    assert rises[5].split("┤")[1].startswith("⣀" * 9)
    assert chart(Changes([1], [math.nan]), 10, 32) == []
    assert chart(Changes([1, 2, 3], [1e308, -1e308, math.inf]), 10, 32)


def test_data_is_exact(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", view.id, "--schedule", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (process,) = found["processes"]
    rate = next(s for s in process["scalars"] if (s["group"], s["name"]) == (0, "lr"))
    assert (rate["steps"], rate["values"]) == (list(range(1, STEPS + 1)), RATES)
    assert [(s["kind"], s["begin"], s["until"]) for s in rate["segments"]] == [
        ("linear", 0, 50),
        ("cosine", 50, 999),
    ]
    assert rate["words"] == "linear warm-up 50 steps to 3e-4, cosine to 0 at 1k"


def test_ranks_with_the_same_schedule_are_told_once(
    view: View, capsys: pytest.CaptureFixture[str]
) -> None:
    write(view.folder, "1")
    main(["show", view.id, "--schedule"])
    assert capsys.readouterr().out.count("optimizer 0") == 1
    other = Writer(view.folder.journal, view.id, "2")
    other.hyper(0, 1, 0, {"lr": 1.0})
    other.close()
    main(["show", view.id, "--schedule"])
    assert "rank 2, optimizer 0: 1 step," in capsys.readouterr().out
