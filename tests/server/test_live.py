"""Events: told once and in order, and again to a page that was asleep."""

import asyncio
import re
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from samebit.digest import from_json
from samebit.server import live
from samebit.server.live import Live


async def heard(
    told: Live, last: str | None, count: int, since: int | None = None
) -> list[tuple[str, str, Any]]:
    """The next events as (id, name, value), as a browser reads them."""
    found: list[tuple[str, str, Any]] = []
    stream = told.stream(last, 7 if since is None else live._REMEMBERED + 9, since)
    async for text in stream:
        fields = dict(re.findall(r"(?m)^(\w+): (.*)$", text.decode()))
        if "event" in fields:
            found.append((fields["id"], fields["event"], from_json(fields["data"].encode())))
        if len(found) == count:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return found


def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a thread: where a browser was tested before, this one has a loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def test_a_page_goes_on_from_the_last_event_that_it_has() -> None:
    async def go() -> None:
        told = Live()
        for at in range(5):
            told.tell("rows", {"ids": [f"r{at}"]})
        listening = asyncio.create_task(heard(told, None, 2))
        await asyncio.sleep(0)
        told.tell("gone", {"ids": ["r0"]})
        told.tell("grown", {"ids": ["r1"]})
        first = await listening
        assert [name for _, name, _ in first] == ["gone", "grown"]
        told.tell("rows", {"ids": ["late"]})
        assert await heard(told, first[0][0], 2) == [
            first[1],
            (first[1][0].replace("-7", "-8"), "rows", {"ids": ["late"]}),
        ]
        assert told.listeners == 0

    to_its_end(go())


def test_one_that_slept_too_long_or_knew_another_server_asks_for_everything() -> None:
    async def go() -> None:
        told = Live()
        for at in range(live._REMEMBERED + 10):
            told.tell("rows", {"ids": [str(at)]})
        own = told._own
        for last in (
            f"{own}-1",
            f"other-{live._REMEMBERED}",
            f"{own}-99999",
            "rubbish",
            f"{own}-x",
        ):
            ((number, name, value),) = await heard(told, last, 1)
            assert (number, name, value) == (
                f"{own}-{live._REMEMBERED + 10}",
                "again",
                {"version": 7},
            )
        assert len(told._events) == live._REMEMBERED

    to_its_end(go())


def test_one_that_is_too_slow_is_told_to_ask_for_everything() -> None:
    """Its connection takes nothing meanwhile; what it then gets may not have a hole."""

    async def go() -> None:
        told = Live()
        stream = told.stream(None, 7)
        hello = await anext(stream)
        told.tell("rows", {"ids": ["first"]})
        assert b"first" in await anext(stream)
        for at in range(live._REMEMBERED + 10):
            told.tell("rows", {"ids": [str(at)]})
        assert b"event: again" in await anext(stream)
        told.tell("rows", {"ids": ["last"]})
        assert b"last" in await anext(stream)
        assert b"event" not in hello
        await stream.aclose()  # type: ignore[attr-defined]

    to_its_end(go())


def test_a_new_page_hears_what_came_after_its_answer() -> None:
    async def go() -> None:
        told = Live()
        for version in range(1, 6):
            told.tell("rows", {"ids": [], "version": version})
            told.tell("grown", {"ids": []})
        told.tell("gone", {"ids": ["a"], "version": 6})
        assert [value.get("version") for _, _, value in await heard(told, None, 3, 4)] == [
            5,
            None,
            6,
        ]
        listening = asyncio.create_task(heard(told, None, 1, 6))
        await asyncio.sleep(0)
        told.tell("gone", {"ids": ["b"], "version": 7})
        assert [value["version"] for _, _, value in await listening] == [7]

    to_its_end(go())


def test_a_new_page_whose_answer_is_too_old_or_anothers_asks_again() -> None:
    async def go() -> None:
        told = Live()
        for version in range(1, live._REMEMBERED + 10):
            told.tell("rows", {"ids": [], "version": version})
        for since in (0, 8, live._REMEMBERED + 99):
            ((_, name, _),) = await heard(told, None, 1, since)
            assert name == "again"
        ((_, name, value),) = await heard(told, None, 1, 9)
        assert (name, value["version"]) == ("rows", 10)

    to_its_end(go())


def test_when_the_server_stops_so_does_every_stream() -> None:
    async def go() -> None:
        told = Live()
        listening = asyncio.create_task(heard(told, None, 1))
        await asyncio.sleep(0.01)
        assert told.listeners == 1
        told.close()
        assert await asyncio.wait_for(listening, 60) == []

    to_its_end(go())


def test_a_text_of_a_stranger_cannot_end_an_event() -> None:
    async def go() -> None:
        told = Live()
        listening = asyncio.create_task(heard(told, None, 1))
        await asyncio.sleep(0)
        value = {"ids": ["a\n\nevent: again\ndata: {}\r\n\u2028"]}
        told.tell("rows", value)
        ((_, name, found),) = await listening
        assert (name, found) == ("rows", value)

    to_its_end(go())
