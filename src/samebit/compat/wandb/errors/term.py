"""`wandb.errors.term`."""

from samebit.compat.wandb.saying import termerror, termlog, termwarn

__all__ = ["termerror", "termlog", "termwarn"]
