"""`samebit import tensorboard`, and what the other commands say of such runs."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import numpy
import pytest

from samebit.cli.main import main
from samebit.compat.files.framed import pack_records
from tests.cli import strictly
from tests.cli.stores import new_store, said
from tests.compat.events import NAME, scalar, version, write
from tests.projects import SAMEBIT, Project

GOLDEN = Path(__file__).parents[1] / "compat" / "golden"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    new_store(tmp_path)
    shutil.copytree(GOLDEN, tmp_path / "runs")
    return Project(tmp_path)


def imported(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    code, out = said(capsys, "import", "tensorboard", *words, "--json")
    assert code == 0
    return strictly.check(["import", "tensorboard"], out)


def test_import_and_again(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "import", "tensorboard", "runs")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("imported ")
    assert lines[0].endswith(" torch: 46 points, 3 things to look at")
    assert lines[1] == "  pr_curves: is in the event files, and has no place here"
    code, out = said(capsys, "import", "tensorboard", "runs")
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["nothing", "nothing", "2"]
    write(project.path / "runs" / "torch", [scalar("new", 1, 2.0)], "events.out.tfevents.18.h")
    code, out = said(capsys, "import", "tensorboard", "runs")
    assert out.splitlines()[0].endswith(" torch: 1 point more")
    assert len(project.views()) == 2


def test_as_data(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    rows = imported(capsys, "runs")
    assert [row["name"] for row in rows] == ["torch", "x"]
    assert {row["points"] for row in rows} == {46}
    assert set(rows[0]) == {
        *("run", "tool", "foreign_id", "where", "name", "is_new", "written", "points", "things"),
        *("files", "problems"),
    }


def test_a_dry_run_writes_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(project.store.rglob("*"))
    code, out = said(capsys, "import", "tensorboard", "runs", "--dry-run")
    assert code == 0
    assert out.count("would import") == 2
    assert sorted(project.store.rglob("*")) == before
    rows = imported(capsys, "runs", "--dry-run")
    assert [row["written"] for row in rows] == [False, False]


def test_nothing_there_is_an_error_with_its_place(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "tensorboard", "nowhere"]) == 7
    assert "no event file lies there" in capsys.readouterr().err


def test_one_that_cannot_be_read_is_told_and_the_others_come(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebit.compat.files import eventfile

    read = eventfile.read_parts

    def refuse(path: Path, *more: object) -> object:
        if "torch" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(eventfile, "read_parts", refuse)
    assert main(["import", "tensorboard", "runs"]) == 7
    told = capsys.readouterr()
    assert "Permission denied" in told.err
    assert " x: 46 points" in told.out


def test_show_says_where_it_came_from(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, "runs/torch")
    code, out = said(capsys, "show", "torch")
    assert code == 0
    assert f"TensorBoard, {project.path / 'runs' / 'torch'}" in out
    assert "command" not in out
    assert "randomness\n" not in out
    assert "code, randomness, data, states and environment: TensorBoard did not record" in out


def test_verify_says_why_it_cannot(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, "runs/torch")
    code, out = said(capsys, "verify", "torch")
    assert code == 6
    assert out.startswith("unknown: it was imported from TensorBoard, which did not record")
    code, out = said(capsys, "verify", "torch", "--plan")
    assert "generators" not in out
    assert "cannot be run again as it was" in out


def test_a_difference_is_no_claim(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, "runs")
    code, out = said(capsys, "diff", "torch", "x")
    assert code == 5
    assert "environment  the same" not in out
    assert "not recorded of" in out


def test_ls_and_table_take_them(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, "runs")
    rows = json.loads(said(capsys, "ls", "--where", "config.lr = 0.1", "--json")[1])
    assert [row["state"] for row in rows] == ["finished", "finished"]
    assert {row["seed"] for row in rows} == {None}
    code, out = said(capsys, "table", "--group", "opt", "--metric", "val/acc")
    assert code == 0
    assert "sgd" in out


def test_check_finds_nothing_wrong(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, "runs")
    assert said(capsys, "check")[0] == 0


def test_out_again_as_event_files(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    imported(capsys, "runs")
    code, out = said(capsys, "export", "x", "--tensorboard", "out")
    assert code == 0
    assert out.startswith("out: 1 run, 46 points, 3 things to look at; tensorboard --logdir out")
    (folder,) = (project.path / "out").iterdir()
    assert folder.name.startswith("x.")
    (row,) = imported(capsys, "out")
    assert (row["is_new"], row["points"], row["things"]) == (True, 46, 3)
    assert main(["export", "--tensorboard", "out", "--to", "x"]) == 2
    assert "writes no tables" in capsys.readouterr().err


@pytest.mark.slow
def test_following_a_folder_as_it_grows(project: Project) -> None:
    folder = project.path / "live"
    with subprocess.Popen(
        [SAMEBIT, "import", "tensorboard", "live", "--follow", "--json"],
        cwd=project.path,
        env=project.environ(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "it is waited for" in process.stderr.readline()
        whole = pack_records(
            [version(), *[scalar("loss", at, at / 2) for at in range(1, 9)]], numpy
        )
        folder.mkdir()
        path = folder / NAME
        path.write_bytes(whole[: len(whole) // 2])  # in the middle of a record
        first = json.loads(process.stdout.readline())
        with path.open("ab") as stream:
            stream.write(whole[len(whole) // 2 :])
        second = json.loads(process.stdout.readline())
        assert (first["is_new"], second["is_new"]) == (True, False)
        assert first["points"] + second["points"] == 8
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    found = next(view for view in project.views() if view.id == first["run"])
    assert found.metrics["loss"].values == [at / 2 for at in range(1, 9)]
    assert not found.missing
