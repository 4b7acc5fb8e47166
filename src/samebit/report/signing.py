"""Signing with a key of this machine: one of our own, made at first use, or one of OpenSSH's.

Where the package `cryptography` is installed and the key is not encrypted, a signature is the 64
bytes of ed25519. Else `ssh-keygen -Y sign` makes it, which asks for a passphrase, knows the agent,
and gives a signature of OpenSSH's own form (SSHSIG), that other tools for DSSE do not know.
Nothing is sent anywhere.
"""

import importlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from samebit import disk, places
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.report import public_keys, signatures
from samebit.report.dsse import EnvelopeSignature
from samebit.report.public_keys import NAMESPACE, Named, PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["own_key", "own_keys", "sign"]

_OWN = "certificate.key"
_OWN_ANONYMOUS = "certificate-anonymous.key"
_PRIVATE_BEGINS = "-----BEGIN OPENSSH PRIVATE KEY-----"
_OTHERS = 0o077  # what others may do with a file
_KEYGEN = "`ssh-keygen -t ed25519` makes one"


def own_keys() -> list[Named]:
    """The keys of this user that are there, as keys to trust."""
    found: list[Named] = []
    for name, words in ((_OWN, "your own key"), (_OWN_ANONYMOUS, "your own anonymous key")):
        path = _public(places.config_folder() / name)
        if path.exists():
            key = public_keys.read_key(path)
            found.append(Named(key.fingerprint, words, key))
    return found


def own_key(*, anonymous: bool) -> tuple[Path, bool]:
    """The private key of this user, and whether it was made just now.

    What is anonymous has a key of its own: the other one may stand beside the user's name.

    Raises:
        NotFound: nothing here can make one.
    """
    path = places.config_folder() / (_OWN_ANONYMOUS if anonymous else _OWN)
    folder, is_new = path.parent, False
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            data = _new_by_library() if _has_library() else _new_by_ssh_keygen(folder)
            is_new = bool(disk.publish(path, [data], folder, mode=0o600))
        if not _public(path).exists():  # also where another process, which may be killed, made it
            disk.publish(_public(path), [_public_line(path)], folder, replace=True)
    except OSError as error:
        raise SamebitError(
            f"cannot make a key for signing: {error.strerror}",
            path=path,
            hint="--key names a key that is there; XDG_CONFIG_HOME another folder",
        ) from error
    return path, is_new


def _public(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def _public_line(path: Path) -> bytes:
    key = _open(path)
    if key is None:
        return _ssh_keygen("-y", "-f", str(path))
    return f"{_half_of(key).line} samebit\n".encode()


def sign(message: bytes, path: Path) -> EnvelopeSignature:
    """Sign with the private key of a file, or with what the agent has for a public one.

    Raises:
        NotFound: no such file, or nothing here can sign with it.
        UsageError: it is no ed25519 key, or others may read it.
        SamebitError: ssh-keygen refused.
    """
    if not public_keys.read_text(path).startswith(_PRIVATE_BEGINS):
        public_keys.read_key(path)  # what is none is told before ssh-keygen is asked
        return _sign_by_ssh_keygen(message, path)
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        raise UsageError(
            "others than you may read this private key",
            path=path,
            mode=oct(path.stat().st_mode & 0o777),
            hint=f"chmod 600 {path}",
        )
    key = _open(path)
    if key is None:
        return _sign_by_ssh_keygen(message, path)
    return _signature(key.sign(message), _half_of(key))


def _signature(signature: bytes, key: PublicKey) -> EnvelopeSignature:
    return EnvelopeSignature(signature, key.fingerprint, key.line)


# By the library ---------------------------------------------------------------------------------


def _has_library() -> bool:
    try:
        importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError:  # not there, or not made for this machine
        return False
    return True


def _new_by_library() -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  (an extra)
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )


def _open(path: Path) -> "Ed25519PrivateKey | None":
    """A private key; None where only ssh-keygen can sign with it."""
    if not _has_library():
        return None
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (an extra)
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
    except TypeError:  # it is encrypted
        return None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"no ed25519 key: {error}", path=path, hint=_KEYGEN) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError("no ed25519 key", path=path, hint=_KEYGEN)
    return key


def _half_of(key: "Ed25519PrivateKey") -> PublicKey:
    return PublicKey(key.public_key().public_bytes_raw())


# By ssh-keygen ----------------------------------------------------------------------------------


def _ssh_keygen(*words: str, message: bytes = b"") -> bytes:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise NotFound(
            "nothing here can sign with this key",
            hint="`pip install 'samebit[sign]'`, or install OpenSSH, which has ssh-keygen",
        )
    done = subprocess.run([program, *words], input=message, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SamebitError(
            "ssh-keygen refused",
            reason=said[-1] if said else f"exit code {done.returncode}",
            hint="an encrypted key needs a terminal, or the agent: ssh-add, then --key FILE.pub",
        )
    return done.stdout


def _new_by_ssh_keygen(folder: Path) -> bytes:
    with tempfile.TemporaryDirectory(dir=folder) as aside:  # seen by this user alone
        path = Path(aside) / "key"
        _ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "samebit", "-f", str(path))
        return path.read_bytes()


def _sign_by_ssh_keygen(message: bytes, path: Path) -> EnvelopeSignature:
    armored = _ssh_keygen("-q", "-Y", "sign", "-f", str(path), "-n", NAMESPACE, message=message)
    try:
        blob = signatures.unarmored(armored.decode("ascii"))
        return _signature(blob, signatures.read_openssh(blob).key)
    except ValueError as error:  # of another kind of key
        raise UsageError(f"no ed25519 key: {error}", path=path, hint=_KEYGEN) from error
