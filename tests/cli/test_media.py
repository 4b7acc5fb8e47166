"""`samebit media`, and what every command that looks after a store does with media."""

import io
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.data.recorded_media import find_object
from samebit.errors import Damaged
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.media import given as shown
from samebit.media.drafts import draft
from samebit.objects.store import Store
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.session.reading import open_run
from tests.cli.stores import flip, new_store, said
from tests.media.test_png import read_png

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
LARGE = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
ESCAPE = "\x1b[2J"


def logged(objects: Store, name: str, step: int, *things: Any, **more: Any) -> list[Any]:
    """The facts of some media, whose objects are put."""
    fact = {"name": name, "step": step, "kind": "image", "of": len(things)}
    facts: list[Any] = [fact]
    for at, one in enumerate(things):
        kind, type_, data, about = "image", "image/png", one, {}
        if isinstance(one, shown.Media):
            found = draft(one, lambda _: _)
            made = found.make()
            objects.put_all(made.parts)
            kind, type_, data, about = found.kind, made.type, made.data, made.about
            caption = {"caption": found.caption} if found.caption else {}
        else:
            caption = {}
        facts.append(
            {
                **fact,
                "at": at,
                "kind": kind,
                "type": type_,
                "object": objects.put(data),
                "size_bytes": len(data),
                "exact": True,
                "kept": True,
                "about": about,
                **caption,
                **more,
            }
        )
    return facts


def record(store: Path, *facts: Any) -> RunFolder:
    folder = runs.begin(store)
    folder.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("a.py",), "/project"))
    writer = Writer(folder.journal, folder.id)
    for fact in facts:
        writer.fact("media", fact)
    writer.close()
    folder.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return folder


def usual(store: Path) -> RunFolder:
    objects = Store(store)
    images = [shown.Image(PIXELS, caption=f"a {ESCAPE}"), shown.Image(LARGE)]
    table = shown.Table(["n", "p"], [[1, shown.Image(PIXELS[::-1])]])
    return record(
        store,
        *logged(objects, "val/samples", 1, *images),
        *logged(objects, "val/samples", 2, *images),
        *logged(objects, "table", 2, table),
        *logged(objects, "text", 2, shown.Text(f"hé{ESCAPE}")),
        *logged(objects, "sound", 2, shown.Audio(np.zeros(800), 8000)),
    )


def test_media_are_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual(store)
    code, text = said(capsys, "media", "ls", run.id)
    assert code == 0
    lines = text.splitlines()
    assert lines[0].split() == ["name", "step", "kind", "what", "size", "object", "caption"]
    assert len(lines) == 8
    assert "4 × 4" in lines[1]
    assert r"\x1b[2J" in lines[1]
    assert ESCAPE not in text
    assert "0.1 s" in lines[-1]
    assert said(capsys, "media", "ls", run.id, "val/*", "--step", "2")[1].count("\n") == 3
    assert said(capsys, "media", "ls", run.id, "--step", "7") == (0, "none at that step\n")
    found = json.loads(said(capsys, "media", "ls", run.id, "text", "--json")[1])
    (one,) = found
    assert (one["kind"], one["type"], one["step"]) == ("text", "text/plain", 2)
    _, shown_text = said(capsys, "show", run.id)
    assert "val/samples  4 images at 2 steps, last 2" in shown_text
    assert "text         1 text at step 2" in shown_text
    assert json.loads(said(capsys, "show", run.id, "--json")[1])["media"]["text"][0]["of"] == 1


def test_a_run_without_media_says_so(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = record(store)
    assert said(capsys, "media", "ls", run.id) == (0, f"run {run.id} logged no media\n")
    assert said(capsys, "media", "ls", run.id, "x")[0] == 7


def test_media_are_written_into_files(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = usual(store)
    code, text = said(capsys, "media", "export", run.id, "-o", "out")
    assert (code, text.split(",")[0]) == (0, "out: 8 files")
    inside = read_png(Path("out/table/00000002/0-p.png").read_bytes())
    np.testing.assert_array_equal(inside, PIXELS[::-1])
    names = sorted(str(path.relative_to("out")) for path in Path("out").glob("val*/*.*g"))
    folder = names[0].partition("/")[0]
    assert folder.startswith("val_samples.")
    assert [name.partition("/")[2] for name in names] == [
        *("00000001-1.png", "00000001-2.png", "00000002-1.png", "00000002-2.png")
    ]
    assert Path("out/text/00000002.txt").read_text() == f"hé{ESCAPE}"
    assert json.loads(Path("out/table/00000002.json").read_text())["columns"] == ["n", "p"]
    again = said(capsys, "media", "export", run.id, "-o", "out")
    assert again == (0, text)  # the same files are no others
    Path("out/text/00000002.txt").write_text("mine")
    assert said(capsys, "media", "export", run.id, "-o", "out")[0] == 2
    assert Path("out/text/00000002.txt").read_text() == "mine"
    assert said(capsys, "media", "export", run.id, "-o", "out", "--force")[0] == 0
    assert Path("out/text/00000002.txt").read_text() == f"hé{ESCAPE}"
    assert said(capsys, "media", "export", run.id, "--step", "1")[0] == 0
    assert len(list(Path(run.id).rglob("*.png"))) == 2


HOSTILE = [
    "../../outside",
    "/etc/passwd",
    "..",
    ".",
    ".hidden",
    "",
    "a/../b",
    "a\0b",
    f"{ESCAPE}red",
    "x" * 5000,
    "<script>alert(1)</script>",
    "con\ud800",
    "a",
    "A\u202eb",
]


def test_a_stranger_s_names_choose_no_other_folder_and_no_two_meet(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = Store(store)
    facts = [fact for name in HOSTILE for fact in logged(objects, name, -3, shown.Text(repr(name)))]
    facts += logged(objects, "a", 10**70, shown.Text("far"))
    run = record(store, *facts)
    before = {path for path in Path("..").rglob("*")}
    code, text = said(capsys, "media", "ls", run.id)
    assert code == 0
    assert ESCAPE not in text
    code, text = said(capsys, "media", "export", run.id, "-o", "out")
    assert (code, text.split(",")[0]) == (0, f"out: {len(HOSTILE) + 1} files")
    new = [path for path in Path("..").rglob("*") if path not in before]
    assert all("out" in path.parts for path in new)
    files = [path for path in new if path.is_file()]
    assert len(files) == len(HOSTILE) + 1
    assert {path.suffix for path in files} == {".txt"}
    assert all(path.name.isprintable() and len(path.name) < 120 for path in files)


def test_a_stranger_s_type_and_kind_are_a_claim(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = Store(store)
    html = b"<html><script>alert(1)</script>"
    run = record(
        store,
        *logged(objects, "page", 1, html, kind="page", type="text/html"),
        *logged(objects, "svg", 1, b"<svg onload='a()'/>", type="image/svg+xml"),
        *logged(objects, "liar", 1, html, type="image/png"),
        *logged(objects, "bytes", 1, b"\xff\xfe\x00", kind="text", type="text/plain"),
        *logged(objects, "deep", 1, b"[" * 100_000, kind="table", type="application/json"),
        *logged(objects, "lies", 1, b'{"columns":[],"rows":3}', kind="table", type="audio/wav"),
        *logged(objects, "odd", 1, b"a", kind=ESCAPE, type=ESCAPE, about={"width": ESCAPE}),
        *logged(objects, "good", 1, shown.Text("x")),
    )
    code, text = said(capsys, "media", "ls", run.id)
    assert code == 0
    assert ESCAPE not in text
    assert said(capsys, "show", run.id)[0] == 0
    code, text = said(capsys, "media", "export", run.id, "-o", "out")
    assert code == 7
    assert [path.name for path in Path("out").rglob("*.*") if path.is_file()] == ["00000001.txt"]
    for one in open_run(run.id).media():
        if one.name != "good":
            with pytest.raises(Damaged, match="are no "):
                one.read()


def test_check_reads_du_counts_and_gc_keeps_media(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = usual(store)
    orphan = Store(store).put(b"nobody's" * 50)
    for folder in ("objects", "packs"):
        for path in (store / folder).rglob("*"):
            os.utime(path, (1_600_000_000, 1_600_000_000))
    assert said(capsys, "check")[0] == 0
    (row,) = json.loads(said(capsys, "du", "--json")[1])["runs"]
    assert row["media_bytes"] >= LARGE.nbytes
    assert row["file_bytes"] == 0
    assert " media " in said(capsys, "du")[1].splitlines()[0]
    assert said(capsys, "gc", "--delete")[0] == 0
    assert not Store(store).has(orphan)
    kept = Store(store)
    for one in open_run(run.id).media():
        assert one.read()
    table = json.loads(open_run(run.id).media("table")[0].read())
    assert kept.read(table["rows"][0][1]["media"]["object"])  # what a table names is kept with it
    assert said(capsys, "check")[0] == 0


def test_a_damaged_picture_is_named_and_healed(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = usual(store)
    shutil.copytree(store, tmp_path / "copy" / ".samebit")
    (large,) = {one.digest for one in open_run(run.id).media("val/samples") if one.at == 1}
    flip(Store(store).object_path(large), 5000)
    code, text = said(capsys, "check")
    assert code == 7
    assert "image 'val/samples' at step 1 (2 of 2): it is damaged" in text
    assert said(capsys, "media", "export", run.id, "-o", "out")[0] == 7
    assert said(capsys, "repair", "--from", str(tmp_path / "copy"))[0] == 0
    assert said(capsys, "check")[0] == 0
    Store(store).object_path(large).unlink()
    assert "it is missing" in said(capsys, "check")[1]


def test_media_travel_or_stay_as_is_said(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = usual(store)
    (tmp_path / "lab").mkdir()
    assert said(capsys, "remote", "add", "lab", str(tmp_path / "lab"))[0] == 0
    assert said(capsys, "push", "--with", "states,code")[0] == 0
    for kinds, is_there in (("data", False), ("media", True)):
        assert said(capsys, "push", "--with", kinds)[0] == 0
        other = new_store(tmp_path / f"other-{kinds}")
        monkeypatch.chdir(other.parent)
        assert said(capsys, "remote", "add", "lab", str(tmp_path / "lab"))[0] == 0
        assert said(capsys, "pull", run.id, "--with", kinds)[0] == 0
        found = open_run(run.id).media()
        assert len(found) == 7
        assert all(Store(other).has(one.digest) == is_there for one in found)
        if is_there:
            table = json.loads(open_run(run.id).media("table")[0].read())
            assert Store(other).read(table["rows"][0][1]["media"]["object"])
            assert said(capsys, "check")[0] == 0
        monkeypatch.chdir(store.parent)


def test_bytes_of_a_file_come_back_as_they_were(store: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(100), 8000, format="OGG")
    run = record(store, *logged(Store(store), "s", 1, shown.Audio(stream.getvalue())))
    (one,) = open_run(run.id).media()
    assert (one.type, one.read()) == ("audio/ogg", stream.getvalue())


def test_an_object_is_found_by_its_name_if_the_run_logged_it(store: Path) -> None:
    run = usual(store)
    objects = Store(store)
    view = read_run(run)
    for one in open_run(run.id).media():
        found = find_object(view, objects, one.digest)
        assert found is not None
        assert found.read() == one.read()
    (table,) = open_run(run.id).media("table")
    ((row, column, inside),) = table.cells()
    assert (row, column, inside.kind) == (0, "p", "image")
    found = find_object(view, objects, inside.digest)
    assert found is not None
    np.testing.assert_array_equal(read_png(found.read()), PIXELS[::-1])
    assert find_object(view, objects, objects.put(b"not logged")) is None


@pytest.mark.parametrize(
    "cell",
    [
        '{"media":3}',
        '{"media":{}}',
        '{"media":{"kind":"image","object":"../../etc/passwd"}}',
        '{"media":{"kind":"table","type":"application/json","object":"%s"}}',
        '{"media":{"kind":"image","type":["a"],"object":"%s"}}',
    ],
)
def test_a_stranger_s_cells_are_no_things(
    store: Path, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = Store(store)
    cell = cell.replace("%s", objects.put(b"a"))
    table = f'{{"columns":["\\u001b","b"],"rows":[[{cell}]]}}'.encode()
    facts = logged(objects, "t", 1, table, kind="table", type="application/json")
    run = record(store, *facts)
    code, _ = said(capsys, "media", "export", run.id, "-o", "out")
    assert code == 7
    assert [path.name for path in Path("out/t").iterdir()] == ["00000001.json"]
    assert find_object(read_run(run), objects, objects.put(b"a")) is None


def test_columns_of_one_name_have_files_of_their_own(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = [shown.Image(PIXELS), shown.Image(PIXELS[::-1]), shown.Text("a")]
    run = record(store, *logged(Store(store), "t", 1, shown.Table(["p", "p", "p"], [row, row])))
    assert said(capsys, "media", "export", run.id, "-o", "out")[0] == 0
    names = sorted(path.name for path in Path("out/t/00000001").iterdir())
    assert len(names) == 6
    assert [path.suffix for path in map(Path, names)].count(".txt") == 2
