"""Signatures are right for their message and key alone."""

import sys

import pytest

from samebit.errors import UsageError
from samebit.report.signatures import is_signed

pytest.importorskip("cryptography")

ORDER = 2**252 + 27742317777372353535851937790883648493
# RFC 8032, section 7.1: public key, message, signature.
PUBLISHED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
        "1cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
        "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
        "984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), PUBLISHED)
def test_published_signatures_are_right_and_are_of_that_message_alone(
    key: str, message: str, signature: str
) -> None:
    raw, text, signed = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert is_signed(text, signed, raw)
    assert not is_signed(text + b"\0", signed, raw)
    assert not is_signed(text, signed, bytes.fromhex(PUBLISHED[0][0])) or key == PUBLISHED[0][0]


def test_a_signature_with_the_order_added_is_another_signature() -> None:
    """Else a certificate could be given another signature by anybody."""
    key, message, signature = map(bytes.fromhex, PUBLISHED[1])
    factor = int.from_bytes(signature[32:], "little") + ORDER
    assert not is_signed(message, signature[:32] + factor.to_bytes(32, "little"), key)


def test_bytes_that_are_no_point_or_of_another_length_sign_nothing() -> None:
    key, message, signature = map(bytes.fromhex, PUBLISHED[0])
    beyond = (2**255 - 19 + 1).to_bytes(32, "little")  # not reduced
    no_point = (2).to_bytes(32, "little")
    for wrong in (beyond, no_point, b"\xff" * 32, key[:31], key + b"\0", b""):
        assert not is_signed(message, signature, wrong)
    for wrong in (signature[:63], signature + b"\0", b"", b"\xff" * 64):
        assert not is_signed(message, wrong, key)


def test_without_the_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UsageError, match="cryptography"):
        is_signed(b"", bytes(64), bytes(32))
