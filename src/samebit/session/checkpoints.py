"""A checkpoint: everything that a training needs to go on, copied while it waits, written after.

The copy goes into host memory that the next checkpoint uses again; until the one before is written,
the next one waits for it. The fact about it is written when all of it is durable, and only then is
an older one let go of: a crash leaves the one before.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import disk, records
from samebit.capture import generators
from samebit.errors import Damaged, NotFound
from samebit.journal.writer import Writer
from samebit.objects import sweeping
from samebit.objects.store import Store
from samebit.records import StateManifest
from samebit.session.keeping import Keeper
from samebit.session.members import Members
from samebit.session.models import Models
from samebit.session.positions import Positions
from samebit.session.ranks import world_size
from samebit.session.retention import Rule, Saved, read_rule, to_drop
from samebit.states import leaves, skeleton, storing
from samebit.states import torch as torch_states
from samebit.states.described import Strange, few

__all__ = ["Checkpoints", "Counts"]

_NAME = "checkpoint"
# What is a class's own, by its kind; what it describes, the object may have anyway.
_OF_OBJECTS = {"schedulers": "scheduler", "scalers": "scaler", "others": "other"}


class Counts(Struct, frozen=True):
    """What a checkpoint says of the run's counting, read when it is taken."""

    step: int
    main: int  # the optimizer whose count that is
    of: Callable[[Any], tuple[int, int]]  # an optimizer's number and count
    between: bool  # gradients have been computed, and no optimizer has stepped yet
    since: Mapping[str, Any]  # what the next row of the trace has of the time before


class Checkpoints:
    """The checkpoints of one process.

    Args:
        keeper: whose thread writes them, and who knows what there is room for.
        models: the modules.
        members: the rest.
        positions: of the data loaders.
        writer: takes the facts, and knows what was logged last.
        problem: says what is not as it should be, once, and marks the run.
        rule: which of them stay; else as the script says.
        saved: what earlier executions of the run left, oldest first.
        common: the names of those that every rank can go on from.
        of_others: the same, where this rank is a new one and has none.
        digests_only: this is a replay.
        wanted: the names of those that a later execution of the replay goes on from.
    """

    def __init__(
        self,
        keeper: Keeper,
        models: Models,
        members: Members,
        positions: Positions,
        writer: Writer,
        problem: Callable[[str, str], object],
        *,
        rule: Rule,
        saved: Sequence[Saved] = (),
        common: Sequence[str] = (),
        of_others: Sequence[str] = (),
        digests_only: bool = False,
        wanted: Sequence[str] = (),
    ) -> None:
        self._keeper = keeper
        self._models = models
        self._members = members
        self._positions = positions
        self._writer = writer
        self._problem = problem
        self._rule = rule
        self._saved = list(saved)
        self._common = set(common)
        self.of_others = list(of_others)
        self._digests_only = digests_only
        self._wanted = frozenset(wanted)
        self._lost: list[Saved] = []
        self._buffers: dict[str, Any] = {}
        self._described: dict[str, str] = {}  # what was in the checkpoint before, by its place

    def take(self, step: int | None, keep: Any, extra: Any, counts: Counts) -> None:
        """Take a checkpoint now; it is written on the thread of states."""
        disk.fault("run.checkpoint")
        if keep is not None:
            self._rule = read_rule(keep)
        if self._keeper.takes_nothing:
            self._problem("checkpoint", "none is kept: the setting states.keep is none")
            return
        if counts.between:
            what = "those that are computed and not yet stepped with are not in a checkpoint"
            self._problem("gradients", f"{what}: take it after optimizer.step()")
        began = time.perf_counter()
        self._keeper.wait()
        waited = time.perf_counter()
        epoch, batch = self._positions.place
        fact: dict[str, Any] = {
            "name": f"{_NAME} {counts.step if step is None else step}",
            "optimizer": counts.main,
            "step": counts.step if step is None else step,
            "count": counts.step,
            "epoch": epoch,
            "batch": batch,
        }
        strange: list[Strange] = []
        frame, arrays = skeleton.split(self._gather(extra, counts), "text", strange)
        self._say_strange(strange)
        size = sum(leaves.size_bytes(array) for array in arrays.values())
        fact |= {"size_bytes": size, "kept": self._keeps(fact["name"], size), "whole": True}
        if self._rule.best is not None:
            value = self._writer.latest(self._rule.best)
            fact["metric"] = [self._rule.best, value]
        if not fact["kept"] or self._digests_only:
            # Nothing is held twice: the digests are taken of the arrays themselves. What a replay
            # keeps is there before it goes on, however it ends.
            self._write(fact, frame, arrays)
            return
        copies = self._copied(arrays)
        fact["waited_s"] = round(waited - began, 6)
        fact["copied_s"] = round(time.perf_counter() - waited, 6)
        self._keeper.later(lambda: self._write(fact, frame, copies))

    def wait(self) -> None:
        """Wait until everything that was taken is written."""
        self._keeper.wait()

    def to_go_on_from(self) -> list[tuple[str, str]]:
        """Name and manifest of what earlier executions left and a training can go on from.

        The newest first.
        """
        return [
            (one.name, one.manifest)
            for one in reversed(self._saved)
            if one.whole and one.name in self._common
        ]

    def went_on_from(self, name: str) -> None:
        """The training goes on from this one: those after it are of a future that did not happen.

        They are let go of at the next checkpoint, by the rule or because they are lost.
        """
        names = [one.name for one in self._saved]
        at = names.index(name) + 1
        self._lost, self._saved = self._saved[at:], self._saved[:at]

    def _keeps(self, name: str, size_bytes: int) -> bool:
        """Whether the bytes are kept; said where they are not and could have been wanted."""
        if not self._keeper.keeps_bytes or (self._digests_only and name not in self._wanted):
            return False
        if self._keeper.fits_asked(size_bytes):
            return True
        free = self._keeper.free_bytes() >> 20
        what = f"of {size_bytes >> 20} MiB, with {free} MiB free, only digests are kept"
        self._problem("bytes of a checkpoint", f"{what}; states.keep = all keeps it anyway")
        return False

    def _gather(self, extra: Any, counts: Counts) -> dict[str, Any]:
        """The state of everything there is, its arrays the objects' own."""
        trained = self._models.trained()
        names, cuts = self._models.parameter_names(), self._models.cuts()
        state: dict[str, Any] = {
            name: torch_states.module_state(module) for name, module in trained
        }
        optimizers = self._members.living("optimizer")
        for at, optimizer in enumerate(optimizers):
            key = "optimizer" if not at else f"optimizer_{at + 1}"
            state[key] = torch_states.optimizer_state(optimizer, names, cuts)
        for part, kind in _OF_OBJECTS.items():
            state[part] = [thing.state_dict() for thing in self._members.living(kind)]
        own = [generators.generator_state(one) for one in self._members.living("generator")]
        state["generators"] = torch_states.generator_states()
        state["progress"] = {
            "step": counts.step,
            "ranks": world_size(),
            "modules": [name for name, _ in trained],
            "optimizers": [list(counts.of(optimizer)) for optimizer in optimizers],
            "loaders": self._positions.state(),
            "since": dict(counts.since),
            "generators": own,
        }
        state["extra"] = extra
        return state

    def _say_strange(self, strange: Sequence[Strange]) -> None:
        """Say once what does not come back: of what lies beside all, of objects what they change.

        What an object describes in full and as before (the milestones of a scheduler) it has again.
        """
        beside: dict[str, str] = {}
        within: list[str] = []
        for one in strange:
            before = self._described.get(one.place)
            part, _, below = one.place.partition(".")
            self._described[one.place] = one.text
            if part == "extra" and before is None:
                beside[one.place] = one.what
            elif part in _OF_OBJECTS and not (one.tells and before in (None, one.text)):
                at, _, place = below.partition(".")
                thing = self._members.living(_OF_OBJECTS[part])[int(at)]
                within.append(".".join(filter(None, (type(thing).__name__, place))))
        if beside:
            detail = f"not all of it can be given back: cannot store {few(beside.values())}"
            self._problem(few(beside), detail)
        if within:
            detail = "there is only a description of it, from which no training goes on exactly"
            self._problem(few(within), f"{detail}: let state_dict() give what it is made of")

    def _copied(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Copies in memory of ours, which is that of the checkpoint before where it fits."""
        before, self._buffers = self._buffers, {}
        with _out_of_autograd():
            for name, array in arrays.items():
                buffer = before.pop(name, None)
                if buffer is not None and _fits(buffer, array):
                    buffer[...] = array.detach() if hasattr(array, "detach") else array
                else:
                    del buffer  # first: no more than one copy is held
                    buffer = leaves.frozen(array)
                self._buffers[name] = buffer
        return self._buffers

    # On the thread of states, but for digests.

    def _write(self, fact: dict[str, Any], frame: Any, arrays: Mapping[str, Any]) -> None:
        try:
            self._say_described(frame)
            store = self._keeper.store
            state = skeleton.join(frame, arrays)
            fact["manifest"] = storing.save(store, state, keep=fact["kept"], unknown="text")
            self._emit("state", fact)
        except Exception as error:
            self._keeper.tell(f"the state {fact['name']!r}", error)
            return
        if fact["kept"] and not self._digests_only:
            try:
                self._let_go(store, fact)
            except Exception as error:
                self._keeper.tell("checkpoint", error)

    def _emit(self, name: str, fact: dict[str, Any]) -> None:
        if self._keeper.is_over:
            return
        self._writer.flush()  # what is known of a run reaches up to its state
        self._writer.fact(name, fact)

    def _say_described(self, frame: Any) -> None:
        for part, content in skeleton.top_level(frame).items():
            if part not in (*_OF_OBJECTS, "extra") and (where := _described(content, part)):
                what = f"of {where} there is only a description"
                self._problem("a whole checkpoint", f"{what}: no training can go on from it")

    def _let_go(self, store: Store, fact: Mapping[str, Any]) -> None:
        """Drop what the rule does not hold any more."""
        name, manifest = fact["name"], fact["manifest"]
        value = fact.get("metric", (None, None))[1]
        lost, self._lost = self._lost, []
        before = [*lost, *(one for one in self._saved if one.name == name)]
        again = [one for one in before if one.manifest != manifest]
        self._saved = [one for one in self._saved if one.name != name]
        self._saved.append(Saved(name, fact["step"], manifest, value, count=fact["count"]))
        drop, thin = to_drop(self._rule, self._saved)
        left: list[str] = []
        for one in thin:
            weights, size = _weights_of(store, one.manifest)
            said = {"name": one.name, "step": one.step, "count": one.count, "manifest": weights}
            self._emit("state", {**said, "size_bytes": size, "kept": True, "whole": False})
            self._saved[self._saved.index(one)] = replace(one, manifest=weights, whole=False)
            left.append(weights)
        self._saved = [one for one in self._saved if one not in drop]
        gone = [*again, *drop, *thin]
        for one in gone:
            self._emit("dropped", {"name": one.name, "manifest": one.manifest})
        if gone and not self._keeper.is_over:
            self._writer.sync()  # first: what the journal says is there, is there
            going = _leaves_of(store, [one.manifest for one in gone]) - _leaves_of(store, left)
            sweeping.take_back(store, going)


def _out_of_autograd() -> ExitStack:
    stack = ExitStack()
    torch = sys.modules.get("torch")
    if torch is not None:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
    return stack


def _fits(buffer: Any, array: Any) -> bool:
    """Whether an array can be copied into what was made for another."""
    if any(isinstance(one, bytes) or leaves.is_scalar(one) for one in (buffer, array)):
        return False
    of_torch = hasattr(array, "detach")
    if of_torch != hasattr(buffer, "detach"):
        return False
    if buffer.dtype != array.dtype or buffer.shape != array.shape:
        return False
    if of_torch:
        return bool(buffer.stride() == array.stride())
    return bool(buffer.strides == getattr(array, "strides", buffer.strides))  # JAX's has none


def _described(mark: Any, path: str) -> str:
    """The first place of a skeleton at which something is only described; or empty."""
    if isinstance(mark, dict):
        if "$text" in mark:
            return path
        found = (_described(part, f"{path}.{key}") for key, part in mark.items())
    elif isinstance(mark, list):
        found = (_described(part, path) for part in mark)
    else:
        return ""
    return next(filter(None, found), "")


def _leaves_of(store: Store, manifests: Sequence[str]) -> set[str]:
    """The objects of some states but for their manifests, in which `verify` has their digests."""
    found: set[str] = set()
    for name in manifests:
        with suppress(NotFound, Damaged):  # of an earlier execution: that it is hurt was said
            found.update(storing.names_of(storing.read_manifest(store, name).leaves.values()))
    return found


def _weights_of(store: Store, name: str) -> tuple[str, int]:
    """A checkpoint's manifest without anything but its modules, stored; and its arrays' size."""
    manifest = storing.read_manifest(store, name)
    parts = skeleton.top_level(manifest.skeleton)
    modules = skeleton.top_level(parts["progress"])["modules"]
    frame = {"$dict": [[module, parts[module]] for module in modules]}
    used = {leaf for _, leaf in skeleton.references(frame)}
    kept = {leaf: record for leaf, record in manifest.leaves.items() if leaf in used}
    size = sum(record.size_bytes for record in kept.values())
    return store.put(records.encode(StateManifest(frame, kept))), size
