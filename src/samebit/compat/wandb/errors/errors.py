"""`wandb.errors.errors`."""

from samebit.compat.wandb.faults import CommError, Error, UnsupportedError, UsageError

__all__ = ["CommError", "Error", "UnsupportedError", "UsageError"]
