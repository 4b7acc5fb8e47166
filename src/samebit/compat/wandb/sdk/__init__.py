"""`wandb.sdk`, as far as libraries look into it."""

from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.configs import Config
from samebit.compat.wandb.joining import finish, init
from samebit.compat.wandb.sdk import lib, wandb_config, wandb_run, wandb_settings, wandb_summary
from samebit.compat.wandb.settings import Settings
from samebit.compat.wandb.summaries import Summary

# Scripts name the type of a run `wandb.sdk.wandb_run.Run`, with no import but that of wandb.
__all__ = [
    "Artifact",
    "Config",
    "Settings",
    "Summary",
    "finish",
    "init",
    "lib",
    "wandb_config",
    "wandb_run",
    "wandb_settings",
    "wandb_summary",
]
