"""What a store of MLflow has of one run, and the run of ours that it is; files and SQLite alike."""

import functools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit.compat.foreign import Execution, ForeignRun, Series, Thing
from samebit.media.given import Image, Media

__all__ = ["Kept", "foreign_run", "in_ns", "plain_of"]

_MOST_LISTED = 1000  # artifacts
_LONGEST_TAG = 100  # characters
_LATEST_MS = 4_000_000_000_000  # a time beyond it is none
_MS_NS = 1_000_000
_OURS = "mlflow."  # how tags begin that MLflow itself sets
_MACHINE = "system/"  # and metrics of the machine
_WORDS = {"True": True, "False": False, "None": None}
_STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running"}
_SAID = {
    "mlflow.source.name": "source",
    "mlflow.source.type": "source_type",
    "mlflow.source.git.commit": "commit",
    "mlflow.source.git.branch": "branch",
    "mlflow.source.git.repoURL": "git",
    "mlflow.user": "user",
}
# A picture that was logged under a key: MLflow tells it in the name of the file alone.
_PICTURE = re.compile(r"(.+)([+%])step\2(-?\d{1,18})\2timestamp\2(\d{1,15})\2[0-9a-f-]+\.png")


class Kept(Struct):
    """One run, as a store has it."""

    id: str
    where: str
    experiment: str = ""
    experiment_id: str = ""
    name: str = ""
    status: str = ""  # in MLflow's words
    user: str = ""
    started_ms: Any = None
    ended_ms: Any = None
    params: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    metrics: dict[str, list[tuple[int, float, int]]] = field(
        default_factory=dict[str, list[tuple[int, float, int]]]
    )  # by name (time in ms, value, step), as they were logged
    datasets: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    # Versions of registered models that are of it: name, version, stage, aliases.
    models: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    artifacts: Path | None = None  # the folder, where it is there
    elsewhere: str = ""  # where they lie, of a run whose artifacts are not in the store's folder
    digest: str = ""
    unread_bytes: dict[str, int] = field(default_factory=dict[str, int])
    troubles: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])


def foreign_run(kept: Kept) -> ForeignRun:
    """What is kept, as the importer takes it."""
    counted: list[str] = []
    series = {name: _series(name, rows, counted) for name, rows in kept.metrics.items()}
    artifacts, pictures, outputs = _artifacts(kept.artifacts)
    if kept.elsewhere:
        kept.troubles["artifacts", "lie outside of the store, and were not looked at"] = None
    execution = Execution(
        in_ns(kept.started_ms),
        in_ns(kept.ended_ms) or None,
        series=[one for name, one in series.items() if not name.startswith(_MACHINE)],
        things=pictures,
        machine=[one for name, one in series.items() if name.startswith(_MACHINE)],
    )
    return ForeignRun(
        tool="mlflow",
        id=kept.id,
        where=kept.where,
        executions=[execution],
        name=kept.tags.get("mlflow.runName") or kept.name or None,
        parent=kept.tags.get("mlflow.parentRunId"),
        status=_STATES.get(kept.status, ""),
        config={name: plain_of(text) for name, text in kept.params.items()},
        text=kept.tags.get("mlflow.note.content", ""),
        tags=_tags(kept.tags),
        said=_said(kept, counted, artifacts),
        problems=list(kept.troubles),
        outputs=outputs,
        digest=kept.digest,
    )


def in_ns(milliseconds: Any) -> int:
    """Milliseconds since 1970 in nanoseconds; 0 for what is no time."""
    if not isinstance(milliseconds, int) or not 0 < milliseconds < _LATEST_MS:
        return 0
    return milliseconds * _MS_NS


def plain_of(text: str) -> Any:
    """What a parameter was, of which MLflow keeps `str(value)` alone.

    A number, True, False or None where Python writes that value as this very text, so that nothing
    is lost by it; else the text. That a text was given which reads so is not known to MLflow.
    """
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text


def _series(name: str, rows: Sequence[tuple[int, float, int]], counted: list[str]) -> Series:
    steps = [step for _, _, step in rows]
    if len(rows) > 1 and not any(steps):
        # Logged without `step`: all are of step 0 there, and only one of them would count here.
        steps = list(range(len(rows)))
        counted.append(name)
    return Series(name, steps, [in_ns(ms) for ms, _, _ in rows], [value for _, value, _ in rows])


def _tags(tags: Mapping[str, str]) -> list[str]:
    """What people tagged it with; what makes no tag of ours is in what MLflow said."""
    found = (f"{name}={value}" for name, value in tags.items() if not name.startswith(_OURS))
    return [one for one in found if len(one) <= _LONGEST_TAG and "," not in one]


def _said(kept: Kept, counted: list[str], artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "experiment": kept.experiment,
        **{ours: kept.tags[theirs] for theirs, ours in _SAID.items() if theirs in kept.tags},
    }
    if kept.user:
        said.setdefault("user", kept.user)
    if artifacts:
        said["artifacts_there"] = len(artifacts)
    if kept.models:
        said["models"] = ", ".join(f"{one['name']} {one['version']}" for one in kept.models)[:200]
    if counted:
        said["numbered"] = f"{', '.join(counted)[:200]}: logged without a step, in this order"
    more: dict[str, Any] = {
        "experiment_id": kept.experiment_id,
        "tags": kept.tags,
        "datasets": kept.datasets,
        "registered": kept.models,
        "artifacts": artifacts[:_MOST_LISTED],
        "artifacts_lie_in": kept.elsewhere,
        "unread_bytes": kept.unread_bytes,
    }
    return {name: value for name, value in {**said, **more}.items() if value}


def _artifacts(
    top: Path | None,
) -> tuple[list[dict[str, Any]], list[Thing], dict[str, Path]]:
    """The files of a run with their sizes, the pictures among them that have a step, and where."""
    outputs: dict[str, Path] = {}
    found: list[dict[str, Any]] = []
    pictures: list[tuple[int, str, int, Path]] = []
    for folder, _, names in os.walk(top) if top is not None else ():
        for name in names:
            path = Path(folder, name)
            try:
                if path.is_symlink() or not path.is_file():
                    continue
                inside = path.relative_to(str(top)).as_posix()
                found.append({"path": inside, "size_bytes": path.stat().st_size})
                outputs[inside] = path
            except OSError:
                continue
            match = _PICTURE.fullmatch(name)
            if match and inside == f"images/{name}":
                key, step, ms = match[1].replace("#", "/"), int(match[3]), int(match[4])
                pictures.append((ms, key, step, path))
    things = [
        Thing(key, step, in_ns(ms), functools.partial(_picture, path))
        for ms, key, step, path in sorted(pictures)
    ]
    return sorted(found, key=lambda one: one["path"]), things, outputs


def _picture(path: Path) -> list[Media]:
    return [Image(path)]
