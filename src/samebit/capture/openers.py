"""Telling of each file that a library opens in C, C++ or Rust, where no audit event does.

The functions that do it (`libraries.py`) are wrapped when their module is imported: the wrapper
tells which path is about to be opened and what for, and calls the original. A class is wrapped at
`__init__`, so that it stays the same class. Where it takes no other `__init__`, a class of the same
name stands in for it; where even that cannot be (`lmdb.Environment`, `pyarrow.OSFile`), the memory
maps and open descriptors are what shows the file (`mapped.py`).
"""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from samebit.capture.importing import step_aside, when_imported
from samebit.capture.libraries import OPENERS, READ, UPDATE, WRITE, Opener

__all__ = ["READ", "UPDATE", "WRITE", "Tell", "leave", "listen"]

Tell = Callable[[Any, str], object]  # a path as the script gave it, and what it is opened for

_listeners: list[Tell] = []
_installed: list[bool] = []


def listen(tell: Tell) -> None:
    """Have a function called before a file is opened; for the files of a dataset, after.

    It must not raise: it is called in the middle of the script.
    """
    _listeners.append(tell)
    if not _installed:
        _installed.append(True)
        for opener in OPENERS:
            when_imported(opener.module, functools.partial(_wrap, opener))


def leave(tell: Tell) -> None:
    """Have it called no more; the wrappers stay."""
    if tell in _listeners:
        _listeners.remove(tell)


def _wrap(opener: Opener, module: ModuleType) -> None:
    *inside, name = opener.name.split(".")
    owner: Any = module
    for part in inside:
        owner = getattr(owner, part, None)
    original = getattr(owner, name, None)
    if original is None:
        return  # of another version of the library
    takes_nothing = original is object.__init__  # the class does it all in `__new__`

    def noting(*args: Any, **kwargs: Any) -> Any:
        if _listeners:
            _tell(_before, opener, args, kwargs)
        try:
            result = None if takes_nothing else original(*args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if opener.after is not None and _listeners:
            _tell(opener.after, result, args, kwargs)
        return result

    functools.update_wrapper(noting, original)
    # With this name a warning that the original gives is still one of the line that called it.
    noting.__code__ = noting.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    is_bound = isinstance(getattr(original, "__self__", None), type)
    is_static = inside and isinstance(vars(owner).get(name), staticmethod)
    new: Any = staticmethod(noting) if (inside and is_bound) or is_static else noting
    try:
        setattr(owner, name, new)
    except TypeError:  # a class of Cython's
        new = _stand_in(owner, noting)
        setattr(module, owner.__name__, new)
        _put_above(module, owner.__name__, owner, new)
    else:
        if not inside:
            _put_above(module, name, original, new)


def _put_above(module: ModuleType, name: str, original: Any, new: Any) -> None:
    """The packages around a module have the same thing under the same name, mostly."""
    package = module.__name__
    while package := package.rpartition(".")[0]:
        above = sys.modules.get(package)
        if getattr(above, name, None) is original:
            setattr(above, name, new)


def _stand_in(original: type, init: Any) -> Any:
    """A class that is the original in all but its `__init__`; what is one of the one is of both."""

    class Same(type(original)):
        def __instancecheck__(cls, instance: Any) -> bool:
            is_it = cls is stand_in
            return isinstance(instance, original) if is_it else super().__instancecheck__(instance)

        def __subclasscheck__(cls, subclass: type) -> bool:
            is_it = cls is stand_in
            return issubclass(subclass, original) if is_it else super().__subclasscheck__(subclass)

    same = ("__module__", "__qualname__", "__doc__")
    names = {name: getattr(original, name) for name in same}
    stand_in = Same(original.__name__, (original,), {"__slots__": (), "__init__": init, **names})
    return stand_in


def _tell(find: Callable[..., Iterable[Any]], *given: Any) -> None:
    try:
        for item in find(*given):
            path, use = item if isinstance(item, tuple) else (item, READ)
            for tell in _listeners:
                tell(path, use)
    except Exception:
        # An object of another version of the library, or a path that fails when it is asked: the
        # original says so itself, where it matters.
        return


def _before(
    opener: Opener, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterable[tuple[Any, str]]:
    at = opener.position
    target = args[at] if len(args) > at else kwargs.get(opener.keyword)
    elsewhere = kwargs.get("filesystem")
    if elsewhere is not None and type(elsewhere).__name__ != "LocalFileSystem":
        return  # the path is one of a bucket
    for path in target if isinstance(target, (list, tuple)) else [target]:
        if not isinstance(path, (str, bytes, os.PathLike)):
            continue  # something that is open already, or is none
        if isinstance(path, str) and "://" in path:
            if not path.startswith("file://"):
                continue
            path = path.removeprefix("file://")
        use = opener.use(args, kwargs)
        if opener.inside is None:
            yield path, use
        else:
            yield from ((each, use) for each in opener.inside(os.fsdecode(path), args, kwargs))
