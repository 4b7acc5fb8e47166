"""Ranks, in which ties share their mean; what a tie is; and what sums of ranks chance gives."""

import numpy as np

from samebit.stats.inputs import Floats

__all__ = ["as_read", "below", "midranks", "rounding_of", "sums_of_chosen", "sums_of_signed"]


def rounding_of(*numbers: Floats) -> float:
    """How far off a difference of two of the numbers may be, for they are decimals to a reader."""
    return 4 * float(np.finfo(float).eps) * max(float(np.abs(each).max()) for each in numbers)


def as_read(sizes: Floats, rounding: float) -> Floats:
    """Sizes of differences, those made equal that agree but for the rounding of a subtraction.

    0.91 - 0.88 and 0.88 - 0.85 are equal to whoever reads the numbers, and not as floats.

    Args:
        sizes: 0 and above.
        rounding: how far off they may be.
    """
    order = np.argsort(sizes, kind="stable")
    ordered = sizes[order]
    is_new = np.concatenate([[ordered[0] > rounding], np.diff(ordered) > rounding])
    groups = np.concatenate([[0.0], ordered[is_new]])
    found = np.empty_like(sizes)
    found[order] = groups[np.cumsum(is_new)]
    return found


def midranks(values: Floats) -> Floats:
    """The rank of each value, from 1 on; equal ones have the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which]


def sums_of_signed(ranks: Floats) -> Floats:
    """The probability of each sum of those ranks whose fair coin fell on heads.

    Sums are doubled, so that half ranks are whole: 0, 0.5, 1, and so on.
    """
    doubled = _doubled(ranks)
    chances = np.zeros(sum(doubled) + 1)
    chances[0] = 1
    for rank in doubled:
        chances[rank:] = (chances[rank:] + chances[: len(chances) - rank]) / 2
        chances[:rank] /= 2
    return chances


def sums_of_chosen(ranks: Floats, count: int) -> Floats:
    """The probability of each sum of so many of the ranks, drawn without putting back; doubled."""
    doubled = _doubled(ranks)
    ways = np.zeros((count + 1, sum(doubled[-count:]) + 1))
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return ways[count] / ways[count].sum()


def below(chances: Floats, total: float) -> tuple[float, float]:
    """The probability of a sum of at most that much, and of at least."""
    at = round(2 * total)
    return float(chances[: at + 1].sum()), float(chances[at:].sum())


def _doubled(ranks: Floats) -> list[int]:
    return sorted(round(2 * float(rank)) for rank in ranks)
