r"""How a paper's number is written: digits, percent, exponent; as plain TeX or siunitx's \num."""

import math
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from samebit.report import latex
from samebit.report.paper.settings import ValueOf
from samebit.stats import Estimate

__all__ = ["Form"]

_PERCENT = r"\,\%"
_DIGITS = 4  # significant ones, where nothing says how sure a number is


class Form(Struct, frozen=True):
    """The form of one value, and of all that is said of it."""

    digits: int | None = None
    percent: bool = False
    sci: bool = False
    siunitx: bool = False

    @classmethod
    def of(cls, asked: ValueOf, *, siunitx: bool) -> "Form":
        """As a value of `samebit.toml` asks for it."""
        return cls(asked.digits, asked.percent, asked.sci, siunitx)

    def text(self, value: float, *, of_spread: bool = False) -> str:
        """A number of which nothing says how sure it is; of a spread two digits are enough."""
        value = self._scaled(value)
        if self.sci or self.digits is not None:
            return self._signed(self._typeset(self._cut(value)))
        if of_spread and value and math.isfinite(value):
            places = max(0, 1 - math.floor(math.log10(abs(value))))
            plain = f"{value:.{places}f}" if places < 9 else f"{value:.2g}"
            return self._signed(self._typeset(plain))
        if isinstance(value, int) or not math.isfinite(value):
            return self._signed(self._num(str(value)) if self.siunitx else latex.number(value))
        short = float(f"{value:.{_DIGITS}g}")
        return self._signed(self._num(repr(short)) if self.siunitx else latex.number(short))

    def estimated(self, estimate: Estimate) -> str:
        """An estimate's value, rounded by how wide its interval is."""
        if self.sci or self.digits is not None or estimate.low is None:
            return self.text(estimate.value)
        return self._signed(self._typeset(self._of_percent(estimate).digits().value))

    def bound(self, estimate: Estimate, which: Literal["low", "high", "half"]) -> str:
        """An end of its interval, or half of its width."""
        if self.sci or self.digits is not None:
            low, high = estimate.low or 0.0, estimate.high or 0.0
            return self.text({"low": low, "high": high, "half": high - estimate.value}[which])
        return self._signed(self._typeset(getattr(self._of_percent(estimate).digits(), which)))

    def interval(self, estimate: Estimate) -> str:
        r"""`$91.0 \pm 2.0$`, or `$91.0$ $[88.9, 92.4]$`; the percent sign behind it."""
        low, high = estimate.low or 0.0, estimate.high or 0.0
        scaled = self._of_percent(estimate)
        if self.digits is None and not self.sci:
            return self._signed(latex.interval(scaled))
        value, low, high = (
            latex.bare(self._cut(self._scaled(x))) for x in (estimate.value, low, high)
        )
        if scaled.digits().half is None:
            return self._signed(f"${value}$ $[{low}, {high}]$")
        half = latex.bare(self._cut(self._scaled((estimate.high or 0.0) - estimate.value)))
        return self._signed(rf"${value} \pm {half}$")

    def p(self, value: float) -> str:
        r"""A p: `0.031`, or `$2.9\times10^{-6}$`."""
        return latex.number(float(f"{value:.2g}"))

    def _scaled(self, value: float) -> float:
        return value * 100 if self.percent else value

    def _of_percent(self, estimate: Estimate) -> Estimate:
        if not self.percent:
            return estimate
        low, high = estimate.low, estimate.high
        return replace(
            estimate,
            value=estimate.value * 100,
            low=None if low is None else low * 100,
            high=None if high is None else high * 100,
        )

    def _cut(self, value: float) -> str:
        digits = 2 if self.digits is None else self.digits
        if not math.isfinite(value):
            return str(value)
        return f"{value:.{digits}e}" if self.sci else f"{value:.{digits}f}"

    def _typeset(self, digits: str) -> str:
        if not any(c.isdecimal() for c in digits):
            return latex.number(float(digits))
        return self._num(digits) if self.siunitx else latex.typeset(digits)

    def _num(self, digits: str) -> str:
        return rf"\num{{{digits}}}"

    def _signed(self, text: str) -> str:
        return text + _PERCENT if self.percent else text
