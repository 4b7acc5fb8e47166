"""A sweep on the page: the numbers of the command line, and what comes without a reload."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import Opened, Site, opened_at, shown
from tests.page.test_accessibility import axe_finds
from tests.projects import Project
from tests.server.swept import METRIC, Played, some


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[tuple[Played, Site]]:
    """A sweep in progress, and one that is over."""
    project = tmp_path / "project"
    store = stores.new_store(project)
    with Played(store, "over") as over:
        over.end(over.ask({"lr": 0.01, "optimizer": "adam"})[0], 0.5)
    with Played(store) as sweep:
        some(sweep)
        with shown(project) as site:
            yield sweep, site


def rows(opened: Opened) -> list[list[str]]:
    table = opened.page.get_by_role("region", name="configurations, best first")
    return [
        [cell.strip() for cell in row.locator("th, td").all_inner_texts()]
        for row in table.locator("tbody tr").all()
    ]


def test_a_sweep_is_what_the_command_line_tells_and_goes_on_without_a_reload(
    browser: Any, swept: tuple[Played, Site]
) -> None:
    sweep, site = swept
    with opened_at(browser, site) as opened:
        page = opened.page
        opened.go("/seeds")
        page.get_by_role("list", name="studies in progress").get_by_role("link").click()
        page.get_by_role("heading", name="digits", exact=True).wait_for()
        page.get_by_text(f"Best {METRIC} so far: 0.875").wait_for()
        page.get_by_text("5 of 12: 2 finished, 1 stopped early, 1 failed, 1 running").wait_for()
        command = (sys.executable, "-m", "samebit.cli.main", "sweep", "show", "digits", "--json")
        told = json.loads(Project(site.store.parent).call(*command).out)
        ranked = {one["number"]: one for one in told["configurations"]}
        found = rows(opened)
        numbers = [row[0].removeprefix("best").strip() for row in found]
        assert numbers == [str(number) for number in told["ranking"]]
        assert found[0][0].startswith("best")
        for row, number in zip(found, told["ranking"], strict=True):
            one = ranked[number]
            assert float(row[1] or "nan") == pytest.approx(
                one["value"] or float("nan"), nan_ok=True
            )
            at = one["stopped_at"]
            told_so = one["state"] + (f" at step {at:g}: {one['why']}" if at is not None else "")
            assert row[2] == told_so
            assert float(row[3]) == one["settings"]["lr"]
            assert row[6].split() == one["runs"]
        sweep.end(4, 0.9)
        page.get_by_text(f"Best {METRIC} so far: 0.9", exact=True).wait_for()
        assert rows(opened)[0][:2] == ["best 5", "0.9000"]
        sweep.end(sweep.ask({"lr": 0.02, "optimizer": "adam"})[0], 0.8)
        page.get_by_text("6 of 12: 4 finished").wait_for()
        table = page.get_by_role("region", name="configurations, best first")
        table.get_by_role("link").first.click()
        page.get_by_role("link", name="sweep digits").click()
        page.get_by_text("6 of 12: 4 finished").wait_for()
        assert [row[0] for row in rows(opened)] == ["best 5", "2", "6", "1", "3", "4"]


def test_it_leads_to_its_runs_in_the_hyper_parameters_and_to_other_sweeps(
    browser: Any, swept: tuple[Played, Site]
) -> None:
    sweep, site = swept
    with opened_at(browser, site) as opened:
        page = opened.page
        opened.go("/sweep?name=digits")
        page.get_by_role("main").get_by_role("link", name="Hyper-parameters").click()
        page.locator(".parallel canvas").first.wait_for()
        assert sweep.study.id in page.url
        page.get_by_text("4 runs", exact=True).wait_for()
        page.get_by_role("heading", name=f"Highest {METRIC} first").wait_for()
        opened.go("/seeds")
        page.get_by_role("link", name="over", exact=True).click()
        page.get_by_text("1 of 12: 1 finished").wait_for()
        page.get_by_role("combobox", name="sweep").select_option("digits")
        page.get_by_text("5 of 12").wait_for()
        opened.go("/sweep?name=nosuch")
        page.get_by_role("alert").get_by_text("no sweep is called 'nosuch'").wait_for()


@pytest.mark.parametrize(("scheme", "wide"), [("light", 1280), ("dark", 400)])
def test_axe_finds_nothing_in_it_and_a_phone_holds_it(
    browser: Any, swept: tuple[Played, Site], scheme: str, wide: int
) -> None:
    how: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": wide, "height": 820}}
    with opened_at(browser, swept[1], bypass_csp=True, **how) as opened:
        opened.go("/sweep?name=digits")
        opened.page.locator(".best-so-far canvas").wait_for()
        opened.page.get_by_role("region", name="configurations, best first").wait_for()
        assert axe_finds(opened) == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= wide
        opened.go("/seeds")
        opened.page.get_by_text("over:").wait_for()
        assert axe_finds(opened) == []
