"""One process's part in a run: joins capture, journal, states and trace.

Whatever fails here is reported once, marks the run, and lets training go on.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from samebit import disk
from samebit.capture import config as config_capture
from samebit.capture import console, environment, importing, machine, randomness, secrets
from samebit.capture.files import FileWatch, noise_prefixes
from samebit.capture.listings import ListingWatch
from samebit.capture.sources import loaded_sources
from samebit.errors import in_a_line
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.objects.store import Store
from samebit.places import Settings
from samebit.session import hooks
from samebit.session.models import Models
from samebit.session.resuming import Left, base_of
from samebit.session.shortfall import Problem, unwritten_problems
from samebit.trace.recorder import Emit, Recorder

__all__ = ["Recording"]


class Recording:
    """What this process records into a run, until `finish`."""

    def __init__(
        self,
        folder: RunFolder,
        execution: int,
        settings: Settings,
        *,
        rank: str = "0",
        rates: Mapping[tuple[int, int], int] | None = None,
        left: Left | None = None,
    ) -> None:
        self.folder = folder
        self.execution = execution
        self.settings = settings
        self.rank = rank
        self.writer = Writer(folder.journal, folder.id, rank)
        self._left = left  # by earlier executions, where there were any
        self.step = left.counts.get(0, 0) if left is not None else 0
        self.main = 0  # the optimizer whose count is the run's step
        self.config: Any = None
        self.script: str | None = None  # the absolute path of what runs, where a process was joined
        self._parsed: list[Any] = []
        self._pid = os.getpid()
        self._told: set[str] = set()
        self._rows: dict[tuple[str, ...], Iterator[int]] = {}
        self._finished = False
        self._began_ns = time.time_ns()
        self._noise = noise_prefixes(str(folder.store), os.path.dirname(os.path.dirname(__file__)))
        self._seen_settings = False
        self._console: console.Installed | None = None
        self._console_fd = -1
        self._console_is: os.stat_result
        emit = Emit(self._trace, self._hyper, self.fact)
        self.recorder = Recorder(emit, rates)
        self.models = Models(
            folder.store,
            lambda fact: self.fact("state", fact),
            self.trouble,
            budget_bytes=settings.states_budget_mb << 20,
            keep=settings.states_keep,
        )
        self._files = FileWatch(
            lambda fact: self.fact("file", fact),
            lambda data: Store(folder.store).put(data),
            self._noise,
            settings.files_hash_budget_mb << 20,
            self.trouble,
        )
        self._listings = ListingWatch(
            lambda fact: self.fact("file", fact), self._files.later, self._noise, self.trouble
        )

    @property
    def is_here(self) -> bool:
        """Whether this is the process that records (not a forked child of it)."""
        return os.getpid() == self._pid

    def begin(self, *, seed: int | None, deterministic: bool) -> None:
        """Take down what is known at the start, and listen to what comes."""
        importing.on_trouble(self.trouble)
        self.fact(
            "process",
            {
                "pid": self._pid,
                "pid_started": alive.process_started(self._pid) or 0,
                "boot": alive.boot_id(),
                "execution": self.execution,
                "argv": secrets.mask_arguments(sys.orig_argv)[0],
            },
        )
        self._safely("capture.environment", self._environment)
        randomness.report_seed_calls(self._seed_call)
        if deterministic:
            randomness.make_deterministic()
        if seed is not None:
            randomness.seed_everything(seed)
        if self.settings.console == "tee":
            self._safely("console.write", self._tee)
        config_capture.watch_argparse(self._parsed_arguments)
        self._files.install()
        self._listings.install()
        hooks.install(self)

    def fact(self, name: str, value: Any) -> None:
        """Record something learnt; never raises."""
        try:
            self.writer.fact(name, value)
        except Exception as error:
            self.trouble("journal", error)

    def next_step(self, values: Any) -> int:
        """The step of a row while no optimizer has stepped: how often these names came before.

        Without it, every row of a loop without PyTorch would replace the one before.
        """
        names = tuple(values)
        first = self._left.next_row(names) if self._left and names not in self._rows else 0
        # Without a lock, which a fork could leave taken for ever: both calls are atomic.
        return next(self._rows.setdefault(names, itertools.count(first)))

    def set_config(self, value: Any) -> None:
        """Take a configuration; one that argparse made before is replaced."""
        self.config = value
        self._safely("capture.config", self._write_config)

    def problem(self, what: str, detail: str, comfort: str = "") -> None:
        """Mark the run as incomplete, and say so once; only what is said has the comfort."""
        if what in self._told:
            return
        self._told.add(what)
        console.say(f"samebit: {what}: {detail}{comfort}")
        try:
            self.writer.fact("problem", {"what": what, "detail": detail})
        except Exception:
            pass  # the journal itself may be what failed: the writer keeps it; see `unwritten`

    def trouble(self, source: str, error: Exception) -> None:
        """Something of ours failed: the run is marked, and training goes on."""
        self.problem(source, in_a_line(error), " (training goes on; the run is marked)")

    @property
    def unwritten(self) -> tuple[Problem, ...]:
        """The problems that the journal never took; one of them names the other facts."""
        return unwritten_problems(self.writer)

    # What the hooks tell.

    def batch(self, value: Any) -> None:
        """A data loader gave a batch."""
        self.recorder.batch(value)

    def forward_begins(self, module: Any, args: Any, kwargs: Any) -> None:
        """The outermost module is called; only training is traced."""
        if module.training and sys.modules["torch"].is_grad_enabled():
            if self.models.entered(module):
                self.models.before_training(module)
                self.recorder.entered(args, kwargs)
        else:
            self.models.entered(module)

    def forward_ends(self, module: Any, output: Any) -> None:
        """The outermost module returned."""
        if module.training and sys.modules["torch"].is_grad_enabled():
            self.recorder.returned(output)

    def backward(self, tensors: Any) -> None:
        """`backward` was called on these."""
        self.recorder.loss(tensors)

    def before_step(self, optimizer: Any) -> None:
        """An optimizer is about to step."""
        if self.recorder.count(optimizer) == 0 and not self.recorder.is_inner(optimizer):
            index = self.recorder.index(optimizer)
            self._go_on(optimizer, index)
            self.models.before_first_step(optimizer, index, self.recorder.count(optimizer))
            self._read_settings()
        self.recorder.before_step(optimizer, self.models.parameter_names)

    def _go_on(self, optimizer: Any, index: int) -> None:
        """Count the steps on where an earlier execution left them, and say where that is."""
        left = self._left or Left()
        count, own, by = base_of(left, index, optimizer)
        if self._left is None:
            if own:  # a state from elsewhere: what a resumed process finds counts from there
                self._continued(index, 0, own, "optimizer")
            return
        self.recorder.go_on_from(optimizer, count)
        self._continued(index, count, own, by)

    def _continued(self, index: int, count: int, own: int | None, by: str) -> None:
        said = {"execution": self.execution, "optimizer": index, "count": count}
        self.fact("continued", {**said, "state_step": own, "by": by})

    def after_step(self, optimizer: Any) -> None:
        """An optimizer has stepped."""
        if self.recorder.after_step(optimizer):
            index, count = self.recorder.index(optimizer), self.recorder.count(optimizer)
            if index == self.main:
                self.step = count
            self.models.after_step(optimizer, index, count)

    # The end.

    def finish(
        self, status: str, *, exception: str | None = None, signal: str | None = None
    ) -> None:
        """Complete the record; later calls do nothing."""
        if self._finished or not self.is_here:
            return
        self._finished = True
        interrupted = signal is not None
        self._safely("run.finish", lambda: disk.fault("run.finish"))
        self._safely("hooks.post_step", self._finish_trace)
        self._safely("state.save", lambda: self.models.finish(interrupted=interrupted))
        self._safely("capture.settings", lambda: self._read_settings(at_end=True))
        self._safely("capture.config", self._write_config)
        self._listings.finish()
        self._safely("capture.files", self._files.finish)
        self._safely("capture.code", self._sources)
        hooks.install(None)
        if self._console is not None:
            self._safely("console.write", self._console.remove)
        if exception is not None:
            self.fact("exception", secrets.mask_text(exception))
        end = {"execution": self.execution, "status": status, "signal": signal}
        self.fact("end", {**end, "seconds": (time.time_ns() - self._began_ns) / 1e9})
        self._safely("journal", self.writer.close)
        if self._console_fd >= 0:
            fd = self._console_fd
            if self._has_console():
                self._safely("console.write", lambda: os.close(fd))
            self._console_fd = -1

    def _finish_trace(self) -> None:
        if self.models.last is not None:
            self.recorder.finish(self.models.last)

    def _safely(self, source: str, function: Any) -> None:
        try:
            function()
        except Exception as error:
            self.trouble(source, error)

    def _environment(self) -> None:
        disk.fault("capture.environment")
        self.fact("interpreter", environment.interpreter())
        self.fact("packages", environment.packages())
        self.fact("variables", environment.variables(os.environ, self.settings.env_allow))
        self.fact("machine", machine.describe())

    def _read_settings(self, *, at_end: bool = False) -> None:
        if at_end and self._seen_settings:
            return
        self._seen_settings = True
        self._safely("capture.settings", self._write_settings)

    def _write_settings(self) -> None:
        disk.fault("capture.settings")
        self.fact("settings", randomness.settings())

    def _write_config(self) -> None:
        disk.fault("capture.config")
        value = self.config
        if value is None and self._parsed:
            value = self._parsed[-1]
        if value is not None:
            self.fact("config", secrets.mask_values(config_capture.plain(value)))

    def _parsed_arguments(self, namespace: Any) -> None:
        if self.is_here and not self._finished:
            self._parsed = [namespace]  # held: a script that changes it is read again at the end
            self._safely("capture.config", self._write_config)

    def _seed_call(self, call: dict[str, Any]) -> None:
        if self.is_here and not self._finished:
            self.fact("seed_call", call)

    def _sources(self) -> None:
        store = Store(self.folder.store)
        found = loaded_sources(self._noise, store.put_all, self.script)
        self.fact("sources", found)

    def _tee(self) -> None:
        self._open_console()

        def write(line: bytes) -> None:
            disk.fault("console.write")
            if self._console_fd < 0:
                return
            if not self._has_console():
                self._open_console()
            os.write(self._console_fd, line)

        self._console = console.install(write, lambda error: self.trouble("console", error))

    def _open_console(self) -> None:
        folder = self.folder.console(self.execution)
        # Each is created once. A rank has several after os.exec, and of several Pythons of a shell.
        for at in itertools.count(1):
            name = self.rank + (f"-{at}" if at > 1 else "")
            try:
                self._console_fd = disk.open_for_append(folder / f"{name}.log")
            except FileExistsError:
                continue
            break
        self._console_is = os.fstat(self._console_fd)

    def _has_console(self) -> bool:
        """Whether our descriptor is still ours: a script may close all, and reuse the number."""
        try:
            return os.path.samestat(os.fstat(self._console_fd), self._console_is)
        except OSError:
            return False

    def _trace(self, optimizer: int, count: int, mask: int, digests: bytes) -> None:
        self.writer.trace(optimizer, count, mask, digests)

    def _hyper(self, optimizer: int, count: int, group: int, values: Mapping[str, Any]) -> None:
        self.writer.hyper(optimizer, count, group, values)
