"""A store in which there is a bit of everything: good runs, strangers' ones, damaged ones."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samebit import places
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from tests.golden import test_golden, test_media
from tests.page import stores
from tests.server.recorded import begin, record
from tests.server.swept import Played, some

ODD = "\x1b[31m\u202e\0\ud800"
NUMBERS = (float("nan"), float("inf"), -float("inf"), 2**53 + 1, -(2**80), 5e-324, True)


@contextmanager
def everything(project: Path) -> Iterator[Path]:
    """The store, for as long as one of its runs goes on."""
    store = places.make_store(project / places.STORE_NAME)
    for golden in (test_golden.GOLDEN, test_media.GOLDEN):
        keep = shutil.ignore_patterns("format")
        shutil.copytree(golden, store, ignore=keep, dirs_exist_ok=True)
    stores.sweep(store, 10)
    stores.traced_pair(store)
    stores.hostile(store)
    run, _ = stores.traced_pair(store)
    run.add_note("archived", True)
    with Played(store) as sweep:
        some(sweep)
    run.add_note("tag", stores.EVIL[0])
    run.add_note("text", stores.EVIL[1])
    _odd(store)
    _damaged(store)
    goes_on, writer = begin(store, name="goes on")
    writer.row({"loss": 1.0}, 1)
    try:
        yield store
    finally:
        writer.close()
        shutil.rmtree(goes_on.path)


def _odd(store: Path) -> None:
    """Numbers that JSON lacks, names that are no text, values of a megabyte."""
    rows = [({"loss": value, "odd": value}, step) for step, value in enumerate(NUMBERS)]
    config = {f"value{at}": value for at, value in enumerate((*NUMBERS, ODD, "x" * 1_000_000))}
    record(store, name=ODD, group=ODD, config=config, rows=rows)


def _damaged(store: Path) -> None:
    """A torn journal, a record that is none, a tree whose object is not here, a damaged pack."""
    torn = record(store, name="torn", rows=[({"loss": float(at)}, at) for at in range(100)])
    (segment,) = torn.journal.glob("*.sbj")
    segment.write_bytes(segment.read_bytes()[:700])
    (record(store, name="no record").path / "run.json").write_bytes(b"rubbish")
    before = {*(store / "packs").rglob("*.pack")}
    tree, _ = save_tree(Store(store), [SourceFile("a.py", "file", b"damaged\n")])
    record(store, name="damaged code", tree=tree)
    for pack in {*(store / "packs").rglob("*.pack")} - before:
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:-20] + b"rubbish, of twenty b")
