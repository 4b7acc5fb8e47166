"""`wandb.sdk.wandb_run`."""

from samebit.compat.wandb.runs import Run

__all__ = ["Run"]
