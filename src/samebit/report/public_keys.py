"""Public ed25519 keys as OpenSSH has them: read, named by their fingerprint, and who is trusted.

A key is `ssh-ed25519`, then the base64 of its blob; its fingerprint is what `ssh-keygen -l` prints.
A file of allowed signers is that of `ssh-keygen -Y verify`: who, options, key. Keys of other kinds
are refused where one is named, and passed over among several.
"""

import base64
import binascii
import hashlib
import re
import struct
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from samebit.errors import NotFound, UsageError
from samebit.report.ed25519 import KEY_BYTES

__all__ = [
    "KEY_TYPE",
    "NAMESPACE",
    "Named",
    "PublicKey",
    "allowed_signers",
    "from_blob",
    "is_private",
    "named_by",
    "part",
    "parts",
    "private_parts",
    "read_key",
]

KEY_TYPE = "ssh-ed25519"
NAMESPACE = "samebit-certificate"  # what an OpenSSH signature of a certificate is for

_LARGEST_BYTES = 1 << 20  # of a file with keys
_PRIVATE_BEGINS = "-----BEGIN OPENSSH PRIVATE KEY-----"
_PRIVATE_ENDS = "-----END OPENSSH PRIVATE KEY-----"
_PRIVATE_MAGIC = b"openssh-key-v1\0"
_SPKI_BEGINS = "-----BEGIN PUBLIC KEY-----"
_SPKI_ENDS = "-----END PUBLIC KEY-----"
_SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")  # then the 32 bytes
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?(?:,|$)')
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


class PublicKey(Struct, frozen=True):
    """An ed25519 key's public half: 32 bytes."""

    raw: bytes

    @property
    def blob(self) -> bytes:
        """As it stands in OpenSSH's files and signatures."""
        return part(KEY_TYPE.encode()) + part(self.raw)

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


def part(data: bytes) -> bytes:
    """Bytes with their length before them, as OpenSSH joins them."""
    return struct.pack(">I", len(data)) + data


def parts(blob: bytes) -> Iterator[bytes]:
    """What `part` joined; ValueError where a length leads beyond the end."""
    at = 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob):
            raise ValueError("it ends too early")
        yield blob[at + 4 : at + 4 + size]
        at += 4 + size


def from_blob(blob: bytes) -> PublicKey:
    """The key of a blob; ValueError where it is of another kind, or none."""
    found = list(parts(blob))
    if not found or found[0] != KEY_TYPE.encode():
        kind = found[0][:40].decode("ascii", "replace") if found else "nothing"
        raise ValueError(f"a key of the kind {kind!r}, not {KEY_TYPE}")
    if len(found) != 2 or len(found[1]) != KEY_BYTES:
        raise ValueError(f"an {KEY_TYPE} key of another length")
    return PublicKey(found[1])


def is_private(text: str) -> bool:
    """Whether a text is a private key of OpenSSH."""
    return text.lstrip().startswith(_PRIVATE_BEGINS)


def private_parts(text: str) -> tuple[PublicKey, bool]:
    """Of a private key of OpenSSH its public half, which lies open, and whether it is encrypted."""
    body = text.partition(_PRIVATE_BEGINS)[2].partition(_PRIVATE_ENDS)[0]
    data = base64.b64decode("".join(body.split()), validate=True)
    if not data.startswith(_PRIVATE_MAGIC):
        raise ValueError("no private key of OpenSSH")
    fields = _first_parts(data[len(_PRIVATE_MAGIC) :], 3)
    rest = fields[3]
    if rest[:4] != (1).to_bytes(4, "big"):
        raise ValueError("a file of several keys")
    return from_blob(_first_parts(rest[4:], 1)[0]), fields[0] != b"none"


def _first_parts(data: bytes, count: int) -> list[bytes]:
    """So many parts, and then the rest as it is."""
    found: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError("it ends too early")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return [*found, data]


def read_key(path: Path) -> PublicKey:
    """The public key of a file: a `.pub` file, a PEM, or the open half of a private key.

    Raises:
        NotFound: there is no such file.
        UsageError: it holds no ed25519 key.
    """
    text = read_text(path)
    try:
        return _from_text(text)
    except (ValueError, binascii.Error) as error:
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


def _from_text(text: str) -> PublicKey:
    if is_private(text):
        return private_parts(text)[0]
    if text.lstrip().startswith(_SPKI_BEGINS):
        body = text.partition(_SPKI_BEGINS)[2].partition(_SPKI_ENDS)[0]
        data = base64.b64decode("".join(body.split()), validate=True)
        if not data.startswith(_SPKI_ED25519) or len(data) != len(_SPKI_ED25519) + KEY_BYTES:
            raise ValueError("a public key of another kind")
        return PublicKey(data[len(_SPKI_ED25519) :])
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    if len(lines) != 1:
        raise ValueError(f"{len(lines)} lines, where one key is meant")
    return from_line(lines[0])


def from_line(line: str) -> PublicKey:
    """The key of `ssh-ed25519 AAAA… comment`; ValueError where it is none."""
    words = line.split(None, 2)
    if len(words) < 2 or words[0] != KEY_TYPE:
        raise ValueError(f"it does not begin with {KEY_TYPE} and a key")
    return from_blob(base64.b64decode(words[1], validate=True))


def named_by(reference: str) -> Named:
    """The key that a user names, by a file or by its fingerprint."""
    if _FINGERPRINT.fullmatch(reference):
        return Named(reference, "the key that you named")
    key = read_key(Path(reference))
    return Named(key.fingerprint, "the key that you named", key)


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
            one = _allowed(line, time.time() if now is None else now)
        except (ValueError, binascii.Error) as error:
            raise UsageError(
                f"line {number} of the allowed signers cannot be read: {error}",
                path=path,
                expected="who [options] ssh-ed25519 AAAA…",
            ) from error
        if one is not None:
            found.append(one)
    return found


def _allowed(line: str, now: float) -> Named | None:
    words = _WORD.findall(line)
    at = next((at for at, word in enumerate(words[1:3], start=1) if _is_key_type(word)), None)
    if at is None or at + 1 >= len(words):
        raise ValueError("it names no key")
    if words[at] != KEY_TYPE:
        return None
    key = from_blob(base64.b64decode(words[at + 1], validate=True))
    if at == 2 and not _counts(words[1], now):
        return None
    return Named(key.fingerprint, f"the key of {words[0].strip(chr(34))}", key)


def _is_key_type(word: str) -> bool:
    return word.startswith(("ssh-", "sk-", "ecdsa-", "rsa-"))


def _counts(options: str, now: float) -> bool:
    at = 0
    while at < len(options):
        option = _OPTION.match(options, at)
        if option is None:
            raise ValueError(f"options that are not known: {options[at:][:60]!r}")
        name, value = option[1].lower(), option[2] or ""
        if name == "cert-authority":
            return False
        if name == "namespaces":
            if not any(fnmatchcase(NAMESPACE, pattern) for pattern in value.split(",")):
                return False
        elif name == "valid-after":
            if now < _moment(value):
                return False
        elif name == "valid-before":
            if now >= _moment(value):
                return False
        else:
            raise ValueError(f"an option that is not known: {name}")
        at = option.end()
    return True


def _moment(text: str) -> float:
    """A time as OpenSSH writes it: local, or with a Z at its end in UTC."""
    digits = text.removesuffix("Z")
    if len(digits) not in _TIMES or not digits.isdigit():
        raise ValueError(f"not a time: {text!r}")
    parsed = time.strptime(digits, _TIMES[len(digits)])
    if digits == text:
        return time.mktime(parsed)
    import calendar  # noqa: PLC0415  (few files have such a time)

    return float(calendar.timegm(parsed))
