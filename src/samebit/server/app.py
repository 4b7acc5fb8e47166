"""The page as an application: which address is answered by what, and errors as answers."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.server import media, pages
from samebit.server.answers import SaidAnswer, SaysSo, error_body
from samebit.server.api import Api
from samebit.server.asked import Answer, Asked, whole
from samebit.server.described import EVENTS, JSON, RUN, SINCE, Address, document
from samebit.server.given import Given
from samebit.server.guard import Guard
from samebit.server.looking import Here, Looking
from samebit.server.reading import Reader
from samebit.server.there import There

__all__ = ["Page"]

T = TypeVar("T")

_THREADS = 4
_LET_GO_S = 10.0
_LONGEST_NOTE = 100_000  # bytes
_MOST_LISTENERS = 1000  # about 30 kB of memory for each
_OF_EVENTS = Address(EVENTS, (SINCE,), "what happens: rows, gone, grown, again")
_PART = {"206": "the part of it that was asked for", "416": "no part of it"}
_OF_MEDIA = Address("*/*", (RUN,), "a picture, sound or text that the run logged", more=_PART)
_OF_NOTES = Address(SaidAnswer, body=SaysSo)
_OF_ITSELF = Address(dict[str, Any], about="this document")


class Page:
    """The application, and what of it whoever serves it must know."""

    def __init__(self, given: Given, token: str) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="samebit-page")
        there = There(given.store, given.remote) if given.remote else None
        self._looking = Looking(there or Here(given.store, given.tables))
        self._api = Api(given, self._looking, there or Reader(given.store))
        addresses = self._api.addresses()
        others = {
            "events": (self._events, _OF_EVENTS),
            "media/{digest}": (self._media, _OF_MEDIA),
            "notes/{run}": (self._say, _OF_NOTES),
            "openapi.json": (self._described, _OF_ITSELF),
        }
        described = {path: address for path, (_, address) in (addresses | others).items()}
        self._document = document(described)
        routes = [
            Route(f"/api/{path}", self._answer(tell, address.media_type), methods=["GET"])
            for path, (tell, address) in addresses.items()
        ]
        routes += [
            Route(f"/api/{path}", answer, methods=["POST" if address.body else "GET"])
            for path, (answer, address) in others.items()
        ]
        routes += [
            Route("/api/{path:path}", _no_address, methods=["GET", "POST"]),
            Route("/static/{path:path}", pages.static_file, methods=["GET"]),
            Route("/{path:path}", pages.page, methods=["GET"]),
        ]
        inner = Starlette(
            routes=routes,
            exception_handlers={SamebitError: _error, OSError: _refused, Exception: _fault},
            lifespan=self._life,
        )
        self.app = Guard(inner, token, writable=("/api/notes/",))

    def close(self) -> None:
        """End what would go on for ever; called in the thread that answers."""
        self._looking.live.close()

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncGenerator[None]:
        tasks = [
            asyncio.create_task(self._looking.keep_looking(self._in_thread)),
            asyncio.create_task(self._let_go()),
        ]
        yield
        for task in tasks:
            task.cancel()
        self.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _let_go(self) -> None:
        while True:
            await asyncio.sleep(_LET_GO_S)
            self._api.reader.let_go()

    async def _in_thread(self, call: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *given)

    def _answer(self, tell: Answer, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            await self._looking.begun()
            asked = Asked(request.query_params, request.path_params)
            return Response(await self._in_thread(tell, asked), media_type=kind)

        return answer

    async def _media(self, request: Request) -> Response:
        run, digest = request.query_params.get("run", ""), request.path_params["digest"]
        found = await self._in_thread(self._api.media, run, digest)
        how = "inline" if found.is_shown else "attachment"
        headers = {**media.HEADERS, "content-disposition": f'{how}; filename="{found.name}"'}
        headers["accept-ranges"] = "bytes"
        wanted, size = media.part(request.headers.get("range"), len(found.data)), len(found.data)
        if wanted is None:
            return Response(found.data, media_type=found.type, headers=headers)
        begin, end = wanted
        if begin >= end:
            return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
        headers["content-range"] = f"bytes {begin}-{end - 1}/{size}"
        return Response(found.data[begin:end], 206, headers=headers, media_type=found.type)

    async def _say(self, request: Request) -> Response:
        if request.headers.get("content-type") != JSON:
            raise UsageError("a note comes as application/json")
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST_NOTE:
                raise UsageError("a note is not that long")
        return _json(await self._in_thread(self._api.say, request.path_params["run"], body))

    async def _described(self, _: Request) -> Response:
        return _json(self._document)

    async def _events(self, request: Request) -> Response:
        if self._looking.live.listeners >= _MOST_LISTENERS:
            hint = "close some: each is a page, or a program, that hears what happens"
            raise SamebitError(f"{_MOST_LISTENERS:,} listen to this page already", hint=hint)
        last = request.headers.get("last-event-id")
        since = whole(request.query_params, "since")
        stream = self._looking.live.stream(last, self._looking.version, since)
        return StreamingResponse(stream, media_type=EVENTS)


async def _no_address(request: Request) -> Response:
    raise NotFound(f"there is no address /api/{request.path_params['path']}")


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=JSON)


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SamebitError)
    status = 400 if isinstance(error, UsageError) else 404 if isinstance(error, NotFound) else 409
    status = 409 if isinstance(error, Damaged) else status
    return _json(error_body(error.what, error.facts, error.hint), status)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    return _json(error_body(f"cannot be read: {error.strerror or error}"), 409)


async def _fault(_: Request, error: Exception) -> Response:
    return _json(error_body(f"a fault of ours: {type(error).__name__}: {error}"), 500)
