"""Functions of torch and scikit-learn that split data: each call of the script's own is recorded.

What they return is returned as it is, and nothing is drawn. A call that a library makes is passed
through, and so is one that is made inside of a call that is recorded.
"""

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from samebit.capture.callers import caller, is_library
from samebit.capture.importing import step_aside, when_imported

if TYPE_CHECKING:
    from samebit.session.met import Met

__all__ = [
    "SAMPLERS",
    "Call",
    "Tell",
    "begin",
    "hook",
    "inside",
    "loader_begins",
    "replace_by_name",
]

# Of torch, by name: a script may never have imported torch's distributed half.
SAMPLERS = frozenset({"SubsetRandomSampler", "WeightedRandomSampler", "DistributedSampler"})

Tell = Callable[[Callable[["Met"], Any]], Any]


class Call(Struct, frozen=True):
    """A call of the script's own that splits data, before it is made."""

    method: str  # the public name of what is called
    at: str
    arguments: Mapping[str, Any]
    generator: Mapping[str, Any] | None = None
    seed: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


class _Inside(threading.local):
    """Whether this thread is in a call that is met, and what splitters gave in it."""

    depth = 0
    pairs: "list[Any] | None" = None

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


inside = _Inside()


class _Collecting:
    """Inside of a call that is met: the list of what splitters give in it; None where it is not."""

    def __init__(self, call: Call | None) -> None:
        self._pairs: list[Any] | None = None if call is None else []

    def __enter__(self) -> Any:
        self._before, inside.pairs = inside.pairs, self._pairs
        inside.__enter__()
        return self._pairs

    def __exit__(self, *_: object) -> None:
        inside.__exit__()
        inside.pairs = self._before


def begin(
    tell: Tell, method: str, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Call | None:
    """What a call is, as `describe` has it; None where it is not the script's own, or refused.

    A call whose arguments do not fit is the library's to refuse.
    """
    if inside.depth:
        return None

    def work(met: "Met") -> Call | None:
        site = caller()
        if site.through or not site.at:
            return None
        try:
            bound = inspect.signature(function).bind(*args, **kwargs)
        except TypeError:
            return None
        bound.apply_defaults()
        return met.describe(Call(method, site.at, bound.arguments))

    return tell(work)


def hook(tell: Tell) -> None:
    """Meet them, now or when a library is imported.

    Args:
        tell: is called with what is to be done with what the run knows of splits (`Met`); it never
            raises, and gives None where nobody listens.
    """
    when_imported("torch.utils.data.dataset", functools.partial(_torch, tell))
    when_imported("sklearn.model_selection._split", functools.partial(_sklearn, tell))
    when_imported("datasets.arrow_dataset", functools.partial(_datasets, tell))


def loader_begins(tell: Tell, loader: Any) -> None:
    """A data loader is about to begin an epoch: its sampler may say which rows it takes."""
    found = sampler_of(loader)
    if found is not None:
        tell(lambda met: met.of_sampler(loader, found))


def sampler_of(loader: Any) -> Any:
    """The sampler of a loader where it takes some rows and not others; else None."""
    held = getattr(loader, "__dict__", {})
    inner = getattr(held.get("batch_sampler"), "__dict__", {}).get("sampler")
    for sampler in (inner, held.get("sampler")):
        if any(kind.__name__ in SAMPLERS for kind in type(sampler).__mro__):
            return sampler
    return None


def _torch(tell: Tell, module: Any) -> None:
    original = module.random_split
    made = module.Subset.__init__

    @functools.wraps(original)
    def random_split(*args: Any, **kwargs: Any) -> Any:
        call = begin(tell, "torch.utils.data.random_split", original, *args, **kwargs)
        try:
            with inside:
                found = original(*args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if call is not None:
            tell(lambda met: met.of_subsets(call, found))
        return found

    @functools.wraps(made)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            made(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if type(self) is module.Subset:
            call = begin(tell, "torch.utils.data.Subset", made, self, *args, **kwargs)
            if call is not None:
                tell(lambda met: met.of_subset(call, self))

    replace_by_name(original, random_split)
    module.Subset.__init__ = __init__


def _sklearn(tell: Tell, module: Any) -> None:
    original = module.train_test_split

    @functools.wraps(original)
    def train_test_split(*arrays: Any, **options: Any) -> Any:
        call = begin(tell, "sklearn.model_selection.train_test_split", original, *arrays, **options)
        try:
            with _Collecting(call) as pairs:
                found = original(*arrays, **options)
        except BaseException as error:
            step_aside(error)
            raise
        if call is not None:
            tell(lambda met: met.of_arrays(call, found, pairs))
        return found

    replace_by_name(original, train_test_split)
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and kind.__module__ == module.__name__ and "split" in vars(kind):
            kind.split = _splitter(tell, kind.split)  # pyright: ignore[reportAttributeAccessIssue]


def _splitter(tell: Tell, original: Any) -> Any:
    """The `split` of a class of splitters, telling of each fold as it is given."""

    @functools.wraps(original)
    def split(self: Any, *args: Any, **kwargs: Any) -> Any:
        method = f"sklearn.model_selection.{type(self).__name__}"
        call = begin(tell, method, original, self, *args, **kwargs)
        collected = inside.pairs
        try:
            with inside:
                pairs = original(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if collected is not None and inside.depth == 1:
            return _collecting(pairs, collected)
        return pairs if call is None else _folds(tell, call, pairs)

    return split


def _collecting(pairs: Iterator[Any], collected: list[Any]) -> Iterator[Any]:
    """The same pairs, which whoever asked for a split wants to know of."""
    while True:
        try:
            with inside:
                pair = next(pairs)
        except StopIteration:
            return
        collected.append(pair)
        yield pair


def _folds(tell: Tell, call: Call, pairs: Iterator[Any]) -> Iterator[Any]:
    """The same pairs, each told as it is given; nothing is asked for before the script does."""
    told = tell(lambda met: met.folds(call))
    fold = 0
    while True:
        try:
            with inside:
                pair = next(pairs)
        except StopIteration:
            if told is not None:
                tell(lambda _, at=fold: told(at, None))
            return
        except BaseException as error:
            step_aside(error)
            raise
        if told is not None:
            at, given = fold, pair
            tell(lambda _, at=at, given=given: told(at, given))
        fold += 1
        yield pair


def _datasets(tell: Tell, module: Any) -> None:
    kind = module.Dataset
    original, chosen = kind.train_test_split, kind.select

    @functools.wraps(original)
    def train_test_split(self: Any, *args: Any, **kwargs: Any) -> Any:
        method = "datasets.Dataset.train_test_split"
        call = begin(tell, method, original, self, *args, **kwargs)
        try:
            with _Collecting(call) as rows:
                found = original(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if call is not None:
            tell(lambda met: met.of_datasets(call, found, rows))
        return found

    @functools.wraps(chosen)
    def select(self: Any, *args: Any, **kwargs: Any) -> Any:
        if inside.pairs is not None and inside.depth == 1:
            inside.pairs.append(kwargs.get("indices", args[0] if args else None))
        try:
            return chosen(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise

    kind.train_test_split, kind.select = train_test_split, select


def replace_by_name(original: Any, wrapped: Any) -> None:
    """Put a function in the place of another, also where it was imported by name.

    In the script's own modules by any other name, too: `from xgboost import train as fit`.
    """
    name = original.__name__
    for holder in list(sys.modules.values()):
        if not isinstance(holder, ModuleType):
            continue
        inside = vars(holder)
        if inside.get(name) is original:
            setattr(holder, name, wrapped)
        if _is_of_script(inside):
            for other in [other for other, value in inside.items() if value is original]:
                setattr(holder, other, wrapped)


def _is_of_script(inside: Mapping[str, Any]) -> bool:
    file = inside.get("__file__")
    if isinstance(file, str):
        return not is_library(file)
    return inside.get("__name__") == "__main__"  # of a notebook
