"""A DSSE envelope: a text, its type, and signatures of both; read as a stranger's file is read.

What is signed is not the JSON but `DSSEv1`, the lengths, the type and the bytes (`signed_bytes`),
so that no reader has to write JSON again the way a signer did. Nothing in here is believed before
its signature was found right.
"""

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from samebit.digest import canonical_json
from samebit.errors import Damaged
from samebit.journal.values import is_plain

__all__ = [
    "LARGEST_BYTES",
    "Envelope",
    "EnvelopeSignature",
    "encode_envelope",
    "read_envelope",
    "signed_bytes",
    "strict_json",
]

LARGEST_BYTES = 16 << 20  # of an envelope; twenty thousand files take half of it
_MOST_SIGNATURES = 32
_DEPTH = 64  # of lists and maps inside each other
_URL_SAFE = str.maketrans("-_", "+/")


class EnvelopeSignature(Struct, frozen=True, omit_defaults=True):
    """One signature; `keyid` is a hint, and so is `public_key` until it fits the signature."""

    sig: bytes  # in base64, as `payload` is
    keyid: str | None = None
    public_key: str | None = None  # a line of OpenSSH; a field of ours, which others ignore


class Envelope(Struct, frozen=True):
    """An envelope as it was read: its base64 is undone, and nothing is believed yet."""

    payload: bytes
    payload_type: str = field(name="payloadType")
    signatures: Annotated[
        tuple[EnvelopeSignature, ...], Meta(min_length=1, max_length=_MOST_SIGNATURES)
    ]


def signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """What a signature is of: DSSE's pre-authentication encoding."""
    kind = payload_type.encode("utf-8", "surrogatepass")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode_envelope(envelope: Envelope) -> bytes:
    """The JSON bytes of an envelope."""
    return canonical_json(msgspec.to_builtins(envelope)) + b"\n"


def read_envelope(data: bytes, where: object) -> Envelope:
    """An envelope out of a file's bytes; what is none raises Damaged, with the reason."""
    value = _standard(strict_json(data, "the envelope", where))
    try:
        return msgspec.convert(value, Envelope)
    except ValueError as error:  # msgspec's, and of lone surrogates
        raise Damaged(f"no DSSE envelope: {error}", path=where) from error


def _standard(value: Any) -> Any:
    """Base64 may be the URL-safe one, too, which msgspec does not read."""
    if isinstance(value, list):
        return [_standard(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: item.translate(_URL_SAFE)
        if key in ("payload", "sig") and isinstance(item, str)
        else _standard(item)
        for key, item in value.items()
    }


def strict_json(data: bytes, what: str, where: object) -> Any:
    """A stranger's JSON as plain values.

    Two readers of a key that stands twice may take different values for it, and one may have
    checked what the other shows; so that is refused, as are NaN, other encodings and deep nesting.

    Raises:
        Damaged: it is no such JSON, or larger than `LARGEST_BYTES`.
    """
    if len(data) > LARGEST_BYTES:
        raise Damaged(f"{what} is larger than {LARGEST_BYTES >> 20} MiB", path=where)
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except RecursionError:
        raise Damaged(f"{what} is nested too deep", path=where) from None
    except ValueError as error:  # of JSON, of UTF-8, of numbers, and ours
        raise Damaged(f"{what} is not readable as JSON: {error}", path=where) from error
    if not is_plain(value, _DEPTH):
        raise Damaged(f"{what} is nested deeper than {_DEPTH} levels", path=where)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} stands there twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
