"""What is asked of a table: for whom, in which groups, of what, by which method."""

from typing import TYPE_CHECKING

from msgspec import Struct

from samebit.report.tables.settings import Settings

if TYPE_CHECKING:
    from samebit.stats.intervals import How

__all__ = ["SHAPES", "USES", "Options"]

SHAPES = {
    "runs": "a row for each run",
    "parameters": "what was set, and what the optimizer used",
    "results": "each metric's mean and interval over seeds",
    "search": "what was searched, where, and what was best",
    "supplement": "everything that was set, and by whom",
    "compute": "devices, hours and runs, those that failed too",
    "seeds": "what was seeded with which seeds",
    "data": "data and splits, by fingerprint and number of rows",
}


# What each shape makes something of; how a metric is taken goes with metrics.
USES: dict[str, tuple[str, ...]] = {
    "runs": ("columns",),
    "parameters": ("group", "columns", "transpose"),
    "results": ("group", "metrics", "test", "against", "transpose"),
    "search": ("group", "columns", "metrics"),
    "supplement": (),
    "compute": ("group",),
    "seeds": ("group",),
    "data": (),
}


class Options(Struct, frozen=True):
    """Everything beside shape and runs."""

    group: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None  # of runs and parameters: these, in this order
    metrics: tuple[str, ...] | None = None  # of results and a search
    take: str = "last"
    how: "How" = "t"
    confidence: float = 0.95
    test: str | None = None
    against: str | None = None  # the group that others are tested against; else the first
    transpose: bool = False  # groups down and parameters across, or results the other way
    settings: Settings = Settings()
    caption: str = ""
    label: str = ""
