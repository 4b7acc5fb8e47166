"""`samebit tags`: the git refs that keep the code of runs."""

import argparse
import subprocess
import sys
from pathlib import Path

from samebit import places
from samebit.cli.words import Screen, counted, visible
from samebit.digest import canonical_json
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.folders.find import find_run

__all__ = ["tags", "tags_arguments"]

_FOLDERS = ("refs/tags/samebit/", "refs/samebit/")
_TOGETHER = 500  # refs in one command


def tags_arguments(parser: argparse.ArgumentParser) -> None:
    """What tags takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|push|rm")
    listing = commands.add_parser("ls", help="the git refs that keep the code of runs")
    listing.add_argument("--json", action="store_true", help="the same as data")
    pushing = commands.add_parser("push", help="send them to a git remote")
    pushing.add_argument("--to", metavar="REMOTE", help="git's name of it (default: the only one)")
    removing = commands.add_parser("rm", help="remove them; the store keeps the code")
    for one in (pushing, removing):
        one.add_argument("runs", metavar="RUN", nargs="*", help="which; all with --all")
        one.add_argument("--all", action="store_true", help="those of every run")


def tags(options: argparse.Namespace) -> int:
    """List, send or remove the refs that `samebit run` made."""
    screen = Screen.of(sys.stdout)
    refs = _git("for-each-ref", "--format=%(refname)", *_FOLDERS)
    if options.action == "ls":
        if options.json:
            screen.say(canonical_json({"tags": refs}).decode())
            return 0
        for ref in refs:
            screen.say(visible(ref))
        return 0
    chosen = _chosen(refs, options)
    if options.action == "push":
        remote = options.to or _only_remote()
        new = _push(remote, chosen)
        there = len(chosen) - new
        known = f"; {there} of them there already" if there else ""
        screen.say(f"{counted(len(chosen), 'ref')} at {visible(remote)}{known}")
        return 0
    for ref in chosen:
        _git("update-ref", "-d", ref)
    screen.say(f"removed {counted(len(chosen), 'ref')}; the store still has the code")
    return 0


def _chosen(refs: list[str], options: argparse.Namespace) -> list[str]:
    if not options.runs and not options.all:
        raise UsageError(
            "the tags of which runs?", hint=f"samebit tags {options.action} RUN, or --all"
        )
    runs = {run: _id(run) for run in options.runs}
    for run, identity in runs.items():
        if not any(_belongs(ref, identity) for ref in refs):
            raise NotFound(f"there is no tag of run {run}", hint="samebit tags ls")
    return [r for r in refs if options.all or any(_belongs(r, one) for one in runs.values())]


def _id(run: str) -> str:
    """The id of a run of the store; of one that was deleted, what was given is the id."""
    try:
        return find_run(places.find_store(Path.cwd()), run).id
    except NotFound:
        return run


def _belongs(ref: str, run: str) -> bool:
    # A second execution with other code has `<id>-<commit>`.
    return ref.rpartition("/")[2].partition("-")[0] == run


def _only_remote() -> str:
    remotes = _git("remote")
    if len(remotes) == 1:
        return remotes[0]
    if "origin" in remotes:
        return "origin"
    if remotes:
        raise UsageError("to which git remote?", known=", ".join(remotes), hint="--to REMOTE")
    raise UsageError("this repository has no remote", hint="git remote add origin URL")


def _push(remote: str, refs: list[str]) -> int:
    """How many were not there yet."""
    new = 0
    for at in range(0, len(refs), _TOGETHER):
        some = [f"{ref}:{ref}" for ref in refs[at : at + _TOGETHER]]
        done = subprocess.run(
            ["git", "push", "--porcelain", "--", remote, *some], stdout=subprocess.PIPE, text=True
        )
        said = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") >= 2]
        new += sum(words[0] == "*" for words in said)
        refused = [f"{words[1].partition(':')[2]} {words[2]}" for words in said if words[0] == "!"]
        if done.returncode:
            raise SamebitError(
                "git has not sent all of them",
                remote=remote,
                sent=new,
                **({"refused": refused[0]} if refused else {}),
                hint="the same command goes on where this one stopped",
            )
    return new


def _git(*words: str) -> list[str]:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise NotFound("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise NotFound("git refused", reason=error.stderr.strip()) from error
    return done.stdout.splitlines()
