"""Where each data loader stands, and how an interrupted epoch is gone on with.

Noted at the beginning of every epoch: the generators as they are when the iterator is made, and
when it is first asked for a batch, which is when a loader without workers draws its order. An epoch
goes on, in another process, from an iterator that is made and first asked with these; as many
batches as it had given are fetched and thrown away, and then the generators are as they were at the
checkpoint. No other order is right with workers and without, with and without augmentation.
"""

import os
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

from samebit.capture import generators
from samebit.states import torch as torch_states

__all__ = ["Positions"]


class _Moment(Struct, frozen=True):
    """The generators at one time: the global ones, and those that a loader holds."""

    everywhere: Mapping[str, Any]
    own: Mapping[str, Any]
    is_state: bool = False  # of the process before; else as they were read


_NEVER = _Moment({}, {})


class _Loader(Struct):
    """A data loader that began an epoch, here or in the process before."""

    described: list[Any]  # what it is, by which it is found again
    is_of: "weakref.ref[Any] | None" = None
    passes: int = 0  # that were begun
    workers: bool = False  # that stay are there; or were, in the process before
    reused: bool = False  # the pass that goes on was made with them
    iterator: "weakref.ref[Any] | None" = None  # of the pass that goes on
    made: _Moment = _NEVER
    asked: _Moment = _NEVER
    # What is to be put in place in this process: an interrupted epoch, workers that were there
    # when it or the next one was made, and its own generators.
    to_skip: int | None = None
    again: bool = False
    own: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def given(self) -> int | None:
        """How many batches the pass that goes on has given; None where none goes on."""
        if self.to_skip is not None:
            return self.to_skip
        iterator = self.iterator() if self.iterator is not None else None
        return getattr(iterator, "_num_yielded", None) if iterator is not None else None


class Positions:
    """The loaders of one process, in order of their first epoch.

    Args:
        problem: says what cannot be gone on with exactly, and marks the run.
    """

    def __init__(self, problem: Callable[[str, str], object]) -> None:
        self._problem = problem
        self._loaders: list[_Loader] = []
        self._by_iterator: dict[int, _Loader] = {}
        self._latest = 0  # the id of the iterator that gave a batch last
        self._trained: _Loader | None = None  # the one whose batch was trained on last
        self._now: Mapping[str, Any] | None = None  # the generators at the checkpoint
        self._pid = os.getpid()

    # What the hooks tell.

    def begins(self, loader: Any) -> int | None:
        """A loader is about to begin an epoch.

        Returns:
            how many batches of it were given before; None where it begins as any other.
        """
        known = self._known(loader)
        if known.to_skip is not None and not _is_plain(loader):
            self._say_wraps(loader)
            known.to_skip = None
            known.again = False
        if known.to_skip is not None:
            _put_back(loader, known.made)
            known.made = _moment(loader)
            return known.to_skip
        known.passes += 1
        known.reused = known.workers
        known.made, known.asked = _moment(loader), _NEVER
        return 0 if known.again else None

    def is_made(self, loader: Any) -> bool:
        """The iterator was made; whether it is to be made once more.

        Workers that stay are seeded when they are made, which draws a number. The second time, they
        are there, as they were in the process before, and none is drawn.
        """
        known = self._known(loader)
        again, known.again = known.again, False
        if again:
            _put_back(
                loader,
                _Moment(torch_states.generator_states(known.made.everywhere), known.made.own),
            )
        return again

    def is_asked(self, loader: Any) -> None:
        """The iterator was made, and is about to be asked for its first batch of those to skip."""
        known = self._known(loader)
        if known.asked is not _NEVER:
            _put_back(loader, known.asked)
            known.asked = _moment(loader)

    def begun(self, loader: Any, iterator: Any) -> None:
        """The iterator is there, and has given again what was given before."""
        known = self._known(loader)
        known.workers = known.workers or _keeps_workers(loader)
        known.iterator = weakref.ref(iterator)
        self._by_iterator = {
            key: one for key, one in self._by_iterator.items() if one.given is not None
        }
        self._by_iterator[id(iterator)] = known
        if known.to_skip is not None:
            found = getattr(iterator, "_num_yielded", known.to_skip)
            if found < known.to_skip:
                what = f"{known.described} has only {found} batches where it had given"
                self._problem("a shorter loader", f"{what} {known.to_skip}: its data have changed")
            known.to_skip = None
            if self._now is not None:
                torch_states.restore_generators(self._now)
            self._give_own(known, loader)

    def first_batch(self, iterator: Any) -> None:
        """An iterator is asked for its first batch."""
        known = self._by_iterator.get(id(iterator))
        loader = known.is_of() if known is not None and known.is_of is not None else None
        # With workers the order was drawn when the iterator was made.
        if known is not None and loader is not None and not getattr(loader, "num_workers", 0):
            known.asked = _moment(loader)

    def gave(self, iterator: Any) -> None:
        """An iterator gave a batch."""
        self._latest = id(iterator)

    def ended(self, iterator: Any) -> None:
        """An iterator has no more."""
        known = self._by_iterator.pop(id(iterator), None)
        if known is not None:
            known.iterator = None

    def stepped(self) -> None:
        """An optimizer has stepped: what was given last was trained on."""
        self._trained = self._by_iterator.get(self._latest, self._trained)

    # A checkpoint.

    @property
    def place(self) -> tuple[int, int]:
        """Of the loader that is trained on: epochs that were finished, batches of the next."""
        return _place(self._trained)

    def state(self) -> list[dict[str, Any]]:
        """Every loader that still lives, or that is to come back."""
        found: list[dict[str, Any]] = []
        for known in self._loaders:
            loader = known.is_of() if known.is_of is not None else None
            if loader is None and known.is_of is not None and known is not self._trained:
                continue
            own = _own_states(loader) if loader is not None else dict(known.own)
            given = known.given
            one = {
                "described": known.described,
                "passes": known.passes,
                "given": given,
                "trained": known is self._trained,
                "workers": known.workers and loader is not None,
                "reused": known.reused,
                "own": own,
            }
            if given is not None:
                one["made"] = _as_state(known.made)
                one["asked"] = _as_state(known.asked) if known.asked is not _NEVER else None
            found.append(one)
        return found

    def go_on(self, saved: list[dict[str, Any]], now: Mapping[str, Any]) -> None:
        """Stand where a checkpoint stood; loaders take their places as they begin."""
        self._now = now
        self._loaders = [
            _Loader(
                one["described"],
                passes=one["passes"],
                workers=one["workers"],
                reused=one["reused"],
                again=one["workers"] if one["given"] is None else one["reused"],
                made=_from_state(one.get("made")),
                asked=_from_state(one.get("asked")),
                to_skip=one["given"],
                own=one["own"],
            )
            for one in saved
        ]
        for known, one in zip(self._loaders, saved, strict=True):
            if one["trained"]:
                self._trained = known
            if known.again and _draws_in_workers(one["described"]):
                self._problem(
                    "persistent workers",
                    "their own generators are not what they were: samples that they make random "
                    "differ, unless the data set is a samebit.per_sample one",
                )

    def take(self, loader: Any) -> None:
        """A loader that the user named gets its own generators at once."""
        self._known(loader)

    def _known(self, loader: Any) -> _Loader:
        for known in self._loaders:
            if known.is_of is not None and known.is_of() is loader:
                return known
        described = _described(loader)
        # One that is gone, or was of the process before: a loader that is made anew for each epoch
        # goes on counting.
        for known in self._loaders:
            if known.described == described and (known.is_of is None or known.is_of() is None):
                is_back = known.is_of is None
                known.is_of = weakref.ref(loader)
                known.iterator = None
                if is_back:
                    self._give_own(known, loader)
                else:
                    known.workers = False
                return known
        if any(known.to_skip is not None for known in self._loaders):
            self._problem(
                "another loader",
                f"{described} is not the one of the checkpoint: its epoch begins anew",
            )
        known = _Loader(described, weakref.ref(loader))
        self._loaders.append(known)
        return known

    def _give_own(self, known: _Loader, loader: Any) -> None:
        _put_back(loader, _Moment({}, known.own))

    def _say_wraps(self, loader: Any) -> None:
        self._problem(
            "the loader",
            f"{type(loader).__name__} fetches in its own way, and its epoch begins anew",
        )


def _place(known: _Loader | None) -> tuple[int, int]:
    if known is None:
        return 0, 0
    given = known.given
    return (known.passes, 0) if given is None else (known.passes - 1, given)


def _described(loader: Any) -> list[Any]:
    """What tells one loader from another in any process."""
    dataset, sampler = getattr(loader, "dataset", None), getattr(loader, "sampler", None)
    try:
        length = len(dataset)  # type: ignore[arg-type]
    except Exception:
        length = None  # an iterable one
    return [
        type(loader).__name__,
        type(dataset).__name__,
        length,
        type(sampler).__name__,
        getattr(loader, "batch_size", None),
        getattr(loader, "num_workers", 0),
        _keeps_workers(loader) and not _seeds_samples(dataset),
    ]


def _keeps_workers(loader: Any) -> bool:
    """Whether the workers stay from one epoch to the next."""
    return bool(getattr(loader, "persistent_workers", False) and loader.num_workers)


def _draws_in_workers(described: list[Any]) -> bool:
    """Whether workers stay, and what they draw is not seeded sample by sample."""
    return bool(described[-1])


def _seeds_samples(dataset: Any) -> bool:
    return bool(getattr(dataset, "_samebit_seeds_samples", False))


def _is_plain(loader: Any) -> bool:
    """Whether a loader gives what its iterator gives: Accelerate's fetches one batch ahead."""
    data = sys.modules["torch.utils.data"]
    return type(loader).__iter__ is data.DataLoader.__iter__


def _own_states(loader: Any) -> dict[str, Any]:
    return {
        role: generators.generator_state(found) for role, found in generators.own(loader).items()
    }


def _moment(loader: Any) -> _Moment:
    return _Moment(torch_states.read_generators(), _own_states(loader))


def _as_state(moment: _Moment) -> dict[str, Any]:
    found = moment.everywhere
    everywhere = dict(found) if moment.is_state else torch_states.generator_states(found)
    return {"everywhere": everywhere, "own": dict(moment.own)}


def _from_state(state: Mapping[str, Any] | None) -> _Moment:
    return _NEVER if state is None else _Moment(state["everywhere"], state["own"], is_state=True)


def _put_back(loader: Any, moment: _Moment) -> None:
    torch_states.restore_generators(moment.everywhere)
    for role, found in generators.own(loader).items():
        if role in moment.own:
            generators.give(found, moment.own[role])
