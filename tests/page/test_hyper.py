"""Hyper-parameters: what a person brushes, moves, points at and chooses, and what comes of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import SWEPT, Opened, Site, opened_at, shown

ALL = SWEPT + 2
ADDRESS = "/hyper?metric=metric.val/acc&axes=config.lr,config.optimizer,config.model.depth"
NO_DEPTH_NOR_DROPOUT = 2  # the twins


def drawn(opened: Opened, address: str) -> Any:
    """Go there, and wait until all of it is there."""
    opened.go(address)
    opened.page.locator(".hyper canvas").first.wait_for()
    opened.page.get_by_text("epsilon squared").wait_for()
    return opened.page


def kept(page: Any, text: str) -> None:
    page.locator(".count").filter(has_text=text).wait_for()


def heads(page: Any) -> list[str]:
    """The axes, from the left."""
    found = page.locator(".axis").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().left, "
        "one.querySelector('button').innerText]).sort((a, b) => a[0] - b[0])"
    )
    return [name for _, name in found]


def drag(page: Any, box: Any, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place of a box to another, as shares of it."""
    page.mouse.move(box["x"] + begin[0] * box["width"], box["y"] + begin[1] * box["height"])
    page.mouse.down()
    x, y = box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"]
    page.mouse.move(x, y, steps=5)
    page.mouse.up()


def test_a_brush_filters_the_runs_and_is_a_filter_of_the_table(opened: Opened) -> None:
    page = drawn(opened, ADDRESS)
    line = page.get_by_role("slider", name="range of lr").bounding_box()
    drag(page, line, (0.5, 0.01), (0.5, 0.2))
    kept(page, f"22 of {ALL} runs")
    rows = page.get_by_role("grid", name="runs that are kept")
    assert rows.get_attribute("aria-rowcount") == "23"
    page.reload()
    kept(page, f"22 of {ALL} runs")
    page.get_by_role("link", name="these in the table").click()
    kept(page, f"22 of {ALL} runs")


def test_several_axes_are_brushed_and_each_brush_is_named_and_taken_back(opened: Opened) -> None:
    page = drawn(opened, f"{ADDRESS}&brush=config.lr:0.01~0.1,config.optimizer:=sgd")
    kept(page, f"22 of {ALL} runs")
    page.get_by_role("button", name="no brush of lr").click()
    kept(page, f"42 of {ALL} runs")
    # A range holds the same runs however its axis is looked at.
    opened.go(f"{ADDRESS}&brush=config.lr:0.01~0.1&flip=config.lr&log=!config.lr")
    kept(page, f"42 of {ALL} runs")
    # And what is at the upper end of an axis that is turned around is the least.
    drawn(opened, f"{ADDRESS}&flip=config.lr")
    kept(page, f"{ALL} runs")
    line = page.get_by_role("slider", name="range of lr").bounding_box()
    drag(page, line, (0.5, 0.01), (0.5, 0.2))
    kept(page, f"20 of {ALL} runs")


def test_runs_without_a_key_have_a_lane_and_are_kept_by_it(opened: Opened) -> None:
    page = drawn(opened, "/hyper?metric=metric.val/acc&axes=config.dropout")
    without = ALL - 27
    page.get_by_role("button", name="dropout: none").click()
    kept(page, f"{without} of {ALL} runs")
    page.get_by_role("link", name="these in the table").click()
    kept(page, f"{without} of {ALL} runs")


def test_axes_are_moved_by_pointer_and_by_keys(opened: Opened) -> None:
    page = drawn(opened, ADDRESS)
    assert heads(page) == ["lr", "optimizer", "model.depth", "val/acc"]
    first = page.locator(".axis-head").nth(0).bounding_box()
    third = page.locator(".axis-head").nth(2).bounding_box()
    y = first["y"] + 30
    page.mouse.move(first["x"] + first["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(third["x"] + third["width"] / 2, y, steps=6)
    page.mouse.up()
    page.wait_for_function(
        "() => new URL(location).searchParams.get('axes')?.endsWith('config.lr')"
    )
    assert heads(page) == ["optimizer", "model.depth", "lr", "val/acc"]
    assert page.get_by_role("menu").count() == 0, "a drag is no click"
    axis = page.get_by_role("slider", name="range of lr")
    axis.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert heads(page) == ["lr", "optimizer", "model.depth", "val/acc"]
    assert axis.evaluate("one => one === document.activeElement")


def test_an_axis_is_brushed_flipped_and_scaled_by_keys(opened: Opened) -> None:
    page = drawn(opened, ADDRESS)
    axis = page.get_by_role("slider", name="range of lr")
    axis.focus()
    for key in ("ArrowUp",) * 8:
        page.keyboard.press(key)
    kept(page, f"42 of {ALL} runs")
    assert axis.get_attribute("aria-valuetext").endswith("to 0.1")
    page.keyboard.press("f")
    page.locator(".axis-how").filter(has_text="log, flipped").wait_for()
    page.keyboard.press("l")
    page.locator(".axis-how").filter(has_text=re.compile("^flipped$")).wait_for()
    kept(page, f"42 of {ALL} runs")
    page.keyboard.press("Escape")
    kept(page, f"{ALL} runs")


def test_a_box_in_a_plot_holds_the_same_runs_everywhere(opened: Opened) -> None:
    page = drawn(opened, f"{ADDRESS}&x=config.lr")
    page.locator(".scatter-box").scroll_into_view_if_needed()
    box = page.locator(".scatter-box").bounding_box()
    drag(page, box, (0.55, 0.05), (0.99, 0.85))
    page.locator(".chip").filter(has_text="lr").wait_for()
    page.locator(".chip").filter(has_text="val/acc").wait_for()
    said = page.locator(".count").inner_text()
    page.get_by_role("button", name="matrix").click()
    page.locator(".matrix canvas").first.wait_for()
    assert page.locator(".count").inner_text() == said
    page.get_by_role("button", name="no brushes").click()
    page.locator(".matrix-plot").scroll_into_view_if_needed()
    # The last row of the matrix has the result upwards; its first cell is over lr.
    drag(page, page.locator(".matrix-plot").bounding_box(), (0.13, 0.77), (0.24, 0.99))
    page.locator(".chip").filter(has_text="lr").wait_for()
    assert re.match(r"\d+ of 82 runs", page.locator(".count").inner_text())


def test_a_row_lights_its_line_and_a_line_its_row(opened: Opened) -> None:
    page = drawn(opened, ADDRESS)
    row = page.locator(".grid-body .grid-row").nth(2)
    name = row.get_by_role("link").inner_text()
    row.hover()
    page.locator(".pointed b").filter(has_text=name).first.wait_for()
    page.mouse.move(5, 5)
    axes = page.locator(".parallel .axes").bounding_box()
    page.evaluate("window.scrollTo(0, 0)")
    axes = page.locator(".parallel .axes").bounding_box()
    found = page.locator(".pointed b").first
    for step in range(60):
        page.mouse.move(axes["x"] + axes["width"] * 0.8, axes["y"] + 80 + 3 * step)
        page.wait_for_timeout(60)
        if found.count():
            break
    page.wait_for_timeout(600)  # until what the last move found is said
    lit = found.inner_text()
    page.mouse.down()
    page.mouse.up()
    page.get_by_role("region", name="selected runs").get_by_text("1 run selected").wait_for()
    picked = page.get_by_role("row", selected=True)
    assert picked.get_by_role("link").inner_text() == lit
    page.reload()
    page.get_by_role("region", name="selected runs").get_by_text("1 run selected").wait_for()


def test_colours_follow_any_key_and_say_what_they_mean(opened: Opened) -> None:
    page = drawn(opened, f"{ADDRESS}&color=config.optimizer")
    legend = page.get_by_role("group", name="colours of optimizer")
    assert legend.inner_text().split() == ["optimizer", "adamw", "sgd"]
    page.locator("label").filter(has_text="colour").get_by_role("combobox").select_option(
        "metric.loss"
    )
    # Of a loss the lowest is the best, and the strongest.
    said = page.get_by_role("group", name="colours of loss").inner_text().split()
    assert float(said[1]) > float(said[2])


def test_the_best_comes_first_whichever_way_is_better(opened: Opened) -> None:
    page = drawn(opened, f"{ADDRESS}&better=lower")
    first = page.locator(".grid-body .grid-row b").first
    lowest = float(first.inner_text())
    page.get_by_label("better is").select_option("higher")
    page.get_by_role("heading", name="Highest val/acc first").wait_for()
    assert float(first.inner_text()) > lowest


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = tmp_path_factory.mktemp("odd") / "project"
    stores.odd_settings(stores.new_store(project))
    with shown(project) as found:
        yield found


def test_long_names_texts_and_odd_values_have_their_place(browser: Any, odd: Site) -> None:
    with opened_at(browser, odd) as opened:
        page = drawn(opened, "/hyper?axes=config.mixed,config.tag,config.flag,config.momentum")
        # One kind of each: numbers, text and a list are names, nothing has a lane.
        mixed = page.locator(".axis").filter(has_text="mixed")
        assert {"1", "auto", "[2,1]"} <= set(mixed.locator(".axis-tick").all_inner_texts())
        mixed.get_by_role("button", name="mixed: none").wait_for()
        result = page.locator(".axis.result")
        result.get_by_role("button", name="acc: not finite").click()
        kept(page, "6 of 30 runs")
        matters = page.locator("[aria-label='what matters']")
        matters.get_by_role("button", name=re.compile(r"^\d+ more$")).click()
        said = matters.inner_text()
        assert "10 of 30" in said
        assert "the same in all runs: constant" in said
        ticks = page.locator(".axis").filter(has_text="tag").locator(".axis-tick")
        labels = ticks.all_inner_texts()
        assert len(set(labels)) == len(labels) > 10
        opened.go("/hyper?brush=config.flag:=true")
        kept(page, "15 of 30 runs")
        page.get_by_role("link", name="these in the table").click()
        kept(page, "15 of 30 runs")


@pytest.mark.parametrize(
    ("metrics", "configs", "said"),
    [
        ([], [], "No runs yet"),
        ([{"acc": 0.5}], [{"lr": 0.1}], "there is one"),
        ([None, None], [{"lr": 0.1}, {"lr": 0.2}], "have no metrics"),
        ([{"acc": 0.1}, {"acc": 0.2}], [{"lr": 0.1}, {"lr": 0.1}], "No setting differs"),
    ],
)
def test_where_there_is_nothing_to_relate_it_says_why(
    browser: Any, tmp_path: Path, metrics: list[Any], configs: list[Any], said: str
) -> None:
    project = tmp_path / "project"
    store = stores.new_store(project)
    for rows, config in zip(metrics, configs, strict=True):
        stores.record(store, config=config, rows=[rows] if rows else [])
    with shown(project) as site:
        context = browser.new_context()
        page = context.new_page()
        page.goto(site.link)
        page.goto(f"{site.origin}/hyper")
        page.get_by_text(said).wait_for()
        context.close()
