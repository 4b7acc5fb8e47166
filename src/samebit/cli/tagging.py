"""`samebit tags`: the git refs that keep the code of runs."""

import argparse
import subprocess
import sys

from samebit.cli.words import Screen, visible
from samebit.errors import NotFound, UsageError

__all__ = ["tags", "tags_arguments"]


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
