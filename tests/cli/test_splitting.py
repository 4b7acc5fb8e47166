"""`samebit split`: what it says, files of equal bytes, and the same rows in another file."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from samebit.cli.main import main
from samebit.data.arrays import of_indices
from samebit.data.parts import draft_of
from samebit.data.row_ids import ASKED
from samebit.data.splitting import build
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.naming import named_by, reached_from, uses
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.sweeping import unmarked
from tests.cli.stores import said

FRAME = pd.DataFrame({"a": np.arange(6), "t": list("uvwxyz")})


def record(store: Path, splits: dict[str, Any], **options: Any) -> RunFolder:
    folder = runs.begin(store)
    writer = Writer(folder.journal, folder.id)
    for name, parts in splits.items():
        built = build(draft_of(parts, most=ASKED, **options))
        Store(store).put_all(list(built.objects))
        said_parts = [[p.name, p.rows, p.order] for p in built.manifest.parts]
        fact = {"name": name, "manifest": built.name, "method": built.manifest.method}
        rows = built.manifest.data.rows
        writer.fact("split", {**fact, "rows": rows, "parts": said_parts, "at": "/p/a.py:3"})
    writer.close()
    return folder


PARTS = {"train": [4, 0, 2], "test": [5, 2]}


def test_show_says_sizes_counts_overlap_and_coverage(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, {"splits": PARTS}, of=FRAME, labels=list("ppqqqq"), groups=[0] * 6)
    code, out = said(capsys, "split", "show", folder.id)
    assert code == 0
    assert out.splitlines()[1:] == [
        "method      given by the script",
        "at          /p/a.py:3",
        f"data        pandas.DataFrame, 6 rows, {fingerprint(capsys, folder)[:18]}",
        "row ids     of their content",
        "grouped by  0: 6; 1 values, fp1:array:8ff96531",
        "part   rows  share  labels      groups  members   order",
        f"train     3  50.0%  p: 1, q: 2       1  {names(PARTS['train'])}",
        f"test      2  33.3%  q: 2             1  {names(PARTS['test'])}",
        "disjoint  no: 1 row in train and in test",
        "coverage  4 of 6 rows",
        "groups    1 group in train and in test",
    ]
    _, out = said(capsys, "show", folder.id)
    assert "  splits  train 3, test 2, not disjoint: 1 row in train and in test" in out


def names(rows: list[int]) -> str:
    """The beginnings of the names of a list, as a set and in its order."""
    both = [str(of_indices(rows, ordered=ordered)) for ordered in (False, True)]
    return "  ".join(name.rpartition(":")[2][:8] for name in both)


def fingerprint(capsys: pytest.CaptureFixture[str], folder: RunFolder) -> str:
    _, out = said(capsys, "split", "show", folder.id, "--json")
    return json.loads(out)["split"]["data"]["fingerprint"]


def test_several_splits_are_listed_and_must_be_named(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, {"one": PARTS, "other": {"all": range(6)}})
    code, out = said(capsys, "split", "show", folder.id)
    assert (code, out.splitlines()[0].split()) == (0, ["split", "rows", "parts", "method", "at"])
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["one", "other"]
    assert main(["split", "export", folder.id]) == 2
    assert f"hint: name one: {folder.id}:one" in capsys.readouterr().err
    assert main(["split", "export", f"{folder.id}:none"]) == 7
    assert "splits: 'one', 'other'" in capsys.readouterr().err
    folds = record(store, {"KFold/0": PARTS, "KFold/1": PARTS, "x": PARTS})
    _, out = said(capsys, "split", "show", f"{folds.id}:KFold")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["KFold/0", "KFold/1"]
    _, out = said(capsys, "show", folds.id)
    assert "KFold  2 splits; the first: train 3, test 2" in out
    code, out = said(capsys, "split", "export", f"{folder.id}:other")
    assert json.loads(out)["parts"] == {"all": [*range(6)]}


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz"])
def test_files_have_every_row_in_order_and_equal_bytes(
    store: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, {"splits": PARTS}, of=list("uvwxyz"))
    for name in ("first", "second"):
        assert main(["split", "export", folder.id, "-o", name + suffix]) == 0
    data = Path("first" + suffix).read_bytes()
    assert data == Path("second" + suffix).read_bytes()
    ids = {name: ["uvwxyz"[at] for at in rows] for name, rows in PARTS.items()}
    if suffix == ".json":
        found = json.loads(data)
        assert (found["parts"], found["ids"]) == (PARTS, ids)
    elif suffix == ".csv":
        lines = list(csv.DictReader(io.StringIO(data.decode())))
        assert [(d["part"], int(d["row"]), d["id"]) for d in lines] == [
            (name, at, "uvwxyz"[at]) for name, rows in PARTS.items() for at in rows
        ]
    else:
        with np.load("first.npz") as held:
            assert {name: held[name].tolist() for name in PARTS} == PARTS
            assert held["test ids"].tolist() == ids["test"]
    assert main(["split", "export", folder.id, "-o", "first" + suffix]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["split", "export", folder.id, "-o", "first" + suffix, "--force"]) == 0
    assert main(["split", "export", folder.id, "-o", "first.xlsx"]) == 2


def test_use_finds_the_rows_in_a_file_and_names_those_that_are_gone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, {"splits": PARTS}, of=FRAME)
    FRAME.iloc[::-1].to_parquet("turned.parquet", index=False)
    FRAME.iloc[:5].to_parquet("short.parquet", index=False)
    FRAME.to_csv("text.csv", index=False)
    code, out = said(capsys, "split", "use", folder.id, "turned.parquet")
    turned = {name: [5 - at for at in rows] for name, rows in PARTS.items()}
    assert (code, json.loads(out)["parts"]) == (0, turned)
    assert main(["split", "use", folder.id, "short.parquet"]) == 7
    err = capsys.readouterr().err
    assert "1 of 2 rows of part 'test' are not in this data\n  rows: row 5\n" in err
    assert main(["split", "use", folder.id, "text.csv"]) == 2
    assert "a: int64 → utf8" in capsys.readouterr().err
    by_ids = record(store, {"splits": {"train": ["b", "a"]}})
    Path("ids.txt").write_text("a\nb\nc\n")
    code, out = said(capsys, "split", "use", by_ids.id, "ids.txt")
    assert json.loads(out)["parts"] == {"train": [1, 0]}
    code, out = said(capsys, "split", "export", by_ids.id)
    assert json.loads(out)["ids"] == {"train": ["b", "a"]}


def test_every_object_of_a_split_is_named_by_its_run(store: Path) -> None:
    folder = record(store, {"splits": {"train": np.arange(50_000)[::-1]}}, of=np.arange(50_000.0))
    objects = Store(store)
    marked = set(reached_from(objects, named_by(folder)))
    assert {*objects.names()} <= marked
    assert not list(unmarked(objects, marked, 2**63))
    (use,) = uses(read_run(folder), objects)
    places = ["", "ids of its rows", "members of 'train'", "sequence of 'train'"]
    assert (use.what, [place for place, _ in use.parts]) == ("split 'splits'", places)
    assert {name for _, name in use.parts} == {*objects.names()}


def test_a_strangers_words_do_not_reach_the_terminal(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = runs.begin(store)
    writer = Writer(folder.journal, folder.id)
    fact = {"name": "\x1b[31m", "manifest": "blake3:" + "0" * 64, "method": "\x1b]0;", "rows": None}
    writer.fact("split", {**fact, "parts": [["\x1b[2J", 1, ""]]})
    writer.close()
    for words in (["show", folder.id], ["split", "show", folder.id]):
        main(words)
        found = capsys.readouterr()
        assert "\x1b" not in found.out + found.err
    assert main(["split", "export", folder.id]) == 7
