"""What a schedule is called: shapes that fit the recorded values, and nothing that does not.

A shape is claimed where each value lies within 1e-6 of what the shape says, and 1e-9 of the largest
value; constants are constant to the bit. All of it is a pure function of (steps, values).

Time is the number of steps done before a value was used: the first step's is 0.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct, field

__all__ = ["TOLERANCE", "Segment", "segments"]

TOLERANCE = 1e-6  # relative to the value; what is claimed is within it everywhere
_OF_THE_LARGEST = 1e-9  # beside it, for a decay that ends at zero
_MOST_PIECES = 4  # of a stretch that only rises or falls; more of them would explain nothing
_LOOKED_AT = 200  # values, while a breakpoint is searched for; the claim is checked with all
_POWERS = (2.0, 3.0, 0.5, 0.9, 1.5, 4.0, 5.0)


class Segment(Struct, frozen=True):
    """A stretch of a schedule: from time `begin`, when it was `start`, to `until` and `end`.

    `facts` by kind: `source` and `since`, `target` and `at` of a cosine (its turning points);
    `factor` with `every` and `from`, or `times`, of steps; `factor` of an exponential; `power` of a
    polynomial, and its `target` and `at`; `every` of a curve that does not change at each step.
    """

    kind: str
    begin: int
    until: int
    start: float
    end: float
    facts: Mapping[str, float | list[float]] = field(default_factory=dict)


Points = tuple[Sequence[int], Sequence[float]]
Fit = dict[str, float | list[float]]


def segments(
    steps: Sequence[int], values: Sequence[float], last: int, missed: Collection[int] = ()
) -> list[Segment]:
    """Cut a schedule into stretches of known shape; one of kind `unknown` is none.

    Args:
        steps: from which step on each value was used, counted from 1, rising.
        values: finite numbers, as many.
        last: the last step that was made.
        missed: steps of which it is not known what they would have used: they were skipped.
    """
    times, numbers = _distinct(steps, values)
    gaps = [_gap(a, b, missed) for a, b in pairwise(times)]
    found: list[Segment] = []
    at, end = 0, len(times) - 1
    while at < end:
        stairs = _stairs(times, gaps, numbers, at)
        if stairs is not None:
            found.append(stairs[0])
            at = stairs[1]
            continue
        to = _stretch(gaps, numbers, at)
        if to - at >= 3:
            found += _curves(times[at : to + 1], numbers[at : to + 1], gaps[at])
            at = to
            continue
        after = _stretch(gaps, numbers, at + 1) if at + 1 < end else at + 1
        wait = gaps[at] - gaps[at + 1] if at + 1 < end else 0
        if after - at - 1 >= 3 and wait > 0 and _stairs(times, gaps, numbers, at + 1) is None:
            # A curve begins one stride before the first value that differs.
            begin = times[at + 1] - gaps[at + 1]
            curves = _curves(
                [begin, *times[at + 1 : after + 1]], numbers[at : after + 1], gaps[at + 1]
            )
            if curves[0].kind != "unknown":
                found.append(Segment("constant", times[at], begin, numbers[at], numbers[at]))
                found += curves
                at = after
                continue
        found.append(_jump(times, numbers, at))
        at += 1
    found = _joined(found)
    stride = found[-1].facts.get("every", 1.0) if found else 0.0
    if isinstance(stride, float) and last - times[-1] > stride and _goes_on(found):
        found.append(Segment("constant", times[-1], last - 1, numbers[-1], numbers[-1]))
    return found


def _goes_on(found: Sequence[Segment]) -> bool:
    """Whether a constant rest is to be told: after a curve it is, after steps it goes unsaid."""
    return not found or found[-1].kind not in ("steps", "jump")


def _distinct(steps: Sequence[int], values: Sequence[float]) -> tuple[list[int], list[float]]:
    times: list[int] = []
    numbers: list[float] = []
    for step, value in zip(steps, values, strict=True):
        if times and step - 1 <= times[-1]:  # once more before the same step: the later counts
            del times[-1], numbers[-1]
        if not numbers or value != numbers[-1]:
            times.append(step - 1)
            numbers.append(float(value))
    return times, numbers


def _jump(times: Sequence[int], values: Sequence[float], at: int) -> Segment:
    return Segment("jump", times[at], times[at + 1], values[at], values[at + 1])


def _gap(one: int, other: int, missed: Collection[int]) -> int:
    """1 between neighbours, also where all steps between them were missed."""
    between = range(one + 1, other)
    if between and len(between) <= len(missed) and all(time + 1 in missed for time in between):
        return 1
    return other - one


def _stretch(gaps: Sequence[int], values: Sequence[float], at: int) -> int:
    """How far values at equal distances only rise, or only fall."""
    rises = values[at + 1] > values[at]
    to = at + 1
    while to < len(gaps) and gaps[to] == gaps[at] and (values[to + 1] > values[to]) == rises:
        to += 1
    return to


def _stairs(
    times: Sequence[int], gaps: Sequence[int], values: Sequence[float], at: int
) -> tuple[Segment, int] | None:
    """Two and more changes by the same factor, with some steps between them."""
    if values[at] <= 0:
        return None
    factor = values[at + 1] / values[at]
    to = at
    while (
        to + 1 < len(times)
        and factor > 0
        and gaps[to] > 1
        and math.isclose(values[to + 1], values[to] * factor, rel_tol=TOLERANCE)
    ):
        to += 1
    if to - at < 2:
        return None
    every = set(gaps[at + 1 : to])
    facts: Fit = {"factor": factor}
    if len(every) == 1 and (gaps[at] in every or to - at > 4):
        facts |= {"every": float(every.pop()), "from": float(times[at + 1])}
    else:
        facts["times"] = [float(time) for time in times[at + 1 : to + 1]]
    return Segment("steps", times[at], times[to], values[at], values[to], facts), to


def _curves(times: Sequence[int], values: Sequence[float], stride: int) -> list[Segment]:
    """A stretch that only rises or falls as the fewest known curves, or as one that is unknown."""
    found: list[Segment] = []
    at, end = 0, len(times) - 1
    while end - at >= 1 and len(found) < _MOST_PIECES:
        rest = times[at:], values[at:]
        count, kind, facts = _longest(rest)
        if not count and not at and end >= 4:
            # The top of a one-cycle lies between two steps: its second curve begins at the next.
            found.append(_jump(times, values, 0))
            at = 1
            continue
        if not count:
            break
        if stride > 1:
            facts["every"] = float(stride)
        to = at + count - 1
        found.append(Segment(kind, times[at], times[to], values[at], values[to], facts))
        at = to
    if found and end - at == 1:
        found.append(_jump(times, values, at))
    elif at < end or all(segment.kind == "jump" for segment in found):
        return [Segment("unknown", times[0], times[-1], values[0], values[-1])]
    return found


def _longest(points: Points) -> tuple[int, str, Fit]:
    """The curve that fits the most values from the first on; of nearly equal ones the simplest."""
    total = len(points[0])
    best: tuple[int, str, Fit] = (0, "", {})
    for kind, least, fit in _families(points):
        facts = _checked(points, total, fit)
        count = total
        if facts is None:
            count, facts = _prefix(points, least, fit)
        if facts is not None and count >= least and count * 0.9 > best[0]:
            best = (count, kind, facts)
            if count == total:
                break
    return best


def _prefix(points: Points, least: int, fit: "Fitter") -> tuple[int, Fit | None]:
    low, high = least, least
    total = len(points[0])
    if _checked(points, low, fit, _LOOKED_AT) is None:
        return 0, None
    while high < total and _checked(points, high, fit, _LOOKED_AT) is not None:
        low, high = high, min(2 * high, total)
    while high - low > 1:
        middle = (low + high) // 2
        if _checked(points, middle, fit, _LOOKED_AT) is not None:
            low = middle
        else:
            high = middle
    while low >= least:
        facts = _checked(points, low, fit)
        if facts is not None:
            return low, facts
        low -= max(1, low // 100)
    return 0, None


# Makes a function of time, and what is to be told of it, from some values; None where it cannot.
Fitter = Callable[[Points], "tuple[Callable[[float], float], Fit] | None"]


def _checked(points: Points, count: int, fit: Fitter, most: int | None = None) -> Fit | None:
    times, values = points[0][:count], points[1][:count]
    try:
        fitted = fit((times, values))
        if fitted is None:
            return None
        curve, facts = fitted
        least = _OF_THE_LARGEST * max(abs(values[0]), abs(values[-1]))
        by = max(1, count // most) if most else 1
        for time, value in zip(times[::by], values[::by], strict=True):
            if not abs(curve(time) - value) <= TOLERANCE * abs(value) + least:
                return None
    except (ArithmeticError, ValueError):
        return None
    return facts


def _families(points: Points) -> list[tuple[str, int, Fitter]]:
    """Kind, fewest values by which it may be claimed, fitter; the simplest first."""
    floors = dict.fromkeys((0.0, points[1][-1]))
    polynomials = [
        ("polynomial", 7, _polynomial(power, floor)) for power in _POWERS for floor in floors
    ]
    return [
        ("linear", 4, _through(float, float)),
        ("exponential", 5, _exponential),
        ("inverse square root", 6, _through(lambda v: v**-2, lambda y: y**-0.5)),
        ("cosine", 7, _cosine),
        ("inverse time", 6, _through(lambda v: 1 / v, lambda y: 1 / y)),
        *polynomials,
    ]


def _polynomial(power: float, floor: float) -> Fitter:
    def straight(value: float) -> float:
        return (value - floor) ** (1 / power) if value > floor else 0.0

    def back(line: float) -> float:
        return floor + line**power if line > 0 else floor

    fit = _through(straight, back)

    def with_its_end(points: Points) -> tuple[Callable[[float], float], Fit] | None:
        times, values = points
        fitted = fit(points)
        first, last = straight(values[0]), straight(values[-1])
        if fitted is None or last >= first:
            return None
        at = times[0] + first * (times[-1] - times[0]) / (first - last)
        return fitted[0], {"power": power, "target": floor, "at": at}

    return with_its_end


def _through(straight: Callable[[float], float], back: Callable[[float], float]) -> Fitter:
    """A curve that is a line once its values are made straight, through the first and the last."""

    def fit(points: Points) -> tuple[Callable[[float], float], Fit]:
        times, values = points
        first, last = straight(values[0]), straight(values[-1])
        slope = (last - first) / (times[-1] - times[0])
        return lambda time: back(first + slope * (time - times[0])), {}

    return fit


def _exponential(points: Points) -> tuple[Callable[[float], float], Fit] | None:
    times, values = points
    if values[0] <= 0 or values[-1] <= 0:
        return None
    rate = math.log(values[-1] / values[0]) / (times[-1] - times[0])
    facts: Fit = {"factor": math.exp(rate * (times[1] - times[0]))}
    return lambda time: values[0] * math.exp(rate * (time - times[0])), facts


def _cosine(points: Points) -> tuple[Callable[[float], float], Fit] | None:
    """A cosine of any height, period and phase, from five values at equal distances."""
    times, values = points
    h, picked = _five(times)
    v0, v1, v2, v3, v4 = (values[at] for at in picked)
    # For every cosine v about c: v(t+h) + v(t-h) - 2c = 2 cos(wh) (v(t) - c).
    twice = (v4 - v0) / (v3 - v1)
    if not -2 < twice < 2:
        return None
    w = math.acos(twice / 2) / h
    center = (v1 + v3 - twice * v2) / (2 - twice)
    middle = times[picked[2]]
    a, b = v2 - center, (v4 - v0) / (2 * math.sin(2 * w * h))
    height, phase = math.hypot(a, b), math.atan2(b, a)
    falls = values[-1] < values[0]
    # The turning points around: of a cosine that falls, its top is at angle 0, its foot at pi.
    turn = middle + (phase + (0 if falls else -math.pi)) / w
    half = math.pi / w
    while turn > times[0] + half / 2:
        turn -= 2 * half
    while turn < times[0] - half:
        turn += 2 * half
    facts: Fit = {
        "source": center + (height if falls else -height),
        "since": turn,
        "target": center - (height if falls else -height),
        "at": turn + half,
    }
    return lambda time: center + height * math.cos(w * (time - middle) - phase), facts


def _five(times: Sequence[int]) -> tuple[int, list[int]]:
    """Five times at equal distances, as far from each other as can be, and the distance."""
    widest = (len(times) - 1) // 4
    for fewer in range(min(widest, 16)):
        for first in range(16):
            at = [first + k * (widest - fewer) for k in range(5)]
            if at[-1] >= len(times):
                break
            gaps = {times[b] - times[a] for a, b in pairwise(at)}
            if len(gaps) == 1:
                return gaps.pop(), at
            distance = times[at[1]] - times[first]
            at = [bisect_left(times, times[first] + k * distance) for k in range(5)]
            if at[-1] < len(times) and all(
                times[i] == times[first] + k * distance for k, i in enumerate(at)
            ):
                return distance, at
    raise ValueError("too many steps were missed")


def _joined(found: Sequence[Segment]) -> list[Segment]:
    """Without the jumps that are none, but the step from one curve to the next."""
    kept: list[Segment] = []
    for at, segment in enumerate(found):
        if segment.kind == "jump" and 0 < at < len(found) - 1:
            around = [found[at - 1], found[at + 1]]
            if all(s.kind not in ("jump", "steps", "constant") for s in around):
                height = abs(segment.end - segment.start)
                steepest = max(
                    abs(s.end - s.start) / max(1, (s.until - s.begin)) for s in around
                ) * (segment.until - segment.begin)
                if height <= 2 * steepest:
                    continue
        kept.append(segment)
    return kept
