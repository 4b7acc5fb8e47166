"""What the index promises: the rows of the store, sooner; never other ones, and never an error."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import places
from samebit.digest import canonical_json
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.query import index
from samebit.records import ExecutionEnd, ExecutionStart, Verdict

SECOND = 1_000_000_000


def record(
    store: Path,
    *,
    config: Any = None,
    rows: Any = (),
    status: str | None = "finished",
    seed: int | None = None,
    settled: bool = True,
    steps_given: bool = False,
    **identity: Any,
) -> RunFolder:
    """A run as the recorder writes one; without a status its process is still this one.

    With `steps_given` a row is a step with its values.
    """
    run = runs.begin(store, **identity)
    begun = time.time_ns()
    start = run.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=begun,
            how="script",
            argv=("train.py",),
            cwd=str(store.parent),
            host=socket.gethostname(),
            boot=alive.boot_id(),
            pid=os.getpid(),
            pid_started=alive.process_started(os.getpid()) or 0,
            seed=seed,
        )
    )
    writer = Writer(run.journal, run.id)
    code = {"root": "/", "tree": "blake3:0", "files": 0, "size_bytes": 0, "head": "0123abcd"}
    writer.fact("code", code)
    if config is not None:
        writer.fact("config", config)
    for step, values in rows if steps_given else enumerate(rows, 1):
        writer.row(values, step)
    writer.close()
    if status is not None:
        end = ExecutionEnd(begun + 90 * SECOND, status, 0 if status == "finished" else 1)
        run.end_execution(start.number, end)
    if settled:
        age(run)
    return run


def age(run: RunFolder) -> None:
    """Let the last change of a run be some time ago."""
    before = time.time_ns() - 60 * SECOND
    for folder, _, _ in os.walk(run.path):
        os.utime(folder, ns=(before, before))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "project" / ".samebit")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def the_row(store: Path) -> dict[str, object]:
    (row,) = index.rows(store)
    return row


def indexed(cache: Path) -> set[str]:
    """The runs that lie in the index file."""
    (file,) = cache.glob("*.sqlite")
    connection = sqlite3.connect(file)
    found = {name for (name,) in connection.execute("select id from runs")}
    connection.close()
    return found


def spoil(path: Path) -> None:
    """Overwrite a file in place: no folder's time changes."""
    with open(path, "r+b") as stream:
        stream.write(b"rubbish")


def test_a_row_holds_what_the_run_recorded(store: Path) -> None:
    run = record(
        store,
        config={"lr": 0.1, "model": {"layers": [2, 3], "name": "otter"}, "empty": {}},
        rows=[{"loss": 2.0, "val": {"acc": 0.1}}, {"loss": 1.0}, {"loss": 0.5, "ok": True}],
        seed=7,
        name="first",
        group="lr",
    )
    run.add_note("verdict", Verdict("different", run.id))
    run.add_note("verdict", Verdict("identical", run.id))
    run.add_note("name", "brave-otter")
    row = the_row(store)
    assert row == {
        "id": run.id,
        "name": "brave-otter",
        "state": "finished",
        "kind": "run",
        "of": None,
        "group": "lr",
        "parent": None,
        "user": runs.user_name(),
        "host": socket.gethostname(),
        "started": run.record().started_ns,
        "seconds": 90.0,
        "seed": 7,
        "deterministic": False,
        "commit": "0123abcd",
        "verdict": "identical",
        "missing": None,
        "steps": 3,
        "cause": None,
        "ranks": None,
        "executions": None,
        "job": None,
        "config.lr": 0.1,
        "config.model.layers": [2, 3],
        "config.model.name": "otter",
        "config.empty": {},
        "metric.loss": 0.5,
        "metric.val.acc": 0.1,
        "metric.ok": True,
    }
    assert tuple(row)[: len(index.COLUMNS)] == index.COLUMNS


def test_a_seed_given_to_init_inside_a_started_run_is_its_seed(store: Path) -> None:
    run = record(store, seed=None, status=None)
    Writer(run.journal, run.id).fact("asked", {"seed": 3, "deterministic": True})
    assert (the_row(store)["seed"], the_row(store)["deterministic"]) == (3, True)


def test_steps_are_those_of_the_main_optimizer(store: Path) -> None:
    run = record(store, rows=[{"loss": 1.0}], status=None)
    writer = Writer(run.journal, run.id)
    writer.fact("trace", {"algorithm": "xxh3-128/8", "groups": ["loss"]})
    for count in range(1, 13):
        writer.trace(0, count, 1, bytes(8))
        writer.trace(1, 10 * count, 1, bytes(8))
    assert the_row(store)["steps"] == 12


def test_seconds_are_of_all_executions_and_unknown_where_one_has_no_end(store: Path) -> None:
    run = record(store)
    again = run.begin_execution(ExecutionStart(0, time.time_ns(), "script", (), "."))
    assert the_row(store)["seconds"] is None
    run.end_execution(again.number, ExecutionEnd(again.started_ns + 10 * SECOND, "finished"))
    assert the_row(store)["seconds"] == 100.0


numbers = st.one_of(st.booleans(), st.floats(), st.integers(-(2**200), 2**200), st.text())
values = st.recursive(
    numbers | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=5), st.dictionaries(st.text(), numbers))
def test_the_index_gives_back_every_value_exactly(config: Any, metrics: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = places.make_store(Path(folder) / ".samebit")
        run = record(store, config=config, rows=[metrics])
        read = index.rows(store)
        assert read[0]["state"] == "finished"
        spoil(run.path / "run.json")  # now only the index knows
        assert canonical_json(index.rows(store)) == canonical_json(read)


def test_an_ended_run_is_read_once_and_deleting_the_cache_loses_nothing(
    store: Path, cache: Path
) -> None:
    run = record(store, rows=[{"loss": 1.0}])
    read = index.rows(store)
    good = (run.path / "run.json").read_bytes()
    spoil(run.path / "run.json")
    assert index.rows(store) == read
    shutil.rmtree(cache)
    assert the_row(store)["state"] == "damaged"
    (run.path / "run.json").write_bytes(good)
    assert index.rows(store) == read
    assert indexed(cache) == {run.id}


def _add_execution(run: RunFolder) -> None:
    run.begin_execution(ExecutionStart(0, time.time_ns(), "script", (), ".", host="elsewhere"))


def _end_later(run: RunFolder) -> None:
    (run.path / "executions/1/end.json").unlink()


def _log_more(run: RunFolder) -> None:
    writer = Writer(run.journal, run.id)
    writer.row({"late": 1.0}, 5)
    writer.close()


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (lambda run: run.add_note("name", "otter"), "name", "otter"),
        (_add_execution, "state", "running"),
        (_end_later, "state", "running"),
        (_log_more, "metric.late", 1.0),
    ],
)
def test_whatever_is_added_to_an_ended_run_is_seen(
    store: Path, change: Callable[[RunFolder], None], key: str, value: object
) -> None:
    run = record(store)
    assert the_row(store).get(key) != value
    change(run)
    assert the_row(store)[key] == value
    age(run)
    assert [the_row(store)[key], the_row(store)[key]] == [value, value]


def test_a_change_within_one_tick_of_the_clock_is_not_overlooked(store: Path, cache: Path) -> None:
    run = record(store, settled=False)
    assert the_row(store)["name"] is None
    times = os.stat(run.path / "notes").st_mtime_ns
    run.add_note("name", "otter")
    os.utime(run.path / "notes", ns=(times, times))  # as if no time had passed
    assert the_row(store)["name"] == "otter"
    assert indexed(cache) == set()


def test_a_run_that_goes_on_is_read_anew_each_time(store: Path) -> None:
    run = record(store, status=None)
    writer = Writer(run.journal, run.id)
    for step in range(1, 4):
        writer.row({"loss": 1 / step}, step)
        age(run)
        row = the_row(store)
        assert (row["state"], row["metric.loss"], row["seconds"]) == ("running", 1 / step, None)


def test_a_killed_process_leaves_a_run_that_is_broken_off(store: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.query.test_index import record;"
        "record(Path(sys.argv[1]), status=None); print('begun', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        assert the_row(store)["state"] == "running"
        os.kill(child.pid, signal.SIGKILL)
    assert the_row(store)["state"] == "broken off"


def test_deleted_runs_leave_the_index(store: Path, cache: Path) -> None:
    kept, gone = record(store), record(store)
    assert {row["id"] for row in index.rows(store)} == {kept.id, gone.id} == indexed(cache)
    shutil.rmtree(gone.path)
    assert [row["id"] for row in index.rows(store)] == [kept.id]
    assert indexed(cache) == {kept.id}


def test_rows_are_oldest_first_and_replays_come_when_asked_for(store: Path) -> None:
    first = record(store)
    replay = record(store, kind="replay", of=first.id)
    last = record(store)
    for _ in range(2):  # from the store, then from the index
        assert [row["id"] for row in index.rows(store)] == [first.id, last.id]
        assert [row["id"] for row in index.rows(store, replays=True)] == [
            first.id,
            replay.id,
            last.id,
        ]


def test_an_empty_store_and_one_without_runs_have_no_rows(store: Path) -> None:
    assert index.rows(store) == []
    (store / "runs").rmdir()
    assert index.rows(store) == []


def test_what_is_no_run_is_passed_over(store: Path) -> None:
    (store / "runs" / ".DS_Store").touch()
    (store / "runs" / "not a run").mkdir()
    (store / "runs" / "0123456789").touch()
    assert index.rows(store) == []


def _no_record(run: RunFolder) -> None:
    (run.path / "run.json").unlink()


def _rubbish_end(run: RunFolder) -> None:
    (run.path / "executions/1/end.json").write_bytes(b"\xff{")


def _rubbish_note(run: RunFolder) -> None:
    (run.path / "notes/1-a.json").write_text("[]")


def _strange_verdict(run: RunFolder) -> None:
    run.add_note("verdict", "good")


def _strange_fact(run: RunFolder) -> None:
    Writer(run.journal, run.id).fact("problem", 3)


def _bytes_in_config(run: RunFolder) -> None:
    Writer(run.journal, run.id).fact("config", {"key": b"bytes"})


def test_what_is_no_damage_is_not_called_so(store: Path) -> None:
    newer = record(store)
    (newer.path / "run.json").write_bytes(b'{"format":"samebit-run 2"}')
    (store / "runs" / "0000000000").mkdir()
    found = {row["id"]: row for row in index.rows(store)}
    assert found[newer.id]["state"] == "too new"
    assert found["0000000000"]["state"] == "not begun"
    assert all(row["damage"] for row in found.values())


def test_an_index_that_nobody_used_for_a_season_goes_with_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    stores = [places.make_store(tmp_path / name / ".samebit") for name in "abcd"]
    files = [
        tmp_path / "cache" / f"runs-{places.store_id(s)}-{index._SCHEMA}.sqlite" for s in stores
    ]
    other = tmp_path / "cache" / "something-else.sqlite"
    for store in stores[:3]:
        record(store)
        index.rows(store)
    other.write_bytes(b"")
    day = 86400
    for path, days in zip([*files[:3], other], (100, 89, 100, 100), strict=True):
        os.utime(path, (time.time() - days * day,) * 2)
    index.rows(stores[2])  # in use, and so it stays
    assert all(path.exists() for path in files[:3])
    record(stores[3])
    index.rows(stores[3])
    assert [path.exists() for path in files] == [False, True, True, True]
    assert other.exists()
    assert len(index.rows(stores[0])) == 1


@pytest.mark.parametrize("strange", [_strange_fact, _bytes_in_config])
def test_a_strange_fact_is_missing_and_the_rest_of_the_run_is_there(
    store: Path, strange: Callable[[RunFolder], None]
) -> None:
    hurt = record(store)
    strange(hurt)
    (row,) = index.rows(store)
    assert (row["state"], row["commit"], row["missing"]) == ("finished", "0123abcd", "record")


@pytest.mark.parametrize(
    "damage",
    [_no_record, _rubbish_end, _rubbish_note, _strange_verdict],
)
def test_a_damaged_run_is_a_row_that_says_so(
    store: Path, damage: Callable[[RunFolder], None]
) -> None:
    whole, hurt = record(store), record(store)
    damage(hurt)
    for _ in range(2):
        found = {row["id"]: row for row in index.rows(store)}
        assert found[whole.id]["state"] == "finished"
        assert found[hurt.id].keys() == {"id", "state", "damage"}
        assert found[hurt.id]["state"] == "damaged"
        assert found[hurt.id]["damage"]


def test_a_hurt_journal_is_no_damage_but_something_missing(store: Path) -> None:
    run = record(store, rows=[{"loss": 1.0}])
    (segment,) = run.journal.iterdir()
    segment.write_bytes(segment.read_bytes()[:-3])
    row = the_row(store)
    assert row["state"] == "finished"
    assert row["missing"]


def _rubbish_file(file: Path) -> None:
    file.write_bytes(b"rubbish, and no database" * 100)


def _rubbish_row(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("update runs set row = '{'")
    connection.commit()
    connection.close()


def _torn(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("hurt", [_rubbish_file, _rubbish_row, _torn])
def test_a_hurt_index_is_made_anew(store: Path, cache: Path, hurt: Callable[[Path], None]) -> None:
    run = record(store)
    read = index.rows(store)
    (file,) = cache.glob("*.sqlite")
    hurt(file)
    assert index.rows(store) == read
    assert index.rows(store) == read
    assert indexed(cache) == {run.id}


@pytest.fixture
def no_place(store: Path, cache: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """A cache folder in which no index can be."""
    if request.param == "a file":
        cache.touch()
        yield
    elif request.param == "a folder in its place":
        (cache / f"runs-{places.store_id(store)}-4.sqlite").mkdir(parents=True)
        yield
    else:
        index.rows(store)
        (file,) = cache.glob("*.sqlite")
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("begin exclusive")
        yield
        connection.close()


@pytest.mark.parametrize("no_place", ["a file", "a folder in its place", "locked"], indirect=True)
@pytest.mark.usefixtures("no_place")
def test_without_an_index_the_rows_are_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_BUSY_S", 0.05)
    run = record(store)
    for _ in range(2):
        assert [row["id"] for row in index.rows(store)] == [run.id]


def test_a_store_cannot_name_a_place_of_its_own(store: Path, cache: Path, tmp_path: Path) -> None:
    run = record(store)
    (store / "format").write_text(f"{places.FORMAT_LINE}\nid /../../outside\n")
    before = sorted(tmp_path.rglob("*"))
    assert the_row(store)["id"] == run.id
    assert sorted(tmp_path.rglob("*")) == before


def test_many_processes_may_update_at_once(store: Path, cache: Path) -> None:
    made = {record(store).id for _ in range(20)}
    code = (
        "import sys; from pathlib import Path; from samebit.query import index;"
        "print(*[row['id'] for row in index.rows(Path(sys.argv[1]))])"
    )
    command = [sys.executable, "-c", code, str(store)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for child in children:
        output, _ = child.communicate()
        assert child.returncode == 0
        assert set(output.split()) == made
    assert indexed(cache) == made
    (file,) = cache.glob("*")
    connection = sqlite3.connect(file)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_nothing_is_written_into_the_store(store: Path) -> None:
    record(store)
    record(store, status=None)
    _no_record(record(store))

    def everything() -> dict[Path, tuple[int, int]]:
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in store.rglob("*")}

    before = everything()
    index.rows(store)
    index.rows(store)
    assert everything() == before


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 27 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
41 40 253:2 / /home/local\\040disk rw - xfs /dev/vdb1 rw
42 27 0:42 / /scratch rw,relatime - lustre mgs:/scratch rw
43 27 0:43 / /mnt/far rw - fuse.sshfs me@far:/ rw
44 27 0:44 / /data rw - nfs server:/data rw
45 44 253:3 / /data rw - ext4 /dev/vdc1 rw
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/cache", False),
        ("/home/me/.cache/samebit", True),
        ("/home", True),
        ("/homes/me", False),
        ("/home/local disk/me", False),
        ("/scratch/me", True),
        ("/mnt/far/away", True),
        ("/data/me", False),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(folder: str, expected: bool) -> None:
    assert index.is_on_network(Path(folder), MOUNTS) is expected


def test_where_nothing_is_known_about_mounts_the_cache_is_local() -> None:
    assert not index.is_on_network(Path("/home/me"), "")


def test_with_a_cache_on_the_network_the_index_lies_among_temporary_files(
    store: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    network = f"40 27 0:40 / {cache} rw - nfs4 server:/home rw\n"
    monkeypatch.setattr(index, "_mounts", lambda: network)
    run = record(store)
    assert the_row(store)["id"] == run.id
    assert not cache.exists()
    own = temporary / f"samebit-{os.getuid()}"
    assert indexed(own) == {run.id}
    assert own.stat().st_mode & 0o777 == 0o700

    # A folder of that name that is somebody else's is not used, nor one on the network.
    shutil.rmtree(own)
    own.symlink_to(store)
    assert the_row(store)["id"] == run.id
    assert not list(store.glob("*.sqlite"))
    own.unlink()
    everywhere = "40 27 0:40 / / rw - nfs4 server:/ rw\n"
    monkeypatch.setattr(index, "_mounts", lambda: everywhere)
    assert the_row(store)["id"] == run.id
    assert not own.exists()
