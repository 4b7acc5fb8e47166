"""A study in progress on the page: how far it is, and what comes without a reload."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import Site, opened_at, shown
from tests.server.going import COUNT, Going
from tests.server.recorded import finish


@pytest.fixture
def going(tmp_path: Path) -> Iterator[tuple[Going, Site]]:
    project = tmp_path / "project"
    with Going(stores.new_store(project)) as study:
        finish(*study.start(0))
        with shown(project) as site:
            yield study, site


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
        study.stop(3, *study.start(3))
        told.get_by_text("2 finished, 2 waiting, 1 stopped, 1 stopped early").wait_for()
        opened.go("/seeds?where=group+!%3D+tuned")
        page.get_by_text("No runs").wait_for()
        assert told.count() == 0
        opened.go("/seeds?by=-")
        for number in range(3, COUNT):
            finish(*study.start(number))
        told.wait_for(state="detached")
        page.get_by_role("link", name="tuned", exact=True).click()
        page.get_by_text("5 results in 1 group").wait_for()
