"""What may make a training come out otherwise another time or elsewhere: pure over a run as read.

Generators that nobody seeded are among what its record lacks (`samebit.query.lacks`).
"""

import math
from collections.abc import Iterator
from pathlib import PurePath

from samebit.capture.callers import short_place
from samebit.folders.read import View
from samebit.query.lacks import Lack

__all__ = ["find_hazards"]

_PROCESSORS = ("physical", "logical", "allowed", "quota")  # what torch may have counted


def find_hazards(view: View) -> list[Lack]:
    """Each source of difference that the run met and that somebody can do something about."""
    return [*_algorithms(view), *_threads(view), *_listings(view)]


def _algorithms(view: View) -> Iterator[Lack]:
    settings = view.facts.get("settings") or {}
    if settings.get("torch.deterministic_algorithms") is False:
        text = "PyTorch may take algorithms that give other bits each time"
        yield Lack("algorithms", text, "`samebit run --deterministic` takes others")
    elif settings.get("torch.deterministic_warn_only") is True:
        text = "deterministic algorithms, but with warn_only: fused attention keeps its own"
        yield Lack("algorithms", text, "`samebit run --deterministic` is strict")
    if settings.get("torch.cuda.devices") and settings.get("torch.cudnn.benchmark"):
        text = "cuDNN chooses its algorithms by timing them"
        yield Lack("cudnn", text, "torch.backends.cudnn.benchmark = False")


def _threads(view: View) -> Iterator[Lack]:
    threads = (view.facts.get("settings") or {}).get("torch.threads")
    if not isinstance(threads, int) or threads < 1:
        return
    if "OMP_NUM_THREADS" not in (view.facts.get("variables") or {}):
        cpu = (view.facts.get("machine") or {}).get("cpu") or {}
        told = [cpu.get(name) for name in _PROCESSORS]
        given = {
            math.ceil(n) for n in told if isinstance(n, int | float) and math.isfinite(n) and n
        }
        if given and threads not in given:
            return  # the script chose it, and will again
        text = f"{threads} threads, because this machine has so many processors to give"
        yield Lack("threads", text, f"OMP_NUM_THREADS={threads} is the same everywhere")


def _listings(view: View) -> Iterator[Lack]:
    for fact in view.files:
        at = fact.get("at", "")
        if fact["how"] == "list" and fact.get("sorted") is False and at:
            folder = PurePath(fact["path"]).name
            text = f"the names in {folder}/ come in the file system's order"
            yield Lack("listing", text, f"sort them: {short_place(at)}")
