"""The code of a run and the lock of its project: taken, put into the store, and told."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samebit import digest, places, records
from samebit.capture import code, locks, secrets
from samebit.capture.secret_names import is_secret_file
from samebit.folders.folder import RunFolder
from samebit.objects.store import Store
from samebit.objects.tree import save_tree
from samebit.places import Settings
from samebit.records import CodeRecord, CodeSent

__all__ = ["find_locks", "record_code", "record_sent", "take_code"]


def take_code(
    store: Store, run: str, start: Path, script: Path | None, settings: Settings
) -> tuple[CodeRecord, set[str]]:
    """Put the code around `start` into a store; its record, and the files that it has.

    Args:
        store: which.
        run: the id after which the ref of the commit is called.
        start: the folder in which the run starts.
        script: the program; outside a repository it is all that is taken.
        settings: those in force.

    Raises SamebitError, OSError where it cannot be read or stored.
    """
    taken = code.take(start, run, ref=settings.code_ref, script=script, is_secret=is_secret_file)
    tree, record = save_tree(store, taken.files)
    made = CodeRecord(
        root=str(taken.root),
        tree=tree,
        files=len(record.entries),
        size_bytes=sum(entry.size_bytes for entry in record.entries),
        head=taken.head,
        branch=taken.branch,
        commit=taken.commit,
        ref=taken.ref,
        remote=secrets.mask_url(taken.remote) if taken.remote else None,
        changed=tuple(taken.changed),
        left_out=tuple(taken.left_out),
        notices=tuple(taken.notices),
    )
    return made, {os.path.join(taken.root, entry.path) for entry in record.entries}


def record_code(
    folder: RunFolder,
    start: Path,
    script: Path | None,
    settings: Settings,
    emit: Callable[[str, Any], None],
    trouble: Callable[[str, Exception], None],
) -> None:
    """Record the code around `start`; what fails is told to `trouble`."""
    try:
        made, code_files = take_code(Store(folder.store), folder.id, start, script, settings)
    except Exception as error:
        trouble("code", error)
        return
    if settings.code_on_changed == "refuse" and (made.changed or not made.head):
        # Only `samebit run` stands before the first line. Here the run goes on, and is marked.
        detail = "code.on_changed is refuse, which only `samebit run` can do"
        sys.stderr.write(f"samebit: uncommitted changes: {detail}\n")
        emit("problem", {"what": "uncommitted changes", "detail": detail})
    try:
        emit("lock", find_locks(start, code_files, Store(folder.store)))
    except Exception as error:
        emit("problem", {"what": "lock", "detail": f"{type(error).__name__}: {error}"})
    emit("code", records.plain(made))


def record_sent(
    sent: Path, emit: Callable[[str, Any], None], trouble: Callable[[str, Exception], None]
) -> None:
    """Record the code that was laid out here as what a file says that it is."""
    try:
        given = records.decode(sent.read_bytes(), CodeSent, where=sent)
    except Exception as error:
        trouble("code", error)
        return
    emit("lock", list(given.locks))
    emit("code", records.plain(given.code))


def find_locks(start: Path, code_files: set[str], store: Store) -> list[dict[str, Any]]:
    """The project's lock files; those that the code does not have go into the store, masked."""
    found: list[dict[str, Any]] = []
    for path in locks.find(start.resolve(), places.git_top_level(start.resolve())):
        data = path.read_bytes()
        fact = {"path": str(path), "digest": digest.of_bytes(data), "size_bytes": len(data)}
        if str(path) not in code_files:
            masked = secrets.mask_text(data.decode("utf-8", "replace")).encode()
            fact |= {"kept": store.put(masked), "masked": masked != data}
        found.append(fact)
    return found
