"""Seeds and determinism: setting them as people's own functions do.

`seed_everything` gives every library the same number, at once where it is loaded and on import
where it comes later. The script's own seed calls win, and are reported.
"""

import functools
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from samebit.capture.callers import caller
from samebit.capture.importing import no_longer, step_aside, when_imported
from samebit.errors import UsageError
from samebit.journal.values import plain_number

__all__ = [
    "MAX_SEED",
    "begin_anew",
    "check_seed",
    "given_seed",
    "hash_seed",
    "make_deterministic",
    "report_seed_calls",
    "seed_everything",
    "strict_variables",
    "too_late",
    "unreported",
]

MAX_SEED = 2**32 - 1  # NumPy's legacy generator takes no more
_NEAR_S = 2.0  # between reading the clock and seeding with it
_SMALLEST_PID = 1_000  # smaller ones, as in a container, are seeds that people choose

_listeners: list[Callable[[dict[str, Any]], None]] = []
_heard_in: list[int] = []  # the process whose calls are reported, once there is one
_given: list[int] = []


def check_seed(seed: object) -> int:
    """A seed that every library takes: a whole number from 0 to 2^32 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise UsageError(
            f"a seed must be a whole number from 0 to {MAX_SEED}, not {seed!r}",
            hint="NumPy's legacy generator takes no larger one",
        )
    return seed


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices), also where they are imported later."""
    _given[:] = [seed]
    for name, give in _GIVE.items():
        when_imported(name, give)


def begin_anew() -> None:
    """A run begins: no seed or mode of one before it is still to come to what is imported later."""
    _given.clear()
    for callback in (*_GIVE.values(), _make_torch_deterministic):
        no_longer(callback)


def _give(name: str, module: ModuleType) -> None:
    unreported(module, name)(_given[0])


_GIVE: dict[str, Callable[[ModuleType], object]] = {
    "random": functools.partial(_give, "seed"),
    "numpy.random": functools.partial(_give, "seed"),
    # torch.manual_seed covers every device, and waits where CUDA is not initialised yet.
    "torch": functools.partial(_give, "manual_seed"),
}


def given_seed() -> int | None:
    """The seed that this process's libraries were given, if they were."""
    return _given[0] if _given else None


def unreported(module: Any, name: str) -> Callable[[int], object]:
    """A seed function by which what we do is not reported as the script's doing."""
    function = getattr(module, name)
    return getattr(function, "_samebit_original", function)


def report_seed_calls(emit: Callable[[dict[str, Any]], None]) -> None:
    """Report each seed call of the script: library, value, where it stands, and by whose function.

    A later call only changes who is told.
    """
    _listeners[:] = [emit]
    is_first, _heard_in[:] = not _heard_in, [os.getpid()]
    if not is_first:
        return

    def wrap(module: ModuleType, name: str, library: str) -> None:
        original = getattr(module, name, None)
        if original is None or hasattr(original, "_samebit_original"):
            return

        @functools.wraps(original)
        def seed(*args: Any, **kwargs: Any) -> Any:
            try:
                found = original(*args, **kwargs)
            except BaseException as error:
                step_aside(error)
                raise
            if os.getpid() in _heard_in:  # loader workers are seeded by torch, epoch after epoch
                _report(library, args[0] if args else next(iter(kwargs.values()), None))
            return found

        seed.__qualname__ = name  # found again when it is pickled
        seed._samebit_original = original  # type: ignore[attr-defined]
        setattr(module, name, seed)
        home = sys.modules.get(getattr(original, "__module__", None) or "")
        if getattr(home, name, None) is original:  # torch.manual_seed is torch.random's
            setattr(home, name, seed)

    when_imported("random", lambda module: wrap(module, "seed", "python"))
    when_imported("numpy.random", lambda module: wrap(module, "seed", "numpy"))
    when_imported("torch", lambda module: wrap(module, "manual_seed", "torch"))
    when_imported("torch", lambda module: wrap(module, "seed", "torch"))
    for name in ("manual_seed", "manual_seed_all", "seed", "seed_all"):
        when_imported("torch.cuda", lambda module, name=name: wrap(module, name, "torch.cuda"))
    # JAX has no global generator: a run's randomness begins with the keys that it makes.
    for name in ("key", "PRNGKey"):
        when_imported("jax.random", lambda module, name=name: wrap(module, name, "jax"))


def _report(library: str, value: Any) -> None:
    site = caller()
    if library == "torch.cuda" and site.asks.startswith("torch."):
        return  # `torch.manual_seed` goes on to the devices
    if library == "jax":
        # Inside a transformation it is no number; asking for one would raise there.
        value = int(value) if isinstance(value, int) else None
    call = {"library": library, "value": plain_number(value), "at": site.at}
    if site.through:
        call["through"] = site.through
    if like := _like(value):
        call["like"] = like
    for tell in _listeners:
        tell(call)


def _like(value: Any) -> str | None:
    """What of this moment or process a seed is equal to: `time`, `pid`, or nothing that is known.

    Nobody can hear that a script reads the clock; that its seed is the clock's, it shows itself.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    now = time.time()
    for units in (1, 1e3, 1e6, 1e9):
        near = _NEAR_S * units
        if abs(value - now * units) <= near:
            return "time"
        # As NumPy's legacy generator takes it; of finer units every number would be near.
        if units == 1e3 and abs(value - now * units % 2**32) <= near:
            return "time"
    return "pid" if value == os.getpid() >= _SMALLEST_PID else None


def strict_variables(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What level *strict* sets before the interpreter starts; the user's own values stay.

    Args:
        environ: the environment as the user has it.
        threads: the number to pin intra-op threads to where the user pinned none.
    """
    wanted = {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "NVTE_ALLOW_NONDETERMINISTIC_ALGO": "0",
        "FLASH_ATTENTION_DETERMINISTIC": "1",
        "HCCL_DETERMINISTIC": "true",
        "MKL_DYNAMIC": "FALSE",
        "OMP_DYNAMIC": "FALSE",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": environ.get("OMP_NUM_THREADS", str(threads)),
    }
    if int(environ.get("WORLD_SIZE", "1") or 1) > 1:
        wanted["NCCL_ALGO"] = "Ring"
    return {name: value for name, value in wanted.items() if name not in environ}


def make_deterministic() -> None:
    """Switch PyTorch to deterministic algorithms, strictly; on import where it comes later."""
    when_imported("torch", _make_torch_deterministic)


def _make_torch_deterministic(torch: Any) -> None:
    # Not warn_only: fused attention keeps its nondeterministic kernels then.
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def too_late(deterministic: bool) -> list[str]:
    """What `init()` in a running process could not set any more, in words."""
    lines: list[str] = []
    if sys.flags.hash_randomization and not (hash_seed() or "").isdigit():
        lines.append("PYTHONHASHSEED: the order of sets of texts differs from run to run")
    torch = sys.modules.get("torch")
    if deterministic and torch is not None:
        if not os.environ.get("OMP_NUM_THREADS"):
            lines.append(f"OMP_NUM_THREADS: torch has begun with {torch.get_num_threads()} threads")
        if torch.cuda.is_initialized() and not os.environ.get("CUBLAS_WORKSPACE_CONFIG"):
            lines.append("CUBLAS_WORKSPACE_CONFIG: CUDA is initialised already")
    return lines


def hash_seed() -> str | None:
    """The PYTHONHASHSEED that the interpreter began with; what a script sets later does nothing."""
    try:
        with open("/proc/self/environ", "rb") as file:  # as the process got it; only on Linux
            variables = file.read().split(b"\0")
    except OSError:
        return os.environ.get("PYTHONHASHSEED")
    found = [v.partition(b"=")[2] for v in variables if v.startswith(b"PYTHONHASHSEED=")]
    return found[0].decode() if found else None
