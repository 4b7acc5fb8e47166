"""Who may ask: nobody without the link, no page elsewhere, no name that was made to mean us."""

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from samebit.digest import from_json
from samebit.server.guard import Guard, new_token
from tests.server.asking import OURS, PORT, TOKEN, ask, client, opened

PATHS = ("/", "/run/abc", "/static/app.js", "/static/none.js")  # of the page itself
APIS = ("/api/store", "/api/runs", "/api/events", "/api/x")


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = [new_token() for _ in range(100)]
    for halves in ({*tokens}, *map(set, zip(*(token.split(".") for token in tokens), strict=True))):
        assert len(halves) == 100
    assert all(re.fullmatch(r"[\w-]{43}\.[\w-]{22}", token) for token in tokens)


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
    + [f"Bearer {half}" for half in TOKEN.split(".")]
    + [f"Bearer {TOKEN}, Bearer {TOKEN}", "Bearer \xff"],
)
@pytest.mark.parametrize("path", APIS)
def test_without_the_token_nothing_is_answered(some_runs: Path, path: str, given: str) -> None:
    with client(some_runs) as browser:
        headers = [("authorization", given.encode("latin-1"))]
        for more in ([], headers, [("cookie", f"token={TOKEN}"), ("x-token", TOKEN)]):
            assert browser.get(path, headers=more).status_code == 403
        assert browser.get(path, params={"token": TOKEN}).status_code == 403
        twice = [("authorization", f"Bearer {TOKEN}")] * 2
        assert browser.get(path, headers=twice).status_code == 403


def test_no_answer_gives_the_browser_anything_to_send_elsewhere(some_runs: Path) -> None:
    """A cookie would go to every port of this machine, and to whoever listens there."""
    with opened(some_runs) as browser:
        for path in (*PATHS, *APIS, f"/?token={TOKEN}"):
            if path != "/api/events":
                answer = browser.get(path)
                assert "set-cookie" not in answer.headers
                assert TOKEN not in answer.text


def test_the_page_itself_is_the_same_for_everybody_and_tells_nothing(some_runs: Path) -> None:
    with client(some_runs) as stranger, opened(some_runs) as browser:
        for path in PATHS:
            assert stranger.get(path).content == browser.get(path).content
        store = ask(browser, "store")
        for path in PATHS:
            assert store["id"] not in stranger.get(path).text


def test_a_pass_opens_reading_and_nothing_else(some_runs: Path) -> None:
    """What pictures and streams of events bring in their addresses."""
    _, good = TOKEN.split(".")
    with client(some_runs, may_edit=True) as browser:
        run = ask_with(browser, "runs", good)["ids"][0]
        note = {"kind": "tag", "value": "x"}
        headers = {"origin": OURS}
        for path in (f"/api/notes/{run}", "/api/store"):
            answer = browser.post(path, params={"pass": good}, json=note, headers=headers)
            assert answer.status_code == 403
        for bad in ("", good[:-1], good + "x", TOKEN, TOKEN.split(".")[0], "\udcff", "é"):
            query = urlencode({"pass": bad}, errors="surrogateescape")
            assert browser.get(f"/api/store?{query}").status_code == 403
        assert browser.get(f"/api/store?pass={good}&pass={good}").status_code == 403
        headers = {"sec-fetch-site": "same-site"}
        assert browser.get(f"/api/store?pass={good}", headers=headers).status_code == 403


def ask_with(browser: TestClient, path: str, good: str) -> Any:
    return from_json(browser.get(f"/api/{path}", params={"pass": good}).content)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2", "0.0.0.0"],
)
@pytest.mark.parametrize("path", [*PATHS, *APIS])
def test_a_name_that_was_made_to_mean_this_machine_is_refused(
    some_runs: Path, host: str, path: str
) -> None:
    with opened(some_runs) as browser:
        for port in (f":{PORT}", ""):
            answer = browser.get(path, headers={"host": host + port})
            assert answer.status_code == 403


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", "localhost:9", "[::1]:80", "LOCALHOST"])
def test_this_machine_has_several_names_and_a_tunnel_any_port(some_runs: Path, host: str) -> None:
    with opened(some_runs) as browser:
        headers = {"host": host}
        assert browser.get("/api/store", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"origin": f"http://localhost:{PORT}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port of this machine
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
def test_another_page_in_the_same_browser_gets_nothing(
    some_runs: Path, headers: dict[str, str]
) -> None:
    with opened(some_runs) as browser:
        for path in ("/", "/api/store", "/api/runs"):
            assert browser.get(path, headers=headers).status_code == 403


def test_our_own_page_may_ask(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        for headers in (
            {"origin": OURS},
            {"sec-fetch-site": "same-origin"},
            {"sec-fetch-site": "none"},
        ):
            assert browser.get("/api/store", headers=headers).status_code == 200


def test_a_link_that_is_followed_from_elsewhere_opens_the_page_alone(some_runs: Path) -> None:
    followed = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    with opened(some_runs) as browser:
        for path in PATHS:
            answer = browser.get(path, headers=followed)
            assert answer.status_code == browser.get(path).status_code
            assert answer.headers["x-frame-options"] == "DENY"
        assert browser.get("/api/store", headers=followed).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_nothing_is_written_by_other_methods(some_runs: Path, method: str) -> None:
    with opened(some_runs) as browser:
        for path in ("/", "/api/store", "/api/runs", "/static/main.js"):
            answer = browser.request(method, path, headers={"origin": OURS})
            assert answer.status_code == 405


def test_a_request_that_says_two_things_at_once_is_refused(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        twice = [("host", f"127.0.0.1:{PORT}"), ("host", "evil.example")]
        assert browser.get("/api/store", headers=twice).status_code == 403
        twice = [("origin", OURS), ("origin", "http://evil.example")]
        assert browser.get("/api/store", headers=twice).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%2Fetc%2Fpasswd",
        "/static/.hidden.js",
        "/static/a/../../answers.py",
        "/static/x.js%00.html",
        "/static/..\\app.py",
    ],
)
def test_no_path_leaves_the_folder_of_the_page(some_runs: Path, path: str) -> None:
    with opened(some_runs) as browser:
        answer = browser.get(OURS + path)
        # What a client makes a plain address of is a page like any other.
        assert answer.status_code in (403, 404) or answer.text == browser.get("/").text
        assert "samebit.errors" not in answer.text


@pytest.mark.parametrize(
    "path",
    [*PATHS, *APIS[:2], "/api/x", "/api/runs/filter?where=)", "/api/runs/none", "/static/none.js"],
)
def test_every_answer_says_what_a_browser_may_do_with_it(some_runs: Path, path: str) -> None:
    with client(some_runs) as stranger, opened(some_runs) as browser:
        for asking, more in ((stranger, {}), (browser, {}), (browser, {"origin": "http://e"})):
            headers: Any = asking.get(path, headers=more).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; ")
            assert "unsafe" not in policy
            assert "access-control-allow-origin" not in headers
            assert headers["cache-control"] in ("no-store", "no-cache")


def test_an_error_says_what_happened_and_never_shows_a_traceback(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        for path, status in (("x", 404), ("runs/none", 404), ("runs/filter?where=a+b", 400)):
            answer = browser.get(f"/api/{path}")
            assert answer.status_code == status
            assert set(from_json(answer.content)["error"]) == {"what", "facts", "hint"}
            assert "Traceback" not in answer.text


def test_an_address_for_a_browsers_command_line_leads_to_the_link_once(
    some_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client(some_runs) as browser:
        guard: Guard = browser.app  # type: ignore[assignment]
        path = guard.once()
        assert re.fullmatch(r"/once/[\w-]{22}", path)
        for other in (path[:-1], f"{path}x", "/once/", "/once"):
            assert "location" not in browser.get(other).headers
        assert browser.head(path).status_code == 403  # nor does it use the address up
        elsewhere = browser.get(guard.once(), headers={"host": "evil.example"})
        assert elsewhere.status_code == 403
        again = guard.once()
        first, second = browser.get(again), browser.get(again)
        assert (first.status_code, first.headers["location"]) == (303, f"/#token={TOKEN}")
        assert (second.status_code, "good once" in second.text) == (403, True)
        assert TOKEN not in second.text
        late = guard.once()
        now = time.monotonic()
        monkeypatch.setattr("samebit.server.guard.time.monotonic", lambda: now + 61)
        assert browser.get(late).status_code == 403
