"""Preprocessing and feature selection that were fitted on rows of a test, as the record tells."""

from samebit.capture.callers import short_place
from samebit.data.leaks import PREPROCESSING, SELECTION, Leak, Leaks
from samebit.folders.data_facts import FitFact
from samebit.folders.read import View

__all__ = ["FITTED", "fits_of", "of_fits"]

FITTED = "fitted"  # the kind of these findings
_ONE_BY_ONE = "torch.utils.data."  # methods that make one part each
_HEADINGS = {"preprocessing": PREPROCESSING, "selection": SELECTION}


def fits_of(view: View) -> dict[tuple[str, int], FitFact]:
    """What was fitted, by rank and number."""
    return {(rank, fact["number"]): fact for rank, fact in view.by_rank("fit")}


def of_fits(view: View, split: str, method: str = "") -> Leaks:
    """Rows of the later parts of a split that something was fitted on; the first may be.

    Args:
        view: the run.
        split: its name.
        method: by which it was made.
    """
    fits = fits_of(view)
    found: list[Leak] = []
    unknown: list[str] = []
    if fits and method.startswith(_ONE_BY_ONE) and not method.endswith("random_split"):
        unknown.append(f"what was fitted: the parts of {method} are not made at once")
    for rank, fact in view.by_rank("fitted"):
        fit = fits.get((rank, fact["number"]))
        if fact["split"] != split or fit is None:
            continue
        rows = "rows" if fit["rows"] is None else f"{fit['rows']:,} rows"
        what = f"{fit['method']} ({short_place(fit['at'])})"
        if fact["unknown"] is not None:
            unknown.append(f"what {what} learned from its {rows}: {fact['unknown']}")
            continue
        first = fact["parts"][0][0] if fact["parts"] else ""
        for name, count, of, listed in fact["parts"][1:]:
            if count:
                said = f"among the {rows} that {what} was given"
                pairs = tuple((row, row) for row in listed)
                heading = _HEADINGS[fit["kind"]]
                found.append(Leak(heading, FITTED, said, first, name, count, of, pairs))
    return Leaks(tuple(found), tuple(unknown))
