"""A recorded run, for reading in Python: `open_run`."""

from pathlib import Path
from typing import Any

from samebit import places
from samebit.capture import config as config_capture
from samebit.data.recorded import RecordedSplit
from samebit.data.recorded_data import RecordedData
from samebit.data.recorded_media import RecordedMedia
from samebit.folders.find import find_run
from samebit.folders.media import find_media, media_of
from samebit.folders.read import View, read_run
from samebit.folders.splits import find_split, splits_of
from samebit.folders.stated import FINAL, Stated, find_state, manifests_by_rank
from samebit.folders.used import data_of, find_data
from samebit.objects.store import Store
from samebit.query.lacks import find_lacks
from samebit.records import Verdict
from samebit.states.stored import StoredState

__all__ = ["RecordedRun", "open_run", "open_split", "open_state", "store_at"]


def open_state(view: View, one: Stated, *, apart: bool = False) -> StoredState:
    """A state of a run: where ranks hold parts of tensors whole, unless they are to stay apart."""
    ranks, absent = manifests_by_rank(view, one.name)
    hint = "the run let go of this state (`states.checkpoints`)" if one.dropped else None
    store = Store(view.folder.store)
    return StoredState(store, one.manifest, ranks=ranks, absent=absent, apart=apart, hint=hint)


def open_split(view: View, name: str | None = None) -> RecordedSplit:
    """A split of a run; see `RecordedRun.split`."""
    fact = find_split(view, name)
    store = Store(view.folder.store)
    return RecordedSplit(store, view.id, fact["name"], fact["manifest"], fact.get("at"))


class RecordedRun:
    """What a run's folder said when it was opened."""

    def __init__(self, view: View) -> None:
        self._view = view

    @property
    def id(self) -> str:
        """The run's id."""
        return self._view.id

    @property
    def name(self) -> str | None:
        """The name given last, or None."""
        return self._view.name

    @property
    def status(self) -> str:
        """running, finished, failed, killed, or broken off."""
        return self._view.status

    @property
    def cause(self) -> str | None:
        """Why it failed or was killed: `out of memory`, an exception's name, a signal."""
        return self._view.cause

    @property
    def ranks(self) -> list[str]:
        """The ranks that recorded something; the first is the one that is shown."""
        return list(self._view.ranks)

    def rank(self, rank: int | str) -> "RecordedRun":
        """The same run as another of its ranks recorded it; NotFound where there is none such."""
        return RecordedRun(self._view.at_rank(str(rank)))

    @property
    def executions(self) -> list[int]:
        """The numbers of its executions: one, and one more for each time that it was resumed."""
        return [start.number for start in self._view.starts]

    def execution(self, number: int) -> "RecordedRun":
        """What one execution recorded, also the rows that a later one logged again."""
        return RecordedRun(self._view.at_execution(number))

    @property
    def config(self) -> Any:
        """The configuration, nested as it was given; None where there was none."""
        return self._view.facts.get("config")

    @property
    def flat_config(self) -> dict[str, Any]:
        """The configuration with dotted names."""
        return config_capture.flat(self.config) if isinstance(self.config, dict) else {}

    @property
    def config_sources(self) -> dict[str, str]:
        """Where each value came from, by dotted name.

        `default`, `command line`, `file:…`, `environment:NAME`, `prompt`, or `code`; names of which
        nothing is known are left out.
        """
        known = (self._view.facts.get("config_sources") or {}).get("values") or {}
        sources = {n: config_capture.source_of(n, known) for n in self.flat_config}
        return {name: source for name, source in sources.items() if source is not None}

    @property
    def facts(self) -> dict[str, Any]:
        """Everything learnt about it: code, packages, machine, settings…"""
        return dict(self._view.facts)

    @property
    def missing(self) -> list[str]:
        """What the record lacks, in words."""
        return list(map(str, find_lacks(self._view)))

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict on it, oldest first."""
        return self._view.verdicts

    def metrics(self) -> dict[str, dict[str, list[Any]]]:
        """Each metric as three lists of equal length: `step`, `time` (UTC seconds), `value`."""
        return {
            name: {
                "step": list(column.steps),
                "time": [ns / 1e9 for ns in column.times_ns],
                "value": list(column.values),
            }
            for name, column in self._view.metrics.items()
        }

    def schedule(self) -> list[dict[str, Any]]:
        """Each change of an optimizer's scalars: optimizer, step, group, values.

        `step` is the optimizer's first that used them, `values` has only what changed. Group -1 is
        the loss scaler's: `scale`, and for each skipped step before this one `skipped`, as
        [how many so far, its scale]. Rows are in the order of optimizers, then steps.
        """
        return [
            {"optimizer": optimizer, "step": count, "group": group, "values": values}
            for optimizer, count, group, values in self._view.schedule
        ]

    def state_dict(self, at: str = "final", part: str = "model") -> dict[str, Any]:
        """A plain `state_dict` of tensors, every byte verified.

        Args:
            at: `final`, `step 0`, or another name of a state (see `state`).
            part: the module's name in the state: `model`, or `model_2` for a second one.

        Raises:
            NotFound: the run has no such state, or only its digests were kept.
        """
        return self.state(at).state_dict(part)

    def state(self, at: str = FINAL) -> StoredState:
        """One of its states, opened: `.value()`, `.load_into(model, optimizer)`, `.identity()`.

        Where ranks hold parts of tensors (FSDP2, a DTensor), it is that of all ranks together.

        Args:
            at: `final`, `step 0`, `checkpoint 400`, or a step, as after the colon of `RUN:STATE`.

        Raises:
            NotFound: the run has no such state.
        """
        return open_state(self._view, find_state(self._view, at))

    @property
    def splits(self) -> list[str]:
        """The names of its splits, oldest first."""
        return list(splits_of(self._view))

    def split(self, name: str | None = None) -> RecordedSplit:
        """One of its splits: `.indices()`, or `.indices(data)` by the ids of rows; `.ids()`.

        Args:
            name: which; where left out the only one, or the only one named by `run.splits`.

        Raises:
            NotFound: the run has no such split.
            UsageError: it has several.
        """
        return open_split(self._view, name)

    @property
    def data_names(self) -> list[str]:
        """The names of the data that it said it uses, oldest first."""
        return list(data_of(self._view))

    def data(self, name: str | None = None) -> RecordedData:
        """Data that the run said it uses: `.fingerprint`, and where it was kept `.value()`.

        Args:
            name: which; where left out the only one.

        Raises:
            NotFound: the run has no such data.
            UsageError: it has several.
        """
        return RecordedData(
            Store(self._view.folder.store), self._view.id, find_data(self._view, name)
        )

    @property
    def media_names(self) -> list[str]:
        """The names under which it logged pictures, tables and the like, oldest first."""
        return list(media_of(self._view))

    def media(self, name: str | None = None) -> list[RecordedMedia]:
        """What it logged beside numbers, in order: `.step`, `.kind`, `.caption`, `.read()`.

        Args:
            name: only what was logged as this.

        Raises:
            NotFound: the run has none of that name.
        """
        store = Store(self._view.folder.store)
        return [RecordedMedia(store, self.id, fact) for fact in find_media(self._view, name)]

    def __repr__(self) -> str:
        return f"<recorded run {self.id}, {self.status}>"


def open_run(reference: str, *, store: str | Path | None = None) -> RecordedRun:
    """Open a recorded run for reading.

    Args:
        reference: its id, an unambiguous beginning of it, its name, or `@last`.
        store: a `.samebit` folder; found from the working directory where it is left out.

    Raises:
        RunNotFound, AmbiguousRun, StoreNotFound, Damaged.
    """
    return RecordedRun(read_run(find_run(store_at(store), reference)))


def store_at(given: str | Path | None) -> Path:
    """The store that is given, or that of the working directory."""
    if given is None:
        return places.find_store(Path.cwd())
    places.check_format(Path(given))
    return Path(given)
