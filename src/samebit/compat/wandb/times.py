"""Times as wandb writes them."""

import datetime

__all__ = ["iso"]


def iso(ns: int) -> str:
    """Nanoseconds since 1970 as a text, UTC."""
    moment = datetime.datetime.fromtimestamp(ns / 1e9, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
