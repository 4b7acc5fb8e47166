"""Texts too long to be sent with everything else: their beginnings, and the whole on request."""

from collections.abc import Sequence

from samebit import digest
from samebit.errors import NotFound
from samebit.server.answers import Fact, Long, Part

__all__ = ["MOST_CHARACTERS", "MOST_FACTS", "beginning", "of_parts", "whole"]

MOST_CHARACTERS = 10_000  # of a text that is sent without being asked for
MOST_FACTS = 5000  # of one part


def beginning(text: str, at: int) -> tuple[str, Long | None]:
    """A text, or where it is very long its beginning, with what tells the whole from others."""
    if len(text) <= MOST_CHARACTERS:
        return text, None
    name = digest.of_bytes(text.encode("utf-8", "surrogatepass"))
    return text[:MOST_CHARACTERS], Long(at, len(text), name)


def of_parts(parts: Sequence[Part]) -> list[Part]:
    """What is told of a run, with the beginnings of what is very long."""
    return [
        Part(
            part.title,
            [_fact(fact) for fact in part.facts[:MOST_FACTS]],
            max(0, len(part.facts) - MOST_FACTS),
        )
        for part in parts
    ]


def _fact(fact: Fact) -> Fact:
    cut = [beginning(text, at) for at, text in enumerate(fact.values)]
    return Fact(fact.name, [text for text, _ in cut], [long for _, long in cut if long is not None])


def whole(parts: Sequence[Part], title: str, name: str, at: int) -> str:
    """One value of what is told of a run, as long as it is; NotFound where there is none."""
    for part in parts:
        for fact in part.facts if part.title == title else ():
            if fact.name == name and 0 <= at < len(fact.values):
                return fact.values[at]
    raise NotFound("nothing is told of this run there", part=title, name=name, at=at)
