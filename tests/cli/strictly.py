"""JSON beside the schema that its command has: a key that no schema knows is a fault, too."""

import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from samebit.cli.schemas.making import OUTPUTS, make_schema

_NAMED = ("properties", "patternProperties", "$defs")


def strict(schema: Any) -> Any:
    """The same schema, for this version alone: it knows every key."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: strict(one) for name, one in value.items()} if key in _NAMED else strict(value)
        for key, value in schema.items()
    }
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def command_of(words: list[str]) -> str:
    """`state ls` of `state ls RUN --json`."""
    two = " ".join(words[:2])
    return two if two in OUTPUTS else words[0]


def check(words: list[str], printed: str) -> list[Any]:
    """Whether what a command printed is what its schema says; gives it back, line by line."""
    command = command_of(words)
    validator = Draft202012Validator(strict(make_schema(command)))
    lines = [json.loads(line) for line in printed.splitlines()]
    assert lines, f"samebit {' '.join(words)} printed nothing"
    for value in lines:
        error = best_match(validator.iter_errors(value))
        assert error is None, f"{words}: {list(error.absolute_path)}: {error.message[:500]}"
    return lines
