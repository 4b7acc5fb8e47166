"""`samebit push`, `pull`, `sync` and `clone`: runs and data to a remote, and from there."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from samebit import places
from samebit.cli.remotes import address, tried
from samebit.cli.words import ProgressLine, Screen, counted, duration, size, visible
from samebit.data import versions
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, SamebitError, UsageError
from samebit.folders.find import find_run, list_runs
from samebit.folders.folder import RunFolder, is_run_id
from samebit.folders.read import read_run
from samebit.launch import sending
from samebit.objects.store import Store
from samebit.query import choosing, index
from samebit.remotes import contents, listing, named, pulling, pushing, snapshot
from samebit.remotes.moving import Pace
from samebit.remotes.named import Remote
from samebit.remotes.place import Place
from samebit.remotes.pulling import Pulled
from samebit.remotes.pushing import KINDS, Plan, Pushed
from samebit.remotes.rows import find, read_rows

__all__ = [
    "clone",
    "clone_arguments",
    "pull",
    "pull_arguments",
    "push",
    "push_arguments",
    "sync",
    "sync_arguments",
]


def push_arguments(parser: argparse.ArgumentParser) -> None:
    """What push takes."""
    parser.add_argument(
        "things", metavar="RUN|NAME", nargs="*", help="runs, names of data (default: everything)"
    )
    _add_selection(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would travel")
    parser.add_argument(
        "--waiting", action="store_true", help="what a run does that is pushed by itself"
    )


def pull_arguments(parser: argparse.ArgumentParser) -> None:
    """What pull takes."""
    parser.add_argument(
        "things", metavar="RUN|NAME", nargs="*", help="runs, names of data (default: everything)"
    )
    _add_selection(parser)


def sync_arguments(parser: argparse.ArgumentParser) -> None:
    """What sync takes."""
    _add_common(parser)


def clone_arguments(parser: argparse.ArgumentParser) -> None:
    """What clone takes."""
    parser.add_argument(
        "url", metavar="URL", help="s3://BUCKET/…, gs://…, az://…, ssh://HOST/…, a path"
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="made anew")
    for option in named.OPTIONS:
        parser.add_argument(f"--{option}", help="as for `samebit remote add`")
    _add_kinds(parser)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where", metavar="EXPR", help="runs such as: acc > 0.9 and config.lr < 0.01"
    )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remote", metavar="NAME", help="which one (default: the only one)")
    _add_kinds(parser)


def _add_kinds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--with",
        dest="kinds",
        metavar="a,b",
        type=_kinds,
        default=KINDS,
        help="of what runs keep only: states, data, code, media; or none (default: all)",
    )
    parser.add_argument(
        "--limit", metavar="MB", type=_megabytes, help="at most so many MB a second"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _kinds(text: str) -> tuple[str, ...]:
    given = tuple(word.strip() for word in text.split(","))
    if given == ("none",):
        return ()
    if set(given) <= set(KINDS):
        return given
    raise argparse.ArgumentTypeError(f"of {', '.join(KINDS)}, or none; not {text!r}")


def _megabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value > 0:
        return value * 1e6
    raise argparse.ArgumentTypeError(f"a number of MB above 0, not {text!r}")


def push(options: argparse.Namespace) -> int:
    """Exit code 7 if something had to stay here."""
    if options.waiting:
        return _push_waiting(options)
    store, remote = _opened(options)
    place = named.open_place(remote)
    folders, names = _chosen_here(store.path, options.things, options.where)
    if _is_selected(options):  # else all data goes, too
        known = set(versions.list_names(store.path))
        names += sorted(_data_of(folders) & known - set(names))
    screen = Screen.of(sys.stdout)
    if options.dry_run:
        plan = pushing.make_plan(
            store, place, folders, names, kinds=options.kinds, known_id=remote.id
        )
        return _say_plan(screen, remote, plan, options)
    return _code(_send(screen, store, place, remote, folders, names, options))


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
        store, remote = _opened(options)
        folders = [RunFolder(path / "runs" / run) for run in sending.waiting(path)]
        for folder in [one for one in folders if not one.path.exists()]:
            folders.remove(folder)
            sending.forget(path, folder.id)
        names = versions.list_names(path)
        screen = Screen.of(sys.stdout)
        done = _send(screen, store, named.open_place(remote), remote, folders, names, options)
    return _code(done)


def _code(done: Pushed) -> int:
    return Exit.NOT_FOUND if done.held_back else Exit.DONE


def _is_over(folder: RunFolder) -> bool:
    """Whether no more will come of a run; one that cannot be read is never over."""
    try:
        return snapshot.take(folder).is_over
    except (SamebitError, OSError):
        return False


def _send(
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
            rows=lambda ids: _rows(store.path, ids),
            pace=Pace(options.limit),
            begins=begin,
            advance=progress.advance,
        )
    if _is_where_runs_go(store.path, remote) and set(options.kinds) == set(KINDS):
        for run in over - done.held_back.keys():
            sending.forget(store.path, run)
    _say_pushed(screen, remote, done, time.monotonic() - began, options)
    return done


def _is_where_runs_go(store: Path, remote: Remote) -> bool:
    """Whether runs that are pushed by themselves go to this remote: then they need not again."""
    wanted = places.read_settings(store).push_remote
    return remote.name == wanted if wanted else len(named.read_all(store)) == 1


def _rows(store: Path, ids: Collection[str]) -> list[dict[str, Any]]:
    return [row for row in index.rows(store, replays=True) if row["id"] in ids]


def _opened(options: argparse.Namespace) -> tuple[Store, Remote]:
    path = places.find_store(Path.cwd())
    return Store(path), named.choose(path, options.remote)


def _chosen_here(
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
        for run in _fitting(every, condition):
            folders.setdefault(run, RunFolder(store / "runs" / run))
    return list(folders.values()), names


def _data_of(folders: Iterable[RunFolder], *, lacking: Path | None = None) -> set[str]:
    """The names of data under which runs kept what they used; only those that a store lacks."""
    found: set[str] = set()
    for folder in folders:
        with contextlib.suppress(SamebitError):  # a damaged run is told of by whoever moves it
            for _, fact in read_run(folder).by_rank("data"):
                version = fact.get("version")
                if version is not None and (lacking is None or not _has(lacking, version)):
                    found.add(version.partition("@")[0])
    return found


def _has(store: Path, version: str) -> bool:
    try:
        versions.find_version(store, version)
    except SamebitError:
        return False
    return True


def _fitting(every: list[dict[str, Any]], condition: str) -> list[str]:
    return [str(row["id"]) for row in choosing.fitting(every, condition)]


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
    screen: Screen, remote: Remote, done: Pushed, seconds: float, options: argparse.Namespace
) -> None:
    plan = done.plan
    if options.json:
        said = {
            "remote": remote.name,
            "runs": list(done.runs),
            "data": done.words,
            "objects": done.objects,
            "bytes": done.size_bytes,
            "held_back": done.held_back,
            "up_to_date": plan.up_to_date,
            "seconds": seconds,
        }
        screen.say(canonical_json(said).decode())
        return
    if not (done.runs or done.words or done.objects):
        if not done.held_back:
            screen.say(f"{remote.name} has everything")
    else:
        what = [counted(len(done.runs), "run")] if done.runs else []
        what += [f"{counted(len(done.words), 'record')} of data"] if done.words else []
        what += [counted(done.objects, "object")]
        said = f"{', '.join(what)}; {size(done.size_bytes)} in {duration(seconds)}"
        screen.say(f"{screen.paint.green('pushed')} to {remote.name}: {said}")
    _say_rest(screen, plan.up_to_date if done.runs else 0, done.held_back)


def _say_rest(screen: Screen, there: int, held_back: dict[str, str]) -> None:
    if there:
        screen.say(f"  {counted(there, 'run')} there already")
    for thing, why in held_back.items():
        screen.say(f"{screen.paint.red('not pushed')} {visible(thing)}: {visible(why)}")


def pull(options: argparse.Namespace) -> int:
    """Exit code 7 if something could not be pulled."""
    store, remote = _opened(options)
    place = named.open_place(remote)
    runs, names = _chosen_there(place, options.things, options.where)
    screen = Screen.of(sys.stdout)
    code = _pull(screen, store, place, remote, runs, names, options)
    if _is_selected(options):
        here = [RunFolder(store.path / "runs" / run) for run in runs]
        kept = _data_of(here, lacking=store.path) - set(names)
        if there := sorted(kept & set(listing.list_names(place))):
            code = _pull(screen, store, place, remote, [], there, options) or code
    return code


def _is_selected(options: argparse.Namespace) -> bool:
    """Whether some runs were asked for, whose data is to come with them."""
    return "data" in options.kinds and bool(options.things or options.where is not None)


def _chosen_there(
    place: Place, things: list[str], condition: str | None
) -> tuple[list[str], list[str]]:
    """Ids of runs and names of data of a remote; without a word, all."""
    if not things and condition is None:
        return listing.list_runs(place), listing.list_names(place)
    exact = [thing for thing in things if is_run_id(thing)]
    left = [thing for thing in things if not is_run_id(thing)]
    names: list[str] = []
    runs = list(exact)
    if left:
        known = set(listing.list_names(place))
        names = [thing for thing in left if thing in known]
        left = [thing for thing in left if thing not in known]
    if left or condition is not None:
        identity = contents.read_id(place)
        every = read_rows(place, identity) if identity else []
        runs += [find(every, thing, place.url) for thing in left]
        runs += _fitting(every, condition) if condition is not None else []
    return list(dict.fromkeys(runs)), names


def _pull(
    screen: Screen,
    store: Store,
    place: Place,
    remote: Remote,
    runs: list[str],
    names: list[str],
    options: argparse.Namespace,
) -> int:
    began = time.monotonic()
    with ProgressLine(Screen.of(sys.stderr), 0, f"from {remote.name}", amount=size) as progress:
        done = pulling.pull(
            store,
            place,
            runs,
            names,
            kinds=options.kinds,
            pace=Pace(options.limit),
            expects=progress.expect,
            advance=progress.advance,
        )
    return _say_pulled(screen, remote, done, time.monotonic() - began, options)


def _say_pulled(
    screen: Screen, remote: Remote, done: Pulled, seconds: float, options: argparse.Namespace
) -> int:
    code = Exit.NOT_FOUND if done.failed or done.incomplete else Exit.DONE
    if options.json:
        said = {
            "remote": remote.name,
            "incomplete": done.incomplete,
            "runs": list(done.runs),
            "data": list(done.data),
            "objects": done.objects,
            "bytes": done.size_bytes,
            "failed": done.failed,
            "unchanged": done.unchanged,
            "seconds": seconds,
        }
        screen.say(canonical_json(said).decode())
        return code
    if done.runs or done.data or done.objects:
        what = [counted(len(done.runs), "run")] if done.runs else []
        what += [f"data {', '.join(done.data)}"] if done.data else []
        what += [counted(done.objects, "object")]
        said = f"{', '.join(what)}; {size(done.size_bytes)} in {duration(seconds)}"
        screen.say(f"{screen.paint.green('pulled')} from {remote.name}: {visible(said)}")
    elif not (done.failed or done.incomplete):
        screen.say(f"everything of {remote.name} is here")
    for thing, why in done.failed.items():
        screen.say(f"{screen.paint.red('not pulled')} {visible(thing)}: {visible(why)}")
    for thing, why in done.incomplete.items():
        screen.say(f"{screen.paint.red('incomplete')} {visible(thing)}: {visible(why)}")
    return code


def sync(options: argparse.Namespace) -> int:
    """Pull everything, then push everything."""
    store, remote = _opened(options)
    place = named.open_place(remote)
    screen = Screen.of(sys.stdout)
    code: int = Exit.DONE
    if contents.read_id(place) is not None:
        runs, names = _chosen_there(place, [], None)
        code = _pull(screen, store, place, remote, runs, names, options)
    folders, known = _chosen_here(store.path, [], None)
    return _code(_send(screen, store, place, remote, folders, known, options)) or code


def clone(options: argparse.Namespace) -> int:
    """A folder with a store that has everything of a remote, and knows it as `origin`."""
    given = {key: getattr(options, key) for key in named.OPTIONS if getattr(options, key)}
    remote = named.of_url("origin", address(options.url), given)
    if named.open_place(remote).find("format") is None:  # before a folder is made there
        raise NotFound("nothing was ever pushed to this remote", remote=remote.url)
    folder: Path = options.folder or Path(unquote(remote.url).rpartition("/")[2])
    store = folder.resolve() / ".samebit"
    if store.exists():
        known = named.read_all(store).get("origin")
        if known is None or (known.url, known.options) != (remote.url, remote.options):
            raise UsageError(
                "there is a store already",
                path=folder,
                hint="samebit remote add, then samebit pull",
            )
    remote = tried(remote)
    named.save(places.make_store(store), remote)
    place = named.open_place(remote)
    runs, names = _chosen_there(place, [], None)
    screen = Screen.of(sys.stdout)
    if not options.json:
        screen.say(f"cloning into {visible(str(folder))}")
    return _pull(screen, Store(store), place, remote, runs, names, options)
