"""The environment as files that installers read: `requirements.txt`, and `pylock.toml` (PEP 751).

What was installed is known by name and version, never which wheel it was: that is inferred, and
said so. No address of a user's own index is written, for it may be private, or hold a password.
"""

import json
import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from samebit.capture.secrets import mask_url
from samebit.report.anonymous import Wording

__all__ = [
    "PUBLIC_HOST",
    "Environment",
    "Located",
    "Pinned",
    "pylock",
    "read_pins",
    "requirements",
]

PUBLIC_HOST = ".".join(["files", "pythonhosted", "org"])  # of the public index's files
# How the public index names a file; mirrors keep it. The hash proves that it is the one.
_PUBLIC_PATH = re.compile(r"/packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+$")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(==(?P<version>[^\s;@]+)| @ \S+)")
_LOCAL = ("file:", "/", "~", ".")
INFERRED = "which wheels were installed is inferred from names and versions"


class Pinned(Struct, frozen=True):
    """A distribution of an exact version."""

    name: str  # normalised
    version: str
    line: str  # as an installer takes it

    @property
    def address(self) -> str:
        """Where it is from, if that is no index."""
        return self.line.partition(" @ ")[2]


class Environment(Struct, frozen=True):
    """What a run had."""

    python: str  # in full
    abi: str  # such as cpython-311
    implementation: str
    platform: str  # sys.platform
    architecture: str
    pins: tuple[Pinned, ...]
    left_out: tuple[str, ...] = ()  # what else it had, and why it cannot be installed


class Located(Struct, frozen=True):
    """A file that an index offers for a pin."""

    name: str
    version: str
    url: str
    sha256: str


def requirements(environment: Environment, wording: Wording) -> str:
    """Exact pins, a line each; what cannot be installed from anywhere is a comment."""
    lines = [
        f"# {environment.implementation} {environment.python} on {environment.platform}.",
        f"# Recorded when the runs began; {INFERRED}.",
    ]
    hidden = 0
    for pin in environment.pins:
        own = pin.address.partition("+")[2] if "+" in pin.address[:5] else pin.address
        if not pin.address or (not wording.is_anonymous and _is_open(own)):
            lines.append(pin.line)
        elif wording.is_anonymous:
            hidden += 1
        else:
            lines.append(f"# {pin.name} {pin.version}: from elsewhere than an index")
    if not wording.is_anonymous:
        lines += [f"# {line}" for line in environment.left_out]
    elif hidden := hidden + len(environment.left_out):  # what it is called may tell whose it is
        lines.append(f"# not named: {hidden} packages that are from elsewhere than an index")
    return "".join(" ".join(line.splitlines()) + "\n" for line in lines)


def _is_open(address: str) -> bool:
    return mask_url(address) == address and not address.startswith(_LOCAL)


def pylock(environment: Environment, found: Sequence[Located]) -> str:
    """A lock file of the same pins, with the hash of the file that an index has for each now."""
    major, minor = environment.python.split(".")[:2]
    marker = (
        f"python_version == '{major}.{minor}' and sys_platform == '{environment.platform}'"
        f" and platform_machine == '{environment.architecture}'"
    )
    lines = [
        'lock-version = "1.0"',
        f"environments = [{_text(marker)}]",
        f"requires-python = {_text(f'=={major}.{minor}.*')}",
        'created-by = "samebit"',
    ]
    for name in sorted({one.name for one in found}):
        files = {one.url: one for one in found if one.name == name}
        wheels = [_file(one) for one in files.values() if _name_of(one.url).endswith(".whl")]
        archives = [_file(one) for one in files.values() if not _name_of(one.url).endswith(".whl")]
        version = next(one.version for one in files.values())
        lines += ["", "[[packages]]", f"name = {_text(name)}", f"version = {_text(version)}"]
        lines += [f"sdist = {archives[0]}"] if archives else []
        lines += ["wheels = [", *(f"  {wheel}," for wheel in wheels), "]"] if wheels else []
    lines += ["", "[tool.samebit]", f"note = {_text(f'resolved when it was released: {INFERRED}')}"]
    return "\n".join(lines) + "\n"


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _file(one: Located) -> str:
    name = _name_of(one.url)
    inside = f"name = {_text(name)}, {_where(one.url, name)}"
    return f"{{ {inside}, hashes = {{ sha256 = {_text(one.sha256)} }} }}"


def _where(url: str, file: str) -> str:
    parts = urlsplit(url)
    if parts.hostname == PUBLIC_HOST or _PUBLIC_PATH.search(parts.path):
        match = _PUBLIC_PATH.search(parts.path)
        path = match[0] if match else parts.path
        return f"url = {_text(f'https://{PUBLIC_HOST}{path}')}"
    return f"path = {_text(f'wheels/{file}')}"  # where its index is, is the author's own matter


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_pins(text: str) -> list[Pinned]:
    """The pins of a `requirements.txt` as `requirements` writes it; other lines are passed over."""
    found: list[Pinned] = []
    for line in map(str.strip, text.splitlines()):
        match = _PIN.fullmatch(line)
        if match is not None:
            found.append(Pinned(match["name"], match["version"] or "", line))
    return found
