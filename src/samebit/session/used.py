"""The data that one process says it uses: fingerprints at once, content beside the training.

An array is hashed and copied before `run.data` returns, since the script may go on with it; what
is kept is written on the thread of states. Files are read before it returns, too: several threads
read them, of which none may be there when the script forks.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samebit.data import adding, files, used, versions
from samebit.data.forms import Fingerprint
from samebit.data.stowing import Stowed
from samebit.data.used import Used
from samebit.errors import SamebitError
from samebit.session import telling
from samebit.session.keeping import Keeper
from samebit.states import storing

__all__ = ["UsedData"]

_MOST = 1_000  # things of one process
_MOST_PARTS = 256  # of a fingerprint, such as columns, that the fact has


class UsedData:
    """What one process recorded of the data that it uses.

    Args:
        keeper: on its thread they are stored.
        emit: takes the fact; a later one of the same name takes the place of the earlier.
        problem: says what could not be done, and marks the run.
        most_bytes: more than this is neither read nor kept.
        saves: whether content is kept where the script does not say; None for never.
    """

    def __init__(
        self,
        keeper: Keeper,
        emit: Callable[[dict[str, Any]], None],
        problem: Callable[[str, str], object],
        *,
        most_bytes: int,
        saves: bool | None,
    ) -> None:
        self._keeper = keeper
        self._emit = emit
        self._problem = problem
        self._most_bytes = most_bytes
        self._saves = saves
        self._names: Counter[str] = Counter()

    def give(
        self, name: str, value: Any, at: str | None, *, save: bool | None, sample: int | None
    ) -> None:
        """Take data that the script uses; what it is not, or cannot be, is said."""
        if self._names.total() >= _MOST:
            self._problem("data", f"more than {_MOST:,}: later ones are not recorded")
            return
        self._names[name] += 1
        name = name if self._names[name] == 1 else f"{name} {self._names[name]}"
        keeps = self._saves is not None and (self._saves if save is None else save)
        try:
            path = used.path_of(value)
            if path is not None:
                self._of_path(name, path.absolute(), at, keeps=keeps)
                return
            with telling.unheard():
                found = used.describe(value, sample=sample, most_bytes=self._most_bytes, keep=keeps)
        except SamebitError as error:
            self._refused(name, error)
            return
        except Exception as error:  # of the script's own data set, whose items are asked for
            self._problem(f"data {name!r}", f"{type(error).__name__}: {error}")
            return
        self._tell(name, found, at)

    def _refused(self, name: str, error: SamebitError) -> None:
        hint = f" ({error.hint})" if error.hint else ""
        self._problem(f"data {name!r}", f"{error.what}{hint}")

    def _tell(self, name: str, found: Used, at: str | None) -> None:
        stowed, fact = found.stowed, _fact(name, found, at)
        if stowed is not None and not self._keeper.fits_asked(stowed.size_bytes):
            fact["notes"].append("not kept: the disk has not twice as much free")
            stowed = None
        for note in fact["notes"]:
            if note.startswith("not kept"):
                self._problem(f"data {name!r}", note)
        self._emit(fact)
        if stowed is not None:
            self._keeper.later(lambda: self._keep(name, fact, stowed))

    def _of_path(self, name: str, path: Path, at: str | None, *, keeps: bool) -> None:
        survey = files.survey(path)
        more: dict[str, Any] = {"path": str(path)}
        if keeps:
            record = adding.add(self._keeper.store, survey, path.name).record
            more |= {"fingerprint": record.fingerprint, "version": versions.short_name(record)}
            found = Fingerprint("", None, {"size_bytes": survey.size_bytes})
        elif survey.size_bytes > self._most_bytes:
            found = used.too_large(self._most_bytes)
        else:
            found = files.of_survey(survey)
        what = "folder" if survey.is_folder else "file"
        self._emit({**_fact(name, Used(what, None, found), at), **more})

    # On the thread of states.

    def _keep(self, name: str, fact: dict[str, Any], stowed: Stowed) -> None:
        try:
            manifest = storing.save(self._keeper.store, stowed.state)
        except Exception as error:
            self._keeper.tell(f"the data {name!r}", error)
            return
        if not self._keeper.is_over:
            self._emit({**fact, "kept": manifest, "size_bytes": stowed.size_bytes})


def _fact(name: str, found: Used, at: str | None) -> dict[str, Any]:
    said = found.fingerprint
    few = len(said.parts) <= _MOST_PARTS and found.what != "folder"
    return {
        "name": name,
        "what": found.what,
        "rows": found.rows,
        "fingerprint": said.name,
        "counts": dict(said.counts),
        "parts": dict(said.parts) if few else {},
        "notes": list(said.notes),
        "at": at,
    }
