"""A connection to a server that the user's own OpenSSH makes, and SFTP over it.

So everything holds that is in `~/.ssh/config`: names of hosts, keys, agents, ways through other
hosts, sockets that are shared; and what there is to ask, ssh asks. One process carries the requests
of all threads. It ends when what we write to it ends, however we end.
"""

import io
import os
import re
import shutil
import subprocess
import threading
import weakref
from collections.abc import Callable
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from samebit.errors import UsageError
from samebit.remotes.place import RemoteError
from samebit.remotes.sftp import Lost, Session, shown

__all__ = ["Address", "Connection", "read_address"]

_FORM = "ssh://[USER@]HOST[:PORT]/FOLDER, or …/~/FOLDER below the home there"
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9a-f:.]*:[0-9a-f:.]*")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+@-]*")
# What a configuration may want for a shell, and SFTP not; and who has gone away is noticed.
_OPTIONS = (
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ServerAliveInterval=20",
    "ServerAliveCountMax=3",
)
# Where nobody can be asked; and what ssh says is then an error's, without what a host greets with.
_UNSEEN = ("BatchMode=yes", "LogLevel=ERROR")
# Ctrl-C is for us, who have something to take away there before the connection ends.
_DEAF = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
_MOST_SAID_BYTES = 2000
_BUFFER_BYTES = 1 << 20
_PATIENCE_S = 2.0
_HINTS = {
    "Host key verification failed": "`ssh {host}` shows the host's key and asks whether it is"
    " known; where it has changed, ask whoever runs the host",
    "Permission denied": "`ssh {host}` must let you in; where nobody can be asked, without a"
    " question: by a key that an agent holds (ssh-add)",
    "Could not resolve hostname": "is the name right, and are you in its network? ~/.ssh/config"
    " may name a host, too",
    "subsystem request failed": "the server has no SFTP: whoever runs it can allow it"
    " (`Subsystem sftp internal-sftp` in sshd_config)",
    "something else than SFTP": "a startup file of the shell there prints something: let it do"
    " so only where somebody looks",
}
_HINT = "`ssh {host}` tells more; the same command goes on where this one stopped"


class Address(Struct, frozen=True):
    """What `ssh://…` names; without a user or a port as ssh's configuration has it.

    Attributes:
        host: a name that ssh knows, or an address.
        user: as whom.
        port: of the server.
        folder: from the root, or relative to the home there.
    """

    host: str
    user: str | None
    port: int | None
    folder: str


def read_address(url: str) -> Address:
    """The parts of an address; UsageError where it is none."""
    parts = urlsplit(url)
    user = unquote(parts.username) if parts.username else None
    path = unquote(parts.path).rstrip("/")
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"{url!r} has a port that is none", hint=_FORM) from None
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise UsageError(f"{url!r} names no host", hint=_FORM)
    if user is not None and not _USER.fullmatch(user):
        raise UsageError(f"{url!r} names no user", hint=_FORM)
    if path.startswith("/~/"):
        path = path.removeprefix("/~/").lstrip("/")
    elif path.startswith("/~"):
        path = ""
    if not path or "\0" in path:
        raise UsageError(f"{url!r} names no folder", hint=_FORM)
    # As it was written: the configuration may know a host by capital letters.
    host = parts.netloc.rpartition("@")[2]
    host = parts.hostname if host.startswith("[") else host.partition(":")[0]
    return Address(host, user, port, path)


class Connection:
    """A process of ssh, and the session over it.

    Raises:
        UsageError: there is no ssh here.
        RemoteError: it does not get there, is not let in, or finds no SFTP.
    """

    def __init__(self, address: Address, url: str) -> None:
        if shutil.which("ssh") is None:
            raise UsageError(
                "remotes on a server need OpenSSH", hint="apt install openssh-client, or the like"
            )
        self._url = url
        self._host = f"{address.user}@{address.host}" if address.user else address.host
        if address.port is not None:
            self._host = f"-p {address.port} {self._host}"
        self._is_seen = os.isatty(2)  # then ssh says there what it says, and may ask
        process = subprocess.Popen(
            [*_DEAF, *_command(address, is_seen=self._is_seen)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if self._is_seen else subprocess.PIPE,
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._said = bytearray()
        self._ending = threading.Lock()
        incoming = io.BufferedReader(cast(io.RawIOBase, process.stdout), _BUFFER_BYTES)
        self.session = Session(incoming, process.stdin.write)
        threads: list[threading.Thread] = []
        self._end = weakref.finalize(self, _end, process, incoming, threads)
        if process.stderr is not None:
            _start(threads, _keep, process.stderr, self._said)
        try:
            self.session.begin()
            _start(threads, self.session.listen)
        except Lost as error:
            raise self.lost(error, "there is no connection to the remote") from error
        except BaseException:
            process.terminate()  # it may be asking, and would wait for an answer
            self._end()
            raise

    def lost(self, error: Lost, what: str = "the connection to the remote is lost") -> RemoteError:
        """What has ended it, as somebody wants to read it."""
        with self._ending:  # of several threads the first waits for all that ssh has to say
            self._end()
        lines = self._said.decode(errors="replace").splitlines()
        said = "; ".join(filter(None, map(shown, lines)))
        facts: dict[str, object] = {"remote": self._url, "because": error}
        if said:
            facts["ssh_says"] = said
        elif self._is_seen:
            facts["ssh_says"] = "what stands above"
        words = f"{said} {error}"
        hint = next((hint for sign, hint in _HINTS.items() if sign in words), _HINT)
        return RemoteError(what, hint=hint.format(host=self._host), **facts)


def _command(address: Address, *, is_seen: bool) -> list[str]:
    options = [f"-o{option}" for option in (*_OPTIONS, *(() if is_seen else _UNSEEN))]
    if address.user is not None:
        options += ["-l", address.user]
    if address.port is not None:
        options += ["-p", str(address.port)]
    return ["ssh", *options, "-s", "--", address.host, "sftp"]


def _start(threads: list[threading.Thread], work: Callable[..., object], *given: object) -> None:
    threads.append(threading.Thread(target=work, args=given, name="samebit-ssh", daemon=True))
    threads[-1].start()


def _keep(stderr: BinaryIO, said: bytearray) -> None:
    """Keep the end of what ssh says."""
    with stderr:
        while piece := stderr.read(_MOST_SAID_BYTES):
            said += piece
            del said[:-_MOST_SAID_BYTES]


def _end(
    process: "subprocess.Popen[bytes]", incoming: BinaryIO, threads: list[threading.Thread]
) -> None:
    """End a process of ssh, which does so itself when nothing is written to it any more."""
    cast(BinaryIO, process.stdin).close()
    for more in (process.terminate, process.kill):  # the first gives a terminal its echo back
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            more()
    process.wait()
    for thread in threads:
        if thread is not threading.current_thread():  # in which garbage may be collected, too
            thread.join(_PATIENCE_S)
    if not any(thread.is_alive() for thread in threads):
        incoming.close()
