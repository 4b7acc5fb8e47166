"""Which rank's rows are shown, and what of an earlier execution still counts after a resume."""

import time
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.errors import NotFound
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart


def execute(run: RunFolder) -> int:
    return run.begin_execution(
        ExecutionStart(0, time.time_ns(), "script", ("train.py",), "/tmp")
    ).number


def join(run: RunFolder, rank: str = "0", **joined: Any) -> Writer:
    """A process that records as a rank, after whatever was written before."""
    time.sleep(0.001)
    writer = Writer(run.journal, run.id, rank)
    writer.fact("joined", {"rank": rank, "execution": 1, "restart": 0, **joined})
    writer.fact("trace", {"algorithm": "x", "groups": ["loss"]})
    return writer


def train(writer: Writer, steps: range, value: int, *, log: bool = True) -> None:
    for step in steps:
        writer.trace(0, step, 1, bytes([value] * 8))
        writer.hyper(0, step, 0, {"lr": value})
        if log:
            writer.row({"loss": value}, step)


def losses(view: View) -> dict[int, Any]:
    column = view.metrics["loss"]
    return dict(zip(column.steps, column.values, strict=True))


def traced(view: View) -> dict[int, int]:
    return {row.count: row.groups["loss"][0] for row in view.trace}


def test_the_lowest_rank_is_the_face_and_every_other_is_there(run: RunFolder) -> None:
    for rank in ("10", "2", "0"):
        writer = join(run, rank)
        train(writer, range(1, 3), int(rank))
        writer.fact("config", {"rank": rank})
        writer.fact("problem", {"what": "w", "detail": rank})
        writer.close()
    supervisor = Writer(run.journal, run.id, "launch")
    supervisor.fact("volatile", ["x"])
    supervisor.close()
    view = read_run(run)
    assert view.ranks == ["0", "2", "10"]
    assert losses(view) == {1: 0, 2: 0}
    assert traced(view) == {1: 0, 2: 0}
    assert view.facts["config"] == {"rank": "0"}
    other = view.at_rank("10")
    assert losses(other) == {1: 10, 2: 10}
    assert (traced(other), other.facts["config"]) == ({1: 10, 2: 10}, {"rank": "10"})
    assert other.facts["volatile"] == view.facts["volatile"] == ["x"]
    assert view.missing[:3] == ["w: 0", "w: 2", "w: 10"]
    with pytest.raises(NotFound, match="no rank '1'"):
        view.at_rank("1")


def test_a_launcher_that_joined_is_not_the_face_of_what_it_launched(run: RunFolder) -> None:
    launcher, rank = join(run, launched=False), join(run, launched=True)
    rank.fact("config", {"of": "training"})
    train(rank, range(1, 3), 1)
    rank.fact("end", {"execution": 1, "status": "failed"})
    rank.close()
    launcher.fact("config", {"of": "launcher"})
    launcher.fact("file", {"path": "/tmp/a", "how": "write"})
    launcher.fact("end", {"execution": 1, "status": "finished"})
    launcher.close()
    view = read_run(run)
    assert view.facts["config"] == {"of": "training"}
    assert view.facts["end"]["status"] == "failed"
    assert [fact["path"] for fact in view.all_facts("file")] == ["/tmp/a"]


def test_of_several_processes_the_one_that_trained_is_the_face(run: RunFolder) -> None:
    prepare, training, evaluate = join(run), join(run), join(run)
    for value, writer in enumerate((prepare, training, evaluate)):
        if writer is training:
            train(writer, range(1, 3), value, log=False)
        writer.fact("config", {"part": value})
        writer.row({f"of {value}": value}, 0)
        writer.close()
    view = read_run(run)
    assert view.facts["config"] == {"part": 1}
    assert set(view.metrics) == {"of 0", "of 1", "of 2"}


def test_two_trainings_of_one_command_never_make_one_trace(run: RunFolder) -> None:
    first, second = join(run), join(run)
    train(first, range(1, 6), 1, log=False)
    train(second, range(1, 3), 2, log=False)
    first.close()
    second.close()
    assert traced(read_run(run)) == {1: 2, 2: 2}


def test_what_a_resume_did_again_replaces_all_that_came_after_the_checkpoint(
    run: RunFolder,
) -> None:
    for _ in range(2):
        execute(run)
    first = join(run, execution=1)
    train(first, range(1, 9), 1)
    first.row({"val": 0.1}, 1)  # an epoch: another scale; written after step 8
    first.fact("state", {"name": "step 0", "manifest": "blake3:0", "step": 0})
    first.fact("state", {"name": "final", "manifest": "blake3:8", "step": 8})
    first.close()
    second = join(run, execution=2)
    second.fact("continued", {"execution": 2, "optimizer": 0, "count": 5, "by": "optimizer"})
    train(second, range(6, 8), 2)
    second.close()
    view = read_run(run)
    assert losses(view) == {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 2}
    assert traced(view) == losses(view)
    assert [values["lr"] for *_, values in view.schedule] == [1] * 5 + [2] * 2
    assert "val" not in view.metrics
    assert list(view.states) == ["step 0"]
    (gone,) = view.replaced
    assert (gone.execution, gone.points, gone.since) == (1, 4, 1)  # losses 6 to 8, and val
    whole = view.at_execution(1)
    assert losses(whole) == dict.fromkeys(range(1, 9), 1)
    assert whole.metrics["val"].values == [0.1]
    assert (list(whole.states), whole.replaced) == (["step 0", "final"], [])
    assert losses(view.at_execution(2)) == {6: 2, 7: 2}
    with pytest.raises(NotFound, match="no execution 3"):
        view.at_execution(3)


def checkpoint(writer: Writer, at: int, **more: Any) -> None:
    fact = {"name": f"checkpoint {at}", "manifest": f"blake3:{at}", "step": at, "count": at}
    writer.fact("state", {**fact, "whole": True, **more})


def test_what_is_left_of_an_older_checkpoint_keeps_its_place(run: RunFolder) -> None:
    writer = join(run)
    checkpoint(writer, 1)
    checkpoint(writer, 2)
    checkpoint(writer, 1, whole=False, manifest="blake3:w")
    writer.close()
    view = read_run(run)
    assert list(view.states) == ["checkpoint 1", "checkpoint 2"]
    assert view.manifest("checkpoint 1") == "blake3:w"


def test_without_a_step_of_the_optimizer_a_name_that_is_logged_again_replaces_from_there(
    run: RunFolder,
) -> None:
    for _ in range(2):
        execute(run)
    first = join(run, execution=1)
    for step in range(6):
        first.row({"loss": 1, "other": 1}, step)
    first.close()
    second = join(run, execution=2)
    second.row({"loss": 2}, 3)
    second.close()
    view = read_run(run)
    assert losses(view) == {0: 1, 1: 1, 2: 1, 3: 2}
    assert view.metrics["other"].steps == [0, 1, 2, 3, 4, 5]
    assert [(gone.points, gone.since) for gone in view.replaced] == [(3, 3)]


def test_a_resume_that_made_no_step_leaves_everything_as_it_was(run: RunFolder) -> None:
    for _ in range(2):
        execute(run)
    first = join(run, execution=1)
    train(first, range(1, 4), 1)
    first.fact("state", {"name": "final", "manifest": "blake3:3", "step": 3})
    first.close()
    join(run, execution=2).close()
    view = read_run(run)
    assert losses(view) == traced(view) == {1: 1, 2: 1, 3: 1}
    assert list(view.states) == ["final"]
    assert view.replaced == []


@pytest.mark.parametrize("first_logs", [True, False])
@pytest.mark.parametrize("second_logs", [True, False])
@pytest.mark.parametrize("first_steps", [0, 1, 5])
@pytest.mark.parametrize("second_steps", [0, 1, 7])
def test_a_resume_from_the_start_replaces_everything_and_is_shown(
    run: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    first_steps: int,
    second_steps: int,
    first_logs: bool,
    second_logs: bool,
) -> None:
    for value, steps, log in ((1, first_steps, first_logs), (2, second_steps, second_logs)):
        number = execute(run)
        writer = join(run, execution=number)
        if number == 2:
            writer.fact(
                "continued", {"execution": 2, "optimizer": 0, "count": 0, "by": "optimizer"}
            )
        writer.fact("state", {"name": "step 0", "manifest": f"blake3:{value}", "step": 0})
        train(writer, range(1, steps + 1), value, log=log)
        if steps and number == 1:
            checkpoint(writer, steps)
        writer.close()
        run.end_execution(number, ExecutionEnd(time.time_ns(), "failed", exit_code=1))
    view = read_run(run)
    assert traced(view) == dict.fromkeys(range(1, second_steps + 1), 2)
    assert [values["lr"] for *_, values in view.schedule] == [2] * second_steps
    # Only a row that was logged before the first step may still count.
    logged = losses(view) if "loss" in view.metrics else {}
    assert set(logged.values()) <= {2}
    assert len(logged) == (second_steps if second_logs else 0)
    assert list(view.states) == ["step 0"]
    assert view.manifest("step 0") == "blake3:2"
    assert view.gaps == []
    gone = [(gone.execution, gone.points, gone.since) for gone in view.replaced]
    assert gone == ([(1, first_steps, 1)] if first_logs and first_steps else [])
    monkeypatch.setenv("SAMEBIT_DIR", str(run.store))
    for words in (["show", run.id], ["show", run.id, "--json"], ["ls"], ["state", "ls", run.id]):
        assert main(words) == 0
    assert capsys.readouterr().err == ""


def test_a_restart_of_a_launcher_counts_as_an_execution_does(run: RunFolder) -> None:
    execute(run)
    first = join(run, launched=True)
    train(first, range(1, 6), 1)
    first.fact("exception", "RuntimeError: lost")
    first.fact("end", {"execution": 1, "status": "failed"})
    first.close()
    again = join(run, launched=True, restart=1)
    again.fact("continued", {"execution": 1, "optimizer": 0, "count": 2, "by": "optimizer"})
    train(again, range(3, 5), 2)
    again.close()
    view = read_run(run)
    assert losses(view) == traced(view) == {1: 1, 2: 1, 3: 2, 4: 2}
    assert view.restarts == 1
    assert {"exception", "end"}.isdisjoint(view.facts)


def test_the_rows_of_a_forked_child_belong_to_what_went_on_when_it_began(run: RunFolder) -> None:
    execute(run)
    first = join(run, execution=1)
    first.row({"loss": 1}, 1)
    time.sleep(0.001)
    child = Writer(run.journal, run.id)  # it never joins
    child.row({"loss": 1}, 2)
    child.row({"loss": 1}, 3)
    child.close()
    first.close()
    execute(run)
    second = join(run, execution=2)
    second.row({"loss": 2}, 3)
    second.close()
    assert losses(read_run(run)) == {1: 1, 2: 1, 3: 2}


@pytest.mark.parametrize(
    ("exception", "cause"),
    [
        ("Traceback…\nValueError: wrong", "ValueError"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", "out of memory"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "out of memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you", "out of"),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate", "out of memory"),
        ("MemoryError", "out of memory"),
        ("jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory", "out of memory"),
        ("AssertionError", "AssertionError"),
        ("…\n  and words", "an exception"),
    ],
)
def test_why_it_failed_is_told_in_a_few_words(run: RunFolder, exception: str, cause: str) -> None:
    execute(run)
    writer = join(run)
    writer.fact("exception", exception)
    writer.fact("end", {"execution": 1, "status": "failed"})
    writer.close()
    found = read_run(run)
    assert found.status == "failed"
    assert (found.cause or "").startswith(cause)
