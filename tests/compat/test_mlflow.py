"""`samebit import mlflow`: stores that MLflow made, and stores that nobody should have made."""

import json
import math
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.cli.main import main
from samebit.compat.files.mlflowrun import plain_of
from samebit.compat.files.mlflowstores import Mlflow
from samebit.compat.foreign import ForeignRun
from samebit.errors import Damaged, NotFound
from samebit.folders.folder import RunFolder
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from tests.cli.stores import said

Capture = pytest.CaptureFixture[str]
GOLDEN = Path(__file__).parent.parent / "golden" / "mlflow-1"
PEERS = Path(sys.prefix) / "peers" / "bin" / "python"
MAKE = GOLDEN.parent / "make_imports.py"
LOSS = [(0, 1 / 3), (1, 0.25), (2, 0.2), (3, 1 / 6)]
LARGEST = sys.float_info.max


def files_store(folder: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "files", folder / "mlruns"))


def database(folder: Path) -> Path:
    path = folder / "store.db"
    connection = sqlite3.connect(path)
    connection.executescript((GOLDEN / "store.sql").read_text())
    connection.close()
    return path


STORES = [files_store, database]
Make = Callable[[Path], Path]


def runs_of(path: Path) -> dict[str, ForeignRun]:
    read = [f.read(lambda size: None) for f in Mlflow(path).find() if not f.left_out]
    return {run.name or "": run for run in read if run is not None}


def points(run: ForeignRun) -> dict[str, list[tuple[int, Any]]]:
    return {
        one.name: [
            (step, "nan" if value != value else value)
            for step, value in zip(one.steps, one.values, strict=True)
        ]
        for execution in run.executions
        for one in (*execution.series, *execution.machine)
    }


def imported(capsys: Capture, *words: object, ends: int = 0) -> dict[str, dict[str, Any]]:
    code, text = said(capsys, "import", "mlflow", *map(str, words), "--json")
    assert code == ends, text
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {one["name"]: one for one in found}


def view_of(store: Path, run: str) -> View:
    return read_run(RunFolder(store / "runs" / run))


def check_golden(
    store: Path, capsys: Capture, address: object, path: Path, infinity: float
) -> None:
    found = imported(capsys, address)
    assert set(found) == {"alpha", "child", "bad", "open"}
    views = {name: view_of(store, one["run"]) for name, one in found.items()}
    assert {name: view.status for name, view in views.items()} == {
        "alpha": "finished",
        "child": "finished",
        "bad": "failed",
        "open": "unknown",
    }
    alpha = views["alpha"]
    assert views["child"].record.parent == found["alpha"]["run"]
    assert alpha.facts["config"] == {
        "lr": 0.1,
        "width": 64,
        "act": "relu",
        "a/b": "x",
        "flag": True,
    }
    assert (alpha.said.tags, alpha.said.text) == (("team=x",), "a note")
    run = runs_of(path)["alpha"]
    assert points(run) == {
        "loss": LOSS,
        "no step": [(0, "nan"), (1, infinity), (2, 2.0)],
        "val/acc": [(-2, 0.5)],
        "system/cpu": [(0, 12.5)],
    }
    (accuracy,) = [one for one in run.executions[0].series if one.name == "val/acc"]
    assert list(accuracy.times_ns) == [1_700_000_000_123 * 10**6]
    assert [one.name for one in run.executions[0].machine] == ["system/cpu"]
    told = alpha.facts["imported"]["said"]
    assert told["experiment"] == "digits & co"
    assert Path(told["source"]).name in ("train.py", MAKE.name)
    assert told["numbered"] == "no step: logged without a step, in this order"
    assert told["datasets"] == [
        {"name": "zeros", "digest": "2b679e2b", "source_type": "code", "context": "training"}
    ]
    again = imported(capsys, address)
    assert {(one["is_new"], one["points"], one["things"]) for one in again.values()} == {
        (False, 0, 0)
    }


def test_what_is_in_a_file_store(store: Path, capsys: Capture, tmp_path: Path) -> None:
    path = files_store(tmp_path)
    check_golden(store, capsys, path, path, math.inf)
    (alpha,) = imported(capsys, next(path.glob("*/889c*"))).values()
    view = view_of(store, alpha["run"])
    assert {name: len(every) for name, every in media_of(view).items()} == {"pic": 1}
    artifacts = view.facts["imported"]["said"]["artifacts"]
    assert {"path": "notes/a.txt", "size_bytes": 5} in artifacts


def test_what_is_in_a_database(store: Path, capsys: Capture, tmp_path: Path) -> None:
    path = database(tmp_path)
    before = path.read_bytes()
    check_golden(store, capsys, f"sqlite:///{path}", path, LARGEST)
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="MLflow is not installed beside")
def test_what_the_mlflow_of_today_writes_is_read(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    subprocess.run([PEERS, MAKE, "mlflow", made], check=True, capture_output=True, timeout=240)
    (experiment,) = [one for one in (made / "mlruns").iterdir() if len(one.name) > 10]
    check_golden(store, capsys, experiment, experiment, math.inf)
    check_golden(store, capsys, f"sqlite:///{made}/store.db", made / "store.db", LARGEST)
    pictures = [len(one.executions[0].things) for one in runs_of(made / "store.db").values()]
    assert sum(pictures) == 1


@pytest.mark.parametrize("make", STORES)
def test_deleted_runs_are_left_out_and_that_is_said(
    store: Path, capsys: Capture, tmp_path: Path, make: Make
) -> None:
    assert main(["import", "mlflow", str(make(tmp_path))]) == 0
    told = capsys.readouterr()
    assert "1 run was deleted in MLflow, and left out" in told.err
    assert "gone" not in told.out


def test_what_has_come_since_is_added_to_a_file_store(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    path = files_store(tmp_path)
    source = Mlflow(path)
    first = imported(capsys, path)["open"]
    source.find()
    assert source.find() == []
    (folder,) = path.glob("*/a4c60e87c2474d3483df4a81cb8f4d7d")
    with (folder / "metrics" / "y").open("a") as stream:
        stream.write("1795820050000 0.5 3\n1795820050001 0.2")
    assert [one.where for one in source.find()] == [str(folder)]
    more = imported(capsys, path)["open"]
    assert (more["run"], more["points"]) == (first["run"], 1)
    told = view_of(store, more["run"]).facts["imported"]["said"]
    assert told["unread_bytes"] == {"metrics/y": 17}


def test_what_has_come_since_is_added_to_a_database(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    path = database(tmp_path)
    source = Mlflow(path)
    imported(capsys, path)
    source.find()
    assert source.find() == []
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO metrics SELECT 'y', 0.5, 1795820064999, run_uuid, 7, 0 FROM runs"
            " WHERE name = 'open'"
        )
    connection.close()
    assert len(source.find()) == 1
    assert imported(capsys, path)["open"]["points"] == 1


@settings(max_examples=60)
@given(st.one_of(st.text(), st.integers().map(str), st.floats().map(str)))
def test_a_parameter_is_no_number_unless_python_writes_it_so(text: str) -> None:
    assert str(plain_of(text)) == text


@pytest.mark.parametrize("text", ["1e3", "007", "1_000", " 1", "0x10", "+1", "1.50", "9" * 5000])
def test_texts_that_are_not_what_python_writes_stay(text: str) -> None:
    assert plain_of(text) == text


def test_a_metric_cut_anywhere_invents_no_number(tmp_path: Path) -> None:
    path = files_store(tmp_path)
    (metric,) = path.glob("*/889c*/metrics/loss")
    data = metric.read_bytes()
    for size in range(len(data)):
        metric.write_bytes(data[:size])
        assert points(runs_of(metric.parent.parent)["alpha"])["loss"] in (
            LOSS[:many] for many in range(4)
        )


def test_a_point_that_a_model_wrote_once_more_is_one(tmp_path: Path) -> None:
    path = files_store(tmp_path)
    (metric,) = path.glob("*/889c*/metrics/no step")
    data = metric.read_bytes()
    before = points(runs_of(path)["alpha"])
    metric.write_bytes(data + b"".join(data.splitlines(keepends=True)[::-1]))
    assert points(runs_of(path)["alpha"]) == before


@pytest.mark.parametrize("make", STORES)
@pytest.mark.parametrize("place", ["s3://bucket/alpha", "/elsewhere/alpha/artifacts"])
def test_artifacts_that_lie_elsewhere_are_told(tmp_path: Path, make: Make, place: str) -> None:
    path = make(tmp_path)
    if make is database:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE runs SET artifact_uri = ? WHERE name = 'alpha'", (place,))
        connection.close()
    else:
        (meta,) = path.glob("*/889c*/meta.yaml")
        lines = [one for one in meta.read_text().splitlines() if "artifact_uri" not in one]
        meta.write_text("\n".join([*lines, f"artifact_uri: {place}\n"]))
        assert not any(one == "artifacts" for one, _ in runs_of(path)["child"].problems)
    run = runs_of(path)["alpha"]
    assert run.said["artifacts_lie_in"] == place
    assert ("artifacts", "lie outside of the store, and were not looked at") in run.problems


def test_flipped_bits_in_a_file_store_never_crash(tmp_path: Path) -> None:
    path = files_store(tmp_path)
    chance = random.Random(3)
    every = [one for one in path.rglob("*") if one.is_file()]
    for _ in range(60):
        one = chance.choice(every)
        data = one.read_bytes()
        at = chance.randrange(len(data))
        odd = bytes([data[at] ^ 1 << chance.randrange(8)])
        one.write_bytes(data[:at] + odd + data[at + 1 :])
        for found in Mlflow(path).find():
            try:
                found.read(lambda size: None)
            except Damaged:
                continue
        one.write_bytes(data)


def test_a_database_that_is_damaged_never_crashes(tmp_path: Path) -> None:
    path = database(tmp_path)
    data = path.read_bytes()
    chance = random.Random(4)
    for attempt in range(60):
        odd = bytearray(data[: chance.randrange(len(data))] if attempt % 2 else data)
        for _ in range(0 if attempt % 2 else 20):
            odd[chance.randrange(len(odd))] ^= 1 << chance.randrange(8)
        path.write_bytes(odd)
        try:
            for found in Mlflow(path).find():
                found.read(lambda size: None)
        except Damaged:
            continue


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = files_store(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("1795820050000 0.5 3\n")
    (run,) = path.glob("*/889c*")
    for part in ("params", "tags", "metrics", "artifacts"):
        (run / part / "link").symlink_to(secret)
    (run / "inputs" / "x").mkdir()
    (run / "inputs" / "x" / "meta.yaml").write_text(
        "source_type: DATASET\nsource_id: ../../../..\n"
    )
    found = runs_of(run)["alpha"]
    assert "link" not in {**(found.config or {}), **found.said["tags"]}
    assert not points(found)["link"]
    assert not any(one["path"] == "link" for one in found.said["artifacts"])
    assert len(found.problems) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"run_id: [" + b"[" * 5000,
        b"a: &a [x]\nb: &b [*a, *a]\nrun_id: *b\n",
        b"- a list\n",
        b"\xff\xfe\x00",
        b"run_id: !!python/object/apply:os.system ['true']\n",
        b"x" * (2 << 20),
    ],
)
def test_descriptions_that_nobody_should_have_written(
    store: Path, capsys: Capture, tmp_path: Path, data: bytes
) -> None:
    path = files_store(tmp_path)
    (meta,) = path.glob("*/889c*/meta.yaml")
    meta.write_bytes(data)
    code, _ = said(capsys, "import", "mlflow", str(path))
    assert code in (0, 7)
    assert len(list((store / "runs").glob("*/run.json"))) in (3, 4)


@pytest.mark.parametrize(
    "odd",
    [
        "UPDATE metrics SET value = 'x', step = 'y'",
        "UPDATE metrics SET step = 1e300, timestamp = 'never'",
        "UPDATE runs SET start_time = 'x', name = x'ff', artifact_uri = '/'",
        "UPDATE params SET value = x'00ff'",
        "DROP TABLE tags; CREATE VIEW tags AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
        " SELECT i FROM n) SELECT i key, i value, i run_uuid FROM n",
        "DROP TABLE inputs",
        "ALTER TABLE metrics RENAME step TO steps",
    ],
)
def test_databases_that_nobody_should_have_made(
    store: Path, capsys: Capture, tmp_path: Path, odd: str
) -> None:
    path = database(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.executescript(odd)
    connection.close()
    code, text = said(capsys, "import", "mlflow", str(path))
    assert code in (0, 4, 7), text
    assert "Traceback" not in text


def test_what_is_no_store(store: Path, capsys: Capture, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE runs (x)").connection.close()
    with pytest.raises(Damaged, match="no table"):
        Mlflow(other).find()
    text = tmp_path / "text.db"
    text.write_text("nothing of the kind" * 100)
    with pytest.raises(Damaged):
        Mlflow(text).find()
    with pytest.raises(NotFound):
        Mlflow(tmp_path / "nothing").find()


def test_a_dry_run_writes_nothing(store: Path, capsys: Capture, tmp_path: Path) -> None:
    found = imported(capsys, files_store(tmp_path), "--dry-run")
    assert found["alpha"]["points"] == 9
    assert not list((store / "runs").glob("*/run.json"))


def test_versions_of_registered_models_are_named(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    path = database(tmp_path)
    connection = sqlite3.connect(path)
    (run,) = connection.execute("SELECT run_uuid FROM runs WHERE name = 'alpha'").fetchone()
    connection.executescript(
        "CREATE TABLE model_versions (name, version INTEGER, run_id, current_stage);"
        "CREATE TABLE registered_model_aliases (alias, version INTEGER, name);"
    )
    connection.executemany(
        "INSERT INTO model_versions (name, version, run_id, current_stage) VALUES (?, ?, ?, ?)",
        [("digits", 2, run, "None"), ("digits", 1, run, "Production")],
    )
    connection.execute("INSERT INTO registered_model_aliases VALUES ('best', 2, 'digits')")
    connection.commit()
    connection.close()
    found = imported(capsys, path)
    told = view_of(store, found["alpha"]["run"]).facts["imported"]["said"]
    assert told["models"] == "digits 1, digits 2"
    assert told["registered"][0] == {"name": "digits", "version": "1", "stage": "Production"}
    assert told["registered"][1]["aliases"] == "best"
    assert "models" not in view_of(store, found["child"]["run"]).facts["imported"]["said"]


@pytest.mark.parametrize("make", STORES)
def test_artifacts_come_by_content_when_they_are_asked_for(
    store: Path, capsys: Capture, tmp_path: Path, make: Make
) -> None:
    path = make(tmp_path)
    if make is database:  # its artifacts lie beside it
        (folder,) = (GOLDEN / "files").glob("*/889c*/artifacts")
        place = tmp_path / "made"
        shutil.copytree(folder, place)
        with sqlite3.connect(path) as connection:
            words = "UPDATE runs SET artifact_uri = ? WHERE name = 'alpha'"
            connection.execute(words, (f"file://{place}",))
        connection.close()
    else:
        (place,) = path.glob("*/889c*/artifacts")
    (place / "out").symlink_to(tmp_path)
    assert main(["import", "mlflow", str(path)]) == 0
    assert "--artifacts stores them" in capsys.readouterr().out
    first = imported(capsys, path, "--artifacts")["alpha"]
    assert (first["is_new"], first["points"], first["files"]) == (False, 0, 2)
    assert imported(capsys, path, "--artifacts")["alpha"]["files"] == 0
    (fact,) = view_of(store, first["run"]).all_facts("artifact")
    assert (fact["how"], fact["name"]) == ("logged", f"artifacts-{first['run']}")
    here = tmp_path / "here"
    assert main(["data", "checkout", fact["name"], str(here)]) == 0
    assert (here / "notes" / "a.txt").read_text() == "hello"
    assert sum(one.is_file() for one in here.rglob("*")) == 2
    (place / "notes" / "a.txt").write_text("hello again")
    assert imported(capsys, path, "--artifacts")["alpha"]["files"] == 2
    code, text = said(capsys, "check")
    assert code == 0, text


def test_of_many_runs_what_is_missing_is_told_together(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    from tests.compat import wandb_files as files

    for at in range(30):
        rows = [files.run(f"r{at}"), files.history(0, {"x": at, "list": [1, 2]}), files.ended()]
        files.write(tmp_path / "w", f"r{at}", rows)
    code, text = said(capsys, "import", "wandb", str(tmp_path / "w"))
    assert code == 0
    assert "30 runs: 30 imported; 30 points" in text
    assert "list: is a list or a map, which has no place here (30 runs)" in text.splitlines()[-1]
    assert (
        "30 runs: 30 with nothing new\n" in said(capsys, "import", "wandb", str(tmp_path / "w"))[1]
    )
