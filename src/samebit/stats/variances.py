"""Kinds of seeds, each value of one with each of the others: how much does each kind vary?

As Dodge et al. (2020) cross seeds of the initial weights with seeds of the data order. The model is
that of random effects. What several kinds do together is told apart from what cannot be repeated
where each cell has several runs; elsewhere the rest holds both.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.distributions import f_sf
from samebit.stats.groups import one_way
from samebit.stats.inputs import Floats, floats, matrix
from samebit.stats.intervals import centre
from samebit.stats.values import INTERACTION, REPEATS, REST, Comparison

__all__ = ["Component", "Crossed", "best_versus_worst", "crossed"]

_ROUNDING = 8 * float(np.finfo(float).eps)  # of a residue, for each kind, in numbers of its size
_WAYS = {1: "one-way", 2: "two-way", 3: "three-way"}


class Component(Struct, frozen=True):
    """What one kind of seed contributes, or what is left over by all kinds."""

    over: str  # "init"
    n: int  # seeds of that kind; of what is left over cells, or runs
    sum_squares: float
    freedom: int
    variance: float  # of the effect; 0 where it is estimated to be less
    test: Comparison | None = None  # whether there is any; None of the last part

    @property
    def mean_square(self) -> float:
        """The sum of squares for one degree of freedom."""
        return self.sum_squares / self.freedom


class Crossed(Struct, frozen=True):
    """The variance of one more run in its parts: those of the kinds, then what is left over.

    That is the `rest`; where each cell has several runs the `interaction`, which one kind alone
    does not have, and the `repeats`: what differs between runs with the same seeds.
    """

    parts: tuple[Component, ...]

    def share(self, part: Component) -> float:
        """Of the whole variance; 0 where nothing varies."""
        whole = math.fsum(one.variance for one in self.parts)
        return part.variance / whole if whole else 0.0

    def __str__(self) -> str:
        lines: list[str] = []
        for part in self.parts:
            spread, share = math.sqrt(part.variance), 100 * self.share(part)
            test = f"; {part.test}" if part.test else ""
            lines.append(f"{part.over}: SD {spread:.3g}, {share:.0f} %{test}")
        return "\n".join(lines)


def crossed(table: ArrayLike, *, over: Sequence[str] = ("init", "order")) -> Crossed:
    """Variances of crossed kinds of seeds, by the mean squares of a balanced table.

    Sums of squares are those of the main effects and of what they leave over (Scheffé 1959, chapter
    4). The mean squares are solved for the variances, and a kind is tested against what the kinds
    do together, as is right for random effects (Searle, Casella & McCulloch 1992, chapter 4). Of
    three kinds and more all interactions are pooled: the variances and tests are exact where only
    all kinds together interact, or none; where some do, these kinds seem to do more than they do,
    and the others less.

    Args:
        table: one run for each seed of a kind with each of the others: an axis for each kind, of
            two seeds at least; and one axis more where each cell has several runs.
        over: what the seeds of each axis are of.

    Raises:
        UsageError: the axes are others, a kind has one seed, or there is one kind and no repeats,
            so that nothing is left over.
    """
    found = floats(table, "table")
    if not over or found.ndim not in (len(over), len(over) + 1):
        raise UsageError(
            f"no table of {len(over)} kinds of seeds: it has an axis for each, and one for repeats",
            shape=found.shape,
        )
    if min(found.shape) < 2:
        raise UsageError("crossed seeds need two of each kind at least", shape=found.shape)
    is_repeated = found.ndim > len(over)
    if len(over) == 1 and not is_repeated:
        raise UsageError("one kind of seeds needs repeats: without them nothing is left over")
    cells = _means(found) if is_repeated else found
    offs = _main_effects(cells)
    freedom = cells.size - 1 - sum(len(off) - 1 for off in offs)
    tiny = float(np.abs(found).max()) * _ROUNDING * len(over)
    residue = cells - centre(cells.ravel()) - sum(np.ix_(*offs))
    repeats, way = found.size // cells.size, _WAYS.get(len(over), f"{len(over)}-way")
    left: list[Component] = []
    if is_repeated:
        squares = _squares(found - cells[..., None], tiny)
        free = found.size - cells.size
        left = [Component(REPEATS, found.size, squares, free, squares / free)]
    if freedom:
        squares = repeats * _squares(residue, tiny)
        together = Component(REST, cells.size, squares, freedom, squares / freedom)
        if is_repeated:
            together = replace(together, over=INTERACTION)
            together = _judged(together, repeats, left[0], f"cells of {' × '.join(over)}", way)
        left.insert(0, together)
    parts: list[Component] = []
    for name, off in zip(over, offs, strict=True):
        each = found.size // len(off)
        part = Component(name, len(off), each * _squares(off, tiny), len(off) - 1, 0.0)
        parts.append(_judged(part, each, left[0], f"seeds of {name}", way))
    return Crossed((*parts, *left))


def best_versus_worst(
    table: ArrayLike, *, of: Literal["rows", "columns"] = "rows", over: str = "runs"
) -> Comparison:
    """The best and the worst seed of one kind, by a one-way ANOVA (as in Dodge et al. 2020).

    They were chosen by what is tested, so that p is too small; the more seeds, the more so.
    """
    if of not in ("rows", "columns"):
        raise UsageError(f"seeds are in rows or columns, not in {of!r}")
    found = _table(table) if of == "rows" else _table(table).T
    order = sorted(range(len(found)), key=lambda at: centre(found[at]))
    worst, best = order[0], order[-1]
    test = one_way(found[best], found[worst], over=over)
    chosen = (
        f"the best ({best}) and the worst ({worst}) of {len(found)} {of}, so that p is too small"
    )
    return replace(test, note="; ".join(filter(None, [chosen, test.note])))


def _judged(part: Component, each: int, against: Component, counted: str, way: str) -> Component:
    """With its variance and its test; `each` level of it is the mean of so many runs."""
    statistic, p, note = math.nan, 1.0, "nothing is left over: no test can judge"
    noise = against.mean_square
    if noise:
        statistic, note = part.mean_square / noise, ""
        p = f_sf(statistic, part.freedom, against.freedom)
    freedom = (part.freedom, against.freedom)
    test = Comparison(
        p, statistic, (part.n,), counted, f"{way} ANOVA", "F", freedom=freedom, note=note
    )
    return replace(part, variance=max(0.0, (part.mean_square - noise) / each), test=test)


def _main_effects(cells: Floats) -> list[Floats]:
    """Of each axis, by how much each of its levels lies above the mean of all cells."""
    grand = centre(cells.ravel())
    turned = (np.moveaxis(cells, axis, 0) for axis in range(cells.ndim))
    return [_means(one.reshape(len(one), -1)) - grand for one in turned]


def _means(table: Floats) -> Floats:
    """Along the last axis, the same in any order."""
    return np.apply_along_axis(centre, -1, table)


def _squares(off: Floats, tiny: float) -> float:
    """The sum of squares of what is more than rounding."""
    return math.fsum(np.where(np.abs(off) <= tiny, 0.0, off).ravel() ** 2)


def _table(table: ArrayLike) -> Floats:
    found = matrix(table, "table")
    if min(found.shape) < 2:
        raise UsageError("crossed seeds need two of each kind at least", shape=found.shape)
    return found
