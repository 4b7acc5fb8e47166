"""What sweeps say of the runs that are told of: where settings were searched, by which rule chosen.

Tables and checklists are given it, since they know no study. What a project declares by hand in
`samebit.toml` stays above it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from samebit.errors import NotFound
from samebit.report.tables.options import Options
from samebit.report.tables.settings import Searched, Settings
from samebit.studies.declared import Study, Sweep, declared_in, folder_of
from samebit.studies.space import option_of, words
from samebit.studies.trials import read_history

__all__ = ["by_sweep", "rules_of", "sweeps_of", "with_search"]

Row = Mapping[str, object]


def sweeps_of(store: Path, rows: Sequence[Row]) -> list[tuple[Study, Sweep]]:
    """The sweeps that some runs are of, in the order of the runs."""
    ids = dict.fromkeys(str(row["study"]) for row in rows if row.get("study"))
    found: list[tuple[Study, Sweep]] = []
    for one in ids:
        with contextlib.suppress(NotFound):  # or damaged: `samebit check` says so
            study = declared_in(folder_of(store, one))
            if study.sweep is not None:
                found.append((study, study.sweep))
    return found


def with_search(store: Path, settings: Settings, sweeps: Sequence[tuple[Study, Sweep]]) -> Settings:
    """Settings of tables with the spaces that were searched, by whom, and which way is better."""
    found: dict[str, Searched] = {}
    ways: dict[str, str] = {}
    for study, sweep in sweeps:
        history = read_history(folder_of(store, study.id), study.id)
        by = ", ".join(dict.fromkeys(one.by for one in history.trials if one.by)) or sweep.sampler
        ways[study.metric] = "higher" if sweep.goal == "maximize" else "lower"
        for one in sweep.space:
            name = option_of(study.words, one.name)
            space = Searched(words(one), f"{by}, seed {study.seed}")
            before = found.get(name)
            if before is not None and before != space:
                parts = [(before.space, space.space), (before.sampler, space.sampler)]
                space = Searched(*("; ".join(dict.fromkeys(both)) for both in parts))
            found[name] = space
    return replace(settings, search=found | settings.search, direction=ways | settings.direction)


def by_sweep(wanted: Options, sweeps: Sequence[tuple[Study, Sweep]]) -> Options:
    """A table of a search by the metric and the value that chose, where the sweeps agree."""
    chose = {(study.metric, sweep.goal, sweep.take) for study, sweep in sweeps}
    if wanted.metrics is not None or len(chose) != 1:
        return wanted
    ((metric, goal, take),) = chose
    best = "max" if goal == "maximize" else "min"
    return replace(wanted, metrics=(metric,), take=best if take == "best" else wanted.take)


def rules_of(sweeps: Sequence[tuple[Study, Sweep]]) -> list[str]:
    """By which rule each sweep chose."""
    return [f"sweep {study.name}: {study.metric}, {sweep.rule}" for study, sweep in sweeps]
