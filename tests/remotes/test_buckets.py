"""A user's day with a bucket, on real servers; and what goes wrong with one."""

import json
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from samebit import places
from samebit.errors import UsageError
from samebit.objects.store import Store
from samebit.remotes import bucket, named, probing
from samebit.remotes.place import Guarantees, RemoteError
from tests import servers
from tests.projects import SAMEBIT, Ended, Project
from tests.remotes.conftest import files_of, pull_all, push_all
from tests.remotes.test_push_and_pull import assert_same
from tests.remotes.test_sweeping import sweep
from tests.servers import Server


@pytest.fixture(scope="module", params=servers.KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    with servers.started(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.slow
def test_a_day_with_a_bucket(server: Server, store: Store, tmp_path: Path) -> None:
    url = server.make_bucket("day") + "/project"
    given = [word for key, value in server.options.items() for word in (f"--{key}", value)]
    said = a_day(url, given, store, tmp_path)
    assert ("creates a name once only" in said) == server.has_conditions
    assert not any(one in (store.path / "local.toml").read_text() for one in servers.SECRETS)


def a_day(url: str, options: list[str], store: Store, tmp_path: Path) -> str:
    """From adding it to syncing with a clone; what was said when it was added."""
    project = Project(store.path.parent)

    def call(*words: str, where: Project = project, expect: int = 0) -> Ended:
        done = where.call(SAMEBIT, *words, SAMEBIT_CACHE=str(tmp_path / "cache"))
        assert done.code == expect, done.out + done.err
        assert "Traceback" not in done.err
        return done

    said = call("remote", "add", "lab", url, *options).out
    assert call("push", "--dry-run", "--json").json["held_back"] == {}
    assert "3 runs" in call("push").out
    assert call("push").out == "lab has everything\n"
    assert "3 runs, 1 name of data" in call("remote", "show", "lab").out
    there = call("ls", "--remote", "lab", "--json", "--replays").json
    here = call("ls", "--json", "--replays").json
    assert there == here
    mine = tmp_path / "clone"
    call("clone", url, str(mine), *options)
    clone = Project(mine)
    assert files_of(Store(clone.store)) == files_of(store)
    assert call("check", where=clone).code == 0
    assert call("pull", where=clone).out == "everything of origin is here\n"
    # Something new on the other side comes over, and nothing else travels.
    note = {"value": "looked at"}
    from samebit.folders.folder import RunFolder

    RunFolder(clone.store / "runs" / "f1n1shed00").add_note("remark", note)
    assert call("sync", "--json", where=clone).json["runs"] == ["f1n1shed00"]
    assert call("pull", "f1n1", "--json").json["runs"] == ["f1n1shed00"]
    assert files_of(Store(clone.store)) == files_of(store)
    # What a dropped run alone kept is swept, and the next push brings it all again.
    call("remote", "drop", "lab", "f1n1", "rep1ay0000")
    assert call("remote", "gc", "lab", "--delete", "--json").json["objects"] == 0  # too young
    place = named.open_place(named.read_all(store.path)["lab"])
    assert sum(one.objects for one in sweep(place, store)) > 10
    assert call("remote", "check", "lab", "--full", "--json").json["runs"] == 1
    assert "2 runs" in call("push").out
    return said


def test_keys_that_are_wrong(
    store: Store, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.started("rclone", tmp_path_factory.mktemp("rclone")) as server:
        url = server.make_bucket("keys")
        remote = named.of_url("x", url, {"endpoint": server.endpoint})
        with pytest.raises(RemoteError, match="non-partial response"):
            push_all(store, named.open_place(remote))  # nobody has tried what it can do
        can = probing.probe(named.open_place(remote)).guarantees
        remote = named.Remote("x", url, remote.options, can)
        push_all(store, named.open_place(remote))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-of-tests")
        # As where they expire between two requests.
        with pytest.raises(RemoteError, match="does not let us in") as caught:
            push_all(store, named.open_place(remote))
        assert "goes on once the credentials are right" in str(caught.value)
        assert "another-secret" not in str(caught.value)
        none = named.of_url("x", "s3://nothing-here", {"endpoint": server.endpoint})
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.KEYS["AWS_SECRET_ACCESS_KEY"])
        found = probing.probe(named.open_place(none))
        assert "there is no such bucket" in str(found.trouble)


def test_profiles_of_aws(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rclone").mkdir()
    with servers.started("rclone", tmp_path / "rclone") as server:
        url = server.make_bucket("profiles")
        keys = servers.KEYS
        (tmp_path / "credentials").write_text(
            f"[lab]\naws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
            f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
        )
        (tmp_path / "config").write_text(
            f"[profile lab]\nregion = eu-central-1\nendpoint_url = {server.endpoint}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        for name in keys:
            monkeypatch.delenv(name, raising=False)
        remote = named.of_url("x", url, {"profile": "lab"})
        assert probing.probe(named.open_place(remote)).trouble is None
        with pytest.raises(UsageError, match="no profile 'other'"):
            named.open_place(named.of_url("x", url, {"profile": "other"}))


class Unreliable:
    """Between a client and a server: cuts, stalls, and answers of its own."""

    def __init__(self, port: int, does: list[str]) -> None:
        self.does = does
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        what = self.does.pop(0) if self.does else "pass"
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            if what in ("500", "503", "429"):
                client.recv(65536)
                head = f"HTTP/1.1 {what} Trouble\r\nContent-Length: 0\r\n"
                client.sendall(f"{head}Connection: close\r\n\r\n".encode())
                return
            if what == "cut":
                client.recv(10)
                return
            threading.Thread(target=self._pass, args=[client, server], daemon=True).start()
            self._pass(
                server, client, most=int(at) if (at := what.partition("cut at ")[2]) else None
            )

    @staticmethod
    def _pass(one: socket.socket, other: socket.socket, most: int | None = None) -> None:
        passed = 0
        try:
            while data := one.recv(65536):
                passed += len(data)
                other.sendall(data if most is None else data[: max(0, most - passed + len(data))])
                if most is not None and passed > most:
                    break
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.mark.slow
def test_a_line_that_breaks(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut, refused for a while, answered in part: it is asked again, and all of it is right."""
    with servers.started("moto", tmp_path) as server:
        url = server.make_bucket("line")
        port = int(server.endpoint.rpartition(":")[2])
        trouble = ["503", "pass", "cut", "429", "500", "cut at 200", "pass", "503", "cut"]
        line = Unreliable(port, list(trouble))
        try:
            remote = named.of_url("x", url, {"endpoint": line.endpoint})
            push_all(store, named.open_place(remote))
            line.does = list(trouble)
            pull_all(other, named.open_place(remote))
        finally:
            line.close()
        assert_same(store, other)


def test_a_server_that_is_not_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in servers.KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(bucket._RETRIES, "max_retries", 1)  # pyright: ignore[reportPrivateUsage]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    remote = named.of_url("x", "s3://b/c", {"endpoint": f"http://127.0.0.1:{port}"})
    with pytest.raises(RemoteError, match="the remote cannot be reached") as caught:
        push_all(store, named.open_place(remote))
    assert "Debug source" not in str(caught.value)
    assert len(str(caught.value).splitlines()) < 8


def test_settings_of_remotes(store: Store) -> None:
    path = store.path / "local.toml"
    path.write_text(
        '# mine\nstates.keep = "all"\n\n[remotes.old]\nurl = "file:///old"\n\n'
        '[code]\nref = "none"\n'
    )
    lab = named.of_url("lab", "s3://b/x/", {"endpoint": "http://h:1", "region": "r"})
    named.save(store.path, lab)
    named.save(store.path, lab)
    assert named.read_all(store.path) == {
        "old": named.Remote("old", "file:///old"),
        "lab": named.Remote("lab", "s3://b/x", lab.options, Guarantees()),
    }
    assert places.read_settings(store.path).code_ref == "none"
    named.forget(store.path, "old")
    text = path.read_text()
    assert "old" not in text
    assert text.startswith("# mine\n")
    assert named.choose(store.path, None).name == "lab"
    assert places.read_settings(store.path).states_keep == "all"
    named.forget(store.path, "lab")
    with pytest.raises(UsageError, match="no remote"):
        named.choose(store.path, None)


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:secret@bucket/x",
        "https://bucket/x",
        "file://relative/x",
        "file:relative",
        "s3://bucket?X-Amz-Signature=abc",
        "s3://",
        "bucket",
        "",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        named.of_url("lab", url, {})
    assert "secret@" not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Lab", "a b", "a.b", "-a", "a" * 65, 'x"y'])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError):
        named.of_url(name, "file:///x", {})


def test_json_of_remotes(store: Store, tmp_path: Path) -> None:
    project = Project(store.path.parent)
    (tmp_path / "r").mkdir()
    done = project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "r"), "--json")
    assert json.loads(done.out)["url"] == f"file://{tmp_path / 'r'}"
    assert project.call(SAMEBIT, "remote", "ls", "--json").json["remotes"][0]["name"] == "lab"
    assert project.call(SAMEBIT, "remote", "test", "lab").code == 0
    # The same bucket of another server is another place; which one it is can be seen.
    named.save(store.path, named.of_url("s", "s3://b", {"endpoint": "http://one:1"}))
    other = project.call(SAMEBIT, "remote", "add", "s", "s3://b", "--endpoint", "http://two:2")
    assert (other.code, "there is a remote 's' already" in other.err) == (2, True)
    assert "http://one:1" in project.call(SAMEBIT, "remote", "ls").out
    assert project.call(SAMEBIT, "remote", "rm", "s").code == 0
    assert project.call(SAMEBIT, "push", "nothing-like-this").code == 7
    assert project.call(SAMEBIT, "pull").code == 7
    assert project.call(SAMEBIT, "push", "--with", "other").code == 2
    assert project.call(SAMEBIT, "remote", "rm", "lab").code == 0
    assert project.call(SAMEBIT, "push").code == 2


def test_what_is_missing_may_be_at_a_remote(store: Store, tmp_path: Path) -> None:
    """The plan of a replay says so, and after a pull it is whole."""
    (tmp_path / "r").mkdir()
    project = Project(store.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "r"))
    assert project.call(SAMEBIT, "push").code == 0
    clone = Project(tmp_path / "clone")
    done = project.call(
        SAMEBIT, "clone", f"file://{tmp_path / 'r'}", str(clone.path), "--with", "none"
    )
    assert done.code == 0, done.err
    said = clone.call(SAMEBIT, "verify", "f1n1shed00", "--plan")
    assert said.code == 6
    assert "its code cannot be read" in said.out
    pull = "`samebit pull f1n1shed00 --remote origin` gets what is kept there of it"
    assert pull in said.out
    assert clone.call(SAMEBIT, "pull", "f1n1shed00", "--remote", "origin").code == 0
    assert "its code cannot be read" not in clone.call(SAMEBIT, "verify", "f1n1", "--plan").out
