"""Curves: what is drawn of odd metrics, which curve is which, and how one looks closer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import Opened, Site, opened_at, shown

NAN = float("nan")
MANY = 60  # metrics


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Metrics with one point, with gaps, with nothing that can be drawn, and very many of them."""
    project = tmp_path_factory.mktemp("curves") / "odd"
    store = stores.new_store(project)
    for at in range(4):
        rows: list[dict[str, float]] = [
            {"loss": 1 / step, "gaps": NAN if step % 2 else step, "below": step - 10.0, "bad": NAN}
            for step in range(1, 21)
        ]
        rows[-1]["test/acc"] = 0.9 + at / 100
        rows[0] |= {f"{'train' if n % 2 else 'val'}/m{n}": float(n) for n in range(MANY)}
        config = {"method": ["plain", "shifted"][at % 2]}
        stores.record(store, name=f"run {at}", config=config, rows=rows)
    with shown(project) as found:
        yield found


@pytest.fixture
def looked(browser: Any, odd: Site) -> Iterator[Opened]:
    with opened_at(browser, odd) as found:
        yield found


def ink(chart: Any) -> int:
    """How many pixels of a chart have a colour of curves, once it is drawn."""
    asking = """canvas => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let found = 0;
      for (let at = 0; at < data.length; at += 4) {
        const color = data.slice(at, at + 3);
        found += data[at + 3] > 100 && Math.max(...color) - Math.min(...color) > 60;
      }
      return found; }"""
    shows = """canvas => {
      const empty = Object.assign(document.createElement("canvas"),
        { width: canvas.width, height: canvas.height });
      return canvas.toDataURL() === empty.toDataURL() ? "" : canvas.toDataURL(); }"""
    before, canvas = "", chart.locator("canvas")
    for _ in range(300):
        found = canvas.evaluate(shows)
        if found and found == before:
            return int(canvas.evaluate(asking))
        before = found
        chart.page.wait_for_timeout(200)
    raise AssertionError("nothing stays drawn")


def chart_of(page: Any, title: str) -> Any:
    return page.get_by_role("figure", name=title, exact=True)


def test_what_was_logged_once_and_what_has_gaps_is_seen(looked: Opened) -> None:
    looked.go("/curves?charts=^(test|gaps)")
    once, gaps = chart_of(looked.page, "test/acc"), chart_of(looked.page, "gaps")
    once.get_by_text("all of 4 points").wait_for()
    assert ink(once) > 4 * 12, "a dot for each run"
    gaps.get_by_text("40 not finite").wait_for()
    assert ink(gaps) > 10 * 12, "each point between two gaps is a dot"


def test_a_chart_without_anything_to_draw_says_why(looked: Opened) -> None:
    looked.go("/curves?charts=^(bad|below)&ylog=1")
    chart_of(looked.page, "bad").get_by_text(
        "no finite value: all 80 are NaN or infinite"
    ).wait_for()
    chart_of(looked.page, "below").get_by_text(
        "40 values that are not positive not shown"
    ).wait_for()
    looked.go("/curves?charts=^below&ylog=1&where=name+%3D%3D+%27run+0%27&xlog=1&x=below")
    chart_of(looked.page, "below").get_by_text(
        "10 values that are not positive not shown"
    ).wait_for()


def test_colours_are_those_of_a_keys_values_and_the_legend_says_which(looked: Opened) -> None:
    page = looked.page
    looked.go("/curves?charts=^loss")
    page.get_by_role("combobox", name="colour").select_option("config.method")
    legend = page.locator(".legend")
    legend.get_by_role("checkbox", name="all with plain").wait_for()
    assert legend.locator("li.section").all_inner_texts() == ["plain\n2 runs", "shifted\n2 runs"]
    legend.get_by_role("checkbox", name="all with plain").uncheck()
    chart_of(page, "loss").get_by_text("all of 40 points").wait_for()
    assert "color=config.method" in page.url
    assert "off=" in page.url
    page.reload()
    chart_of(page, "loss").get_by_text("all of 40 points").wait_for()
    legend.get_by_role("button", name="all", exact=True).click()
    chart_of(page, "loss").get_by_text("all of 80 points").wait_for()


def test_the_curve_under_the_pointer_stands_out_in_the_legend_and_in_other_charts(
    looked: Opened,
) -> None:
    looked.go("/curves?charts=^(loss|test)")
    page = looked.page
    once, loss = chart_of(page, "test/acc"), chart_of(page, "loss")
    ink(loss)
    box = loss.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 12)
    page.locator(".legend li.pointed").wait_for()
    loss.locator(".look .near").wait_for()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 12)
    once.locator(".look .name").wait_for()
    told = once.locator(".look .name").all_inner_texts()
    assert told == [loss.locator(".look .near .name").inner_text()], "the one under the pointer"
    page.mouse.move(2, 2)
    page.locator(".legend li.pointed").wait_for(state="detached")


def test_groups_have_one_colour_in_all_charts_and_say_n(looked: Opened) -> None:
    looked.go("/curves?charts=^(loss|test)&by=config.method")
    for title in ("loss", "test/acc"):
        legend = chart_of(looked.page, title).locator(".small-legend li")
        legend.first.wait_for()
        assert legend.all_inner_texts() == ["plain (n = 2)", "shifted (n = 2)"]
        assert legend.nth(1).locator("svg").get_attribute("class") == "key c1 d0"
    assert ink(chart_of(looked.page, "test/acc")) > 100, "an interval at one place is a bar"
    assert looked.page.locator(".legend summary").inner_text() == "2 groups"


def test_charts_stand_in_sections_that_close_and_only_those_in_view_are_drawn(
    looked: Opened,
) -> None:
    page = looked.page
    looked.go("/curves")
    section = page.get_by_role("region", name="train", exact=True)
    section.get_by_text("30 charts").wait_for()
    page.locator("canvas").first.wait_for()
    assert page.get_by_role("figure").count() == MANY + 5
    assert page.locator("canvas").count() < 20
    section.get_by_role("button", name="train", exact=True).click()
    section.get_by_role("figure").first.wait_for(state="detached")
    assert "closed=train" in page.url
    page.reload()
    page.get_by_role("region", name="train", exact=True).get_by_text("30 charts").wait_for()
    assert page.get_by_role("figure").count() == MANY // 2 + 5


def test_keys_zoom_move_and_go_back_and_a_chart_has_the_whole_screen(looked: Opened) -> None:
    page = looked.page
    looked.go("/curves?charts=^loss")
    ink(chart_of(page, "loss"))
    page.keyboard.press("+")
    page.wait_for_url(re.compile("zoom=5.75~15.25"))
    page.keyboard.press(">")
    page.wait_for_url(re.compile("zoom=8.125~17.625"))
    page.keyboard.press("-")
    page.keyboard.press("0")
    page.wait_for_url(re.compile("charts=.*loss$"))
    page.get_by_role("button", name="full screen: loss").click()
    page.wait_for_url(re.compile("large=loss"))
    page.wait_for_function(
        "() => document.querySelector('.plot-box')?.getBoundingClientRect().height > 500"
    )
    page.keyboard.press("Escape")
    page.get_by_role("button", name="full screen: loss").wait_for()


def test_the_range_of_y_is_all_values_or_most_or_what_one_says(looked: Opened) -> None:
    page = looked.page
    looked.go("/curves?charts=^loss")
    page.get_by_role("combobox", name="y", exact=True).select_option("inner")
    chart_of(page, "loss").get_by_text("outliers left outside").wait_for()
    page.get_by_role("combobox", name="y", exact=True).select_option("~")
    page.get_by_role("textbox", name="highest y").fill("0.2")
    page.wait_for_url(re.compile(r"y=0~0\.2"))
    page.get_by_role("textbox", name="highest y").fill("nothing")
    assert page.get_by_role("textbox", name="highest y").get_attribute("aria-invalid") == "true"


def test_a_file_of_a_chart_has_the_dots_and_light_colours(browser: Any, odd: Site) -> None:
    with opened_at(browser, odd, color_scheme="dark") as opened:
        opened.go("/curves?charts=^test")
        chart = chart_of(opened.page, "test/acc")
        ink(chart)
        chart.get_by_role("button", name="save test/acc").click()
        with opened.page.expect_download() as saving:
            opened.page.get_by_role("menuitem", name="chart as SVG").click()
        text = Path(saving.value.path()).read_text()
    assert text.count("<circle") == 4
    assert 'fill="rgb(255, 255, 255)"' in text
    assert ">15</text>" not in text, "it was logged at step 20"
    assert ">20</text>" in text


def test_where_a_curve_becomes_nan_or_infinite_is_marked(browser: Any, tmp_path: Path) -> None:
    project = tmp_path / "diverged"
    store = stores.new_store(project)
    for name, bad in (("nan", NAN), ("inf", float("inf")), ("fine", 0.1)):
        rows = [{"loss": 1 / step if step < 12 else bad} for step in range(1, 21)]
        stores.record(store, name=name, rows=rows)
    stores.record(store, name="holes", rows=[{"gaps": NAN if s % 2 else s} for s in range(30)])
    with shown(project) as site, opened_at(browser, site) as found:
        page = found.page
        found.go("/curves?charts=^loss")
        loss = chart_of(page, "loss")
        loss.get_by_text("18 not finite from each × NaN, △ inf on").wait_for()
        ink(loss)
        box = loss.locator(".u-over").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
        told = loss.locator(".look")
        told.locator(".name").nth(2).wait_for()
        assert re.findall(r"(nan|inf)\n(nan|inf)", told.inner_text()) == [
            ("inf", "inf"),
            ("nan", "nan"),
        ]
        with page.expect_download() as begun:
            loss.get_by_role("button", name="save loss").click()
            page.get_by_role("menuitem", name="chart as SVG").click()
        text = Path(begun.value.path()).read_text()
        assert len(re.findall('stroke-width="1.8"', text)) == 2
        found.go("/curves?charts=^loss&zoom=14~18&where=name+%3D+nan")
        loss.get_by_text("no finite value in this part").wait_for()
        # Of many holes only the first is marked, where the curve comes back.
        found.go("/curves?charts=^gaps")
        chart_of(page, "gaps").get_by_text("15 not finite from each × NaN on").wait_for()
        # What no curve has a place for says why, by what x is.
        found.go("/curves?charts=^gaps&x=loss")
        chart_of(page, "gaps").get_by_text(
            "no step of these runs has both this and loss"
        ).wait_for()


def test_a_chart_fills_the_whole_screen_until_escape_or_the_button(looked: Opened) -> None:
    page = looked.page
    looked.go("/curves?charts=^(loss|gaps)")
    loss = chart_of(page, "loss")
    whole = page.locator("html:fullscreen")
    loss.get_by_role("button", name="full screen: loss").click()
    whole.wait_for(state="attached")
    ink(loss)
    assert "large=loss" in page.url
    assert page.get_by_role("figure").count() == 1
    assert not page.get_by_role("navigation", name="views").is_visible()
    assert not page.get_by_label("find charts").is_visible()
    box = loss.locator(".plot-box").bounding_box()
    assert box is not None
    high = page.evaluate("window.innerHeight")
    assert box["height"] > 0.85 * high
    assert page.evaluate("document.documentElement.scrollHeight") <= high, "nothing to scroll to"
    loss.get_by_role("button", name="all charts: loss").click()
    whole.wait_for(state="detached")
    chart_of(page, "gaps").wait_for()
    assert "large=" not in page.url
    # Escape is the browser's own way out, and of it the page hears this alone.
    loss.get_by_role("button", name="full screen: loss").click()
    whole.wait_for(state="attached")
    page.evaluate("document.exitFullscreen()")
    chart_of(page, "gaps").wait_for()
    assert "large=" not in page.url


def test_of_how_many_runs_a_mean_is_stands_at_each_place(browser: Any, tmp_path: Path) -> None:
    project = tmp_path / "uneven"
    store = stores.new_store(project)
    for at in range(3):
        rows = [{"loss": 1.0 + at} for _ in range(10 if at else 20)]
        stores.record(store, name=f"run {at}", config={"method": "plain"}, rows=rows)
    with shown(project) as site, opened_at(browser, site) as found:
        page = found.page
        found.go("/curves?by=config.method&tables=loss")
        loss = chart_of(page, "loss")
        loss.get_by_text("not all runs are everywhere: n is under the pointer").wait_for()
        cells = loss.get_by_role("region", name="values of loss").locator("tbody tr").inner_text()
        assert cells.split("\t")[1:] == ["1", "—", "—", "1", "3"]
        ink(loss)
        box = loss.locator(".u-over").bounding_box()
        assert box is not None
        for place, said in ((0.2, "n = 3"), (0.9, "n = 1")):
            page.mouse.move(box["x"] + box["width"] * place, box["y"] + 20)
            loss.locator(".look").get_by_text(said, exact=True).wait_for()
        with page.expect_download() as begun:
            loss.get_by_role("button", name="save loss").click()
            page.get_by_role("menuitem", name="what is drawn as CSV").click()
        lines = Path(begun.value.path()).read_text().splitlines()
        assert lines[0] == "group,step,mean,low,high,n"
        assert [line.split(",")[-1] for line in lines[10:12]] == ["3", "1"]
