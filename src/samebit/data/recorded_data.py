"""Data out of the store, as the run that used it had it: the same type, the same bits."""

from typing import Any

from samebit.data.stowing import Stowed, unstow
from samebit.errors import NotFound
from samebit.folders.data_facts import DataFact
from samebit.objects.store import Store
from samebit.states.stored import StoredState

__all__ = ["RecordedData"]


class RecordedData:
    """Data that a run said it uses; `samebit.open_run(RUN).data()` opens it."""

    def __init__(self, store: Store, run: str, fact: DataFact) -> None:
        self._store = store
        self._run = run
        self._fact = fact

    @property
    def name(self) -> str:
        """Its name in the run."""
        return self._fact["name"]

    @property
    def fingerprint(self) -> str | None:
        """The name of its content; None where it had none, and `notes` say why."""
        return self._fact["fingerprint"]

    @property
    def rows(self) -> int | None:
        """How many rows or items it had, where that is known."""
        return self._fact.get("rows")

    @property
    def notes(self) -> list[str]:
        """What is to be known of it."""
        return self._fact.get("notes", [])

    @property
    def is_kept(self) -> bool:
        """Whether `value` gives it."""
        return "kept" in self._fact

    def value(self) -> Any:
        """What the run used: arrays, tensors and frames of the same type, every bit verified.

        Of a data set whose items were asked for one by one, the list of its items.

        Raises:
            NotFound: its content was not kept.
            Damaged: the bytes are not what their names say.
        """
        name = self._fact.get("kept")
        if name is None:
            raise NotFound(f"the content of data {self.name!r} was not kept", **self._why())
        state = StoredState(self._store, name)
        has_tensors = any(leaf.startswith("tensors.") for leaf in state.leaves)
        plan, arrays, blobs = (
            state.part(one, as_torch=False) for one in ("plan", "arrays", "blobs")
        )
        # Without any, torch need not be here.
        return unstow(Stowed(plan, arrays, state.part("tensors") if has_tensors else [], blobs))

    def _why(self) -> dict[str, Any]:
        why = "; ".join(note for note in self.notes if note.startswith("not kept"))
        if (version := self._fact.get("version")) is not None:
            return {"hint": f"`samebit data checkout {version} PATH` lays its files out"}
        hint = "run.data(…, save=True), or `samebit run --save-data`, keeps it"
        return {"why": why, "hint": hint} if why else {"hint": hint}

    def __repr__(self) -> str:
        return f"<data {self._run}:{self.name} {self.fingerprint or 'without a fingerprint'}>"
