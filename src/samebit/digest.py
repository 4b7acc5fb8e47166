"""Content names (`blake3:…`), streaming hash, and the one way to write JSON as bytes.

Two values have equal canonical JSON bytes exactly when they are equal: keys sorted, no spaces,
shortest exact numbers. What JSON cannot hold is wrapped: `{"$float": "nan"}`, and integers beyond
±2^53 as `{"$int": "…"}`, a text with bytes that are no UTF-8 as `{"$escaped": "…"}`. A key of the
user's that begins with `$` is written with one `$` more.
"""

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import blake3
import msgspec

from samebit.errors import Damaged, UsageError

__all__ = [
    "ALGORITHM",
    "Hasher",
    "canonical_json",
    "escaped",
    "from_json",
    "hex_of",
    "name_of",
    "of_bytes",
    "of_file",
    "of_stream",
    "raw",
    "short",
    "unescaped",
]

ALGORITHM = "blake3"
_PREFIX = ALGORITHM + ":"
_HEX_LENGTH = 64
_EXACT_INT = 2**53  # beyond it, readers that hold numbers as float64 would round
_CHUNK_BYTES = 1 << 20
_HEX = re.compile(r"[0-9a-f]*")
_ESCAPE = re.compile(r"\\(?:\\|u(d[89a-f][0-9a-f]{2}))")

_json = msgspec.json.Encoder(order="sorted")


class Hasher:
    """A BLAKE3 hash fed piece by piece.

    With `threads` it uses every processor, which pays for pieces of several megabytes only.
    """

    def __init__(self, *, threads: bool = False) -> None:
        self._state = blake3.blake3(max_threads=blake3.blake3.AUTO if threads else 1)
        self.size_bytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next piece."""
        self._state.update(data)
        self.size_bytes += len(data) if not isinstance(data, memoryview) else data.nbytes

    def digest(self) -> str:
        """The content name of all pieces so far."""
        return _PREFIX + self._state.hexdigest()

    def raw(self) -> bytes:
        """Its 32 bytes."""
        return self._state.digest()


def raw(data: bytes | bytearray | memoryview) -> bytes:
    """The 32 bytes of the hash of some bytes."""
    return blake3.blake3(data).digest()


def of_bytes(data: bytes | bytearray | memoryview) -> str:
    """The content name of some bytes."""
    return _PREFIX + blake3.blake3(data).hexdigest()


def name_of(raw: bytes) -> str:
    """The content name of what hashes to these 32 bytes."""
    return _PREFIX + raw.hex()


def of_stream(stream: BinaryIO) -> tuple[str, int]:
    """The content name and size of what is left in a stream."""
    hasher = Hasher()
    while piece := stream.read(_CHUNK_BYTES):
        hasher.update(piece)
    return hasher.digest(), hasher.size_bytes


def of_file(path: Path | str) -> tuple[str, int]:
    """The content name and size of a file; raises OSError as `open` does."""
    with io.FileIO(path) as stream:  # a script may have put another function in place of `open`
        return of_stream(stream)


def hex_of(digest: str) -> str:
    """The 64 hex digits of a content name; a name that is none raises Damaged."""
    digits = digest.removeprefix(_PREFIX)
    if len(digits) + len(_PREFIX) != len(digest) or len(digits) != _HEX_LENGTH:
        raise Damaged(f"not a content name: {digest!r}", expected="blake3: and 64 hex digits")
    if not _HEX.fullmatch(digits):
        raise Damaged(f"not a content name: {digest!r}", expected="blake3: and 64 hex digits")
    return digits


def short(digest: str) -> str:
    """The first eight hex digits, for people."""
    return digest.removeprefix(_PREFIX)[:8]


def canonical_json(value: object) -> bytes:
    """The canonical bytes of a plain value (None, bool, int, float, str, list, tuple, dict).

    Raises:
        UsageError: for anything else; also keys with lone surrogates, integers of thousands of
            digits and values nested hundreds deep.
    """
    try:
        return _json.encode(_wrap(value))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot be written as JSON: {error}") from error


def from_json(data: bytes) -> Any:
    """The plain value of canonical JSON bytes; bytes that are no JSON raise Damaged."""
    try:
        return _unwrap(msgspec.json.decode(data))
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise Damaged(f"not readable as JSON: {error}") from error


def escaped(text: str) -> str | dict[str, str]:
    r"""A text as UTF-8 can hold it: itself, or wrapped where it has lone surrogates.

    By those Python holds the bytes of a name or an argument that are no UTF-8 (`\udc80` to
    `\udcff`). They are written as `\udcff`, and each backslash beside them twice.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        doubled = text.replace("\\", "\\\\")
        return {"$escaped": doubled.encode("utf-8", "backslashreplace").decode()}
    return text


def unescaped(text: str) -> str:
    """The text that `escaped` wrapped."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "\\", text)


def _wrap(value: object) -> object:
    if type(value) is str and value.isascii():  # most of what there is
        return value
    if type(value) is int and -_EXACT_INT <= value <= _EXACT_INT:
        return value
    if value is None or isinstance(value, bool):
        return value
    # A subclass (an IntEnum, numpy's str_ and float64) is written as its plain base.
    if isinstance(value, str):
        return escaped(str.__str__(value))
    if isinstance(value, int):
        plain = int(value)
        return plain if -_EXACT_INT <= plain <= _EXACT_INT else {"$int": str(plain)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, (dict, Mapping)):  # a dict is found at once
        wrapped: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise UsageError(f"a key must be a text, not {type(key).__name__}: {key!r}")
            wrapped["$" + key if key.startswith("$") else str.__str__(key)] = _wrap(item)
        return wrapped
    if isinstance(value, (list, tuple)):
        return [_wrap(item) for item in value]
    raise UsageError(f"not a plain value: {type(value).__name__}")


def _unwrap(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrap(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        if "$float" in value:
            return float(value["$float"])
        if "$int" in value:
            return int(value["$int"])
        if "$escaped" in value:
            return unescaped(value["$escaped"])
    return {(key[1:] if key.startswith("$") else key): _unwrap(item) for key, item in value.items()}
