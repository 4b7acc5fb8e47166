import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit.cli.main import main
from samebit.folders import naming
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.objects import verifying
from samebit.objects.store import Store
from samebit.objects.stored import read_pack_index
from samebit.states import storing
from samebit.states.stored import StoredState
from tests.cli import stores
from tests.cli.stores import leaf, said
from tests.projects import Project
from tests.warm import Warm

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def age(store: Path) -> None:
    """As if everything had been put twenty days ago."""
    for path in [*verifying.stored_files(Store(store)), *(store / "tmp").iterdir()]:
        then = path.stat().st_mtime - 20 * 86400
        os.utime(path, (then, then))


def assert_whole(store: Path, *folders: RunFolder) -> None:
    """Everything that the runs name can be read."""
    objects = Store(store)
    for folder in folders:
        found = list(naming.uses(read_run(folder), objects))
        assert found
        for use in found:
            assert not use.missing
            for _, name in use.parts:
                objects.read(name)


def test_what_no_run_names_goes_and_all_else_stays(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, _ = stores.record(store, {"step 0": 1, "final": 2})
    deleted, manifests = stores.record(store, {"step 0": 1, "final": 3})
    shutil.rmtree(deleted.path)
    age(store)
    names = set(Store(store).names())
    code, text = said(capsys, "gc")
    assert code == 0
    assert "nothing was removed" in text
    assert set(Store(store).names()) == names
    code, text = said(capsys, "gc", "--delete")
    assert (code, text[:16]) == (0, "removed 3 object")
    assert_whole(store, kept)
    lost = {manifests["final"]}
    assert not lost & set(Store(store).names())
    assert said(capsys, "check")[0] == 0
    assert said(capsys, "gc")[1].startswith("nothing unnamed")


def test_what_was_put_lately_stays(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objects = Store(store)
    stores.record(store, {})
    names = objects.put_all([b"small", b"x" * 100_000])
    assert "nothing" in said(capsys, "gc", "--delete")[1] + "nothing"
    assert all(map(Store(store).has, names))
    age(store)
    Store(store).put_all([b"small", b"x" * 100_000])  # by another run, which is about to name it
    said(capsys, "gc", "--delete", "--grace", "1h")
    assert all(map(Store(store).has, names))


def test_a_grace_time_below_an_hour_is_refused(store: Path) -> None:
    assert main(["gc", "--grace", "59min"]) == 2
    for wrong in ("1", "h", "-1h", "1 h", "1y"):
        with pytest.raises(SystemExit):
            main(["gc", "--grace", wrong])
    for right in ("1h", "60min", "1.5d", "2w"):
        assert main(["gc", "--grace", right]) == 0


def test_a_dropped_checkpoint_goes_and_leaves_what_others_share(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifests = stores.record(
        store, {"checkpoint 1": 1, "checkpoint 2": 2, "final": 3}, dropped=("checkpoint 1",)
    )
    other, _ = stores.record(store, {"final": 1}, given={"again": manifests["checkpoint 2"]})
    age(store)
    said(capsys, "gc", "--delete")
    assert_whole(store, run, other)
    shutil.rmtree(other.path)
    said(capsys, "gc", "--delete")
    assert_whole(store, run)
    gone = stores.state_of(1)
    assert not Store(store).has(manifests["checkpoint 1"])
    assert storing.save(Store(store), gone) == manifests["checkpoint 1"]


@pytest.mark.parametrize(
    "words", [["gc", "--delete"], ["state", "rm", "@last:step 0", "--force"]], ids=["gc", "rm"]
)
def test_on_a_read_only_disk_nothing_is_removed_and_the_reason_is_said(
    little_disk: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    store = stores.new_store(little_disk("size=4m"))
    monkeypatch.setenv("SAMEBIT_DIR", str(store))
    run, _ = stores.record(store, {"step 0": 1, "final": 2})
    age(store)
    little_disk("remount,ro")
    assert main(words) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "samebit: the system refuses it: Read-only file system"
    assert told[1].startswith(f"  path: {store}")
    assert_whole(store, run)


def test_a_state_that_somebody_removed_by_a_note_goes(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifests = stores.record(store, {"step 0": 1, "final": 2})
    run.add_note("dropped", {"name": "final", "manifest": manifests["final"]})
    age(store)
    said(capsys, "gc", "--delete")
    assert not Store(store).has(manifests["final"])
    assert_whole(store, run)


def test_a_checkpoint_that_was_dropped_and_saved_again_stays(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifests = stores.record(store, {"checkpoint 1": 1}, dropped=("checkpoint 1",))
    again, _ = stores.record(store, {}, given={"checkpoint 1": manifests["checkpoint 1"]})
    age(store)
    said(capsys, "gc", "--delete")
    assert Store(store).has(manifests["checkpoint 1"])
    assert_whole(store, again)
    assert run.is_begun()


def test_what_one_rank_dropped_stays_while_another_has_it(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifests = stores.record(store, {"checkpoint 1": 1})  # rank 0 was killed before it did
    fact = {"name": "checkpoint 1", "manifest": manifests["checkpoint 1"]}
    writer = Writer(run.journal, run.id, "1")
    writer.fact("state", fact)
    writer.fact("dropped", fact)
    writer.close()
    age(store)
    said(capsys, "gc", "--delete")
    assert_whole(store, run)
    assert Store(store).has(fact["manifest"])
    run.add_note("dropped", fact)
    said(capsys, "gc", "--delete")
    assert not Store(store).has(fact["manifest"])


def test_names_in_what_this_version_does_not_know_count(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = stores.record(store, {"final": 2})
    objects = Store(store)
    inner = objects.put(b"y" * 70_000)
    listing = objects.put(json.dumps({"colours": [["blue", inner]]}).encode())
    run.add_note("of a newer version", {"palette": listing})
    age(store)
    said(capsys, "gc", "--delete")
    assert Store(store).has(listing)
    assert Store(store).has(inner)


def test_a_torn_journal_lets_go_of_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, manifests = stores.record(store, {"checkpoint 1": 1}, dropped=("checkpoint 1",))
    (segment,) = run.journal.iterdir()
    data = bytearray(segment.read_bytes())
    data[40] ^= 1
    segment.write_bytes(data)
    age(store)
    said(capsys, "gc", "--delete")
    assert Store(store).has(manifests["checkpoint 1"])


def test_where_a_manifest_is_damaged_nothing_goes(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, manifests = stores.record(store, {"final": 2})
    orphan = Store(store).put(b"z" * 70_000)
    (pack,) = [
        p for p in Store(store).pack_paths() if manifests["final"] in Store(store).check_pack(p)
    ]
    stores.flip(pack, 30)
    age(store)
    for words in (["gc"], ["gc", "--delete"]):
        assert main(words) == 7
        assert "samebit repair" in capsys.readouterr().err
    assert Store(store).has(orphan)


def test_a_pack_that_is_half_dead_is_packed_anew(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = stores.record(store, {"final": 2})
    objects = Store(store)
    dead = [os.urandom(5000) for _ in range(10)]
    names = objects.put_all([b"alive", *dead])
    run.add_note("tag", names[0])
    age(store)
    before = len(objects.pack_paths())
    said(capsys, "gc", "--delete")
    again = Store(store)
    assert again.read(names[0]) == b"alive"
    assert not any(map(again.has, names[1:]))
    assert len(again.pack_paths()) == before
    assert objects.read(names[0]) == b"alive"  # a door that knew the old pack


def test_what_killed_processes_left_aside_goes_later(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "tmp" / "123-abc").write_bytes(b"half an object")
    (store / "tmp" / "folder").mkdir()
    said(capsys, "gc", "--delete")
    assert (store / "tmp" / "123-abc").exists()
    age(store)
    said(capsys, "gc", "--delete")
    assert os.listdir(store / "tmp") == ["folder"]


@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename", "disk.remove"])
def test_killed_at_any_point_it_loses_nothing_that_is_named(
    store: Path, capsys: pytest.CaptureFixture[str], point: str, at: int
) -> None:
    run, _ = stores.record(store, {"step 0": 1, "final": 2})
    for seed in range(3, 8):
        deleted, _ = stores.record(store, {"final": seed})
        shutil.rmtree(deleted.path)
    for _ in range(5):
        names = Store(store).put_all([os.urandom(20), *(os.urandom(900) for _ in range(9))])
        run.add_note("tag", names[0])
    age(store)
    command = [sys.executable, "-m", "samebit.cli.main", "gc", "--delete"]
    faults = {**os.environ, "SAMEBIT_FAULTS": f"{point}=kill@{at}"}
    done = subprocess.run(command, env=faults, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert_whole(store, run)
    assert said(capsys, "gc", "--delete")[0] == 0
    assert_whole(store, run)
    assert said(capsys, "check")[0] == 0
    assert not [name for name in os.listdir(store / "tmp") if name.startswith("removing.")]


# The store of a training whose checkpoints come and go by a rule.

TRAIN = """
import json, os, samebit, torch
torch.manual_seed(0)
model = torch.nn.Linear(200, 200)
optimizer = torch.optim.Adam(model.parameters(), lr=float(os.environ.get("LR", 0.1)))
rules = json.loads(os.environ["RULES"])
run = samebit.init()
run.watch(model, optimizer)
losses = [5, 3, 4, 1, 2, 6, 7]
resumed = run.resume_state()
optimizer.param_groups[0]["lr"] = float(os.environ.get("NEW_LR", optimizer.param_groups[0]["lr"]))
for step in range(resumed.extra["epoch"] if resumed else 0, len(losses)):
    optimizer.zero_grad()
    model(torch.ones(2, 200)).square().mean().backward()
    optimizer.step()
    run.log({"loss": losses[step]})
    rule = rules[min(step, len(rules) - 1)]
    for again in range(int(os.environ.get("TIMES", 1))):
        run.checkpoint(keep=rule, extra={"epoch": step + 1, "again": again})
    if os.environ.get("STOP") == str(step + 1):
        run.finish()
        os._exit(1)
"""
LAST_TWO = [{"last": 2}]
WEIGHTS = {"last": 1, "weights_every": 2}


def load_everything_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `state ls` says there is of each checkpoint, each state of which was loaded."""
    capsys.readouterr()
    told = json.loads(said(capsys, "state", "ls", "@last", "--json")[1])["states"]
    for one in told:
        assert one["identity"] not in ("missing", "damaged")
        assert (one["identity"] == "gone") <= (one["kept"] == "dropped")
        if one["kept"] != "dropped":
            value = StoredState(Store(store), one["manifest"]).value()
            assert set(value) == {"model"} if one["kept"] == "modules only" else "model" in value
    return {
        one["name"].removeprefix("checkpoint "): one["kept"]
        for one in told
        if one["name"].startswith("checkpoint") and one["kept"] != "dropped"
    }


def assert_nothing_else_is_there(store: Path) -> None:
    """On the disk is what the run names, and what shares a pack with more of that."""
    objects = Store(store)
    (run,) = list_runs(store)
    named = set(naming.reached_from(objects, naming.named_by(run)))
    assert {objects.name_of(path) for path in objects.object_paths()} <= named
    for pack in objects.pack_paths():
        entries = read_pack_index(pack)
        dead = sum(entry.stored for entry in entries if entry.name not in named)
        assert dead < sum(entry.stored for entry in entries) / 2
    assert os.listdir(store / "tmp") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "environ", "whole", "weights"),
    [
        (LAST_TWO, {}, "67", ""),
        (LAST_TWO, {"TIMES": "2"}, "67", ""),
        ([{"last": 1, "every": 2}], {}, "2467", ""),
        ([{"last": 1, "every": 4, "weights_every": 2}], {}, "47", "26"),
        ([{"best": "loss:min", "weights_every": 3}], {}, "47", "36"),
        ([*[WEIGHTS] * 4, {"last": 1}], {}, "7", ""),
        # Where nothing is learnt, all have the same weights.
        ([WEIGHTS], {"LR": "0"}, "7", "246"),
        ([*[WEIGHTS] * 6, {"last": 1, "weights_every": 4}], {"LR": "0"}, "7", "4"),
    ],
)
def test_of_a_training_what_is_listed_stays_and_what_was_dropped_goes(
    store: Path,
    capsys: pytest.CaptureFixture[str],
    rules: list[dict[str, object]],
    environ: dict[str, str],
    whole: str,
    weights: str,
    warm: Warm,
) -> None:
    project = Project(store.parent)
    project.write("train.py", TRAIN)
    ended = project.fork(warm, "train.py", RULES=json.dumps(rules), **environ)
    assert ended.code == 0, ended
    wanted = dict.fromkeys(whole, "bytes") | dict.fromkeys(weights, "modules only")
    assert load_everything_listed(store, capsys) == wanted
    age(store)
    said(capsys, "gc", "--delete")
    assert load_everything_listed(store, capsys) == wanted
    assert_nothing_else_is_there(store)
    assert said(capsys, "check")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["0.1", "0.2"], ids=["as before", "otherwise"])
def test_a_training_that_went_on_lets_go_of_the_future_that_did_not_happen(
    store: Path, capsys: pytest.CaptureFixture[str], rate: str
) -> None:
    project = Project(store.parent)
    project.write("train.py", TRAIN)
    every = json.dumps([{"last": 1, "every": 2, "weights_every": 1}])
    assert project.run("train.py", RULES=every, STOP="3").code == 1
    wanted = {"1": "modules only", "2": "bytes", "3": "bytes"}
    assert load_everything_listed(store, capsys) == wanted
    age(store)
    said(capsys, "gc", "--delete")
    assert load_everything_listed(store, capsys) == wanted
    # The last one cannot be read: it goes on from the one before.
    newest = project.view().manifest("checkpoint 3")
    Store(store).object_path(leaf(store, newest, "optimizer.state.weight.exp_avg")).unlink()
    ended = project.run("--resume", "@last", "train.py", RULES=every, NEW_LR=rate)
    assert ended.code == 0, ended
    view = project.view()
    assert any("goes on from checkpoint 2" in line for line in view.missing)
    assert (view.states["checkpoint 3"]["manifest"] == newest) is False
    wanted = {at: "bytes" if at in "2467" else "modules only" for at in "1234567"}
    assert load_everything_listed(store, capsys) == wanted
    age(store)
    said(capsys, "gc", "--delete")
    assert load_everything_listed(store, capsys) == wanted
    assert_nothing_else_is_there(store)
