"""`samebit remote`: places elsewhere that hold the same objects and runs."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from samebit import places
from samebit.cli.sweeping import gc_arguments, gc_of_remote
from samebit.cli.tables import Column, table
from samebit.cli.words import ProgressLine, Screen, counted, size, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, UsageError
from samebit.launch import sending
from samebit.objects.store import Store
from samebit.records import plain
from samebit.remotes import checking, contents, listing, named, probing, rows, sweeping
from samebit.remotes.checking import Checked
from samebit.remotes.named import Remote
from samebit.remotes.place import Guarantees, Place

__all__ = ["address", "remote", "remote_arguments", "tried"]


def remote_arguments(parser: argparse.ArgumentParser) -> None:
    """What remote takes."""
    commands = parser.add_subparsers(
        dest="action", required=True, metavar="add|ls|show|test|check|repair|gc|drop|rm"
    )
    adds = commands.add_parser("add", help="know a place by a name, and try what it can do")
    adds.add_argument("name", metavar="NAME", help="small letters, digits, - and _")
    adds.add_argument(
        "url", metavar="URL", help="s3://BUCKET/…, gs://…, az://…, ssh://HOST/…, a path"
    )
    adds.add_argument("--endpoint", metavar="URL", help="of a server that is not the cloud's own")
    adds.add_argument("--region", help="of the bucket (default: as the cloud's tools have it)")
    adds.add_argument("--profile", help="of the cloud's tools, whose credentials are meant")
    adds.add_argument("--account", help="of Azure")
    adds.add_argument("--json", action="store_true", help="as one JSON object")
    listing = commands.add_parser("ls", help="the remotes of this project")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    shows = commands.add_parser("show", help="where a remote is, and what is there")
    tests = commands.add_parser("test", help="try again what a remote can do, and note it")
    checks = commands.add_parser("check", help="is everything there that runs keep, and whole?")
    checks.add_argument("--full", action="store_true", help="read every object, too")
    repairs = commands.add_parser("repair", help="put what is whole here in place of damage there")
    sweeps = commands.add_parser("gc", help="what nothing there names any more, and its removal")
    sweeps.add_argument("name", metavar="NAME", help="as `ls` lists it")
    gc_arguments(sweeps)
    drops = commands.add_parser("drop", help="take runs away there")
    removes = commands.add_parser("rm", help="forget a remote; what lies there stays")
    for one in (shows, tests, checks, repairs, drops, removes):
        one.add_argument("name", metavar="NAME", help="as `ls` lists it")
        one.add_argument("--json", action="store_true", help="as one JSON object")
    drops.add_argument("runs", metavar="RUN", nargs="+", help="by id, its beginning, or name")


def remote(options: argparse.Namespace) -> int:
    """Do one of these."""
    does: dict[str, Callable[[argparse.Namespace, Screen], int]] = {
        "add": _add,
        "ls": _list,
        "show": _show,
        "test": _test,
        "check": _check,
        "repair": _repair,
        "gc": lambda options, screen: gc_of_remote(options),
        "drop": _drop,
        "rm": _remove,
    }
    return does[options.action](options, Screen.of(sys.stdout))


def _add(options: argparse.Namespace, screen: Screen) -> int:
    given = {key: getattr(options, key) for key in named.OPTIONS if getattr(options, key)}
    made = named.of_url(options.name, address(options.url), given)
    store = places.make_store(places.choose_store(Path.cwd()))
    before = named.read_all(store).get(options.name)
    if before is not None and (before.url, before.options) != (made.url, made.options):
        raise UsageError(
            f"there is a remote {options.name!r} already",
            url=before.url,
            **before.options,
            hint=f"samebit remote rm {options.name}",
        )
    seen = tried(made)
    named.save(store, seen)
    return _say(seen, screen, options, "added")


def address(given: str) -> str:
    """A path as an address; others as they are."""
    if given.startswith(("~", "/", "./", "../")):
        return Path(given).expanduser().resolve().as_uri()
    return given


def tried(one: Remote) -> Remote:
    """A remote with what it was seen to be and to guarantee; raises why it cannot be used."""
    found = probing.probe(named.open_place(replace(one, guarantees=Guarantees())))
    if found.trouble is not None:
        raise found.trouble
    able = replace(one, guarantees=found.guarantees)
    return replace(able, id=contents.read_id(named.open_place(able)) or "")


def _say(one: Remote, screen: Screen, options: argparse.Namespace, did: str) -> int:
    if options.json:
        screen.say(canonical_json(_as_data(one)).decode())
        return Exit.DONE
    screen.say(f"{screen.paint.green(did)} {one.name}: {visible(one.url)}")
    for line in _abilities(one.guarantees):
        screen.say(f"  {line}")
    return Exit.DONE


def _abilities(can: Guarantees) -> list[str]:
    """What a place can do, and what we do where it cannot."""
    return [
        "can only be read: what is there can be pulled, and nothing pushed"
        if not can.writes
        else "creates a name once only"
        if can.creates
        else "does not refuse a second creation: nothing here needs it, names are digests",
        "gives parts of what lies there"
        if can.ranges
        else "gives whole files only: these are read",
    ]


def _as_data(one: Remote) -> dict[str, Any]:
    return {"name": one.name, "url": one.url, **one.options, **asdict(one.guarantees)}


def _list(options: argparse.Namespace, screen: Screen) -> int:
    found = named.read_all(places.find_store(Path.cwd()))
    if options.json:
        every = [_as_data(one) for one in found.values()]
        screen.say(canonical_json({"remotes": every}).decode())
    elif found:
        shown = [key for key in named.OPTIONS if any(key in one.options for one in found.values())]
        columns = [Column("name"), Column("url", shrink=1), *(Column(key) for key in shown)]
        cells = [
            [one.name, one.url, *(one.options.get(key) for key in shown)]
            for _, one in sorted(found.items())
        ]
        screen.say(table(columns, cells, columns_wide=screen.width, color=screen.color))
    else:
        screen.say(
            "no remotes yet; `samebit remote add NAME URL` adds one: s3://…, ssh://…, a path"
        )
    return Exit.DONE


def _show(options: argparse.Namespace, screen: Screen) -> int:
    one = named.choose(places.find_store(Path.cwd()), options.name)
    place = named.open_place(one)
    identity = contents.read_id(place)
    runs = listing.list_runs(place) if identity else []
    data = listing.list_names(place) if identity else []
    store = places.find_store(Path.cwd())
    waiting = sending.waiting(store)
    if options.json:
        said = {**_as_data(one), "id": identity, "runs": runs, "data": data, "waiting": waiting}
        screen.say(canonical_json(said).decode())
        return Exit.DONE
    screen.say(f"{one.name}  {visible(one.url)}")
    for key, value in one.options.items():
        screen.say(f"  {key:<8}  {visible(value)}")
    for line in _abilities(one.guarantees):
        screen.say(f"  {line}")
    if one.id and identity != one.id:
        lost = "what was pushed there before is not there"
        screen.say(
            f"  {screen.paint.red(lost)}; `samebit remote test {one.name}` takes it as it is"
        )
    elif identity is None:
        screen.say("  nothing was pushed there yet")
    else:
        screen.say(f"  {counted(len(runs), 'run')}, {counted(len(data), 'name')} of data")
    if waiting:
        screen.say(f"  {counted(len(waiting), 'run')} of this store still to be pushed")
        for line in _last_said(store):
            screen.say(f"    {visible(line)}")
    return Exit.DONE


def _last_said(store: Path) -> list[str]:
    """What the last push that nobody saw has said."""
    try:
        return sending.log_of(store).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _test(options: argparse.Namespace, screen: Screen) -> int:
    store = places.find_store(Path.cwd())
    seen = tried(named.choose(store, options.name))
    named.save(store, seen)
    return _say(seen, screen, options, "tried")


def _check(options: argparse.Namespace, screen: Screen) -> int:
    """Exit code 7 if anything is damaged or lacking."""
    found, _ = _checked(options.name, full=options.full)
    bad = bool(found.damaged or found.hurt)
    if options.json:
        screen.say(canonical_json(plain(found)).decode())
        return Exit.NOT_FOUND if bad else Exit.DONE
    looked = f"looked at {counted(found.runs, 'run')} and {counted(found.objects, 'file')}"
    screen.say(f"{looked} of objects, read {size(found.read_bytes)}")
    for path, why in found.damaged.items():
        screen.say(f"{screen.paint.red('damaged')} {visible(path)}: {visible(why)}")
    for thing, what in found.hurt.items():
        screen.say(f"{screen.paint.red('hurt')}    {visible(thing)}: {visible(what)}")
    if not bad:
        whole = (
            "everything is there and what its name says"
            if options.full
            else ("everything that runs and data keep is there; `--full` reads it, too")
        )
        screen.say(screen.paint.green(whole))
    else:
        screen.say("`samebit remote repair` puts there what is whole here, and then `samebit push`")
    return Exit.NOT_FOUND if bad else Exit.DONE


def _checked(name: str, *, full: bool) -> tuple[Checked, tuple[Place, Store, str]]:
    store = Store(places.find_store(Path.cwd()))
    place = named.open_place(named.choose(store.path, name))
    identity = contents.known_id(place)
    with ProgressLine(Screen.of(sys.stderr), 0, f"at {name}", amount=size) as progress:
        found = checking.check(
            place,
            store,
            identity,
            full=full,
            expects=progress.expect,
            advance=progress.advance,
        )
    return found, (place, store, identity)


def _repair(options: argparse.Namespace, screen: Screen) -> int:
    """Exit code 7 if damage is left, or runs lack something that only a push can bring."""
    found, (place, store, identity) = _checked(options.name, full=True)
    healed, left = checking.repair(place, store, identity, found.damaged)
    if options.json:
        screen.say(canonical_json({"healed": healed, "left": left, "hurt": found.hurt}).decode())
        return Exit.NOT_FOUND if left else Exit.DONE
    for path in healed:
        screen.say(f"{screen.paint.green('healed ')} {visible(path)}")
    for path in left:
        screen.say(f"{screen.paint.red('damaged')} {visible(path)}: nothing whole is known here")
    if not found.damaged:
        screen.say("no file there is damaged")
    if found.hurt:
        screen.say(f"{counted(len(found.hurt), 'thing')} lacked something: `samebit push` sends it")
    return Exit.NOT_FOUND if left else Exit.DONE


def _drop(options: argparse.Namespace, screen: Screen) -> int:
    one = named.choose(places.find_store(Path.cwd()), options.name)
    place = named.open_place(one)
    identity = contents.known_id(place)
    every = rows.read_rows(place, identity)
    chosen = list(dict.fromkeys(rows.find(every, run, place.url) for run in options.runs))
    sweeping.drop(place, identity, chosen)
    if options.json:
        screen.say(canonical_json({"dropped": chosen}).decode())
        return Exit.DONE
    screen.say(f"taken away at {one.name}: {', '.join(chosen)}")
    screen.say(f"`samebit remote gc {one.name}` frees what they alone kept there")
    return Exit.DONE


def _remove(options: argparse.Namespace, screen: Screen) -> int:
    store = places.find_store(Path.cwd())
    one = named.choose(store, options.name)
    named.forget(store, one.name)
    if options.json:
        screen.say(canonical_json(_as_data(one)).decode())
    else:
        screen.say(f"forgotten {one.name}; what lies at {visible(one.url)} stays")
    return Exit.DONE
