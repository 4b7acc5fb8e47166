"""The signed statement of a bundle: which sums its files have, and what was found of its runs.

It is an in-toto statement in a DSSE envelope, as a certificate is, with `SHA256SUMS` as subject.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from samebit import digest
from samebit.errors import Damaged
from samebit.report.certificate import PAYLOAD_TYPE, STATEMENT_TYPE
from samebit.report.dsse import Envelope, strict_json
from samebit.report.outputs import digests_of_bytes
from samebit.report.release.bundle import FORMAT, Release
from samebit.report.release.writing import SUMS

__all__ = ["PREDICATE_TYPE", "payload", "read_sums_digest"]

PREDICATE_TYPE = "urn:samebit:release:1"
_Hex = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _Digest(Struct, frozen=True):
    sha256: _Hex


class _Subject(Struct, frozen=True):
    name: str
    digest: _Digest


class _Statement(Struct, frozen=True):
    kind: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[tuple[_Subject, ...], Meta(min_length=1, max_length=1)]
    predicate_type: Literal["urn:samebit:release:1"] = msgspec.field(name="predicateType")


def payload(release: Release, sums: bytes) -> bytes:
    """The bytes that are signed."""
    runs: list[dict[str, Any]] = [
        {
            "run": run.id,
            "grade": run.verdict["grade"] if run.verdict else None,
            "replay": run.verdict["replay"] if run.verdict else None,
        }
        for run in release.runs
    ]
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": SUMS, "digest": digests_of_bytes(sums)}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "format": FORMAT,
            "samebit": release.samebit,
            "anonymous": release.anonymous,
            "title": release.title,
            "code": [code.swhid for code in release.codes],
            "runs": runs,
        },
    }
    return digest.canonical_json(statement)


def read_sums_digest(envelope: Envelope, where: object) -> str:
    """The SHA-256 of `SHA256SUMS` that a statement names; Damaged where it is none of a release."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Damaged(f"the envelope holds {envelope.payload_type[:100]!r}", path=where)
    value = strict_json(envelope.payload, "the statement", where)
    try:
        (subject,) = msgspec.convert(value, _Statement).subject
    except ValueError as error:
        raise Damaged(f"no statement of a release: {error}", path=where) from error
    if subject.name != SUMS:
        raise Damaged(f"the statement is of {subject.name[:100]!r}", path=where)
    return subject.digest.sha256
