"""`wandb.env`: names of variables, and the few that are set by functions."""

import os
from collections.abc import MutableMapping

__all__ = [
    "API_KEY",
    "BASE_URL",
    "DIR",
    "DISABLED",
    "ENTITY",
    "JOB_TYPE",
    "MODE",
    "NAME",
    "NOTES",
    "PROJECT",
    "RESUME",
    "RUN_GROUP",
    "RUN_ID",
    "SILENT",
    "TAGS",
    "get_dir",
    "get_entity",
    "get_project",
    "set_entity",
    "set_project",
]

API_KEY = "WANDB_API_KEY"
BASE_URL = "WANDB_BASE_URL"
DIR = "WANDB_DIR"
DISABLED = "WANDB_DISABLED"
ENTITY = "WANDB_ENTITY"
JOB_TYPE = "WANDB_JOB_TYPE"
MODE = "WANDB_MODE"
NAME = "WANDB_NAME"
NOTES = "WANDB_NOTES"
PROJECT = "WANDB_PROJECT"
RESUME = "WANDB_RESUME"
RUN_GROUP = "WANDB_RUN_GROUP"
RUN_ID = "WANDB_RUN_ID"
SILENT = "WANDB_SILENT"
TAGS = "WANDB_TAGS"

Env = MutableMapping[str, str]


def get_project(default: str | None = None, env: Env | None = None) -> str | None:
    """WANDB_PROJECT."""
    return (os.environ if env is None else env).get(PROJECT, default)


def get_entity(default: str | None = None, env: Env | None = None) -> str | None:
    """WANDB_ENTITY."""
    return (os.environ if env is None else env).get(ENTITY, default)


def get_dir(default: str | None = None, env: Env | None = None) -> str | None:
    """WANDB_DIR."""
    return (os.environ if env is None else env).get(DIR, default)


def set_project(value: str, env: Env | None = None) -> None:
    """Set WANDB_PROJECT."""
    (os.environ if env is None else env)[PROJECT] = value or "uncategorized"


def set_entity(value: str, env: Env | None = None) -> None:
    """Set WANDB_ENTITY."""
    (os.environ if env is None else env)[ENTITY] = value
