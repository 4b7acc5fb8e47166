"""What `log`, `watch` and `finish` promise: nothing raised, nothing acknowledged ever lost."""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from samebit.folders.read import View
from tests.projects import Project

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="forks and signals")


def log(project: Project, body: str, **env: str) -> tuple[View, str]:
    """Run some calls on a fresh run; what it recorded, and what was said."""
    project.write("a.py", "import samebit\nrun = samebit.init()\n" + body)
    ended = project.python("a.py", PYTHONHASHSEED="1", **env)
    assert ended.code == 0, ended
    return project.view(), ended.err


def values(view: View) -> dict[str, Any]:
    return {name: column.values for name, column in view.metrics.items()}


ODD_VALUES = """
class Odd:
    pass
class Raises:
    shape = ()
    def item(self):
        raise RuntimeError("no item")
class Nameless:
    def __repr__(self):
        raise RuntimeError("no repr")
for step in (1, 2):
    run.log({
        "a": 1,
        "odd": Odd(),
        "b": 2.5,
        "deep": {"x": 3, "list": [1, 2], "deeper": {"y": "text", "none": None}},
        "raises": Raises(),
        "complex": 1j,
        7: 8,
        "surrogate": "\\ud800",
        "c": True,
    }, step=step)
"""


def test_unknown_values_are_left_out_and_said_once_and_the_others_are_kept(
    project: Project,
) -> None:
    view, said = log(project, ODD_VALUES)
    assert values(view) == {
        "a": [1, 1],
        "b": [2.5, 2.5],
        "deep.x": [3, 3],
        "deep.deeper.y": ["text", "text"],
        "surrogate": ["\ud800", "\ud800"],
        "c": [True, True],
    }
    for name in ("odd", "deep.list", "deep.deeper.none", "raises", "complex", "7"):
        assert said.count(f"log of {name!r}") == 1
    assert len(view.missing) >= 6


def test_what_is_no_mapping_is_said_and_nothing_is_raised(project: Project) -> None:
    view, said = log(
        project,
        """
class Evil(dict):
    def values(self):
        raise RuntimeError("evil")
    def items(self):
        raise RuntimeError("evil")
class Nameless:
    def __repr__(self):
        raise RuntimeError("no repr")
for bad in (None, 3, [1], "text", Evil(a=1), {Nameless(): 1}):
    run.log(bad)
run.log({"x": 1}, step=Nameless())
run.log({})
run.watch(3)
run.watch(None, Nameless())
run.log({"after": 1})
""",
    )
    assert values(view)["after"] == [1]
    assert "log() takes a mapping, not a NoneType" in said
    assert "watch() takes modules" in said


def test_a_step_is_the_users_own_or_the_runs(project: Project) -> None:
    view, said = log(
        project,
        """
import numpy, torch
run.log({"x": "default"})
for step in (5, -3, 0, 2**62, 2**200, -2**200, numpy.int64(7), torch.tensor(8), 9.0, True):
    run.log({"x": str(step)}, step=step)
run.log({"y": "first"}, step=5)
run.log({"y": "again"}, step=5)
for step in (1.5, "eleven", float("nan"), [1]):
    run.log({"z": str(step)}, step=step)
""",
    )
    steps = [0, 5, -3, 2**62, 2**200, -(2**200), 7, 8, 9, 1]
    assert sorted(view.metrics["x"].steps) == sorted(steps)
    # Of two rows with one step the later counts.
    assert dict(zip(view.metrics["x"].steps, view.metrics["x"].values, strict=True))[0] == "0"
    assert values(view)["y"] == ["again"]
    assert (view.metrics["z"].steps, values(view)["z"]) == ([0], ["[1]"])
    assert said.count("a step is a whole number, not 1.5") == 1
    assert len(view.all_facts("problem")) == 1


def test_scalars_of_numpy_and_torch_keep_their_exact_value(project: Project) -> None:
    view, said = log(
        project,
        """
import enum, numpy as np, torch
class Size(enum.IntEnum):
    BIG = 3
third = torch.tensor(1.0) / 3
run.log({
    "f32": np.float32(1) / 3, "f64": np.float64(0.1), "f16": np.float16(0.1), "i8": np.int8(-5),
    "u64": np.uint64(2**64 - 1), "bool": np.bool_(True), "0d": np.array(2.5), "str": np.str_("s"),
    "t32": third, "bf16": torch.tensor(0.1, dtype=torch.bfloat16), "grad": third.requires_grad_(),
    "tbool": torch.tensor(True), "tint": torch.tensor(7), "parameter": torch.nn.Parameter(third),
    "enum": Size.BIG, "nan": float("nan"), "inf": -np.inf, "huge": 10**30, "zero": -0.0,
})
run.log({"one": torch.ones(1), "many": np.ones(3), "empty": torch.ones(0),
         "meta": torch.ones((), device="meta"), "good": 1})
""",
    )
    found = {name: column[0] for name, column in values(view).items()}
    assert math.isnan(found.pop("nan"))
    assert math.copysign(1, found.pop("zero")) == -1
    third = 0.3333333432674408
    assert found == {
        "f32": third,
        "f64": 0.1,
        "f16": 0.0999755859375,
        "i8": -5,
        "u64": 2**64 - 1,
        "bool": True,
        "0d": 2.5,
        "str": "s",
        "t32": third,
        "bf16": 0.10009765625,
        "grad": third,
        "tbool": True,
        "tint": 7,
        "parameter": third,
        "enum": 3,
        "inf": -math.inf,
        "huge": 10**30,
        "good": 1,
    }
    for name in ("one", "many", "empty", "meta"):
        assert f"log of {name!r}" in said


def test_a_row_after_finish_is_kept_and_the_end_stays_true(project: Project) -> None:
    view, said = log(
        project,
        """
run.log({"x": 1}, step=1)
run.finish()
run.log({"x": 2}, step=2)
run.finish()
with run:
    run.log({"x": 3}, step=3)
""",
    )
    assert (values(view), view.status, view.gaps) == ({"x": [1, 2, 3]}, "finished", [])
    assert "Traceback" not in said
    assert len(view.all_facts("problem")) == 0


@linux_only
def test_rows_of_threads_handlers_and_forks_are_all_there(project: Project) -> None:
    view, _ = log(
        project,
        """
import os, signal, threading
count = 0
def handler(number, frame):
    global count
    count += 1
    run.log({"signal": count}, step=count)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
def work(me):
    for at in range(300):
        run.log({f"thread {me}": at, "n": {"m": me}}, step=at)
threads = [threading.Thread(target=work, args=[me]) for me in range(4)]
for thread in threads: thread.start()
for at in range(2000):
    run.log({"main": at}, step=at)
for thread in threads: thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
for child in range(3):
    pid = os.fork()
    if not pid:
        for at in range(100):
            run.log({f"child {child}": at}, step=at)
        run.finish()
        os._exit(0)
    os.waitpid(pid, 0)
run.log({"signals": count}, step=0)
""",
    )
    found = values(view)
    assert found["main"] == list(range(2000))
    for me in range(4):
        assert found[f"thread {me}"] == list(range(300))
    for child in range(3):
        assert found[f"child {child}"] == list(range(100))
    (signals,) = found["signals"]
    assert signals
    assert sorted(found["signal"]) == list(range(1, signals + 1))  # handlers interrupt handlers
    assert (view.gaps, view.status) == ([], "finished")


@pytest.mark.slow
@linux_only
def test_a_fork_while_other_threads_log_does_not_hang(project: Project) -> None:
    view, _ = log(
        project,
        """
import os, threading
going = True
def work():
    at = 0
    while going:
        at += 1
        run.log({"x": at}, step=at)
thread = threading.Thread(target=work)
thread.start()
for child in range(30):
    pid = os.fork()
    if not pid:
        run.log({"child": child}, step=child)
        os._exit(0)
    os.waitpid(pid, 0)
going = False
thread.join()
""",
    )
    assert sorted(values(view)["child"]) == list(range(30))
    assert view.metrics["x"].steps == list(range(1, len(view.metrics["x"].steps) + 1))


@linux_only
def test_every_acknowledged_row_survives_a_kill(project: Project) -> None:
    project.write(
        "a.py",
        "import os, signal, samebit\n"
        "run = samebit.init()\n"
        "for at in range(5000):\n"
        "    run.log({'x': at, 'text': 'å'}, step=at)\n"
        "os.write(1, b'acknowledged')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    ended = project.python("a.py")
    assert (ended.code, ended.out) == (-9, "acknowledged")
    view = project.view()
    assert values(view)["x"] == list(range(5000))
    assert view.status == "broken off"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("with run:\n    pass\n", "finished", 0),
        ("with run:\n    raise ValueError('mine')\n", "failed", 1),
        ("with run:\n    raise SystemExit\n", "finished", 0),
        ("with run:\n    raise SystemExit(3)\n", "failed", 3),
        ("with run:\n    raise KeyboardInterrupt\n", "killed", None),
        ("", "finished", 0),
        ("raise ValueError('mine')\n", "failed", 1),
        ("import sys; sys.exit(3)\n", "failed", 3),
        ("import sys; sys.exit('text')\n", "failed", 1),
        ("import sys; sys.exit()\n", "finished", 0),
        ("raise KeyboardInterrupt\n", "killed", None),
        ("import os; os._exit(0)\n", "broken off", 0),
        ("run.finish(); raise ValueError('late')\n", "finished", 1),
    ],
)
def test_a_run_says_how_it_ended(
    project: Project, body: str, status: str, code: int | None
) -> None:
    project.write("a.py", "import samebit\nrun = samebit.init()\n" + body)
    ended = project.python("a.py", PYTHONHASHSEED="1")
    assert ended.code == (-2 if code is None else code)
    view = project.view()
    assert view.status == status
    if "mine" in body:
        assert "ValueError: mine" in view.end.exception
        assert "ValueError: mine" in view.facts["exception"]
        assert "samebit" not in ended.err.replace("samebit.init", "")


def test_a_fault_of_ours_in_log_warns_once_and_keeps_the_row(project: Project) -> None:
    view, said = log(
        project,
        "for at in range(5):\n    run.log({'x': at}, step=at)\n",
        SAMEBIT_FAULTS="run.log=raise",
    )
    assert values(view)["x"] == [0, 1, 2, 3, 4]
    assert said.count("injected fault") == 1
    assert view.missing


def test_the_handle_shows_what_it_is(project: Project) -> None:
    project.write(
        "a.py",
        "import json, samebit\n"
        "run = samebit.init(config={'lr': 1})\n"
        "print(json.dumps([run.id, str(run.path), run.step, run.config, repr(run)]))\n"
        "run.config = {'lr': 2}\n",
    )
    ended = project.python("a.py")
    view = project.view()
    path = str(Path(os.path.realpath(project.store)) / "runs" / view.id)
    shown = [view.id, path, 0, {"lr": 1}, f"<samebit run {view.id}>"]
    assert json.loads(ended.out) == shown
    assert view.facts["config"] == {"lr": 2}
