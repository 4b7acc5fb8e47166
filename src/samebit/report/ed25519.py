"""Whether an ed25519 signature is right, by arithmetic alone.

Only checking is here, which handles nothing secret: whoever gets a certificate can check it without
installing anything. Signing is left to libraries (`samebit.report.signing`). RFC 8032 has the
curve; points are in extended coordinates (X : Y : Z : T), with x = X/Z, y = Y/Z, xy = T/Z.
"""

import hashlib

__all__ = ["KEY_BYTES", "SIGNATURE_BYTES", "is_signed"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19  # the field
_L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    """Whether 64 bytes are this key's signature of a message.

    As strict as libraries are: a number that is not reduced, and bytes that are no point, make it
    false; so does a key of small order, of which anybody can make signatures.
    """
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    public = _point(key)
    factor = int.from_bytes(signature[32:], "little")
    if public is None or factor >= _L or _is_neutral(_times(8, public)):
        return False
    hashed = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(hashed, "little") % _L
    x, y, z, t = _times(challenge, public)
    found = _sum(_times(factor, _BASE), (-x % _P, y, z, -t % _P))
    return _bytes(found) == signature[:32]


def _sum(one: _Point, other: _Point) -> _Point:
    """The sum of two points; the formula holds for equal ones, too."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(count: int, point: _Point) -> _Point:
    found = _NEUTRAL
    while count:
        if count & 1:
            found = _sum(found, point)
        point = _sum(point, point)
        count >>= 1
    return found


def _is_neutral(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0


def _x_of(y: int, is_odd: int) -> int | None:
    """The x that belongs to a y, of the two the odd or the even one; None where there is none."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and is_odd):
        return None
    return x if x & 1 == is_odd else _P - x


def _point(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    y, is_odd = number & (2**255 - 1), number >> 255
    if y >= _P:
        return None
    x = _x_of(y, is_odd)
    return None if x is None else (x, y, 1, x * y % _P)


def _bytes(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(KEY_BYTES, "little")


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    x = _x_of(y, 0)
    assert x is not None
    return x, y, 1, x * y % _P


_BASE = _base()
