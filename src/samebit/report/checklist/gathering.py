"""Everything that a checklist is filled from, read from a store once."""

from collections.abc import Sequence
from pathlib import Path

from samebit.data import leaks
from samebit.data.recorded import RecordedSplit
from samebit.errors import NotFound, SamebitError
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.query import choosing
from samebit.records import SplitManifest
from samebit.report.checklist.declared import declared_beside
from samebit.report.checklist.project import Project, Row, Split, is_test, names_under
from samebit.report.facts import facts
from samebit.report.table import few, shown
from samebit.report.tables.settings import Settings, of_project

__all__ = ["gather", "searched_in"]

_LOOKED_AT = 50_000  # rows of data of which it is told whether some are equal
_MOST_TREES = 100  # versions of the code that are looked into
_MOST_SPLITS = 100
_RULE = "metrics with a word like test in their name"


def gather(
    store: Path,
    references: Sequence[str] = (),
    condition: str | None = None,
    tests: Sequence[str] = (),
) -> Project:
    """The runs of a paper and those beside which they were made.

    Args:
        store: where they are.
        references: the paper's runs by word.
        condition: and those for which this holds; without either it is every run.
        tests: patterns of metrics that are scores on test data; without, their names tell.

    Raises:
        NotFound: there is no such run, or a pattern fits no metric.
        UsageError: the condition cannot be read.
    """
    every = facts(store, replays=True)
    replays = [row for row in every if row.get("kind") == "replay"]
    rest = [row for row in every if row.get("kind") != "replay"]
    chosen = choosing.choose(store, rest, references, condition)
    whole = [row for row in chosen if "damage" not in row]
    if not whole:
        raise NotFound("no run is so" if rest else "no run is recorded here", hint=_hint(chosen))
    taken = {row["id"] for row in whole}
    metrics = names_under(whole, "metric.")
    found = tuple(name for name in metrics if is_test(name, tests))
    if tests and not found:
        raise NotFound("no run has such a metric", metrics=few(metrics, 12) or "none were logged")
    settings = of_project(store)
    return Project(
        runs=tuple(whole),
        others=tuple(row for row in rest if "damage" not in row and row["id"] not in taken),
        replays=tuple(row for row in replays if "damage" not in row),
        unreadable=sum("damage" in row for row in every),
        tests=found,
        test_rule="as asked for" if tests else _RULE,
        splits=tuple(_splits(store, whole)),
        files=tuple(_files(store, whole)),
        declared=declared_beside(store),
        searched=searched_in(settings),
        ignored=settings.ignore,
    )


def searched_in(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Each setting that was searched, and where."""
    return tuple(
        (name, f"{one.space}, {one.sampler}" if one.sampler else one.space)
        for name, one in settings.search.items()
    )


def _hint(chosen: Sequence[Row]) -> str:
    if chosen:
        return "those that were asked for cannot be read: `samebit ls --where damage`"
    return "`samebit ls` lists the runs"


def _files(store: Path, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The names in each version of the code; a version that is damaged has none."""
    objects = Store(store)
    found: list[tuple[str, ...]] = []
    for tree in dict.fromkeys(str(row["code.tree"]) for row in rows if row.get("code.tree")):
        try:
            found.append(tuple(entry.path for entry in read_tree(objects, tree).entries))
        except SamebitError:
            continue
        if len(found) == _MOST_TREES:
            break
    return found


def _splits(store: Path, rows: Sequence[Row]) -> list[Split]:
    """Each split once; two runs have the same where its rows and its data are the same."""
    prefix = "split_digest."
    runs: dict[tuple[str, str], int] = {}
    for row in rows:
        for key in (key for key in row if key.startswith(prefix)):
            one = key.removeprefix(prefix), str(row[key])
            runs[one] = runs.get(one, 0) + 1
    found: list[Split] = []
    room = _LOOKED_AT
    for (name, digest), count in list(runs.items())[:_MOST_SPLITS]:
        try:
            split = RecordedSplit(Store(store), "", name, digest, None)
        except SamebitError as error:
            found.append(Split(name, count, (), error.what, digest, unknown=error.what))
            continue
        known = split.manifest.data.rows or sum(part.rows for part in split.manifest.parts)
        room -= known
        shared, unknown = (
            _shared(split) if room >= 0 else ([], "too many rows to compare them here")
        )
        found.append(_split(name, count, split.manifest, digest, shared, unknown))
    return found


def _split(
    name: str, runs: int, manifest: SplitManifest, digest: str, shared: Sequence[str], unknown: str
) -> Split:
    method = manifest.method.rpartition(".")[2]
    made = [f"by {method}" if method != "given" else "given by the script"]
    if manifest.seed is not None:
        made.append(f"seed {manifest.seed}")
    made += [
        word
        for word, key in (("stratified", manifest.stratify), ("grouped", manifest.groups))
        if key is not None
    ]
    counts = manifest.labels.counts if manifest.labels is not None else None
    labels = few([f"{label}: {count:,}" for label, count in (counts or {}).items()], 10)
    parts = tuple((part.name, part.rows) for part in manifest.parts)
    return Split(name, runs, parts, ", ".join(made), digest, labels, tuple(shared), unknown)


def _shared(split: RecordedSplit) -> tuple[list[str], str]:
    """Which rows two parts share, and why that may not be known."""
    try:
        found = leaks.of_record(split)
    except SamebitError as error:
        return [], error.what
    said = [
        f"{one.count:,} of {one.of:,} rows of {one.second}: {one.what.format(one.first)}"
        for one in found.found
    ]
    return said, shown("; ".join(found.unknown))
