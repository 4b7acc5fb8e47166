"""The link's key, as somebody meets it: other tabs, other browsers, the next start, a tunnel."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.page import stores
from tests.page.conftest import asked, opened_at, shown


def test_any_tab_of_the_same_browser_is_let_in_and_no_other_browser(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "p")
    run = stores.record(store, name="mine", rows=[{"loss": 1.0}])
    with shown(tmp_path / "p") as site, opened_at(browser, site) as opened:
        assert opened.page.url == site.origin + "/"
        second = opened.page.context.new_page()  # a bookmark, or a link in a mail
        second.goto(f"{site.origin}/run/{run.id}?tab=curves")
        second.get_by_role("heading", name="mine").wait_for()
        stranger = browser.new_context().new_page()
        stranger.goto(site.origin)
        stranger.get_by_text("open the link that samebit ui").wait_for()
        assert "mine" not in stranger.content()
        # In the tab that says so the link is opened after all.
        stranger.goto(site.link)
        stranger.get_by_role("link", name="mine", exact=True).wait_for()
        stranger.context.close()


def test_the_link_of_the_next_start_takes_the_place_of_the_last(
    browser: Any, tmp_path: Path
) -> None:
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="mine")
    with shown(tmp_path / "p") as first:
        port = str(urlsplit(first.link).port)
        context = browser.new_context()
        page = context.new_page()
        page.goto(first.link)
        page.get_by_role("grid", name="runs").wait_for()
    with shown(tmp_path / "p", "--port", port) as second:
        assert second.link != first.link
        page.goto(second.link)  # only what stands behind the # is another one
        page.locator(".connection.live").wait_for()
        assert asked(page, "store")["runs"] == 1
        assert page.url == second.origin + "/"
        page.goto(first.link)
        page.get_by_text("open the link that samebit ui").wait_for()
        context.close()


def test_a_tunnel_gives_it_another_port(browser: Any, tmp_path: Path) -> None:
    """As `ssh -L` does: the browser knows the page by a port that its server has never heard of."""
    store = stores.new_store(tmp_path / "p")
    stores.record(store, name="mine")
    with shown(tmp_path / "p") as site, tunnel(urlsplit(site.link).port or 0) as port:
        context = browser.new_context()
        page = context.new_page()
        for name in ("127.0.0.1", "localhost"):
            page.goto(f"http://{name}:{port}/#" + site.link.partition("#")[2])
            page.get_by_role("link", name="mine", exact=True).wait_for()
            page.locator(".connection.live").wait_for()
        context.close()


@contextmanager
def tunnel(to: int) -> Iterator[int]:
    """Another port of this machine, whose bytes go to one and back."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def carry(one: socket.socket) -> None:
        with one, socket.create_connection(("127.0.0.1", to)) as other:
            back = threading.Thread(target=copy, args=(other, one))
            back.start()
            copy(one, other)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                carriers.append(threading.Thread(target=carry, args=(listening.accept()[0],)))
                carriers[-1].start()

    carriers: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        for one in (accepting, *carriers):
            one.join()
