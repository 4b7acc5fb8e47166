"""`samebit push`: runs, data and studies to a remote."""

import argparse
import os
import sys
import time
from functools import cache, partial
from pathlib import Path

from samebit import places
from samebit.cli.moving import (
    add_selection,
    counted_studies,
    data_of,
    fitting,
    is_selected,
    opened,
    studies_of,
)
from samebit.cli.words import ProgressLine, Screen, counted, duration, size, visible
from samebit.data import versions
from samebit.digest import canonical_json
from samebit.errors import Exit, SamebitError, UsageError
from samebit.folders.find import find_run, list_runs
from samebit.folders.folder import RunFolder
from samebit.launch import sending
from samebit.objects.store import Store
from samebit.query import index
from samebit.remotes import named, pushing, snapshot
from samebit.remotes.moving import Pace
from samebit.remotes.named import Remote
from samebit.remotes.place import Place
from samebit.remotes.pushing import KINDS, Plan, Pushed
from samebit.studies import travelling

__all__ = ["chosen_here", "code", "push", "push_arguments", "send"]


def push_arguments(parser: argparse.ArgumentParser) -> None:
    """What push takes."""
    parser.add_argument(
        "things", metavar="RUN|NAME", nargs="*", help="runs, names of data (default: everything)"
    )
    add_selection(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would travel")
    parser.add_argument(
        "--waiting", action="store_true", help="what a run does that is pushed by itself"
    )


def push(options: argparse.Namespace) -> int:
    """Exit code 7 if something had to stay here."""
    if options.waiting:
        return _push_waiting(options)
    store, remote = opened(options)
    place = named.open_place(remote)
    folders, names = chosen_here(store.path, options.things, options.where)
    if is_selected(options):  # else all data goes, too
        known = set(versions.list_names(store.path))
        names += sorted(data_of(folders) & known - set(names))
    screen = Screen.of(sys.stdout)
    if options.dry_run:
        plan = pushing.make_plan(
            store, place, folders, names, kinds=options.kinds, known_id=remote.id
        )
        return _say_plan(screen, remote, plan, options)
    return code(send(screen, store, place, remote, folders, names, options))


def _push_waiting(options: argparse.Namespace) -> int:
    """Send the runs that are to be pushed by themselves, beside whatever else this machine does."""
    path = places.find_store(Path.cwd())
    if hasattr(os, "nice"):
        os.nice(19)
    with sending.alone(path) as is_alone:
        if not is_alone:
            return Exit.DONE
        options.remote = options.remote or places.read_settings(path).push_remote or None
        known = sorted(named.read_all(path))
        if options.remote is None and len(known) > 1:
            raise UsageError(
                "to which remote are runs to be pushed by themselves?",
                known=", ".join(known),
                hint='`remote = "NAME"` below `[push]` in samebit.toml says so',
            )
        store, remote = opened(options)
        folders = [RunFolder(path / "runs" / run) for run in sending.waiting(path)]
        for folder in [one for one in folders if not one.path.exists()]:
            folders.remove(folder)
            sending.forget(path, folder.id)
        names = versions.list_names(path)
        screen = Screen.of(sys.stdout)
        done = send(screen, store, named.open_place(remote), remote, folders, names, options)
    return code(done)


def code(done: Pushed) -> int:
    """Of a push: whether anything had to stay here."""
    return Exit.NOT_FOUND if done.held_back else Exit.DONE


def _is_over(folder: RunFolder) -> bool:
    """Whether no more will come of a run; one that cannot be read is never over."""
    try:
        return snapshot.take(folder).is_over
    except (SamebitError, OSError):
        return False


def send(
    screen: Screen,
    store: Store,
    place: Place,
    remote: Remote,
    folders: list[RunFolder],
    names: list[str],
    options: argparse.Namespace,
) -> Pushed:
    """Push, and say what was done."""
    waiting = set(sending.waiting(store.path))
    over = {one.id for one in folders if one.id in waiting and _is_over(one)}
    every = cache(partial(index.rows, store.path, replays=True))
    began = time.monotonic()
    with ProgressLine(Screen.of(sys.stderr), 0, f"to {remote.name}", amount=size) as progress:

        def begin(plan: Plan) -> None:
            named.note_id(store.path, remote, plan.remote_id)
            progress.expect(plan.size_bytes)

        done = pushing.push(
            store,
            place,
            folders,
            names,
            kinds=options.kinds,
            known_id=remote.id,
            rows=lambda ids: [row for row in every() if row["id"] in ids],
            pace=Pace(options.limit),
            begins=begin,
            advance=progress.advance,
        )
    studies = travelling.push_studies(store.path, place, studies_of(every, folders))
    done.held_back.update(studies.failed)
    if _is_where_runs_go(store.path, remote) and set(options.kinds) == set(KINDS):
        for run in over - done.held_back.keys():
            sending.forget(store.path, run)
    _say_pushed(screen, remote, done, studies.studies, time.monotonic() - began, options)
    return done


def _is_where_runs_go(store: Path, remote: Remote) -> bool:
    """Whether runs that are pushed by themselves go to this remote: then they need not again."""
    wanted = places.read_settings(store).push_remote
    return remote.name == wanted if wanted else len(named.read_all(store)) == 1


def chosen_here(
    store: Path, things: list[str], condition: str | None
) -> tuple[list[RunFolder], list[str]]:
    """The runs and names of data that were asked for; without a word, all."""
    if not things and condition is None:
        return list(list_runs(store)), versions.list_names(store)
    folders: dict[str, RunFolder] = {}
    names: list[str] = []
    known = set(versions.list_names(store))
    for thing in things:
        if thing in known:
            names.append(thing)
        else:
            found = find_run(store, thing)
            folders[found.id] = found
    if condition is not None:
        every = index.rows(store, replays=True)
        for run in fitting(every, condition):
            folders.setdefault(run, RunFolder(store / "runs" / run))
    return list(folders.values()), names


def _say_plan(screen: Screen, remote: Remote, plan: Plan, options: argparse.Namespace) -> int:
    if options.json:
        said = {
            "remote": remote.name,
            "runs": [taken.folder.id for taken, _ in plan.runs],
            "data": plan.words,
            "objects": plan.objects,
            "files": len(plan.transfers),
            "bytes": plan.size_bytes,
            "held_back": plan.held_back,
            "up_to_date": plan.up_to_date,
        }
        screen.say(canonical_json(said).decode())
        return Exit.NOT_FOUND if plan.held_back else Exit.DONE
    what = counted(len(plan.runs), "run")
    if plan.words:
        what += f" and {counted(len(plan.words), 'record')} of data"
    objects = f"{counted(plan.objects, 'object')} in {counted(len(plan.transfers), 'file')}"
    screen.say(f"would push to {remote.name}: {what}; {objects}, {size(plan.size_bytes)} in all")
    _say_rest(screen, plan.up_to_date, plan.held_back)
    return Exit.NOT_FOUND if plan.held_back else Exit.DONE


def _say_pushed(
    screen: Screen,
    remote: Remote,
    done: Pushed,
    studies: list[str],
    seconds: float,
    options: argparse.Namespace,
) -> None:
    plan = done.plan
    if options.json:
        said = {
            "remote": remote.name,
            "runs": list(done.runs),
            "data": done.words,
            "studies": studies,
            "objects": done.objects,
            "bytes": done.size_bytes,
            "held_back": done.held_back,
            "up_to_date": plan.up_to_date,
            "seconds": seconds,
        }
        screen.say(canonical_json(said).decode())
        return
    if not (done.runs or done.words or done.objects or studies):
        if not done.held_back:
            screen.say(f"{remote.name} has everything")
    else:
        what = [counted(len(done.runs), "run")] if done.runs else []
        what += [f"{counted(len(done.words), 'record')} of data"] if done.words else []
        what += [counted_studies(len(studies))] if studies else []
        what += [counted(done.objects, "object")]
        said = f"{', '.join(what)}; {size(done.size_bytes)} in {duration(seconds)}"
        screen.say(f"{screen.paint.green('pushed')} to {remote.name}: {said}")
    _say_rest(screen, plan.up_to_date if done.runs else 0, done.held_back)


def _say_rest(screen: Screen, there: int, held_back: dict[str, str]) -> None:
    if there:
        screen.say(f"  {counted(there, 'run')} there already")
    for thing, why in held_back.items():
        screen.say(f"{screen.paint.red('not pushed')} {visible(thing)}: {visible(why)}")
