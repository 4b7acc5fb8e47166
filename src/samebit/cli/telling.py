"""What the page is told of runs: the words, the tables and the comparisons of the command line."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from samebit import records
from samebit.capture.environment import comparable
from samebit.cli import detailing, gathering
from samebit.cli.comparing import (
    config_of,
    environment_of,
    exact,
    results_of,
    why_not_comparable,
)
from samebit.cli.groups_told import GroupsTold, GroupTold
from samebit.cli.scheduling import schedule_as_data
from samebit.cli.schemas.details import DETAILS
from samebit.cli.showing import randomness_lines
from samebit.cli.studies_told import StudiesTold
from samebit.cli.surroundings import machine_lines
from samebit.cli.sweep_found import Found
from samebit.cli.verifying import in_words
from samebit.cli.words import shown, visible, when
from samebit.digest import short
from samebit.errors import SamebitError
from samebit.folders import stated
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.folders.used import data_of
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.query.volatile import is_volatile
from samebit.query.where import Sort
from samebit.remotes import named
from samebit.replay.pairs import compare_traces, rank_of
from samebit.replay.scope import not_comparable
from samebit.report import results, tables
from samebit.report.facts import TABLES
from samebit.report.table import rows_to_csv, runs_table
from samebit.report.tables.naming import plain_name
from samebit.report.versus import Versus
from samebit.server import code
from samebit.server.answers import Command, Fact, Part, Told
from samebit.server.beside import FirstDifference
from samebit.server.given import Given, TracesApart
from samebit.session.reading import open_state

__all__ = ["given"]

_FACTS_OF_ENVIRONMENT = ("interpreter", "packages", "machine", "settings", "variables")


def given(store: Path, *, remote: str = "", may_edit: bool = False) -> Given:
    """Everything that the page is given."""
    studies = StudiesTold(store)
    told = GroupsTold(studies)
    return Given(
        store,
        TABLES,
        partial(_tell, store, remote),
        {name: (tell, DETAILS[name]) for name, tell in _details().items()},
        _compare,
        _first_difference,
        lambda view, one, apart: open_state(view, one, apart=apart),
        results.groups,
        told.counted,
        (told.group, GroupTold),
        (told.versus, Versus),
        told.floor,
        _table,
        _groups_table,
        is_volatile,
        studies,
        (studies.sweep, Found),
        remote=remote,
        may_edit=may_edit,
    )


def _details() -> dict[str, Callable[[View], Any]]:
    return {
        "schedule": schedule_as_data,
        "verdicts": _verdicts,
        "states": _states,
        "splits": lambda view: {"run": view.id, "splits": list(splits_of(view).values())},
        "environment": _environment,
        "data": detailing.data,
        "lineage": detailing.lineage,
        "rates": detailing.learning_rates,
        "certificates": detailing.certificates,
    }


def _tell(store: Path, remote: str, view: View) -> Told:
    parts = gathering.parts(view, _metrics(view), anonymous=False)
    return Told(
        view.name or view.id,
        list(gathering.marks(view)),
        gathering.lead(view),
        [
            Part(part.title, [Fact(fact.name, list(fact.values)) for fact in part.facts])
            for part in [*parts, gathering.part("Machine", machine_lines(view))]
            if part.facts
        ],
        list(_commands(store, remote, view)),
    )


def _compare(view: View) -> dict[str, dict[str, str]]:
    """By section, in words that tell values apart."""
    data = {name: str(fact["fingerprint"]) for name, fact in data_of(view).items()}
    data |= {f"split {name}": str(fact["manifest"]) for name, fact in splits_of(view).items()}
    told = {
        "config": {name: exact(value) for name, value in config_of(view).items()},
        "code": _code(view),
        "data": data,
        "randomness": dict(_joined(randomness_lines(view))),
        "environment": {
            name: shown(value) for name, value in comparable(environment_of(view)).items()
        },
        "results": {name: exact(value) for name, value in results_of(view).items()},
        "states": {
            name: fact["manifest"]
            for name, fact in view.states.items()
            if name == "step 0" or name.startswith("final")
        },
    }
    return {
        title: {key: visible(value) for key, value in one.items()} for title, one in told.items()
    }


def _code(view: View) -> dict[str, str]:
    """The files that ran, each by its content."""
    ran = code.that_ran(view)
    if ran is None:
        return {}
    found = {"(commit)": ran.head or "none"}
    try:
        entries = read_tree(Store(view.folder.store), ran.tree).entries
    except SamebitError as error:
        return found | {"(files)": f"cannot be read: {error.what}"}
    return found | {entry.path: short(entry.digest) for entry in entries}


def _joined(lines: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    """Lines of one name as one."""
    found: dict[str, list[str]] = {}
    name = ""
    for key, value in lines:
        name = key.strip() or name
        found.setdefault(name, []).append(shown(value))
    return ((name, "; ".join(said)) for name, said in found.items())


def _first_difference(first: View, second: View) -> TracesApart:
    matched = compare_traces(first, second)
    found = matched.divergence
    note = not_comparable(matched) if matched.apart else None
    if found is None and not matched.rows:
        note = why_not_comparable(first, second)
    return TracesApart(
        None
        if found is None
        else FirstDifference(
            step=found.step,
            after=found.after,
            optimizer=found.optimizer,
            cause=found.cause,
            what=found.what,
            where=found.where,
            rank=rank_of(found.rank) if found.rank else "",
            groups=list(found.groups),
            facts=list(found.facts),
        ),
        matched.rows,
        matched.apart,
        note,
    )


def _table(form: str, rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None) -> str:
    if form == "csv":
        return rows_to_csv(*runs_table(rows, columns))
    told = [{**row, "started": _moment(row)} if "started" in row else row for row in rows]
    wanted = tables.Options(columns=None if columns is None else tuple(columns))
    # The page asks for some columns, so these rows are not the whole records.
    made = tables.make("runs", told, wanted)
    short = [plain_name(column.title) for column in made.columns]
    titled = (
        replace(column, title=name if short.count(name) == 1 else column.title)
        for name, column in zip(short, made.columns, strict=True)
    )
    return _latex(replace(made, columns=tuple(titled), records=""))


def _groups_table(
    form: str,
    rows: Sequence[Mapping[str, object]],
    by: Sequence[str],
    columns: Sequence[str],
    order: Sort | None,
) -> str:
    made = tables.grouped(rows, by, columns, order)
    return tables.to_csv(made) if form == "csv" else _latex(made)


def _latex(made: tables.Table) -> str:
    return tables.to_latex(made, plain=True, made_by="samebit ui")


def _moment(row: Mapping[str, object]) -> object:
    started = row["started"]
    return when(started) if isinstance(started, int) else started


def _metrics(view: View) -> Iterator[tuple[str, object]]:
    for name, one in view.summaries.items():
        yield name, f"{shown(one.last)} at step {one.step}"


def _commands(store: Path, remote: str, view: View) -> Iterator[Command]:
    run = view.id
    if remote:
        yield Command("get it here, whole", f"samebit pull {run} --remote {shlex.quote(remote)}")
        return
    if view.record.kind == "run" and view.record.imported is None:
        yield Command("run it again and compare every bit", f"samebit verify {run}")
    if view.verdicts:
        yield Command("state the verdict for others", f"samebit certificate make {run}")
    final = view.states.get(stated.FINAL)
    if final is not None and not final.get("dropped") and final.get("kept", True):
        export = f"samebit state export {run}:{stated.FINAL} final.safetensors"
        yield Command("its final parameters in a file", export)
    yield Command("every point of its metrics", f"samebit metrics {run} --csv")
    for name in named.read_all(store):
        yield Command("send it there", f"samebit push {run} --remote {shlex.quote(name)}")
    yield Command("a page of it for others", f"samebit publish {run} --to {run}.html")


def _verdicts(view: View) -> dict[str, Any]:
    found = [records.plain(one) | {"words": in_words(one)} for one in view.verdicts]
    return {"run": view.id, "verdicts": found}


def _states(view: View) -> dict[str, Any]:
    """Without their identities, for which all of each would have to be read."""
    found = [
        {
            "name": one.name,
            "rank": rank,
            "step": one.step,
            "optimizer": one.optimizer,
            "size_bytes": one.size_bytes,
            "kept": one.kept and not one.dropped,
            "dropped": one.dropped,
            "whole": one.whole,
            "manifest": one.manifest,
        }
        for rank in view.ranks or [""]
        for one in stated.states_of(view.at_rank(rank) if len(view.ranks) > 1 else view)
    ]
    return {"run": view.id, "states": found}


def _environment(view: View) -> dict[str, Any]:
    found = {name: view.facts[name] for name in _FACTS_OF_ENVIRONMENT if name in view.facts}
    return {"run": view.id, **found}
