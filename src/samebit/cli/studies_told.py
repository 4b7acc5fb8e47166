"""How far studies are and what sweeps came to, for the page: by lines and the rows of runs."""

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from samebit.cli.seeds_early import Early, early_of
from samebit.cli.sweep_found import Found, find_sweep, found_of
from samebit.errors import SamebitError
from samebit.server.answers import StudyNow
from samebit.studies.declared import Study, Sweep, declared_in, folder_of
from samebit.studies.fates import Fate, fates
from samebit.studies.following import Following
from samebit.studies.lasting import time_left
from samebit.studies.space import grid
from samebit.studies.sweeping import Budget
from samebit.studies.travelling import studies_here
from samebit.studies.trials import FILE, History, read_history

__all__ = ["StudiesTold"]

Row = Mapping[str, object]


class StudiesTold:
    """Tells of studies again and again; their lines are read where there are more of them."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, tuple[int, Study, History]] = {}  # with the size of its lines
        self._sizes: dict[str, int] = {}  # of a grid: it may take thousands of steps to count one
        self._followed: dict[str, Following] = {}  # by study
        self._lock = threading.Lock()  # following is for one thread at once

    def __call__(self, rows: Sequence[Row]) -> list[StudyNow]:
        """Each study, in order of its name; one that cannot be read is left out.

        Args:
            rows: of the store's runs, with `id`, `state`, `seconds`, `started`, `study`.
        """
        by_study: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in rows:
            if row.get("study") is not None:
                by_study[str(row["study"])][str(row["id"])] = row
        found = [
            _told(*known, by_study[study], self._size(known[0]))
            for study in studies_here(self._store)
            if (known := self._read(study)) is not None
        ]
        return sorted(found, key=lambda one: one.name)

    def sweep(self, name: str, rows: Sequence[Row]) -> Found:
        """What a sweep came to; NotFound, Damaged where it cannot be read.

        Args:
            name: the group of its runs.
            rows: of the store's runs, with what `found_of` asks for.
        """
        study, sweep = find_sweep(self._store, name)
        known = self._read(study.id)
        history = known[1] if known else read_history(folder_of(self._store, study.id), study.id)
        ours = {str(row["id"]): row for row in rows}
        with self._lock:
            following = self._followed.setdefault(study.id, Following(self._store, study.metric))
            return found_of(study, sweep, history, ours, following.points)

    def metrics(self, rows: Sequence[Row]) -> list[str]:
        """By which metrics the studies of some runs judge them."""
        known = map(self._read, _studies_of(rows))
        return list(dict.fromkeys(one[0].metric for one in known if one and one[0].metric))

    def early(self, rows: Sequence[Row]) -> Early | None:
        """What stopping early came to; None but of the runs of one study that does so."""
        of = _studies_of(rows)
        known = self._read(of[0]) if len(of) == 1 else None
        if known is None or known[0].keeping is None:
            return None
        study, history = known
        with self._lock:
            following = self._followed.setdefault(study.id, Following(self._store, study.metric))
            return early_of(study, history.trials, rows, following.points)

    def _size(self, study: Study) -> int | None:
        """How many configurations a grid has; None of what is none. What was declared stays so."""
        sweep = study.sweep
        if sweep is None or sweep.sampler != "grid":
            return None
        if study.id not in self._sizes:
            self._sizes[study.id] = len(grid(sweep.space))
        return self._sizes[study.id]

    def _read(self, study: str) -> tuple[Study, History] | None:
        folder = folder_of(self._store, study)
        try:
            size = os.stat(folder / FILE).st_size
            known = self._known.get(study)
            if known is None or known[0] != size:
                known = size, declared_in(folder), read_history(folder, study)
                self._known[study] = known
        except (OSError, SamebitError):
            return None
        return known[1:]


def _studies_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(str(one) for row in rows if (one := row.get("study")) is not None))


def _told(study: Study, history: History, rows: Mapping[str, Row], size: int | None) -> StudyNow:
    found = fates(history.trials, rows)
    running = [_since(one) for one in found if one.state == "running"]
    # What Ctrl-C ended waits for its turn again while others run.
    counts = Counter(one.state if running else one.called for one in found)
    sweep = study.sweep
    wanted = len(found) if sweep is None else _wanted(sweep, history.counts, size)
    total = max(len(found), wanted or 0)
    counts["waiting"] += total - len(found)
    took = [one.seconds for one in found if one.seconds is not None and one.state != "running"]
    is_known = running and wanted is not None
    each = fmean(took) if took else None
    left = time_left(each, running, counts["waiting"], 0) if is_known else None
    kind = "seeds" if sweep is None else "sweep"
    return StudyNow(study.id, study.name, kind, total, dict(+counts), left)


def _wanted(sweep: Sweep, budget: Mapping[str, int], size: int | None) -> int | None:
    """How many trials a sweep is to have; None where it goes on until a time is over."""
    if any(name != "trials" for name in budget):
        return None
    most = Budget(budget.get("trials", 0)).most(size)
    return None if most is None else most * sweep.seeds


def _since(one: Fate) -> float:
    return max(0.0, (time.time_ns() - (one.started_ns or time.time_ns())) / 1e9)
