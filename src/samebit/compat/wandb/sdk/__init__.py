"""`wandb.sdk`, as far as libraries look into it."""

from samebit.compat.wandb.artifacts import Artifact
from samebit.compat.wandb.configs import Config
from samebit.compat.wandb.joining import finish, init
from samebit.compat.wandb.settings import Settings
from samebit.compat.wandb.summaries import Summary

__all__ = ["Artifact", "Config", "Settings", "Summary", "finish", "init"]
