"""`wandb.sdk.wandb_settings`."""

from samebit.compat.wandb.settings import Settings

__all__ = ["Settings"]
