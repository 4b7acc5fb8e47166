"""A value as people read it in a line of text, whatever kind it is of."""

from collections.abc import Callable, Sequence

from samebit.report.numerals import numeral
from samebit.report.table import number, visible
from samebit.report.tables.values import Digest, Several, Words
from samebit.stats.values import Estimate

__all__ = ["in_words", "listed", "plain_text"]

_MOST_VALUES = 8  # in one pair of braces
_MOST_SEEDS = 10
_DIGEST = 8  # digits of one, as everywhere


def in_words(value: object) -> str:
    """A plain value as people read it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return numeral(value)
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(in_words, value)) + ")"
    return str(value)


def plain_text(value: object, digits: int | None = None) -> str:
    """A value in a line of text, safe on a screen; `---` where there is none."""
    return visible(_text(value, digits))


def _text(value: object, digits: int | None) -> str:
    if value is None:
        return "---"
    if isinstance(value, Estimate):
        found = value.digits()
        if found.half is not None:
            return f"{found.value} ± {found.half}"
        return found.value if found.low is None else f"{found.value} [{found.low}, {found.high}]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value, digits) if digits else numeral(value)
    if isinstance(value, Words):
        return value.text
    if isinstance(value, Digest):
        kind, _, digits_of_it = value.text.removeprefix("blake3:").rpartition(":")
        return ":".join(filter(None, [kind, digits_of_it[:_DIGEST]]))
    if isinstance(value, Several):
        return listed(value, lambda one: _text(one, digits), "{", "}", "–")
    return in_words(value)


def listed(several: Several, say: Callable[[object], str], begin: str, end: str, dots: str) -> str:
    """Several values in one cell; of very many how many, and between which they lie."""
    values = list(several.values)
    are_numbers = all(type(value) in (int, float) for value in values)
    if several.is_list and len(values) > 2 and _is_run(values):
        return f"{say(values[0])}{dots}{say(values[-1])}"
    if len(values) > (_MOST_SEEDS if several.is_list else _MOST_VALUES):
        ends = f" between {say(_rough(values[0]))} and {say(_rough(values[-1]))}"
        return f"{len(values)} values{ends if are_numbers else ''}"
    joined = ", ".join("none" if value is None else say(value) for value in values)
    return joined if several.is_list else f"{begin}{joined}{end}"


def _rough(value: object) -> object:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _is_run(values: Sequence[object]) -> bool:
    whole = [value for value in values if type(value) is int]
    return whole == list(range(whole[0], whole[0] + len(values))) if whole else False
