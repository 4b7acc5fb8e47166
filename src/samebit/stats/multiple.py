"""Several comparisons at once: p by Holm's correction."""

from collections.abc import Sequence

from msgspec.structs import replace

from samebit.errors import UsageError
from samebit.stats.values import Comparison, hopeless

__all__ = ["holm"]


def holm(comparisons: Sequence[Comparison], *, alpha: float = 0.05) -> list[Comparison]:
    """The comparisons, in their order, with p such that one false finding among all is rare.

    Holm (1979): of m the smallest p counts m times, the next m - 1 times, and so on.
    """
    if not comparisons:
        raise UsageError("there is not one comparison")
    ps = [each.p for each in comparisons]
    method = f", Holm's correction for {len(ps)}"
    found: list[Comparison] = []
    for at, each in enumerate(comparisons):
        least, note = each.smallest_p, each.note
        if least is not None:
            least = _corrected([*ps[:at], least, *ps[at + 1 :]])[at]
            if each.smallest_p is not None and each.smallest_p <= alpha:
                said = hopeless(f"{each.counted} among {len(ps)} comparisons", least, alpha)
                note = "; ".join(filter(None, [note, said]))
        p = _corrected(ps)[at]
        found.append(replace(each, p=p, method=each.method + method, smallest_p=least, note=note))
    return found


def _corrected(ps: Sequence[float]) -> list[float]:
    order = sorted(range(len(ps)), key=ps.__getitem__)
    found, so_far = [0.0] * len(ps), 0.0
    for rank, at in enumerate(order):
        so_far = max(so_far, min(1.0, (len(ps) - rank) * ps[at]))
        found[at] = so_far
    return found
