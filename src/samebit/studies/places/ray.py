"""Runs as actors of a Ray cluster: one that is there, or one of this machine's that we start.

A job's actor has the job's key as its name: the cluster has it once, and keeps it when we are gone.
Ray itself is loaded by a process beside us (`ray_driver.py`), so that our signals, variables and
screen stay as they are.
"""

import atexit
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.capture.variables import variable_class
from samebit.errors import CannotStart, SamebitError, UsageError
from samebit.studies.places.local import Local, processors, visible_cards
from samebit.studies.places.place import Handle, Job, Look

__all__ = ["Ray"]

_DRIVER = "samebit.studies.places.ray_driver"
_ADDRESS = "RAY_ADDRESS"
_WAIT = "RAY_gcs_server_port_wait_time_s"  # tries, of 40 s each, where nobody answers; else 20
_LOOPBACK = ("127.", "localhost", "[::1]")
_END_S = 20.0  # for a cluster of ours


class _Actor(Struct, frozen=True):
    job: Job


class Ray:
    """So many runs at once on a Ray cluster.

    Args:
        jobs: how many.
        address: of a cluster, `auto` for the one that runs here; else RAY_ADDRESS; and where there
            is none of both, a cluster is started here and ends after its last run.
        gpus: graphics cards of each.
        memory: of each in bytes, which Ray keeps free; None: it counts none.

    Raises UsageError where Ray is not installed.
    """

    name = "ray"

    def __init__(
        self, jobs: int, *, address: str = "", gpus: int = 0, memory: int | None = None
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UsageError("Ray is not installed here", hint='pip install "samebit[ray]"')
        self.jobs = self.takes = jobs
        self._address = address or os.environ.get(_ADDRESS, "")
        self._gpus, self._memory = gpus, memory
        at = f"at {self._address}" if self._address else "of this machine's own"
        self.where = f"on a Ray cluster {at}, {jobs} at once"
        self._here = Local(jobs)  # for what a cluster of ours has left running
        self._driver: subprocess.Popen[str] | None = None
        self._is_connected = False
        self._log: Path | None = None  # what Ray said
        self._number = 0

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Have an actor made for each; the cluster starts it when it has room."""
        for job in jobs:
            self._connect(job)
            told = {
                "key": job.key,
                "argv": [str(word) for word in job.argv],
                "environ": _without_ours(job.environ) if job.away else dict(job.environ),
                "cwd": str(job.cwd),
                "log": str(job.log),
                "needs": str(job.log.parent),
                "away": job.away,
            }
            try:
                self._ask(
                    "submit",
                    job=told,
                    num_cpus=job.threads or 1,
                    num_gpus=self._gpus,
                    memory=self._memory or 0,
                )
            except KeyboardInterrupt:  # nobody has its handle: nobody else would end it
                self._ask("cancel", key=job.key, at_once=True)
                raise
            yield _Actor(job)

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """How it is with each; what could not be started says why in its log."""
        keys = [handle.job.key for handle in handles if isinstance(handle, _Actor)]
        seen = self._ask("look", keys=keys) if keys else {}
        return [
            self._look(handle.job, seen)
            if isinstance(handle, _Actor)
            else self._here.look([handle])[0]
            for handle in handles
        ]

    def _look(self, job: Job, seen: Mapping[str, Any]) -> Look:
        if job.key not in seen["over"]:
            return Look(False, said=seen["waits"].get(job.key, ""))
        code, said, printed = seen["over"][job.key]
        if printed:
            job.log.write_text(printed, encoding="utf-8")
        if said and code is not None:  # so it would be on the next node, too
            with open(job.log, "a", encoding="utf-8") as log:
                print(f"cannot start a run: {said}", file=log)
            return Look(True, code)
        return Look(True, code, said)

    def wait(self, handles: Sequence[Handle], most_s: float) -> None:
        """For one that is a process here; else as long as that: Ray tells what it is asked."""
        self._here.wait(handles, most_s)

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """SIGTERM to the supervisor, or SIGKILL to all of it; what still waits never begins."""
        if isinstance(handle, _Actor):
            self._ask("cancel", key=handle.job.key, at_once=at_once)
        else:
            self._here.cancel(handle, at_once=at_once)

    def reconnect(self, job: Job) -> Handle | None:
        """By its name in the cluster; of a cluster of this machine's own as a process here."""
        if self._address:
            self._connect(job)
            if self._ask("find", key=job.key)["found"]:
                return _Actor(job)
        return self._here.reconnect(job)

    def close(self) -> None:
        """Let the cluster go. One that we have started ends, once its jobs are over."""
        atexit.unregister(self.close)
        driver, self._driver = self._driver, None
        if driver is None or driver.stdin is None or driver.stdout is None:
            return
        if not self._is_connected:  # Ctrl-C while Ray waits for a cluster, which may be minutes
            _end(driver, at_once=bool(self._address))
            return
        self._is_connected = False
        try:
            stays = _answer(driver, self._number + 1, "close", {}).get("stays_for", 0)
            driver.stdin.close()
            if not stays:
                driver.wait(_END_S)
        except (OSError, ValueError, KeyboardInterrupt, subprocess.TimeoutExpired):
            pass  # it ends by itself
        driver.stdout.close()

    def _connect(self, job: Job) -> None:
        if self._driver is not None:
            return
        self._log = Path(job.log).with_name("ray.log")
        environ = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        if not self._address or self._address.startswith(_LOOPBACK):
            # The only way to have Ray listen on this machine's loopback alone.
            environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        if not self._address:
            environ.pop(_ADDRESS, None)
        else:
            environ.setdefault(_WAIT, "1")
        self._driver = subprocess.Popen(
            # -P: a script called ray.py in the working folder is not Ray.
            [sys.executable, "-P", "-m", _DRIVER, str(self._log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            start_new_session=True,  # the terminal's Ctrl-C is ours
            text=True,
            encoding="utf-8",
        )
        atexit.register(self.close)
        cards = len(visible_cards())
        self._ask("connect", address=self._address, cpus=len(processors()), gpus=cards)
        self._is_connected = True

    def _ask(self, do: str, **what: object) -> dict[str, Any]:
        assert self._driver is not None
        self._number += 1
        try:
            answer = _answer(self._driver, self._number, do, what)
        except (OSError, ValueError) as error:
            raise SamebitError(
                "the Ray cluster is lost: what speaks with it has ended",
                address=self._address or "of this machine's own",
                log=self._log,
                hint="that has what Ray said; the same command goes on, elsewhere with --address",
            ) from error
        if "refused" in answer:
            told = answer["refused"]
            raise CannotStart(told["what"], hint=told["hint"] or None, **told["facts"])
        return answer


def _end(driver: "subprocess.Popen[str]", *, at_once: bool) -> None:
    """End a driver that does not listen; it is asked to where it may have begun a cluster."""
    if not at_once:
        driver.terminate()
    try:
        driver.wait(0 if at_once else _END_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        driver.kill()
        driver.wait()
    for pipe in (driver.stdin, driver.stdout):
        assert pipe is not None
        pipe.close()


def _without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what is this machine's own: folders, credentials. A node has its own of these."""
    return {
        name: value
        for name, value in environ.items()
        if name == "PYTHONPATH"  # what of it is the study's is led to where that lies
        or (variable_class(name) not in ("place", "secret") and name != "SAMEBIT_CACHE")
    }


def _answer(
    driver: "subprocess.Popen[str]", number: int, do: str, what: Mapping[str, object]
) -> dict[str, Any]:
    """What the driver answers; OSError, ValueError where it is gone."""
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps({"number": number, "do": do, **what}) + "\n")
    driver.stdin.flush()
    while line := driver.stdout.readline():
        answer: dict[str, Any] = json.loads(line)
        if answer.pop("number") == number:  # else of a question that Ctrl-C has cut short
            return answer
    raise BrokenPipeError("the driver has ended")
