"""`samebit state`: naming, listing, comparing, exporting and letting go of states."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samebit.cli.main import main
from samebit.cli.words import width
from samebit.errors import NotFound
from samebit.folders import folder as folders
from samebit.folders import naming, stated
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.session.reading import open_run
from samebit.states import storing
from tests.cli.test_listing import on_a_terminal, project
from tests.cli.test_tables import COLOR
from tests.folders.test_read import begin, write

__all__ = ["project"]


@dataclass
class Said:
    code: int
    out: str
    errors: str


@pytest.fixture
def samebit(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: str) -> Said:
        capsys.readouterr()
        code = main(["state", *words])
        done = capsys.readouterr()
        return Said(code, done.out, done.err)

    return call


def state(at: int) -> dict[str, Any]:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3) + at
    return {
        "model": {"w": weight, "tied": weight, "frozen": np.ones(40_000)},
        "optimizer": {"state": {"w": {"exp_avg": weight / 2}}, "param_groups": [{"lr": 0.1}]},
    }


@pytest.fixture
def run(project: Path) -> RunFolder:
    """Two ranks with a beginning, two checkpoints and an end each; rank 1's differ."""
    store = project / ".samebit"
    found = folders.begin(store, name="otter")
    begin(found)
    objects = Store(store)
    for rank in (0, 1):
        writer = write(found, rank=str(rank))
        for step, name in enumerate(("step 0", "checkpoint 1", "checkpoint 2", "final")):
            manifest = storing.save(objects, state(step + 10 * rank), keep=name != "step 0")
            fact = {"name": name, "optimizer": 0, "step": step, "manifest": manifest}
            writer.fact("state", fact | {"size_bytes": 320_048, "kept": name != "step 0"})
        writer.close()
    return found


def manifests(run: RunFolder) -> list[str]:
    return [one.manifest for one in stated.states_of(read_run(run))]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("final", "final"),
        ("step 0", "step 0"),
        ("0", "step 0"),
        ("initial", "step 0"),
        ("step-0", "step 0"),
        ("2", "checkpoint 2"),
        ("step 2", "checkpoint 2"),
        ("checkpoint 2", "checkpoint 2"),
    ],
)
def test_a_state_is_named_by_name_or_step(run: RunFolder, word: str, name: str) -> None:
    assert stated.find_state(read_run(run), word).name == name
    for reference in (f"otter:{word}", f"{run.id[:6]}:{word}"):
        assert stated.open_state(run.store, reference)[1].name == name
    assert open_run("otter").state(word).digest == stated.find_state(read_run(run), word).manifest


def test_the_final_state_is_meant_where_none_is_named(run: RunFolder) -> None:
    assert stated.split_reference("otter") == ("otter", "final")
    assert stated.split_reference("otter:") == ("otter", "final")
    assert stated.split_reference("a:b:step 0") == ("a:b", "step 0")
    run.add_note("name", "sweep:7")
    assert stated.open_state(run.store, "sweep:7")[1].name == "final"
    assert stated.open_state(run.store, "sweep:7:0")[1].name == "step 0"
    with pytest.raises(NotFound, match="no run 'gone'"):
        stated.open_state(run.store, "gone:0")


def test_ls_has_every_rank_and_fits_eighty_columns(run: RunFolder) -> None:
    shown = on_a_terminal("state", "ls", "otter")
    assert all(width(COLOR.sub("", line)) <= 80 for line in shown.splitlines())
    lines = shown.splitlines()[1:]
    assert lines[0].split()[:3] == ["step", "0", "0"]
    assert len(lines) == 8
    assert "digests only" in lines[0]
    assert lines[4].split()[2] == "1"


def test_show_tells_parts_arrays_ties_and_values(run: RunFolder, samebit: Any) -> None:
    said = json.loads(samebit("show", "otter", "--json").out)
    assert said["state"] == "final"
    assert sorted(said["leaves"]) == ["model.frozen", "model.w", "optimizer.state.w.exp_avg"]
    assert said["values"] == {"optimizer.param_groups.0.lr": 0.1}
    assert said["tied"] == {"model.tied": "model.w"}
    stored = open_run("otter").state()
    assert said["identity"]["model"] == stored.identity()
    other = json.loads(samebit("show", "otter", "--rank", "1", "--json").out)
    assert other["identity"]["model"] != said["identity"]["model"]
    shown = on_a_terminal("state", "show", "otter")
    assert "tied" in shown
    assert "optimizer.param_groups.0.lr" in shown


def test_two_checkpoints_are_compared(run: RunFolder, samebit: Any) -> None:
    same = samebit("diff", "otter:1", "otter:checkpoint 1")
    assert (same.code, same.out.splitlines()[1]) == (0, "all 4 arrays are equal")
    said = samebit("diff", "otter:1", "otter:2", "--prefix", "model", "--json")
    assert said.code == 5
    found = json.loads(said.out)
    assert found["equal"] == 1
    assert [leaf["place"] for leaf in found["leaves"]] == ["tied", "w"]
    assert {leaf["max_abs"] for leaf in found["leaves"]} == {1.0}
    assert samebit("diff", "otter:2", "otter:2", "--rank", "1").code == 0
    digests = samebit("diff", "otter:0", "otter:1")
    assert digests.code == 5
    assert "only digests were kept" in digests.out


def test_an_exported_file_is_compared_with_its_state(run: RunFolder, samebit: Any) -> None:
    for file in ("m.safetensors", "m.npz", "m.pt"):
        assert samebit("export", "otter:1", file).code == 0
        assert samebit("diff", "otter:1", file).code == 0
        assert samebit("diff", file, "otter:2").code == 5
    assert samebit("export", "otter:1", "m.pt").code == 2
    assert samebit("export", "otter:1", "m.pt", "--force").code == 0
    assert samebit("export", "otter", "o.npz", "--prefix", "optimizer.state").code == 0
    assert list(np.load("o.npz")) == ["w.exp_avg"]
    assert samebit("diff", "m.pt", "gone.pt").code == 2


def test_rm_is_a_note_and_nothing_else(run: RunFolder, samebit: Any) -> None:
    before = {path for path in run.store.rglob("*") if path.is_file()}
    said = samebit("rm", "otter:1", "otter:2")
    assert said.code == 0
    assert f"{run.id}:checkpoint 1 is let go of" in said.out
    new = {path for path in run.store.rglob("*") if path.is_file()} - before
    assert {path.parent for path in new} == {run.path / "notes"}
    assert len(new) == 4  # two states of two ranks
    view = read_run(run)
    kept = [one.name for one in stated.states_of(view) if not one.dropped]
    assert kept == ["step 0", "final"]
    assert naming.named_by(run).isdisjoint(manifests(run)[1:3])
    assert samebit("show", "otter:1").code == 0  # until it is swept
    assert "let go of before" in samebit("rm", "otter:1").out


def test_what_only_the_dropped_state_holds_is_told(run: RunFolder, samebit: Any) -> None:
    # A weight and a moment of 24 bytes each, and the manifest; `frozen` is everybody's.
    said = samebit("rm", "otter:1", "--rank", "0").out.splitlines()[-1]
    amount, unit = said.split()[:2]
    assert unit in ("B", "kB")
    assert float(amount) < 1000 if unit == "B" else float(amount) < 3
    assert [one.dropped for one in stated.states_of(read_run(run).at_rank("1"))] == [False] * 4


@pytest.mark.parametrize("word", ["final", "step 0"])
def test_ends_of_a_run_are_let_go_of_only_when_told(
    run: RunFolder, samebit: Any, word: str
) -> None:
    said = samebit("rm", "otter:1", f"otter:{word}")
    assert said.code == 2
    assert "--force" in said.errors
    assert not any(one.dropped for one in stated.states_of(read_run(run)))
    assert samebit("rm", f"otter:{word}", "--force").code == 0
    assert samebit("rm", "otter").code == 2  # a run alone is not meant


def test_a_strangers_names_do_not_rule_the_screen(run: RunFolder, samebit: Any) -> None:
    name = storing.save(Store(run.store), {"model": {"\x1b[2J": np.ones(1)}, "\x07": "\x1b[1m"})
    writer = write(run, rank="0")
    writer.fact("state", {"name": "final", "manifest": name})
    writer.close()
    for words in (["show", "otter"], ["diff", "otter", "otter:1"], ["ls", "otter"]):
        said = samebit(*words)
        assert "\x1b" not in said.out
        assert "\x07" not in said.out


@pytest.mark.parametrize("point", ["disk.fsync", "disk.rename"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
def test_a_killed_export_leaves_the_old_file(run: RunFolder, point: str, suffix: str) -> None:
    path = Path(f"model{suffix}")
    path.write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "samebit.cli.main", "state", "export", "otter", path, "--force"],
        env={**os.environ, "SAMEBIT_FAULTS": f"{point}=kill"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "mine"


def test_a_run_loads_into_a_model(run: RunFolder) -> None:
    model = torch.nn.Module()
    model.w = model.tied = torch.nn.Parameter(torch.zeros(2, 3))
    model.frozen = torch.nn.Parameter(torch.zeros(40_000, dtype=torch.float64))
    open_run("otter").rank(1).state("2").load_into(model)
    assert torch.equal(model.w.detach(), torch.arange(6.0).reshape(2, 3) + 12)
