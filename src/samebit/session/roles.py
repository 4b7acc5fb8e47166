"""Independent streams of random numbers by role: one can be varied while the others stay.

A stream belongs to a role and a library. It is derived by a hash of the role's seed and both names,
and goes on where it left off when its role is entered again. What the script has outside of all
roles is a stream as well, put back exactly when a role is left.
"""

import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from samebit import digest
from samebit.capture import generators, randomness
from samebit.errors import UsageError
from samebit.session.studied import EVERY, roles_of

__all__ = ["listen", "role", "seeds"]

_OUTSIDE = ""  # the name of the script's own streams


class _Streams:
    """The roles of this process."""

    def __init__(self) -> None:
        self.roots: dict[str, dict[str, Any]] = {}  # role: its seed, and who gave it
        self.left: dict[str, dict[str, Any]] = {}  # role: library: the state where it was left
        self.current = _OUTSIDE
        self.watched: set[str] = set()  # libraries whose import we wait for
        self.tell: Callable[[dict[str, Any]], object] | None = None


_streams = _Streams()


def listen(tell: Callable[[dict[str, Any]], object] | None) -> None:
    """Name the function that is told of the roles' seeds, now and whenever there are more.

    Roles that had their seed from a run before have none, and will have the new run's.
    """
    _streams.tell = tell
    if tell is not None:
        for name in [name for name, root in _streams.roots.items() if root["from"] == "run"]:
            if name != _streams.current:
                del _streams.roots[name]
                _streams.left.pop(name, None)
    _say()


def _say() -> None:
    if _streams.tell is not None and _streams.roots:
        _streams.tell({"roles": {name: dict(root) for name, root in _streams.roots.items()}})


def seeds(**roles: Any) -> dict[str, int]:
    """Give roles their seeds; each role's random numbers are then its own.

        seeds = samebit.seeds(init=1, order=2, dropout=3)
        with samebit.role("init"):
            model = Net()  # its weights depend on `init` alone
        order = torch.Generator().manual_seed(seeds["order"])
        loader = DataLoader(data, shuffle=True, generator=order)

    To see what the initial weights do, vary `init` and leave the others. The seeds are recorded. It
    works without a run, too. `samebit seeds` varies them: in its runs the seeds that it gives count
    in place of those in the script.

    Args:
        roles: a name for each role, and its seed: a whole number from 0 to 2^32 - 1, or a JAX key
            (its words are recorded; use the key itself in JAX). Roles with equal seeds are
            independent all the same. A role that was seeded before begins anew.

    Returns:
        For each role a number made from its seed and its name, for whatever wants a seed of its
        own: `torch.Generator`, `numpy.random.default_rng`, `jax.random.key`. It is never the seed
        itself, so that two roles with one seed do not get the same numbers.

    Raises:
        UsageError: a seed is none.
    """
    roots = {name: {"seed": _root(name, value), "from": "seeds"} for name, value in roles.items()}
    roots |= {name: given for name in roots if (given := _of_study(name)) is not None}
    for name, root in roots.items():
        _streams.roots[name] = root
        if name != _streams.current:
            _streams.left.pop(name, None)
    if _streams.current in roots:
        _streams.left.pop(_streams.current, None)
        _go_on(_streams.current)
    _say()
    return {name: _derived(name, "seed") for name in roots}


@contextmanager
def role(name: str) -> Generator[None]:
    """Draw from the streams of a role inside of a `with`.

    Python's `random`, NumPy's global generator, torch's default generator, and those of CUDA's
    devices where CUDA is ready when the role is entered, are set to the role's streams. The next
    time the same role goes on where it was left. Afterwards the generators have exactly the states
    that they had before. Roles may lie inside each other; they are of the process, not of a thread.
    Generators of the script's own (`default_rng`, `torch.Generator`) are not touched: give them the
    numbers that `samebit.seeds` returns. JAX has no global generator.

    A role that `samebit.seeds` gave no seed gets one made from the run's (`--seed`, or
    `samebit.init(seed=…)`) and its own name.

    Raises:
        UsageError: the role has no seed, and the run has none.
    """
    _ensure_root(name)
    for library in ("python", "numpy", "torch"):
        if library not in _streams.watched:
            _streams.watched.add(library)
            generators.when_ready(library, lambda library=library: _came_late(library))
    around = _streams.current
    _switch(name)
    try:
        yield
    finally:
        _switch(around)


def _switch(name: str) -> None:
    _streams.left[_streams.current] = _states()
    _streams.current = name
    _go_on(name)


def _go_on(name: str) -> None:
    """Give every library that is loaded a role's stream, where it was left or from its start."""
    left = _streams.left.get(name, {})
    for library in _states():
        if library in left:
            generators.put_back(library, left[library])
        elif name != _OUTSIDE:
            _begin(library, name)


def _states() -> dict[str, Any]:
    found = {library: generators.read_global(library) for library in generators.LIBRARIES}
    return {library: state for library, state in found.items() if state is not None}


def _came_late(library: str) -> None:
    """A library was imported inside a role: outside of it, it is as it came."""
    if _streams.current != _OUTSIDE:
        _streams.left.setdefault(_OUTSIDE, {}).setdefault(library, generators.read_global(library))
        _begin(library, _streams.current)


def _begin(library: str, name: str) -> None:
    seed = _derived(name, library)
    if library == "python":
        randomness.unreported(sys.modules["random"], "seed")(seed)
    elif library == "numpy":
        randomness.unreported(sys.modules["numpy.random"], "seed")(seed)
    elif library == "torch":
        sys.modules["torch"].default_generator.manual_seed(seed)
    else:
        for at, generator in enumerate(sys.modules["torch"].cuda.default_generators):
            generator.manual_seed(_derived(name, f"cuda:{at}"))


def _derived(name: str, library: str) -> int:
    """A number of 32 bits that depends on the role's seed, its name, and the library's."""
    text = digest.canonical_json(["samebit-role 1", _streams.roots[name]["seed"], name, library])
    return int(digest.of_bytes(text).partition(":")[2][:8], 16)


def _ensure_root(name: str) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"a role's name must be a text, not {name!r}")
    if name in _streams.roots:
        return
    if (given := _of_study(name)) is not None:
        _streams.roots[name] = given
        _say()
        return
    seed = randomness.given_seed()
    if seed is None:
        known = ", ".join(_streams.roots) or "none"
        raise UsageError(
            f"the role {name!r} has no seed",
            roles=known,
            hint=f"samebit.seeds({name if name.isidentifier() else 'name'}=1) gives it one, or "
            "samebit.init(seed=…) gives the whole run one",
        )
    _streams.roots[name] = {"seed": seed, "from": "run"}
    _say()


def _of_study(name: str) -> dict[str, Any] | None:
    """The seed that a study gives a role, above the script's own; None where it does not."""
    given = roles_of(os.environ)
    seed = given.get(name, given.get(EVERY))
    return None if seed is None else {"seed": seed, "from": "study"}


def _root(name: str, value: Any) -> Any:
    words = _words_of_key(value)
    if words is not None:
        return words
    try:
        return randomness.check_seed(value)
    except UsageError as error:
        raise UsageError(f"of role {name!r}: {error.what}", hint="or a JAX key") from None


def _words_of_key(value: Any) -> Mapping[str, Any] | None:
    """A JAX key as plain words; None for anything else."""
    jax: Any = sys.modules.get("jax")
    if jax is None or not isinstance(value, jax.Array):
        return None
    typed = jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
    if typed and value.shape == ():
        implementation, data = str(jax.random.key_impl(value)), jax.random.key_data(value)
    elif not typed and str(value.dtype) == "uint32" and len(value.shape) == 1 and value.size > 1:
        implementation, data = "raw", value
    else:
        return None
    return {"jax": [int(word) for word in data.tolist()], "impl": implementation}
