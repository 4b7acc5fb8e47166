"""`samebit run`: our options end at the first word that is none; the rest is the script's."""

import argparse
import os
import sys
from pathlib import Path

from msgspec.structs import replace

from samebit.cli.typed import memory, seed
from samebit.cli.words import Screen, duration
from samebit.errors import CannotStart, UsageError
from samebit.folders.folder import RunFolder
from samebit.launch import families, here
from samebit.session.launching import Launched, launch
from samebit.session.request import SHAPES, Request
from samebit.session.studied import roles_of

__all__ = [
    "request_of",
    "run",
    "run_arguments",
    "seeding_arguments",
    "words_arguments",
]

_SHUT_OUT = ("-I", "-E", "-S")  # of Python: without the environment, without sitecustomize


def run_arguments(parser: argparse.ArgumentParser) -> None:
    """What comes before the script."""
    parser.usage = (
        "samebit run [options] SCRIPT.py [its arguments]\n"
        "       samebit run [options] -m MODULE [its arguments]\n"
        "       samebit run [options] -- COMMAND [its arguments]"
    )
    seeding_arguments(parser)
    parser.add_argument("--name", help="a name for people")
    parser.add_argument("--group", help="runs that belong together")
    parser.add_argument(
        "--save-data", action="store_true", help="keep what it reads, and not only its digests"
    )
    parser.add_argument(
        "--or-run-anyway", action="store_true", help="run it even where it cannot be recorded"
    )
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with this run; auto: with that of this job before it was requeued",
    )
    parser.add_argument(
        "--memory", type=memory, metavar="4G", help="end it where it holds more than so much"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing of our own")
    parser.add_argument(
        "--as",
        dest="shape",
        choices=SHAPES,
        help="answer to the name of this tracker, for this run alone",
    )
    words_arguments(parser)


def seeding_arguments(parser: argparse.ArgumentParser) -> None:
    """What makes a run repeatable."""
    parser.add_argument("--seed", type=seed, help="seed Python, NumPy and PyTorch with this")
    parser.add_argument(
        "--deterministic", action="store_true", help="deterministic algorithms, strictly"
    )


def words_arguments(parser: argparse.ArgumentParser) -> None:
    """The script, module or command, and its arguments."""
    parser.add_argument("-m", dest="module", metavar="MODULE", nargs=argparse.REMAINDER)
    for option in _SHUT_OUT:  # named here, because argparse would call them unknown
        parser.add_argument(
            option, dest="shut_out", action="store_const", const=option, help=argparse.SUPPRESS
        )
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Run it, and end as it ended."""
    if options.memory is not None and not families.is_known():
        raise UsageError("--memory works on Linux alone: here nothing tells what processes hold")
    screen = Screen.of(sys.stderr)
    request = replace(
        request_of(options),
        name=options.name,
        group=options.group,
        resume=options.resume,
        or_run_anyway=options.or_run_anyway,
        save_data=options.save_data,
        memory=options.memory,
        shape=options.shape or "",
    )

    def begun(folder: RunFolder) -> None:
        if not options.quiet and screen.width is not None:
            screen.say(screen.paint.dim(f"samebit: run {folder.id}"))

    launched = launch(request, begun)
    if not options.quiet:
        try:
            _say_how_it_ended(launched, screen)
            sys.stderr.flush()
        except OSError:
            pass  # nobody reads our words any more; the exit is still the script's own
    here.end_like(launched.outcome)


def request_of(options: argparse.Namespace) -> Request:
    """What the words and the options for seeds ask for, in this folder and environment."""
    how, words = _how_to_run(options)
    return Request(
        how=how,
        words=words,
        cwd=Path.cwd(),
        environ=dict(os.environ),
        seed=options.seed,
        roles=roles_of(os.environ),
        deterministic=options.deterministic,
    )


def _how_to_run(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Script, module or command, and its words.

    Raises UsageError where there is none, and CannotStart where Python would shut the recorder out.
    """
    if options.shut_out:
        word = options.shut_out
        raise CannotStart(f"with {word} Python ignores what records it: nothing would be kept")
    if options.module:
        return "module", options.module
    words = options.words
    if words and words[0] == "--":
        if len(words) == 1:
            raise UsageError("after `--` comes a command", hint="samebit run -- torchrun train.py")
        return "command", words[1:]
    if not words:
        raise UsageError("what is to be run?", hint="samebit run train.py --lr 0.1")
    if words[0].startswith("-"):
        raise UsageError(
            f"`samebit run` has no option {words[0]}",
            hint="our options come before the script; `samebit run --help` lists them",
        )
    return "script", words


def _say_how_it_ended(launched: Launched, screen: Screen) -> None:
    outcome = launched.outcome
    if launched.folder is None:
        screen.say("samebit: it ran without a record")
        return
    how = "finished"
    if outcome.signal:
        how = f"killed by {outcome.signal}"
    elif outcome.exit_code:
        how = f"failed with exit code {outcome.exit_code}"
    how += f" ({launched.cause})" if launched.cause else ""
    run_id = launched.folder.id
    took = duration(launched.seconds)
    line = f"samebit: run {run_id} {how} after {took}"
    if launched.is_of_job:
        line = f"samebit: the sweep {how} after {took}; its first job is run {run_id}"
    screen.say(screen.paint.dim(line))
    if screen.width is not None:
        hint = f"samebit: next: samebit show {run_id}, samebit verify {run_id}"
        screen.say(screen.paint.dim(hint))
