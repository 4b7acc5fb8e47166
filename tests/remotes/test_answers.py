"""Servers that refuse, are slow, answer otherwise than they were asked, or lie.

Between us and a real server stands one that forwards each request, or answers in its place. Which
fault is tried where: `docs/design/024-remotes.md`.
"""

import http.client
import threading
import time
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec import Struct

from samebit.errors import StoreTooNew
from samebit.objects.store import Store
from samebit.remotes import bucket, checking, named
from samebit.remotes.contents import read_id
from samebit.remotes.place import Guarantees, Place, RemoteError, read_whole
from tests import servers
from tests.projects import SAMEBIT, Project
from tests.remotes.conftest import files_of, pull_all, push_all
from tests.remotes.test_push_and_pull import FINISHED, assert_same
from tests.servers import Server


class Answer(Struct):
    """What is said in the server's place; `goes_on` until nobody listens: in pieces, each late."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}
    goes_on: tuple[bytes, float] | None = None


Does = Callable[[str, str], Answer | None]


class Between:
    """Forwards to a server what `does` gives no answer to."""

    def __init__(self, server: Server) -> None:
        self.does: Does = lambda _method, _path: None
        self.alters: Callable[[str, dict[str, str], bytes], bytes] = lambda _path, _headers, b: b
        self.asked: list[tuple[str, str]] = []
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                between.asked.append((self.command, self.path))
                answer = between.does(self.command, self.path)
                if answer is None:
                    answer = between.forward(server, self.command, self.path, self.headers, body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if "content-length" not in answer.headers:
                    self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
                if answer.goes_on is not None:
                    self.go_on(*answer.goes_on)

            def go_on(self, piece: bytes, pause_s: float) -> None:
                self.close_connection = True
                try:
                    while not between.closed.wait(pause_s):
                        self.wfile.write(piece)
                        self.wfile.flush()
                except OSError:
                    pass

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.closed = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=[0.05], daemon=True).start()

    def close(self) -> None:
        self.closed.set()
        self._http.shutdown()
        self._http.server_close()

    def forward(
        self, server: Server, method: str, path: str, headers: http.client.HTTPMessage, body: bytes
    ) -> Answer:
        connection = http.client.HTTPConnection(server.endpoint.split("/")[2], timeout=60)
        connection.request(method, path, body, dict(headers))
        got = connection.getresponse()
        data = got.read()
        said = {name.lower(): value for name, value in got.getheaders()}
        connection.close()
        for name in ("connection", "transfer-encoding"):
            said.pop(name, None)
        changed = self.alters(path, said, data)
        if changed != data:
            said["content-length"] = str(len(changed))
        return Answer(got.status, changed, said)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with servers.started("moto", tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def between(server: Server) -> Iterator[Between]:
    made = Between(server)
    yield made
    made.close()


@pytest.fixture
def place(between: Between, server: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A bucket behind it, for somebody who does not try for minutes."""
    monkeypatch.setattr(bucket, "_PAUSES_S", (0.01, 0.01))
    for name, value in (("max_retries", 3), ("retry_timeout", timedelta(seconds=3))):
        monkeypatch.setitem(bucket._RETRIES, name, value)  # pyright: ignore[reportPrivateUsage]
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(seconds=1)}
    monkeypatch.setitem(bucket._RETRIES, "backoff", {**backoff, "base": 2})  # pyright: ignore[reportPrivateUsage]
    url = server.make_bucket(f"b{time.time_ns()}") + "/top"
    return named.open_place(named.of_url("x", url, {"endpoint": between.endpoint}))


def lines_of(error: BaseException) -> list[str]:
    """What somebody sees of it: one line of what happened, facts, a hint."""
    lines = str(error).splitlines()
    assert "Debug source" not in str(error)
    assert len(lines) < 8
    assert max(map(len, lines)) < 260
    return lines


def said(code: str, status: int, **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>as a server says it</Message></Error>"
    return Answer(status, body.encode(), headers)


@pytest.mark.parametrize(
    "answer",
    [
        said("SlowDown", 503, **{"retry-after": "1"}),
        said("TooManyRequests", 429, **{"retry-after": "1"}),
        said("InternalError", 500),
        said("BadGateway", 502),
    ],
    ids=["503", "429", "500", "502"],
)
def test_a_server_that_has_too_much_to_do_is_asked_again(
    answer: Answer, store: Store, other: Store, between: Between, place: Place
) -> None:
    """Each request is refused once, and then none; one that is always refused ends it in words."""
    refused: set[tuple[str, str]] = set()

    def once(method: str, path: str) -> Answer | None:
        one = method, path.partition("?")[0]
        return None if one in refused else (refused.add(one), answer)[1]

    between.does = once
    push_all(store, place)
    refused.clear()
    pull_all(other, place)
    assert_same(store, other)
    between.does = lambda _method, _path: answer
    with pytest.raises(RemoteError, match="does not answer as it should") as caught:
        push_all(store, place)
    assert "goes on where this one stopped" in lines_of(caught.value)[-1]


@pytest.mark.parametrize("what", ["push", "pull"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said("ExpiredToken", 400), "does not let us in"),
        (said("AccessDenied", 403), "does not let us in"),
        (said("Unauthorized", 401), "does not let us in"),
        (said("RequestTimeTooSkewed", 403), "refuses the time of this machine's clock"),
    ],
    ids=["expired", "denied", "unknown", "skewed"],
)
def test_credentials_that_run_out_midway(
    answer: Answer, words: str, what: str, store: Store, other: Store, between: Between,
    place: Place,
) -> None:  # fmt: skip
    if what == "pull":
        push_all(store, place)
    begins = len(between.asked) + 8

    def later(_method: str, _path: str) -> Answer | None:
        return answer if len(between.asked) > begins else None

    between.does = later
    with pytest.raises(RemoteError, match=words) as caught:
        push_all(store, place) if what == "push" else pull_all(other, place)
    assert "the same command goes on once" in lines_of(caught.value)[-1]
    between.does = lambda _method, _path: None
    if what == "push" and read_id(place) is not None:
        assert checking.check(place, other, read_id(place) or "", full=True).hurt == {}
    assert files_of(other).items() <= files_of(store).items()
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


def test_what_a_head_cannot_say_is_asked_for(between: Between, place: Place) -> None:
    """An answer to HEAD has no words; a clock that is wrong is not taken for wrong keys."""
    words = b"<Error><Code>AccessDenied</Code><Message>The difference between the request time and "
    late = Answer(400, words + b"the server&#39;s time&#10;is too large.</Message></Error>")
    for answer in (said("RequestTimeTooSkewed", 403), late):
        between.does = lambda _method, _path, answer=answer: answer
        with pytest.raises(RemoteError, match="refuses the time of this machine's clock") as caught:
            read_id(place)
    assert "the server's time is too large." in str(caught.value)


@pytest.mark.parametrize("answers", [True, False])
def test_no_credentials_anywhere(
    answers: bool, between: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked last is the machine for its role; here none answers, or a proxy refuses."""
    for name in servers.KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    between.does = lambda _method, _path: Answer(403, b"denied")
    asked = between.endpoint if answers else "http://127.0.0.1:9"
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", asked)
    monkeypatch.setitem(bucket._RETRIES, "max_retries", 0)  # pyright: ignore[reportPrivateUsage]
    place = named.open_place(named.of_url("x", "s3://b", {"endpoint": "http://127.0.0.1:9"}))
    with pytest.raises(RemoteError, match="there are no credentials for the remote") as caught:
        read_id(place)
    lines_of(caught.value)


@pytest.mark.parametrize("what", ["push", "pull"])
def test_a_server_that_trickles_is_given_up(
    what: str, store: Store, other: Store, between: Between, place: Place, server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    push_all(store, place)
    at = named.of_url("x", place.url, {"endpoint": between.endpoint})
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "_PART_TIMEOUT", timedelta(seconds=0.5))
        slow = named.open_place(at)
    trickling = Answer(200, headers={"content-length": "1000000"}, goes_on=(b"x", 0.05))
    wanted = "GET" if what == "pull" else "PUT"
    between.does = lambda method, path: (
        trickling if method == wanted and "format" not in path else None
    )
    with pytest.raises(RemoteError, match="does not answer as it should") as caught:
        push_all(store, slow) if what == "push" else pull_all(other, slow)
    lines_of(caught.value)
    between.does = lambda _method, _path: None
    push_all(store, named.open_place(at))
    pull_all(other, named.open_place(at))
    assert_same(store, other)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_falls_silent_is_given_up(
    ranges: bool, between: Between, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a whole file may take an hour."""
    place.put("x", b"whole")
    at = named.Remote("x", place.url, {"endpoint": between.endpoint}, Guarantees(ranges=ranges))
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "_PART_TIMEOUT", timedelta(seconds=0.5))
        silent = named.open_place(at)
    answer = Answer(200, b"wh", {"content-length": "5"}, (b"", 0.05))
    if ranges:
        answer = Answer(206, b"wh", {**answer.headers, "content-range": "bytes 0-4/5"}, (b"", 0.05))
    between.does = lambda method, _path: answer if method == "GET" else None
    with pytest.raises(RemoteError, match="does not answer as it should"):
        read_whole(silent, "x", 5)
    between.does = lambda _method, _path: None
    assert b"".join(named.open_place(at).read("x")) == b"whole"


def wrong_place(headers: dict[str, str], data: bytes) -> bytes:
    headers["content-range"] = f"bytes 1-{len(data)}/100000000"
    return data


def endless(_headers: dict[str, str], data: bytes) -> bytes:
    return data + bytes(50_000_000)


@pytest.mark.parametrize("lies", [wrong_place, endless, lambda _headers, data: data[:-1]])
def test_a_part_that_is_not_the_one_that_was_asked_for(
    lies: Callable[[dict[str, str], bytes], bytes],
    store: Store,
    other: Store,
    between: Between,
    place: Place,
) -> None:
    push_all(store, place)
    between.alters = lambda path, headers, data: (
        lies(headers, data) if "content-range" in headers and "format" not in path else data
    )
    with pytest.raises(RemoteError) as caught:
        pull_all(other, place)
    lines_of(caught.value)
    assert files_of(other) == {}
    between.alters = lambda _path, _headers, data: data
    pull_all(other, place)
    assert_same(store, other)


def test_no_more_is_held_than_was_asked_for(between: Between, place: Place) -> None:
    """A part of ten bytes, of which the server sends without end."""
    place.put("x", bytes(10))
    between.alters = lambda _path, headers, data: (
        endless(headers, data) if "content-range" in headers else data
    )
    first = next(iter(place.read("x", 0, 10)))
    assert 10 < len(first) < 8 << 20
    with pytest.raises(RemoteError, match="sends more than it said"):
        read_whole(place, "x", 10)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_format_of_ten_gigabytes(
    ranges: bool, server: Server, between: Between, place: Place, store: Store
) -> None:
    """Only its beginning is read."""
    large = 10 * 10**9
    remote = named.of_url("x", place.url, {"endpoint": between.endpoint})
    place = named.open_place(
        named.Remote("x", remote.url, remote.options, Guarantees(ranges=ranges))
    )
    said = {"last-modified": "Mon, 01 Jan 2024 00:00:00 GMT", "etag": '"x"'}
    given = {**said, "content-length": str(large if not ranges else 4096)}
    if ranges:
        given["content-range"] = f"bytes 0-4095/{large}"

    def does(method: str, path: str) -> Answer | None:
        if not path.endswith("/format"):
            return None
        if method == "HEAD":
            return Answer(200, headers={**said, "content-length": str(large)})
        body = b"samebit-store 2\n" + bytes(4080)
        return Answer(206 if ranges else 200, body, given, None if ranges else (bytes(65536), 0))

    between.does = does
    with pytest.raises(StoreTooNew) as caught:
        push_all(store, place)
    lines_of(caught.value)


@pytest.mark.slow
def test_what_a_stranger_wrote_cannot_command_a_terminal(
    store: Store, between: Between, tmp_path: Path
) -> None:
    """In a name that is listed, and in what a server answers."""
    project = Project(store.path.parent)
    (tmp_path / "r").mkdir()
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "r"))
    assert project.call(SAMEBIT, "push").code == 0
    (tmp_path / "r/claims").mkdir(exist_ok=True)
    (tmp_path / "r/claims/sweep-\x1b[2Jx").write_bytes(b"")
    done = project.call(SAMEBIT, "push")
    assert done.code == 1
    assert "somebody sweeps this remote" in done.err
    assert r"sweep-\x1b[2Jx" in done.err
    (tmp_path / "r/claims/sweep-\x1b[2Jx").unlink()
    for name in ("runs/\x1b[2J", f"runs/{FINISHED}/\x1b[2J", "packs/\x1b.pack", "data/\x1b/x"):
        path = tmp_path / "r" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for words in ("push", "pull", "remote check lab --full", "ls --remote lab"):
        done = project.call(SAMEBIT, *words.split())
        assert (done.code, "\x1b" in done.out + done.err) == (0, False), done.out + done.err
    between.does = lambda _method, _path: Answer(418, b"<Error>\x1b[2J\x1b]0;title\x07</Error>")
    url = "s3://bucket/x"
    done = project.call(SAMEBIT, "remote", "add", "other", url, "--endpoint", between.endpoint)
    assert (done.code, "\x1b" in done.err, "Traceback" in done.err) == (1, False, False)
    assert "418" in done.err
