"""What was parsed before anybody listened: found where `init()` is called.

A script that plain Python started has parsed its arguments by the time that it calls `init()`. What
was made of them mostly lies in a variable of a function that is still running, or of its module;
click, Hydra and absl also keep it themselves. No parser is run again: its types and actions are the
script's own functions. So a source is told only where a word of the command line names the value,
or a parser that is still there has it as its default; of all others none is known.
"""

import re
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from samebit.capture import commands, composed
from samebit.capture.config import flat, plain
from samebit.capture.parsing import COMMAND_LINE, DEFAULT, Parsed, is_scripts

__all__ = ["parsed_already"]

_MAX_FRAMES = 100
_MAX_VARIABLES = 2_000  # of one frame
_BEFORE = {"found": "at init()"}
_ASSIGNED = re.compile(r"[+~]*([\w./-]+)=")
_PLAIN = (bool, int, float, str, type(None))


def parsed_already() -> list[Parsed]:
    """What the script's parsers had made before; called in `init()`, by whatever way."""
    values = list(_variables())
    found = [_namespace(value, values) for value in values if _is(value, "argparse", "Namespace")]
    if not found:
        found = [_container(value) for value in values if composed.is_composed(value)]
    made = [Parsed(*told, _BEFORE) for told in commands.in_use()]
    return [*made, *(parsed for parsed in found if parsed is not None)]


def _variables() -> Iterator[Any]:
    """The values in the script's own frames, the innermost first, each once."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    seen: set[int] = set()
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        if is_scripts(frame.f_code.co_filename, frame.f_globals):
            for names in (frame.f_locals, frame.f_globals):
                if len(names) <= _MAX_VARIABLES:
                    yield from _once(list(names.values()), seen)
        frame = frame.f_back


def _once(values: list[Any], seen: set[int]) -> Iterator[Any]:
    for value in values:
        if id(value) not in seen:
            seen.add(id(value))
            yield value


def _is(value: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and issubclass(type(value), kind)


def _namespace(namespace: Any, beside: list[Any]) -> Parsed | None:
    names = flat(plain(namespace))
    if not names:
        return None
    parsers = [value for value in beside if _is(value, "argparse", "ArgumentParser")]
    known = [p for p in parsers if {a.dest for a in p._actions} & {*vars(namespace)}]
    actions = {action.dest: action for parser in known for action in parser._actions}
    sources: dict[str, str] = {}
    for name, value in names.items():
        action = actions.get(name)
        options = list(action.option_strings) if action is not None else _options(name)
        if _is_typed(options):
            sources[name] = COMMAND_LINE
        elif action is not None and options and _is_same(action.default, value):
            sources[name] = DEFAULT
    kind = "jsonargparse" if type(namespace).__module__.startswith("jsonargparse") else "argparse"
    return Parsed(kind, lambda: namespace, sources, 1, "", (), _BEFORE, id(namespace))


def _options(name: str) -> list[str]:
    return [f"--{name}", f"--{name.replace('_', '-')}"]


def _is_typed(options: list[str]) -> bool:
    given = {word.partition("=")[0] for word in sys.argv[1:] if word[:1] == "-"}
    return not given.isdisjoint(options)


def _is_same(default: Any, value: Any) -> bool:
    return isinstance(default, _PLAIN) and type(default) is type(value) and default == value


def _container(container: Any) -> Parsed | None:
    told = composed.of_job(container)
    job, files = None, ()
    if told is not None:
        facts, values, job, files = told
        words = list(facts["overrides"])
    else:
        facts, values, words = {}, composed.plain_container(container), sys.argv[1:]
    names = flat(plain(values))
    typed = {match[1] for word in words if (match := _ASSIGNED.match(word))}
    sources = {name: COMMAND_LINE for name in typed if name in names}
    if not names:
        return None
    parser = "Hydra" if told is not None else "OmegaConf"
    is_of = -1 if told is not None else id(container)
    facts |= _BEFORE
    return Parsed(parser, lambda: values, sources, 1, "", (), facts, is_of, files=files, job=job)
