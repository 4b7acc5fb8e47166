"""A project's lock file: which one there is, what it pins, and how what is installed differs.

A lock holds packages for other systems and for extras that nobody asked for, so a pinned package
that is not installed is no difference; an installed one with another version is.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

__all__ = ["Pins", "differences", "find", "read"]

# The first that is there is the one to compare with: what a tool wrote before what a hand did.
_NAMES = (
    *("uv.lock", "pixi.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock"),
    *("conda-lock.yml", "conda-lock.yaml"),
)
_REQUIREMENTS = re.compile(r"requirements[\w.-]*\.txt")
_MAX_BYTES = 20 << 20
_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "poetry", "pdm", "distribute", "samebit"})
_NAMED = 5

_PIN = re.compile(
    r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*===?\s*([\w.!+-]+)\s*(?:[;#\\].*|--.*)?"
)
_FIELD = re.compile(r"^\s*(?:- )?(name|version|manager|conda|pypi):\s*['\"]?([^'\"\s]+)['\"]?\s*$")
_CONDA_FILE = re.compile(r".*/([^/]+)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)")


class Pins(Struct, frozen=True):
    """The versions that a lock allows, by normalised name; some pin several, for other systems."""

    python: Mapping[str, frozenset[str]]
    conda: Mapping[str, frozenset[str]]


def find(start: Path, top: Path | None) -> list[Path]:
    """The lock files in a folder and above it up to `top`, the best first."""
    folders = [start, *start.parents]
    folders = folders[: folders.index(top) + 1] if top in folders else folders[:1]
    found: list[Path] = []
    for folder in folders:
        try:
            names = sorted(
                os.listdir(folder)
            )  # by ourselves, so that it is no listing of the script's
        except OSError:
            continue
        ordered = [name for name in _NAMES if name in names]
        ordered += [name for name in names if _REQUIREMENTS.fullmatch(name)]
        found += [folder / name for name in ordered]
    return [path for path in found if _is_lock(path)]


def _is_lock(path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return False
        return path.name in _NAMES or _pins_all(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False


def _pins_all(requirements: str) -> bool:
    """Whether every requirement has one exact version: else it locks nothing."""
    lines = list(_requirements(requirements))
    return bool(lines) and all(_PIN.fullmatch(line) for line in lines)


def _requirements(text: str) -> Iterable[str]:
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line and not line.startswith(("#", "-")):
            yield line


def read(name: str, content: bytes) -> Pins | None:
    """What a lock file of this name pins; None where it is not one that we can read."""
    try:
        text = content.decode("utf-8")
        if name == "Pipfile.lock":
            return _pins(_pipfile(json.loads(text)))
        if name in ("pixi.lock", "conda-lock.yml", "conda-lock.yaml"):
            return _pins(*_yaml(text))
        if name.endswith((".lock", ".toml")):
            import tomllib  # noqa: PLC0415  (not where a run begins)

            told = tomllib.loads(text)
            listed = [*told.get("package", []), *told.get("packages", [])]
            return _pins((each["name"], each["version"]) for each in listed if "version" in each)
        found = filter(None, map(_PIN.fullmatch, _requirements(text)))
        return _pins((match[1], match[2]) for match in found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _pins(python: Iterable[tuple[str, str]], conda: Iterable[tuple[str, str]] = ()) -> Pins:
    return Pins(_by_name(python), _by_name(conda))


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, version in pairs:
        name = re.sub(r"[-_.]+", "-", name).lower()
        found[name] = found.get(name, frozenset()) | {version}
    return found


def _pipfile(told: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for section in ("default", "develop"):
        for name, facts in told.get(section, {}).items():
            if "version" in facts:
                yield name, facts["version"].lstrip("=")


def _yaml(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The entries of the two formats, both of which their tools write one field a line."""
    python: list[tuple[str, str]] = []
    conda: list[tuple[str, str]] = []
    entry: dict[str, str] = {}
    for line in [*text.splitlines(), "- end:"]:
        if line.lstrip().startswith("- "):
            if match := _CONDA_FILE.fullmatch(entry.get("conda", "")):
                conda.append((match[1], match[2]))
            elif "name" in entry and "version" in entry:
                target = conda if entry.get("manager") == "conda" else python
                target.append((entry["name"], entry["version"]))
            entry = {}
        if field := _FIELD.match(line):
            entry[field[1]] = field[2]
    return python, conda


def differences(pins: Pins, packages: Mapping[str, Any]) -> list[str]:
    """How the installed packages differ from a lock, as sentences; none where they do not.

    Args:
        pins: what the lock says.
        packages: the fact `packages` of a run.
    """
    versions: Mapping[str, str] = packages["versions"]
    conda: dict[str, str] = {}
    for full in packages.get("conda", []):
        name, _, rest = full.rpartition("-")[0].rpartition("-")
        conda[name] = rest
    lines = [
        f"{name}: {' or '.join(sorted(allowed))} locked, {installed[name]} installed"
        for locked, installed in ((pins.python, versions), (pins.conda, conda))
        for name, allowed in sorted(locked.items())
        if name in installed and installed[name] not in allowed
    ]
    own = {
        name
        for name, origin in packages.get("origins", {}).items()
        if origin["kind"] in ("editable", "folder")
    }
    other = sorted({*versions} - {*pins.python, *pins.conda, *own, *_TOOLS})
    if other:
        more = f" and {len(other) - _NAMED} more" if other[_NAMED:] else ""
        lines.append(f"installed, and not in the lock: {', '.join(other[:_NAMED])}{more}")
    return lines
