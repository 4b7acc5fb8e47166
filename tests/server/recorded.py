"""Runs as the recorder writes them, without a process for each."""

import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart

SECOND = 1_000_000_000
Rows = Iterable[tuple[Mapping[str, Any], Any]]  # values, step


def begin(store: Path, *, seed: int | None = None, **identity: Any) -> tuple[RunFolder, Writer]:
    """A run that goes on, in this process."""
    run = runs.begin(store, **identity)
    run.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how="script",
            argv=("train.py",),
            cwd=str(store.parent),
            host=socket.gethostname(),
            boot=alive.boot_id(),
            pid=os.getpid(),
            pid_started=alive.process_started(os.getpid()) or 0,
            seed=seed,
        )
    )
    return run, Writer(run.journal, run.id)


def finish(run: RunFolder, writer: Writer, status: str = "finished") -> RunFolder:
    """It has ended, a while ago: nothing will change in its folders."""
    writer.close()
    code = 0 if status == "finished" else 1
    run.end_execution(1, ExecutionEnd(time.time_ns() + 90 * SECOND, status, code))
    settle(run)
    return run


def settle(run: RunFolder) -> None:
    """Let the last change of a run be some time ago."""
    before = time.time_ns() - 60 * SECOND
    for folder, _, _ in os.walk(run.path):
        os.utime(folder, ns=(before, before))


def record(
    store: Path,
    *,
    config: Any = None,
    rows: Rows = (),
    status: str = "finished",
    tree: str | None = "blake3:" + "0" * 64,
    **identity: Any,
) -> RunFolder:
    """A run that has ended."""
    run, writer = begin(store, **identity)
    if tree is not None:
        code = {"root": "/", "tree": tree, "files": 2, "size_bytes": 9, "head": None}
        writer.fact("code", code)
    if config is not None:
        writer.fact("config", config)
    for values, step in rows:
        writer.row(values, step)
    return finish(run, writer, status)
