"""Where the runs of a study are made, as the options of a command say: `--on`, `--jobs`."""

import argparse
import os

from samebit.errors import UsageError
from samebit.studies.places.inline import Inline
from samebit.studies.places.local import Local, processors
from samebit.studies.places.place import Place

__all__ = ["MOST", "THREADS", "place_arguments", "place_of", "so_many", "threads_of"]

THREADS = "OMP_NUM_THREADS"
MOST = 100_000  # runs of a study


def place_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, and how many at once."""
    add = parser.add_argument
    add("--jobs", type=so_many, metavar="N", help="so many at once on this machine; else 1")
    add("--on", choices=("local", "inline"), default="local", help="where runs are made")


def place_of(options: argparse.Namespace) -> Place:
    """The place that was asked for; UsageError where it cannot be as asked."""
    if options.on == "inline":
        if (options.jobs or 1) > 1:
            raise UsageError("inline is one run after the other", asked=f"--jobs {options.jobs}")
        return Inline()
    return Local(options.jobs or 1)


def threads_of(options: argparse.Namespace) -> int:
    """How many threads each run is given; 0 where it gets what the environment says."""
    if options.on == "inline" or THREADS in os.environ:
        return 0
    return max(1, processors() // (options.jobs or 1))


def so_many(text: str) -> int:
    """An option's number of runs."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST}, not {text!r}")
    return int(text)
