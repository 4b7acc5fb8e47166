"""What axe finds in each view, light and dark; and that the page is read on a phone."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Opened, Site, opened_at
from tests.page.test_views import twins

_AXE = Path(sys.prefix) / "node/node_modules/axe-core/axe.min.js"  # where `.ci/run` puts it


def views(opened: Opened) -> list[tuple[str, str]]:
    """Each view, and what is there when it has been drawn."""
    two = twins(opened)
    return [
        ("/", ".grid-body .grid-row"),
        ("/?by=config.lr", ".groups tbody tr"),
        (f"/run/{two[:10]}", ".facts"),
        (f"/run/{two[:10]}?tab=code", ".file"),
        (f"/run/{two[:10]}?tab=console", ".console"),
        (f"/curves?ids={two}", ".chart canvas"),
        ("/curves?by=config.lr", ".small-legend li"),
        ("/curves?color=config.lr&tables=loss&y=0~1", ".values td"),
        ("/?where=lr+%3E+5", ".empty"),
        ("/hyper?pick=" + two, ".parallel canvas"),
        ("/hyper?plot=matrix&brush=config.lr:0.001~0.1&color=config.optimizer", ".matrix canvas"),
        (f"/compare?all=1&ids={two}", ".versus"),
        (f"/trace?ids={two}", ".steps"),
        ("/seeds", ".seed-pairs .strip"),
    ]


def axe_finds(opened: Opened) -> list[tuple[str, list[str], str]]:
    """What axe finds in what is shown, past the page's own policy (`bypass_csp`)."""
    if not _AXE.exists():
        pytest.skip("axe-core is not installed")
    opened.page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = opened.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        (one["id"], node["target"], node["failureSummary"][:300])
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, site: Site, scheme: str) -> None:
    # Past the page's own policy, which would not let a stranger's script in.
    with opened_at(browser, site, color_scheme=scheme, bypass_csp=True) as opened:
        for address, there in views(opened):
            opened.go(address)
            opened.page.locator(there).first.wait_for()
            assert axe_finds(opened) == [], address


def test_no_view_is_wider_than_a_phone(browser: Any, site: Site) -> None:
    with opened_at(browser, site, viewport={"width": 400, "height": 800}) as opened:
        for address, there in views(opened):
            opened.go(address)
            opened.page.locator(there).first.wait_for()
            wide = opened.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 400, address


def test_what_turns_stands_still_for_who_asked_for_it(browser: Any, site: Site) -> None:
    with opened_at(browser, site, reduced_motion="reduce") as opened:
        moving = opened.page.evaluate("document.getAnimations().length")
        assert moving == 0


def test_the_first_tab_skips_to_the_content(opened: Opened) -> None:
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.textContent") == "skip to the content"
    opened.page.keyboard.press("Enter")
    assert opened.page.url.endswith("#main")
    opened.page.get_by_role("grid", name="runs").wait_for()
