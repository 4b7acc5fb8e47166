"""What groups of runs came to: seeds, pairs of groups, crossed kinds; and studies and sweeps."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from starlette.datastructures import QueryParams

from samebit.errors import UsageError
from samebit.query import seeds
from samebit.query.crossing import Crossing, crossing
from samebit.query.endings import Curve
from samebit.query.seeds import Group
from samebit.server import answers
from samebit.server.answers import Groups, encode
from samebit.server.asked import TAKES, Answer, Asked, better_of, metric_of, names, real, take_of
from samebit.server.described import BY, IDS, METRIC, SOME_RUNS, Address, Takes, a_text, a_word
from samebit.server.given import Given, Judged
from samebit.server.looking import Looking
from samebit.server.points import PointsCache, load_numpy

__all__ = ["CONFIDENCE", "METHOD", "TOLD_BY", "Grouped"]

Row = dict[str, Any]
Counted = tuple[Group, Sequence[Mapping[str, object]]]  # and the rows that it was told from

CONFIDENCE = 0.95
METHOD = ("config.", "seeds.")  # by which a group's result says what varied in it
# What is a repeat of another run, which seeds make pairs, how many versions of the code there were.
TOLD_BY = ("seed", "study", "trial", "trial.seeds", "started", "command", "code.ran")
_SPENT = ("steps", "device_hours")
_OF_TRIALS = ("seconds", "started", "cause", "device_hours", "machine.devices")
_TAKE = a_word("take", "of each run's metric", TAKES)
_JUDGED = (METRIC, _TAKE, a_word("better", "which is", seeds.BETTER))
_TWO = (
    IDS,
    a_text("against", "ids of the runs of the other group", is_needed=True),
    *_JUDGED,
    a_text("first", "what the one group is called; else the first"),
    a_text("second", "what the other is called; else the second"),
)
_WHICH = "which runs are the group?"
_WITHIN = Takes("within", "how narrow an interval is to be", {"type": "number"})
_KINDS = (
    *(a_text(name, "a key that is a seed", is_needed=True) for name in ("down", "across")),
    a_text("others", "keys of further kinds of seeds, separated by commas"),
)
_NAME = a_text("name", "the group of a sweep's runs", is_needed=True)


class Grouped:
    """Tells of groups of runs, from what is known of them."""

    def __init__(self, given: Given, looking: Looking, points: PointsCache) -> None:
        self._given = given
        self._looking = looking
        self._points = points

    def addresses(self) -> dict[str, tuple[Answer, Address]]:
        """By path, what answers it, and how it is described."""
        return {
            "runs/groups": (self._groups, Address(answers.Groups, (BY, METRIC, _TAKE, *SOME_RUNS))),
            "seeds/best": (self._best, Address(seeds.Bests, (BY, *_JUDGED, *SOME_RUNS))),
            "seeds/group": (self._group, Address(self._given.group[1], (IDS, *_JUDGED, _WITHIN))),
            "seeds/versus": (self._versus, Address(self._given.versus[1], _TWO)),
            "seeds/crossing": (self._crossing, Address(Crossing, (IDS, METRIC, _TAKE, *_KINDS))),
            "studies": (self._studies, Address(answers.Studies, SOME_RUNS)),
            "sweep": (self._sweep, Address(self._given.sweep[1], (_NAME,))),
        }

    def _groups(self, asked: Asked) -> bytes:
        by = names(asked.query, "by") or []
        found = [group for group, _ in self._came_to(asked, by)]
        return encode(Groups(by, metric_of(asked.query), take_of(asked.query), CONFIDENCE, found))

    def _came_to(self, asked: Asked, by: list[str], more: Sequence[str] = ()) -> list[Counted]:
        """What groups of the runs that are meant came to, each with the rows that it is of."""
        metric, take = metric_of(asked.query), take_of(asked.query)
        needed = [*by, *more, *TOLD_BY]
        needed += (f"{one}.{metric}" for one in ("metric", *TAKES[1:]))
        meant = self._looking.meant(asked.query, needed, METHOD)
        return [
            (self._given.counted(rows, metric, take, values), rows)
            for values, rows in self._given.groups(meant, by)
        ]

    def _studies(self, asked: Asked) -> bytes:
        of_runs = ("state", "seconds", "started", "study")
        rows = self._looking.rows(None, replays=False, names=of_runs, beginnings=())
        found = self._given.studies(rows)
        if asked.query.get("where") or asked.query.get("ids"):
            meant = {row.get("study") for row in self._looking.meant(asked.query, ("study",))}
            found = [one for one in found if one.id in meant]
        return encode(answers.Studies(found))

    def _sweep(self, asked: Asked) -> bytes:
        tell, _ = self._given.sweep
        rows = self._looking.rows(None, replays=False, names=_OF_TRIALS, beginnings=("metric.",))
        return encode(tell(asked.query.get("name", ""), rows))

    def _best(self, asked: Asked) -> bytes:
        by, better = names(asked.query, "by") or [], better_of(asked.query)
        groups = [group for group, _ in self._came_to(asked, by)]
        found, method = seeds.best(groups, better == "lower")
        metric, take = metric_of(asked.query), take_of(asked.query)
        return encode(seeds.Bests(by, metric, take, better, method, found))

    def _group(self, asked: Asked) -> bytes:
        """Of the runs that are named, those without a result among them."""
        numpy, metric = load_numpy(), metric_of(asked.query)

        def curve_of(run: str) -> Curve | None:
            series = self._points.series(run, metric)
            return None if series is None else (series.steps(numpy), series.values(numpy))

        tell, _ = self._given.group
        judged = Judged(metric, take_of(asked.query), better_of(asked.query))
        within = real(asked.query, "within")
        return encode(tell(self._whole_rows(asked, "ids"), judged, within, curve_of))

    def _versus(self, asked: Asked) -> bytes:
        """Of the runs that are named first and those named second."""
        tell, _ = self._given.versus
        both = [
            (asked.query.get(name) or said, self._whole_rows(asked, ids))
            for ids, name, said in (
                ("ids", "first", "the first"),
                ("against", "second", "the second"),
            )
        ]
        judged = Judged(metric_of(asked.query), take_of(asked.query), better_of(asked.query))
        return encode(tell(both[0], both[1], judged))

    def _whole_rows(self, asked: Asked, name: str) -> list[Row]:
        """What groups are told from, of the runs that are named."""
        query = QueryParams({"ids": asked.query.get(name, "")})
        metric = metric_of(asked.query)
        needed = [*TOLD_BY, *_SPENT, f"points.{metric}"]
        needed += (f"{one}.{metric}" for one in TAKES[1:])
        rows = self._looking.meant(query, needed, (*METHOD, "metric."))
        if not rows:
            raise UsageError(f"no run is named in {name}", hint=_WHICH)
        return rows

    def _crossing(self, asked: Asked) -> bytes:
        down, across = (asked.query.get(name, "") for name in ("down", "across"))
        others = names(asked.query, "others") or []
        group, rows = self._one(asked, "ids", (down, across, *others))
        floor = self._given.floor(rows, metric_of(asked.query), take_of(asked.query))
        return encode(replace(crossing(group, rows, down, across, others), floor=floor))

    def _one(self, asked: Asked, name: str, more: Sequence[str] = ()) -> Counted:
        """The runs that are named, as one group."""
        query = QueryParams({**dict(asked.query), "ids": asked.query.get(name, "")})
        found = self._came_to(Asked(query, {}), [], more)
        if not found:
            raise UsageError(f"no run is named in {name}", hint=_WHICH)
        return found[0]
