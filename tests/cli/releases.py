"""A store with runs whose names, words and files are as hostile as a user's can be."""

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.states import storing
from tests.cli.stores import state_of

SCRIPT = b"print('trained')\n"
HOSTILE = '`a` | <b> $(touch pwned) \x1b[31m\'\n```\n# "x": - y\\'
FILES = [
    SourceFile("train.py", "file", SCRIPT),
    SourceFile("sub/run.sh", "exec", b"#!/bin/sh\n"),
    SourceFile("sub.txt", "file", b"sorted before sub/ by git\n"),
    SourceFile("line\nfeed.txt", "file", b"1\n"),
    SourceFile("back\\slash.txt", "file", b"2\n"),
    SourceFile("-rf", "file", b""),
    SourceFile("link", "link", b"train.py"),
]


def record(
    store: Path,
    *,
    name: str | None = None,
    argv: Sequence[str] = ("train.py",),
    files: Sequence[SourceFile] = tuple(FILES),
    status: str = "finished",
    states: bool = True,
    ended: bool = True,
    metric: str = "acc",
    code: bool = True,
    process: int = 0,
    read: Sequence[tuple[Path, str | None, str]] = (),
) -> RunFolder:
    """A run; what it read are paths with a digest and how it named them."""
    project = store.parent
    folder = runs.begin(store, name=name)
    start = ExecutionStart(
        0,
        time.time_ns(),
        "script",
        tuple(argv),
        str(project),
        seed=7,
        hash_seed="7",
        user="ada",
        host=socket.gethostname() if process else "",
        boot=alive.boot_id() if process else "",
        pid=process,
        pid_started=(alive.process_started(process) or 0) if process else 0,
    )
    folder.begin_execution(start)
    writer = Writer(folder.journal, folder.id)
    objects = Store(store)
    if code:
        tree, found = save_tree(objects, files)
        size = sum(len(one.content) for one in files)
        told = {"root": str(project), "tree": tree, "files": len(found.entries), "size_bytes": size}
        writer.fact("code", told)
    writer.fact("config", {"lr": 0.1, HOSTILE: HOSTILE})
    versions = {"numpy": "2.4.6", "mine": "1.0", "secret": "2.0"}
    origins = {
        "mine": {"kind": "editable", "url": "file:///home/me/mine"},
        "secret": {"kind": "archive", "url": "https://ada:hunter2@example.org/secret.whl"},
    }
    packages = {"versions": versions, "origins": origins, "installers": {}, "broken": []}
    writer.fact("packages", packages)
    writer.fact(
        "interpreter",
        {
            "implementation": "cpython",
            "version": "3.11.7",
            "abi": "cpython-311",
            "platform": "linux",
        },
    )
    writer.fact("variables", {"OMP_NUM_THREADS": "2", "PYTHONPATH": "/home/me/x"})
    for path, digest, given in read:
        status_of = path.stat() if path.exists() else None
        fact = {
            "how": "read",
            "path": str(path),
            "size_bytes": status_of.st_size if status_of else 3,
            "mtime_ns": status_of.st_mtime_ns if status_of else 0,
            "given": given,
        }
        writer.fact("file", fact | ({"digest": digest} if digest else {}))
    for step in (1, 2):
        writer.row({metric: step / 3, "note": HOSTILE}, step)
    if states:
        for at, seed in (("step 0", 1), ("final", 2)):
            manifest = storing.save(objects, state_of(seed))
            said = {
                "name": at,
                "manifest": manifest,
                "step": 0,
                "kept": True,
                "size_bytes": 160_040,
            }
            writer.fact("state", said)
    writer.close()
    if ended:
        folder.end_execution(1, ExecutionEnd(time.time_ns(), status, exit_code=0))
    return folder
