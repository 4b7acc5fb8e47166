"""The state of a model, of an optimizer and of the generators, as nested plain values with arrays.

Nothing here imports torch: who has a module has loaded it. Nothing draws from a generator, waits
for a device or copies an array, but for `frozen_copy`, which is there to do so.
"""

import sys
from collections.abc import Mapping
from typing import Any

from samebit.states import leaves, skeleton
from samebit.states.modules import (
    NON_PERSISTENT,
    cuts_of,
    module_state,
    optimizer_state,
    parameter_keys,
    parameter_names,
)
from samebit.states.skeleton import Unknown

__all__ = [
    "NON_PERSISTENT",
    "cuts_of",
    "frozen_copy",
    "generator_states",
    "module_state",
    "optimizer_state",
    "parameter_keys",
    "parameter_names",
    "read_generators",
    "restore_generators",
]


def read_generators() -> dict[str, Any]:
    """What every global generator of a library that is loaded is now; draws nothing.

    CUDA's are read only once something else has made CUDA ready. Quick: `generator_states` makes a
    state of it, then or later.
    """
    found: dict[str, Any] = {}
    if (random := sys.modules.get("random")) is not None:
        found["python"] = random.getstate()
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        found["numpy"] = numpy_random.get_state(legacy=False)
    if (torch := sys.modules.get("torch")) is not None:
        found["torch"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            found["cuda"] = torch.cuda.get_rng_state_all()
    return found


def generator_states(found: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The state of every global generator: as it is now, or as `read_generators` found it."""
    states = read_generators() if found is None else dict(found)
    if "python" in states:
        version, words, gauss = states["python"]
        numpy = sys.modules.get("numpy")
        words = list(words) if numpy is None else numpy.array(words, numpy.uint32)
        states["python"] = {"version": version, "words": words, "gauss": gauss}
    return states


def restore_generators(states: Mapping[str, Any]) -> None:
    """Give every generator the state that `generator_states` found, now or after loading it.

    Generators of libraries that are not loaded now are left out; importing one seeds it anew.
    """
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if "python" in states and (random := sys.modules.get("random")) is not None:
        python = states["python"]
        words = python["words"] if isinstance(python["words"], list) else python["words"].tolist()
        random.setstate((python["version"], tuple(words), python["gauss"]))
    if "numpy" in states and numpy is not None:
        frame, arrays = skeleton.split(states["numpy"])
        arrays = {name: numpy.asarray(array) for name, array in arrays.items()}
        numpy.random.set_state(skeleton.join(frame, arrays))
    if "torch" in states and torch is not None:
        torch.set_rng_state(torch.as_tensor(states["torch"], device="cpu"))
        if "cuda" in states and torch.cuda.is_initialized():
            devices = [torch.as_tensor(state, device="cpu") for state in states["cuda"]]
            torch.cuda.set_rng_state_all(devices)


def frozen_copy(state: Any, unknown: Unknown = "refuse") -> Any:
    """The same state with a copy on the CPU of every array, safe to save from another thread.

    What is tied stays tied, and strides stay as they are. A tensor on a device is waited for.
    """
    frame, arrays = skeleton.split(state, unknown)
    return skeleton.join(frame, {name: leaves.frozen(array) for name, array in arrays.items()})
