"""What lies at a remote laid out in a folder aside, as a store has it, to be looked into."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from samebit.errors import Damaged, NotFound, in_a_line
from samebit.folders.folder import RunFolder
from samebit.remotes import bundles, listing, moving
from samebit.remotes.moving import Job
from samebit.remotes.place import Found, Place
from samebit.remotes.recalled import read_bundle

__all__ = ["Laid", "every_run", "words"]

_TOGETHER = 200  # runs that lie there at a time


class Laid(Struct, frozen=True):
    """A run of a remote, as far as its bundles are whole.

    Attributes:
        folder: where it is until the next batch of runs.
        read_bytes: how many came for it.
        damaged: its bundles that are not what their names say, and why.
        trouble: why the files cannot be put together; empty where they can.
    """

    folder: RunFolder
    read_bytes: int
    damaged: dict[str, str]
    trouble: str


def every_run(place: Place, top: Path) -> Iterator[tuple[str, Laid]]:
    """Each run that is there, by its id; RemoteError where the remote does not answer."""
    listed = sorted(listing.list_bundles(place, listing.list_runs(place)).items())
    for at in range(0, len(listed), _TOGETHER):
        some = listed[at : at + _TOGETHER]
        laid: dict[str, Laid] = {}

        def lay(run: str, found: list[Found], laid: dict[str, Laid] = laid) -> None:
            laid[run] = _lay(place, found, RunFolder(top / "runs" / run))

        moving.move(
            Job(sum(one.size_bytes for one in found), lambda r=run, f=found: lay(r, f))
            for run, found in some
        )
        for run, _ in some:
            yield run, laid[run]
        shutil.rmtree(top / "runs", ignore_errors=True)


def _lay(place: Place, listed: list[Found], folder: RunFolder) -> Laid:
    got: list[bytes] = []
    damaged: dict[str, str] = {}
    for one in sorted(listed, key=lambda one: one.path):
        try:
            got.append(read_bundle(place, one))
        except (Damaged, NotFound) as error:
            damaged[one.path] = in_a_line(error)
    trouble = "a bundle of its files is damaged" if damaged else ""
    try:
        for path, data in bundles.assemble(got, {}).items():
            file = folder.path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    except Damaged as error:
        trouble = trouble or in_a_line(error)
    return Laid(folder, sum(one.size_bytes for one in listed), damaged, trouble)


def words(place: Place, top: Path) -> dict[str, str]:
    """Lay out all that was said of data; by their paths the records that could not be, and why."""
    damaged: dict[str, str] = {}

    def lay(one: Found) -> None:
        file = top / one.path
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.write_bytes(listing.read_word(place, one))
        except NotFound as error:  # or Damaged
            damaged[one.path] = in_a_line(error)

    listed = [one for one in place.list("data") if listing.WORD.fullmatch(one.path)]
    moving.move(Job(one.size_bytes, lambda one=one: lay(one)) for one in listed)
    return damaged
