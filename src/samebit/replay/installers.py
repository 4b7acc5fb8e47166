"""Who makes an environment and installs into it: uv, or `python -m venv` and pip.

Both take the user's own configuration as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit.replay.reasons import last_of, reaches_no_index, reason_of
from samebit.replay.recipe import Pin

__all__ = [
    "Failure",
    "Tool",
    "Unreachable",
    "find_uv",
    "install",
    "make_venv",
    "pip_for",
    "run",
]

# What would have an installer install elsewhere, or a Python look elsewhere.
_MISLEADING = (
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN"),
    *("PIP_REQUIRE_HASHES", "PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_REQUIRE_HASHES"),
    *("UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON", "VIRTUAL_ENV"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE"),
)
_MOST_FAILURES = 20  # then it is said that there may be more

# `Collecting leaf==1.0`, `Processing /a/folder/leaf-1.0-….whl`, ` + leaf==1.0`
_BEGUN = re.compile(
    r"^\s*(?:Collecting |\+ |Processing \S*/)([A-Za-z0-9][\w.]*(?:-[A-Za-z][\w.]*)*)"
)


class Tool(Struct, frozen=True):
    """An installer."""

    kind: str  # uv | pip
    words: tuple[str, ...]  # how it is called
    name: str  # with its version


class Failure(Struct, frozen=True):
    """A distribution that could not be installed."""

    pin: Pin | None  # None: said of others that were not tried any more
    why: str

    @property
    def sentence(self) -> str:
        """Which, and why."""
        return f"{self.pin.name} {self.pin.version}: {self.why}" if self.pin else self.why


class Unreachable(Exception):
    """No index answers."""


def find_uv(environ: Mapping[str, str]) -> Tool | None:
    """The uv beside this Python, or on PATH."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("uv", path=beside) or shutil.which("uv", path=environ.get("PATH"))
    return _named("uv", (found,)) if found else None


def pip_for(python: str, folder: Path) -> Tool | None:
    """A pip that can install for a Python: the one here, else a new one in `folder`."""
    if python == sys.executable:
        tool = _named("pip", (sys.executable, "-m", "pip"))
        if tool is not None:
            return tool
    if run([python, "-m", "venv", str(folder)])[0]:
        return None
    return _named("pip", (str(folder / "bin" / "python"), "-m", "pip"))


def _named(kind: str, words: tuple[str, ...]) -> Tool | None:
    try:
        done = subprocess.run([*words, "--version"], capture_output=True, text=True)
    except OSError:
        return None
    if done.returncode:
        return None
    return Tool(kind, words, " ".join(done.stdout.split()[:2]))


def make_venv(tool: Tool, python: str, folder: Path) -> str:
    """Make an environment with nothing in it; what was wrong where it cannot be, else nothing."""
    if tool.kind == "uv":
        words = [*tool.words, "venv", "--no-project", "--python", python, str(folder)]
    else:
        words = [python, "-m", "venv", "--without-pip", str(folder)]
    code, output = run(words)
    return last_of(output) or f"exit code {code}" if code else ""


def install(
    tool: Tool, python: str, pins: Sequence[Pin], begun: Callable[[str], object]
) -> list[Failure]:
    """Install exactly these, and nothing that they ask for.

    All at once; where that fails, in halves, until each that cannot be installed is known.

    Args:
        tool: what installs.
        python: the interpreter of the environment.
        pins: what.
        begun: called with a line's name of a distribution when its turn has come.

    Raises:
        Unreachable: no index answers.
    """
    failures: list[Failure] = []
    direct = [pin for pin in pins if pin.is_direct]
    _install(tool, python, [pin for pin in pins if not pin.is_direct], begun, failures)
    for pin in direct:
        _install(tool, python, [pin], begun, failures)
    return failures


def _install(
    tool: Tool,
    python: str,
    pins: Sequence[Pin],
    begun: Callable[[str], object],
    failures: list[Failure],
) -> None:
    if not pins or (failures and failures[-1].pin is None):
        return
    if len(failures) >= _MOST_FAILURES:
        failures.append(Failure(None, "there may be more: the others were not tried any more"))
        return
    code, output = _call(tool, python, pins, begun)
    if code == 0:
        return
    if reaches_no_index(output) and not pins[0].is_direct:
        raise Unreachable
    if len(pins) == 1:
        failures.append(Failure(pins[0], reason_of(output, pins[0])))
        return
    half = len(pins) // 2
    _install(tool, python, pins[:half], begun, failures)
    _install(tool, python, pins[half:], begun, failures)


def _call(
    tool: Tool, python: str, pins: Sequence[Pin], begun: Callable[[str], object]
) -> tuple[int, str]:
    def tell(line: str) -> None:
        if match := _BEGUN.match(line):
            begun(match[1])

    with tempfile.NamedTemporaryFile("w", prefix="samebit-", suffix=".txt") as listed:
        listed.write("\n".join(pin.line for pin in pins) + "\n")
        listed.flush()
        options = ["install", "--no-deps", "-r", listed.name]
        if tool.kind == "uv":
            words = [*tool.words, "pip", *options, "--python", python, "--compile-bytecode"]
        else:
            own = ["--no-input", "--disable-pip-version-check", "--no-color"]
            words = [*tool.words, "--python", python, *own, *options]
        return run(words, tell)


def run(words: Sequence[str], tell: Callable[[str], object] = lambda line: None) -> tuple[int, str]:
    """Run an installer to its end; its exit code, and all that it printed.

    `tell` is called with each line as it comes.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    lines: list[str] = []
    try:
        child = subprocess.Popen(
            words,
            env={**environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return 127, f"{words[0]}: {error.strerror}"
    with child:
        try:
            assert child.stdout is not None
            for line in child.stdout:
                lines.append(line)
                tell(line)
        except BaseException:
            child.terminate()
            raise
    return child.returncode, "".join(lines)
