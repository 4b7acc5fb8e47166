"""Samebit: record a machine-learning run, run it again, and say whether the bits are the same.

    run = samebit.init(config=args, seed=42, deterministic=True)
    run.watch(model, optimizer)
    run.log({"loss": loss}, step=step)
    run.finish()

Importing this does nothing and loads nothing; each name below is loaded when it is first used.
"""

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost seven ms
if TYPE_CHECKING:
    from typing import Any

    from samebit.integrations import sklearn
    from samebit.media.given import Audio, Figure, Histogram, Image, Table, Text, Video
    from samebit.session.chosen import runs
    from samebit.session.joining import init
    from samebit.session.reading import open_run
    from samebit.session.roles import role, seeds
    from samebit.session.run import Run
    from samebit.session.samples import per_sample
    from samebit.states.forms import opaque

__version__ = "0.1.0.dev0"
__all__ = [
    "Audio",
    "Figure",
    "Histogram",
    "Image",
    "Run",
    "Table",
    "Text",
    "Video",
    "__version__",
    "init",
    "opaque",
    "open_run",
    "per_sample",
    "role",
    "runs",
    "seeds",
    "sklearn",
]

_HOMES = {
    "init": "samebit.session.joining",
    "opaque": "samebit.states.forms",
    "open_run": "samebit.session.reading",
    "runs": "samebit.session.chosen",
    "role": "samebit.session.roles",
    "seeds": "samebit.session.roles",
    "Run": "samebit.session.run",
    "per_sample": "samebit.session.samples",
    "Audio": "samebit.media.given",
    "Figure": "samebit.media.given",
    "Histogram": "samebit.media.given",
    "Image": "samebit.media.given",
    "Table": "samebit.media.given",
    "Text": "samebit.media.given",
    "Video": "samebit.media.given",
    "sklearn": "samebit.integrations.sklearn",
}


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'samebit' has no attribute {name!r}")
    import gc  # noqa: PLC0415
    import importlib  # noqa: PLC0415  (the face loads nothing before it is used)

    # What is loaded makes the collector walk all objects that there are: beside an imported torch
    # that is 60 ms, and there is nothing to collect.
    collects = gc.isenabled()
    gc.disable()
    try:
        home = importlib.import_module(_HOMES[name])
        value = home if home.__name__.endswith(f".{name}") else getattr(home, name)
    finally:
        if collects:
            gc.enable()
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
