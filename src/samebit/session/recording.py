"""One process's part in a run: joins capture, journal, states and trace.

Whatever fails here is reported once, marks the run, and lets training go on.
"""

import functools
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samebit import disk
from samebit.capture import console, importing, parsing, randomness, secrets
from samebit.capture.notebook import CellWatch
from samebit.capture.sources import SourceWatch, library_folders
from samebit.errors import UsageError
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.launch import alive
from samebit.objects.store import Store
from samebit.places import Settings
from samebit.session import hooks
from samebit.session.arriving import Arriving
from samebit.session.boosting import Boosting
from samebit.session.checkpoints import Checkpoints, Counts
from samebit.session.configuration import Configuration
from samebit.session.ends import Ender, Ends
from samebit.session.facts import Facts
from samebit.session.keeping import Keeper
from samebit.session.listening import Listening
from samebit.session.progress import Progress
from samebit.session.resuming import Left
from samebit.session.retention import read_rule
from samebit.session.seeding import Seeding
from samebit.session.shortfall import Problem, unwritten_problems
from samebit.session.surroundings import Surroundings
from samebit.session.sweep_job import SweepJob
from samebit.session.teeing import ConsoleLog
from samebit.session.tracing import Loops, Told, Tracing
from samebit.session.training import Heard, Training
from samebit.session.watching import Watches, noise
from samebit.trace import cards
from samebit.trace.budget import Rate
from samebit.trace.leaves import LeafFiles
from samebit.trace.recorder import Recorder
from samebit.trace.rows import Emit

if TYPE_CHECKING:
    from samebit.session.media import SessionMedia
    from samebit.session.saving import Saver
    from samebit.session.splits import Splits
    from samebit.session.summaries import Summaries
    from samebit.session.used import UsedData

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
        rates: Mapping[tuple[int, int], Rate] | None = None,
        given: Mapping[str, Any] | None = None,
        left: Left | None = None,
        ends: Ends | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.execution = execution
        self.settings = settings
        self.rank = rank
        self.writer = Writer(folder.journal, folder.id, rank)
        self._facts = facts = Facts(self.writer)
        self.fact, self.problem, self.trouble = facts.tell, facts.problem, facts.trouble
        self._safely = facts.safely
        self.configuration = Configuration(self.fact, self.problem)
        self._pid = os.getpid()
        self._finished = False
        self._began_ns = time.time_ns()
        store = Store(folder.store)  # one, because it learns of every pack when it is first used
        self._surroundings = Surroundings(self.fact, store, settings)
        self._console = ConsoleLog(folder.console(execution), rank, self.trouble)
        leaves = LeafFiles(folder.trace, lambda: f"{rank}-{self.writer.writer}", self.trouble)
        emit = Emit(self.writer.trace, self.writer.hyper, self.fact, leaves.keep)
        self.recorder = Recorder(emit, rates)
        self.arriving = Arriving(self.writer.row, cards.fetch)
        self.progress = progress = Progress(self.recorder, execution, left, self.fact)
        self.seeding = Seeding(
            self.fact, self.trouble, lambda: progress.step, rank=rank, given=given
        )
        self._keeper = Keeper(
            store,
            self._state,
            self.trouble,
            budget_bytes=settings.states_budget_mb << 20,
            keep=settings.states_keep,
        )
        heard = Heard(self._training_begins, self._epoch_begins, self._row_is_complete)
        self.training = training = Training(
            self.recorder, progress, self._keeper, self.arriving, facts, heard
        )
        told = Told(
            progress.left_of_loop,
            self._training_begins,
            self._row_is_complete,
            progress.stepped,
            progress.loop_goes_on,
        )
        loops = Loops(self.recorder, emit, told, rates)
        self.tracing = Tracing(loops, self._keeper, self.problem)
        self.fits = Tracing(loops, self._keeper, self.problem)  # and trials of searches, each a row
        # A further job of a sweep in this process begins, which is a run of its own.
        self.next_job: Callable[[Recording], None] | None = None
        # The job that this run is of is over; with what its function raised.
        self.job_over: Callable[[Recording, BaseException | None], None] | None = None
        self.job = SweepJob(folder, execution, names_group=rank == "0", fact=self.fact)
        self.boosting = Boosting(loops, self._keeper, self._log, self.configuration.tell)
        self._splits: Splits | None = None
        self._used: UsedData | None = None
        self._media: SessionMedia | None = None
        # A replay proves by digests what it used, and keeps nothing.
        self._is_replay = rates is not None
        self._saves = None if self._is_replay else settings.data_save == "yes"
        self.checkpoints = Checkpoints(
            self._keeper,
            training.models,
            training.members,
            training.positions,
            self.writer,
            self.problem,
            rule=read_rule(settings.states_checkpoints),
            saved=left.checkpoints if left is not None else (),
            common=left.common if left is not None else (),
            of_others=left.of_others if left is not None else (),
            digests_only=rates is not None,
            wanted=keep,
        )
        self._ender: Ender | None = None
        if ends is not None:
            self._ender = Ender(ends, rank, training.models.named, self.fact, self.finish)
        self._watches = Watches(
            folder,
            settings,
            self.writer,
            rank,
            noise(folder),
            self.fact,
            self.trouble,
            replays=rates is not None,
            saver=self._make_saver() if self._saves else None,
        )
        self._sources = SourceWatch(
            lambda fact: self.fact("sources", fact),
            store.put_all,
            self._watches.later,
            library_folders(os.path.dirname(os.path.dirname(__file__))),
            self.trouble,
        )
        self._cells = CellWatch(self.fact, self.trouble)
        self.listener = Listening(
            training,
            self.boosting,
            lambda: self.splits,
            self._make_summaries,
            self.trouble,
        )

    def _make_saver(self) -> "Saver":
        from samebit.session.saving import Saver  # noqa: PLC0415  (most runs keep no files)

        return Saver(
            self._keeper.store,
            lambda fact: self.fact("file", fact),
            self.problem,
            self._keeper.free_bytes,
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
        self._safely("capture.environment", self._surroundings.tell_environment)
        randomness.begin_anew()
        self._safely("capture.randomness", lambda: self.seeding.enter(seeded=seed is not None))
        if deterministic:
            randomness.make_deterministic()
        if seed is not None:
            randomness.seed_everything(seed)
        if self.settings.console == "tee":
            self._safely("console.write", self._console.begin)
        parsing.watch(self._parsed, self._job_ended)
        self._watches.begin()
        self._sources.install()
        self._safely("capture.cells", self._cells.install)
        hooks.install(self.listener)
        if self._ender is not None:
            self._safely("hooks.post_step", self._ender.install)

    @property
    def splits(self) -> "Splits":
        """What is recorded of splits."""
        if self._splits is None:
            from samebit.session.fitted import Fitted  # noqa: PLC0415  (not all runs have any)
            from samebit.session.splits import Splits  # noqa: PLC0415

            self._splits = Splits(
                self._keeper,
                lambda fact: self.fact("split", fact),
                self.problem,
                Fitted(self.fact, self.problem),
            )
        return self._splits

    @property
    def used(self) -> "UsedData":
        """What is recorded of the data that the script says it uses."""
        if self._used is None:
            from samebit.session.used import UsedData  # noqa: PLC0415  (not all runs say any)

            self._used = UsedData(
                self._keeper,
                lambda fact: self.fact("data", fact),
                self.problem,
                most_bytes=self.settings.files_hash_budget_mb << 20,
                saves=self._saves,
            )
        return self._used

    @property
    def media(self) -> "SessionMedia":
        """What is recorded of pictures, tables and the like."""
        if self._finished or not self.is_here:
            raise UsageError("media are recorded by the process of the run, until it is finished")
        if self._media is None:
            from samebit.session.media import SessionMedia  # noqa: PLC0415  (not all runs log any)

            self._media = SessionMedia(
                self._keeper.store,
                lambda fact, time_ns: self.fact("media", fact, time_ns),
                self.problem,
                self.trouble,
                self.arriving,
                self._keeper.free_bytes,
                budget_bytes=None if self._is_replay else self.settings.media_budget_mb << 20,
                most=self.settings.media_most,
            )
        return self._media

    def _make_summaries(self) -> "Summaries":
        from samebit.session.summaries import Summaries  # noqa: PLC0415  (not all have a writer)

        return Summaries(
            self.writer,
            self._log,
            self.arriving.take,
            functools.partial(self.configuration.tell, "add_hparams"),
            lambda values: self.progress.step or self.progress.next_step(values),
            console.say,
        )

    def _log(self, values: dict[str, Any], step: Any) -> None:
        """Record metrics that a library has, as the script itself would."""
        from samebit.session.doors import handle  # noqa: PLC0415  (which knows this class)

        handle(self).log(values, step)

    def begin_seeding(self, *, seeded: bool) -> None:
        """`init` joins: where the recorded run began with it, its randomness is given back now."""
        self._safely("capture.randomness", lambda: self.seeding.begin(seeded=seeded))

    def taken_by_init(self, *, looks_back: bool) -> None:
        """An `init()` began the run, or joined it: what it configures is its own from now on.

        Args:
            looks_back: whether parsers may have been done before anybody listened.
        """
        if looks_back and not self.configuration.has_parses:
            self._safely("capture.config", self._look_back)
        self.configuration.belongs_to_init()
        self.job.taken_by_init()

    def _look_back(self) -> None:
        # Not in the time of scripts that `samebit run` starts.
        from samebit.capture.already import parsed_already  # noqa: PLC0415

        for parsed in parsed_already():
            self._take(parsed)

    def set_config(self, value: Any) -> None:
        """Take a configuration; it stands above what parsers make."""
        self._safely("capture.config", lambda: self.configuration.give(value))

    @property
    def unwritten(self) -> tuple[Problem, ...]:
        """The problems that the journal never took; one of them names the other facts."""
        return unwritten_problems(self.writer)

    def _epoch_begins(self, loader: Any) -> None:
        self.seeding.epoch(loader)
        self._watches.epoch()

    def _training_begins(self) -> None:
        """An optimizer, or a loop of another library, is about to step for the first time."""
        self.seeding.flush()
        self._watches.first_step()
        if not self._surroundings.has_settings:
            self._sources.tell_later()
            self._safely("capture.settings", self._surroundings.tell_settings)
        self._safely("capture.config", self.configuration.training_begins)

    def _row_is_complete(self, index: int, count: int) -> None:
        if self._ender is not None:
            self._ender.after_step(index, count, is_main=index == self.progress.main)

    def checkpoint(self, step: int | None, keep: Any, extra: Any) -> None:
        """Take a checkpoint."""
        self.arriving.wait()  # one of the metrics may say which is the best
        between = self.recorder.is_between
        since = self.recorder.since_the_step
        progress = self.progress
        counts = Counts(progress.step, progress.main, progress.count_of, between, since)
        self.checkpoints.take(step, keep, extra, counts)

    # The end.

    def finish(
        self, status: str, *, exception: str | None = None, signal: str | None = None
    ) -> None:
        """Complete the record; later calls do nothing."""
        if self._finished or not self.is_here:
            return
        self._finished = True
        self.listener.finish()
        interrupted = signal is not None
        self._safely("run.finish", lambda: disk.fault("run.finish"))
        self._safely("hooks.post_step", self.training.finish_trace)
        self._safely("hooks.scheduler", self.training.schedulers.finish)
        self._safely("hooks.training", self.training.tally.finish)
        self._safely("state.save", lambda: self.training.models.finish(interrupted=interrupted))
        self._safely("state.save", lambda: self.tracing.finish(interrupted=interrupted))
        self._safely("state.save", lambda: self.fits.finish(interrupted=interrupted))
        self._safely("hooks.post_step", self.recorder.close)
        self._safely("log", self._finish_arriving)
        if self._media is not None:
            media = self._media
            self._safely("media", lambda: media.finish(interrupted=interrupted))
        self._safely("state.save", lambda: self._keeper.finish(interrupted=interrupted))
        self._safely("capture.settings", self._surroundings.tell_settings)
        self._safely("capture.config", self.configuration.finish)
        self._safely("capture.randomness", self.seeding.finish)
        self._safely("capture.cells", self._cells.finish)
        self._safely("capture.files", lambda: self._watches.finish(interrupted=interrupted))
        self._safely("capture.code", self._sources.finish)
        if self.rank == "0" and not interrupted:
            self._safely("capture.installed", self._surroundings.tell_installed)
        hooks.install(None)
        self._safely("console.write", self._console.finish)
        if exception is not None:
            self.fact("exception", secrets.mask_text(exception))
        end = {"execution": self.execution, "status": status, "signal": signal}
        self.fact("end", {**end, "seconds": (time.time_ns() - self._began_ns) / 1e9})
        self._safely("journal", self.writer.close)

    def _finish_arriving(self) -> None:
        left = self.arriving.wait()
        if left:
            self.problem("log", f"{left} rows had not come from the GPU when the run ended")

    def _parsed(self, found: parsing.Parsed) -> None:
        if not self.is_here:
            return
        if self.job.is_other(found.job):
            next_job = self.next_job
            if next_job is not None:
                self._safely("job", lambda: next_job(self))
        elif not self._finished:
            self._safely("capture.config", lambda: self._take(found))

    def _job_ended(self, number: int, error: BaseException | None) -> None:
        job_over = self.job_over
        if self.is_here and not self._finished and self.job.is_run(number) and job_over is not None:
            self._safely("job", lambda: job_over(self, error))

    def _take(self, found: parsing.Parsed) -> None:
        if found.job is not None and not self.job.is_known:
            self.job.begins(found.job)
        elif found.parser == "Hydra" and self.seeding.when == "job":
            self.begin_seeding(seeded=False)  # a replay of one job, which does it alone
            seed = self.folder.start(self.execution).seed
            if seed is not None:
                randomness.seed_everything(seed)
        for file in found.files:
            self._sources.also(file)
        self.configuration.parsed(found)

    def _state(self, fact: dict[str, Any]) -> None:
        self._safely("journal", self.writer.flush)  # what is known of a run reaches up to its state
        self.fact("state", {**fact, "execution": self.execution})
        size, most = fact["size_bytes"], self._keeper.most_bytes()
        is_too_large = not fact["kept"] and self._keeper.keeps_bytes and size > most
        if is_too_large and self.rank == "0" and self._facts.is_new("digests"):
            what = f"the state {fact['name']!r} of {size >> 20} MiB is kept as digests only"
            limit = f"{most >> 20} MiB (states.budget_mb, or a tenth of the free disk)"
            console.say(f"samebit: {what}: the most is {limit}")
