"""`samebit state`: list, show, compare, export and let go of the states of runs."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from samebit.states import export, storing
from samebit.states.stored import StoredState

__all__ = ["state", "state_arguments"]

_REFERENCE = "a run, and after a colon its state (default: final): @last:step 0"


def state_arguments(parser: argparse.ArgumentParser) -> None:
    """What state takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|show|diff|export|rm")
    listing = commands.add_parser("ls", help="the states of a run")
    listing.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    showing = commands.add_parser("show", help="what a state holds")
    showing.add_argument("state", metavar="RUN[:STATE]", help=_REFERENCE)
    showing.add_argument("--rank", help="of a run of many: whose state (default: the lowest)")
    showing.add_argument("--json", action="store_true", help="as one JSON object")
    comparing = commands.add_parser("diff", help="how two states differ, leaf by leaf")
    states_diff.arguments(comparing)
    exporting = commands.add_parser("export", help="write arrays to a file")
    exporting.add_argument("state", metavar="RUN[:STATE]", help=_REFERENCE)
    exporting.add_argument(
        "file", metavar="FILE", type=Path, help="a name in .safetensors, .pt or .npz"
    )
    exporting.add_argument("--prefix", default="model", help="what lies below it (default: model)")
    exporting.add_argument("--rank", help="of a run of many: whose state (default: the lowest)")
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
    objects = Store(store)
    found = [one for rank in view.ranks or ["0"] for one in _of_rank(view, rank)]
    identities = [_identity(objects, one) for one in found]
    screen = Screen.of(sys.stdout)
    if options.json:
        rows = [
            {
                "name": one.name,
                "rank": one.rank,
                "step": one.step,
                "optimizer": one.optimizer,
                "size_bytes": one.size_bytes,
                "kept": _kept(one),
                "identity": identity,
                "manifest": one.manifest,
            }
            for one, identity in zip(found, identities, strict=True)
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
            *([one.rank] if many else []),
            one.step,
            one.optimizer,
            size(one.size_bytes),
            _kept(one),
            short(identity) if ":" in identity else identity,
        ]
        for one, identity in zip(found, identities, strict=True)
    ]
    screen.say(table(columns, lines, columns_wide=screen.width, color=screen.color))
    return 0


def _of_rank(view: View, rank: str) -> list[Stated]:
    return stated.states_of(view.at_rank(rank) if len(view.ranks) > 1 else view)


def _kept(one: Stated) -> str:
    """What there is of a state."""
    if one.dropped:
        return "dropped"
    if not one.kept:
        return "digests only"
    return "bytes" if one.whole else "modules only"


def _identity(objects: Store, one: Stated) -> str:
    """The identity of its first module, of all its arrays where it has none, or why not."""
    try:
        opened = StoredState(objects, one.manifest)
        return opened.identity(next(iter(opened.modules), ""))
    except Damaged:
        return "damaged"
    except NotFound:
        return "gone" if one.dropped else "missing"


def _show(options: argparse.Namespace, store: Path) -> int:
    view, one = stated.open_state(store, options.state, options.rank)
    opened = StoredState(Store(store), one.manifest)
    identities = {part: opened.identity(part) for part in opened.parts}
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
    screen.say(f"{screen.paint.bold(f'{view.id}:{visible(one.name)}')}  {', '.join(facts)}")
    _say_table(
        screen,
        [*_titles("part", "identity"), Column("arrays", "right"), Column("size", "right")],
        [
            [part, short(identities[part]), len(found), size(sum(r.size_bytes for r in found))]
            for part, found in opened.parts.items()
        ],
    )
    _say_table(
        screen,
        [*_titles("array", "dtype", "shape"), Column("size", "right"), Column("digest")],
        [
            [name, r.dtype, _shape(r), size(r.size_bytes), short(r.digest)]
            for name, r in opened.leaves.items()
        ],
    )
    for title, pairs in (("tied", list(opened.tied.items())), ("values", opened.values)):
        if pairs:
            screen.say(screen.paint.bold(title))
            screen.say(fields([(name, _value(value)) for name, value in pairs], screen))
    return 0


def _titles(first: str, *others: str) -> list[Column]:
    return [Column(first, shrink=1), *map(Column, others)]


def _say_table(screen: Screen, columns: list[Column], rows: list[list[object]]) -> None:
    if rows:
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))


def _shape(record: LeafRecord) -> str:
    return "×".join(map(str, record.shape)) or "scalar"


def _leaf(record: LeafRecord) -> dict[str, Any]:
    return {
        "dtype": record.dtype,
        "shape": list(record.shape),
        "size_bytes": record.size_bytes,
        "digest": record.digest,
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
    _, one = stated.open_state(store, options.state, options.rank)
    export.to_file(
        Store(store), one.manifest, options.file, options.prefix, overwrite=options.force
    )
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
