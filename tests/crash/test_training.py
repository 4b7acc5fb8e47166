"""Nothing of ours that fails may be felt by the script: its output, its exit code, its result.

Real scripts in real processes, with one named fault point after the other made to fail. A fault
given through `env` reaches the script's process alone, one in the environment of `samebit run`
the supervisor as well.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from samebit import disk
from samebit.folders.find import list_runs
from samebit.folders.read import View, read_run
from tests.projects import unswept
from tests.warm import Warm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals and programs of POSIX"),
]

STEPS = 5
# Reads a file and overwrites it, so that its bytes go into the store; ends as it is told.
PLAIN = """
import sys
import samebit

run = samebit.init(config={"lr": 0.1})
text = open("data.txt").read()
for step in range(5):
    run.log({"loss": 1 / (step + 1)}, step=step)
    print("step", step)
with open("data.txt", "a") as stream:
    stream.write(" and more")
print("to stderr", file=sys.stderr)
if len(sys.argv) > 1:
    sys.exit(int(sys.argv[1]))
"""
PLAIN_OUTPUT = "".join(f"step {step}\n" for step in range(STEPS))

TORCH = """
import sys
import torch
import samebit

torch.manual_seed(0)
run = samebit.init(config={"lr": 0.1})
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
for step, batch in enumerate(torch.utils.data.DataLoader(torch.eye(6, 3), batch_size=2)):
    optimizer.zero_grad()
    loss = model(batch).square().sum()
    scaler.scale(loss).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 8.0)
    scaler.step(optimizer)
    scaler.update()
    scheduler.step()
    run.checkpoint()
    run.log({"loss": loss.detach()}, step=step)
    print("step", step, loss.item().hex())
print([value.hex() for value in model.weight.flatten().tolist()])
"""

BEFORE_THE_FIRST_LINE = {"journal.open", "journal.write"}
# tests/session/test_tracing.py and test_boosting.py
IN_OTHER_LOOPS = {"run.trace", "hooks.boosting"}
IN_SPLITS = {"run.splits", "hooks.splits"}  # tests/session/test_splits.py
IN_USED = {"run.data", "hooks.fits"}  # tests/session/test_used.py and test_fits.py
IN_PARALLEL = {"hooks.local"}  # tests/session/test_launchers.py
IN_TORCH = {
    p for p in disk.FAULT_POINTS if p.startswith("hooks.")
} - IN_OTHER_LOOPS - IN_SPLITS - IN_USED - IN_PARALLEL | {
    "state.save",
    "run.checkpoint",
    "trace.leaves",
}
IN_THE_SUPERVISOR = {"capture.code"}
DISK = {"disk.create", "disk.fsync", "disk.rename"}
IN_A_SWEEP = {"disk.remove"}  # tests/objects/test_sweeping.py
IN_DATA = {"data.lay_out"}  # test_data.py
IN_MEDIA = {"media.make", "media.tell"}  # test_media.py
# Of who starts runs, not of a run: tests/cli/test_seeding.py, test_seeds_early.py and
# tests/studies/test_on_slurm.py.
IN_A_STUDY = {
    "study.cancel",
    "study.decide",
    "study.decided",
    "study.sent",
    "study.slurm",
    "study.submit",
}
IN_A_PLAIN_CHILD = (
    disk.FAULT_POINTS
    - IN_TORCH
    - IN_OTHER_LOOPS
    - IN_SPLITS
    - IN_USED
    - IN_PARALLEL
    - IN_THE_SUPERVISOR
    - IN_A_SWEEP
    - IN_DATA
    - IN_MEDIA
    - IN_A_STUDY
)


@dataclass(frozen=True)
class Done:
    """What was seen of a script that ran, and what was recorded."""

    code: int
    stdout: str
    stderr: str
    views: list[View]

    @property
    def view(self) -> View:
        (view,) = self.views
        return view

    @property
    def ours(self) -> list[str]:
        """Our own lines on stderr, but for how the run ended."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("samebit: ")]
        return [line for line in lines if not line.startswith("samebit: run ")]

    @property
    def losses(self) -> list[float]:
        metrics = self.view.metrics
        return metrics["loss"].values if "loss" in metrics else []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "data.txt").write_text("data")
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "torch_script.py").write_text(unswept(TORCH))
    return tmp_path


def environ(project: Path, faults: str) -> dict[str, str]:
    ours = {"HOME": str(project), "XDG_CONFIG_HOME": str(project), "SAMEBIT_FAULTS": faults}
    return {k: v for k, v in os.environ.items() if not k.startswith("SAMEBIT_")} | ours


def recorded(project: Path) -> list[View]:
    folders = list(list_runs(project / ".samebit"))
    return [read_run(run) for run in folders if (run.path / "run.json").exists()]


def execute(project: Path, command: list[str], faults: str = "") -> Done:
    """Run a command in the project and read what it recorded."""
    env = environ(project, faults)
    done = subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, timeout=120
    )
    return Done(done.returncode, done.stdout, done.stderr, recorded(project))


def forked(warm: Warm, project: Path, script: str, faults: str) -> Done:
    """Recorded by `init()` in a fork of a process that has torch."""
    done = warm.run(script, cwd=project, env=environ(project, faults))
    return Done(done.returncode, done.stdout, done.stderr, recorded(project))


SAMEBIT_RUN = [sys.executable, "-m", "samebit.cli.main", "run"]


def supervised(project: Path, script: str, faults: str, *arguments: str) -> Done:
    """Under `samebit run`, with the faults in the script's process alone."""
    child = ["env", f"SAMEBIT_FAULTS={faults}", sys.executable, script, *arguments]
    return execute(project, [*SAMEBIT_RUN, "--", *child])


def everywhere(project: Path, faults: str, *options: str) -> Done:
    """Under `samebit run`, with the faults in the supervisor as well."""
    return execute(project, [*SAMEBIT_RUN, *options, "plain.py"], faults)


def alone(project: Path, faults: str, *arguments: str) -> Done:
    """Recorded by `init()`, without a supervisor."""
    return execute(project, [sys.executable, "plain.py", *arguments], faults)


def assert_unharmed(done: Done, stdout: str = PLAIN_OUTPUT, code: int = 0) -> None:
    """The script's own output and exit code, and of ours at most a line for each source."""
    assert done.stdout == stdout
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "a fault of ours" not in done.stderr
    assert len(done.ours) == len(set(done.ours))


def faults_of(points: set[str] | frozenset[str], actions: str = "raise error") -> list[str]:
    return [f"{point}={action}" for point in sorted(points) for action in actions.split()]


def test_every_point_is_tried_somewhere() -> None:
    tried = IN_A_PLAIN_CHILD | IN_TORCH | IN_OTHER_LOOPS | IN_THE_SUPERVISOR | IN_A_SWEEP
    tried |= IN_PARALLEL | IN_SPLITS | IN_USED | IN_DATA | IN_MEDIA | IN_A_STUDY
    assert tried == disk.FAULT_POINTS


def test_without_faults_nothing_is_said_and_nothing_missing(project: Path) -> None:
    done = supervised(project, "plain.py", "")
    assert_unharmed(done)
    assert done.ours == []
    assert done.view.missing == []
    assert done.view.status == "finished"
    assert done.losses == [1 / (step + 1) for step in range(STEPS)]
    assert (project / "data.txt").read_text() == "data and more"


# In the script's own process.


@pytest.mark.parametrize("fault", faults_of(IN_A_PLAIN_CHILD - BEFORE_THE_FIRST_LINE))
def test_what_fails_while_a_script_runs_is_said_once_and_marked(project: Path, fault: str) -> None:
    done = supervised(project, "plain.py", fault)
    assert_unharmed(done)
    assert (project / "data.txt").read_text() == "data and more"
    assert done.view.status == "finished"
    said = [line.split(":")[1] for line in done.stderr.splitlines() if "injected fault" in line]
    assert said  # a disk may fail under several captures: each says so once
    assert len(set(said)) == len(said) <= 2
    assert any("injected fault" in line for line in done.view.missing)
    assert not any("training goes on" in line for line in done.view.missing)  # only said
    if not fault.startswith("run.log"):
        assert done.losses == [1 / (step + 1) for step in range(STEPS)]


@pytest.mark.parametrize(
    "fault",
    ["journal.write=error@9", "journal.write=short@9", "journal.write=full@9+", "run.log=error@3"],
)
def test_a_journal_that_fails_in_the_middle_costs_only_what_it_refused(
    project: Path, fault: str
) -> None:
    done = supervised(project, "plain.py", fault)
    assert_unharmed(done)
    whole = [1 / (step + 1) for step in range(STEPS)]
    assert all(loss in whole for loss in done.losses)
    if "+" not in fault and "run.log" not in fault:
        assert done.losses == whole
    if "run.log" in fault:
        assert done.losses == whole[:2] + whole[3:]


@pytest.mark.parametrize("fault", ["run.finish=raise", "disk.create=error", "journal.sync=error"])
def test_the_exit_code_of_a_failing_script_stays_its_own(project: Path, fault: str) -> None:
    done = supervised(project, "plain.py", fault, "3")
    assert_unharmed(done, code=3)
    assert done.view.status == "failed"


@pytest.mark.parametrize("fault", ["run.finish=raise", "console.write=error"])
def test_the_traceback_of_a_failing_script_stays_its_own(project: Path, fault: str) -> None:
    done = supervised(project, "plain.py", fault, "no number")
    assert (done.code, done.stdout) == (1, PLAIN_OUTPUT)
    assert done.stderr.count("Traceback") == 1
    assert "ValueError: invalid literal for int() with base 10: 'no number'" in done.stderr
    assert done.view.status == "failed"


@pytest.mark.parametrize("point", ["run.log", "console.write", "journal.sync", "disk.rename"])
def test_after_a_kill_everything_up_to_it_is_there(project: Path, point: str) -> None:
    when = "@4" if point in ("run.log", "console.write") else ""
    done = supervised(project, "plain.py", f"{point}=kill{when}")
    assert done.code == -signal.SIGKILL
    assert done.view.status == "killed"
    assert PLAIN_OUTPUT.startswith(done.stdout)
    # A thread of ours may sync or rename while the script is at any of its steps.
    rows = {"run.log": 3, "console.write": 2}.get(point, done.stdout.count("step "))
    assert len(done.losses) >= rows
    assert done.losses == [1 / (step + 1) for step in range(len(done.losses))]
    assert done.view.gaps == []
    # And the next run knows nothing of it.
    (project / "data.txt").write_text("data")
    again = supervised(project, "plain.py", "")
    assert_unharmed(again)
    assert sorted(view.status for view in again.views) == ["finished", "killed"]


@pytest.mark.parametrize("fault", faults_of(BEFORE_THE_FIRST_LINE))
def test_a_journal_that_cannot_be_begun_stops_before_the_first_line(
    project: Path, fault: str
) -> None:
    done = supervised(project, "plain.py", fault)
    assert (done.code, done.stdout) == (125, "")
    assert "this run cannot be recorded" in done.stderr
    assert "injected fault" in done.stderr
    assert "--or-run-anyway" in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "data.txt").read_text() == "data"
    assert done.view.status == "failed"
    assert len(done.ours) == 1
    assert any("injected fault" in line for line in done.view.missing)


@pytest.mark.parametrize("fault", faults_of(BEFORE_THE_FIRST_LINE, "error"))
def test_or_it_runs_anyway_where_that_was_said(project: Path, fault: str) -> None:
    child = ["env", f"SAMEBIT_FAULTS={fault}", sys.executable, "plain.py", "4"]
    done = execute(project, [*SAMEBIT_RUN, "--or-run-anyway", "--", *child])
    assert (done.code, done.stdout) == (4, PLAIN_OUTPUT)
    assert "running it anyway" in done.stderr
    assert "nothing was recorded" not in done.stderr  # it was said already
    assert "Traceback" not in done.stderr


# In the supervisor as well.


@pytest.mark.parametrize("fault", faults_of(DISK | BEFORE_THE_FIRST_LINE))
def test_a_supervisor_that_cannot_record_starts_nothing_and_says_so(
    project: Path, fault: str
) -> None:
    done = everywhere(project, fault)
    assert (done.code, done.stdout) == (125, "")
    assert "nothing was started" in done.stderr
    assert "injected fault" in done.stderr
    assert "--or-run-anyway" in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "data.txt").read_text() == "data"
    # A run that was begun has ended, with the reason.
    for view in done.views:
        assert view.status == "failed"
        assert "injected fault" in view.end.exception


@pytest.mark.parametrize("fault", faults_of(DISK | BEFORE_THE_FIRST_LINE, "error"))
def test_or_it_starts_it_anyway_where_that_was_said(project: Path, fault: str) -> None:
    done = everywhere(project, fault, "--or-run-anyway")
    assert (done.code, done.stdout) == (0, PLAIN_OUTPUT)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("without a record") + done.stderr.count("no record is kept") >= 1


@pytest.mark.parametrize("fault", faults_of({"capture.code"}))
def test_code_that_cannot_be_taken_is_marked(project: Path, fault: str) -> None:
    done = everywhere(project, fault)
    assert_unharmed(done)
    assert done.view.status == "finished"
    assert [line.startswith("samebit: code: ") for line in done.ours] == [True]
    assert any(line.startswith("code: ") for line in done.view.missing)


@pytest.mark.parametrize("fault", faults_of({"journal.sync"}))
def test_a_supervisor_that_cannot_sync_ends_like_its_script(project: Path, fault: str) -> None:
    done = everywhere(project, fault)
    assert_unharmed(done)
    assert done.view.status == "finished"
    assert done.view.end is not None
    assert any("injected fault" in line for line in done.view.missing)


@pytest.mark.parametrize("fault", faults_of(DISK, "raise@4 error@4 error@5+"))
def test_a_supervisor_whose_disk_fails_later_ends_like_its_script(
    project: Path, fault: str
) -> None:
    done = everywhere(project, fault)
    assert_unharmed(done)
    assert done.view.status == "finished"


# Without a supervisor.


@pytest.mark.parametrize(
    "fault", [*faults_of(IN_A_PLAIN_CHILD | IN_THE_SUPERVISOR, "error"), "disk.create=raise"]
)
def test_init_never_stops_a_script(project: Path, fault: str) -> None:
    done = alone(project, fault, "6")
    assert_unharmed(done, code=6)
    assert (project / "data.txt").read_text() == "data and more"
    if done.views:
        assert done.view.status in ("failed", "finished")
        assert len(done.view.missing) > 1 or "journal" in fault
    else:
        assert "no record is kept" in done.stderr


@pytest.mark.parametrize("fault", faults_of(DISK, "error@2 error@3 raise@3"))
def test_init_never_stops_a_script_for_a_run_that_it_could_not_begin(
    project: Path, fault: str
) -> None:
    done = alone(project, fault)
    assert_unharmed(done)
    assert len(done.ours) == 1
    assert "no record is kept" in done.stderr


# With torch.


@pytest.fixture(scope="module")
def torch_output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the script prints without us: every loss and weight, bit for bit."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("bare")
    bare = TORCH.replace("import samebit", "from unittest import mock")
    bare = bare.replace("samebit.init(", "mock.Mock(")
    (folder / "bare.py").write_text(bare)
    done = subprocess.run(
        [sys.executable, "bare.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def assert_training_unharmed(done: Done, output: str) -> None:
    assert_unharmed(done, stdout=output)
    assert done.view.status == "finished"
    assert any("injected fault" in line for line in done.view.missing)
    said = [line.partition(": ")[2].partition(": ")[0] for line in done.ours]
    assert len(said) == len(set(said)) >= 1  # one line for each source
    assert len(done.losses) == 3


@pytest.mark.parametrize("fault", ["hooks.pre_step=raise", "state.save=error", *faults_of(DISK)])
def test_training_is_bit_for_bit_the_same_whatever_fails(
    project: Path, torch_output: str, fault: str
) -> None:
    assert_training_unharmed(supervised(project, "torch_script.py", fault), torch_output)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    sorted(
        set(faults_of(IN_TORCH | {"capture.settings", "run.log"}))
        - {"hooks.pre_step=raise", "state.save=error", "run.log=error"}
    ),
)
def test_training_is_bit_for_bit_the_same_at_every_fault_point(
    project: Path, torch_output: str, warm: Warm, fault: str
) -> None:
    assert_training_unharmed(forked(warm, project, "torch_script.py", fault), torch_output)


@pytest.mark.slow
@pytest.mark.parametrize("point", sorted(IN_TORCH | {"capture.settings"}))
def test_training_that_is_killed_at_a_fault_point_can_be_read(project: Path, point: str) -> None:
    pytest.importorskip("torch")
    done = supervised(project, "torch_script.py", f"{point}=kill")
    assert done.code == -signal.SIGKILL
    assert done.view.status == "killed"
    assert done.view.gaps == []
    assert done.view.missing or not done.view.trace
