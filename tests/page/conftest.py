"""The page in a real browser, over the real server: both are started once for all tests here."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.page import stores

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_WAIT_MS = 60_000
SWEPT = 80


class Site:
    """A store that is shown, by its link."""

    def __init__(self, store: Path, link: str) -> None:
        self.store = store
        self.link = link
        self.origin = link.split("/#")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser takes as long to look at everything as all other tests together may."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)


# `samebit`, whose page looks at remotes each second instead of each half minute.
_OFTEN = """
import sys, samebit.cli.main, samebit.server.there
samebit.server.there._EVERY_S = 1.0
sys.exit(samebit.cli.main.main())
"""


@contextmanager
def shown(project: Path, *options: str) -> Iterator[Site]:
    """`samebit ui` over a project's store."""
    command = [sys.executable, "-c", _OFTEN, "ui", "--no-open", *options]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            link = process.stdout.readline().strip()
            assert link.startswith("http://127.0.0.1:"), link
            yield Site(project / ".samebit", link)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or whichever is there."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("SAMEBIT_CHROMIUM") or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    if found is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as playwright:
        # Whoever runs tests as root has no sandbox to offer.
        begun = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield begun
        begun.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A search of eighty runs, and two whose traces part."""
    project = tmp_path_factory.mktemp("page") / "vision"
    store = stores.new_store(project)
    stores.sweep(store, SWEPT)
    stores.traced_pair(store)
    with shown(project) as found:
        yield found


class Opened:
    """A page of the browser, and everything about it that must not happen."""

    def __init__(self, context: Any, site: Site) -> None:
        self.site = site
        self.page = context.new_page()
        self.page.set_default_timeout(_WAIT_MS)
        self.troubles: list[str] = []
        self.page.on("dialog", self._on_dialog)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("console", self._on_console)
        self.page.on("request", self._on_request)
        self.page.goto(site.link)
        self.page.get_by_role("grid", name="runs").wait_for()

    def go(self, address: str) -> None:
        self.page.goto(self.site.origin + address)

    def _on_dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_console(self, message: Any) -> None:
        # What a browser says of an answer of 400 or 404; each is expected where it is asked for.
        if message.type in ("error", "warning") and "Failed to load" not in message.text:
            self.troubles.append(f"console: {message.text}")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.site.origin, "data:", "blob:")):
            self.troubles.append(f"request: {request.url}")


@pytest.fixture
def opened(browser: Any, site: Site) -> Iterator[Opened]:
    """The table of runs, light, as wide as a laptop."""
    with opened_at(browser, site) as found:
        yield found


def asked(page: Any, path: str, **query: str) -> Any:
    """What the page gets where it asks its server."""
    asking = "async ([path, query]) => (await import('/static/lib/api.js')).ask(path, query)"
    return page.evaluate(asking, [path, query])


@contextmanager
def opened_at(browser: Any, site: Site, **how: Any) -> Iterator[Opened]:
    """A page of its own, which had no trouble when it is closed."""
    context = browser.new_context(
        viewport=how.pop("viewport", {"width": 1360, "height": 820}), accept_downloads=True, **how
    )
    try:
        found = Opened(context, site)
        yield found
        assert found.troubles == []
    finally:
        context.close()
