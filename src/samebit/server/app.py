"""The page as an application: which address is answered by what, and errors as answers."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from samebit import places
from samebit.errors import Damaged, NotFound, SamebitError, StoreNotFound, UsageError
from samebit.query.watching import Seen, Watch
from samebit.remotes import named
from samebit.server import pages
from samebit.server.answers import StoreAnswer, encode, error_body
from samebit.server.given import Given
from samebit.server.guard import Guard
from samebit.server.looking import Looking

__all__ = ["Page"]

T = TypeVar("T")

_THREADS = 4
_JSON = "application/json"


class Page:
    """The application, and what of it whoever serves it must know."""

    def __init__(self, given: Given, token: str, port: int) -> None:
        self._given = given
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="samebit-page")
        self.looking = Looking(_Here(given))
        api: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "store": self._store,
            "runs": self._runs,
            "runs/filter": self._filter,
            "events": self._events,
        }
        routes = [Route(f"/api/{path}", answer, methods=["GET"]) for path, answer in api.items()]
        routes += [
            Route("/api/{path:path}", _no_address, methods=["GET", "POST"]),
            Route("/static/{path:path}", pages.static_file, methods=["GET"]),
            Route("/{path:path}", pages.page, methods=["GET"]),
        ]
        inner = Starlette(
            routes=routes,
            exception_handlers={SamebitError: _error, Exception: _fault},
            lifespan=self._life,
        )
        self.app = Guard(inner, token, port)

    def close(self) -> None:
        """End what would go on for ever; called in the thread that answers."""
        self.looking.live.close()

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncGenerator[None]:
        looking = asyncio.create_task(self.looking.keep_looking(self._in_thread))
        yield
        looking.cancel()
        self.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[..., T], *given: Any, **named: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(call, *given, **named))

    async def _store(self, _: Request) -> Response:
        await self.looking.begun()
        store = self._given.store
        answer = StoreAnswer(
            id=places.store_id(store),
            name=store.parent.name,
            folder=str(store),
            runs=self.looking.count,
            waiting=self.looking.waiting,
            version=self.looking.version,
            edit=self._given.may_edit,
            remotes=sorted(named.read_all(store)),
            shown=self._given.remote or "here",
        )
        return _json(encode(answer))

    async def _runs(self, request: Request) -> Response:
        await self.looking.begun()
        asked = request.query_params
        since = asked.get("since")
        if since is not None and not since.isdecimal():
            raise UsageError(f"no version: {since!r}")
        body = await self._in_thread(
            self.looking.runs,
            _list(asked, "columns"),
            replays=_flag(asked, "replays"),
            ids=_list(asked, "ids"),
            since=int(since) if since is not None else None,
        )
        return _json(body)

    async def _filter(self, request: Request) -> Response:
        await self.looking.begun()
        asked = request.query_params
        replays = _flag(asked, "replays")
        found = await self._in_thread(self.looking.filter, asked.get("where", ""), replays=replays)
        return _json(encode(found))

    async def _events(self, request: Request) -> Response:
        last = request.headers.get("last-event-id")
        stream = self.looking.live.stream(last, self.looking.version)
        return StreamingResponse(stream, media_type="text/event-stream")


class _Here:
    """The runs of a store on this machine."""

    def __init__(self, given: Given) -> None:
        self._store: Path = given.store
        self._watch = Watch(given.store, given.tables)

    def look(self) -> Seen:
        if not (self._store / "format").exists():
            hint = "it may come back; the page looks for it again"
            raise StoreNotFound("the store is gone", store=self._store, hint=hint)
        return self._watch.look()


async def _no_address(request: Request) -> Response:
    raise NotFound(f"there is no address /api/{request.path_params['path']}")


def _list(asked: QueryParams, name: str) -> list[str] | None:
    """Words with commas between; one that holds a comma is given by itself, as `column=a%2Cb`."""
    alone = asked.getlist(name.removesuffix("s"))
    text = asked.get(name)
    if text is None and not alone:
        return None
    return [word for word in (text or "").split(",") if word] + alone


def _flag(asked: QueryParams, name: str) -> bool:
    return asked.get(name, "0") not in ("", "0")


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=_JSON)


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SamebitError)
    status = 400 if isinstance(error, UsageError) else 404 if isinstance(error, NotFound) else 409
    status = 409 if isinstance(error, Damaged) else status
    return _json(error_body(error.what, error.facts, error.hint), status)


async def _fault(_: Request, error: Exception) -> Response:
    return _json(error_body(f"a fault of ours: {type(error).__name__}: {error}"), 500)
