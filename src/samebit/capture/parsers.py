"""What argparse and its kin make: argparse, jsonargparse, simple-parsing, tyro.

Each function is called with a module that the script has imported. What a library keeps to itself
is read where there is no other way, and a version that has it otherwise costs the sources only.
"""

import sys
import weakref
from collections.abc import Mapping
from typing import Any

from samebit.capture import parsing
from samebit.capture.config import flat, plain
from samebit.capture.parsing import CODE, COMMAND_LINE, DEFAULT, Parse

__all__ = ["argparse", "jsonargparse", "simple_parsing", "tyro"]

# Libraries that parse their own few options with argparse, and tell of the rest themselves.
_TELL_THEMSELVES = ("fire", "hydra")


# argparse ---------------------------------------------------------------------------------------


def argparse(module: Any) -> None:
    """The namespace of each parse."""
    parser = module.ArgumentParser
    parsing.during(parser, "parse_known_args", "argparse", _argparse)
    parsing.after(parser, "_get_values", "argparse", _got_values)
    parsing.after(parser, "_read_args_from_files", "argparse", _read_words)


def _got_values(_: Any, parser: Any, action: Any, words: list[str]) -> None:
    """An action is about to take these words; positionals take none where they are left out."""
    parse = parsing.current()
    if parse is None or not (action.option_strings or words):
        return
    prefix = _prefix(parse, parser)
    if prefix is None:
        return
    files = {parse.file_words[id(word)][1] for word in words if id(word) in parse.file_words}
    for word, file in parse.file_words.values():  # `--lr=0.1` is cut in two, a flag has no words
        if word.partition("=")[0] in action.option_strings and (not words or "=" in word):
            files.add(file)
    parse.given[prefix + action.dest] = f"file:{files.pop()}" if files else COMMAND_LINE


def _prefix(parse: Parse, parser: Any) -> str | None:
    """Under which name a parser's values stand; None for one that a value's type made."""
    is_json = hasattr(parse.owner, "_load_config_parser_mode")
    return _json_prefix(parse, parser) if is_json else ""


def _read_words(read: list[str], parser: Any, words: list[str]) -> None:
    parse = parsing.current()
    marks = parser.fromfile_prefix_chars
    if parse is None or not marks:
        return
    files = [word[1:] for word in words if word and word[0] in marks]
    before = {id(word) for word in words}
    for word in read:
        if files and id(word) not in before:
            parse.file_words.setdefault(id(word), (word, files[0] if len(files) == 1 else "…"))


_filled: dict[int, weakref.ref[Any]] = {}  # namespaces that an earlier parse filled


def _argparse(
    parse: Parse, result: Any, parser: Any, args: Any = None, namespace: Any = None, **_: Any
) -> None:
    found, rest = result
    if _asked_by() in _TELL_THEMSELVES:
        return
    own = parsing.is_own_line(args)
    if own:
        parsing.left_over(rest)
    again = namespace is not None and namespace is found and _was_filled(found)
    defaults = {name for known in parse.owners for name in getattr(known, "_defaults", {})}
    actions = {action.dest for known in parse.owners for action in known._actions}
    sources: dict[str, str] = {}
    for name in vars(found):
        source = parse.given.get(name)
        if source is None and not again:
            source = DEFAULT if name in actions - defaults or namespace is None else CODE
            source = CODE if name in defaults else source
        if source is not None:
            sources[name] = source
    _filled[id(found)] = weakref.ref(found)
    parsing.tell("argparse", args, lambda: found, sources, own=own, is_of=id(found))


def _was_filled(namespace: Any) -> bool:
    known = _filled.get(id(namespace))
    return known is not None and known() is namespace


def _asked_by() -> str:
    """The library, or module, whose code called argparse."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name not in ("argparse", "samebit", "contextlib"):
            return name
        frame = frame.f_back
    return ""


# jsonargparse -----------------------------------------------------------------------------------


def jsonargparse(module: Any) -> None:
    """The nested namespace, and which key came from which file or variable."""
    parser = module.ArgumentParser
    parsing.during(parser, "parse_args", "jsonargparse", _jsonargparse)
    parsing.after(parser, "_load_config_parser_mode", "jsonargparse", _json_file)

    def variables(result: Any, self: Any, env: Any = None, defaults: Any = None) -> None:
        parse = parsing.current()
        if parse is None or self is not parse.owner:
            return
        of_action = {action.dest: module.get_env_var(self, action) for action in self._actions}
        for name in flat(plain(result)):
            ends = [dest for dest in of_action if name == dest or name.startswith(dest + ".")]
            variable = of_action[max(ends, key=len)] if ends else None
            if variable is not None and variable in (env or {}):
                parse.given[name] = f"environment:{variable}"

    parsing.after(parser, "_load_env_vars", "jsonargparse", variables)


def _json_file(
    result: Any, parser: Any, content: Any, path: Any = "", *_: Any, **more: Any
) -> None:
    parse = parsing.current()
    prefix = None if parse is None else _json_prefix(parse, parser)
    if parse is None or prefix is None:
        return
    file = str(path)
    if not file:
        defaults = [str(path) for path in parser._get_default_config_files()]
        at = parse.notes["files"] = parse.notes.get("files", -1) + 1
        file = defaults[at % len(defaults)] if defaults else ""
    names = flat(plain(result))
    source = f"file:{file}" if file else COMMAND_LINE  # a configuration given as one text
    parse.given.update({prefix + name: source for name in names})


def _json_prefix(parse: Parse, parser: Any) -> str | None:
    if parser is parse.owner:
        return ""
    for action in parse.owner._actions:
        for name, below in (getattr(action, "_name_parser_map", None) or {}).items():
            if below is parser:
                return f"{name}."
    return None


def _jsonargparse(
    parse: Parse, result: Any, parser: Any, args: Any = None, *_: Any, **__: Any
) -> None:
    hidden = {name for name in vars(result) if name.startswith("__")}
    names = flat(plain({k: v for k, v in vars(result).items() if k not in hidden}))
    sources = {name: _nearest(parse.given, name) for name in names}

    def read() -> Any:
        return {name: value for name, value in vars(result).items() if name not in hidden}

    parsing.tell("jsonargparse", args, read, sources, is_of=id(result))


def _nearest(given: Mapping[str, str], name: str) -> str:
    """The source of a name, or of what it lies in."""
    while name not in given:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return DEFAULT
    return given[name]


# simple-parsing ---------------------------------------------------------------------------------


def simple_parsing(module: Any) -> None:
    """The dataclasses of a namespace; files give defaults."""
    parser = module.ArgumentParser
    of_files: weakref.WeakKeyDictionary[Any, dict[str, str]] = weakref.WeakKeyDictionary()
    last: list[tuple[str, Any]] = []

    def read_file(result: Any, path: Any, *_: Any, **__: Any) -> None:
        last[:] = [(str(path), result)]

    def set_defaults(_: Any, self: Any, config_path: Any = None, **__: Any) -> None:
        if config_path is None or not last:
            return
        path, content = last.pop()
        roots = {wrapper.dest for wrapper in self._wrappers}
        for name in flat(plain(content)):
            inside = name.partition(".")[0] in roots or len(roots) != 1
            dotted = name if inside else f"{next(iter(roots))}.{name}"
            of_files.setdefault(self, {})[dotted] = f"file:{path}"

    def parsed(parse: Parse, result: Any, self: Any, args: Any = None, *_: Any, **__: Any) -> None:
        found, rest = result
        if parsing.is_own_line(args):
            parsing.left_over(rest)
        given = {**of_files.get(self, {}), **parse.given}
        held = vars(found)
        names = [n for n in held if n not in ("config_path", self.add_config_path_arg)]
        # One dataclass alone, by its usual name, is the configuration itself.
        root = "config" if names == ["config"] else ""
        sources = {n: _nearest(given, f"{root}.{n}" if root else n) for n in flat(_of(found, root))}
        parsing.tell("simple-parsing", args, lambda: _of(found, root), sources, is_of=id(found))

    parsing.during(parser, "parse_known_args", "simple-parsing", parsed)
    parsing.after(module, "read_file", "simple-parsing", read_file)
    parsing.after(parser, "set_defaults", "simple-parsing", set_defaults)


def _of(namespace: Any, root: str) -> Any:
    return plain(vars(namespace)[root] if root else dict(vars(namespace)))


# tyro -------------------------------------------------------------------------------------------

_DUMMY = "__tyro_dummy_inner__"


def tyro(module: Any) -> None:
    """What a function or a class is about to be called with."""
    # Not by attribute: the package is still being imported.
    calling, is_missing = (sys.modules["tyro._calling"], sys.modules["tyro._singleton"].is_missing)

    def called(result: Any, *given: Any, **named: Any) -> None:
        parse = parsing.current()
        if parse is None or parse.notes.get("told"):
            return
        _, definition, _, words, prefix = (*given, *named.values())[:5]
        if _stripped(prefix):
            return  # a value of the one that is called
        call = result[0]
        values = _of_call(call, definition)
        if set(values) == {_DUMMY}:
            values = values[_DUMMY]
        parse.notes["told"] = True
        arguments = {
            _stripped(name): COMMAND_LINE
            for name, value in words.items()
            if isinstance(name, str) and not is_missing(value)
        }
        taken = plain(values)
        sources = {name: _nearest(arguments, name) for name in flat(taken)} if taken else {}
        words_given = parse.notes.get("words")
        parsing.end()
        parsing.tell("tyro", words_given, lambda: values, sources)

    original = module._cli_impl

    def noting(f: Any, *given: Any, **named: Any) -> Any:
        parse = parsing.current()
        if parse is not None:
            parse.notes["words"] = named.get("args")
        return original(f, *given, **named)

    noting.__name__ = original.__name__
    module._cli_impl = noting
    parsing.during(module, "_cli_impl", "tyro", lambda *_, **__: None)
    parsing.after(calling, "callable_with_args", "tyro", called)


def _stripped(name: str) -> str:
    """A tyro name in dots, without the wrapper that it puts around a union."""
    return ".".join(part for part in name.replace("-", "_").split(".") if part != _DUMMY)


def _of_call(call: Any, definition: Any) -> dict[str, Any]:
    names = [field.intern_name for field in definition.field_list]
    arguments = getattr(call, "args", ())
    return {**dict(zip(names, arguments, strict=False)), **getattr(call, "keywords", {})}
