"""The remotes that a project knows by name: tables of its settings files.

    [remotes.lab]
    url = "s3://bucket/project"
    creates = true

`.samebit/local.toml` has those that `samebit remote add` made; one in `samebit.toml` is everybody's
who has the project. No secret is in either: credentials come from where the cloud's own tools look.
"""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from samebit import disk, places
from samebit.errors import NotFound, UsageError
from samebit.remotes.bucket import SCHEMES, open_bucket
from samebit.remotes.folder import FolderPlace
from samebit.remotes.openssh import read_address
from samebit.remotes.place import Guarantees, Place
from samebit.remotes.server import ServerPlace

__all__ = [
    "OPTIONS",
    "Remote",
    "choose",
    "forget",
    "note_id",
    "of_url",
    "open_place",
    "read_all",
    "save",
]

OPTIONS = ("endpoint", "region", "profile", "account")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_GUARANTEES = ("creates", "ranges", "writes")
_AS_SCP_HAS_IT = re.compile(r"((?:[\w.-]+@)?[\w.-]+):(?!//)(.+)")


class Remote(Struct, frozen=True):
    """A remote as the settings have it.

    Attributes:
        name: by which commands know it.
        url: `s3://…`, `gs://…`, `az://…`, `ssh://…`, `file:///…`.
        options: of OPTIONS, what was given.
        guarantees: what was found when it was added.
        id: of what was found there or pushed there first; empty where nothing was yet.
    """

    name: str
    url: str
    options: dict[str, str] = {}
    guarantees: Guarantees = Guarantees()
    id: str = ""


def of_url(name: str, url: str, options: dict[str, str]) -> Remote:
    """A remote as somebody types it; UsageError where it can be none."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a remote cannot be called {name!r}",
            hint="small letters and digits; behind the first also - and _",
        )
    parts = urlsplit(url)
    is_ssh = parts.scheme == "ssh"
    if (parts.username and not is_ssh) or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "the address of a remote has room for no secret, and for no options",
            hint="options of a connection, and keys, belong into ~/.ssh/config"
            if is_ssh
            else "credentials are found where the cloud's own tools look for them",
        )
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        if parts.netloc or not path.is_absolute():
            raise UsageError(f"{url!r} names no folder", hint="file:///absolute/folder")
        return Remote(name, "file://" + parts.path.rstrip("/"), {})
    if is_ssh:
        read_address(url)
        return Remote(name, url.rstrip("/"), {})
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in (*SCHEMES, "ssh", "file"))
        meant = _AS_SCP_HAS_IT.fullmatch(url)
        hint = (
            f"ssh://{meant[1]}/{'' if meant[2][0] == '/' else '~/'}{meant[2].lstrip('/')}"
            if meant
            else None
        )
        raise UsageError(f"{url!r} is not an address of a remote", known=known, hint=hint)
    if not parts.netloc:
        raise UsageError(f"{url!r} names no bucket", hint=f"{parts.scheme}://BUCKET/BEGINNING")
    return Remote(name, url.rstrip("/"), options)


def read_all(store: Path) -> dict[str, Remote]:
    """The remotes of a project by name; UsageError where the settings of one cannot be read."""
    found: dict[str, Remote] = {}
    for name, (table, where) in places.read_tables(store, "remotes").items():
        unknown = set(table) - {"url", "id", *OPTIONS, *_GUARANTEES}
        if unknown or not isinstance(table.get("url"), str):
            raise UsageError(
                f"the settings of the remote {name!r} cannot be read",
                set_in=where,
                unknown=", ".join(sorted(unknown)) or "url",
            )
        options = {key: str(table[key]) for key in OPTIONS if key in table}
        can = Guarantees(**{key: bool(table[key]) for key in _GUARANTEES if key in table})
        remote = of_url(name, table["url"], options)
        found[name] = Remote(name, remote.url, options, can, str(table.get("id", "")))
    return found


def choose(store: Path, name: str | None) -> Remote:
    """The remote of that name; without one the only one that there is.

    Raises:
        UsageError: there is none, or several of which none was named; settings cannot be read.
        NotFound: there is none of that name.
    """
    every = read_all(store)
    if name is None and len(every) == 1:
        return next(iter(every.values()))
    if not every:
        raise UsageError(
            "this project has no remote",
            hint="samebit remote add NAME URL, such as s3://BUCKET/BEGINNING or ssh://HOST/FOLDER",
        )
    if name is None:
        known = ", ".join(sorted(every))
        raise UsageError("which remote is meant?", known=known, hint="--remote NAME")
    if name not in every:
        raise NotFound(f"there is no remote {name!r}", known=", ".join(sorted(every)))
    return every[name]


def open_place(remote: Remote) -> Place:
    """The place that a remote names; nothing is asked of it yet."""
    parts = urlsplit(remote.url)
    if parts.scheme == "file":
        return FolderPlace(Path(unquote(parts.path)))
    if parts.scheme == "ssh":
        return ServerPlace(remote.url, remote.guarantees)
    return open_bucket(remote.url, remote.options, remote.guarantees)


def save(store: Path, remote: Remote) -> None:
    """Write a remote into the settings of this copy of the project, in place of its older self."""
    lines = [f"[remotes.{remote.name}]", f"url = {json.dumps(remote.url)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in sorted(remote.options.items())]
    for key in _GUARANTEES:
        lines.append(f"{key} = {str(getattr(remote.guarantees, key)).lower()}")
    if remote.id:
        lines.append(f"id = {json.dumps(remote.id)}")
    before = _without(_read(store), remote.name).rstrip("\n")
    _write(store, (before + "\n\n" if before else "") + "\n".join(lines) + "\n")


def note_id(store: Path, remote: Remote, identity: str) -> None:
    """Keep in mind what lies at a remote; of one that other settings have, nothing is kept here."""
    text = _read(store)
    if remote.id != identity and _without(text, remote.name) != text:
        save(store, replace(remote, id=identity))


def forget(store: Path, name: str) -> None:
    """Take a remote out of the settings of this copy; what lies there stays.

    Raises UsageError where this copy does not have it: settings of elsewhere are not ours to write.
    """
    text = _read(store)
    after = _without(text, name)
    if after == text:
        raise UsageError(
            f"the remote {name!r} is not set in this copy",
            hint=f"it is in {store.parent.name}/samebit.toml, or in your own settings",
        )
    _write(store, after)


def _without(text: str, name: str) -> str:
    """Settings without one table: from its header up to the next one."""
    match = re.search(rf'^\[remotes\.(?:{name}|"{name}")\][ \t]*$\n?', text, re.M)
    if match is None:
        return text
    following = re.compile(r"^\[", re.M).search(text, match.end())
    return text[: match.start()] + (text[following.start() :] if following else "")


def _read(store: Path) -> str:
    try:
        return (store / "local.toml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _write(store: Path, text: str) -> None:
    tomllib.loads(text)  # what we write, we can read
    (store / "tmp").mkdir(exist_ok=True)
    path = store / "local.toml"
    if not text.strip():
        path.unlink(missing_ok=True)
        return
    disk.publish(path, [text.encode()], store / "tmp", replace=True)
