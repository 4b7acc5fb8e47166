"""Items of history, summary, config and statistics: a key, and its value as JSON.

They are most of a `.wandb` file, and so read in one go where they are written as wandb writes them.
"""

from samebit.compat.files.wire import BYTES, fields, text_of

__all__ = ["read_any_item", "read_item"]

_JSON = 16  # the field of the value
_JSON_KEY = b"\x82\x01"  # how it begins
_LONG = 0x80  # from here on a number has a byte more

Path = tuple[str, ...]


def read_item(data: bytes, begin: int, end: int) -> tuple[Path, bytes]:
    """The parts of a key and the JSON of its value; raises Malformed."""
    key, nested, value = "", [], b""
    at = begin
    while at + 2 < end:
        # As wandb writes it: a number below 16 or 16 itself, and a length of one byte.
        number, size, start = data[at] >> 3, data[at + 1], at + 2
        is_plain_key = data[at] < _LONG
        if data[at] == _JSON_KEY[0] and data[at + 1] == _JSON_KEY[1]:
            number, size, start, is_plain_key = _JSON, data[at + 2], at + 3, True
        is_known = is_plain_key and data[at] & 7 == BYTES and number
        if not is_known or size >= _LONG or start + size > end:
            return read_any_item(data, begin, end)
        if number == 2:
            nested.append(text_of(data[start : start + size]))
        elif number == 1:
            key = text_of(data[start : start + size])
        elif number == _JSON:
            value = data[start : start + size]
        at = start + size
    return (tuple(nested) or (key,), value) if at == end else read_any_item(data, begin, end)


def read_any_item(data: bytes, begin: int, end: int) -> tuple[Path, bytes]:
    """The same, of an item that may be written in any way."""
    key, nested, value = "", [], b""
    for number, kind, span in fields(data, begin, end):
        if kind != BYTES:
            continue
        if number == _JSON:
            value = data[span[0] : span[1]]
        elif number == 2:
            nested.append(text_of(data[span[0] : span[1]]))
        elif number == 1:
            key = text_of(data[span[0] : span[1]])
    return tuple(nested) or (key,), value
