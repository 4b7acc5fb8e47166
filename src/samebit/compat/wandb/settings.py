"""`wandb.Settings`: any names; those that mean something here are read by `init`, as arguments."""

from typing import Any

from msgspec import Struct

__all__ = ["Settings", "Told", "named"]

# Those that arguments of `init` have, by that name.
_ARGUMENTS = {
    "run_id": "id",
    "run_name": "name",
    "run_group": "group",
    "run_notes": "notes",
    "run_tags": "tags",
    "run_job_type": "job_type",
    "root_dir": "dir",
}
_KNOWN = ("project", "entity", "mode", "resume", "reinit", *_ARGUMENTS)


class Settings:
    """What was given, as attributes; None for everything else."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    def arguments(self) -> dict[str, Any]:
        """Those that are arguments of `init`, by its names."""
        given = {name: self.__dict__[name] for name in _KNOWN if name in self.__dict__}
        return {
            _ARGUMENTS.get(name, name): value for name, value in given.items() if value is not None
        }


class Told(Struct, frozen=True):
    """What `init` was told of a run, by its arguments, settings and variables."""

    project: str = "uncategorized"
    entity: str = ""
    group: str = ""
    job_type: str = ""
    name: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()
    id: str | None = None
    folder: str | None = None
    disabled: bool = False


def named(given: Settings | None, told: Told, run_id: str, name: str | None) -> Settings:
    """What was given, with what the run is called; nothing is sent anywhere."""
    called = {
        "mode": "disabled" if told.disabled else "offline",
        "project": told.project,
        "entity": told.entity or None,
        "run_id": run_id,
        "run_name": name or told.name,
        "run_group": told.group or None,
        "run_job_type": told.job_type or None,
        "run_notes": told.notes,
        "run_tags": told.tags,
    }
    return Settings(**{**(vars(given) if given is not None else {}), **called})
