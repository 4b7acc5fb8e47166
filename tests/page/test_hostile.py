"""Runs that say what would harm a careless page: nothing runs, nothing leaves, nothing changes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.page import stores
from tests.page.conftest import Site, opened_at, shown


@pytest.fixture(scope="module")
def evil_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, list[str]]]:
    project = tmp_path_factory.mktemp("hostile") / "p"
    store = stores.new_store(project)
    ids = [run.id for run in stores.hostile(store)]
    with shown(project) as site:
        yield site, ids


def test_no_view_of_hostile_runs_does_what_they_say(
    browser: Any, evil_site: tuple[Site, list[str]]
) -> None:
    site, ids = evil_site
    all_ids = ",".join(ids)
    views = [
        "/",
        f"/?by=group&ids={all_ids}",
        f"/curves?ids={all_ids}",
        "/hyper",
        "/seeds?by=group",
    ]
    views += [f"/compare?all=1&ids={all_ids}", f"/trace?ids={ids[0]},{ids[1]}"]
    tabs = ("", "config", "curves", "code", "environment", "console")
    views += [f"/run/{run}?tab={tab}" for run in ids[:3] for tab in tabs]
    views += [f"/run/{run}" for run in ids[3:]]
    with opened_at(browser, site) as opened:
        page = opened.page
        for view in views:
            opened.go(view)
            page.locator("main").wait_for()
            page.wait_for_load_state("load")
            page.locator(".waiting").first.wait_for(state="detached")
            found = page.evaluate(
                """() => ({ scripts: [...document.scripts].filter(({ src }) =>
                      !src.startsWith(`${location.origin}/static/`)).length,
                    strange: document.querySelectorAll('#page :is(img, iframe, object, embed, base,'
                      + 'style, form[action])').length,
                    handlers: [...document.querySelectorAll('*')].filter((one) =>
                      [...one.attributes].some(({ name }) => name.startsWith('on'))).length,
                    links: [...document.querySelectorAll('a[href]')].map((one) => one.protocol),
                    title: document.title })"""
            )
            assert found["scripts"] == 0, view
            assert (found["strange"], found["handlers"]) == (0, 0), view
            assert set(found["links"]) <= {"http:"}, view
            assert found["title"].endswith("Samebit"), view
            text = page.locator("body").inner_text()
            assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x07]", text), view
        assert opened.troubles == []


def test_what_they_say_is_shown_as_it_is(browser: Any, evil_site: tuple[Site, list[str]]) -> None:
    site, _ = evil_site
    with opened_at(browser, site) as opened:
        page = opened.page
        names = page.locator(".grid-body .cell.pinned").all_inner_texts()
        assert "<script>document.title='taken'</script>" in names
        assert "\\u202egnp.exe\\u2066" in names
        page.get_by_role("link", name="<b>bold\\x1b[31m\\x07", exact=True).click()
        page.get_by_role("heading", name="<b>bold\\x1b[31m\\x07").wait_for()


def test_an_address_that_is_hostile_is_text_as_well(
    browser: Any, evil_site: tuple[Site, list[str]]
) -> None:
    site, _ = evil_site
    with opened_at(browser, site) as opened:
        for evil in stores.EVIL:
            opened.page.evaluate(
                """(evil) => { history.pushState(null, '', '/?' + new URLSearchParams(
                    { where: evil, sort: evil, by: evil, cols: evil, ids: evil }));
                    window.dispatchEvent(new PopStateEvent('popstate')); }""",
                evil,
            )
            opened.page.locator("main").wait_for()
        assert opened.page.locator("#page img").count() == 0


def test_the_policy_of_the_page_lets_nothing_else_run(
    browser: Any, evil_site: tuple[Site, list[str]]
) -> None:
    """Were a text once taken for markup, the browser would still not run it."""
    site, _ = evil_site
    page = browser.new_page()
    page.goto(site.link)
    page.locator("main").wait_for()
    taken = page.evaluate(
        """async () => { const box = document.createElement('div');
            box['inner' + 'HTML'] = '<img src="x" onerror="window.taken = 1">'
              + '<style>body { color: red }</style>';
            document.body.append(box);
            const script = document.createElement('script');
            script.textContent = 'window.taken = 2';
            document.body.append(script);
            await new Promise((done) => setTimeout(done, 200));
            return [window.taken ?? 0, getComputedStyle(document.body).color]; }"""
    )
    assert taken[0] == 0
    assert taken[1] != "rgb(255, 0, 0)"
    page.close()
