"""A store of format 1, made once, opens for ever; messages and tables word for word."""

import math
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from samebit import digest
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.journal.frame import Kind
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.session.reading import open_run
from samebit.states import storing
from tests.loaded import load

GOLDEN = Path(__file__).parent / "store-1"
LARGE = "blake3:33badd2c738dbf1cbeebf3279bf6da04ee43995276f786ef8dd30fb708f16e95"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy of the golden store, in a project of its own, as old as its runs are."""
    copied = tmp_path / "project" / ".samebit"
    shutil.copytree(GOLDEN, copied)
    for path in copied.rglob("*.sbj"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # a checkout made them new
    return copied


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    errors: str


def samebit(project: Path, *words: str, **environ: str) -> Said:
    """Run a command in a project, its output in a pipe."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SAMEBIT_")}
    env |= {"TZ": "UTC", "SAMEBIT_CACHE": str(project / "cache"), **environ}
    command = [sys.executable, "-m", "samebit.cli.main", *words]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, timeout=60)
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def view_of(store: Path, reference: str) -> View:
    return read_run(find_run(store, reference))


def bits(value: Any) -> Any:
    """A value that is equal only to the same bits of the same type."""
    return struct.pack("<d", value) if type(value) is float else (type(value), value)


# Values.


def test_every_metric_comes_back_to_the_bit(store: Path) -> None:
    metrics = view_of(store, "f1n1shed00").metrics
    expected: dict[str, tuple[list[int], list[Any]]] = {
        "loss": (
            [1, 2, 3, 4, 5, 6, 7],
            [
                0.30000000000000004,
                math.nan,
                math.inf,
                -math.inf,
                -0.0,
                5e-324,
                0.10000000149011612,  # a float32, and the later of two rows
            ],
        ),
        "ok": ([1, 2, 3], [True, False, True]),
        "count": (
            [1, 2, 3],
            [9007199254740993, -1267650600228229401496703205376, 9223372036854775808],
        ),
        "word": ([1, 2, 3], ["ünï\n", "", "\x1b[2J"]),
        "val.acc": ([1099511627776], [1]),
        "val.top.5": ([1099511627776], [3]),
        "clock": ([12], [2.0]),
        "train_time": ([12], [3.0]),
        "after": ([13], ["the seal"]),
    }
    assert list(metrics) == list(expected)
    for name, (steps, values) in expected.items():
        assert metrics[name].steps == steps, name
        assert list(map(bits, metrics[name].values)) == list(map(bits, values)), name
    assert metrics["loss"].times_ns[0] == 1_700_000_000_034_000_000
    assert metrics["loss"].times_ns == sorted(metrics["loss"].times_ns)


def test_the_identity_of_a_run_and_how_it_went(store: Path) -> None:
    view = view_of(store, "f1n1shed00")
    record, start, end = view.record, view.start, view.end
    assert (record.id, record.kind, record.group) == ("f1n1shed00", "run", "golden")
    assert (record.user, record.host, record.samebit) == ("ada", "golden", "0.1.0")
    assert start is not None
    assert end is not None
    assert start.argv == ("train.py", "--lr", "0.1", "--token", "••••")
    assert (start.masked, start.seed, start.hash_seed, start.deterministic) == ((4,), 7, "7", True)
    assert (view.status, end.exit_code, end.signal) == ("finished", 0, None)
    assert view.name == "brave otter"
    assert [note.kind for note in view.notes] == ["verdict", "name", "tag"]
    assert view.facts["config"] == {
        "lr": 0.1,
        "model": {"layers": [8, 2], "bias": True},
        "$odd": None,
    }
    assert view.facts["code"]["commit"] == "2" * 40
    assert view.all_facts("seed_call") == [
        {"library": "torch", "value": 7, "at": "/project/train.py:3"}
    ]
    assert view.missing == []


def test_a_frame_kind_of_a_later_version_is_skipped_and_counted(store: Path) -> None:
    journal = view_of(store, "f1n1shed00").journal
    assert (journal.unknown_frames, journal.gaps) == (1, [])
    # Both came after this store was made.
    assert {frame.kind for frame in journal.frames} == {*Kind} - {
        Kind.CLOCK,
        Kind.ROW,
        Kind.TRACE,
        Kind.SCALARS,
        Kind.SAMPLE,
    }
    assert sum(map(len, [*journal.traced, *journal.logged])) > 11


def test_a_field_of_a_later_version_is_no_damage(store: Path) -> None:
    assert b"zz_of_a_later_version" in (store / "runs/br0ken0ff0/run.json").read_bytes()
    assert view_of(store, "br0ken0ff0").record.id == "br0ken0ff0"


def test_trace_and_schedule(store: Path) -> None:
    view = view_of(store, "f1n1shed00")
    assert [(row.optimizer, row.count) for row in view.trace] == [(0, n) for n in range(1, 13)]
    first, odd = view.trace[0].groups, view.trace[10].groups
    assert {name: value.hex() for name, value in first.items()} == {
        "batch": "0001010101010101",
        "samples": "0101010101010101",
        "input": "0201010101010101",
        "rng.torch": "0301010101010101",
        "rng.numpy": "0401010101010101",
        "rng.python": "0501010101010101",
        "hyper": "0601010101010101",
        "entering": "0701010101010101",
        "output": "0801010101010101",
        "loss": "0901010101010101",
        "grad": "0a01010101010101",
        "param": "0b01010101010101",
    }
    assert set(first) - set(odd) == {"entering", "output", "grad", "param"}
    assert odd["loss"].hex() == "090b0b0b0b0b0b0b"
    assert view.schedule == [
        (0, 1, 0, {"lr": 0.1, "betas": [0.9, 0.999], "fused": None}),
        (0, 7, 0, {"lr": 0.014285714285714287, "betas": [0.9, 0.999], "fused": None}),
    ]


def test_states_leaf_by_leaf(store: Path) -> None:
    np = pytest.importorskip("numpy")
    view = view_of(store, "f1n1shed00")
    assert list(view.states) == ["step 0", "final", "final of optimizer 1"]
    name = view.manifest("final")
    assert name.startswith("blake3:640e1f97")
    state = load(Store(store), name, as_torch=False)
    model = state["model"]
    assert model["weight"].tobytes().hex() == "000040c1000030c1000020c1000010c1000000c10000e0c0"
    assert model["tied"] is model["weight"]
    assert model["half"].tobytes().hex() == "00380080007c"
    assert (model["seen"].dtype, model["seen"].shape, int(model["seen"])) == (np.int64, (), 12)
    assert model["large"].tobytes() == bytes(131_072)
    assert state["optimizer"]["lr"] == (0.1, 2)
    assert list(state["optimizer"]["state"]) == [0]
    assert state["optimizer"]["state"][0]["on"].tolist() == [True, False]
    manifest = storing.read_manifest(Store(store), name)
    assert storing.identity(manifest) == (
        "blake3:20c52e846649b2d865f87fbfc5b6374caf9335e38315a192cfcb9ab5cdac653f"
    )


def test_a_state_of_which_only_digests_were_kept(store: Path) -> None:
    view = view_of(store, "f1n1shed00")
    manifest = storing.read_manifest(Store(store), view.manifest("final of optimizer 1"))
    assert {leaf.kept for leaf in manifest.leaves.values()} == {False}
    assert manifest.leaves["model.large"].digest == LARGE


def test_code_comes_back_byte_for_byte(store: Path) -> None:
    code = view_of(store, "f1n1shed00").facts["code"]
    tree = read_tree(Store(store), code["tree"])
    assert [(entry.path, entry.kind) for entry in tree.entries] == [
        ("bin/go.sh", "exec"),
        ("latest", "link"),
        ("train.py", "file"),
    ]
    contents = [Store(store).read(entry.digest) for entry in tree.entries]
    assert contents == [
        b"#!/bin/sh\nexec python train.py\n",
        b"train.py",
        b"import torch\n\ntorch.manual_seed(7)\n",
    ]


def test_the_verdict_stands_with_both_runs(store: Path) -> None:
    ours, theirs = view_of(store, "f1n1shed00").verdicts, view_of(store, "rep1ay0000").verdicts
    assert ours == theirs
    (verdict,) = ours
    assert (verdict.grade, verdict.run, verdict.replay) == ("identical", "f1n1shed00", "rep1ay0000")
    assert verdict.scope[-2] == "not judged (clock or machine): clock, train_time"
    assert verdict.differences == ("numpy 2.4.6, now 2.5",)
    assert verdict.who == "repeated"


def test_a_torn_tail_costs_only_the_row_that_was_not_whole(store: Path) -> None:
    view = view_of(store, "br0ken0ff0")
    assert view.status == "broken off"
    assert view.metrics["loss"].values == [1.0, 0.5, 0.3333333333333333, 0.25]
    assert view.facts["config"] == {"lr": 0.2}


def test_the_python_door_opens_it(store: Path) -> None:
    run = open_run("brave otter", store=store)
    assert (run.id, run.status, run.flat_config["model.bias"]) == ("f1n1shed00", "finished", True)
    assert run.metrics()["loss"]["value"][6] == 0.10000000149011612


# Bytes.


def test_every_object_and_pack_is_what_its_name_says(store: Path) -> None:
    objects = Store(store)
    names = sorted(objects.names())
    assert len(names) == 14
    assert LARGE in names
    for name in names:
        assert digest.of_bytes(objects.read(name)) == name
    for pack in objects.pack_paths():
        objects.check_pack(pack)


@pytest.mark.parametrize("pattern", ["objects/*/*", "packs/*.pack", "runs/f*/journal/*.sbj"])
def test_one_flipped_bit_is_found(store: Path, pattern: str) -> None:
    for path in sorted(store.glob(pattern)):
        whole = path.read_bytes()
        at = len(whole) // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        said = samebit(store.parent, "check")
        assert said.code == 7, path.name
        assert "damaged" in said.out, path.name
        path.write_bytes(whole)
    assert samebit(store.parent, "check").code == 0


def test_git_keeps_the_golden_files_byte_for_byte() -> None:
    files = [str(path) for path in GOLDEN.rglob("*") if path.is_file()]
    try:
        told = subprocess.run(
            ["git", "check-attr", "text", "--", *files],
            cwd=GOLDEN.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not in a git checkout")
    assert told.count(": text: unset") == len(files)


# Words.


def test_check_word_for_word(store: Path) -> None:
    assert samebit(store.parent, "check") == Said(
        0,
        "read 14 objects (135.2 kB) and 3 run folders\nevery byte is what its name says\n",
        "",
    )


def test_ls_word_for_word(store: Path) -> None:
    said = samebit(store.parent, "ls", "--columns", "id,name,state,started,seed,verdict,lr,loss")
    assert said == Said(
        0,
        """\
id          name         state       started           seed  verdict     lr  loss
br0ken0ff0               broken off  2023-11-14 22:13     7             0.2  0.25
f1n1shed00  brave otter  finished    2023-11-14 22:13     7  identical  0.1   0.1
""",
        "",
    )


def test_diff_word_for_word(store: Path) -> None:
    said = samebit(store.parent, "diff", "f1n1shed00", "br0ken0ff0")
    assert said.code == 5
    for line in (
        "  lr: 0.1 → 0.2\n",
        "  (state): finished → broken off\n",
        "environment  the same",
    ):
        assert line in said.out


def test_trace_of_two_equal_runs_word_for_word(store: Path) -> None:
    assert samebit(store.parent, "diff", "f1", "rep", "--trace") == Said(
        0, "identical: all 12 steps that both have\n", ""
    )


def test_schedule_word_for_word(store: Path) -> None:
    assert samebit(store.parent, "show", "f1", "--schedule").out == (
        "optimizer 0: 12 steps, 1 parameter group\n"
        "  lr        0.1, 0.01429 at 6\n"
        "  constant  betas (0.9, 0.999), fused none\n"
    )


def test_states_word_for_word(store: Path) -> None:
    assert (
        samebit(store.parent, "state", "ls", "f1").out
        == """\
state                 step  optimizer      size  kept          identity
step 0                   0          0  131.1 kB  bytes         a83438e2
final                   12          0  131.1 kB  bytes         20c52e84
final of optimizer 1    12          0  131.1 kB  digests only  20c52e84
"""
    )
    assert (
        samebit(store.parent, "state", "show", "f1").out
        == """\
f1n1shed00:final  step 12, 131.1 kB, bytes
part       identity  arrays      size
model      20c52e84       4  131.1 kB
optimizer  8c6e674b       1       2 B
array                 dtype    shape       size  digest
model.half            float16  3            6 B  398e1fed
model.large           float32  32768   131.1 kB  33badd2c
model.seen            int64    scalar       8 B  cb0a92dc
model.weight          float32  2×3         24 B  e126b6a9
optimizer.state.0.on  bool     2            2 B  687376c9
tied
model.tied  model.weight
values
optimizer.state.0.step  12
optimizer.lr            [0.1,2]
"""
    )


def test_the_difference_of_two_states_word_for_word(store: Path) -> None:
    assert samebit(store.parent, "state", "diff", "f1", "rep") == Said(
        0, "f1n1shed00:final and rep1ay0000:final\nall 6 arrays are equal\n", ""
    )
    assert samebit(store.parent, "state", "diff", "f1", "f1:0") == Said(
        5,
        """\
f1n1shed00:final and f1n1shed00:step 0
array         elements  max abs     max ULP
model.seen      1 of 1       12
model.tied      6 of 6       12  2172649472
model.weight    6 of 6       12  2172649472
3 of 6 arrays differ
values
  optimizer.state.0.step: 12 → 0
""",
        "",
    )


def test_show_word_for_word_but_for_how_long_ago(store: Path) -> None:
    said = samebit(store.parent, "show", "f1n1shed00")
    lines = [line for line in said.out.splitlines() if not line.startswith("  started")]
    verdict = lines.index("verdict")
    assert lines[verdict:] == [
        "verdict",
        "identical",
        "  compared",
        "    steps 1 to 12: batch, model input, hyper-parameters, loss, generators bit-identical",
        "    in 11 of them also model output, gradients, parameters",
        "    initial state identical: 5 arrays",
        "    final state identical: 10 arrays",
        "    metrics identical: 7 names, 19 values",
        "    not judged (clock or machine): clock, train_time",
        "    2 threads",
        "  another environment",
        "    numpy 2.4.6, now 2.5",
        "  run f1n1shed00, replay rep1ay0000; repeated",
    ]
    assert lines[0] == "f1n1shed00  brave otter  finished"
    assert "  word        \\x1b[2J at step 3" in lines  # a stranger's text never rules the screen


def test_an_unknown_run_word_for_word(store: Path) -> None:
    assert samebit(store.parent, "show", "nonesuch") == Said(
        7,
        "",
        f"""\
samebit: there is no run 'nonesuch' in this store
  store: {store}
hint: `samebit ls` lists the runs; a run is named by its id, the beginning of it, its name, or @last
""",
    )


def test_an_ambiguous_beginning_word_for_word(store: Path) -> None:
    shutil.copytree(store / "runs/f1n1shed00", store / "runs/f1n1shed11")
    assert samebit(store.parent, "show", "f1n1") == Said(
        2,
        "",
        """\
samebit: 'f1n1' fits 2 runs
  runs: f1n1shed00, f1n1shed11
hint: give the id, or more letters of it
""",
    )


def test_no_store_word_for_word(tmp_path: Path) -> None:
    assert samebit(tmp_path, "ls") == Said(
        7,
        "",
        f"""\
samebit: there is no .samebit store in {tmp_path} or above it
hint: `samebit run train.py` makes one; SAMEBIT_DIR names one elsewhere
""",
    )


def test_a_newer_store_word_for_word(store: Path) -> None:
    (store / "format").write_text("samebit-store 2\nid 00\n", encoding="utf-8")
    assert samebit(store.parent, "ls") == Said(
        7,
        "",
        f"""\
samebit: this store has format 2, and this version of Samebit knows 1
  path: {store}
hint: install a newer Samebit; nothing was written
""",
    )


def test_a_damaged_object_word_for_word(store: Path) -> None:
    path = store / "objects" / LARGE[7:9] / LARGE[9:]
    path.write_bytes(path.read_bytes()[:-1])
    said = samebit(store.parent, "state", "export", "f1", "model.npz")
    assert said.code == 7
    assert said.errors.startswith("samebit: object 33badd2c is damaged: ")
    assert said.errors.splitlines()[1:] == [
        "  leaf: model.large",
        f"  path: {path}",
        "hint: `samebit check` lists what is hurt by it",
    ]
    assert not (store.parent / "model.npz").exists()


def test_a_state_that_is_not_there_word_for_word(store: Path) -> None:
    assert samebit(store.parent, "state", "show", "f1:middle") == Said(
        7,
        "",
        """\
samebit: run f1n1shed00 has no state 'middle'
  states: 'step 0', 'final', 'final of optimizer 1'
""",
    )


def test_reading_changes_nothing(store: Path) -> None:
    def stamp() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in store.rglob("*")}

    before = stamp()
    for words in (["ls"], ["show", "f1"], ["diff", "f1", "rep"], ["check"], ["metrics", "br"]):
        samebit(store.parent, *words)
    assert stamp() == before
