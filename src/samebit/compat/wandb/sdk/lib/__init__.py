"""`wandb.sdk.lib`: what Lightning looks for."""

from typing import Any

__all__ = ["RunDisabled"]


class RunDisabled:
    """A name for `isinstance`; `mode="disabled"` gives a `Run`."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
