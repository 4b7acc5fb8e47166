"""One item of a data set as bytes: whatever it nests, arrays by their fingerprints."""

import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from samebit.data import arrays, frames, tables
from samebit.data.forms import sealed, u64
from samebit.errors import UsageError

__all__ = ["digest_of_item"]

_DEEPEST = 64
_float = struct.Struct("<d").pack
_SINGLE = {None: b"N", True: b"T", False: b"F"}


def digest_of_item(item: Any) -> bytes:
    """The 32 bytes of an item; UsageError where something in it has no bytes."""
    return sealed("item", {}, [b"".join(_encoded(item, 0))])


def _encoded(value: Any, depth: int) -> Iterator[bytes]:
    if depth > _DEEPEST:
        raise UsageError(f"an item is nested more than {_DEEPEST} deep, or contains itself")
    if value is None or value is True or value is False:
        yield _SINGLE[value]
    elif arrays.is_array(value):
        yield b"a" + arrays.array_digest(value)
    elif isinstance(value, int):
        digits = str(int(value)).encode()
        yield b"i" + u64(len(digits)) + digits
    elif isinstance(value, float):
        yield b"f" + _float(value)
    elif isinstance(value, str):
        yield b"s" + _with_length(_utf8(value))
    elif isinstance(value, (bytes, bytearray)):
        yield b"b" + _with_length(bytes(value))
    elif isinstance(value, Mapping):
        yield b"d" + u64(len(value))
        pairs = [[b"".join(_encoded(one, depth + 1)) for one in pair] for pair in value.items()]
        for key, held in sorted(pairs):
            yield key
            yield held
    elif isinstance(value, (list, tuple)):
        yield (b"t" if isinstance(value, tuple) else b"l") + u64(len(value))
        for one in value:
            yield from _encoded(one, depth + 1)
    elif _is_image(value):
        yield b"p" + _image(value)
    elif (table := frames.find_table(value, strict=False)) is not None:
        yield b"j" + _table(table)
    else:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UsageError(
            f"an item holds a {name}, which has no bytes",
            hint="let the data set give arrays, numbers, texts, or lists and dicts of these",
        )


def _with_length(data: bytes) -> bytes:
    return u64(len(data)) + data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"a text of an item is no Unicode: {text[:80]!r}") from error


def _is_image(value: Any) -> bool:
    images = sys.modules.get("PIL.Image")
    return images is not None and isinstance(value, images.Image)


def _image(image: Any) -> bytes:
    palette = image.getpalette() if image.mode == "P" else None
    return b"".join(
        (
            _with_length(image.mode.encode()),
            u64(image.width) + u64(image.height),
            _with_length(bytes(palette or b"")),
            _with_length(image.tobytes()),
        )
    )


def _table(table: tables.Table) -> bytes:
    name = tables.of_table(table, "content").name or ""
    return bytes.fromhex(name.rpartition(":")[2])
