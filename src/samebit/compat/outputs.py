"""Files that a run elsewhere has made: stored by content, as a version of data."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.data import adding, files, manifests
from samebit.data.files import Survey
from samebit.errors import SamebitError, in_a_line
from samebit.objects.store import Store

__all__ = ["Outputs", "keep_outputs"]


class Outputs(Struct, frozen=True):
    """What was stored of a run."""

    fact: dict[str, Any] | None  # `artifact`, which names the version; None where there is none
    files: int
    problems: Sequence[tuple[str, str]]  # files that are not there, and what else is to be known


def keep_outputs(
    store: Path, run: str, tool: str, outputs: Mapping[str, Path], md5: Mapping[str, str]
) -> Outputs:
    """Store files, and make a version `artifacts-RUN` of them; durable when this returns.

    A file of which there can be none in a version, such as one inside a `.git`, is left out.

    Args:
        store: where to.
        run: the id here.
        tool: that it was imported from.
        outputs: where each lies, by the path that it has there.
        md5: what some of them must be.

    Raises:
        SamebitError: the store cannot be written.
    """
    open_store = Store(store)
    grown: list[int] = []
    problems = [
        (f"artifact {path}", "no version of data may have a file of this path")
        for path in outputs
        if not manifests.may_hold(os.fsencode(path))
    ]
    problems += [
        (f"artifact {path}", "is a link that leads elsewhere, or to nothing")
        for path, place in outputs.items()
        if place.is_symlink()
    ]
    changed = "is not what was logged any more"
    problems += [(f"artifact {p}", changed) for p in md5 if not _is_still(outputs[p], md5[p])]
    refused = {what for what, _ in problems}
    outputs = {path: at for path, at in outputs.items() if f"artifact {path}" not in refused}
    kept = adding.keep_files(open_store, dict.fromkeys(map(str, outputs.values())), grown.append)
    entries: dict[bytes, files.Entry] = {}
    stored: dict[bytes, tuple[str, str]] = {}
    for path, place in sorted(outputs.items()):
        one = kept[str(place)]
        try:
            if isinstance(one, SamebitError):
                raise one
            entries[os.fsencode(path)] = files.file_entry(os.fsencode(path), os.fsencode(place))
            stored[os.fsencode(path)] = one
        except SamebitError as error:
            problems.append((f"artifact {path}", in_a_line(error)))
    if not entries:
        return Outputs(None, 0, problems)
    name = f"artifacts-{run}"
    found = Survey(store.parent / name, True, False, tuple(entries.values()), gathered=True)
    origin = {"kind": tool, "run": run}
    added = adding.add_kept(open_store, found, name, stored, new_bytes=sum(grown), origin=origin)
    fact = {
        "how": "logged",
        "name": name,
        "fingerprint": added.record.fingerprint,
        "manifest": added.record.manifest,
    }
    return Outputs(fact, len(entries), [*problems, *((name, note) for note in added.notes)])


def _is_still(place: Path, md5: str) -> bool:
    try:
        with place.open("rb") as stream:
            found = hashlib.file_digest(stream, "md5").digest()
    except OSError:
        return False
    return base64.b64encode(found).decode() == md5
