"""A folder with scripts and a store of its own, and real processes run in it."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebit.folders.find import list_runs
from samebit.folders.read import View, read_run
from tests.warm import Warm

SAMEBIT = str(Path(sys.executable).with_name("samebit"))
_NEUTRAL = ("PYTHONHASHSEED", "PYTHONPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


# A statement on a line of its own that imports a library whose many modules take seconds.
_LARGE = "torch|jax|flax|optax|keras|sklearn|pandas|datasets|accelerate"
_IMPORT = re.compile(rf"^(?:import|from) [\w., ]*\b(?:{_LARGE})\b[\w., ]*$", re.MULTILINE)


def unswept(script: str) -> str:
    """A script whose libraries come and go in half of the time, on the same lines.

    Python searches what their modules are made of for garbage, twenty times while they come in and
    again at its end. The first optimizer of torch imports torch._dynamo: that comes at once, but
    not where there are ranks: a process group that is made after it may never come to its end in
    torch 2.13 (a thread of gloo waits for the interpreter's lock, and its holder for the thread).
    """
    alone = "torch.distributed" not in script

    def line(found: re.Match[str]) -> str:
        trains = alone and "torch" in found[0] and "torch.optim" in script
        also = "import torch._dynamo; " if trains else ""
        return f"import gc; gc.disable(); {found[0]}; {also}gc.freeze(); gc.enable()"

    return _IMPORT.sub(line, script)


# For a script of `samebit run` that is about to be killed: what our threads tell of files may come
# a little later. It is to stand before the script's own lines.
TOLD = """
import glob, os, time

def wait_until_told(*names):
    journal = glob.escape(os.environ["SAMEBIT_RUN"]) + "/journal/*"
    while True:
        told = b"".join(open(path, "rb").read() for path in glob.glob(journal))
        if all(name.encode() in told for name in names):
            return
        time.sleep(0.02)
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of what it printed."""
        return json.loads(self.out.splitlines()[-1])


class Project:
    """A user's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / ".samebit"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unswept(textwrap.dedent(text)))
        return path

    def environ(self, **more: str) -> dict[str, str]:
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in _NEUTRAL and not name.startswith("SAMEBIT")
        }
        return {**environ, "SAMEBIT_DIR": str(self.store), **more}

    def call(self, *argv: str, stdin: str = "", cwd: Path | None = None, **env: str) -> Ended:
        done = subprocess.run(
            argv,
            cwd=cwd or self.path,
            env=self.environ(**env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=200,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def python(self, *words: str, **more: Any) -> Ended:
        """Plain Python, without us."""
        return self.call(sys.executable, *words, **more)

    def run(self, *words: str, **more: Any) -> Ended:
        """`samebit run`, saying nothing of its own."""
        return self.call(SAMEBIT, "run", "--quiet", *words, **more)

    def fork(
        self, warm: Warm, *words: str, ranks: Iterable[Mapping[str, str]] = ({},), **env: str
    ) -> Ended:
        """Plain Python, without us, in a fork of a process that has torch; in one for each rank."""
        done = warm.run(*words, cwd=self.path, env=self.environ(**env), ranks=ranks)
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, **more: Any) -> "subprocess.Popen[str]":
        """`samebit run` in a session of its own, not waited for."""
        return subprocess.Popen(
            [SAMEBIT, "run", "--quiet", *words],
            cwd=self.path,
            env=self.environ(),
            start_new_session=True,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )

    def views(self) -> list[View]:
        """Every run, oldest first."""
        found = [read_run(folder) for folder in list_runs(self.store)]
        return sorted(found, key=lambda view: view.record.started_ns)

    def view(self) -> View:
        """The only run."""
        (only,) = self.views()
        return only

    def wait_for(self, name: str, timeout_s: float = 60) -> str:
        """The text of a file that a script is about to write, once it is whole."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            path = self.path / name
            if path.exists() and path.read_text().endswith("\n"):
                return path.read_text().strip()
            time.sleep(0.02)
        raise AssertionError(f"{name} never came")
