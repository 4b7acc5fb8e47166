"""What the shape raises where wandb does, under the names by which scripts catch it."""

__all__ = [
    "ArtifactNotLoggedError",
    "AuthenticationError",
    "CommError",
    "ConfigError",
    "Error",
    "NotOffered",
    "RunNotFound",
    "UnsupportedError",
    "UsageError",
]


class Error(Exception):
    """The base of them all."""

    def __init__(self, message: str = "", context: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.context = context


class CommError(Error):
    """What was asked for is not there; wandb asks a server, we the store."""


class AuthenticationError(CommError):
    """Never raised: nobody logs in."""


class UsageError(Error):
    """The call cannot be meant so."""


class UnsupportedError(UsageError):
    """There is nothing like it here."""


class NotOffered(UnsupportedError, AttributeError):
    """A name of the module for which there is nothing: `hasattr` says that it is not there."""


class ConfigError(Error):
    """A value of the configuration was changed without `allow_val_change`, or its file is bad."""


class ArtifactNotLoggedError(AttributeError):
    """An artifact was asked for what it has only once it is logged."""


class RunNotFound(CommError, ValueError):
    """No run of the store is meant; wandb's releases raise one or the other."""
