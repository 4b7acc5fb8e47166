"""A certificate's statement as a stranger wrote it: read with suspicion, and its shape checked."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from samebit import digest
from samebit.errors import Damaged, StoreTooNew
from samebit.report.certificate import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from samebit.report.dsse import Envelope, strict_json

__all__ = ["Digests", "Predicate", "StatedOutput", "StatedVerdict", "Statement", "read_statement"]

_PREDICATE_FAMILY = PREDICATE_TYPE.rpartition(":")[0] + ":"

_Hex = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Digest = Annotated[str, Meta(pattern=rf"\A{digest.ALGORITHM}:[0-9a-f]{{64}}\Z")]
_Size = Annotated[int, Meta(ge=0)]
_Executions, _Journal = r"executions/[0-9]{1,9}/(start|end)\.json", r"journal/[a-z0-9-]{1,200}\.sbj"
_RecordName = Annotated[str, Meta(pattern=rf"\A(run\.json|{_Executions}|{_Journal})\Z")]


class Digests(Struct, frozen=True):
    """What something is known by; at least one, and by other algorithms nothing is known here."""

    blake3: _Hex | None = None
    sha256: _Hex | None = None

    def __post_init__(self) -> None:
        if not (self.blake3 or self.sha256):
            raise ValueError("no digest that is known here")

    def fit(self, blake3: str, sha256: str) -> bool:
        """Whether every digest that is stated is this one."""
        return self.blake3 in (None, blake3) and self.sha256 in (None, sha256)


class Subject(Struct, frozen=True):
    """Something that is stated by its digests."""

    name: str
    digest: Digests


class StatedOutput(Struct, frozen=True):
    """What is said of a file beside its digests."""

    name: str
    replay: str


class StatedVerdict(Struct, frozen=True):
    """What everybody shows of a verdict; `Predicate.verdict` has all of it."""

    grade: str
    cause: str = ""
    scope: tuple[str, ...] = ()
    who: str = ""
    at: str | None = None
    by: str = ""
    until: Any = None


class Predicate(Struct, frozen=True):
    """What is ours of a statement; fields that are not known here are passed over."""

    format: Literal["samebit-certificate 1"]
    run: str
    verdict: dict[str, Any]
    record: dict[_RecordName, tuple[_Size, _Digest]]
    outputs: tuple[StatedOutput, ...] = ()
    replay: str | None = None
    anonymous: bool = False

    @property
    def shown(self) -> StatedVerdict:
        """The verdict's main parts."""
        return msgspec.convert(self.verdict, StatedVerdict)


class Statement(Struct, frozen=True):
    """An in-toto statement of ours."""

    subject: tuple[Subject, ...]
    predicate: Predicate

    def __post_init__(self) -> None:
        _ = self.predicate.shown
        if len(self.digests) < len(self.subject):
            raise ValueError("two subjects have one name")

    @property
    def digests(self) -> dict[str, Digests]:
        """The subjects by their names."""
        return {one.name: one.digest for one in self.subject}


def read_statement(envelope: Envelope, where: object) -> tuple[Statement, dict[str, Any]]:
    """The statement in an envelope, and all of it as plain values.

    Raises:
        StoreTooNew: of a newer version of ours.
        Damaged: it is no statement of ours.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        shown = envelope.payload_type[:100]
        raise Damaged(f"the envelope holds {shown!r}", path=where, expected=PAYLOAD_TYPE)
    strict_json(envelope.payload, "the statement", where)
    plain = digest.from_json(envelope.payload)
    _refuse_others(plain, where)
    try:
        return msgspec.convert(plain, Statement), plain
    except msgspec.ValidationError as error:
        raise Damaged(f"no statement of a certificate: {error}", path=where) from error


def _refuse_others(plain: Any, where: object) -> None:
    """First of all whose it is: of another one's nothing else can be said."""
    kind = plain.get("_type") if isinstance(plain, dict) else None
    if kind != STATEMENT_TYPE:
        raise Damaged(f"not an in-toto statement: _type {kind!r:.100}", expected=STATEMENT_TYPE)
    predicate = plain.get("predicateType")
    if predicate == PREDICATE_TYPE:
        return
    if isinstance(predicate, str) and predicate.startswith(_PREDICATE_FAMILY):
        raise StoreTooNew(
            f"a certificate of another version: {predicate[:100]!r}",
            path=where,
            expected=PREDICATE_TYPE,
            hint="install a newer Samebit",
        )
    raise Damaged(f"a statement about something else: {predicate!r:.100}", expected=PREDICATE_TYPE)
