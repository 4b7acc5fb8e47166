"""What functions are called with from a command line: click, typer, fire; and absl's flags."""

import functools
import os
import re
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from samebit.capture import parsing
from samebit.capture.parsing import CODE, COMMAND_LINE, DEFAULT, PROMPT
from samebit.capture.secrets import MASK

__all__ = ["absl", "click", "fire", "in_use", "typer"]


# click ------------------------------------------------------------------------------------------


def click(module: Any) -> None:
    """The parameters of each command and of the groups above it."""
    _commands(module, "click")


def typer(module: Any) -> None:
    """The same, of the click that lies in typer."""
    _commands(module, "typer")


def _commands(module: Any, name: str) -> None:
    is_own: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
    original = module.Command.parse_args

    def parsed(_: Any, command: Any, context: Any, words: Any) -> None:
        if context.resilient_parsing:  # a shell asks what could come next
            return
        own = is_own.get(context.find_root(), False)
        under, values, sources = _of_context(context)
        parsing.tell(name, None, lambda: values, sources, own=own, under=under)

    @functools.wraps(original)
    def parse_args(self: Any, ctx: Any, args: Any) -> Any:
        if ctx.parent is None:
            is_own[ctx] = parsing.is_own_line(args)  # before: the list is used up
        return original(self, ctx, args)

    module.Command.parse_args = parse_args
    parsing.after(module.Command, "parse_args", name, parsed)


def _of_context(context: Any) -> tuple[tuple[str, ...], dict[str, Any], dict[str, str]]:
    """Of one command: the names of it and those above, its values, and where they came from."""
    under: list[str] = []
    at = context
    while at.parent is not None:
        under.insert(0, str(at.info_name))
        at = at.parent
    sources, values = {}, {}
    for parameter in context.command.params:
        key = parameter.name
        if key in context.params:
            values[key] = context.params[key]
            sources[key] = _source(parameter, context)
            if getattr(parameter, "hide_input", False) and values[key] is not None:
                values[key] = MASK
    return tuple(under), values, sources


def in_use() -> Iterator[tuple[str, Any, dict[str, str], int, str, tuple[str, ...]]]:
    """What click, typer and absl parsed before, by their own word: the beginning of a `Parsed`."""
    for name, module in (("click", "click.globals"), ("typer", "typer._click.globals")):
        current = getattr(sys.modules.get(module), "get_current_context", None)
        context = current(silent=True) if current is not None else None
        contexts: list[Any] = []
        while context is not None:
            contexts.insert(0, context)
            context = context.parent
        for each in contexts:
            under, values, sources = _of_context(each)
            yield name, functools.partial(dict, values), sources, 1, "", under
    flags = getattr(sys.modules.get("absl.flags"), "FLAGS", None)
    if flags is not None and flags.is_parsed():
        told = _told(flags)
        words = sys.argv[1:]
        sources = {name: _flag_source(name, flag, words) for name, flag in told}
        values = {name: flag.value for name, flag in told}
        if values:
            yield "absl", functools.partial(dict, values), sources, 1, "", ()


def _source(parameter: Any, context: Any) -> str:
    kind = getattr(context.get_parameter_source(parameter.name), "name", "")
    if kind == "ENVIRONMENT":
        return f"environment:{_variable(parameter, context)}"
    told = {"COMMANDLINE": COMMAND_LINE, "PROMPT": PROMPT, "DEFAULT_MAP": CODE}
    return told.get(kind, DEFAULT)


def _variable(parameter: Any, context: Any) -> str:
    names = parameter.envvar or ()
    names = [names] if isinstance(names, str) else [*names]
    if context.auto_envvar_prefix is not None:
        names.append(f"{context.auto_envvar_prefix}_{parameter.name.upper()}")
    return next((name for name in names if os.environ.get(name)), "")


# fire -------------------------------------------------------------------------------------------


def fire(module: Any) -> None:
    """The arguments of what fire calls, as they are when it calls."""
    original, parser_of = module._Fire, module._MakeParseFn
    component: list[Any] = []
    is_own: list[bool] = []

    def _Fire(root: Any, args: Any, *given: Any, **named: Any) -> Any:
        own = sys.argv[1:]
        component[:] = [root]
        is_own[:] = [list(args) == own or [*args, "--"] == own[: len(args) + 1]]
        return original(root, args, *given, **named)

    def called(result: Any, function: Any, words: list[str]) -> None:
        (positional, named), _, _, capacity = result
        module_name = getattr(function, "__module__", None) or ""
        if not component or module_name.partition(".")[0] in ("builtins", "fire", ""):
            return
        specification = module.inspectutils.GetFullArgSpec(function)
        names = specification.args
        values = dict(zip(names, positional, strict=False))
        if len(positional) > len(names):
            values[specification.varargs or "args"] = positional[len(names) :]
        values.update(named)
        for name, value in (specification.kwonlydefaults or {}).items():
            values.setdefault(name, value)
        required = len(names) - len(specification.defaults)
        defaults = dict(zip(names[required:], specification.defaults, strict=False))
        defaults.update(specification.kwonlydefaults or {})
        flags = {word.lstrip("-").partition("=")[0].replace("-", "_") for word in words}
        sources = {}
        for name, value in values.items():
            typed = not capacity and name in names
            typed = typed or name not in defaults or value is not defaults[name]
            typed = typed or not flags.isdisjoint((name, f"no{name}"))
            sources[name] = COMMAND_LINE if typed else DEFAULT
        # An object that can be called is asked for by its method.
        is_call = getattr(function, "__name__", "") == "__call__"
        is_root = component[0] is (getattr(function, "__self__", None) if is_call else function)
        under = () if is_root else (str(getattr(function, "__name__", "call")),)
        parsing.tell("fire", None, lambda: values, sources, own=is_own[0], under=under)

    def _MakeParseFn(function: Any, metadata: Any) -> Any:
        parse = parser_of(function, metadata)

        def told(words: Any) -> Any:
            given = list(words)
            result = parse(words)
            parsing.safely("fire", called, result, function, given)
            return result

        return told

    module._Fire, module._MakeParseFn = _Fire, _MakeParseFn


# absl -------------------------------------------------------------------------------------------

_FLAGFILE = re.compile(r"--?flagfile(?:=(.*))?$", re.DOTALL)


def absl(module: Any) -> None:
    """The flags that the script defines, and those of others that were given."""

    def parsed(_: Any, flags: Any, argv: Any, known_only: bool = False) -> None:
        words = [str(word) for word in argv[1:]]
        sources = {}
        for name, flag in _told(flags):
            sources[name] = _flag_source(name, flag, words)
        parsing.tell(
            "absl",
            words,
            lambda: {name: flag.value for name, flag in _told(flags)},
            sources,
            is_of=id(flags),
        )

    parsing.after(module.FlagValues, "__call__", "absl", parsed)


def _told(flags: Any) -> list[tuple[str, Any]]:
    found: dict[str, Any] = {}
    for module, defined in flags.flags_by_module_dict().items():
        for flag in defined:
            is_scripts = module.partition(".")[0] != "absl" and _is_of_the_script(module)
            if is_scripts or (flag.present and flag.name not in ("flagfile", "undefok")):
                found[flag.name] = flag
    return list(found.items())


def _is_of_the_script(name: str) -> bool:
    """Whether a module is the script's own; absl names the main one by its file."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is None or not parsing.is_installed(file)


def _flag_source(name: str, flag: Any, words: list[str]) -> str:
    if not flag.present:
        return DEFAULT if flag.using_default_value else CODE
    names = {name, f"no{name}", flag.short_name}
    direct: set[str] = set()
    files: list[str] = []
    for at, word in enumerate(words):
        if not word.startswith("-"):
            continue
        direct.add(word.lstrip("-").partition("=")[0])
        file = _FLAGFILE.fullmatch(word)
        if file is not None:
            files.append(file[1] if file[1] is not None else "".join(words[at + 1 : at + 2]))
    if names & direct:
        return COMMAND_LINE
    return f"file:{', '.join(files)}" if files else COMMAND_LINE
