"""The two forms of a signature: the 64 bytes of ed25519, and OpenSSH's own (SSHSIG).

An SSHSIG blob holds the public key, says what it is for (a namespace), and signs a hash of the
message and all of this. The plain form says nothing but itself.
"""

import base64
import hashlib

from msgspec import Struct

from samebit.errors import UsageError
from samebit.report.public_keys import KEY_TYPE, NAMESPACE, PublicKey, from_blob

__all__ = ["OpenSSH", "form_of", "is_by", "is_signed", "read_openssh", "unarmored"]

_SIGNATURE_BYTES = 64  # of ed25519
_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_KEY = slice(14, 65)  # where the key's blob stands, behind the magic, the version and its length
_HASHES = ("sha512", "sha256")
_BEGINS, _ENDS = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


class OpenSSH(Struct, frozen=True):
    """What an SSHSIG blob says."""

    key: PublicKey
    hashed_by: str
    signature: bytes  # of ed25519

    @property
    def blob(self) -> bytes:
        """All of it, as OpenSSH writes it."""
        inner = _part(KEY_TYPE.encode()) + _part(self.signature)
        return _MAGIC + _VERSION + _part(self.key.blob) + self._purpose + _part(inner)

    def signed(self, message: bytes) -> bytes:
        """The bytes that were really signed."""
        return _MAGIC + self._purpose + _part(hashlib.new(self.hashed_by, message).digest())

    @property
    def _purpose(self) -> bytes:
        """The namespace, something reserved, and the hash."""
        return _part(NAMESPACE.encode()) + _part(b"") + _part(self.hashed_by.encode())


def _part(data: bytes) -> bytes:
    """Bytes with their length before them, as OpenSSH joins them."""
    return len(data).to_bytes(4, "big") + data


def read_openssh(blob: bytes) -> OpenSSH:
    """An SSHSIG blob as its parts; ValueError where it is none, or for something else.

    There is but one way to write what counts here, so it is one if it is what would be written.
    """
    key, signature = from_blob(blob[_KEY]), blob[-_SIGNATURE_BYTES:]
    for one in (OpenSSH(key, name, signature) for name in _HASHES):
        if one.blob == blob:
            return one
    raise ValueError(f"no signature of OpenSSH for {NAMESPACE}")


def unarmored(text: str) -> bytes:
    """The blob of a signature as `ssh-keygen -Y sign` prints it; ValueError where it is none."""
    if _BEGINS not in text or _ENDS not in text:
        raise ValueError("it has no beginning or no end")
    body = text.partition(_BEGINS)[2].partition(_ENDS)[0]
    return base64.b64decode("".join(body.split()), validate=True)


def form_of(signature: bytes) -> str:
    """`ed25519`, `sshsig`, or `other`."""
    if len(signature) == _SIGNATURE_BYTES:
        return "ed25519"
    return "sshsig" if signature.startswith(_MAGIC) else "other"


def is_by(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether it is this key's signature of a message, in either form."""
    if form_of(signature) != "sshsig":
        return is_signed(message, signature, key.raw)
    try:
        opened = read_openssh(signature)
    except ValueError:
        return False
    return opened.key == key and is_signed(opened.signed(message), opened.signature, key.raw)


def is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    """Whether 64 bytes are this ed25519 key's signature of a message.

    Raises UsageError where the package that knows is not installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (heavy, and an extra)
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "signatures are checked by the package cryptography, which is not here",
            hint="pip install 'samebit[sign]'",
        ) from None
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
