"""What decides the batches of a data loader beside its generators: how it is set, as plain values.

Two loaders over the same data with the same seeds give other batches where one of these differs:
each worker has random numbers of its own, and who fetches ahead draws ahead. Nothing is drawn, and
no attribute is asked for that would be made by asking.
"""

import sys
from typing import Any

__all__ = ["order_sampler", "settings_of"]

_PLAIN = {
    "batch_size": "batch_size",
    "workers": "num_workers",
    "in_order": "in_order",
    "persistent_workers": "persistent_workers",
    "prefetch_factor": "prefetch_factor",
    "drop_last": "drop_last",
    "pin_memory": "pin_memory",
    "timeout_s": "timeout",
}
_KINDS = ("sampler", "batch_sampler", "dataset")
_FUNCTIONS = ("collate_fn", "worker_init_fn")


def settings_of(loader: Any) -> dict[str, Any]:
    """The settings of a loader by name; one that this version of torch lacks is left out."""
    # Not getattr: a class of the script's own may compute what it is asked for.
    of = getattr(loader, "__dict__", {})
    found: dict[str, Any] = {"class": _name(type(loader))}
    for name, attribute in _PLAIN.items():
        value = of.get(attribute)
        if type(value) in (bool, int, float):
            found[name] = value
    for name in _KINDS:
        if of.get(name) is not None:
            found[name] = _name(type(of[name]))
    for name in _FUNCTIONS:
        if of.get(name) is not None:
            found[name] = _name(of[name])
    if found.get("workers"):
        found["start_method"] = _start_method(loader)
    return found


def order_sampler(loader: Any) -> Any:
    """The sampler that decides the order of a loader, or None.

    Where batches were given it is the sampler within, or they themselves: torch puts a
    `SequentialSampler` beside them, which nobody asks. accelerate gives each loader such batches,
    around others for several ranks.
    """
    batches = getattr(loader, "batch_sampler", None)
    while (within := getattr(batches, "__dict__", {}).get("batch_sampler")) is not None:
        batches = within
    found = getattr(batches, "__dict__", {}).get("sampler")
    if found is None and batches is not None and getattr(loader, "batch_size", None) is None:
        return batches
    return found if found is not None else getattr(loader, "sampler", None)


def _start_method(loader: Any) -> str | None:
    """How the workers begin: what they are copies of, and so what their generators begin from."""
    processes: Any = sys.modules.get("multiprocessing")
    context = loader.__dict__.get("_DataLoader__multiprocessing_context") or processes
    if context is None:
        return None
    # Without `allow_none` the asking would settle the method, and the script could not any more.
    return context.get_start_method(allow_none=True) or processes.get_all_start_methods()[0]


def _name(value: Any) -> str:
    module = getattr(value, "__module__", None) or type(value).__module__
    return f"{module}.{getattr(value, '__qualname__', type(value).__qualname__)}"
