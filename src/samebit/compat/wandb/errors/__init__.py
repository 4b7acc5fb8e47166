"""`wandb.errors`."""

from samebit.compat.wandb.faults import (
    ArtifactNotLoggedError,
    AuthenticationError,
    CommError,
    ConfigError,
    Error,
    RunNotFound,
    UnsupportedError,
    UsageError,
)

__all__ = [
    "ArtifactNotLoggedError",
    "AuthenticationError",
    "CommError",
    "ConfigError",
    "Error",
    "RunNotFound",
    "UnsupportedError",
    "UsageError",
]
