"""`samebit check` reads every stored byte and every journal; `samebit tags` lists git tags."""

import argparse
import subprocess
import sys
from pathlib import Path

from samebit import places
from samebit.cli.words import ProgressLine, Screen, size, visible
from samebit.digest import canonical_json, short
from samebit.errors import Exit, NotFound, SamebitError, UsageError
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.states import storing

__all__ = ["check", "check_arguments", "tags", "tags_arguments"]


def check_arguments(parser: argparse.ArgumentParser) -> None:
    """What check takes."""
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def check(options: argparse.Namespace) -> int:
    """Exit code 0 if everything is what its name says, 7 if not."""
    path = places.find_store(Path.cwd())
    store = Store(path)
    screen = Screen.of(sys.stdout)
    damage: list[str] = []
    hurt: set[str] = set()
    read = 0
    for pack in store.pack_paths():
        try:
            store.check_pack(pack)
        except SamebitError as error:
            damage.append(f"{error.what} ({pack})")
    names = sorted(store.names())
    with ProgressLine(Screen.of(sys.stderr), len(names), "objects") as progress:
        for name in names:
            try:
                read += len(store.read(name))
            except SamebitError as error:
                hurt.add(name)
                damage.append(f"{error.what} ({error.facts.get('path', 'no path')})")
            progress.advance()
    runs = sorted(list_runs(path), key=lambda run: run.id)
    idle = [folder.id for folder in runs if not folder.is_begun()]
    for folder in runs:
        if folder.id not in idle:
            damage += [f"run {folder.id}: {line}" for line in _run_damage(folder, store, hurt)]
    if options.json:
        screen.say(
            canonical_json(
                {
                    "objects": len(names),
                    "bytes": read,
                    "runs": len(runs),
                    "damage": damage,
                    "not_begun": idle,
                }
            ).decode()
        )
        return int(Exit.NOT_FOUND if damage else Exit.DONE)
    screen.say(f"read {len(names)} objects ({size(read)}) and {len(runs)} run folders")
    for line in damage:
        screen.say(screen.paint.red("damaged  ") + visible(line))
    for run in idle:
        screen.say(f"run {run} never began: a process made its folder and wrote nothing into it")
    if hurt:
        screen.say("delete a damaged file, and the next run that has its bytes stores them again")
    if not damage:
        screen.say(screen.paint.green("every byte is what its name says"))
        return int(Exit.DONE)
    return int(Exit.NOT_FOUND)


def _run_damage(folder: RunFolder, store: Store, hurt: set[str]) -> list[str]:
    """What is wrong with one run: its records, its journal, and the objects it names."""
    try:
        view = read_run(folder)
    except SamebitError as error:
        return [error.what]
    lines = [f"journal {gap.segment}: {gap.what}" for gap in view.gaps]
    for what, name in _named(view):
        try:
            missing = _unreadable(view, store, what, name, hurt)
        except NotFound as error:
            missing = [error.what]
        lines += [f"{what}: {line}" for line in missing]
    return lines


def _named(view: View) -> list[tuple[str, str]]:
    found = [(f"state {name!r}", state["manifest"]) for name, state in view.states.items()]
    return [("code", view.code.tree), *found] if view.code is not None else found


def _unreadable(view: View, store: Store, what: str, name: str, hurt: set[str]) -> list[str]:
    if what == "code":
        wanted = [(entry.path, entry.digest) for entry in read_tree(store, name).entries]
    else:
        leaves = storing.read_manifest(store, name).leaves
        wanted = [(path, leaf.digest) for path, leaf in leaves.items() if leaf.kept]
    return [
        f"{path} is {'damaged' if digest in hurt else 'missing'} ({short(digest)})"
        for path, digest in wanted
        if digest in hurt or not store.has(digest)
    ]


def tags_arguments(parser: argparse.ArgumentParser) -> None:
    """What tags takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|rm")
    commands.add_parser("ls", help="the git refs that keep the code of runs")
    removing = commands.add_parser("rm", help="remove them; the store keeps the code")
    removing.add_argument("runs", metavar="RUN", nargs="*", help="ids; all with --all")
    removing.add_argument("--all", action="store_true", help="those of every run")


def tags(options: argparse.Namespace) -> int:
    """List or remove the refs that `samebit run` made."""
    screen = Screen.of(sys.stdout)
    refs = _git("for-each-ref", "--format=%(refname)", "refs/tags/samebit/", "refs/samebit/")
    if options.action == "ls":
        for ref in refs:
            screen.say(visible(ref))
        return 0
    if not options.runs and not options.all:
        raise UsageError("the tags of which runs?", hint="samebit tags rm RUN, or --all")
    for run in options.runs:
        if not any(_belongs(ref, run) for ref in refs):
            raise NotFound(f"there is no tag of run {run}", hint="samebit tags ls")
    chosen = [r for r in refs if options.all or any(_belongs(r, run) for run in options.runs)]
    for ref in chosen:
        _git("update-ref", "-d", ref)
    screen.say(f"removed {len(chosen)} refs; the store still has the code")
    return 0


def _belongs(ref: str, run: str) -> bool:
    # A second execution with other code has `<id>-<commit>`.
    return ref.rpartition("/")[2].partition("-")[0] == run


def _git(*words: str) -> list[str]:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise NotFound("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise NotFound("git refused", reason=error.stderr.strip()) from error
    return done.stdout.splitlines()
