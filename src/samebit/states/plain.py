"""What a state holds beside its arrays: its plain values, each under the name of its place."""

from collections.abc import Iterator
from typing import Any

__all__ = ["below", "plain_values"]

_ARRAYS = frozenset({"$leaf", "$scalar", "$bytes"})
_ROOT = "value"


def plain_values(skeleton: Any) -> list[tuple[str, Any]]:
    """Every value that is no array, by its place, in order; of a sound skeleton.

    A list of nothing but scalars is one value. A mark that holds no array (`{"$nan": …}`, a text
    that describes something) is itself; of any other, what lies in it is given.
    """
    return [(path or _ROOT, value) for path, value in _walk(skeleton, "")]


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value))[:1] == "$":
        yield from _mark(*next(iter(value.items())), path)
        return
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value):
        items = list(enumerate(value))
    if not items:
        yield path, value
    for key, item in items:
        yield from _walk(item, below(path, key))


def _mark(tag: str, content: Any, path: str) -> Iterator[tuple[str, Any]]:
    if tag in _ARRAYS:
        return
    if tag in ("$dict", "$ordered"):
        if not content:
            yield path, {}
        for key, item in content:
            yield from _walk(item, below(path, key))
    elif tag == "$tuple" or _holds_arrays(content):
        yield from _walk(content, path)
    else:
        yield path, {tag: content}


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, dict):
        return not _ARRAYS.isdisjoint(value) or any(map(_holds_arrays, value.values()))
    return isinstance(value, list) and any(map(_holds_arrays, value))


def below(path: str, key: Any) -> str:
    """The place of what a skeleton has under a key, which may be a mark, at a place."""
    word = next(iter(key.values())) if isinstance(key, dict) else key
    return f"{path}.{word}" if path else f"{word}"
