"""Names of wandb for which there is nothing like it here: what is taken, and what is refused.

What describes data is taken, said once and left out. What would do something else than was asked
for is refused with what there is instead.
"""

from typing import Any, NoReturn

from samebit.compat.wandb.faults import NotOffered
from samebit.compat.wandb.media import NotKept
from samebit.compat.wandb.tables import Table

__all__ = [
    "INSTEAD",
    "ArtifactTTL",
    "Bokeh",
    "BoundingBoxes2D",
    "Classes",
    "EvalTable",
    "Graph",
    "ImageMask",
    "JoinedTable",
    "PartitionedTable",
    "WBTraceTree",
    "agent",
    "box3d",
    "controller",
    "refuse",
    "sweep",
]

_SWEEPS = (
    "`samebit sweep train.py --maximize val_acc --trials 50 --space 'lr = {log = [1e-5, 1e-1]}' -- "
    "--lr {lr}` searches, with no server and no agent; `samebit sweep --help` has more"
)
# Attributes of the module that are refused, each with what there is instead.
INSTEAD = {
    "sweep": _SWEEPS,
    "agent": _SWEEPS,
    "controller": _SWEEPS,
    "launch": "`samebit run -- COMMAND` runs anything",
    "sklearn": "scikit-learn's estimators are recorded without it",
    "keras": "Keras is recorded without it",
    "xgboost": "XGBoost's rounds are recorded without it",
    "lightgbm": "LightGBM's rounds are recorded without it",
    "catboost": "log what you want to see by wandb.log",
    "gym": "log what you want to see by wandb.log",
    "sacred": "Sacred's configurations are recorded without it",
    "tensorflow": "log what you want to see by wandb.log",
    "tensorboard": "what a SummaryWriter takes is recorded by `samebit run`",
    "integration": "libraries are recorded without it",
    "jupyter": "notebooks are recorded without it",
    "apis_internal": "there is no server",
}


class Classes(NotKept):
    """Names of classes for boxes and masks."""

    what = "Classes"


class ImageMask(NotKept):
    """A mask."""

    what = "ImageMask"


class BoundingBoxes2D(NotKept):
    """Boxes."""

    what = "BoundingBoxes2D"


class Graph(NotKept):
    """A graph of operations."""

    what = "Graph"


class Bokeh(NotKept):
    """A figure of bokeh."""

    what = "Bokeh"


class JoinedTable(NotKept):
    """Two tables, joined."""

    what = "JoinedTable"


class PartitionedTable(NotKept):
    """A table of parts."""

    what = "PartitionedTable"


class WBTraceTree(NotKept):
    """A trace of calls of a language model."""

    what = "WBTraceTree"


class EvalTable(Table):
    """A table."""


def box3d(*data: Any, **more: Any) -> dict[str, Any]:
    """A box in space: taken, for an Object3D that is not kept."""
    return dict(more)


class ArtifactTTL:
    """How long an artifact is kept, of no effect here."""

    INHERIT = "inherit"


def refuse(name: str) -> NoReturn:
    """Raise NotOffered, an UnsupportedError that says what there is instead."""
    raise NotOffered(f"wandb.{name} is not offered by Samebit: {INSTEAD[name]}")


def sweep(*given: Any, **more: Any) -> NoReturn:
    """Refused: UnsupportedError says what there is instead."""
    refuse("sweep")


def agent(*given: Any, **more: Any) -> NoReturn:
    """Refused: UnsupportedError says what there is instead."""
    refuse("agent")


def controller(*given: Any, **more: Any) -> NoReturn:
    """Refused: UnsupportedError says what there is instead."""
    refuse("controller")
