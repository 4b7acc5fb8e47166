"""Who may ask: whoever has the link's token, by a name of this machine, from a page of ours.

A page that is open in the same browser can send requests to a port of this machine, and a name of
its own can be made to mean 127.0.0.1. So a request must name this machine as its host, come from
us or from no page at all, and bring the token. That is no cookie: a browser sends cookies to every
port of a host, and so to servers of other users of this machine. The page takes the token from
behind the `#` of the link, keeps it for its own origin, and sends it as a header.

A browser that we start has its address among its arguments, which every user of the machine can
read: it gets one that leads to the link once.
"""

import hmac
import html
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from samebit.server.answers import error_body

__all__ = ["PASS", "Guard", "new_token"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

# Any port: `ssh -L` may give it another one. An address that is a name can be somebody else's.
_HOST = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_OURS = (b"content-security-policy", _POLICY.encode())
_READING = ("GET", "HEAD")
PASS = "pass"  # of an address that a picture, a stream of events or a file to save asks for
_TOKEN_BYTES, _PASS_BYTES = 32, 16
_ONCE, _ONCE_S = "/once/", 60.0  # how long a browser may take to start
_LONGEST_QUERY = 256_000  # bytes: ten thousand ids


def new_token() -> str:
    """What a link holds: 256 random bits, a dot, and 128 more, which by themselves open reading."""
    return f"{secrets.token_urlsafe(_TOKEN_BYTES)}.{secrets.token_urlsafe(_PASS_BYTES)}"


class Guard:
    """Lets through to an application what may ask, and puts safe headers on each answer."""

    def __init__(self, app: App, token: str, writable: Iterable[str] = ()) -> None:
        self._app = app
        self._token = token.encode()
        self._pass = self._token.rpartition(b".")[2]
        self._writable = tuple(writable)  # beginnings of the paths that take POST
        self._once: dict[str, float] = {}  # addresses that lead to the link, and until when

    def once(self) -> str:
        """A path that leads to the link, once, and soon."""
        path = _ONCE + secrets.token_urlsafe(_PASS_BYTES)
        self._once[path] = time.monotonic() + _ONCE_S
        return path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        else:  # a web socket; we have none
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = list[Header](scope["headers"])
        method, path = str(scope["method"]), str(scope["path"])
        host = _only(headers, b"host")
        if host is None or not _HOST.fullmatch(host.lower()):
            what = "this page answers to 127.0.0.1 and localhost alone"
            return await _refuse(scope, send, 403, what)
        if len(scope["query_string"]) > _LONGEST_QUERY:
            return await _refuse(scope, send, 400, "the address is too long")
        is_reading = method in _READING
        # The page itself is the same for everybody, and holds nothing of the store.
        is_page = is_reading and not path.startswith("/api/")
        is_ours = _is_from_us(headers, host, is_reading=is_reading)
        if not is_ours and not (is_page and _is_followed(headers)):
            return await _refuse(scope, send, 403, "the request comes from another page")
        if path.startswith(_ONCE):
            return await self._lead(scope, send)
        if not is_page and not (self._is_known(headers) or (is_reading and self._may_pass(scope))):
            hint = "open the link that `samebit ui` printed; it is good for as long as that runs"
            return await _refuse(scope, send, 403, "this browser has not opened the link", hint)
        may_write = method == "POST" and path.startswith(self._writable)
        if not is_reading and not may_write:
            return await _refuse(scope, send, 405, f"{method} is not for this address")
        return await self._app(scope, receive, send)

    async def _lead(self, scope: Scope, send: Send) -> None:
        until = self._once.pop(scope["path"], 0.0) if scope["method"] == "GET" else 0.0
        if time.monotonic() > until:
            what = "this address was good once, and for a minute"
            hint = (
                "open the link that `samebit ui` printed; if nobody but you may have opened this "
                "one, end `samebit ui` and start it again"
            )
            return await _refuse(scope, send, 403, what, hint)
        await _answer(send, 303, b"", "text/plain", [(b"location", b"/#token=" + self._token)])

    def _is_known(self, headers: list[Header]) -> bool:
        how, _, given = (_only(headers, b"authorization") or b"").partition(b" ")
        return how.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)

    def _may_pass(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get(PASS, [])
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), self._pass)


def _is_followed(headers: list[Header]) -> bool:
    """Whether somebody followed a link in a page elsewhere."""
    told = [_only(headers, b"sec-fetch-" + name) for name in (b"site", b"mode", b"dest")]
    return told[0] in (b"cross-site", b"same-site") and told[1:] == [b"navigate", b"document"]


def _is_from_us(headers: list[Header], host: bytes, *, is_reading: bool) -> bool:
    site = _only(headers, b"sec-fetch-site")
    if site not in (None, b"same-origin", b"none"):
        return False
    origin = _only(headers, b"origin")
    if origin is None:
        return is_reading  # a browser says whose page writes
    return origin.lower() == b"http://" + host.lower()


def _only(headers: Iterable[Header], name: bytes) -> bytes | None:
    """A header's value; of one that is there twice a value that fits nothing."""
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 else (b"\0" if found else None)


def _with_headers(send: Send) -> Send:
    async def checked(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list[Header](message.get("headers") or ())
            names = {name.lower() for name, _ in given}
            more = [*_HEADERS, _OURS] if _OURS[0] not in names else [*_HEADERS]
            if b"cache-control" not in names:
                more.append((b"cache-control", b"no-store"))
            message = {**message, "headers": given + more}
        await send(message)

    return checked


async def _refuse(
    scope: Scope, send: Send, status: int, what: str, hint: str | None = None
) -> None:
    if str(scope["path"]).startswith("/api/"):
        body, kind = error_body(what, hint=hint), "application/json"
    else:
        said = html.escape(what) + (f"; {html.escape(hint)}" if hint else "")
        body = f"<!doctype html><title>Samebit</title><p>{said}.".encode()
        kind = "text/html; charset=utf-8"
    await _answer(send, status, body, kind, ())


async def _answer(
    send: Send, status: int, body: bytes, kind: str, headers: Iterable[Header]
) -> None:
    length = str(len(body)).encode()
    told = [(b"content-type", kind.encode()), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})
