"""One plain value as a text for programs, with nothing rounded, and times of UTC."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["exact", "in_64_bits", "utc"]

_SECOND_NS = 1_000_000_000
_LEAST, _LARGEST = -(1 << 63), (1 << 63) - 1


def exact(value: object) -> str:
    """Any plain value for programs, nothing rounded; None is an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))  # a NumPy float's own repr names its type
    if isinstance(value, (list, tuple, dict)):
        import json  # noqa: PLC0415  (every command imports this file; few tables hold lists)

        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def utc(time_ns: int) -> str:
    """`2026-01-02T03:04:05.678901234Z`; `… ns` where no calendar reaches there."""
    seconds, ns = divmod(time_ns, _SECOND_NS)
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ns:09d}Z"
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"  # a damaged record


def in_64_bits(value: object) -> "TypeGuard[int]":
    """Whether a value is an integer of 64 bits."""
    return type(value) is int and _LEAST <= value <= _LARGEST
