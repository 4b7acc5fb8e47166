"""What is started once more, and whether its run goes on: over the lines of a study alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from samebit.folders.folder import RunFolder
from samebit.studies.declared import Design
from samebit.studies.fates import Fate, fate
from samebit.studies.restarting import AGAIN, ON, Restarts
from samebit.studies.trials import Trials

STUDY = "0" * 10


class Steps:
    """A study of one trial: what its run says, and whether that can go on, are given."""

    def __init__(self, log: Trials, store: Path, *, can: bool = True, further: bool = True) -> None:
        self.log, self.store = log, store
        self.restarts = Restarts(store, lambda _, newer: further if newer else can)
        log.decide(Design({"all": 1}))
        self.start(Fate(log.history.trials[0], "waiting"))

    def is_lost_and_started_again(self) -> None:
        lost = self.came_to("killed")
        self.restarts.then(lost)
        self.start(lost)

    def start(self, found: Fate) -> None:
        self.restarts.start(self.log, found)

    def came_to(self, state: str, **more: object) -> Fate:
        """How the last start ended, after its execution was begun."""
        trial = self.log.history.trials[0]
        assert trial.last is not None
        for number in range(1, trial.last.execution + 1):
            folder = self.store / "runs" / trial.last.run / "executions" / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "start.json").touch()
        return fate(trial, self.row(state, trial.last.execution) | more)

    def row(self, state: str, executions: int) -> dict[str, object]:
        trial = self.log.history.trials[0]
        assert trial.last is not None
        known = executions if executions > 1 else None
        return {"id": trial.last.run, "state": state, "executions": known}

    @property
    def runs(self) -> list[tuple[str, int]]:
        return [(one.run, one.execution) for one in self.log.history.trials[0].starts]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Trials]:
    with Trials(tmp_path, STUDY) as log:
        yield log


def test_what_is_lost_goes_on_as_the_same_run_as_often_as_it_comes_further(
    log: Trials, tmp_path: Path
) -> None:
    one = Steps(log, tmp_path)
    for _ in range(4):
        lost = one.came_to("killed")
        assert one.restarts.then(lost) == ON
        one.start(lost)
    first = one.runs[0][0]
    assert one.runs == [(first, execution) for execution in (1, 2, 3, 4, 5)]
    assert log.history.trials[0].named_by == 1


def test_one_that_comes_no_further_goes_on_once(log: Trials, tmp_path: Path) -> None:
    one = Steps(log, tmp_path, further=False)
    lost = one.came_to("broken off")
    assert one.restarts.then(lost) == ON
    one.start(lost)
    lost = one.came_to("broken off")
    assert one.restarts.then(lost) == ""
    assert one.restarts.then(lost, retry=True) == ON


def test_without_a_checkpoint_another_run_begins_and_only_once(log: Trials, tmp_path: Path) -> None:
    one = Steps(log, tmp_path, can=False, further=False)
    lost = one.came_to("killed")
    assert one.restarts.then(lost) == AGAIN
    one.start(lost)
    (first, _), (second, execution) = one.runs
    assert (first != second, execution) == (True, 1)
    assert one.restarts.then(one.came_to("killed")) == ""


@pytest.mark.parametrize("state", ["failed", "killed", "broken off"])
def test_what_is_asked_for_again_goes_on_and_what_would_end_alike_does_not_by_itself(
    log: Trials, tmp_path: Path, state: str
) -> None:
    one = Steps(log, tmp_path)
    ended = one.came_to(state, cause="OUT_OF_MEMORY, Slurm job 7_0")
    assert one.restarts.then(ended) == ""
    assert one.restarts.then(ended, retry=True) == ON


def test_what_we_stopped_goes_on_and_a_start_that_came_to_nothing_is_made_again(
    log: Trials, tmp_path: Path
) -> None:
    one = Steps(log, tmp_path)
    one.came_to("killed")
    log.stopped(0)
    stopped = one.came_to("killed")
    assert (stopped.state, stopped.called, one.restarts.then(stopped)) == ("waiting", "stopped", ON)
    one.start(stopped)
    unbegun = fate(log.history.trials[0], one.row("killed", 1))  # as a kill in between leaves it
    assert (unbegun.state, unbegun.began, one.restarts.then(unbegun)) == ("waiting", False, ON)
    one.start(unbegun)
    assert [execution for _, execution in one.runs] == [1, 2]
    assert one.came_to("finished").state == "finished"


def test_a_start_that_may_not_go_on_any_more_is_one_of_another_run(
    log: Trials, tmp_path: Path
) -> None:
    one = Steps(log, tmp_path)
    one.is_lost_and_started_again()
    unbegun = fate(log.history.trials[0], one.row("killed", 1))
    one.restarts = Restarts(tmp_path, lambda _, __: False)  # its checkpoint was taken away
    assert one.restarts.then(unbegun) == AGAIN
    one.start(unbegun)
    assert one.runs[2][0] != one.runs[0][0]
    assert one.runs[2][1] == 1


def test_what_is_cancelled_before_it_begins_goes_on_a_second_time_and_no_third(
    log: Trials, tmp_path: Path
) -> None:
    one = Steps(log, tmp_path)
    one.is_lost_and_started_again()
    for then in (ON, ""):
        log.lost(0, "CANCELLED, Slurm job 8_0")
        lost = fate(log.history.trials[0], one.row("killed", 1))
        assert (lost.state, lost.began, one.restarts.then(lost)) == ("broken off", False, then)
        if then:
            one.start(lost)


def test_a_run_is_asked_whether_it_goes_on_only_where_it_was_lost(
    log: Trials, tmp_path: Path
) -> None:
    asked: list[RunFolder] = []
    one = Steps(log, tmp_path)
    one.restarts = Restarts(tmp_path, lambda run, _: not asked.append(run))
    for state in ("finished", "failed", "running", "damaged"):
        assert one.restarts.then(one.came_to(state)) == ""
    assert asked == []
