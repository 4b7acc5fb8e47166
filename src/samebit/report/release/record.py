"""The runs' own records in a bundle: a store with what a replay needs and the bundle lacks.

Code is in it, so that it can be run from the store alone; so are the lists of splits, and what a
run overwrote. The arrays of states are not: their digests decide, and their bytes lie as
safetensors files beside it. Neither is data.
"""

from collections.abc import Iterable, Iterator

from samebit import digest, places
from samebit.errors import NotFound
from samebit.folders.naming import uses
from samebit.folders.read import View
from samebit.folders.used import data_of
from samebit.objects.store import Store
from samebit.remotes.bundles import is_file_of_a_run
from samebit.report.release.writing import Draft, files_below

__all__ = ["FOLDER", "add_records"]

FOLDER = "samebit"
_STORE_FOLDERS = ("objects", "packs", "runs", "tmp")


def add_records(made: Draft, store: Store, views: Iterable[View]) -> list[str]:
    """Write them; what a record names and the store lacks is told, a line each."""
    top = made.top / FOLDER
    given = list(views)
    for name in _STORE_FOLDERS:
        (top / name).mkdir(parents=True, exist_ok=True)
    # Equal runs make an equal store: its id comes of theirs.
    identity = digest.hex_of(digest.of_bytes(digest.canonical_json(sorted(v.id for v in given))))
    made.write(f"{FOLDER}/format", f"{places.FORMAT_LINE}\nid {identity[:32]}\n")
    lacks: list[str] = []
    names: dict[str, None] = {}
    for view in given:
        for path in sorted(files_below(view.folder.path)):
            if is_file_of_a_run(path):
                data = (view.folder.path / path).read_bytes()
                made.put(f"{FOLDER}/runs/{view.id}/{path}", data)
        names |= dict.fromkeys(_needed(view, store))
    Store(top).put_all(_read(store, names, lacks))
    for name in _STORE_FOLDERS:
        if not any((top / name).iterdir()):
            (top / name).rmdir()
    return lacks


def _read(store: Store, names: Iterable[str], lacks: list[str]) -> Iterator[bytes]:
    for name in names:
        try:
            yield store.read(name)
        except NotFound as error:  # or damaged
            lacks.append(error.what)


def _needed(view: View, store: Store) -> Iterator[str]:
    """The objects without which the run cannot be run again, or shown."""
    data = {fact.get("saved") for fact in view.files}
    kept = {fact.get("kept") for fact in data_of(view).values()}
    for use in uses(view, store):
        if use.kind == "state" or use.root in kept:
            yield use.root
        elif use.root not in data:
            yield from (name for _, name in use.parts)
    for _, _, name in view.sources["modules"]:
        if store.has(name):
            yield name
