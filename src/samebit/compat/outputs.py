"""Files that a run elsewhere has made: stored by content, as a version of data."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebit.data import adding, files
from samebit.data.files import Survey
from samebit.errors import SamebitError, in_a_line
from samebit.objects.store import Store

__all__ = ["keep_outputs"]


def keep_outputs(
    store: Path, run: str, tool: str, outputs: Mapping[str, Path]
) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
    """Store files, and make a version `artifacts-RUN` of them; durable when this returns.

    Args:
        store: where to.
        run: the id here.
        tool: that it was imported from.
        outputs: where each lies, by the path that it has there.

    Returns:
        The fact `artifact` that names the version, None where no file could be read; and the files
        that could not, each with why.

    Raises:
        SamebitError: the store cannot be written.
    """
    open_store = Store(store)
    grown: list[int] = []
    kept = adding.keep_files(open_store, dict.fromkeys(map(str, outputs.values())), grown.append)
    entries: dict[bytes, files.Entry] = {}
    stored: dict[bytes, tuple[str, str]] = {}
    problems: list[tuple[str, str]] = []
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
        return None, problems
    name = f"artifacts-{run}"
    found = Survey(store.parent / name, True, False, tuple(entries.values()), gathered=True)
    origin = {"kind": tool, "run": run}
    record = adding.add_kept(
        open_store, found, name, stored, new_bytes=sum(grown), origin=origin
    ).record
    fact = {
        "how": "logged",
        "name": name,
        "fingerprint": record.fingerprint,
        "manifest": record.manifest,
    }
    return fact, problems
