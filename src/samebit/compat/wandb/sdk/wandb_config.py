"""`wandb.sdk.wandb_config`."""

from samebit.compat.wandb.configs import Config

__all__ = ["Config"]
