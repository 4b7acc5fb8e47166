"""A sharded model, trained on real ranks: whole where it is read, cut anew where it is loaded."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed")

from samebit.errors import NotFound  # noqa: E402
from samebit.session.reading import open_run  # noqa: E402
from tests.clusters import free_ports  # noqa: E402
from tests.projects import SAMEBIT, Ended, Project  # noqa: E402
from tests.warm import Warm  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="gloo")]

TORCHRUN = str(Path(sys.executable).with_name("torchrun"))

MODEL = """
import os, signal, sys, time, torch, samebit
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard, distribute_tensor

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
mesh = init_device_mesh("cpu", (dist.get_world_size(),))


def made(seed, cut):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 15), nn.BatchNorm1d(15), nn.ReLU(), nn.Linear(15, 1))
    if cut == "rows":
        for layer in (model[0], model[3], model):
            fully_shard(layer, mesh=mesh)
    elif cut == "columns":
        for layer in (model[0], model[3]):
            layer.weight = nn.Parameter(distribute_tensor(layer.weight.detach(), mesh, [Shard(1)]))
    return model, torch.optim.AdamW(model.parameters(), 0.01)


def whole(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def everything(model, optimizer):
    found = {name: whole(tensor).detach() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            found[f"{name} {key}"] = whole(value)
    return found
"""
TRAIN = (
    MODEL
    + """
steps, dies = int(sys.argv[1]), "dies" in sys.argv
model, optimizer = made(0, "rows")
run = samebit.init()
at = run.resume_state(model, optimizer)
print("goes on from", at and at.step, flush=True)
for step in range(at.step if at else 0, steps):
    batch = torch.randn(4, 8, generator=torch.Generator().manual_seed(100 * step + rank))
    optimizer.zero_grad()
    model(batch).square().mean().backward()
    optimizer.step()
    if dies and rank == 1 and step == steps - 1:
        while not os.path.exists("last"):  # which rank 0 has written by then
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)
    run.checkpoint(keep={"last": 3})
    if dies and step == steps - 1:
        run._recording.checkpoints.wait()
        open("last", "w").close()
found = everything(model, optimizer)
if rank == 0:
    torch.save(found, "whole.pt")
dist.destroy_process_group()
"""
)
LOAD = (
    MODEL
    + """
model, optimizer = made(7, sys.argv[2])
samebit.open_run(sys.argv[1]).state().load_into(model, optimizer)
found = everything(model, optimizer)
dcp.save(model.state_dict(), checkpoint_id=f"dcp-{dist.get_world_size()}-{sys.argv[2]}")
if rank == 0:
    torch.save(found, "loaded.pt")
dist.destroy_process_group()
"""
)


def ranks(project: Project, count: int, *words: str, run: tuple[str, ...]) -> Ended:
    launcher = [TORCHRUN, "--nproc-per-node", str(count), "--standalone", *words]
    return project.run(*run, "--", *launcher, OMP_NUM_THREADS="1")


def load(warm: Warm, project: Project, count: int, *words: str) -> Ended:
    """A script of as many ranks, which records nothing."""
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports(1)[0])}
    each = [{"RANK": str(rank), "WORLD_SIZE": str(count), **meet} for rank in range(count)]
    return project.fork(warm, *words, ranks=each, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Five steps of two ranks."""
    project = Project(tmp_path_factory.mktemp("sharded"))
    project.write("train.py", TRAIN)
    project.write("load.py", LOAD)
    ended = ranks(project, 2, "train.py", "5", run=("--name", "otter"))
    assert ended.code == 0, ended
    return project


def equal(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    assert list(ours) == list(theirs)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def weights(project: Project) -> dict[str, Any]:
    return {name: t for name, t in torch.load(project.path / "whole.pt").items() if " " not in name}


def test_what_is_exported_is_the_model_that_was_never_cut(trained: Project) -> None:
    expected = weights(trained)
    torch.save(expected, trained.path / "plain.pt")
    for file in ("m.pt", "m.safetensors", "m.npz"):
        ended = trained.call(SAMEBIT, "state", "export", "otter", file)
        assert ended.code == 0, ended
        same = trained.call(SAMEBIT, "identify", file, "plain.pt")
        assert (same.code, same.out.splitlines()[-1]) == (0, "the same model"), same
        assert trained.call(SAMEBIT, "state", "diff", "otter", file).code == 0
    assert equal(torch.load(trained.path / "m.pt"), expected)
    said = trained.call(SAMEBIT, "identify", "plain.pt", "--json").json
    stored = open_run("otter", store=trained.store).state()
    assert stored.identity() == said["identity"]
    assert equal(stored.state_dict(), expected)
    optimizer = stored.value()["optimizer"]["state"]
    whole = torch.load(trained.path / "whole.pt")
    for name, values in optimizer.items():
        for key, value in values.items():
            assert torch.equal(value, whole[f"{name} {key}"])


def test_it_is_listed_and_shown_as_one_leaf(trained: Project) -> None:
    rows = trained.call(SAMEBIT, "state", "ls", "otter", "--json").json["states"]
    names = [row["name"] for row in rows if row["kept"] != "dropped"]
    assert names == ["step 0", "checkpoint 3", "checkpoint 4", "checkpoint 5", "final"]
    assert {(tuple(row["ranks"]), row["identity"]) for row in rows} == {(("0", "1"), "sharded")}
    said = trained.call(SAMEBIT, "state", "show", "otter", "--json").json
    assert said["leaves"]["model.0.weight"]["shape"] == [15, 8]
    assert said["identity"]["model"] == open_run("otter", store=trained.store).state().identity()
    shown = trained.call(SAMEBIT, "state", "show", "otter").out
    assert "in parts of 2 ranks" in shown
    alone = trained.call(SAMEBIT, "state", "show", "otter", "--rank", "1", "--json").json
    assert alone["leaves"]["model.0.weight"]["shape"] == [7, 8]
    changed = trained.call(SAMEBIT, "state", "diff", "otter:4", "otter:5", "--json").json
    (leaf,) = [leaf for leaf in changed["leaves"] if leaf["place"] == "model.0.weight"]
    assert (leaf["a"]["shape"], leaf["max_abs"] > 0) == ([15, 8], True)


def test_one_ranks_part_is_not_exported_as_the_whole(trained: Project) -> None:
    ended = trained.call(SAMEBIT, "state", "export", "otter", "part.pt", "--rank", "1")
    assert ended.code == 7
    assert "'model.0.weight' is not whole" in ended.err
    assert not (trained.path / "part.pt").exists()


@pytest.mark.parametrize(("count", "cut"), [(1, ""), (2, "rows"), (3, "rows"), (2, "columns")])
def test_it_is_loaded_on_any_number_of_ranks(
    trained: Project, warm: Warm, count: int, cut: str
) -> None:
    ended = load(warm, trained, count, "load.py", "otter", cut)
    assert ended.code == 0, ended
    assert equal(torch.load(trained.path / "loaded.pt"), torch.load(trained.path / "whole.pt"))
    stored = open_run("otter", store=trained.store).state()
    same = trained.call(SAMEBIT, "identify", f"dcp-{count}-{cut}", "--json")
    assert (same.code, same.json["identity"]) == (0, stored.identity()), same


def test_the_newest_checkpoint_that_all_ranks_have_is_gone_on_from(
    trained: Project, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.write("train.py", TRAIN)
    killed = ranks(project, 2, "train.py", "4", "dies", run=("--name", "otter"))
    assert killed.code != 0
    view = project.view()
    left = [[n for n in view.at_rank(r).states if n.startswith("checkpoint")] for r in ("0", "1")]
    assert left[0][-1] == "checkpoint 4", killed  # which rank 1 has not
    assert left[1][-1] == "checkpoint 3"
    with pytest.raises(NotFound, match="the part of rank 1 is not here"):
        open_run("otter", store=project.store).state("4").value()
    listed = project.call(SAMEBIT, "state", "ls", "otter", "--json").json["states"]
    assert [row["identity"] for row in listed if row["name"] == "checkpoint 4"] == [
        "rank 1 missing"
    ]
    ended = ranks(project, 2, "train.py", "5", run=("--resume", view.id))
    assert ended.code == 0, ended
    assert ended.out.count("goes on from 3") == 2
    found = torch.load(project.path / "whole.pt")
    assert equal(found, torch.load(trained.path / "whole.pt"))
    stored = open_run("otter", store=project.store).state()
    assert stored.identity() == open_run("otter", store=trained.store).state().identity()


def test_a_run_that_goes_on_with_fewer_ranks_is_the_model_of_those(
    trained: Project, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.write("train.py", TRAIN)
    assert ranks(project, 2, "train.py", "2", run=("--name", "otter")).code == 0
    # Rank 0 of one cannot go on from the part that it had of two.
    refused = ranks(project, 1, "train.py", "4", run=("--resume", "otter"))
    assert refused.code != 0
    assert "it is of 2 ranks, and here there are 1" in refused.err
    # With one more than there were, the new one has nothing to go on from.
    refused = ranks(project, 3, "train.py", "4", run=("--resume", "otter"))
    assert refused.code != 0
    assert "it is of 2 ranks, and here there are 3: run" in refused.err
    assert "this rank is new in the run" in refused.err
    project.write("train.py", TRAIN.replace("run.resume_state(model, optimizer)", "None"))
    ended = ranks(project, 1, "train.py", "4", run=("--resume", "otter"))
    assert ended.code == 0, ended
    stored = open_run("otter", store=project.store).state()
    assert equal(stored.state_dict(), weights(project))


FLAT = """
import os, signal, sys, time, torch, samebit
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP, StateDictType
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

what, words = sys.argv[1], sys.argv[2:]
dist.init_process_group("gloo")
torch.manual_seed(0)
model = nn.Sequential(
    nn.Embedding(11, 5), nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 5, bias=False),
    nn.Linear(5, 11, bias=False),
)
if "wrapped" not in words:  # it knows of none that two of its units share
    model[4].weight = model[0].weight
model = FSDP(
    model, device_id=torch.device("cpu"), use_orig_params="orig" in words,
    auto_wrap_policy=ModuleWrapPolicy({nn.Linear} if "wrapped" in words else set()),
    ignored_modules=[model[2]],
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)

def whole():
    with FSDP.state_dict_type(model, StateDictType.FULL_STATE_DICT):
        return {name: value.clone() for name, value in model.state_dict().items()}

def step():
    optimizer.zero_grad()
    batch = torch.arange(8) % 11 if dist.get_rank() else torch.arange(3, 11)
    nn.functional.cross_entropy(model(batch), batch).backward()
    optimizer.step()

if what == "load":
    state = samebit.open_run(words[0]).state()
    step()  # what is loaded is not what is there
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    state.load_into(model)
    if "optimizer" in words:
        state.load_into(model, optimizer)
    ours, theirs = whole(), torch.load("whole.pt")
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    print("loaded", flush=True)
else:
    run = samebit.init()
    at = run.resume_state(model, optimizer)
    while run.step < 5:
        step()
        if run.step == 2:
            run.checkpoint()
        if run.step == 3 and at is None and what == "kill":
            run._recording.checkpoints.wait()
            dist.barrier()
            os.kill(os.getpid(), signal.SIGKILL)
    found = whole()
    if not dist.get_rank():
        torch.save(found, "whole.pt")
dist.destroy_process_group()
"""
WAYS = [["orig"], ["orig", "wrapped"], [], ["wrapped"]]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """The training that was never stopped, of each way once."""

    @functools.cache
    def of(*words: str) -> Project:
        project = Project(tmp_path_factory.mktemp("flat"))
        project.write("flat.py", FLAT)
        named = ("--seed", "1", "--name", "straight")
        ended = ranks(project, 2, "flat.py", "train", *words, run=named)
        assert ended.code == 0, ended
        return project

    return of


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_flat_parameters_are_put_together(
    straight: Callable[..., Project], warm: Warm, words: list[str]
) -> None:
    """FSDP's first version: cut wherever it falls, with tied parameters and a buffer."""
    project = straight(*words)
    exported = project.call(SAMEBIT, "state", "export", "straight", "model.pt")
    assert exported.code == 0, exported
    expected = torch.load(project.path / "whole.pt")
    found = torch.load(project.path / "model.pt")
    assert sorted(found) == sorted(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    same = project.call(SAMEBIT, "identify", "model.pt", "whole.pt")
    assert same.out.splitlines()[-1] == "the same model"
    stored = open_run("straight", store=project.store).state()
    plain = torch.nn.ModuleList(
        [torch.nn.Embedding(11, 5), torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7)]
    )
    plain += [torch.nn.Linear(7, 5, bias=False), torch.nn.Linear(5, 11, bias=False)]
    if "wrapped" not in words:
        plain[4].weight = plain[0].weight
    stored.load_into(plain)
    assert all(torch.equal(value, expected[name]) for name, value in plain.state_dict().items())
    for count in (1, 2, 3):
        more = ["optimizer"] if count == 2 or "orig" in words else []
        loaded = load(warm, project, count, "flat.py", "load", "straight", *words, *more)
        assert loaded.out.count("loaded") == count, loaded


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_a_training_with_flat_parameters_goes_on_to_the_bit(
    straight: Callable[..., Project], words: list[str]
) -> None:
    project = straight(*words)
    assert (
        ranks(project, 2, "flat.py", "kill", *words, run=("--seed", "1", "--name", "killed")).code
        != 0
    )
    resumed = ranks(project, 2, "flat.py", "kill", *words, run=("--resume", "killed"))
    assert resumed.code == 0, resumed
    differing = project.call(SAMEBIT, "state", "diff", "straight", "killed")
    assert differing.code == 0, differing
