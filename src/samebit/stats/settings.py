"""How much of a result's variance goes with a setting; the page has the same in JavaScript.

`server/static/lib/importance.js`, held to this by `tests/page/test_numbers.py`.
"""

import math
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
from msgspec import Struct

from samebit.errors import UsageError
from samebit.stats.curves import spearman

__all__ = ["Importance", "importance"]

_MOST_VALUES = 8  # of numbers with more there are so many groups
_FEWEST = 5  # results; with less nothing is said

Value = str | int | float | bool | None


class Importance(Struct, frozen=True):
    """What a setting tells of a result."""

    share: float  # of the variance, from 0 to 1: epsilon squared
    rank: float | None  # correlation (Spearman); None where it is no number, or one is constant
    n: int  # results of which the setting has a value
    groups: int


def importance(values: Sequence[Value], results: Sequence[float | None]) -> Importance | None:
    """The share of the variance that lies between the values of one setting alone.

    Epsilon squared (Kelley 1935): eta squared less what chance gives, and no less than 0. Numbers
    of more than 8 values are put into 8 groups of equal size, equal values together. Of a setting
    with one value that some have and others lack, what counts is who has it. In a search that was
    not random a setting can stand for another.

    Args:
        values: of the setting, one for each result; None or NaN where it has none.
        results: None or not finite where there is none.

    Returns:
        None where fewer than 5 results have the setting, or it has one value.

    Raises:
        UsageError: there are not as many values as results.
    """
    if len(values) != len(results):
        raise UsageError("values and results are not the same", sizes=(len(values), len(results)))
    both = [
        (value, float(result))
        for value, result in zip(values, results, strict=True)
        if value is not None and value == value and result is not None and math.isfinite(result)
    ]
    if len({_key(value) for value, _ in both}) == 1:
        if all(value is not None for value in values):
            return None
        return importance([value is not None for value in values], results)
    if len(both) < _FEWEST:
        return None
    numbers = [(float(value), result) for value, result in both if _is_number(value)]
    is_numeric = len(numbers) == len(both)
    if is_numeric and len(dict(numbers)) > _MOST_VALUES:
        groups = _binned(numbers)
    else:
        groups = _by_value(both)
    if len(groups) < 2:
        return None
    rank = spearman(*np.transpose(numbers)).value if is_numeric else math.nan
    return Importance(
        _epsilon_squared(groups), None if math.isnan(rank) else rank, len(both), len(groups)
    )


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(value: object) -> tuple[bool, object]:
    """`True` is not 1."""
    return isinstance(value, bool), value


def _by_value(both: Sequence[tuple[object, float]]) -> list[list[float]]:
    found: dict[object, list[float]] = {}
    for value, result in both:
        found.setdefault(_key(value), []).append(result)
    return list(found.values())


def _binned(both: Sequence[tuple[float, float]]) -> list[list[float]]:
    """As many in each as can be; what is equal stays together."""
    order = sorted(both)
    found: list[list[float]] = []
    begin = 0
    for number in range(1, _MOST_VALUES + 1):
        if begin == len(order):
            break
        end = max(begin + 1, math.floor(len(order) * number / _MOST_VALUES + 0.5))
        while end < len(order) and order[end][0] == order[end - 1][0]:
            end += 1
        found.append([result for _, result in order[begin:end]])
        begin = end
    return found


def _epsilon_squared(groups: Sequence[Sequence[float]]) -> float:
    every = [result for group in groups for result in group]
    mean = math.fsum(every) / len(every)
    between = math.fsum(
        len(group) * (math.fsum(group) / len(group) - mean) ** 2 for group in groups
    )
    total = math.fsum((result - mean) ** 2 for result in every)
    free = len(every) - len(groups)
    if total == 0 or free <= 0:
        return 0.0
    noise = (total - between) / free
    return min(1.0, max(0.0, (between - (len(groups) - 1) * noise) / total))
