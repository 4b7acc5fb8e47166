"""How scripts end, and what they do to their own process: the record says so, and is whole."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, cgroups and /proc")

CGROUPS = Path("/proc/self/cgroup")
LOGGED = "import samebit\nrun = samebit.init()\nrun.log({'x': 1}, step=1)\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    ("script", "status", "cause"),
    [
        ("raise MemoryError", "failed", "out of memory"),
        ("raise ValueError('x')", "failed", "ValueError"),
        ("import os; os._exit(3)", "failed", None),
        ("import os; os.kill(os.getpid(), 15)", "killed", "SIGTERM"),
        ("import faulthandler as f; f.enable(); f._sigsegv()", "killed", "SIGSEGV"),
        ("import os; os.abort()", "killed", "SIGABRT"),
        ("raise KeyboardInterrupt", "killed", "SIGINT"),
        (
            "import os, signal, sys\n"
            "signal.signal(15, lambda *a: (run.log({'x': 2}, step=2), sys.exit(0)))\n"
            "os.kill(os.getpid(), 15)",
            "finished",
            None,
        ),
        (
            "import builtins, io, os\n"
            "def refuse(*a, **k): raise PermissionError('mine')\n"
            "builtins.open = io.open = os.open = os.write = os.fsync = refuse\n"
            "run.log({'x': 2}, step=2)",
            "finished",
            None,
        ),
        (
            "import os, shutil, tempfile\nd = tempfile.mkdtemp(); os.chdir(d); shutil.rmtree(d)\n"
            "run.log({'x': 2}, step=2)",
            "finished",
            None,
        ),
        (
            "import os\nos.closerange(0, 4096)\nrun.log({'x': 2}, step=2)\nos._exit(0)",
            "finished",
            None,
        ),
    ],
)
def test_how_it_ended_is_told_and_what_was_logged_is_there(
    project: Project, script: str, status: str, cause: str | None
) -> None:
    project.write("a.py", LOGGED + script)
    project.run("a.py")
    view = project.view()
    assert (view.status, view.cause) == (status, cause)
    logged = [1] if "'x': 2" not in script else [1, 2]
    assert view.metrics["x"].steps == logged
    assert view.gaps == []


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with 200 MB of memory; where this user may make one."""
    groups = {line.split(":")[1]: line for line in CGROUPS.read_text().splitlines()}
    version_1 = "memory" in groups
    top = Path("/sys/fs/cgroup/memory" if version_1 else "/sys/fs/cgroup")
    group = top / f"samebit-test-{os.getpid()}"
    try:
        group.mkdir()
        try:
            name = "memory.limit_in_bytes" if version_1 else "memory.max"
            (group / name).write_text(str(200 << 20))
            yield group
        finally:
            group.rmdir()
    except OSError:
        pytest.skip("no control group can be made here")


def test_a_script_that_the_kernel_killed_for_want_of_memory_is_told_so(
    project: Project, small_group: Path
) -> None:
    project.write("a.py", LOGGED + "x = []\nwhile True: x.append(bytearray(1 << 22))\n")
    enter = f"echo $$ > {small_group}/cgroup.procs; exec {SAMEBIT} run a.py"
    ended = subprocess.run(
        ["sh", "-c", enter], cwd=project.path, env=project.environ(), capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGKILL, ended
    assert "killed by SIGKILL (out of memory)" in ended.stderr
    view = project.view()
    assert (view.status, view.end.signal, view.cause) == ("killed", "SIGKILL", "out of memory")
    assert view.metrics["x"].values == [1]
    listed = project.call(SAMEBIT, "ls", "--columns", "state,cause").out
    assert listed.splitlines()[1].split(maxsplit=1) == ["killed", "out of memory"]
