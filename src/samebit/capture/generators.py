"""The states of generators as plain values: read, told apart, and put back; nothing is drawn.

A state is what JSON can hold, so that a run's record can carry it and a replay can be given it.
No library is imported here: who has one of its generators has loaded it.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from samebit import digest
from samebit.capture.importing import no_longer, when_imported
from samebit.capture.loaders import order_sampler

__all__ = [
    "LIBRARIES",
    "digest_of",
    "drew_its_seed",
    "generator_state",
    "give",
    "give_torch",
    "is_generator",
    "own",
    "put_back",
    "read_global",
    "when_ready",
]

LIBRARIES = ("python", "numpy", "torch", "cuda")
_MODULES = {"python": "random", "numpy": "numpy.random", "torch": "torch", "cuda": "torch"}


def read_global(library: str) -> Any:
    """The state of a library's global generator; None where there is none now.

    torch's is its seed alone while nothing has been drawn. CUDA's are one text for each device, and
    are read only once something else has made CUDA ready.
    """
    module: Any = sys.modules.get(_MODULES[library])
    if module is None:
        return None
    if library == "python":
        return generator_state(getattr(module, "_inst", None) or module)
    if library == "numpy":
        return _plain(module.get_state(legacy=False))
    if library == "torch":
        return generator_state(module.default_generator)
    devices = getattr(module.cuda, "default_generators", ())
    return [_hex(generator.get_state()) for generator in devices] or None


def generator_state(generator: Any) -> Any:
    """The state of one generator: torch's, NumPy's of either kind, or Python's."""
    if hasattr(generator, "initial_seed"):
        seed, state = generator.initial_seed(), generator.get_state()
        fresh = type(generator)().manual_seed(seed).get_state()
        if state.shape == fresh.shape and bool((state == fresh).all()):
            return {"seed": seed}
        return {"seed": seed, "state": _hex(state)}
    if hasattr(generator, "bit_generator"):
        return _plain(generator.bit_generator.state)
    if hasattr(generator, "get_state"):
        return _plain(generator.get_state(legacy=False))
    version, words, gauss = generator.getstate()
    return [version, list(words), gauss]


def put_back(library: str, state: Any) -> None:
    """Give a library's global generator a state that `read_global` found."""
    module: Any = sys.modules[_MODULES[library]]
    if library == "python":
        give(getattr(module, "_inst", None) or module, state)
    elif library == "numpy":
        module.set_state(state)
    elif library == "torch":
        give_torch(module.default_generator, state)
    else:
        for generator, text in zip(module.cuda.default_generators, state, strict=False):
            generator.set_state(_bytes(module, text))


def give(generator: Any, state: Any) -> None:
    """Give one generator a state that `generator_state` found."""
    if hasattr(generator, "initial_seed"):
        give_torch(generator, state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    elif hasattr(generator, "get_state"):
        generator.set_state(state)
    else:
        generator.setstate((state[0], tuple(state[1]), state[2]))


def give_torch(generator: Any, state: Mapping[str, Any]) -> None:
    """Give one of torch's generators a state that `generator_state` found."""
    generator.manual_seed(state["seed"])
    if "state" in state:
        generator.set_state(_bytes(sys.modules["torch"], state["state"]))


def drew_its_seed(state: Mapping[str, Any]) -> bool:
    """Whether torch's generator has a seed of torch's own making, from its import on.

    Those have 53 bits; what scripts give has 32 at most.
    """
    return state["seed"] >= 1 << 32


def is_generator(value: Any) -> bool:
    """Whether a value is a generator of Python, NumPy or torch that has a state."""
    random, numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if random is not None and isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    if numpy is not None and isinstance(value, (numpy.Generator, numpy.RandomState)):
        return True
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Generator)


def own(loader: Any) -> dict[str, Any]:
    """The generators that a loader, its samplers and its data set hold, by where they are."""
    found: dict[str, Any] = {}
    owners = {
        "loader": loader,
        "sampler": order_sampler(loader),
        "batch_sampler": getattr(loader, "batch_sampler", None),
        "dataset": getattr(loader, "dataset", None),
    }
    for name, owner in owners.items():
        for attribute, value in list(getattr(owner, "__dict__", {}).items()):
            if is_generator(value) and not any(value is other for other in found.values()):
                found[f"{name}.{attribute}"] = value
    return found


def when_ready(library: str, callback: Callable[[], object]) -> Callable[[], None]:
    """Call back when a library's global generator is there: now, or when it is imported.

    CUDA's are there when something else makes CUDA ready.

    Returns:
        What lets the callback wait no more.
    """
    waits = [callback]

    def tell() -> None:
        for one in waits:
            one()

    def imported(module: Any) -> None:
        if library != "cuda":
            tell()
        elif module.backends.cuda.is_built():
            # Before the seeds that the script gave while CUDA was not ready.
            module.cuda._lazy_call(tell)

    def leave() -> None:
        waits.clear()  # what CUDA has taken it keeps
        no_longer(imported)

    when_imported("torch" if library == "cuda" else _MODULES[library], imported)
    return leave


def digest_of(state: Any) -> str:
    """A name for a state: equal exactly for equal states."""
    return digest.of_bytes(repr(state).encode())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def _hex(state: Any) -> str:
    return bytes(state.numpy()).hex()


def _bytes(torch: Any, text: str) -> Any:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
