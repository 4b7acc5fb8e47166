"""Runs that say what would harm a careless page: nothing runs, nothing leaves, nothing changes."""

import re
import threading
import xml.etree.ElementTree
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.page import stores
from tests.page.conftest import Site, asked, opened_at, shown


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
    for name in ("__proto__", "constructor"):
        views += [f"/curves?x={name}&charts=loss&ids={all_ids}", f"/hyper?result=metric.{name}"]
        views += [
            f"/seeds?sort={name}&metric={name}",
            f"/?by=config.{name}&sort=metric.{name}:desc",
        ]
    every = "config.nested.__proto__,config.nested.constructor,config.nested.toString"
    views += [f"/?cols={every}&ids={all_ids}"]
    with opened_at(browser, site) as opened:
        page = opened.page
        for view in views:
            opened.go(view)
            page.locator("main").wait_for()
            page.wait_for_load_state("load")
            page.locator(".waiting").first.wait_for(state="detached")
            if view.startswith("/curves?x="):
                page.locator(".chart canvas").first.wait_for()
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


def test_a_chart_of_hostile_runs_is_a_drawing_that_every_program_opens(
    browser: Any, evil_site: tuple[Site, list[str]]
) -> None:
    site, ids = evil_site
    some = [
        run for run, evil in zip(ids, stores.EVIL, strict=True) if "<" in evil or "\u202e" in evil
    ]
    with opened_at(browser, site) as opened:
        opened.go(f"/curves?charts=loss&ids={','.join(some)}")
        opened.page.locator(".chart canvas").first.wait_for()
        opened.page.get_by_role("button", name="save loss").click()
        with opened.page.expect_download() as saving:
            opened.page.get_by_role("menuitem", name="chart as SVG").click()
        drawing = Path(saving.value.path()).read_text(encoding="utf-8")
    tags = {one.tag.rpartition("}")[2] for one in xml.etree.ElementTree.fromstring(drawing).iter()}
    assert tags <= {"svg", "title", "clipPath", "rect", "g", "path", "text", "circle"}
    assert "\\x1b" in drawing
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x07]", drawing)


def test_a_regular_expression_that_never_ends_stops_no_page(browser: Any, tmp_path: Path) -> None:
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="mine", rows=[{"a" * 60 + "!": 1.0, "loss": 1.0}])
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        page = opened.page
        opened.go("/curves?charts=%28a%2B%29%2B%24")
        search = page.get_by_role("searchbox", name="find charts")
        page.get_by_text("no chart has these letters").wait_for()
        assert search.get_attribute("aria-invalid") == "true"
        search.fill("^l.ss$")
        page.locator(".chart-title").get_by_text("loss").wait_for()
        assert search.get_attribute("aria-invalid") is None
        assert page.locator(".chart").count() == 1


class _Stranger(BaseHTTPRequestHandler):
    """A page of somebody else's on another port of this machine, open in the same browser."""

    sent: ClassVar[list[str]] = []  # all that a request tells
    page: ClassVar[bytes] = b"<!doctype html><title>of a stranger</title>"

    def do_GET(self) -> None:
        self.sent.append(f"{self.raw_requestline!r} {self.headers.items()!r}")
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    _Stranger.sent.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


# Everything by which one page gets at another's answers; each says what it got.
_TAKES = """async (ours) => {
  const found = [];
  for (const mode of ['cors', 'no-cors', 'same-origin']) {
    try {
      const one = await fetch(`${ours}/api/runs`, { mode, credentials: 'include' });
      found.push([mode, one.type, (await one.text()).length]);
    } catch { found.push([mode, 'refused', 0]); }
  }
  const load = (tag, name, path, more = {}) => new Promise((done) => {
    const one = Object.assign(document.createElement(tag), more);
    one.onload = () => done([tag, 'loaded', 1]);
    one.onerror = () => done([tag, 'refused', 0]);
    setTimeout(() => done([tag, 'nothing', 0]), 3000);
    one[name] = ours + path;
    document.body.append(one);
  });
  found.push(await load('script', 'src', '/static/app.js'));
  found.push(await load('script', 'src', '/api/runs'));
  found.push(await load('img', 'src', '/static/icon.svg'));
  found.push(await load('link', 'href', '/static/styles/base.css', { rel: 'stylesheet' }));
  const frame = document.createElement('iframe');
  frame.src = ours + '/';
  document.body.append(frame);
  await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  let inside = 0;
  try { inside = frame.contentDocument.body.innerHTML.length; } catch { /* of another origin */ }
  found.push(['iframe', '', inside]);
  for (const Kind of [EventSource, WebSocket]) {
    const at = (Kind === WebSocket ? ours.replace('http', 'ws') : ours) + '/api/events';
    found.push(await new Promise((done) => {
      let one;
      try {
        one = new Kind(at, Kind === EventSource ? { withCredentials: true } : []);
      } catch { return done([Kind.name, 'refused', 0]); }
      one.onopen = () => done([Kind.name, 'open', 1]);
      one.onerror = () => { one.close(); done([Kind.name, 'refused', 0]); };
      setTimeout(() => done([Kind.name, 'nothing', 0]), 3000);
    }));
  }
  return found;
}"""


def test_a_page_of_a_stranger_in_the_same_browser_gets_and_writes_nothing(
    browser: Any, tmp_path: Path, stranger: str
) -> None:
    store = stores.new_store(tmp_path / "p")
    run = stores.record(store, name="mine", config={"secret": 42}, rows=[{"loss": 1.0}])
    with shown(tmp_path / "p", "--edit") as site, opened_at(browser, site) as opened:
        other = opened.page.context.new_page()
        for page_at in (stranger, stranger.replace("127.0.0.1", "localhost")):
            other.goto(page_at)
            for ours in (site.origin, site.origin.replace("127.0.0.1", "localhost")):
                found = other.evaluate(_TAKES, ours)
                assert [size for _, _, size in found] == [0] * len(found), (page_at, ours, found)
                other.evaluate(
                    """([ours, run]) => {
                      for (const kind of ['text/plain', 'multipart/form-data']) {
                        const form = document.createElement('form');
                        form.method = 'post'; form.enctype = kind; form.target = 'away';
                        form.action = `${ours}/api/notes/${run}`;
                        form.innerHTML = `<input name='{"kind":"tag","value":"taken","x":"'
                          value='"}'>`;
                        document.body.append(form); form.submit(); }
                      fetch(`${ours}/api/notes/${run}`, { method: 'POST', mode: 'no-cors',
                        credentials: 'include', body: '{"kind":"tag","value":"taken"}' });
                      navigator.sendBeacon(`${ours}/api/notes/${run}`,
                        '{"kind":"tag","value":"taken"}'); }""",
                    [ours, run.id],
                )
                other.wait_for_timeout(200)
        # A window that it opens is one that it cannot reach into.
        with other.context.expect_page() as opening:
            other.evaluate("(ours) => { window.mine = window.open(ours + '/'); }", site.origin)
        opening.value.get_by_role("grid", name="runs").wait_for()
        assert other.evaluate("() => window.mine.closed")
        assert opening.value.evaluate("() => window.opener") is None
        assert not list((run.path / "notes").glob("*"))
        # Cookies know no ports, and storage does: no server but ours was sent any part of the key.
        opened.page.goto(stranger)
        opened.page.go_back()
        opened.page.get_by_role("grid", name="runs").wait_for()
        assert opened.page.context.cookies() == []
        assert len(_Stranger.sent) >= 3
        key = site.link.partition("token=")[2]
        assert not any(half in sent for sent in _Stranger.sent for half in key.split("."))
        stored = other.evaluate("() => [{ ...localStorage }, { ...sessionStorage }]")
        assert stored == [{}, {}]
        opened.troubles.clear()


def test_the_key_is_in_no_place_where_others_look(browser: Any, tmp_path: Path) -> None:
    """The link's key leaves the address at once, and lies where this one origin keeps things."""
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="mine")
    with shown(tmp_path / "p") as site:
        key = site.link.partition("token=")[2].partition(".")[0]
        requests: list[Any] = []
        context = browser.new_context()
        page = context.new_page()
        page.on("request", lambda request: requests.append(request))
        page.goto(site.link)
        page.get_by_role("grid", name="runs").wait_for()
        page.get_by_role("link", name="mine", exact=True).click()
        page.get_by_role("heading", name="mine").wait_for()
        seen = page.evaluate(
            """() => JSON.stringify([document.cookie, location.href, document.referrer,
                history.state, { ...sessionStorage },
                document.documentElement.outerHTML,
                performance.getEntriesByType('resource').map((one) => one.name)])"""
        )
        assert key not in seen
        assert key in page.evaluate("() => JSON.stringify(localStorage)")
        while page.evaluate("() => { const here = location.href; history.back(); return here; }"):
            page.wait_for_timeout(100)
            assert key not in page.url
            if page.url == "about:blank" or page.url.endswith("/"):
                break
        for request in requests[1:]:
            assert key not in request.url
            assert not request.headers.get("referer")
        context.close()


def test_a_whole_session_asks_nobody_else(browser: Any, site: Site) -> None:
    """Every view, each answer, what is hovered and saved: all of it to our own address."""
    urls: set[str] = set()
    context = browser.new_context(viewport={"width": 1360, "height": 820}, accept_downloads=True)
    context.on("request", lambda request: urls.add(request.url))
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("websocket", lambda socket: urls.add(socket.url))
    page.goto(site.link)
    page.get_by_role("grid", name="runs").wait_for()
    ids = asked(page, "runs", columns="name")["ids"]
    two = ",".join(ids[-2:])
    views = ["/", "/?by=config.lr", f"/curves?ids={two}", "/hyper", "/seeds?by=config.lr"]
    views += [f"/compare?ids={two}", f"/trace?ids={two}", "/nowhere"]
    tabs = ("", "config", "curves", "code", "environment", "data", "states", "console", "media")
    views += [f"/run/{ids[-1]}?tab={tab}" for tab in tabs]
    for view in views:
        page.goto(site.origin + view)
        page.locator("main").wait_for()
        page.locator(".waiting").first.wait_for(state="detached")
        for link in page.locator("main a[href], main button").all()[:6]:
            link.hover(force=True, timeout=2000) if link.is_visible() else None
    page.keyboard.press("?")
    # What the browser itself may ask ahead: names that it looks up, pages that it fetches before.
    hints = page.evaluate(
        """() => [...document.querySelectorAll('link')].filter(({ rel }) =>
            /dns-prefetch|preconnect|prefetch|prerender/.test(rel)).length
            + document.querySelectorAll('script[type=speculationrules]').length"""
    )
    assert hints == 0
    context.close()
    assert len(urls) > 60
    away = {url for url in urls if not url.startswith((site.origin + "/", "blob:", "data:"))}
    assert away == set()
