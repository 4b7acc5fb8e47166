"""Between identical and different: close within a tolerance, or compatible with the seeds' spread.

Only for a replay that went to its end: a cut one proves nothing of it.
"""

import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from samebit.capture.config import flat
from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.records import Verdict
from samebit.replay.pairs import twins
from samebit.replay.results import compare_data, compare_media, compare_splits, is_volatile
from samebit.states import comparing, numbers
from samebit.states.comparing import LeafDifference, Side
from samebit.states.stored import StoredState
from samebit.stats.distributions import t_quantile

__all__ = ["RTOL", "regrade"]

RTOL = 1e-5
_LEAST_SEEDS = 5
_LEVEL = 0.95
_SEED = re.compile(r"(^|[._-])(random_)?seed$", re.IGNORECASE)
_NAMED = 3


class _Worst(Struct):
    """The largest relative difference that was met, and what was too large or cannot be told."""

    relative: float = 0.0
    where: str = ""
    beyond: list[str] = field(default_factory=list[str])
    compared: int = 0


def regrade(
    recorded: View, replayed: View, verdict: Verdict, others: Iterable[View], rtol: float
) -> Verdict:
    """A verdict `different` on a whole replay, as close or compatible where it is that.

    Args:
        recorded: the run.
        replayed: its replay, to the end.
        verdict: on the two.
        others: finished runs among which seeds of the same training are looked for.
        rtol: the tolerance, relative to the largest magnitude of an array, or to a metric's value.
    """
    if verdict.grade != "different" or verdict.until is not None:
        return verdict
    if replayed.status != "finished" or recorded.status != "finished":
        return verdict
    if compare_splits(recorded, replayed).differing:
        return verdict  # trained or judged on other rows: no rounding
    if compare_data(recorded, replayed).differing:
        return verdict
    arrays, metrics = _arrays(recorded, replayed, rtol), _metrics(recorded, replayed, rtol)
    if not (arrays.relative or metrics.relative) and compare_media(recorded, replayed).differing:
        return verdict  # of the same training something else was logged: no rounding
    told = [_told("final state", arrays, rtol), _told("metrics", metrics, rtol)]
    lines = tuple(filter(None, told))
    if arrays.compared and not (arrays.beyond or metrics.beyond):
        return replace(verdict, grade="close", scope=(*verdict.scope, *lines))
    spread = _spread(recorded, replayed, others)
    if spread is None:
        return replace(verdict, scope=(*verdict.scope, *lines))
    inside, said = spread
    grade = "compatible" if inside else verdict.grade
    return replace(verdict, grade=grade, scope=(*verdict.scope, *lines, *said))


def _arrays(recorded: View, replayed: View, rtol: float) -> _Worst:
    worst = _Worst()
    for rank, view, twin in twins(recorded, replayed):
        for name in (name for name in view.states if name.startswith("final")):
            if twin is None or name not in twin.states:
                worst.beyond.append(f"{rank}{name} is not there")
                continue
            try:
                ours, theirs = (_side(one, name) for one in (view, twin))
                worst.compared += len(ours.records)
                for found in comparing.compare_leaves(ours, theirs):
                    if found is not None and not found.place.startswith("generators"):
                        _judge(rank, found, ours, rtol, worst)
            except SamebitError as error:
                worst.beyond.append(f"{rank}{name}: {error.what}")
    return worst


def _side(view: View, name: str) -> Side:
    store = Store(view.folder.store)
    return comparing.of_state(StoredState(store, view.manifest(name), apart=True))


def _judge(rank: str, found: LeafDifference, ours: Side, rtol: float, worst: _Worst) -> None:
    place = f"{rank}{found.place}"
    apart, record = found.apart, found.ours
    if apart is None or record is None or apart.nan or not isinstance(apart.max_abs, float):
        worst.beyond.append(f"{place} ({found.why or 'no numbers to compare'})")
        return
    sizes = [numbers.largest(record.dtype, piece) for piece in ours.pieces(found.place)]
    size = max((one for one in sizes if one is not None), default=0.0)
    relative = apart.max_abs / size if size else math.inf if apart.max_abs else 0.0
    ulp = f", {apart.max_ulp} ULP" if apart.max_ulp is not None else ""
    _note(worst, relative, f"{place}{ulp}", rtol)


def _note(worst: _Worst, relative: float, where: str, rtol: float) -> None:
    if not relative <= rtol:
        worst.beyond.append(f"{where}: {relative:.2g}")
    if relative > worst.relative or not worst.where:
        worst.relative, worst.where = relative, where


def _metrics(recorded: View, replayed: View, rtol: float) -> _Worst:
    worst = _Worst()
    for rank, mine, twin in twins(recorded, replayed):
        ours, theirs = mine.metrics, twin.metrics if twin is not None else {}
        for name in [*ours, *(n for n in theirs if n not in ours)]:
            if is_volatile(name, recorded):
                continue
            worst.compared += 1
            for step, a, b in _points(ours.get(name), theirs.get(name)):
                where = f"{rank}{name} at step {step}"
                if repr(a) == repr(b):
                    continue
                if not (isinstance(a, float) and isinstance(b, float)) or math.isnan(a - b):
                    worst.beyond.append(where)
                    continue
                size = max(abs(a), abs(b))
                _note(worst, abs(a - b) / size if size else 0.0, where, rtol)
    return worst


def _points(ours: Any, theirs: Any) -> Iterator[tuple[int, Any, Any]]:
    mine, other = (
        dict(zip(side.steps, side.values, strict=True)) if side is not None else {}
        for side in (ours, theirs)
    )
    for step in dict.fromkeys([*mine, *other]):
        yield step, mine.get(step), other.get(step)


def _told(what: str, worst: _Worst, rtol: float) -> str:
    if worst.beyond:
        more = f" and {len(worst.beyond) - _NAMED} more" if len(worst.beyond) > _NAMED else ""
        return f"{what} not within {rtol:g}: {', '.join(worst.beyond[:_NAMED])}{more}"
    if not worst.compared:
        return ""
    if not worst.where:
        return f"{what} equal"
    return f"{what} within {rtol:g}: at most {worst.relative:.2g} ({worst.where})"


# Compatible ------------------------------------------------------------------------------------


def _spread(
    recorded: View, replayed: View, others: Iterable[View]
) -> tuple[bool, tuple[str, ...]] | None:
    """Whether the replay's last metrics lie within what the seeds of this training spread over.

    The interval is that in which one more observation of a normal distribution lies:
    mean ± t s √(1 + 1/n), with n - 1 degrees of freedom.
    """
    by_seed = {_seeds(view): view for view in others if _is_another_seed(recorded, view)}
    seeds = [recorded, *by_seed.values()]
    if len(seeds) < _LEAST_SEEDS:
        return None
    *last, now = [_last(view) for view in (*seeds, replayed)]
    names = [name for name in last[0] if all(name in each for each in (*last, now))]
    lines: list[str] = []
    inside = bool(names)
    for name in names:
        values = [each[name] for each in last]
        mean, sd = statistics.fmean(values), statistics.stdev(values)
        half = t_quantile((1 + _LEVEL) / 2, len(values) - 1) * sd * math.sqrt(1 + 1 / len(values))
        value = now[name]
        is_in = abs(value - mean) <= half
        inside = inside and is_in
        lines.append(
            f"{name}: {value:.6g} {'in' if is_in else 'not in'} {mean:.6g} ± {half:.3g}, where one "
            f"more of {len(values)} recorded seeds lies in {_LEVEL:.0%} of cases"
        )
    return inside, tuple(lines)


def _last(view: View) -> Mapping[str, float]:
    return {
        name: float(column.values[-1])
        for name, column in view.metrics.items()
        if column.values
        and not is_volatile(name, view)
        and isinstance(column.values[-1], (int, float))
        and math.isfinite(column.values[-1])
    }


def _is_another_seed(run: View, other: View) -> bool:
    """Whether two runs are the same training but for their seeds."""
    if other.id == run.id or other.record.kind != "run" or other.status != "finished":
        return False
    if run.code is None or other.code is None or run.code.tree != other.code.tree:
        return False
    return _seeds(other) != _seeds(run) and _setting(run) == _setting(other)


def _seeds(view: View) -> tuple[object, ...]:
    """What a run was seeded with: by us, and as its configuration has it."""
    config = view.facts.get("config")
    values = flat(config) if isinstance(config, dict) else {}
    return (view.seed, *(repr(v) for name, v in sorted(values.items()) if _SEED.search(name)))


def _setting(view: View) -> tuple[object, ...]:
    config = view.facts.get("config")
    values = flat(config) if isinstance(config, dict) else {}
    plain = sorted((name, repr(v)) for name, v in values.items() if not _SEED.search(name))
    deterministic = view.start.deterministic if view.start is not None else None
    return (plain, deterministic, view.start.how if view.start is not None else None)
