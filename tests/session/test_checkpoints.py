"""Checkpoints: what stays of them, what a crash leaves, and what they do to a training."""

import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from samebit.folders.read import View  # noqa: E402
from samebit.objects.store import Store  # noqa: E402
from samebit.states import storing  # noqa: E402
from tests.loaded import load  # noqa: E402
from tests.projects import SAMEBIT, Project  # noqa: E402
from tests.warm import Warm  # noqa: E402

pytestmark = pytest.mark.slow

TRAIN = """
import os, sys, torch, samebit
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Linear(64, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
loader = torch.utils.data.DataLoader(torch.eye(8, 4), batch_size=2, shuffle=True)
run = samebit.init()
run.watch(model, optimizer)
losses = {4: 0.5, 8: 0.1, 12: float("nan"), 16: 0.3}
for epoch in range(4):
    for batch in loader:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    run.log({"val.loss": losses[run.step]})
    run.log({"other": 1.0})
    run.checkpoint(keep=KEEP, extra={"epoch": epoch})
print(run.step)
"""


def trained(project: Project, keep: str = "None", **env: str) -> View:
    project.write("train.py", TRAIN.replace("KEEP", keep))
    ended = project.run("train.py", **env)
    assert (ended.code, ended.out) == (0, "16\n"), ended
    return project.view()


def there(view: View) -> dict[str, str]:
    """Each checkpoint, and what of it stays."""
    return {
        name: "dropped" if fact.get("dropped") else "whole" if fact.get("whole") else "weights"
        for name, fact in view.states.items()
        if name.startswith("checkpoint")
    }


def whole(view: View, name: str) -> bool:
    """Whether every byte of a state can be read."""
    state = load(Store(view.folder.store), view.manifest(name), as_torch=True)
    return state["progress"]["step"] == view.states[name]["step"]


def test_the_rule_holds_the_last_the_best_and_the_weights_of_some(project: Project) -> None:
    view = trained(project, '{"best": "val.loss:min", "weights_every": 4}')
    assert there(view) == {
        "checkpoint 4": "weights",
        "checkpoint 8": "whole",
        "checkpoint 12": "weights",
        "checkpoint 16": "whole",
    }
    assert view.missing == []
    assert whole(view, "checkpoint 8")
    weights = load(Store(project.store), view.manifest("checkpoint 4"), as_torch=True)
    assert list(weights) == ["model"]
    assert view.states["checkpoint 4"]["count"] == 4  # by which a later execution replaces it
    facts = view.states["checkpoint 8"]
    assert (facts["epoch"], facts["batch"], facts["metric"]) == (2, 0, ["val.loss", 0.1])
    assert {"step 0", "final"} <= set(view.states)
    # The one at the end has the very arrays of the final state.
    last, final = (
        storing.read_manifest(Store(project.store), view.manifest(name)).leaves
        for name in ("checkpoint 16", "final")
    )
    assert final.items() <= last.items()


def test_the_setting_says_what_stays_where_the_script_does_not(project: Project) -> None:
    view = trained(project, SAMEBIT_STATES_CHECKPOINTS="last=1,every=8")
    assert there(view) == {
        "checkpoint 4": "dropped",
        "checkpoint 8": "whole",
        "checkpoint 12": "dropped",
        "checkpoint 16": "whole",
    }


LONG = """
import os, sys, torch, samebit
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(100, 300), torch.nn.Linear(300, 100))
model[0].requires_grad_(False)  # the same in every checkpoint
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
run = samebit.init()
run.watch(model, optimizer)
for step in range(12):
    optimizer.zero_grad()
    model(torch.ones(2, 100)).square().mean().backward()
    optimizer.step()
    run.checkpoint(keep=KEEP)
"""


def bytes_there(store: Path) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


@pytest.mark.parametrize("keep", [{"last": 2}, {"last": 2, "weights_every": 100}])
def test_what_the_rule_lets_go_of_is_off_the_disk_at_once(
    project: Project, keep: dict[str, int]
) -> None:
    project.write("train.py", LONG.replace("KEEP", repr(keep)))
    assert project.run("train.py").code == 0
    view = project.view()
    assert list(there(view).values()) == ["dropped"] * 10 + ["whole"] * 2
    store = Store(project.store)
    kept = ["step 0", "checkpoint 11", "checkpoint 12", "final"]
    named = set[str]().union(*(storing.objects_of(store, view.manifest(name)) for name in kept))
    assert all(whole(view, name) for name in kept[1:3])
    assert {store.name_of(path) for path in store.object_paths()} <= named
    # Its manifest stays, for the sake of the digests; small arrays do where the pack has others.
    trained = 120_000 * 3
    assert bytes_there(project.store) < 4 * trained + 120_000 + 400_000
    ended = project.call(SAMEBIT, "check")
    assert ended.code == 0, ended
    ended = project.call(SAMEBIT, "state", "export", "@last:checkpoint 3", "three.npz")
    assert ended.code == 7, ended
    assert "let go of" in ended.err, ended
    ended = project.call(SAMEBIT, "state", "diff", "@last:checkpoint 3", "@last:checkpoint 4")
    assert ended.code == 5, ended
    assert ended.out.count("the bytes are not here any more") >= 2
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 0, ended
    assert "checkpoints identical: 12 of 12" in project.views()[0].verdicts[0].scope


def test_weights_that_stay_are_not_taken_back_with_the_rest(project: Project) -> None:
    keep = {"last": 1, "weights_every": 3}
    project.write("train.py", LONG.replace("KEEP", repr(keep)))
    assert project.run("train.py").code == 0
    view = project.view()
    assert [name for name, left in there(view).items() if left == "weights"] == [
        "checkpoint 3",
        "checkpoint 6",
        "checkpoint 9",
    ]
    for name in ("checkpoint 3", "checkpoint 6", "checkpoint 9"):
        assert list(load(Store(project.store), view.manifest(name), as_torch=True)) == ["model"]
    assert bytes_there(project.store) < (1 + 3 + 3) * 120_000 + 2 * 120_000 + 500_000


@pytest.mark.parametrize("point", ["journal.sync=error@1+", "disk.remove=error@1+"])
def test_what_cannot_be_taken_back_is_left_there(project: Project, point: str) -> None:
    project.write("train.py", LONG.replace("KEEP", "{'last': 2}"))
    ended = project.run("train.py", SAMEBIT_FAULTS=point)
    assert ended.code == 0, ended
    view = project.view()
    assert list(there(view).values()) == ["dropped"] * 10 + ["whole"] * 2
    assert any("injected fault" in line for line in view.missing), view.missing
    if point.startswith("journal"):
        assert whole(view, "checkpoint 1")  # nothing says for sure that it was let go of
    assert whole(view, "checkpoint 12")
    assert project.call(SAMEBIT, "gc", "--delete").code == 0
    assert not list((project.store / "tmp").iterdir())


@pytest.mark.parametrize("keep", ["digest", "none"])
def test_bytes_are_not_kept_where_the_user_wants_none(project: Project, keep: str) -> None:
    view = trained(project, SAMEBIT_STATES_KEEP=keep)
    if keep == "none":
        assert not view.states
        assert any("states.keep is none" in line for line in view.missing)
    else:
        assert [fact["kept"] for fact in view.states.values()] == [False] * 6


def test_a_rule_that_does_not_exist_costs_the_training_nothing(project: Project) -> None:
    view = trained(project, '{"newest": 1}')
    assert there(view) == {}
    assert any("cannot be kept by 'newest'" in line for line in view.missing)


WHAT = """
import collections, sys, torch, samebit
class Late:
    def __init__(self):
        self.last, self.plain, self.by = collections.deque(maxlen=3), [], object()
    def state_dict(self):
        return {"last": self.last, "plain": self.plain, "of": [self.by]}
    def load_state_dict(self, state): ...
run = samebit.init()
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
late = Late()
run.watch(model, optimizer, scheduler, late)
run.checkpoint(0, extra={"odd": object()})
late.last.append(1)
run.checkpoint(1, extra={"odd": object(), "further": [collections.deque()]})
model(torch.ones(1, 2)).sum().backward()
run.checkpoint(2)
optimizer.step()
run.watch(object())
"""


def test_what_a_checkpoint_cannot_give_back_is_said_when_it_is_taken(project: Project) -> None:
    project.write("train.py", WHAT)
    assert project.run("train.py").code == 0
    lines = "\n".join(project.view().missing)
    assert "extra.odd: not all of it can be given back: cannot store a value of type" in lines
    assert "extra.further.0: not all of it can be given back" in lines
    assert "Late.of.0: there is only a description of it" in lines  # at once
    assert "Late.last, Late.of.0: there is only a description of it" in lines  # as it changes
    assert "MultiStepLR" not in lines
    assert "take it after optimizer.step()" in lines
    assert "watch() takes modules" in lines


CRASH = """
import os, sys, torch, samebit
from samebit import disk
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 400), torch.nn.Linear(400, 50))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
run = samebit.init()
run.watch(model, optimizer)
for step in range(1, 4):
    optimizer.zero_grad()
    model(torch.ones(2, 4)).square().mean().backward()
    optimizer.step()
    if step == 3:
        run._recording.checkpoints.wait()  # what was begun before is written by now
        point, action = sys.argv[1].split("=")
        action, _, nth = action.partition("@")
        disk.FAULTS.armed[point] = (action, disk.FAULTS.seen.get(point, 0) + int(nth), True)
        disk.FAULTS.seen.setdefault(point, 0)
    if step > 1:
        run.checkpoint(keep={"last": 1})
run._recording.checkpoints.wait()
"""
POINTS = [
    "run.checkpoint",
    "state.save",
    "disk.create",
    "disk.fsync",
    "disk.rename",
    "disk.remove",
    "journal.write",
]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("action", ["kill@1", "kill@2", "full@1", "error@1"])
def test_whatever_fails_while_one_is_saved_the_one_before_is_whole(
    project: Project, warm: Warm, point: str, action: str
) -> None:
    project.write("train.py", CRASH)
    # Arms nothing yet: the script does, when the first checkpoint is there.
    unarmed = {"SAMEBIT_FAULTS": "hooks.clip=raise@99"}
    ended = project.fork(warm, "train.py", f"{point}={action}", **unarmed)
    killed = ended.code == -signal.SIGKILL
    assert killed == (action.startswith("kill") and (point, action) not in NOT_REACHED), ended
    view = project.view()
    left = [name for name, state in there(view).items() if state == "whole"]
    assert left, there(view)
    for name in left:
        assert whole(view, name)
    if left == ["checkpoint 2"] and not killed:
        assert any("injected fault" in line for line in view.missing)
    assert not view.gaps
    # Nothing lies about that is taken for an object.
    objects = [path for path in (project.store / "objects").rglob("*") if path.is_file()]
    assert all(Store(project.store).read(f"blake3:{p.parent.name}{p.name}") for p in objects)


NOT_REACHED = {("run.checkpoint", "kill@2")}


def test_a_forked_child_takes_none(project: Project) -> None:
    project.write(
        "train.py",
        """
        import os, samebit, torch
        run = samebit.init()
        if os.fork() == 0:
            run.checkpoint(1, extra=1)
            print(run.resume_state())
            os._exit(0)
        os.wait()
        """,
    )
    ended = project.run("train.py")
    assert ended.code == 0
    assert project.view().states == {}


@pytest.mark.slow
def test_after_an_interrupt_a_checkpoint_is_not_waited_for_for_long(project: Project) -> None:
    project.write(
        "train.py",
        """
        import os, samebit, signal, threading, time, torch
        from samebit.states import storing
        run = samebit.init()
        run.watch(torch.nn.Linear(4, 2))
        run.checkpoint(1, keep={"last": 9})
        run._recording.checkpoints.wait()
        save = storing.save
        def slow(*given, **more):
            if threading.current_thread().name == "samebit-states":
                time.sleep(60)
            return save(*given, **more)
        storing.save = slow
        run.checkpoint(2, keep={"last": 9})
        os.kill(os.getpid(), signal.SIGINT)
        """,
    )
    ended = project.run("train.py")
    assert ended.code == -signal.SIGINT
    assert ended.err.count("still being written 5 s after the interrupt") == 1
    view = project.view()
    assert list(view.states) == ["checkpoint 1"]
    assert (view.status, len(view.missing)) == ("killed", 1)


def test_the_copy_is_made_into_the_same_memory_again(tmp_path: Path) -> None:
    code = """
    import samebit, torch
    run = samebit.init()
    model = torch.nn.Linear(1000, 100)
    run.watch(model)
    kept = []
    for step in range(3):
        with torch.no_grad():
            model.weight.fill_(step)
        with torch.inference_mode(step == 1):
            run.checkpoint(step, keep={"last": 3})
        kept.append(run._recording.checkpoints._buffers["model.weight"].data_ptr())
    print(len(set(kept)))
    """
    project = Project(tmp_path)
    project.write("train.py", code)
    ended = project.run("train.py")
    assert ended.out == "1\n", ended
    view = project.view()
    for step in range(3):
        state = load(Store(project.store), view.manifest(f"checkpoint {step}"), as_torch=True)
        assert bool((state["model"]["weight"] == step).all())


def test_what_is_given_beside_may_be_of_any_library_and_change_its_kind(tmp_path: Path) -> None:
    code = """
    import jax.numpy as jnp, numpy as np, torch, samebit
    run = samebit.init()
    kinds = [b"ab", np.float32(1), np.ones(()), torch.ones(()), jnp.ones(3), np.ones((2, 3)).T]
    kinds.append(b"c")
    for step in range(len(kinds)):
        extra = {"jax": jnp.full((2, 3), step), "bytes": bytes([step]), "kind": kinds[step]}
        run.checkpoint(step, keep={"last": 9}, extra=extra)
    """
    project = Project(tmp_path)
    project.write("train.py", code)
    ended = project.run("train.py")
    assert (ended.code, "checkpoint" in ended.err) == (0, False), ended
    view = project.view()
    states = [
        load(Store(project.store), view.manifest(f"checkpoint {step}"), as_torch=False)["extra"]
        for step in range(7)
    ]
    assert [state["jax"].tolist() for state in states] == [[[step] * 3] * 2 for step in range(7)]
    assert [state["bytes"] for state in states] == [bytes([step]) for step in range(7)]
    assert (states[0]["kind"], states[6]["kind"]) == (b"ab", b"c")
    assert [state["kind"].shape for state in states[1:6]] == [(), (), (), (3,), (3, 2)]


def test_a_replay_keeps_digests_and_they_are_compared(project: Project) -> None:
    trained(project)
    ended = project.call(SAMEBIT, "verify", "@last", "--json")
    assert ended.code == 0, ended
    run, replay = project.views()
    assert {state["kept"] for name, state in replay.states.items() if "check" in name} == {False}
    assert "checkpoints identical: 4 of 4" in run.verdicts[0].scope


def test_a_checkpoint_that_is_another_in_the_replay_is_a_difference(project: Project) -> None:
    watch = """
average = torch.nn.Linear(2, 1)  # the trace has nothing of what is beside the model
average.weight.data.fill_(0.5)
if "SAMEBIT_RATES" in os.environ:
    average.weight.data += 1
run.watch(average)
for epoch"""
    as_it_was = """
if "SAMEBIT_RATES" in os.environ:
    average.weight.data -= 1
print"""
    code = TRAIN.replace("KEEP", "None").replace("for epoch", watch, 1)
    project.write("train.py", code.replace("print", as_it_was, 1))
    assert project.run("train.py").code == 0
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 5, ended
    assert "a checkpoint differs: checkpoint 4: model_2.weight" in ended.out
