"""The splits of one process on their way into the store: their names, bounds and facts.

The script's thread only hands over row numbers that nobody changes any more. Lists are put together
on the thread of states, all that wait at once into one pack.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.data import parts as given_parts
from samebit.data.recorded import RecordedSplit
from samebit.data.row_ids import ASKED
from samebit.data.splitting import Built, Draft, build
from samebit.errors import UsageError
from samebit.session.fitted import Fitted
from samebit.session.keeping import Keeper
from samebit.session.met import Met

__all__ = ["Splits"]

_MOST_NUMBERS = 100_000_000  # row numbers of one process
_MOST_SPLITS = 1_000


class _Waiting(Struct, frozen=True):
    """A split that is to be kept."""

    draft: Draft
    at: str | None
    taken_from: dict[str, str] | None = None


class Splits:
    """What one process recorded of splits.

    Args:
        keeper: on its thread they are put together.
        emit: takes the fact about a split that is durable.
        problem: says what could not be kept, and marks the run.
        fitted: what is fitted on the rows of them.
    """

    def __init__(
        self,
        keeper: Keeper,
        emit: Callable[[dict[str, Any]], None],
        problem: Callable[[str, str], object],
        fitted: Fitted,
    ) -> None:
        self.fitted = fitted
        self._keeper = keeper
        self._emit = emit
        self.problem = problem
        self.met = Met(self)  # what libraries split
        self._names: Counter[str] = Counter()
        self._numbers = 0
        self._counts: dict[str, int] = {}  # by the name of a split
        self._lock = threading.Lock()  # of what waits: the thread of states takes it
        self._waiting: dict[str, _Waiting] = {}

    def give(
        self,
        parts: Any,
        name: str | None,
        at: str | None,
        *,
        of: Any,
        labels: Any,
        groups: Any,
    ) -> None:
        """Take a split that the script named, or one that a run recorded; else UsageError."""
        options = {"of": of, "labels": labels, "groups": groups, "most": ASKED}
        if isinstance(parts, RecordedSplit):
            taken_from = {"run": parts.run, "name": parts.name, "manifest": parts.digest}
            draft = given_parts.draft_of(parts.indices(of), **options)
            rows = parts.manifest.data.rows if of is None else draft.rows
            draft = replace(draft, method="recorded", rows=rows)
            self.take(self.name(name or "splits"), draft, at, taken_from)
        elif isinstance(parts, Mapping):
            draft = given_parts.draft_of(parts, **options)
            name = self.name(name or "splits")
            self.take(name, draft, at)
            first = of[0] if isinstance(of, tuple) and of else of
            self.fitted.split(name, draft.parts, self.fitted.data(first), ())
        else:
            raise UsageError(
                f"run.splits() takes parts by name, or a recorded split, not a {_kind(parts)}"
            )

    @property
    def is_full(self) -> bool:
        """Whether no more splits are kept; then it was said."""
        if len(self._counts) < _MOST_SPLITS and self._numbers <= _MOST_NUMBERS:
            return False
        most = f"{_MOST_SPLITS:,} splits or {_MOST_NUMBERS:,} row numbers"
        self.problem("splits", f"more than {most}: later ones are not kept")
        return True

    def name(self, base: str) -> str:
        """A name that no other split of this process has."""
        if any(not letter.isprintable() or letter == ":" for letter in base):
            raise UsageError(f"a split's name is a text without colons, not {base!r}")
        self._names[base] += 1
        return base if self._names[base] == 1 else f"{base} {self._names[base]}"

    def take(
        self, name: str, draft: Draft, at: str | None, taken_from: dict[str, str] | None = None
    ) -> None:
        """Keep a split later; one of the same name takes the place of that before."""
        if name not in self._counts and self.is_full:
            return
        count = sum(map(len, draft.parts.values()))
        self._numbers += count - self._counts.get(name, 0)
        self._counts[name] = count
        with self._lock:
            self._waiting[name] = _Waiting(draft, at, taken_from)
        self._keeper.later(self._keep)

    def _keep(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        built: dict[str, tuple[_Waiting, Built]] = {}
        for name, one in waiting.items():
            try:
                built[name] = one, build(one.draft)
            except Exception as error:
                self._keeper.tell(f"the split {name!r}", error)
        try:
            self._keeper.store.put_all([data for _, one in built.values() for data in one.objects])
        except Exception as error:
            self._keeper.tell("splits", error)
            return
        if self._keeper.is_over:
            return
        for name, (one, found) in built.items():
            self._emit(_fact(name, one, found))


def _kind(value: Any) -> str:
    return type(value).__name__


def _fact(name: str, one: _Waiting, found: Built) -> dict[str, Any]:
    manifest = found.manifest
    fact: dict[str, Any] = {
        "name": name,
        "manifest": found.name,
        "method": manifest.method,
        "rows": manifest.data.rows,
        "parts": [[part.name, part.rows, part.order] for part in manifest.parts],
        "at": one.at,
    }
    return fact if one.taken_from is None else {**fact, "from": one.taken_from}
