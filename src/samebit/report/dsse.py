"""A DSSE envelope: a text, its type, and signatures of both; read as a stranger's file is read.

What is signed is not the JSON but `DSSEv1`, the lengths, the type and the bytes (`signed_bytes`),
so that no reader has to write JSON again the way a signer did. Nothing in here is believed before
its signature was found right.
"""

import base64
import binascii
import json
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit.digest import canonical_json
from samebit.errors import Damaged
from samebit.folders.facts import is_plain

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
_LARGEST_KEY = 4096  # characters of a public key
_URL_SAFE = str.maketrans("-_", "+/")


class EnvelopeSignature(Struct, frozen=True):
    """One signature; `keyid` is a hint, and so is `public_key` until it fits the signature."""

    signature: bytes
    keyid: str = ""
    public_key: str = ""  # a line of OpenSSH; a field of ours, which other readers ignore


class Envelope(Struct, frozen=True):
    """An envelope as it was read: its base64 is undone, and nothing is believed yet."""

    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...]


class _Signature(Struct):
    sig: str
    keyid: str | None = None
    public_key: str | None = None


class _Envelope(Struct):
    payload: str
    payload_type: str = field(name="payloadType")
    signatures: list[_Signature]


def signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """What a signature is of: DSSE's pre-authentication encoding."""
    kind = payload_type.encode("utf-8", "surrogatepass")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode_envelope(envelope: Envelope) -> bytes:
    """The JSON bytes of an envelope."""
    signatures = [
        {
            "keyid": one.keyid,
            "sig": base64.b64encode(one.signature).decode(),
            **({"public_key": one.public_key} if one.public_key else {}),
        }
        for one in envelope.signatures
    ]
    payload = base64.b64encode(envelope.payload).decode()
    content = {"payload": payload, "payloadType": envelope.payload_type, "signatures": signatures}
    return canonical_json(content) + b"\n"


def read_envelope(data: bytes, where: object) -> Envelope:
    """An envelope out of a file's bytes; what is none raises Damaged, with the reason."""
    try:
        read = msgspec.convert(strict_json(data, "the envelope", where), _Envelope)
    except msgspec.ValidationError as error:
        raise Damaged(f"no DSSE envelope: {error}", path=where) from error
    if not read.signatures:
        raise Damaged("the envelope has no signature", path=where)
    if len(read.signatures) > _MOST_SIGNATURES:
        what = f"the envelope has {len(read.signatures)} signatures, and {_MOST_SIGNATURES} are"
        raise Damaged(f"{what} the most that are read", path=where)
    payload = _bytes_of(read.payload, "payload", where)
    found = [
        EnvelopeSignature(
            _bytes_of(one.sig, "a signature", where),
            one.keyid or "",
            (one.public_key or "")[:_LARGEST_KEY],
        )
        for one in read.signatures
    ]
    return Envelope(payload, read.payload_type, tuple(found))


def _bytes_of(text: str, what: str, where: object) -> bytes:
    """Standard and URL-safe base64 are both allowed."""
    try:
        return base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Damaged(f"the envelope's {what} is no base64: {error}", path=where) from error


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
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice[:60]!r} stands there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
