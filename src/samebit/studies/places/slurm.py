"""Runs as jobs of Slurm: what is submitted together is one array.

A job is known by the name of its array, drawn before it is submitted, and its index there. Whether
an array was taken is looked up in the queue by that name where sbatch did not come to say so: so
nothing is submitted twice, however a controller ended and whatever did not answer. The script of
each array lies beside the logs, with the keys of its jobs; by that `reconnect` finds them from any
login node.
"""

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from samebit import disk
from samebit.errors import CannotStart, Exit
from samebit.studies.places import slurm_commands as commands
from samebit.studies.places.place import Handle, Job, Look
from samebit.studies.places.slurm_commands import LOST, Row
from samebit.studies.places.slurm_script import AGAIN, NEAR_LIMIT, SAID, keys_of, script

__all__ = ["MOST_AT_A_TIME", "Slurm"]

MOST_AT_A_TIME = 1000  # in the queue; an array may have as many where nobody changed that
_LOOK_S, _MOST_S = 2.0, 30.0  # between two questions: the queue serves everybody
_NAME, _MOST_NAME = re.compile(r"[^A-Za-z0-9_.-]+"), 32  # letters
_OURS = ("--parsable", "--requeue", "--signal=B:USR1@60", "--open-mode=append", "--export=ALL")
_WAITS = {
    "None": "to be scheduled",
    "Resources": "for resources",
    "Priority": "for their turn",
    "JobArrayTaskLimit": "for those that run",
    "BeginTime": "until Slurm may start them again",
}
# What Slurm writes into the file of a job that it ends, and what that is as a state.
_TOLD = {
    NEAR_LIMIT: "TIMEOUT",
    "DUE TO TIME LIMIT": "TIMEOUT",
    "DUE TO PREEMPTION": "PREEMPTED",
    "DUE TO NODE FAILURE": "NODE_FAIL",
    "oom_kill": "OUT_OF_MEMORY",
    "oom-kill": "OUT_OF_MEMORY",
}


class _Task(Struct, eq=False):
    """A job as a task of an array; the array has no name until the job is put into one."""

    job: Job
    name: str = ""
    index: int = 0
    row: Row | None = None  # as the queue had it last
    look: Look = Look(False, said="to be submitted")
    cancelled: bool = False


class _Array(Struct, eq=False):
    """Tasks that are submitted together."""

    name: str
    tasks: list[_Task]
    path: Path
    options: list[str]
    was_asked: bool = False  # so Slurm may have it


class _Ending(Struct):
    """What is to be ended when Slurm is asked next."""

    tasks: list[_Task] = field(default_factory=list[_Task])
    at_once: bool = False


class Slurm:
    """A cluster, by its commands on this machine."""

    name = "slurm"
    takes = MOST_AT_A_TIME

    def __init__(
        self, jobs: int | None = None, options: Sequence[str] = (), *, look_s: float = _LOOK_S
    ) -> None:
        """A place where so many run at once; None: as many as Slurm starts.

        Args:
            jobs: at once.
            options: of sbatch, as `--partition=gpu`; they win over ours.
            look_s: the least time between two questions to Slurm.
        """
        self._most, self._options, self._least_s = jobs, list(options), look_s
        self.jobs = jobs or self.takes
        self.where = f"on Slurm, {jobs} at once" if jobs else "on Slurm, as many at once as it runs"
        self._waiting: list[_Task] = []  # to be put into an array
        self._next: _Array | None = None  # to be submitted
        self._batch = self._longest = self.takes  # so many in an array: now, and ever
        self._live: list[_Task] = []  # that Slurm has
        self._ending = _Ending()
        self._looked, self._took_s = float("-inf"), 0.0
        self._found: dict[Path, dict[str, Row]] = {}

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Put them into an array; where Slurm does not take that now, it is asked again later."""
        tasks = [_Task(job) for job in jobs]
        self._waiting += tasks
        refused: CannotStart | None = None
        try:
            self._send()
        except CannotStart as error:
            refused = error
            self._waiting, self._next = [], None
        for task in tasks:
            if refused is not None and task not in self._live:
                raise refused
            yield task

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """How it is with each, as Slurm said lately."""
        # One that is slow to answer has much to do already.
        every_s = max(self._least_s, min(10 * self._took_s, _MOST_S))
        if time.monotonic() - self._looked >= every_s:
            began = time.monotonic()
            answers = self._ask()
            self._looked = time.monotonic()
            self._took_s = self._looked - began if answers else 0.0
        return [handle.look for handle in handles if isinstance(handle, _Task)]

    def wait(self, handles: Sequence[Handle], most_s: float) -> None:
        """As long as that: Slurm tells nothing that it is not asked."""
        time.sleep(most_s)

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """Have it ended with the next question, which comes at once."""
        if not isinstance(handle, _Task) or handle.look.is_over:
            return
        handle.cancelled = True
        if handle in self._waiting:
            self._waiting.remove(handle)
            handle.look = Look(True)
            return
        self._ending.tasks.append(handle)
        self._ending.at_once |= at_once
        self._looked = float("-inf")

    def reconnect(self, job: Job) -> Handle | None:
        """By the name of its array in the queue, where its script lies beside the logs."""
        folder = job.log.parent
        if folder not in self._found:
            self._found[folder] = self._find(folder)
        row = self._found[folder].pop(job.key, None)
        if row is None:
            return None
        task = _Task(job, row.name, row.index, row, Look(False))
        self._live.append(task)
        return task

    def _find(self, folder: Path) -> dict[str, Row]:
        """All that go on of the arrays whose scripts lie in a folder, by the key of the job."""
        names = {path.stem for path in folder.glob("*.sh")}
        if not names:
            return {}
        rows = commands.queue([], or_raise=True) or {}
        keys = {name: keys_of(folder / f"{name}.sh") for name in names & {name for name, _ in rows}}
        return {
            keys[name][index]: row
            for (name, index), row in rows.items()
            if not row.is_over and index < len(keys.get(name, ()))
        }

    def _send(self) -> bool:
        """Submit what waits, as far as it may be now; False where Slurm does not answer."""
        while (array := self._next or self._make_array()) is not None:
            self._next = array
            if array.was_asked:
                rows = commands.queue([array.name])
                if rows is None:
                    return False
                array.was_asked = bool(rows)
            if not array.was_asked:
                if all(task.cancelled for task in array.tasks):
                    self._next = None
                    for task in array.tasks:
                        task.look = Look(True)
                    return True
                disk.fault("study.slurm")
                array.was_asked = True
                answer = commands.submit(array.options, array.path)
                if not answer.taken:
                    self._put_off(array, answer)
                    return answer.too_many
            disk.fault("study.sent")
            self._next = None
            self._live += array.tasks
            self._batch = min(2 * self._batch, self._longest)
        return True

    def _make_array(self) -> _Array | None:
        """As many of those that wait as may be in the queue now; None where there are none."""
        size = min(len(self._waiting), self._batch)
        if self._most is not None and self._live:  # whose own array may use all that may run
            size = min(size, self._most - len(self._live))
        if size <= 0:
            return None
        tasks, self._waiting = self._waiting[:size], self._waiting[size:]
        folder = tasks[0].job.log.parent
        of = _NAME.sub("_", tasks[0].job.name)[:_MOST_NAME] or "samebit"
        name = f"{of}-{secrets.token_hex(6)}"
        for index, task in enumerate(tasks):
            task.name, task.index = name, index
            task.look = Look(False, said="to be submitted")
        output = str(folder / name).replace("%", "%%") + "_%a.out"
        if tasks[0].job.away:
            output = "/dev/null"
        at_once = f"%{self._most}" if self._most is not None and self._most < size else ""
        options = [*_OURS, *self._options, f"--job-name={name}", f"--output={output}"]
        options += [f"--array=0-{size - 1}{at_once}"]
        path = folder / f"{name}.sh"
        text = script([task.job for task in tasks], options)
        disk.create(path, text.encode("utf-8", "surrogateescape"), folder)
        return _Array(name, tasks, path, options)

    def _put_off(self, array: _Array, answer: commands.Answer) -> None:
        """Slurm did not take an array: it is asked again, or for fewer, later."""
        for task in array.tasks:
            task.look = Look(False, said=f"to be submitted: {answer.why}")
        # One that was cut short may have been taken: that is looked up before it is asked again.
        if answer.too_many and commands.queue([array.name]) == {}:
            self._batch = max(1, len(array.tasks) // 2)
            if answer.for_good:
                self._longest = self._batch
            self._waiting = array.tasks + self._waiting
            self._next = None
            array.path.unlink(missing_ok=True)

    def _ask(self) -> bool:
        """Submit what waits, look at the rest, end what is to end; False without an answer."""
        answers = self._send()
        if not self._live:
            return answers
        names = sorted({task.name for task in self._live})
        rows = commands.queue(names) if answers else None
        for task in self._live:
            if rows is None:
                task.look = Look(False, said="for an answer of Slurm")
            else:
                task.row = rows.get((task.name, task.index), task.row)
                is_known = (task.name, task.index) in rows
                task.look = _look(task, is_known=is_known)
        self._live = [task for task in self._live if not task.look.is_over]
        self._end()
        return rows is not None

    def _end(self) -> None:
        wanted = [task for task in self._ending.tasks if not task.look.is_over]
        ids = [task.row.id for task in wanted if task.row is not None]
        if ids and commands.cancel(ids, at_once=self._ending.at_once):
            wanted = [task for task in wanted if task.row is None]
        self._ending = _Ending(wanted, self._ending.at_once and bool(wanted))


def _look(task: _Task, *, is_known: bool) -> Look:
    """How it is with a task, by what the queue has of it; it may have forgotten what has ended."""
    row = task.row
    if is_known and row is not None and not row.is_over:
        if row.state == "PENDING":
            return Look(False, said=_WAITS.get(row.reason, f"because of {row.reason}"))
        return Look(False)
    state = row.state if row is not None else ""
    told = _told(task) if row is None or row.nodes else ""  # else it was never started
    # What ended it before Slurm started it again counts where it could not go on then.
    lately = told if row is not None and row.exit_code == Exit.USAGE else told.split(AGAIN)[-1]
    if state not in LOST and state != "COMPLETED":
        state = next((state for sign, state in _TOLD.items() if sign in lately), state)
    of = (
        f"Slurm job {row.id}" + (f" on {row.nodes}" if row.nodes else "") if row is not None else ""
    )
    said = ""
    if state in LOST and not task.cancelled:
        ours = [line for line in lately.splitlines() if line.startswith(SAID)]
        more = [line.removeprefix(SAID) for line in ours if line not in (NEAR_LIMIT, AGAIN)]
        said = "; ".join([f"{state}, {of}", *more])
    if said or told or (row is not None and row.reason not in ("None", "NonZeroExitCode")):
        why = f" ({row.reason})" if row is not None and row.reason != "None" else ""
        _add_to_log(task, f"samebit: {of}: {state}{why}\n{told}")
    return Look(True, row.exit_code if row is not None and row.is_over else None, said)


def _told(task: _Task) -> str:
    """What is in Slurm's own file of a task: what it said itself, and the script before its log."""
    if task.job.away:
        return ""
    path = task.job.log.parent / f"{task.name}_{task.index}.out"
    try:
        told = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"it wrote nothing here: {path.parent} is not seen from there, or is another folder"
    if not told:
        path.unlink(missing_ok=True)
    return told


def _add_to_log(task: _Task, text: str) -> None:
    try:
        with task.job.log.open("a", encoding="utf-8") as log:
            log.write(text.rstrip("\n") + "\n")
    except OSError:
        pass  # the disk is full, perhaps; what is said is said to the user, too
