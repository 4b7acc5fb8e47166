"""The rows of metrics in a segment, read when somebody asks for them: there may be a million."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from samebit.journal.frame import FRAME_BYTES, LENGTH
from samebit.journal.values import scalar

__all__ = ["Logged", "Row"]

Row = tuple[Any, int, dict[str, Any]]  # step, time in UTC ns, values by name

_SCALARS = frozenset({type(None), bool, int, float, str})
_BEFORE_THE_VALUES = 4  # kind, schema, step, time
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class Logged(Struct, frozen=True):
    """Where the rows of one segment lie."""

    rank: str
    writer: str
    data: bytes
    payloads: Sequence[int]  # in order; of whole frames
    offset_ns: int  # what makes UTC of their times
    schemas: Mapping[int, list[str]]  # by number, the names of a row's values

    def __len__(self) -> int:
        return len(self.payloads)

    def time_ns(self, at: int) -> int:
        """When a row was logged; 0 where it does not say so."""
        items = self._items(self.payloads[at])
        return items[3] + self.offset_ns if _is_known(items) else 0

    def rows(self) -> Iterator[Row | None]:
        """Each row, by the names of its schema; None for one of a shape that is not known."""
        for payload in self.payloads:
            items = self._items(int(payload))
            if not _is_known(items):
                yield None
                continue
            names = self.schemas.get(items[1])
            values = items[_BEFORE_THE_VALUES:]
            if names is None or len(names) != len(values):
                continue  # its schema is in a part that is lost, which is told as a gap
            step = items[2]
            if dict in map(type, values):
                values = [scalar(value) for value in values]
            if not isinstance(step, (int, float)):
                step = scalar(step)
            is_sound = not isinstance(step, dict) and _SCALARS.issuperset(map(type, values))
            time_ns = items[3] + self.offset_ns
            yield (step, time_ns, dict(zip(names, values, strict=True))) if is_sound else None

    def _items(self, payload: int) -> list[Any]:
        (length,) = LENGTH.unpack_from(self.data, payload - FRAME_BYTES)
        try:
            return _decode(self.data[payload : payload + length])
        except (msgspec.DecodeError, RecursionError):
            return []


def _is_known(items: list[Any]) -> bool:
    """Whether a row has the shape that this version reads; a step beyond 64 bits is a dict."""
    return (
        len(items) >= _BEFORE_THE_VALUES
        and isinstance(items[1], int)
        and isinstance(items[2], (int, float, dict))
        and isinstance(items[3], int)
    )
