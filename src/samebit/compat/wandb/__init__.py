"""The module that is called `wandb`: its calls are recorded by Samebit, into the store.

    import samebit.compat.wandb as wandb        # one changed line
    samebit run --as wandb train.py             # or none

[docs/wandb.md](../../../../docs/wandb.md) says of each name what becomes of it.
"""

import enum
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from samebit.compat.wandb import env as env
from samebit.compat.wandb import errors as errors
from samebit.compat.wandb import joining, plot, saved
from samebit.compat.wandb import sdk as sdk
from samebit.compat.wandb import util as util
from samebit.compat.wandb.absent import (
    INSTEAD,
    ArtifactTTL,
    Classes,
    EvalTable,
    Graph,
    JoinedTable,
    agent,
    box3d,
    controller,
    refuse,
    sweep,
)
from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.configs import Config
from samebit.compat.wandb.faults import CommError, Error, UsageError
from samebit.compat.wandb.joining import attach, finish, init
from samebit.compat.wandb.media import (
    Audio,
    Histogram,
    Html,
    Image,
    Molecule,
    Object3D,
    Plotly,
    Video,
)
from samebit.compat.wandb.plot import plot_table, visualize
from samebit.compat.wandb.runs import Run
from samebit.compat.wandb.saying import termerror, termlog, termwarn
from samebit.compat.wandb.settings import Settings
from samebit.compat.wandb.tables import Table

if TYPE_CHECKING:
    from samebit.compat.wandb.reading import Api

__version__ = "0.31.0"  # whose names and arguments these are
__all__ = [
    "AlertLevel",
    "Api",
    "Artifact",
    "ArtifactTTL",
    "Audio",
    "Classes",
    "CommError",
    "Config",
    "Error",
    "EvalTable",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "JoinedTable",
    "Molecule",
    "Object3D",
    "Plotly",
    "Run",
    "Settings",
    "Table",
    "UsageError",
    "Video",
    "__version__",
    "agent",
    "alert",
    "attach",
    "box3d",
    "config",
    "controller",
    "define_metric",
    "finish",
    "init",
    "join",
    "link_model",
    "log",
    "log_artifact",
    "log_code",
    "log_model",
    "login",
    "mark_preempting",
    "pin_config_keys",
    "plot",
    "plot_table",
    "require",
    "restore",
    "run",
    "save",
    "setup",
    "summary",
    "sweep",
    "teardown",
    "termerror",
    "termlog",
    "termwarn",
    "unwatch",
    "use_artifact",
    "use_model",
    "visualize",
    "watch",
]


class AlertLevel(enum.Enum):
    """How loud an alert is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class _BeforeInit:
    """`wandb.config` and `wandb.summary` while there is no run: every use is an Error."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def _refuse(self, what: str) -> Error:
        name: str = object.__getattribute__(self, "_name")
        return Error(f"You must call wandb.init() before wandb.{name}{what}")

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):  # copying, and whoever looks at modules
            raise AttributeError(key)
        raise self._refuse(f".{key}")

    def __setattr__(self, key: str, value: Any) -> None:
        raise self._refuse(f".{key}")

    def __getitem__(self, key: str) -> Any:
        raise self._refuse(f"[{key!r}]")

    def __setitem__(self, key: str, value: Any) -> None:
        raise self._refuse(f"[{key!r}]")


run: Run | None = None
config: Any = _BeforeInit("config")
summary: Any = _BeforeInit("summary")
patched: dict[str, list[Any]] = {"tensorboard": [], "keras": [], "gym": []}
join = finish
wandb_sdk = sdk
_attach = attach
_before = config, summary


def _is_now(new: Run | None) -> None:
    """Have the module's names be those of a run; or of none."""
    global run, config, summary
    run = new
    config, summary = _before if new is None else (new.config, new.summary)


joining.on_change(_is_now)


def _running(what: str) -> Run:
    if run is None:
        raise Error(f"You must call wandb.init() before wandb.{what}()")
    return run


def log(
    data: Mapping[str, Any],
    step: int | None = None,
    commit: bool | None = None,
    sync: bool | None = None,
) -> None:
    """See `Run.log`."""
    if run is None:
        raise Error("You must call wandb.init() before wandb.log()")
    run.log(data, step, commit)


def _of_run(name: str) -> Callable[..., Any]:
    """A function of the module that is a method of the run that goes on."""

    def call(*given: Any, **more: Any) -> Any:
        return getattr(_running(name), name)(*given, **more)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"See `Run.{name}`; Error before `init`."
    return call


define_metric = _of_run("define_metric")
watch = _of_run("watch")
unwatch = _of_run("unwatch")
save = _of_run("save")
log_artifact = _of_run("log_artifact")
use_artifact = _of_run("use_artifact")
log_model = _of_run("log_model")
use_model = _of_run("use_model")
link_model = _of_run("link_model")
log_code = _of_run("log_code")
alert = _of_run("alert")
mark_preempting = _of_run("mark_preempting")
pin_config_keys = _of_run("pin_config_keys")


def restore(
    name: str, run_path: str | None = None, replace: bool = False, root: str | None = None
) -> Any:
    """See `Run.restore`; of another run by its path also before `init`."""
    if run is not None:
        return run.restore(name, run_path, replace, root)
    if run_path is None:
        raise Error("You must call wandb.init() before wandb.restore(), or give a run_path")
    return saved.restore("", name, run_path, replace=replace, root=root or os.getcwd())


def login(*given: Any, **more: Any) -> bool:
    """True: nobody has to log in."""
    return True


def setup(settings: Any = None) -> Any:
    """Of no effect: nothing has to be started."""
    return _Setup(settings)


class _Setup:
    def __init__(self, settings: Any) -> None:
        self.settings = settings if isinstance(settings, Settings) else Settings(**(settings or {}))


def teardown(exit_code: int | None = None) -> None:
    """Finish the run, if there is one."""
    finish(exit_code)


def require(requirement: Any = None, experiment: Any = None) -> None:
    """Of no effect."""


def ensure_configured() -> None:
    """Of no effect."""


def termsetup(*given: Any, **more: Any) -> None:
    """Of no effect."""


def __getattr__(name: str) -> Any:
    if name in ("Api", "PublicApi"):
        from samebit.compat.wandb.reading import Api  # noqa: PLC0415  (few scripts read)

        return Api
    if name == "api":
        from samebit.compat.wandb.reading import Api  # noqa: PLC0415

        return Api()
    if name in ("apis", "data_types", "wandb_run"):
        import importlib  # noqa: PLC0415

        return importlib.import_module(f"{__package__}.{name}")
    if name in INSTEAD:
        refuse(name)
    raise AttributeError(f"module 'wandb' has no attribute {name!r}")
