"""Transformers of scikit-learn that a script fits: what each call of its own was handed over.

Met is every class that transforms, scikit-learn's, another library's and the script's: its methods
are replaced, also of classes that are made later. Results, draws and errors stay as they are, and
calls that a library makes (a pipeline, a search) are passed through.
"""

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from samebit.capture.callers import caller
from samebit.capture.importing import step_aside, when_imported

if TYPE_CHECKING:
    from samebit.session.fitted import Fitted

__all__ = ["FitCall", "Tell", "hook", "replace_below"]

Tell = Callable[[Callable[["Fitted"], Any]], Any]
Wrap = Callable[[str, Any], Any]

_METHODS = ("fit", "fit_transform", "partial_fit", "transform")
# Of labels, which are no features.
_OF_LABELS = frozenset({"LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer"})
# What they learn is at most how many columns there are.
_LEARN_NOTHING = frozenset(
    {
        "Binarizer",
        "FeatureHasher",
        "FunctionTransformer",
        "HashingVectorizer",
        "Normalizer",
        "PolynomialFeatures",
    }
)


class FitCall(Struct, frozen=True):
    """A call of the script's own: of which method, where, and with what."""

    method: str  # StandardScaler.fit
    at: str
    data: Any
    selects: bool  # it, or a step of it, chooses features
    learns: bool  # from what it is given; and not transforms alone
    gives: bool  # what was transformed


class _Inside(threading.local):
    """Whether this thread is in a method that is met."""

    depth = 0

    def __reduce__(self) -> str:
        """By its name: a class of the script's goes to joblib's workers with the methods it has."""
        return "_inside"


_inside = _Inside()


def hook(tell: Tell) -> None:
    """Meet them, now or when scikit-learn is imported; see `splitters.hook`."""
    wrap = functools.partial(_met, tell)
    when_imported("sklearn.base", lambda it: replace_below(it.TransformerMixin, _METHODS, wrap))
    # These have no mixin, and their methods are what is called all the same.
    when_imported("sklearn.pipeline", lambda it: _replace(it.Pipeline, _METHODS, wrap))
    when_imported("sklearn.feature_extraction.text", functools.partial(_vectorizers, wrap))


def _vectorizers(wrap: Wrap, module: Any) -> None:
    for kind in (module.CountVectorizer, module.TfidfVectorizer):
        _replace(kind, _METHODS, wrap)


def replace_below(base: Any, names: Sequence[str], wrap: Wrap) -> None:
    """Put ours in the place of methods of a class, of those below it, and of those to come.

    Args:
        base: a class of scikit-learn's that others are made of.
        names: of methods.
        wrap: makes one of a name and the method.
    """
    _replace_those_there(base, names, wrap, set())

    def __init_subclass__(cls: Any, **kwargs: Any) -> None:
        super(base, cls).__init_subclass__(**kwargs)
        _replace(cls, names, wrap)

    base.__init_subclass__ = classmethod(__init_subclass__)


def _replace_those_there(kind: type, names: Sequence[str], wrap: Wrap, seen: set[type]) -> None:
    if kind not in seen:
        seen.add(kind)
        _replace(kind, names, wrap)
        for one in kind.__subclasses__():
            _replace_those_there(one, names, wrap, seen)


def _replace(kind: Any, names: Sequence[str], wrap: Wrap) -> None:
    """Put ours in the place of the methods that a class has itself."""
    for name in names:
        held = vars(kind).get(name)
        if isinstance(held, FunctionType):
            setattr(kind, name, wrap(name, held))
        elif isinstance(getattr(held, "fn", None), FunctionType):  # scikit-learn's `available_if`
            held.fn = wrap(name, held.fn)


def _met(tell: Tell, name: str, original: Any) -> Any:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = None
        if not _inside.depth:
            call = tell(lambda fitted: fitted.begins(_call(self, name, args, kwargs)))
        _inside.depth += 1
        try:
            found = original(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        finally:
            _inside.depth -= 1
        if call is not None:
            tell(lambda fitted: fitted.ends(call, found))
        return found

    return method


def _call(of: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FitCall | None:
    """What a call is; None where it is not the script's own, or says nothing of rows."""
    kind = type(of).__name__
    if kind in _OF_LABELS or not (args or kwargs):
        return None
    steps = [type(step) for _, step, *_ in getattr(of, "steps", ())]
    is_pipeline = any(one.__name__ == "Pipeline" for one in type(of).__mro__)
    if is_pipeline and not any(hasattr(step, "transform") for step in steps):
        return None
    site = caller()
    if site.through or not site.at:
        return None
    return FitCall(
        f"{kind}.{name}",
        site.at,
        args[0] if args else next(iter(kwargs.values())),
        any(_selects(one) for one in (type(of), *steps)),
        name != "transform" and kind not in _LEARN_NOTHING,
        name in ("transform", "fit_transform"),
    )


def _selects(kind: type) -> bool:
    module = sys.modules.get("sklearn.feature_selection._base")
    return module is not None and issubclass(kind, module.SelectorMixin)
