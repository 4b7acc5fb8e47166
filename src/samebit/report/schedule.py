"""A schedule in the words of a paper: `linear warm-up 500 steps to 3e-4, cosine to 3e-5 at 20k`.

What is said holds for every recorded value, within the tolerance of `shapes.py`; what has no known
shape is said to have none.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from samebit.folders.series import Changes, Schedule
from samebit.report.shapes import Segment, segments
from samebit.report.table import shown

__all__ = ["Curve", "amount", "constants", "count", "curves", "setting", "words"]

_CURVES = ("linear", "exponential", "cosine", "polynomial", "inverse square root", "inverse time")
_MOST_JUMPS = 6  # that are listed one by one
_MOST_PARTS = 8  # of a sentence
_SEEN = 0.25  # of a cosine, before it is said where it would have gone
_ALIKE = 1e-9


class Curve(Struct, frozen=True):
    """A scalar that changes, of one group, and the groups in which it is the same or in proportion.

    `same` are groups with equal bits; `scaled` are groups with their factor.
    """

    optimizer: int
    group: int
    name: str
    changes: Changes
    same: list[int]
    scaled: dict[int, float]


def amount(value: float) -> str:
    """A hyper-parameter as papers write it: 3e-4, 0.05, 1."""
    text = f"{value:.4g}"
    if value and math.isfinite(value) and not 0.01 <= abs(value) < 1e5:
        text = f"{value:.3e}"
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def count(number: float) -> str:
    """A number of steps as papers write it: 500, 20k, 1.5M; a fraction has one digit."""
    if abs(number - round(number)) > 1e-3:
        return f"{number:.1f}"
    whole = round(number)
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if whole >= size and whole % (size // 100) == 0:
            return f"{whole / size:g}{letter}"
    return str(whole)


def words(
    steps: Sequence[int], values: Sequence[Any], last: int, skipped: Sequence[int] = ()
) -> str:
    """What a scalar did over a run, in one line; numbers of steps are of those done before.

    A scheduler that goes on where a loss scaler skips has a shape only if those are counted, too;
    it is then said that they are.

    Args:
        steps: from which step on each value was used, counted from 1.
        values: as many, of any kind; only numbers have a shape.
        last: the last step that was made.
        skipped: for each skipped step, before which one it was.
    """
    if _is_constant(Changes([], list(values))):
        return f"constant {setting(values[0])}"
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        listed = [f"{setting(v)} at {count(s - 1)}" for s, v in zip(steps, values, strict=True)]
        if len(listed) <= _MOST_JUMPS:
            return ", ".join([setting(values[0]), *listed[1:]])
        return f"{len(values) - 1} changes, from {setting(values[0])} to {setting(values[-1])}"
    text = _in_words(segments(steps, values, last), last)
    if text is None and skipped:
        tried = [step + bisect_right(skipped, step) for step in steps]
        missed = {at + before for before, at in enumerate(sorted(skipped))}
        all_of_them = last + len(skipped)
        text = _in_words(segments(tried, values, all_of_them, missed), all_of_them)
        text = text and f"{text} (counting {len(skipped)} skipped)"
    low, high = amount(min(values)), amount(max(values))
    return text or f"no known shape: {len(values) - 1} changes between {low} and {high}"


def _in_words(found: Sequence[Segment], last: int) -> str | None:
    """A sentence, or None where a stretch has no shape."""
    parts: list[str] = []
    at = 0
    while at < len(found):
        taken, text = _cycles(found, at) or _jumps(found, at) or (1, _segment(found, at, last))
        parts.append(text)
        at += taken
        if len(parts) > _MOST_PARTS or not text:
            break
    if not all(parts) or len(parts) > _MOST_PARTS:
        return None
    if [s.kind for s in found] == ["cosine"] * 2 and found[1].end < found[0].start < found[0].end:
        parts[0] = "one-cycle: " + parts[0]
    return ", ".join(parts)


def setting(value: Any) -> str:
    """A scalar's value: a number, several of them, or a word."""
    if isinstance(value, list):
        return "(" + ", ".join(map(setting, value)) + ")"
    return amount(value) if type(value) is float else shown(value) or "none"


def _segment(found: Sequence[Segment], at: int, last: int) -> str:
    """One stretch; empty where it has no shape."""
    segment = found[at]
    if segment.kind == "constant":
        if at == len(found) - 1:
            return "then constant" if found[1:] else f"constant {amount(segment.start)}"
        start = f"constant {amount(segment.start)} " if at == 0 else "constant "
        return f"{start}to {count(segment.until)}"
    if segment.kind == "steps":
        return _steps(segment, first=at == 0)
    if segment.kind not in _CURVES:
        return ""
    rises_first = at == 0 and segment.end > segment.start
    text = _warm_up(segment) if rises_first else _course(segment, last)
    if at == 0 and not rises_first:
        text = f"{amount(segment.start)}, {text}"
    every = _fact(segment, "every", 1.0)
    return text + (f", changed every {count(every)} steps" if every > 1 else "")


def _fact(segment: Segment, name: str, otherwise: float = 0.0) -> float:
    value = segment.facts.get(name, otherwise)
    return value if isinstance(value, float) else otherwise


def _warm_up(segment: Segment) -> str:
    kind = segment.kind
    if kind == "cosine" and _is_whole(segment):
        source, target = _ends(segment)
        length = _fact(segment, "at") - _fact(segment, "since")
        return f"cosine warm-up {count(length)} steps from {amount(source)} to {amount(target)}"
    length, start = float(segment.until - segment.begin), segment.start
    if kind == "linear":
        slope = (segment.end - segment.start) / length
        zero = segment.begin - segment.start / slope
        if segment.begin:  # the steps before it were skipped
            length, start = float(segment.until), start - slope * segment.begin
        if abs(zero - round(zero)) < 1e-3 and round(zero) in (-1, 0):
            # At 1/500 in the first step or in the second: 500 steps either way.
            return f"linear warm-up {count(segment.until - zero)} steps to {amount(segment.end)}"
    ends = f"from {amount(start)} to {amount(segment.end)}"
    return f"{_kind(segment)} warm-up {count(length)} steps {ends}"


def _kind(segment: Segment) -> str:
    if segment.kind == "polynomial":
        return f"polynomial (power {_fact(segment, 'power'):g})"
    if segment.kind == "exponential":
        return f"exponential ×{_fact(segment, 'factor'):.6g} a step"
    return segment.kind


def _ends(segment: Segment) -> tuple[float, float]:
    """A cosine's turning points; one that is zero but for rounding is zero."""
    source, target = _fact(segment, "source"), _fact(segment, "target")
    least = _ALIKE * max(abs(source), abs(target))
    return (0.0 if abs(source) < least else source), (0.0 if abs(target) < least else target)


def _is_whole(segment: Segment) -> bool:
    """Whether a cosine was used from one turning point to within a change of the next."""
    begins = abs(segment.begin - _fact(segment, "since")) <= _stride(segment)
    return begins and _fact(segment, "at") - segment.until <= _stride(segment)


def _stride(segment: Segment) -> float:
    """How long after a segment's last value the next would have been used."""
    return 1.01 * max(1.0, _fact(segment, "every"))


def _course(segment: Segment, last: int) -> str:
    if segment.kind == "cosine":
        return _cosine(segment)
    end, until = segment.end, float(segment.until)
    if segment.kind == "polynomial" and _fact(segment, "at") - until <= _stride(segment):
        end, until = _fact(segment, "target"), _fact(segment, "at")
    if segment.kind == "linear" and segment.until == last - 1:
        # The run ended one step before the value that the line was going to.
        after = end + (segment.end - segment.start) / (segment.until - segment.begin)
        if abs(after) < 1e-6 * abs(segment.start):
            after = 0.0
        if len(amount(after)) < len(amount(end)):
            end, until = after, last
    return f"{_kind(segment)} to {amount(end)} at {count(until)}"


def _cosine(segment: Segment) -> str:
    since, at = _fact(segment, "since"), _fact(segment, "at")
    _, target = _ends(segment)
    if _is_whole(segment):
        return f"cosine to {amount(target)} at {count(at)}"
    text = f"part of a cosine, to {amount(segment.end)} at {count(segment.until)}"
    if (segment.until - segment.begin) / (at - since) >= _SEEN:
        text += f" (whole: to {amount(target)} at {count(at)})"
    return text


def _steps(segment: Segment, *, first: bool) -> str:
    start = f"{amount(segment.start)}, " if first else ""
    text = f"{start}×{_fact(segment, 'factor'):.6g} "
    every, begins = _fact(segment, "every"), _fact(segment, "from")
    if every:
        text += f"every {count(every)} steps"
        text += f" from {count(begins)}" if begins != segment.begin + every else ""
        return f"{text} to {amount(segment.end)}"
    times = segment.facts["times"]
    assert isinstance(times, list)
    if len(times) > _MOST_JUMPS:
        return f"{text}{len(times)} times, to {amount(segment.end)} at {count(segment.until)}"
    return text + "at " + ", ".join(map(count, times))


def _jumps(found: Sequence[Segment], at: int) -> tuple[int, str] | None:
    """Single changes, one after the other; too many have no shape."""
    until = at
    while until < len(found) and found[until].kind == "jump":
        until += 1
    jumps = found[at:until]
    if not jumps:
        return None
    if len(jumps) > _MOST_JUMPS:
        return len(jumps), ""
    start = f"{amount(jumps[0].start)}, " if at == 0 else ""
    listed = [f"{amount(jump.end)} at {count(jump.until)}" for jump in jumps]
    return len(jumps), start + ", ".join(listed)


def _cycles(found: Sequence[Segment], at: int) -> tuple[int, str] | None:
    """A pattern of two stretches that comes again: a curve and a jump back, or up and down."""
    return _restarts(found, at) or _there_and_back(found, at)


def _restarts(found: Sequence[Segment], at: int) -> tuple[int, str] | None:
    curves = [found[at]]
    for jump, curve in zip(found[at + 1 :: 2], found[at + 2 :: 2], strict=False):
        if jump.kind != "jump" or curve.kind != curves[0].kind or not _starts_alike(curve, curves):
            break
        curves.append(curve)
    if len(curves) < 2 or curves[0].kind not in _CURVES:
        return None
    periods = [b.begin - a.begin for a, b in pairwise(curves)]
    factors = {round(b / a, 6) for a, b in pairwise(periods)} or {1.0}
    if len(factors) > 1:
        return None
    first, factor = curves[0], factors.pop()
    start, end = _ends(first) if first.kind == "cosine" else (first.start, first.end)
    text = f"{first.kind} from {amount(start)} to {amount(end)} with restarts"
    text += (
        f" every {count(periods[0])} steps"
        if factor == 1
        else (f" after {count(periods[0])} steps, then each ×{factor:g} later")
    )
    return 2 * len(curves) - 1, f"{text}, {len(curves)} cycles"


def _starts_alike(curve: Segment, curves: Sequence[Segment]) -> bool:
    first = curves[0]
    if first.kind == "cosine":
        ours, theirs = _ends(first), _ends(curve)
        near = 1e-6 * max(map(abs, ours))
        return all(abs(a - b) <= near for a, b in zip(ours, theirs, strict=True))
    return _near(first.start, curve.start) and (curve.end > curve.start) == (
        first.end > first.start
    )


def _there_and_back(found: Sequence[Segment], at: int) -> tuple[int, str] | None:
    legs = [found[at]]
    for leg in found[at + 1 :]:
        length = leg.until - leg.begin
        before = legs[-2] if len(legs) > 1 else leg
        if leg.kind != legs[0].kind or (leg.end > leg.start) == (legs[-1].end > legs[-1].start):
            break
        cut = leg is found[-1] and length < before.until - before.begin
        if length != before.until - before.begin and not cut:
            break
        legs.append(leg)
        if cut:
            break
    if len(legs) < 3 or legs[0].kind not in ("linear", "cosine"):
        return None
    whole = (
        legs if legs[-1].until - legs[-1].begin == legs[-3].until - legs[-3].begin else legs[:-1]
    )
    heights = [abs(leg.end - leg.start) for leg in whole]
    factors = {round(b / a, 6) for a, b in zip(heights, heights[2:], strict=False)} or {1.0}
    if len(factors) > 1 or not (len(heights) < 2 or _near(heights[0], heights[1])):
        return None
    first, second = legs[0], legs[1]
    low, high = sorted((first.start, first.end))
    name = "triangular" if first.kind == "linear" else "cosine"
    up, down = first.until - first.begin, second.until - second.begin
    each = f"{count(up)} steps each way" if up == down else f"{count(up)} and {count(down)} steps"
    text = f"{name} between {amount(low)} and {amount(high)}, {each}, {len(legs) / 2:g} cycles"
    factor = factors.pop()
    return len(legs), text + (f", the height ×{factor:g} each" if factor != 1 else "")


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6)


def curves(schedule: Schedule) -> list[Curve]:
    """The scalars that change, with the groups folded in which they do so alike.

    A list (as betas are) is taken apart: `betas[0]`. The loss scaler's (group -1) are left out.
    """
    found: list[Curve] = []
    for optimizer, group, name, changes in _flat(schedule):
        if group < 0 or _is_constant(changes):
            continue
        for curve in found:
            if (curve.optimizer, curve.name) != (optimizer, name):
                continue
            factor = _factor(curve.changes, changes)
            if factor is not None:
                if factor == 1:
                    curve.same.append(group)
                else:
                    curve.scaled[group] = factor
                break
        else:
            found.append(Curve(optimizer, group, name, changes, [group], {}))
    return found


def constants(schedule: Schedule, optimizer: int) -> dict[str, dict[int, Any]]:
    """The scalars of an optimizer that never change: by name, the value of each group."""
    found: dict[str, dict[int, Any]] = {}
    for (index, group, name), changes in schedule.scalars.items():
        if index == optimizer and group >= 0 and _is_constant(changes):
            found.setdefault(name, {})[group] = changes.values[0]
    return found


def _is_constant(changes: Changes) -> bool:
    first = repr(changes.values[0])
    return all(repr(value) == first for value in changes.values)


def _flat(schedule: Schedule) -> list[tuple[int, int, str, Changes]]:
    found: list[tuple[int, int, str, Changes]] = []
    for (optimizer, group, name), changes in schedule.scalars.items():
        values = changes.values
        lengths = {len(value) if isinstance(value, list) else -1 for value in values}
        if len(values) < 2 or len(lengths) > 1 or lengths == {-1}:
            found.append((optimizer, group, name, changes))
            continue
        for at in range(lengths.pop()):
            kept = [0]
            for i in range(1, len(values)):
                if repr(values[i][at]) != repr(values[kept[-1]][at]):
                    kept.append(i)
            own = Changes([changes.counts[i] for i in kept], [values[i][at] for i in kept])
            found.append((optimizer, group, f"{name}[{at}]", own))
    return found


def _factor(one: Changes, other: Changes) -> float | None:
    """By what one scalar is the other's multiple at all times; None where it is not."""
    if one.counts != other.counts:
        return None
    if list(map(repr, one.values)) == list(map(repr, other.values)):
        return 1.0
    pairs = list(zip(one.values, other.values, strict=True))
    if not all(type(a) is float and type(b) is float for a, b in pairs):
        return None
    largest = max(pairs, key=lambda pair: abs(pair[0]))
    if not largest[0] or not largest[1] or not math.isfinite(largest[1] / largest[0]):
        return None
    factor = largest[1] / largest[0]
    near = _ALIKE * abs(largest[1])
    return factor if all(abs(b - a * factor) <= near for a, b in pairs) else None
