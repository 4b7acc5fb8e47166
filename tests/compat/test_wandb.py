"""`samebit import wandb`: files that wandb wrote, and files that nobody should have written."""

import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.cli.main import main
from samebit.compat.files import wandbitems
from samebit.compat.files.wandbdirs import Wandb
from samebit.compat.files.wandblog import BLOCK_BYTES, HEADER, PIECE, read_log
from samebit.compat.files.wire import Malformed, bytes_field
from samebit.compat.foreign import ForeignRun
from samebit.errors import Damaged, NotFound
from samebit.folders.folder import RunFolder
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from tests.cli.stores import said
from tests.compat import wandb_files as files

Capture = pytest.CaptureFixture[str]
GOLDEN = Path(__file__).parent.parent / "golden" / "wandb-1"
PEERS = Path(sys.prefix) / "peers" / "bin" / "python"
MAKE = GOLDEN.parent / "make_imports.py"
VALUES = [math.nan, 3, 0.1]


def plain(values: list[Any]) -> list[Any]:
    return ["nan" if value != value else value for value in values]


def runs_of(path: Path) -> list[ForeignRun]:
    read = [found.read(lambda size: None) for found in Wandb(path).find()]
    return [one for one in read if one is not None]


def points(run: ForeignRun) -> dict[str, list[tuple[int, Any]]]:
    return {
        one.name: list(zip(one.steps, plain(list(one.values)), strict=True))
        for execution in run.executions
        for one in execution.series
    }


def imported(capsys: Capture, *words: object, ends: int = 0) -> list[dict[str, Any]]:
    code, text = said(capsys, "import", "wandb", *map(str, words), "--json")
    assert code == ends, text
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def view_of(store: Path, run: str) -> View:
    return read_run(RunFolder(store / "runs" / run))


def check_golden(store: Path, capsys: Capture, folder: Path) -> View:
    (one,) = imported(capsys, folder)
    view = view_of(store, one["run"])
    assert one["problems"] == [["html", "is a 'html-file', which has no place here"]]
    assert (view.name, view.status, view.record.group) == ("alpha", "finished", "first")
    assert (view.said.tags, view.said.text) == (("a", "b"), "a note")
    assert view.facts["config"] == {
        "lr": 0.1,
        "net": {"width": 64, "act": "relu"},
        "big": 2**60,
        "seeds": [1, 2],
        "late": 1,
    }
    (run,) = runs_of(folder)
    assert points(run) == {
        "loss": [(0, 1 / 3), (1, 0.25), (2, 0.2), (3, 1 / 6)],
        "nested.x": [(0, 0), (1, 1), (2, 2), (3, 3)],
        "flag": [(0, True), (1, False), (2, True), (3, False)],
        "odd": [(20, math.inf)],
        "nan": [(20, "nan")],
        "text": [(20, "hello")],
    }
    assert {name: len(every) for name, every in media_of(view).items()} == {
        "img": 1,
        "imgs": 2,
        "sound": 1,
        "h": 1,
        "t": 1,
        "console": 1,
    }
    told = view.facts["imported"]["said"]
    assert (told["project"], told["job_type"], told["exit_code"]) == ("digits", "train", 0)
    assert told["summary"] == {"best": 0.25}
    assert view.facts["interpreter"]["implementation"] == "cpython"
    assert view.facts["packages"]["versions"]
    assert imported(capsys, folder)[0] == one | {"is_new": False, "points": 0, "things": 0} | {
        "problems": []
    }
    return view


def test_what_wandb_wrote_is_read_as_it_was_logged(store: Path, capsys: Capture) -> None:
    view = check_golden(store, capsys, GOLDEN)
    assert main(["show", view.id]) == 0
    told = capsys.readouterr().out
    assert " processors" in told
    assert "None" not in told, "what a machine is not known to have is not told"


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="wandb is not installed beside")
def test_what_the_wandb_of_today_writes_is_read(
    store: Path, capsys: Capture, tmp_path: Path
) -> None:
    subprocess.run([PEERS, MAKE, "wandb", tmp_path], check=True, capture_output=True, timeout=120)
    view = check_golden(store, capsys, tmp_path / "wandb")
    assert view.facts["machine"]["cpu"]["logical"]


def test_what_has_come_since_is_added(store: Path, tmp_path: Path, capsys: Capture) -> None:
    rows = [files.history(step, {"loss": 1 / (step + 1)}) for step in range(6)]
    files.write(tmp_path / "w", "a", [files.run("a", config={"lr": 1}), *rows[:3]])
    (first,) = imported(capsys, tmp_path / "w")
    assert view_of(store, first["run"]).status == "unknown"  # wandb does not say how it ended
    files.write(tmp_path / "w", "a", [files.run("a", config={"lr": 1}), *rows, files.ended(1)])
    (second,) = imported(capsys, tmp_path / "w")
    assert (second["run"], second["points"], second["is_new"]) == (first["run"], 3, False)
    view = view_of(store, first["run"])
    assert (view.status, view.ends[0].ended_ns if view.ends[0] else 0) == (
        "failed",
        (files.STARTED_S + 9) * 10**9,
    )


def test_a_dry_run_writes_nothing(store: Path, tmp_path: Path, capsys: Capture) -> None:
    path = files.write(tmp_path / "w", "a", [files.run("a"), files.history(0, {"x": 1})])
    (one,) = imported(capsys, path, "--dry-run")
    assert (one["points"], one["written"]) == (1, False)
    assert not list((store / "runs").glob("*/run.json"))


def test_runs_of_one_id_in_two_projects_are_two(tmp_path: Path) -> None:
    for project in ("one", "two"):
        files.write(tmp_path / project, "same", [files.run("same", project=project)])
    assert len({run.id for run in runs_of(tmp_path)}) == 2


def test_paths_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    inside = tmp_path / "w" / "offline-run-20260921_120000-a" / "files"
    inside.mkdir(parents=True)
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    names = ["../../../secret.png", str(tmp_path / "secret.png"), "link.png", "", "a\0b"]
    rows = [
        files.history(at, {"img": {"_type": "image-file", "path": name}})
        for at, name in enumerate(names)
    ]
    (run,) = runs_of(files.write(tmp_path / "w", "a", [files.run("a"), *rows]))
    things = [thing for execution in run.executions for thing in execution.things]
    assert [list(one.media() if callable(one.media) else one.media) for one in things] == [[]] * 5
    assert len(run.problems) == len(names)


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"nothing",
        b"\xff\xfe",
        b"9" * 10_000,
        b'{"_type": ["image-file"], "path": 3}',
        b'{"_type": "histogram", "values": [1, "x"], "bins": 3}',
        b'{"_type": "histogram", "packedBins": {"min": 0, "size": 1, "count": 1e9}, "values": []}',
        b'{"_type": "table-file", "path": ".."}',
        b'{"_type": "images/separated", "filenames": [1, null], "captions": [1]}',
        b'{"_type": "audio", "audio": [1, {}]}',
        b'{"\\ud800": 1, "": 2}',
    ],
)
def test_values_that_nobody_should_have_written(
    store: Path, tmp_path: Path, capsys: Capture, value: bytes
) -> None:
    rows = [files.history(0, {"odd": value, "loss": 0.5}), files.summary({"odd": value})]
    first = bytes_field(files.CONFIG, files.history(1, {"odd": value})[4:])
    files.write(tmp_path / "w", "a", [files.run("a", config={"odd": value}), first, *rows])
    (one,) = imported(capsys, tmp_path / "w")
    assert ("loss", 0, 0.5) in {
        (name, *pair)
        for name, every in points(runs_of(tmp_path / "w")[0]).items()
        for pair in every
    }
    assert said(capsys, "show", one["run"])[0] == 0


@pytest.mark.parametrize("key", [("_step",), ("_timestamp",)])
@pytest.mark.parametrize("value", [b"1e400", b"-1", b'"x"', b"null", b"1" * 30, b"NaN"])
def test_steps_and_times_that_are_none(tmp_path: Path, key: tuple[str], value: bytes) -> None:
    row = files.history(7, {"loss": 1})
    odd = bytes_field(1, bytes_field(2, key[0].encode()) + bytes_field(16, value))
    row = bytes_field(files.HISTORY, row[2:] + odd) if len(row) < 130 else row
    for run in runs_of(files.write(tmp_path, "a", [files.run("a"), row])):
        for execution in run.executions:
            for one in execution.series:
                assert all(-(1 << 63) <= step < 1 << 63 for step in one.steps)
                assert all(0 <= time < 4 * 10**18 for time in one.times_ns)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 40_000), max_size=8))
def test_records_of_any_length_come_back(lengths: list[int]) -> None:
    records = [bytes([at]) * length for at, length in enumerate(lengths)]
    log = read_log(files.pack_log(records))
    assert (list(log.records), list(log.damaged), log.unread_bytes) == (records, [], 0)


@pytest.mark.parametrize("left", range(9))
def test_records_up_to_the_end_of_a_block(left: int) -> None:
    records = [bytes(BLOCK_BYTES - len(HEADER) - PIECE.size - left), b"next", b"", b"x" * 70_000]
    log = read_log(files.pack_log(records))
    assert (list(log.records), list(log.damaged), log.unread_bytes) == (records, [], 0)


def small(tmp_path: Path) -> tuple[Path, dict[str, list[tuple[int, Any]]]]:
    rows = [files.history(step, {"loss": value, "n": step}) for step, value in enumerate(VALUES)]
    path = files.write(tmp_path, "a", [files.run("a", config={"lr": 0.25}), *rows, files.ended()])
    return path, points(runs_of(path)[0])


def check_invents_nothing(path: Path, whole: dict[str, list[tuple[int, Any]]]) -> None:
    try:
        read = runs_of(path)
    except Damaged:
        return
    for run in read:
        assert run.config in ({"lr": 0.25}, {})
        for name, found in points(run).items():
            assert set(found) <= set(whole[name])


def test_a_file_cut_anywhere_gives_what_was_logged_before(tmp_path: Path) -> None:
    path, whole = small(tmp_path)
    data = path.read_bytes()
    most = 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        check_invents_nothing(path, whole)
        found = runs_of(path)
        many = sum(map(len, points(found[0]).values())) if found else 0
        assert many >= most
        assert not (found and found[0].problems)  # it may be written on
        most = many
    assert most == 2 * len(VALUES)


def test_a_flipped_bit_invents_nothing(tmp_path: Path) -> None:
    path, whole = small(tmp_path)
    data = bytearray(path.read_bytes())
    chance = random.Random(5)
    for at in range(len(HEADER), len(data), 2):
        bit = 1 << chance.randrange(8)
        data[at] ^= bit
        path.write_bytes(data)
        check_invents_nothing(path, whole)
        data[at] ^= bit


def test_flips_below_a_checksum_that_fits_never_crash(tmp_path: Path) -> None:
    rows = [files.history(step, {"loss": value}) for step, value in enumerate(VALUES)]
    records = [files.run("a", config={"lr": 1}), *rows, files.summary({"x": 1}), files.ended()]
    chance = random.Random(6)
    for _ in range(200):
        odd = [bytearray(record) for record in records]
        for _ in range(chance.randrange(1, 4)):
            one = chance.choice(odd)
            one[chance.randrange(len(one))] ^= 1 << chance.randrange(8)
        try:
            runs_of(files.write(tmp_path, "a", [bytes(one) for one in odd]))
        except Damaged:
            continue


def test_damage_in_the_middle_is_told_with_its_place(tmp_path: Path) -> None:
    rows = [files.history(step, {"loss": step / 8 + 10}) for step in range(9)]
    path = files.write(tmp_path, "a", [files.run("a"), *rows])
    data = bytearray(path.read_bytes())
    at = data.index(b"10.5")  # of step 4
    data[at] ^= 1
    path.write_bytes(data)
    (run,) = runs_of(path)
    assert [step for step, _ in points(run)["loss"]] == [0, 1, 2, 3, 5, 6, 7, 8]
    ((name, what),) = run.problems
    assert name == path.name
    assert "checksums do not fit" in what


def test_a_lost_block_costs_that_block(tmp_path: Path) -> None:
    rows = [files.history(step, {"text": f"{step}" * 2000}) for step in range(60)]
    path = files.write(tmp_path, "a", [files.run("a"), *rows])
    data = bytearray(path.read_bytes())
    data[40_000:41_000] = random.Random(1).randbytes(1000)
    path.write_bytes(data)
    (run,) = runs_of(path)
    steps = [step for step, _ in points(run)["text"]]
    assert 40 < len(steps) < 60
    assert steps[-1] == 59
    assert run.problems


@pytest.mark.parametrize("data", [b"", HEADER[:5], HEADER, HEADER + bytes(5000)])
def test_a_file_with_nothing_in_it_is_no_error(
    store: Path, tmp_path: Path, capsys: Capture, data: bytes
) -> None:
    path = tmp_path / "run-a.wandb"
    path.write_bytes(data)
    assert imported(capsys, path) == []


def test_what_is_none_of_wandbs_files(store: Path, tmp_path: Path, capsys: Capture) -> None:
    files.write(tmp_path / "w", "good", [files.run("good"), files.history(0, {"x": 1})])
    bad = files.write(tmp_path / "w", "bad", [])
    bad.write_bytes(b"something else, and long enough")
    (one,) = imported(capsys, tmp_path / "w", ends=7)
    assert one["name"] == "the good"
    with pytest.raises(NotFound):
        Wandb(tmp_path / "nothing").find()


def test_a_run_that_was_resumed_has_an_execution_for_each_file(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "offline-run-golden", tmp_path / "w" / "one")
    shutil.copytree(GOLDEN / "offline-run-golden", tmp_path / "w" / "two")
    (run,) = runs_of(tmp_path / "w")
    assert len(run.executions) == 2


@given(st.binary(max_size=60))
def test_items_are_read_the_short_way_as_the_long_one(data: bytes) -> None:
    found: list[Any] = []
    for read in (wandbitems.read_item, wandbitems.read_any_item):
        try:
            found.append(read(data, 0, len(data)))
        except Malformed:
            found.append(None)
    assert found[0] == found[1]
