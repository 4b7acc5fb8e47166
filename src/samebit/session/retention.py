"""Which checkpoints stay: a rule, and what it says of those that are there. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError

__all__ = ["Rule", "Saved", "read_rule", "to_drop"]

_KNOWN = "last, best, every, weights_every"


class Rule(Struct, frozen=True):
    """What is kept: the newest, the best, every so many steps, and these without an optimizer."""

    last: int = 1
    best: str | None = None  # a metric
    smallest: bool = False  # whether the best is the smallest
    every: int | None = None
    weights_every: int | None = None


class Saved(Struct, frozen=True):
    """A checkpoint that is there."""

    name: str
    step: int
    manifest: str
    value: Any = None  # of the metric that was asked for, when it was saved
    whole: bool = True  # False: its weights alone
    count: int = 0  # the run's step; `step` is what it is called by


def read_rule(given: Mapping[str, Any] | Sequence[str]) -> Rule:
    """A rule as it is written: `{"last": 2, "best": "val.loss:min"}`, or texts `last=2`.

    Raises:
        UsageError: there is no such rule.
    """
    if isinstance(given, Mapping):
        pairs = [(str(name), value) for name, value in given.items() if value is not None]
    else:
        parted = [text.partition("=") for text in given]
        pairs = [(name.strip(), value.strip()) for name, _, value in parted]
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in ("last", "every", "weights_every"):
            found[name] = _count(name, value)
        elif name == "best":
            found |= _metric(value)
        else:
            raise UsageError(f"checkpoints cannot be kept by {name!r}", known=_KNOWN)
    return Rule(**found)


def _count(name: str, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{name} must be a whole number above 0, not {value!r}")
    return int(text)


def _metric(value: Any) -> dict[str, Any]:
    metric, _, word = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if isinstance(value, str) and word not in ("min", "max"):
        metric, word = value, "max"
    if not metric:
        raise UsageError(f"best must be a metric, `acc` or `val.loss:min`, not {value!r}")
    return {"best": metric, "smallest": word == "min"}


def to_drop(rule: Rule, saved: Sequence[Saved]) -> tuple[list[Saved], list[Saved]]:
    """What the rule does not hold: all of it, and all but its weights.

    Args:
        rule: the one in force.
        saved: oldest first, the one that was saved just now last.

    Returns:
        those to be dropped, and those of which only the weights stay.
    """
    whole = [one for one in saved if one.whole]
    kept = {one.manifest for one in whole[-rule.last :]}
    kept |= {one.manifest for one in whole if rule.every and one.step % rule.every == 0}
    best = _best(rule, whole)
    if best is not None:
        kept.add(best.manifest)
    drop: list[Saved] = []
    thin: list[Saved] = []
    for one in saved:
        if one.manifest in kept:
            continue
        if not rule.weights_every or one.step % rule.weights_every:
            drop.append(one)
        elif one.whole:
            thin.append(one)
    return drop, thin


def _best(rule: Rule, saved: Sequence[Saved]) -> Saved | None:
    """The one with the best value; of equals the earlier, and NaN is never the best."""
    best: Saved | None = None
    for one in saved:
        value = one.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            continue
        if best is None or (value < best.value if rule.smallest else value > best.value):
            best = one
    return best if rule.best is not None else None
