"""Writes `.wandb` files as wandb does, for tests and benchmarks."""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit.compat.files.wandblog import BLOCK_BYTES, HEADER, PIECE
from samebit.compat.files.wire import bytes_field, varint_field

STARTED_S = 1_790_000_000
HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def pack_log(records: Sequence[bytes]) -> bytes:
    """Records as a file."""
    found = bytearray(HEADER)
    for record in records:
        left, is_first = record, True
        while is_first or left:
            room = BLOCK_BYTES - len(found) % BLOCK_BYTES - PIECE.size
            if room < 0:
                found += bytes(room + PIECE.size)
                continue
            piece, left = left[:room], left[room:]
            kind = (_FIRST if left else _WHOLE) if is_first else (_MIDDLE if left else _LAST)
            crc = zlib.crc32(bytes([kind]) + piece)
            found += PIECE.pack(crc, len(piece), kind) + piece
            is_first = False
    return bytes(found)


def run(name: str, *, project: str = "digits", config: Mapping[str, Any] = {}) -> bytes:
    """The record that says which run it is."""
    items = [_item((key,), value, 1) for key, value in config.items()]
    body = (
        bytes_field(1, name.encode())
        + bytes_field(3, project.encode())
        + bytes_field(4, b"".join(items))
        + bytes_field(8, f"the {name}".encode())
        + bytes_field(17, varint_field(1, STARTED_S))
    )
    return bytes_field(RUN, body)


def history(step: int, values: Mapping[Any, Any]) -> bytes:
    """What was logged at once; the keys are texts, or their parts."""
    said = {**values, "_step": step, "_timestamp": STARTED_S + step / 4, "_runtime": step / 4}
    items = [_item(key if isinstance(key, tuple) else (key,), v, 1) for key, v in said.items()]
    return bytes_field(HISTORY, b"".join(items) + bytes_field(2, varint_field(1, step)))


def summary(values: Mapping[str, Any]) -> bytes:
    """What the summary becomes."""
    return bytes_field(SUMMARY, b"".join(_item((k,), v, 1) for k, v in values.items()))


def ended(code: int = 0, seconds: int = 9) -> bytes:
    """The end of a run."""
    return bytes_field(EXIT, varint_field(1, code) + varint_field(2, seconds))


def _item(path: tuple[str, ...], value: Any, number: int) -> bytes:
    nested = b"".join(bytes_field(2, part.encode()) for part in path)
    written = value if isinstance(value, bytes) else json.dumps(value).encode()
    return bytes_field(number, nested + bytes_field(16, written))


def write(folder: Path, name: str, records: Sequence[bytes]) -> Path:
    """A run's folder with its file; the path of the file."""
    inside = folder / f"offline-run-20260921_120000-{name}"
    inside.mkdir(parents=True, exist_ok=True)
    path = inside / f"run-{name}.wandb"
    path.write_bytes(pack_log(records))
    return path
