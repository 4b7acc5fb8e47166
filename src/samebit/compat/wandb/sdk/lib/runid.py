"""`wandb.sdk.lib.runid`."""

from samebit.compat.wandb.util import generate_id

__all__ = ["generate_id"]
