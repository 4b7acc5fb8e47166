"""Studies to a remote and back, beside their runs: what is run, and which trials were decided.

The lines of a study only grow, so of two copies one begins the other, or somebody went on with it
in two stores at once: then nothing is moved, and that is said.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct

from samebit import disk
from samebit.errors import Damaged, NotFound, SamebitError, in_a_line
from samebit.folders.aside import aside
from samebit.remotes import bundles
from samebit.remotes import studies as there
from samebit.remotes.place import Place
from samebit.remotes.studies import Lying
from samebit.studies import trials
from samebit.studies.declared import DECLARATION, declared_in, folder_of
from samebit.studies.holding import Hold

__all__ = ["Moved", "pull_studies", "push_studies", "studies_here"]


class Moved(Struct):
    """What became of some studies.

    Attributes:
        studies: of which anything was moved.
        failed: those that could not be, and why.
        size_bytes: that travelled.
    """

    studies: list[str]
    failed: dict[str, str]
    size_bytes: int = 0


def studies_here(store: Path) -> list[str]:
    """The ids of the studies of a store."""
    return sorted(path.parent.name for path in (store / "studies").glob(f"*/{DECLARATION}"))


def push_studies(store: Path, place: Place, ids: Collection[str]) -> Moved:
    """Have studies at a remote as they are here; of one that is not here it has all that we know.

    Raises RemoteError where that cannot be written.
    """
    done = Moved([], {})
    ours = set(ids).intersection(studies_here(store))
    lying = there.list_parts(place, sorted(ours))
    for study in lying:
        try:
            done.size_bytes += _push(store, place, study, lying[study], done.studies)
        except (Damaged, NotFound, OSError) as error:
            done.failed[f"study {study}"] = in_a_line(error)
    return done


def _push(store: Path, place: Place, study: str, parts: list[Lying], done: list[str]) -> int:
    folder = folder_of(store, study)
    declared = (folder / DECLARATION).read_bytes()
    lines = _lines(folder)
    if not all(there.is_same(place, part, declared, lines) for part in parts):
        raise _apart()
    covered, size = _covered(parts), 0
    if not any(part.is_declaration for part in parts):
        size += there.send(place, study, declared)
    for begin in range(covered, len(lines), bundles.MOST_BYTES):
        size += there.send(place, study, lines[begin : begin + bundles.MOST_BYTES], begin)
    if size:
        done.append(study)
    return size


def _covered(parts: Iterable[Lying]) -> int:
    end = 0
    for part in parts:
        if part.begin > end:
            break
        end = max(end, part.end)
    return end


def _lines(folder: Path) -> bytes:
    """The whole lines of a study's trials."""
    try:
        data = (folder / trials.FILE).read_bytes()
    except FileNotFoundError:
        return b""
    return data[: trials.parse(data)[1]]


def pull_studies(store: Path, place: Place, ids: Collection[str]) -> Moved:
    """Have studies here as they are at a remote. RemoteError where that cannot be read.

    One that a process here controls just now is left alone: here is known what is there.
    """
    done = Moved([], {})
    lying = there.list_parts(place, ids)
    for study in ids:
        if not lying[study]:
            continue
        try:
            done.size_bytes += _pull(store, place, study, lying[study], done.studies)
        except (Damaged, NotFound, OSError) as error:
            done.failed[f"study {study}"] = in_a_line(error)
    return done


def _pull(store: Path, place: Place, study: str, parts: list[Lying], done: list[str]) -> int:
    folder = folder_of(store, study)
    is_here = (folder / DECLARATION).exists()
    declared = (folder / DECLARATION).read_bytes() if is_here else b""
    lines = _lines(folder)
    if is_here and not all(there.is_same(place, part, declared, lines) for part in parts):
        raise _apart()
    if is_here and _covered(parts) <= len(lines):
        return 0
    size = 0
    for part in parts:
        if part.is_declaration if is_here else 0 <= part.end <= len(lines):
            continue
        data = there.read_part(place, part)
        size += part.found.size_bytes
        if part.is_declaration:
            declared = data
        elif part.begin <= len(lines):
            both = min(len(lines) - part.begin, len(data))
            if lines[part.begin : part.begin + both] != data[:both]:
                raise _apart()  # two parts there
            lines += data[both:]
    with aside(store, "pull") as top:
        _check(top / study, study, declared, lines)
        if is_here:
            _lengthen(store, folder, lines)
        else:
            folder.parent.mkdir(exist_ok=True)
            disk.publish_folder(top / study, folder)
    done.append(study)
    return size


def _check(folder: Path, study: str, declared: bytes, lines: bytes) -> None:
    """Lay a study out, and read it; Damaged where it makes no sense."""
    folder.mkdir(parents=True)
    (folder / DECLARATION).write_bytes(declared)
    (folder / trials.FILE).write_bytes(lines)
    if declared_in(folder).id != study:
        raise Damaged("what lies at the remote as this study is another one")
    trials.read_history(folder, study)


def _lengthen(store: Path, folder: Path, lines: bytes) -> None:
    try:
        with Hold(folder):
            if not lines.startswith(_lines(folder)):
                raise _apart()
            disk.publish(folder / trials.FILE, [lines], store / "tmp", replace=True)
    except Damaged:
        raise
    except SamebitError:
        pass  # it is being controlled, and what comes of it is pushed from here


def _apart() -> Damaged:
    return Damaged(
        "its trials here and at the remote are not those of one study",
        hint="was it gone on with in two stores? The runs are moved all the same",
    )
