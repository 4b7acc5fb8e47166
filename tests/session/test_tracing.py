"""`run.trace`: rows and states of loops that are not torch's; nothing raised, nothing changed."""

import json
import sys
from typing import Any

import pytest

from samebit.folders.read import View
from samebit.session.reading import RecordedRun
from tests.projects import Project

pytest.importorskip("numpy")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="forks")


def record(project: Project, body: str, *words: str, **env: str) -> tuple[View, str]:
    """Run some calls on a fresh run; what it recorded, and what was said."""
    project.write("a.py", "import numpy as np\nimport samebit\nrun = samebit.init()\n" + body)
    ended = project.python("a.py", *words, PYTHONHASHSEED="1", **env)
    assert ended.code == 0, ended
    return project.views()[-1], ended.err


def groups(view: View) -> list[tuple[int, int, set[str]]]:
    """Number, count and groups of each row, without the generators."""
    return [
        (row.optimizer, row.count, {name for name in row.groups if not name.startswith("rng.")})
        for row in view.trace
    ]


LOOP = """
w = np.zeros(2)
run.trace(params={"w": w})
for at in range(3):
    w += at + 1  # in place
    run.trace(batch=np.arange(4), loss=0.5, grads=w, params={"w": w}, hyper={"lr": 0.1 / (at + 1)})
    run.log({"at": run.step})
w *= 10
"""


def test_a_loop_has_steps_a_schedule_and_both_states(project: Project) -> None:
    view, said = record(project, LOOP)
    every = {"batch", "samples", "loss", "grad", "param", "hyper"}
    assert groups(view) == [(0, count, every) for count in (1, 2, 3)]
    assert view.metrics["at"].steps == view.metrics["at"].values == [1, 2, 3]
    assert [(count, values) for _, count, _, values in view.schedule] == [
        (1, {"lr": 0.1}),
        (2, {"lr": 0.05}),
        (3, {"lr": 0.1 / 3}),
    ]
    run = RecordedRun(view)
    assert {name: state["step"] for name, state in view.states.items()} == {"step 0": 0, "final": 3}
    at_0 = run.state("step 0").value("numpy")["model"]["w"]
    final = run.state().value("numpy")["model"]["w"]
    # What is held at the end is the final state: as of torch's modules, what they are then.
    assert (at_0.tolist(), final.tolist()) == ([0, 0], [60, 60])
    assert (said, view.all_facts("problem")) == ("", [])


def test_a_training_that_is_one_call_has_a_final_state(project: Project) -> None:
    view, _ = record(project, "run.trace(params=np.ones(3), state={'n': 1})\n")
    assert (view.trace, list(view.states)) == ([], ["final"])
    value = RecordedRun(view).state().value("numpy")
    assert (value["model"].tolist(), value["state"]) == ([1, 1, 1], {"n": 1})


def test_a_step_can_be_named_and_added_to(project: Project) -> None:
    view, said = record(
        project,
        """
run.trace(np.int64(0), loss=1.0)
run.trace(100, batch=1)
run.trace(step=100, loss=2.0)
run.trace(loss=3.0)
run.log({"x": run.step})
run.trace(7, loss=4.0)
run.trace(8, loss=4.0)
""",
    )
    assert groups(view) == [
        (0, 0, {"loss"}),
        (0, 100, {"batch", "loss"}),
        (0, 101, {"loss"}),
        (0, 102, {"loss"}),
        (0, 103, {"loss"}),
    ]
    assert view.metrics["x"].steps == [101]
    assert said.count("step 7 came after step 101") == 1


def test_wrong_use_is_refused_everywhere_and_nothing_else_raises(project: Project) -> None:
    view, said = record(
        project,
        """
from samebit.errors import UsageError
from samebit.session.run import Run

class Evil:
    @property
    def __array__(self):
        raise RuntimeError("evil")
    def __repr__(self):
        raise RuntimeError("no repr")
class Tree(__import__("collections").UserDict):
    def keys(self):
        raise RuntimeError("no keys")
    def __iter__(self):
        raise RuntimeError("no items")

for handle in (run, Run(None, print)):
    for wrong in (dict(), dict(step=3), dict(step=1.0, loss=1), dict(step=True, loss=1),
                  dict(step="1", loss=1), dict(step=-1, loss=1)):
        try:
            handle.trace(**wrong)
        except UsageError as error:
            assert "run.trace()" in str(error), error
        else:
            raise SystemExit(f"{wrong} was taken")
for bad in (Evil(), Tree(a=1), object(), np.array([object()])):
    run.trace(loss=1.0, batch=bad, params=bad)
run.trace(loss=1.0, hyper=[3])
run.trace(loss=1.0)
""",
    )
    assert groups(view)[-1][2] == {"loss"}
    assert said.count("Traceback") == 0
    assert "hyper is a dict of scalars, not a list" in said
    assert any(p["what"] == "batch not traced" for p in view.all_facts("problem"))
    assert all("loss" in names for _, _, names in groups(view))


def test_after_the_end_and_in_a_forked_child_it_is_silent(project: Project) -> None:
    view, said = record(
        project,
        """
import os
run.trace(loss=1.0, params=np.ones(2))
child = os.fork()
if not child:
    run.trace(loss=2.0, params=np.zeros(2))
    os._exit(0)
os.waitpid(child, 0)
run.trace(loss=3.0)
run.finish()
run.trace(loss=4.0, params=np.zeros(2))
""",
    )
    assert [count for _, count, _ in groups(view)] == [1, 2]
    assert RecordedRun(view).state().value("numpy")["model"].tolist() == [1, 1]
    assert said == ""


BESIDE_TORCH = """
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for at in range(2):
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    run.trace(loss=float(at), params={"w": np.ones(2) * at})
print(run.step)
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["optimizer", "loop"])
def test_it_works_beside_an_optimizer_of_torch(project: Project, first: str) -> None:
    pytest.importorskip("torch")
    before = "run.trace(loss=0.5)\n" * 3 if first == "loop" else ""
    view, _ = record(project, before + BESIDE_TORCH)
    loop, optimizer = (0, 1) if first == "loop" else (1, 0)
    counts = {(row.optimizer, row.count) for row in view.trace}
    last = 5 if first == "loop" else 2
    assert counts == {(optimizer, 1), (optimizer, 2), *((loop, n) for n in range(1, last + 1))}
    assert all("input" in row.groups for row in view.trace if row.optimizer == optimizer)
    assert set(view.states) >= {"final", "final of optimizer 1"}
    state = RecordedRun(view).state("final" if loop == 0 else "final of optimizer 1")
    assert state.value("numpy")["model"]["w"].tolist() == [1, 1]


def test_donated_arrays_are_said_and_the_training_goes_on(project: Project) -> None:
    pytest.importorskip("jax")
    view, said = record(
        project,
        """
import jax, jax.numpy as jnp
step = jax.jit(lambda w: w * 2, donate_argnums=0)
w = jnp.ones(3)
run.trace(params={"w": w})
for at in range(2):
    w = step(w)
    run.trace(loss=1.0, params={"w": w})
w = step(w)
""",
    )
    assert set(view.states) == {"step 0"}
    assert RecordedRun(view).state("step 0").value("numpy")["model"]["w"].tolist() == [1, 1, 1]
    assert "state 'final' not kept: an array of JAX whose memory was given back" in said


def test_a_budget_holds_for_what_a_loop_gives(project: Project) -> None:
    view, said = record(
        project,
        """
w = np.zeros(1 << 18)
run.trace(params=w)
w += 1
run.trace(loss=1.0, params=w)
""",
        SAMEBIT_STATES_BUDGET_MB="1",
    )
    assert {name: state["kept"] for name, state in view.states.items()} == {
        "step 0": False,
        "final": False,
    }
    step_0, final = (RecordedRun(view).state(name).leaves["model"] for name in view.states)
    assert step_0.digest != final.digest
    assert said.count("of 2 MiB is kept as digests only: the most is 1 MiB (states.budget_mb") == 1


def test_no_state_is_kept_where_none_is_wanted(project: Project) -> None:
    view, _ = record(project, LOOP, SAMEBIT_STATES_KEEP="none")
    assert (len(view.trace), dict(view.states)) == (3, {})


RESUMED = """
for step in range({at}, {at} + 3):
    run.trace({step}loss=float(step), params=np.ones(1) * step)
    run.log({{"loss": step}})
"""


@pytest.mark.parametrize("step", ["", "step, "])
def test_a_run_that_goes_on_counts_on(project: Project, step: str) -> None:
    view, _ = record(project, RESUMED.format(at=1, step=step))
    text = RESUMED.format(at=3 if step else 4, step=step)
    project.write("a.py", f"import numpy as np, samebit\nrun = samebit.init(resume={view.id!r})\n")
    with (project.path / "a.py").open("a") as stream:
        stream.write(text)
    ended = project.python("a.py", PYTHONHASHSEED="1")
    assert ended.code == 0, ended
    view = project.view()
    last = 5 if step else 6
    assert [count for _, count, _ in groups(view)] == list(range(1, last + 1))
    assert view.metrics["loss"].steps == list(range(1, last + 1))
    assert view.states["final"]["step"] == last


CHECKPOINTED = """
import os
w = np.zeros(3)
at = run.resume_state()
if at:
    w = np.asarray(at.extra["w"]).copy()
for step in range(at.step if at else 0, 12):
    w += step
    run.trace(batch=step, params=w)
    if step == 5:
        run.checkpoint(extra={"w": w})
        run._recording._keeper.wait()  # it is whole
        run._recording.writer.sync()
    if step == 8 and not at:
        os._exit(3)
print(at.step if at else 0, run.step, w[0])
"""


def test_a_loop_goes_on_from_a_checkpoint_and_counts_from_there(project: Project) -> None:
    project.write("a.py", "import numpy as np, samebit\nrun = samebit.init()\n" + CHECKPOINTED)
    assert project.run("a.py").code == 3
    ended = project.run("--resume", project.view().id, "a.py")
    assert (ended.code, ended.out.split()) == (0, ["6", "12", "66.0"]), ended
    view = project.view()
    assert [count for _, count, _ in groups(view)] == list(range(1, 13))
    assert view.states["final"]["step"] == 12


SAME = """
import hashlib, json, random
import jax, jax.numpy as jnp
random.seed(1); np.random.seed(2)
step = jax.jit(lambda w, x: (w - 0.01 * x.mean(0), (w * x).sum()), donate_argnums=0)
w, losses, places = jnp.zeros(64), [], []
for at in range(30):
    x = np.random.rand(8, 64).astype("float32")
    held = w.unsafe_buffer_pointer()
    w, loss = step(w, x)
    places.append(w.unsafe_buffer_pointer() == held)
    {trace}
    losses.append(float(loss).hex())
print(json.dumps([hashlib.sha256(np.asarray(w).tobytes()).hexdigest(), losses, random.random(),
                  np.random.rand(), places]))
"""


def test_a_training_is_the_same_to_the_bit_and_is_donated_in_place(project: Project) -> None:
    pytest.importorskip("jax")

    def trained(trace: str) -> Any:
        project.write("b.py", "import numpy as np, samebit\n")
        with (project.path / "b.py").open("a") as stream:
            if trace != "pass":
                stream.write("run = samebit.init()\n")
            stream.write(SAME.replace("{trace}", trace))
        ended = project.python("b.py")
        assert ended.code == 0, ended
        return json.loads(ended.out)

    found = trained("run.trace(batch=x, loss=loss, params=w, hyper={'lr': 0.01})")
    assert found == trained("pass")
    assert all(found[-1])


@linux_only
def test_a_fault_of_ours_is_said_once_and_training_goes_on(project: Project) -> None:
    view, said = record(project, LOOP + "print('done')\n", SAMEBIT_FAULTS="run.trace=raise@2+")
    assert said.count("trace") == 1
    assert [p["what"] for p in view.all_facts("problem")] == ["trace"]


BY_HAND = """
import torch
from samebit.session import models
copies = []
frozen = models.torch_states.frozen_copy
models.torch_states.frozen_copy = lambda *given: copies.append(1) or frozen(*given)
model = torch.nn.Linear(2, 1)
run.trace(params=model)
for at in range(100):
    loss = model(torch.ones(3, 2)).sum()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    run.trace(loss=loss, params=model)
print(sum(copies))
"""


@pytest.mark.slow
def test_a_model_of_torch_that_is_stepped_by_hand_is_not_copied_at_every_step(
    project: Project,
) -> None:
    """As its first forward could be of other parameters, the recorder takes them anew there."""
    pytest.importorskip("torch")
    project.write("a.py", "import samebit\nrun = samebit.init()\n" + BY_HAND)
    ended = project.python("a.py")
    assert ended.code == 0, ended
    assert int(ended.out) < 25
    view = project.view()
    assert len(view.trace) == 100
    assert set(RecordedRun(view).state_dict()) == {"weight", "bias"}
