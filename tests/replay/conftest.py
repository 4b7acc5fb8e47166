"""A project in a folder of its own, and the commands a user types there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from samebit.runs.find import find_run
from samebit.runs.read import View, read_run

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
            path.write_text(content)

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
