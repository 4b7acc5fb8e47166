"""MLflow's file store: `EXPERIMENT/RUN/` with `meta.yaml`, and a file for each name.

Metrics have a line for each point, `time in ms, value, step`; a last line without an end may be cut
in the middle of a number, and is no line yet. A link is not followed: it may lead anywhere.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samebit.compat.files.mlflowrun import Kept, foreign_run
from samebit.compat.foreign import ForeignRun
from samebit.digest import canonical_json, of_bytes
from samebit.errors import Damaged, UsageError

__all__ = ["Experiments", "run_folders", "size_and_time"]

_META = "meta.yaml"
_MOST_BYTES = 1 << 20  # of what is no metric
_MOST_METRIC_BYTES = 512 << 20
_MOST_NESTED = 64  # brackets of YAML
_NUMBERS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_NOTHING = ("", "null", "~")


def run_folders(top: Path) -> list[Path]:
    """What may be folders of runs: two below that of a store, one below an experiment, or itself.

    Folders that begin with a dot are left out: MLflow puts away what is deleted there.
    """
    found = [top]
    level = [top]
    for _ in range(2):
        level = [inner for folder in level for inner in _folders(folder)]
        found += level
    return sorted(folder for folder in found if (folder / _META).is_file())


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            ]
    except OSError:
        return []


def size_and_time(folder: Path) -> tuple[int, int]:
    """How many bytes a run has that are read, and when the last of them was written (ns)."""
    size = latest = 0
    for path in _of_run(folder):
        try:
            found = path.stat()
        except OSError:
            continue
        size, latest = size + found.st_size, max(latest, found.st_mtime_ns)
    return size, latest


def _of_run(folder: Path) -> Iterator[Path]:
    yield folder / _META
    for part in ("params", "metrics", "tags", "inputs"):
        for _, path in _inside(folder / part):
            yield path


def _inside(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files in a folder with their names, which have slashes where people wrote them."""
    for above, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(above, name)
            if not path.is_file() and not path.is_symlink():
                continue  # a pipe would be waited for
            yield path.relative_to(folder).as_posix(), path


class Experiments:
    """Reads runs, and the names of the experiments that they are of.

    Raises:
        UsageError: PyYAML is not installed.
    """

    def __init__(self) -> None:
        try:
            import yaml  # noqa: PLC0415  (a lazy door)
        except ImportError as error:
            hint = "pip install 'samebit[mlflow]'; its databases (sqlite:///mlflow.db) need nothing"
            raise UsageError("MLflow's folders are read with PyYAML", hint=hint) from error
        self._yaml: Any = yaml
        # All scalars are texts: nothing is taken for a number or a date that was none.
        self._loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        self._names: dict[Path, tuple[str, str]] = {}

    def kind_of(self, folder: Path) -> str:
        """Whether a folder is that of a run: `active`, `deleted`, or empty for one of no run.

        One that looks as a run's and cannot be read is active: reading it says why.
        """
        try:
            meta = self._meta(folder / _META)
        except Damaged:
            return "active" if (folder / "metrics").is_dir() else ""
        if "run_id" not in meta and "run_uuid" not in meta:
            return ""
        return "deleted" if meta.get("lifecycle_stage") == "deleted" else "active"

    def read(self, folder: Path, told: Callable[[int], object]) -> ForeignRun:
        """The run of a folder; Damaged where `meta.yaml` does not say which it is."""
        meta = self._meta(folder / _META)
        name, experiment_id = self._experiment(folder.parent)
        status = meta.get("status", "")
        kept = Kept(
            id=meta.get("run_id") or meta.get("run_uuid") or folder.name,
            where=str(folder.absolute()),
            experiment=name,
            experiment_id=meta.get("experiment_id") or experiment_id,
            name=meta.get("run_name") or meta.get("name", ""),
            status=_NUMBERS.get(status, status),
            user=meta.get("user_id", ""),
            started_ms=_whole(meta.get("start_time")),
            ended_ms=_whole(meta.get("end_time")),
            artifacts=folder / "artifacts",
        )
        uri = meta.get("artifact_uri", "")
        if not uri.endswith(f"/{folder.name}/artifacts"):  # else its own folder, of a moved store
            kept.elsewhere = uri
        for key, path in _inside(folder / "params"):
            if (text := _text(path, kept)) is not None:
                kept.params[key] = text
        for key, path in _inside(folder / "tags"):
            if (text := _text(path, kept)) is not None:
                kept.tags[key] = text
        for key, path in _inside(folder / "metrics"):
            kept.metrics[key] = _points(key, path, kept, told)
        kept.datasets = list(self._datasets(folder, kept))
        kept.digest = of_bytes(canonical_json([meta, kept.params, kept.tags, kept.metrics]))
        return foreign_run(kept)

    def _experiment(self, folder: Path) -> tuple[str, str]:
        if folder not in self._names:
            try:
                meta = self._meta(folder / _META)
            except Damaged:
                meta = {}
            self._names[folder] = meta.get("name", ""), meta.get("experiment_id", folder.name)
        return self._names[folder]

    def _meta(self, path: Path) -> dict[str, str]:
        """The texts of a file of YAML, by name; None and what is nested are left out."""
        found = self._load(path)
        return {k: v for k, v in found.items() if isinstance(v, str) and v not in _NOTHING}

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            data = b"" if path.is_symlink() else _bytes(path)
            if data.count(b"[") + data.count(b"{") > len(data) // 2 + _MOST_NESTED:
                raise Damaged(f"{path.name} is nested too deeply")
            found = self._yaml.load(data, self._loader)
        except (OSError, RecursionError, ValueError, self._yaml.YAMLError) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Damaged(f"{path.name} cannot be read: {what}", path=path) from error
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise Damaged(f"{path.name} is no map of names to values", path=path)
        return found

    def _datasets(self, folder: Path, kept: Kept) -> Iterator[dict[str, str]]:
        for one in _folders(folder / "inputs"):
            try:
                link = self._load(one / _META)
                if link.get("source_type") != "DATASET":
                    continue
                name = str(link.get("source_id", ""))
                if Path(name).name != name:
                    raise Damaged("it names a dataset by a path")
                meta = self._meta(folder.parent / "datasets" / name / _META)
            except Damaged as error:
                kept.troubles[f"inputs/{one.name}", error.what] = None
                continue
            said = {key: meta[key] for key in ("name", "digest", "source_type") if key in meta}
            tags = link.get("tags")
            context = tags.get("mlflow.data.context") if isinstance(tags, dict) else None
            yield {**said, "context": context} if isinstance(context, str) else said


def _bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB")
    return data


def _whole(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _text(path: Path, kept: Kept) -> str | None:
    """What a file holds; None where it is a link, or cannot be read."""
    try:
        if not path.is_symlink():
            return _bytes(path).decode("utf-8", "backslashreplace")
        what = "is a link, which is not followed"
    except (OSError, ValueError) as error:
        what = f"cannot be read: {error}"
    kept.troubles[f"{path.parent.name}/{path.name}", what] = None
    return None


def _points(
    key: str, path: Path, kept: Kept, told: Callable[[int], object]
) -> list[tuple[int, float, int]]:
    """The points of a metric, in the order of their lines."""
    if path.is_symlink():
        kept.troubles[key, "is a link, which is not followed"] = None
        return []
    if path.stat().st_size > _MOST_METRIC_BYTES:
        many = f"{_MOST_METRIC_BYTES >> 20} MiB"
        kept.troubles[key, f"has more than {many}, and is not read"] = None
        return []
    data = path.read_bytes()
    told(len(data))
    *lines, rest = data.split(b"\n")
    if rest:
        kept.unread_bytes[f"metrics/{key}"] = len(rest)
    found: list[tuple[int, float, int]] = []
    # `log_model` writes a run's last points once more; to MLflow's databases they are the same.
    written: set[tuple[bytes, ...]] = set()
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if (point := tuple(parts[:3])) in written:
            continue
        written.add(point)
        try:
            step = int(parts[2]) if len(parts) > 2 else 0
            if not -(1 << 63) <= step < 1 << 63:
                raise ValueError
            found.append((int(parts[0]), float(parts[1]), step))
        except (ValueError, IndexError):
            kept.troubles[key, f"line {number:,} is no point, nor may others be"] = None
            break
    return found
