"""The table of runs, as a person uses it: look, filter, sort, group, choose, take away."""

import csv
import io
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from samebit.journal.writer import Writer
from tests.page import stores
from tests.page.conftest import SWEPT, Opened, Site, opened_at, shown

pytestmark = pytest.mark.usefixtures("site")
ALL = SWEPT + 2


def names(page: Any) -> list[str]:
    """The runs in view, from above."""
    return [text.strip() for text in page.locator(".grid-body .cell.pinned").all_inner_texts()]


def values(page: Any, title: str) -> list[str]:
    """What stands in a column, of the rows that are elements."""
    at = page.get_by_role("columnheader", name=title).first.get_attribute("aria-colindex")
    return page.locator(f'.grid-body [aria-colindex="{at}"]').all_inner_texts()


def is_said(page: Any, text: str | re.Pattern[str]) -> None:
    page.locator(".count").filter(has_text=text).wait_for()


def test_it_says_how_many_rows_there_are_and_makes_elements_of_those_in_view(
    opened: Opened,
) -> None:
    grid = opened.page.get_by_role("grid", name="runs")
    assert grid.get_attribute("aria-rowcount") == str(ALL + 1)
    assert 20 < opened.page.locator(".grid-body .grid-row").count() < 50
    assert names(opened.page)[:3] == ["second-twin", "first-twin", "kind-otter-79"]
    grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    opened.page.get_by_role("link", name="brave-otter-0", exact=True).wait_for()
    assert opened.page.locator(f'[aria-rowindex="{ALL + 1}"]').count() == 1


def test_a_state_and_a_verdict_are_words_not_colours(opened: Opened) -> None:
    found = [text.replace("\n", "") for text in values(opened.page, "state")]
    # None of them has everything, and that stands beside the word, not in a column far away.
    assert {"finished!, incomplete: record", "failed!, incomplete: record"} <= set(found)
    assert {"identical", "different", "close"} <= set(values(opened.page, "verdict"))


def test_columns_in_which_runs_differ_come_first(opened: Opened) -> None:
    titles = [text.strip() for text in opened.page.locator(".head .title").all_inner_texts()]
    assert titles[:6] == ["name", "state", "verdict", "started", "seed", "lr"]
    assert titles.count("seed") == 1, "the configuration says the same seed"
    assert titles.index("model.depth") < titles.index("model.width"), "which only some have"
    same = opened.page.get_by_role("button", name="what is the same in all runs")
    same.click()
    row = opened.page.get_by_role("dialog").get_by_role("row").filter(has_text="host")
    row.get_by_role("cell", name=socket.gethostname()).wait_for()
    row.get_by_role("button", name="host as a column").click()
    opened.page.get_by_role("columnheader", name="host").wait_for()


def test_the_filter_is_the_command_lines_and_so_are_its_errors(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("/")
    page.keyboard.type("lr < 0.01 and optimizer == sgd")
    is_said(page, re.compile(f"^20 of {ALL} runs$"))
    assert set(values(page, "lr")) == {"0.0001", "0.001"}
    assert "where=" in page.url
    # What differs among the runs that are left, and among them alone.
    page.get_by_role("columnheader", name="optimizer").wait_for(state="detached")
    page.get_by_role("button", name="what is the same in all runs").click()
    row = page.get_by_role("dialog").get_by_role("row").filter(has_text="optimizer")
    row.get_by_role("cell", name="sgd", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="filter runs").fill("lr <")
    page.get_by_role("alert").filter(has_text="cannot read this filter").wait_for()
    assert page.get_by_role("searchbox", name="filter runs").get_attribute("aria-invalid") == "true"
    page.get_by_role("searchbox", name="filter runs").fill("")
    is_said(page, re.compile(f"^{ALL} runs$"))
    page.get_by_role("columnheader", name="optimizer").wait_for()


def test_sorting_says_its_direction_and_puts_what_is_missing_last(opened: Opened) -> None:
    page = opened.page
    head = page.get_by_role("columnheader", name="dropout")
    page.get_by_role("grid", name="runs").evaluate("grid => { grid.scrollLeft = 600; }")
    head.get_by_role("button").first.click()
    page.locator('.head[aria-sort="descending"]').filter(has_text="dropout").wait_for()
    assert values(page, "dropout")[0] == "0.1"
    head.get_by_role("button").first.click()
    page.locator('.head[aria-sort="ascending"]').filter(has_text="dropout").wait_for()
    assert values(page, "dropout")[0] == "0.1"
    page.get_by_role("grid", name="runs").evaluate(
        "grid => { grid.scrollTop = grid.scrollHeight; }"
    )
    page.locator(f'[aria-rowindex="{ALL + 1}"]').wait_for()
    assert values(page, "dropout")[-1] == ""


def test_keys_move_choose_and_open(opened: Opened) -> None:
    page = opened.page
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    bar = page.get_by_role("region", name="selected runs")
    assert "2 runs selected" in bar.inner_text()
    page.keyboard.press("c")
    page.get_by_role("heading", name="Compare").wait_for()
    assert page.locator(".chip").count() == 2
    page.go_back()
    bar.wait_for()
    page.keyboard.press("d")
    page.get_by_role("heading", name="Where two runs part").wait_for()
    page.go_back()
    page.get_by_role("grid", name="runs").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="second-twin").wait_for()
    page.keyboard.press("?")
    assert "filter" not in page.get_by_role("dialog").inner_text()
    assert "Console" in page.get_by_role("dialog").inner_text()


def test_a_view_is_its_address(opened: Opened, browser: Any, site: Site) -> None:
    page = opened.page
    page.get_by_role("searchbox", name="filter runs").fill("state == failed")
    is_said(page, f"7 of {ALL} runs")
    page.get_by_role("columnheader", name="loss").get_by_role("button").first.click()
    page.keyboard.press("x")
    seen = names(page)
    with opened_at(browser, site) as other:
        other.go(page.url.removeprefix(site.origin))
        is_said(other.page, f"7 of {ALL} runs")
        assert names(other.page) == seen
        assert "1 run selected" in other.page.locator(".selection").inner_text()


def test_columns_are_hidden_pinned_moved_and_shown_again(opened: Opened) -> None:
    page = opened.page

    def choose(column: str, thing: str) -> None:
        head = page.get_by_role("columnheader", name=column)
        head.hover()
        head.get_by_role("button", name=f"column {column}").click()
        page.get_by_role("menuitem", name=thing).click()

    def titles() -> list[str]:
        return [text.strip() for text in page.locator(".head .title").all_inner_texts()]

    choose("optimizer", "hide")
    page.get_by_role("columnheader", name="optimizer").wait_for(state="detached")
    choose("lr", "keep at the left")
    page.locator(".head.pinned").filter(has_text="lr").wait_for()
    assert titles()[:3] == ["name", "lr", "state"]
    left = titles()[titles().index("model.depth") - 1]
    choose("model.depth", "move left")
    assert titles().index("model.depth") < titles().index(left)
    page.get_by_role("button", name="columns that are shown").click()
    page.get_by_role("searchbox", name="find columns").fill("determ")
    page.get_by_role("checkbox", name=re.compile("deterministic")).check()
    page.reload()
    page.get_by_role("grid", name="runs").wait_for()
    page.get_by_role("columnheader", name="deterministic").wait_for()
    assert titles()[:4] == ["name", "lr", "deterministic", "state"], "the address has it"
    page.get_by_role("button", name="columns that are shown").click()
    page.get_by_role("button", name="as at first").click()
    page.get_by_role("columnheader", name="optimizer").wait_for()


def test_a_metric_is_shown_by_its_best_as_well_as_by_its_last(opened: Opened) -> None:
    page = opened.page
    last = [float(text) for text in values(page, "loss")]
    head = page.get_by_role("columnheader", name="loss")
    head.hover()
    head.get_by_role("button", name="column loss").click()
    page.get_by_role("menuitemradio", name="lowest (best)").click()
    page.get_by_role("columnheader", name="loss lowest").wait_for()
    lowest = [float(text) for text in values(page, "loss lowest")]
    assert all(low <= end for low, end in zip(lowest, last, strict=True))
    assert lowest != last


def test_groups_have_n_mean_and_interval_over_all_of_their_runs(opened: Opened) -> None:
    opened.go("/?by=config.lr,config.optimizer")
    table = opened.page.get_by_role("region", name="groups of runs")
    row = table.get_by_role("row").filter(has_text="0.0001").filter(has_text="sgd").first
    row.wait_for()
    cells = row.get_by_role("cell").all_inner_texts()
    assert cells[2] == "10"
    assert re.search(r"0\.\d+\s+0\.\d+ to 0\.\d+\s+n = 9", cells[3]), cells[3]
    row.get_by_role("button").click()
    members = table.locator("tr.member")
    members.filter(has_text="left out: failed").first.wait_for()
    assert members.count() == 10
    assert "-otter-" in members.first.get_by_role("link").inner_text()
    table.get_by_role("button", name="val/acc").click()
    opened.page.locator('th[aria-sort="descending"]').filter(has_text="val/acc").wait_for()
    means = [float(text) for text in table.locator("td:last-child .estimate b").all_inner_texts()]
    assert means == sorted(means, reverse=True)


def test_groups_are_saved_as_they_are_shown(opened: Opened) -> None:
    page = opened.page
    opened.go("/?by=config.lr&where=state+%3D%3D+finished&sort=metric.val/acc:desc")
    table = page.get_by_role("region", name="groups of runs")
    table.get_by_role("row").nth(4).wait_for()
    first = table.get_by_role("row").nth(1).get_by_role("cell").all_inner_texts()
    page.get_by_role("button", name="save what is shown").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="table as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(saving.value.path()).read_text())))
    means = [float(row["metric.val/acc"]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert [rows[0]["config.lr"], rows[0]["n"]] == [first[0].strip(), first[1]]
    assert float(rows[0]["metric.val/acc low"]) < means[0] < float(rows[0]["metric.val/acc high"])
    page.get_by_role("button", name="save what is shown").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="table as LaTeX").click()
    text = Path(saving.value.path()).read_text()
    assert "lr & n & loss & val/acc" in text
    assert r"\pm" in text


def test_what_is_shown_is_saved_as_csv_and_latex(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("searchbox", name="filter runs").fill("optimizer == sgd and lr == 0.1")
    is_said(page, re.compile(f"^12 of {ALL} runs$"))
    page.get_by_role("columnheader", name="loss").get_by_role("button").first.click()
    page.locator('.head[aria-sort="descending"]').wait_for()
    shown_names = names(page)
    page.get_by_role("button", name="save what is shown").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="table as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(saving.value.path()).read_text())))
    assert [row["name"] for row in rows] == shown_names
    page.get_by_role("button", name="save what is shown").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="table as LaTeX").click()
    lines = Path(saving.value.path()).read_text().splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert [line.split(" & ")[0] for line in body] == shown_names, "rows as they are shown"


def test_a_row_that_begins_is_seen_in_a_second(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "project")
    stores.record(store, name="first", rows=[{"loss": 1.0}])
    with shown(tmp_path / "project") as site, opened_at(browser, site) as opened:
        stores.record(store, name="goes on", rows=[{"loss": 0.5}], status=None)
        opened.page.get_by_role("link", name="goes on").wait_for()
        row = opened.page.get_by_role("row").filter(has_text="goes on")
        assert "running" in row.inner_text() or "broken off" in row.inner_text()


def test_a_metric_that_nobody_had_logged_becomes_a_column_and_a_chart(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "project")
    run = stores.record(store, name="begins", status=None)
    with shown(tmp_path / "project") as site, opened_at(browser, site) as opened:
        with opened_at(browser, site) as other:
            other.go("/curves")
            other.page.get_by_text("these runs have no metrics").wait_for()
            writer = Writer(run.journal, run.id)
            writer.row({"loss": 0.25}, 1)
            opened.page.get_by_role("columnheader", name="loss").wait_for()
            assert values(opened.page, "loss") == ["0.25"]
            other.page.get_by_role("figure", name="loss").wait_for()
        writer.close()


def test_what_is_selected_is_tagged_and_put_away_together(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "project")
    found = [stores.record(store, name=f"n{at}", rows=[{"loss": 1.0}]) for at in range(3)]
    with shown(tmp_path / "project", "--edit") as site, opened_at(browser, site) as opened:
        page = opened.page
        for key in ("x", "j", "x"):
            page.keyboard.press(key)
        bar = page.get_by_role("region", name="selected runs")
        bar.get_by_role("button", name="tag what is selected").click()
        page.get_by_role("textbox", name="tag").fill("kept")
        page.get_by_role("button", name="add").click()
        page.get_by_role("columnheader", name="tags").wait_for()
        assert values(page, "tags") == ["kept", "kept", ""]
        page.keyboard.press("Escape")
        page.get_by_role("searchbox", name="filter runs").fill("name == n0")
        is_said(page, "1 of 3 runs")
        assert "2 runs selected" in bar.inner_text()
        assert "2 of them not in the table" in bar.inner_text()
        page.get_by_role("searchbox", name="filter runs").fill("")
        is_said(page, re.compile("^3 runs"))  # and not what it said before, "1 of 3 runs"
        bar.get_by_role("button", name="Archive").click()
        is_said(page, "1 of 3 runs")
        assert names(page) == ["n0"]
        page.get_by_role("checkbox", name="2 archived").check()
        is_said(page, re.compile("^3 runs$"))
        bar.get_by_role("button", name="Take back").click()
        page.get_by_role("checkbox", name="2 archived").wait_for(state="detached")
    assert [note.kind for note in found[2].notes()] == ["tag", "archived", "archived"]


def test_a_filter_that_leaves_nothing_says_so(opened: Opened) -> None:
    opened.go("/?where=lr+%3E+5")
    opened.page.get_by_role("heading", name="No run fits").wait_for()
    opened.page.get_by_role("button", name="no filter").click()
    is_said(opened.page, f"{ALL} runs")


def test_a_column_is_made_wider_moved_and_pinned_by_hand(opened: Opened) -> None:
    page = opened.page
    head = page.get_by_role("columnheader", name="optimizer")
    before = head.bounding_box()
    assert before is not None
    page.mouse.move(before["x"] + before["width"] - 3, before["y"] + 10)
    page.mouse.down()
    page.mouse.move(before["x"] + before["width"] + 60, before["y"] + 10, steps=3)
    page.mouse.up()
    after = head.bounding_box()
    assert after is not None
    assert after["width"] > before["width"] + 40
    head.drag_to(page.get_by_role("columnheader", name="state"))
    titles = [text.strip() for text in page.locator(".head .title").all_inner_texts()]
    assert titles[1:3] == ["optimizer", "state"]
    head.get_by_role("button", name="column optimizer").focus()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.locator(".head.pinned").filter(has_text="optimizer").wait_for()


def test_a_run_that_begins_is_there_by_itself_and_one_that_is_deleted_goes(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "project")
    first = stores.record(store, name="first", rows=[{"loss": 1.0}])
    with shown(tmp_path / "project") as site, opened_at(browser, site) as opened:
        assert names(opened.page) == ["first"]
        asked = opened.page.get_by_placeholder("state == finished")  # nothing differs between one
        assert asked.count() == 1
        opened.page.get_by_role("grid", name="runs").focus()
        opened.page.keyboard.press("Home")
        stores.record(store, name="second", config={"lr": 1}, rows=[{"loss": 0.5}])
        opened.page.get_by_role("link", name="second").wait_for()
        is_said(opened.page, "2 runs")
        stays_with(opened.page, "first")
        opened.page.keyboard.press("Enter")
        opened.page.get_by_role("heading", name="first").wait_for()
        opened.page.wait_for_function("() => document.title.startsWith('first · ')")
        opened.page.go_back()
        stays_with(opened.page, "first")
        opened.page.get_by_placeholder("loss < 1").wait_for()
        shutil.rmtree(first.path)
        opened.page.get_by_role("link", name="first").wait_for(state="detached")
        is_said(opened.page, "1 run")


def stays_with(page: Any, name: str) -> None:
    """The cursor is at a run, wherever that stands now."""
    page.locator(".grid-row.cursor").filter(has_text=name).wait_for()


def test_an_empty_store_says_how_to_record(browser: Any, tmp_path: Path) -> None:
    stores.new_store(tmp_path / "project")
    with shown(tmp_path / "project") as site:
        page = browser.new_page()
        page.goto(site.link)
        page.get_by_text("samebit run train.py").wait_for()
        page.close()


def test_notes_are_written_where_that_is_allowed_and_an_archived_run_is_left_out(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "project")
    run = stores.record(store, name="good one", rows=[{"loss": 1.0}])
    stores.record(store, name="other", rows=[{"loss": 2.0}])
    with shown(tmp_path / "project", "--edit") as site, opened_at(browser, site) as opened:
        page = opened.page
        opened.go(f"/run/{run.id}")
        page.get_by_role("textbox", name="text").fill("<i>baseline</i>")
        page.get_by_role("button", name="add").click()
        page.locator(".chip").filter(has_text="<i>baseline</i>").wait_for()
        page.get_by_role("button", name="archive").click()
        page.get_by_text("archived: left out of the table").wait_for()
        opened.go("/")
        is_said(page, "1 of 2 runs")
        assert names(page) == ["other"]
        page.get_by_role("checkbox", name="archived").check()
        is_said(page, re.compile("^2 runs"))
        page.get_by_role("link", name="good one").click()
        page.get_by_role("button", name="take back").click()
        page.get_by_role("button", name="without the tag <i>baseline</i>").click()
        page.locator(".chip").wait_for(state="detached")
    assert [note.kind for note in run.notes()].count("tag") >= 1


def test_without_edit_nothing_can_be_written(opened: Opened) -> None:
    opened.page.get_by_role("link", name="first-twin").click()
    opened.page.get_by_role("heading", name="See for yourself").wait_for()
    assert opened.page.locator("form.notes").count() == 0
