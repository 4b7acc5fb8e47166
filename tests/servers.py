"""Servers of the real kind, on loopback, for remotes: started once for a test run, and stopped."""

import contextlib
import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from msgspec import Struct

__all__ = ["KEYS", "Server", "moto", "rclone"]

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDOFTHETESTS0",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
}
_PATIENCE_S = 60.0


class Server(Struct, frozen=True):
    """A server that speaks as S3 does, and how a bucket of it is made."""

    endpoint: str
    folder: Path | None = None  # in which buckets are folders

    def make_bucket(self, name: str) -> str:
        """Make a bucket; its URL."""
        if self.folder is not None:
            (self.folder / name).mkdir()
        else:
            host = self.endpoint.removeprefix("http://")
            connection = http.client.HTTPConnection(host, timeout=30)
            connection.request("PUT", f"/{name}")
            assert connection.getresponse().status == 200
            connection.close()
        return f"s3://{name}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Generator[None]:
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, f"{command[0]} has ended"
                assert time.monotonic() < until, f"{command[0]} does not begin"
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def moto() -> Generator[Server]:
    """Conditions are kept, signatures not looked at."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    port = _free_port()
    command = [sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)]
    with _running(command, port):
        yield Server(f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def rclone(folder: Path) -> Generator[Server]:
    """Signatures are checked; there are no conditions, and a part of a file is the whole of it."""
    program = Path(sys.executable).with_name("rclone")
    if not os.access(program, os.X_OK):
        found = shutil.which("rclone")
        if found is None:
            pytest.skip("rclone is not installed")
        program = Path(found)
    port = _free_port()
    keys = ",".join(KEYS.values())
    serve = ["serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", keys]
    with _running([str(program), "--config", os.devnull, *serve], port):
        yield Server(f"http://127.0.0.1:{port}", folder)
