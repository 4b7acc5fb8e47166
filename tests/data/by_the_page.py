"""`docs/formats/fingerprint.md` once more, value by value in plain Python, and nothing of the code.

It knows bool, int64, float64, utf8, timestamps and lists of these: enough to see that the page says
what the code does.
"""

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


def form(kind: str, header: Any, payload: bytes) -> bytes:
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return blake3(
        b"samebit-fp/1\0" + kind.encode() + b"\0" + u64(len(text)) + text + payload
    ).digest()


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def fixed(kind: Any, value: Any) -> list[bytes]:
    """The parts of a value of fixed width, one for each stream."""
    if kind == "bool":
        return [bytes([bool(value)])]
    if kind == "int64":
        return [struct.pack("<q", value or 0)]
    if kind == "float64":
        return [struct.pack("<d", 0.0 if missing(value) else value)]
    assert kind == ["timestamp", None]  # microseconds
    seconds, micros = divmod(value or 0, 10**6)
    return [struct.pack("<q", seconds), struct.pack("<I", micros * 1000)]


def column(kind: Any, values: Sequence[Any]) -> bytes:
    absent = [missing(value) for value in values]
    name = kind if isinstance(kind, str) or kind[0] != "list" else "list"
    header = {"missing": sum(absent), "rows": len(values), "type": name}
    if all(absent):
        return form("column", {**header, "type": "null"}, b"")
    streams = [bytes(not one for one in absent)] if any(absent) else []
    children = b""
    if name == "utf8":
        texts = [(value or "").encode() for value in values]
        streams += [b"".join(u64(len(text)) for text in texts), b"".join(texts)]
    elif name == "list":
        lists = [value or [] for value in values]
        streams.append(b"".join(u64(len(one)) for one in lists))
        children = column(kind[1], [item for one in lists for item in one])
    else:
        parts = [fixed(kind, value) for value in values]
        streams += [b"".join(stream) for stream in zip(*parts, strict=True)]
    return form("column", header, b"".join(blake3(s).digest() for s in streams) + children)


def cell(kind: Any, value: Any) -> bytes:
    if missing(value):
        return b"\0"
    if kind == "utf8":
        return b"\1" + u64(len(value.encode())) + value.encode()
    if kind[0] == "list":
        return b"\1" + u64(len(value)) + b"".join(cell(kind[1], item) for item in value)
    return b"\1" + b"".join(fixed(kind, value))


def table(kinds: dict[str, Any], columns: dict[str, list[Any]], rows: int) -> str:
    names = sorted(columns, key=str.encode)
    payload = b"".join(column(kinds[name], columns[name]) for name in names)
    return "fp1:table:" + form("table", {"columns": names, "rows": rows}, payload).hex()


def table_set(kinds: dict[str, Any], columns: dict[str, list[Any]], rows: int) -> str:
    names = sorted(columns, key=str.encode)
    total = 0
    for at in range(rows):
        row = form("row", {}, b"".join(cell(kinds[name], columns[name][at]) for name in names))
        total += int.from_bytes(row, "little")
    typed = []
    for name in names:
        plain = kinds[name] if kinds[name][0] != "list" else "list"
        typed.append([name, "null" if all(map(missing, columns[name])) else plain])
    header = {"columns": typed, "rows": rows}
    return (
        "fp1:table-set:" + form("table-set", header, (total % 2**256).to_bytes(32, "little")).hex()
    )


def folder(root: Path) -> str:
    """Of a folder with files, folders and links inside of it."""
    entries: list[tuple[bytes, bytes]] = []
    for path in root.rglob("*"):
        name = str(path.relative_to(root)).encode()
        if path.is_symlink():
            kind, content = b"l", str(path.readlink()).encode()
        elif path.is_dir():
            if any(path.iterdir()):
                continue
            kind, content = b"d", b""
        else:
            data = path.read_bytes()
            kind, content = b"f", u64(len(data)) + blake3(data).digest()
        entries.append((name, kind + u64(len(name)) + name + u64(len(content)) + content))
    payload = b"".join(entry for _, entry in sorted(entries))
    return "fp1:folder:" + form("folder", {"entries": len(entries)}, payload).hex()
