"""A project in which a run was verified, without a training: records as our writers write them."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samebit import digest, places, records
from samebit.cli.main import main
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import ExecutionEnd, ExecutionStart, Verdict
from samebit.report import dsse, signing
from samebit.report.certificate import PAYLOAD_TYPE
from samebit.states import storing
from tests.cli.stores import state_of

USER, HOST = "adalovelace", "engine.lab.example"
BOOT = "0b5e55ed-0000-4000-8000-000000000001"
COMMIT = "c0ffee" + "0" * 34
TOKEN = "hf_" + "A1b2C3d4" * 5
OUTPUTS = {"out/table.csv": b"acc\n0.9\n", "model.bin": bytes(range(256))}


Certificate = Callable[..., str]  # see the fixture


@dataclass(frozen=True)
class Verified:
    """A project, its run and the replay of that."""

    project: Path
    run: RunFolder
    replay: RunFolder
    verdict: Verdict

    @property
    def store(self) -> Path:
        return self.project / ".samebit"


def verified_run(
    home: Path, *, grade: str = "identical", cause: str = "", who: str = "repeated"
) -> Verified:
    """A run that wrote two files and one outside, and a replay that wrote one of them otherwise."""
    project = home / USER / "my thesis" / "project"
    for name, data in OUTPUTS.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(data)
    outside = home / USER / "scratch dir" / "log.txt"
    outside.parent.mkdir()
    outside.write_bytes(b"log\n")
    store = places.make_store(project / ".samebit")
    written = {str(project / name): data for name, data in OUTPUTS.items()}
    written[str(outside)] = b"log\n"
    run = record(store, str(project), written)
    mirror = "/tmp/samebit-replay-x/fs"
    theirs = {mirror + path: data for path, data in written.items()}
    theirs[f"{mirror}{project}/model.bin"] = b"other"
    replay = record(store, mirror + str(project), theirs, of=run.id)
    verdict = Verdict(
        grade,
        run.id,
        replay.id,
        cause,
        scope=("steps 1 to 12: batch, loss bit-identical", "final state identical: 2 arrays"),
        differences=(f"host: {HOST} then, {HOST} now",),
        evidence={"rows": 12, "largest": float("nan"), "groups": {"loss": 12}},
        who=who,
        at_ns=1_790_000_000_123_456_789,
        by=USER,
        host=HOST,
    )
    for folder in (run, replay):
        folder.add_note("verdict", verdict)
    return Verified(project, run, replay, verdict)


def record(store: Path, cwd: str, written: dict[str, bytes], of: str | None = None) -> RunFolder:
    folder = runs.begin(store, kind="replay" if of else "run", of=of)
    identity = replace(folder.record(), user=USER, host=HOST)
    (folder.path / "run.json").write_bytes(records.encode(identity))
    start = ExecutionStart(
        0,
        time.time_ns(),
        "script",
        ("train.py", "--entity", USER, "--token", "****"),
        cwd,
        python=f"/home/{USER}/venv/bin/python",
        host=HOST,
        boot=BOOT,
        pid=4242,
        user=USER,
        seed=7,
        hash_seed="7",
        masked=(4,),
    )
    folder.begin_execution(start)
    writer = Writer(folder.journal, folder.id)
    objects = Store(store)
    tree, code = save_tree(objects, [SourceFile("train.py", "file", b"print(1)\n")])
    if of is None:
        writer.fact(
            "code",
            {
                "root": cwd,
                "tree": tree,
                "files": len(code.entries),
                "size_bytes": 9,
                "head": COMMIT,
                "commit": COMMIT[::-1],
                "ref": f"refs/tags/samebit/{folder.id}",
                "remote": f"https://git.example/{USER}/thesis",
            },
        )
    for name, value in facts().items():
        writer.fact(name, value)
    for path, data in written.items():
        fact = {"path": path, "how": "write", "given": "relative", "size_bytes": len(data)}
        writer.fact("file", fact | {"mtime_ns": 1, "digest": digest.of_bytes(data)})
    manifest = storing.save(objects, state_of(1))
    state = {"name": "final", "manifest": manifest, "step": 12, "kept": True, "size_bytes": 40}
    writer.fact("state", state)
    writer.close()
    folder.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return folder


def facts() -> dict[str, Any]:
    return {
        "interpreter": {
            "implementation": "cpython",
            "version": "3.11.7",
            "libc": "glibc 2.36",
            "executable": f"/home/{USER}/venv/bin/python",
        },
        "packages": {
            "versions": {"torch": "2.13.0", "lovelace-tools": "0.1", "samebit": "0.1"},
            "origins": {
                "lovelace-tools": {"kind": "editable", "url": f"file:///home/{USER}/tools"},
                "samebit": {"kind": "folder", "url": "file:///x"},
            },
        },
        "machine": {
            "host": HOST,
            "boot": BOOT,
            "cpu": {"model": "AMD EPYC", "architecture": "x86_64", "flags": ["avx2"]},
            "gpus": [{"model": "H100", "uuid": "GPU-5ec2e7"}],
            "gpu_driver": "550.1",
            "system": {"name": "Linux", "release": f"6.1-{USER}"},
        },
        "variables": {"HOME": f"/home/{USER}", "USER": USER},
        "seed_call": {"library": "torch", "value": 2**60, "at": f"/home/{USER}/lib/seeds.py:3"},
    }


def placed(found: Verified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verified:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    monkeypatch.setenv("SAMEBIT_DEBUG", "1")  # an exception that is not ours comes through
    monkeypatch.chdir(found.project)
    return found


def made(verified: Verified, *words: str, to: str = "given") -> Path:
    folder = verified.project.parent / to
    assert main(["certificate", "make", verified.run.id, "--to", str(folder), *words]) == 0
    return folder


def envelope_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "statement.dsse.json").read_bytes())


def put_envelope(folder: Path, envelope: dict[str, Any]) -> None:
    (folder / "statement.dsse.json").write_text(json.dumps(envelope))


def statement_of(folder: Path) -> dict[str, Any]:
    return json.loads(base64.b64decode(envelope_of(folder)["payload"]))


def signed_anew(folder: Path, change: Any) -> None:
    """Another statement under a right signature of the same key."""
    statement = statement_of(folder)
    change(statement)
    signed_as(folder, json.dumps(statement).encode())


def signed_as(folder: Path, payload: bytes) -> None:
    path, _ = signing.own_key(anonymous=False)
    signed = signing.sign(dsse.signed_bytes(PAYLOAD_TYPE, payload), path)
    data = dsse.encode_envelope(dsse.Envelope(payload, PAYLOAD_TYPE, (signed,)))
    (folder / "statement.dsse.json").write_bytes(data)
