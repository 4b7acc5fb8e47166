"""Which parses of a command line make a run's configuration; told by the hooks in each library.

The rule. A parse counts by who asked for it and by which words it was given:

1. the script's own code had the process's command line parsed (`sys.argv`, its end, or what an
   earlier parse left over), by any library;
2. an installed program that is `__main__` itself did (`samebit run -m package.train`);
3. the script's own code had other words parsed.

Only the best of these that is there makes the configuration; several of one kind merge. A library
that parses while it is imported, or for itself, never counts, nor does a launcher.
"""

import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from msgspec import Struct, field

from samebit.capture import importing
from samebit.errors import SamebitError

__all__ = [
    "CODE",
    "COMMAND_LINE",
    "DEFAULT",
    "PROMPT",
    "Job",
    "Parse",
    "Parsed",
    "after",
    "current",
    "during",
    "end",
    "is_installed",
    "is_own_line",
    "is_scripts",
    "job_ends",
    "left_over",
    "safely",
    "tell",
    "watch",
    "watch_jobs",
]

DEFAULT = "default"
COMMAND_LINE = "command line"
CODE = "code"
PROMPT = "prompt"

_LAUNCHERS = frozenset(
    {"torchrun", "torch.distributed.run", "torch.distributed.launch", "accelerate", "deepspeed"}
    | {"accelerate.commands.launch", "deepspeed.launcher.runner", "horovodrun", "ray", "mpirun"}
    | {"accelerate.commands.accelerate_cli", "debugpy", "pdb", "cProfile", "coverage"}
)
_STDLIB = os.path.dirname(os.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Parsed(Struct, frozen=True):
    """What one parse made.

    Attributes:
        parser: the library.
        read: gives the values as they are now; a script that changes them is read again.
        sources: where values came from, by dotted name; a name speaks for all that lies below it.
        rank: 1 to 3, see above; 0 for what a framework was set to, which is below all of them.
        at: the line of the script's own code that asked, `path:line`; empty where none did.
        under: names of sub-commands under which the values stand.
        facts: more that is known, such as the choices of Hydra's groups.
        replaces: what `is_of` earlier parses this one takes the place of.
        is_of: by which a later parse that fills the same object is known.
        files: that it was composed from, which belong to the code.
        job: of a sweep in one process, that which goes on.
    """

    parser: str
    read: Callable[[], Any]
    sources: dict[str, str]
    rank: int
    at: str = ""
    under: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    is_of: int = 0
    replaces: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    job: "Job | None" = None


class Job(Struct, frozen=True):
    """One job of a sweep in one process.

    Attributes:
        number: from 1.
        arguments: with which the script does this job alone, behind the options of the sweep.
        sweep: what its jobs have in common: the folder of the sweep.
    """

    number: int
    arguments: tuple[str, ...]
    sweep: str


class Parse(Struct):
    """One parse under way: what is learnt on its way, by whichever hook."""

    owner: Any
    given: dict[str, str] = field(default_factory=dict)  # dotted name: source
    # Words that a file of arguments held, by id (they are held here, so that ids stay theirs).
    file_words: dict[int, tuple[str, str]] = field(default_factory=dict)
    owners: list[Any] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


class _UnderWay(threading.local):
    """The outermost parse of this thread; those that it makes itself are its own matter."""

    parse: Parse | None = None


_under_way = _UnderWay()
_listener: list[Callable[[Parsed], None]] = []
_ends_listener: list[Callable[[int, BaseException | None], None]] = []
_hooked: set[str] = set()  # modules that are waited for
_left_over: list[list[str]] = []
_job: list[Parsed] = []  # of a sweep in one process, that which goes on
_blind: set[str] = set()  # libraries that keep otherwise where their values came from


# The module whose import is waited for, and what hooks it; that is loaded only then.
_HOOKS = {
    "argparse": ("parsers", "argparse"),
    "jsonargparse._core": ("parsers", "jsonargparse"),
    "simple_parsing.parsing": ("parsers", "simple_parsing"),
    "tyro._cli": ("parsers", "tyro"),
    "click.core": ("commands", "click"),
    "typer._click.core": ("commands", "typer"),
    "fire.core": ("commands", "fire"),
    "absl.flags._flagvalues": ("commands", "absl"),
    "omegaconf.omegaconf": ("composed", "omegaconf"),
    "hydra._internal.config_loader_impl": ("composed", "hydra_loader"),
    "hydra.core.hydra_config": ("composed", "hydra_config"),
    "hydra._internal.callbacks": ("composed", "hydra_callbacks"),
}


def watch(
    found: Callable[[Parsed], None], job_ended: Callable[[int, BaseException | None], None]
) -> None:
    """Hand over each parse that counts, by whichever library; a later call only changes to whom.

    Args:
        found: takes it.
        job_ended: takes the number of a job of a sweep in this process, when its function has
            returned, and what that raised.
    """
    _listener[:], _ends_listener[:] = [found], [job_ended]
    for parsed in _job:
        found(parsed)
    _hook(_HOOKS)


def watch_jobs(found: Callable[[Parsed], None]) -> None:
    """Hand over what Hydra composes, in a process that may do jobs of a sweep, until `watch`."""
    _listener[:] = [found]
    _hook(name for name, (room, _) in _HOOKS.items() if room == "composed")


def _hook(names: Iterable[str]) -> None:
    for name in names:
        if name not in _hooked:
            _hooked.add(name)
            importing.when_imported(name, functools.partial(_install, *_HOOKS[name]))


def _install(room: str, function: str, module: ModuleType) -> None:
    getattr(importlib.import_module(f"samebit.capture.{room}"), function)(module)


def tell(
    parser: str,
    words: Sequence[str] | None,
    read: Callable[[], Any],
    sources: dict[str, str],
    *,
    own: bool | None = None,
    **more: Any,
) -> None:
    """A library has parsed these words; None are the process's own."""
    if own is None:
        own = is_own_line(words)
    asked, at = _who_asked()
    if asked == "script":
        rank = 1 if own else 3
    elif asked == "main" and own:
        rank = 2
    else:
        return
    if parser in _blind:
        sources = {}  # no source is better than a wrong one
    parsed = Parsed(parser, read, sources, rank, at, **more)
    if parsed.job is not None:
        _job[:] = [parsed]  # a second run in this process may begin in it
    for listener in _listener:
        listener(parsed)


def job_ends(number: int, error: BaseException | None) -> None:
    """The function of a job of a sweep has returned, or raised this."""
    _job.clear()
    for listener in _ends_listener:
        listener(number, error)


def is_own_line(words: Sequence[str] | None) -> bool:
    """Whether these are the process's command line, its end, or what a parse left of it."""
    if words is None:
        return True
    words = list(words)
    if words in (sys.argv, sys.argv[1:]) or words in _left_over:
        return True
    return bool(words) and len(words) < len(sys.argv) and sys.argv[-len(words) :] == words


def left_over(words: Iterable[str]) -> None:
    """A parse of the command line did not take these; another may."""
    _left_over.append(list(words))
    del _left_over[:-16]


def _who_asked() -> tuple[str, str]:
    """`script`, `main` or `library`, and the line of the script's own code."""
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    is_main = False
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return "library", ""  # a library that is being imported
        if is_scripts(file, frame.f_globals):
            return "script", f"{file}:{frame.f_lineno}"
        is_main = is_main or (
            frame.f_globals.get("__name__") == "__main__" and frame.f_code.co_name == "<module>"
        )
        frame = frame.f_back
    return ("main" if is_main and not _is_launcher() else "library"), ""


def _is_launcher() -> bool:
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None) or os.path.basename(
        getattr(main, "__file__", None) or ""
    )
    return str(name).removesuffix(".__main__") in _LAUNCHERS


@functools.lru_cache(maxsize=1024)
def is_installed(file: str) -> bool:
    """Whether a file is of a library, the interpreter or a program, and not the script's own."""
    path = os.path.abspath(file)
    return (
        path.startswith((_STDLIB, _OURS))
        or any(part in path for part in _INSTALLED)
        or os.path.dirname(path) == os.path.dirname(os.path.abspath(sys.executable))
    )


def is_scripts(file: str, names: dict[str, Any]) -> bool:
    """Whether code of this file, with these globals, is the script's own."""
    if file.startswith("<"):  # `python -c`, a notebook's cell; also what dataclasses generate
        return names.get("__name__") == "__main__"
    return not is_installed(file)


# Wrapping ---------------------------------------------------------------------------------------


def safely(source: str, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What it returns; None where it raised, which is said once and never reaches the script."""
    try:
        return function(*given, **named)
    except Exception as error:
        importing.trouble(f"config of {source}", error)
        return None


def current() -> Parse | None:
    """The outermost parse of this thread, or None."""
    return _under_way.parse


def during(owner: Any, name: str, source: str, then: Callable[..., None]) -> None:
    """Make a method the scope of a parse.

    `then(parse, result, *arguments)` is called when the outermost one has returned.
    """
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*given: Any, **named: Any) -> Any:
        inner = _under_way.parse is not None
        parse = _under_way.parse = _under_way.parse or Parse(given[0])
        parse.owners.append(given[0])
        try:
            result = original(*given, **named)
        except BaseException as error:
            importing.step_aside(error)
            raise
        finally:
            if not inner:
                _under_way.parse = None
        if not inner:
            safely(source, then, parse, result, *given, **named)
        return result

    setattr(owner, name, wrapped)


def end() -> None:
    """What follows is no part of the parse under way: the script's own function runs in it."""
    _under_way.parse = None


def after(owner: Any, name: str, source: str, then: Callable[..., None]) -> None:
    """Call `then(result, *arguments)` each time that a function has returned.

    Where a version of the library does not have it, its values are without sources, which is said.
    """
    original = getattr(owner, name, None)
    if original is None:
        _blind.add(source)
        error = SamebitError(f"this version has no {name}: where values came from is not known")
        importing.trouble(f"config of {source}", error)
        return

    @functools.wraps(original)
    def wrapped(*given: Any, **named: Any) -> Any:
        try:
            result = original(*given, **named)
        except BaseException as error:
            importing.step_aside(error)
            raise
        safely(source, then, result, *given, **named)
        return result

    is_static = isinstance(vars(owner).get(name), staticmethod)
    setattr(owner, name, staticmethod(wrapped) if is_static else wrapped)
