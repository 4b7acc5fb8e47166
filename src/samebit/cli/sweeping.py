"""`samebit gc`: what nothing names any more, and after the grace time its removal."""

import argparse
import re
import sys
import time
from pathlib import Path

from samebit import places
from samebit.cli.words import ProgressLine, Screen, duration, size
from samebit.data.versions import named_by_versions
from samebit.digest import canonical_json
from samebit.errors import Damaged, Exit, SamebitError, UsageError
from samebit.folders import naming
from samebit.folders.find import list_runs
from samebit.objects import sweeping
from samebit.objects.store import Store

__all__ = ["gc", "gc_arguments"]

_GRACE_S = 14 * 86400.0
_UNITS = {"min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_LENGTH = re.compile(r"^(\d+(?:\.\d+)?)(min|h|d|w)$")


def gc_arguments(parser: argparse.ArgumentParser) -> None:
    """What gc takes."""
    parser.add_argument(
        "--delete", action="store_true", help="do it, rather than say what would go"
    )
    parser.add_argument(
        "--grace",
        type=_length,
        default=_GRACE_S,
        metavar="TIME",
        help="what was made or put again in this time stays: 14d (default), at least 1h",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def gc(options: argparse.Namespace) -> int:
    """Say what nothing names, or with --delete remove it."""
    store = Store(places.find_store(Path.cwd()))
    screen = Screen.of(sys.stdout)
    if options.delete:
        sweeping.put_back_all(store)
    # The time is taken before the marks: what is put while they are made is younger.
    now_ns = sweeping.clock_ns(store) if options.delete else time.time_ns()
    before_ns = now_ns - int(options.grace * 1e9)
    marked = _marked(store)
    found = list(sweeping.unmarked(store, marked, before_ns))
    freed, gone, kept = 0, 0, list[str]()
    if options.delete:
        with ProgressLine(Screen.of(sys.stderr), len(found), "files") as progress:
            for one in found:
                try:
                    bytes_free = sweeping.sweep(store, one, before_ns)
                except Damaged as error:
                    kept.append(f"{one.path.name[:8]} stays: {error.what}")
                    continue
                freed += bytes_free
                gone += one.objects if bytes_free else 0
                progress.advance()
    else:
        freed = sum(one.size_bytes for one in found)
        gone = sum(one.objects for one in found)
    if options.json:
        said = {"objects": gone, "bytes": freed, "deleted": options.delete, "marked": len(marked)}
        screen.say(canonical_json(said | {"kept": kept, "grace_s": options.grace}).decode())
        return int(Exit.NOT_FOUND if kept else Exit.DONE)
    for line in kept:
        screen.say(line)
    age = f"older than {duration(options.grace)}"
    if options.delete:
        screen.say(f"removed {gone} objects that nothing names, {age}: {size(freed)}")
    elif gone or freed:
        screen.say(f"{gone} objects that nothing names are {age}: {size(freed)}")
        screen.say("nothing was removed; `samebit gc --delete` does it")
    else:
        screen.say(f"nothing unnamed is {age}")
    return int(Exit.NOT_FOUND if kept else Exit.DONE)


def _marked(store: Store) -> set[str]:
    """Everything that any run or version of data names.

    An error where that cannot be told, and nothing is removed.
    """
    try:
        roots = named_by_versions(store.path)
    except OSError as error:
        raise SamebitError(
            f"which versions of data there are cannot be read: {error.strerror}",
            path=error.filename,
            hint="nothing was removed",
        ) from error
    for folder in list_runs(store.path):
        try:
            roots |= naming.named_by(folder)
        except OSError as error:
            raise SamebitError(
                f"what run {folder.id} names cannot be read: {error.strerror}",
                path=error.filename,
                hint="nothing was removed",
            ) from error
    try:
        return set(naming.reached_from(store, roots))
    except Damaged as error:
        raise Damaged(
            f"what a damaged object names cannot be told: {error.what}",
            **error.facts,
            hint="nothing was removed; `samebit repair` first",
        ) from error


def _length(text: str) -> float:
    match = _LENGTH.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"a time is like 14d, 36h or 90min, not {text!r}")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds < sweeping.LEAST_GRACE_S:
        raise UsageError(
            f"the grace time must be an hour or more, not {text}",
            hint="a run that goes on may have put objects that it names only later",
        )
    return seconds
