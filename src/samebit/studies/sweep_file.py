"""What a sweep is declared by: a file, or options with the same names; as a study and a budget.

script = "train.py"                      # or module = "…", or command = ["torchrun", "train.py"]
arguments = ["--lr", "{lr}", "--batch={batch}"]
maximize = "val_acc"                     # or minimize = "…"
sampler = "tpe"
trials = 50                              # and, or: for = "2h", gpu_hours = 10

[space]
lr = {log = [1e-5, 1e-1]}
batch = [16, 32, 64]
"""

import math
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit.errors import NotFound, UsageError
from samebit.studies.declared import ALL, Study, Sweep
from samebit.studies.pruning import check_pruner
from samebit.studies.samplers import check_sampler
from samebit.studies.space import check_words, read_space
from samebit.studies.sweeping import Budget

__all__ = ["Wanted", "budget_of", "read_sweep", "study_of"]

_TAKES = ("last", "best")
_HOUR_S = 3600


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a file of a sweep can say; empty or 0 for what it does not."""

    script: str = ""
    module: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    space: dict[str, Any] = field(default_factory=dict[str, Any])
    maximize: str = ""
    minimize: str = ""
    take: str = "last"
    sampler: str = "tpe"
    pruner: str = ""
    seed: int = 0
    seeds: int = 1
    trials: int = 0
    lasts: str = field(default="", name="for")
    gpu_hours: float = 0.0
    name: str = ""
    deterministic: bool = False


def read_sweep(path: Path) -> Wanted:
    """What a file says; UsageError, with its name, for what it cannot say, NotFound without it."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Wanted)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        known = ", ".join(one.encode_name for one in msgspec.structs.fields(Wanted))
        raise UsageError(f"{path} cannot be read: {error}", known=known) from error


def study_of(wanted: Wanted, how: str, words: list[str], threads: int) -> Study:
    """What is declared; UsageError where it cannot be meant.

    Args:
        wanted: by the file and the options.
        how: script, module or command.
        words: its words, with places in them.
        threads: of each run.
    """
    if bool(wanted.maximize) == bool(wanted.minimize):
        raise UsageError(
            "which metric is to be the best, and is higher or lower better?",
            hint="--maximize val_acc; or --minimize val_loss",
        )
    if wanted.take not in _TAKES:
        raise UsageError(f"no way to take a metric: {wanted.take!r}", known=", ".join(_TAKES))
    if not 0 <= wanted.seed < 2**32:
        raise UsageError("a seed is a whole number below 2^32", given=wanted.seed)
    if wanted.seeds < 1:
        raise UsageError("at least one seed for each configuration", given=wanted.seeds)
    check_sampler(wanted.sampler)
    check_pruner(wanted.pruner, wanted.seeds)
    space = read_space(wanted.space)
    check_words(words, space)
    sweep = Sweep(
        space,
        wanted.sampler,
        "maximize" if wanted.maximize else "minimize",
        wanted.take,
        wanted.seeds,
        wanted.pruner,
    )
    return Study(
        id="",
        name=wanted.name,
        how=how,
        words=tuple(words),
        cwd=str(Path.cwd()),
        factors=(ALL,),
        crossed=False,
        threads=threads,
        seed=wanted.seed,
        deterministic=wanted.deterministic,
        metric=(wanted.maximize or wanted.minimize).removeprefix("metric."),
        sweep=sweep,
    )


def budget_of(wanted: Wanted, seconds: float) -> Budget:
    """How much a sweep may take.

    Args:
        wanted: the trials and hours of devices.
        seconds: how long it may last; 0 where that is not said.

    Raises UsageError for less than none; 0 of anything is no bound.
    """
    if wanted.trials < 0 or wanted.gpu_hours < 0:
        raise UsageError("a budget is above nothing")
    return Budget(wanted.trials, math.ceil(seconds), math.ceil(wanted.gpu_hours * _HOUR_S))
