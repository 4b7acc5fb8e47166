"""`wandb.Settings`: any names; those that mean something here are read by `init`."""

from typing import Any

__all__ = ["Settings"]

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
