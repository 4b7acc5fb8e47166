"""`samebit repair`: what is damaged or missing, from another store that has it whole."""

import argparse
import sys
from pathlib import Path

from samebit import places
from samebit.cli.checking import Findings, examine, examine_runs
from samebit.cli.words import Screen, visible
from samebit.digest import canonical_json, short
from samebit.errors import Exit, StoreNotFound
from samebit.objects import healing, sweeping
from samebit.objects.healing import Healed, Source
from samebit.objects.store import Store
from samebit.objects.stored import is_pack

__all__ = ["repair", "repair_arguments"]


def repair_arguments(parser: argparse.ArgumentParser) -> None:
    """What repair takes."""
    parser.add_argument(
        "--from",
        dest="sources",
        metavar="STORE|REMOTE",
        action="append",
        default=[],
        help="a project, its .samebit folder, or a remote by its name; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def repair(options: argparse.Namespace) -> int:
    """Exit code 0 if every object is whole now, 7 if not."""
    # A copy made by git or an object store lacks the empty folders.
    store = Store(places.make_store(places.find_store(Path.cwd())))
    sources: dict[str, Source] = {one: _open(one, store) for one in options.sources}
    screen = Screen.of(sys.stdout)
    put_back = sweeping.put_back_all(store)
    found = examine(store)
    packs = [store.path / name for name in found.files if is_pack(name)]
    left = [path for path in packs if not healing.heal_pack(store, path, sources)]
    healed, lost = _heal(Store(store.path), found, sources)
    after = Findings(hurt=lost)
    examine_runs(Store(store.path), after)
    if options.json:
        said = {"healed": [[one.name, one.source] for one in healed], "lost": lost}
        said |= {
            "put_back": put_back,
            "packs": [path.name for path in left],
            "damage": after.damage,
        }
        screen.say(canonical_json(said).decode())
        return int(Exit.NOT_FOUND if lost or left or after.damage else Exit.DONE)
    if put_back:
        screen.say(f"put back {put_back} files that a removal had left aside")
    for one in healed:
        screen.say(f"{screen.paint.green('healed  ')} {short(one.name)} from {visible(one.source)}")
    for name in lost:
        screen.say(f"{screen.paint.red('lost    ')} {short(name)}: no whole copy was found")
    for pack in left:
        screen.say(f"{screen.paint.red('damaged ')} {pack.name}: what is whole of it was saved")
    for line in after.damage:
        screen.say(f"{screen.paint.red('damaged ')} {visible(line)}")
    if not (lost or left or after.damage):
        screen.say(screen.paint.green("every object is whole"))
        return int(Exit.DONE)
    if lost or after.missing:
        screen.say("`--from` names another store; a run that has the bytes stores them again")
    return int(Exit.NOT_FOUND)


def _open(word: str, store: Store) -> Source:
    """The store in a folder, or else the remote of that name."""
    for folder in (Path(word) / ".samebit", Path(word)):
        if (folder / "format").exists():
            return Store(folder)
    from samebit.remotes import contents, named, objects  # noqa: PLC0415  (seldom a remote)

    if word not in named.read_all(store.path):
        raise StoreNotFound("there is no store, and no remote, to repair from", path=word)
    place = named.open_place(named.choose(store.path, word))
    there = contents.Contents(place, store, contents.read_id(place) or "new")
    there.list_objects()
    there.list_packs()
    return objects.Objects(place, there)


def _heal(
    store: Store, found: Findings, sources: dict[str, Source]
) -> tuple[list[Healed], list[str]]:
    """Round by round: what a manifest names can only be told once the manifest is whole."""
    healed: list[Healed] = []
    lost: list[str] = []
    wanted = set(found.hurt) | found.missing
    while wanted:
        some, none = healing.heal(store, sorted(wanted), sources)
        healed += some
        lost += none
        if not some:
            break
        now = Findings(hurt=[name for name in found.hurt if name in lost])
        examine_runs(store, now)
        wanted = now.missing - set(lost)
    return healed, lost
