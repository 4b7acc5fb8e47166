"""A store with runs that keep states, for commands that look after stores, and what they say."""

import time
from pathlib import Path

import numpy as np
import pytest

from samebit import places
from samebit.cli.main import main
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.states import storing

LARGE = 20_000  # elements of float64: an object file of its own


def new_store(project: Path) -> Path:
    return places.make_store(project / ".samebit")


def state_of(seed: int) -> dict[str, object]:
    chance = np.random.default_rng(seed)
    return {
        "model": {"weight": chance.standard_normal(LARGE), "bias": chance.standard_normal(5)},
        "step": seed,
    }


def record(
    store: Path,
    states: dict[str, int],
    *,
    dropped: tuple[str, ...] = (),
    name: str | None = None,
    ended: bool = True,
    given: dict[str, str] | None = None,
) -> tuple[RunFolder, dict[str, str]]:
    """A run that kept states (by name the seed of its arrays), and their manifests.

    `given` are more states, which are there already, by name their manifests.
    """
    folder = runs.begin(store, name=name)
    folder.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("a.py",), "/project"))
    writer = Writer(folder.journal, folder.id)
    objects = Store(store)
    tree, code = save_tree(objects, [SourceFile("a.py", "file", b"print(1)\n")])
    sizes = {"files": len(code.entries), "size_bytes": 9}
    writer.fact("code", {"root": "/project", "tree": tree, **sizes})
    manifests = {at: storing.save(objects, state_of(seed)) for at, seed in states.items()}
    manifests |= given or {}
    for at in manifests:
        fact = {"name": at, "manifest": manifests[at], "step": 0, "kept": True}
        writer.fact("state", fact | {"size_bytes": 8 * LARGE + 40})
    for at in dropped:
        writer.fact("dropped", {"name": at, "manifest": manifests[at]})
    writer.close()
    if ended:
        folder.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return folder, manifests


def leaf(store: Path, manifest: str, name: str) -> str:
    return storing.read_manifest(Store(store), manifest).leaves[name].digest


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    code = main(list(words))
    return code, capsys.readouterr().out
