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
from samebit.folders.read import View
from samebit.query.watching import Seen, Watch
from samebit.remotes import named
from samebit.server import code, one, pages
from samebit.server.answers import StoreAnswer, encode, error_body
from samebit.server.given import Given
from samebit.server.guard import Guard
from samebit.server.looking import Looking
from samebit.server.reading import Reader

__all__ = ["Page"]

T = TypeVar("T")
Answer = Callable[[Request], Awaitable[Response]]

_THREADS = 4
_JSON = "application/json"


class Page:
    """The application, and what of it whoever serves it must know."""

    def __init__(self, given: Given, token: str, port: int) -> None:
        self._given = given
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="samebit-page")
        self.looking = Looking(_Here(given))
        self._reader = Reader(given.store)
        api: dict[str, Answer] = {
            "store": self._store,
            "runs": self._runs,
            "runs/filter": self._filter,
            "events": self._events,
            "runs/{run}": self._run,
            "runs/{run}/console": self._console,
            "runs/{run}/files": self._of_run(code.files),
            "runs/{run}/file": self._file,
            "runs/{run}/patch": self._of_run(code.patch),
            **{f"runs/{{run}}/{name}": self._of_run(tell) for name, tell in given.details.items()},
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
        body = await self._in_thread(
            self.looking.runs,
            _list(asked, "columns"),
            replays=_flag(asked, "replays"),
            ids=_list(asked, "ids"),
            since=_number(asked, "since", None),
        )
        return _json(body)

    async def _filter(self, request: Request) -> Response:
        await self.looking.begun()
        asked = request.query_params
        replays = _flag(asked, "replays")
        found = await self._in_thread(self.looking.filter, asked.get("where", ""), replays=replays)
        return _json(encode(found))

    async def _run(self, request: Request) -> Response:
        run = str(request.path_params["run"])

        def answer() -> bytes:
            view = self._reader.view(run)
            return encode(one.summary(view, self._given, self.looking.row(run)))

        return _json(await self._in_thread(answer))

    def _of_run(self, tell: Callable[[View], object]) -> Answer:
        """An answer that one run gives."""

        async def answer(request: Request) -> Response:
            run = str(request.path_params["run"])
            made = await self._in_thread(lambda: encode(tell(self._reader.view(run))))
            return _json(made)

        return answer

    async def _file(self, request: Request) -> Response:
        path = request.query_params.get("path", "")
        return await self._of_run(lambda view: code.one_file(view, path))(request)

    async def _console(self, request: Request) -> Response:
        asked = request.query_params
        folder = self._reader.folder(str(request.path_params["run"]))
        execution = _number(asked, "execution", None)
        after = _number(asked, "after", 0) or 0
        rank = asked.get("rank")
        return _json(encode(await self._in_thread(one.console, folder, execution, rank, after)))

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


def _number(asked: QueryParams, name: str, otherwise: int | None) -> int | None:
    text = asked.get(name)
    if text is None:
        return otherwise
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{name} is a whole number, not {text!r}") from error


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
