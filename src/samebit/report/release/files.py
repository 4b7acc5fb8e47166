"""The files that runs read and wrote, laid out in a bundle where their bytes were asked for."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from samebit import digest
from samebit.capture.secret_names import is_secret_file
from samebit.report import outputs
from samebit.report.release.bundle import Datum, WrittenFile
from samebit.report.release.contents import Laid, is_text
from samebit.report.release.given import GivenFile, GivenRun

__all__ = ["lay_out_data", "lay_out_outputs"]

_DATA, _ELSEWHERE = "data", "elsewhere"
_SECRET = "it is called as secrets are"


def lay_out_data(
    laid: Laid, runs: Sequence[GivenRun], advance: Callable[[int], object], *, with_bytes: bool
) -> Iterator[Datum]:
    """Every file that runs read and that is no code; with its bytes where they were asked for."""
    read: dict[tuple[str, str | None], tuple[GivenFile, GivenRun, list[str]]] = {}
    for run in runs:
        code = {str(run.root / entry.path) for entry in run.tree.entries}
        for item in run.inputs:
            if str(item.path) not in code:
                key = str(item.path), item.digest
                read.setdefault(key, (item, run, []))[2].append(laid.wording.id(run.view.id))
    folders: dict[str, int] = {}
    for (path, _), (item, run, ids) in sorted(read.items(), key=lambda pair: pair[0][0]):
        is_inside = item.path.is_relative_to(run.root)
        if is_inside:
            shown = item.path.relative_to(run.root).as_posix()
            place = f"{_DATA}/{shown}"
        else:
            number = folders.setdefault(os.path.dirname(path), len(folders) + 1)
            shown, place = path, f"{_ELSEWHERE}/{number}/{item.path.name}"
        datum = Datum(
            laid.wording.text(_visible(shown)),
            item.size_bytes,
            item.digest,
            is_inside,
            of=laid.wording.text(item.of),
            runs=tuple(ids),
        )
        yield _with_bytes(laid, datum, item, place) if with_bytes else datum
        advance(item.size_bytes)


def _with_bytes(laid: Laid, datum: Datum, item: GivenFile, place: str) -> Datum:
    why = ""
    if is_secret_file(item.path.name):
        why = _SECRET
    elif laid.made.has(place):
        why = "another run read other bytes of that name"
    elif item.copy is None or not is_text(place):
        why = "its bytes are not here as they were read"
    if why or item.copy is None:
        laid.left_out.append(f"data {datum.path}: {why}")
        return datum
    with open(laid.made.place(place), "xb", buffering=0) as stream:
        item.copy(stream.fileno())
    content, _ = digest.of_file(laid.made.top / place)
    if item.digest is not None and content != item.digest:
        (laid.made.top / place).unlink()
        laid.left_out.append(f"data {datum.path}: it has other bytes now than were read")
        return datum
    if item.digest is None:
        laid.left_out.append(
            f"data {datum.path}: no digest of it was taken; what lies here now has its size"
        )
    return replace(datum, place=place)


def lay_out_outputs(laid: Laid, run: GivenRun, *, with_bytes: bool) -> Iterator[WrittenFile]:
    """The files that a run wrote, by their names in the project."""
    until = run.verdict.until if run.verdict is not None else None
    for one in outputs.written_by(run.view, run.replay, laid.wording, until):
        found = WrittenFile(one.name, one.blake3, one.replayed)
        if with_bytes:
            place = f"outputs/{laid.wording.id(run.view.id)}/{one.name}"
            why = _put_output(laid, run, one, place)
            if why:
                laid.left_out.append(f"output {one.name}: {why}")
            else:
                found = replace(found, place=place)
        yield found


def _put_output(laid: Laid, run: GivenRun, one: outputs.Output, place: str) -> str:
    """Lay a file out as it was written; or why that cannot be."""
    parts = PurePosixPath(one.name).parts
    if ".." in parts or PurePosixPath(one.name).is_absolute() or not is_text(one.name):
        return "its name is none in a folder"
    if is_secret_file(one.name):
        return _SECRET
    if one.blake3 is None:
        return "no digest of it was taken"
    moved = laid.store.path.parent / os.path.relpath(one.path, run.root)
    for source in dict.fromkeys((Path(one.path), moved)):
        try:
            if source.is_file() and digest.of_file(source)[0] == one.blake3:
                shutil.copyfile(source, laid.made.place(place))
                return ""
        except OSError:
            continue
    if not laid.store.has(one.blake3):
        return "its bytes are not here as they were written"
    laid.made.put(place, laid.store.read(one.blake3))
    return ""


def _visible(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
