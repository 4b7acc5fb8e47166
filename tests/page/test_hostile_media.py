"""Media that are of another kind than they say: shown as none, and nothing in them runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from samebit.journal.writer import Writer
from samebit.objects.store import Store
from tests.page import stores
from tests.page.conftest import Site, asked, opened_at, shown

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
        media = asked(page, f"runs/{run}")["media"]
        assert len(media) == len(_DISGUISED)
        for one in media:
            path = page.evaluate(
                """async ([path, run]) => {
                    const { address } = await import('/static/lib/api.js');
                    return address(path, { run }); }""",
                [f"media/{one['digest'].replace(':', '%3A')}", run],
            )
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
