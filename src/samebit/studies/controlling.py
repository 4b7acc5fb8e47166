"""The loop of a study: decide the next trial, have it started, look, and go on until all are over.

Whatever kills the loop, the next one begins with what `trials.jsonl` and the runs say. What
finished or failed is over; a run that was lost goes on from its checkpoint, or is started once
more; a start that came to no run is made again under the same name, so that no start ever comes to
two runs.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from samebit import disk
from samebit.folders.ending import GONE, STOPPED_EARLY, stopped_early
from samebit.folders.folder import RunFolder
from samebit.studies.asking import Asked
from samebit.studies.declared import Design, Study, folder_of
from samebit.studies.fates import LOST, OVER, Fate, Fates, Row, fate, fates, fresh_row
from samebit.studies.holding import Hold
from samebit.studies.lasting import time_left
from samebit.studies.places.place import Handle, Job, Place, could_not_start
from samebit.studies.restarting import ON, GoesOn, Restarts
from samebit.studies.stopping import Observed, Stops
from samebit.studies.trials import Trial, Trials

__all__ = ["Controlled", "Progress", "control"]

_LOOK_S = 0.1  # at least so often
_WATCH_S = 2.0  # between readings of a run that is no job of the place
_END_S = 20.0  # for jobs that were asked to end
_HOPELESS = 3  # failures without a single success: the script does not work


class Progress(Struct, frozen=True):
    """How far a study is, now; and what has just come to its end."""

    total: int | None  # None where nobody knows how many it will be
    counts: Mapping[str, int]  # of trials by state
    left_s: float | None  # None while nothing is known
    ended: Fate | None = None
    then: str = ""  # AGAIN or ON: what comes after the one that has ended
    going_on: int = 0  # runs that earlier sessions left, and that go on from their checkpoints
    queued: Mapping[str, int] = field(default_factory=dict[str, int])  # by what they wait for: runs
    # that were submitted and have not begun

    @property
    def over(self) -> int:
        """Trials that will not be started again."""
        return sum(n for state, n in self.counts.items() if state not in ("waiting", "running"))


class Controlled(Struct, frozen=True):
    """What came of a session of the loop."""

    fates: list[Fate]  # of the trials that were wanted, in their order
    rows: Sequence[Row] | None = None  # of the store's runs as they were read at first; None where
    # they were not, or something has gone on since
    stopped: bool = False  # by Ctrl-C
    hopeless: bool = False  # the first trials failed, and the others were not started
    still_running: int = 0  # that could not be asked to end


class _Active(Struct):
    job: Job
    began: float  # by the monotonic clock
    handle: Handle | None = None  # None: only its run is watched
    looked: float = 0.0
    waits: str = ""  # for what, as its place says, until it begins
    gone: bool = False  # nothing of it goes on, as its place says
    asked: float | None = None  # when it was asked to end, because it is stopped early


class _Loop:
    def __init__(
        self,
        store: Path,
        study: Study,
        place: Place,
        job_of: Callable[[Trial, Path, RunFolder], Job],
        tell: Callable[[Progress], object],
        known: Callable[[], Sequence[Row]],
        stops: Stops | None,
        goes_on: GoesOn,
    ) -> None:
        self._read, self._is_as_read = known, True
        self._stops = stops
        self._observed = Observed(store, study.metric)
        self._store, self._study, self._place = store, study, place
        self._folder = folder_of(store, study.id)
        self._job_of, self._tell = job_of, tell
        self._fates = Fates()
        self._waiting: deque[int] = deque()
        self._active: dict[int, _Active] = {}
        self._numbers: list[int] = []
        self._restarts = Restarts(store, goes_on)
        self._going_on = 0

    def run(self, asked: Asked, log: Trials, hold: Hold, *, retry: bool) -> Controlled:
        """Until all that is wanted is over, or Ctrl-C, or nothing but failures."""
        self._log, self._asked, self._retry = log, asked, retry
        self._known = {_key(one): one for one in log.history.trials}
        rows = self._read() if self._known else None
        self._rows = {str(row["id"]): row for row in rows or ()}
        hopeless = False
        try:
            while True:
                hold.renew()
                if not hopeless:
                    self._take_up()
                    hopeless = self._is_hopeless()
                self._say()
                if not hopeless:
                    self._start(self._place.takes - len(self._active))
                if not self._active and (hopeless or not self._waiting):
                    break
                self._wait()
                for number in self._ended():
                    self._judge(number)
                self._stop_early()
        except KeyboardInterrupt:
            still_running = self._stop()
            return Controlled(self._in_order(), stopped=True, still_running=still_running)
        except BaseException:
            self._stop()
            raise
        same = rows if self._is_as_read else None
        return Controlled(self._in_order(), same, hopeless=hopeless and self._has_more())

    def _take_up(self) -> None:
        """Decide what is asked for and was not decided yet; learn how it is with what was."""

        def ask() -> Design | None:
            free = self._place.jobs - len(self._active) - len(self._waiting)
            return self._asked.next(self._log.history, self._fates, free)

        hopeless: bool | None = None  # what is new changes nothing about it
        while (one := ask()) is not None:
            trial = self._known.get(_key(one))
            if trial is None:
                hopeless = self._is_hopeless() if hopeless is None else hopeless
                if hopeless:
                    return
            trial = trial or self._log.decide(one)
            self._take(trial)  # which Ctrl-C may interrupt
            self._numbers.append(trial.number)

    def _take(self, trial: Trial) -> None:
        (found,) = fates([trial], self._rows)
        if found.state not in OVER and trial.last is not None and not trial.last.stopped:
            job = self._job(trial)  # that a place may have yet, also where its run has ended
            handle = self._place.reconnect(job)
            if handle is not None or found.state == "running":
                began = time.monotonic() - (time.time_ns() - (found.started_ns or 0)) / 1e9
                self._fates[trial.number] = replace(found, state="running")
                self._go_on(trial.number, _Active(job, began, handle))
                return
        then = self._restarts.then(found, retry=self._retry)
        if found.state == "waiting" or then:
            self._going_on += then == ON
            self._put_back(found)
            return
        self._fates[trial.number] = found
        if found.state == STOPPED_EARLY:
            self._say_in_run(trial)

    def _put_back(self, found: Fate) -> None:
        self._fates[found.trial.number] = Fate(found.trial, "waiting", found.run)
        self._waiting.append(found.trial.number)

    def _go_on(self, number: int, one: _Active) -> None:
        self._active[number], self._is_as_read = one, False

    def _stop_early(self) -> None:
        """End what was decided to end; ask what else is to, where there is anything new."""
        if self._stops is not None and self._observed.look(self._fates):
            for stop in self._stops.look(self._observed):
                found = self._fates[stop.number]
                if found.state == "running" and found.trial.early is None:
                    trial = self._log.stop_early(stop.number, stop.step, stop.why)
                    self._fates[stop.number] = replace(found, trial=trial)
        now = time.monotonic()
        for number, one in self._active.items():
            trial = self._fates[number].trial
            if trial.early is None or one.handle is None:
                continue
            if one.asked is None:
                one.asked = now
                self._say_in_run(trial)
                disk.fault("study.cancel")
                self._place.cancel(one.handle)
            elif now - one.asked > _END_S:
                one.asked = now
                self._place.cancel(one.handle, at_once=True)

    def _say_in_run(self, trial: Trial) -> None:
        """Have the run tell that it is stopped early, and by whom; once."""
        assert trial.last is not None
        assert trial.early is not None
        run = RunFolder(self._store / "runs" / trial.last.run)
        execution = max(run.executions(), default=None)
        if execution is not None and stopped_early(run.notes(), execution) is None:
            why = f"by the study {self._study.name} at step {trial.early.step:g}: {trial.early.why}"
            run.add_note(STOPPED_EARLY, {"execution": execution, "why": why})
            self._is_as_read = False

    def _job(self, trial: Trial) -> Job:
        assert trial.last is not None
        log = self._folder / "logs" / f"{trial.number}-{trial.last.attempt}.log"
        return self._job_of(trial, log, RunFolder(self._store / "runs" / trial.last.run))

    def _start(self, most: int) -> None:
        """Hand what waits to the place, as much as it takes."""
        fresh: list[_Active] = []
        while self._waiting and len(fresh) < most:
            number = self._waiting.popleft()
            trial = self._restarts.start(self._log, self._fates[number])
            self._fates[number] = Fate(trial, "running")
            fresh.append(_Active(self._job(trial), time.monotonic()))
            self._go_on(number, fresh[-1])
        if fresh:
            self._log.sync()
            disk.fault("study.submit")
            handles = self._place.submit([one.job for one in fresh])
            for one, handle in zip(fresh, handles, strict=True):
                one.handle, one.began = handle, time.monotonic()

    def _over(self) -> list[int]:
        """Of the jobs that the place knows those that are over."""
        known = [(number, one) for number, one in self._active.items() if one.handle]
        looks = self._place.look([one.handle for _, one in known if one.handle])
        over: list[int] = []
        for (number, one), look in zip(known, looks, strict=True):
            if look.is_over:
                over.append(number)
                one.gone = look.gone
                if look.said:
                    self._lose(number, look.said)
            elif look.said or one.waits:
                one.waits, one.began = look.said, time.monotonic()
        return over

    def _wait(self) -> None:
        """Until the next look is due, or a job may be over."""
        handles = [one.handle for one in self._active.values() if one.handle is not None]
        self._place.wait(handles, _LOOK_S)

    def _lose(self, number: int, why: str) -> None:
        """Write down what ended a run that did not finish, where that is nothing of its script."""
        found = fate(
            self._fates[number].trial, fresh_row(self._store, self._active[number].job.run.id)
        )
        if found.state not in OVER:
            trial = self._log.lost(number, why)
            self._fates[number] = replace(self._fates[number], trial=trial)

    def _ended(self) -> list[int]:
        over = self._over()
        now = time.monotonic()
        for number, one in self._active.items():
            if one.handle is None and now - one.looked > _WATCH_S:
                one.looked = now
                over.append(number)
        return over

    def _judge(self, number: int) -> None:
        """A job is over, or only its run tells: see what the run says."""
        active, before = self._active[number], self._fates[number]
        found = self._found(number)
        if found.state == "running":
            active.handle = None  # its supervisor is gone, and what it started goes on
            return
        if found.state == "waiting" and not found.began and active.handle is not None:
            del self._active[number]
            self._fates[number] = Fate(before.trial, "waiting")
            raise could_not_start(active.job)
        del self._active[number]
        self._fates[number] = found
        then = self._restarts.then(found) if found.state in LOST else ""
        if then:
            self._put_back(found)
        elif found.state in LOST:
            often = f"{found.state} {found.trial.counted} times"
            self._log.give_up(number, often if found.trial.counted > 1 else found.cause)
        self._say(found, then)

    def _has_more(self) -> bool:
        """Whether any of what was asked for is still to be started."""
        total = self._asked.total(len(self._numbers))
        return bool(self._waiting) or total is None or total > len(self._numbers)

    def _found(self, number: int) -> Fate:
        """How it is with a trial whose job is over; its run is told where nothing of it is left."""
        active, trial = self._active[number], self._fates[number].trial
        run = active.job.run
        found = fate(trial, fresh_row(self._store, run.id))
        if found.state == "running" and active.gone:
            run.add_note(GONE, {"execution": max(run.executions())})
            found = fate(trial, fresh_row(self._store, run.id))
        return found

    def _is_hopeless(self) -> bool:
        states = self._fates.counts
        has_worked = states["finished"] or states[STOPPED_EARLY]
        return not has_worked and states["failed"] >= _HOPELESS

    def _stop(self) -> int:
        """Ask all jobs to end, and wait; how many go on, because nothing reaches them."""
        until, at_once = time.monotonic() + _END_S, False
        self._cancel(at_once=False)
        for one in self._active.values():
            one.waits = "to end"
        self._say()
        while any(one.handle for one in self._active.values()) and (
            not at_once or time.monotonic() < until
        ):
            try:
                self._wait()
                for number in self._over():
                    self._stopped(number)
            except KeyboardInterrupt:
                until = 0.0
            if not at_once and time.monotonic() > until:
                at_once, until = True, time.monotonic() + _END_S
                self._cancel(at_once=True)
        for number in [n for n, one in self._active.items() if one.handle is None]:
            row = fresh_row(self._store, self._active[number].job.run.id)
            if row is None or row["state"] != "running":
                self._stopped(number)
        return len(self._active)

    def _cancel(self, *, at_once: bool) -> None:
        for one in self._active.values():
            if one.handle is not None:
                self._place.cancel(one.handle, at_once=at_once)

    def _stopped(self, number: int) -> None:
        found = self._found(number)
        del self._active[number]
        if found.began and found.state not in ("finished", STOPPED_EARLY):
            found = Fate(self._log.stopped(number), "waiting", found.run)
        self._fates[number] = found

    def _in_order(self) -> list[Fate]:
        return [self._fates[number] for number in self._numbers]

    def _say(self, ended: Fate | None = None, then: str = "") -> None:
        counts = {state: n for state, n in self._fates.counts.items() if n}
        total = self._asked.total(len(self._numbers))
        left_s = self._left_s(total)
        queued = Counter(one.waits for one in self._active.values() if one.waits)
        self._tell(Progress(total, counts, left_s, ended, then, self._going_on, queued))

    def _left_s(self, total: int | None) -> float | None:
        """How long it takes until all are over, where each takes as long as those that are.

        Where a budget of time ends it before, those that run then go to their end.
        """
        now, each = time.monotonic(), self._fates.mean_seconds
        running = [now - one.began for one in self._active.values() if not one.waits]
        queued = len(self._active) - len(running)
        # Where any wait in the queue of a place, no more run there than do now.
        free = max(0, self._place.jobs - len(running)) if not queued else 0
        left: list[float] = []
        if total is not None:
            waiting = queued + len(self._waiting) + total - len(self._numbers)
            by_total = time_left(each, running, waiting, free)
            left += [by_total] if by_total is not None else []
        if (by_time := self._asked.left_s(self._fates)) is not None:
            left.append(max(by_time, time_left(each, running, 0, 0) or 0.0))
        return min(left, default=None)


def control(
    store: Path,
    study: Study,
    asked: Asked,
    counts: Mapping[str, int],
    repeats: int,
    place: Place,
    job_of: Callable[[Trial, Path, RunFolder], Job],
    tell: Callable[[Progress], object],
    *,
    known: Callable[[], Sequence[Row]],
    retry: bool = False,
    stops: Stops | None = None,
    goes_on: GoesOn = lambda _run, _further: False,
) -> Controlled:
    """Run what is wanted of a study and is not over yet.

    Args:
        store: of its runs.
        study: as it was declared.
        asked: says which trials it has.
        counts: how many of each factor they are, and
        repeats: how many of them are there for a second time; written down.
        place: where runs are made.
        job_of: the job of a trial's last start, with its log and where its run will be.
        tell: called several times a second with how far it is.
        known: reads what is known of the store's runs, as `query.index` has it or with more.
            Called at most once, while no other process controls the study.
        retry: start what failed once more.
        stops: who says, by the values of the study's metric, which runs end early.
        goes_on: whether a run that is started again can go on; else another one begins.

    Raises:
        SamebitError: another process controls the study, or nothing can be written.
        CannotStart: a run could not be begun; what goes on was asked to end.
    """
    folder = folder_of(store, study.id)
    (folder / "logs").mkdir(exist_ok=True)
    with Hold(folder) as hold, Trials(folder, study.id) as log:
        log.want(counts, repeats)
        loop = _Loop(store, study, place, job_of, tell, known, stops, goes_on)
        return loop.run(asked, log, hold, retry=retry)


def _key(one: Trial | Design) -> tuple[object, ...]:
    return (*sorted(one.values.items()), one.repeat, one.asked)
