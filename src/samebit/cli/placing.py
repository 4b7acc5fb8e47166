"""Where the runs of a study are made, as the options of a command say: `--on`, `--jobs`."""

import argparse
import os

from samebit.cli.running import memory
from samebit.errors import UsageError
from samebit.studies.places.inline import Inline
from samebit.studies.places.local import Local, processors
from samebit.studies.places.place import Place
from samebit.studies.places.ray import Ray

__all__ = ["MOST", "THREADS", "place_arguments", "place_of", "run_words", "so_many", "threads_of"]

THREADS = "OMP_NUM_THREADS"
MOST = 100_000  # runs of a study


def place_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, and how many at once."""
    add = parser.add_argument
    add("--jobs", type=so_many, metavar="N", help="so many at once; else 1")
    add("--on", choices=("local", "inline", "ray"), default="local", help="where runs are made")
    add("--threads", type=so_many, metavar="N", help="for each run; else processors / jobs")
    add("--gpus", type=so_many, metavar="N", default=0, help="so many for each run alone")
    add("--memory", type=memory, metavar="4G", help="end a run that holds more than so much")
    add("--address", help="of a Ray cluster; auto: the one that runs here; else RAY_ADDRESS")


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
    if options.on == "ray":
        return 1  # its nodes may be of any size
    return max(1, len(processors()) // (options.jobs or 1))


def so_many(text: str) -> int:
    """An option's number of runs."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST}, not {text!r}")
    return int(text)
