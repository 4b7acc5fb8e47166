"""`samebit state`: list, show, compare, export and let go of the states of runs."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from samebit import places
from samebit.cli import states_diff
from samebit.cli.tables import Column, fields, table
from samebit.cli.words import Screen, shown, size, visible
from samebit.digest import canonical_json, short
from samebit.errors import Damaged, NotFound, UsageError
from samebit.folders import stated
from samebit.folders.find import find_run
from samebit.folders.folder import DROPPED
from samebit.folders.read import View, read_run
from samebit.folders.stated import Stated
from samebit.objects.store import Store
from samebit.records import LeafRecord
from samebit.session.reading import open_state
from samebit.states import export, storing
from samebit.states.comparing import shape_of
from samebit.states.shards import PARTS
from samebit.states.stored import StoredState

__all__ = ["state", "state_arguments"]

_RANK = "of a run of many: as this rank kept it (default: the lowest's; of a sharded model, all's)"
_REFERENCE = "a run, and after a colon its state (default: final): @last:step 0"


def state_arguments(parser: argparse.ArgumentParser) -> None:
    """What state takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|show|diff|export|rm")
    listing = commands.add_parser("ls", help="the states of a run")
    listing.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    showing = commands.add_parser("show", help="what a state holds")
    showing.add_argument("state", metavar="RUN[:STATE]", help=_REFERENCE)
    showing.add_argument("--rank", help=_RANK)
    showing.add_argument("--json", action="store_true", help="as one JSON object")
    comparing = commands.add_parser("diff", help="how two states differ, leaf by leaf")
    states_diff.arguments(comparing)
    exporting = commands.add_parser("export", help="write arrays to a file")
    exporting.add_argument("state", metavar="RUN[:STATE]", help=_REFERENCE)
    exporting.add_argument(
        "file", metavar="FILE", type=Path, help="a name in .safetensors, .pt or .npz"
    )
    exporting.add_argument("--prefix", default="model", help="what lies below it (default: model)")
    exporting.add_argument("--rank", help=_RANK)
    exporting.add_argument("--force", action="store_true", help="replace a file that is there")
    removing = commands.add_parser("rm", help="let go of states")
    removing.add_argument("states", metavar="RUN:STATE", nargs="+", help="which")
    removing.add_argument("--rank", help="of a run of many: this rank's alone (default: all)")
    removing.add_argument(
        "--force", action="store_true", help="also what a run began and ended with"
    )


def state(options: argparse.Namespace) -> int:
    """Do one of the five."""
    does: dict[str, Callable[[argparse.Namespace, Path], int]] = {
        "ls": _list,
        "show": _show,
        "diff": states_diff.diff,
        "export": _export,
        "rm": _remove,
    }
    return does[options.action](options, places.find_store(Path.cwd()))


def _list(options: argparse.Namespace, store: Path) -> int:
    view = read_run(find_run(store, options.run))
    found = list(_listed(Store(store), view))
    screen = Screen.of(sys.stdout)
    if options.json:
        rows = [
            {
                "name": one.name,
                "rank": one.rank if len(ranks) == 1 else None,
                "ranks": ranks,
                "step": one.step,
                "optimizer": one.optimizer,
                "size_bytes": one.size_bytes,
                "kept": _kept(one),
                "identity": identity,
                "manifest": one.manifest,
            }
            for one, ranks, identity in found
        ]
        screen.say(canonical_json({"run": view.id, "states": rows}).decode())
        return 0
    if not found:
        screen.say("no states were recorded")
        return 0
    many = len(view.ranks) > 1
    columns = [Column("state", shrink=1)]
    columns += [Column("rank", "right")] if many else []
    columns += [Column("step", "right"), Column("optimizer", "right"), Column("size", "right")]
    columns += [Column("kept"), Column("identity")]
    lines = [
        [
            one.name,
            *([one.rank if len(ranks) == 1 else f"all {len(ranks)}"] if many else []),
            one.step,
            one.optimizer,
            size(one.size_bytes),
            _kept(one),
            _short(identity),
        ]
        for one, ranks, identity in found
    ]
    screen.say(table(columns, lines, columns_wide=screen.width, color=screen.color))
    return 0


def _listed(objects: Store, view: View) -> Iterator[tuple[Stated, list[str], str]]:
    """Each state, the ranks that it is of, and its identity; of a sharded one all ranks' at once.

    What its identity is only reading all of it tells.
    """
    given: set[str] = set()
    for rank in view.ranks or ["0"]:
        for one in _of_rank(view, rank):
            if one.name in given:
                continue
            try:
                opened = StoredState(objects, one.manifest, apart=True)
                if not opened.is_sharded:
                    identity = opened.identity(next(iter(opened.modules), ""))
                    yield one, [one.rank], identity
                    continue
            except Damaged:
                yield one, [one.rank], "damaged"
                continue
            except NotFound:
                yield one, [one.rank], "gone" if one.dropped else "missing"
                continue
            given.add(one.name)
            ranks, absent = stated.manifests_by_rank(view, one.name)
            sizes = [view.at_rank(r).states[one.name].get("size_bytes", 0) for r in ranks]
            says = f"rank {', '.join(absent)} missing" if absent else "sharded"
            yield replace(one, size_bytes=sum(sizes)), list(ranks), says


def _of_rank(view: View, rank: str) -> list[Stated]:
    return stated.states_of(view.at_rank(rank) if len(view.ranks) > 1 else view)


def _kept(one: Stated) -> str:
    """What there is of a state."""
    if one.dropped:
        return "dropped"
    if not one.kept:
        return "digests only"
    return "bytes" if one.whole else "modules only"


def _show(options: argparse.Namespace, store: Path) -> int:
    view, one = stated.open_state(store, options.state, options.rank)
    opened = open_state(view, one, apart=options.rank is not None)
    identities = _identities(opened)
    screen = Screen.of(sys.stdout)
    if options.json:
        said = {
            "run": view.id,
            "state": one.name,
            "rank": one.rank,
            "step": one.step,
            "kept": _kept(one),
            "manifest": one.manifest,
            "identity": identities,
            "leaves": {name: _leaf(record) for name, record in opened.leaves.items()},
            "tied": opened.tied,
            "values": dict(opened.values),
        }
        screen.say(canonical_json(said).decode())
        return 0
    facts = [f"step {one.step}"] if one.step is not None and one.name != f"step {one.step}" else []
    facts += [size(one.size_bytes), _kept(one)]
    if opened.is_sharded and options.rank is None:
        ranks = list(stated.manifests_by_rank(view, one.name)[0])
        facts[-2:-1] = [f"in parts of {len(ranks)} ranks", size(_size(opened))]
    screen.say(f"{screen.paint.bold(f'{view.id}:{visible(one.name)}')}  {', '.join(facts)}")
    _say_table(
        screen,
        [*_titles("part", "identity"), Column("arrays", "right"), Column("size", "right")],
        [
            [part, _short(identities[part]), len(found), size(sum(r.size_bytes for r in found))]
            for part, found in opened.parts.items()
        ],
    )
    _say_table(
        screen,
        [*_titles("array", "dtype", "shape"), Column("size", "right"), Column("digest")],
        [
            [name, r.dtype, shape_of(r), size(r.size_bytes), _digest(r)]
            for name, r in opened.leaves.items()
        ],
    )
    for title, pairs in (("tied", list(opened.tied.items())), ("values", opened.values)):
        if pairs:
            screen.say(screen.paint.bold(title))
            screen.say(fields([(name, _value(value)) for name, value in pairs], screen))
    return 0


def _identities(opened: StoredState) -> dict[str, str]:
    """The identity of each part, or why it is not known."""
    found: dict[str, str] = {}
    for part, records in opened.parts.items():
        known = all(record.kept for record in records) or not opened.is_sharded
        found[part] = opened.identity(part) if known else "digests of parts only"
    return found


def _size(opened: StoredState) -> int:
    return sum(record.size_bytes for record in opened.leaves.values())


def _short(identity: str) -> str:
    return short(identity) if ":" in identity else identity


def _digest(record: LeafRecord) -> str:
    """A leaf's digest for people; of one of which only digests of parts are known, that."""
    return "in parts" if record.digest.startswith(PARTS) else short(record.digest)


def _titles(first: str, *others: str) -> list[Column]:
    return [Column(first, shrink=1), *map(Column, others)]


def _say_table(screen: Screen, columns: list[Column], rows: list[list[object]]) -> None:
    if rows:
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))


def _leaf(record: LeafRecord) -> dict[str, Any]:
    return {
        "dtype": record.dtype,
        "shape": list(record.shape),
        "size_bytes": record.size_bytes,
        "digest": None if record.digest.startswith(PARTS) else record.digest,
        "kept": record.kept,
    }


def _value(value: Any) -> str:
    """A plain value in a line; of one that could only be described, the words."""
    match value:
        case None:
            return "none"
        case {"$text": str(text)}:
            return text
        case list() | dict():
            return canonical_json(value).decode()
        case float():
            return repr(value)
        case _:
            return shown(value)


def _export(options: argparse.Namespace, store: Path) -> int:
    view, one = stated.open_state(store, options.state, options.rank)
    # What one rank kept is never written as the whole: `export` says what is missing.
    opened = open_state(view, one)
    export.to_file(opened, options.file, options.prefix, overwrite=options.force)
    written = size(options.file.stat().st_size)
    Screen.of(sys.stdout).say(f"{visible(str(options.file))}: {written}")
    return 0


def _remove(options: argparse.Namespace, store: Path) -> int:
    """Everything that is asked for is looked at before anything is said of any run."""
    going: dict[tuple[str, str], tuple[View, Stated, list[str]]] = {}
    views: dict[str, View] = {}
    for reference in options.states:
        if ":" not in reference:
            raise UsageError(f"{reference!r} names no state", hint="write RUN:STATE")
        view, one = stated.open_state(store, reference, options.rank)
        if not (one.is_checkpoint or options.force):
            raise UsageError(
                f"{one.name!r} of run {view.id} is what the run began or ended with; "
                "nothing was let go of",
                hint="`verify` rests on it; --force lets go of it all the same",
            )
        ranks = [view.rank] if view.rank else view.ranks
        names = [name for r in ranks for name in stated.manifests_of(view.at_rank(r), one.name)]
        going[view.id, one.name] = (view, one, list(dict.fromkeys(names)))
        views[view.id] = view
    screen = Screen.of(sys.stdout)
    for run, view in views.items():
        let_go = {
            name
            for (of, _), (_, one, names) in going.items()
            if of == run and not one.dropped
            for name in names
        }
        for (of, state_name), (_, one, names) in going.items():
            if of == run and one.dropped:
                screen.say(f"{run}:{state_name} was let go of before")
            elif of == run:
                for name in names:
                    view.folder.add_note(DROPPED, {"name": state_name, "manifest": name})
                screen.say(f"{run}:{state_name} is let go of")
        if let_go:
            screen.say(
                f"{size(_freed(Store(store), view, let_go))} of it are in no other state of the "
                "run: `samebit gc` frees what no other run holds, either"
            )
    return 0


def _freed(objects: Store, view: View, let_go: set[str]) -> int:
    """How many bytes only these states of a run hold."""
    held: set[str] = set()
    for rank in view.ranks:
        for one in stated.states_of(view.at_rank(rank)):
            for name in stated.manifests_of(view.at_rank(rank), one.name):
                if not one.dropped and name not in let_go:
                    held |= _objects(objects, name)
    only = {name for manifest in let_go for name in _objects(objects, manifest)} - held
    return sum(objects.size_bytes(name) for name in only if objects.has(name))


def _objects(objects: Store, manifest: str) -> set[str]:
    try:
        return storing.objects_of(objects, manifest)
    except NotFound:
        return {manifest}
