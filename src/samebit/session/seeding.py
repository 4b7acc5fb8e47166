"""The randomness of one process: how its generators began, what was drawn unseeded, each epoch.

On a replay it also gives back what the record has: states at the start, seeds that were drawn from
the system, and the state of a loader's own generator that nothing else can make again.
"""

import os
import sys
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from samebit import disk
from samebit.capture import entropy, generators, loaders, randomness
from samebit.capture.callers import caller
from samebit.session import roles

__all__ = ["Seeding"]

_FIXED = ("SequentialSampler", "_InfiniteConstantSampler", "list", "tuple")
_EVERY = 100  # epochs of a loader, and loaders of a line; then those that are a power of two
_IN_FULL = 8  # loaders of a line whose generators' states are kept, not only their digests


class _Loader(Struct):
    """A data loader that began an epoch."""

    is_of: "weakref.ref[Any]"
    number: int  # among those that one line of the script met
    epochs: int = 0


class Seeding:
    """What is noted of randomness, from `begin` to `finish`.

    Args:
        fact: records something learnt.
        trouble: told when something of ours failed.
        step: the run's step now.
        rank: of this process.
        given: what a recorded run's record gives back to this process (`replay/given.py`); None
            where this is no replay.
    """

    def __init__(
        self,
        fact: Callable[[str, Any], None],
        trouble: Callable[[str, Exception], None],
        step: Callable[[], int],
        *,
        rank: str,
        given: Mapping[str, Any] | None,
    ) -> None:
        self._fact = fact
        self._trouble = trouble
        self._step = step
        self._rank = rank
        self._replays = given is not None
        given = given or {}
        self.when = given.get("when", "start")  # the record of what it repeats began
        self.is_late = self.when != "start"
        self._states = dict(given.get("generators") or {})
        self._loaders = dict(given.get("loaders") or {})
        self._unseeded = given.get("unseeded") or []
        self._entropy: entropy.Entropy | None = None
        self._met: dict[str, int] = defaultdict(
            int
        )  # loaders, by the line that begins their epochs
        self._living: dict[int, _Loader] = {}
        self._waits: list[Callable[[], None]] = []  # each lets a wait for a library end
        self._pid = os.getpid()
        self._on = True

    def enter(self, *, seeded: bool) -> None:
        """The process begins to be recorded; its generators, too, unless that comes with `init`."""
        disk.fault("capture.randomness")
        entropy.prepare()
        randomness.report_seed_calls(self._seed_call)
        roles.listen(partial(self._told, "seeds"))
        if not self.is_late:
            self.begin(seeded=seeded)
        elif self.when == "init":
            state = self._states.get("torch")
            if state is not None and generators.drew_its_seed(state):
                began = partial(self._torch_began, state["seed"])
                self._waits.append(generators.when_ready("torch", began))

    def begin(self, *, seeded: bool) -> None:
        """Note, and on a replay give back, from here on; a second call does nothing."""
        if self._entropy is not None:
            return
        given = self._unseeded if self._replays else None
        unseeded, asked = partial(self._told, "unseeded"), partial(self._told, "entropy")
        self._entropy = entropy.Entropy(unseeded, asked, self._trouble, given)
        self._entropy.listen()
        if seeded:
            return  # every library gets the seed: how it would have begun says nothing
        for library in generators.LIBRARIES:
            self._waits.append(generators.when_ready(library, partial(self._started, library)))

    def epoch(self, loader: Any) -> None:
        """A data loader begins an epoch."""
        if self._entropy is None:
            return
        self._entropy.flush()
        site = caller()
        known = self._known(loader, site.place)
        known.epochs += 1
        if not (_is_noted(known.epochs) and _is_noted(known.number)):
            return
        own = generators.own(loader)
        # As often as that line met another loader, this is the same in every run.
        place = f"{site.place} #{known.number}"
        fact: dict[str, Any] = {"at": site.at, "place": place, "epoch": known.epochs}
        is_first = known.epochs == 1 and known.number <= _IN_FULL
        if is_first:
            given = self._give_loader(place, own)
            if given:
                fact["given"] = given
        states = {library: generators.read_global(library) for library in generators.LIBRARIES}
        states |= {role: generators.generator_state(found) for role, found in own.items()}
        states = {role: state for role, state in states.items() if state is not None}
        fact |= {
            "order": _order(loader, own),
            "workers": getattr(loader, "num_workers", 0),
            "generators": {role: generators.digest_of(state) for role, state in states.items()},
            "seeds": {role: g.initial_seed() for role, g in own.items() if _is_torchs(g)},
        }
        if known.epochs == 1:
            fact["loader"] = loaders.settings_of(loader)
        if is_first:
            fact["states"] = states
        self._told("epoch", {**fact, "step": self._step()})

    def _known(self, loader: Any, place: str) -> "_Loader":
        found = self._living.get(id(loader))
        if found is None or found.is_of() is not loader:
            self._met[place] += 1
            # It is asked whether it still is the one: an id comes again.
            found = _Loader(weakref.ref(loader), self._met[place])
            self._living[id(loader)] = found
        return found

    def flush(self) -> None:
        """Training is about to go on: what waited to be known is noted."""
        if self._entropy is not None:
            self._entropy.flush()

    def finish(self) -> None:
        """Note what is left, and no more after it."""
        if self._entropy is not None:
            self._entropy.finish()
        self._on = False
        for leave in self._waits:
            leave()
        roles.listen(None)

    def _told(self, name: str, fact: dict[str, Any]) -> None:
        if self._on and os.getpid() == self._pid:
            self._fact(name, {**fact, "rank": self._rank})

    def _seed_call(self, call: dict[str, Any]) -> None:
        self._told("seed_call", {**call, "step": self._step()})

    def _torch_began(self, seed: int) -> None:
        """What torch drew before `init` comes back, too: its seed is what it began from."""
        try:
            generators.put_back("torch", {"seed": seed})
        except Exception as error:  # inside an import
            self._trouble("capture.randomness", error)

    def _started(self, library: str) -> None:
        if not self._on or os.getpid() != self._pid:
            return
        try:
            state = generators.read_global(library)
            if state is None:
                return
            fact: dict[str, Any] = {"library": library, "state": state}
            if self._replays:
                fact["given"] = library in self._states
            if library in self._states:
                generators.put_back(library, self._states.pop(library))
                fact["state"] = generators.read_global(library)
            self._told("generator", fact)
        except Exception as error:  # inside an import, or while CUDA is made ready
            self._trouble("capture.randomness", error)

    def _give_loader(self, place: str, own: Mapping[str, Any]) -> list[str]:
        """Give torch's generators of a loader the state they had, where another seed made them.

        `Generator.seed()` is C code that nothing can listen to: this is the one place where such a
        generator is met.
        """
        given: list[str] = []
        for role, state in self._loaders.get(place, {}).items():
            found: Any = own.get(role)
            if _is_torchs(found) and found.initial_seed() != state["seed"]:
                generators.give_torch(found, state)
                given.append(role)
        return given


def _is_noted(number: int) -> bool:
    return number <= _EVERY or not number & (number - 1)


def _is_torchs(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Generator)


def _order(loader: Any, own: Mapping[str, Any]) -> str:
    """Which generator decides the order of the samples: `torch` is the global one."""
    if type(loaders.order_sampler(loader)).__name__ in _FIXED:
        return "fixed"
    for role in ("sampler.generator", "batch_sampler.generator", "loader.generator"):
        if role in own:
            return role
    return "torch"
