"""Studies and sweeps on a real Slurm: nothing is lost, and nothing is run twice."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit.errors import RunNotFound
from samebit.folders.find import list_runs
from samebit.folders.read import View, read_run
from samebit.studies.declared import find_study, folder_of
from samebit.studies.trials import History, read_history
from tests import clusters
from tests.projects import SAMEBIT, Ended, Project
from tests.studied import wait_until_held

pytestmark = pytest.mark.slow

# By its first word a script that has checkpoints, or waits until there is a file; or both, and
# comes no further than its checkpoint.
SCRIPT = """
    import os, sys, time
    import samebit
    how = sys.argv[1] if len(sys.argv) > 1 else "well"
    run = samebit.init(config={"how": how, "threads": os.environ["OMP_NUM_THREADS"]})
    done = run.resume_state() if how in ("checkpoints", "stuck") else None
    for step in range(done.extra + 1 if done else 1, 6):
        run.log({"acc": step / 10}, step=step)
        while how == "stuck" and step == 3 and not os.path.exists("go"):
            time.sleep(0.05)
        if how in ("checkpoints", "stuck"):
            run.checkpoint(step, extra=step)
        while step == 3 and how in ("checkpoints", "waits") and not os.path.exists("go"):
            time.sleep(0.05)
"""


@pytest.fixture
def project(tmp_path: Path, a_slurm: clusters.Slurm) -> Project:
    project = Project(tmp_path)
    project.write("t.py", SCRIPT)
    return project


def words(name: str, *more: str) -> list[str]:
    return ["t.py", "--name", name, "--on", "slurm", *more]


def seeds(project: Project, *given: str, **env: str) -> Ended:
    return project.call(SAMEBIT, "seeds", *given, **env)


def begin(project: Project, *given: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SAMEBIT, "seeds", *given],
        cwd=project.path,
        env=project.environ(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def reach(project: Project, step: int, runs: int = 1) -> None:
    """Wait until so many runs go on and have come to a step."""

    def is_so() -> bool:
        views = [view for view in there(project) if view.status == "running"]
        rows = [view.metrics["acc"].steps for view in views if "acc" in view.metrics]
        return sum(step in steps for steps in rows) == runs

    until(is_so)


def there(project: Project) -> list[View]:
    """Those that have begun."""
    found: list[View] = []
    for folder in list_runs(project.store):
        with contextlib.suppress(RunNotFound):
            found.append(read_run(folder))
    return found


def tell(process: "subprocess.Popen[str]", project: Project) -> str:
    """Let the runs end, and what the controller has said."""
    (project.path / "go").touch()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    return said


def history(project: Project, name: str) -> History:
    study = find_study(project.store, name)
    assert study is not None
    return read_history(folder_of(project.store, study.id), study.id)


def states(views: list[View]) -> list[str]:
    return sorted(view.status for view in views)


def test_a_study_is_an_array_and_the_same_command_runs_nothing_again(project: Project) -> None:
    given = words("a", "--n", "3", "--jobs", "2", "--sbatch", "cpus-per-task=2 --time=5")
    ended = seeds(project, *given)
    assert ended.code == 0, ended.err
    assert "on Slurm, 2 at once, OMP_NUM_THREADS=2 in each" in ended.err
    assert "3 runs: 3 finished" in ended.err
    views = there(project)
    variables = [view.facts["variables"] for view in views]
    assert len({one["SLURM_ARRAY_JOB_ID"] for one in variables}) == 1
    assert [view.facts["config"]["threads"] for view in views] == ["2"] * 3
    assert sorted(str(view.record.trial) for view in views) == ["0", "1", "2"]
    assert seeds(project, *given).code == 0
    assert len(there(project)) == 3


@pytest.mark.parametrize("point", ["study.submit", "study.slurm", "study.sent", "study.decided@4"])
def test_a_controller_killed_anywhere_is_gone_on_with_and_nothing_runs_twice(
    project: Project, point: str
) -> None:
    name, _, when = point.partition("@")
    killed = seeds(project, *words("k", "--n", "2"), SAMEBIT_FAULTS=f"{name}=kill@{when or 1}")
    assert killed.code == -signal.SIGKILL
    ended = seeds(project, *words("k", "--n", "2"))
    assert ended.code == 0, ended.err
    assert states(there(project)) == ["finished"] * 2
    assert [one.counted for one in history(project, "k").trials] == [1, 1]


def test_a_killed_controllers_jobs_are_found_again_and_ctrl_c_ends_all(
    project: Project, a_slurm: clusters.Slurm
) -> None:
    given = words("w", "--n", "3", "--jobs", "2", "--", "waits")
    first = begin(project, *given)
    reach(project, 3, runs=2)
    first.kill()
    first.communicate()
    second = begin(project, *given)
    wait_until_held(project, "w", second)
    time.sleep(1)  # in which it would submit anew
    assert len(a_slurm.call("squeue", "--noheader", "--array").splitlines()) == 3
    second.send_signal(signal.SIGINT)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 130, said
    assert "the same command goes on" in said
    until(lambda: not a_slurm.call("squeue", "--noheader"))
    assert states(there(project)) == ["killed"] * 2
    assert [one.counted for one in history(project, "w").trials] == [0, 0, 1]
    third = begin(project, *given)
    tell(third, project)
    assert states(there(project)) == ["finished"] * 3 + ["killed"] * 2


def test_a_job_that_is_preempted_goes_on_as_the_same_run_from_its_checkpoint(
    project: Project, a_slurm: clusters.Slurm
) -> None:
    given = words("r", "--n", "1", "--sbatch", "cpus-per-task=8", "--", "checkpoints")
    first = begin(project, *given)
    reach(project, 3)
    first.kill()  # so that the next one meets a run that is over, and a job that is not
    first.communicate()
    urgent = ["--partition=urgent", "--cpus-per-task=8", "--output=/dev/null", "--wrap=true"]
    a_slurm.call("sbatch", *urgent)
    until(lambda: project.view().status == "killed")
    process = begin(project, *given)
    until(lambda: len(project.view().starts) == 2)
    tell(process, project)
    view = project.view()
    assert (view.status, len(view.starts)) == ("finished", 2)
    again = view.at_execution(2).metrics["acc"].steps
    assert again in ([3, 4, 5], [4, 5])  # by whether the last checkpoint was whole by then
    assert view.metrics["acc"].steps == [1, 2, 3, 4, 5]


def test_near_its_time_limit_a_run_is_queued_again_by_itself_if_it_came_further(
    project: Project, a_slurm: clusters.Slurm
) -> None:
    given = words("l", "--n", "1", "--", "stuck")
    process = begin(project, *given)
    for execution in (1, 2):
        until(lambda n=execution: [len(view.starts) for view in there(project)] == [n])
        reach(project, 3)
        job = project.view().facts["variables"]["SLURM_JOB_ID"]
        a_slurm.call("scancel", "--batch", "--signal=USR1", job)  # as --signal=B:USR1@60 has it
    _, said = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert "not queued again: no newer checkpoint since the last time" in said
    assert "started once more" not in said
    assert [end.status for end in project.view().ends if end] == ["killed", "killed"]
    (project.path / "go").touch()
    assert seeds(project, *given[:-2], "--retry", *given[-2:]).code == 0
    assert [(view.status, len(view.starts)) for view in there(project)] == [("finished", 3)]


def test_a_sweep_goes_on_after_a_kill_and_asks_how_many_at_once(project: Project) -> None:
    pytest.importorskip("optuna")
    project.write("s.py", "import sys, samebit\nsamebit.init().log({'acc': float(sys.argv[1])})\n")
    given = ["s.py", "--name", "w", "--maximize", "acc", "--space", "x = {float = [0, 1]}"]
    random = [*given, "--sampler", "random", "--for", "9s", "--on", "slurm", "--", "{x}"]
    refused = project.call(SAMEBIT, "sweep", *random)
    assert refused.code == 2
    assert "all would be in the queue before any of the time is used" in refused.err
    place = ["--on", "slurm", "--jobs", "2"]
    words = [*given, "--trials", "3", *place, "--", "{x}"]
    killed = project.call(SAMEBIT, "sweep", *words, SAMEBIT_FAULTS="study.sent=kill")
    assert killed.code == -signal.SIGKILL
    ended = project.call(SAMEBIT, "sweep", "w", *place)
    assert ended.code == 0, ended.err
    assert [one.counted for one in history(project, "w").trials] == [1] * 3
    assert states(there(project)) == ["finished"] * 3


@pytest.mark.parametrize(
    ("how", "then", "ends"),
    [
        ("waits", "it is started once more", [["killed"], ["finished"]]),
        ("checkpoints", "it goes on from its checkpoint", [["killed", "finished"]]),
    ],
)
def test_what_others_end_is_told_and_goes_on_from_its_checkpoint_or_as_another_run(
    project: Project, a_slurm: clusters.Slurm, how: str, then: str, ends: list[list[str]]
) -> None:
    process = begin(project, *words("o", "--n", "1", "--", how))
    reach(project, 3)
    a_slurm.call("scancel", project.view().facts["variables"]["SLURM_JOB_ID"])
    until(lambda: sum(len(view.starts) for view in there(project)) == 2)
    said = tell(process, project)
    assert "killed (CANCELLED, Slurm job " in said
    assert then in said
    views = sorted(there(project), key=lambda view: view.starts[0].started_ns)
    assert [[end.status for end in view.ends if end] for view in views] == ends
    assert history(project, "o").trials[0].starts[0].lost.startswith("CANCELLED")


def test_a_node_that_is_gone_loses_its_run_and_no_trial(
    project: Project, a_slurm: clusters.Slurm
) -> None:
    process = begin(project, *words("n", "--n", "1", "--", "waits"))
    reach(project, 3)
    node = a_slurm.call("sinfo", "--noheader", "--format=%n").strip()
    with a_slurm.away("slurmd"):
        for pid in project.view().processes_alive():
            os.kill(pid, signal.SIGKILL)
        a_slurm.call("scontrol", "update", f"nodename={node}", "state=down", "reason=gone")
        until(lambda: a_slurm.call("squeue", "--noheader", "--format=%T").strip() != "RUNNING")
        a_slurm.call("scontrol", "update", f"nodename={node}", "state=resume")
    until(lambda: "running" in states(there(project)))
    tell(process, project)
    assert states(there(project)) == ["broken off", "finished"]


def test_what_slurm_does_not_take_is_said_and_nothing_is_left(
    project: Project, a_slurm: clusters.Slurm
) -> None:
    given = words("p", "--n", "2", "--sbatch", "partition=nowhere")
    ended = seeds(project, *given)
    assert ended.code == 125
    assert "Slurm does not take the jobs" in ended.err
    assert "nowhere" in ended.err
    assert seeds(project, *words("p", "--n", "2")).code == 0
