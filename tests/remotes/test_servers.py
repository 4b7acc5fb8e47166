"""A user's day with a server that ssh leads to, and what goes wrong with one."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from samebit.errors import SamebitError, UsageError
from samebit.objects.store import Store
from samebit.remotes import named, probing
from samebit.remotes.openssh import Address, read_address
from samebit.remotes.place import Place, RemoteError, read_whole
from tests import servers
from tests.projects import SAMEBIT, Project
from tests.remotes import strange_sftp
from tests.remotes.conftest import pull_all, push_all
from tests.remotes.test_buckets import Unreliable, a_day
from tests.remotes.test_push_and_pull import assert_same
from tests.servers import Sshd

_PATIENCE_S = 60.0
_BANNER = "Only for members of the lab.\n"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Generator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "banner").write_text(_BANNER)
    with servers.sshd(folder, f"Banner {folder}/banner") as server:
        yield server


@pytest.fixture
def server(started: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sshd:
    """The server, which has a folder for each test."""
    started.patch(monkeypatch)
    top = str(tmp_path / "at the server")
    return Sshd(started.folder, top, started.config, started.port)


def opened(server: Sshd) -> Place:
    return named.open_place(named.of_url("lab", server.url, {}))


def processes_of(server: Sshd) -> list[str]:
    """Every `ssh` that reads the configuration of the tests."""
    gc.collect()  # a place that the frames of an error hold has its process until then
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text().replace("\0", " ")
        except OSError:
            continue
        if f"-F {server.config}" in words:
            found.append(words)
    return found


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_day_with_a_server(server: Sshd, store: Store, tmp_path: Path) -> None:
    a_day(server.url.replace(" ", "%20"), [], store, tmp_path)
    project = Project(store.path.parent)
    (damaged,) = [path for path in Path(server.top, "packs").iterdir() if path.suffix == ".pack"]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100] + bytes(100) + whole[200:])
    assert project.call(SAMEBIT, "remote", "check", "lab", "--full").code == 7
    assert project.call(SAMEBIT, "remote", "repair", "lab").code == 0
    assert project.call(SAMEBIT, "remote", "test", "lab").code == 0
    assert not processes_of(server)
    assert not list(Path(server.top, "tmp").iterdir())


def test_a_folder_below_the_home(server: Sshd) -> None:
    """As `~` has it: no command, so no shell, has a part in it."""
    name = f".samebit-test-{os.urandom(4).hex()}"
    place = named.open_place(named.of_url("lab", f"ssh://lab/~/{name}", {}))
    assert place.find("format") is None
    assert not Path.home().joinpath(name).exists()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://server/data/x", Address("server", None, None, "/data/x")),
        ("ssh://me@Server.lab:2222/data/x/", Address("Server.lab", "me", 2222, "/data/x")),
        ("ssh://me%40lab@server/~/x%20y", Address("server", "me@lab", None, "x y")),
        ("ssh://[::1]:22/x", Address("::1", None, 22, "/x")),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert read_address(url) == address
    assert named.of_url("lab", url, {}).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "ssh://server",
        "ssh://server/",
        "ssh://server/~",
        "ssh://server/~/",
        "ssh://server/~other/x",
        "ssh:///x",
        "ssh://-oProxyCommand=touch%20escaped/x",
        "ssh://-lme@server/x",
        "ssh://a b/x",
        "ssh://server:no/x",
        "ssh://server:99999/x",
        "ssh://me:secret@server/x",
        "ssh://server/x?option=1",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        named.of_url("lab", url, {})
    assert "secret@" not in str(caught.value)


def test_an_address_as_scp_has_it_is_told_as_ours() -> None:
    with pytest.raises(UsageError, match=r"hint: ssh://me@server/~/data/x"):
        named.of_url("lab", "me@server:data/x", {})
    with pytest.raises(UsageError, match=r"hint: ssh://server/data/x"):
        named.of_url("lab", "server:/data/x", {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        (
            "UserKnownHostsFile /dev/null",
            "Host key verification failed",
            "asks whether it is known",
        ),
        ("PubkeyAuthentication no", "Permission denied", "ssh-add"),
        ("HostName nothing.invalid", "Could not resolve hostname", "in its network"),
        ("Port 1", "Connection refused", "`ssh lab` tells more"),
        ("ProxyCommand /bin/false", "the connection has ended", "`ssh lab` tells more"),
    ],
)
def test_what_ssh_cannot_do_is_said_with_what_to_do(
    line: str, said: str, hint: str, server: Sshd, store: Store
) -> None:
    project = Project(store.path.parent)
    with server.prefer(line):
        done = project.call(SAMEBIT, "remote", "add", "lab", server.url)
    assert done.code == 1
    assert "there is no connection to the remote" in done.err
    assert said in done.err
    assert hint in done.err
    assert len(done.err.splitlines()) < 7
    assert _BANNER.strip() not in done.err
    assert not (store.path / "local.toml").exists()
    assert not processes_of(server)
    assert project.call(SAMEBIT, "remote", "add", "lab", server.url).code == 0


def test_a_server_without_sftp(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.sshd(tmp_path, sftp=False) as server:
        server.patch(monkeypatch)
        with pytest.raises(RemoteError, match="no connection") as caught:
            push_all(store, opened(server))
    assert "the server has no SFTP" in str(caught.value)


def test_no_ssh_at_all(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    with pytest.raises(UsageError, match="need OpenSSH"):
        opened(server).find("format")


def test_a_folder_that_may_not_be_written(server: Sshd, store: Store) -> None:
    place = named.open_place(named.of_url("lab", "ssh://lab/proc/nothing", {}))
    found = probing.probe(place)
    assert isinstance(found.trouble, SamebitError)
    assert "ssh://lab/proc/nothing" in str(found.trouble)


@pytest.mark.slow
def test_a_line_that_is_cut_ends_it_and_the_same_again_does_the_rest(
    server: Sshd, store: Store, other: Store
) -> None:
    cuts = [f"cut at {size}" for size in (100, 2_500, 4_000, 4_500, 5_000, 6_000, 9_000, 15_000)]
    line = Unreliable(server.port, cuts)
    port = line.endpoint.rpartition(":")[2]
    said: list[str] = []
    try:
        with server.prefer(f"Port {port}", f"HostKeyAlias [127.0.0.1]:{server.port}"):
            while line.does:
                try:
                    push_all(store, opened(server))
                    pull_all(other, opened(server))
                except RemoteError as error:
                    said.append(str(error))
    finally:
        line.close()
    assert len(said) >= 5
    assert "there is no connection" in said[0]
    assert "the connection to the remote is lost" in said[-1]
    assert all("the same command goes on where this one stopped" in one for one in said)
    push_all(store, opened(server))
    pull_all(other, opened(server))
    assert_same(store, other)
    assert not processes_of(server)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_push_that_is_stopped_leaves_no_process(
    how: signal.Signals, server: Sshd, store: Store, other: Store
) -> None:
    project = Project(store.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", server.url.replace(" ", "%20"))
    process = subprocess.Popen(
        [SAMEBIT, "push", "--limit", "0.001"],
        cwd=project.path,
        env=project.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    claims = Path(server.top, "claims")
    until(lambda: claims.is_dir() and bool(os.listdir(claims)))
    time.sleep(0.3)
    assert processes_of(server)
    # Ctrl-C reaches every process of the terminal, a kill this one.
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.kill()
    _, said = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode != 0
    assert "Traceback" not in said
    until(lambda: not processes_of(server))
    # Who is stopped so still says that nobody pushes any more.
    assert bool(os.listdir(claims)) == (how == signal.SIGKILL)
    push_all(store, opened(server))
    pull_all(other, opened(server))
    assert_same(store, other)


_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Terminal:
    """A command in a terminal of its own, and somebody who types there."""

    def __init__(self, project: Project, command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, "sh", "-c", command],
            cwd=project.path,
            env=project.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.said = ""

    def read_until(self, words: str | None) -> None:
        assert self._process.stdout is not None
        while words is None or words not in self.said:
            piece = self._process.stdout.read(1000)
            if not piece:
                assert words is None, self.said
                return
            self.said += piece.decode()

    def type(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words.encode())

    def end(self) -> int:
        self.read_until(None)
        with self._process:
            return self._process.wait(_PATIENCE_S)


@pytest.fixture
def asking(server: Sshd, store: Store) -> Generator[Project]:
    """A project with a remote that asks for a passphrase."""
    key = server.folder / "asked"
    if not key.exists():
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(key)]
        subprocess.run(words, check=True)
        with (server.folder / "user.pub").open("a") as known:
            known.write(key.with_suffix(".pub").read_text())
    project = Project(store.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", server.url)
    text = server.config.read_text()  # where all lines of this kind count
    server.config.write_text(text.replace(f"{server.folder}/user\n", f"{key}\n"))
    yield project
    server.config.write_text(text)
    assert not processes_of(server)


@pytest.mark.slow
def test_in_a_terminal_ssh_asks_once(asking: Project) -> None:
    terminal = Terminal(asking, f"{SAMEBIT} push")
    terminal.read_until("Enter passphrase")
    terminal.type("open sesame\n")
    assert terminal.end() == 0, terminal.said
    assert terminal.said.count("Enter passphrase") == 1
    assert "pushed" in terminal.said


@pytest.mark.slow
def test_ctrl_c_where_ssh_asks(asking: Project) -> None:
    """It ends, and what is typed is seen again."""
    terminal = Terminal(asking, f"trap : INT; {SAMEBIT} push; echo ended; stty")
    terminal.read_until("Enter passphrase")
    terminal.type("\x03")
    assert terminal.end() == 0
    after = terminal.said.partition("ended")[2]
    assert "baud" in after
    assert "-echo" not in after
    assert "Traceback" not in terminal.said


@pytest.mark.slow
def test_where_nobody_looks_nobody_is_asked(asking: Project) -> None:
    """With a terminal, too, of which only what goes wrong is written elsewhere."""
    terminal = Terminal(asking, f"{SAMEBIT} push 2> said")
    assert terminal.end() == 1
    assert terminal.said == ""
    assert "Permission denied" in (asking.path / "said").read_text()


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Place]:
    """A place at a server that is strange in some way."""

    def open_it(how: str) -> Place:
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir(exist_ok=True)
        begin = f'{sys.executable} {strange_sftp.__file__} "{how}"'
        program.write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\nexec {begin}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return named.open_place(named.of_url("lab", "ssh://lab/~/top", {}))

    return open_it


def test_what_a_startup_file_prints_is_named(strange: Callable[[str], Place]) -> None:
    with pytest.raises(RemoteError, match="begins with 'Welco'") as caught:
        strange("text").find("there")
    assert "a startup file of the shell there" in str(caught.value)


@pytest.mark.parametrize("how", ["long", "huge", "number"])
def test_a_server_that_sends_what_was_not_asked_for(
    how: str, strange: Callable[[str], Place], tmp_path: Path
) -> None:
    place = strange(how)
    with pytest.raises(RemoteError, match="connection to the remote is lost"):
        read_whole(place, "there", 10)
    asked = (tmp_path / "asked").read_text()
    with pytest.raises(RemoteError, match="connection to the remote is lost"):
        place.find("there")
    assert (tmp_path / "asked").read_text() == asked  # nobody is asked again


@pytest.mark.parametrize("how", ["kind", "cut short"])
def test_a_packet_that_is_no_answer(how: str, strange: Callable[[str], Place]) -> None:
    with pytest.raises(RemoteError, match="connection to the remote is lost"):
        strange(how).find("there")


def test_names_that_lead_elsewhere_are_not_listed(strange: Callable[[str], Place]) -> None:
    assert [one.path for one in strange("names").list("x")] == ["x/good", "x/\udcff"]
    assert list(strange("no names").list("x")) == []


def test_no_room(strange: Callable[[str], Place]) -> None:
    with pytest.raises(RemoteError, match="there is no room at the remote") as caught:
        strange("full").put("x", b"12")
    assert "so it is\\x1b[8m" in str(caught.value)  # shown, and not done


def test_a_server_that_can_only_what_the_protocol_has(strange: Callable[[str], Place]) -> None:
    place = strange("old")
    assert place.put("x", b"12", new=True)
    assert not place.put("x", b"34", new=True)
    assert place.put("x", b"56")
    assert b"".join(place.read("x")) == b"56"
