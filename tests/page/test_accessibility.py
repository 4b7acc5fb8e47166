"""What axe finds in each view, light and dark; and that the page is read on a phone."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Opened, Site, opened_at
from tests.page.test_views import twins

TABS = {
    "config": ".config",
    "media": ".media table",
    "data": ".card",
    "states": ".tabs",
    "environment": ".tabs",
    "machine": ".tabs",
}
# Buttons that open something, by the address at which they are.
FOLDED = {
    "/": [re.compile(name) for name in ("Columns", "Save", "Group", "the same")],
    "/curves?ids={two}": [re.compile("^save")],
    "/seeds": [re.compile("Grouped")],
    "/compare?all=1&ids={two}": [re.compile("train.py")],
    "/run/{one}?tab=media": [re.compile("^answer")],
}
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
        ("/seeds?where=lr+%3E+5", ".empty"),
        *((address, ".empty") for address in ("/compare", "/trace", "/nowhere")),
        ("/curves?where=lr+%3E+5", ".empty"),
        ("/run/nosuchrun0", ".trouble"),
        (f"/compare?ids={two[:10]},{two[:10]}", ".empty"),
        *((f"/run/{two[:10]}?tab={tab}", there) for tab, there in TABS.items()),
        (f"/run/{two[:10]}?tab=code&against=run&with={two[11:]}", ".file-between"),
    ]


def unfolded(opened: Opened) -> Iterator[str]:
    """Menus, dialogs and what else is folded at first, one after the other; what each is."""
    page = opened.page
    opened.go("/")
    two = twins(opened)
    for address, names in FOLDED.items():
        for name in names:
            opened.go(address.format(two=two, one=two[:10]))
            page.get_by_role("button", name=name).first.click()
            yield f"{address} {name.pattern}"
    opened.go(f"/trace?ids={two}")
    page.locator(".steps").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    yield "keys"


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


@pytest.mark.parametrize(
    ("schemes", "wide"), [(("light", "dark"), 1360), (("dark",), 400)], ids=["laptop", "phone"]
)
def test_axe_finds_nothing_and_no_view_is_wider_than_it_may_be(
    browser: Any, site: Site, schemes: tuple[str, ...], wide: int
) -> None:
    def assert_well(what: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= wide, what
        for scheme in schemes if _AXE.exists() else ():
            page.emulate_media(color_scheme=scheme)
            assert axe_finds(opened) == [], (what, scheme)

    # Past the page's own policy, which would not let a stranger's script in.
    size = {"width": wide, "height": 820}
    with opened_at(browser, site, bypass_csp=True, viewport=size) as opened:
        page = opened.page
        for address, there in views(opened):
            opened.go(address)
            page.locator(there).first.wait_for()
            assert_well(address)
        for what in unfolded(opened):
            assert_well(what)
    if not _AXE.exists():
        pytest.skip("axe-core is not installed")


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
