"""Charts as SVG that is stretched to the width of its page, with labels in HTML of one size.

Curves have colours that people of every colour vision can tell apart, and beyond eight of them
dashes.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import TypeVar

from msgspec import Struct

from samebit.report.curves import Axis, Curve, axis, span
from samebit.report.table import number, visible

__all__ = ["Line", "chart", "key"]

_WIDE, _HIGH = 2000, 1000  # units of a drawing, finer than any screen
_COLORS, _DASHES = 8, 4
_DESCRIBED = 8  # curves, for those who do not see them
_MOST_ROWS = 12  # beside a chart; more are folded
_Point = TypeVar("_Point", tuple[float, float], tuple[float, float, float])


class Line(Struct, frozen=True):
    """A curve of a chart: whose, in the colour of which number, and the points."""

    label: str
    number: int
    curve: Curve


def chart(name: str, title: str, lines: Sequence[Line]) -> str:
    """One chart as a figure of HTML.

    Args:
        name: of the figure, unique in its page.
        title: what is drawn.
        lines: at least one.
    """
    curves = [line.curve for line in lines]
    low, high = span(curves)
    across = axis(
        min(curve.points[0][0] for curve in curves),
        max(curve.last[0] for curve in curves),
        of_steps=True,
    )
    upward = axis(low, high, is_linear=any(curve.is_linear for curve in curves))
    drawing = "".join(
        f'<path class="grid" d="M0 {_y(share)}H{_WIDE}"/>' for share, _ in upward.ticks
    )
    drawing += "".join(_line(line, across, upward) for line in lines)
    labels = "".join(
        f'<span class="y" style="top:{100 - 100 * share:.4g}%">{label}</span>'
        for share, label in upward.ticks
    )
    labels += "".join(
        f'<span class="x" style="left:{100 * share:.4g}%">{label}</span>'
        for share, label in across.ticks
    )
    log = '<span class="aside">logarithmic</span>' if upward.is_log else ""
    return (
        f'<figure id="{name}"><figcaption>{_text(title)}{log}</figcaption>'
        f'<div class="plot"><svg viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none"'
        f' role="img" aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{_text(title)}'
        f'</title><desc id="{name}-d">{_described(lines)}</desc>{drawing}</svg>{labels}'
        f'<span class="unit">step</span></div>{_values(lines)}</figure>'
    )


def key(at: int) -> str:
    """A short stroke that looks as the curve of that number does."""
    return (
        f'<svg class="key" viewBox="0 0 24 8" aria-hidden="true">'
        f'<path class="{_looks(at)}" d="M1 4H23"/></svg>'
    )


def _looks(at: int) -> str:
    return f"c{at % _COLORS} d{at // _COLORS % _DASHES}"


def _line(line: Line, across: Axis, upward: Axis) -> str:
    """A curve, and a mark on the border for each place of infinite values and of no numbers."""

    def at(step: float, value: float) -> tuple[int, int]:
        return round(across.share(step) * _WIDE), _y(upward.share(value))

    paths = {
        f"band c{line.number % _COLORS}": "".join(
            _joined([at(x, high) for x, _, high in part] + [at(x, low) for x, low, _ in part[::-1]])
            for part in _unbroken(line.curve.band)
        ),
        _looks(line.number): "".join(
            _joined([at(*point) for point in part]) for part in _unbroken(line.curve.points)
        ),
        f"odd c{line.number % _COLORS}": "".join(
            f"M{round(across.share(x) * _WIDE)} {_y(1 if y > 0 else 0)}l0 0"
            for x, y in line.curve.odd
        ),
    }
    label = f"<title>{_text(line.label)}</title>"
    return "".join(
        f'<path class="{k}" d="{path}">{label}</path>' for k, path in paths.items() if path
    )


def _unbroken(points: Sequence[_Point]) -> Iterator[list[_Point]]:
    """The stretches without a NaN."""
    part: list[_Point] = []
    for point in points:
        if math.isfinite(point[1]):
            part.append(point)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _joined(points: Sequence[tuple[int, int]]) -> str:
    """Points as a path; a single one is a dot."""
    path = f"M{points[0][0]} {points[0][1]}" + ("l0 0" if len(points) == 1 else "l")
    for (x, y), (right, down) in pairwise(points):
        path += f"{'' if path[-1] == 'l' or right < x else ' '}{right - x}"
        path += f"{'' if down < y else ' '}{down - y}"
    return path


def _y(share: float) -> int:
    return round(_HIGH - share * _HIGH)


def _described(lines: Sequence[Line]) -> str:
    """What a curve shows, in words."""
    said: list[str] = []
    for line in lines[:_DESCRIBED]:
        curve = line.curve
        text = f"{line.label}: {number(curve.last[1])} at step {_step(curve.last[0])}"
        for word, end in (("lowest", curve.low), ("highest", curve.high)):
            if end is not None:
                text += f", {word} {number(end[1])} at step {_step(end[0])}"
        said.append(text + (f", {curve.odd_recorded:,} not finite" if curve.odd else ""))
    if len(lines) > _DESCRIBED:
        said.append(f"and {len(lines) - _DESCRIBED} more")
    return _text("; ".join(said))


def _step(step: float) -> str:
    return f"{step:,.0f}" if step == round(step) and abs(step) < 1e15 else number(step)


def _odd(curve: Curve) -> str:
    """How many values are missing in a curve, and from where on."""
    if not curve.odd:
        return ""
    first = _step(min(step for step, _ in curve.odd))
    count = f"{curve.odd_recorded:,} of {curve.points_recorded:,} not finite"
    return f"<small>{count}, from {first} on</small>"


def _values(lines: Sequence[Line]) -> str:
    """The numbers of a chart, which name its curves where there are several."""
    titles = ("last", "lowest", "highest")
    if len(lines) == 1:
        cells = zip(titles, _ends(lines[0].curve), strict=True)
        said = " · ".join(f"{title} {cell}" for title, cell in cells if cell)
        return f'<p class="values">{said}{_odd(lines[0].curve)}</p>'
    head = "".join(f'<th scope="col">{title}</th>' for title in ("run", *titles))
    rows = "".join(
        f'<tr><th scope="row">{key(line.number)} {_text(line.label)}{_odd(line.curve)}</th>'
        f"{''.join(f'<td>{cell}</td>' for cell in _ends(line.curve))}</tr>"
        for line in lines
    )
    table = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    table = f'<div class="wide"><table class="values">{table}</table></div>'
    if len(lines) <= _MOST_ROWS:
        return table
    title = f"the values of {len(lines)} curves"
    return f'<details class="long"><summary>{title}</summary>{table}</details>'


def _ends(curve: Curve) -> list[str]:
    """Its last, lowest and highest value; empty where there is none."""
    ends = (curve.last, curve.low, curve.high)
    return [_value(end) if end is not None else "" for end in ends]


def _value(end: tuple[float, float]) -> str:
    step, value = end
    return f'<b title="{value!r}">{number(value)}</b> <small>at {_step(step)}</small>'


def _text(text: str) -> str:
    return escape(visible(text))
