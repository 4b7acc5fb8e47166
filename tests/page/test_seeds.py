"""Groups of seeds: what is told of each, what is drawn, two kinds crossed, two groups in pairs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import SWEPT, Opened, Site, opened_at, shown

FINISHED = SWEPT - 7


def test_groups_have_their_mean_interval_and_best_of_n(opened: Opened) -> None:
    opened.go("/seeds?by=config.lr,config.optimizer&metric=metric.loss")
    page = opened.page
    table = page.get_by_role("region", name="groups", exact=True)
    table.wait_for()
    # A store that is still being read has more of them a moment later.
    table.locator("svg.strip circle").nth(FINISHED - 1).wait_for(state="attached")
    page.get_by_text("Tang et al. (2020)").first.wait_for()
    page.get_by_text("Expected lowest of n runs").wait_for()
    heads = table.get_by_role("columnheader").all_inner_texts()
    assert heads[-3:] == ["best of 2", "best of 3", "best of 5"]
    page.locator("summary").filter(has_text="left out: 7 failed").click()
    assert page.locator(".summary .left-out a").count() == 7


def test_seeds_alone_are_one_group_and_all_settings_part_others(opened: Opened) -> None:
    page = opened.page
    opened.go("/seeds")
    page.get_by_role("button", name=re.compile("Grouped by 6 settings")).wait_for()
    opened.go("/seeds?by=-")
    table = page.get_by_role("region", name="groups", exact=True)
    table.get_by_role("button", name="all runs").wait_for()
    page.get_by_text("the runs differ in more than seeds").first.wait_for()
    page.get_by_text("sampler not known").first.wait_for()


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = tmp_path_factory.mktemp("crossed") / "project"
    stores.crossed(stores.new_store(project))
    with shown(project) as found:
        yield found


def test_two_seeds_are_a_grid_with_means_and_their_parts_of_the_variance(
    browser: Any, crossed: Site
) -> None:
    with opened_at(browser, crossed) as opened:
        opened.go("/seeds")
        page = opened.page
        grid = page.get_by_role("region", name="two seeds")
        grid.wait_for()
        assert grid.get_by_role("link").count() == 16
        assert grid.locator("td.mean").count() == 8
        parts = page.get_by_role("region", name="parts of the variance")
        assert parts.get_by_role("rowheader").all_inner_texts() == [
            "init_seed",
            "order_seed",
            "rest",
        ]
        groups = page.get_by_role("region", name="groups", exact=True)
        groups.get_by_role("button", name="plain").click()
        page.get_by_role("heading", name="method plain", exact=True).wait_for()
        groups.get_by_role("button", name="warmup").click()
        page.get_by_text("the parts are of").wait_for()
        assert grid.get_by_label("no result").count() == 1
        page.get_by_text("left out: failed").wait_for()
        page.get_by_role("checkbox", name="best first").check()
        page.reload()
        grid.wait_for()
        means = [
            float(one) for one in grid.locator("tbody tr:not(.means) td.mean b").all_inner_texts()
        ]
        assert means == sorted(means, reverse=True)


def test_two_groups_are_paired_by_their_seeds(browser: Any, crossed: Site) -> None:
    with opened_at(browser, crossed) as opened:
        opened.go("/seeds")
        page = opened.page
        pairs = page.get_by_role("region", name="pairs")
        pairs.wait_for()
        assert pairs.locator("tbody tr").count() == 15
        section = page.locator(".seed-pairs")
        section.get_by_text("exact sign-flip test", exact=True).wait_for()
        said = section.inner_text()
        assert "15 pairs by seed" in said
        assert "95 % t interval" in said
        assert "method warmup is better than method plain, and often enough to matter" in said
        mind = section.get_by_role("list", name="mind").get_by_role("listitem").all_inner_texts()
        assert any(one.endswith("those that went well are compared") for one in mind), mind
        section.locator("summary").filter(has_text="1 run in no pair").click()
        section.get_by_text("is not in the other group").wait_for()


def test_what_is_drawn_is_chosen_in_the_table_and_stands_in_the_address(
    browser: Any, crossed: Site
) -> None:
    with opened_at(browser, crossed) as opened:
        opened.go("/seeds")
        page = opened.page
        legend = page.locator(".seed-charts .small-legend li")
        legend.first.wait_for()
        assert legend.count() == 2
        page.get_by_role("checkbox", name="method plain in the charts").uncheck()
        page.reload()
        legend.first.wait_for()
        assert legend.all_inner_texts() == ["method warmup (n = 15)"]
        head = page.get_by_role("columnheader", name="mean", exact=True)
        head.get_by_role("button").click()
        page.locator("[aria-sort='descending']").wait_for()


def test_one_seed_says_that_no_interval_exists(browser: Any, tmp_path: Path) -> None:
    project = tmp_path / "project"
    stores.record(stores.new_store(project), config={"lr": 0.1, "seed": 1}, rows=[{"acc": 0.5}])
    with shown(project) as site, opened_at(browser, site) as opened:
        opened.go("/seeds")
        page = opened.page
        page.get_by_text("one seed: no interval exists").wait_for()
        page.get_by_text("Two runs of a group are needed.").or_(
            page.get_by_text("Tick groups in the table")
        ).first.wait_for()


def test_results_that_are_no_numbers_are_left_out_and_told(browser: Any, tmp_path: Path) -> None:
    project = tmp_path / "project"
    store = stores.new_store(project)
    for seed in range(3):
        stores.record(store, config={"seed": seed}, rows=[{"acc": float("nan")}])
    with shown(project) as site, opened_at(browser, site) as opened:
        opened.go("/seeds")
        opened.page.get_by_text("None of these runs has a result").wait_for()
        opened.page.get_by_text("no result: not a number").wait_for()
