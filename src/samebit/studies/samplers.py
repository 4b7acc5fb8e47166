"""Who says what is tried next: a grid of ours, or a sampler of Optuna by its ask and tell.

Optuna holds nothing but what it was told, in memory, and is asked and told again by a later
controller. Each question has a sampler of its own, seeded by the study's seed and the question's
number, so that an answer follows from what was told alone; with some samplers also from their
answers before, so that these are asked for again. Where they are others (another version of
Optuna, a run that is gone), what was decided stays, and the sampler does not learn of it.
"""

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from samebit import digest
from samebit.errors import NotFound, UsageError
from samebit.studies.declared import STUDY_FORMAT, Study, Sweep
from samebit.studies.space import Parameter, Value, grid, rounded

if TYPE_CHECKING:
    import optuna

__all__ = [
    "LEARNING",
    "SAMPLERS",
    "Answers",
    "check_sampler",
    "load_optuna",
    "open_sampler",
    "quietly",
]

SAMPLERS = ("grid", "random", "sobol", "halton", "tpe", "cmaes", "gp")
LEARNING = ("tpe", "cmaes", "gp")  # from what came of those before
_WITH_STATE = ("sobol", "halton", "cmaes")  # whose answers follow from those before, too
_NEEDS = {"sobol": "scipy", "halton": "scipy", "cmaes": "cmaes", "gp": "torch"}


class Answers(Protocol):
    """What says the values of the next configuration."""

    by: str  # its name and version
    size: int | None  # so many answers there are; None: without end

    def ask(self, number: int, decided: Mapping[str, Value] | None = None) -> dict[str, Value]:
        """The values of a configuration.

        Args:
            number: of the question, from 0, one after the other.
            decided: what an earlier controller was answered, which stays.
        """
        ...

    def tell(self, number: int, value: float | None, steps: Mapping[int, float]) -> None:
        """What came of a question's configuration.

        Args:
            number: of the question.
            value: by which it is judged; None where it failed, or was stopped early.
            steps: of one that was stopped early what it was worth until then; else empty.
        """
        ...


def open_sampler(study: Study, sweep: Sweep) -> Answers:
    """The sampler of a sweep.

    Raises:
        NotFound: a package that it needs is missing.
        UsageError: it cannot search such a space.
    """
    if sweep.sampler == "grid":
        return _Grid(sweep.space)
    if sweep.sampler in ("sobol", "halton") and any(one.when for one in sweep.space):
        raise UsageError(
            f"{sweep.sampler} knows no settings that depend on others",
            given=", ".join(one.name for one in sweep.space if one.when),
            hint="--sampler tpe or random; or a space without `when`",
        )
    return _Optuna(study, sweep)


class _Grid:
    by = "samebit grid"

    def __init__(self, space: Sequence[Parameter]) -> None:
        self._cells = grid(space)
        self.size: int | None = len(self._cells)

    def ask(self, number: int, decided: Mapping[str, Value] | None = None) -> dict[str, Value]:
        return dict(decided) if decided is not None else self._cells[number]

    def tell(self, number: int, value: float | None, steps: Mapping[int, float]) -> None:
        pass


class _Optuna:
    size: int | None = None

    def __init__(self, study: Study, sweep: Sweep) -> None:
        self._optuna = load_optuna(sweep.sampler)
        self._sweep, self._seed = sweep, study.seed
        self.by = f"optuna {self._optuna.__version__} {sweep.sampler}"
        with quietly():
            self._study = self._optuna.create_study(
                study_name=study.id, direction=sweep.goal, sampler=self._sampler(0)
            )
        self._trials: list[optuna.trial.Trial] = []
        self._parted: set[int] = set()  # what was decided is not what this sampler answers

    def ask(self, number: int, decided: Mapping[str, Value] | None = None) -> dict[str, Value]:
        with quietly():
            self._study.sampler = self._sampler(number)
            if decided is not None and self._sweep.sampler not in _WITH_STATE:
                self._study.enqueue_trial(dict(decided))
            trial = self._study.ask()
            self._trials.append(trial)
            found: dict[str, Value] = {}
            for one in self._sweep.space:
                if one.is_active(found):
                    found[one.name] = _suggested(trial, one)
        if decided is not None and found != decided:
            self._parted.add(number)
        return found if decided is None else dict(decided)

    def tell(self, number: int, value: float | None, steps: Mapping[int, float]) -> None:
        states = self._optuna.trial.TrialState
        trial = self._trials[number]
        with quietly():
            for step, seen in steps.items():
                trial.report(seen, step)
            if value is not None and number not in self._parted:
                self._study.tell(trial, value)
            else:
                self._study.tell(trial, state=states.PRUNED if steps else states.FAIL)

    def _sampler(self, number: int) -> "optuna.samplers.BaseSampler":
        """One that has drawn nothing yet; of a sequence of points the same each time."""
        there = self._optuna.samplers
        seed = _seed(self._seed, number)
        name = self._sweep.sampler
        if name == "random":
            return there.RandomSampler(seed=seed)
        if name == "tpe":
            # Beside what still runs it is to try something else.
            return there.TPESampler(seed=seed, constant_liar=True)
        if name == "cmaes":
            return there.CmaEsSampler(seed=seed, independent_sampler=there.RandomSampler(seed=seed))
        if name == "gp":
            return there.GPSampler(seed=seed, deterministic_objective=False)
        return there.QMCSampler(
            qmc_type=name,
            scramble=True,
            seed=_seed(self._seed, 0),
            independent_sampler=there.RandomSampler(seed=seed),
        )


def _suggested(trial: "optuna.trial.Trial", one: Parameter) -> Value:
    found: Any
    if one.kind == "choice":
        found = trial.suggest_categorical(one.name, one.choices)
        return found
    low: Any = one.low
    high: Any = one.high
    log, step = one.kind.startswith("log"), one.step
    if one.kind.endswith("int"):
        return trial.suggest_int(one.name, low, high, step=int(step or 1), log=log)
    found = trial.suggest_float(one.name, low, high, step=step, log=log)
    return found if step is None else rounded(found)


def _seed(study: int, number: int) -> int:
    text = digest.canonical_json([STUDY_FORMAT, study, "sampler", number])
    return int(digest.of_bytes(text).rpartition(":")[2][:8], 16)


def load_optuna(sampler: str = "") -> Any:
    """Optuna, with what one of its samplers needs; NotFound where it is missing."""
    for name in ("optuna", _NEEDS.get(sampler, "optuna")):
        try:
            import_module(name)
        except ImportError as error:
            raise NotFound(
                f"{sampler or 'early stopping'} needs a package that cannot be imported: {name}",
                it_said=str(error),
                hint=f'pip install {name}; or sampler = "grid", which needs nothing',
            ) from error
    return import_module("optuna")


@contextmanager
def quietly() -> Generator[None]:
    """Without what Optuna would print beside us, of features that may change and of each trial."""
    optuna: Any = import_module("optuna")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def check_sampler(name: str) -> None:
    """UsageError for a sampler that there is not."""
    if name not in SAMPLERS:
        raise UsageError(f"no sampler is called {name!r}", known=", ".join(SAMPLERS))
