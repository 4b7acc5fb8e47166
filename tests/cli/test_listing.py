"""What `ls`, `metrics` and `table` promise: the right runs, whole and exact, safe on any screen."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from samebit import places
from samebit.cli.main import main
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.query import index
from tests.query.test_index import record

NS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the commands are typed; its store is empty."""
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "SAMEBIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    folder = tmp_path / "project"
    places.make_store(folder / ".samebit")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def sweep(project: Path) -> list[RunFolder]:
    """Three runs that differ in one entry, and a replay of the first."""
    store = project / ".samebit"
    config = {"batch": 32, "model": {"width": 128}}
    found = [
        record(
            store,
            config=config | {"lr": lr},
            rows=[{"loss": 1.0, "acc": 0.5}, {"loss": 2 * lr, "acc": 1 - lr}],
            seed=seed,
            name=name,
            status=status,
        )
        for lr, seed, name, status in [
            (0.1, 1, "brave-otter", "finished"),
            (0.01, 2, "calm-heron", "failed"),
            (0.001, 3, None, "finished"),
        ]
    ]
    record(store, config=config | {"lr": 0.1}, kind="replay", of=found[0].id)
    return found


def samebit(*words: str) -> subprocess.CompletedProcess[str]:
    """The command as a process, its output in a pipe."""
    command = [sys.executable, "-m", "samebit.cli.main", *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def output(*words: str) -> str:
    done = samebit(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def on_a_terminal(*words: str, columns: int = 80) -> str:
    """What the command shows on a real pseudo-terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "samebit.cli.main", *words]
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env={**os.environ, "COLUMNS": str(columns)}
    ) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so that the other end is closed
                piece = b""
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert child.returncode == 0, shown.decode()
    return shown.decode().replace("\r\n", "\n")


def ids(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_ls_lists_the_newest_first_in_full_in_a_pipe(sweep: list[RunFolder]) -> None:
    text = output("ls")
    header, *lines = text.splitlines()
    assert header.split() == [
        "id", "name", "state", "started", "seconds", "seed", "verdict", "lr", "loss", "acc",
    ]  # fmt: skip
    assert ids(text) == [run.id for run in reversed(sweep)]
    assert re.fullmatch(
        rf"{sweep[1].id}  calm-heron   failed    \d{{4}}-\d\d-\d\d \d\d:\d\d"
        r"  1 min 30 s     2            0.01   0.02   0.99",
        lines[1],
    )
    assert "\x1b" not in text


def test_ls_says_on_a_terminal_what_is_still_to_be_pushed(sweep: list[RunFolder]) -> None:
    assert "to be pushed" not in on_a_terminal("ls")
    waiting = sweep[0].path.parents[1] / "unpushed"
    waiting.mkdir()
    (waiting / sweep[0].id).touch()
    text = on_a_terminal("ls")
    assert "still to be pushed: 1 run; `samebit remote show NAME` says how it went" in text
    assert ids(output("ls")) == [run.id for run in reversed(sweep)]


def test_ls_fits_a_terminal_and_colours_the_states(sweep: list[RunFolder]) -> None:
    text = on_a_terminal("ls")
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert max(map(len, plain.splitlines())) <= 80
    assert "\x1b[32mfinished\x1b[0m" in text
    assert "\x1b[31mfailed\x1b[0m" in text
    assert re.search(rf"{sweep[0].id}  brave-\S+  finished  (now|\d+ s ago) +1 min 30 s ", plain)
    # No run has a verdict: on a screen an empty column would only take the place of others.
    assert "verdict" not in plain
    narrow = re.sub(r"\x1b\[\d+m", "", on_a_terminal("ls", columns=40))
    assert max(map(len, narrow.splitlines()[:-1])) <= 40
    assert re.search(r"\+\d columns: --columns or a wider terminal", narrow)


def lacking(run: RunFolder, *troubles: str) -> None:
    """A record that says so of itself."""
    writer = Writer(run.journal, run.id)
    for trouble in troubles:
        writer.fact("problem", {"what": trouble, "detail": "it is so"})
    writer.close()


def test_what_a_run_lacks_has_room_on_a_terminal(sweep: list[RunFolder]) -> None:
    for run in sweep:
        lacking(run, "journal")
    lacking(sweep[1], "console")
    for columns in (80, 50):
        plain = re.sub(r"\x1b\[\d+m", "", on_a_terminal("ls", columns=columns))
        header, *lines = plain.splitlines()
        assert header.split()[-1] == "missing"
        assert [line.split()[-1] for line in lines[:3] if line.endswith("console")] == ["console"]
        assert "missing from each: journal; `samebit show R" in plain
    # A pipe may be read by a program: all of it, beside each run.
    rows = {line.split()[0]: line.split()[-1] for line in output("ls").splitlines()[1:]}
    assert rows[sweep[0].id] == "journal"
    assert output("ls").count("journal, console") == 1


def test_no_column_is_left_where_all_runs_lack_the_same(sweep: list[RunFolder]) -> None:
    for run in sweep:
        lacking(run, "journal")
    header, *_ = on_a_terminal("ls").splitlines()
    assert "missing" not in header


def test_a_terminal_says_how_many_runs_a_limit_hides(sweep: list[RunFolder]) -> None:
    assert "2 of 3 runs" in on_a_terminal("ls", "--limit", "2")
    assert " of " not in on_a_terminal("ls", "--limit", "3")
    assert ids(output("ls", "--limit", "2")) == [sweep[2].id, sweep[1].id]


def test_runs_are_filtered_and_sorted(sweep: list[RunFolder]) -> None:
    one, two, three = (run.id for run in sweep)
    assert ids(output("ls", "--where", "acc > 0.95 and config.lr < 0.01")) == [three]
    assert ids(output("ls", "--where", "state = failed or name ~ 'brave-*'")) == [two, one]
    assert ids(output("ls", "--sort", "acc")) == [one, two, three]
    assert ids(output("ls", "--sort", "state,acc:desc")) == [two, three, one]


def test_replays_are_listed_when_asked_for(sweep: list[RunFolder]) -> None:
    text = output("ls", "--replays", "--columns", "id,kind,of", "--where", "kind = replay")
    assert text.splitlines()[1].split()[1:] == ["replay", sweep[0].id]
    assert len(ids(output("ls", "--replays"))) == 4


def test_columns_are_those_that_were_asked_for(sweep: list[RunFolder]) -> None:
    text = output("ls", "--columns", "acc, config.model.width,batch,id", "--limit", "1")
    assert [line.split() for line in text.splitlines()] == [
        ["acc", "config.model.width", "batch", "id"],
        ["0.999", "128", "32", sweep[2].id],
    ]


@pytest.mark.parametrize("command", ["ls", "table"])
@pytest.mark.parametrize("option", ["--where", "--sort", "--columns"])
@pytest.mark.usefixtures("sweep")
def test_a_name_that_no_run_has_is_an_error_that_names_near_ones(command: str, option: str) -> None:
    done = samebit(command, option, "los")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("samebit: no run here has 'los'\n  near names: loss\n")
    done = samebit(command, option, "zzzzzz")
    assert done.returncode == 2
    assert "some names: cause, co" in done.stderr


@pytest.mark.parametrize("words", [["--limit", "0"], ["--columns", "a,,b"], ["--where", "acc >"]])
@pytest.mark.usefixtures("sweep")
def test_what_cannot_be_meant_is_a_usage_error(words: list[str]) -> None:
    assert samebit("ls", *words).returncode == 2


def test_json_is_exact(project: Path) -> None:
    run = record(
        project / ".samebit",
        config={"lr": 0.1 + 0.2, "big": 2**70, "text": "\x1b[31m", "list": [1, None]},
        rows=[{"loss": math.nan, "top": -math.inf}],
    )
    (row,) = json.loads(output("ls", "--json"))
    assert row["id"] == run.id
    assert row["started"] == {"$int": str(run.record().started_ns)}
    assert row["config.lr"] == 0.1 + 0.2
    assert row["config.big"] == {"$int": str(2**70)}
    assert row["config.text"] == "\x1b[31m"
    assert row["config.list"] == [1, None]
    assert row["metric.loss"] == {"$float": "nan"}
    assert row["metric.top"] == {"$float": "-inf"}
    assert json.loads(output("ls", "--json", "--columns", "id,big,seed")) == [
        {"id": run.id, "big": {"$int": str(2**70)}, "seed": None}
    ]


@pytest.mark.usefixtures("project")
def test_an_empty_store_says_what_to_type() -> None:
    assert output("ls") == "no runs here yet; `samebit run train.py` records one\n"
    assert output("ls", "--where", "acc > 1", "--sort", "acc") == output("ls")
    assert json.loads(output("ls", "--json")) == []
    done = samebit("table")
    assert done.stdout == "| id | name | state | seed |\n| --- | --- | --- | --- |\n"
    assert "samebit run train.py" in done.stderr


@pytest.mark.usefixtures("sweep")
def test_a_filter_that_fits_no_run_says_so() -> None:
    assert output("ls", "--where", "acc > 2") == "none of 3 runs is so\n"
    assert json.loads(output("ls", "--json", "--where", "acc > 2")) == []


def test_without_a_store_the_exit_code_says_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()  # nothing above is searched
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    done = samebit("ls")
    assert done.returncode == 7
    assert "samebit run train.py" in done.stderr


def test_a_damaged_run_is_listed_and_spoils_nothing(sweep: list[RunFolder]) -> None:
    (sweep[0].path / "run.json").write_text("rubbish")
    text = output("ls")
    header, *lines = text.splitlines()
    assert "batch" not in header  # that entry still does not differ
    assert header.split()[-1] == "damage"
    assert lines[2].startswith(f"{sweep[0].id}")
    assert "damaged" in lines[2]
    assert "a damaged record (RunRecord)" in lines[2]
    assert "\x1b[31mdamaged\x1b[0m" in on_a_terminal("ls")

    done = samebit("table")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4
    assert "runs that cannot be read, left out: 1" in done.stderr
    assert ids(output("ls", "--where", "damage")) == [sweep[0].id]


def test_a_stranger_s_text_cannot_command_the_terminal(project: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\nnext"
    record(project / ".samebit", name=evil, config={evil: evil}, rows=[{evil: 1.0, "t": evil}])
    for words in (["ls"], ["table"], ["metrics", "last"]):
        assert not re.search(r"[\x07\x9b]|\x1b\]", output(*words))
    for words in (
        ["ls"],
        ["ls", "--json"],
        ["table"],
        ["table", "--csv"],
        ["metrics", "last"],
        ["metrics", "last", "--csv"],
        ["metrics", "last", "--json"],
    ):
        shown = on_a_terminal(*words, columns=400)
        assert not re.search(r"[\x07\x9b]|\x1b\]", shown), words
        assert "owned" in shown
    for words in (["ls", "--where", f"`{evil}!` > 1"], ["metrics", "last", evil + "!"]):
        refused = samebit(*words)
        assert refused.returncode in (2, 7)
        assert not re.search(r"[\x07\x9b]|\x1b\]", refused.stderr)
    (row,) = csv.DictReader(io.StringIO(output("table", "--csv")))
    assert row["name"] == evil


def test_a_table_is_markdown_or_exact_csv(sweep: list[RunFolder]) -> None:
    markdown = output("table", "--where", "state = finished", "--columns", "name,lr,acc")
    assert markdown == (
        "| name | lr | acc |\n"
        "| --- | ---: | ---: |\n"
        "| brave-otter | 0.1 | 0.9 |\n"
        "|  | 0.001 | 0.999 |\n"
    )
    assert output("table", "--markdown", "--sort", "lr", "--columns", "lr").splitlines()[2:] == [
        "| 0.001 |", "| 0.01 |", "| 0.1 |",
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(output("table", "--csv", "--sort", "seed:desc"))))
    assert [float(row["loss"]) for row in rows] == [0.002, 0.02, 0.2]
    assert [row["id"] for row in rows] == [run.id for run in reversed(sweep)]
    assert len(list(csv.DictReader(io.StringIO(output("table", "--csv", "--replays"))))) == 4


def test_metrics_are_summed_up(project: Path) -> None:
    record(
        project / ".samebit",
        rows=[{"loss": 4.0 - step, "acc": math.nan, "phase": f"p{step}"} for step in range(4)]
        + [{"acc": 0.5, "big": 10**400}],
    )
    lines = output("metrics", "@last").splitlines()
    assert [line.split() for line in lines] == [
        ["name", "points", "first", "last", "min", "max", "curve"],
        ["loss", "4", "4", "1", "1", "4", "█▆▃▁"],
        ["acc", "5", "nan", "0.5", "0.5", "0.5", "▅"],
        ["phase", "4", "p0", "p3"],
        ["big", "1", *["1" + "0" * 400] * 4, "█"],
    ]


def test_a_metric_is_chosen_by_name_or_pattern(project: Path) -> None:
    names = ["loss", "val/loss", "val/acc", "odd[0]"]
    run = record(project / ".samebit", rows=[dict.fromkeys(names, 1.0)])
    assert ids(output("metrics", run.id[:6])) == names
    assert ids(output("metrics", "last", "val/*")) == ["val/loss", "val/acc"]
    assert ids(output("metrics", "last", "odd[0]", "loss")) == ["loss", "odd[0]"]
    done = samebit("metrics", "last", "loss", "acc")
    assert (done.returncode, done.stdout) == (7, "")
    assert f"run {run.id} has no metric 'acc'" in done.stderr
    assert "metrics: loss, val/loss, val/acc, odd[0]" in done.stderr


def test_every_point_comes_out_exactly(project: Path) -> None:
    values = [0.1 + 0.2, math.nan, math.inf, 2**70, "text", True]
    rows = [{"x": value} for value in values]
    rows.append({"y": 1.5})
    run = record(project / ".samebit", rows=rows)
    found = json.loads(output("metrics", "last", "--json"))
    assert list(found) == ["x", "y"]
    assert found["x"]["step"] == [1, 2, 3, 4, 5, 6]
    assert found["x"]["value"] == [
        0.1 + 0.2, {"$float": "nan"}, {"$float": "inf"}, {"$int": str(2**70)}, "text", True,
    ]  # fmt: skip
    assert all(NS.match(time) for time in found["x"]["time"])
    assert found["x"]["time"] == sorted(found["x"]["time"])

    lines = list(csv.DictReader(io.StringIO(output("metrics", "last", "x", "--csv"))))
    assert list(lines[0]) == ["name", "step", "time", "value"]
    assert [line["time"] for line in lines] == found["x"]["time"]
    assert [line["value"] for line in lines] == [
        repr(0.1 + 0.2), "nan", "inf", str(2**70), "text", "true",
    ]  # fmt: skip
    assert samebit("metrics", "last", "--csv", "--json").returncode == 2
    assert samebit("metrics", run.id + "x").returncode == 7


def test_a_run_without_metrics_says_so(project: Path) -> None:
    run = record(project / ".samebit")
    assert output("metrics", "last") == f"run {run.id} has logged no metric\n"
    assert json.loads(output("metrics", "last", "--json")) == {}
    assert output("metrics", "last", "--csv") == "name,step,time,value\n"
    assert "none were logged" in samebit("metrics", "last", "loss").stderr


def test_points_that_cannot_be_read_are_not_passed_over_in_silence(project: Path) -> None:
    run = record(project / ".samebit", rows=[{"loss": 1.0}, {"loss": 2.0}])
    (segment,) = run.journal.iterdir()
    segment.write_bytes(segment.read_bytes()[:-3])
    done = samebit("metrics", "last")
    assert done.returncode == 0
    assert "loss" in done.stdout
    assert "points are missing" in done.stderr


def test_times_are_told_to_the_nanosecond(project: Path) -> None:
    run = record(project / ".samebit", status=None)
    writer = Writer(run.journal, run.id)
    for step in range(100):
        writer.row({"loss": 1.0}, step)
    times = json.loads(output("metrics", "last", "--json"))["loss"]["time"]
    assert len({time[-4:-1] for time in times}) > 10


@pytest.mark.usefixtures("sweep")
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "samebit.cli.main", "ls"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_with_a_warm_index_nothing_heavy_is_loaded(sweep: list[RunFolder]) -> None:
    index.rows(sweep[0].store)
    command = [sys.executable, "-X", "importtime", "-m", "samebit.cli.main", "ls"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "sqlite3" in loaded
    assert not loaded & {"msgspec", "blake3", "numpy", "samebit.digest", "samebit.folders.read"}


def test_the_commands_work_in_process_too(
    sweep: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ls", "--columns", "id", "--limit", "1"]) == 0
    assert capsys.readouterr().out.split() == ["id", sweep[2].id]
    assert main(["metrics", "@last-2", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("acc,2,")
