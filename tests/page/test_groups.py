"""Runs in groups: what has no mean is named, and never in the way of what has one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import Opened, Site, opened_at, shown

MANY = 10  # metrics that are numbers


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Metrics that are numbers, one that is true or false, one that is a text in one run."""
    project = tmp_path_factory.mktemp("groups") / "mixed"
    store = stores.new_store(project)
    for at in range(6):
        row: dict[str, Any] = {f"m{n}": at + n / 10 for n in range(MANY)}
        row |= {"ok": at > 2, "phase": "warm" if at == 5 else 1.0}
        config = {"method": ["plain", "shifted"][at % 2]}
        stores.record(store, name=f"run {at}", config=config, rows=[row])
    with shown(project) as found:
        yield found


@pytest.fixture
def looked(browser: Any, mixed: Site) -> Iterator[Opened]:
    with opened_at(browser, mixed) as found:
        yield found


def test_metrics_without_a_mean_are_named_and_the_others_have_theirs(looked: Opened) -> None:
    page = looked.page
    looked.go("/?by=config.method")
    table = page.get_by_role("region", name="groups of runs")
    said = table.locator("caption")
    said.wait_for()
    assert "Mean and 95 % t interval over runs that finished" in said.inner_text()
    assert "No mean of ok, phase: not all runs have a number there." in said.inner_text()
    assert f"The first 8 of {MANY} metrics" in said.inner_text()
    row = table.get_by_role("row").filter(has_text="plain")
    assert row.locator("td.numeric b").first.inner_text() == "2.000"
    with page.expect_download() as begun:
        page.get_by_role("button", name="save what is shown").click()
        page.get_by_role("menuitem", name="table as CSV").click()
    with open(begun.value.path(), encoding="utf-8") as file:
        assert file.readline().startswith("config.method,n,")
