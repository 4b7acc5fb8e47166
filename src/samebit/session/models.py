"""Which module an optimizer owns, and the states at step 0 and at the end.

Held strongly: only the optimizers that have stepped since one first did (both of a GAN, the last of
several folds) and the modules that own their parameters. A state is copied when it must not change
any more, and handed to the keeper; a state above the budget is kept as digests.
"""

import os
import sys
import weakref
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from samebit.session.keeping import Keeper
from samebit.session.members import Members
from samebit.states import storing
from samebit.states import torch as torch_states
from samebit.states.flat import Cut

__all__ = ["Models"]

_MOST_COPIES = 16  # of a root that is trained, but by no optimizer of torch
_INTERRUPTED_BYTES = 1 << 30  # after Ctrl-C a larger state is not written any more


class _Beginning(Struct, frozen=True):
    """A root as it was before its first training forward."""

    state: dict[str, Any]  # empty where it is too large to be held twice
    generators: dict[str, Any]
    is_of: list[tuple[int, int]]  # each parameter's id and how often it had been written
    copies: int = 0  # how often this was taken anew


_NOT_YET = _Beginning({}, {}, [])


class Models:
    """The modules and optimizers of one process, and their states.

    Args:
        keeper: takes the states.
        members: what else the user named, or the hooks met.
    """

    def __init__(self, keeper: Keeper, members: Members) -> None:
        self._keeper = keeper
        self._members = members
        self._roots: dict[int, weakref.ref[Any]] = {}
        self._names: dict[int, str] = {}
        self._watched: set[int] = set()  # roots that the user named
        # What a root was before its first training forward; None once it has been stepped.
        self._initial: dict[int, _Beginning | None] = {}
        self._optimizers: dict[int, weakref.ref[Any]] = {}
        self._last: Any = None  # the optimizer that stepped last
        self._held: dict[int, tuple[Any, list[Any]]] = {}  # optimizers with their owners, by id
        # Count and state at the beginning, by optimizer id.
        self._ownerless: dict[int, tuple[int, dict[str, Any]]] = {}
        self._begun: set[int] = set()  # optimizers, by index, whose state at step 0 was taken
        self._where: dict[int, tuple[int, int]] = {}  # optimizer id: its index and count
        self._taken_at: dict[int, int] = {}  # optimizer index: count at its last final state
        self._pid = os.getpid()

    @property
    def last(self) -> Any:
        """The optimizer that stepped last, or None."""
        return self._last

    def watch(self, module: Any) -> str:
        """Take a module that the user names as a root; its name, the next free one."""
        module = _unwrapped(module)
        self._watched.add(id(module))
        return self._name(module)

    def _name(self, module: Any) -> str:
        known = self._roots.get(id(module))
        if known is None or known() is not module:
            self._initial.pop(id(module), None)  # of one that is gone and had the same id
            self._roots[id(module)] = weakref.ref(module)
            self._names[id(module)] = self._free_name()
        return self._names[id(module)]

    def entered(self, module: Any) -> bool:
        """The outermost module was called; whether it has parameters and is no part of another."""
        module = _unwrapped(module)
        known = self._roots.get(id(module))
        if known is None or known() is not module:
            if next(iter(module.parameters()), None) is None:
                return False
            # As when activation checkpointing runs a block again, or a script calls `model.head`.
            if any(module is part for root in self._living_roots() for part in root.modules()):
                return False
            self._watched.discard(id(module))  # of one that is gone and had the same id
            self._name(module)
        return True

    def before_training(self, module: Any) -> None:
        """A root is about to run in training mode: its buffers move from now on."""
        module = _unwrapped(module)
        if self._keeper.takes_nothing:
            return
        known = self._initial.get(id(module), _NOT_YET)
        if known is None:
            return
        # Others may be loaded after a first forward; inside a step of LBFGS it is the step's doing.
        if known is not _NOT_YET and (self._ownerless or known.is_of == _versions(module)):
            return
        if known.copies == _MOST_COPIES:
            return  # each step of another library, or by hand, would take a copy
        if any(_owns(module, optimizer) for optimizer in self._living_optimizers()):
            self._initial[id(module)] = None  # stepped already: what it is now is not its beginning
            return
        state = torch_states.module_state(module)
        if any(sys.modules["torch"].nn.parameter.is_lazy(p) for p in module.parameters()):
            return  # this first forward makes them
        # One too large to hold twice is taken as digests at the first step.
        copy = torch_states.frozen_copy(state, "text") if self._keeper.fits(state) else {}
        generators = torch_states.generator_states()
        versions = _versions(module)
        self._initial[id(module)] = _Beginning(copy, generators, versions, known.copies + 1)

    def before_first_step(self, optimizer: Any, index: int, count: int = 0) -> None:
        """Keep the state of an optimizer, and of the modules it owns, before its first step here.

        `count` is how many it has behind it: 0, but for a run that goes on.
        """
        for held, _ in list(self._held.values()):
            self._final_of(held)
        self._held.clear()
        self._where.pop(id(optimizer), None)  # of one that is gone and had the same id
        self._optimizers.pop(id(optimizer), None)
        self._ownerless.pop(id(optimizer), None)
        if self._keeper.takes_nothing or index in self._begun:
            return  # the first step raised, and this is another attempt
        owners = self._owners_of(optimizer)
        if owners:
            self._begun.add(index)
        modules: dict[str, Any] = {}
        generators: dict[str, Any] = {}
        for module in owners:
            modules[self._names[id(module)]], then = self._beginning(module)
            generators = generators or then
        state = self._state(optimizer, owners, modules)
        state["generators"] = generators or torch_states.generator_states()
        if not self._keeper.fits(state):
            self._keeper.save_now(f"step {count}", index, count, state, keep=False)
        elif owners:
            self._keeper.save_later(
                f"step {count}", index, count, torch_states.frozen_copy(state, "text")
            )
        else:
            frozen = torch_states.frozen_copy(state, "text")
            self._ownerless[id(optimizer)] = (count, frozen)

    def after_step(self, optimizer: Any, index: int, count: int) -> None:
        """Remember who stepped last, and hold it."""
        self._last = optimizer
        if id(optimizer) not in self._held:
            self._held[id(optimizer)] = (optimizer, self._owners_of(optimizer))
        self._where[id(optimizer)] = (index, count)
        ownerless = self._ownerless.pop(id(optimizer), None)
        if ownerless is not None:
            before, state = ownerless
            state = self._with_owners(optimizer, state)
            self._keeper.save_later(f"step {before}", index, before, state)
        self._optimizers.setdefault(id(optimizer), weakref.ref(optimizer))

    def _beginning(self, module: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A root's state before its first training forward, and the generators' then."""
        known = self._initial.get(id(module)) or _NOT_YET
        self._initial[id(module)] = None
        now = torch_states.module_state(module)
        # Buffers move in that forward; parameters only where others were loaded after it.
        names = torch_states.parameter_keys(module)
        if known.state and all(_is_still(known.state.get(name), now[name]) for name in names):
            return known.state, known.generators
        return now, {}

    def _with_owners(self, optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
        """A beginning whose modules were met inside the step, as LBFGS calls them."""
        owners = self._owners_of(optimizer)
        begun = {self._names[id(m)]: self._initial[id(m)] for m in owners if id(m) in self._initial}
        for module in owners:
            self._initial[id(module)] = None
        modules = {name: known.state for name, known in begun.items() if known and known.state}
        if not modules or len(modules) < len(owners):
            return state
        keys = torch_states.optimizer_state(optimizer, {})["param_groups"]
        names = torch_states.optimizer_state(optimizer, self.parameter_names())["param_groups"]
        named = {
            key: name
            for old, new in zip(keys, names, strict=True)
            for key, name in zip(old["params"], new["params"], strict=True)
        }
        before = state["optimizer"]
        return {
            **modules,
            "optimizer": {
                "state": {named.get(key, key): value for key, value in before["state"].items()},
                "param_groups": [
                    {**group, "params": [named.get(key, key) for key in group["params"]]}
                    for group in before["param_groups"]
                ],
            },
            "generators": state["generators"],
        }

    def named(self) -> list[tuple[str, Any]]:
        """Every root that still lives, with its name."""
        return [(self._names[id(module)], module) for module in self._living_roots()]

    def trained(self) -> list[tuple[str, Any]]:
        """The roots that the user named, then those that an optimizer owns, with their names."""
        optimizers = self._members.living("optimizer")
        named = self.named()
        watched = [(name, module) for name, module in named if id(module) in self._watched]
        owned = [
            (name, module)
            for name, module in named
            if id(module) not in self._watched and any(_owns(module, one) for one in optimizers)
        ]
        return watched + owned

    def buffers(self) -> dict[str, Any]:
        """The buffers of every module that is trained, by name."""
        return {
            f"{name}.{inner}": buffer
            for name, module in self.trained()
            for inner, buffer in module.named_buffers()
        }

    def finish(self, *, interrupted: bool) -> None:
        """Take the final state of everything that still lives; wait until it is stored."""
        if os.getpid() != self._pid:
            return
        for optimizer in self._living_optimizers():
            self._final_of(optimizer, interrupted=interrupted)

    def parameter_names(self) -> Mapping[int, str]:
        """Parameter names by id; with several roots the root's name stands in front."""
        names: dict[int, str] = {}
        living = self._living_roots()
        for module in living:
            prefix = "" if len(living) == 1 else self._names[id(module)] + "."
            for key, name in torch_states.parameter_names(module).items():
                names.setdefault(key, prefix + name)
        return names

    def cuts(self) -> Mapping[int, Cut]:
        """How flat parameters are parts, by their id."""
        return {
            key: cut
            for module in self._living_roots()
            for key, cut in torch_states.cuts_of(module).items()
        }

    def _final_of(self, optimizer: Any, *, interrupted: bool = False) -> None:
        index, count = self._where.get(id(optimizer), (0, 0))
        if self._keeper.takes_nothing or not count or self._taken_at.get(index) == count:
            return
        self._taken_at[index] = count
        owners = self._owners_of(optimizer)
        modules = [*owners, *self._beside(owners)]
        states = {self._names[id(module)]: torch_states.module_state(module) for module in modules}
        state = self._state(optimizer, owners, states)
        for kind in ("scaler", "other"):
            if things := [one for one in self._members.named(kind) if not _is_loader(one)]:
                state[f"{kind}s"] = [thing.state_dict() for thing in things]
        state["generators"] = torch_states.generator_states()
        keep = self._keeper.keeps_bytes and self._keeper.fits(state)
        if interrupted and storing.size_bytes(state) > _INTERRUPTED_BYTES:
            keep = False
        self._keeper.save_now("final", index, count, state, keep=keep)

    def _beside(self, owners: list[Any]) -> list[Any]:
        """The modules that the user named and nothing steps: averages of weights, teachers."""
        owning = set(map(id, owners))
        return [
            module
            for module in self._living_roots()
            if id(module) in self._watched - owning
            and self._initial.get(id(module), _NOT_YET) is not None
        ]

    def _state(self, optimizer: Any, owners: list[Any], modules: dict[str, Any]) -> dict[str, Any]:
        names = self.parameter_names()
        state: dict[str, Any] = dict(modules)
        if not owners:  # parameters that no module we met owns
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            state["parameters"] = {
                names.get(id(p), str(at)): p.detach() for at, p in enumerate(parameters)
            }
        state["optimizer"] = torch_states.optimizer_state(optimizer, names, self.cuts())
        schedulers = self._members.named("scheduler")
        if schedulers:
            state["schedulers"] = [s.state_dict() for s in schedulers]
        return state

    def _owners_of(self, optimizer: Any) -> list[Any]:
        return [module for module in self._living_roots() if _owns(module, optimizer)]

    def _living_roots(self) -> list[Any]:
        return [module for module in (ref() for ref in self._roots.values()) if module is not None]

    def _living_optimizers(self) -> list[Any]:
        return [o for o in (ref() for ref in self._optimizers.values()) if o is not None]

    def _free_name(self) -> str:
        taken = set(self._names.values())
        at = 1
        while (name := "model" if at == 1 else f"model_{at}") in taken:
            at += 1
        return name


def _unwrapped(module: Any) -> Any:
    """The user's own module inside the wrappers of torch.compile and DistributedDataParallel."""
    while True:
        # In `_modules`, not by getattr: a module answers for a missing name at its own leisure.
        parts = module._modules
        # Of a scripted module that is no dict, and has no `get`.
        inner = parts["_orig_mod"] if "_orig_mod" in parts else None  # noqa: SIM401
        if inner is None and type(module).__name__ in ("DistributedDataParallel", "DataParallel"):
            inner = module.module
        if inner is None:
            return module
        module = inner


def _owns(module: Any, optimizer: Any) -> bool:
    mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(p) in mine for p in module.parameters())


def _is_loader(thing: Any) -> bool:
    """Whether it is a loader with a state: one that no loop goes over makes its workers for it."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(thing, data.DataLoader)


def _versions(module: Any) -> list[tuple[int, int]]:
    return [(id(parameter), parameter._version) for parameter in module.parameters()]


def _is_still(before: Any, now: Any) -> bool:
    # Of a sharded tensor both are this rank's part.
    before, now = getattr(before, "value", before), getattr(now, "value", now)
    if before is None or before.dtype != now.dtype or before.shape != now.shape:
        return False
    # One on a device is not waited for again.
    return now.device.type != "cpu" or bool(sys.modules["torch"].equal(before, now.detach()))
