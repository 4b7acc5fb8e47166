"""What a study is: one command, what of it varies, and which seeds that comes to.

Of a sweep settings vary, too: its space, and how that is searched.

Seeds are derived, so that the same study again has the same ones: that of the *i*-th value of a
factor is a hash of the study's own seed, the factor and *i*, cut to 32 bits. What does not vary
keeps the first.
"""

import contextlib
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import digest, disk, places, records
from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.folders.folder import run_id
from samebit.studies.space import Parameter, Value, present, words

__all__ = [
    "ALL",
    "DECLARATION",
    "FACTORS",
    "Counts",
    "Design",
    "Keeping",
    "Study",
    "Sweep",
    "at_home",
    "declared_in",
    "default_name",
    "design",
    "filled",
    "find_study",
    "folder_of",
    "join_or_declare",
    "roles",
    "seed_of",
    "settings_of",
    "study_id",
]

STUDY_FORMAT = "samebit-study 1"
DECLARATION = "study.json"
ALL = "all"
FACTORS = ("init", "order", "dropout", "split", ALL)
_PLACES = re.compile(r"\{([^{}]*)\}")
_SEEDS = ("seed", *FACTORS[:-1])
_LARGEST_SEED = 2**32 - 1

Counts = Mapping[str, int]  # by factor how many values; all alike where they are not crossed


class Sweep(Struct, frozen=True):
    """What is searched beside, how, and what is best. The metric is the study's."""

    space: tuple[Parameter, ...]
    sampler: str  # `samebit.studies.samplers.SAMPLERS`
    goal: str  # maximize | minimize
    take: str = "last"  # the value that a run is judged by: last | best (of all its steps)
    seeds: int = 1  # runs of each configuration, which is judged by their mean
    pruner: str = ""  # by which runs are stopped early; empty: none are

    @property
    def rule(self) -> str:
        """By which rule the best configuration is chosen, without the metric's name."""
        side = "highest" if self.goal == "maximize" else "lowest"
        each = "last value" if self.take == "last" else "value over the steps"
        mean = f", mean of {self.seeds} seeds" if self.seeds > 1 else ""
        return f"{side} {each}{mean}"


class Keeping(Struct, frozen=True):
    """How many runs go on behind a step; the others are stopped. The metric is the study's."""

    keep: int
    at: float  # the step
    better: str  # higher | lower
    steps: float = 0  # of a whole run; 0 where nobody said


class Study(Struct, frozen=True):
    """`study.json`: what is run, what varies. Never rewritten; how many is in `trials.jsonl`."""

    id: str
    name: str  # the group of its runs
    how: str  # script | module | command
    words: tuple[str, ...]
    cwd: str
    factors: tuple[str, ...]
    crossed: bool  # each value of one with each of the others, rather than all anew in each trial
    threads: int  # of each run; 0: as the environment says
    seed: int = 0
    first: int | None = None  # the first of seeds that are counted: 0, 1, 2; None: derived
    deterministic: bool = False
    metric: str = ""
    at_ns: int = 0
    sweep: Sweep | None = None  # None: nothing but seeds varies
    keeping: Keeping | None = None  # None: all runs go to their end
    format: str = STUDY_FORMAT


class Design(Struct, frozen=True):
    """A trial that is wanted: its seeds and settings, and which run with these it is."""

    values: dict[str, Any]
    repeat: int = 0  # how many times before with the same values
    asked: int | None = None  # of a sweep: by the so-manieth question to the sampler, from 0
    told: tuple[int, ...] = ()  # of which earlier questions it learnt the results just before
    by: str = ""  # what said so, with its version


def seed_of(study: Study, factor: str, number: int) -> int:
    """The seed of a factor's value, by its number from 0.

    From `first` on where the study has one, else 32 bits of the digest of what the study is: so
    every machine has the same. Raises UsageError for one of 2^32 or more.
    """
    if study.first is not None:
        if study.first + number > _LARGEST_SEED:
            raise UsageError("seeds are whole numbers below 2^32", first=study.first)
        return study.first + number
    text = digest.canonical_json([STUDY_FORMAT, study.seed, factor, number])
    return int(digest.of_bytes(text).rpartition(":")[2][:8], 16)


def design(study: Study, counts: Counts, repeats: int) -> list[Design]:
    """All trials that are wanted, in the order in which they are started.

    Args:
        study: what varies in it.
        counts: of each factor how many values.
        repeats: how often the first trial is run again with its own seeds.
    """
    columns = [
        [seed_of(study, factor, number) for number in range(counts[factor])]
        for factor in study.factors
    ]
    rows = itertools.product(*columns) if study.crossed else zip(*columns, strict=True)
    found = [Design(dict(zip(study.factors, row, strict=True))) for row in rows]
    return found + [Design(found[0].values, again) for again in range(1, repeats + 1)]


def _value(study: Study, values: Mapping[str, Any], factor: str) -> int:
    """A factor's seed in a trial; of one that does not vary, that of everything if it varies."""
    if factor in values:
        return int(values[factor])
    return int(values[ALL]) if ALL in values else seed_of(study, factor, 0)


def filled(study: Study, values: Mapping[str, Any]) -> tuple[list[str], int]:
    """The words of a trial's command, and the seed of everything."""
    seed = _value(study, values, ALL)

    names = {name: str(value) for name, value in settings_of(study, values).items()}
    space = study.sweep.space if study.sweep is not None else ()

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name in names:
            return names[name]
        if name not in _SEEDS:
            return match[0]
        return str(seed if name == "seed" else _value(study, values, name))

    return [_PLACES.sub(put, word) for word in present(study.words, space, values)], seed


def roles(study: Study, values: Mapping[str, Any]) -> dict[str, int]:
    """The seeds that a trial gives roles by name; `*` is every role that is not named."""
    found = {name: int(values[name]) for name in study.factors if name in values}
    return {"*" if name == ALL else name: seed for name, seed in found.items()}


def settings_of(study: Study, values: Mapping[str, Any]) -> dict[str, Value]:
    """What a trial's values are beside its seeds, in the order of the space."""
    space = study.sweep.space if study.sweep is not None else ()
    return {one.name: values[one.name] for one in space if one.name in values}


def study_id(store: Path, name: str) -> str:
    """The id of a study by its name: of one store it is one, whoever declares it first."""
    text = digest.canonical_json([STUDY_FORMAT, places.store_id(store), name])
    return run_id(digest.raw(text))


def default_name(store: Path, stem: str, study: Study) -> str:
    """A name that the same command gets again, also in a copy of its project, and no other."""
    with contextlib.suppress(ValueError):  # a store that lies elsewhere
        study = replace(study, cwd=str(Path(study.cwd).relative_to(store.parent)))
    text = digest.canonical_json(_identity(study))
    return f"{stem}-{digest.of_bytes(text).rpartition(':')[2][:6]}"


def folder_of(store: Path, study: str) -> Path:
    """Where a study lies."""
    return store / "studies" / study


def find_study(store: Path, name: str) -> Study | None:
    """The study whose runs are in a group of this name: of this store, or pulled into it."""
    try:
        return declared_in(folder_of(store, study_id(store, name)))
    except NotFound:
        pass
    for path in sorted((store / "studies").glob(f"*/{DECLARATION}")):
        with contextlib.suppress(SamebitError):  # a damaged one of another name
            found = declared_in(path.parent)
            if found.name == name:
                return found
    return None


def declared_in(folder: Path) -> Study:
    """What the study of a folder is; NotFound, or Damaged."""
    path = folder / DECLARATION
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("there is no such study here", path=folder) from error
    except OSError as error:
        raise Damaged(f"cannot read a study: {error.strerror}", path=path) from error
    return records.decode(data, Study, where=path)


def join_or_declare(store: Path, study: Study) -> Study:
    """Declare a study, or go on with the one of its name.

    Raises UsageError where that one is of something else.
    """
    there = find_study(store, study.name)
    if there is None:
        folder = folder_of(store, study.id)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            disk.create(folder / DECLARATION, records.encode(study), store / "tmp")
            return study
        except FileExistsError:
            there = declared_in(folder)
    there = at_home(store, there, study.cwd)
    before, now = _identity(there), _identity(study)
    for name in {**now, **before}:
        if before.get(name) != now.get(name):
            raise UsageError(
                f"the study {study.name!r} is there, and is another one",
                its=f"{name} {_shown(before.get(name, ''))}",
                asked=f"{name} {_shown(now.get(name, ''))}",
                hint="--name gives this one a name of its own",
            )
    return there


def at_home(store: Path, study: Study, here: str) -> Study:
    """A study, in this folder where its own is not of this store: it came here, or was moved."""
    is_there = os.path.isdir(study.cwd)  # False, too, where nobody may look
    if is_there and places.choose_store(Path(study.cwd)).resolve() == store.resolve():
        return study
    return replace(study, cwd=here)


def _identity(study: Study) -> dict[str, Any]:
    """What cannot be otherwise when a study goes on."""
    names = ("how", "words", "cwd", "factors", "crossed", "seed", "first", "deterministic")
    found = {name: records.plain(getattr(study, name)) for name in names}
    if study.keeping is not None:
        one = study.keeping
        found["keep"] = f"{one.keep} at step {one.at:g}, {study.metric} {one.better} is better"
    if study.sweep is not None:
        found["goal"] = f"{study.sweep.goal} {study.metric}"
        found["space"] = [f"{one.name} = {words(one)}" for one in study.sweep.space]
        rest = ("sampler", "take", "seeds", "pruner")
        found |= {name: getattr(study.sweep, name) for name in rest}
    return found


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)
