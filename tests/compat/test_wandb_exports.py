"""`samebit import wandb` of what its servers give: histories and charts."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from samebit.cli.main import main
from samebit.compat.files.wandbdirs import Wandb
from samebit.compat.foreign import ForeignRun
from samebit.errors import Damaged, NotFound
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from tests.cli.stores import said
from tests.compat.test_wandb import points

Capture = pytest.CaptureFixture[str]
BEGAN_S = 1_790_000_000.0
ROWS: list[dict[str, Any]] = [
    {
        "_step": step,
        "_timestamp": BEGAN_S + step / 2,
        "_runtime": step / 2,
        "loss": 1 / (step + 3),
        "val/acc": step / 7 if step % 2 else None,
        "flag": step > 1 if step else None,
        "note": "hm" if step == 2 else None,
    }
    for step in range(5)
]
FOUND = {
    "loss": [(step, 1 / (step + 3)) for step in range(5)],
    "val/acc": [(1, 1 / 7), (3, 3 / 7)],
    "flag": [(1, False), (2, True), (3, True), (4, True)],
    "note": [(2, "hm")],
}


def runs_of(path: Path) -> list[ForeignRun]:
    read = [one.read(lambda size: None) for one in Wandb(path).find() if not one.left_out]
    return [run for run in read if run is not None]


def parquet(folder: Path, rows: list[dict[str, Any]] = ROWS, part: int = 0) -> Path:
    path = folder / "abc-history" / f"{part:04}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pandas.DataFrame(rows).to_parquet(path)
    return path.parent


def as_csv(folder: Path) -> Path:
    pandas.DataFrame(ROWS).to_csv(folder / "abc.csv")
    return folder / "abc.csv"


def as_lines(folder: Path) -> Path:
    (folder / "abc.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder / "abc.jsonl"


def as_list(folder: Path) -> Path:
    (folder / "abc.json").write_text(json.dumps(ROWS))
    return folder / "abc.json"


@pytest.mark.parametrize("make", [parquet, as_csv, as_lines, as_list])
def test_a_history_is_a_run_with_its_steps_and_times(
    store: Path, capsys: Capture, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    (run,) = runs_of(path)
    assert (run.name, points(run)) == ("abc", FOUND)
    (loss,) = [one for one in run.executions[0].series if one.name == "loss"]
    assert list(loss.times_ns) == [int((BEGAN_S + step / 2) * 1e9) for step in range(5)]
    for is_new, written in ((True, 12), (False, 0)):
        code, text = said(capsys, "import", "wandb", str(path), "--json")
        told = json.loads(text)
        assert (code, told["is_new"], told["points"]) == (0, is_new, written)
    assert (
        "none"
        in read_run(RunFolder(store / "runs" / told["run"])).all_facts("problem")[0]["detail"]
    )


def test_parts_of_a_history_are_one_run_and_a_later_part_is_added(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    folder = parquet(tmp_path, ROWS[:2])
    first = json.loads(said(capsys, "import", "wandb", str(folder), "--json")[1])
    parquet(tmp_path, ROWS[2:], part=1)
    second = json.loads(said(capsys, "import", "wandb", str(folder), "--json")[1])
    assert (second["run"], second["is_new"], second["points"]) == (first["run"], False, 8)
    assert points(runs_of(folder)[0]) == FOUND


def test_what_is_nested_has_dotted_names_and_media_are_told(tmp_path: Path) -> None:
    row = {"_step": 0, "a": {"b": {"c": 1}}, "img": {"_type": "image-file", "path": "x"}, "l": [1]}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n" + '{"_step": 1, "n": NaN}\n')
    (run,) = runs_of(tmp_path / "x.jsonl")
    assert points(run) == {"a.b.c": [(0, 1)], "n": [(1, "nan")]}
    assert {what for what, _ in run.problems} == {"img", "l", "settings, end, machine and files"}


def test_a_chart_has_a_run_for_each_curve(tmp_path: Path) -> None:
    (tmp_path / "loss.csv").write_text(
        "Step,lr 0.1 - train/loss,lr 0.1 - train/loss__MIN,lr 0.1 - train/loss__MAX,b - c - loss\n"
        "0,0.5,0.5,0.5,\n10,0.25,0.2,0.3,1e-3\n"
    )
    (tmp_path / "acc.csv").write_text("Step,lr 0.1 - acc\n0,0.5\n")
    runs = {run.name: run for run in runs_of(tmp_path)}
    assert set(runs) == {"lr 0.1", "b - c"}
    assert points(runs["lr 0.1"]) == {"acc": [(0, 0.5)], "train/loss": [(0, 0.5), (10, 0.25)]}
    assert points(runs["b - c"]) == {"loss": [(10, 0.001)]}


def test_runs_of_one_name_in_a_chart_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("Step,a - loss,a - loss\n0,0.5,0.7\n")
    (run,) = runs_of(tmp_path)
    assert points(run) == {}
    assert "2 runs" in run.problems[0][1]


def titles(*curves: str) -> str:
    return ",".join(f"{one},{one}__MIN,{one}__MAX" for one in curves)


def test_a_chart_over_something_else_has_the_steps_of_each_run(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(
        f"Relative Time (Process),{titles('a - _step', 'a - loss', 'b - _step', 'b - loss')}\n"
        "0.5,7,7,7,0.5,0.5,0.5,,,,,,\n0.75,,,,,,,3,3,3,0.25,0.25,0.25\n"
    )
    runs = {run.name: run for run in runs_of(tmp_path)}
    assert {name: points(run) for name, run in runs.items()} == {
        "a": {"loss": [(7, 0.5)]},
        "b": {"loss": [(3, 0.25)]},
    }


def test_a_chart_over_a_metric_has_it_as_its_step(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(f"epoch,{titles('a - val/loss')}\n0,0.5,,\n2,0.25,,\n2.5,1,,\n")
    (run,) = runs_of(tmp_path)
    assert points(run) == {"val/loss": [(0, 0.5), (2, 0.25)]}
    told = dict(run.problems)
    assert told["step"] == "c.csv is over 'epoch', which is the step here"
    assert told["_step"] == "rows without a step that can be read are left out"


@pytest.mark.parametrize("over", ["Wall Time", "Relative Time (Wall)"])
def test_a_chart_over_time_alone_has_no_step_and_says_so(tmp_path: Path, over: str) -> None:
    (tmp_path / "c.csv").write_text(f"{over},{titles('a - loss')}\n0,0.5,,\n")
    (run,) = runs_of(tmp_path)
    assert points(run) == {}
    assert "has no steps" in dict(run.problems)["step"]


def test_curves_of_groups_are_no_run(store: Path, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(f"Step,{titles('Group: adam - loss', 'a - loss')}\n0,1,,,2,,\n")
    assert main(["import", "wandb", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "made of several runs" in said.err
    assert "imported" in said.out
    assert "Group" not in said.out


def test_a_table_of_runs_is_none_of_them(store: Path, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Name,State,loss\na,finished,0.5\n")
    assert main(["import", "wandb", str(tmp_path)]) == 0
    assert "neither `_step` nor `Step`" in capsys.readouterr().err


def test_beside_files_of_wandb_itself_no_export_is_looked_for(tmp_path: Path) -> None:
    from tests.compat import wandb_files as files

    files.write(tmp_path, "a", [files.run("a"), files.history(0, {"x": 1.0})])
    as_csv(tmp_path)
    assert [run.name for run in runs_of(tmp_path)] == ["the a"]
    with pytest.raises(NotFound):
        Wandb(tmp_path / "offline-run-20260921_120000-a" / "none").find()


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "[{}",
        '{"_step": 0}{',
        "[" * 100_000,
        '{"a": ' * 100_000,
        "\0\1\2",
        '{"_step": 1e999}',
    ],
)
def test_what_is_no_history(tmp_path: Path, text: str) -> None:
    for name in ("x.json", "x.jsonl", "x.csv", "x.parquet"):
        path = tmp_path / name
        path.write_text(text)
        try:
            assert not any(points(run) for run in runs_of(path))
        except Damaged:
            continue


def test_parquet_that_is_damaged_never_crashes(tmp_path: Path) -> None:
    path = parquet(tmp_path) / "0000.parquet"
    data = path.read_bytes()
    chance = random.Random(5)
    for at in range(150):
        odd = bytearray(data[: chance.randrange(len(data))] if at % 3 == 0 else data)
        for _ in range(at % 3):
            odd[chance.randrange(len(odd))] ^= 1 << chance.randrange(8)
        path.write_bytes(odd)
        try:
            for run in runs_of(path.parent):
                assert len(points(run)) < 20
        except Damaged:
            continue


def test_parquet_whose_columns_are_described_otherwise_ends_no_import(tmp_path: Path) -> None:
    # Of some of these pyarrow's description of a column ends the process, which no `except` meets.
    path = tmp_path / "abc-history.parquet"
    pandas.DataFrame({"_step": [0, 1], "x": [1.0, 2.0]}).to_parquet(path)
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in range(begin, begin + 40):
        for bit in range(0, 8, 3):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
            try:
                runs_of(path)
            except Damaged:
                continue


@pytest.mark.parametrize(
    "cell", ["1e5", "-3", "0.1", "nan", "inf", "007", "1_0", "9" * 30, "0x1", ""]
)
def test_a_cell_is_a_number_where_it_is_written_as_one(tmp_path: Path, cell: str) -> None:
    (tmp_path / "x.csv").write_text(f"_step,a\n0,{cell}\n")
    found = [points(run) for run in runs_of(tmp_path)]
    numbers = {
        "1e5": 1e5,
        "-3": -3,
        "0.1": 0.1,
        "nan": "nan",
        "inf": math.inf,
        "9" * 30: float("9" * 30),
    }
    if cell:
        assert found == [{"a": [(0, numbers.get(cell, cell))]}]
    else:
        assert found == []
