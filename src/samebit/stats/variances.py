"""Two kinds of seeds, each value of one with each of the other: how much does each one vary?

As Dodge et al. (2020) cross seeds of the initial weights with seeds of the data order. The model is
that of two random effects without repeated cells, where the rest holds their interaction and
whatever is not repeatable; one cell, run twice, would tell them apart.
"""

import math
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.distributions import f_sf
from samebit.stats.groups import one_way
from samebit.stats.inputs import matrix
from samebit.stats.intervals import centre
from samebit.stats.values import Comparison

__all__ = ["Component", "Crossed", "best_versus_worst", "crossed"]

_ROUNDING = 16 * float(np.finfo(float).eps)  # of a cell's residue, in numbers of its size


class Component(Struct, frozen=True):
    """What one kind of seed contributes."""

    over: str  # "init"
    n: int  # seeds of that kind
    sum_squares: float
    freedom: int
    variance: float  # of the effect; 0 where it is estimated to be less
    test: Comparison | None = None  # whether there is any; None of the rest

    @property
    def mean_square(self) -> float:
        """The sum of squares for one degree of freedom."""
        return self.sum_squares / self.freedom


class Crossed(Struct, frozen=True):
    """The variance of one more run, in its parts."""

    rows: Component
    columns: Component
    rest: Component

    def share(self, part: Component) -> float:
        """Of the whole variance; 0 where nothing varies."""
        whole = self.rows.variance + self.columns.variance + self.rest.variance
        return part.variance / whole if whole else 0.0

    def __str__(self) -> str:
        lines: list[str] = []
        for part in (self.rows, self.columns, self.rest):
            spread, share = math.sqrt(part.variance), 100 * self.share(part)
            test = f"; {part.test}" if part.test else ""
            lines.append(f"{part.over}: SD {spread:.3g}, {share:.0f} %{test}")
        return "\n".join(lines)


def crossed(table: ArrayLike, *, rows: str = "init", columns: str = "order") -> Crossed:
    """Variances of two kinds of seeds, by the mean squares of a two-way table (Searle et al. 1992).

    Args:
        table: one run for each row's seed with each column's; at least two of both.
        rows: what the rows' seeds are of.
        columns: what the columns' seeds are of.
    """
    found = _table(table)
    i, j = found.shape
    grand = centre(found.ravel())
    row_off = np.array([centre(each) for each in found]) - grand
    column_off = np.array([centre(each) for each in found.T]) - grand
    residue = found - grand - row_off[:, None] - column_off
    tiny = float(np.abs(found).max()) * _ROUNDING
    row_off, column_off, residue = (
        np.where(np.abs(each) <= tiny, 0.0, each) for each in (row_off, column_off, residue)
    )
    freedom = (i - 1) * (j - 1)
    squares = math.fsum((residue**2).ravel())
    rest = Component("rest", i * j, squares, freedom, squares / freedom)
    parts = (
        _component(rows, row_off, j, rest),
        _component(columns, column_off, i, rest),
    )
    return Crossed(*parts, rest)


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


def _component(over: str, off: np.ndarray, repeats: int, rest: Component) -> Component:
    squares, freedom = repeats * math.fsum(off**2), len(off) - 1
    mean_square = squares / freedom
    statistic, p, note = math.nan, 1.0, "nothing is left over: no test can judge"
    if rest.variance:
        statistic, note = mean_square / rest.variance, ""
        p = f_sf(statistic, freedom, rest.freedom)
    test = Comparison(
        p,
        statistic,
        (len(off),),
        f"seeds of {over}",
        "two-way ANOVA",
        "F",
        freedom=(freedom, rest.freedom),
        note=note,
    )
    variance = max(0.0, (mean_square - rest.variance) / repeats)
    return Component(over, len(off), squares, freedom, variance, test)


def _table(table: ArrayLike) -> np.ndarray:
    found = matrix(table, "table")
    if min(found.shape) < 2:
        raise UsageError("crossed seeds need two of each kind at least", shape=found.shape)
    return found
