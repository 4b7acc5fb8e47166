"""`wandb.data_types`."""

from samebit.compat.wandb.absent import (
    Bokeh,
    BoundingBoxes2D,
    Classes,
    EvalTable,
    Graph,
    ImageMask,
    JoinedTable,
    PartitionedTable,
    WBTraceTree,
    box3d,
)
from samebit.compat.wandb.media import (
    Audio,
    BatchableMedia,
    Histogram,
    Html,
    Image,
    Media,
    Molecule,
    Object3D,
    Plotly,
    Video,
    WBValue,
)
from samebit.compat.wandb.tables import Table

__all__ = [
    "Audio",
    "BatchableMedia",
    "Bokeh",
    "BoundingBoxes2D",
    "Classes",
    "EvalTable",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "ImageMask",
    "JoinedTable",
    "Media",
    "Molecule",
    "Object3D",
    "PartitionedTable",
    "Plotly",
    "Table",
    "Video",
    "WBTraceTree",
    "WBValue",
    "box3d",
]
