"""Runs that say what would harm a careless page: nothing runs, nothing leaves, nothing changes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from samebit.journal.writer import Writer
from samebit.objects.store import Store
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


# What is written as a thing of one kind and is another; a browser that sniffs would run some of it.
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="top.taken=1"><script>top.taken=1</script>'
_HTML = b"<!doctype html><script>top.taken = 1; parent.document.title = 'taken'</script>"
_DISGUISED = {
    "svg": ("image/svg+xml", _SVG),
    "svg as png": ("image/png", _SVG),
    "html": ("text/html", _HTML),
    "html as jpeg": ("image/jpeg", _HTML),
    "html as text": ("text/plain", _HTML),
    "gif that is a script": ("image/gif", b"GIF89a=1;top.taken=1;/*" + _HTML),
    "pdf behind a picture": (
        "image/png",
        b"\x89PNG\r\n\x1a\n%PDF-1.7\n/OpenAction << /S /JavaScript",
    ),
    "pdf": ("application/pdf", b"%PDF-1.7\n"),
    "xml": ("application/xml", b'<?xml-stylesheet href="javascript:top.taken=1"?><a/>'),
    "script": ("text/javascript", b"top.taken = 1"),
    "no type": ("", _HTML),
    "a type with a line": ("image/png\r\nset-cookie: a=b", _HTML),
    "table of nothing": ("application/json", b'{"columns": 5, "rows": [5, null, {"a": 1}]}'),
    "table of others": (
        "application/json",
        b'{"columns": ["<b>", {}], "rows": [[{"media": {"object": "../../format",'
        b' "type": "image/png"}}], [{"media": 5}], [{"media": {"type": []}}]]}',
    ),
    "histogram": ("application/json", b'{"counts": "<b>", "edges": [{}], "nan": "<img src=x>"}'),
    "no json": ("application/json", b"{"),
}
_KINDS = {"table": "table", "histogram": "histogram", "html as text": "text", "no json": "table"}


@pytest.fixture(scope="module")
def disguised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    project = tmp_path_factory.mktemp("disguised") / "p"
    store = stores.new_store(project)
    run = stores.record(store, name="disguised", rows=[{"loss": 1.0}])
    writer = Writer(run.journal, run.id)
    for name, (kind, data) in _DISGUISED.items():
        of = next((its for word, its in _KINDS.items() if name.startswith(word)), "image")
        fact = {"name": name, "step": 1, "kind": of, "of": 1, "at": 0, "type": kind, "about": {}}
        fact |= {"object": Store(store).put(data), "size_bytes": len(data), "caption": "<i>c</i>"}
        writer.fact("media", fact)
    writer.close()
    with shown(project) as site:
        yield site, run.id


def test_a_thing_of_another_kind_than_it_says_is_shown_as_none(
    browser: Any, disguised: tuple[Site, str]
) -> None:
    site, run = disguised
    with opened_at(browser, site) as opened:
        page = opened.page
        opened.go(f"/run/{run}?tab=media")
        page.get_by_role("heading", name="html as jpeg").wait_for()
        page.wait_for_load_state("networkidle")
        drawn = page.evaluate(
            "[...document.images].filter((one) => one.naturalWidth > 0).map((one) => one.src)"
        )
        assert len(drawn) <= 1  # of the polyglot, which is a picture for whoever shows it as one
        assert page.evaluate("window.taken") is None
        assert page.locator("main :is(i, b, script, svg[onload])").count() == 0


def test_a_thing_that_is_opened_by_itself_runs_nothing(
    browser: Any, disguised: tuple[Site, str]
) -> None:
    """As a page of its own, in a frame, as a script, as a style: whoever gets somebody to do so."""
    site, run = disguised
    with opened_at(browser, site) as opened:
        page = opened.page
        media = page.evaluate(
            "async (run) => (await (await fetch(`/api/runs/${run}`)).json()).media", run
        )
        assert len(media) == len(_DISGUISED)
        for one in media:
            path = f"/api/media/{one['digest'].replace(':', '%3A')}?run={run}"
            answer = page.evaluate(
                """async (path) => { const one = await fetch(path);
                    return [one.status, Object.fromEntries(one.headers)]; }""",
                path,
            )
            status, headers = answer
            assert status == 200, one["name"]
            assert "set-cookie" not in headers
            assert "sandbox" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            kind = headers["content-type"].partition(";")[0]
            assert kind in (
                "application/octet-stream",
                "text/plain",
                "application/json",
                *_PICTURES,
            )
            if kind == "application/octet-stream":
                assert headers["content-disposition"].startswith("attachment")
            page.evaluate(
                """async (path) => {
                    for (const [tag, name] of [['script', 'src'], ['iframe', 'src'],
                      ['embed', 'src'], ['object', 'data'], ['link', 'href']]) {
                      const one = document.createElement(tag);
                      if (tag === 'link') one.rel = 'stylesheet';
                      one[name] = path;
                      document.body.append(one);
                    }
                    await new Promise((done) => setTimeout(done, 50)); }""",
                path,
            )
            assert page.evaluate("[window.taken, document.title.includes('taken')]") == [
                None,
                False,
            ], one["name"]
        opened.troubles.clear()  # what the browser refused is said in its console


_PICTURES = ("image/png", "image/gif")
