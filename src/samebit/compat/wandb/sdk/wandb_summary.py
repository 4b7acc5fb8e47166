"""`wandb.sdk.wandb_summary`."""

from samebit.compat.wandb.summaries import Summary

__all__ = ["Summary"]
