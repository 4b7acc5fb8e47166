"""`samebit du`: who uses the space of a store, and what deduplication and encoding saved."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit import places
from samebit.cli.tables import Column, table
from samebit.cli.words import Screen, size, visible
from samebit.data import versions
from samebit.data.uses import uses_of
from samebit.digest import canonical_json
from samebit.errors import Damaged, SamebitError
from samebit.folders import naming
from samebit.folders.find import find_run, list_runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects import verifying
from samebit.objects.store import Store
from samebit.report.paper.keeping import named_by_papers

__all__ = ["du", "du_arguments"]

_KINDS = ("state", "code", "file", "media")


class _Share(Struct):
    """What one run keeps: names by kind, and how many bytes it would be, each time anew."""

    folder: RunFolder
    name: str = ""
    names: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _KINDS})
    logical_bytes: int = 0
    folder_bytes: int = 0  # journal, records, console
    states: int = 0

    @property
    def all(self) -> set[str]:
        return set().union(*self.names.values())


class _Data(Struct, frozen=True):
    """What the versions of one name keep; their bytes as if each were stored by itself."""

    name: str
    versions: int
    logical_bytes: int
    objects: set[str]


def du_arguments(parser: argparse.ArgumentParser) -> None:
    """What du takes."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="only these; all without")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def du(options: argparse.Namespace) -> int:
    """The largest first; what several runs name is counted as shared by each."""
    path = places.find_store(Path.cwd())
    wanted = {find_run(path, reference).id for reference in options.runs}
    store = Store(path)
    sizes = _sizes(store)
    shares = [_share_of(folder, store, sizes) for folder in list_runs(path)]
    data = list(_kept_data(store))
    named = Counter(name for share in shares for name in share.all)
    named.update(name for one in data for name in one.objects)
    named.update(named_by_papers(path))

    def own_of(names: set[str]) -> int:
        return sum(sizes[name][1] for name in names if named[name] == 1 and name in sizes)

    def own(share: _Share) -> int:
        return own_of(share.all)

    rows: list[dict[str, Any]] = [
        {
            "id": share.folder.id,
            "name": share.name,
            "states": share.states,
            **{f"{kind}_bytes": _stored(share.names[kind], sizes) for kind in _KINDS},
            "folder_bytes": share.folder_bytes,
            "own_bytes": own(share) + share.folder_bytes,
            "shared_bytes": _stored(share.all, sizes) - own(share),
        }
        for share in shares
        if not wanted or share.folder.id in wanted
    ]
    rows.sort(key=lambda row: (-row["own_bytes"], row["id"]))
    kept = [
        {
            "name": one.name,
            "versions": one.versions,
            "logical_bytes": one.logical_bytes,
            "own_bytes": own_of(one.objects),
            "shared_bytes": _stored(one.objects, sizes) - own_of(one.objects),
        }
        for one in (data if not wanted else ())
    ]
    here = named.keys() & sizes.keys()
    total = {
        "objects_bytes": sum(found[1] for found in sizes.values()),
        "runs_bytes": sum(share.folder_bytes for share in shares),
        "unnamed_bytes": sum(found[1] for name, found in sizes.items() if name not in named),
        "logical_bytes": sum(share.logical_bytes for share in shares)
        + sum(one.logical_bytes for one in data),
        "unique_bytes": sum(sizes[name][0] for name in here),
        "stored_bytes": _stored(here, sizes),
    }
    screen = Screen.of(sys.stdout)
    if options.json:
        screen.say(canonical_json({"runs": rows, "data": kept, "total": total}).decode())
    else:
        _say(screen, rows, kept, total, is_whole=not wanted)
    return 0


def _say(
    screen: Screen,
    rows: list[dict[str, Any]],
    kept: list[dict[str, Any]],
    total: dict[str, int],
    *,
    is_whole: bool,
) -> None:
    if rows:
        columns = [Column("run"), Column("name", shrink=1), Column("states", "right")]
        amounts = {"kept": "state", "code": "code", "files": "file", "media": "media"}
        if not any(row["media_bytes"] for row in rows):
            del amounts["media"]
        amounts |= {"record": "folder", "own": "own", "shared": "shared"}
        columns += [Column(title, "right") for title in amounts]
        cells = [
            [
                row["id"],
                row["name"],
                row["states"],
                *(size(row[f"{a}_bytes"]) for a in amounts.values()),
            ]
            for row in rows
        ]
        screen.say(table(columns, cells, columns_wide=screen.width, color=screen.color))
    if kept:
        columns = [Column("data", shrink=1), Column("versions", "right"), Column("in all", "right")]
        columns += [Column("own", "right"), Column("shared", "right")]
        amounts = ("logical", "own", "shared")
        cells = [
            [one["name"], one["versions"], *(size(one[f"{a}_bytes"]) for a in amounts)]
            for one in kept
        ]
        screen.say(table(columns, cells, columns_wide=screen.width, color=screen.color))
    if not is_whole:
        return
    objects, runs = total["objects_bytes"], total["runs_bytes"]
    screen.say(f"{size(objects + runs)} on disk: objects {size(objects)}, run folders {size(runs)}")
    if total["unnamed_bytes"]:
        screen.say(f"{size(total['unnamed_bytes'])} of it nothing names; see `samebit gc`")
    logical, unique, stored = (total[f"{n}_bytes"] for n in ("logical", "unique", "stored"))
    if logical:
        once = f"{size(max(0, logical - unique))} of {size(logical)} by keeping equal bytes once"
        screen.say(f"saved: {once}, {size(unique - stored)} by encoding")


def _sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Of each object its canonical bytes, and how many it takes on the disk."""
    found: dict[str, tuple[int, int]] = {}
    for path in verifying.stored_files(store):
        try:
            for name, canonical, stored in verifying.sizes_in(store, path):
                found.setdefault(name, (canonical, stored))
        except (Damaged, OSError):
            continue  # `samebit check` names it
    return found


def _share_of(folder: RunFolder, store: Store, sizes: dict[str, tuple[int, int]]) -> _Share:
    share = _Share(folder)
    share.folder_bytes = sum(p.stat().st_size for p in folder.path.rglob("*") if p.is_file())
    try:
        view = read_run(folder)
    except SamebitError:
        return share  # never begun, or damaged: then its objects are nobody's here
    share.name = visible(view.name or "")
    for use in naming.uses(view, store):
        share.states += use.kind == "state"
        share.names[use.kind].update(name for _, name in use.parts)
        share.logical_bytes += sum(sizes[name][0] for _, name in use.parts if name in sizes)
    return share


def _kept_data(store: Store) -> Iterator[_Data]:
    for name in versions.list_names(store.path):
        try:
            known = versions.read_versions(store.path, name)
            objects = {part for use in uses_of(store, name) for _, part in use.parts}
        except Damaged:
            continue  # `samebit check` says so
        if known:
            size_bytes = sum(one.size_bytes for one in known if one.kept)
            yield _Data(name, len(known), size_bytes, objects)


def _stored(names: Any, sizes: dict[str, tuple[int, int]]) -> int:
    return sum(sizes[name][1] for name in names if name in sizes)
