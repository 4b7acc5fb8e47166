"""Which Python an environment can be made of: one that is here, or that uv has."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from samebit.capture import environment
from samebit.replay.installers import Tool
from samebit.replay.recipe import Recipe

__all__ = ["Interpreter", "find_interpreter"]

_ASK = (
    "import sys, sysconfig, json; print(json.dumps(["
    "sys.version.split()[0],"
    "(sys.implementation.cache_tag or '') + getattr(sys, 'abiflags', ''),"
    "sysconfig.get_platform()]))"
)
_ASK_S = 20


class Interpreter(Struct, frozen=True):
    """A Python that an environment can be made of."""

    executable: str
    version: str  # in full
    abi: str
    platform: str


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
