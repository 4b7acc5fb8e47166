"""torch.compile meets the script's functions where we hook into torch, and none of ours.

What is ours it would compile like anything else: the recorder behind a hook, for a minute.
"""

import functools
from typing import Any

from samebit.capture.importing import when_imported

__all__ = ["in_place_of", "stay_out"]

_PACKAGE = __name__.partition(".")[0]


def stay_out() -> None:
    """Have the compiler run our functions as they are; it goes on behind them."""
    when_imported("torch._dynamo.trace_rules", lambda rules: rules.add(_PACKAGE))


def in_place_of(original: Any, source: str, names: dict[str, Any]) -> Any:
    """A function for the place of one of torch's: the expression `source`, a lambda over `names`.

    It bears the file and line of torch's own: the compiler then treats it as it treats that one
    (skipped where that is skipped, inlined where that is inlined), and a traceback shows torch's
    line. All on one line, so that every instruction maps to it.
    """
    code = original.__code__
    lines = "\n" * (code.co_firstlineno - 1) + f"function = {source}"
    space = {"original": original, **names}
    exec(compile(lines, code.co_filename, "exec"), space)
    return functools.wraps(original)(space["function"])
