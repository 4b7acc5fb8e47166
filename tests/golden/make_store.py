"""Makes the golden store of a format version; was run once for `store-1`, which never changes.

    python -m tests.golden.make_store FOLDER

Only a new format version needs it again, for a new folder beside the old ones: a golden store that
is made anew proves nothing. Clock, chance, host and user are fixed, so what it writes depends on
the formats alone. Three runs: one that finished, one that broke off with a torn journal, and a
replay of the first.
"""

import getpass
import itertools
import os
import random
import shutil
import socket
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from samebit import disk, places, records
from samebit.errors import SamebitError
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal import writer as journal
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import CodeRecord, ExecutionEnd, ExecutionStart
from samebit.replay.verify import judge
from samebit.states import storing
from samebit.trace.groups import GROUPS

FINISHED, BROKEN_OFF, REPLAY = "f1n1shed00", "br0ken0ff0", "rep1ay0000"
BEGAN_NS = 1_700_000_000_000_000_000  # 2023-11-14 22:13:20 UTC
ROOT = "/project"
STEPS = 12


@contextmanager
def _fixed() -> Generator[None]:
    """Clock, chance, host and user that are always the same."""
    chance = random.Random(1)
    ticks = itertools.count(0, 1_000_000)
    with ExitStack() as stack:
        for target, name, value in (
            (time, "time_ns", lambda: BEGAN_NS + next(ticks)),
            (journal, "_monotonic_ns", lambda: 5_000_000_000 + next(ticks)),
            (os, "urandom", chance.randbytes),
            (getpass, "getuser", lambda: "ada"),
            (socket, "gethostname", lambda: "golden"),
            (os, "getpid", lambda: 4242),
            (runs, "__version__", "0.1.0"),
        ):
            stack.enter_context(mock.patch.object(target, name, value))
        yield


def make(store: Path) -> None:
    """Write the store of three runs."""
    with _fixed():
        places.make_store(store)
        finished = _finished(_begin(store, FINISHED, name="first light", group="golden"))
        _broken_off(_begin(store, BROKEN_OFF))
        replay = _finished(_begin(store, REPLAY, kind="replay", of=FINISHED), is_replay=True)
        verdict = judge(read_run(finished), read_run(replay), differences=["numpy 2.4.6, now 2.5"])
        for run in (finished, replay):
            run.add_note("verdict", verdict)
        finished.add_note("name", "brave otter")
        finished.add_note("tag", "paper")
    # Git keeps neither a nested `.git` nor an empty folder; a reader needs neither.
    shutil.rmtree(store / ".git")
    (store / "tmp").rmdir()


def _begin(store: Path, run: str, **given: Any) -> RunFolder:
    alphabet = runs._ALPHABET  # pyright: ignore[reportPrivateUsage]
    chosen = bytes(alphabet.index(letter) for letter in run)
    with mock.patch.object(os, "urandom", lambda count: chosen[:count]):
        folder = runs.begin(store, **given)
    folder.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how="script",
            argv=("train.py", "--lr", "0.1", "--token", "••••"),
            masked=(4,),
            cwd=ROOT,
            python="/usr/bin/python3",
            host="golden",
            boot="00000000-0000-0000-0000-000000000000",
            pid=4242,
            pid_started=1,
            user="ada",
            seed=7,
            deterministic=True,
            hash_seed="7",
        )
    )
    return folder


def _finished(folder: RunFolder, *, is_replay: bool = False) -> RunFolder:
    store = Store(folder.store)
    writer = Writer(folder.journal, folder.id)
    if not is_replay:
        writer.fact("code", _code(store))
    writer.fact("config", {"lr": 0.1, "model": {"layers": [8, 2], "bias": True}, "$odd": None})
    writer.fact("settings", {"torch.threads": 2, "torch.deterministic_algorithms": True})
    writer.fact("packages", {"versions": {"numpy": "2.4.6", "torch": "2.13.0"}})
    writer.fact("volatile", ["clock"])
    writer.fact("seed_call", {"library": "torch", "value": 7, "at": f"{ROOT}/train.py:3"})
    writer.fact("trace", {"algorithm": "xxh3-128/8", "groups": list(GROUPS)})
    _states(writer, store, "step 0", 0)
    for step in range(1, STEPS + 1):
        _train(writer, step)
    _metrics(writer, is_replay=is_replay)
    _states(writer, store, "final", STEPS)
    _states(writer, store, "final of optimizer 1", STEPS, keep=False)
    writer._append(b"\x92\x63\xa6future")  # pyright: ignore[reportPrivateUsage]  (kind 99)
    # A full segment: what follows is in the next one.
    with mock.patch.object(journal, "SEAL_BYTES", 0):
        writer.fact("end", {"execution": 1, "status": "finished", "signal": None, "seconds": 1.5})
    writer.row({"after": "the seal"}, 13)
    writer.close()
    (folder.console(1) / "0.log").write_bytes("epoch 1\rloss 0.3 ✓\n\x1b[31mred\n".encode())
    folder.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return folder


def _broken_off(folder: RunFolder) -> None:
    writer = Writer(folder.journal, folder.id)
    writer.fact("config", {"lr": 0.2})
    for step in range(1, 6):
        writer.row({"loss": 1 / step}, step)
    writer.close()
    (segment,) = folder.journal.iterdir()
    segment.write_bytes(segment.read_bytes()[:-3])  # the last row was never acknowledged
    record = records.encode(folder.record())
    (folder.path / "run.json").write_bytes(record[:-1] + b',"zz_of_a_later_version":[1]}')


def _code(store: Store) -> dict[str, Any]:
    files = [
        SourceFile("train.py", "file", b"import torch\n\ntorch.manual_seed(7)\n"),
        SourceFile("bin/go.sh", "exec", b"#!/bin/sh\nexec python train.py\n"),
        SourceFile("latest", "link", b"train.py"),
    ]
    tree, record = save_tree(store, files)
    size = sum(entry.size_bytes for entry in record.entries)
    return records.plain(
        CodeRecord(
            root=ROOT,
            tree=tree,
            files=len(files),
            size_bytes=size,
            head="1" * 40,
            branch="main",
            commit="2" * 40,
            ref=f"refs/tags/samebit/{FINISHED}",
            changed=(" M train.py",),
            left_out=("data.bin: above 5 MB",),
        )
    )


def _train(writer: Writer, step: int) -> None:
    digests = {name: bytes([at, *[step] * 7]) for at, name in enumerate(GROUPS)}
    # Two frames of one step, as the recorder writes them; every second step is no full row.
    cheap = [n for n in GROUPS if n not in ("entering", "output", "grad", "param")]
    full = [n for n in GROUPS if n not in cheap] if step <= 10 or step % 2 == 0 else []
    for names in (cheap, full):
        if names:
            mask = sum(1 << GROUPS.index(name) for name in names)
            writer.trace(0, step, mask, b"".join(digests[name] for name in names))
    if step in (1, 7):
        writer.hyper(0, step, 0, {"lr": 0.1 / step, "betas": [0.9, 0.999], "fused": None})


def _metrics(writer: Writer, *, is_replay: bool) -> None:
    writer.row({"loss": 0.1 + 0.2, "ok": True, "count": 2**53 + 1, "word": "ünï\n"}, 1)
    writer.row({"loss": float("nan"), "ok": False, "count": -(2**100), "word": ""}, 2)
    writer.row({"loss": float("inf"), "ok": True, "count": 2**63, "word": "\x1b[2J"}, 3)
    writer.row({"loss": float("-inf")}, 4)
    writer.row({"loss": -0.0}, 5)
    writer.row({"loss": 5e-324}, 6)
    writer.row({"loss": 1.0}, 7)
    writer.row({"loss": np.float32(0.1)}, 7)  # the later row of a step counts
    writer.row({"val": {"acc": 1, "top": {"5": np.int64(3)}}}, 2**40)
    writer.row({"clock": 1.0 if is_replay else 2.0, "train_time": 3.0 + is_replay}, 12)


def _states(writer: Writer, store: Store, name: str, step: int, *, keep: bool = True) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3) - step
    state = {
        "model": {
            "weight": weight,
            "tied": weight,
            "half": np.array([0.5, -0.0, np.inf], dtype=np.float16),
            "seen": np.array(step, dtype=np.int64),
            "large": np.zeros(32_768, dtype=np.float32),  # an object file; the others are packed
        },
        "optimizer": {"state": {0: {"step": step, "on": np.array([True, False])}}, "lr": (0.1, 2)},
    }
    digest = storing.save(store, state, keep=keep)
    fact = {"name": name, "optimizer": 0, "step": step, "manifest": digest}
    writer.fact("state", {**fact, "size_bytes": storing.size_bytes(state), "kept": keep})


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    if target.exists():
        raise SamebitError("a golden store is made once", path=target)
    assert disk.FAULTS is None
    make(target)
