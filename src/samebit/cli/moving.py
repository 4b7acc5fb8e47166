"""What push and pull have in common: their options, which store and remote, data of runs."""

import argparse
import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from samebit import places
from samebit.data import versions
from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.query import choosing, index
from samebit.remotes import named
from samebit.remotes.named import Remote
from samebit.remotes.pushing import KINDS

__all__ = [
    "add_common",
    "add_kinds",
    "add_selection",
    "counted_studies",
    "data_of",
    "fitting",
    "is_selected",
    "opened",
    "studies_of",
]


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which runs, and what both commands take."""
    parser.add_argument(
        "--where", metavar="EXPR", help="runs such as: acc > 0.9 and config.lr < 0.01"
    )
    add_common(parser)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Which remote, and what of runs travels."""
    parser.add_argument("--remote", metavar="NAME", help="which one (default: the only one)")
    add_kinds(parser)


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """What of runs travels, how fast, and how it is told."""
    parser.add_argument(
        "--with",
        dest="kinds",
        metavar="a,b",
        type=_kinds,
        default=KINDS,
        help="of what runs keep only: states, data, code, media; or none (default: all)",
    )
    parser.add_argument(
        "--limit", metavar="MB", type=_megabytes, help="at most so many MB a second"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _kinds(text: str) -> tuple[str, ...]:
    given = tuple(word.strip() for word in text.split(","))
    if given == ("none",):
        return ()
    if set(given) <= set(KINDS):
        return given
    raise argparse.ArgumentTypeError(f"of {', '.join(KINDS)}, or none; not {text!r}")


def _megabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value > 0:
        return value * 1e6
    raise argparse.ArgumentTypeError(f"a number of MB above 0, not {text!r}")


def opened(options: argparse.Namespace) -> tuple[Store, Remote]:
    """The store of this folder, and the remote that is meant."""
    path = places.find_store(Path.cwd())
    return Store(path), named.choose(path, options.remote)


def is_selected(options: argparse.Namespace) -> bool:
    """Whether some runs were asked for, whose data is to come with them."""
    return "data" in options.kinds and bool(options.things or options.where is not None)


def data_of(folders: Iterable[RunFolder], *, lacking: Path | None = None) -> set[str]:
    """The names of data under which runs kept what they used; only those that a store lacks."""
    found: set[str] = set()
    for folder in folders:
        with contextlib.suppress(SamebitError):  # a damaged run is told of by whoever moves it
            for _, fact in read_run(folder).by_rank("data"):
                version = fact.get("version")
                if version is not None and (lacking is None or not _has(lacking, version)):
                    found.add(version.partition("@")[0])
    return found


def _has(store: Path, version: str) -> bool:
    try:
        versions.find_version(store, version)
    except SamebitError:
        return False
    return True


def fitting(every: list[dict[str, Any]], condition: str) -> list[str]:
    """The ids of the runs that fit a condition."""
    return [str(row["id"]) for row in choosing.fitting(every, condition)]


def studies_of(every: Callable[[], list[index.Row]], folders: Iterable[RunFolder]) -> list[str]:
    """The ids of the studies that had runs started; they need not be here.

    Args:
        every: reads the rows of all runs, if there is anything to look up.
        folders: of the runs.
    """
    ids = {folder.id for folder in folders}
    rows = every() if ids else []
    return sorted({str(row["study"]) for row in rows if row["id"] in ids and "study" in row})


def counted_studies(number: int) -> str:
    """So many studies, in words."""
    return "1 study" if number == 1 else f"{number} studies"
