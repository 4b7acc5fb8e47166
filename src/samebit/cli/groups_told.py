"""What groups of runs over seeds came to, for the page: that of `seeds show` and of `versus`."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from samebit.cli.seeds_early import Early
from samebit.cli.studies_told import StudiesTold
from samebit.errors import NotFound
from samebit.query.endings import Curve
from samebit.query.seeds import Group, Number, as_number
from samebit.query.volatile import is_volatile
from samebit.report.results import as_group, started_again
from samebit.report.studied import Studied, counted, floor, metrics_of, studied
from samebit.report.versus import Versus, versus
from samebit.server.given import Judged

__all__ = ["GroupTold", "GroupsTold"]

Row = Mapping[str, object]
Named = tuple[str, Sequence[Row]]


class GroupTold(Struct, frozen=True):
    """What a group of runs over seeds came to; as `samebit seeds show --json` has both."""

    result: Studied
    early: Early | None  # of a study that stops all but the best seeds early


class GroupsTold:
    """Tells of groups by the rows of their runs."""

    def __init__(self, studies: StudiesTold) -> None:
        self._studies = studies

    def counted(
        self, rows: Sequence[Row], metric: str, take: str, values: Sequence[object]
    ) -> Group:
        """What they came to, with why each of the others is left out; `values` make the group."""
        firsts, found = counted(rows, metric, take)
        there, anew = {row["id"] for row in firsts}, started_again(rows)
        aside = [
            (
                str(row["id"]),
                f"{row.get('state')} and made anew" if row["id"] in anew else "a repeat",
            )
            for row in rows
            if row["id"] not in there
        ]
        return as_group(replace(found, left_out=(*found.left_out, *aside)), values)

    def floor(self, rows: Sequence[Row], metric: str, take: str) -> Number | None:
        """The spread of runs with the same seeds."""
        found = floor(rows, metric, take)
        return as_number(found) if found is not None else None

    def group(
        self,
        rows: Sequence[Row],
        judged: Judged,
        within: float | None,
        curve_of: Callable[[str], Curve | None],
    ) -> GroupTold:
        """All that is told of a group; NotFound where none of its runs has the metric."""
        found = studied(
            rows,
            judged.metric,
            take=judged.take,
            curve_of=curve_of,
            better=judged.better,
            within=within,
            metrics=_metrics(rows, judged),
        )
        return GroupTold(found, self._studies.early(rows))

    def versus(self, first: Named, second: Named, judged: Judged) -> Versus:
        """Two groups against each other, by metrics that both have; as `samebit versus` says it."""
        theirs = set(_metrics(second[1], judged))
        both = [name for name in _metrics(first[1], judged) if name in theirs]
        if judged.metric not in both:
            raise NotFound(
                "the two groups have no metric in common", known=", ".join(both) or "none"
            )
        return versus(
            first,
            second,
            judged.metric,
            take=judged.take,
            better=judged.better,
            metrics=both,
            chosen_by=self._studies.metrics([*first[1], *second[1]]),
        )


def _metrics(rows: Sequence[Row], judged: Judged) -> list[str]:
    """What may tell that results differ: no times, but what was asked for may be one."""
    return metrics_of(rows, lambda name: name != judged.metric and is_volatile(name))
