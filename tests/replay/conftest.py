"""A project in a folder of its own, and the commands a user types there."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from samebit import digest, places
from samebit.folders import folder as runs
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.states import storing
from tests.projects import unswept

SAMEBIT = (sys.executable, "-m", "samebit.cli.main")


@dataclass(frozen=True)
class Verified:
    """What `samebit verify --json` said."""

    code: int
    verdict: dict[str, Any]
    errors: str

    @property
    def text(self) -> str:
        return f"{self.verdict['grade']}: {self.verdict['cause']}"


@dataclass(frozen=True)
class Project:
    """A git repository below a folder that holds what lies beside it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def write(self, **files: str) -> None:
        """Write files; `__` in a name stands for a slash, and `.py` is added to one without."""
        for name, content in files.items():
            path = self.folder / (name.replace("__", "/") + ("" if "." in name else ".py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(unswept(content))

    def call(self, *words: str, expect: int | None = 0, **environ: str) -> Any:
        temporary = self.folder.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(temporary), **self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr or "samebit/" not in done.stderr, done.stderr
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    def run(self, *words: str, expect: int | None = 0, **environ: str) -> str:
        self.call(*SAMEBIT, "run", "--quiet", *words, expect=expect, **environ)
        return self.last().id

    def last(self) -> View:
        return self.view("@last")

    def view(self, run: str) -> View:
        return read_run(find_run(self.folder / ".samebit", run))

    def verify(self, run: str = "@last", *options: str, **environ: str) -> Verified:
        done = self.call(*SAMEBIT, "verify", run, "--json", *options, expect=None, **environ)
        assert list((self.folder.parent / "tmp").glob("samebit*")) == []
        assert done.stdout.count("\n") == 1, done.stdout + done.stderr
        return Verified(done.returncode, json.loads(done.stdout), done.stderr)

    def refused(self, run: str, *options: str) -> tuple[int, str]:
        """Verify something that cannot be verified: the exit code, and what was said."""
        done = self.call(*SAMEBIT, "verify", run, *options, expect=None)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def make_project(around: Path, *, repository: bool = True) -> Project:
    folder = around / "project"
    folder.mkdir()
    if repository:
        git(folder, "init", "-q")
        (folder / ".gitignore").write_text("data/\nout/\n*.pt\n*.log\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "begin")
    else:
        (folder / ".samebit-here").touch()
    return Project(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Makes projects that the tests of one module share."""
    return lambda name, **how: make_project(tmp_path_factory.mktemp(name), **how)


@dataclass(frozen=True)
class Recorder:
    """Makes runs in one store from what they shall say, without running anything."""

    store: Path

    def run(
        self,
        facts: Iterable[tuple[str, Any]] = (),
        *,
        status: str = "finished",
        metrics: Iterable[tuple[int, dict[str, Any]]] = (),
        trace: Iterable[dict[str, bytes]] = (),
        final: dict[str, Any] | None = None,
        argv: tuple[str, ...] = ("train.py",),
        how: str = "script",
        cwd: Path | None = None,
    ) -> View:
        folder = runs.begin(self.store)
        asked = ExecutionStart(0, time.time_ns(), how, argv, str(cwd or self.store.parent), seed=1)
        start = folder.begin_execution(asked)
        writer = Writer(folder.journal, folder.id, "0")
        for name, value in facts:
            writer.fact(name, value)
        for step, values in metrics:
            writer.row(values, step)
        rows = list(trace)
        if rows:
            names = list(dict.fromkeys(name for row in rows for name in row))
            writer.fact("trace", {"algorithm": "xxh3", "groups": names})
            for at, row in enumerate(rows, 1):
                mask = sum(1 << bit for bit, name in enumerate(names) if name in row)
                writer.trace(0, at, mask, b"".join(row[name] for name in names if name in row))
        if final is not None:
            manifest = storing.save(Store(self.store), final)
            writer.fact("state", {"name": "final", "manifest": manifest, "kept": True})
        writer.close()
        folder.end_execution(start.number, ExecutionEnd(time.time_ns(), status, 0))
        return read_run(folder)

    def put(self, data: bytes) -> str:
        return Store(self.store).put(data)

    def code(self, root: Path, **files: str) -> tuple[str, Any]:
        """The fact of a code tree; of the names as in `Project.write`."""
        sources = [
            SourceFile(name.replace("__", "/") + ".py", "file", text.encode())
            for name, text in files.items()
        ]
        tree, record = save_tree(Store(self.store), sources)
        files = {"files": len(record.entries), "size_bytes": sum(map(len, files.values()))}
        return "code", {"root": str(root), "tree": tree, **files}


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    (tmp_path / "store").mkdir()
    return Recorder(places.make_store(tmp_path / "store" / ".samebit"))


def file_fact(path: Path, how: str = "read", **more: Any) -> tuple[str, Any]:
    """The fact that a file was read as it lies there now."""
    if how != "read":
        return "file", {"path": str(path), "how": how, "given": "relative", **more}
    found = path.stat()
    fact = {"path": str(path), "how": how, "given": "relative", "written": False}
    fact |= {"size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
    return "file", {**fact, "digest": digest.of_file(path)[0], **more}
