"""Where the store, the cache and the settings lie.

The store is `.samebit`, searched upwards from the working directory, never above the git top
level, the home folder or a file-system border. `SAMEBIT_DIR` names it outright. Settings come
from the user's config folder, `samebit.toml` beside the store, `.samebit/local.toml`, the
environment (`SAMEBIT_CODE_REF=hidden` for `code.ref`) and an argument; the later one wins.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebit import disk
from samebit.errors import Damaged, SamebitError, StoreNotFound, StoreTooNew, UsageError

__all__ = [
    "FORMAT_LINE",
    "Settings",
    "cache_folder",
    "check_format",
    "choose_store",
    "config_folder",
    "find_store",
    "git_top_level",
    "make_store",
    "new_format",
    "read_format",
    "read_sections",
    "read_settings",
    "read_tables",
    "store_id",
]

STORE_NAME = ".samebit"
FORMAT_LINE = "samebit-store 1"
_FORMAT_WORD, _FORMAT_MAJOR = FORMAT_LINE.split()
_STORE_FOLDERS = ("objects", "packs", "runs", "tmp")


@dataclass(frozen=True)
class Settings:
    """What a user may set; each field is `section_name` for `section.name` in a file."""

    code_ref: str = "tag"  # tag | hidden | none: what points at a run's commit
    code_on_changed: str = "record"  # record | refuse: what becomes of uncommitted changes
    console: str = "tee"  # tee | off
    data_save: str = "no"  # yes | no: whether what a run reads is kept, and not only its digests
    env_allow: tuple[str, ...] = ()  # further variables to record, patterns like MYAPP_*
    files_hash_budget_mb: int = 4096  # data beyond it is recorded by size and time only
    machine_s: int = 10  # seconds between samples of what the machine does; 0: none
    media_budget_mb: int = 1024  # of pictures and the like; beyond it they are kept as digests only
    media_most: int = 10_000  # so many of them; beyond it none is recorded
    push_auto: str = "off"  # off | end | during: when runs are pushed by themselves
    push_every_min: int = 5  # with `during`
    push_remote: str = ""  # which remote; the only one, where it is not set
    push_wait_s: int = 60  # how long the end of a batch job is kept waiting for it
    states_budget_mb: int = 1024  # a larger state is kept as digests only
    states_checkpoints: tuple[str, ...] = ("last=1",)  # which of them stay
    states_keep: str = "auto"  # auto | all | digest | none


_CHOICES = {
    "code_ref": ("tag", "hidden", "none"),
    "code_on_changed": ("record", "refuse"),
    "console": ("tee", "off"),
    "data_save": ("yes", "no"),
    "push_auto": ("off", "end", "during"),
    "states_keep": ("auto", "all", "digest", "none"),
}
# Sections that are no settings: `read_tables` and `read_sections` are for those who know them.
_TABLES = ("remotes", "table", "paper", "checklist")
_SETTINGS = {field.name: field.default for field in dataclasses.fields(Settings)}


def git_top_level(start: Path) -> Path | None:
    """The top folder of the git working tree around `start`, or None."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None


def find_store(start: Path) -> Path:
    """The store that belongs to a folder; StoreNotFound where there is none."""
    found = _search(start)
    if found is None and os.environ.get("SAMEBIT_DIR"):
        raise StoreNotFound(
            "SAMEBIT_DIR names a folder that is no store",
            path=os.environ["SAMEBIT_DIR"],
            hint="`samebit run train.py` makes one there",
        )
    if found is None:
        raise StoreNotFound(
            f"there is no {STORE_NAME} store in {start} or above it",
            hint="`samebit run train.py` makes one; SAMEBIT_DIR names one elsewhere",
        )
    check_format(found)
    return found


def choose_store(start: Path) -> Path:
    """Where the store of a folder is, or is to be made."""
    found = _search(start)
    if found is not None:
        return found
    if os.environ.get("SAMEBIT_DIR"):
        return Path(os.environ["SAMEBIT_DIR"]).absolute()
    return (git_top_level(start) or start) / STORE_NAME


def _search(start: Path) -> Path | None:
    named = os.environ.get("SAMEBIT_DIR")
    if named:
        path = Path(named).absolute()
        return path if (path / "format").exists() else None
    start = start.absolute()
    home = _home()
    device = _device(start)
    for folder in (start, *start.parents):
        if _device(folder) != device:
            break
        if folder.name == STORE_NAME and (folder / "format").exists():
            return folder  # somebody looks around inside the store
        if (folder / STORE_NAME / "format").exists():
            return folder / STORE_NAME
        if (folder / ".git").exists() or folder == home:
            break
    return None


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.sep)  # a container's user without HOME and without an entry in passwd


def _device(folder: Path) -> int:
    try:
        return folder.stat().st_dev
    except OSError:
        return -1


def make_store(store: Path) -> Path:
    """Make a store, or check the one that is there; safe when many processes do it at once."""
    if (store / "format").exists():
        check_format(store)
        if all((store / name).is_dir() for name in _STORE_FOLDERS):
            return store  # a copy made by git or an object store lacks the empty ones
    try:
        store.mkdir(parents=True, exist_ok=True)
        for name in _STORE_FOLDERS:
            (store / name).mkdir(exist_ok=True)
        _make_stub_repository(store)
        text = new_format()
        made = disk.publish(store / "format", [text.encode()], store / "tmp")
    except OSError as error:
        raise SamebitError(
            f"cannot make a store: {error.strerror}",
            path=store,
            hint="SAMEBIT_DIR names another place",
        ) from error
    if made:
        _exclude_from_git(store)
    return store


def _make_stub_repository(store: Path) -> None:
    # `git clean -fdx` deletes whatever is ignored, but walks around another repository.
    stub = store / ".git"
    (stub / "objects").mkdir(parents=True, exist_ok=True)
    (stub / "refs").mkdir(exist_ok=True)
    if not (stub / "HEAD").exists():
        (stub / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")


def _exclude_from_git(store: Path) -> None:
    top = git_top_level(store.parent)
    if top is None:
        return
    git_folder = top / ".git"
    try:
        if git_folder.is_file():  # a linked working tree or a submodule
            named = git_folder.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
            git_folder = (top / named).resolve()
            common = git_folder / "commondir"
            if common.exists():
                git_folder = (git_folder / common.read_text(encoding="utf-8").strip()).resolve()
        line = "/" + store.relative_to(top).as_posix() + "/"
        exclude = git_folder / "info" / "exclude"
        exclude.parent.mkdir(exist_ok=True)
        text = exclude.read_text(encoding="utf-8") if exclude.exists() else ""
        if line not in text.splitlines():
            with open(exclude, "a", encoding="utf-8") as stream:
                stream.write(("" if text.endswith("\n") or not text else "\n") + line + "\n")
    except (OSError, ValueError):
        return  # a read-only repository: the store works, and git shows it as untracked


def new_format() -> str:
    """The format file of a store, or a remote, that is made now."""
    return f"{FORMAT_LINE}\nid {os.urandom(16).hex()}\n"


def check_format(store: Path) -> None:
    """Refuse a store that this version does not understand."""
    _read_format(store)


def store_id(store: Path) -> str:
    """The random id that a store got when it was made."""
    return _read_format(store)


def _read_format(store: Path) -> str:
    path = store / "format"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged("cannot read the store's format file", path=path) from error
    return read_format(data, str(store))


def read_format(data: bytes, where: str) -> str:
    """The id in the bytes of a format file, of a store or a remote.

    Raises Damaged where it is none of ours, StoreTooNew where its major version is newer.
    """
    lines = data.decode(errors="replace").splitlines()
    word, _, major = (lines[0] if lines else "").partition(" ")
    if word != _FORMAT_WORD or not major.isdigit():
        raise Damaged(
            "the format file is not one of ours",
            path=f"{where}/format",
            first_line=repr(lines[0] if lines else ""),
            expected=FORMAT_LINE,
        )
    if int(major) > int(_FORMAT_MAJOR):
        raise StoreTooNew(
            f"this store has format {major}, and this version of Samebit knows {_FORMAT_MAJOR}",
            path=where,
            hint="install a newer Samebit; nothing was written",
        )
    for line in lines[1:]:
        if line.startswith("id "):
            return line[3:].strip()
    raise Damaged("the format file names no id", path=f"{where}/format")


def cache_folder() -> Path:
    """Where indexes and other things that can be deleted lie."""
    if os.environ.get("SAMEBIT_CACHE"):
        return Path(os.environ["SAMEBIT_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else _home() / ".cache") / "samebit"


def config_folder() -> Path:
    """Where the user's own settings and signing keys lie."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(base) if base else _home() / ".config") / "samebit"


def read_settings(store: Path | None, given: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force; a name or value that does not exist raises UsageError."""
    values: dict[str, tuple[Any, object]] = {}  # by name: the value, and where it was set
    for path in _settings_files(store):
        values.update({name: (value, path) for name, value in _read_settings_file(path).items()})
    for name in _SETTINGS:
        variable = "SAMEBIT_" + name.upper()
        if variable in os.environ:
            values[name] = (os.environ[variable], variable)
    for name, value in (given or {}).items():
        if value is not None:
            values[name] = (value, "argument")
    return Settings(**{name: _checked(name, *found) for name, found in values.items()})


def read_tables(store: Path, section: str) -> dict[str, tuple[dict[str, Any], Path]]:
    """The tables of one section of the settings, `[section.NAME]`, by name; and where each is set.

    They are no settings of their own: another room knows what they mean.
    """
    found: dict[str, tuple[dict[str, Any], Path]] = {}
    for path in _settings_files(store):
        tables = _read_sections(path).get(section, {})
        if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
            raise UsageError(f"[{section}] has tables only: [{section}.NAME]", set_in=path)
        found.update({name: (table, path) for name, table in tables.items()})
    return found


def read_sections(store: Path, section: str) -> list[tuple[dict[str, Any], Path]]:
    """One section of each settings file that has it, and where; the one above all others last."""
    found: list[tuple[dict[str, Any], Path]] = []
    for path in _settings_files(store):
        table = _read_sections(path).get(section, {})
        if not isinstance(table, dict):
            raise UsageError(f"[{section}] is a table", set_in=path)
        found += [(table, path)] if table else []
    return found


def _settings_files(store: Path | None) -> list[Path]:
    """Where settings are, the one that is above all others last."""
    files = [config_folder() / "config.toml"]
    return files if store is None else [*files, store.parent / "samebit.toml", store / "local.toml"]


def _read_sections(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read the settings: {error}", path=path) from error
    import tomllib  # noqa: PLC0415  (most projects have no settings, and need not wait for it)

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"cannot read the settings: {error}", path=path) from error


def _read_settings_file(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section, content in _read_sections(path).items():
        if section in _TABLES:
            continue
        if isinstance(content, dict):
            values.update({f"{section}_{name}": value for name, value in content.items()})
        else:
            values[section] = content
    return values


def _checked(name: str, value: Any, where: object) -> Any:
    shown = name.replace("_", ".", 1)
    if name not in _SETTINGS:
        known = ", ".join(sorted(known.replace("_", ".", 1) for known in _SETTINGS))
        raise UsageError(f"there is no setting {shown}", set_in=where, known=known)
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            known = ", ".join(_CHOICES[name])
            raise UsageError(f"{shown} cannot be {value!r}", set_in=where, known=known)
        return value
    if isinstance(_SETTINGS[name], str):
        if not isinstance(value, str):
            raise UsageError(f"{shown} must be a text, not {value!r}", set_in=where)
        return value
    if isinstance(_SETTINGS[name], int):
        text = str(value).strip()
        if not (text.isascii() and text.isdigit()):
            raise UsageError(f"{shown} must be a whole number, not {value!r}", set_in=where)
        return int(text)
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise UsageError(f"{shown} must be a list of texts, not {value!r}", set_in=where)
    return tuple(filter(None, map(str.strip, items)))
