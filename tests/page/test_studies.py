"""A study in progress on the page: how far it is, and what comes without a reload."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samebit.folders.folder import RunFolder, Trial
from samebit.journal.writer import Writer
from samebit.studies.declared import Study, design, folder_of, join_or_declare, study_id
from samebit.studies.trials import Trials
from tests.page import stores
from tests.page.conftest import Site, opened_at, shown
from tests.server.recorded import begin, finish

COUNT = 6


class Going:
    """A study of which this process plays the controller and the runs."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.study = Study(
            study_id(store, "tuned"), "tuned", "script", ("t.py",), str(store.parent), ("all",),
            False, 1, first=0, metric="acc",
        )  # fmt: skip
        join_or_declare(store, self.study)
        self._log = Trials(folder_of(store, self.study.id), self.study.id)
        self._log.__enter__()
        self._log.want({"all": COUNT}, 0)
        for one in design(self.study, {"all": COUNT}, 0):
            self._log.decide(one)

    def start(self, number: int) -> tuple[RunFolder, Writer]:
        """The run of a trial, going on."""
        start = self._log.start(number).last
        assert start is not None
        trial = Trial(self.study.id, number, start.run)
        run, writer = begin(self.store, seed=number, group="tuned", trial=trial)
        writer.row({"acc": 0.5 + number / 100}, 1)
        return run, writer

    def stop_early(self, number: int, run: RunFolder, writer: Writer) -> None:
        """It ends by the study."""
        self._log.stop_early(number, 1, "acc 0.5; the best has 0.6")
        run.add_note("stopped early", {"execution": 1, "why": "by the study tuned at step 1: acc"})
        finish(run, writer, "killed")

    def close(self) -> None:
        self._log.__exit__(None, None, None)


@pytest.fixture
def going(tmp_path: Path) -> Iterator[tuple[Going, Site]]:
    project = tmp_path / "project"
    study = Going(stores.new_store(project))
    finish(*study.start(0))
    with shown(project) as site:
        yield study, site
    study.close()


def test_a_study_in_progress_is_told_and_what_comes_is_there_without_a_reload(
    browser: Any, going: tuple[Going, Site]
) -> None:
    study, site = going
    with opened_at(browser, site) as opened:
        opened.go("/seeds?by=-")
        page = opened.page
        told = page.get_by_role("list", name="studies in progress")
        told.get_by_text("1 finished, 5 waiting").wait_for()
        told.get_by_text("not running: the same command goes on").wait_for()
        both = [study.start(1), study.start(2)]
        told.get_by_text("1 finished, 2 running, 3 waiting").wait_for()
        told.get_by_text(re.compile("about .* left")).wait_for()
        study.stop_early(1, *both[0])
        finish(*both[1])
        told.get_by_text("2 finished, 3 waiting, 1 stopped early").wait_for()
        assert told.get_by_role("progressbar").get_attribute("value") == "3"
        page.get_by_text("2 results in 1 group").wait_for()
        page.locator("summary").filter(has_text="1 stopped early").wait_for()
        for number in range(3, COUNT):
            finish(*study.start(number))
        told.wait_for(state="detached")
        page.get_by_text("5 results in 1 group").wait_for()
