import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from samebit.cli.main import main
from samebit.folders import naming
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects import verifying
from samebit.objects.store import Store
from samebit.states import storing
from tests.cli import stores
from tests.cli.stores import said

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
    assert said(capsys, "gc")[1].startswith("nothing that no run names")


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
