"""Where the runs of a study are made, as the options of a command say: `--on`, `--jobs`."""

import argparse
import os
import shlex

from samebit.cli.typed import memory
from samebit.errors import UsageError
from samebit.studies.places.inline import Inline
from samebit.studies.places.local import Local, processors
from samebit.studies.places.place import Place
from samebit.studies.places.ray import Ray
from samebit.studies.places.slurm import Slurm

__all__ = ["MOST", "THREADS", "place_arguments", "place_of", "run_words", "so_many", "threads_of"]

THREADS = "OMP_NUM_THREADS"
MOST = 100_000  # runs of a study
_PLACES = ("local", "inline", "slurm", "ray")
_OURS = frozenset(  # options of sbatch by which a study finds its jobs and their logs
    {"array", "chdir", "clusters", "error", "job-name", "open-mode", "output", "parsable"}
    | {"test-only", "wait", "wrap"}
)


def place_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, and how many at once."""
    add = parser.add_argument
    add(
        "--jobs",
        type=so_many,
        metavar="N",
        help="so many at once; else 1 on this machine, and on Slurm as many as it runs",
    )
    add("--on", choices=_PLACES, default="local", help="where runs are made")
    add("--threads", type=so_many, metavar="N", help="for each run; else processors / jobs")
    add("--gpus", type=so_many, metavar="N", default=0, help="graphics cards for each run alone")
    add("--memory", type=memory, metavar="4G", help="end a run that holds more than so much")
    add(
        "--address",
        metavar="ADDRESS",
        help="of a Ray cluster; auto: the one that runs here; else RAY_ADDRESS, or one is started",
    )
    add(
        "--via",
        metavar="REMOTE",
        help="its machines do not see this folder: code goes there and runs come home by a remote",
    )
    add(
        "--sbatch",
        type=_for_sbatch,
        metavar="OPTIONS",
        help='for Slurm, by their long names: --sbatch "partition=gpu time=02:00:00"',
    )


def place_of(options: argparse.Namespace) -> Place:
    """The place that was asked for; UsageError where it cannot be as asked."""
    if options.address is not None and options.on != "ray":
        raise UsageError("--address is of a Ray cluster", asked=f"--on {options.on}")
    if options.on == "ray":
        return Ray(
            options.jobs or 1,
            address=options.address or "",
            gpus=options.gpus,
            memory=options.memory,
        )
    if options.sbatch is not None and options.on != "slurm":
        raise UsageError("--sbatch is for runs on Slurm", asked=f"--on {options.on}")
    if options.on == "slurm":
        if options.gpus or options.threads:
            hint = '--sbatch "cpus-per-task=4 gpus=1"'
            raise UsageError("what each run gets of Slurm is said as Slurm has it", hint=hint)
        return Slurm(options.jobs, options.sbatch or [])
    if options.on == "inline":
        if (options.jobs or 1) > 1:
            raise UsageError("inline is one run after the other", asked=f"--jobs {options.jobs}")
        if options.gpus:
            raise UsageError(
                "inline is one run at a time, which has all cards: --gpus says nothing"
            )
        return Inline()
    return Local(options.jobs or 1, gpus=options.gpus)


def run_words(options: argparse.Namespace) -> list[str]:
    """What `samebit run` is told of how each run is to be held."""
    return ["--memory", f"{options.memory / 1024}K"] if options.memory is not None else []


def threads_of(options: argparse.Namespace) -> int:
    """How many threads each run is given; 0 where it gets what the environment says."""
    if options.threads is not None:
        return options.threads
    if options.on == "inline" or THREADS in os.environ:
        return 0
    if options.on == "slurm":
        return _of_each_task(options.sbatch or [])
    if options.on == "ray":
        return 1  # its nodes may be of any size
    return max(1, len(processors()) // (options.jobs or 1))


def _for_sbatch(text: str) -> list[str]:
    """Options of sbatch, each one word; with or without the dashes before it."""
    try:
        words = [word.removeprefix("--") for word in shlex.split(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"options of sbatch, not {text!r}: {error}") from None
    for word in words:
        name = word.partition("=")[0]
        if name in _OURS:
            raise argparse.ArgumentTypeError(f"{name} of sbatch is set by the study")
        if not name or name.startswith("-"):
            raise argparse.ArgumentTypeError(f"by its long name, as partition=gpu, not {word!r}")
    return [f"--{word}" for word in words]


def _of_each_task(words: list[str]) -> int:
    """The processors that a job asks for; Slurm gives one where it asks for none."""
    asked = [word.partition("=")[2] for word in words if word.startswith("--cpus-per-task=")]
    return int(asked[-1]) if asked and asked[-1].isdecimal() else 1


def so_many(text: str) -> int:
    """An option's number of runs."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST}, not {text!r}")
    return int(text)
