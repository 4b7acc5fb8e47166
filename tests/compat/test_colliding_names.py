"""Names that collide once runs are imported: nothing is lost silently, and nothing written over."""

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import samebit
from samebit.cli.main import main
from samebit.compat.files.wandbdirs import Wandb
from samebit.compat.files.wire import bytes_field
from samebit.compat.foreign import ForeignRun
from samebit.errors import AmbiguousRun
from samebit.folders.find import find_run, list_runs
from samebit.folders.read import View, read_run
from tests.cli.stores import said
from tests.compat import wandb_files as files

Capture = pytest.CaptureFixture[str]
GOLDEN = Path(__file__).parent.parent / "golden" / "mlflow-1"

# Of columns of ours, of each other but for case or a dot, of paths and of devices; and odd ones.
ODD = [
    *("id", "name", "state", "step", "time", "value", "run", "odd_step", "seed", "imported"),
    *("loss", "Loss", "LOSS", "a/b", "a.b", "config.lr", "metric.loss", "config.loss"),
    *("..", ".", "/", "con", "nul", "a,b", "a b", "", " ", "x\0y", "x\ny", "=1+1", "ä", "a\u0308"),
]


def write(folder: Path, name: str, *records: bytes, **run: Any) -> Path:
    return files.write(folder, name, [files.run(name, **run), *records, files.ended()])


def import_(tool: str, *words: object, ends: int = 0) -> None:
    assert main(["import", tool, *map(str, words)]) == ends


def views(store: Path) -> list[View]:
    return sorted(map(read_run, list_runs(store)), key=lambda view: view.name or "")


def values(view: View) -> dict[str, list[Any]]:
    return {name: list(column.values) for name, column in view.metrics.items()}


# In one run


def test_keys_that_come_to_one_name_are_two_metrics(store: Path, tmp_path: Path) -> None:
    rows = [files.history(0, {"a.b": 1, ("a", "b"): 2}), files.history(1, {("a", "b"): 3})]
    write(tmp_path / "w", "r", *rows, config={"a": {"b": 4}, "a.b": 5, "A.B": 6})
    import_("wandb", tmp_path / "w")
    (view,) = views(store)
    assert values(view) == {"a.b": [1], "a.b (2)": [2, 3]}
    told = "is the name of two keys, one of them nested: here the later is 'a.b (2)'"
    assert ("a.b", told) in {(one["what"], one["detail"]) for one in view.all_facts("problem")}
    (run,) = samebit.runs(where='"a.b (2)" = 3 and "config.a.b (2)" = 5')
    assert run.flat_config == {"a.b": 4, "a.b (2)": 5, "A.B": 6}


@pytest.mark.parametrize("config", [{"a": {"b": 4}, "a.b": 5}, {"a.b": 5, "a": {"b": 4}}])
def test_settings_of_one_name_have_theirs_whatever_their_order(config: dict[str, Any]) -> None:
    with samebit.init(config=config) as run:
        pass
    assert samebit.open_run(run.id).flat_config == {"a.b": 4, "a.b (2)": 5}


@pytest.mark.parametrize("form", ["--csv", "--json", "--parquet"])
def test_every_odd_name_has_a_column_of_its_own(
    store: Path, tmp_path: Path, capsys: Capture, form: str
) -> None:
    logged = {name: at + 0.5 for at, name in enumerate(ODD)}
    settings = {name: -at - 0.5 for at, name in enumerate(ODD)}
    write(tmp_path / "w", "r", files.history(0, logged), config=settings)
    import_("wandb", tmp_path / "w")
    capsys.readouterr()
    for table in ("runs", "metrics_wide"):
        to = tmp_path / table / f"rows.{form[2:]}"
        assert main(["export", "--table", table, form, "--to", str(to)]) == 0
        row = only_row(to)
        assert {n: float(row[f"metric.{n}"]) for n in ODD} == logged
        if table == "runs":
            assert {n: float(row[f"config.{n}"]) for n in ODD} == settings
    rows = samebit.runs().frame("metrics", "pyarrow").to_pylist()
    assert {row["name"]: row["value"] for row in rows} == logged


def only_row(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".parquet":
        (row,) = parquet.read_table(path, partitioning=None).to_pylist()
    elif path.suffix == ".json":
        (row,) = json.loads(path.read_bytes())
    else:
        titles, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        assert len(set(titles)) == len(titles)
        row = dict(zip(titles, rows[0], strict=True))
    return row


def test_every_odd_name_can_be_asked_for(store: Path, tmp_path: Path, capsys: Capture) -> None:
    logged = {name: at + 0.5 for at, name in enumerate(ODD)}
    write(tmp_path / "w", "r", files.history(0, logged), config={name: "s" for name in ODD})
    write(tmp_path / "w", "other", files.history(0, {"other": 1}))
    import_("wandb", tmp_path / "w")
    for name, value in logged.items():
        for condition in (f'"metric.{name}" = {value}', f'"config.{name}" = s'):
            assert [run.name for run in samebit.runs(where=condition)] == ["the r"], condition
    capsys.readouterr()
    code, text = said(capsys, "ls")
    assert code == 0
    assert "metric.loss" in text
    assert "config.a/b" in text


def test_two_columns_of_one_title_are_two_metrics(store: Path, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("_step,loss,loss,loss\n0,1,2,3\n1,,5,6\n")
    import_("wandb", tmp_path / "h.csv")
    (view,) = views(store)
    assert values(view) == {"loss": [1], "loss (2)": [2, 5], "loss (3)": [3, 6]}
    assert any(one["what"] == "loss" for one in view.all_facts("problem"))


def test_tags_stay_apart_and_one_that_is_none_is_told(store: Path, tmp_path: Path) -> None:
    tags = b"".join(bytes_field(10, tag) for tag in (b"Best", b"best", b"a, b"))
    write(tmp_path / "w", "r", bytes_field(files.RUN, bytes_field(1, b"r") + tags))
    import_("wandb", tmp_path / "w")
    (view,) = views(store)
    assert view.said.tags == ("Best", "best")
    assert "tag 'a, b'" in {one["what"] for one in view.all_facts("problem")}


# Of several runs


def test_runs_of_one_name_are_told_and_taken_by_id(
    store: Path, tmp_path: Path, capsys: Capture
) -> None:
    with samebit.init(name="the r", config={"lr": 1}):
        pass
    write(tmp_path / "one", "r", files.history(0, {"loss": 1}), project="one")
    write(tmp_path / "two", "r", files.history(0, {"loss": 2}), project="two")
    capsys.readouterr()
    import_("wandb", tmp_path / "one", tmp_path / "two")
    text = capsys.readouterr().out
    assert "3 runs are called 'the r' now" in text
    with pytest.raises(AmbiguousRun, match="fits 3 runs"):
        find_run(store, "the r")
    assert len(samebit.runs(where="name = 'the r'")) == 3
    (one,) = samebit.runs(where="name = 'the r' and project = two and imported = wandb")
    assert one.metrics()["loss"]["value"] == [2]
    rows = samebit.runs().rows("runs")
    assert {row["name"] for row in rows} == {"the r"}
    assert len({row["id"] for row in rows}) == 3
    import_("wandb", tmp_path / "one")
    assert "are called" not in capsys.readouterr().out  # it was said when they came


def test_a_group_that_was_there_is_told(store: Path, tmp_path: Path, capsys: Capture) -> None:
    with samebit.init(name="ours", group="g"):
        pass
    group = bytes_field(files.RUN, bytes_field(1, b"r") + bytes_field(6, b"g"))
    for project in ("one", "two"):
        write(tmp_path / project, "r", group, project=project)
    capsys.readouterr()
    import_("wandb", tmp_path / "one")
    assert "the group 'g' has runs of this import and of 1 that were there" in (
        capsys.readouterr().out
    )
    assert len(samebit.runs(where="group = g and project = one")) == 1


def test_event_files_of_folders_of_one_name(store: Path, tmp_path: Path) -> None:
    from tests.compat import events

    for at in (1, 2):
        name = f"events.out.tfevents.170000000{at}.host.1.0"
        events.write(tmp_path / f"logs{at}" / "train", [events.scalar("loss", 1, at)], name)
    import_("tensorboard", tmp_path / "logs1", tmp_path / "logs2")
    assert [view.name for view in views(store)] == ["train", "train"]
    assert sorted(values(view)["loss"][0] for view in views(store)) == [1.0, 2.0]


def test_a_copy_of_a_run_that_goes_on_otherwise_is_told(
    store: Path, tmp_path: Path, capsys: Capture
) -> None:
    for folder, more in (("one", 2), ("two", 3)):
        rows = [files.history(0, {"loss": 1}), files.history(1, {"loss": more})]
        write(tmp_path / folder, "r", *rows)
    import_("wandb", tmp_path / "one")
    capsys.readouterr()
    import_("wandb", tmp_path / "two")
    assert "loss: had other points when it was imported before" in capsys.readouterr().out
    (view,) = views(store)
    assert values(view) == {"loss": [1, 3]}
    assert len(view.all_facts("taken")) == 2  # both lie in the journal


@pytest.mark.parametrize("name", ["..", "../../x", "a\0b", "a/b", "con", "", "x" * 500])
def test_a_name_is_no_path(store: Path, tmp_path: Path, name: str) -> None:
    for at in ("one", "two"):
        body = bytes_field(1, at.encode()) + bytes_field(8, name.encode())
        record = bytes_field(files.RUN, body)
        files.write(tmp_path / "w", at, [record, files.history(0, {name: 1}), files.ended()])
    import_("wandb", tmp_path / "w")
    to = tmp_path / "above" / "out"
    assert main(["export", "--tensorboard", str(to)]) == 0
    assert len(list(to.iterdir())) == 2
    assert len(list(to.rglob("events*"))) == 2
    assert list(to.parent.iterdir()) == [to]


# MLflow


def test_names_of_mlflow_that_are_one_but_for_case(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    connection = sqlite3.connect(path)
    connection.executescript((GOLDEN / "store.sql").read_text())
    (run,) = connection.execute("select run_uuid from runs where name = 'alpha'").fetchone()
    connection.executemany(
        "insert into params (run_uuid, key, value) values (?, ?, ?)",
        [(run, key, value) for key, value in (("id", "7"), ("Act", "x"), ("loss", "mse"))],
    )
    connection.executemany(
        "insert into metrics (run_uuid, key, value, timestamp, step, is_nan)"
        " values (?, ?, ?, 1700000000000, 3, 0)",
        [(run, key, value) for key, value in (("step", 5.0), ("Loss", 6.0), ("id", 8.0))],
    )
    connection.executemany(
        "insert into tags (run_uuid, key, value) values (?, ?, 'x')", [(run, "Team")]
    )
    connection.commit()
    connection.close()
    import_("mlflow", path)
    (found,) = samebit.runs(where="name = alpha")
    (row,) = samebit.runs(where="name = alpha").rows("runs")
    assert row["id"] == found.id
    assert (row["config.id"], row["metric.id"]) == (7, 8.0)
    assert (row["metric.step"], row["metric.Loss"], row["config.loss"]) == (5.0, 6.0, "mse")
    assert row["metric.loss"] == 1 / 6
    assert row["config.Act"] == "x"
    assert set(row["tags"].split(", ")) == {"team=x", "Team=x"}
    assert row["project"] == "digits & co"
    assert row["imported"] == "mlflow"


def test_files_of_which_a_version_cannot_have_one_are_told(
    store: Path, tmp_path: Path, capsys: Capture
) -> None:
    top = Path(shutil.copytree(GOLDEN / "files", tmp_path / "mlruns"))
    artifacts = next(top.glob("*/889c*")) / "artifacts"
    for name in ("A.txt", "a.txt", "con", "a\nb", ".git/config"):
        (artifacts / name).parent.mkdir(exist_ok=True)
        (artifacts / name).write_text(name)
    import_("mlflow", artifacts.parent, "--artifacts")
    text = capsys.readouterr().out
    assert "artifact .git/config: no version of data may have a file of this path" in text
    assert "names that are one where case or Unicode forms do not count: A.txt, a.txt" in text
    (run,) = samebit.runs(where="name = alpha")
    to = tmp_path / "out"
    assert main(["data", "checkout", f"artifacts-{run.id}", str(to)]) == 0
    for name in ("A.txt", "a.txt", "con", "a\nb"):
        assert (to / name).read_text() == name
    assert not (to / ".git").exists()
    import_("mlflow", artifacts.parent, "--artifacts")
    assert "nothing new" in capsys.readouterr().out


def read(path: Path) -> list[ForeignRun | None]:
    return [found.read(lambda size: None) for found in Wandb(path).find()]


def test_names_are_the_same_when_a_file_has_grown(tmp_path: Path) -> None:
    rows = [files.history(0, {("a", "b"): 1}), files.history(1, {"a.b": 2})]
    path = files.write(tmp_path, "r", [files.run("r"), *rows[:1]])
    (before,) = read(path)
    files.write(tmp_path, "r", [files.run("r"), *rows])
    (after,) = read(path)
    assert before is not None
    assert after is not None
    assert [one.name for one in before.executions[0].series] == ["a.b"]
    assert [one.name for one in after.executions[0].series] == ["a.b", "a.b (2)"]
