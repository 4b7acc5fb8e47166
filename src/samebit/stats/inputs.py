"""What goes in: numbers that are numbers, tables without holes, pairs that are pairs."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samebit.errors import UsageError

__all__ = [
    "Floats",
    "check_confidence",
    "floats",
    "matrix",
    "pairs",
    "series",
]

Floats = NDArray[np.float64]
_LARGEST = 1e150  # whose square is a number


def series(values: ArrayLike, name: str = "values") -> Floats:
    """Numbers as a vector of float64; UsageError for none, for text, NaN, and infinities."""
    found = floats(values, name)
    if found.ndim != 1:
        raise UsageError(f"{name} are not one list of numbers", shape=found.shape)
    return found


def matrix(values: ArrayLike, name: str = "scores") -> Floats:
    """Numbers as a table of float64; UsageError as in `series`, and for rows of unequal length."""
    found = floats(values, name)
    if found.ndim != 2:
        raise UsageError(f"{name} are no table of numbers", shape=found.shape)
    return found


def pairs(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Two vectors of one length."""
    first, second = series(a, "a"), series(b, "b")
    if len(first) != len(second):
        raise UsageError("pairs need as many values on both sides", a=len(first), b=len(second))
    return first, second


def check_confidence(confidence: float) -> None:
    """UsageError for what is no confidence, as 95 is not."""
    if not 0 < confidence < 1:
        raise UsageError(f"a confidence lies between 0 and 1, not at {confidence:g}")


def floats(values: Any, name: str) -> Floats:
    """Numbers as float64, with as many axes as they have; UsageError as in `series`."""
    try:
        found = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
    except ValueError as error:  # arrays of several shapes in one list
        raise UsageError(f"{name}: the rows have different lengths", numpy_said=error) from error
    if not found.ndim:
        raise UsageError(f"{name}: no list of numbers, but {values!r}")
    if not found.size:
        raise UsageError(f"{name}: there is not one value")
    if found.dtype.kind not in "biuf" and {*map(type, found.flat)} != {float}:
        for at, value in np.ndenumerate(found):
            if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
                raise UsageError(f"{name}: the rows have different lengths", position=_position(at))
            if not _is_number(value):
                raise UsageError(f"{name}: no number, but {value!r}", position=_position(at))
            if not _is_usable(value):
                raise _unusable(name, value, at)
    numbers = found.astype(np.float64)
    filled = getattr(numbers, "filled", None)  # of a masked array; to ask `np.ma` would load it
    if filled is not None:
        numbers = filled(np.nan)  # what is masked is a hole
    for at in np.argwhere(~(np.abs(numbers) < _LARGEST)):
        raise _unusable(name, numbers[tuple(at)], tuple(at))
    return numbers


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def _is_usable(value: Any) -> bool:
    try:
        return abs(float(value)) < _LARGEST
    except OverflowError:  # a whole number or a fraction that no float holds
        return False


def _unusable(name: str, value: Any, at: tuple[int, ...]) -> UsageError:
    shown = value if isinstance(value, float) else "a number beyond 1e150"
    return UsageError(
        f"{name}: {shown} cannot be computed with",
        position=_position(at),
        hint="leave the run out, and say that it was left out",
    )


def _position(at: tuple[int, ...]) -> str:
    words = {1: "value {}, from 0", 2: "row {}, column {}, from 0"}
    return words.get(len(at), f"{at}, from 0").format(*at)
