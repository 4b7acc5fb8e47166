"""What is to be run, and how: the words of the child, and its environment.

That is complete before the child's interpreter starts: the hash seed, what level strict needs, and
the folder by which the recorder enters.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field, structs

from samebit.capture import randomness
from samebit.errors import CannotStart
from samebit.folders.folder import RunFolder
from samebit.launch import landlock
from samebit.session import studied
from samebit.session.beginning import Begun
from samebit.session.ends import OpsWanted
from samebit.session.taking import READY

__all__ = [
    "ENTRY",
    "SHAPES",
    "Replay",
    "Request",
    "arguments",
    "code_start",
    "environment",
    "hash_seed",
]

ENTRY = Path(__file__).parent / "entry"
SHAPES = ("wandb",)  # the trackers to whose names we can answer
_SHAPES = Path(__file__).parent.parent / "compat" / "shapes"  # a folder for the path of each


class Replay(Struct, frozen=True):
    """What makes a launch a replay of a recorded run."""

    of: str
    rates: Mapping[str, Sequence[tuple[int, int, int, int]]]  # by rank; see `View.rates`
    sandbox: Callable[[RunFolder], landlock.Ruleset | None]
    output: int  # a descriptor for the child's console
    tick: Callable[[RunFolder], bool]  # called now and then; True ends it: it has parted
    seeds: Path  # the file of what is given back of the run's randomness
    stop: Path  # a file that is made when it is to end
    ops: OpsWanted | None = None  # the step whose operations it notes, and then ends
    goes_on: RunFolder | None = None  # the replay of which this is a further execution
    input: int = subprocess.DEVNULL  # a descriptor of what it reads


class Request(Struct, frozen=True):
    """What is to be run, and how."""

    how: str  # script | module | command
    words: Sequence[str]  # the script, module or program, and its arguments
    cwd: Path
    environ: Mapping[str, str]
    seed: int | None = None
    roles: Mapping[str, int] = field(default_factory=dict[str, int])  # their seeds, of a study
    deterministic: bool = False
    name: str | None = None
    group: str | None = None
    resume: str | None = None  # the run that goes on; AUTO for a job that was requeued
    or_run_anyway: bool = False
    save_data: bool = False
    memory: int | None = None  # in bytes: what it and all that it starts may hold together
    shape: str = ""  # the tracker whose name ours answers to
    python: str = sys.executable
    store: Path | None = None  # found from `cwd` where it is not given
    replay: Replay | None = None
    kind: str = "run"  # run | trial; a replay is known by its `replay`
    until: int | None = None  # the step after which it ends; None: when it ends by itself


def arguments(request: Request) -> list[str]:
    """The program and its arguments; CannotStart where the script is not there."""
    if request.how == "command":
        return list(request.words)
    if request.how == "module":
        return [request.python, "-m", *request.words]
    script = request.cwd / request.words[0]
    if not script.exists():
        raise CannotStart(
            f"there is no script {request.words[0]}",
            folder=request.cwd,
            hint="a command that is no Python script goes after `--`: samebit run -- torchrun …",
        )
    return [request.python, *request.words]


def code_start(how: str, words: Sequence[str], cwd: Path) -> tuple[Path, Path | None]:
    """The folder whose code is the run's, and the script; see `Request`."""
    script = cwd / words[0] if how == "script" else None
    return (script.parent if script is not None and script.is_file() else cwd), script


def hash_seed(request: Request) -> str:
    """PYTHONHASHSEED: the user's, else the seed, else drawn at random."""
    given = request.environ.get("PYTHONHASHSEED", "")
    if given.isdigit():
        return given
    return str(request.seed if request.seed is not None else int.from_bytes(os.urandom(4), "big"))


def environment(request: Request, begun: Begun) -> dict[str, str]:
    """The variables of the child: those of the request, and ours, which say what was begun."""
    environ = {name: value for name, value in request.environ.items() if not _is_ours(name)}
    if request.save_data:
        environ["SAMEBIT_DATA_SAVE"] = "yes"
    if request.deterministic:
        environ.update(randomness.strict_variables(environ, _threads()))
    ours = [ENTRY, _SHAPES / request.shape] if request.shape else [ENTRY]
    path = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = os.pathsep.join([*map(str, ours), *([path] if path else [])])
    environ["SAMEBIT_RUN"] = str(begun.folder.path)
    environ["SAMEBIT_EXECUTION"] = str(begun.execution)
    if begun.job is not None and begun.job.ranks > 1:
        environ["SAMEBIT_RANK"] = str(begun.job.rank)
    if request.replay is not None:
        environ["SAMEBIT_RATES"] = json.dumps(dict(request.replay.rates))
        environ["SAMEBIT_SEEDS"] = str(request.replay.seeds)
        environ["SAMEBIT_STOP"] = str(request.replay.stop)
        if request.replay.ops is not None:
            environ["SAMEBIT_OPS"] = json.dumps(structs.asdict(request.replay.ops))
    if request.roles:
        environ[studied.ROLES] = json.dumps(dict(request.roles))
    if request.until is not None:
        environ["SAMEBIT_UNTIL"] = str(request.until)
    if request.or_run_anyway:
        environ["SAMEBIT_OR_RUN_ANYWAY"] = "1"
    return environ


def _is_ours(name: str) -> bool:
    return name in (
        "SAMEBIT_RUN",
        "SAMEBIT_EXECUTION",
        "SAMEBIT_PID",
        "SAMEBIT_RANK",
        "SAMEBIT_AS_RANK",
        "SAMEBIT_RATES",
        "SAMEBIT_SEEDS",
        "SAMEBIT_STOP",
        "SAMEBIT_OPS",
        "SAMEBIT_UNTIL",
        "SAMEBIT_OR_RUN_ANYWAY",
        studied.TRIAL,
        studied.ROLES,
        studied.SETTINGS,
        studied.CODE,
        READY,
    )


def _threads() -> int:
    """The processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
