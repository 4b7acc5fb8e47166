"""`samebit fingerprint`: what it says of files, folders and what they hold, and how it ends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest
from blake3 import blake3

from samebit.cli.main import main
from samebit.data.fingerprints import fingerprint
from tests.cli.test_listing import on_a_terminal

FRAME = pd.DataFrame({"n": [3, 1, 2], "text": ["a", None, "é"], "x": [0.5, np.nan, -0.0]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    FRAME.to_parquet("f.parquet", row_group_size=2)
    FRAME.to_feather("f.feather")
    FRAME.to_csv("f.csv", index=False)
    np.save("a.npy", np.asfortranarray(np.arange(6).reshape(2, 3)))
    np.savez("b.npz", x=np.arange(3), y=np.eye(2))
    return tmp_path


def data(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["fingerprint", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["fingerprints"]


def test_a_file_and_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = (folder / "f.csv").stat().st_size
    digest = blake3((folder / "f.csv").read_bytes()).hexdigest()
    assert main(["fingerprint", "f.csv", "."]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == [f"f.csv: {size} B", f"fp1:file:{digest}"]
    assert re.fullmatch(r"\.: 5 entries, [\d.]+ kB", out[2])
    assert out[3:] == [fingerprint(folder).name]
    file, all_ = data(capsys, "f.csv", ".", "--parts")
    assert file == {
        "path": "f.csv",
        "fingerprint": f"fp1:file:{digest}",
        "kind": "file",
        "size_bytes": size,
        "whole": True,
        "notes": [],
        "parts": {},
    }
    assert all_["parts"]["f.csv"] == f"fp1:file:{digest}"


@pytest.mark.parametrize("level", ["content", "set"])
def test_a_table_in_a_file_is_the_table_in_memory(
    level: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = data(capsys, "f.parquet", "f.feather", "--as", "table", "--level", level)
    expected = fingerprint(FRAME, level=level)
    assert [one["fingerprint"] for one in read] == [expected.name] * 2
    assert (read[0]["rows"], read[0]["columns"]) == (3, 3)


def test_strict_of_a_file_is_what_arrow_declares(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (read,) = data(capsys, "f.parquet", "--as", "table", "--level", "strict")
    table = pa.parquet.read_table("f.parquet")
    assert read["fingerprint"] == fingerprint(table, level="strict").name


def test_a_csv_has_texts_alone_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("quoted.csv").write_text(
        '"text","n","x"\r\n"a","3","0.5"\r\n"","1",""\r\n"é","2","-0.0"\r\n'
    )
    plain, quoted = data(capsys, "f.csv", "quoted.csv", "--as", "table")
    texts = pa.table({"n": ["3", "1", "2"], "text": ["a", "", "é"], "x": ["0.5", "", "-0.0"]})
    assert plain["fingerprint"] == quoted["fingerprint"] == fingerprint(texts).name
    assert plain["notes"] == ["a .csv has no types: every column is text"]


def test_a_long_csv_is_text_to_its_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [str(at) for at in range(400_000)] + ["no number"]
    Path("long.csv").write_text("n\n" + "\n".join(rows) + "\n")
    (found,) = data(capsys, "long.csv", "--as", "table")
    assert found["fingerprint"] == fingerprint(pl.DataFrame({"n": rows})).name


def test_arrays_in_files_are_those_in_memory(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, several = data(capsys, "a.npy", "b.npz", "--as", "table", "--parts")
    assert one["fingerprint"] == fingerprint(np.arange(6).reshape(2, 3)).name
    held = {"x": np.arange(3), "y": np.eye(2)}
    assert several["fingerprint"] == fingerprint(held).name
    assert several["parts"] == {name: fingerprint(array).name for name, array in held.items()}


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "nothing there": (["none"], 7, "nothing at that path"),
    "no table there": (["none.csv", "--as", "table"], 7, "no such file"),
    "a kind that is not read": (["x.xlsx", "--as", "table"], 2, "known: .parquet"),
    "no parquet": (["bad.parquet", "--as", "table"], 7, "not readable as .parquet"),
    "no arrow": (["bad.feather", "--as", "table"], 7, "not readable as .feather"),
    "no array": (["bad.npy", "--as", "table"], 7, "not readable as .npy"),
    "no archive": (["bad.npz", "--as", "table"], 7, "not readable as .npz"),
    "no text": (["bad.csv", "--as", "table"], 7, "not readable as .csv"),
    "an array too large for its file": (["long.npy", "--as", "table"], 7, "long.npy"),
    "a pickle": (["pickle.npy", "--as", "table"], 7, "not readable as .npy"),
    "a set of files": ([".", "--level", "set"], 2, "no level `set`"),
    "links of a table": (["f.csv", "--as", "table", "--follow"], 2, "--follow is of folders"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_fingerprint_ends_with_its_code_and_what_to_do(
    what: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, code, said = REFUSED[what]
    for suffix in ("parquet", "feather", "npy", "npz"):
        Path(f"bad.{suffix}").write_bytes(b"garbage")
    Path("bad.csv").write_bytes(b"a,b\n\xff,\xfe\n")
    Path("x.xlsx").touch()
    np.save("pickle.npy", np.array([{}], object), allow_pickle=True)
    header = (
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    )
    Path("long.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    assert main(["fingerprint", *words]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out


def test_a_file_that_changes_while_its_table_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebit.data import tables

    real = tables.of_table

    def slow(*words: Any) -> Any:
        found = real(*words)
        os.truncate("f.csv", 10)
        return found

    monkeypatch.setattr(tables, "of_table", slow)
    assert main(["fingerprint", "f.csv", "--as", "table"]) == 1
    assert "changed while it was read" in capsys.readouterr().err


def test_on_a_terminal_the_fingerprint_is_whole_and_parts_fit(folder: Path) -> None:
    (folder / "a\x1b[31m").touch()
    shown = on_a_terminal("fingerprint", ".", "--parts")
    plain = re.sub(r"\x1b\[\d+m", "", shown.rpartition("\r")[2])
    assert f"\n{fingerprint(folder).name}\n" in plain
    assert max(map(len, plain.splitlines())) <= 80
    assert "a\\x1b[31m" in plain


def test_notes_stand_below_the_fingerprint(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out").symlink_to("/etc/hosts")
    assert main(["fingerprint", "."]) == 0
    assert capsys.readouterr().out.splitlines()[2] == (
        "note: 1 link points out of the folder, and that data is not part of it: out"
    )
    assert main(["fingerprint", ".", "--follow"]) == 0
    assert "note" not in capsys.readouterr().out


def test_files_are_hashed_without_numpy_and_arrow(folder: Path) -> None:
    script = (
        "import sys\nfrom samebit.cli.main import main\ncode = main(['fingerprint', 'f.csv'])\n"
        "sys.exit(code or bool({'numpy', 'pyarrow', 'torch', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
