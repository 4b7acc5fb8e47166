"""Environments made from records, kept in the user's cache: made once, checked, used again.

An environment is a folder with a name of its own, because what is installed knows its place. Once
it is complete and has been checked, a small file gives it the name of what it was made from; that
file appears in one step. A builder holds a lock in its folder: a folder that has neither a file
that names it nor a builder is what a killed build left, and goes when the next one begins.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from samebit import disk
from samebit.errors import SamebitError
from samebit.replay import installers
from samebit.replay.installers import Tool, Unreachable
from samebit.replay.plan import Plan, is_found
from samebit.replay.pythons import Interpreter, find_interpreter
from samebit.replay.recipe import Rebuilt, Recipe, key_of

__all__ = [
    "CannotRebuild",
    "Choice",
    "Kept",
    "build",
    "choose",
    "in_environment",
    "kept",
    "lay_beside",
    "remove",
    "reuse",
    "sweep",
]

_FOLDER = "environments"
_LOCK = "lock"
_BESIDE = "beside"
_CHECK = """
import json, sys
sys.path.append(sys.argv[1])
import samebit.session.recording, samebit.session.joining, samebit.trace.recorder
from samebit.capture import environment
print(json.dumps([environment.packages()["versions"], environment.interpreter()["version"]]))
"""


class CannotRebuild(SamebitError):
    """An environment cannot be made as a run had it."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("its environment cannot be rebuilt")
        self.reasons = reasons


class Kept(Struct, frozen=True):
    """`<key>.json` in the cache: what a complete environment is."""

    key: str
    folder: str  # its name in the cache
    python: str
    by: str
    made_ns: int
    requirements: tuple[str, ...]


class Choice(Struct, frozen=True):
    """With what an environment is to be made, and how it is called then."""

    recipe: Recipe
    python: Interpreter
    key: str


def choose(
    recipe: Recipe, recorded: Mapping[str, Any], uv: Tool | None, environ: Mapping[str, str]
) -> Choice:
    """Find a Python for a recipe.

    Args:
        recipe: what is to be made.
        recorded: the fact `interpreter` of the run.
        uv: where there is one.
        environ: of whoever verifies.

    Raises:
        CannotRebuild: there is none, or the recipe has problems of its own; all are named.
    """
    problems = list(recipe.problems)
    python = None
    if recipe.abi:
        python = find_interpreter(recipe, recorded, uv, environ)
    if python is None and recipe.abi:
        problems.append(
            f"no Python {recipe.minor} ({recipe.abi}) is here; it ran on {recipe.python}. "
            f"Installed as python{recipe.minor} on PATH, or by uv, it is found"
        )
    if problems or python is None:
        raise CannotRebuild(problems)
    return Choice(recipe, python, key_of(recipe, python.version, python.platform))


def reuse(cache: Path, choice: Choice) -> Rebuilt | None:
    """The environment, if it was made before."""
    found = _read(cache / _FOLDER / f"{choice.key}.json")
    if found is None:
        return None
    rebuilt = _rebuilt(cache, choice, found)
    return rebuilt if os.access(rebuilt.executable, os.X_OK) else None


def build(cache: Path, choice: Choice, uv: Tool | None, begun: Callable[[str], object]) -> Rebuilt:
    """Make an environment, and see that it has what was asked for.

    Args:
        cache: the user's.
        choice: what, and with which Python.
        uv: makes it where it is given; venv and pip do what it cannot, or all.
        begun: called with a distribution's name when its turn has come.

    Raises:
        CannotRebuild: with a sentence for each distribution that could not be had.
    """
    top = cache / _FOLDER
    top.mkdir(parents=True, exist_ok=True)
    sweep(cache)
    with _new_folder(top, choice.key) as folder, tempfile.TemporaryDirectory() as scratch:
        tools = _tools(choice, uv, Path(scratch) / "pip")
        venv = folder / "venv"
        first = next(tools, None)
        if first is None:
            raise CannotRebuild([f"there is neither uv nor a pip for {choice.python.executable}"])
        if wrong := installers.make_venv(first, choice.python.executable, venv):
            raise CannotRebuild([f"a virtual environment cannot be made: {wrong}"])
        python = str(venv / "bin" / "python")
        by = _install(chain([first], tools), python, choice.recipe, begun)
        _check(python, choice, Path(scratch) / _BESIDE)
        record = Kept(
            choice.key,
            folder.name,
            choice.python.version,
            by,
            time.time_ns(),
            tuple(pin.line for pin in choice.recipe.pins),
        )
        # Of two that were built at once, the first one counts; or one whose folder is gone.
        path = top / f"{choice.key}.json"
        is_dead = path.exists() and reuse(cache, choice) is None
        if not disk.publish(path, [msgspec.json.encode(record)], folder, replace=is_dead):
            shutil.rmtree(folder, ignore_errors=True)
    found = reuse(cache, choice)
    if found is None:
        raise SamebitError("the environment was removed while it was built", path=top)
    return found


def _tools(choice: Choice, uv: Tool | None, folder: Path) -> Generator[Tool]:
    """Who installs, in this order: each has a configuration of its own, with other indexes."""
    if uv is not None:
        yield uv
    if (pip := installers.pip_for(choice.python.executable, folder)) is not None:
        yield pip


def _install(
    tools: Iterable[Tool], python: str, recipe: Recipe, begun: Callable[[str], object]
) -> str:
    """Install everything; what one cannot have, the next one may. Gives the names of both."""
    used: list[str] = []
    reasons: list[str] = []
    left = recipe.pins
    for tool in tools:
        used.append(tool.name)
        try:
            failures = installers.install(tool, python, left, begun)
        except Unreachable:
            reasons = reasons or [f"{tool.kind} reaches no index: this machine may be offline"]
            continue
        if not failures:
            return " and ".join(used)
        reasons = [failure.sentence for failure in failures]
        pins = [failure.pin for failure in failures if failure.pin is not None]
        left = tuple(pins) if len(pins) == len(failures) else recipe.pins
    raise CannotRebuild(reasons)


def _check(python: str, choice: Choice, beside: Path) -> None:
    """Refuse what has other versions than it was to have, or where the recorder does not work."""
    lay_beside(beside, choice.recipe)
    done = subprocess.run([python, "-I", "-c", _CHECK, str(beside)], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended"])[-1]
        raise CannotRebuild([f"the recorder does not work with what the run had: {last}"])
    versions, number = json.loads(done.stdout.splitlines()[-1])
    wrong = [
        f"{pin.name} {pin.version}: {versions.get(pin.name, 'nothing')} is what was installed"
        for pin in choice.recipe.pins
        if versions.get(pin.name) != pin.version
    ]
    if number != choice.python.version:
        wrong.append(f"Python {choice.python.version}: {number} is what it has")
    ours = {each.name for each in (*choice.recipe.pins, *choice.recipe.mapped)} | {"samebit"}
    more = versions.keys() - ours
    wrong += [f"{name} {versions[name]}: the run had none" for name in sorted(more)]
    if wrong:
        raise CannotRebuild(wrong)


# The folder ------------------------------------------------------------------------------------


def kept(cache: Path) -> list[tuple[Kept, Path]]:
    """All that are complete, the oldest first, and where they lie."""
    found = [_read(path) for path in (cache / _FOLDER).glob("*.json")]
    there = [(each, cache / _FOLDER / each.folder) for each in found if each is not None]
    return sorted(there, key=lambda pair: pair[0].made_ns)


def remove(cache: Path, each: Kept) -> None:
    """Take an environment away: its name first, then its files."""
    top = cache / _FOLDER
    (top / f"{each.key}.json").unlink(missing_ok=True)
    shutil.rmtree(top / each.folder, ignore_errors=True)


def _read(path: Path) -> Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError):
        return None


def _rebuilt(cache: Path, choice: Choice, found: Kept) -> Rebuilt:
    folder = cache.absolute() / _FOLDER / found.folder / "venv"
    return Rebuilt(found.key, folder, found.python, found.by, choice.recipe)


@contextmanager
def _new_folder(top: Path, key: str) -> Generator[Path]:
    """A folder to build in, locked for as long; it goes away where nothing came of it."""
    import fcntl  # noqa: PLC0415  (not on Windows)

    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=top.absolute()))
        with open(folder / _LOCK, "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / _LOCK).exists():
                continue  # swept away between the two lines above
            try:
                yield folder
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return


def sweep(cache: Path) -> None:
    """Remove what killed builds left."""
    import fcntl  # noqa: PLC0415  (not on Windows)

    top = cache / _FOLDER
    for folder in top.iterdir() if top.is_dir() else ():
        try:
            with open(folder / _LOCK, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Now that nobody builds there: a builder gives the name before it lets go.
                if all(each.folder != folder.name for each, _ in kept(cache)):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # somebody builds in it, or has just begun to; or it is no folder


# In the replay ---------------------------------------------------------------------------------


def in_environment(plan: Plan, rebuilt: Rebuilt) -> Plan:
    """The plan, to be run in an environment that was made for it."""
    bin_folder = rebuilt.folder / "bin"
    environ = {name: value for name, value in plan.environ.items() if name != "PYTHONHOME"}
    environ["VIRTUAL_ENV"] = str(rebuilt.folder)
    environ["PATH"] = f"{bin_folder}{os.pathsep}{environ.get('PATH', os.defpath)}"
    paths = filter(None, environ.pop("PYTHONPATH", "").split(os.pathsep))
    if kept_paths := [path for path in paths if not _holds_distributions(path)]:
        environ["PYTHONPATH"] = os.pathsep.join(kept_paths)
    words = plan.words
    blockers = list(plan.blockers)
    if plan.how == "command":
        words = (_in_bin(plan, bin_folder), *words[1:])
        if not is_found(words, environ):
            blockers.append(f"its command is not on this machine: {words[0]}")
    parts = tuple(in_environment(part, rebuilt) for part in plan.parts)
    blockers += [line for part in parts for line in part.blockers if line not in blockers]
    given = {"words": words, "environ": environ, "rebuilt": rebuilt, "parts": parts}
    return replace(plan, **given, blockers=tuple(blockers))


def _in_bin(plan: Plan, bin_folder: Path) -> str:
    """The program of a command; one of the recorded environment is that of the new one."""
    word = plan.words[0]
    if word == sys.executable:
        return str(bin_folder / "python")
    prefix = str((plan.view.facts.get("interpreter") or {}).get("prefix", ""))
    ours = bin_folder / Path(word).name
    return (
        str(ours) if prefix and Path(word).parent == Path(prefix, "bin") and ours.exists() else word
    )


def _holds_distributions(folder: str) -> bool:
    """Whether a folder on PYTHONPATH would come before what was installed."""
    try:
        return any(name.endswith((".dist-info", ".egg-info")) for name in os.listdir(folder))
    except OSError:
        return False


def lay_beside(folder: Path, recipe: Recipe) -> None:
    """Make a folder for the search path: this Samebit, and the names of what is not installed.

    The environment itself has nothing of ours in it, so any Samebit may use it.
    """
    folder.mkdir(parents=True)
    package = Path(__file__).resolve().parent.parent
    (folder / package.name).symlink_to(package)
    for place in map(Path, sys.path if recipe.names_ours else ()):
        for found in place.glob(f"{package.name}-*.dist-info"):
            if not os.path.lexists(folder / found.name):
                (folder / found.name).symlink_to(found.resolve())
    for each in recipe.mapped:
        name = each.name.replace("-", "_")
        told = folder / f"{name}-{each.version}.dist-info"
        told.mkdir()
        text = f"Metadata-Version: 2.1\nName: {each.name}\nVersion: {each.version}\n"
        (told / "METADATA").write_text(text, encoding="utf-8")
        origin = {"url": each.url, "dir_info": {"editable": each.kind == "editable"}}
        (told / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
