"""Event files of any content, made as TensorBoard's own classes serialize."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

from samebit.compat.files.framed import pack_records
from samebit.compat.files.logdirs import Logdir
from samebit.compat.foreign import ForeignRun

NAME = "events.out.tfevents.1700000000.host.1.0"
T0 = 1700000000.0


def version(wall_time: float = T0) -> bytes:
    return Event(wall_time=wall_time, file_version="brain.Event:2").SerializeToString()


def scalar(tag: str, step: int, value: float, wall_time: float | None = None) -> bytes:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    wall_time = T0 + step if wall_time is None else wall_time
    return Event(wall_time=wall_time, step=step, summary=summary).SerializeToString()


def start(step: int) -> bytes:
    log = SessionLog(status=SessionLog.START)
    return Event(wall_time=T0 + 1000, step=step, session_log=log).SerializeToString()


def tensor(tag: str, step: int, proto: Any, plugin: str, content: bytes = b"") -> bytes:
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    metadata = SummaryMetadata(plugin_data=data) if plugin else None
    value = Summary.Value(tag=tag, tensor=proto, metadata=metadata)
    return Event(wall_time=T0, step=step, summary=Summary(value=[value])).SerializeToString()


def write(folder: Path, payloads: Sequence[bytes], name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pack_records([version(), *payloads], numpy))
    return folder / name


def read(path: Path) -> list[ForeignRun]:
    """The runs that lie at a path."""
    runs = [found.read(lambda _: None) for found in Logdir(path).find()]
    return [run for run in runs if run is not None]


def points(run: ForeignRun, name: str) -> list[tuple[int, float]]:
    """Step and value of one series, through all executions."""
    return [
        (int(step), float(value))
        for execution in run.executions
        for one in execution.series
        if one.name == name
        for step, value in zip(one.steps, one.values, strict=True)
    ]
