"""`wandb.sdk.lib.disabled`."""

from samebit.compat.wandb.sdk.lib import RunDisabled

__all__ = ["RunDisabled"]
