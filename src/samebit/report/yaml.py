"""YAML that is written, never read: a plain value as text that every reader takes for the same.

Every text is in double quotes on one line, with each character escaped that YAML or a terminal
might take for something else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["quoted", "yaml_lines"]


def quoted(text: str) -> str:
    """A text as YAML 1.1, YAML 1.2 and, but for rare characters, JSON read it back."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        return f"\\\\u{code:04x}"  # no reader takes a lone surrogate: its name stands for it
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def yaml_lines(name: str, value: Any, indent: str = "") -> list[str]:
    """A key with its value: a text, a number, a list of these or of mappings, a mapping."""
    if isinstance(value, Mapping):
        below = [
            line for key, item in value.items() for line in yaml_lines(key, item, indent + "  ")
        ]
        return [f"{indent}{name}:", *below] if below else [f"{indent}{name}: {{}}"]
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [line for item in value for line in _item(item, indent)]
        return [f"{indent}{name}:", *items] if items else [f"{indent}{name}: []"]
    return [f"{indent}{name}: {_scalar(value)}"]


def _item(item: Any, indent: str) -> list[str]:
    if not isinstance(item, Mapping):
        return [f"{indent}  - {_scalar(item)}"]
    first, *others = [
        line for key, part in item.items() for line in yaml_lines(key, part, indent + "    ")
    ]
    return [f"{indent}  - {first.lstrip()}", *others]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    return quoted(str(value))


def _float(value: float) -> str:
    """YAML 1.1 takes `1e-05` for a text: a float has a point."""
    if value != value:
        return ".nan"
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if e and "." not in mantissa:
        return f"{mantissa}.0e{exponent if exponent[0] in '+-' else '+' + exponent}"
    return text
