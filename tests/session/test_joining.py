"""`init()`: which run it begins or joins, what it refuses, and what it says came too late."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import samebit
from samebit.errors import UsageError
from tests.projects import Project

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="forks and signals")


def test_init_alone_makes_a_whole_run(project: Project) -> None:
    project.write("helper.py", "x = 1\n")
    project.write(
        "a.py",
        "import samebit, helper\n"
        "run = samebit.init({'lr': 0.1}, seed=3, name='mine', group='ours', volatile=['t*'])\n"
        "run.log({'x': 1})\nprint('hello')\n",
    )
    ended = project.python("a.py", "--password", "hunter2", PYTHONHASHSEED="4")
    assert (ended.code, ended.out, ended.err) == (0, "hello\n", "")
    view = project.view()
    assert (view.name, view.record.group, view.record.parent) == ("mine", "ours", None)
    start = view.start
    assert (start.how, start.seed, start.hash_seed) == ("init", 3, "4")
    assert list(start.argv)[:2] == ["a.py", "--password"]
    assert "hunter2" not in start.argv[2]
    assert (view.status, view.end.exit_code, view.missing) == ("finished", None, [])
    assert view.facts["config"] == {"lr": 0.1}
    assert view.facts["volatile"] == ["t*"]
    assert view.facts["code"]["files"] >= 1
    for fact in ("interpreter", "packages", "machine", "variables", "settings", "end"):
        assert fact in view.facts, fact
    assert set(view.end.segments) == {path.name for path in view.folder.journal.iterdir()}


def test_init_inside_samebit_run_joins_that_run_and_a_second_begins_another(
    project: Project,
) -> None:
    project.write(
        "a.py",
        """
        import samebit
        first = samebit.init(config={"n": 1}, name="first")
        first.log({"x": 1}, step=1)
        second = samebit.init(config={"n": 2})
        first.log({"late": 1}, step=1)
        second.log({"x": 2}, step=1)
        third = samebit.init(config={"n": 3})
        third.log({"x": 3}, step=1)
        print(first.id, second.id, third.id)
        """,
    )
    ended = project.run("a.py")
    assert (ended.code, ended.err) == (0, "")
    views = project.views()
    assert [view.id for view in views] == ended.out.split()
    assert [view.facts["config"]["n"] for view in views] == [1, 2, 3]
    assert [view.metrics["x"].values for view in views] == [[1], [2], [3]]
    assert [view.status for view in views] == ["finished"] * 3
    assert [view.record.parent for view in views] == [None, views[0].id, views[0].id]
    assert [view.gaps for view in views] == [[], [], []]
    assert views[0].metrics["late"].values == [1]
    assert views[0].name == "first"
    assert "code" in views[2].facts


WRONG = [
    {"seed": -1},
    {"seed": 2**32},
    {"seed": 1.0},
    {"seed": True},
    {"seed": "3"},
    {"name": 3},
    {"group": ["a"]},
    {"volatile": "loss"},
    {"volatile": [1]},
    {"volatile": 3},
    {"deterministic": "yes"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_arguments_are_refused_and_begin_nothing(
    wrong: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEBIT_DIR", str(tmp_path / ".samebit"))
    with pytest.raises(UsageError, match=next(iter(wrong))):
        samebit.init(**wrong)  # type: ignore[arg-type]
    assert not (tmp_path / ".samebit").exists()


@pytest.mark.parametrize("how", ["a file", "a newer format", "read-only"])
def test_a_store_that_cannot_be_used_is_said_once_and_training_goes_on(
    project: Project, how: str
) -> None:
    if how == "a file":
        project.store.write_text("no folder")
    elif how == "a newer format":
        project.write(".samebit/format", "samebit-store 99\nid x\n")
    else:
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        project.store.mkdir()
        project.store.chmod(stat.S_IREAD | stat.S_IEXEC)
    project.write(
        "a.py",
        "import samebit\n"
        "run = samebit.init({'a': 1}, seed=3)\n"
        "import random\n"
        "run.log({'x': 1}); run.log(3); run.watch(7); run.config = 4\n"
        "with run: pass\n"
        "run.finish()\n"
        "print(repr(run.id), run.path, run.step, run.config, run, random.random())\n",
    )
    ended = project.python("a.py", PYTHONHASHSEED="1")
    assert ended.code == 0
    import random

    expected = random.Random(3).random()
    assert ended.out == f"'' None 0 None <samebit run of another process> {expected}\n"
    assert ended.err.count("samebit: ") == 1


@pytest.mark.slow
def test_what_came_too_late_is_said_and_recorded(project: Project) -> None:
    project.write(
        "a.py",
        "import os\n"
        "os.environ['PYTHONHASHSEED'] = '7'\n"  # as people's seed functions do, to no effect
        "import torch\n"
        "import samebit\n"
        "samebit.init(deterministic=True)\n",
    )
    ended = project.python("a.py")
    problems = {problem["what"] for problem in project.view().all_facts("problem")}
    assert problems == {"too late for PYTHONHASHSEED", "too late for OMP_NUM_THREADS"}
    assert "PYTHONHASHSEED" in ended.err
    assert "OMP_NUM_THREADS" in ended.err
    assert project.view().start.hash_seed is None
    assert project.view().facts["settings"]["python.hash_seed"] is None
    assert project.view().facts["settings"]["torch.deterministic_algorithms"] is True


def test_a_seed_asked_for_after_samebit_run_is_taken_and_told(project: Project) -> None:
    project.write(
        "a.py",
        "import samebit, random\nsamebit.init(seed=5)\nprint(random.random())\n",
    )
    import random

    ended = project.run("a.py")
    assert float(ended.out) == random.Random(5).random()
    assert project.view().facts["asked"] == {"seed": 5, "deterministic": False}


@linux_only
def test_a_forked_child_that_calls_init_has_a_run_of_its_own(project: Project) -> None:
    project.write(
        "a.py",
        """
        import os, samebit
        run = samebit.init()
        run.log({"x": 1})
        pid = os.fork()
        if pid == 0:
            with samebit.init() as mine:
                mine.log({"x": 2})
            os._exit(0)
        os.waitpid(pid, 0)
        run.log({"y": 1})
        """,
    )
    assert project.python("a.py", PYTHONHASHSEED="1").code == 0
    parent, child = project.views()
    assert {n: c.values for n, c in parent.metrics.items()} == {"x": [1], "y": [1]}
    assert {n: c.values for n, c in child.metrics.items()} == {"x": [2]}
    assert (parent.status, child.status) == ("finished", "finished")
    assert (parent.gaps, child.gaps) == ([], [])


def test_an_interactive_session_is_one_run(project: Project) -> None:
    ended = project.call(
        sys.executable,
        "-i",
        "-q",
        stdin="import samebit\nrun = samebit.init({'a': 1})\n1/0\nrun.log({'x': 1})\nexit()\n",
        PYTHONHASHSEED="1",
    )
    assert ended.code == 0
    view = project.view()
    assert (view.status, view.metrics["x"].values) == ("finished", [1])


def test_a_script_given_as_text_or_on_stdin_is_recorded(project: Project) -> None:
    script = "import samebit; samebit.init().log({'x': 1}); print('ran')\n"
    assert project.python("-c", script, PYTHONHASHSEED="1").out == "ran\n"
    assert project.python("-", stdin=script, PYTHONHASHSEED="1").out == "ran\n"
    assert [view.status for view in project.views()] == ["finished", "finished"]


def test_importing_does_nothing(project: Project) -> None:
    project.write(
        "a.py",
        "import sys, threading\n"
        "before = set(sys.modules), sys.meta_path[:], sys.stdout, sys.exit, sys.excepthook\n"
        "import samebit\n"
        "dir(samebit)\n"
        "after = sys.meta_path, sys.stdout, sys.exit, sys.excepthook\n"
        "assert list(before[1:]) == list(after)\n"
        "assert threading.active_count() == 1\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before[0])))\n",
    )
    ended = project.python("a.py")
    loaded = {name.partition(".")[0] for name in json.loads(ended.out)} - {"json"}
    assert loaded <= {"samebit", *sys.stdlib_module_names}
    assert not project.store.exists()


@linux_only
def test_two_processes_that_begin_at_once_have_two_runs(project: Project) -> None:
    project.write("a.py", "import samebit; samebit.init().log({'x': 1})")
    children = [
        subprocess.Popen(
            [sys.executable, "a.py"], cwd=project.path, env=project.environ(PYTHONHASHSEED="1")
        )
        for _ in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    assert [view.status for view in project.views()] == ["finished"] * 4
