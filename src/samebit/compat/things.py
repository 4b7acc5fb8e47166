"""What was logged beside numbers elsewhere: bytes into the store, and facts that name them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from samebit import digest
from samebit.compat.foreign import Thing
from samebit.errors import SamebitError, UsageError, in_a_line
from samebit.media.drafts import Draft, Made, draft
from samebit.media.given import Media

__all__ = ["Facts", "facts_of"]

_TOGETHER_BYTES = 32 << 20  # that are written at once

Facts = list[tuple[dict[str, Any], int]]  # each with the time at which it was logged


def facts_of(
    things: Iterable[Thing],
    put: Callable[[Sequence[bytes]], None],
    problem: Callable[[str, str], None],
) -> Iterator[Facts]:
    """The facts of some things at a time, whose bytes are durable by then.

    Args:
        things: in their order; one that cannot be read is told, and left out.
        put: makes bytes durable.
        problem: takes what could not be had, and why.
    """
    for some in _read(things, problem):
        facts: Facts = []
        objects: list[bytes] = []
        for thing, media in some:
            shared = {"name": thing.name, "step": thing.step, "of": len(media)}
            for at, given in enumerate(media):
                fact: dict[str, Any] = {**shared, "kind": type(given).__name__.lower()}
                if not at:
                    facts.append((fact, thing.time_ns))
                try:
                    one = draft(given, _no_device)
                    made = one.make()
                except UsageError as error:
                    why = in_a_line(error)
                    facts.append(({**fact, "at": at, "why": why}, thing.time_ns))
                    problem(f"media {thing.name!r}", why)
                    continue
                objects += [*made.parts, made.data]
                facts.append((_told(fact, at, one, made), thing.time_ns))
        put(objects)
        yield facts


def _read(
    things: Iterable[Thing], problem: Callable[[str, str], None]
) -> Iterator[list[tuple[Thing, Sequence[Media]]]]:
    some: list[tuple[Thing, Sequence[Media]]] = []
    held = 0
    for thing in things:
        try:
            media = thing.media() if callable(thing.media) else thing.media
        except SamebitError as error:
            problem(f"media {thing.name!r}", error.what)
            continue
        some.append((thing, media))
        held += sum(map(_size, media))
        if held > _TOGETHER_BYTES:
            yield some
            some, held = [], 0
    if some:
        yield some


def _size(one: Media) -> int:
    data = getattr(one, "data", None)
    return len(data) if isinstance(data, bytes) else 1 << 10


def _told(fact: Mapping[str, Any], at: int, one: Draft, made: Made) -> dict[str, Any]:
    told: dict[str, Any] = {
        **fact,
        "at": at,
        "type": made.type,
        "object": digest.of_bytes(made.data),
        "size_bytes": len(made.data),
        "exact": one.exact,
        "kept": True,
        "about": made.about,
    }
    return told if one.caption is None else {**told, "caption": one.caption}


def _no_device(tensor: Any) -> Any:
    raise UsageError(f"a {type(tensor).__name__} is nothing that a file holds")
