"""Plain values of facts of which readers rely on more than the type."""

from typing import Annotated

import msgspec

__all__ = ["Count", "Digest", "FilePath", "Text", "Variable"]

Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\0]*\Z")]  # the system takes no zero in it
FilePath = Annotated[str, msgspec.Meta(pattern=r"\A[^\0]+\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]
Digest = Annotated[str, msgspec.Meta(pattern=r"\Ablake3:[0-9a-f]{64}\Z")]
Variable = Annotated[str, msgspec.Meta(pattern=r"\A[^=\0]+\Z")]  # the name of one
