"""Whether an ed25519 signature is right."""

from samebit.errors import UsageError

__all__ = ["KEY_BYTES", "SIGNATURE_BYTES", "is_signed"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64


def is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    """Whether 64 bytes are this key's signature of a message.

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
