"""`samebit identify`: which model a file or folder holds, and whether two hold the same."""

import argparse
import sys
from pathlib import Path
from typing import Any

from samebit.cli.tables import Column, fields, table
from samebit.cli.words import Screen, size, visible
from samebit.digest import canonical_json, short
from samebit.errors import Exit
from samebit.records import StateManifest
from samebit.states import storing
from samebit.states.containers import read_container

__all__ = ["identify", "identify_arguments"]


def identify_arguments(parser: argparse.ArgumentParser) -> None:
    """What identify takes."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a file or folder with a model")
    parser.add_argument("other", metavar="OTHER", type=Path, nargs="?", help="one to compare with")
    parser.add_argument("--part", default="", help="only what lies below this name")
    parser.add_argument("--leaves", action="store_true", help="each array")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def identify(options: argparse.Namespace) -> int:
    """Say the identity of one, or what differs between two."""
    screen = Screen.of(sys.stdout)
    paths = [path for path in (options.file, options.other) if path is not None]
    found = [_facts(read_container(path), options.part) for path in paths]
    differing = _differing(found[0]["leaves"], found[-1]["leaves"])
    same = found[0]["identity"] == found[-1]["identity"]
    if options.json:
        shown = [one if options.leaves else {**one, "leaves": None} for one in found]
        models = [{k: v for k, v in one.items() if v is not None} for one in shown]
        said = {"models": models, "equal": same, "differing": differing}
        screen.say(canonical_json(said if len(found) == 2 else models[0]).decode())
    else:
        for path, one in zip(paths, found, strict=True):
            _say(one, screen, visible(str(path)) if len(found) == 2 else "", options.leaves)
        if len(found) == 2:
            screen.say(
                "the same model"
                if same
                else "different: " + (", ".join(map(visible, differing)) or "how arrays are held")
            )
    return Exit.DONE if same else Exit.DIFFERENT


def _facts(manifest: StateManifest, part: str) -> dict[str, Any]:
    named = storing.leaves_below(manifest, part)
    held = {place: manifest.leaves[leaf] for place, leaf in sorted(named.items())}
    return {
        "identity": storing.identity(manifest, part),
        "arrays": len(held),
        "size_bytes": sum(record.size_bytes for record in held.values()),
        "leaves": {n: [r.dtype, list(r.shape), r.digest] for n, r in held.items()},
    }


def _differing(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    return sorted(n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n))


def _say(facts: dict[str, Any], screen: Screen, path: str, leaves: bool) -> None:
    pairs: list[tuple[str, object]] = [("file", path)] if path else []
    pairs += [("identity", facts["identity"]), ("arrays", facts["arrays"])]
    screen.say(fields([*pairs, ("size", size(facts["size_bytes"]))], screen))
    if leaves:
        columns = [Column("array", shrink=1), Column("dtype"), Column("shape"), Column("digest")]
        rows = [
            [name, dtype, "×".join(map(str, shape)) or "scalar", short(digest)]
            for name, (dtype, shape, digest) in facts["leaves"].items()
        ]
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
