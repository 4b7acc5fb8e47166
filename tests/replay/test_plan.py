"""What a replay needs, what of it is here, and what stands in its way."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from samebit.capture import environment
from samebit.capture.listings import summary
from samebit.replay.plan import environment_differences, make_plan
from samebit.replay.running import refuse
from tests.replay.conftest import Recorder, file_fact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data/x.csv").write_text("1,2,3")
    return folder


def blockers(recorder: Recorder, root: Path, *facts: tuple[str, Any], **how: Any) -> list[str]:
    view = recorder.run([recorder.code(root, train="x = 1\n"), *facts], **how)
    return list(make_plan(view, {}).blockers)


def test_a_run_of_which_all_is_here_has_no_blocker(recorder: Recorder, root: Path) -> None:
    assert blockers(recorder, root, file_fact(root / "data/x.csv")) == []


def test_a_refusal_says_when_it_was_and_why(recorder: Recorder, root: Path) -> None:
    data = root / "data/x.csv"
    view = recorder.run([recorder.code(root, train="x = 1\n"), file_fact(data)])
    data.unlink()
    before = time.time_ns()
    verdict = refuse(make_plan(view, {}))
    assert before <= verdict.at_ns <= time.time_ns()
    assert (verdict.grade, "x.csv" in verdict.cause) == ("unknown", True)


def test_a_file_of_the_code_comes_from_the_record_whatever_lies_there(
    recorder: Recorder, root: Path
) -> None:
    (root / "train.py").write_text("edited")
    assert blockers(recorder, root, file_fact(root / "train.py", digest="blake3:" + "0" * 64)) == []


def test_data_known_by_size_and_time_only_must_have_both(recorder: Recorder, root: Path) -> None:
    data = root / "data/x.csv"
    fact = file_fact(data, digest=None)
    assert blockers(recorder, root, fact) == []
    os.utime(data, ns=(1, 1))
    assert "no digest of it was taken" in blockers(recorder, root, fact)[0]


def test_the_bytes_kept_stand_in_for_a_file_that_was_overwritten(
    recorder: Recorder, root: Path
) -> None:
    data = root / "data/x.csv"
    fact = file_fact(data, written=True, kept=recorder.put(data.read_bytes()))
    lost = file_fact(data, written=True, kept=None)
    data.unlink()
    assert blockers(recorder, root, fact) == []
    assert "too large to keep" in blockers(recorder, root, lost)[0]


def test_a_file_that_changed_during_the_run_is_a_blocker(recorder: Recorder, root: Path) -> None:
    fact = file_fact(root / "data/x.csv", changed=True)
    assert "was changed while the run was going on" in blockers(recorder, root, fact)[0]


def test_a_file_that_nobody_could_read_is_no_input(recorder: Recorder, root: Path) -> None:
    fact = file_fact(root / "data/x.csv", unreadable=True, digest=None)
    (root / "data/x.csv").unlink()
    assert blockers(recorder, root, fact) == []


def test_a_folder_of_too_many_files_must_be_what_it_was(recorder: Recorder, root: Path) -> None:
    data = root / "data"
    fact = file_fact(data, "many", **summary(str(data)))
    assert blockers(recorder, root, fact) == []
    view = recorder.run([recorder.code(root, train="x = 1\n"), fact])
    assert [(item.path, item.names, item.count) for item in make_plan(view, {}).listings] == [
        (data, ("x.csv",), 1)
    ]
    os.utime(data / "x.csv", ns=(1, 1))
    assert "some are others now" in blockers(recorder, root, fact)[0]
    unknown = file_fact(data, "many", count=None)
    assert "more files" in blockers(recorder, root, unknown)[0]


def test_what_a_run_made_in_a_folder_that_it_listed_is_not_laid_out(
    recorder: Recorder, root: Path
) -> None:
    """A library of C writes without our seeing it; a link to what it wrote cannot be written."""
    data = root / "data"
    for name in ("early.txt", "made.bin", "more.bin"):
        (data / name).write_text("x")
        os.utime(data / name, ns=(1, 1))
    first = file_fact(data, "list", count=3, names=["early.txt", "made.bin", "x.csv"])
    again = file_fact(data, "list", count=4, names=["early.txt", "gone", "more.bin", "x.csv"])
    view = recorder.run([recorder.code(root, train="x = 1\n"), first, again])
    assert view.end is not None
    os.utime(data / "made.bin", ns=(1, view.end.ended_ns))  # while the run went on
    plan = make_plan(view, {})
    assert plan.blockers == ()
    assert [(one.path, one.names) for one in plan.listings] == [(data, ("early.txt", "x.csv"))]


def test_a_later_fact_of_a_file_completes_the_earlier(recorder: Recorder, root: Path) -> None:
    data = root / "data/x.csv"
    first = file_fact(data, written=True, kept=None)
    assert blockers(recorder, root, first, file_fact(data)) == []


def test_a_source_whose_bytes_are_lost_is_a_blocker(recorder: Recorder, root: Path) -> None:
    modules = [["helper", str(root / "helper.py"), "blake3:" + "0" * 64]]
    found = blockers(recorder, root, ("sources", {"path": [], "modules": modules}))
    assert "its code is not complete: helper" in found[0]


@pytest.mark.parametrize("script", ["", "-c", "/x/ipykernel_launcher.py"])
def test_an_interactive_session_cannot_be_run_again(
    recorder: Recorder, root: Path, script: str
) -> None:
    found = blockers(recorder, root, how="init", argv=(script,))
    assert "there is no script to run again" in found[0]


def test_a_run_begun_by_init_is_given_the_interpreters_own_options(
    recorder: Recorder, root: Path
) -> None:
    process = {"argv": ["python", "-O", "-m", "train", "--lr", "1"], "pid": 1, "pid_started": 1}
    process |= {"boot": "", "execution": 1}
    view = recorder.run(
        [recorder.code(root, train=""), ("process", process)], how="init", argv=("train.py",)
    )
    plan = make_plan(view, {})
    assert (plan.how, plan.words[0]) == ("command", sys.executable)
    assert plan.words[1:] == ("-O", "-m", "train", "--lr", "1")


def test_a_variable_that_changes_results_is_given_back(recorder: Recorder, root: Path) -> None:
    view = recorder.run([recorder.code(root), ("variables", {"OMP_NUM_THREADS": "1"})])
    plan = make_plan(view, {"OMP_NUM_THREADS": "2", "HOME": "/home/me"})
    assert plan.environ["OMP_NUM_THREADS"] == "1"
    assert plan.environ["HOME"] == "/home/me"
    assert any("OMP_NUM_THREADS" in line for line in plan.changed_variables)


def test_the_task_of_an_array_is_the_runs_and_its_job_is_not(
    recorder: Recorder, root: Path
) -> None:
    then = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": "71", "SLURM_NTASKS": "1"}
    view = recorder.run([recorder.code(root), ("variables", then)])
    assert make_plan(view, {}).environ["SLURM_ARRAY_TASK_ID"] == "3"
    here = make_plan(view, {"SLURM_ARRAY_TASK_ID": "0", "SLURM_JOB_ID": "99"}).environ
    assert (here["SLURM_ARRAY_TASK_ID"], here["SLURM_JOB_ID"]) == ("3", "99")
    assert "SLURM_NTASKS" not in here


def test_a_launcher_that_is_not_here_is_a_blocker(recorder: Recorder, root: Path) -> None:
    given = {"how": "command", "argv": ("no-such-srun", "python", "train.py")}
    found = blockers(recorder, root, **given)
    assert found == ["its command is not on this machine: no-such-srun"]
    assert blockers(recorder, root, how="command", argv=("./no-such", "train.py")) == []


def test_another_version_of_a_package_is_reported_and_most_effective_first(
    recorder: Recorder, root: Path
) -> None:
    then = environment.packages()
    then["versions"] = {**then["versions"], "msgspec": "0.0.1", "torch": "1.0"}
    view = recorder.run([("packages", then)])
    first, second = environment_differences(view)
    assert first.startswith("torch: 1.0 then")
    assert second.startswith("msgspec: 0.0.1 then")
    assert environment_differences(view, {"packages": then}) == []
    assert environment_differences(view, {}) == []
