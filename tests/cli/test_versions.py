"""`samebit data`, and what the commands that look after a store know of versions."""

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.data import remembering
from samebit.data.fingerprints import fingerprint
from samebit.objects.store import Store
from samebit.objects.stored import PIECES
from tests.cli.stores import said
from tests.cli.test_sweeping import age

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def train(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data beside the store, which is in the working directory."""
    monkeypatch.setattr(remembering, "_SETTLED_NS", 0)
    folder = store.parent / "train"
    (folder / "cats").mkdir(parents=True)
    chance = random.Random(1)
    for at in range(20):
        (folder / f"cats/{at}.png").write_bytes(chance.randbytes(5000))
    (folder / "large.bin").write_bytes(chance.randbytes(3 << 20))
    return folder


def as_json(capsys: Capture, *words: str) -> Any:
    code, text = said(capsys, *words, "--json")
    assert code == 0, text
    return json.loads(text)


def packs(store: Path) -> list[Path]:
    return list((store / "packs").glob(f"*{PIECES}"))


def test_a_folder_is_added_listed_changed_and_let_go_of(train: Path, capsys: Capture) -> None:
    name = str(fingerprint(train))
    short = name.rpartition(":")[2][:8]
    code, text = said(capsys, "data", "add", "train", "--message", "as it came")
    assert code == 0
    assert text.splitlines()[0] == f"added train@{short}: 21 files, 3.2 MB"
    assert name in text
    assert "nothing has changed" in said(capsys, "data", "add", "train")[1]
    (train / "new").write_bytes(b"new")
    assert "since the version before: 1 added" in said(capsys, "data", "add", "train")[1]
    (row,) = as_json(capsys, "data", "ls")["data"]
    assert (row["name"], row["versions"], row["files"]) == ("train", 2, 22)
    log = as_json(capsys, "data", "log", "train")["log"]
    assert [one["changes"] for one in log] == [{"added": 1}, {}]
    assert [one["message"] for one in log] == ["", "as it came"]
    assert said(capsys, "data", "rm", f"train@{short}")[0] == 0
    assert [one["is_here"] for one in as_json(capsys, "data", "log", "train")["log"]] == [
        False,
        True,
        False,
    ]
    assert said(capsys, "data", "rm", f"train@{short}")[0] == 7
    assert "let go of" in said(capsys, "data", "log", "train")[1]
    assert said(capsys, "data", "rm", "train")[0] == 0
    assert "no data was added" in said(capsys, "data", "ls")[1]
    assert said(capsys, "data", "log", "other")[0] == 7
    assert said(capsys, "data", "add", "nowhere")[0] == 7
    assert said(capsys, "data", "add", "train", "--name", "a/b")[0] == 2


def test_gc_keeps_what_a_version_names_and_takes_what_none_does(
    store: Path, train: Path, capsys: Capture
) -> None:
    said(capsys, "data", "add", "train")
    first = as_json(capsys, "data", "log", "train")["log"][0]["fingerprint"]
    data = (train / "large.bin").read_bytes()
    (train / "large.bin").write_bytes(data[: 1 << 20] + b"new" + data[1 << 20 :])
    said(capsys, "data", "add", "train")
    age(store)
    assert as_json(capsys, "gc", "--delete")["objects"] == 0
    assert said(capsys, "check")[0] == 0
    said(capsys, "data", "rm", f"train@{first.rpartition(':')[2]}")
    before = len(packs(store))
    said(capsys, "gc", "--delete", "--grace", "2h")
    code, text = said(capsys, "check")
    assert (code, "1 version of data" in text) == (0, True), text
    assert len(packs(store)) == before  # most of the old pack lives in the newer version
    said(capsys, "data", "rm", "train")
    age(store)
    assert as_json(capsys, "gc", "--delete")["objects"] > 25
    assert packs(store) == []
    assert as_json(capsys, "du")["data"] == []


def test_gc_removes_nothing_where_a_record_cannot_be_read(
    store: Path, train: Path, capsys: Capture
) -> None:
    said(capsys, "data", "add", "train")
    (record,) = (store / "data/train").iterdir()
    record.write_text("{")
    age(store)
    assert said(capsys, "gc", "--delete")[0] == 7
    assert packs(store)
    code, text = said(capsys, "check")
    assert (code, "damaged record" in text) == (7, True)
    assert said(capsys, "du")[0] == 0


def test_what_is_damaged_or_missing_is_named_and_repaired(
    store: Path, train: Path, capsys: Capture, tmp_path: Path
) -> None:
    said(capsys, "data", "add", "train")
    shutil.copytree(store.parent, tmp_path / "other")
    (pack,) = packs(store)
    whole = pack.read_bytes()
    pack.write_bytes(whole[:20] + b"damage" + whole[26:])
    code, text = said(capsys, "check")
    assert code == 7
    assert "is damaged" in text
    assert "data train@" in text
    assert said(capsys, "repair", "--from", str(tmp_path / "other"))[0] == 0
    assert said(capsys, "check")[0] == 0
    for pack in packs(store):
        pack.unlink()
    code, text = said(capsys, "check")
    assert (code, "not in this store" in text) == (7, True)
    assert said(capsys, "repair", "--from", str(tmp_path / "other"))[0] == 0
    assert said(capsys, "check")[0] == 0
    assert as_json(capsys, "du")["data"][0]["own_bytes"] > 3 << 20


def test_a_reference_needs_no_bytes_to_be_whole(store: Path, train: Path, capsys: Capture) -> None:
    said(capsys, "data", "add", "train", "--reference", "--source", "https://example.org/train.tar")
    assert said(capsys, "check")[0] == 0
    assert "(reference)" in said(capsys, "data", "ls")[1]
    assert sum(one.stat().st_size for one in packs(store)) < 5000


def test_links_out_and_names_that_collide_are_named(train: Path, capsys: Capture) -> None:
    (train / "out").symlink_to("/etc/hosts")
    (train / "large.BIN").write_bytes(b"")
    _, text = said(capsys, "data", "add", "train")
    assert "1 link points out of the folder" in text
    assert "large.BIN, large.bin" in text
    os.mkfifo(train / "pipe")
    code, text = said(capsys, "data", "add", "train")
    assert code == 2


def test_a_store_without_training_does_not_read_the_indexes_of_data(
    store: Path, train: Path, capsys: Capture
) -> None:
    said(capsys, "data", "add", "train")
    objects = Store(store)
    objects.put(b"a state")
    assert not any(name.endswith(PIECES) for name in objects._known_packs)


def test_a_version_is_laid_out_where_it_was_and_elsewhere(train: Path, capsys: Capture) -> None:
    said(capsys, "data", "add", "train")
    shutil.rmtree(train / "cats")
    (train / "mine").write_bytes(b"mine")
    code, text = said(capsys, "data", "checkout", "train")
    assert code == 0
    assert "21 files: 20 copied, 1 were there" in text
    assert "1 file that it does not have stay" in text
    found = as_json(capsys, "data", "checkout", "train", "elsewhere")
    assert (found["copied"], found["same"]) == (21, 0)
    (train / "large.bin").write_bytes(b"changed")
    assert main(["data", "checkout", "train"]) == 2
    assert str(train / "large.bin") in capsys.readouterr().err
    assert said(capsys, "data", "checkout", "train", "--force")[0] == 0
    (train / "mine").unlink()
    assert fingerprint(train) == fingerprint(train.parent / "elsewhere")


def test_a_difference_is_told_with_rows_and_labels(train: Path, capsys: Capture) -> None:
    (train / "t.csv").write_text("id,label\n1,a\n2,b\n")
    said(capsys, "data", "add", "train")
    assert said(capsys, "data", "diff", "train")[0] == 0
    (train / "t.csv").write_text("id,label\n1,a\n3,a\n4,a\n")
    (train / "cats/0.png").unlink()
    (train / "dogs").mkdir()
    (train / "cats/1.png").rename(train / "dogs/1.png")
    code, text = said(capsys, "data", "diff", "train")
    assert code == 5
    assert "1 removed, 1 changed, 1 moved; 19 the same" in text
    assert "rows: 2 → 3, 2 new and 1 gone" in text
    assert "label: a 1 → 3, b 1 → 0" in text
    assert "files by folder: cats 20 → 18, dogs 0 → 1" in text
    said(capsys, "data", "add", "train")
    newest, first = (
        one["fingerprint"].rpartition(":")[2]
        for one in as_json(capsys, "data", "log", "train")["log"]
    )
    code, text = said(capsys, "data", "diff", f"train@{first}", f"train@{newest}", "--json")
    assert code == 5
    found = json.loads(text)
    assert found["tables"]["t.csv"]["labels"] == {"a": [1, 3], "b": [1, 0]}
    assert said(capsys, "data", "diff", f"train@{newest}", "./train")[0] == 0
    assert said(capsys, "data", "diff", "train", "./nowhere")[0] == 7
    shutil.rmtree(train)
    assert said(capsys, "data", "diff", "train")[0] == 7


def test_the_rows_of_a_file_that_is_a_version_by_itself_are_told(
    train: Path, capsys: Capture
) -> None:
    table = train / "t.csv"
    table.write_text("id,label\n1,a\n2,b\n")
    said(capsys, "data", "add", "train/t.csv", "--name", "table")
    table.write_text("id,label\n1,a\n3,a\n4,a\n")
    code, text = said(capsys, "data", "diff", "table")
    assert code == 5
    assert "changed  the file: " in text
    assert "rows: 2 → 3, 2 new and 1 gone" in text
    assert "label: a 1 → 3, b 1 → 0" in text
    said(capsys, "data", "add", "train/t.csv", "--name", "table")
    newest, first = (
        one["fingerprint"].rpartition(":")[2]
        for one in as_json(capsys, "data", "log", "table")["log"]
    )
    assert (
        "2 new and 1 gone" in said(capsys, "data", "diff", f"table@{first}", f"table@{newest}")[1]
    )
    table.rename(train / "t.txt")  # of another kind now
    code, text = said(capsys, "data", "diff", f"table@{first}", "./train/t.txt")
    assert (code, "rows" in text) == (5, False)


def test_where_a_version_of_another_machine_is_to_lie_must_be_said(
    train: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "data", "add", "train")
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert main(["data", "checkout", "train"]) == 2
    assert "where is it to lie here" in capsys.readouterr().err
    assert said(capsys, "data", "checkout", "train", "place")[0] == 0
