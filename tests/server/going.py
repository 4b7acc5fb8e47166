"""A study of seeds of which the test plays the controller and the runs."""

from pathlib import Path
from types import TracebackType
from typing import Self

from samebit.folders.folder import RunFolder, Trial
from samebit.journal.writer import Writer
from samebit.studies.declared import (
    Keeping,
    Study,
    design,
    folder_of,
    join_or_declare,
    study_id,
)
from samebit.studies.trials import Trials
from tests.server.recorded import begin, finish

COUNT = 6


class Going:
    """A study and its lines, for as long as it is open."""

    def __init__(self, store: Path, name: str = "tuned", keeping: Keeping | None = None) -> None:
        self.store = store
        self.study = Study(
            study_id(store, name), name, "script", ("t.py",), str(store.parent), ("all",),
            False, 1, first=0, metric="acc", keeping=keeping,
        )  # fmt: skip
        join_or_declare(store, self.study)
        self._log = Trials(folder_of(store, self.study.id), self.study.id)

    def __enter__(self) -> Self:
        self._log.__enter__()
        self._log.want({"all": COUNT}, 0)
        for one in design(self.study, {"all": COUNT}, 0):
            self._log.decide(one)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.__exit__(kind, error, trace)

    def start(self, number: int, *values: float) -> tuple[RunFolder, Writer]:
        """The run of a trial, going on."""
        start = self._log.start(number).last
        assert start is not None
        trial = Trial(self.study.id, number, start.run)
        run, writer = begin(self.store, seed=number, group=self.study.name, trial=trial)
        for step, value in enumerate(values or [0.5 + number / 100], 1):
            writer.row({"acc": value}, step)
        return run, writer

    def stop_early(self, number: int, run: RunFolder, writer: Writer) -> None:
        """It ends by the study."""
        self._log.stop_early(number, 1, "acc 0.5; the best has 0.6")
        run.add_note("stopped early", {"execution": 1, "why": "by the study tuned at step 1: acc"})
        finish(run, writer, "killed")

    def stop(self, number: int, run: RunFolder, writer: Writer) -> None:
        """It ends by Ctrl-C."""
        self._log.stopped(number)
        finish(run, writer, "killed")
