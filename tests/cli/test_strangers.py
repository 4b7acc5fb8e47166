"""A run that a stranger or a newer version wrote: each command says what it cannot know."""

import io
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import samebit
from samebit.cli.main import main
from samebit.errors import Damaged, SamebitError
from samebit.folders.facts import read_fact
from samebit.journal import frame, reader
from samebit.journal.frame import Kind
from samebit.journal.writer import Writer

GOLDEN = Path(__file__).parent.parent / "golden" / "store-1"
RUN, OTHER = "f1n1shed00", "rep1ay0000"

COMMANDS = (
    ["ls"],
    ["ls", "--json"],
    ["table"],
    ["table", "--csv", "--replays"],
    ["show", RUN],
    ["show", RUN, "--json"],
    ["show", RUN, "--schedule"],
    ["metrics", RUN],
    ["metrics", RUN, "--json"],
    ["metrics", RUN, "--csv"],
    ["diff", RUN, OTHER],
    ["diff", OTHER, RUN, "--json"],
    ["diff", RUN, OTHER, "--trace"],
    ["diff", RUN, RUN],
    ["media", "ls", RUN],
    ["check"],
    ["verify", RUN, "--json"],
)
EXITS = {0, 2, 5, 6, 7}

ODD: dict[str, Any] = {
    "nothing": None,
    "a number": 2**62,
    "a fraction": float("nan"),
    "a text": "\x1b[2J\0",
    "a truth": True,
    "bytes": b"\xff",
    "an empty list": [],
    "a list": [1, "a", None, [b"x"]],
    "an empty map": {},
    "a map": {"path": 3, "how": {"a": 1}, "name": None, "status": [], "groups": [1]},
    "a map of numbers": {1: 2},
    "a deep list": msgspec.msgpack.decode(b"\x91" * 300 + b"\x90"),
    "a map of odd ends": {"$int": "seven"},
    "a mark": {"$escaped": 3},
}
FEW = (None, 3, {"a": [b"b"]}, [["\0"]])
WITHOUT_METRICS = ("ls", "show", "diff", "verify")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(GOLDEN, tmp_path / "project" / ".samebit")  # without its empty folders
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SAMEBIT_DEBUG", "1")  # an exception that is not ours comes through
    return tmp_path / "project"


def rewrite(project: Path, change: Any) -> None:
    """Write a run's journal anew, each frame's items as `change` gives them."""
    run = project / ".samebit" / "runs" / RUN
    (run / "executions/1/end.json").unlink()  # it holds the digests of the segments
    for segment in reader.list_segments(run / "journal"):
        data = segment.path.read_bytes()
        frames, _ = frame.read_frames(data)
        out = data[: frame.HEADER_BYTES]
        for sequence, items in frames:
            out += frame.pack(sequence, msgspec.msgpack.encode(change(list(items))))
        segment.path.write_bytes(out)


def strange(value: Any) -> Iterator[Any]:
    """A value with each of its parts taken out, or replaced by each odd value."""
    if isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
            for odd in FEW:
                yield {**value, key: odd}
            yield from ({**value, key: odd} for odd in strange(value[key]))
    if isinstance(value, list) and value:
        for odd in [*FEW, *strange(value[0])]:
            yield [odd, *value[1:]]


def said_by_every_command(
    commands: Iterable[list[str]] = COMMANDS,
) -> dict[str, tuple[int, str]]:
    said: dict[str, tuple[int, str]] = {}
    for words in commands:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        before, sys.stdout = sys.stdout, out
        try:
            code = main(words)
        finally:
            sys.stdout = before
        text = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert code in EXITS, (words, code)
        assert "--csv" in words or "\x1b[2J" not in text, words  # data is given as it is
        said[" ".join(words)] = (code, text)
    run = samebit.open_run(RUN)
    for value in (run.status, run.name, run.config, run.flat_config, run.facts, run.missing):
        repr(value)
    run.metrics()
    run.schedule()
    for at in ("step 0", "final"):
        try:
            run.state_dict(at)
        except SamebitError:
            pass
    assert len(samebit.runs(replays=True)) == 3
    return said


@pytest.mark.parametrize("odd", ODD)
def test_odd_facts_are_said_and_never_a_fault_of_ours(project: Path, odd: str) -> None:
    def change(items: list[Any]) -> list[Any]:
        if items[0] == Kind.FACT:
            items[3] = ODD[odd]
        elif items[0] == Kind.HYPER:
            items[4] = ODD[odd] if isinstance(ODD[odd], dict) else {"lr": ODD[odd]}
        return items

    rewrite(project, change)
    said = said_by_every_command()
    line = "has a shape that this version does not know"
    assert f"the fact 'state' {line}" in said[f"show {RUN}"][1]
    assert line in said[f"verify {RUN} --json"][1]
    assert said[f"verify {RUN} --json"][0] == 6
    assert said[f"diff {RUN} {RUN}"][0] in (5, 6)  # doubt is no equality


@pytest.mark.parametrize("odd", ODD)
def test_odd_metrics_are_left_out_and_said(project: Path, odd: str) -> None:
    def change(items: list[Any]) -> list[Any]:
        return [*items[:4], *(ODD[odd] for _ in items[4:])] if items[0] == Kind.ROW else items

    rewrite(project, change)
    said_by_every_command()


DIGEST = "blake3:" + "0" * 64
SOUND: dict[str, Any] = {
    "asked": {"seed": 1, "deterministic": True},
    "code": {
        "root": "/project",
        "tree": DIGEST,
        "files": 1,
        "size_bytes": 10,
        "head": "0" * 40,
        "branch": "main",
        "commit": "0" * 40,
        "ref": "refs/tags/samebit/x",
        "remote": None,
        "changed": ["M train.py"],
        "left_out": ["data: too large"],
        "notices": ["one"],
    },
    "config": {"lr": 0.1, "model": {"width": 3}},
    "end": {"execution": 1, "status": "failed", "signal": None, "seconds": 1.0},
    "exception": "ValueError: no",
    "interpreter": {"implementation": "cpython", "version": "3.11", "flags": {"optimize": 0}},
    "joined": {"rank": "0", "execution": 1},
    "machine": {
        "host": "h",
        "cpu": {"model": "c", "allowed": 2, "flags": ["avx"]},
        "gpus": [{"model": "g"}],
        "boot": "b",
    },
    "main": 0,
    "packages": {"versions": {"torch": "2"}, "origins": {"a": {"kind": "folder"}}, "broken": []},
    "problem": {"what": "rng.torch not traced", "detail": "d"},
    "process": {"pid": 1, "pid_started": 2, "boot": "b", "execution": 1, "argv": ["python", "x"]},
    "rate": {"optimizer": 0, "count": 3, "k": 1},
    "seed_call": {"library": "torch", "value": 3, "at": "train.py:3"},
    "settings": {"torch.threads": 1, "torch.deterministic_algorithms": True},
    "sources": {"path": ["/project"], "modules": [["m", "/project/m.py", DIGEST]]},
    "state": {"name": "final", "manifest": DIGEST, "size_bytes": 3, "kept": True, "step": 1},
    "trace": {"groups": ["batch", "loss"], "algorithm": "xxh3-128/8"},
    "variables": {"OMP_NUM_THREADS": "1"},
    "volatile": ["mine_*"],
}
READ = {"path": "/data/x", "how": "read", "given": "absolute", "size_bytes": 1, "mtime_ns": 1}
FILES = {
    "read": {**READ, "digest": DIGEST, "written": True, "kept": DIGEST},
    "write": {**READ, "how": "write", "digest": DIGEST},
    "folder": {"path": "/data/made", "how": "folder", "given": "relative"},
    "list": {"path": "/data", "how": "list", "given": "relative", "count": 1, "names": ["x"]},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"), [*SOUND.items(), *(("file", fact) for fact in FILES.values())]
)
def test_no_part_of_a_fact_is_trusted(project: Path, name: str, value: Any) -> None:
    journal = project / ".samebit" / "runs" / RUN / "journal"
    before = set(journal.iterdir())
    (journal.parent / "executions/1/end.json").unlink()
    for odd in strange(value):
        writer = Writer(journal, RUN)
        payload = (int(Kind.FACT), time.monotonic_ns(), name, odd)
        writer._write(msgspec.msgpack.encode(payload))
        writer.close()
        said_by_every_command(words for words in COMMANDS if words[0] in WITHOUT_METRICS)
        for path in set(journal.iterdir()) - before:
            path.unlink()


def test_a_fact_of_every_name_is_checked() -> None:
    """Of the shapes here, each fits; and each that a reader relies on is among them."""
    for name, value in SOUND.items():
        assert read_fact(name, value) == value
    for fact in FILES.values():
        assert read_fact("file", fact) == fact
    for name in {*SOUND, "file"} - {"config"}:
        with pytest.raises(Damaged, match=f"the fact '{name}' has a shape"):
            read_fact(name, [{}])
