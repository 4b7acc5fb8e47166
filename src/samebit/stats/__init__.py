"""Statistics over seeds, tasks and searches: numbers in, frozen values that say what they are out.

Nothing here knows a run, and nothing draws from NumPy's global generator. Importing this loads
nothing; each name below is loaded when it is first used, and most of them need NumPy.
"""

from importlib import import_module

from samebit.errors import UsageError

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost seven ms
if TYPE_CHECKING:
    from typing import Any

    from samebit.stats.curves import (
        Fates,
        fates,
        rank_with_final,
        spearman,
        stopped_early,
        stopping_cost,
    )
    from samebit.stats.groups import difference, levene, mann_whitney, one_way, welch_t
    from samebit.stats.intervals import mean, proportion, sd, seeds_needed, sem
    from samebit.stats.multiple import holm
    from samebit.stats.pairs import (
        Decision,
        cohen_dz,
        decide,
        decide_unpaired,
        paired_t,
        pairs_needed,
        sign_flip,
        wilcoxon,
    )
    from samebit.stats.search import expected_best
    from samebit.stats.settings import Importance, importance
    from samebit.stats.tasks import over_tasks, performance_profile, probability_of_improvement
    from samebit.stats.values import Comparison, Estimate
    from samebit.stats.variances import Component, Crossed, best_versus_worst, crossed

__all__ = [
    "Comparison",
    "Component",
    "Crossed",
    "Decision",
    "Estimate",
    "Fates",
    "Importance",
    "best_versus_worst",
    "cohen_dz",
    "crossed",
    "decide",
    "decide_unpaired",
    "difference",
    "expected_best",
    "fates",
    "holm",
    "importance",
    "levene",
    "mann_whitney",
    "mean",
    "one_way",
    "over_tasks",
    "paired_t",
    "pairs_needed",
    "performance_profile",
    "probability_of_improvement",
    "proportion",
    "rank_with_final",
    "sd",
    "seeds_needed",
    "sem",
    "sign_flip",
    "spearman",
    "stopped_early",
    "stopping_cost",
    "welch_t",
    "wilcoxon",
]

_MODULES = {
    "curves": "Fates fates rank_with_final spearman stopped_early stopping_cost",
    "groups": "difference levene mann_whitney one_way welch_t",
    "intervals": "mean proportion sd seeds_needed sem",
    "multiple": "holm",
    "pairs": "Decision cohen_dz decide decide_unpaired paired_t pairs_needed sign_flip wilcoxon",
    "search": "expected_best",
    "settings": "Importance importance",
    "tasks": "over_tasks performance_profile probability_of_improvement",
    "values": "Comparison Estimate",
    "variances": "Component Crossed best_versus_worst crossed",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'samebit.stats' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"samebit.stats.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise UsageError(
            "statistics need NumPy", hint="install it: pip install 'samebit[stats]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
