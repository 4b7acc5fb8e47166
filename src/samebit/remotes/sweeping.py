"""Taking away from a remote what nothing there names any more: when asked, and beside no push.

What is named is read from the remote alone: a store that knows more of a run may have let go of
what the run, as it is there, still names. Where anything cannot be read, nothing is removed.
"""

from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct

from samebit import digest
from samebit.data.versions import named_by_versions
from samebit.errors import Damaged, NotFound
from samebit.folders import naming
from samebit.folders.aside import aside
from samebit.objects import encoding
from samebit.objects.encoding import PackEntry
from samebit.objects.store import Store
from samebit.remotes import laying, listing, rows
from samebit.remotes.claims import SWEEP, Claim
from samebit.remotes.contents import Contents, Packed, name_of_object
from samebit.remotes.objects import Objects, find_whole
from samebit.remotes.place import Found, Place

__all__ = ["Unnamed", "drop", "marked", "sweep", "unnamed"]

_HALF = 0.5


class Unnamed(Struct, frozen=True):
    """One file there that nothing names, or of a pack at least half of it.

    Attributes:
        found: the file.
        objects: how many objects go with it.
        live: what else is in the pack, and is packed anew before it goes.
    """

    found: Found
    objects: int
    live: tuple[PackEntry, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of the remote's, that are free then."""
        return self.found.size_bytes - sum(entry.stored for entry in self.live)


def marked(place: Place, local: Store, contents: Contents) -> set[bytes]:
    """Every object that any run or version of data there names.

    Args:
        place: the remote.
        local: where objects are looked into that are here as well.
        contents: of the remote; listed already.

    Raises:
        Damaged: what something names cannot be told.
    """
    with aside(local.path, "pull") as top:
        damaged = laying.words(place, top)
        roots: set[str] = set()
        for run, laid in laying.every_run(place, top):
            damaged |= laid.damaged or ({f"run {run}": laid.trouble} if laid.trouble else {})
            roots |= naming.named_by(laid.folder)
        if damaged:
            thing, why = min(damaged.items())
            raise _untold(f"{thing}: {why}", place)
        roots |= named_by_versions(top)
    try:
        reached = set(naming.reached_from(Objects(place, contents, local), roots))
    except Damaged as error:
        raise _untold(error.what, place) from error
    return {bytes.fromhex(digest.hex_of(name)) for name in reached}


def _untold(what: str, place: Place) -> Damaged:
    return Damaged(
        "what something damaged names cannot be told",
        damaged=what,
        remote=place.url,
        hint="nothing was removed; `samebit remote repair` first",
    )


def unnamed(
    place: Place, contents: Contents, marks: Collection[bytes], before_ns: int
) -> Iterator[Unnamed]:
    """What a sweep would take: what is unmarked, and was put before a time by the remote's clock.

    Also files on their way to a name, and claims, whose makers were killed that long ago.
    """
    for found in place.list("objects"):  # again: what was put since the marks were made is younger
        raw = name_of_object(found.path)
        if raw is not None and raw not in marks and found.modified_ns < before_ns:
            yield Unnamed(found, 1)
    for found in contents.packs.values():
        if found.modified_ns < before_ns:
            entries = contents.entries_of(found)
            live = tuple(entry for entry in entries if entry.digest in marks)
            held = sum(entry.stored for entry in live)
            if len(live) < len(entries) and held <= _HALF * found.size_bytes:
                yield Unnamed(found, len(entries) - len(live), live)
    for folder in ("tmp", "claims"):
        for found in place.list(folder):
            if found.modified_ns < before_ns:
                yield Unnamed(found, 0)


def sweep(place: Place, local: Store, one: Unnamed) -> bool:
    """Take one away; False where what is to live of it cannot be read, and it stays.

    The caller holds the claim to sweep.
    """
    if one.live:
        bodies = [find_whole(place, local, Packed(one.found, entry)) for entry in one.live]
        whole = sorted(body for body in bodies if body is not None)
        if len(whole) < len(bodies):
            return False
        data = b"".join(encoding.framed(whole))
        digits = digest.hex_of(digest.of_bytes(data))
        place.put(f"packs/{digits}.{one.found.path.rpartition('.')[2]}", data)
    place.remove(one.found.path)
    return True


def drop(place: Place, remote_id: str, runs: Iterable[str]) -> None:
    """Take runs away there; what they alone kept is unnamed then.

    The ends of a run go first: stopped in between, what is left is a beginning of it.

    Raises:
        NotFound: a run is not there; none was taken away.
        RemoteError: somebody pushes there.
    """
    with Claim(place, SWEEP) as claim:
        listed = listing.list_bundles(place, list(runs))
        for run, found in listed.items():
            if not found:
                raise NotFound(f"there is no run {run} at the remote", remote=place.url)
        for found in listed.values():
            for one in sorted(found, key=lambda one: one.path, reverse=True):
                claim.check()
                place.remove(one.path)
        rows.gather(place, remote_id)
