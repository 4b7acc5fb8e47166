"""How `samebit run` enters a Python process: this folder stands first on PYTHONPATH.

Python imports `sitecustomize` before the script. This one takes its folder off the search path,
lets the next `sitecustomize` have its turn, and begins recording if this process is one that is to
be recorded. Where samebit cannot be imported (another environment's Python) it does nothing.
"""

import os
import sys


def _step_aside() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    del sys.modules["sitecustomize"]
    try:
        import sitecustomize  # noqa: F401, PLC0415  # pyright: ignore  (the next one on the path)
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", _this_module)


def _begin() -> None:
    try:
        from samebit.session import joining  # noqa: PLC0415  (only where a run is to be joined)
    except ImportError:
        return
    joining.enter()


_this_module = sys.modules[__name__]
try:
    _step_aside()
finally:  # where the next one fails, Python says so as it would without us, and the run is kept
    if "SAMEBIT_RUN" in os.environ:
        _begin()
