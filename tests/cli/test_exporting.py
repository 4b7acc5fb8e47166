"""What `samebit export` promises: everything, exact, as other tools read it; and nothing lost."""

import csv
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import samebit
from samebit import places
from samebit.cli.main import main
from samebit.cli.schemas.making import make_schema
from samebit.digest import from_json
from samebit.query import index
from samebit.query.tabular.shapes import RUN_COLUMNS, SHAPES
from tests.cli.everything import golden_store
from tests.docs.blocks import ROOT
from tests.query.test_index import record

duckdb = pytest.importorskip("duckdb")
pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pq = pytest.importorskip("pyarrow.parquet")

ODD = 'a,"b"\r\nc \x1b[2J ü'
SMALL = [name for name, shape in SHAPES.items() if not shape.is_large]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def golden(project: Path) -> Path:
    return golden_store(project)


@pytest.fixture
def store(project: Path) -> Path:
    return places.make_store(project / ".samebit")


def export(*words: object, ends: int = 0) -> None:
    assert main(["export", *map(str, words)]) == ends, words


def rows_of(table: str, **how: Any) -> list[dict[str, Any]]:
    return samebit.runs(**how).rows(table)


def test_every_table_is_written_and_read_back_by_each_tool_as_the_same_rows(
    golden: Path, project: Path
) -> None:
    export("--to", "out", "--replays", "--table", ",".join(SHAPES))
    filled: set[str] = set()
    for table in SHAPES:
        path = project / f"out/{table}.parquet"
        plain = samebit.runs(replays=True).frame(table, to="pyarrow")
        read = pq.read_table(path)
        assert read.schema.equals(plain.schema)
        assert repr(read.to_pylist()) == repr(plain.to_pylist())  # NaN is no value of Arrow's
        assert pl.read_parquet(path).equals(samebit.runs(replays=True).frame(table, "polars"))
        read = pd.read_parquet(path, dtype_backend="pyarrow")
        assert list(read.columns) == plain.column_names
        assert len(read) == plain.num_rows == len(rows_of(table, replays=True))
        found = duckdb.sql(f"from '{path}'").fetchall()
        for row, ours in zip(found, plain.to_pylist(), strict=True):
            told = dict(zip(plain.column_names, row, strict=True))
            exact = {n: v for n, v in ours.items() if isinstance(v, (str, int))}
            assert {name: told[name] for name in exact} == exact
        filled |= {table} if plain.num_rows else set()
    assert filled >= {
        "runs",
        "metrics",
        "metrics_wide",
        "config",
        "schedule",
        "executions",
        "seeds",
    }
    assert filled >= {"states", "media", "packages", "verdicts", "missing", "traces", "facts"}


def test_without_a_choice_all_but_the_large_ones_are_there_and_described(
    golden: Path, project: Path
) -> None:
    export("--to", "out")
    there = {path.name for path in (project / "out").iterdir()}
    assert there == {*(f"{name}.parquet" for name in SMALL), "tables.json"}
    told = json.loads((project / "out/tables.json").read_bytes())
    assert told["format"] == "samebit-export 1"
    for name, table in told["tables"].items():
        schema = pq.read_schema(project / f"out/{name}.parquet")
        assert [column["name"] for column in table["columns"]] == schema.names
        assert [c["what"].encode() for c in table["columns"]] == [
            schema.field(n).metadata[b"what"] for n in schema.names
        ]


def test_metrics_keep_every_bit_in_every_form(store: Path, project: Path) -> None:
    values = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, 1 / 3, 1e308, 2**53 + 1, True, ODD]
    run = record(store, rows=[{"loss": value, "é": 1.0} for value in values])
    for ending in ("parquet", "csv", "json", "jsonl"):
        export("--table", "metrics", "--to", f"m.{ending}")
    table = pq.read_table("m.parquet").to_pylist()
    loss = [row for row in table if row["name"] == "loss"]
    assert [row["step"] for row in loss] == list(range(1, 12))
    numbers = [row["value"] for row in loss]
    expected = [*values[:8], 2.0**53, 1.0, None]
    assert [repr(n) for n in numbers] == [repr(v) for v in expected]
    texts = [row["text"] for row in loss[8:]]
    assert texts == ["9007199254740993", "true", ODD]
    with open("m.csv", newline="", encoding="utf-8") as stream:
        by_csv = [row for row in csv.DictReader(stream) if row["name"] == "loss"]
    assert [row["value"] for row in by_csv] == ["" if v is None else repr(v) for v in expected]
    assert [row["text"] for row in by_csv[8:]] == texts
    lines = [from_json(line) for line in Path("m.jsonl").read_bytes().splitlines()]
    assert repr(from_json(Path("m.json").read_bytes())) == repr(lines)
    assert [repr(x["value"]) for x in lines if x["name"] == "loss"] == list(map(repr, expected))
    assert lines[10]["text"] == ODD
    times = read_times(run)
    assert [row["time"] for row in by_csv] == times
    assert [x["time"] for x in lines if x["name"] == "loss"] == times
    assert pl.read_parquet("m.parquet")["time"].dtype == pl.Datetime("ns", "UTC")
    frame = duckdb.sql("select value from 'm.csv' where name = 'loss' and value is not null")
    assert [repr(v) for (v,) in frame.fetchall()] == list(map(repr, expected[:10]))
    frame = pd.read_csv("m.csv")
    read = frame[frame["name"] == "loss"]["value"][:10].tolist()
    assert [repr(value) for value in read] == list(map(repr, expected[:10]))


def read_times(run: Any) -> list[str]:
    from samebit.folders.read import read_run
    from samebit.query.tabular.cells import utc

    return [utc(time_ns) for time_ns in read_run(run).metrics["loss"].times_ns]


def test_settings_have_the_type_that_holds_all_of_them(store: Path) -> None:
    record(store, config={"lr": 1, "n": 3, "big": 2**60, "on": True, "of": "a", "mixed": 1})
    record(store, config={"lr": 0.1, "n": 4, "big": 0.5, "on": False, "of": "", "mixed": [1, 2]})
    frame = samebit.runs(sort="started").frame(to="pyarrow")
    types = {
        name: str(frame.schema.field(f"config.{name}").type) for name in ["lr", "n", "on", "of"]
    }
    assert types == {"lr": "double", "n": "int64", "on": "bool", "of": "string"}
    assert frame["config.lr"].to_pylist() == [1.0, 0.1]
    assert frame["config.big"].to_pylist() == [str(2**60), "0.5"]  # no number holds both
    assert frame["config.mixed"].to_pylist() == ["1", "[1, 2]"]
    long = {
        (row["key"], row["type"], row["value"]) for row in rows_of("config", sort="started")[:6]
    }
    assert ("big", "int", 2**60) in long
    assert ("on", "bool", True) in long


def test_a_run_that_cannot_be_read_is_said_and_the_rest_goes_on(
    store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = record(store, rows=[{"loss": 1.0}])
    hurt = record(store, rows=[{"loss": 2.0}])
    (hurt.path / "run.json").write_bytes(b"{")
    export("--to", "out", "--csv", ends=7)
    said = capsys.readouterr().err
    assert re.search(rf"left out, it cannot be read: run {hurt.id}: ", said)
    assert "out: 1 run, csv" in said
    for table in ("runs", "metrics"):
        text = (project / f"out/{table}.csv").read_text()
        assert whole.id in text
        assert hurt.id not in text


def test_a_run_that_is_damaged_since_the_index_saw_it_has_a_part_in_no_other_table(
    store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = (record(store, rows=[{"loss": 1.0}], config={"a": 1}) for _ in range(2))
    export("--to", "before", "--csv")
    with open(run.path / "run.json", "r+b") as stream:  # no folder's time changes
        stream.write(b"rubbish")
    export("--to", "out", "--csv", ends=7)
    assert f"run {run.id}: a damaged record" in capsys.readouterr().err
    for table in ("metrics", "config", "executions"):
        text = (project / f"out/{table}.csv").read_text()
        assert run.id not in text
        assert other.id in text


def test_nothing_that_is_there_is_overwritten_unless_it_is_said(
    store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store)
    (project / "out").mkdir()
    (project / "out/config.csv").write_text("mine")
    export("--to", "out", "--csv", ends=2)
    assert "a file of that name is there already" in capsys.readouterr().err
    assert [path.name for path in (project / "out").iterdir()] == ["config.csv"]
    assert (project / "out/config.csv").read_text() == "mine"
    export("--to", "out", "--csv", "--force")
    assert (project / "out/config.csv").read_text().startswith("run,key")
    export("--to", "out/runs.csv", "--table", "runs", ends=2)


def test_equal_runs_make_equal_bytes(golden: Path, project: Path) -> None:
    for form in ("parquet", "csv", "json", "jsonl"):
        export("--to", f"a-{form}", f"--{form}", "--table", ",".join(SHAPES))
        export("--to", f"b-{form}", f"--{form}", "--table", ",".join(SHAPES))
        for path in (project / f"a-{form}").iterdir():
            assert path.read_bytes() == (project / f"b-{form}" / path.name).read_bytes(), path


def test_which_runs_and_in_which_order_is_as_ls_has_it(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [record(store, config={"lr": lr}, name=f"r{lr}") for lr in (0.1, 0.2, 0.3)]
    for words in (
        [],
        ["--where", "lr > 0.15"],
        ["--sort", "lr:desc", "--limit", "2"],
        ["--sort", "name"],
    ):
        assert main(["ls", "--json", *words]) == 0
        listed = [row["id"] for row in json.loads(capsys.readouterr().out)]
        export("--table", "runs", "--json", *words)
        found = [row["id"] for row in json.loads(capsys.readouterr().out)]
        assert found == listed
    export("r0.3", "r0.1", "--table", "runs", "--json", "--columns", "lr,id", "--sort", "lr")
    found = json.loads(capsys.readouterr().out)
    assert found == [
        {"config.lr": 0.1, "id": runs[0].id},
        {"config.lr": 0.3, "id": runs[2].id},
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--csv"], "these are 14 tables, and there is one output"),
        (["--table", "runs"], "where to?"),
        (["--table", "rnus", "--to", "o"], "there is no table 'rnus'"),
        (["--to", "all.csv"], "one file, and these are 14 tables"),
        (["--to", "m.csv", "--parquet", "--table", "runs"], "ends as csv does"),
        (["--where", "lr > 5", "--tensorboard", "o"], "none of 1 runs is so"),
        (["--where", "nope > 5", "--to", "o"], "no run here has 'nope'"),
        (["--columns", "nope", "--to", "o"], "no run here has 'nope'"),
        (["--columns", "id", "--table", "config", "--to", "o"], "is not among these"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_written(
    words: list[str], says: str, store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store, config={"lr": 1})
    export(*words, ends=2)
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    assert [path.name for path in project.iterdir()] == [".samebit"]


def test_where_the_disk_refuses_nothing_is_left(
    store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store)
    (project / "file").write_text("x")
    export("--to", "file/out", "--csv", ends=1)
    assert "cannot write there" in capsys.readouterr().err


def test_a_text_that_a_spreadsheet_takes_for_a_formula_stays_as_it_is(store: Path) -> None:
    record(store, config={"command": '=HYPERLINK("x")'}, name="+1")
    export("--table", "config", "--to", "c.csv")
    with open("c.csv", newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert row["value"] == '=HYPERLINK("x")'


def test_a_text_that_is_no_utf8_is_escaped_but_in_json_where_it_is_itself(store: Path) -> None:
    record(store, config={"path": "x\udcff", "list": ["\udcfe"]})
    for ending in ("parquet", "csv", "jsonl"):
        export("--table", "config", "--to", f"c.{ending}")
    assert pq.read_table("c.parquet")["value"].to_pylist()[0] == "x\\udcff"
    assert pl.read_csv("c.csv")["value"].to_list()[0] == "x\\udcff"
    lines = [from_json(line) for line in Path("c.jsonl").read_bytes().splitlines()]
    assert [line["value"] for line in lines] == ["x\udcff", ["\udcfe"]]


def test_row_groups_are_cut_so_that_not_all_is_held(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebit.report.export import parquet

    monkeypatch.setattr(parquet, "_GROUP_ROWS", 10)
    for _ in range(4):
        record(store, rows=[{"loss": 1.0}] * 7)
    export("--table", "metrics", "--to", "m.parquet")
    found = pq.ParquetFile("m.parquet").metadata
    assert [found.row_group(at).num_rows for at in range(found.num_row_groups)] == [10, 4, 10, 4]
    assert pq.read_table("m.parquet").equals(samebit.runs().frame("metrics", "pyarrow"))


def test_the_documented_columns_are_those_that_are_written() -> None:
    text = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    sections = re.split(r"^### `(\w+)`", text, flags=re.MULTILINE)
    documented = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(documented) == list(SHAPES)
    for name, shape in SHAPES.items():
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", documented[name], re.MULTILINE)
        columns = RUN_COLUMNS if name == "runs" else shape.columns
        assert rows == [(c.name, c.type, c.what) for c in columns], name


def test_the_table_of_runs_has_every_column_of_ls() -> None:
    said = ["tags", "note", "archived", "imported", "project", "study", "trial", "job_type"]
    assert [column.name for column in RUN_COLUMNS] == [*index.COLUMNS, *said]
    row = make_schema("ls")["$defs"]["Row"]["properties"]
    assert set(row) == {*index.COLUMNS, *said, "damage"}


def test_an_empty_store_says_so(
    store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export("--tensorboard", "events", ends=2)
    assert "no runs here yet" in capsys.readouterr().err
    shutil.rmtree(store)
    export("--to", "out", ends=7)


@pytest.mark.parametrize("has_runs", [False, True])
def test_of_no_runs_the_tables_are_empty_and_it_is_said(
    has_runs: bool, store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = "loss > 5" if has_runs else None
    words = ["--where", where] if where is not None else []
    if has_runs:
        record(store, rows=[{"loss": 1.0}])
    why = "none of 1 runs is so" if has_runs else "no runs here yet"
    for form in ("parquet", "csv", "jsonl"):
        export(*words, "--to", form, f"--{form}")
        assert why in capsys.readouterr().err
    there = duckdb.sql("describe from 'parquet/metrics.parquet'").fetchall()
    assert [column[0] for column in there] == [column.name for column in SHAPES["metrics"].columns]
    assert duckdb.sql("from 'parquet/runs.parquet'").fetchall() == []
    assert Path("csv/metrics.csv").read_text().count("\n") == 1
    export(*words, "--table", "runs", "--json")
    assert json.loads(capsys.readouterr().out) == samebit.runs(where=where).rows() == []
