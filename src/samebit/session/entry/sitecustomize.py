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
        from samebit.session import entering  # noqa: PLC0415  (only where a run is to be joined)
    except ImportError:
        return
    entering.enter()


def _wait_for_the_code(descriptor: int) -> None:
    """`samebit run` takes the code while this process starts, and says when the script may."""
    try:
        may_go_on = os.read(descriptor, 1)
        os.close(descriptor)
    except OSError:
        return  # somebody in between closed it: who started us did not wait for it either
    if not may_go_on and "SAMEBIT_OR_RUN_ANYWAY" not in os.environ:
        os._exit(125)  # it could not, and has said why; or is gone


def _enter(ready: str) -> None:
    try:
        if "SAMEBIT_RUN" in os.environ:
            _begin()
        if ready:
            _wait_for_the_code(int(ready))
    except KeyboardInterrupt:  # Python would call it a fault in its own beginning
        import signal  # noqa: PLC0415

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


_this_module = sys.modules[__name__]
_ready = os.environ.pop("SAMEBIT_READY", "")
try:
    _step_aside()
finally:  # where the next one fails, Python says so as it would without us, and the run is kept
    _enter(_ready)
