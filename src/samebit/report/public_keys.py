"""Public ed25519 keys as OpenSSH has them: read, named by their fingerprint, and who is trusted.

A key is `ssh-ed25519`, then the base64 of its blob; its fingerprint is what `ssh-keygen -l` prints.
A file of allowed signers is that of `ssh-keygen -Y verify`: who, options, key. Keys of other kinds
are refused where one is named, and passed over among several.
"""

import base64
import hashlib
import re
import time
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from samebit.errors import NotFound, UsageError

__all__ = [
    "KEY_TYPE",
    "NAMESPACE",
    "Named",
    "PublicKey",
    "allowed_signers",
    "from_blob",
    "from_line",
    "named_by",
    "read_key",
    "read_text",
]

KEY_TYPE = "ssh-ed25519"
NAMESPACE = "samebit-certificate"  # what an OpenSSH signature of a certificate is for

_KEY_BYTES = 32
_BLOB_BEGINS = b"\0\0\0\x0b" + KEY_TYPE.encode() + b"\0\0\0\x20"  # the kind, and 32 bytes come
_PEM_BEGINS = "-----BEGIN PUBLIC KEY-----"
_DER_BEGINS = bytes.fromhex("302a300506032b6570032100")  # the same, in the base64 of a PEM
_LARGEST_BYTES = 1 << 20  # of a file with keys
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_SIGNER = re.compile(
    r'(?P<who>"[^"]*"|\S+)\s+(?:(?P<options>(?:"[^"]*"|[^\s"])+)\s+)?'
    r"(?P<kind>(?:ssh|sk|ecdsa|rsa)-\S+)\s+(?P<key>\S+)"
)
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?(?:,|$)')
_OPTIONS = frozenset({"cert-authority", "namespaces", "valid-after", "valid-before"})
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by their length


class PublicKey(Struct, frozen=True):
    """An ed25519 key's public half: 32 bytes."""

    raw: bytes

    @property
    def blob(self) -> bytes:
        """As it stands in OpenSSH's files and signatures."""
        return _BLOB_BEGINS + self.raw

    @property
    def line(self) -> str:
        """As a line of a `.pub` file, without a comment."""
        return f"{KEY_TYPE} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As ssh shows it: `SHA256:` and 43 characters."""
        hashed = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(hashed).decode().rstrip("=")


class Named(Struct, frozen=True):
    """A key that somebody trusts, and by what words."""

    fingerprint: str
    words: str  # "your own key", "the key of ada@example.org"
    key: PublicKey | None = None  # None: only the fingerprint was named


def from_blob(blob: bytes, begins: bytes = _BLOB_BEGINS) -> PublicKey:
    """The key of a blob; ValueError where it is of another kind, or none."""
    if not blob.startswith(begins) or len(blob) != len(begins) + _KEY_BYTES:
        raise ValueError(f"not of the kind {KEY_TYPE}")
    return PublicKey(blob[len(begins) :])


def from_line(line: str) -> PublicKey:
    """The key of `ssh-ed25519 AAAA… comment`; ValueError where it is none."""
    words = line.split(None, 2)
    if len(words) < 2 or words[0] != KEY_TYPE:
        raise ValueError(f"it does not begin with {KEY_TYPE} and a key")
    return from_blob(base64.b64decode(words[1], validate=True))


def read_key(path: Path) -> PublicKey:
    """The public key of a file in `.pub`, or of a PEM.

    Raises:
        NotFound: there is no such file.
        UsageError: it holds no ed25519 key.
    """
    text = read_text(path).strip()
    try:
        if text.startswith(_PEM_BEGINS):
            body = "".join(text.split("-----")[2].split())
            return from_blob(base64.b64decode(body, validate=True), _DER_BEGINS)
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if len(lines) != 1:
            raise ValueError(f"{len(lines)} lines, where one key is meant")
        return from_line(lines[0])
    except ValueError as error:
        raise UsageError(
            f"no ed25519 key: {error}",
            path=path,
            hint="`ssh-keygen -t ed25519` makes one; its public half is the file in .pub",
        ) from error


def read_text(path: Path) -> str:
    """The text of a small file about keys; NotFound, or UsageError where it can be none."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read a key: {error.strerror}", path=path) from error
    if len(data) > _LARGEST_BYTES:
        raise UsageError("a file of keys of more than a megabyte", path=path)
    return data.decode("utf-8", "replace")


def named_by(reference: str) -> Named:
    """The key that a user names, by a file or by its fingerprint."""
    words = "the key that you named"
    if _FINGERPRINT.fullmatch(reference):
        return Named(reference, words)
    key = read_key(Path(reference))
    return Named(key.fingerprint, words, key)


def allowed_signers(path: Path, now: float | None = None) -> list[Named]:
    """The ed25519 keys of a file of allowed signers that count for certificates now.

    A key that is allowed for other namespaces only, for another time, or that only signs keys
    (`cert-authority`), is none of them. A line that cannot be read raises UsageError.
    """
    found: list[Named] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            one = _allowed(line.strip(), time.time() if now is None else now)
        except ValueError as error:
            raise UsageError(
                f"line {number} of the allowed signers cannot be read: {error}",
                path=path,
                expected="who [options] ssh-ed25519 AAAA…",
            ) from error
        if one is not None:
            found.append(one)
    return found


def _allowed(line: str, now: float) -> Named | None:
    found = _SIGNER.match(line)
    if found is None:
        raise ValueError("it names no key")
    if found["kind"] != KEY_TYPE:
        return None
    key = from_line(f"{KEY_TYPE} {found['key']}")
    if not _counts(found["options"] or "", now):
        return None
    return Named(key.fingerprint, f"the key of {found['who'].strip(chr(34))}", key)


def _counts(options: str, now: float) -> bool:
    pairs = [(name.lower(), value) for name, value in _OPTION.findall(options)]
    found = dict(pairs)
    if _OPTION.sub("", options) or len(found) != len(pairs) or not found.keys() <= _OPTIONS:
        raise ValueError(f"options that are not known: {options[:60]!r}")
    after, before = (found.get(name) for name in ("valid-after", "valid-before"))
    return (
        "cert-authority" not in found
        and any(fnmatchcase(NAMESPACE, one) for one in found.get("namespaces", "*").split(","))
        and (after is None or _moment(after) <= now)
        and (before is None or now < _moment(before))
    )


def _moment(text: str) -> float:
    """A time as OpenSSH writes it: local, or with a Z at its end in UTC."""
    digits = text.removesuffix("Z")
    parsed = datetime.strptime(digits, _TIMES.get(len(digits), ""))
    return (parsed if digits == text else parsed.replace(tzinfo=UTC)).timestamp()
