"""Claims of a paper: a sentence, the runs it is about, and the comparison that must support it.

`claims.toml` lies beside `samebit.toml`. A claim holds, does not hold, or cannot be known: too few
runs to find anything are no support, and no refutation either.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from samebit import stats
from samebit.errors import SamebitError, UsageError
from samebit.report import pairing
from samebit.report.pairing import Test
from samebit.report.paper.settings import CLAIMS, Paper, convert, load_toml
from samebit.report.paper.values import Row, Selected
from samebit.report.results import Result, result
from samebit.report.table import number

__all__ = ["Claim", "Holds", "Judged", "judge", "read_claims"]

Holds = Literal["holds", "does not hold", "unknown"]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,119}")
_HEADER = re.compile(r"\s*\[\[\s*claim\s*\]\]")


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """`better` has a better mean of a metric than another selection, or than a number."""

    text: str  # as it stands in the paper
    better: str  # a selection
    than: str | float
    metric: str
    key: str = ""
    take: Literal["last", "first", "min", "max"] = "last"
    lower: bool = False  # whether lower is better
    by: float = 0.0  # at least so much
    test: Literal["auto", "none", "decide"] | Test = "auto"
    gamma: float = 0.75  # of `decide`: in which share of pairs it must be better
    alpha: float = 0.05
    line: int = 0  # of the file


class Judged(Struct, frozen=True):
    """What the runs say of a claim now."""

    holds: Holds
    evidence: str
    runs: tuple[str, ...] = ()


def read_claims(paper: Paper) -> dict[str, Claim]:
    """The claims by key, in order; none where the file is not there. UsageError with the line."""
    path = paper.folder / CLAIMS
    if not path.is_file():
        return {}
    plain = load_toml(path)
    others = plain.keys() - {"claim"}
    listed = plain.get("claim", [])
    if others or not isinstance(listed, list):
        raise UsageError(f"{CLAIMS} has nothing but [[claim]]", path=path)
    found: dict[str, Claim] = {}
    for at, (one, line) in enumerate(zip(listed, _lines(path, len(listed)), strict=True), 1):
        claim = _claim(one, f"{CLAIMS}:{line}", paper)
        key = claim.key or str(at)
        if key in found:
            raise UsageError(f"{CLAIMS}:{line}: there are two claims {key!r}")
        found[key] = replace(claim, key=key, line=line)
    return found


def _lines(path: Path, count: int) -> list[int]:
    text = path.read_text(encoding="utf-8")
    found = [at for at, line in enumerate(text.splitlines(), 1) if _HEADER.match(line)]
    return found if len(found) == count else [1] * count  # written as an array of tables in a line


def _claim(plain: Any, where: str, paper: Paper) -> Claim:
    claim = convert(plain, Claim, f"{where}: claim")
    if claim.key and not _KEY.fullmatch(claim.key):
        raise UsageError(f"{where}: not a key: {claim.key!r}", allowed="letters, digits, . _ + - /")
    for name in (claim.better, claim.than):
        if isinstance(name, str) and name not in paper.selections:
            known = ", ".join(paper.selections) or "none"
            raise UsageError(f"{where}: there is no selection {name!r}", known=known)
    if not claim.text.strip() or not _is_balanced(claim.text):
        raise UsageError(f"{where}: the text is no whole piece of TeX", text=repr(claim.text))
    if not 0.5 < claim.gamma <= 1 or not 0 < claim.alpha < 1 or claim.by < 0:
        raise UsageError(
            f"{where}: gamma is above 0.5 and at most 1, alpha between 0 and 1, by not negative"
        )
    return claim


def _is_balanced(text: str) -> bool:
    depth = 0
    for found in re.finditer(r"\\.|[{}%]", text):
        if found[0] == "%":
            return False
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth < 0:
            return False
    return depth == 0


def judge(claim: Claim, selected: Mapping[str, Selected]) -> Judged:
    """Compare what the claim is about, as it is recorded now."""
    names = [name for name in (claim.better, claim.than) if isinstance(name, str)]
    for name in names:
        if selected[name].problem:
            return Judged("unknown", f"selection {name}: {selected[name].problem}")
    try:
        results = [_result(claim, selected[name].rows) for name in names]
        for name, one in zip(names, results, strict=True):
            if one.estimate is None:
                why = ", ".join(dict.fromkeys(why for _, why in one.left_out))
                return Judged("unknown", f"no run of {name} has a number for {claim.metric}: {why}")
        runs = tuple(dict.fromkeys(run for one in results for run in one.runs))
        if isinstance(claim.than, str):
            ours, theirs = (
                (one, selected[name].rows) for name, one in zip(names, results, strict=True)
            )
            holds, evidence = _compared(claim, ours, theirs)
        else:
            holds, evidence = _bounded(claim, claim.than, results[0])
    except SamebitError as error:
        return Judged("unknown", error.what)
    left_out = sum(len(one.left_out) for one in results)
    also = f"; left out, having no result: {left_out}" if left_out else ""
    return Judged(holds, evidence + also, runs)


def _result(claim: Claim, rows: Sequence[Row]) -> Result:
    return result(rows, claim.metric, take=claim.take, confidence=1 - claim.alpha)


def _bounded(claim: Claim, bound: float, found: Result) -> tuple[Holds, str]:
    """Whether the whole interval is on the right side of a number."""
    estimate = found.estimate
    assert estimate is not None
    sign = -1.0 if claim.lower else 1.0
    goal = bound + sign * claim.by
    said = f"{estimate}, and the claim is {'below' if claim.lower else 'above'} {number(goal)}"
    if sign * (estimate.value - goal) <= 0:
        return "does not hold", said
    if estimate.low is None or estimate.high is None:
        return ("holds" if claim.test == "none" else "unknown"), said
    nearest = estimate.high if claim.lower else estimate.low
    if claim.test == "none" or sign * (nearest - goal) > 0:
        return "holds", said
    return "does not hold", f"{said}, which is inside of the interval"


def _compared(
    claim: Claim, ours: tuple[Result, Sequence[Row]], theirs: tuple[Result, Sequence[Row]]
) -> tuple[Holds, str]:
    """Whether one side is better by enough, and by more than chance."""
    paired = pairing.pair(ours, theirs)
    a, b = ours[0].estimate, theirs[0].estimate
    assert a is not None
    assert b is not None
    margin = (-1.0 if claim.lower else 1.0) * (a.value - b.value)
    how = f"{'better' if margin > 0 else 'worse'} by {number(abs(margin))}" if margin else "equal"
    said = f"{claim.better} {number(a.value)}, {claim.than} {number(b.value)}: {how}"
    if margin <= 0 or margin < claim.by:
        asked = f", and the claim is by {number(claim.by)}" if claim.by else ""
        return "does not hold", said + asked
    if claim.test == "none":
        return "holds", f"{said}; no test was asked for"
    if claim.test == "decide":
        if paired.why:
            return "unknown", f"{said}; decide needs pairs, and these are none: {paired.why}"
        better, worse = (paired.b, paired.a) if claim.lower else (paired.a, paired.b)
        decision = stats.decide(better, worse, gamma=claim.gamma, confidence=1 - claim.alpha)
        if 2.0 ** (1 - len(paired.a)) > claim.alpha:
            return "unknown", f"{said}; {decision}"
        is_enough = decision.answer == "significant and meaningful"
        return ("holds" if is_enough else "does not hold"), f"{said}; {decision}"
    test = None if claim.test == "auto" else claim.test
    compared = pairing.compare(paired, test, alpha=claim.alpha)
    said = f"{said}; {compared}"
    if compared.p <= claim.alpha:
        return "holds", said
    if compared.smallest_p is not None and compared.smallest_p > claim.alpha:
        return "unknown", said
    return "does not hold", said
