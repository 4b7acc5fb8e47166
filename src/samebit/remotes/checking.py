"""Whether everything at a remote is there and whole; and making it so from what is whole here."""

from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct, field

from samebit import digest
from samebit.data import versions
from samebit.data.uses import uses_of_versions
from samebit.errors import Damaged, NotFound, SamebitError, in_a_line
from samebit.folders import naming
from samebit.folders.aside import aside
from samebit.folders.naming import Use
from samebit.folders.read import read_run
from samebit.objects import encoding
from samebit.objects.store import Store
from samebit.objects.stored import check_pack
from samebit.remotes import laying, listing, moving
from samebit.remotes.contents import Contents, Packed, object_path
from samebit.remotes.laying import Laid
from samebit.remotes.moving import Job
from samebit.remotes.objects import Objects, find_whole, read_file
from samebit.remotes.place import Found, Place, RemoteError, read_whole
from samebit.remotes.recalled import read_bundle
from samebit.remotes.studies import list_parts, list_studies, of_path, read_part

__all__ = ["Checked", "check", "repair"]

Advance = Callable[[int], object]


class Checked(Struct):
    """What a check found.

    Attributes:
        runs: how many were looked at.
        objects: how many object files and packs lie there.
        read_bytes: how many bytes were read.
        damaged: files whose bytes are not what their names say, and why.
        hurt: runs and data that lack something, and what.
    """

    runs: int = 0
    objects: int = 0
    read_bytes: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    hurt: dict[str, str] = field(default_factory=dict)


def check(
    place: Place,
    local: Store,
    remote_id: str,
    *,
    full: bool,
    expects: Callable[[int], object] = lambda _: None,
    advance: Advance = lambda _: None,
) -> Checked:
    """Look whether each bundle is whole and everything that runs keep is there.

    Args:
        place: the remote.
        local: for what is to be looked into, and is here as well.
        remote_id: its id.
        full: whether each object and pack is read, too.
        expects: is told how many bytes more will be read.
        advance: is told how many were.
    """
    found = Checked()
    contents = Contents(place, local, remote_id)
    contents.list_objects()
    contents.list_packs()
    found.objects = len(contents.files) + len(contents.packs) + len(contents.damaged)
    found.damaged |= dict.fromkeys(contents.damaged, "its index cannot be read")
    looked_into = Objects(place, contents, local)
    with aside(local.path, "pull") as top:
        for run, laid in laying.every_run(place, top):
            _look_at(found, run, laid, looked_into)
        _look_at_data(found, place, looked_into, top)
    _look_at_studies(found, place)
    if full:
        _read_all(found, place, contents, expects, advance)
    return found


def _look_at(found: Checked, run: str, laid: Laid, objects: Objects) -> None:
    found.runs += 1
    found.read_bytes += laid.read_bytes
    found.damaged |= laid.damaged
    if laid.trouble:
        found.hurt[run] = laid.trouble
    try:
        _lacking(found, run, naming.uses(read_run(laid.folder), objects), objects)
    except SamebitError as error:
        found.hurt.setdefault(run, in_a_line(error))


def _look_at_data(found: Checked, place: Place, objects: Objects, top: Path) -> None:
    found.damaged |= laying.words(place, top)
    for name in listing.list_names(place):
        try:
            known = versions.read_versions(top, name)
            _lacking(found, f"data {name}", uses_of_versions(objects, known), objects)
        except SamebitError as error:
            found.hurt[f"data {name}"] = in_a_line(error)


def _look_at_studies(found: Checked, place: Place) -> None:
    for study, parts in list_parts(place, list_studies(place)).items():
        if not any(part.is_declaration for part in parts):
            found.hurt[f"study {study}"] = "what it runs is not there"
        for part in parts:
            found.read_bytes += part.found.size_bytes
            try:
                read_part(place, part)
            except (Damaged, NotFound) as error:
                found.damaged[part.found.path] = in_a_line(error)


def _lacking(found: Checked, thing: str, uses: Iterable[Use], objects: Objects) -> None:
    for use in uses:
        lacks = sum(not objects.has(name) for _, name in use.parts)
        if lacks or use.missing:
            what = "an object" if lacks == 1 else f"{lacks} objects"
            found.hurt[thing] = f"{what} of {use.what} not there" if lacks else use.missing


def _read_all(
    found: Checked,
    place: Place,
    contents: Contents,
    expects: Callable[[int], object],
    advance: Advance,
) -> None:
    def look(path: str, size_bytes: int, do: Callable[[], object]) -> Job:
        def job() -> None:
            try:
                do()
            except RemoteError:
                raise
            except (Damaged, NotFound) as error:
                found.damaged[path] = in_a_line(error)
            found.read_bytes += size_bytes
            advance(size_bytes)

        return Job(size_bytes, job)

    jobs = [
        look(object_path(raw.hex()), size, lambda raw=raw, size=size: read_file(place, raw, size))
        for raw, size in contents.files.items()
    ]
    jobs += [
        look(path, pack.size_bytes, lambda pack=pack: _read_pack(place, pack))
        for path, pack in contents.packs.items()
    ]
    expects(sum(job.size_bytes for job in jobs))
    moving.move(jobs)


def _read_pack(place: Place, pack: Found) -> None:
    name = pack.path.rpartition("/")[2]
    check_pack(name, read_whole(place, pack.path, pack.size_bytes))


def _is_whole(place: Place, found: Found) -> bool:
    """Whether the file of a bundle, an object or a pack is what its name says, read once more."""
    try:
        if found.path.startswith("runs/"):
            read_bundle(place, found)
        elif found.path.startswith("studies/"):
            read_part(place, of_path(found))
        elif found.path.startswith("objects/"):
            digits = found.path.removeprefix("objects/").replace("/", "")
            read_file(place, bytes.fromhex(digits), found.size_bytes)
        else:
            _read_pack(place, found)
    except NotFound:
        return False
    return True


def repair(
    place: Place, local: Store, remote_id: str, damaged: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Put what is whole here, or still whole there, in the place of damaged files.

    A damaged bundle or part of a study, and a pack of which nobody can tell what is in it, are
    taken away: nobody can read them, and the next push sends what they had, from where that is.
    Each is read once more before that: what was damaged on the way only, stays as it is.

    Returns:
        The files that are whole again or were taken away, and those for which nothing whole is
        known; these stay.
    """
    contents = Contents(place, local, remote_id)
    contents.list_packs()
    healed: list[str] = []
    left: list[str] = []
    for path in damaged:
        found = place.find(path)
        if found is None or _is_whole(place, found):
            healed.append(path)
        elif path.startswith(("runs/", "studies/")) or path in contents.damaged:
            if not _put_same_pack(place, local, path):
                place.remove(path)
            healed.append(path)
        elif path.startswith("objects/"):
            (healed if _put_file(place, local, path) else left).append(path)
        else:
            (healed if _put_pack(place, local, contents, path) else left).append(path)
    return healed, left


def _put_same_pack(place: Place, local: Store, path: str) -> bool:
    """Put a pack that lies here as it should there; False where none does."""
    if not path.startswith("packs/"):
        return False
    try:
        return place.put(path, local.read_pack(path.rpartition("/")[2].partition(".")[0]))
    except NotFound:
        return False


def _put_file(place: Place, local: Store, path: str) -> bool:
    name = f"{digest.ALGORITHM}:{path.removeprefix('objects/').replace('/', '')}"
    try:
        data = local.read(name)
    except NotFound:
        return False
    kind, body = encoding.encode(data)
    return place.put(path, b"".join([encoding.object_header(kind, len(data)), body]))


def _put_pack(place: Place, local: Store, contents: Contents, path: str) -> bool:
    if _put_same_pack(place, local, path):
        return True
    digits, _, suffix = path.rpartition("/")[2].partition(".")
    pack = contents.packs.get(path)
    entries = [] if pack is None else contents.entries_of(pack)
    bodies = [find_whole(place, local, Packed(pack, one)) for one in entries if pack is not None]
    whole = sorted(body for body in bodies if body is not None)
    if not entries or len(whole) < len(entries):
        return False
    data = b"".join(encoding.framed(whole))
    again = digest.hex_of(digest.of_bytes(data))
    place.put(f"packs/{again}.{suffix}", data)
    if again != digits:
        place.remove(path)
    return True
