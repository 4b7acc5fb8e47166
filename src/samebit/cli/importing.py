"""`samebit data import --dvc`: what DVC keeps becomes versions of data."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from samebit import places
from samebit.cli.words import ProgressLine, Screen, few, size, visible
from samebit.data import versions
from samebit.data.dvc import importing, project
from samebit.data.dvc.cache import find_cache, find_top
from samebit.data.dvc.importing import Imported
from samebit.data.dvc.outs import Outs
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, UsageError
from samebit.objects.store import Store
from samebit.records import plain

__all__ = ["arguments", "import_data"]

_NAMED = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """What data import takes."""
    parser.add_argument(
        "path", metavar="PATH", type=Path, nargs="*", help="a DVC file, what it keeps, or a folder"
    )
    parser.add_argument("--dvc", action="store_true", help="from the DVC project that this is in")
    parser.add_argument("--name", help="what the one is called (default: its path, `-` for `/`)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--rev", action="append", default=[], metavar="REV", help="as it was at a commit of git"
    )
    which.add_argument(
        "--all-revs", action="store_true", help="as it was at each commit of branches and tags"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def import_data(options: argparse.Namespace, screen: Screen) -> int:
    """Import; exit code 7 where something could not be had."""
    if not options.dvc:
        raise UsageError("from what?", hint="samebit data import --dvc")
    here = Path.cwd()
    first = options.path[0] if options.path else here
    top = find_top(Path(first if first.is_dir() else first.parent).absolute())
    if top is None:
        raise NotFound("there is no DVC project here or above", path=Path(first).absolute())
    found, problems = _found(top, options)
    named = importing.chosen(top, [one for _, one in found], options.path)
    paths = {one.out.path for one in named}
    found = [(commit, one) for commit, one in found if one.out.path in paths]
    if options.name is not None:
        if len(paths) != 1:
            raise UsageError(f"--name is for one of them, and these are {len(paths)}")
        name = versions.check_name(options.name)
        found = [(commit, importing.Found(one.out, name)) for commit, one in found]
    of_revisions = bool(options.rev or options.all_revs)
    now = [one for commit, one in found if not commit]
    rows = [(commit, one) for commit, one in found if commit or not of_revisions]
    store = Store(places.make_store(places.choose_store(here)))
    began = time.monotonic()
    importer = importing.Importing(store, top, find_cache(top))
    done: list[Imported] = []
    for commit, one, is_last in importing.ordered(rows):
        total = one.out.size_bytes
        with ProgressLine(Screen.of(sys.stderr), total, one.name, amount=size) as line:
            done.append(importer.add(one, commit, is_last=is_last, line=line.advance))
        if not options.json:
            _say(done[-1], screen)
    for one in now if of_revisions else ():
        importer.renew(one)
    code = Exit.NOT_FOUND if problems or any(one.how == "missing" for one in done) else Exit.DONE
    if options.json:
        said: dict[str, Any] = {"outs": [_as_data(one) for one in done], "problems": problems}
        said |= {"project": str(top), "seconds": time.monotonic() - began}
        screen.say(canonical_json(said).decode())
        return code
    for problem in problems:
        screen.say(screen.paint.yellow("not read: ") + visible(problem))
    if not done:
        screen.say(f"DVC keeps nothing in {visible(str(top))}")
    return code


def _found(
    top: Path, options: argparse.Namespace
) -> tuple[list[tuple[str, importing.Found]], list[str]]:
    """Every out: of the revisions that are asked for, oldest first, and last as it lies there."""
    states: list[tuple[str, Outs]] = []
    if options.rev or options.all_revs:
        commits = project.revisions(top, options.rev, every=options.all_revs)
        states = [(commit, project.at_revision(top, commit)) for commit in commits]
    asked = states or [("", project.of_now(top))]
    states = [*states, ("", project.of_now(top))] if states else asked
    every = {out.path: out for _, said in states for out in said.outs}
    names = {one.out.path: one.name for one in importing.name_outs(every.values())}
    rows: list[tuple[str, importing.Found]] = []
    last: dict[str, str] = {}
    for commit, said in states:
        for out in said.outs:
            if not commit or last.get(out.path) != out.name or not out.md5:
                rows.append((commit, importing.Found(out, names[out.path])))
            last[out.path] = out.name
    return rows, list(dict.fromkeys(problem for _, said in asked for problem in said.problems))


def _say(one: Imported, screen: Screen) -> None:
    out, paint = one.found.out, screen.paint
    at = f" at {one.commit[:8]}" if one.commit else ""
    if one.version is None:
        screen.say(f"{paint.yellow('missing')} {visible(out.path)}, of {visible(out.file)}{at}")
        if one.why is not None:
            for line in str(one.why).splitlines():
                screen.say("  " + visible(line.strip()))
        if one.missing and out.is_folder:
            screen.say(f"  {_count(len(one.missing))}: {visible(few(one.missing, _NAMED))}")
        return
    how = paint.green("imported") if one.how == "imported" else "there already:"
    what = f"{_count(one.version.files)}, {size(one.version.size_bytes)}"
    screen.say(f"{how} {versions.short_name(one.version)}: {what}, of {visible(out.file)}{at}")


def _count(files: int) -> str:
    return f"{files:,} file" + ("" if files == 1 else "s")


def _as_data(one: Imported) -> dict[str, Any]:
    out = one.found.out
    return {
        "path": out.path,
        "file": out.file,
        "stage": out.stage or None,
        "md5": out.name,
        "hash": out.hash,
        "revision": one.commit or None,
        "name": one.found.name,
        "how": one.how,
        "version": None if one.version is None else plain(one.version),
        "missing": one.missing,
        "why": None if one.why is None else one.why.what,
    }
