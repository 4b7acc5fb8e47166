"""`samebit state`: list, show and export the states of a run."""

import argparse
import sys
from pathlib import Path

from samebit import places
from samebit.cli.words import Column, Screen, size, table, visible
from samebit.digest import canonical_json, short
from samebit.folders.facts import StateFact
from samebit.folders.find import find_run
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.states import export, storing

__all__ = ["state", "state_arguments"]


def state_arguments(parser: argparse.ArgumentParser) -> None:
    """What state takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|show|export")
    listing = commands.add_parser("ls", help="the states of a run")
    listing.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    showing = commands.add_parser("show", help="the arrays of a state")
    showing.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    showing.add_argument(
        "--at", default="final", help="'step 0', a checkpoint's step, or 'final' (default)"
    )
    showing.add_argument("--json", action="store_true", help="as one JSON object")
    exporting = commands.add_parser("export", help="write a model's arrays to a file")
    exporting.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    exporting.add_argument(
        "--at", default="final", help="'step 0', a checkpoint's step, or 'final' (default)"
    )
    exporting.add_argument("--part", default="model", help="which module (default: model)")
    exporting.add_argument("--overwrite", action="store_true", help="replace the file")
    exporting.add_argument(
        "file", metavar="FILE", type=Path, help="a name in .safetensors, .pt or .npz"
    )


def state(options: argparse.Namespace) -> int:
    """Do one of the three."""
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    store = Store(view.folder.store)
    screen = Screen.of(sys.stdout)
    if options.action == "ls":
        if options.json:
            screen.say(canonical_json(view.states).decode())
        elif not view.states:
            screen.say("no states were recorded")
        else:
            columns = [Column("state"), Column("step", "right"), Column("size", "right")]
            columns += [Column("kept"), Column("manifest")]
            rows = [
                [
                    name,
                    fact.get("step"),
                    size(fact.get("size_bytes", 0)),
                    _kept(fact),
                    short(fact["manifest"]),
                ]
                for name, fact in view.states.items()
            ]
            screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
        return 0
    name = view.manifest(_at(options.at))
    if options.action == "export":
        export.to_file(store, name, options.file, options.part, overwrite=options.overwrite)
        screen.say(f"{visible(str(options.file))}: {size(options.file.stat().st_size)}")
        return 0
    manifest = storing.read_manifest(store, name)
    if options.json:
        leaves = {n: [r.dtype, list(r.shape), r.digest] for n, r in manifest.leaves.items()}
        screen.say(canonical_json(leaves).decode())
    else:
        columns = [Column("array", shrink=1), Column("dtype"), Column("shape")]
        columns += [Column("size", "right"), Column("digest")]
        rows = [
            [
                n,
                r.dtype,
                "×".join(map(str, r.shape)) or "scalar",
                size(r.size_bytes),
                short(r.digest),
            ]
            for n, r in manifest.leaves.items()
        ]
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
    return 0


def _kept(fact: StateFact) -> str:
    """What there is of a state."""
    if fact.get("dropped"):
        return "dropped"
    if not fact.get("kept", True):
        return "digests only"
    return "bytes" if fact.get("whole", True) else "bytes of its modules"


def _at(text: str) -> str:
    """`0`, `step-0`, `step0` and `initial` mean the state at step 0; a number, a checkpoint."""
    if text in ("0", "step-0", "step0", "initial", "init"):
        return "step 0"
    return f"checkpoint {text}" if text.isdecimal() else text
