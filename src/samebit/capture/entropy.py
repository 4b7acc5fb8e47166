"""Seeds that libraries draw from the operating system because nobody gave one.

Each is noted when a generator is made from it: its value, and the line that asked. On a replay the
noted values are given back, place by place in order. Only what a generator is made from is noted:
of `os.urandom`, `secrets` and `uuid` no byte is kept or replaced, only who asked for it.

No class is replaced. NumPy's constructors are met in the one function from which all of them draw,
`random.Random` in its `seed`, torch in `torch.seed` (docs/design/007-unseeded-runs.md).
"""

import functools
import mmap
import operator
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any

from samebit.capture.callers import Site, caller, line_of, module_of
from samebit.capture.importing import step_aside, when_imported

__all__ = ["Entropy", "prepare"]

# Generators of one process; later ones are counted only. One of Python's takes 3 kB.
_MAX_NOTED = {"numpy": 20_000, "python": 1_000, "torch": 1_000}
_MAX_PLACES = 500  # from which the system's bytes were asked for
_NUMPY = re.compile(
    r"\b(default_rng|RandomState|SeedSequence|PCG64DXSM|PCG64|MT19937|Philox|SFC64|seed)\s*\("
)
# What asks for bytes of the system for names, keys and locks, as a matter of course.
_NAMES_ONLY = frozenset(
    ("tempfile", "multiprocessing", "joblib", "loky", "ssl", "email", "asyncio", "http", "urllib3")
)
_SYSTEM = ("random", "secrets", "uuid")
_COPYING = ("copy", "copyreg", "pickle")  # what makes a generator to give it another's state
_OURS = __name__.partition(".")[0]
_SLOTS, _SLOT_BYTES = 32, 256  # of what forked children tell


class Entropy:
    """What this process draws from the system to seed with, from `listen` to `finish`.

    Args:
        unseeded: takes a fact about a generator that was made from a seed nobody gave.
        asked: takes a fact about a place that asked for the system's bytes themselves.
        trouble: told once when something of ours failed; the script never notices.
        given: a recorded run's facts about unseeded generators, to be given back in their order.
    """

    def __init__(
        self,
        unseeded: Callable[[dict[str, Any]], None],
        asked: Callable[[dict[str, Any]], None],
        trouble: Callable[[str, Exception], None],
        given: Iterable[Mapping[str, Any]] | None = None,
    ) -> None:
        self._unseeded = unseeded
        self._asked = asked
        self._trouble = trouble
        self._given: dict[tuple[str, str], deque[Any]] = {}
        for fact in given or ():
            key = (fact["kind"], fact["place"])
            self._given.setdefault(key, deque()).append(fact["seed"])
        self._replays = given is not None
        self._pending: dict[int, tuple[Site, dict[str, Any]]] = {}  # by thread
        self._noted: dict[str, int] = dict.fromkeys(_MAX_NOTED, 0)
        self._known: set[tuple[CodeType, int]] = set()  # what asked for the system's bytes
        self._pid = os.getpid()
        self._told_by_children = mmap.mmap(-1, _SLOTS * _SLOT_BYTES)

    def listen(self) -> None:
        """Note from now on, in place of whoever did."""
        global _current
        _current = self

    def finish(self) -> None:
        """Note what is still to be noted, and listen no more."""
        global _current
        self.flush()
        if _current is self:
            _current = None
        for at in range(0, len(self._told_by_children), _SLOT_BYTES):
            told = self._told_by_children[at : at + _SLOT_BYTES].rstrip(b"\0")
            if told:
                what, _, place = told.decode("utf-8", "replace").partition("\n")
                self._unseeded({"kind": "child", "what": what, "at": place, "seed": None})
        for kind, most in _MAX_NOTED.items():
            if self._noted[kind] > most:
                more = self._noted[kind] - most
                self._unseeded({"kind": kind, "what": "", "count": more, "seed": None})

    def drawn(self, kind: str, seed: Any, what: str | None = None) -> Any:
        """A generator is being made from this seed of the system; the one to make it from."""
        try:
            return self._drawn(kind, seed, what)
        except Exception as error:
            self._trouble("capture.randomness", error)
            return seed

    def _drawn(self, kind: str, seed: Any, what: str | None) -> Any:
        site = caller()
        if site.asks == "numpy.random._pickle" or site.asks.partition(".")[0] in _NAMES_ONLY:
            return seed  # a copy gets its state next; a name of a file is no number of a training
        if os.getpid() != self._pid:
            self._tell_parent(site, what)
            return seed
        self.flush(threading.get_ident())
        waiting = self._given.get((kind, site.place))
        given = waiting.popleft() if waiting else None
        seed = seed if given is None else given
        self._noted[kind] += 1
        if self._noted[kind] > _MAX_NOTED[kind]:
            return seed
        what = what or _numpys(site)
        fact: dict[str, Any] = {
            **{"kind": kind, "what": what, "seed": seed, "at": site.at},
            **{"through": site.through, "importing": site.importing, "place": site.place},
        }
        if self._replays:
            fact["given"] = given is not None
        if kind == "numpy" and (not what or "RandomState" in what):
            # `RandomState(5)` draws a seed, too, and then takes 5: see `reseeded`.
            self._pending[threading.get_ident()] = (site, fact)
        else:
            self._unseeded(fact)
        return seed

    def reseeded(self) -> None:
        """NumPy is being given a seed: of the generator made just before, this was the end."""
        site, fact = self._pending.get(threading.get_ident(), (None, None))
        if site is None or fact is None:
            return
        now = caller()
        if (now.code, now.lasti) != (site.code, site.lasti):
            return
        del self._pending[threading.get_ident()]
        self._noted[fact["kind"]] -= 1
        if fact.get("given"):
            self._given[fact["kind"], fact["place"]].appendleft(fact["seed"])

    def flush(self, thread: int | None = None) -> None:
        """Note what waited to be known for unseeded, of one thread or of all."""
        for ident in list(self._pending) if thread is None else [thread]:
            found = self._pending.pop(ident, None)
            if found is not None and os.getpid() == self._pid:
                self._unseeded(found[1])

    def bytes_asked(self, asks: FrameType | None) -> None:
        """Somebody asks for the system's bytes: the frame that called our function."""
        if os.getpid() != self._pid:
            return
        while asks is not None and asks.f_globals.get("__name__") in _SYSTEM:
            asks = asks.f_back
        if asks is None or (asks.f_code, asks.f_lasti) in self._known:
            return
        if len(self._known) >= _MAX_PLACES:
            return
        self._known.add((asks.f_code, asks.f_lasti))
        what, site = _what_of_the_system(), caller()
        if what is None or site.importing:
            return
        self._asked({"what": what, "at": site.at, "through": site.through})

    def _tell_parent(self, site: Site, what: str | None) -> None:
        """Leave a word where the parent finds it: a child has no record of its own."""
        text = f"{what or _numpys(site) or 'a generator'}\n{site.at}".encode()[:_SLOT_BYTES]
        at = hash(site.at) % _SLOTS * _SLOT_BYTES
        self._told_by_children[at : at + len(text)] = text


_current: Entropy | None = None
_installed: list[bool] = []
_of_numpy = threading.local()  # `inside`: NumPy itself is asking for the system's bytes


def prepare() -> None:
    """Put our functions in place, now or when a library is imported; they change nothing yet."""
    if _installed:
        return
    _installed.append(True)
    _wrap(os, "urandom", _urandom)
    when_imported("random", _python)
    when_imported("numpy.random", _numpy)
    when_imported("torch", _torch)


def _numpys(site: Site) -> str:
    """Which of NumPy's constructors a line calls, as far as the line says."""
    names = dict.fromkeys(_NUMPY.findall(line_of(site)))
    return ", ".join("np.random.seed()" if n == "seed" else f"{n}()" for n in names)


def _what_of_the_system() -> str | None:
    """The function of the standard library that was called; None where it is for names and keys."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    found = "os.urandom()"
    while frame is not None:
        full = module_of(frame)
        module = full.partition(".")[0]
        if module in _NAMES_ONLY or (module == _OURS and full != __name__):
            return None
        if module in _SYSTEM:
            name = frame.f_code.co_name
            found = f"SystemRandom().{name}()" if module == "random" else f"{module}.{name}()"
        elif module != _OURS:
            return found
        frame = frame.f_back
    return found


def _wrap(module: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put a wrap in a function's place, and where its own module has it."""
    original = getattr(module, name, None)
    if original is None or hasattr(original, "_samebit_entropy"):
        return
    wrapped: Any = functools.wraps(original)(make(original))
    wrapped._samebit_entropy = original
    setattr(module, name, wrapped)
    home = sys.modules.get(getattr(original, "__module__", None) or "")
    if home is not None and getattr(home, name, None) is original:
        setattr(home, name, wrapped)


def _urandom(original: Any) -> Any:
    def urandom(*args: Any, **kwargs: Any) -> Any:
        if _current is not None and not getattr(_of_numpy, "inside", False):
            try:
                _current.bytes_asked(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
            except Exception:
                pass  # who asked is not known then; the bytes come all the same
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise

    return urandom


def _python(random: Any) -> None:
    _wrap(random, "_urandom", _urandom)

    def make(original: Any) -> Any:
        def seed(self: Any, a: Any = None, *args: Any, **kwargs: Any) -> None:
            try:
                original(self, a, *args, **kwargs)
            except BaseException as error:
                step_aside(error)
                raise
            if a is None and _current is not None:
                _python_drawn(random, self)

        return seed

    _wrap(random.Random, "seed", make)
    instance: Any = getattr(random, "_inst", None)
    # The module's function is the method as it was before, bound to the global generator.
    if instance is not None and getattr(random.seed, "__self__", None) is instance:
        random.seed = instance.seed


def _python_drawn(random: Any, generator: Any) -> None:
    if _current is None or _is_copying():
        return
    what = "random.seed()" if generator is getattr(random, "_inst", None) else "random.Random()"
    try:
        # By the base class: one of the script's may answer otherwise, or not at all.
        version, words, gauss = random.Random.getstate(generator)
        drawn = [version, list(words)]
        given = _current.drawn("python", drawn, what)
        if given is not drawn:
            random.Random.setstate(generator, (given[0], tuple(given[1]), gauss))
    except Exception:
        return  # what has no state is made as it was


def _is_copying() -> bool:
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    for _ in range(4):
        if frame is None:
            return False
        if module_of(frame) in _COPYING:
            return True
        frame = frame.f_back
    return False


def _numpy(numpy_random: Any) -> None:
    bits: Any = sys.modules.get("numpy.random.bit_generator")
    legacy: Any = sys.modules.get("numpy.random._mt19937")
    original = getattr(bits, "randbits", None)
    if bits is None or original is None or hasattr(original, "_samebit_entropy"):
        return

    def randbits(k: int) -> int:
        _of_numpy.inside = True
        try:
            drawn = original(k)
        finally:
            _of_numpy.inside = False
        return drawn if _current is None else _current.drawn("numpy", drawn)

    randbits._samebit_entropy = original  # type: ignore[attr-defined]
    bits.randbits = randbits
    if legacy is not None and getattr(legacy, "operator", None) is operator:
        legacy.operator = _Operator()


class _Operator:
    """The module `operator` as NumPy's legacy generator sees it: each seed goes by here."""

    def __getattr__(self, name: str) -> Any:
        return getattr(operator, name)

    def index(self, value: Any) -> int:
        """What `operator.index` gives."""
        if _current is not None:
            _current.reseeded()
        return operator.index(value)


def _torch(torch: Any) -> None:
    def make(original: Any) -> Any:
        def seed() -> int:
            drawn = original()
            if _current is None:
                return drawn
            given = _current.drawn("torch", drawn, "torch.seed()")
            if given != drawn:
                function = torch.manual_seed  # ours that reports it is not to report this
                getattr(function, "_samebit_original", function)(given)
            return given

        return seed

    _wrap(torch, "seed", make)
