"""As which rank a process records, and which processes record nothing: launchers and workers.

What `samebit run` started is known by variables: SAMEBIT_PID is the nearest process above that
records, SAMEBIT_AS_RANK says that it is a launcher's rank already, SAMEBIT_RANK is the rank of what
was started where a batch system gave it. What multiprocessing makes of a process that records by
`init()` alone finds in SAMEBIT_AROUND which run that is.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from msgspec import Struct

from samebit import digest
from samebit.capture.children import plain
from samebit.session.jobs import find_job

__all__ = [
    "AROUND",
    "Role",
    "around",
    "find_around",
    "find_role",
    "is_spawned",
    "is_within",
    "is_worker",
    "opens_files",
    "program",
    "world_size",
]

AROUND = "SAMEBIT_AROUND"

# Python programs that only start others. One that joined would take the place of what it starts.
_LAUNCHERS = frozenset(
    {"torchrun", "accelerate", "deepspeed", "horovodrun", "colossalai", "composer", "fabric"}
    | {"lightning", "conda", "hatch", "pdm", "pipenv", "poetry", "samebit"}
)
_LAUNCHER_MODULES = frozenset(
    {"torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch"}
    | {"accelerate.commands.accelerate_cli", "deepspeed.launcher.runner", "samebit"}
    | {"deepspeed.launcher.launch", "horovod.runner.launch", "composer.cli.launcher"}
    | {"colossalai.cli.launcher", "lightning.fabric.cli", "samebit.cli.main"}
)
_WITH_A_VALUE = ("-W", "-X", "--check-hash-based-pycs")  # of Python's options
_RANK = re.compile(r"[0-9]{1,9}")
_LONGEST = 60  # letters that name a process


class Role(Struct, frozen=True):
    """A process's part in a run."""

    rank: str
    launched: bool = False  # a launcher gave it its rank
    restart: int = 0  # how often the launcher had started its ranks again
    again: bool = False  # the same process as before, with another program (`os.execv`)


def find_role(environ: Mapping[str, str], words: Sequence[str], pid: int) -> Role | None:
    """How a process that finds SAMEBIT_RUN records; None for one that does not.

    Args:
        environ: its variables.
        words: its command (`sys.orig_argv`).
        pid: its own.
    """
    if is_spawned(words) or is_worker() or _is_launcher(words):
        return None
    by_torch = _is_rank(environ.get("RANK")) and _is_rank(environ.get("LOCAL_RANK"))
    # Of MPI or a batch system, that the command started; not the one that we are started by.
    job = None if by_torch or "SAMEBIT_RANK" in environ else find_job(environ)
    launched = by_torch or job is not None
    restart = environ.get("TORCHELASTIC_RESTART_COUNT", "")
    above = environ.get("SAMEBIT_PID")
    if above not in (None, str(pid)) and (not launched or "SAMEBIT_AS_RANK" in environ):
        return None  # a child of what records; of a rank even where it has the rank's variables
    given = environ["RANK"] if by_torch else environ.get("SAMEBIT_RANK", "0")
    if job is not None:
        given = str(job.rank)
    return Role(
        rank=str(int(given)) if _is_rank(given) else "0",
        launched=launched or "SAMEBIT_RANK" in environ,
        restart=int(restart) if by_torch and _is_rank(restart) else 0,
        again=above == str(pid),
    )


def program(words: Sequence[str]) -> str:
    """What a Python runs, in a line: the same in a replay, where its files lie in other folders.

    Args:
        words: its command (`sys.orig_argv`).
    """
    if is_spawned(words):
        return "spawned"  # the numbers of its pipes are others each time
    names = [PurePath(word).name or word for word in plain(words[1:])]
    text = " ".join(" ".join(names).split())
    if len(text) <= _LONGEST:
        return text or "python"
    return f"{text[: _LONGEST - 9]} {digest.of_bytes(text.encode()).rpartition(':')[2][:8]}"


def is_worker() -> bool:
    """Whether multiprocessing made this process, which then keeps no record of its own."""
    module = sys.modules.get("multiprocessing")
    return module is not None and module.parent_process() is not None


def around(folder: Path, execution: int) -> str:
    """What AROUND is in a process that began a run by `init()`."""
    return f"{os.getpid()}:{execution}:{folder}"


def find_around(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The run, and the number of its execution, of the process that made this one.

    None where multiprocessing did not make it, or of a process that does not record by `init()`.
    """
    pid, _, rest = environ.get(AROUND, "").partition(":")
    module = sys.modules.get("multiprocessing")
    parent = module.parent_process() if module is not None else None
    if parent is None or str(parent.pid) != pid or "SAMEBIT_RUN" in environ:
        return None
    execution, _, folder = rest.partition(":")
    return folder, execution


def is_within(folder: Path, environ: Mapping[str, str]) -> bool:
    """Whether the process that records a run made this one, directly or not."""
    made_by_init = environ.get(AROUND, "").split(":", 2)[2:]
    return str(folder) in (environ.get("SAMEBIT_RUN"), *made_by_init)


def _is_rank(text: str | None) -> bool:
    return text is not None and _RANK.fullmatch(text) is not None


def is_spawned(words: Sequence[str]) -> bool:
    """Whether multiprocessing started this Python, by its command."""
    helpers = ("spawn", "forkserver", "resource_tracker")
    return "--multiprocessing-fork" in words or any(
        f"multiprocessing.{helper}" in word for helper in helpers for word in words
    )


def opens_files(words: Sequence[str]) -> bool:
    """Whether a Python that records nothing runs code of the script all the same."""
    is_tracker = any("multiprocessing.resource_tracker" in word for word in words)
    return not is_tracker and not _is_launcher(words)


def _is_launcher(words: Sequence[str]) -> bool:
    module, script = _what_runs(words)
    return module in _LAUNCHER_MODULES or PurePath(script).name in _LAUNCHERS


def _what_runs(words: Sequence[str]) -> tuple[str, str]:
    """The module or the script that a Python was given; empty where it was given none."""
    rest = list(words[1:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "-m":
            return rest[0] if rest else "", ""
        if option in _WITH_A_VALUE and rest:
            rest.pop(0)
        elif option == "-c":
            return "", ""
    return "", rest[0] if rest else ""


def world_size() -> int:
    """How many ranks train together; 1 where nobody says."""
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_world_size())
    except Exception:
        pass  # a group that is being taken down
    told = os.environ.get("WORLD_SIZE", "")
    return int(told) if told.isdigit() and int(told) else 1
