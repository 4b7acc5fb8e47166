"""Laying out what was recorded of runs: code, data, states, splits, metrics, what they wrote.

What several runs share lies there once. A file whose bytes are not here is not in the bundle, and
it is said why.
"""

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from msgspec.structs import replace

from samebit import digest
from samebit.data import split_files
from samebit.data.recorded import RecordedSplit
from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.objects.store import Store
from samebit.report.anonymous import Wording
from samebit.report.release import swhid
from samebit.report.release.bundle import (
    Code,
    Link,
    ReleasedState,
)
from samebit.report.release.given import GivenRun
from samebit.report.release.writing import Draft
from samebit.states.export import to_safetensors
from samebit.states.stored import StoredState

__all__ = [
    "HEADER",
    "Laid",
    "file_name",
    "is_text",
    "leads_out",
    "metrics_csv",
]

HEADER = ("metric", "step", "value")  # of a `metrics.csv`
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_DIGITS = 8  # of a digest in a name


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
            if not is_text(entry.path):
                lost.append(f"{entry.path.encode('utf-8', 'backslashreplace').decode()}: no UTF-8")
            elif entry.kind == "link":
                link = Link(name, os.fsdecode(data))
                if leads_out(link, folder):
                    lost.append(f"{entry.path}: a link to {link.target}, outside of the code")
                else:
                    self.links.append(link)
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


def leads_out(link: Link, folder: str) -> bool:
    """Whether a link of the code in a folder does not stay in it."""
    target = os.path.normpath(os.path.join(os.path.dirname(link.path), link.target))
    return target != folder and not target.startswith(f"{folder}/")


def _told(entry: Any) -> Iterator[object]:
    yield from (entry.path, entry.digest, entry.kind)


def is_text(path: str) -> bool:
    """Whether a path is UTF-8, which a zip asks for."""
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
