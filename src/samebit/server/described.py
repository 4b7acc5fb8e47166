"""What each address below `/api` takes and answers, and all of them as an OpenAPI document.

An address is declared beside the function that answers it (`Api.addresses`): the shape of its
answer, of `answers.py`, and its parameters. The document is made from that, so nothing is told
twice.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from samebit import __version__
from samebit.server.answers import ErrorAnswer
from samebit.server.guard import PASS

__all__ = [
    "BINARY",
    "BY",
    "COLUMNS",
    "CONSOLE",
    "CSV",
    "DRAWN",
    "EVENTS",
    "IDS",
    "JSON",
    "METRIC",
    "REPLAYS",
    "RUN",
    "SINCE",
    "SOME_RUNS",
    "STATES",
    "STEP",
    "TEX",
    "TEXT",
    "VALUE",
    "WHERE",
    "Address",
    "Takes",
    "a_text",
    "a_whole",
    "a_word",
    "document",
]

Schema = dict[str, Any]

JSON, BINARY = "application/json", "application/octet-stream"
CSV, TEX = "text/csv; charset=utf-8", "text/x-tex; charset=utf-8"
TEXT, EVENTS = "text/plain; charset=utf-8", "text/event-stream"
_REFS = "#/components/schemas/"
_LARGEST = 2**53


class Takes(Struct, frozen=True):
    """A parameter behind the question mark."""

    name: str
    about: str
    schema: Schema
    is_needed: bool = False


class Address(Struct, frozen=True):
    """What an address answers, and what it takes.

    Attributes:
        gives: a type, as whose JSON it answers; or a media type.
        takes: its parameters; those of its path are found in it.
        about: what it is for, where the answer's own docstring does not say it.
        body: a type, as whose JSON something is sent to it by POST; None where it is asked by GET.
        more: what else it may answer with, by status.
    """

    gives: Any
    takes: tuple[Takes, ...] = ()
    about: str = ""
    body: Any = None
    more: Mapping[str, str] = {}

    @property
    def media_type(self) -> str:
        """As what its answer is sent."""
        return self.gives if isinstance(self.gives, str) else JSON


def a_text(name: str, about: str, *, is_needed: bool = False) -> Takes:
    """A parameter that is a text."""
    return Takes(name, about, {"type": "string"}, is_needed)


def a_whole(name: str, about: str) -> Takes:
    """A parameter that is a whole number."""
    return Takes(name, about, {"type": "integer"})


def a_word(name: str, about: str, words: tuple[str, ...]) -> Takes:
    """A parameter that is one of a few words."""
    return Takes(name, about, {"type": "string", "enum": list(words)})


_LIST = "with commas between; in each `%` is written as `%25` and a comma as `%2c`"
IDS = a_text("ids", f"ids of runs, {_LIST}")
COLUMNS = a_text("columns", f"names, {_LIST}")
BY = a_text("by", f"names whose values make the groups, {_LIST}")
WHERE = a_text("where", "a condition, as of `samebit ls --where`")
REPLAYS = a_word("replays", "`1`: replays, too", ("0", "1"))
METRIC = a_text("metric", "the name of a metric", is_needed=True)
SINCE = a_whole("since", "the version of the rows after which something has changed")
RUN = a_text("run", "the id of a run", is_needed=True)
SOME_RUNS = (IDS, WHERE, REPLAYS)  # these, those that fit, or all
DRAWN = (
    METRIC,
    a_text("x", "`step`, `time`, `relative`, or the name of another metric"),
    Takes("from", "where x begins", {"type": "number"}),
    Takes("to", "where x ends", {"type": "number"}),
    a_whole("columns", "of pixels, so many numbers at most in each block"),
)

STEP = (IDS, a_whole("optimizer", "which, from 0"), a_whole("step", "its count"))
STATES = (
    a_text("of", "two states, `RUN:STATE` each, with a comma between", is_needed=True),
    a_text("rank", "of which process"),
)
VALUE = (
    a_text("part", "its title", is_needed=True),
    a_text("name", "of a fact there", is_needed=True),
    a_whole("at", "which of its values, from 0"),
)
CONSOLE = (
    a_whole("execution", "which, from 1; the first that printed anything"),
    a_text("rank", "of which process; the first"),
    a_whole("after", "so many bytes before; a negative number counts from the end"),
)

_OF_PATHS = {"run": "the id of a run", "digest": "of an object, as `blake3:…`"}
_ERRORS = {
    "400": "it cannot be meant so",
    "403": "not yours to ask: no token, another host, or a page elsewhere",
    "404": "not here",
    "409": "stored bytes cannot be read",
}
_BEARER: Schema = {"token": []}
_INT = {"type": "string", "pattern": "^-?[0-9]+$"}
_FLOAT = {"enum": ["nan", "inf", "-inf"]}


def _wrapped(key: str, inner: Schema) -> Schema:
    shape: Schema = {"type": "object", "properties": {key: inner}, "required": [key]}
    return shape | {"additionalProperties": False}


# As `canonical_json` writes what JSON cannot hold.
_PLAIN: dict[str, tuple[str, Schema]] = {
    "integer": (
        "Integer",
        {
            "description": "an integer; beyond ±2^53 as a text",
            "anyOf": [
                {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST},
                _wrapped("$int", _INT),
            ],
        },
    ),
    "number": (
        "Float",
        {
            "description": "a number; what is not finite has a name",
            "anyOf": [
                {"type": "number"},
                _wrapped("$float", _FLOAT),
                _wrapped("$int", _INT),
            ],
        },
    ),
    "string": (
        "Text",
        {
            "description": r"a text; where UTF-8 cannot hold it, lone surrogates as `\udcff`",
            "anyOf": [{"type": "string"}, _wrapped("$escaped", {"type": "string"})],
        },
    ),
}


def document(addresses: Mapping[str, Address]) -> bytes:
    """All addresses as OpenAPI 3.1, JSON.

    Args:
        addresses: by path below `/api/`.
    """
    shapes = [one.gives for one in addresses.values() if not isinstance(one.gives, str)]
    bodies = [one.body for one in addresses.values() if one.body is not None]
    made, found = msgspec.json.schema_components(
        [*shapes, ErrorAnswer, *bodies], ref_template=_REFS + "{name}"
    )
    sent = {one.__name__ for one in bodies}
    components = {
        name: schema if name in sent else _as_written(schema) for name, schema in found.items()
    }
    components |= dict(_PLAIN.values())
    answers = iter(map(_as_written, made))
    told: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "The page of a samebit store",
            "version": __version__,
            "description": "Answers this machine alone, to whoever has the link: its token is a "
            "bearer token; behind the dot of it stands a pass, which opens reading.",
        },
        "security": [_BEARER, {"pass": []}],
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "pass": {"type": "apiKey", "in": "query", "name": PASS},
            },
            "schemas": components,
        },
        "paths": {
            f"/api/{path}": {
                "post" if one.body is not None else "get": _operation(
                    path, one, {} if isinstance(one.gives, str) else next(answers)
                )
            }
            for path, one in addresses.items()
        },
    }
    return msgspec.json.encode(told, order="sorted")


def _operation(path: str, one: Address, schema: Schema) -> Schema:
    good: Schema = {"description": one.about or "the answer"}
    good["content"] = {one.media_type.partition(";")[0]: {"schema": schema}}
    answers: Schema = {"200": good}
    answers |= {status: {"description": about} for status, about in one.more.items()}
    error = {JSON: {"schema": {"$ref": f"{_REFS}{ErrorAnswer.__name__}"}}}
    for status, about in _ERRORS.items():
        answers[status] = {"description": about, "content": error}
    told: Schema = {
        "summary": one.about or (one.gives.__doc__ or "").partition("\n")[0],
        "parameters": [*_of_path(path), *map(_parameter, one.takes)],
        "responses": answers,
    }
    if one.body is not None:
        body = {JSON: {"schema": {"$ref": f"{_REFS}{one.body.__name__}"}}}
        told["requestBody"] = {"required": True, "content": body}
        told["security"] = [_BEARER]
    return told


def _of_path(path: str) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _OF_PATHS[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _parameter(one: Takes) -> Schema:
    told: Schema = {"name": one.name, "in": "query", "description": one.about}
    return told | {"schema": one.schema, "required": one.is_needed}


def _as_written(schema: Schema) -> Schema:
    """A shape as `canonical_json` writes it, in which there is nothing else."""
    if schema.get("type") in _PLAIN:
        return {"$ref": _REFS + _PLAIN[schema["type"]][0]}
    found: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: _as_written(inner) for name, inner in value.items()}
            found["additionalProperties"] = False
        elif isinstance(value, dict):
            found[key] = _as_written(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found[key] = [_as_written(inner) for inner in value]
        else:
            found[key] = value
    return found
