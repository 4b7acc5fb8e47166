"""Servers of the real kind, on loopback, for remotes: started where tests ask, and stopped."""

import base64
import contextlib
import email.utils
import hashlib
import hmac
import http.client
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec import Struct

__all__ = ["KEYS", "KINDS", "SECRETS", "Server", "Sshd", "rclone_sftp", "sshd", "started"]

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDOFTHETESTS0",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
}
_AZURE = {  # of every Azurite, as its documentation has them
    "AZURE_STORAGE_ACCOUNT": "devstoreaccount1",
    "AZURE_STORAGE_KEY": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==",
}
SECRETS = (KEYS["AWS_SECRET_ACCESS_KEY"], _AZURE["AZURE_STORAGE_KEY"])
_PATIENCE_S = 60.0
_NODE = Path(sys.prefix) / "node/node_modules/.bin"  # where `.ci/run` puts it


class Server(Struct, frozen=True):
    """A server that speaks as one of the clouds does, and how a bucket of it is made."""

    endpoint: str
    scheme: str = "s3"
    folder: Path | None = None  # in which buckets are folders

    @property
    def options(self) -> dict[str, str]:
        """What `samebit remote add` is told beside the URL."""
        account = {"account": _AZURE["AZURE_STORAGE_ACCOUNT"]} if self.scheme == "az" else {}
        return {"endpoint": self.endpoint, **account}

    @property
    def has_conditions(self) -> bool:
        """Whether it refuses to create a name twice, and gives parts of what lies under it."""
        return self.folder is None

    def make_bucket(self, name: str) -> str:
        """Make a bucket; its URL."""
        if self.folder is not None:
            (self.folder / name).mkdir()
        elif self.scheme == "az":
            path = f"/{_AZURE['AZURE_STORAGE_ACCOUNT']}/{name}"
            self._put(f"{path}?restype=container", _signed(path, "restype:container"))
        else:
            self._put(f"/{name}", {})
        return f"{self.scheme}://{name}"

    def _put(self, path: str, headers: dict[str, str]) -> None:
        connection = http.client.HTTPConnection(self.endpoint.split("/")[2], timeout=60)
        connection.request("PUT", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status in (200, 201), answer.read()
        connection.close()


def _signed(path: str, query: str) -> dict[str, str]:
    """The headers by which Azure knows who asks for a PUT of nothing."""
    account, key = _AZURE["AZURE_STORAGE_ACCOUNT"], _AZURE["AZURE_STORAGE_KEY"]
    own = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2023-11-03"}
    named = "".join(f"{name}:{value}\n" for name, value in sorted(own.items()))
    text = "PUT" + "\n" * 12 + named + f"/{account}{path}\n{query}"
    digest = hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)
    return {**own, "Authorization": f"SharedKey {account}:{base64.b64encode(digest).decode()}"}


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


def _rclone() -> str:
    program = Path(sys.executable).with_name("rclone")
    found = str(program) if os.access(program, os.X_OK) else shutil.which("rclone")
    if found is None:
        pytest.skip("rclone is not installed")
    return found


@contextlib.contextmanager
def rclone(folder: Path) -> Generator[Server]:
    """Signatures are checked; there are no conditions, and a part of a file is the whole of it."""
    program = _rclone()
    port = _free_port()
    keys = ",".join(KEYS.values())
    serve = ["serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", keys]
    with _running([program, "--config", os.devnull, *serve], port):
        yield Server(f"http://127.0.0.1:{port}", folder=folder)


class Sshd(Struct, frozen=True):
    """A server to which ssh leads, and what leads to it.

    Attributes:
        folder: of all that belongs to it.
        top: of the remote there.
        config: of the client.
        port: where it listens.
    """

    folder: Path
    top: str
    config: Path
    port: int

    @property
    def url(self) -> str:
        """The remote; `lab` is a name that the client's configuration knows."""
        return f"ssh://lab{self.top}"

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Let this process and its children meet an `ssh` that reads this configuration alone."""
        patch.setenv("PATH", f"{self.folder}/bin:{os.environ['PATH']}")

    @contextlib.contextmanager
    def prefer(self, *lines: str) -> Generator[None]:
        """For a while other lines of the configuration, of which the first that fits counts."""
        before = self.config.read_text()
        self.config.write_text("\n".join([*lines, before]))
        try:
            yield
        finally:
            self.config.write_text(before)


@contextlib.contextmanager
def sshd(folder: Path, *more: str, sftp: bool = True) -> Generator[Sshd]:
    """OpenSSH's, with keys of its own, and `more` lines of configuration."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("OpenSSH's server is not installed")
    if os.geteuid() == 0:  # whoever starts it as a service makes this
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = _free_port()
    made = _ssh_client(folder, port, str(folder / "remote"))
    serves = f"""
        ListenAddress 127.0.0.1:{port}
        HostKey {folder}/host
        PidFile none
        AuthorizedKeysFile {folder}/user.pub
        StrictModes no
        UsePAM no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin yes
        {"Subsystem sftp internal-sftp" if sftp else ""}
    """
    config = folder / "sshd_config"
    config.write_text("\n".join([*more, textwrap.dedent(serves)]))
    with _running([program, "-D", "-f", str(config), "-E", str(folder / "log")], port):
        yield made


@contextlib.contextmanager
def rclone_sftp(folder: Path) -> Generator[Sshd]:
    """One that makes nothing durable, and whose renames replace what is there."""
    program = _rclone()
    port = _free_port()
    made = _ssh_client(folder, port, "/some/where", "User me")
    (folder / "files").mkdir()
    serve = ["serve", "sftp", str(folder / "files"), "--addr", f"127.0.0.1:{port}", "--user", "me"]
    keys = ["--key", str(folder / "host"), "--authorized-keys", str(folder / "user.pub")]
    cache = ["--vfs-cache-mode", "writes", "--cache-dir", str(folder / "cache")]
    with _running([program, "--config", os.devnull, *serve, *keys, *cache], port):
        yield made


def _ssh_client(folder: Path, port: int, top: str, *more: str) -> Sshd:
    """Keys of a server and a user, and an `ssh` that knows both."""
    program = shutil.which("ssh")
    if program is None or shutil.which("ssh-keygen") is None:
        pytest.skip("OpenSSH is not installed")
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    known = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {known}")
    asks = f"""
        Host lab
            HostName 127.0.0.1
            Port {port}
        Host *
            IdentityFile {folder}/user
            IdentitiesOnly yes
            IdentityAgent none
            UserKnownHostsFile {folder}/known
            GlobalKnownHostsFile none
    """
    config = folder / "config"
    config.write_text("\n".join([*more, textwrap.dedent(asks)]))
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text(f'#!/bin/sh\nexec {program} -F {config} "$@"\n')
    (folder / "bin/ssh").chmod(0o755)
    return Sshd(folder, top, config, port)


@contextlib.contextmanager
def azurite() -> Generator[Server]:
    """Azure's own server for tests: signatures are checked, conditions kept."""
    found = shutil.which("azurite-blob", path=f"{_NODE}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip("Azurite is not installed")
    port = _free_port()
    serve = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    quiet = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
    with _running([found, *serve, *quiet], port):
        account = _AZURE["AZURE_STORAGE_ACCOUNT"]
        yield Server(f"http://127.0.0.1:{port}/{account}", "az")


@contextlib.contextmanager
def fake_gcs() -> Generator[Server]:
    """No server of Google's can be had; see `tests.fake_gcs`."""
    port = _free_port()
    with _running([sys.executable, "-m", "tests.fake_gcs", str(port)], port):
        yield Server(f"http://127.0.0.1:{port}", "gs")


KINDS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "moto": lambda _: moto(),
    "rclone": rclone,
    "azurite": lambda _: azurite(),
    "fake of Google's": lambda _: fake_gcs(),
}


@contextlib.contextmanager
def started(kind: str, folder: Path) -> Generator[Server]:
    """A server of one of KINDS, with the keys to it in the environment."""
    with KINDS[kind](folder) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, **_AZURE}.items():
            patch.setenv(name, value)
        account = folder / "account.json"
        names = ("client_email", "private_key", "private_key_id")
        account.write_text(json.dumps({"disable_oauth": True, **dict.fromkeys(names, "")}))
        patch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
        yield server
