"""What `samebit table` promises: a table of any shape and form, from any choice of runs."""

import argparse
import csv
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from samebit.cli import tabling
from samebit.cli.main import main
from samebit.folders.folder import RunFolder
from tests.query.test_index import record

LRS = (0.1, 0.01)


@pytest.fixture
def study(store: Path) -> list[RunFolder]:
    """Two learning rates with three seeds each, and one that failed."""
    found = [
        record(
            store,
            config={"lr": lr, "width": 64, "out_dir": f"/tmp/{seed}", "crop": True},
            rows=[{"acc": 0.5}, {"acc": 0.9 - lr + seed / 100}],
            seed=seed,
            name=f"run-{lr}-{seed}",
        )
        for lr in LRS
        for seed in range(3)
    ]
    found.append(record(store, config={"lr": 0.1, "width": 64}, status="failed", seed=3))
    return found


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["table", *words]) == code, capsys.readouterr()
    found = capsys.readouterr()
    return found.out, found.err


@pytest.mark.usefixtures("study")
def test_a_group_makes_a_table_of_results(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "--group", "lr")
    assert out.splitlines()[:4] == [
        "| learning rate | accuracy ↑ |",
        "| ---: | ---: |",
        "| 0.1 | 0.810 ± 0.025 |",
        "| 0.01 | **0.900 ± 0.025** |",
    ]
    assert "mean ± 95 % t interval over 3 seeds" in out
    assert "left out, failed: 1 of learning rate 0.1" in out
    assert err == ""


@pytest.mark.usefixtures("study")
def test_settings_are_one_option_away(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "--shape", "parameters", "--latex")
    assert "\nwidth & 64 \\\\\n" in out
    assert "\ncrop & \\{yes, none\\} \\\\\n" in out
    assert "out" not in out.split("\\toprule")[1].split("\\bottomrule")[0]
    assert out.startswith("% Made by `samebit table --shape parameters --latex`")


def test_runs_are_chosen_by_word_and_by_condition(
    study: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    def ids(*words: str) -> list[str]:
        return [row["id"] for row in csv.DictReader(io.StringIO(said(capsys, *words, "--csv")[0]))]

    assert ids(study[1].id, "run-0.1-0") == [study[1].id, study[0].id]
    assert ids("--where", "lr = 0.01") == [run.id for run in study[3:6]]
    assert ids("--where", "state = finished", "--sort", "acc:desc")[0] == study[5].id
    assert "no run" in said(capsys, "nobody", code=7)[1]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("t.tex", "% Made by"),
        ("t.md", "| learning rate |"),
        ("t.HTML", "<table"),
        ("t.csv", "config.lr,acc,acc low"),
        ("t.json", '{"columns"'),
    ],
)
def test_a_file_s_ending_says_its_form(
    name: str, begins: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    out, err = said(capsys, "--group", "lr", "--to", str(file))
    assert out == ""
    assert file.read_text(encoding="utf-8").startswith(begins)
    assert f"{file}: 7 runs, " in err
    assert "left out, failed: 1" in err
    said(capsys, "--group", "lr", "--to", str(file))  # made again, it is written over
    other, _ = said(capsys, "--group", "lr", "--csv", "--to", str(tmp_path / "other.txt"))
    assert other == ""
    assert (tmp_path / "other.txt").read_text().startswith("config.lr")


@pytest.mark.usefixtures("study")
def test_the_header_s_command_makes_the_same_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--group", "lr", "--metric", "acc", "--where", "seed < 3 and lr > 0", "--latex"]
    words += ["--interval", "sd", "--test", "paired-t", "--against", "0.01", "--plain"]
    out, _ = said(capsys, *words)
    command = re.match("% Made by `samebit table (.*)`: make", out)
    assert command is not None
    again, _ = said(capsys, *shlex.split(command[1]))
    assert again == out


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    "shape", ["parameters", "results", "search", "supplement", "compute", "seeds"]
)
def test_every_shape_is_there_as_data(shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    read = json.loads(said(capsys, "--shape", shape, "--json")[0])
    assert read["shape"] == shape
    assert read["rows"]
    assert len(read["runs"]) == 7
    assert re.fullmatch("blake3:[0-9a-f]{64}", read["records"])


@pytest.mark.usefixtures("study")
def test_the_rules_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "--explain", "--group", "lr")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "a path, by its name" in lines["config.out_dir"]
    assert "column" in lines["config.lr"]
    assert "constant" in lines["config.width"]


def test_a_project_s_settings_are_followed(
    store: Path, study: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    (store.parent / "samebit.toml").write_text(
        '[table]\nignore = ["width"]\nkeep = ["out_dir"]\n[table.labels]\nlr = "η"\n'
        '[table.direction]\nacc = "lower"\n'
    )
    out, _ = said(capsys, "--shape", "parameters")
    assert "| width |" not in out
    assert "| η |" in out
    assert "| out dir |" in out
    out, _ = said(capsys, "--group", "lr")
    assert "accuracy ↓" in out
    out, _ = said(capsys, "--group", "lr", "--direction", "acc=higher")
    assert "accuracy ↑" in out
    (store.parent / "samebit.toml").write_text("[table]\nlabel = 1\n")
    assert "samebit.toml" in said(capsys, code=2)[1]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--group", "nothing"], "no run here has 'nothing'"),
        (["--metric", "nothing"], "no run here has a metric 'nothing'"),
        (["--shape", "parameters", "--columns", "nothing"], "no run here has 'nothing'"),
        (["--shape", "data"], "nothing is recorded of the data"),
        (["--shape", "results", "--where", "acc > 5"], "none of 7 runs is so"),
        (["--group", "lr", "--test", "welch", "--against", "5"], "there is no group '5'"),
        (["--group", "lr", "--confidence", "95"], "between 0 and 1"),
        (["--shape", "compute", "--metric", "acc"], "nothing to a table of compute: metric"),
        (["--group", "lr", "--columns", "acc"], "nothing to a table of results: columns"),
        (["--to", "table.pdf"], "the ending of 'table.pdf' says no form"),
        (["--direction", "acc=up"], "'acc=up' is no direction"),
        (["--explain", "--where", "acc > 5"], "none of 7 runs is so"),
    ],
)
def test_what_cannot_be_meant_says_why(
    words: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = said(capsys, *words, code=2)
    assert what in err
    assert out == ""


@pytest.mark.usefixtures("study")
def test_a_shape_in_the_place_of_a_run_is_told_its_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, errors = said(capsys, "results", "--group", "m", code=2)
    assert "no run is called 'results', but a shape of tables is" in errors
    assert "hint: samebit table --shape results" in errors
    said(capsys, "nobody", code=7)


@pytest.mark.usefixtures("study")
def test_a_file_that_cannot_be_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = said(capsys, "--to", str(tmp_path / "nowhere" / "t.md"), code=1)
    assert "cannot write the table" in err
    assert "fault of ours" not in err


def test_every_shape_has_its_line_in_the_help() -> None:
    parser = argparse.ArgumentParser()
    tabling.table_arguments(parser)
    text = parser.format_help()
    for shape in tabling.SHAPES:
        assert shape in text
