"""One run, curves, comparisons, traces: what a person does in each."""

import re
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

from samebit.journal.writer import Writer
from tests.page import stores
from tests.page.conftest import SWEPT, Opened, Site, asked, opened_at, shown

ALL = SWEPT + 2


def open_run(opened: Opened, name: str) -> str:
    """Go to a run by its name; its id."""
    opened.page.get_by_role("link", name=name, exact=True).click()
    opened.page.get_by_role("heading", name=name).wait_for()
    return opened.page.url.rpartition("/")[2].partition("?")[0]


def twins(opened: Opened) -> str:
    """The ids of the two runs whose traces part."""
    opened.page.locator(".count").filter(has_text=f"{ALL} runs").wait_for()  # all were read
    names = ("first-twin", "second-twin")
    filters = [asked(opened.page, "runs/filter", where=f"name=={name}") for name in names]
    return ",".join(found["ids"][0] for found in filters)


def test_a_run_is_told_in_one_screen_with_the_commands_to_go_on(opened: Opened) -> None:
    run = open_run(opened, "first-twin")
    page = opened.page
    for title in ("Hyper-parameters", "Run", "Training", "Metrics", "See for yourself"):
        page.get_by_role("heading", name=title, exact=True).wait_for()
    assert f"samebit verify {run}" in page.locator(".side-column").inner_text()
    page.get_by_role("link", name="Config", exact=True).click()
    setting = (
        page.get_by_role("region", name="configuration").get_by_role("row").filter(has_text="lr")
    )
    setting.get_by_role("cell", name="cli").wait_for()
    page.get_by_role("link", name="Code", exact=True).click()
    page.get_by_role("button", name=re.compile("train.py")).click()
    page.locator(".lines").filter(has_text="print(lr)").wait_for()
    page.reload()
    page.locator(".lines").filter(has_text="print(lr)").wait_for()
    page.get_by_role("link", name="Console", exact=True).click()
    page.get_by_role("log", name="console").filter(has_text="step 39 loss").wait_for()


def test_what_was_logged_beside_numbers_is_seen_read_and_kept_from_running(
    opened: Opened,
) -> None:
    open_run(opened, "first-twin")
    page = opened.page
    page.get_by_role("link", name="Media", exact=True).click()
    picture = page.get_by_role("img", name="black")
    picture.wait_for()
    size = "async one => { await one.decode(); return [one.naturalWidth, one.naturalHeight]; }"
    assert picture.evaluate(size) == [12, 8]
    page.get_by_role("img", name=re.compile("100 values from 0 to 99")).wait_for()
    page.get_by_role("cell", name="<b>2 + 2</b>").wait_for()
    page.get_by_text("</pre><script>alert(1)</script>").wait_for()


def test_a_run_without_media_says_so_where_an_address_asks_for_them(opened: Opened) -> None:
    run = open_run(opened, "second-twin")
    assert opened.page.get_by_role("link", name="Media", exact=True).count() == 0
    opened.go(f"/run/{run}?tab=media")
    opened.page.get_by_text("this run logged numbers and texts alone").wait_for()


def test_a_run_that_is_not_there_is_said_to_be_so(opened: Opened) -> None:
    opened.go("/run/0000000000")
    opened.page.get_by_role("alert").filter(has_text="0000000000").wait_for()
    opened.go("/nowhere")
    opened.page.get_by_role("heading", name="There is no such view").wait_for()


def test_a_console_goes_on_while_it_is_read(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "project")
    run = stores.record(store, name="talks", rows=[{"loss": 1.0}], console="begun\n", status=None)
    with shown(tmp_path / "project") as site, opened_at(browser, site) as opened:
        opened.go(f"/run/{run.id}?tab=console")
        log = opened.page.get_by_role("log", name="console")
        log.filter(has_text="begun").wait_for()
        with (run.console(1) / "0.log").open("a", encoding="utf-8") as console:
            console.write("and on\n")
        log.filter(has_text="and on").wait_for()


def test_curves_say_what_was_done_to_them_and_a_zoom_asks_again(opened: Opened) -> None:
    page = opened.page
    opened.go("/curves?where=lr+%3D%3D+0.01")
    chart = page.locator("figure").filter(has_text="val/acc")
    chart.locator("canvas").wait_for()
    chart.get_by_text(re.compile("all of 3[0-9]0 points")).wait_for()
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    with page.expect_response(re.compile(r"/api/curves\?.*from=\d")):
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40, steps=4)
        page.mouse.up()
    assert "zoom=" in page.url
    page.get_by_role("button", name="no zoom").click()
    page.get_by_role("slider", name=re.compile("smoothing")).fill("6")
    chart.get_by_text(re.compile("exponential mean, half-life")).wait_for()
    page.get_by_role("checkbox", name="log y").check()
    chart.get_by_text("logarithmic").wait_for()
    page.get_by_role("searchbox", name="find charts").fill("^val/")
    page.locator("figure").filter(has_text=re.compile("^loss")).wait_for(state="detached")
    page.locator("figure").nth(1).wait_for(state="detached")
    assert page.locator("figure").count() == 1


def test_of_many_curves_the_band_is_that_of_the_one_pointed_at(opened: Opened) -> None:
    opened.go("/curves?where=lr+%3D%3D+0.01&charts=loss")
    page = opened.page
    page.get_by_text("bands of the one pointed at").wait_for()
    page.locator("figure .u-over").hover()
    page.locator(".look").filter(has_text="step").wait_for()


def test_behind_a_chart_lie_its_numbers_and_files(opened: Opened) -> None:
    page = opened.page
    opened.go(f"/curves?ids={twins(opened)}&charts=loss")
    chart = page.locator("figure")
    chart.get_by_role("button", name="table").click()
    chart.get_by_role("rowheader").filter(has_text="first-twin").wait_for()
    chart.get_by_role("button", name="all points of first-twin").click()
    chart.get_by_role("heading", name="first-twin: 40 points, exactly").wait_for()
    chart.get_by_role("button", name="save loss").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="chart as SVG").click()
    drawing = xml.etree.ElementTree.parse(saving.value.path()).getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert "first-twin" in "".join(drawing.itertext())
    chart.get_by_role("button", name="save loss").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="what is drawn as CSV").click()
    lines = Path(saving.value.path()).read_text().splitlines()
    assert lines[0] == "run,step,lowest,highest,last,mean"
    assert len(lines) == 1 + 2 * 40


def test_a_mean_of_groups_is_over_all_runs_and_says_n(opened: Opened) -> None:
    opened.go("/curves?by=config.optimizer&charts=loss")
    page = opened.page
    page.get_by_text("mean and 95 % interval over all runs of each group").wait_for()
    page.locator(".small-legend li").first.wait_for()
    said = page.locator(".small-legend").inner_text()
    assert re.search(r"adamw \(n = 40\)", said), said
    assert re.search(r"sgd \(n = 42\)", said), said


def test_a_curve_grows_while_it_is_looked_at(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "project")
    run = stores.record(store, name="goes on", rows=[{"loss": 1.0}, {"loss": 0.9}], status=None)
    with shown(tmp_path / "project") as site, opened_at(browser, site) as opened:
        opened.go("/curves")
        chart = opened.page.locator("figure")
        chart.get_by_text("all of 2 points").wait_for()
        writer = Writer(run.journal, run.id)
        for step in range(3, 6):
            writer.row({"loss": 1 / step}, step)
        writer.close()
        chart.get_by_text("all of 5 points").wait_for()


def test_only_charts_in_view_are_drawn(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "project")
    rows = [{f"metric{at:02}": float(step) for at in range(60)} for step in range(3)]
    stores.record(store, name="wide", rows=rows)
    with shown(tmp_path / "project") as site, opened_at(browser, site) as opened:
        opened.go("/curves")
        page = opened.page
        page.locator("figure canvas").first.wait_for()
        assert page.locator("figure").count() == 60
        assert page.locator("figure canvas").count() < 20
        page.locator("figure").last.scroll_into_view_if_needed()
        page.locator("figure").last.locator("canvas").wait_for()


def test_runs_beside_each_other_show_what_differs_and_their_code(opened: Opened) -> None:
    page = opened.page
    opened.go(f"/compare?ids={twins(opened)}")
    page.locator(".line.added").filter(has_text="lr *= 2").wait_for()
    assert page.get_by_role("rowheader", name=re.compile("model.py")).count() == 0
    page.get_by_role("checkbox", name="only what differs").uncheck()
    page.get_by_role("rowheader", name=re.compile("model.py")).wait_for()
    page.get_by_role("button", name="train.py").click()
    page.locator(".line.added").filter(has_text="lr *= 2").wait_for()
    page.get_by_role("link", name="Where they part").click()
    page.get_by_role(
        "heading", name=re.compile(f"^step {stores.PARTS_AT}: the backward")
    ).wait_for()
    first = page.locator("tr.first")
    assert "the first difference" in first.inner_text()
    assert "not equal the cause" in " ".join(first.locator(".cause").inner_text().split())


def test_on_a_phone_the_first_difference_is_in_sight_with_its_step(
    browser: Any, site: Site
) -> None:
    with opened_at(browser, site, viewport={"width": 400, "height": 800}) as opened:
        opened.go(f"/trace?ids={twins(opened)}")
        cause = opened.page.locator(".cause")
        cause.wait_for()
        opened.page.wait_for_function(
            """() => { const box = document.querySelector('.cause').getBoundingClientRect();
                return box.left > 0 && box.right <= innerWidth && box.bottom <= innerHeight; }"""
        )
        step = opened.page.locator("tr.first th").bounding_box()
        place = cause.bounding_box()
        assert step is not None
        assert place is not None
        assert 0 <= step["x"] < step["x"] + step["width"] <= place["x"] + 1


def test_numbers_of_a_column_have_their_points_below_each_other(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "p")
    for seed, acc in enumerate((0.975, 0.97778, 0.9, 0.123456)):
        stores.record(store, config={"lr": 0.1}, seed=seed, rows=[{"acc": acc}])
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        opened.go("/seeds")
        cells = opened.page.locator(".seed-group td b")
        cells.first.wait_for()
        assert cells.all_inner_texts() == ["0.9778", "0.9750", "0.9000", "0.1235"]
