"""Who may ask: nobody without the link, no page elsewhere, no name that was made to mean us."""

import re
from pathlib import Path
from typing import Any

import pytest

from samebit.digest import from_json
from samebit.server.guard import new_token
from tests.server.asking import OURS, PORT, TOKEN, client, opened

PATHS = ("/", "/run/abc", "/static/main.js", "/api/store", "/api/runs", "/api/events", "/api/x")


def test_a_link_becomes_a_cookie_that_no_script_reads_and_leaves_the_address(
    some_runs: Path,
) -> None:
    with client(some_runs) as browser:
        answer = browser.get(f"/run/abc?token={TOKEN}&tab=code")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/run/abc?tab=code"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"samebit-{PORT}={TOKEN};")
        assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
        browser.cookies.set(f"samebit-{PORT}", TOKEN)
        assert browser.get("/api/store").status_code == 200


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 for token in tokens)


@pytest.mark.parametrize("path", PATHS)
def test_without_the_cookie_nothing_is_answered(some_runs: Path, path: str) -> None:
    with client(some_runs) as browser:
        assert browser.get(path).status_code == 403
        browser.cookies.set(f"samebit-{PORT}", TOKEN + "x")
        assert browser.get(path).status_code == 403
        browser.cookies.clear()
        browser.cookies.set(f"samebit-{PORT + 1}", TOKEN)
        assert browser.get(path).status_code == 403


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "é", "\0"])
def test_another_token_opens_nothing(some_runs: Path, token: str) -> None:
    with client(some_runs) as browser:
        answer = browser.get("/", params={"token": token})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2", "0.0.0.0"],
)
@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_was_made_to_mean_this_machine_is_refused(
    some_runs: Path, host: str, path: str
) -> None:
    with opened(some_runs) as browser:
        for port in (f":{PORT}", ""):
            answer = browser.get(path, headers={"host": host + port})
            assert answer.status_code == 403
        answer = browser.get(f"/?token={TOKEN}", headers={"host": host})
        assert answer.status_code == 403


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", "localhost:9", "[::1]:80", "LOCALHOST"])
def test_this_machine_has_several_names_and_a_tunnel_any_port(some_runs: Path, host: str) -> None:
    with opened(some_runs) as browser:
        headers = {"host": host, "cookie": f"samebit-{PORT}={TOKEN}"}
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


def test_a_link_that_is_followed_from_elsewhere_asks_again_from_a_page_of_ours(
    some_runs: Path,
) -> None:
    followed = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    with client(some_runs) as browser:
        answer = browser.get(f'/run/a?token={TOKEN}&x="><script>', headers=followed)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        found = re.search('url=([^"]*)"', answer.text)
        assert found is not None
        assert found[1].startswith(f"/run/a?token={TOKEN}&amp;x=")
        assert "<script" not in answer.text
        assert browser.get("/api/store", headers=followed).status_code == 403


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/%5Cevil.example", "///e"])
def test_no_address_leads_to_another_host(some_runs: Path, path: str) -> None:
    with client(some_runs) as browser:
        answer = browser.get(f"{OURS}{path}?token={TOKEN}")
        assert answer.status_code == 303
        assert re.match(r"/[^/\\]", answer.headers["location"])


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
    "path", [*PATHS[:-2], "/api/x", "/api/runs/filter?where=)", "/api/runs/none", "/static/none.js"]
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
