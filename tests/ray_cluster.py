"""A Ray cluster on this machine's loopback: nodes that are started, killed and stopped by pid."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

__all__ = ["Cluster"]

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
# A node that is killed counts as dead after a second; Ray waits for fifteen.
_HEARTBEATS = {
    "RAY_health_check_initial_delay_ms": "300",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_timeout_ms": "1000",
}
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: nothing listens elsewhere
_OBJECTS = "--object-store-memory=80000000"


class Cluster:
    """A head and further nodes, each a `ray start --block`; all end with the context.

    Attributes:
        address: of the head.
        environ: what a process needs to find it.
    """

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.environ = {"RAY_ADDRESS": self.address, **_QUIET}
        # Sockets lie in it, whose paths may not be long.
        self._folder = tempfile.TemporaryDirectory(prefix="sbray", ignore_cleanup_errors=True)
        self._nodes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def begin(self, cpus: int, gpus: int = 0) -> None:
        """Start the head."""
        port = self.address.rpartition(":")[2]
        self._start(
            "--head", f"--port={port}", f"--num-cpus={cpus}", f"--num-gpus={gpus}",
            "--include-dashboard=false", f"--temp-dir={self._folder.name}",
        )  # fmt: skip

    def add(self, cpus: int) -> "subprocess.Popen[bytes]":
        """A further node, when it is there."""
        return self._start(f"--address={self.address}", f"--num-cpus={cpus}")

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        # With it set nodes do not join; this is what it does to the address.
        stay = "import ray._private.services as s; s.resolve_ip_for_localhost = str; "
        code = f"{stay}from ray.scripts.scripts import main; main()"
        log = Path(self._folder.name) / f"said-{len(self._nodes)}.txt"
        with open(log, "wb") as stream:
            node = subprocess.Popen(
                [sys.executable, "-c", code, "start", "--block", "--node-ip-address=127.0.0.1",
                 _OBJECTS, "--disable-usage-stats", *words],
                env={
                    **os.environ, **_QUIET, **_HEARTBEATS,
                    **({_LOOPBACK: "0"} if "--head" in words else {}),
                },
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self._nodes.append(node)
        until = time.monotonic() + 100
        while "Ray runtime started" not in log.read_text():
            if node.poll() is not None or time.monotonic() > until:
                raise AssertionError(log.read_text())
            time.sleep(0.1)
        return node

    def kill(self, node: "subprocess.Popen[bytes]") -> None:
        """As a machine that loses power, as far as Ray sees: all of the node's own processes."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()

    def stop(self, node: "subprocess.Popen[bytes]") -> None:
        """It says that it goes: nothing more is placed on it, as on one that has just died."""
        node.terminate()
        try:
            node.wait(20)
        except subprocess.TimeoutExpired:
            self.kill(node)

    def __exit__(self, *_: object) -> None:
        for node in reversed(self._nodes):
            if node.poll() is None:
                self.stop(node)
        self._folder.cleanup()
