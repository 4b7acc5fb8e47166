"""`samebit gc` and `samebit remote gc`: what nothing names any more, and its removal."""

import argparse
import sys
import threading
import time
from pathlib import Path

from msgspec import Struct, field

from samebit import places
from samebit.cli.words import ProgressLine, Screen, counted, duration, seconds_of, size, visible
from samebit.data.versions import named_by_versions
from samebit.digest import canonical_json
from samebit.errors import Damaged, Exit, SamebitError, UsageError
from samebit.folders import naming
from samebit.folders.find import list_runs
from samebit.objects import sweeping
from samebit.objects.store import Store
from samebit.remotes import contents, moving, named, rows
from samebit.remotes import sweeping as remote_sweeping
from samebit.remotes.claims import SWEEP, Claim
from samebit.remotes.moving import Job
from samebit.remotes.place import Place
from samebit.remotes.sweeping import Unnamed
from samebit.report.paper.keeping import named_by_papers

__all__ = ["gc", "gc_arguments", "gc_of_remote"]

_GRACE_S = 14 * 86400.0


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


class _Done(Struct):
    """What a sweep did, or would do."""

    objects: int = 0
    freed_bytes: int = 0
    marked: int = 0
    kept: list[str] = field(default_factory=list)


def gc(options: argparse.Namespace) -> int:
    """Say what nothing names, or with --delete remove it."""
    store = Store(places.find_store(Path.cwd()))
    if options.delete:
        places.make_store(store.path)  # a copy made by git or an object store lacks empty folders
        sweeping.put_back_all(store)
    # The time is taken before the marks: what is put while they are made is younger.
    now_ns = sweeping.clock_ns(store) if options.delete else time.time_ns()
    before_ns = now_ns - int(options.grace * 1e9)
    marked = _marked(store)
    found = list(sweeping.unmarked(store, marked, before_ns))
    done = _Done(marked=len(marked))
    if options.delete:
        with ProgressLine(Screen.of(sys.stderr), len(found), "files") as progress:
            for one in found:
                try:
                    freed = sweeping.sweep(store, one, before_ns)
                except Damaged as error:
                    done.kept.append(f"{one.path.name[:8]} stays: {error.what}")
                    continue
                done.freed_bytes += freed
                done.objects += one.objects if freed else 0
                progress.advance()
    else:
        done.freed_bytes = sum(one.size_bytes for one in found)
        done.objects = sum(one.objects for one in found)
    return _say(done, options, "samebit gc --delete")


def gc_of_remote(options: argparse.Namespace) -> int:
    """The same of a remote."""
    store = Store(places.find_store(Path.cwd()))
    place = named.open_place(named.choose(store.path, options.name))
    identity = contents.known_id(place)
    if not options.delete:
        found, done = _unnamed_there(store, place, identity, time.time_ns(), options.grace)
        done.freed_bytes = sum(one.size_bytes for one in found)
        done.objects = sum(one.objects for one in found)
    else:
        with Claim(place, SWEEP) as claim:
            found, done = _unnamed_there(store, place, identity, claim.began_ns, options.grace)
            with ProgressLine(Screen.of(sys.stderr), len(found), "files") as progress:
                lock = threading.Lock()

                def sweep(one: Unnamed) -> None:
                    claim.check()
                    is_gone = remote_sweeping.sweep(place, store, one)
                    with lock:
                        if is_gone:
                            done.freed_bytes += one.size_bytes
                            done.objects += one.objects
                        else:
                            name = one.found.path
                            done.kept.append(f"{name} stays: what is to live of it is damaged")
                        progress.advance()

                moving.move(Job(one.found.size_bytes, lambda one=one: sweep(one)) for one in found)
            claim.check()
            rows.gather(place, identity)
    return _say(done, options, f"samebit remote gc {options.name} --delete")


def _unnamed_there(
    store: Store, place: Place, identity: str, now_ns: int, grace_s: float
) -> tuple[list[Unnamed], _Done]:
    there = contents.Contents(place, store, identity)
    there.list_objects()
    there.list_packs()
    marks = remote_sweeping.marked(place, store, there)
    before_ns = now_ns - int(grace_s * 1e9)
    found = list(remote_sweeping.unnamed(place, there, marks, before_ns))
    return found, _Done(marked=len(marks))


def _say(done: _Done, options: argparse.Namespace, command: str) -> int:
    screen = Screen.of(sys.stdout)
    code = int(Exit.NOT_FOUND if done.kept else Exit.DONE)
    if options.json:
        said = {
            "objects": done.objects,
            "bytes": done.freed_bytes,
            "deleted": options.delete,
            "marked": done.marked,
            "kept": done.kept,
            "grace_s": options.grace,
        }
        screen.say(canonical_json(said).decode())
        return code
    for line in done.kept:
        screen.say(visible(line))
    age = f"older than {duration(options.grace)}"
    free = size(done.freed_bytes)
    if options.delete:
        screen.say(f"removed {counted(done.objects, 'object')} that nothing names, {age}: {free}")
    elif done.objects or done.freed_bytes:
        are = "is" if done.objects == 1 else "are"
        screen.say(f"{counted(done.objects, 'object')} that nothing names {are} {age}: {free}")
        screen.say(f"nothing was removed; `{command}` does it")
    else:
        screen.say(f"nothing unnamed is {age}")
    return code


def _marked(store: Store) -> set[str]:
    """Everything that any run, version of data or paper names.

    An error where that cannot be told, and nothing is removed.
    """
    try:
        roots = named_by_versions(store.path) | named_by_papers(store.path)
    except OSError as error:
        raise SamebitError(
            f"which versions of data and papers there are cannot be read: {error.strerror}",
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
    seconds = seconds_of(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"a time is like 14d, 36h or 90min, not {text!r}")
    if seconds < sweeping.LEAST_GRACE_S:
        raise UsageError(
            f"the grace time must be an hour or more, not {text}",
            hint="a run that goes on may have put objects that it names only later",
        )
    return seconds
