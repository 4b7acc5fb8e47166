import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from samebit import disk, places, records
from samebit.cli import checking
from samebit.cli.main import main
from samebit.objects import sweeping, verifying
from samebit.objects.store import Store
from samebit.states import storing
from tests.cli import stores
from tests.cli.stores import said


def test_each_depth_finds_all_well(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores.record(store, {"step 0": 1, "final": 2})
    for words in ([], ["--quick"], ["--full"], ["--sample", "50%"], ["--sample", "1"]):
        code, text = said(capsys, "check", *words)
        assert code == 0, text
    assert main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["objects"], found["runs"], found["damage"]) == (8, 1, [])


def test_a_share_that_is_none_is_refused(store: Path) -> None:
    for share in ("0", "200%", "-1", "five"):
        with pytest.raises(SystemExit) as stopped:
            main(["check", "--sample", share])
        assert stopped.value.code == 2


def test_damage_names_the_run_the_state_and_the_array(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifests = stores.record(store, {"step 0": 1, "final": 2})
    other, _ = stores.record(store, {"final": 3})
    name = stores.leaf(store, manifests["final"], "model.weight")
    stores.flip(Store(store).object_path(name))
    code, text = said(capsys, "check")
    assert code == 7
    assert f"run {run.id}: state 'final': model.weight is damaged ({name[7:15]})" in text
    assert "step 0" not in text
    assert other.id not in text
    assert "samebit repair --from" in text
    # A quick look does not see a bit inside a body, and says that it did not look.
    code, text = said(capsys, "check", "--quick")
    assert code == 0
    assert "read none of them" in text
    assert "every byte" not in text


def test_what_is_missing_or_cut_is_seen_by_a_quick_look(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifests = stores.record(store, {"step 0": 1, "final": 2})
    gone = stores.leaf(store, manifests["step 0"], "model.weight")
    Store(store).object_path(gone).unlink()
    cut = Store(store).object_path(stores.leaf(store, manifests["final"], "model.weight"))
    cut.write_bytes(cut.read_bytes()[:60])
    code, text = said(capsys, "check", "--quick")
    assert code == 7
    assert f"run {run.id}: state 'step 0': model.weight is missing" in text
    assert f"run {run.id}: state 'final': model.weight is damaged" in text


def test_a_hurt_manifest_is_a_hurt_state(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, manifests = stores.record(store, {"final": 2})
    objects = Store(store)
    for path in objects.pack_paths():
        if manifests["final"] in objects.check_pack(path):
            path.unlink()
    code, text = said(capsys, "check")
    assert code == 7
    assert f"run {run.id}: state 'final': object {manifests['final'][7:15]} is not in" in text


def test_a_state_that_was_dropped_is_not_missed(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, manifests = stores.record(store, {"checkpoint 1": 1, "final": 2}, dropped=("checkpoint 1",))
    name = stores.leaf(store, manifests["checkpoint 1"], "model.weight")
    Store(store).object_path(name).unlink()
    assert said(capsys, "check")[0] == 0


def test_an_array_that_is_not_its_parts_is_seen_by_a_full_look(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "PART_BYTES", 80_000)
    monkeypatch.setattr(storing, "_WHOLE_BYTES", 100_000)
    run, manifests = stores.record(store, {"final": 2})
    assert said(capsys, "check", "--full")[0] == 0
    manifest = storing.read_manifest(Store(store), manifests["final"])
    record = manifest.leaves["model.weight"]
    leaves = manifest.leaves | {"model.weight": replace(record, parts=(record.parts[0],) * 2)}
    swapped = Store(store).put(records.encode(replace(manifest, leaves=leaves)))
    other, _ = stores.record(store, {}, given={"final": swapped})
    assert said(capsys, "check")[0] == 0
    code, text = said(capsys, "check", "--full")
    assert code == 7
    assert f"run {other.id}: state 'final': model.weight as a whole hashes to" in text
    assert run.id not in text


def test_a_check_that_was_stopped_goes_on_there(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, manifests = stores.record(store, {f"checkpoint {at}": at for at in range(9)})
    monkeypatch.setattr(checking, "_TOGETHER", 3)
    files = verifying.stored_files(Store(store))
    stores.flip(files[3])  # in the middle of what is looked at together
    looks: list[Path] = []
    look_at = verifying.look_at

    def stopped(store: Store, path: Path, *, quick: bool) -> verifying.Look:
        if path == files[4]:
            raise KeyboardInterrupt
        return look_at(store, path, quick=quick)

    monkeypatch.setattr(verifying, "look_at", stopped)
    assert main(["check"]) == 130
    assert "stopped after 4 files" in capsys.readouterr().err
    monkeypatch.setattr(
        verifying, "look_at", lambda s, p, *, quick: looks.append(p) or look_at(s, p)
    )
    code, text = said(capsys, "check")
    assert code == 7
    assert "goes on after 4 files" in text
    assert sorted(looks) == sorted(files[4:])
    assert text.count(str(files[3])) == 1  # what was found before is not forgotten
    assert f"read {len(list(Store(store).names()))} objects" in text  # and nothing counted twice
    code, text = said(capsys, "check")  # and the next one begins anew
    assert "goes on" not in text
    assert len(manifests) == 9


def test_a_check_that_was_killed_goes_on_where_it_had_said(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores.record(store, {f"checkpoint {at}": at for at in range(9)})
    code = """
import os, signal, sys
from samebit.cli import checking
from samebit.cli.main import main
checking._TOGETHER, checking._REMEMBERED_S = 2, 0
remember = checking._remember
def then_die(memory, found):
    remember(memory, found)
    if found.looked == 6:
        os.kill(os.getpid(), signal.SIGKILL)
checking._remember = then_die
main(["check"])
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    code_, text = said(capsys, "check", "--again")
    assert (code_, "goes on" in text) == (0, False)
    subprocess.run([sys.executable, "-c", code], env=os.environ)
    assert "goes on after 6 files" in said(capsys, "check")[1]


def test_checking_writes_nothing_into_the_store(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores.record(store, {"final": 2})
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*")}
    for words in ([], ["--full"], ["--quick"]):
        said(capsys, "check", *words)
    assert {p: p.stat().st_mtime_ns for p in store.rglob("*")} == before


# Repair.


@pytest.fixture
def spare(store: Path, tmp_path: Path) -> Path:
    """A project whose store has the same objects, whole."""
    stores.record(store, {"step 0": 1, "final": 2})
    shutil.copytree(store.parent, tmp_path / "spare")
    return tmp_path / "spare"


def hurt_everything(store: Path) -> None:
    for at, path in enumerate(verifying.stored_files(Store(store))):
        if at % 3 == 0:
            path.unlink()
        else:
            stores.flip(path, at=-1 if at % 3 == 1 else 70)


def test_everything_is_healed_from_another_store(
    store: Path, spare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt_everything(store)
    assert said(capsys, "check")[0] == 7
    code, text = said(capsys, "repair", "--from", str(spare))
    assert "healed" in text
    assert said(capsys, "check", "--full")[0] == code == 0, text
    assert not os.listdir(store / "tmp")


@pytest.mark.parametrize("words", [("repair",), ("gc",), ("gc", "--delete"), ("check",)])
def test_a_copy_that_lacks_the_empty_folders_is_a_store(
    store: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (store / "tmp").rmdir()
    code, text = said(capsys, *words)
    assert (code, "fault of ours" in text) == (0, False), text


def test_the_store_folder_itself_may_be_named(
    store: Path, spare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt_everything(store)
    assert main(["repair", "--json", "--from", str(spare / ".samebit")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["healed"]
    assert (found["lost"], found["packs"], found["damage"]) == ([], [], [])
    assert main(["repair", "--from", str(spare / "nowhere")]) == 7


def test_what_no_store_has_is_said_and_the_rest_is_healed(
    store: Path, spare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = Store(store).object_paths()
    for path in (first, second):
        stores.flip(path)
    stores.flip(spare / ".samebit" / first.relative_to(store))
    code, text = said(capsys, "repair", "--from", str(spare))
    assert code == 7
    objects = Store(store)
    assert f"lost     {objects.name_of(first)[7:15]}" in text
    assert f"healed   {objects.name_of(second)[7:15]} from {spare}" in text
    assert objects.read(objects.name_of(second))


@pytest.mark.parametrize("at", [3, 20])
def test_a_pack_is_healed_in_its_place(
    store: Path, spare: Path, capsys: pytest.CaptureFixture[str], at: int
) -> None:
    packs = Store(store).pack_paths()
    stores.flip(packs[0], at)
    code, _ = said(capsys, "repair", "--from", str(spare))
    assert code == 0
    assert set(packs) <= set(Store(store).pack_paths())
    assert said(capsys, "check")[0] == 0


def test_a_hurt_pack_does_not_need_another_store_for_what_is_whole_of_it(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores.record(store, {"final": 2})
    for pack in Store(store).pack_paths():
        stores.flip(pack, 3)  # of the magic: every object in it is whole
    assert said(capsys, "check")[0] == 7
    assert said(capsys, "repair")[0] == 0
    assert said(capsys, "check")[0] == 0


def test_what_a_killed_removal_left_aside_is_put_back(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.record(store, {"final": 2})
    objects = Store(store)
    files = verifying.stored_files(objects)
    monkeypatch.setattr(disk, "FAULTS", disk._Faults("disk.remove=error"))
    for path in files:
        with pytest.raises(OSError, match="injected"):
            disk.remove(path, sweeping.aside_of(objects, path), lambda _: True)
    monkeypatch.setattr(disk, "FAULTS", None)
    assert verifying.stored_files(objects) == []
    assert said(capsys, "check")[0] == 7
    code, text = said(capsys, "repair")
    assert code == 0
    assert f"put back {len(files)} files" in text
    assert verifying.stored_files(Store(store)) == files
    assert places.store_id(store)
