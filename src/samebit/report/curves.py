"""A curve as few points, and the round ticks of its axes: numbers in, numbers and words out."""

import math
import sys
from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice, pairwise
from operator import le
from typing import Any

from msgspec import Struct

from samebit.report.schedule import count

__all__ = ["Axis", "Curve", "axis", "span", "stairs", "thinned"]

_NAN, _LARGEST = math.nan, sys.float_info.max
_SMALLEST = 1e-290  # a fifth of less may be nothing
_FLAT = 1e-12  # a smaller relative range is the rounding of means, no curve
_DECADES = 3.0  # a positive metric that spans more of them is drawn by its logarithm
_TICKS = 5
_MOST_COUNTED = 1e9  # steps of which a few digits tell one from the next
_LARGEST_PLAIN, _SMALLEST_PLAIN, _MOST_DECIMALS = 1e5, 1e-3, 6  # else a tick has an exponent


class Curve(Struct, frozen=True):
    """What is drawn of some numbers over steps, and what is said of them.

    Attributes:
        points: (step, value) in order; NaN where the line is broken. Of many the mean of each
            column.
        band: (step, lowest, highest) of each column, where points are means; so no spike is lost.
        odd: (step, value) of what is infinite or no number; of many in one place the first.
        points_recorded: how many there were.
        odd_recorded: how many of them were infinite or no number.
        last: the value of the last step.
        low: step and value of the lowest finite one; None where there is none.
        high: of the highest one.
        is_linear: whether it is drawn as it is, however much it spans.
    """

    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float, float], ...]
    odd: tuple[tuple[float, float], ...]
    points_recorded: int
    odd_recorded: int
    last: tuple[float, float]
    low: tuple[float, float] | None
    high: tuple[float, float] | None
    is_linear: bool = False


def thinned(
    steps: Sequence[Any], values: Sequence[Any], columns: int, *, is_linear: bool = False
) -> Curve | None:
    """A curve of so many columns at most, or of all points where these are not many more.

    None where fewer than two of the values are numbers: that is no curve.
    """
    xs, ys = _numbers(steps, values)
    if len(xs) < 2:
        return None
    whole = all(map(math.isfinite, ys))
    fine = ys if whole else [y for y in ys if math.isfinite(y)]
    low, high = (min(fine), max(fine)) if fine else (_NAN, _NAN)
    points: list[tuple[float, float]] = []
    band: list[tuple[float, float, float]] = []
    odd: list[tuple[float, float]] = []
    for begin, end in _columns(xs, columns):
        part, middle = ys[begin:end], xs[(begin + end) // 2]
        good = part
        if not whole:
            good = [y for y in part if math.isfinite(y)]
            odd += list({repr(y): (xs[begin + at], y) for at, y in _odd(part)}.values())
        if good:
            lowest, highest = min(good), max(good)
            mean = sum(good) / len(good)
            points.append((middle, mean if math.isfinite(mean) else lowest / 2 + highest / 2))
            band.append((middle, lowest, highest))
        else:
            points.append((middle, _NAN))
            band.append((middle, _NAN, _NAN))
    return Curve(
        tuple(points),
        tuple(band) if len(points) < len(ys) else (),
        tuple(odd),
        len(ys),
        len(ys) - len(fine),
        (xs[-1], ys[-1]),
        (xs[ys.index(low)], low) if fine else None,
        (xs[ys.index(high)], high) if fine else None,
        is_linear,
    )


def stairs(counts: Sequence[int], values: Sequence[Any], last: int) -> tuple[list[int], list[Any]]:
    """What changed at some steps and held in between, as the corners of its steps."""
    steps, corners = [counts[0]], [values[0]]
    for step, before, value in zip(counts[1:], values, values[1:], strict=False):
        if step > steps[-1] + 1:
            steps.append(step - 1)
            corners.append(before)
        steps.append(step)
        corners.append(value)
    if last > steps[-1]:
        steps.append(last)
        corners.append(values[-1])
    return steps, corners


def _numbers(steps: Sequence[Any], values: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Steps and values that are numbers, in order of the steps."""
    if not {*map(type, values)} <= {float} or not {*map(type, steps)} <= {int, float}:
        numbers = (int, float)
        pairs = [
            (_as_float(step), _as_float(value))
            for step, value in zip(steps, values, strict=True)
            if type(step) in numbers and type(value) in numbers
        ]
        steps, values = [step for step, _ in pairs], [value for _, value in pairs]
    xs, ys = list(map(_as_float, steps)), list(values)
    if not all(map(math.isfinite, xs)):
        pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x)]
        xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    if not all(map(le, xs, islice(xs, 1, None))):
        order = sorted(range(len(xs)), key=xs.__getitem__)
        xs, ys = [xs[at] for at in order], [ys[at] for at in order]
    return xs, ys


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf if value > 0 else -math.inf


def _columns(xs: Sequence[float], columns: int) -> list[tuple[int, int]]:
    """Where each column's points begin and end; each point its own where they are few."""
    if len(xs) <= 3 * columns:
        return [(at, at + 1) for at in range(len(xs))]
    first, wide = xs[0], xs[-1] - xs[0]
    bounds = [0]
    for column in range(1, columns):
        bounds.append(bisect_left(xs, first + wide * (column / columns), bounds[-1]))
    bounds.append(len(xs))
    return [(a, b) for a, b in pairwise(bounds) if a < b]


def _odd(part: Sequence[float]) -> list[tuple[int, float]]:
    """The first of each kind comes last, so that it is the one that stays."""
    return [(at, y) for at, y in reversed([*enumerate(part)]) if not math.isfinite(y)]


class Axis(Struct, frozen=True):
    """From where to where an axis goes, and its ticks: the share of its length, and a label."""

    low: float
    high: float
    is_log: bool
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        return _share(value, self.low, self.high, is_log=self.is_log)


def span(curves: Sequence[Curve]) -> tuple[float, float]:
    """The lowest and the highest finite value of all of them; NaN where there is none."""
    lows = [curve.low[1] for curve in curves if curve.low is not None]
    highs = [curve.high[1] for curve in curves if curve.high is not None]
    return (min(lows), max(highs)) if lows else (_NAN, _NAN)


def axis(low: float, high: float, *, of_steps: bool = False, is_linear: bool = False) -> Axis:
    """An axis for values from `low` to `high`.

    One of steps ends where they end; one of values goes on to the next round number, and is
    logarithmic where they are positive and span more than three decades, unless `is_linear`.
    """
    if low != low:
        low, high = 0.0, 1.0
    largest = max(abs(low), abs(high))
    if largest < _SMALLEST or high / 2 - low / 2 <= _FLAT * largest:
        around = 1.0 if largest < _SMALLEST else largest / 2
        low, high = max(low - around, -_LARGEST), min(high + around, _LARGEST)
    is_linear = is_linear or of_steps
    if not is_linear and low > 0 and math.log10(high) - math.log10(low) > _DECADES:
        return _log_axis(low, high)
    step = _round(high / _TICKS - low / _TICKS)
    if of_steps:
        step = max(step, 1.0)
    begin, end = low / step, high / step
    first, last = (math.ceil(begin), math.floor(end))
    if not of_steps:
        first, last = math.floor(begin + 1e-9), math.ceil(end - 1e-9)
        wider = first * step, last * step
        if all(map(math.isfinite, wider)):
            low, high = wider
        else:
            first, last = math.ceil(begin), math.floor(end)
    ticks = [at * step for at in range(first, last + 1)]
    in_words = of_steps and max(map(abs, ticks), default=0) < _MOST_COUNTED
    labels = list(map(count, ticks)) if in_words else _labels(ticks, step)
    shares = [_share(tick, low, high, is_log=False) for tick in ticks]
    return Axis(low, high, False, tuple(zip(shares, labels, strict=True)))


def _share(value: float, low: float, high: float, *, is_log: bool) -> float:
    if is_log:
        value, low, high = math.log10(value), math.log10(low), math.log10(high)
    # Halved, because the difference of two large numbers may be infinite.
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _round(step: float) -> float:
    """The next 1, 2 or 5 with zeros from a number on."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(many * power for many in (1, 2, 5, 10) if many * power >= step * (1 - 1e-9))


def _labels(ticks: Sequence[float], step: float) -> list[str]:
    """As many digits as tell them apart."""
    largest = max(map(abs, ticks))
    fine = math.floor(math.log10(step) + 1e-9)
    if _SMALLEST_PLAIN <= largest < _LARGEST_PLAIN and -fine <= _MOST_DECIMALS:
        return [f"{tick:.{max(0, -fine)}f}" if tick else "0" for tick in ticks]
    digits = max(0, math.floor(math.log10(largest) + 1e-9) - fine)
    return [_exponent(f"{tick:.{digits}e}") if tick else "0" for tick in ticks]


def _exponent(text: str) -> str:
    mantissa, _, power = text.partition("e")
    return f"{mantissa}e{int(power)}"


def _log_axis(low: float, high: float) -> Axis:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, -(-(last - first) // 6))
    ticks = range(first, last + 1, every)
    shares = [(at - math.log10(low)) / (math.log10(high) - math.log10(low)) for at in ticks]
    labels = [f"{10.0**at:g}" if -4 <= at < 5 else f"1e{at}" for at in ticks]
    return Axis(low, high, True, tuple(zip(shares, labels, strict=True)))
