"""What speaks with Ray: a process of its own, asked line by line (JSON) by `ray.py`.

Ray changes what it is loaded into: signals, variables, threads, what is printed; and ends it where
the cluster is lost. So no process of ours loads it but this one, whose output is a log.
Each job is an actor, detached and named by the job's key: the cluster starts none of them twice,
keeps them when we are gone, and another driver finds them by name.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_NAMESPACE = "samebit"
_OBJECTS_BYTES = 80 * 2**20  # for objects of Ray's, of which we have next to none; its least
_ANSWER_S = 0.3  # for an actor that is there
_CONNECTS_S = 10.0
_ROOM_S = 3.0  # after which an actor that has not begun is said to wait; its process takes one
_NEEDS = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}  # as nodes call them
_NOT_STARTED = 127  # as of a shell
_FORGOTTEN_S = 10.0  # after which an actor whose job is over ends, where nobody has asked

# Starts a job and stays with it; no child of Ray's worker, for that kills its children when it
# ends, and would leave alone what they started. When the worker goes, by whatever, its end of the
# pipe closes, and the job is asked to end: Ray gives what it had to others.
_KEEPER = """
import os, signal, subprocess, sys, threading, time
if os.fork():
    os._exit(0)
try:
    with open(sys.argv[1], "ab") as log:
        child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True)
except OSError as error:
    print(f"{error.strerror}: {error.filename}", flush=True)
    os._exit(0)
def end(number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return True
def wait():
    code = child.wait()
    until = time.monotonic() + 5
    gone = end(signal.SIGTERM)
    while not gone:
        time.sleep(0.05)
        gone = end(0 if time.monotonic() < until else signal.SIGKILL)
    try:
        print(code, flush=True)
    finally:
        os._exit(0)
threading.Thread(target=wait).start()
while word := os.read(0, 1):
    child.terminate() if word == b"t" else end(signal.SIGKILL)
child.terminate()
time.sleep(10)
end(signal.SIGKILL)
"""


class Runner:
    """On a node: one job, from its start to its end. Pickled by value: nodes need no samebit."""

    def __init__(self, keeper: str, job: Mapping[str, Any], forgotten_s: float) -> None:
        self._result: tuple[int | None, str, str] | None = None
        self._forgotten_s = forgotten_s
        environ = dict(job["environ"])
        environ.pop("CUDA_VISIBLE_DEVICES", None)  # of the machine that asked; Ray says which here
        if "CUDA_VISIBLE_DEVICES" in os.environ:
            environ["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
        self._log, self._is_away = job["log"], job["away"]
        try:
            if self._is_away:
                environ = {**os.environ, **environ}
                fd, self._log = tempfile.mkstemp(prefix="samebit-", suffix=".log")
                os.close(fd)
            elif not os.path.isdir(job["needs"]):
                why = "there is no such folder on this node (--via REMOTE needs none)"
                raise FileNotFoundError(2, why, job["needs"])
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-c", keeper, self._log, *job["argv"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environ,
                cwd=job["cwd"],
                start_new_session=True,
            )
        except OSError as error:
            self._over(_NOT_STARTED, f"{error.strerror}: {error.filename}")
        else:
            threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        assert self._keeper.stdout is not None
        said = self._keeper.stdout.read().decode("utf-8", "replace").strip()
        if said.lstrip("-").isdigit():
            self._over(int(said), "")
        elif said:
            self._over(_NOT_STARTED, said)
        else:
            self._over(None, "what started it was killed")

    def _over(self, code: int | None, said: str) -> None:
        printed = ""
        if self._is_away and os.path.exists(self._log):
            with open(self._log, encoding="utf-8", errors="replace") as log:
                printed = log.read()[-100_000:]
            os.unlink(self._log)
        self._result = (code, said and f"{said} (node {os.uname().nodename})", printed)
        forgotten = threading.Timer(self._forgotten_s, os._exit, [0])
        forgotten.daemon = True
        forgotten.start()

    async def began(self) -> bool:
        """Whether it is there; the answer waits until it is."""
        return True

    async def wait(self) -> tuple[int | None, str, str]:
        """The exit code when it is over; why it could not begin; what it printed, where away."""
        while self._result is None:
            await asyncio.sleep(0.05)
        return self._result

    async def cancel(self, at_once: bool) -> None:
        """Ask it to end, or end it."""
        if self._result is None and self._keeper.stdin is not None:
            try:
                os.write(self._keeper.stdin.fileno(), b"k" if at_once else b"t")
            except OSError:
                pass  # it has just ended


class _Refused(Exception):
    """What cannot be, for people: what, facts, hint."""

    def __init__(self, what: str, hint: str = "", **facts: str) -> None:
        super().__init__(what)
        self.told = {"what": what, "hint": hint, "facts": facts}


@dataclass
class _Actor:
    actor: Any
    answer: Any  # of `wait`
    began: Any  # answered once it is there
    asked: Mapping[str, float] = field(default_factory=dict)  # not known of one that was found
    since: float = field(default_factory=time.monotonic)

    @property
    def is_late(self) -> bool:
        """Whether it would be there by now, if there were room for it."""
        return time.monotonic() - self.since > _ROOM_S


class _Driver:
    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._jobs: dict[str, _Actor] = {}
        self._over: dict[str, tuple[int | None, str, str]] = {}
        self._had_room: list[Mapping[str, float]] = []  # for what there was a node before

    def connect(self, address: str, cpus: int, gpus: int) -> dict[str, Any]:
        """Join a cluster, or start one of this machine's, which ends with us."""
        more: dict[str, Any] = {"address": address}
        if not address:
            more = {
                "address": "local",
                "num_cpus": cpus,
                "num_gpus": gpus,
                "include_dashboard": False,
                "object_store_memory": _OBJECTS_BYTES,
            }
        self.is_ours = not address
        try:
            _knock(address)
            self._ray.init(namespace=_NAMESPACE, log_to_driver=False, **more)
        except Exception as error:
            raise _cannot_connect(address, str(error), self._ray.__version__) from error
        return {}

    def submit(self, job: dict[str, Any], **asked: float) -> dict[str, Any]:
        """Have a job started, or take the one that has its key."""
        key = job["key"]
        if not self.find(key)["found"]:
            self._check_room(asked)
            needs = {name: amount for name, amount in asked.items() if amount}
            actor = self._ray.remote(Runner).options(
                name=key, lifetime="detached", max_restarts=0, **needs
            )
            try:
                self._take(key, actor.remote(_KEEPER, job, _FORGOTTEN_S), asked)
            except ValueError:  # another driver was quicker
                if not self.find(key)["found"]:
                    raise
        return {}

    def find(self, key: str) -> dict[str, Any]:
        """Whether there is a job of this key."""
        if key not in self._jobs:
            try:
                self._take(key, self._ray.get_actor(key, namespace=_NAMESPACE))
            except ValueError:
                return {"found": False}
        return {"found": True}

    def _take(self, key: str, actor: Any, asked: Mapping[str, float] | None = None) -> None:
        self._jobs[key] = _Actor(actor, actor.wait.remote(), actor.began.remote(), asked or {})

    def look(self, keys: Sequence[str]) -> dict[str, Any]:
        """How each ended that is over, and why where that is not all; what others wait for."""
        self._collect(0.0)
        over = {key: self._over[key] for key in keys if key in self._over}
        return {"over": over, "waits": self._waiting(keys)}

    def _waiting(self, keys: Sequence[str]) -> dict[str, str]:
        """For what those wait that have not begun."""
        late = {one.began: key for key in keys if (one := self._jobs.get(key)) and one.is_late}
        if not late:
            return {}
        _, waiting = self._ray.wait([*late], num_returns=len(late), timeout=0)
        nodes = self._nodes() if waiting else []
        waits: dict[str, str] = {}
        for began in waiting:
            asked = self._jobs[late[began]].asked
            fits = any(_fits(node, asked) for node in nodes)
            waits[late[began]] = (
                "for a place on Ray" if fits else f"for a node with {_asked(asked)}"
            )
        return waits

    def _collect(self, wait_s: float) -> None:
        by_answer = {one.answer: key for key, one in self._jobs.items()}
        if not by_answer:
            return
        many = len(by_answer) if not wait_s else 1
        for answer in self._ray.wait([*by_answer], num_returns=many, timeout=wait_s)[0]:
            key = by_answer[answer]
            actor = self._jobs[key].actor
            try:
                self._over[key] = self._ray.get(answer)
            except self._ray.exceptions.ActorUnavailableError:
                self._jobs[key].answer = actor.wait.remote()  # it may come again
                continue
            except self._ray.exceptions.RayError as error:
                self._over[key] = (None, why_gone(str(error)), "")
            del self._jobs[key]
            self._ray.kill(actor)

    def cancel(self, key: str, at_once: bool) -> dict[str, Any]:
        """Ask a job to end, or end it; one that has not begun never does."""
        one = self._jobs.get(key)
        if one is not None:
            if self._ray.wait([one.began], timeout=0 if one.is_late else _ANSWER_S)[0]:
                one.actor.cancel.remote(at_once)
            else:  # it waits for room; where it was only slow, its keeper asks the job to end
                self._ray.kill(one.actor)
        return {}

    def _nodes(self) -> list[Mapping[str, float]]:
        """What each node that is there has in all."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _check_room(self, asked: Mapping[str, float]) -> None:
        """Refuse what no node ever had; for one that went away and may come back Ray waits."""
        if asked in self._had_room:
            return
        nodes = self._nodes()
        if not any(_fits(node, asked) for node in nodes):
            raise _Refused(
                "no node of the Ray cluster has what a run asks for",
                "ask for less with --threads, --gpus, --memory",
                asked=_asked(asked),
                **{f"node_{n}": _amounts(node) for n, node in enumerate(nodes, 1)},
            )
        self._had_room.append(asked)

    def close(self) -> dict[str, Any]:
        """How many jobs keep us: where the cluster is ours it ends with us."""
        self._collect(0.0)
        return {"stays_for": len(self._jobs) if self.is_ours else 0}

    def end(self) -> None:
        """Nobody asks any more; a cluster of ours ends after its last job."""
        while self.is_ours and self._jobs:
            self._collect(1.0)
        self._ray.shutdown()


def _fits(node: Mapping[str, float], asked: Mapping[str, float]) -> bool:
    return all(node.get(_NEEDS[name], 0) >= amount for name, amount in asked.items())


def _asked(asked: Mapping[str, float]) -> str:
    return _amounts({_NEEDS[name]: amount for name, amount in asked.items()})


def _amounts(resources: Mapping[str, float]) -> str:
    said = [f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU")]
    memory = resources.get("memory", 0)
    return ", ".join([*said, *([f"{memory / 2**30:.1f} GiB"] if memory else [])])


def _knock(address: str) -> None:
    """OSError where nothing listens at `host:port`: Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECTS_S).close()


def _cannot_connect(address: str, said: str, version: str) -> _Refused:
    where = {"address": address} if address else {}
    theirs = re.search(r"Ray: (\S+)\s+Python: (\S+)", said)
    if "ersion mismatch" in said and theirs:
        return _Refused(
            "the Ray cluster has another version",
            "the environment that runs samebit needs the cluster's Ray and Python",
            **where,
            cluster=f"Ray {theirs[1]}, Python {theirs[2]}",
            here=f"Ray {version}, Python {sys.version.split()[0]}",
        )
    return _Refused(
        "the Ray cluster cannot be reached" if address else "Ray could not be started",
        "`ray status` shows whether there is one" if address else "",
        **where,
        ray_said=" ".join(said.split())[:300],
    )


def why_gone(said: str) -> str:
    """Why an actor is gone: the first sentence that says so, of what Ray says in many lines."""
    low = re.search(r"running low on memory.*?([\d.]+GB used / [\d.]+GB)", said, re.DOTALL)
    if low:
        return f"Ray ended it, its node was low on memory: {low[1]}"
    found = re.search(r"The actor (?:is dead|died) because (.+?)(?:\. |\.?$)", said, re.MULTILINE)
    return found[1] if found else " ".join(said.split())[:200]


def main() -> None:
    """Answer each line of stdin by one on what was stdout, which from now on is the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    driver = None
    for line in sys.stdin:
        asked = json.loads(line)
        number, do = asked.pop("number"), asked.pop("do")
        try:
            if driver is None:
                import ray  # noqa: PLC0415  (takes a second, and changes the process)

                driver = _Driver(ray)
            answer = getattr(driver, do)(**asked)
        except _Refused as refused:
            answer = {"refused": refused.told}
        except Exception as error:
            traceback.print_exc()
            facts = {"ray_said": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
            answer = {"refused": {"what": f"Ray could not {do}", "hint": "", "facts": facts}}
        try:
            print(json.dumps({"number": number, **answer}), file=answers, flush=True)
        except BrokenPipeError:
            break
    if driver is not None:
        driver.end()
        os._exit(0)  # Ray would wait another half second, for words of workers that nobody reads


if __name__ == "__main__":
    main()
