"""Which metrics are facts of clock or machine, by their names: listed, never judged."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

__all__ = ["VOLATILE", "is_volatile"]

VOLATILE = (
    "*time*",
    "*second*",
    "*_s",
    "*_ms",
    "*per_s*",
    "*throughput*",
    "*speed*",
    "*fps*",
    "*memory*",
    "*mem_*",
    "*gpu_util*",
    "*elapsed*",
    "*duration*",
    "*timestamp*",
    "*eta*",
)


def is_volatile(name: str, more: Iterable[str] = ()) -> bool:
    """Whether a metric is one, by `VOLATILE` or by more patterns, such as a run's `volatile=`."""
    patterns = (*VOLATILE, *more)
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
