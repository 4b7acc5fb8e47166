"""The normal, Student's t and the F distribution: cdf, upper tail (sf) and quantile of one number.

t and F are incomplete beta functions. What stands before the continued fraction is a difference of
large logarithms, which is taken apart into the remainders of Stirling's formula and into deviances
(C. Loader, *Fast and accurate computation of binomial probabilities*, 2000), so that tails of
1e-290 and a million degrees of freedom keep twelve digits. Plain Python: needs no NumPy.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

from samebit.errors import UsageError

__all__ = [
    "f_cdf",
    "f_quantile",
    "f_sf",
    "normal_cdf",
    "normal_quantile",
    "normal_sf",
    "t_cdf",
    "t_quantile",
    "t_sf",
]

_NORMAL = NormalDist()
_LEAST = 1e-300  # in place of a zero that would be divided by
_FAR = 340.0  # the logarithm of a value whose square is still a number
# The series of log Γ beyond Stirling's formula, for arguments from 10 on.
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)


def normal_cdf(z: float) -> float:
    """The probability of a value below z."""
    return math.erfc(-z / math.sqrt(2)) / 2


def normal_sf(z: float) -> float:
    """The probability of a value above z."""
    return normal_cdf(-z)


def normal_quantile(p: float) -> float:
    """The value below which lies p, between 0 and 1."""
    return _NORMAL.inv_cdf(_probability(p))


def t_cdf(t: float, freedom: float) -> float:
    """The probability of a value below t, with that many degrees of freedom, whole or not."""
    return t_sf(-t, freedom)


def t_sf(t: float, freedom: float) -> float:
    """The probability of a value above t."""
    beyond = _beyond_t(abs(t), freedom)
    return beyond if t > 0 else 1 - beyond


def t_quantile(p: float, freedom: float) -> float:
    """The value below which lies p; UsageError where it is beyond 1e147."""
    beyond, inside = min(_probability(p), 1 - p), abs(p - 0.5)
    if not inside:
        return 0.0

    def density(t: float) -> float:  # of log t, on both sides
        return _before(freedom / 2, 0.5, *_shares(t, freedom))

    # Near the middle a tail of nearly a half would lose the digits of t.
    if beyond < inside:
        size = _solve(lambda t: _beyond_t(t, freedom), density, beyond, rising=False)
    else:
        size = _solve(lambda t: _inside_t(t, freedom), density, inside, rising=True)
    return math.copysign(size, p - 0.5)


def f_cdf(f: float, above: float, below: float) -> float:
    """The probability of a value below f.

    Args:
        f: a ratio of two variances.
        above: the degrees of freedom of its numerator.
        below: those of its denominator.
    """
    y, x = _shares(math.sqrt(max(f, 0.0) * _positive(above)), below)
    return _beta(above / 2, below / 2, x, y)


def f_sf(f: float, above: float, below: float) -> float:
    """The probability of a value above f."""
    y, x = _shares(math.sqrt(max(f, 0.0) * _positive(above)), below)
    return _beta(below / 2, above / 2, y, x)


def f_quantile(p: float, above: float, below: float) -> float:
    """The value below which lies p; UsageError where it is beyond 1e147 or below its inverse."""

    def density(f: float) -> float:
        y, x = _shares(math.sqrt(f * above), below)
        return _before(above / 2, below / 2, x, y)

    if _probability(p) > 0.5:
        return _solve(lambda f: f_sf(f, above, below), density, 1 - p, rising=False)
    return _solve(lambda f: f_cdf(f, above, below), density, p, rising=True)


def _beyond_t(t: float, freedom: float) -> float:
    x, y = _shares(t, freedom)
    return _beta(freedom / 2, 0.5, x, y) / 2


def _inside_t(t: float, freedom: float) -> float:
    x, y = _shares(t, freedom)
    return _beta(0.5, freedom / 2, y, x) / 2


def _shares(t: float, freedom: float) -> tuple[float, float]:
    """`freedom / (freedom + t²)`, and the rest to 1, each with all its digits."""
    ratio = (t / math.sqrt(_positive(freedom))) ** 2 if t < math.exp(_FAR) else math.inf
    if ratio > 1:
        return 1 / ratio / (1 + 1 / ratio), 1 / (1 + 1 / ratio)
    return 1 / (1 + ratio), ratio / (1 + ratio)


def _beta(a: float, b: float, x: float, y: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with y = 1 - x."""
    if not x or not y:
        return 0.0 if not x else 1.0
    if b * x > a * y:
        return 1 - _before(b, a, y, x) / _fraction(b, a, y, x)
    return _before(a, b, x, y) / _fraction(a, b, x, y)


def _fraction(a: float, b: float, x: float, y: float) -> float:
    """The continued fraction of Didonato and Morris (1992), by Lentz's method; x up to the mean."""
    value = ahead = a * (a * y - b * x + 1) / (a + 1)
    behind = 0.0
    for m in range(1, 100_000):
        even = a + 2 * m - 1
        step = m * (b - m) * x / even
        numerator = (a + m - 1) * (a + b + m - 1) * step * x / even
        term = m + step + (a + m) * (a * y - b * x + 1 + m * (1 + y)) / (even + 2)
        behind = 1 / ((term + numerator * behind) or _LEAST)
        ahead = (term + numerator / ahead) or _LEAST
        value *= ahead * behind
        if abs(ahead * behind - 1) < 1e-15:
            break
    return value


def _before(a: float, b: float, x: float, y: float) -> float:
    """x^a y^b / B(a, b)."""
    if not x or not y:
        return 0.0
    off = b * x - a * y
    remainders = _remainder(a + b) - _remainder(a) - _remainder(b)
    exponent = remainders - a * _deviance(off / a, (a + b) * x / a)
    exponent -= b * _deviance(-off / b, (a + b) * y / b)
    return math.sqrt(a * b / (2 * math.pi * (a + b))) * math.exp(exponent)


def _remainder(n: float) -> float:
    """What log Γ(n) has beyond Stirling's formula."""
    if n < 10:
        return math.lgamma(n) - (n - 0.5) * math.log(n) + n - math.log(2 * math.pi) / 2
    total = 0.0
    for coefficient in reversed(_SERIES):
        total = total / (n * n) + coefficient
    return total / n


def _deviance(e: float, one_more: float) -> float:
    """By how much e is above log(1 + e), which is 2 artanh(e / (2 + e)) where they nearly agree."""
    if abs(e) > 0.1:
        return e - math.log(one_more)
    ratio = e / (2 + e)
    total, power, k = e * ratio, 2 * ratio**3, 3
    while total != (total := total - power / k):
        power *= ratio * ratio
        k += 2
    return total


def _solve(
    part: Callable[[float], float],
    density: Callable[[float], float],
    target: float,
    *,
    rising: bool,
) -> float:
    """Where a part of the distribution is the target: Newton in logarithms, kept in an interval.

    Args:
        part: of a value above 0, monotonic.
        density: how fast the part changes with the value's logarithm.
        target: above 0.
        rising: whether the part grows with the value.
    """
    low, high, at = -_FAR, _FAR, 0.0
    for _ in range(300):
        now, change = part(math.exp(at)), density(math.exp(at))
        low, high = (low, at) if (now > target) is rising else (at, high)
        step = now * math.log(target / now) / change if now and change else math.inf
        after = at + (step if rising else -step)
        if abs(step) < 1e-15 * max(1.0, abs(at)):
            return math.exp(after)
        if not low < after < high:
            after = (low + high) / 2
            if after in (low, high):
                break
        at = after
    if _FAR - abs(at) < 1:
        raise UsageError("a quantile is too large, or too small, to be computed")
    return math.exp(at)


def _probability(p: float) -> float:
    if not 0 < p < 1:
        raise UsageError(f"a probability lies between 0 and 1, not at {p}")
    return p


def _positive(freedom: float) -> float:
    if not 0 < freedom < math.inf:
        raise UsageError(f"degrees of freedom are above 0, not {freedom}")
    return freedom
