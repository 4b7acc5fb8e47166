"""Taking objects out of a store while others put and read: no lock, and nothing lost that is named.

Whoever puts bytes that are there touches their file first and looks at it then
(`Store.holds`); whoever removes a file moves it aside first and looks at its time then
(`disk.remove`). `docs/design/010-states-and-checkpoints.md` has the argument.
"""

from collections.abc import Collection
from pathlib import Path

from samebit import digest, disk
from samebit.errors import Damaged
from samebit.objects.store import Store, read_pack_index

__all__ = ["aside_of", "put_back_all", "take_back"]

_ASIDE = "removing."  # in `tmp/`: a file that is being removed, by its name


def take_back(store: Store, names: Collection[str]) -> int:
    """Remove those objects that were written through this `Store` and put by nobody since.

    Of packs only those that hold nothing else. What is left is for `samebit gc`. How many bytes of
    the disk are free again.
    """
    wanted = frozenset(names)
    freed = 0
    for path, stamp_ns in list(store.made.items()):
        try:
            size_bytes = path.stat().st_size
            if path.suffix == ".pack":
                held = [entry.name for entry in read_pack_index(path)]
            else:
                held = [store.name_of(path)]
        except (Damaged, OSError):
            continue
        if wanted.issuperset(held) and disk.remove(
            path, aside_of(store, path), lambda found, at=stamp_ns: found.st_mtime_ns == at
        ):
            freed += size_bytes
            store.made.pop(path, None)
    return freed


def put_back_all(store: Store) -> int:
    """Put back what a removal that was killed has left aside; how many files."""
    found = [path for path in (store.path / "tmp").glob(_ASIDE + "*") if _home_of(store, path)]
    for path in found:
        home = _home_of(store, path)
        if home is not None:
            home.parent.mkdir(parents=True, exist_ok=True)
            disk.put_back(path, home)
    return len(found)


def _home_of(store: Store, aside: Path) -> Path | None:
    name = aside.name.removeprefix(_ASIDE)
    if name.endswith(".pack"):
        return store.path / "packs" / name
    try:
        return store.object_path(f"{digest.ALGORITHM}:{name}")
    except Damaged:
        return None


def aside_of(store: Store, path: Path) -> Path:
    """Where a file lies while it is being removed."""
    name = path.name if path.suffix == ".pack" else path.parent.name + path.name
    return store.path / "tmp" / (_ASIDE + name)
