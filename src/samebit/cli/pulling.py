"""`samebit pull`, `sync` and `clone`: runs and data from a remote."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from samebit import places
from samebit.cli import pushing
from samebit.cli.moving import (
    add_common,
    add_kinds,
    add_selection,
    counted_studies,
    data_of,
    fitting,
    is_selected,
    opened,
    studies_of,
)
from samebit.cli.remotes import address, tried
from samebit.cli.words import ProgressLine, Screen, counted, duration, size, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, UsageError
from samebit.folders.folder import RunFolder, is_run_id
from samebit.objects.store import Store
from samebit.query import index
from samebit.remotes import contents, listing, named, pulling
from samebit.remotes.moving import Pace
from samebit.remotes.named import Remote
from samebit.remotes.place import Place
from samebit.remotes.pulling import Pulled
from samebit.remotes.rows import find, read_rows
from samebit.studies import travelling

__all__ = ["clone", "clone_arguments", "pull", "pull_arguments", "sync", "sync_arguments"]


def pull_arguments(parser: argparse.ArgumentParser) -> None:
    """What pull takes."""
    parser.add_argument(
        "things", metavar="RUN|NAME", nargs="*", help="runs, names of data (default: everything)"
    )
    add_selection(parser)


def sync_arguments(parser: argparse.ArgumentParser) -> None:
    """What sync takes."""
    add_common(parser)


def clone_arguments(parser: argparse.ArgumentParser) -> None:
    """What clone takes."""
    parser.add_argument(
        "url", metavar="URL", help="s3://BUCKET/…, gs://…, az://…, ssh://HOST/…, a path"
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="made anew")
    for option in named.OPTIONS:
        parser.add_argument(f"--{option}", help="as for `samebit remote add`")
    add_kinds(parser)


def pull(options: argparse.Namespace) -> int:
    """Exit code 7 if something could not be pulled."""
    store, remote = opened(options)
    place = named.open_place(remote)
    runs, names = _chosen_there(place, options.things, options.where)
    screen = Screen.of(sys.stdout)
    code = _pull(screen, store, place, remote, runs, names, options)
    if is_selected(options):
        here = [RunFolder(store.path / "runs" / run) for run in runs]
        kept = data_of(here, lacking=store.path) - set(names)
        if there := sorted(kept & set(listing.list_names(place))):
            code = _pull(screen, store, place, remote, [], there, options) or code
    return code


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
        runs += fitting(every, condition) if condition is not None else []
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
    here = [RunFolder(store.path / "runs" / run) for run in runs]
    every = partial(index.rows, store.path, replays=True)
    studies = travelling.pull_studies(store.path, place, studies_of(every, here))
    done.failed.update(studies.failed)
    return _say_pulled(screen, remote, done, studies.studies, time.monotonic() - began, options)


def _say_pulled(
    screen: Screen,
    remote: Remote,
    done: Pulled,
    studies: list[str],
    seconds: float,
    options: argparse.Namespace,
) -> int:
    code = Exit.NOT_FOUND if done.failed or done.incomplete else Exit.DONE
    if options.json:
        said = {
            "remote": remote.name,
            "incomplete": done.incomplete,
            "runs": list(done.runs),
            "data": list(done.data),
            "studies": studies,
            "objects": done.objects,
            "bytes": done.size_bytes,
            "failed": done.failed,
            "unchanged": done.unchanged,
            "seconds": seconds,
        }
        screen.say(canonical_json(said).decode())
        return code
    if done.runs or done.data or done.objects or studies:
        what = [counted(len(done.runs), "run")] if done.runs else []
        what += [f"data {', '.join(done.data)}"] if done.data else []
        what += [counted_studies(len(studies))] if studies else []
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
    store, remote = opened(options)
    place = named.open_place(remote)
    screen = Screen.of(sys.stdout)
    code: int = Exit.DONE
    if contents.read_id(place) is not None:
        runs, names = _chosen_there(place, [], None)
        code = _pull(screen, store, place, remote, runs, names, options)
    folders, known = pushing.chosen_here(store.path, [], None)
    return pushing.code(pushing.send(screen, store, place, remote, folders, known, options)) or code


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
