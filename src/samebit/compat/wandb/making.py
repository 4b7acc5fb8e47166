"""Artifacts that a run logs and uses, and how a replay finds those that its run had."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from samebit import places
from samebit.compat.wandb import kept
from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.entries import check_aliases
from samebit.compat.wandb.faults import CommError
from samebit.compat.wandb.kept import Labelled
from samebit.compat.wandb.recorded import Recorded
from samebit.compat.wandb.saying import lacks
from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["find_artifact", "log_artifact", "store_of", "there_then", "use_artifact"]


def log_artifact(
    recorded: Recorded,
    given: Any,
    name: str | None,
    type: str | None,
    aliases: Sequence[str] | None,
    *,
    run_id: str,
) -> Artifact:
    """Make it a version of data; what goes wrong with the store is said, and it stays a draft.

    Raises ValueError for aliases and paths that wandb refuses.
    """
    wanted = check_aliases(aliases)
    artifact = given if isinstance(given, Artifact) else _of_path(given, name, type, run_id)
    if not artifact.is_draft() or recorded.path is None:
        return artifact
    store = Store(recorded.path.parent.parent)
    if recorded.is_replay:
        _as_recorded(recorded, store, artifact)
        return artifact
    try:
        record = artifact.content.name(
            artifact.name,
            root=Path("artifacts", artifact.name).absolute(),
            message=artifact.description or "",
            origin={**artifact.origin(wanted), "run": run_id},
        )
        artifact.was_logged(store, kept.labelled(store.path, record))
    except (SamebitError, OSError) as error:
        said = error.what if isinstance(error, SamebitError) else str(error)
        lacks(f"artifact {artifact.name!r}", f"not kept: {said}")
        return artifact
    _tell(recorded, "logged", record, given=record.name)
    return artifact


def _of_path(given: Any, name: str | None, type: str | None, run_id: str) -> Artifact:
    path = os.fspath(given)
    called = name or kept.data_name(f"run-{run_id}-{os.path.basename(os.path.normpath(path))}")
    artifact = Artifact(called, type or "unspecified")
    if os.path.isfile(path):
        artifact.add_file(path)
    elif os.path.isdir(path):
        artifact.add_dir(path)
    elif "://" in path:
        artifact.add_reference(path)
    else:
        raise ValueError(
            "path must be a file, directory or externalreference like s3://bucket/path"
        )
    return artifact


def _tell(recorded: Recorded, how: str, record: DataRecord, *, given: str) -> None:
    recorded.used(
        {
            "how": how,
            "name": record.name,
            "given": given,
            "fingerprint": record.fingerprint,
            "manifest": record.manifest,
        }
    )


def use_artifact(recorded: Recorded, given: Any, type: str | None) -> Artifact:
    """The version that a name means, or a draft that is logged first.

    Raises CommError where there is none, or it is of another type.
    """
    if isinstance(given, Artifact):
        if given.is_draft():
            return log_artifact(recorded, given, None, None, None, run_id=recorded.id)
        name = given.name
    else:
        name = str(given)
    artifact, record = find_artifact(store_of(recorded), name, type, recorded)
    _tell(recorded, "used", record, given=name)
    return artifact


def find_artifact(
    path: Path, name: str, type: str | None, recorded: Recorded | None
) -> tuple[Artifact, DataRecord]:
    """The version that a name means in a store, and its record; raises as `use_artifact`."""
    store = Store(path)
    try:
        found = _used_then(recorded, store, name) if recorded is not None else None
        found = found or kept.find(path, name)
    except SamebitError as error:
        raise CommError(f"there is no artifact {name!r}: {error.what}") from error
    artifact = Artifact.of(store, found)
    if type is not None and artifact.type != type:
        raise CommError(f"artifact {name!r} is of the type {artifact.type!r}, not {type!r}")
    return artifact, found.record


def store_of(recorded: Recorded) -> Path:
    """Where the artifacts of a run are, in a replay those of its run."""
    if recorded.path is not None:
        return recorded.path.parent.parent
    return places.choose_store(Path.cwd())


def there_then(recorded: Recorded) -> Callable[[DataRecord], bool] | None:
    """In a replay, which versions were there for its run at this place; else None: all are.

    These are the versions from before it began, and those of its own that the replay has come to.
    """
    if not recorded.is_replay:
        return None
    assert recorded.path is not None
    began_ns = RunFolder(recorded.path.parent / recorded.id).record().started_ns
    facts = read_run(RunFolder(recorded.path)).all_facts("artifact")
    made = {(fact["name"], fact["manifest"]) for fact in facts if fact["how"] == "logged"}
    return lambda record: (
        record.at_ns < began_ns
        or (record.origin.get("run") == recorded.id and (record.name, record.manifest) in made)
    )


def _facts(recorded: Recorded, how: str) -> list[dict[str, Any]]:
    """What the run that is replayed did with artifacts."""
    assert recorded.path is not None
    original = RunFolder(recorded.path.parent / recorded.id)
    return [fact for fact in read_run(original).all_facts("artifact") if fact.get("how") == how]


def _used_then(recorded: Recorded, store: Store, name: str) -> Labelled | None:
    """In a replay, the version that its run had by this name, which may mean another one now."""
    if not recorded.is_replay:
        return None
    for fact in _facts(recorded, "used"):
        if fact.get("given") == name:
            for one in kept.versions_of(store.path, fact["name"]):
                if one.record.manifest == fact["manifest"]:
                    return one
    return None


def _as_recorded(recorded: Recorded, store: Store, artifact: Artifact) -> None:
    """In a replay nothing is added: it becomes the version that its run made of it."""
    for fact in _facts(recorded, "logged"):
        if fact.get("name") == artifact.name:
            for one in kept.versions_of(store.path, artifact.name):
                if one.record.manifest == fact["manifest"]:
                    artifact.was_logged(store, one)
                    _tell(recorded, "logged", one.record, given=artifact.name)
                    return
