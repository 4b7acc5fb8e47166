"""The leaves of rows: kept in slots, the last of them written over, torn ones passed over."""

import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import disk
from samebit.errors import Damaged
from samebit.trace import leaves
from samebit.trace.leaves import LeafFiles, read_leaves


def row(seed: int, names: tuple[str, ...] = ("a", "b")) -> dict[str, tuple[list[str], list[bytes]]]:
    chance = random.Random(seed)
    return {
        group: (list(names), [chance.randbytes(16) for _ in names]) for group in ("grad", "param")
    }


def refuse(source: str, error: Exception) -> None:
    raise AssertionError(source) from error


def as_read(kept: dict[str, tuple[list[str], list[bytes]]]) -> dict[str, dict[str, bytes]]:
    return {
        group: {name: digest[:8] for name, digest in zip(names, digests, strict=True)}
        for group, (names, digests) in kept.items()
    }


@given(first=st.integers(0, 10), more=st.integers(0, 200))
def test_the_first_rows_and_the_last_ones_are_there(first: int, more: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = LeafFiles(Path(folder) / "trace", lambda: "0-abc", refuse)
        for count in range(1, first + more + 1):
            files.keep(0, count, row(count), first=count <= first)
        found = read_leaves(Path(folder) / "trace", "0")
        last = range(max(first, first + more - leaves.LAST) + 1, first + more + 1)
        assert sorted(found) == [(0, count) for count in (*range(1, first + 1), *last)]
        assert all(found[key] == as_read(row(key[1])) for key in found)


def test_another_layout_begins_another_file(tmp_path: Path) -> None:
    files = LeafFiles(tmp_path, lambda: "1-abc", refuse)
    files.keep(0, 1, row(1), first=True)
    files.keep(1, 1, row(2, ("x",)), first=True)
    files.keep(0, 2, row(3, ("a", "b", "c")), first=True)
    assert len(list(tmp_path.iterdir())) == 3
    found = read_leaves(tmp_path, "1")
    assert found == {(0, 1): as_read(row(1)), (1, 1): as_read(row(2, ("x",))),
                     (0, 2): as_read(row(3, ("a", "b", "c")))}  # fmt: skip
    assert read_leaves(tmp_path, "2") == {}
    assert read_leaves(tmp_path / "none", "1") == {}


def test_a_large_model_keeps_fewer_rows_and_the_file_stays_small(tmp_path: Path) -> None:
    files = LeafFiles(tmp_path, lambda: "0-abc", refuse)
    names = tuple(f"layer.{at}" for at in range(4000))
    kept = row(1, names)
    for count in range(1, 200):
        files.keep(0, count, kept, first=count <= 10)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 5 << 20
    assert (0, 199) in read_leaves(tmp_path, "0")


@given(st.data())
def test_a_file_that_is_cut_or_hurt_gives_what_is_whole_or_says_so(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = LeafFiles(Path(folder), lambda: "0-abc", refuse)
        for count in range(1, 30):
            files.keep(0, count, row(count), first=count <= 10)
        (path,) = Path(folder).iterdir()
        whole = path.read_bytes()
        at = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            hurt = whole[:at]
        else:
            other = whole[at] ^ data.draw(st.integers(1, 255))
            hurt = whole[:at] + bytes([other]) + whole[at + 1 :]
        path.write_bytes(hurt)
        try:
            found = read_leaves(Path(folder), "0")
        except Damaged:
            return
        header = whole.index(b"]]]}") + 4
        if at >= header:
            assert all(found[key] == as_read(row(key[1])) for key in found)
            assert len(found) >= (at - header) // (len(whole) - header) * 29


def test_a_full_disk_is_told_once_and_the_rows_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "FAULTS", disk._Faults("trace.leaves=full@2+"))
    told: list[str] = []
    files = LeafFiles(tmp_path, lambda: "0-abc", lambda source, error: told.append(source))
    for count in range(1, 5):
        files.keep(0, count, row(count), first=True)
    assert told == ["trace.leaves"]
    assert read_leaves(tmp_path, "0") == {}


KILLED = """
import os, sys, torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.Adam(model.parameters())
for step in range(1, 41):
    optimizer.zero_grad()
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_a_kill_leaves_the_leaves(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from samebit.folders.find import list_runs

    (tmp_path / "train.py").write_text(KILLED)
    command = [str(Path(sys.executable).with_name("samebit")), "run", "--quiet", "train.py"]
    environ = {**os.environ, "SAMEBIT_DIR": str(tmp_path / ".samebit")}
    done = subprocess.run(command, cwd=tmp_path, env=environ)
    assert done.returncode == -signal.SIGKILL
    (run,) = list_runs(tmp_path / ".samebit")
    found = read_leaves(run.trace, "0")
    assert {count for _, count in found} >= set(range(1, 11))
    assert max(count for _, count in found) > 20
    assert list(found[0, 1]) == ["entering", "grad", "param", "state"]
    assert list(found[0, 1]["state"]) == [
        f"{name}.{key}" for name in ("weight", "bias") for key in ("step", "exp_avg", "exp_avg_sq")
    ]
