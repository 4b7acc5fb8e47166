"""Keys and signatures of this machine, with the library and with OpenSSH itself."""

import base64
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import places
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.report import signatures, signing
from samebit.report.public_keys import PublicKey, allowed_signers, from_blob, named_by, read_key

KEY = PublicKey(bytes(range(32)))
needs_library = pytest.mark.skipif(not signing._has_library(), reason="no cryptography")
needs_openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture(
    params=[pytest.param(True, marks=needs_library), pytest.param(False, marks=needs_openssh)],
    ids=["library", "openssh"],
)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(signing, "_has_library", lambda: request.param)
    return request.param


def keygen(path: Path, *words: str, kind: str = "ed25519") -> Path:
    command = ["ssh-keygen", "-q", "-t", kind, "-C", "a comment", "-f", str(path), *words]
    subprocess.run(command, check=True, capture_output=True)
    return path


def public(path: Path) -> PublicKey:
    return read_key(Path(f"{path}.pub"))


def test_a_key_is_made_at_first_use_and_signs(library: bool) -> None:
    path, is_new = signing.own_key(anonymous=False)
    assert is_new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.own_key(anonymous=False) == (path, False)
    signed = signing.sign(b"a message", path)
    assert signed.public_key == public(path).line
    assert signatures.form_of(signed.sig) == ("ed25519" if library else "sshsig")
    assert signatures.is_by(public(path), signed.sig, b"a message")
    assert not signatures.is_by(public(path), signed.sig, b"another")
    other = public(signing.own_key(anonymous=True)[0])
    assert other != public(path)
    assert not signatures.is_by(other, signed.sig, b"a message")
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "certificate-anonymous.key",
        "certificate-anonymous.key.pub",
        "certificate.key",
        "certificate.key.pub",
    ]


@needs_library
@needs_openssh
def test_a_key_that_one_made_signs_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for makes in (True, False):
        monkeypatch.setattr(signing, "_has_library", lambda makes=makes: makes)
        path, _ = signing.own_key(anonymous=makes)
        monkeypatch.setattr(signing, "_has_library", lambda makes=makes: not makes)
        signed = signing.sign(b"x", path)
        assert signatures.is_by(public(path), signed.sig, b"x")


def test_many_processes_that_begin_together_have_one_key(library: bool) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: signing.own_key(anonymous=False), range(8)))
    assert len({path for path, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1
    assert signing.sign(b"x", found[0][0]).keyid == public(found[0][0]).fingerprint


@needs_openssh
def test_without_the_library_openssh_alone_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    path, _ = signing.own_key(anonymous=False)
    signed = signing.sign(b"x", path)
    assert signatures.form_of(signed.sig) == "sshsig"
    assert signed.public_key == public(path).line


def test_a_public_half_that_got_lost_is_written_again(library: bool) -> None:
    """Whoever made the key may have been killed before it was written."""
    path, _ = signing.own_key(anonymous=False)
    before = public(path)
    Path(f"{path}.pub").unlink()
    assert signing.own_key(anonymous=False) == (path, False)
    assert public(path) == before


@needs_openssh
def test_a_fingerprint_is_as_ssh_shows_it(tmp_path: Path) -> None:
    path = keygen(tmp_path / "key", "-N", "")
    shown = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True).stdout
    key = public(path)
    assert shown.split()[1] == key.fingerprint
    assert Path(f"{path}.pub").read_text() == f"{key.line} a comment\n"
    assert from_blob(key.blob) == key


@needs_library
@needs_openssh
def test_a_public_key_in_pem_is_read(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    path = keygen(tmp_path / "key", "-N", "")
    key = serialization.load_ssh_public_key(Path(f"{path}.pub").read_bytes())
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    assert read_key(pem) == public(path)


@needs_openssh
def test_an_encrypted_key_signs_by_the_agent_and_says_so_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keygen(tmp_path / "key", "-N", "a passphrase")
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "never")
    monkeypatch.setenv("DISPLAY", "")
    with pytest.raises(SamebitError, match="ssh-keygen refused") as error:
        detached(lambda: signing.sign(b"x", path))
    assert "ssh-add" in str(error.value)
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent")
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        plain = tmp_path / "plain"
        shutil.copy(path, plain)
        change = ["ssh-keygen", "-q", "-p", "-P", "a passphrase", "-N", "", "-f", str(plain)]
        subprocess.run(change, check=True, capture_output=True)
        subprocess.run(["ssh-add", "-q", str(plain)], check=True)
        signed = signing.sign(b"x", Path(f"{path}.pub"))
        assert signatures.is_by(public(path), signed.sig, b"x")
    finally:
        agent.terminate()
        agent.wait()


def detached(call: Callable[[], object]) -> None:
    """As in a job: without a terminal from which a passphrase could come."""
    if os.isatty(0):
        pytest.skip("a terminal would be asked")
    call()


@needs_openssh
def test_other_kinds_of_keys_are_refused_with_what_makes_the_right_one(tmp_path: Path) -> None:
    path = keygen(tmp_path / "key", "-N", "", kind="ecdsa")
    for call in (lambda: signing.sign(b"x", path), lambda: read_key(Path(f"{path}.pub"))):
        with pytest.raises(UsageError, match="no ed25519 key") as error:
            call()
        assert "ssh-keygen -t ed25519" in str(error.value)
    with pytest.raises(NotFound):
        signing.sign(b"x", tmp_path / "nothing")


def test_a_key_that_others_may_read_does_not_sign(library: bool) -> None:
    path, _ = signing.own_key(anonymous=False)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="others than you may read"):
        signing.sign(b"x", path)


def test_a_damaged_key_is_an_error_of_ours(library: bool) -> None:
    path, _ = signing.own_key(anonymous=False)
    text = path.read_text()
    body = base64.b64decode("".join(text.splitlines()[1:-1]))
    for size in (0, 10, 40, len(body) // 2, len(body) - 30):
        lines = base64.b64encode(body[:size]).decode()
        path.write_text(f"{text.splitlines()[0]}\n{lines}\n{text.splitlines()[-1]}\n")
        with pytest.raises(SamebitError):
            signing.sign(b"x", path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, library: bool) -> None:
    (tmp_path / "config").write_text("a file where the folder should be")
    with pytest.raises(SamebitError, match="cannot make a key") as error:
        signing.own_key(anonymous=False)
    assert "--key" in str(error.value)


@needs_library
def test_a_signature_of_openssh_for_something_else_is_none(tmp_path: Path) -> None:
    """A signature of a commit or of a login must not pass for one of a certificate."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen")
    path = keygen(tmp_path / "key", "-N", "")
    for namespace, right in (("git", False), ("samebit-certificate", True)):
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(path), "-n", namespace]
        printed = subprocess.run(command, input=b"x", capture_output=True, check=True).stdout
        blob = signatures.unarmored(printed.decode())
        assert signatures.is_by(public(path), blob, b"x") is right


@given(st.binary(max_size=400))
def test_any_bytes_are_some_signature_or_none(data: bytes) -> None:
    whole = signatures.OpenSSH(KEY, "sha512", bytes(64)).blob
    for blob in (data, b"SSHSIG\0\0\0\1" + data, whole + data, whole[:-64] + data):
        assert not signatures.is_by(KEY, blob, b"x")


@pytest.mark.parametrize("hashed_by", ["sha256", "sha512"])
def test_an_openssh_signature_comes_back_as_it_was_and_not_from_other_bytes(hashed_by: str) -> None:
    whole = signatures.OpenSSH(KEY, hashed_by, bytes(range(64)))
    assert signatures.read_openssh(whole.blob) == whole
    for at in range(len(whole.blob) - 64):
        changed = bytearray(whole.blob)
        changed[at] ^= 1
        try:
            read = signatures.read_openssh(bytes(changed))
        except ValueError:
            continue
        assert read.key != KEY  # the only part of it that may be another


NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (f"ada@x.org {KEY.line} a comment", True),
        (f'"ada lovelace,b@*" {KEY.line}', True),
        (f'ada namespaces="samebit-*,git" {KEY.line}', True),
        (f'ada namespaces="git" {KEY.line}', False),
        (f"ada cert-authority {KEY.line}", False),
        (f'ada valid-after="20260101",valid-before="20270101Z" {KEY.line}', True),
        (f'ada valid-before="20260101" {KEY.line}', False),
        (f'ada valid-after="202609211414Z" {KEY.line}', False),
        (f'ada valid-after="20260921141320Z" {KEY.line}', True),
        ("ada ecdsa-sha2-nistp256 AAAA", False),
        (f"# {KEY.line}", False),
        ("", False),
    ],
)
def test_allowed_signers_are_read_as_ssh_keygen_reads_them(
    tmp_path: Path, line: str, counts: bool
) -> None:
    path = tmp_path / "allowed"
    path.write_text(line + "\n")
    found = allowed_signers(path, NOW)
    assert [one.key for one in found] == ([KEY] if counts else [])
    if counts:
        assert found[0].words.removeprefix("the key of ").startswith("ada")


@pytest.mark.parametrize(
    "line", ["ada", "ada ssh-ed25519", f"{KEY.line}", f"ada x=y {KEY.line}", "a ssh-ed25519 !!"]
)
def test_a_line_of_allowed_signers_that_is_not_understood_is_named(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "allowed"
    path.write_text(f"# mine\n{line}\n")
    with pytest.raises(UsageError, match="line 2 of the allowed signers"):
        allowed_signers(path, NOW)


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_an_error_of_ours(text: str) -> None:
    path = places.cache_folder() / "any-key"
    path.parent.mkdir(parents=True, exist_ok=True)
    for whole in (text, f"ssh-ed25519 {text}", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}"):
        path.write_text(whole, encoding="utf-8", errors="surrogatepass")
        for read in (read_key, allowed_signers):
            try:
                read(path)
            except SamebitError:
                pass


def test_a_fingerprint_names_a_key_that_is_not_here() -> None:
    assert named_by(KEY.fingerprint).fingerprint == KEY.fingerprint
    with pytest.raises(NotFound):
        named_by("SHA256:short")
