"""What the page shows of a run behind its tabs: data, lineage, learning rates, certificates."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samebit.cli import certifying
from samebit.cli.gathering import rates
from samebit.cli.leaks import with_fits
from samebit.cli.splitting import method_of
from samebit.cli.surroundings import data_links
from samebit.data import leaks
from samebit.data.fit_leaks import fits_of
from samebit.data.leaks import Leaks
from samebit.data.versions import short_name
from samebit.errors import SamebitError, in_a_line
from samebit.folders.data_facts import SplitFact
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.folders.steps import last_counts
from samebit.folders.used import data_of
from samebit.query.lineage import Branch, Graph, Link, Trail, graph_of, walk
from samebit.query.trails import trails
from samebit.records import plain
from samebit.report import signing
from samebit.report.certificate import NOTE
from samebit.session.reading import open_split

__all__ = ["certificates", "data", "learning_rates", "lineage"]

_LOOKED_AT = 200_000  # rows of splits in which leaks are looked for while somebody waits
_MOST_SPLITS = 50
_MOST_CERTIFICATES = 50
_MOST_LINKS = 200
_DEEPEST = 10  # runs behind each other
_COLUMNS = 400  # of a curve


def data(view: View) -> dict[str, Any]:
    """The data that it used, the versions that hold it, and the splits with what leaks there."""
    room = _LOOKED_AT
    told: list[dict[str, Any]] = []
    for name, fact in list(splits_of(view).items())[:_MOST_SPLITS]:
        rows = fact["rows"] or 0
        is_looked_at = rows <= room
        room -= rows if is_looked_at else 0
        told.append(_split(view, name, fact, is_looked_at=is_looked_at))
    return {
        "run": view.id,
        "data": list(data_of(view).values()),
        "versions": [
            {
                "name": short_name(link.version),
                "manifest": link.version.manifest,
                "files": link.files,
                "of": link.version.files,
                "kept": link.version.kept,
            }
            for link in data_links(view)
        ],
        "splits": told,
        "more_splits": max(0, len(splits_of(view)) - _MOST_SPLITS),
        "fits": list(fits_of(view).values()),
        "not_looked_at": list(leaks.NOT_LOOKED_AT),
    }


def _split(view: View, name: str, fact: SplitFact, *, is_looked_at: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": name,
        "method": method_of(fact),
        "at": fact.get("at"),
        "rows": fact["rows"],
        "parts": [{"name": part, "rows": rows} for part, rows, _ in fact["parts"]],
        "manifest": fact["manifest"],
        "leaks": [],
        "unknown": [],
    }
    if not is_looked_at:
        return told | {
            "unknown": [f"too many rows to be looked at here: samebit data leaks {view.id}"]
        }
    try:
        split = open_split(view, name)
        found = with_fits(view, split, leaks.of_record(split))
    except SamebitError as error:
        found = Leaks((), (in_a_line(error),))
    return told | {"leaks": [plain(one) for one in found.found], "unknown": list(found.unknown)}


def lineage(view: View) -> dict[str, Any]:
    """Which runs made what it used, and which used it, each with what lies behind it in turn."""
    every, _ = trails(view.folder.store)
    graph = graph_of(trail for trail in every if trail.kind != "replay" or trail.id == view.id)
    both = [list(_chain(graph, walk(graph, [view.id], way, _DEEPEST))) for way in ("up", "down")]
    return {
        "run": view.id,
        "from": both[0][:_MOST_LINKS],
        "to": both[1][:_MOST_LINKS],
        "more": [max(0, len(some) - _MOST_LINKS) for some in both],
    }


def _chain(graph: Graph, roots: list[Branch]) -> Iterator[dict[str, Any]]:
    """The runs of a walk as lines, each below the one that it was found behind."""
    left = [(root, 0) for root in roots]
    while left:
        branch, level = left.pop()
        if branch.link is not None and branch.run is not None:
            beyond = sum(content.cut for content in branch.behind)
            yield _link(branch.link, graph.trails[branch.run]) | {
                "level": level,
                "again": branch.again,
                "beyond": beyond,
            }
        runs = [run for content in branch.behind for run in content.behind]
        left += [(run, level + 1) for run in reversed(runs)]


def _link(link: Link, other: Trail) -> dict[str, Any]:
    return {
        "run": other.id,
        "label": other.name or other.id,
        "state": other.state,
        "kind": link.used.kind,
        "name": link.used.name,
        "made_as": link.made.name,
        "digest": link.used.digest,
        "nearest": link.nearest,
        "by_path": link.by_path,
    }


def learning_rates(view: View) -> dict[str, Any]:
    """The learning rates that changed, as lines over the steps of their optimizers."""
    found = rates(view.schedules, last_counts(view.trace), _COLUMNS)
    return {
        "run": view.id,
        "rates": [{"title": title, "points": list(curve.points)} for title, curve in found],
    }


def certificates(view: View) -> dict[str, Any]:
    """The certificates of this run that lie in the project, each with what its check finds."""
    found = [
        told for path in _places(view.folder.store.parent) if (told := _certificate(view, path))
    ]
    return {"run": view.id, "certificates": found}


def _places(project: Path) -> Iterator[Path]:
    """Where `samebit certificate make` writes them when nobody says otherwise."""
    folders = sorted(project.glob("certificate-*"))[:_MOST_CERTIFICATES]
    yield from (path for folder in folders if (path := folder / certifying.STATEMENT).is_file())


def _certificate(view: View, path: Path) -> dict[str, Any] | None:
    told: dict[str, Any] = {"folder": path.parent.name}
    try:
        envelope, statement = certifying.read(path)
        predicate = statement.predicate
        payload = hashlib.sha256(envelope.payload).hexdigest()
        notes = [note.value for note in view.notes if note.kind == NOTE]
        is_ours = any(isinstance(note, dict) and note.get("payload") == payload for note in notes)
        if predicate.run != view.id and not is_ours:
            return None
        checked = certifying.check(
            envelope, statement, signing.own_keys(), view.folder.store, [path.parent]
        )
    except SamebitError as error:
        return told | {"error": in_a_line(error)} if path.parent.name.endswith(view.id) else None
    return told | {
        "result": certifying.RESULTS[checked.findings.exit],
        "grade": predicate.shown.grade,
        "who": checked.who,
        "anonymous": bool(predicate.anonymous),
        "replay": predicate.replay,
        "signatures": plain(checked.signed),
        **plain(checked.findings),
    }
