"""What stands in an address: the run, and what is behind the question mark."""

import math
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from starlette.datastructures import QueryParams

from samebit.errors import UsageError
from samebit.query.seeds import BETTER

__all__ = [
    "TAKES",
    "Answer",
    "Asked",
    "better_of",
    "condition",
    "flag",
    "metric_of",
    "names",
    "real",
    "take_of",
    "whole",
    "words",
]

TAKES = ("last", "first", "min", "max")  # of a metric, one value for each run

_LONGEST_CONDITION = 20_000  # characters; each of thousands of comparisons is made for each run


class Asked:
    """A request, as far as an answer depends on it."""

    def __init__(self, query: QueryParams, path: Mapping[str, str]) -> None:
        self.query = query
        self.run = path.get("run", "")


Answer = Callable[[Asked], bytes]


def words(asked: QueryParams, name: str) -> list[str] | None:
    """Words with commas between; in a word `%` is `%25` and a comma `%2c`. None for nothing."""
    text = asked.get(name)
    return None if text is None else [unquote(word) for word in text.split(",") if word]


def names(asked: QueryParams, name: str) -> list[str] | None:
    """Words that name columns: each once, or a short question had a long answer."""
    found = words(asked, name)
    return None if found is None else list(dict.fromkeys(found))


def condition(asked: QueryParams) -> str | None:
    """Which runs are meant; None for all."""
    text = asked.get("where") or None
    if text is not None and len(text) > _LONGEST_CONDITION:
        what = f"a condition has at most {_LONGEST_CONDITION:,} characters, not {len(text):,}"
        raise UsageError(what)
    return text


def whole(asked: QueryParams, name: str) -> int | None:
    """A whole number."""
    text = asked.get(name)
    try:
        return int(text) if text else None
    except ValueError as error:
        raise UsageError(f"{name} is a whole number, not {text!r}") from error


def real(asked: QueryParams, name: str) -> float | None:
    """A number that is finite."""
    text = asked.get(name)
    try:
        found = float(text) if text else None
    except ValueError:
        found = math.nan
    if found is not None and not math.isfinite(found):
        raise UsageError(f"{name} is a number, not {text!r}")
    return found


def flag(asked: QueryParams, name: str) -> bool:
    """Whether something is wanted: `1`."""
    return asked.get(name, "0") not in ("", "0")


def metric_of(asked: QueryParams) -> str:
    """The metric that is meant; empty for none."""
    return asked.get("metric", "").removeprefix("metric.")


def take_of(asked: QueryParams) -> str:
    """Which of its values is each run's."""
    take = asked.get("take", "last")
    if take not in TAKES:
        raise UsageError(f"no way to take a metric: {take!r}", known=", ".join(TAKES))
    return take


def better_of(asked: QueryParams) -> str:
    """Which way of it is better."""
    better = asked.get("better", "higher")
    if better not in BETTER:
        raise UsageError(f"better is higher or lower, not {better!r}")
    return better
