"""The files that a run wrote: their digests, and whether a replay wrote the same bytes."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from msgspec import Struct
from msgspec.structs import replace

from samebit import digest
from samebit.errors import SamebitError, UsageError
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.report.anonymous import Wording

__all__ = [
    "ABSENT",
    "OTHER",
    "OURS",
    "SAME",
    "UNKNOWN",
    "Output",
    "choose",
    "digests_of",
    "digests_of_bytes",
    "file_digests",
    "without_waiting",
    "written_by",
]

SAME, OTHER = "same bytes", "other bytes"
ABSENT, UNKNOWN = "not written", "not known"

OURS = "samebit:"  # begins the name of what is no file
_OUTSIDE = "outside"  # the folder in which files of other folders are named
_CHUNK_BYTES = 1 << 20


class Output(Struct, frozen=True):
    """A file as a run left it."""

    name: str  # relative to the project's folder, with forward slashes
    path: str  # where the run wrote it
    blake3: str | None  # as a digest's text; None where the record has none
    sha256: str | None = None  # hex; None where its bytes are no longer to be had
    replayed: str = UNKNOWN

    @property
    def digests(self) -> dict[str, str]:
        """What is known of its bytes, in hex by algorithm."""
        known = {"blake3": self.blake3 and digest.hex_of(self.blake3), "sha256": self.sha256}
        return {name: digits for name, digits in known.items() if digits}


def written_by(view: View, replay: View | None, wording: Wording, until: object) -> list[Output]:
    """Every file that a run wrote, by name.

    Args:
        view: the run.
        replay: its replay, or None where that is not here.
        wording: how names are worded.
        until: the step at which the replay was ended on purpose, or None.
    """
    ours, theirs = _written(view), _replayed(view, replay)
    is_whole = replay is not None and replay.status == view.status == "finished" and until is None
    found = [
        Output(name, path, ours[path], replayed=_compare(ours[path], path, theirs, is_whole))
        for name, path in _names(list(ours), _root(view), wording).items()
    ]
    return sorted(found, key=lambda output: output.name)


def _written(view: View) -> dict[str, str | None]:
    """By path the digest that a file had at the end; None where it is not known."""
    found: dict[str, str | None] = {}
    for fact in view.files:
        if fact["how"] == "write":
            found[fact["path"]] = fact.get("digest")
        elif fact["how"] == "read" and fact.get("written"):
            found[fact["path"]] = fact.get("left")
    return found


def _replayed(view: View, replay: View | None) -> dict[str, str | None]:
    """What a replay wrote, by the paths that its folder stands for.

    It mirrors absolute paths, so its working directory ends with the run's.
    """
    if replay is None or replay.start is None:
        return {}
    here = replay.start.cwd
    fitting = [start.cwd for start in view.starts if here.endswith(start.cwd)]
    if not fitting:
        return {}
    mirror = here.removesuffix(max(fitting, key=len))
    return {path.removeprefix(mirror): content for path, content in _written(replay).items()}


def _compare(content: str | None, path: str, theirs: dict[str, str | None], is_whole: bool) -> str:
    if path not in theirs:
        return ABSENT if is_whole and theirs else UNKNOWN
    if content is None or theirs[path] is None:
        return UNKNOWN
    return SAME if theirs[path] == content else OTHER


def _root(view: View) -> str:
    return view.code.root if view.code is not None else view.record.project


def _names(paths: Sequence[str], root: str, wording: Wording) -> dict[str, str]:
    """Each path by a name that is no other's."""
    found: dict[str, str] = {}
    again: Counter[str] = Counter()  # how often a name was taken already
    inside = {path for path in paths if root and PurePath(path).is_relative_to(root)}
    for path in [*sorted(inside), *sorted(set(paths) - inside)]:  # the project's keep their names
        here = PurePath(path).relative_to(root) if path in inside else PurePath(path).name
        # Other readers of a statement take UTF-8 alone; a name's other bytes are written out.
        readable = PurePath(here).as_posix().encode("utf-8", "backslashreplace").decode()
        name = wording.text(readable)
        if path not in inside:
            name = f"{_OUTSIDE}/{name}"
        if name.startswith(OURS):
            name = f"./{name}"
        free = name
        while free in found:
            again[name] += 1
            free = f"{name} ({again[name] + 1})"
        found[free] = path
    return found


def choose(outputs: Sequence[Output], wanted: Sequence[str], here: Path) -> list[Output]:
    """Those that a user names, by their names or by paths; UsageError for one not written."""
    found: list[Output] = []
    for word in wanted:
        place = os.path.normpath(here / word)
        fits = [
            one for one in outputs if place == one.path or PurePath(word).as_posix() == one.name
        ]
        if not fits:
            raise UsageError(
                f"the run did not write {word!r}",
                it_wrote=", ".join(one.name for one in outputs[:8]) or "nothing",
                hint="`samebit show RUN --json` has all that it wrote, under `files`",
            )
        found += [one for one in fits if one not in found]
    return found


def digests_of(view: View, outputs: Sequence[Output]) -> Iterator[Output]:
    """The same with SHA-256, where bytes of that digest are to be had: on the disk or in the store.

    BLAKE3 is what was recorded, so a file that has been changed since has none.
    """
    store = Store(view.folder.store)
    moved = _root(view), str(view.folder.store.parent)
    for output in outputs:
        yield replace(output, sha256=_sha256(output, store, moved))


def _sha256(output: Output, store: Store, moved: tuple[str, str]) -> str | None:
    if output.blake3 is None:
        return None
    places = [output.path]
    if PurePath(output.path).is_relative_to(moved[0]):
        places.append(os.path.join(moved[1], os.path.relpath(output.path, moved[0])))
    for found in (file_digests(Path(place)) for place in dict.fromkeys(places)):
        if found is not None and found["blake3"] == output.digests["blake3"]:
            return found["sha256"]
    try:
        return hashlib.sha256(store.read(output.blake3)).hexdigest()
    except SamebitError:
        return None


def digests_of_bytes(data: bytes) -> dict[str, str]:
    """Both digests of some bytes, in hex by algorithm."""
    return {
        "blake3": digest.hex_of(digest.of_bytes(data)),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def file_digests(path: Path) -> dict[str, str] | None:
    """Those of a regular file; None where it cannot be read."""
    try:
        with open(path, "rb", opener=without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            blake, sha = digest.Hasher(), hashlib.sha256()
            while piece := stream.read(_CHUNK_BYTES):
                blake.update(piece)
                sha.update(piece)
    except (OSError, ValueError):
        return None
    return {"blake3": digest.hex_of(blake.digest()), "sha256": sha.hexdigest()}


def without_waiting(path: str, flags: int) -> int:
    """A pipe or a terminal of that name is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
