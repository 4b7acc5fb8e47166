"""A browser that asks the page's server, in this process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from samebit.cli.telling import given
from samebit.digest import from_json
from samebit.server.app import Page

TOKEN, PORT = "a-token.a-pass", 4000
KNOWN = {"authorization": f"Bearer {TOKEN}"}
OURS = f"http://127.0.0.1:{PORT}"


def client(store: Path, **more: Any) -> TestClient:
    """One that knows nothing yet, and has not begun."""
    page = Page(given(store, **more), TOKEN)
    return TestClient(
        page.app, base_url=OURS, raise_server_exceptions=False, follow_redirects=False
    )


@contextmanager
def opened(store: Path, **more: Any) -> Iterator[TestClient]:
    """One that has the link, after the store was read."""
    with client(store, **more) as browser:
        browser.headers.update(KNOWN)
        while (answer := browser.get("/api/store")).status_code == 200:
            if not from_json(answer.content)["waiting"]:
                break
            time.sleep(0.01)
        yield browser


def ask(browser: TestClient, path: str, /, **query: Any) -> Any:
    """A good answer, as values."""
    answer = browser.get(f"/api/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return from_json(answer.content)


def refusal(browser: TestClient, path: str, /, **query: Any) -> tuple[int, Any]:
    """How something was refused: the status, and the words."""
    answer = browser.get(f"/api/{path}", params=query)
    return answer.status_code, from_json(answer.content)["error"]
