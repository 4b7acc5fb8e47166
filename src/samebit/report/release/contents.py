"""Laying out what was recorded of runs: code, data, states, splits, metrics, what they wrote.

What several runs share lies there once. A file whose bytes are not here is not in the bundle, and
it is said why.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from msgspec.structs import replace

from samebit import digest
from samebit.capture.variables import variable_class
from samebit.data import split_files
from samebit.data.recorded import RecordedSplit
from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.objects.store import Store
from samebit.report import outputs
from samebit.report.anonymous import Wording
from samebit.report.release import swhid
from samebit.report.release.bundle import (
    Code,
    Command,
    Datum,
    Link,
    ReleasedState,
    WrittenFile,
)
from samebit.report.release.given import GivenFile, GivenRun
from samebit.report.release.writing import Draft
from samebit.states.export import to_safetensors
from samebit.states.stored import StoredState

__all__ = [
    "HEADER",
    "Laid",
    "command_of",
    "file_name",
    "lay_out_data",
    "lay_out_outputs",
    "metrics_csv",
]

HEADER = ("metric", "step", "value")  # of a `metrics.csv`
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_DIGITS = 8  # of a digest in a name
_CODE, _DATA, _ELSEWHERE = "code", "data", "elsewhere"


def file_name(text: str) -> str:
    """A stranger's name as one of a file that every system takes."""
    return _UNSAFE.sub("_", text).strip("._")[:60] or "_"


class Laid:
    """What lies in a draft so far, by what it is."""

    def __init__(self, made: Draft, store: Store, wording: Wording) -> None:
        self.made, self.store, self.wording = made, store, wording
        self.codes: dict[str, Code] = {}  # by the digest of the tree
        self.links: list[Link] = []
        self.left_out: list[str] = []
        self._states: dict[tuple[str, str], tuple[str, str]] = {}  # file and identity of a part
        self._splits: dict[str, str] = {}

    # Code ---------------------------------------------------------------------------------------

    def code(self, run: GivenRun, folder: str) -> Code:
        """The code of a run; of several runs with the same code, once."""
        name = digest.of_bytes(digest.canonical_json([list(_told(e)) for e in run.tree.entries]))
        if name not in self.codes:
            self.codes[name] = self._lay_out_code(run, folder)
        return self.codes[name]

    def _lay_out_code(self, run: GivenRun, folder: str) -> Code:
        size = 0
        lost: list[str] = []
        for entry in run.tree.entries:
            data = self.store.read(entry.digest)
            size += len(data)
            name = f"{folder}/{entry.path}"
            if not _is_text(entry.path):
                lost.append(f"{entry.path.encode('utf-8', 'backslashreplace').decode()}: no UTF-8")
            elif entry.kind == "link":
                self.links.append(Link(name, os.fsdecode(data)))
            else:
                self.made.put(name, data, executable=entry.kind == "exec")
        code = run.view.code
        outside = self._lay_out_sources(run, folder)
        left_out = [*(code.left_out if code is not None else ()), *lost, *outside]
        tells = code is not None and not self.wording.is_anonymous
        return Code(
            folder,
            code.tree if code is not None else "",
            swhid.of_tree(run.tree.entries, self.store.read),
            len(run.tree.entries),
            size,
            tuple(self.wording.text(line) for line in left_out),
            f"swh:1:rev:{code.head}"
            if code is not None and tells and _is_sha1(code.head)
            else None,
            len(code.changed) if code is not None else 0,
        )

    def _lay_out_sources(self, run: GivenRun, folder: str) -> Iterator[str]:
        """Modules that it loaded from outside of its project: not part of its tree."""
        for path, _ in run.sources:
            if not PurePath(path).is_relative_to(run.root):
                yield f"{path}: it was loaded from outside of the project"

    # States -------------------------------------------------------------------------------------

    def states(self, view: View) -> tuple[ReleasedState, ...]:
        """What a run began and ended with, each part as a safetensors file."""
        names = [n for n in view.states if n == "step 0" or n.startswith("final")]
        return tuple(self._state(view, name) for name in sorted(names, reverse=True))

    def _state(self, view: View, name: str) -> ReleasedState:
        fact = view.states[name]
        found = ReleasedState(name, fact.get("step"), fact["manifest"], {}, {}, 0)
        if fact.get("dropped"):
            return replace(found, why="it was let go of")
        ranks: dict[str, str] = {}
        for rank in view.ranks:
            own = view.at_rank(rank).states
            if name in own:
                ranks[rank] = own[name]["manifest"]
        opened = StoredState(self.store, fact["manifest"], ranks=ranks)
        why = ""
        try:
            for part in opened.parts:
                if not re.fullmatch(r"generators", part):
                    found.files[part], found.identities[part] = self._part(opened, name, part)
            count = _numbers_in(opened)
            found = replace(found, parameters=count)
        except SamebitError as error:
            why = f"{error.what}"
        if not fact.get("kept", True):
            why = "its digests alone were kept: it was larger than the budget for states"
        return replace(found, why=self.wording.text(why))

    def _part(self, opened: StoredState, name: str, part: str) -> tuple[str, str]:
        key = opened.digest, part
        if key not in self._states:
            called = "initial" if name == "step 0" else file_name(name)
            short = digest.hex_of(opened.digest)[:_DIGITS]
            file = f"states/{called}-{short}/{file_name(part)}.safetensors"
            place = self.made.place(file)
            try:
                to_safetensors(opened, place, part)
                self._states[key] = file, opened.identity(part)
            except SamebitError:
                place.unlink(missing_ok=True)
                raise
        return self._states[key]

    # Splits -------------------------------------------------------------------------------------

    def splits(self, view: View) -> dict[str, str]:
        """Each split as a file of row numbers, or of ids."""
        found: dict[str, str] = {}
        for name, fact in splits_of(view).items():
            manifest = fact["manifest"]
            if manifest not in self._splits:
                split = RecordedSplit(self.store, self.wording.id(view.id), name, manifest, None)
                try:
                    data = _split_bytes(split)
                except SamebitError as error:
                    self.left_out.append(self.wording.text(f"split {name!r}: {error.what}"))
                    continue
                short = digest.hex_of(manifest)[:_DIGITS]
                file = f"splits/{file_name(name)}-{short}.json"
                self._splits[manifest] = self.made.put(file, data)
            found[name] = self._splits[manifest]
        return found


def _told(entry: Any) -> Iterator[object]:
    yield from (entry.path, entry.digest, entry.kind)


def _is_text(path: str) -> bool:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") == path


def _is_sha1(name: str | None) -> bool:
    return name is not None and re.fullmatch("[0-9a-f]{40}", name) is not None


def _numbers_in(opened: StoredState) -> int:
    """How many numbers its modules have; of a state without modules, all its arrays."""
    places = opened.modules or [part for part in opened.parts if part != "generators"]
    total = 0
    for part in places:
        for record in opened.parts[part]:
            count = 1
            for length in record.shape:
                count *= length
            total += count
    return total


def _split_bytes(split: RecordedSplit) -> bytes:
    if split.has_given_ids:
        return split_files.written(split, None, split.ids(), ".json")
    return split_files.written(split, split.numbers(), None, ".json")


# The command ------------------------------------------------------------------------------------


def command_of(run: GivenRun, wording: Wording) -> Command:
    """How it was started, with places in the project named from the folder of its code."""
    start = run.view.start
    cwd = PurePath(start.cwd) if start is not None else PurePath(run.root)
    inside = cwd.is_relative_to(run.root)
    here = cwd.relative_to(run.root) if inside else PurePath(".")
    recorded: Mapping[str, str] = run.view.facts.get("variables") or {}
    variables = {
        name: wording.text(value)
        for name, value in sorted(recorded.items())
        if variable_class(name) == "result" and not name.startswith("PYTHONPATH")
    }
    if start is not None and start.hash_seed is not None:
        variables["PYTHONHASHSEED"] = start.hash_seed
    if paths := _search_path(run, cwd):
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    words = [_from_here(word, run.root, cwd) for word in run.words]
    asked = start if start is not None and start.how != "init" else None  # it seeds itself then
    return Command(
        run.how,
        tuple(wording.text(word) for word in words),
        here.as_posix(),
        variables,
        asked.seed if asked is not None else None,
        asked is not None and asked.deterministic,
    )


def _from_here(word: str, root: Path, cwd: PurePath) -> str:
    """A word that names something of the project, as it is named from the working directory."""
    option, equals, value = word.rpartition("=") if word.startswith("-") else ("", "", word)
    if not os.path.isabs(value) or not PurePath(os.path.normpath(value)).is_relative_to(root):
        return word
    return f"{option}{equals}{PurePath(os.path.relpath(value, cwd)).as_posix()}"


def _search_path(run: GivenRun, cwd: PurePath) -> list[str]:
    """What Python would not find by itself: the folder of the script is its own matter."""
    own = {str(cwd)}
    if run.how == "script" and run.words:
        own = {os.path.dirname(os.path.normpath(os.path.join(cwd, run.words[0])))}
    return [
        PurePath(os.path.relpath(path, cwd)).as_posix()
        for path in run.import_roots
        if path not in own
    ]


# Data, and what was written ---------------------------------------------------------------------


def lay_out_data(laid: Laid, runs: Sequence[GivenRun], *, with_bytes: bool) -> Iterator[Datum]:
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


def _with_bytes(laid: Laid, datum: Datum, item: GivenFile, place: str) -> Datum:
    if item.copy is None or laid.made.has(place) or not _is_text(place):
        why = "its bytes are not here as they were read"
        if laid.made.has(place):
            why = "another run read other bytes of that name"
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
        place = f"outputs/{laid.wording.id(run.view.id)}/{one.name}"
        source = _output_here(one, laid.store, run)
        if with_bytes and source is not None and _is_plain_place(one.name):
            laid.made.put(place, source)
            found = replace(found, place=place)
        elif with_bytes:
            laid.left_out.append(f"output {one.name}: its bytes are not here as they were written")
        yield found


def _is_plain_place(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not PurePosixPath(name).is_absolute()


def _output_here(one: outputs.Output, store: Store, run: GivenRun) -> bytes | None:
    if one.blake3 is None:
        return None
    moved = store.path.parent / os.path.relpath(one.path, run.root)
    for place in dict.fromkeys((Path(one.path), moved)):
        try:
            data = place.read_bytes()
        except OSError:
            continue
        if digest.of_bytes(data) == one.blake3:
            return data
    return store.read(one.blake3) if store.has(one.blake3) else None


def _visible(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# Metrics ----------------------------------------------------------------------------------------


def metrics_csv(view: View) -> str:
    """Every point of every metric, exact: metric, step, value."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    for name, column in sorted(view.metrics.items()):
        for step, value in zip(column.steps, column.values, strict=True):
            writer.writerow([name, step, repr(value) if isinstance(value, float) else value])
    return stream.getvalue()
