"""`samebit check`: reads the store, goes on where it was stopped, says which run is hurt by what.

How far it is, is remembered in the cache folder: nothing is written into the store.
"""

import argparse
import bisect
import contextlib
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct, field

from samebit import digest, disk, places
from samebit.cli.words import ProgressLine, Screen, size, visible, when
from samebit.data.uses import uses_of_all
from samebit.digest import canonical_json, short
from samebit.errors import Damaged, Exit, SamebitError
from samebit.folders import naming
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.objects import verifying
from samebit.objects.store import Store
from samebit.objects.verifying import Look
from samebit.report.paper.keeping import uses_of_papers
from samebit.states import storing
from samebit.studies.declared import declared_in, folder_of
from samebit.studies.travelling import studies_here
from samebit.studies.trials import read_history

__all__ = ["Findings", "check", "check_arguments", "examine", "examine_runs"]

_TOGETHER = 64  # files between two looks at the clock
_REMEMBERED_S = 2.0
_READERS = 2
_NAMED = 3  # files of a version of data in one line


class Findings(Struct):
    """What is wrong with the files of a store, and what that means for its runs."""

    objects: int = 0
    size_bytes: int = 0
    runs: int = 0
    versions: int = 0  # of data
    damage: list[str] = field(default_factory=list)  # in words
    files: list[str] = field(default_factory=list)  # that are damaged, below the store
    hurt: list[str] = field(default_factory=list)  # names of which no whole copy is here
    missing: set[str] = field(default_factory=set)  # named by a run, and not here
    idle: list[str] = field(default_factory=list)  # runs that never began
    last: str = ""  # where a check was stopped; below the store
    looked: int = 0  # files before that
    began_ns: int = 0


def check_arguments(parser: argparse.ArgumentParser) -> None:
    """What check takes."""
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument("--quick", action="store_true", help="names, headers and lengths only")
    depth.add_argument("--full", action="store_true", help="each large array as a whole, too")
    depth.add_argument(
        "--sample", type=_share, metavar="SHARE", help="quick, and this is read: 5%%"
    )
    parser.add_argument("--again", action="store_true", help="begin anew where one was stopped")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def check(options: argparse.Namespace) -> int:
    """Exit code 0 if everything is what its name says, 7 if not."""
    path = places.find_store(Path.cwd())
    store = Store(path)
    screen = Screen.of(sys.stdout)
    share = 0.0 if options.quick else 1.0 if options.sample is None else options.sample
    memory = None
    if share == 1.0:
        memory = places.cache_folder() / f"check-{places.store_id(path)}.json"
    before = _remembered(memory) if memory is not None and not options.again else Findings()
    if before.last and not options.json:
        screen.say(f"goes on after {before.looked} files; it began {when(before.began_ns)}")
    found = examine(store, share=share, full=options.full, before=before, memory=memory)
    if options.json:
        said = {"objects": found.objects, "bytes": found.size_bytes, "runs": found.runs}
        said |= {
            "versions": found.versions,
            "read": share,
            "damage": found.damage,
            "not_begun": found.idle,
        }
        screen.say(canonical_json(said).decode())
        return int(Exit.NOT_FOUND if found.damage else Exit.DONE)
    objects, runs = (
        f"{found.objects} objects ({size(found.size_bytes)})",
        f"{found.runs} run folder{'s' if found.runs != 1 else ''}",
    )
    what = f"{objects} and {runs}"
    if found.versions:
        plural = "s" if found.versions > 1 else ""
        what = f"{objects}, {runs} and {found.versions} version{plural} of data"
    part = f"{100 * share:.3g} % of them" if share else "none of them"
    screen.say(f"read {what}" if share == 1.0 else f"looked at {what}, read {part}")
    for line in found.damage:
        screen.say(screen.paint.red("damaged  ") + visible(line))
    for run in found.idle:
        screen.say(f"run {run} never began: a process made its folder and wrote nothing into it")
    if found.hurt or found.missing or found.files:
        screen.say("`samebit repair --from STORE` takes what is whole from another store")
    if found.damage:
        return int(Exit.NOT_FOUND)
    right = "every byte is what its name says" if share == 1.0 else "nothing damaged was seen"
    screen.say(screen.paint.green(right))
    return int(Exit.DONE)


def examine(
    store: Store,
    *,
    share: float = 1.0,
    full: bool = False,
    before: Findings | None = None,
    memory: Path | None = None,
) -> Findings:
    """Look at every file of a store, read a share of them, and at every run.

    Args:
        store: the store.
        share: of the files, how many are read; of the others headers and lengths are looked at.
        full: whether arrays that lie in parts are hashed as a whole, too.
        before: what one that was stopped had found.
        memory: where it is remembered how far this is; removed at the end.
    """
    found = before or Findings()
    found.began_ns = found.began_ns or time.time_ns()
    try:
        _examine_files(store, found, share, memory)
    except KeyboardInterrupt:
        if memory is not None:
            _remember(memory, found)
            sys.stderr.write(f"\nstopped after {found.looked} files; the next check goes on there")
        raise
    if memory is not None:
        memory.unlink(missing_ok=True)
    examine_runs(store, found, full=full)
    return found


def examine_runs(store: Store, found: Findings, *, full: bool = False) -> None:
    """Add what is wrong with the runs of a store, given what is wrong with its files."""
    runs = sorted(list_runs(store.path), key=lambda run: run.id)
    found.runs = len(runs)
    found.idle = [folder.id for folder in runs if not folder.is_begun()]
    for folder in runs:
        if folder.id not in found.idle:
            found.damage += [
                f"run {folder.id}: {line}" for line in _run_damage(folder, store, found, full=full)
            ]
    for study in studies_here(store.path):
        try:
            folder = folder_of(store.path, study)
            read_history(folder, declared_in(folder).id)
        except SamebitError as error:
            found.damage.append(f"study {study}: {error.what}")
    for what, examine_some in (("data", _examine_data), ("papers", _examine_papers)):
        try:
            examine_some(store, found)
        except Damaged as error:
            found.damage.append(f"{what}: {error.what} ({error.facts.get('path', store.path)})")


def _examine_data(store: Store, found: Findings) -> None:
    """Add what is wrong with the versions of data; raises Damaged for a record of one."""
    here: set[str] | None = None
    hurt = set(found.hurt)
    found.versions = 0
    for use in uses_of_all(store):
        found.versions += 1
        if here is None:  # a hundred thousand files are asked for one by one
            here = set(store.names())
        if use.missing:
            found.damage.append(f"{use.what}: {use.missing}")
        damaged = {place or "it": name for place, name in use.parts if name in hurt}
        missing = {place or "it": name for place, name in use.parts if name not in here}
        found.missing.update(missing.values())
        found.damage += _together(use.what, damaged, "damaged")
        found.damage += _together(use.what, {} if use.missing else missing, "missing")


def _examine_papers(store: Store, found: Findings) -> None:
    """Add what is wrong with the papers that are kept; raises Damaged for a record of one."""
    hurt = set(found.hurt)
    for use in uses_of_papers(store.path):
        missing = {place: name for place, name in use.parts if not store.has(name)}
        damaged = {place: name for place, name in use.parts if name in hurt}
        found.missing.update(missing.values())
        found.damage += _together(use.what, damaged, "damaged")
        found.damage += _together(use.what, missing, "missing")


def _together(what: str, places: dict[str, str], how: str) -> list[str]:
    """One line about all the files of a version that are hurt: a pack has thousands."""
    first = [f"{place} ({short(name)})" for place, name in list(places.items())[:_NAMED]]
    if not first:
        return []
    if len(places) == 1:
        return [f"{what}: {first[0]} is {how}"]
    more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
    return [f"{what}: {', '.join(first)}{more} are {how}"]


def _examine_files(store: Store, found: Findings, share: float, memory: Path | None) -> None:
    files = verifying.stored_files(store)
    files = files[bisect.bisect_right([_below(store, path) for path in files], found.last) :]
    chance = random.Random()
    names: set[str] = set()

    def look(path: Path) -> Look:
        return verifying.look_at(store, path, quick=chance.random() >= share)

    saved_at = time.monotonic()
    progress = ProgressLine(Screen.of(sys.stderr), len(files), "files")
    with progress, ThreadPoolExecutor(_READERS) as readers:
        for at in range(0, len(files), _TOGETHER):
            some = files[at : at + _TOGETHER]
            for path, seen in zip(some, readers.map(look, some), strict=True):
                new = set(seen.names) - names
                names |= new
                found.objects += len(new)
                found.size_bytes += seen.size_bytes
                if seen.damage:
                    found.damage.append(f"{seen.damage} ({seen.path})")
                    found.files.append(_below(store, seen.path))
                    found.hurt += verifying.hurt_in(store, seen)
                # After each: what is stopped in between is not counted twice by the next one.
                found.looked += 1
                found.last = _below(store, path)
            progress.advance(len(some))
            if memory is not None and time.monotonic() - saved_at > _REMEMBERED_S:
                _remember(memory, found)
                saved_at = time.monotonic()


def _below(store: Store, path: Path) -> str:
    return str(path)[len(str(store.path)) + 1 :]


def _remember(memory: Path, found: Findings) -> None:
    with contextlib.suppress(OSError):  # then the next one begins anew
        memory.parent.mkdir(parents=True, exist_ok=True)
        disk.replace_cache(memory, msgspec.json.encode(found))


def _remembered(memory: Path) -> Findings:
    try:
        return msgspec.json.decode(memory.read_bytes(), type=Findings)
    except (OSError, msgspec.MsgspecError):
        return Findings()


def _share(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"a share is like 5% or 0.05, not {text!r}")
    return value


def _run_damage(folder: RunFolder, store: Store, found: Findings, *, full: bool) -> list[str]:
    """What is wrong with one run: its records, its journal, and the objects it names."""
    try:
        view = read_run(folder)
    except SamebitError as error:
        return [error.what]
    lines = [f"journal {gap.segment}: {gap.what}" for gap in view.gaps]
    hurt = set(found.hurt)
    for use in naming.uses(view, store):
        if use.missing:
            lines.append(f"{use.what}: {use.missing}")
            found.missing.update({use.root} - hurt)
            continue
        for place, name in use.parts:
            if name in hurt:
                lines.append(f"{use.what}: {place or 'it'} is damaged ({short(name)})")
            elif not store.has(name):
                lines.append(f"{use.what}: {place or 'it'} is missing ({short(name)})")
                found.missing.add(name)
    return [*lines, *(_wrong_wholes(view, store) if full else ())]


def _wrong_wholes(view: View, store: Store) -> list[str]:
    """Arrays whose parts are all right, and are not the array that the state means."""
    lines: list[str] = []
    for use in naming.uses(view, store):
        if use.kind != "state" or use.missing:
            continue
        for name, record in storing.read_manifest(store, use.root).leaves.items():
            if not record.kept or not record.parts:
                continue
            whole = digest.Hasher()
            try:
                for piece in storing.pieces(store, name, record):
                    whole.update(piece)
            except SamebitError:
                continue  # said already, part by part
            if whole.digest() != record.digest:
                lines.append(f"{use.what}: {name} as a whole hashes to {short(whole.digest())}")
    return lines
