"""A real Slurm cluster, of this one machine: arrays, the tasks of a step, jobs that come again."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebit.folders.read import View
from tests.clusters import NoCluster, Slurm, start_slurm
from tests.projects import SAMEBIT, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    try:
        with start_slurm() as cluster:
            yield cluster
    except NoCluster as reason:
        pytest.skip(str(reason))


def submit(slurm: Slurm, project: Project, command: str, *options: str) -> str:
    """Hand a job in that runs one command; its output goes to `out.txt`."""
    project.write("job.sh", f"#!/bin/bash\nexport OMP_NUM_THREADS=1\n{command}\n")
    words = ["sbatch", "--parsable", "--output=out-%a.txt", "--open-mode=append", *options]
    return slurm.call(*words, "job.sh", env=project.environ(), cwd=project.path).strip()


def said(project: Project) -> str:
    return "\n".join(path.read_text() for path in sorted(project.path.glob("out-*.txt")))


def row(project: Project, view: View) -> dict[str, object]:
    (found,) = (
        one
        for one in project.call(SAMEBIT, "ls", "--replays", "--json").json
        if one["id"] == view.id
    )
    return found


OF_AN_ARRAY = """
import os, random, samebit
index = int(os.environ["SLURM_ARRAY_TASK_ID"])
run = samebit.init({"lr": 0.1 * index}, seed=index)
for step in range(1, 20 + index):
    run.log({"index": index, "drawn": random.random()}, step=step)
"""


def test_each_task_of_an_array_is_a_run_with_its_index(slurm: Slurm, project: Project) -> None:
    project.write("train.py", OF_AN_ARRAY)
    job = submit(slurm, project, f"{SAMEBIT} run train.py", "--array=0-3")
    for task in range(4):
        assert slurm.wait(f"{job}_{task}") == "COMPLETED", said(project)
    views = project.views()
    assert [(view.status, view.gaps, view.ranks) for view in views] == [("finished", [], ["0"])] * 4
    indices = [view.facts["variables"]["SLURM_ARRAY_TASK_ID"] for view in views]
    assert sorted(indices) == ["0", "1", "2", "3"]
    assert len({view.facts["variables"]["SLURM_JOB_ID"] for view in views}) == 4
    for view, index in zip(views, map(int, indices), strict=True):
        assert view.metrics["index"].values == [index] * (19 + index)
        assert view.facts["config"] == {"lr": 0.1 * index}
        assert row(project, view)["job"] == f"{job}_{index}"
        shown = project.call(SAMEBIT, "show", view.id).out
        assert f"{job}_{index} of Slurm" in shown
    second = project.call(SAMEBIT, "ls", "--where", f"job == '{job}_2'", "--json").json
    assert [one["config.lr"] for one in second] == [0.2]
    assert project.call(SAMEBIT, "check").code == 0


DDP = """
import os, random, torch
import torch.distributed as dist

rank, ranks = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
meet = f"file://{os.getcwd()}/meet-{os.environ['SLURM_JOB_ID']}"
dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=ranks)
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
lr = 0.1 * int(os.environ["SLURM_ARRAY_TASK_ID"])
optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
own = torch.Generator().manual_seed(rank)
for step in range(3):
    optimizer.zero_grad()
    model(torch.randn(2, 4, generator=own) + random.random()).square().mean().backward()
    optimizer.step()
dist.destroy_process_group()
"""


def test_the_tasks_that_one_command_starts_are_verified_rank_by_rank(
    slurm: Slurm, project: Project, tmp_path: Path
) -> None:
    pytest.importorskip("torch.distributed")
    project.write("ddp.py", DDP)
    command = f"{SAMEBIT} run -- srun -n 2 {sys.executable} ddp.py"
    job = submit(slurm, project, command, "--array=3", "--ntasks=2")
    assert slurm.wait(f"{job}_3") == "COMPLETED", said(project)
    view = project.view()
    assert (view.ranks, view.status, view.gaps) == (["0", "1"], "finished", [])
    assert [len(view.at_rank(rank).trace) for rank in view.ranks] == [3, 3]
    # Outside of any job: the index of the task is the run's, the tasks are a new step's.
    verdict = project.call(SAMEBIT, "verify", view.id, **slurm.environ)
    assert (verdict.code, verdict.out.split()[0]) == (0, "identical"), verdict
    assert "6 steps of 2 ranks" in verdict.out

    refuses = project.write("bin/srun", "#!/bin/sh\necho srun: no cluster here >&2\nexit 3\n")
    refuses.chmod(0o755)
    path = f"{refuses.parent}:{os.environ['PATH']}"
    verdict = project.call(SAMEBIT, "verify", view.id, PATH=path)
    assert verdict.code == 6, verdict
    nothing = "the replay recorded nothing: srun ended with exit code 3 before"
    assert (nothing in verdict.out, "another environment" in verdict.out) == (True, False)
    assert "srun: no cluster here" in verdict.out

    git = tmp_path / "git-only"
    git.mkdir()
    (git / "git").symlink_to(str(shutil.which("git")))
    verdict = project.call(SAMEBIT, "verify", view.id, PATH=str(git))
    assert (verdict.code, verdict.err) == (6, ""), verdict
    assert "its command is not on this machine: srun" in verdict.out


def test_a_replay_by_srun_does_not_write_where_nothing_holds_it_back(
    slurm: Slurm, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "result"
    project.write("write.py", f"with open({str(elsewhere)!r}, 'a') as to: to.write('once ')\n")
    ended = project.run("--", "srun", sys.executable, "write.py", **slurm.environ)
    assert ended.code == 0, ended
    verdict = project.call(SAMEBIT, "verify", "@last", **slurm.environ)
    assert (verdict.code, elsewhere.read_text()) == (125, "once "), verdict
    assert f"files: {elsewhere}" in verdict.err
    assert "by srun" in verdict.err


TASK = """
import os, samebit
run = samebit.init()
run.log({"rank": int(os.environ["SLURM_PROCID"])}, step=1)
"""


def test_supervisors_of_one_step_are_one_run_and_verify_says_how_to_begin_it(
    slurm: Slurm, project: Project
) -> None:
    project.write("train.py", TASK)
    words = ["srun", "-n", "2", SAMEBIT, "run", "--quiet", "train.py"]
    for _ in range(2):
        ended = project.call(*words, **slurm.environ)
        said = [
            line for line in ended.err.splitlines() if "resources" not in line
        ]  # srun's, of waiting
    assert (ended.code, said) == (0, []), ended
    for view in project.views():
        assert (view.ranks, view.status, view.gaps) == (["0", "1"], "finished", [])
        for rank in view.ranks:
            assert view.at_rank(rank).metrics["rank"].values == [int(rank)]
    apart = ["srun", "-n", "2", "env", "-u", "SLURM_STEP_ID", *words[3:]]
    assert project.call(*apart, **slurm.environ).code == 0
    assert [view.ranks for view in project.views()] == [["0", "1"]] * 2 + [["0"]] * 2
    verdict = project.call(SAMEBIT, "verify", project.views()[0].id, **slurm.environ)
    assert verdict.code == 6, verdict
    assert "it ran as 2 processes of Slurm job" in verdict.out
    assert "`samebit run -- srun …`" in verdict.out


GOES_ON = """
import json, os, time, samebit
done = json.load(open("at.json")) if os.path.exists("at.json") else 0
run = samebit.init({"lr": 0.1})
for step in range(done + 1, 9):
    run.log({"loss": 1 / step}, step=step)
    with open("at.json", "w") as to:
        json.dump(step, to)
    if step == 4 and not done:
        open("ready", "w").write("x\\n")
        time.sleep(200)
"""


def test_a_job_that_was_preempted_and_requeued_goes_on_as_the_same_run(
    slurm: Slurm, project: Project
) -> None:
    project.write("train.py", GOES_ON)
    command = f"{SAMEBIT} run --resume auto train.py"
    job = submit(slurm, project, command, "--requeue")
    project.wait_for("ready")
    slurm.call("scontrol", "requeue", job)
    assert slurm.wait(job) == "COMPLETED", said(project)
    assert slurm.field(job, "Restarts") == "1"
    view = project.view()
    ends = [(end.status, end.signal) for end in view.ends if end]
    assert ends == [("killed", "SIGTERM"), ("finished", None)], said(project)
    assert view.metrics["loss"].steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert view.at_execution(2).metrics["loss"].steps == [5, 6, 7, 8]
    again = submit(slurm, project, command)  # another job is another run
    assert slurm.wait(again) == "COMPLETED", said(project)
    assert [len(one.starts) for one in project.views()] == [2, 1]
