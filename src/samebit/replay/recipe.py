"""What an environment is made from, by the record: the Python, and one exact pin a distribution.

Pure, over facts. No installer resolves anything here: each distribution has the version that the
run had, or it is said why it cannot have it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from samebit import digest
from samebit.capture.secrets import MASK
from samebit.digest import canonical_json

__all__ = ["Mapped", "Pin", "Rebuilt", "Recipe", "key_of", "likeness", "make_recipe"]

_NAMED = 3
_OURS = "samebit"
# What the recorder needs; a run that joined by it mostly has them itself.
_OUR_NEEDS = ("msgspec", "blake3", "xxhash", "backports-zstd")
_HAS_ZSTD = (3, 14)  # the Python that needs no backport
_VERSION_CONTROL = ("git", "hg", "svn", "bzr")


class Pin(Struct, frozen=True):
    """One distribution to install."""

    name: str  # normalised
    version: str
    line: str  # as an installer takes it

    @property
    def is_direct(self) -> bool:
        """Whether it comes from an address of its own, and not from an index."""
        return " @ " in self.line


class Mapped(Struct, frozen=True):
    """A distribution of which the record has the sources: nothing is installed for it."""

    name: str
    version: str
    kind: str  # editable | folder
    url: str
    folder: str


class Recipe(Struct, frozen=True):
    """All that an environment is made from."""

    python: str  # the full version that it ran on
    abi: str  # such as cpython-311; compiled distributions fit no other
    pins: tuple[Pin, ...]  # by name
    mapped: tuple[Mapped, ...] = ()
    left_out: tuple[str, ...] = ()  # what else is not installed, and why, as sentences
    problems: tuple[str, ...] = ()  # why it cannot be made
    names_ours: bool = True  # whether the run had Samebit as a distribution

    @property
    def minor(self) -> str:
        """Major and minor number of the Python."""
        return ".".join(self.python.split(".")[:2])


class Rebuilt(Struct, frozen=True):
    """An environment that lies in the cache, complete and checked."""

    key: str
    folder: Path
    python: str  # its full version
    by: str  # the installer with its version
    recipe: Recipe

    @property
    def executable(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def sentence(self) -> str:
        """What a verdict says of it."""
        installer = " and ".join(each.split()[0] for each in self.by.split(" and "))
        count = len(self.recipe.pins)
        return f"environment rebuilt: {count} packages, Python {self.python}, by {installer}"


def make_recipe(
    facts: Mapping[str, Any], root: Path, files: Iterable[str], here: Mapping[str, str]
) -> Recipe:
    """What the environment of a run is made from.

    Args:
        facts: of the run; `packages` and `interpreter` are looked at.
        root: the folder that its code was taken from.
        files: paths of recorded sources, also of those outside of `root`.
        here: the versions that this process has, for what the recorder needs beside them.
    """
    packages, interpreter = facts.get("packages"), facts.get("interpreter")
    if not packages or not interpreter:
        return Recipe("", "", (), problems=("its packages and interpreter were not recorded",))
    pins: list[Pin] = []
    mapped: list[Mapped] = []
    problems: list[str] = []
    conda = _of_conda(packages, problems)
    versions: Mapping[str, str] = packages["versions"]
    files = list(files)
    for name, version in sorted(versions.items()):
        origin = packages["origins"].get(name)
        if name == _OURS or name in conda:
            continue
        if origin is None:
            pins.append(Pin(name, version, f"{name}=={version}"))
        elif origin["kind"] in ("editable", "folder"):
            folder = _path(origin["url"])
            if origin["kind"] == "editable" or _is_recorded(folder, root, files):
                mapped.append(Mapped(name, version, origin["kind"], origin["url"], folder))
            else:
                problems.append(
                    f"{name} {version} came from the folder {folder}, of which nothing is recorded"
                )
        elif MASK in origin["url"]:
            problems.append(
                f"{name} {version} came from an address with credentials, which are not recorded"
            )
        elif origin["kind"] == "archive" and _is_gone(origin["url"]):
            path = _path(origin["url"])
            problems.append(f"{name} {version} came from {path}, which is not there any more")
        else:
            pins.append(Pin(name, version, _direct(name, origin)))
    number, abi = str(interpreter["version"]), str(interpreter.get("abi") or "")
    if not abi:
        problems.append("for which compiled packages its Python is was not recorded")
    left_out = [
        f"{name} is what a broken installation left" for name in packages.get("broken") or ()
    ]
    for name in _needed(number, versions):
        if name in here:
            pins.append(Pin(name, here[name], f"{name}=={here[name]}"))
            left_out.append(f"{name} is there for the recorder; the run had none")
    return Recipe(
        number,
        abi,
        tuple(sorted(pins, key=lambda pin: pin.name)),
        tuple(mapped),
        tuple(left_out),
        tuple(problems),
        _OURS in versions,
    )


def _of_conda(packages: Mapping[str, Any], problems: list[str]) -> set[str]:
    """The distributions that conda installed: what it builds is in no index."""
    if not packages.get("conda"):
        return set()
    names: Sequence[str] = packages["installers"].get("conda", [])
    some = ", ".join(f"{name} {packages['versions'][name]}" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    which = f", {some}{more} among them" if names else ""
    problems.append(
        f"{len(packages['conda'])} packages were installed by conda{which}, "
        "whose builds no index of Python's has"
    )
    return set(names)


def _needed(python: str, versions: Mapping[str, str]) -> list[str]:
    number = tuple(int(part) for part in python.split(".")[:2])
    needs = _OUR_NEEDS[:-1] if number >= _HAS_ZSTD else _OUR_NEEDS
    return [name for name in needs if name not in versions]


def _path(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/") or "/"


def _is_gone(url: str) -> bool:
    return url.startswith("file:") and not Path(_path(url)).is_file()


def _is_recorded(folder: str, root: Path, files: Iterable[str]) -> bool:
    return root.is_relative_to(folder) or any(Path(file).is_relative_to(folder) for file in files)


def _direct(name: str, origin: Mapping[str, str]) -> str:
    """A reference to the very bytes: a commit, or an archive with its hash."""
    url = origin["url"].partition("#")[0]
    parts = [f"subdirectory={origin['part']}"] if "part" in origin else []
    if origin["kind"] in _VERSION_CONTROL:
        url = f"{origin['kind']}+{url}@{origin['commit']}"
    elif "hash" in origin:
        parts.insert(0, origin["hash"])
    return f"{name} @ {url}" + (f"#{'&'.join(parts)}" if parts else "")


def key_of(recipe: Recipe, python: str, platform: str) -> str:
    """The name of an environment: the same for whatever is made from the same.

    Args:
        recipe: what is installed.
        python: the full version of the interpreter that it is made with.
        platform: as the interpreter calls it, such as `linux-x86_64`.
    """
    made_from = {
        "python": python,
        "abi": recipe.abi,
        "platform": platform,
        "requirements": sorted(pin.line for pin in recipe.pins),
    }
    return digest.of_bytes(canonical_json(made_from)).rpartition(":")[2][:32]


def likeness(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How much two environments have in common, in a sentence.

    Args:
        then: versions by name, of the run.
        now: those that are here.
    """
    names = [name for name in sorted(then) if name != _OURS]
    others = [name for name in names if now.get(name) != then[name]]
    text = f"{len(names) - len(others)} of {len(names)} packages as recorded"
    if not others:
        return text
    some = [
        f"{name} {then[name]} then, {f'{now[name]} now' if name in now else 'not here'}"
        for name in others[:_NAMED]
    ]
    more = f"; and {len(others) - _NAMED} more" if others[_NAMED:] else ""
    return f"{text}; differs: {', '.join(some)}{more}"
