"""Makes the golden remote of format 1; was run once for `remote-1`, which never changes.

    python -m tests.golden.make_remote FOLDER

As `make_store`, whose clock and chance it has. One run with two executions, of which the first was
pushed while it went on; a state of it; the golden version of data; three pushes, so several
bundles, packs and rows.
"""

import itertools
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from samebit import disk, places
from samebit.data import versions
from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.journal import keeping
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.query import index
from samebit.records import ExecutionEnd
from samebit.remotes import moving, pushing
from samebit.remotes.folder import FolderPlace
from tests.golden import make_store

RUN = "tw0parts00"
DATA = Path(__file__).parent / "data-1"


def make(place: FolderPlace, store: Path) -> None:
    """Record the run, and push it as it grows."""
    ticks = itertools.count(5_000_000_000, 1_000)
    with (
        make_store._fixed(),
        mock.patch.dict(moving.move.__kwdefaults__, workers=1),
        mock.patch.object(keeping, "_monotonic_ns", side_effect=ticks),
    ):
        places.make_store(store)
        folder = make_store._begin(store, RUN, name="two parts", group="golden")
        record = folder.path / "run.json"
        record.write_bytes(record.read_bytes().replace(bytes(store.parent), b"/project"))
        writer = Writer(folder.journal, folder.id)
        writer.fact("code", make_store._code(Store(store)))
        writer.fact("config", {"lr": 0.1})
        make_store._states(writer, Store(store), "step 0", 0)
        _train(writer, folder, 1, 4)
        _push(store, place, [folder])
        _train(writer, folder, 4, 7)
        writer.close()
        folder.end_execution(1, ExecutionEnd(time.time_ns(), "killed", signal="SIGTERM"))
        folder.begin_execution(folder.start(1))
        writer = Writer(folder.journal, folder.id)
        _train(writer, folder, 7, 10)
        make_store._states(writer, Store(store), "final", 9)
        writer.close()
        folder.trace.mkdir()
        (folder.trace / "0-abcdefghjkmn-1.leaves").write_bytes(bytes(range(64)))
        folder.end_execution(2, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
        _push(store, place, [folder])
        folder.add_note("name", "brave otter")
        for part in ("data", "packs"):
            shutil.copytree(DATA / part, store / part, dirs_exist_ok=True)
        _push(store, place, [folder], versions.list_names(store))


def _train(writer: Writer, folder: RunFolder, begin: int, end: int) -> None:
    for step in range(begin, end):
        make_store._train(writer, step)
        writer.row({"loss": 1 / step}, step)
    console = folder.console(max(folder.executions()))
    with open(console / "0.log", "ab") as stream:
        stream.write(b"".join(b"step %d\n" % step for step in range(begin, end)))


def _push(
    store: Path, place: FolderPlace, folders: list[RunFolder], names: list[str] | None = None
) -> None:
    def rows(ids: object) -> list[dict[str, object]]:
        return index.rows(store, replays=True)

    done = pushing.push(Store(store), place, folders, names or [], rows=rows)
    assert not done.held_back, done.held_back


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    if target.exists():
        raise SamebitError("a golden remote is made once", path=target)
    assert disk.FAULTS is None
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SAMEBIT_CACHE"] = f"{scratch}/cache"
        make(FolderPlace(target), Path(scratch) / ".samebit")
    for empty in ("tmp", "claims"):  # git keeps none
        (target / empty).rmdir()
