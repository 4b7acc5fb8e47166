"""Who makes an environment and installs into it: uv, or `python -m venv` and pip.

Both take the user's own configuration as it is. What they print may name an index with its
credentials, so no address of theirs goes any further than this file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit.capture import environment
from samebit.capture.environment import normalised
from samebit.capture.secrets import mask_text
from samebit.replay.recipe import Pin, Recipe

__all__ = [
    "Failure",
    "Interpreter",
    "Located",
    "Tool",
    "Unreachable",
    "find_interpreter",
    "find_uv",
    "install",
    "locate",
    "make_venv",
    "pip_for",
    "reason_of",
]

_ASK = (
    "import sys, sysconfig, json; v = sys.version_info; print(json.dumps(["
    "sys.version.split()[0],"
    "(sys.implementation.cache_tag or '') + getattr(sys, 'abiflags', ''),"
    "sysconfig.get_platform()]))"
)
_ASK_S = 20
# What would have an installer install elsewhere, or a Python look elsewhere.
_MISLEADING = (
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN"),
    *("PIP_REQUIRE_HASHES", "PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_REQUIRE_HASHES"),
    *("UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON", "VIRTUAL_ENV"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE"),
)
_MOST_FAILURES = 20  # then it is said that there may be more
_LAST_LINES = 3

_ADDRESS = re.compile(r"\b[\w+.-]+://[^\s'\")>]+")
_LIST = re.compile(r" ?\(from -r [^)]*\)+:?| ?\(from line \d+ of [^)]*\)")
# `Collecting leaf==1.0`, `Processing /a/folder/leaf-1.0-….whl`, ` + leaf==1.0`
_BEGUN = re.compile(
    r"^\s*(?:Collecting |\+ |Processing \S*/)([A-Za-z0-9][\w.]*(?:-[A-Za-z][\w.]*)*)"
)
_NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution"
    r"|Name or service not known|ConnectTimeoutError|ReadTimeoutError|ProxyError"
    r"|error sending request|dns error|tcp connect error|network was disabled"
    r"|Network is unreachable|Could not resolve host|Failed to connect to",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(
    r"No matching distribution found|there is no version of|was not found in the"
    r"|Could not find a version|no wheels? with a matching|has no (?:usable |compatible )?wheels?"
)
_OTHER_PYTHON = re.compile(
    r"(?:Requires-Python|requires a different Python|Requires: Python) ?(.*)"
)
_CONSTRAINED = re.compile(r"ResolutionImpossible|\(constraint\)")
_NOISE = re.compile(
    r"^(?:Looking in |WARNING: |hint: |note: |\[notice\]|Using Python |×|╰|$)|\[end of output\]"
    r"|^error: (?:subprocess-exited-with-error|metadata-generation-failed|Failed to .*)$"
)
# What a line that names the fault looks like: Python's, a compiler's, git's, CMake's.
_FAULT = re.compile(r"^(?:[\w.]*(?:Error|Exception)\b|fatal: |CMake Error)|fatal error: ")


class Interpreter(Struct, frozen=True):
    """A Python that an environment can be made of."""

    executable: str
    version: str  # in full
    abi: str
    platform: str


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


# Pythons ---------------------------------------------------------------------------------------


def find_interpreter(
    recipe: Recipe, recorded: Mapping[str, object], uv: Tool | None, environ: Mapping[str, str]
) -> Interpreter | None:
    """A Python for which what the run had was built, of the same full version where there is one.

    Args:
        recipe: says which.
        recorded: the fact `interpreter` of the run.
        uv: asked where no other is found; it may fetch one.
        environ: its PATH is searched.
    """
    nearest: Interpreter | None = None
    for candidate in _candidates(recipe, recorded, environ):
        found = candidate if isinstance(candidate, Interpreter) else _ask(candidate)
        if found is None or found.abi != recipe.abi:
            continue
        if found.version == recipe.python:
            return found
        nearest = nearest or found
    if nearest is None and uv is not None:
        return _of_uv(recipe, uv)
    return nearest


def _candidates(
    recipe: Recipe, recorded: Mapping[str, object], environ: Mapping[str, str]
) -> Iterator[Interpreter | str]:
    yield _this()
    name = f"python{recipe.minor}"
    yield str(Path(str(recorded.get("base_prefix", ""))) / "bin" / name)
    for each in (name, "python3", "python"):
        if found := shutil.which(each, path=environ.get("PATH")):
            yield found


def _this() -> Interpreter:
    import sysconfig  # noqa: PLC0415  (only where something is built)

    told = environment.interpreter()
    return Interpreter(
        sys.executable, told["version"].strip(), told["abi"], sysconfig.get_platform()
    )


def _ask(executable: str) -> Interpreter | None:
    try:
        done = subprocess.run(
            [executable, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            stdin=subprocess.DEVNULL,
        )
        version, abi, platform = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None  # not there, or a shim for one that is not
    return Interpreter(executable, version, abi, platform)


def _of_uv(recipe: Recipe, uv: Tool) -> Interpreter | None:
    """One that uv has, or gets where the user's configuration lets it."""
    for wanted in (recipe.python, recipe.minor):
        for before in ((), ("install",)):
            if (
                before
                and subprocess.run(
                    [*uv.words, "python", *before, wanted],
                    capture_output=True,
                    stdin=subprocess.DEVNULL,
                ).returncode
            ):
                continue
            done = subprocess.run(
                [*uv.words, "python", "find", "--no-project", wanted],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            found = _ask(done.stdout.strip()) if done.returncode == 0 else None
            if found is not None and found.abi == recipe.abi:
                return found
    return None


# Installers ------------------------------------------------------------------------------------


def find_uv(environ: Mapping[str, str]) -> Tool | None:
    """The uv beside this Python, or on PATH."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("uv", path=beside) or shutil.which("uv", path=environ.get("PATH"))
    return _named("uv", (found,)) if found else None


def pip_for(python: Interpreter, folder: Path) -> Tool | None:
    """A pip that can install for a Python: the one here, else a new one in `folder`."""
    if python.executable == sys.executable:
        tool = _named("pip", (sys.executable, "-m", "pip"))
        if tool is not None:
            return tool
    if _run([python.executable, "-m", "venv", str(folder)], lambda line: None)[0]:
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


def make_venv(tool: Tool, python: Interpreter, folder: Path) -> str:
    """Make an environment with nothing in it; what was wrong where it cannot be, else nothing."""
    if tool.kind == "uv":
        words = [*tool.words, "venv", "--no-project", "--python", python.executable, str(folder)]
    else:
        words = [python.executable, "-m", "venv", "--without-pip", str(folder)]
    code, output = _run(words, lambda line: None)
    return _last_of(output) or f"exit code {code}" if code else ""


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
    if _NO_NETWORK.search(output) and not pins[0].is_direct:
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
        return _run(words, tell)


def _run(words: Sequence[str], tell: Callable[[str], object]) -> tuple[int, str]:
    """Run a program to its end; its exit code, and all that it printed."""
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


class Located(Struct, frozen=True):
    """A file that an index offers for a pin."""

    name: str
    version: str
    url: str
    sha256: str


def locate(lines: Sequence[str], uv: Tool | None, known: Callable[[], object]) -> list[Located]:
    """Of each pin the files that the configured indexes have for this Python; installs nothing.

    uv is asked for all, and pip for what it did not find: each has a configuration of its own. No
    archive is looked into, since that would run its code. What nobody has is left out.

    Args:
        lines: such as `numpy==2.4.6`.
        uv: where there is one.
        known: called when it is known of one more of them.
    """
    found: list[Located] = []
    with tempfile.TemporaryDirectory(prefix="samebit-") as aside:
        left = list(lines)
        if uv is not None:
            left = _located(_of_uv_lock, uv, left, Path(aside), found, known)
        if left and (pip := pip_for(_this(), Path(aside) / "pip")) is not None:
            _located(_of_pip_report, pip, left, Path(aside), found, known)
    return found


def _located(
    ask: Callable[[Tool, Path, Path], list[Located] | None],
    tool: Tool,
    lines: list[str],
    aside: Path,
    found: list[Located],
    known: Callable[[], object],
) -> list[str]:
    """Ask for all, and where that fails for halves; those that were not found."""
    if not lines:
        return []
    listed = aside / "requirements.in"
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    offered = ask(tool, listed, aside / "answer")
    if offered is not None:
        found += offered
        for _ in lines:
            known()
        return []
    if len(lines) == 1:
        return lines
    half = len(lines) // 2
    return [
        line
        for some in (lines[:half], lines[half:])
        for line in _located(ask, tool, some, aside, found, known)
    ]


def _of_uv_lock(uv: Tool, listed: Path, answer: Path) -> list[Located] | None:
    answer = answer.with_name("pylock.toml")  # uv knows the form by the name
    asked = ["pip", "compile", "--no-deps", "--no-header", "--quiet", "--no-build"]
    own = ["--format", "pylock.toml", "-o", str(answer), "--python", sys.executable]
    answer.unlink(missing_ok=True)
    if _run([*uv.words, *asked, *own, str(listed)], lambda line: None)[0]:
        return None
    import tomllib  # noqa: PLC0415  (only here)

    locked = tomllib.loads(answer.read_text(encoding="utf-8"))
    return [
        Located(normalised(one["name"]), one["version"], file["url"], file["hashes"]["sha256"])
        for one in locked.get("packages", ())
        for file in [*one.get("wheels", ()), *filter(None, [one.get("sdist")])]
        if "url" in file and "sha256" in file["hashes"]
    ]


def _of_pip_report(pip: Tool, listed: Path, answer: Path) -> list[Located] | None:
    asked = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"]
    own = ["--no-input", "--disable-pip-version-check", "--no-color", "--quiet"]
    words = [*pip.words, *asked, *own, "--report", str(answer), "-r", str(listed)]
    if _run(words, lambda line: None)[0]:
        return None
    return [
        Located(
            normalised(one["metadata"]["name"]),
            one["metadata"]["version"],
            one["download_info"]["url"],
            hashes["sha256"],
        )
        for one in json.loads(answer.read_text(encoding="utf-8"))["install"]
        for hashes in [(one["download_info"].get("archive_info") or {}).get("hashes") or {}]
        if "sha256" in hashes
    ]


# What they say ---------------------------------------------------------------------------------


def reason_of(output: str, pin: Pin) -> str:
    """Why one distribution could not be installed, by what an installer printed; no address."""
    if "yanked" in output and pin.version in output.partition("yanked")[2][:400]:
        return "it was yanked from the index"
    if _NO_NETWORK.search(output):
        return "its address does not answer"
    if _NOT_THERE.search(output):
        if match := _OTHER_PYTHON.search(output):
            return f"it needs another Python: {_short(match[1])}".rstrip(": ")
        if "+" in pin.version:
            local = pin.version.partition("+")[2]
            return (
                f"no index has the local version +{local}; PIP_EXTRA_INDEX_URL (uv: UV_INDEX) can "
                "name the one that it came from"
            )
        return "no index that is configured has it for this Python and platform"
    if _CONSTRAINED.search(output):
        return "the installer's own configuration constrains it to another version"
    if re.search(r"hash mismatch|DO NOT MATCH THE HASHES", output, re.IGNORECASE):
        return "its address has other bytes now than the run had from there"
    what = "built" if re.search(r"\bbuild|metadata", output) else "installed"
    return f"it could not be {what}: {_last_of(output) or 'it is not said why'}"


def _last_of(output: str) -> str:
    """The last lines that tell something, in one."""
    lines = [line.strip() for line in output.splitlines()]
    telling = [line for line in lines if not _NOISE.search(line)]
    faults = [line for line in telling if _FAULT.search(line)]
    kept = list(dict.fromkeys(faults or telling))[-_LAST_LINES:]
    return " | ".join(_short(line) for line in kept)


def _short(line: str) -> str:
    return _ADDRESS.sub("(an address)", mask_text(_LIST.sub("", line))).strip()[:200]
