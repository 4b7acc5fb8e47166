"""Launchers, shells, batch systems and restarts: real processes, and which run and rank they are.

The launchers here are short scripts with the names and the variables of the real ones; those are in
`test_launchers.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samebit.folders.read import View
from samebit.replay.plan import make_plan
from tests.projects import SAMEBIT, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="shells and forks"),
]

# Starts itself as two ranks, as torchrun does; again where one fails, as often as it is told.
TORCHRUN = """
import argparse, os, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("--max-restarts", type=int, default=0)
parser.add_argument("words", nargs="+")
given = parser.parse_args()
open("launched.txt", "w").write("by the launcher")
for restart in range(given.max_restarts + 1):
    ranks = []
    for rank in range(2):
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "GROUP_WORLD_SIZE": 1}
        names["TORCHELASTIC_RESTART_COUNT"] = restart
        environ = {**os.environ, **{name: str(value) for name, value in names.items()}}
        ranks.append(subprocess.Popen([sys.executable, *given.words], env=environ))
    codes = [rank.wait() for rank in ranks]
    if not any(codes):
        sys.exit(0)
sys.exit(1)
"""
RANK = """
import os, subprocess, sys, samebit
rank = int(os.environ["RANK"])
run = samebit.init({"rank": rank})
for step in range(3):
    run.log({"loss": 10 * rank + step, f"of {rank}": 1}, step=step)
print("rank", rank, flush=True)
code = "import samebit; samebit.init() if False else None"
subprocess.run([sys.executable, "-c", code], check=True)  # as the workers of a compiler
"""


def values(view: View, name: str) -> list[object]:
    return view.metrics[name].values


@pytest.mark.parametrize("name", ["torchrun", "launch.py"], ids=["known", "unknown"])
def test_the_ranks_of_a_launcher_are_one_run_and_rank_0_is_its_face(
    project: Project, name: str
) -> None:
    project.write(name, TORCHRUN)
    project.write("train.py", RANK)
    ended = project.run("--", sys.executable, name, "train.py")
    assert ended.code == 0, ended
    view = project.view()
    assert view.ranks == ["0", "1"]
    assert view.facts["config"] == {"rank": 0}  # and not the launcher's own arguments
    assert values(view, "loss") == [0, 1, 2]
    assert values(view.at_rank("1"), "loss") == [10, 11, 12]
    assert view.at_rank("1").facts["config"] == {"rank": 1}
    joined = len(view.all_facts("joined"))  # no child of a rank takes part
    assert joined == (2 if name == "torchrun" else 3)
    assert (view.status, view.missing, view.gaps) == ("finished", [], [])
    printed = {path.name: path.read_text() for path in view.folder.console(1).iterdir()}
    assert "rank 1\n" in printed["1.log"]
    assert "rank 0\n" in "".join(text for log, text in printed.items() if log.startswith("0"))
    told = json.loads(project.call(SAMEBIT, "show", view.id, "--json", "--rank", "1").out)
    assert (told["ranks"], told["facts"]["config"]) == (["0", "1"], {"rank": 1})
    rows = project.call(SAMEBIT, "metrics", view.id, "loss", "--rank", "1", "--csv").out
    assert rows.splitlines()[1].startswith("loss,0,")
    assert rows.splitlines()[1].endswith(",10")


def test_a_rank_that_fails_is_told_with_its_exception(project: Project) -> None:
    project.write("torchrun", TORCHRUN)
    project.write("train.py", "import os\nif os.environ['RANK'] == '1': {}['gone']\n")
    assert project.run("--", sys.executable, "torchrun", "train.py").code == 1
    view = project.view()
    assert (view.status, view.cause) == ("failed", "KeyError")
    listed = project.call(SAMEBIT, "ls", "--columns", "state,cause,ranks").out
    assert listed.splitlines()[1].split() == ["failed", "KeyError", "2"]


def test_ranks_that_are_started_again_go_on_in_the_same_run(project: Project) -> None:
    project.write("torchrun", TORCHRUN)
    project.write(
        "train.py",
        """
        import os, sys, samebit
        again = os.environ["TORCHELASTIC_RESTART_COUNT"] == "1"
        run = samebit.init()
        for step in range(2 if again else 0, 4):
            run.log({"loss": 100 * again + step}, step=step)
        sys.exit(not again)
        """,
    )
    ended = project.run("--", sys.executable, "torchrun", "--max-restarts", "1", "train.py")
    assert ended.code == 0, ended
    view = project.view()
    for rank in ("0", "1"):
        assert values(view.at_rank(rank), "loss") == [0, 1, 102, 103]
    assert (view.restarts, view.status, view.gaps) == (1, "finished", [])
    assert [fact["part"] for fact in view.at_rank("1").all_facts("joined")] == [1, 2]
    assert (view.replaced[0].points, view.replaced[0].since) == (2, 2)


def test_ranks_that_call_init_without_us_are_one_run_and_a_restart_goes_on(
    project: Project,
) -> None:
    project.write("torchrun", TORCHRUN)
    project.write("train.py", RANK + "sys.exit(os.environ['TORCHELASTIC_RESTART_COUNT'] == '0')\n")
    ended = project.python("torchrun", "--max-restarts", "1", "train.py", PYTHONHASHSEED="1")
    assert ended.code == 0, ended
    view = project.view()
    assert (view.ranks, len(view.starts), view.status) == (["0", "1"], 2, "finished")
    assert (view.start.job, view.start.ranks) == ("torchrun", 2)
    assert view.ends[0].status == "failed"
    assert values(view.at_rank("1").at_execution(1), "loss") == [10, 11, 12]
    assert "code" in view.facts
    assert view.gaps == []


PREPARE = "open('data.txt', 'w').write('1 2 3')\n"
TRAIN = """
import argparse, samebit
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
given = parser.parse_args()
run = samebit.init()
for step, word in enumerate(open("data.txt").read().split()):
    run.log({"loss": float(word) * given.lr}, step=step)
"""


@pytest.mark.parametrize("how", ["sh -c", "a script"])
def test_several_pythons_of_one_command_are_one_run(project: Project, how: str) -> None:
    project.write("prepare.py", PREPARE)
    project.write("train.py", TRAIN)
    python = sys.executable
    commands = f"{python} prepare.py\n{python} train.py --lr 2\n{python} -c 'print(1)'\n"
    project.write("job.sh", commands)
    words = ["sh", "-c", commands] if how == "sh -c" else ["sh", "job.sh"]
    ended = project.run("--", *words)
    assert (ended.code, ended.out) == (0, "1\n"), ended
    view = project.view()
    assert values(view, "loss") == [2.0, 4.0, 6.0]
    assert view.facts["config"] == {"lr": 2.0}
    assert [fact["part"] for fact in view.all_facts("joined")] == [1, 2, 3]
    met = [fact["how"] for fact in view.files if fact["path"].endswith("data.txt")]
    assert (met[0], met[-1]) == ("write", "read")
    plan = make_plan(view, {})
    assert [path.name for path in plan.outputs] == ["data.txt"]
    assert "data.txt" not in {item.path.name for item in plan.inputs}  # the replay makes it itself
    files = {Path(file).name for _, file, _ in view.sources["modules"]}
    assert {"prepare.py", "train.py"} <= files


def test_the_script_of_a_command_is_kept_also_outside_git(project: Project) -> None:
    project.write("a.py", "print('first')")
    assert project.run("--", sys.executable, "-u", "a.py").out == "first\n"
    project.write("a.py", "print('second')")
    plan = make_plan(project.view(), {})
    assert plan.blockers == ()
    assert [(name, Path(file).name) for name, file, _ in plan.sources] == [("__main__", "a.py")]


def test_of_two_that_call_init_the_second_is_a_run_inside_the_first(project: Project) -> None:
    project.write("a.py", "import sys, samebit; samebit.init().log({'x': int(sys.argv[1])}, 1)")
    commands = f"{sys.executable} a.py 1; {sys.executable} a.py 2"
    assert project.run("--", "sh", "-c", commands).code == 0
    first, second = project.views()
    assert (values(first, "x"), values(second, "x")) == ([1], [2])
    assert second.record.parent == first.id


# Batch systems: a supervisor for each task.


def tasks(project: Project, words: list[str], ranks: int, **given: str) -> list[int]:
    """Run it as `srun` does: every task with its own variables, all at once."""
    step = {"SLURM_JOB_ID": "71", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": str(ranks)}
    children = [
        subprocess.Popen(
            [SAMEBIT, "run", "--quiet", *words],
            cwd=project.path,
            env=project.environ(**step, SLURM_PROCID=str(rank), **given),
        )
        for rank in range(ranks)
    ]
    return [child.wait(120) for child in children]


TASK = """
import os, sys, samebit
rank = int(os.environ["SLURM_PROCID"])
run = samebit.init({"rank": rank})
run.log({"x": rank}, step=1)
sys.exit(int(rank == 2) if "fail" in sys.argv else 0)
"""


def test_the_tasks_of_one_srun_are_the_ranks_of_one_run(project: Project) -> None:
    project.write("train.py", TASK)
    assert tasks(project, ["train.py"], 3) == [0, 0, 0]
    view = project.view()
    assert (view.ranks, view.status, view.gaps) == (["0", "1", "2"], "finished", [])
    assert [values(view.at_rank(rank), "x") for rank in view.ranks] == [[0], [1], [2]]
    assert (view.start.job, view.start.ranks) == ("Slurm job 71.0", 3)
    assert "code" in view.facts
    assert view.missing == []


def test_a_task_that_fails_makes_the_run_failed_though_rank_0_finished(project: Project) -> None:
    project.write("train.py", TASK)
    assert tasks(project, ["train.py", "fail"], 3) == [0, 0, 1]
    view = project.view()
    assert (view.end.status, view.status) == ("finished", "failed")


def test_the_second_command_of_a_job_step_is_another_run(project: Project) -> None:
    project.write("train.py", TASK)
    for _ in range(2):
        assert tasks(project, ["train.py"], 2) == [0, 0]
    assert [view.ranks for view in project.views()] == [["0", "1"], ["0", "1"]]


@pytest.mark.slow
def test_an_array_of_jobs_in_a_new_store_is_as_many_runs(project: Project) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    project.write("train.py", "import os, samebit; samebit.init().log({'x': 1})\n")
    subprocess.run(["git", "add", "train.py"], cwd=project.path, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "x"], cwd=project.path, check=True)
    children = [
        subprocess.Popen(
            [SAMEBIT, "run", "--quiet", "train.py"],
            cwd=project.path,
            env=project.environ(SLURM_JOB_ID=str(100 + at), SLURM_ARRAY_TASK_ID=str(at)),
            stderr=subprocess.PIPE,
            text=True,
        )
        for at in range(20)
    ]
    assert [child.communicate(timeout=250)[1] for child in children] == [""] * 20
    views = project.views()
    assert [view.status for view in views] == ["finished"] * 20
    assert [view.missing for view in views] == [[]] * 20
    assert all(view.code is not None and view.code.ref for view in views)
    tags = subprocess.run(
        ["git", "tag", "-l", "samebit/*"], cwd=project.path, capture_output=True, text=True
    ).stdout.split()
    assert len(tags) == 20
    assert project.call(SAMEBIT, "check").code == 0
    assert len(project.call(SAMEBIT, "ls").out.splitlines()) == 21


# A run that goes on.


def test_a_run_goes_on_with_resume(project: Project) -> None:
    project.write(
        "a.py",
        "import sys, samebit\n"
        "run = samebit.init({'from': sys.argv[1]})\n"
        "for step in range(int(sys.argv[1]), int(sys.argv[2])):\n"
        "    run.log({'loss': step + 0.5 * int(sys.argv[1])}, step=step)\n"
        "sys.exit(int(sys.argv[3]))\n",
    )
    assert project.run("--name", "mine", "a.py", "0", "6", "3").code == 3
    assert project.view().status == "failed"
    assert project.run("--resume", "mine", "a.py", "4", "8", "0").code == 0
    view = project.view()
    assert (view.status, len(view.starts)) == ("finished", 2)
    assert values(view, "loss") == [0, 1, 2, 3, 6, 7, 8, 9]
    assert view.facts["config"] == {"from": "4"}
    assert list(view.starts[1].argv) == ["a.py", "4", "8", "0"]
    rows = project.call(SAMEBIT, "metrics", "mine", "--execution", "1", "--csv").out
    assert [float(line.rpartition(",")[2]) for line in rows.splitlines()[1:]] == [0, 1, 2, 3, 4, 5]
    shown = project.call(SAMEBIT, "show", "mine").out
    assert "execution 2" in shown
    assert "2 values from step 4 on" in shown
    listed = project.call(SAMEBIT, "ls", "--columns", "executions").out.split()
    assert listed == ["executions", "2"]
    verdict = project.call(SAMEBIT, "verify", "mine")
    assert (verdict.code, "metrics identical: 1 name, 8 values" in verdict.out) == (6, True)


def test_rows_without_a_step_count_on_after_a_resume(project: Project) -> None:
    project.write(
        "a.py", "import samebit\nr = samebit.init()\nfor _ in range(3): r.log({'x': 1})\n"
    )
    assert project.run("a.py").code == 0
    assert project.run("--resume", "@last", "a.py").code == 0
    view = project.view()
    assert view.metrics["x"].steps == [0, 1, 2, 3, 4, 5]
    assert view.replaced == []


def test_init_goes_on_with_a_run_and_refuses_one_that_there_is_not(project: Project) -> None:
    project.write(
        "a.py",
        "import sys, samebit\n"
        "run = samebit.init(resume=sys.argv[1] if len(sys.argv) > 1 else None)\n"
        "run.log({'x': len(sys.argv)}, step=len(sys.argv))\n"
        "print(run.id)\n",
    )
    first = project.python("a.py", PYTHONHASHSEED="1")
    again = project.python("a.py", first.out.strip(), PYTHONHASHSEED="1")
    assert again.out == first.out
    view = project.view()
    assert (values(view, "x"), len(view.starts), view.status) == ([1, 2], 2, "finished")
    wrong = project.python("a.py", "nope", PYTHONHASHSEED="1")
    assert (wrong.code, wrong.out) == (1, "")
    assert "RunNotFound" in wrong.err
    assert len(project.views()) == 1


def test_a_script_that_resumes_another_run_leaves_the_one_it_was_given(project: Project) -> None:
    project.write(
        "a.py", "import sys, samebit\nsamebit.init(resume=sys.argv[1]).log({'x': 2}, 2)\n"
    )
    project.write("b.py", "import samebit\nsamebit.init(name='b').log({'x': 1}, 1)\n")
    assert project.run("b.py").code == 0
    assert project.run("a.py", "b").code == 0
    first, second = project.views()
    assert values(first, "x") == [1, 2]
    assert first.status == second.status == "finished"
    assert any("went on in run b" in line for line in second.missing)
    assert project.run("--resume", "b", "a.py", "b").code == 0
    assert len(project.views()) == 2
    assert len(project.views()[0].starts) == 3


def test_what_cannot_be_resumed_starts_nothing(project: Project) -> None:
    project.write("a.py", "open('ran', 'w').close()")
    assert project.run("--resume", "nope", "a.py").code == 7
    project.write("sleep.py", "import time\nopen('ready', 'w').write('x\\n')\ntime.sleep(60)\n")
    running = project.start("--name", "b", "sleep.py")
    project.wait_for("ready")
    refused = project.run("--resume", "b", "a.py")
    assert (refused.code, "still goes on" in refused.err) == (2, True)
    os.killpg(running.pid, 9)
    running.communicate()
    assert not (project.path / "ran").exists()


def test_a_requeued_job_goes_on_where_that_was_asked(project: Project) -> None:
    project.write("a.py", "import samebit\nsamebit.init().log({'x': 1})\n")
    words = ["--resume", "auto", "a.py"]
    assert project.run(*words).code == 0  # no job at all
    for restart in ("", "1", "2"):
        environ = {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": restart}
        assert project.run(*words, **environ).code == 0
    assert project.run(*words, SLURM_JOB_ID="6").code == 0
    assert [len(view.starts) for view in project.views()] == [1, 3, 1]
    assert project.views()[1].metrics["x"].steps == [0, 1, 2]


def test_a_requeue_that_came_before_the_run_began_loses_nothing(project: Project) -> None:
    project.write("a.py", "import samebit\nsamebit.init().log({'x': 1})\n")
    for restart in ("", "3"):  # the first and second ended in the batch script, before us
        environ = {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": restart}
        assert project.run("--resume", "auto", "a.py", **environ).code == 0
    assert len(project.view().starts) == 2


def test_the_tasks_of_an_mpirun_go_on_when_their_batch_job_comes_again(project: Project) -> None:
    project.write("a.py", "import samebit\nsamebit.init().log({'x': 1})\n")
    for restart in ("", "1"):  # the MPI has another name each time
        job = {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": restart, "OMPI_COMM_WORLD_SIZE": "2"}
        job["PMIX_NAMESPACE"] = f"by mpirun {restart}"
        tasks_of = [
            subprocess.Popen(
                [SAMEBIT, "run", "--quiet", "--resume", "auto", "a.py"],
                cwd=project.path,
                env=project.environ(**job, OMPI_COMM_WORLD_RANK=str(rank)),
            )
            for rank in range(2)
        ]
        assert [task.wait(120) for task in tasks_of] == [0, 0]
    view = project.view()
    assert (len(view.starts), view.ranks, view.gaps) == (2, ["0", "1"], [])
