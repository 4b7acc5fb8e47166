"""What the statistics return: an estimate with its interval, a comparison with its p."""

import math

from msgspec import Struct

__all__ = [
    "INTERACTION",
    "REPEATS",
    "REST",
    "Comparison",
    "Digits",
    "Estimate",
    "hopeless",
    "joined",
    "level",
]

REST, INTERACTION, REPEATS = "rest", "interaction", "repeats"  # what kinds of seeds leave over


class Estimate(Struct, frozen=True):
    """A number with how sure it is, of how many of what, and by which method.

        0.910 ± 0.020 (95 % t interval over 5 seeds)

    Without an interval `low`, `high` are None, and `note` says why.
    """

    value: float
    n: int
    over: str  # what varied: "seeds"
    what: str  # of what kind the value is: "mean"
    low: float | None = None
    high: float | None = None
    method: str = ""  # what low and high are: "t interval", "SD"
    confidence: float | None = None  # None for a spread (SD, SEM), which has none
    note: str = ""

    def __str__(self) -> str:
        what = "" if self.what == "mean" else self.what
        if self.low is None or self.high is None:
            counted = f"{self.n} {self.over}" if self.n > 1 else ""
            words = ", ".join(filter(None, [what, counted]))
            return f"{self.value:.6g} ({'; '.join(filter(None, [words, self.note]))})"
        digits = self.digits()
        shown = f"{digits.value} ± {digits.half}"
        if digits.half is None:
            shown = f"{digits.value} [{digits.low}, {digits.high}]"
        method = f"{level(self.confidence)} {self.method}" if self.confidence else self.method
        words = ", ".join(filter(None, [what, f"{method} over {self.n} {self.over}"]))
        return f"{shown} ({'; '.join(filter(None, [words, self.note]))})"

    def digits(self) -> "Digits":
        """Rounded as it is printed: to two digits of what is uncertain."""
        if self.low is None or self.high is None:
            return Digits(f"{self.value:.6g}")
        below, above = self.value - self.low, self.high - self.value
        is_even = math.isclose(below, above, rel_tol=1e-9, abs_tol=1e-12 * abs(self.value))
        width = below if is_even else (self.high - self.low) / 2
        cut = (_cut(each, width) for each in (self.value, self.low, self.high))
        return Digits(*cut, half=_cut(width, width) if is_even else None)


class Digits(Struct, frozen=True):
    """An estimate's numbers as texts; `half` only where the interval is as wide on both sides."""

    value: str
    low: str | None = None
    high: str | None = None
    half: str | None = None


class Comparison(Struct, frozen=True):
    """A test: how often chance alone would do as much.

    p = 0.125 (exact sign-flip test, mean difference 0.022, 5 pairs by seed); 5 pairs cannot be
    significant: the smallest p is 0.0625
    """

    p: float
    statistic: float
    n: tuple[int, ...]  # of each group; of pairs one number
    over: str  # what they are: "seeds", "pairs by seed"
    method: str
    symbol: str  # what the statistic is: "t", "mean difference"
    freedom: tuple[float, ...] = ()  # degrees of freedom of t or F
    smallest_p: float | None = None  # that so many values can reach, where there is a least
    note: str = ""

    @property
    def counted(self) -> str:
        """How many of what: `5 pairs by seed`."""
        over = self.over.replace("pairs", "pair", 1) if self.n == (1,) else self.over
        return f"{joined([str(each) for each in self.n])} {over}"

    def __str__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        freedom = f"({', '.join(f'{each:.4g}' for each in self.freedom)})" if self.freedom else ""
        statistic = f"{self.symbol}{freedom} {self.statistic:.4g}"
        return f"p = {self.p:.3g} ({self.method}, {statistic}, {self.counted}){note}"


def level(confidence: float) -> str:
    """A confidence in words."""
    return f"{confidence * 100:g} %"


def joined(words: list[str]) -> str:
    """A list in a sentence."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _cut(number: float, width: float) -> str:
    """With two digits of what is uncertain; six of a number that is certain."""
    if not width:
        return f"{number:.6g}"
    places = 1 - math.floor(math.log10(width))
    is_plain = places < 9 and abs(number) < 1e9
    return f"{number:.{max(0, places)}f}" if is_plain else f"{number:.3g}"


def hopeless(what: str, smallest_p: float, alpha: float) -> str:
    """What stands in place of a star where there are too few values for one; or nothing."""
    if smallest_p <= alpha:
        return ""
    return f"{what} cannot be significant: the smallest p is {smallest_p:.3g}"
