"""The two forms of a signature: the 64 bytes of ed25519, and OpenSSH's own (SSHSIG).

An SSHSIG blob holds the public key, says what it is for (a namespace), and signs a hash of the
message and all of this. The plain form says nothing but itself.
"""

import base64
import hashlib
from collections.abc import Iterable

from msgspec import Struct

from samebit.report.ed25519 import SIGNATURE_BYTES, is_signed
from samebit.report.public_keys import KEY_TYPE, NAMESPACE, PublicKey, from_blob, part, parts

__all__ = ["OpenSSH", "armored", "form_of", "read_openssh", "signer", "unarmored"]

_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_BEGINS, _ENDS = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_ARMORED_WIDTH = 70


class OpenSSH(Struct, frozen=True):
    """What an SSHSIG blob says."""

    key: PublicKey
    namespace: bytes
    reserved: bytes
    algorithm: bytes
    signature: bytes  # of ed25519

    def signed(self, message: bytes) -> bytes:
        """The bytes that were really signed."""
        hashed = _HASHES[self.algorithm.decode()](message).digest()
        fields = (self.namespace, self.reserved, self.algorithm, hashed)
        return _MAGIC + b"".join(map(part, fields))


def form_of(signature: bytes) -> str:
    """`ed25519`, `sshsig`, or `other`."""
    if len(signature) == SIGNATURE_BYTES:
        return "ed25519"
    return "sshsig" if signature.startswith(_MAGIC) else "other"


def signer(signature: bytes, message: bytes, keys: Iterable[PublicKey]) -> PublicKey | None:
    """The one of these keys whose signature of the message it is; None where it is none's."""
    if form_of(signature) == "sshsig":
        try:
            opened = read_openssh(signature)
        except ValueError:
            return None
        right = is_signed(opened.signed(message), opened.signature, opened.key.raw)
        return opened.key if right and opened.key in list(keys) else None
    return next((key for key in keys if is_signed(message, signature, key.raw)), None)


def read_openssh(blob: bytes) -> OpenSSH:
    """An SSHSIG blob as its parts; ValueError where it is none, or for something else."""
    head = len(_MAGIC) + len(_VERSION)
    if blob[:head] != _MAGIC + _VERSION:
        raise ValueError("no signature of OpenSSH's first version")
    fields = list(parts(blob[head:]))
    if len(fields) != 5:
        raise ValueError(f"{len(fields)} parts instead of 5")
    key, namespace, reserved, algorithm, signature = fields
    if namespace != NAMESPACE.encode():
        shown = namespace[:60].decode("utf-8", "replace")
        raise ValueError(f"made for {shown!r}, not for {NAMESPACE!r}")
    if algorithm.decode("ascii", "replace") not in _HASHES:
        raise ValueError("a hash that is not known")
    inner = list(parts(signature))
    if len(inner) != 2 or inner[0] != KEY_TYPE.encode() or len(inner[1]) != SIGNATURE_BYTES:
        raise ValueError(f"not of the kind {KEY_TYPE}")
    return OpenSSH(from_blob(key), namespace, reserved, algorithm, inner[1])


def armored(blob: bytes) -> str:
    """An SSHSIG blob as `ssh-keygen -Y verify` reads it from a file."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + _ARMORED_WIDTH] for at in range(0, len(text), _ARMORED_WIDTH)]
    return "\n".join([_BEGINS, *lines, _ENDS, ""])


def unarmored(text: str) -> bytes:
    """The blob of a signature as `ssh-keygen -Y sign` prints it; ValueError where it is none."""
    if _BEGINS not in text or _ENDS not in text:
        raise ValueError("it has no beginning or no end")
    body = text.partition(_BEGINS)[2].partition(_ENDS)[0]
    return base64.b64decode("".join(body.split()), validate=True)
