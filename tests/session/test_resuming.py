"""At which step a resumed run goes on: by the optimizer's own count, or by the journal."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from samebit.session.resuming import Left, base_of, restored_step  # noqa: E402
from tests.projects import SAMEBIT, Project  # noqa: E402


def optimizer(kind: str, steps: int = 0, **given: float) -> "torch.optim.Optimizer":
    weight = torch.nn.Parameter(torch.ones(3))
    made = getattr(torch.optim, kind)([weight], lr=0.1, **given)
    for _ in range(steps):
        weight.grad = torch.ones(3)
        made.step()
    return made


COUNTING = [
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ASGD",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
]


@pytest.mark.parametrize("kind", COUNTING)
def test_an_optimizer_that_counts_says_where_it_is(kind: str) -> None:
    assert restored_step(optimizer(kind, 7)) == 7
    assert base_of(Left({0: 12}), 0, optimizer(kind, 7)) == (7, 7, "optimizer")


@pytest.mark.parametrize("kind", COUNTING)
def test_one_into_which_nothing_was_loaded_begins_anew(kind: str) -> None:
    assert base_of(Left({0: 12}), 0, optimizer(kind))[::2] == (0, "optimizer")


@pytest.mark.parametrize("given", [{}, {"momentum": 0.9}], ids=["plain", "momentum"])
def test_one_that_counts_nothing_counts_on_from_the_journal(given: dict[str, float]) -> None:
    assert base_of(Left({0: 12}), 0, optimizer("SGD", 7, **given)) == (12, None, "journal")
    assert base_of(Left({0: 12}), 1, optimizer("SGD")) == (0, None, "journal")


def test_what_an_optimizer_had_counted_before_the_run_is_taken_off() -> None:
    left = Left({0: 20}, offsets={0: 1000})
    assert base_of(left, 0, optimizer("Adam", 7)) == (20, 7, "journal")  # of another training
    counting = optimizer("Adam", 1)
    for state in counting.state.values():
        state["step"] = torch.tensor(1015.0)
    assert base_of(left, 0, counting) == (15, 1015, "optimizer")


def test_a_count_on_a_device_is_not_waited_for() -> None:
    made = optimizer("Adam", 3)
    for state in made.state.values():
        state["step"] = torch.empty((), device="meta")
    assert restored_step(made) is None


TRAIN = """
import os, sys, torch, samebit
torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = getattr(torch.optim, sys.argv[1])(model.parameters(), lr=0.01)
done = 0
if os.path.exists("checkpoint.pt"):
    found = torch.load("checkpoint.pt")
    model.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    done = found["done"]
run = samebit.init()
for step in range(done + 1, 9):
    optimizer.zero_grad()
    loss = model(torch.ones(1, 2)).square().sum()
    loss.backward()
    optimizer.step()
    run.log({"loss": loss.item()})
    if step == 4 and not done:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": step}
        torch.save(state, "checkpoint.pt")
    if step == 7 and not done:
        run.log({"val": 1.0}, step=1)
        os._exit(9)
print(run.step)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "base", "last"), [("Adam", 4, 8), ("SGD", 7, 11)], ids=["counts", "counts nothing"]
)
def test_the_steps_of_a_resumed_training_count_on(
    project: Project, kind: str, base: int, last: int
) -> None:
    project.write("train.py", TRAIN)
    assert project.run("train.py", kind).code == 9
    ended = project.run("--resume", "@last", "train.py", kind)
    assert (ended.code, ended.out) == (0, f"{last}\n"), ended
    view = project.view()
    assert [row.count for row in view.trace] == list(range(1, last + 1))
    assert view.metrics["loss"].steps == list(range(1, last + 1))
    assert ("val" in view.metrics) == (base == 7)  # of the future that was given up
    assert f"step {base}" in view.states
    assert view.states["final"]["step"] == last
    (went_on,) = [fact for fact in view.all_facts("continued") if fact["execution"] == 2]
    assert went_on["count"] == base
    # What was trained again came out as what it replaces: the checkpoint was whole.
    again, before = view.at_execution(2).trace, view.at_execution(1).trace
    if kind == "Adam":
        assert [r.groups["param"] for r in again[:3]] == [r.groups["param"] for r in before[4:7]]
    assert Path(view.starts[1].cwd) == project.path


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "again"), [(0, 8), (1, 2), (3, 8), (3, 2)])
def test_a_training_that_had_left_nothing_begins_again_and_is_shown(
    project: Project, stop: int, again: int
) -> None:
    begins = "for step in range(done + 1, int(sys.argv[2]) + 1):"
    script = TRAIN.replace("for step in range(done + 1, 9):", begins)
    project.write("train.py", script.replace("print(run.step)", "os.kill(os.getpid(), 9)"))
    assert project.run("train.py", "Adam", str(stop)).code == -9
    project.write("train.py", script.replace("step == 7", "False").replace("step == 4", "False"))
    ended = project.run("--resume", "@last", "train.py", "Adam", str(again))
    assert (ended.code, ended.out) == (0, f"{again}\n"), ended
    view = project.view()
    assert [row.count for row in view.trace] == list(range(1, again + 1))
    assert view.metrics["loss"].steps == list(range(1, again + 1))
    assert [gone.points for gone in view.replaced] == ([stop] if stop else [])
    assert list(view.states) == ["step 0", "final"]
    for words in (["show", "@last"], ["ls"], ["metrics", "@last"], ["state", "ls", "@last"]):
        shown = project.call(SAMEBIT, *words)
        assert (shown.code, shown.err) == (0, "")
