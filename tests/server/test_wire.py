"""What comes over the wire: bytes that no browser sends, too much of it, too slowly, at once."""

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.projects import Project
from tests.server.ui import Ui, started

END = b"\r\n\r\n"


@pytest.fixture(scope="module")
def ui(some_runs: Path) -> Iterator[Ui]:
    with started(Project(some_runs.parent), "--edit") as found:
        yield found


def connect(ui: Ui) -> socket.socket:
    host, port = ui.host.split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def sent(ui: Ui, data: bytes) -> list[bytes]:
    """The answers to some bytes, before that to one last request, where the server is still there.

    Were a part of the bytes taken for a request of its own, there would be one answer more.
    """
    with connect(ui) as connection:
        connection.sendall(data + ours(ui, "GET /api/the-last HTTP/1.1", "Connection: close"))
        found = b""
        while piece := connection.recv(1 << 16):
            found += piece
    answers = [b"HTTP/1.1 " + part for part in found.split(b"HTTP/1.1 ")[1:]]
    is_last = bool(answers) and b"no address /api/the-last" in answers[-1]
    return answers[:-1] if is_last else answers


def ours(ui: Ui, first: str, *more: str) -> bytes:
    """A request that may ask."""
    lines = [first, f"Host: {ui.host}", f"Authorization: {ui.key}", *more]
    return "\r\n".join(lines).encode("latin-1") + END


def statuses(answers: list[bytes]) -> list[int]:
    return [int(answer.split(b" ")[1]) for answer in answers]


@pytest.mark.parametrize(
    "more",
    [
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: -1",),
        ("Content-Length: 4, 5",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Host : evil.example",),
        ("X\0: 1",),
        ("Host: evil.example",),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_not_answered(
    ui: Ui, more: tuple[str, ...]
) -> None:
    (answer, *_) = sent(ui, ours(ui, "GET /api/store HTTP/1.1", *more))
    assert statuses([answer])[0] in (400, 403), answer


def test_what_a_request_brings_is_never_taken_for_the_next_one(ui: Ui) -> None:
    hidden = ours(ui, "GET /api/openapi.json HTTP/1.1")
    for first, status in (("GET /api/store HTTP/1.1", 200), ("POST /api/runs HTTP/1.1", 403)):
        told = f"Content-Length: {len(hidden)}"
        answer = sent(ui, ours(ui, first, told) + hidden)
        assert statuses(answer) == [status]
        both = (told, "Transfer-Encoding: chunked")  # of which the second counts
        answer = sent(ui, ours(ui, first, *both) + b"%x\r\n%s\r\n0" % (len(hidden), hidden) + END)
        assert statuses(answer) == [status]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a browser that was told https
        b"PRI * HTTP/2.0" + END + b"SM" + END,
        b"\0" * 1000,
        b"GET" + END,
        b"GET / HTTP/9.9" + END,
    ],
)
def test_what_is_no_request_ends_the_connection_and_nothing_else(ui: Ui, data: bytes) -> None:
    assert statuses(sent(ui, data))[:1] in ([400], [403])
    assert ui.get("/api/store").status == 200


def test_a_line_without_an_end_is_not_kept(ui: Ui) -> None:
    with connect(ui) as connection, pytest.raises(ConnectionError):
        connection.sendall(b"A" * 10_000_000)
    assert ui.get("/api/store").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/api/../static/../app.py",
        "/api/runs/../../store",
        "/api/media/..%2f..%2fformat?run=x",
        "/api/runs/%2e%2e%2fformat",
        "http://127.0.0.1/static/../app.py",
        "file:///etc/passwd",
        "/static/%00",
        "/%c0%ae%c0%ae/",
        "*",
    ],
)
def test_no_path_as_it_is_sent_leaves_what_is_served(ui: Ui, path: str) -> None:
    (answer,) = sent(ui, ours(ui, f"GET {path} HTTP/1.1"))
    assert statuses([answer])[0] in (400, 404) or b'<div id="page">' in answer
    assert b"samebit.errors" not in answer
    assert b"samebit-store" not in answer
    # The same without the token: a path with dots is no way around it.
    stranger = f"GET {path} HTTP/1.1\r\nHost: {ui.host}\r\nConnection: close".encode() + END
    with connect(ui) as connection:
        connection.sendall(stranger)
        found = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert statuses([found])[0] in (400, 403, 404) or b'<div id="page">' in found
    assert b"samebit-store" not in found


def test_head_is_get_without_a_body_and_other_methods_are_refused(ui: Ui) -> None:
    for path in ("/api/store", "/api/runs", "/", "/static/app.js", "/api/none"):
        (head,) = sent(ui, ours(ui, f"HEAD {path} HTTP/1.1"))
        got = ui.get(path)
        assert statuses([head]) == [got.status]
        assert head.endswith(END)
        assert f"content-length: {got.headers['content-length']}".encode() in head.lower()
    origin = f"Origin: http://{ui.host}"
    for method in ("OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "get", "M" * 1000):
        (answer,) = sent(ui, ours(ui, f"{method} /api/store HTTP/1.1", origin))
        assert statuses([answer]) == [405]
        assert ui.key.encode() not in answer  # TRACE would echo it
        assert b"access-control" not in answer.lower()


def test_slow_and_silent_connections_keep_nobody_else_waiting(ui: Ui) -> None:
    with ExitStack() as stack:
        for at in range(300):
            slow = stack.enter_context(connect(ui))
            slow.sendall(ours(ui, "GET /api/runs HTTP/1.1")[: at % 60])
        # One that asks for much and takes nothing of it.
        for _ in range(20):
            stack.enter_context(connect(ui)).sendall(ours(ui, "GET /api/runs HTTP/1.1") * 20)
        for _ in range(10):
            assert ui.get("/api/store").status == 200


@pytest.mark.slow
def test_where_there_are_too_many_connections_it_answers_again_later(some_runs: Path) -> None:
    """A thousand connections are as many as most shells allow a process to have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with started(Project(some_runs.parent)) as ui:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            with ExitStack() as stack:
                for _ in range(200):
                    stack.enter_context(connect(ui))
                time.sleep(0.2)
            assert answers(ui, within_s=60)
            code, errors = ui.stop()
            assert code == 0
            assert "Traceback" not in errors
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def answers(ui: Ui, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with suppress(OSError):
            if ui.get("/api/store").status == 200:  # with no file to spare, it was 409
                return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("runs/filter?where=" + quote("(" * 60_000), 400),
        ("runs/filter?where=loss%3C1" + "+and+loss%3C1" * 15_000, 400),
        ("runs/filter?where=loss%3C" + "9" * 15_000, 200),
        ("runs?since=" + "9" * 200_000, 400),
        ("runs?columns=a" + "&b=1" * 50_000, 200),
        ("curves?metric=" + "m" * 200_000, 200),
        ("curves?metric=loss&columns=10000&ids=" + "0123456789," * 900, 400),
        ("metrics?where=" + "%00" * 5_000, 400),
        ("x" * 250_000, 404),
    ],
)
def test_a_question_may_be_enormous(ui: Ui, path: str, status: int) -> None:
    answer = ui.get(f"/api/{path}")
    assert answer.status == status, answer.body[:300]
    assert len(answer.body) < 600_000


def test_a_name_that_is_asked_for_a_thousand_times_is_answered_once(ui: Ui) -> None:
    many = ui.get("/api/runs?columns=" + "loss," * 40_000)
    assert len(many.body) < 4_000
    groups = ui.ask("runs/groups?metric=loss&by=" + "id," * 40_000)
    assert groups["by"] == ["id"]


def test_a_note_that_is_announced_as_enormous_is_not_waited_for(ui: Ui, some_runs: Path) -> None:
    run = ui.ask("runs?columns=id")["ids"][0]
    more = (f"Origin: http://{ui.host}", "Content-Type: application/json")
    first = f"POST /api/notes/{run} HTTP/1.1"
    with connect(ui) as connection:
        connection.sendall(ours(ui, first, *more, "Content-Length: 99999999999"))
        connection.sendall(b'{"kind": "tag", "value": "' + b"a" * 200_000)
        assert b" 400 " in connection.recv(100)
    with connect(ui) as connection:  # and one that goes before it has come
        connection.sendall(ours(ui, first, *more, "Content-Length: 1000") + b'{"kind": "tag",')
    assert not list((some_runs / "runs" / run / "notes").glob("*"))


def test_many_at_once_get_what_one_gets(ui: Ui) -> None:
    run = ui.ask("runs?columns=id")["ids"][0]
    paths = (
        *("runs", "store", "metrics", f"runs/{run}", f"curves?ids={run}&metric=loss"),
        *(f"runs/{run}/files", f"compare?ids={run}", "runs/groups?by=lr&metric=loss"),
    )
    alone = [ui.get(f"/api/{path}").body for path in paths]
    wrong: list[str] = []

    def ask(at: int) -> None:
        for path, body in [*zip(paths, alone, strict=True)][at % 8 :]:
            if ui.get(f"/api/{path}").body != body:
                wrong.append(path)

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_tree_of_code_cannot_lead_out_of_it(ui: Ui, tmp_path: Path) -> None:
    """A link in the code is a name and a target; the target is never opened."""
    secret = tmp_path / "secret"
    secret.write_text("of nobody else")
    project = Project(tmp_path / "linked")
    project.path.mkdir()
    script = "import samebit\nsamebit.init()\n"
    (project.path / "train.py").write_text(script)
    os.symlink(secret, project.path / "link.py")
    os.symlink("/etc", project.path / "etc")
    project.call("git", "init", "-q")
    project.python("train.py")
    with started(project) as shown:
        (run,) = shown.ask("runs?columns=id")["ids"]
        files = shown.ask(f"runs/{run}/files")["files"]
        assert {file["path"]: file["kind"] for file in files}["link.py"] == "link"
        for file in files:
            told = shown.get(f"/api/runs/{run}/file?path={quote(file['path'])}")
            assert b"of nobody else" not in told.body
        for path in ("etc/passwd", "link.py/", "../secret", str(secret)):
            assert shown.get(f"/api/runs/{run}/file?path={quote(path)}").status == 404


@pytest.mark.slow
def test_more_than_a_thousand_that_listen_are_refused_and_the_others_are_answered(ui: Ui) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4000, hard), hard))
    try:
        with ExitStack() as stack:
            for _ in range(1000):
                one = stack.enter_context(connect(ui))
                one.sendall(ours(ui, "GET /api/events HTTP/1.1"))
                assert b" 200 " in one.recv(1 << 12)
            late = stack.enter_context(connect(ui))
            late.sendall(ours(ui, "GET /api/events HTTP/1.1"))
            assert b" 409 " in late.recv(1 << 12)
            assert ui.get("/api/store").status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connect(ui) as again:
            again.sendall(ours(ui, "GET /api/events HTTP/1.1"))
            if b" 200 " in again.recv(1 << 12):
                return
        time.sleep(0.2)
    pytest.fail("those that have gone are counted still")
