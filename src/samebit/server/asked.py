"""What stands behind the question mark of an address."""

import math
from urllib.parse import unquote

from starlette.datastructures import QueryParams

from samebit.errors import UsageError

__all__ = ["condition", "flag", "names", "real", "whole", "words"]

_LONGEST_CONDITION = 20_000  # characters; each of thousands of comparisons is made for each run


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
