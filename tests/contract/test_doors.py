"""Which run a door records into, and who ends it: the table of design 034, a test for each row."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import WarmBehind
from tests.contract.doors import DOORS
from tests.projects import SAMEBIT, Ended, Project

EACH = [pytest.param(one, marks=[pytest.mark.slow] * DOORS[one].is_large) for one in DOORS]
# The rows that no code of a framework's own has a part in: of those whose code all others share.
SHARED = ("Door", "wandb", "sklearn", "optuna", "xgboost", "ignite")
BEGINNING = [one for one in EACH if one.values[0] in SHARED]

Ran = Callable[..., Ended]
# Those of one door behind one another, in forks of a process that has its framework.
each_door = pytest.mark.parametrize("name", EACH, scope="module")
beginning_door = pytest.mark.parametrize("name", BEGINNING, scope="module")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def ran(project: Project, warm_behind: WarmBehind) -> Ran:
    """Runs a script behind the lines of a door, in a fork of a process that has its framework."""

    def run(name: str, script: str, *, supervised: bool = False) -> Ended:
        project.write("door.py", DOORS[name].code)
        project.write("a.py", f"from door import *\nimport os, samebit, sys\n{script}")
        given = {"KERAS_BACKEND": "torch", "PYTHONHASHSEED": "0"}
        if supervised:
            ended = project.run("a.py", **given)
        elif warm := warm_behind(name):
            ended = project.fork(warm, "a.py", **given)
        else:
            ended = project.python("a.py", **given)
        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err
        return ended

    return run


@each_door
def test_alone_it_begins_a_run_which_is_whole_at_the_exit(
    project: Project, ran: Ran, name: str
) -> None:
    door = DOORS[name]
    ran(name, "use(make(), 1)")
    if not door.begins:
        assert project.views() == []
        return
    view = project.view()
    assert (view.status, door.count(view)) == ("finished", 1)


@beginning_door
def test_its_finish_ends_what_it_began_and_nothing_else(
    project: Project, ran: Ran, name: str
) -> None:
    door = DOORS[name]
    ran(name, "door = make(); use(door, 1); finish(door); os._exit(0)")
    assert project.view().status == ("finished" if door.ends else "broken off")


@each_door
def test_behind_an_init_it_joins_and_leaves_the_end_to_the_script(
    project: Project, ran: Ran, name: str
) -> None:
    door = DOORS[name]
    script = """
ours = samebit.init(name="mine")
door = make(); use(door, 1); finish(door)
ours.log({"behind": 1})
use(make(), 2)
ours.finish()
"""
    ran(name, script)
    view = project.view()
    assert (view.status, view.name) == ("finished", "mine")
    assert door.count(view) >= 1
    assert "behind" in view.metrics


@each_door
def test_an_init_behind_it_joins_and_has_the_end(project: Project, ran: Ran, name: str) -> None:
    door = DOORS[name]
    script = """
door = make()
ours = samebit.init({"lr": 0.5}, name="mine", group="g", seed=3)
use(door, 1); finish(door)
ours.log({"behind": 1})
ours.finish()
"""
    ran(name, script)
    view = project.view()
    assert (view.status, view.name, view.group) == ("finished", "mine", "g")
    assert (door.count(view), "behind" in view.metrics) == (1, True)
    assert view.facts["config"]["lr"] == 0.5
    assert (view.facts.get("asked") or {}).get("seed", view.start and view.start.seed) == 3


@each_door
def test_inside_of_samebit_run_all_of_a_script_is_one_run(
    project: Project, ran: Ran, name: str
) -> None:
    door = DOORS[name]
    script = """
door = make(); use(door, 1); finish(door)
ours = samebit.init({"lr": 0.5}, name="mine")
ours.log({"behind": 1})
"""
    ran(name, script, supervised=True)
    view = project.view()
    assert (view.status, view.name, door.count(view)) == ("finished", "mine", 1)
    assert ("behind" in view.metrics, view.facts["config"]["lr"]) == (True, 0.5)


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(
    "name",
    [*(one for one in BEGINNING if one.values != ("wandb",)), "SummaryWriter"],
    scope="module",
)
def test_of_two_at_once_the_first_has_the_run(
    project: Project, ran: Ran, name: str, supervised: bool
) -> None:
    """The other one is wandb's shape, which a script finishes itself."""
    door = DOORS[name]
    script = """
import samebit.compat.wandb as other
first = make()
second = other.init()
use(first, 1)
second.log({"y": 1})
other.finish()
use(first, 2)
"""
    ran(name, script, supervised=supervised)
    view, *others = project.views()
    assert others == []
    # A writer begins none: what is behind the end of the only one that did is in no record.
    assert door.count(view) == (2 if door.begins or supervised else 1)
    assert view.metrics["y"].values == [1]


@pytest.mark.parametrize("supervised", [False, True])
@beginning_door
def test_in_a_fork_it_writes_rows_alone(
    project: Project, ran: Ran, name: str, supervised: bool
) -> None:
    door = DOORS[name]
    script = """
door = make()
use(door, 1)
if not os.fork():
    use(door, 2)
    finish(door)
    other = make()
    use(other, 3); use(other, 3)
    os._exit(0)
os.wait()
use(door, 4)
"""
    ran(name, script, supervised=supervised)
    view = project.view()
    assert view.status == "finished"
    # The child counts on from where the parent was: what the parent logs then replaces its first.
    assert (3 in view.metrics[door.metric].values) == door.makes_rows_elsewhere
    assert door.count(view) >= 2


@beginning_door
def test_in_a_worker_it_begins_no_run(project: Project, ran: Ran, name: str) -> None:
    door = DOORS[name]
    script = """
import multiprocessing

def work():
    door = make(); use(door, 7); finish(door)

if __name__ == "__main__":
    use(make(), 1)
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start(); child.join()
    assert child.exitcode == 0
"""
    ran(name, script)
    view = project.view()
    assert (view.status, door.count(view)) == ("finished", 1)


@pytest.mark.parametrize("how", ["spawn", "joblib"])
@pytest.mark.parametrize("name", ["Door", "wandb"])
def test_pickled_into_a_worker_it_writes_rows_into_the_run(
    project: Project, ran: Ran, name: str, how: str
) -> None:
    script = """
def work(door):
    use(door, 7)

if __name__ == "__main__":
    door = make()
    use(door, 1)
    if HOW == "spawn":
        import multiprocessing
        child = multiprocessing.get_context("spawn").Process(target=work, args=(door,))
        child.start(); child.join()
        assert child.exitcode == 0
    else:
        import joblib
        joblib.Parallel(n_jobs=2)([joblib.delayed(work)(door)])
"""
    ran(name, f"HOW = {how!r}{script}")
    view = project.view()
    assert view.metrics["x"].values == [1, 7]


@pytest.mark.parametrize(
    "name", [one for one in EACH if DOORS[one.values[0]].begins], scope="module"
)
def test_it_is_pickled_and_copied(project: Project, ran: Ran, name: str) -> None:
    """As an attribute of what a framework copies, or sends to other processes."""
    door = DOORS[name]
    script = """
import copy, pickle
door = make()
for other in (pickle.loads(pickle.dumps(door)), copy.deepcopy({"door": door})["door"]):
    use(other, 1)
use(door, 2)
"""
    ran(name, script)
    view = project.view()
    assert view.status == "finished"
    assert door.count(view) >= 1


HANDLE = """
import copy, multiprocessing, pickle

def work(run):
    run.log({"nested": {"x": 7}, "left out": object()}, step=9)
    run.trace(loss=1.0); run.watch(); run.data("d", [1])  # taken, of no effect
    print(run.id, run.step, flush=True)
    run.finish()

if __name__ == "__main__":
    run = samebit.init({"lr": 1})
    run.log({"x": 1})
    assert copy.deepcopy({"run": run})["run"] is run and copy.copy(run) is run
    pickle.loads(pickle.dumps(run)).log({"x": 2})
    child = multiprocessing.get_context("spawn").Process(target=work, args=(run,))
    child.start(); child.join()
    assert child.exitcode == 0
    print(run.id)
"""


@pytest.mark.parametrize("supervised", [False, True])
def test_a_handle_is_pickled_and_writes_rows_from_a_worker(
    project: Project, ran: Ran, supervised: bool
) -> None:
    """As an attribute of a data set, a module or a configuration, or an argument of `spawn`."""
    ended = ran("Door", HANDLE, supervised=supervised)
    view = project.view()
    assert ended.out.split() == [view.id, "0", view.id]
    assert (view.status, view.metrics["x"].values) == ("finished", [1, 2])
    column = view.metrics["nested.x"]
    assert (column.steps, column.values) == ([9], [7])
    assert "'left out' is not kept" in ended.err


@pytest.mark.parametrize("kind", ["Door", "handle"])
def test_one_that_is_loaded_by_another_script_touches_no_run(
    project: Project, ran: Ran, kind: str
) -> None:
    """As of a checkpoint, in which a logger or a handle was saved."""
    made = "make()" if kind == "Door" else "samebit.init()"
    row = {"Door": "it.log({'x': 1}, None)", "handle": "it.log({'x': 1}); it.finish()"}[kind]
    ran("Door", f"import pickle; it = {made}; pickle.dump(it, open('it', 'wb'))")
    ran("Door", f"import pickle; it = pickle.load(open('it', 'rb')); {row}")
    assert "x" not in project.views()[0].metrics
    assert len(project.views()) == (2 if kind == "Door" else 1)


def test_a_handle_that_is_nobodys_is_pickled(project: Project, ran: Ran) -> None:
    """Where no record is kept a training goes on all the same."""
    project.store.write_text("a file, where the store should be")
    ran("Door", HANDLE)


@beginning_door
def test_in_a_notebook_a_cell_that_failed_is_no_end(project: Project, ran: Ran, name: str) -> None:
    door = DOORS[name]
    script = """
import code
sys.ps1 = ">>> "
cells = code.InteractiveInterpreter({**globals()})
sys.stderr, kept = open(os.devnull, "w"), sys.stderr
for cell in ("door = make(); use(door, 1)", "{}['gone']", "use(door, 2)"):
    cells.runsource(cell)
sys.stderr = kept
"""
    ran(name, script)
    view = project.view()
    assert (view.status, door.count(view)) == ("finished", 2)


SPAWNING = """
import tempfile, torch
import torch.distributed as dist
import torch.multiprocessing as mp

def work(rank, place, door):
    torch.manual_seed(3)
    {late}dist.init_process_group("gloo", f"file://{{place}}", rank=rank, world_size=2)
    {enter}
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    data = torch.utils.data.TensorDataset(torch.eye(4) + rank)
    for (batch,) in torch.utils.data.DataLoader(data, batch_size=2):
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()
        optimizer.step()
        {log}
    print("rank", rank, flush=True)
    dist.destroy_process_group()

if __name__ == "__main__":
    {begin}
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(work, (f"{{folder}}/meet", door), nprocs=2)
"""
OF_DOOR = {
    "late": "",
    "begin": "door = make()",
    "enter": "door.enter(); door.settings({'setting': 1})",
    "log": "door.log({'x': 10 * rank + loss.item()}, None)",
}
OF_HANDLE = {
    "late": "",
    "begin": "door = samebit.init()",
    "enter": "door.config = {'setting': 1}",
    "log": "door.log({'x': 10 * rank + loss.item()})",
}
OF_INIT = {
    "late": "",
    "begin": "door = None; samebit.init()",
    "enter": "run = samebit.init({'setting': 1})",
    "log": "run.log({'x': 10 * rank + loss.item()})",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines",
    [OF_DOOR, OF_HANDLE, OF_INIT, {**OF_INIT, "late": "samebit.init(); "}],
    ids=["a pickled door", "a pickled handle", "init in the rank", "init before it is a rank"],
)
def test_ranks_that_are_spawned_without_samebit_run_join_as_ranks(
    project: Project, ran: Ran, lines: dict[str, str]
) -> None:
    ended = ran("Door", SPAWNING.format(**lines))
    assert sorted(ended.out) == sorted("rank 0\nrank 1\n"), ended  # both print at once
    view = project.view()
    assert (view.status, view.ranks) == ("finished", ["0", "1"])
    for rank in view.ranks:
        seen = view.at_rank(rank)
        assert len(seen.trace) == 2
        assert [value // 10 for value in seen.metrics["x"].values] == [int(rank)] * 2
        assert seen.metrics["x"].steps == [1, 2]
        assert seen.facts["config"] == {"setting": 1}
    assert {"step 0", "final"} <= view.states.keys()
    verdict = project.call(SAMEBIT, "verify", view.id)
    assert (verdict.code, verdict.out.split()[0]) == (0, "identical"), verdict
