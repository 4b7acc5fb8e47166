"""A certificate's statement as a stranger wrote it: read with suspicion, and its shape checked."""

import re
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit import digest
from samebit.errors import Damaged, StoreTooNew
from samebit.report.certificate import FORMAT, PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from samebit.report.dsse import Envelope, strict_json

__all__ = ["ALGORITHMS", "Predicate", "StatedOutput", "Statement", "Subject", "read_statement"]

ALGORITHMS = ("blake3", "sha256")
_HEX = re.compile(r"[0-9a-f]{64}")
_RECORD_NAME = re.compile(
    r"run\.json|executions/[0-9]{1,9}/(?:start|end)\.json|journal/[a-z0-9-]{1,200}\.sbj"
)
_PREDICATE_FAMILY = PREDICATE_TYPE.rpartition(":")[0] + ":"


class Subject(Struct, frozen=True):
    """Something that is stated by its digests: lower-case hex by algorithm."""

    name: str
    digest: dict[str, str]


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

    format: str
    run: str
    verdict: dict[str, Any]
    record: dict[str, tuple[int, str]]
    outputs: tuple[StatedOutput, ...] = ()
    replay: str | None = None
    anonymous: bool = False
    outputs_left_out: int = 0

    @property
    def shown(self) -> StatedVerdict:
        """The verdict's main parts."""
        return msgspec.convert(self.verdict, StatedVerdict)


class Statement(Struct, frozen=True):
    """An in-toto statement of ours."""

    type: str = field(name="_type")
    subject: tuple[Subject, ...]
    predicate_type: str = field(name="predicateType")
    predicate: Predicate

    def subject_named(self, name: str) -> Subject | None:
        """The subject of that name, or None."""
        return next((one for one in self.subject if one.name == name), None)


def read_statement(envelope: Envelope, where: object) -> tuple[Statement, dict[str, Any]]:
    """The statement in an envelope, and all of it as plain values.

    Raises:
        StoreTooNew: of a newer version of ours.
        Damaged: it is no statement of ours.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        shown = envelope.payload_type[:100]
        raise Damaged(f"the envelope holds {shown!r}", path=where, expected=PAYLOAD_TYPE)
    what = "the statement"
    strict_json(envelope.payload, what, where)
    plain = digest.from_json(envelope.payload)
    _refuse_others(plain, where)
    try:
        statement = msgspec.convert(plain, Statement)
        _ = statement.predicate.shown
    except msgspec.ValidationError as error:
        raise Damaged(f"no statement of a certificate: {error}", path=where) from error
    _check(statement, where)
    return statement, plain


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


def _check(statement: Statement, where: object) -> None:
    """What types do not say: digests are digests, a run has such files, no name comes twice."""

    def refuse(why: str) -> None:
        raise Damaged(f"no statement of a certificate: {why}", path=where)

    if statement.predicate.format != FORMAT:
        refuse(f"its format is {statement.predicate.format[:60]!r}")
    names = [one.name for one in statement.subject]
    if len(set(names)) != len(names):
        refuse("two subjects have one name")
    for one in statement.subject:
        known = [one.digest[name] for name in ALGORITHMS if name in one.digest]
        if not known or not all(map(_HEX.fullmatch, known)):
            refuse(f"the subject {one.name[:60]!r} has no digest that is known here")
    for name, (size_bytes, content) in statement.predicate.record.items():
        algorithm, _, digits = content.partition(":")
        if not _RECORD_NAME.fullmatch(name) or size_bytes < 0:
            refuse(f"a run has no file {name[:60]!r}")
        if algorithm != digest.ALGORITHM or not _HEX.fullmatch(digits):
            refuse(f"the file {name[:60]!r} of the run has no digest that is known here")
