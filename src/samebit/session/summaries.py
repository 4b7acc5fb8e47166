"""`SummaryWriter` of torch and of tensorboardX: what a script logs through one, as `log` would.

The writer does what it always does, first; then the same values are recorded as the script gave
them, not as its event file has them. What one call makes of others counts once, as the outer one.
"""

import functools
import inspect
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from msgspec import Struct

from samebit.capture.importing import step_aside, when_imported
from samebit.journal.values import OnADevice
from samebit.journal.writer import Writer

__all__ = ["SOURCE", "Summaries", "Summary", "hook"]

SOURCE = "hooks.summaries"
_MODULES = ("torch.utils.tensorboard.writer", "tensorboardX.writer")
_NOT_RECORDED = (
    "add_embedding",
    "add_graph",
    "add_histogram_raw",
    "add_image_with_boxes",
    "add_mesh",
    "add_onnx_graph",
    "add_openvino_graph",
    "add_pr_curve",
    "add_pr_curve_raw",
    "add_tensor",
    "add_video",
)
# What a writer without a folder of its own chooses, another one each time.
_BY_THE_CLOCK = re.compile(r"^[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_")
_SECOND_NS = 1_000_000_000
_LOOK_MASK = 63  # each 64th number it is seen which names `run.log` has taken meanwhile


class Summary(Struct, frozen=True):
    """One call, after it returned."""

    method: str
    signature: inspect.Signature
    args: tuple[Any, ...]  # the first is the writer
    kwargs: Mapping[str, Any]


class Summaries:
    """What the writers of one process log.

    Args:
        writer: of the journal.
        log: takes values and a step, as `Run.log`.
        arrives: takes values on a device, and a step.
        settings: takes hyper-parameters.
        step_of: the step of values that were given none.
        say: says something to the user, once.
    """

    def __init__(
        self,
        writer: Writer,
        log: Callable[[dict[str, Any], Any], object],
        arrives: Callable[[dict[str, Any], Any], object],
        settings: Callable[[dict[str, Any]], object],
        step_of: Callable[[Mapping[str, Any]], int],
        say: Callable[[str], object],
    ) -> None:
        self._writer = writer
        self._log = log
        self._arrives = arrives
        self._settings = settings
        self._step_of = step_of
        self._say = say
        self._first = ""  # the folder of the first writer
        self._prefixes: dict[str, str] = {}  # by folder
        self._names: dict[tuple[Any, Any], str] = {}  # by folder and tag; empty: `log` has the name
        self._known = 0  # sets of names that were logged in all, when these were looked at
        self._calls = 0
        self._said: set[str] = set()

    def take(self, call: Summary) -> None:
        """Record what was logged, but for one number."""
        bound = call.signature.bind(*call.args, **call.kwargs)
        bound.apply_defaults()
        writer, given = call.args[0], bound.arguments
        if call.method == "add_scalars":
            for line, value in given["tag_scalar_dict"].items():
                tag = f"{given['main_tag']}/{line}"
                self.scalar(writer, tag, value, given.get("global_step"), given["walltime"])
        elif call.method == "add_hparams":
            self._settings(dict(given["hparam_dict"]))
            for tag, value in given["metric_dict"].items():
                self.scalar(writer, tag, value, given.get("global_step"), None)
        elif call.method in _NOT_RECORDED:
            self._leave(call.method)
        else:
            step = given.get("global_step")
            name = self._name(writer, given["tag"])
            media = _media(call.method, given)
            if name and media:
                self._log({name: media}, self._step_of({name: None}) if step is None else step)

    def scalar(self, writer: Any, tag: Any, value: Any, step: Any, wall: Any) -> None:
        """Record one number; step and time of the day are None where they were not given."""
        self._calls += 1
        if not self._calls & _LOOK_MASK:
            self._look()
        of = writer.__dict__
        name = self._names.get((of.get("log_dir") or of.get("logdir"), tag))
        if name is None:
            name = self._name(writer, tag)
        if not name:
            return
        if type(value) is not float and getattr(value, "shape", None):
            value = value.reshape(())  # the writer takes an array of one, too
        values = {name: value}
        if step is None:
            step = self._step_of(values)
        try:
            self._writer.row(values, step, None if wall is None else _monotonic(wall))
        except OnADevice:
            self._arrives(values, step)
        except Exception:
            self._log(values, step)  # says what is wrong with it

    def _leave(self, method: str) -> None:
        if method not in self._said:
            self._said.add(method)
            self._say(
                f"samebit: what {method} of SummaryWriter logs is in its event file, "
                "and not in the record"
            )

    # Names

    def _name(self, writer: Any, tag: Any) -> str:
        """The name of a tag; empty where `run.log` has that name, which is its own."""
        folder = getattr(writer, "log_dir", None) or writer.logdir  # torch's, or tensorboardX's
        key = folder, tag
        if key not in self._names:
            name = self._prefix(os.fspath(folder)) + str(tag)
            is_taken = (name,) in self._writer.logged and name not in self._names.values()
            self._names[key] = "" if is_taken else name
            self._look()
        return self._names[key]

    def _look(self) -> None:
        """Give up the names that stand in a row with others, which is none of a writer."""
        logged = self._writer.logged
        if len(logged) == self._known:
            return
        self._known = len(logged)
        others = {name for names in list(logged) if len(names) > 1 for name in names}
        for key, name in self._names.items():
            if name in others:
                self._names[key] = ""

    def _prefix(self, folder: str) -> str:
        """Before a writer's names: its folder, as seen from that of the first one."""
        if folder not in self._prefixes:
            self._first = self._first or folder
            parts = os.path.relpath(folder, self._first).split(os.sep)
            parts = [part for part in parts if part not in ("..", ".")]
            if folder != self._first and not parts:
                parts = [os.path.basename(os.path.abspath(folder))]
            number = len(self._prefixes) + 1
            named = [f"writer {number}" if _BY_THE_CLOCK.match(one) else one for one in parts]
            prefix = "".join(f"{part}/" for part in named)
            if prefix and prefix in self._prefixes.values():
                prefix = f"{prefix[:-1]} ({number})/"
            self._prefixes[folder] = prefix
        return self._prefixes[folder]


def _monotonic(wall: Any) -> int:
    """A time of the day, in seconds, on the monotonic clock in nanoseconds."""
    return round(float(wall) * _SECOND_NS) - time.time_ns() + time.monotonic_ns()


def _media(method: str, given: Mapping[str, Any]) -> Any:
    # Most scripts have no such writer, and most of those that have log numbers alone.
    from samebit.media.given import Audio, Figure, Histogram, Text  # noqa: PLC0415

    if method == "add_text":
        return Text(str(given["text_string"]))
    if method == "add_figure":
        figures = given["figure"]
        return [Figure(one) for one in figures] if isinstance(figures, list) else Figure(figures)
    if method == "add_histogram":
        return Histogram(given["values"])
    if method == "add_audio":
        return Audio(_samples(given["snd_tensor"]), rate=given["sample_rate"])
    return _pictures(given["img_tensor"], str(given["dataformats"]).upper())


def _samples(sound: Any) -> Any:
    """Samples, or samples × channels; torch's writer takes 1 × samples."""
    shape = tuple(getattr(sound, "shape", ()))
    if len(shape) == 2 and 1 in shape:
        return sound.reshape(-1)
    return sound.T if hasattr(sound, "detach") else sound


def _pictures(given: Any, axes: str) -> Any:
    """One picture, or one for each of a batch, with the channels behind height and width."""
    from samebit.media.given import Image  # noqa: PLC0415  (as above)

    if not hasattr(given, "shape"):
        return Image(given)  # which says what it is
    order = [axes.index(axis) for axis in "NHWC" if axis in axes]
    ordered = given.permute(*order) if hasattr(given, "permute") else given.transpose(*order)
    whole = str(given.dtype).removeprefix("torch.").startswith(("uint", "int", "bool"))
    bounds = None if whole else (0.0, 1.0)

    def one(picture: Any) -> Any:
        return Image(picture, channels="last" if "C" in axes else None, range=bounds)

    return [one(ordered[at]) for at in range(ordered.shape[0])] if "N" in axes else one(ordered)


_Tell = Callable[[Summary], object]


def hook(tell: _Tell, tell_scalar: Callable[..., object]) -> None:
    """Meet the writers' methods, now or when a library is imported.

    Args:
        tell: is called with each call but those of `add_scalar`; never raises.
        tell_scalar: is called with a writer and tag, value, step and time of a number; as little.
    """
    for name in _MODULES:
        when_imported(name, functools.partial(_wrap_all, tell, tell_scalar))


class _Depth(threading.local):
    """Whether this thread is inside a method of a writer already."""

    inside = False


_depth = _Depth()
_RECORDED = ("add_scalars", "add_hparams", "add_text", "add_figure", "add_histogram", "add_audio")
_METHODS = (*_RECORDED, "add_image", "add_images", *_NOT_RECORDED)


def _wrap_all(tell: _Tell, tell_scalar: Callable[..., object], module: ModuleType) -> None:
    kind: Any = module.SummaryWriter
    kind.add_scalar = _scalar(tell_scalar, vars(kind)["add_scalar"])
    for name in _METHODS:
        if name in vars(kind):
            setattr(kind, name, _wrapped(tell, name, vars(kind)[name]))


def _scalar(tell: Callable[..., object], original: Any) -> Any:
    """The method that is called most: it calls no other of these."""
    depth = _depth

    @functools.wraps(original)
    def add_scalar(
        self: Any,
        tag: Any,
        scalar_value: Any,
        global_step: Any = None,
        walltime: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        try:
            if args or kwargs:
                returned = original(self, tag, scalar_value, global_step, walltime, *args, **kwargs)
            else:  # half a microsecond quicker
                returned = original(self, tag, scalar_value, global_step, walltime)
        except BaseException as error:
            step_aside(error)
            raise
        if not depth.inside:
            tell(self, tag, scalar_value, global_step, walltime)
        return returned

    return add_scalar


def _wrapped(tell: _Tell, name: str, original: Any) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _depth.inside:
            return original(self, *args, **kwargs)
        _depth.inside = True
        try:
            returned = original(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        finally:
            _depth.inside = False
        tell(Summary(name, signature, (self, *args), kwargs))
        return returned

    return method
