"""What became of the trials of a study: read from their runs, so that nothing can disagree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit.folders.ending import STOPPED_EARLY
from samebit.launch.families import BEYOND
from samebit.query import index
from samebit.studies.places.place import IN_VAIN
from samebit.studies.trials import Start, Trial

__all__ = [
    "LOST",
    "MOST_STARTS",
    "OVER",
    "Fate",
    "Fates",
    "Row",
    "fate",
    "fates",
    "fresh_row",
    "goes_again",
]

OVER = ("finished", "failed")  # a script that failed would fail again
LOST = ("killed", "broken off")
MOST_STARTS = 2  # of a trial whose runs are lost
Row = Mapping[str, object]


class Fate(Struct, frozen=True):
    """How it is with a trial."""

    trial: Trial
    # waiting | running | finished | stopped early | failed | killed | broken off | damaged
    state: str
    run: str | None = None  # its last one
    seconds: float | None = None
    started_ns: int | None = None
    cause: str = ""

    @property
    def began(self) -> bool:
        """Whether its last start came to a run."""
        return self.run is not None

    @property
    def is_in_vain(self) -> bool:
        """Whether another start would end as this one did: what was too little would be again."""
        return self.cause.startswith((BEYOND, *IN_VAIN))

    @property
    def called(self) -> str:
        """The state as people call it: what Ctrl-C ended waits, as what never began, and says so.

        A run that is about to be started again after a loss waits without having been stopped.
        """
        last = self.trial.last
        return "stopped" if self.state == "waiting" and last and last.stopped else self.state


class Fates(dict[int, Fate]):
    """Trials by number, each set by itself and none taken out; what they come to is kept up.

    A study of thousands is looked at ten times a second.

    Attributes:
        counts: of trials by state; also 0.
    """

    counts: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counter()
        self._took, self._timed = 0.0, 0

    def __setitem__(self, number: int, found: Fate) -> None:
        self._count(self.get(number), -1)
        self._count(found, 1)
        super().__setitem__(number, found)

    def _count(self, one: Fate | None, by: int) -> None:
        if one is None:
            return
        self.counts[one.state] += by
        if one.seconds is not None:
            self._took, self._timed = self._took + by * one.seconds, self._timed + by

    @property
    def mean_seconds(self) -> float | None:
        """How long a run took; None where that is known of none."""
        return self._took / self._timed if self._timed else None


def fates(trials: Sequence[Trial], rows: Mapping[str, Row]) -> list[Fate]:
    """How it is with each trial.

    Args:
        trials: of a study.
        rows: of `query.index`, by id.
    """
    return [fate(trial, rows.get(trial.last.run) if trial.last else None) for trial in trials]


def fate(trial: Trial, row: Row | None) -> Fate:
    """How it is with a trial, by the row of the run of its last start."""
    if trial.last is None or row is None or _is_unbegun(trial.last, row):
        if trial.early is not None:
            return Fate(trial, STOPPED_EARLY)
        lost = trial.last.lost if trial.last is not None else ""
        return Fate(trial, "broken off" if lost else "waiting", cause=lost)
    run, state = str(row["id"]), str(row["state"])
    seconds, started = row.get("seconds"), row.get("started")
    if trial.early is not None and state not in ("finished", "running"):
        state = STOPPED_EARLY  # however it took the signal
    elif trial.last.stopped and state not in OVER[:1]:
        return Fate(trial, "waiting", run)
    return Fate(
        trial,
        state,
        run,
        seconds if isinstance(seconds, float) else None,
        started if isinstance(started, int) else None,
        (trial.last.lost if state in LOST else "")
        or str(row.get("cause") or row.get("damage") or ""),
    )


def _is_unbegun(start: Start, row: Row) -> bool:
    """Whether a start came to no execution; of one that goes on its run is there before."""
    known = row.get("executions")
    executions = known if isinstance(known, int) else 1
    return row["state"] == "not begun" or executions < start.execution


def goes_again(found: Fate) -> bool:
    """Whether a run was lost that is started once more, unless it would be again."""
    return found.state in LOST and not found.is_in_vain and found.trial.counted < MOST_STARTS


def fresh_row(store: Path, run: str) -> Row | None:
    """The row of one run as it is now; None where there is none."""
    for _, found, _ in index.read_each(store, {run}, [index.ROWS]):
        return found if isinstance(found, dict) else found[0].value
    return None
