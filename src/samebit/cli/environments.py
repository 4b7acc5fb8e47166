"""Environments for replays, made with words on the screen; and `samebit env` to see them."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samebit import places
from samebit.capture.environment import normalised, packages
from samebit.cli.tables import Column, table
from samebit.cli.words import ProgressLine, Screen, ago, size, visible
from samebit.digest import canonical_json
from samebit.errors import NotFound, UsageError
from samebit.records import Verdict
from samebit.replay import environments
from samebit.replay.environments import CannotRebuild, Choice, Kept
from samebit.replay.installers import find_uv
from samebit.replay.plan import Plan
from samebit.replay.recipe import Rebuilt, Recipe, likeness, make_recipe
from samebit.replay.running import refuse_rebuilding

__all__ = ["env", "env_arguments", "rebuild_environment"]


def rebuild_environment(plan: Plan, *, quiet: bool) -> Plan | Verdict:
    """The plan in an environment with what its run had; or the verdict, where there is none.

    Args:
        plan: without blockers.
        quiet: say nothing on the screen.
    """
    screen = Screen.of(sys.stdout)
    says = screen.width is not None and not quiet
    facts = plan.view.facts
    here = packages()["versions"]
    # Of the run as it is: what its record lacks is one of the recipe's problems.
    alike = likeness((facts.get("packages") or {}).get("versions", {}), here)
    files = [file for _, file, _ in plan.sources]
    if others := _other_packages(plan):
        return refuse_rebuilding(plan, others, alike)
    recipe = make_recipe(facts, plan.root, files, here)
    if says:
        screen.say(f"Here: {visible(alike)}")
    cache, uv = places.cache_folder(), find_uv(os.environ)
    try:
        choice = environments.choose(recipe, facts.get("interpreter") or {}, uv, os.environ)
        found = environments.reuse(cache, choice)
        if says:
            _say_what_is_made(recipe, choice, found, "uv" if uv else "pip", screen)
        if found is None:
            names: set[str] = set()
            label = "making the environment"
            with ProgressLine(Screen.of(sys.stderr), len(recipe.pins), label) as progress:

                def begun(name: str) -> None:
                    if normalised(name) not in names:
                        names.add(normalised(name))
                        progress.advance()

                found = environments.build(cache, choice, uv, begun)
    except CannotRebuild as error:
        return refuse_rebuilding(plan, error.reasons, alike)
    return environments.in_environment(plan, found)


def _other_packages(plan: Plan) -> list[str]:
    """Of a run that was resumed, the executions that had other packages than the last one."""
    versions = (plan.view.facts.get("packages") or {}).get("versions", {})
    return [
        f"execution {one.part.number} had other packages than the last one: there is one "
        "environment for all of them"
        for one in plan.parts
        if one.part is not None
        and (one.view.facts.get("packages") or {}).get("versions", versions) != versions
    ]


def _say_what_is_made(
    recipe: Recipe, choice: Choice, found: Rebuilt | None, by: str, screen: Screen
) -> None:
    what = f"{len(recipe.pins)} packages, Python {choice.python.version}"
    if found is not None:
        screen.say(f"Its environment was made before: {what}, by {visible(found.by)}")
    else:
        screen.say(f"Its environment is made first, and kept: {what}, by {by}")
    if recipe.mapped:
        names = ", ".join(visible(each.name) for each in recipe.mapped)
        screen.say(f"  not installed, its recorded sources are run: {names}")
    for line in recipe.left_out:
        screen.say(f"  {visible(line)}")


# samebit env -----------------------------------------------------------------------------------


def env_arguments(parser: argparse.ArgumentParser) -> None:
    """What env takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|rm")
    listing = commands.add_parser("ls", help="the environments that replays were run in")
    listing.add_argument("--json", action="store_true", help="the same as data")
    removing = commands.add_parser("rm", help="remove some; they can be made again")
    removing.add_argument("environments", metavar="ENV", nargs="*", help="the beginning of a name")
    removing.add_argument("--all", action="store_true", help="all of them")


def env(options: argparse.Namespace) -> int:
    """List or remove the environments in the cache."""
    screen = Screen.of(sys.stdout)
    cache = places.cache_folder()
    there = environments.kept(cache)
    if options.action == "ls":
        if options.json:
            said = {"environments": [_as_data(each, folder) for each, folder in there]}
            screen.say(canonical_json(said).decode())
        elif there:
            screen.say(_listed(there, screen))
        return 0
    if not options.environments and not options.all:
        raise UsageError("which environments?", hint="samebit env rm ENV, or --all")
    chosen = [each for each, _ in there] if options.all else _named(options.environments, there)
    for each in chosen:
        environments.remove(cache, each)
    if options.all:
        environments.sweep(cache)
    screen.say(f"removed {len(chosen)} environments")
    return 0


def _listed(there: Sequence[tuple[Kept, Path]], screen: Screen) -> str:
    columns = [Column("name"), Column("packages", "right"), Column("python"), Column("by")]
    columns += [Column("size", "right"), Column("made")]
    now = time.time_ns()
    rows = [
        (
            each.key[:12],
            len(each.requirements),
            each.python,
            each.by,
            size(_size_of(folder)),
            ago(each.made_ns, now),
        )
        for each, folder in there
    ]
    return table(columns, rows, columns_wide=screen.width, color=screen.color)


def _as_data(each: Kept, folder: Path) -> dict[str, Any]:
    return {
        "name": each.key,
        "packages": len(each.requirements),
        "python": each.python,
        "by": each.by,
        "size_bytes": _size_of(folder),
        "made_ns": each.made_ns,
    }


def _named(names: Sequence[str], there: Sequence[tuple[Kept, Path]]) -> list[Kept]:
    found: dict[str, Kept] = {}
    for name in names:
        fitting = [each for each, _ in there if each.key.startswith(name)]
        if not fitting:
            raise NotFound(f"there is no environment {name}", hint="samebit env ls")
        if len(fitting) > 1:
            raise UsageError(f"{len(fitting)} environments begin with {name}")
        found[fitting[0].key] = fitting[0]
    return list(found.values())


def _size_of(folder: Path) -> int:
    """What its files take; those that an installer's cache shares with it are counted, too."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_size
            except OSError:
                continue
    return total
