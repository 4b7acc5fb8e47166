"""`wandb.sdk.lib.config_util`: what transformers catches."""

from samebit.compat.wandb.faults import ConfigError

__all__ = ["ConfigError"]
