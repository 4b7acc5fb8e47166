"""Histograms: values counted in bins of equal width, the same on every machine."""

import itertools
from typing import Any

from samebit.digest import canonical_json
from samebit.errors import UsageError

__all__ = ["FORMAT", "made_of_counts", "made_of_values"]

FORMAT = "samebit-histogram 1"
_MOST_BINS = 4096


def made_of_values(values: Any, bins: int) -> tuple[bytes, dict[str, Any]]:
    """The object of a NumPy array of numbers, and what is known of it.

    Edges are computed one by one and values compared with them, so that no way of adding up has a
    say in it.
    """
    import numpy as np  # noqa: PLC0415  (whoever has an array has it)

    flat = values.ravel().astype(np.float64)
    finite = flat[np.isfinite(flat)]
    edges, counts = np.empty(0), np.empty(0, np.int64)
    if finite.size:
        low, high = finite.min(), finite.max()
        if low == high:
            low, high = low - 0.5, high + 0.5
        share = np.arange(bins + 1) / bins
        # Not low + share * (high - low): the difference of two large numbers may be infinite.
        edges = np.maximum.accumulate(low * (1 - share) + high * share)
        edges[0], edges[-1] = low, high
        edges = np.minimum(edges, high)
        places = np.searchsorted(edges, finite, side="right") - 1
        counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    found = {
        "counts": counts.tolist(),
        "edges": edges.tolist(),
        "nan": int(np.isnan(flat).sum()),
        "above": int((flat == np.inf).sum()),
        "below": int((flat == -np.inf).sum()),
    }
    return canonical_json({"format": FORMAT, **found}), {"values": int(flat.size)}


def made_of_counts(counts: Any, edges: Any) -> tuple[bytes, dict[str, Any]]:
    """The same of counts and edges that were given; UsageError where they do not fit."""
    many, borders = _numbers(counts), _numbers(edges)
    if not 0 < len(many) <= _MOST_BINS:
        raise UsageError(f"a histogram has 1 to {_MOST_BINS} bins, not {len(many)}")
    if len(borders) != len(many) + 1:
        raise UsageError(f"{len(many)} counts have {len(many) + 1} edges, not {len(borders)}")
    if not all(one >= 0 and one < float("inf") for one in many):
        raise UsageError("a count is a number from 0 on")
    if not all(a < b for a, b in itertools.pairwise(borders)):
        raise UsageError("the edges of a histogram rise")
    found = {"counts": many, "edges": borders, "nan": 0, "above": 0, "below": 0}
    return canonical_json({"format": FORMAT, **found}), {"values": sum(many)}


def _numbers(values: Any) -> list[int | float]:
    values = values.tolist() if hasattr(values, "tolist") else values
    try:
        found = [one.item() if hasattr(one, "item") else one for one in values]
    except TypeError as error:
        raise UsageError(f"counts and edges are lists of numbers, not {values!r}") from error
    for one in found:
        if isinstance(one, bool) or not isinstance(one, (int, float)):
            raise UsageError(f"counts and edges are numbers, not {one!r}")
    return found
