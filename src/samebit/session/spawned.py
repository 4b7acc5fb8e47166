"""Ranks that a script makes itself, by `torch.multiprocessing.spawn`: known once they meet.

A spawned process is a worker of somebody's, until it opens torch's process group and so has a rank.
"""

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from samebit.capture.importing import step_aside, when_imported
from samebit.session.splitters import replace_by_name

__all__ = ["tell_rank"]


class _Told:
    pid = 0  # of the process that tells already


_told = _Told()


def tell_rank(join: Callable[[int], None]) -> None:
    """Call `join` with the rank, where this spawned process is about to get one."""
    if "--multiprocessing-fork" not in sys.orig_argv or "SAMEBIT_AS_RANK" in os.environ:
        return  # what a rank spawns is its loader's worker
    if _told.pid == os.getpid():
        return
    _told.pid = os.getpid()

    def wrap(module: Any) -> None:
        if module.is_initialized():  # a script, or a door, came to us late
            if module.get_world_size() > 1:
                join(module.get_rank())
            return
        original = module.init_process_group

        @functools.wraps(original)
        def init_process_group(*args: Any, **kwargs: Any) -> Any:
            try:
                found = original(*args, **kwargs)
            except BaseException as error:
                step_aside(error)
                raise
            if module.get_world_size() > 1:
                join(module.get_rank())
            return found

        replace_by_name(original, init_process_group)

    when_imported("torch.distributed.distributed_c10d", wrap)
