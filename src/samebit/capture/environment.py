"""The software a run stands on: interpreter and packages; and how two environments differ."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from samebit.capture.secrets import mask_url
from samebit.capture.variables import variable_class

__all__ = [
    "comparable",
    "differences",
    "interpreter",
    "normalised",
    "packages",
]

# Packages --------------------------------------------------------------------------------------

_NOT_IN_A_NAME = re.compile(r"[-_.]+")
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EGG_PYTHON = re.compile(r"-py\d[\d.]*(-.*)?$")


def packages() -> dict[str, Any]:
    """The distributions on `sys.path`, found by the names of their folders.

    `versions` maps a normalised name to its exact version. `origins` says for those that did not
    come from an index where they came from: `kind` (editable, folder, archive, or the name of a
    version control system), `url` without credentials, `commit` and `revision`, `hash` of an
    archive, `part` of a repository. `installers` lists under each program what it installed, by
    its own word; all others lie there without one. `broken` lists the folders
    that a failed or interrupted installation left, and `conda` what conda put under the prefix,
    libraries included. Of two with one name, the first on the path is what an import finds, and
    so what is listed.
    """
    versions: dict[str, str] = {}
    origins: dict[str, dict[str, str]] = {}
    installers: dict[str, list[str]] = {}
    links: dict[str, str] = {}
    broken: list[str] = []
    for folder in dict.fromkeys(sys.path):
        if folder.startswith(_OURS):
            continue  # by which `--as` answers to a tracker's name: nobody installed that
        for path in _distributions(folder or os.curdir):
            if path.endswith(".egg-link"):  # as `setup.py develop` points at the sources
                name = os.path.basename(path).removesuffix(".egg-link")
                links.setdefault(normalised(name), _first_line(path))
                continue
            name, version = _name_and_version(path)
            if name.startswith("~") or not version:
                broken.append(os.path.basename(path))
            elif name not in versions:
                versions[name] = version
                if origin := _origin(path):
                    origins[name] = origin
                if program := _first_line(os.path.join(path, "INSTALLER")):
                    installers.setdefault(program, []).append(name)
    for name, folder in links.items():
        if name in versions:
            origins.setdefault(name, {"kind": "editable", "url": "file://" + folder})
    return {
        "versions": dict(sorted(versions.items())),
        "origins": dict(sorted(origins.items())),
        "installers": {program: sorted(names) for program, names in sorted(installers.items())},
        "broken": sorted(set(broken)),
        "conda": _conda(),
    }


def _distributions(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # a zip file, or a folder that is gone
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info", ".egg-link")):
            yield os.path.join(folder, name)


def _name_and_version(path: str) -> tuple[str, str]:
    """Normalised name and version of an installed distribution; no version if it is broken."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    name, _, version = stem.partition("-")
    if suffix == ".egg-info":
        version = _EGG_PYTHON.sub("", version)
        if not version:  # as `setup.py develop` leaves it, beside the sources
            version = _field(os.path.join(path, "PKG-INFO"), "Version")
    elif not os.path.exists(os.path.join(path, "METADATA")):
        version = ""
    return normalised(name), version


def normalised(name: str) -> str:
    """A distribution's name as an index compares it."""
    return _NOT_IN_A_NAME.sub("-", name).lower()


def _first_line(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:  # an `.egg-info` that is a file has nothing inside
        return ""
    try:
        return os.read(fd, 1000).decode("utf-8", "replace").partition("\n")[0].strip()
    except OSError:
        return ""
    finally:
        os.close(fd)


def _field(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith(name + ":"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _origin(path: str) -> dict[str, str]:
    try:
        with open(os.path.join(path, "direct_url.json"), encoding="utf-8") as stream:
            told = json.load(stream)
        origin = {"kind": "archive", "url": mask_url(str(told["url"]))}
        if "dir_info" in told:
            origin["kind"] = "editable" if told["dir_info"].get("editable") else "folder"
        elif "vcs_info" in told:
            origin["kind"] = str(told["vcs_info"]["vcs"])
            origin["commit"] = str(told["vcs_info"]["commit_id"])
            if revision := told["vcs_info"].get("requested_revision"):
                origin["revision"] = str(revision)
        elif found := _archive_hash(told.get("archive_info", {})):
            origin["hash"] = found
        if part := told.get("subdirectory"):
            origin["part"] = str(part)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return origin


def _archive_hash(told: Mapping[str, Any]) -> str:
    hashes = told.get("hashes") or {}
    return next((f"{name}={value}" for name, value in hashes.items()), str(told.get("hash") or ""))


def _conda() -> list[str]:
    try:
        names = os.listdir(os.path.join(sys.prefix, "conda-meta"))
    except OSError:
        return []
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


# Interpreter -----------------------------------------------------------------------------------


def interpreter() -> dict[str, Any]:
    """The Python that runs, how it was started, and the system's name for itself."""
    version, _, compiler = sys.version.partition("[")  # number (build) [compiler]
    number, _, build = version.partition(" ")
    gil = getattr(sys, "_is_gil_enabled", None)
    flags = ["debug", "optimize", "dont_write_bytecode", "no_user_site", "no_site", "isolated"]
    flags += ["ignore_environment", "bytes_warning", "hash_randomization", "dev_mode", "utf8_mode"]
    return {
        "implementation": sys.implementation.name,
        "version": number,
        "build": build.strip(" ()\n"),
        "compiler": compiler.rstrip("]"),
        "abi": getattr(sys.implementation, "cache_tag", "") + getattr(sys, "abiflags", ""),
        "gil": gil() if gil is not None else True,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "flags": {name: int(getattr(sys.flags, name)) for name in flags},
        "options": {name: str(value) for name, value in getattr(sys, "_xoptions", {}).items()},
        "path": list(sys.path),
        "platform": sys.platform,
        "libc": _libc(),
        "system": _system_release(),
    }


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""


def _system_release() -> str:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                told = dict(line.strip().split("=", 1) for line in stream if "=" in line)
        except OSError:
            continue
        name = told.get("PRETTY_NAME") or told.get("NAME", "")
        return name.strip("\"'")
    return ""


# Differences -----------------------------------------------------------------------------------

# What moved most results in practice comes first. A fact is named by its path, joined with dots.
_ORDER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"packages\.\w+\.(torch|jax|jaxlib|tensorflow|numpy)(\.|$)",
        r"(machine|settings|variables)\..*(gpu|cuda|cudnn|nccl)",
        r"packages\.\w+\.(nvidia|triton|flash-attn|xformers|mkl|openblas|cuda|cudnn)",
        r"(machine|settings|variables)\..*(thread|cpu\.(logical|physical|allowed|quota))",
        r"(machine|settings|variables)\..*(cpu|blas|blis|mkl|denormal|isa)|variables\.(MKL|ONEDNN|DNNL|OPENBLAS|BLIS|GLIBC_TUNABLES|NVIDIA_TF32)",
        r"settings\.",
        r"installed\.",
        r"interpreter\.(implementation|version)",
        r"packages\.",
    )
)
# Facts that differ between any two starts, and change no result.
_PASSING = re.compile(
    r"machine\.(boot|host)$|interpreter\.(executable|prefix|base_prefix|path)$|packages\.installers"
)
_LAYERS = re.compile(r"^(packages\.versions|variables|settings)\.")
_LONGEST_VALUE = 80


def differences(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, as sentences; what may change results most is first.

    Both are nested plain values with the sections that they happen to have: `packages`,
    `interpreter` of this module, `variables`, `machine` of `machine.describe()`, `settings` (of the
    frameworks), and `installed` (files that are not as they were installed, path to digest). A
    section that only one of them has was not compared, and gives no sentence.
    """
    both = recorded.keys() & current.keys()
    then = comparable({name: recorded[name] for name in both})
    now = comparable({name: current[name] for name in both})
    return [
        _sentence(path, then.get(path), now.get(path))
        for path in sorted(then.keys() | now.keys(), key=_rank)
        if then.get(path) != now.get(path)
    ]


def comparable(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What of an environment is compared, flat and by name; what may change results most first."""
    found = {
        path: value
        for path, value in _flat(environment)
        if not _PASSING.match(path)
        and not (
            path.startswith("variables.") and variable_class(path.partition(".")[2]) == "place"
        )
    }
    return {path: found[path] for path in sorted(found, key=_rank)}


def _rank(path: str) -> tuple[int, str]:
    at = next((at for at, order in enumerate(_ORDER) if order.match(path)), len(_ORDER))
    return at, path


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{path}.{name}" if path else str(name))
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _sentence(path: str, then: Any, now: Any) -> str:
    name = _LAYERS.sub("", path)
    if path.startswith("installed."):
        return _edited(path.removeprefix("installed."), then, now)
    if not (isinstance(then, list) and isinstance(now, list)):
        return f"{name}: {_shown(then)} then, {_shown(now)} now"
    gone = ", ".join(_shown(item) for item in then if item not in now)
    new = ", ".join(_shown(item) for item in now if item not in then)
    if not gone and not new:
        return f"{name}: the same in another order"
    return f"{name}: " + "; ".join(
        filter(None, [gone and f"without {gone}", new and f"with {new}"])
    )


def _edited(name: str, then: Any, now: Any) -> str:
    """A file of a distribution that one of the two had otherwise than it was installed."""
    if then is not None and now is not None:
        return f"{name}: edited otherwise after its installation then than now"
    there, not_there = ("then", "now") if now is None else ("now", "then")
    return f"{name}: edited after its installation {there}, not {not_there}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
