"""Drawing anew: from which generator, how much at once, and which part of what came is between."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from samebit.errors import UsageError
from samebit.stats.inputs import Floats

__all__ = ["SEED", "Seed", "drawn", "generator", "means", "percentiles", "portions"]

Seed = int | np.random.Generator

SEED = 0
_AT_ONCE = 1 << 20  # numbers that are drawn together


def generator(seed: Seed) -> np.random.Generator:
    """The generator that was given, or PCG64 from a seed; never the global one.

    The bits of PCG64 and of SeedSequence are promised for all versions of NumPy, the choice behind
    `default_rng` and the streams of most methods are not. Only `random` is used (by `drawn`).
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError(f"a seed is a whole number from 0 on, or a numpy Generator, not {seed!r}")
    return np.random.Generator(np.random.PCG64(int(seed)))


def drawn(source: np.random.Generator, n: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Indices below n, each as likely: 53 bits of the generator, times n."""
    return (source.random(shape) * n).astype(np.int64)


def portions(count: int, size: int) -> Iterator[int]:
    """A number of resamples of that size in parts that fit in memory; UsageError for none."""
    if not isinstance(count, int | np.integer) or count < 1:
        raise UsageError(f"resamples are counted from 1, not {count!r}")
    at_once = max(1, _AT_ONCE // size)
    for at in range(0, count, at_once):
        yield min(at_once, count - at)


def means(values: Floats, resamples: int, seed: Seed) -> Floats:
    """The mean of each resample."""
    source, n = generator(seed), len(values)
    return np.concatenate(
        [values[drawn(source, n, (rows, n))].mean(axis=1) for rows in portions(resamples, n)]
    )


def percentiles(sample: Floats, low: float, high: float) -> tuple[float, float]:
    """Two quantiles, straight between neighbours (Hyndman and Fan's seventh)."""
    ordered = np.sort(sample)
    found: list[float] = []
    for q in (low, high):
        at = q * (len(ordered) - 1)
        under = int(at)
        over = min(under + 1, len(ordered) - 1)
        found.append(float(ordered[under] + (ordered[over] - ordered[under]) * (at - under)))
    return found[0], found[1]
