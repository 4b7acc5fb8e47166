"""What other tools recorded: looked at as any run, and nothing is offered that it cannot do."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from tests.page import stores
from tests.page.conftest import Site, opened_at, shown

EVENTS = Path(__file__).parents[1] / "compat" / "golden" / "torch"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A run of TensorBoard's beside ours, which have another metric and other settings."""
    project = tmp_path_factory.mktemp("imported") / "project"
    store = stores.new_store(project)
    for at in range(6):
        rows = [{"val/score": at / 10}]
        stores.record(store, name=f"ours {at}", config={"width": at, "lr": 0.1}, rows=rows)
    stores.record(store, config={"width": 9, "lr": 0.1}, rows=[{"val/score": 0.3}])
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.chdir(project)
        assert main(["import", "tensorboard", str(EVENTS)]) == 0
    with shown(project) as found:
        yield found


def test_the_commands_of_an_imported_run_are_those_that_work(browser: Any, imported: Site) -> None:
    with opened_at(browser, imported) as opened:
        page = opened.page
        page.get_by_role("link", name="torch").click()
        side = page.locator(".side-column")
        side.get_by_text("samebit publish").wait_for()
        assert "samebit verify" not in side.inner_text(), "nothing is there to run"
        page.go_back()
        page.get_by_role("link", name="ours 5").click()
        side.get_by_text("samebit verify").wait_for()
        told = page.locator(".main-column h2").all_inner_texts()
        assert told.index("Metrics") < told.index("Run"), "results are no last thing"


def test_the_result_is_what_most_runs_have_and_axes_what_varies(
    browser: Any, imported: Site
) -> None:
    with opened_at(browser, imported) as opened:
        opened.go("/hyper")
        page = opened.page
        page.locator(".axis.result").filter(has_text="val/score").wait_for(state="attached")
        names = page.locator(".axis").all_inner_texts()
        assert names[0].startswith("width"), "before settings of one run alone"


def test_runs_that_nobody_named_are_saved_by_their_ids_alone(browser: Any, imported: Site) -> None:
    with opened_at(browser, imported) as opened:
        opened.go("/?where=config.width+%3D%3D+9")
        page = opened.page
        page.get_by_text("1 of 8 runs").wait_for()
        with page.expect_download() as begun:
            page.get_by_role("button", name="save what is shown").click()
            page.get_by_role("menuitem", name="table as CSV").click()
        head = Path(begun.value.path()).read_text().splitlines()[0].split(",")
        assert head[0] == "id"
        assert "name" not in head, "a column of nothing"
