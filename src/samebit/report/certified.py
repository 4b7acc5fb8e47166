"""Checking a certificate: its signatures, the run that it names, the files that it names.

What was compared and agrees, what does not, and what could not be told are kept apart, a line each:
silence would be taken for a yes.
"""

import binascii
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct, field

from samebit import digest
from samebit.errors import Exit, NotFound, SamebitError, in_a_line
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder, is_run_id
from samebit.folders.read import View, read_run
from samebit.objects.store import Store
from samebit.report import public_keys, signatures
from samebit.report.anonymous import Open, Wording, anonymous
from samebit.report.certificate import NOTE, Recorded, record_of, stated_verdict, verdicts_of
from samebit.report.dsse import Envelope, EnvelopeSignature, signed_bytes
from samebit.report.outputs import OURS, file_digests
from samebit.report.public_keys import Named, PublicKey
from samebit.report.statement import ALGORITHMS, Statement, Subject

__all__ = ["Findings", "SignedBy", "check_files", "check_run", "check_signatures"]

_NAMED = 4  # files in one line
_STATE = OURS + "state/"


class SignedBy(Struct, frozen=True):
    """What is known of one signature."""

    form: str  # ed25519 | sshsig | other
    right: bool | None  # None: its key is not here, so nobody can tell
    fingerprint: str | None = None
    words: str | None = None  # whose it is; None: nobody named it


class Findings(Struct):
    """What a check found, a line each."""

    right: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    unclear: list[str] = field(default_factory=list[str])  # without it nothing is certain
    unchecked: list[str] = field(default_factory=list[str])  # said, and no more

    @property
    def exit(self) -> Exit:
        """What does not match outweighs what cannot be told."""
        if self.wrong:
            return Exit.DIFFERENT
        return Exit.UNKNOWN if self.unclear else Exit.DONE


# Signatures ------------------------------------------------------------------------------------


def check_signatures(
    envelope: Envelope, trusted: Sequence[Named], findings: Findings
) -> list[SignedBy]:
    """Whether each signature is right, and by whose key; one by a trusted key is enough."""
    message = signed_bytes(envelope.payload_type, envelope.payload)
    found = [_signed_by(one, message, trusted) for one in envelope.signatures]
    known = [one for one in found if one.right and one.words]
    for one in found:
        name = f" {one.fingerprint}" if one.fingerprint else ""
        if one.right is False:
            findings.wrong.append(f"signature: not that of the key{name}, or the text was changed")
        elif one.right and one.words:
            findings.right.append(f"signature: right, by {one.words}{name}")
        elif not known:
            what = f"signed by an unknown key{name}" if one.right else "its key is not here"
            findings.unclear.append(f"signature: {what}")
    return found


def _signed_by(one: EnvelopeSignature, message: bytes, trusted: Sequence[Named]) -> SignedBy:
    form = signatures.form_of(one.signature)
    named = [key.key for key in trusted if key.key is not None]
    own = _key_inside(one, form)
    for key in [*([own] if own is not None else []), *named]:
        if signatures.signer(one.signature, message, [key]) is not None:
            words = next((n.words for n in trusted if n.fingerprint == key.fingerprint), None)
            return SignedBy(form, True, key.fingerprint, words)
    if own is not None or form == "other":
        return SignedBy(form, False, own.fingerprint if own is not None else None)
    # Without a key beside it the hint says which one it should have been.
    meant = next((key for key in named if key.fingerprint == one.keyid), None)
    return SignedBy(form, None if meant is None else False, meant and meant.fingerprint)


def _key_inside(one: EnvelopeSignature, form: str) -> PublicKey | None:
    """The key that a signature brings along; whether it fits is not known yet."""
    try:
        if form == "sshsig":
            return signatures.read_openssh(one.signature).key
        return public_keys.from_line(one.public_key) if one.public_key else None
    except (ValueError, binascii.Error):
        return None


# The run ---------------------------------------------------------------------------------------


def check_run(
    statement: Statement, envelope: Envelope, store: Path | None, findings: Findings
) -> None:
    """The run's record, its verdict and its final states, where the run is in this store."""
    predicate = statement.predicate
    subject = statement.subject_named(f"{OURS}run/{predicate.run}")
    stated = Recorded(predicate.record)
    if subject is None or not _fits(subject, stated.canonical):
        findings.wrong.append("run: the digest of its record is not that of the files listed")
        return
    if store is None:
        findings.unchecked.append("run: there is no store here, so its record was not compared")
        return
    found = _find_run(statement, envelope, store)
    if found is None:
        findings.unchecked.append(f"run: {predicate.run} is not in this store")
        return
    folder, salt = found
    try:
        _compare_record(stated, record_of(folder), folder.id, findings)
        view = read_run(folder)
        _compare_verdict(statement, view, salt, findings)
        for subject in statement.subject:
            if subject.name.startswith(_STATE):
                _compare_state(subject, view, findings)
    except (SamebitError, OSError) as error:
        findings.wrong.append(f"run: {in_a_line(error)}")


def _fits(subject: Subject, data: bytes) -> bool:
    blake3 = digest.hex_of(digest.of_bytes(data))
    return _has(subject, blake3, hashlib.sha256(data).hexdigest())


def _has(subject: Subject, blake3: str, sha256: str) -> bool:
    """Whether every digest that is stated, and known here, is this one."""
    found = {"blake3": blake3, "sha256": sha256}
    return all(subject.digest[name] == found[name] for name in ALGORITHMS if name in subject.digest)


def _find_run(
    statement: Statement, envelope: Envelope, store: Path
) -> tuple[RunFolder, bytes | None] | None:
    """The run, and the salt of an anonymous certificate, which is in a note of the run."""
    name = statement.predicate.run
    if not statement.predicate.anonymous:
        folder = RunFolder(store / "runs" / name)
        return (folder, None) if is_run_id(name) and folder.path.is_dir() else None
    payload = hashlib.sha256(envelope.payload).hexdigest()
    for folder in list_runs(store):
        try:
            values = [note.value for note in folder.notes() if note.kind == NOTE]
        except NotFound:
            continue
        for value in values:
            if isinstance(value, dict) and value.get("payload") == payload:
                try:
                    return folder, bytes.fromhex(value["salt"])
                except (KeyError, TypeError, ValueError):
                    continue
    return None


def _compare_record(stated: Recorded, here: Recorded, run: str, findings: Findings) -> None:
    gone = [name for name in stated.files if name not in here.files]
    other = [
        name
        for name in stated.files
        if name in here.files and here.files[name] != stated.files[name]
    ]
    if gone:
        findings.wrong.append(f"run: of its record {_few(gone)} is not in this store any more")
    if other:
        findings.wrong.append(f"run: of its record {_few(other)} has other bytes in this store")
    if gone or other:
        return
    later = len(here.files) - len(stated.files)
    more = f"; {later} files came later, as a further execution adds them" if later else ""
    count = len(stated.files)
    findings.right.append(f"run: {run}, {count} files of its record have the stated bytes{more}")


def _compare_verdict(
    statement: Statement, view: View, salt: bytes | None, findings: Findings
) -> None:
    """Whether the run's notes hold this verdict, word for word."""
    stated = statement.predicate.verdict
    unsaid = False
    for verdict in reversed(verdicts_of(view)):
        wording: Wording = Open()
        if salt is not None:
            replay = _replay(view, verdict.replay)
            if replay is None and verdict.replay:
                unsaid = True  # its names were taken out of the texts, and are not here
                continue
            wording = anonymous(salt, view, replay, verdict)
        expected = stated_verdict(verdict, wording)
        if _agree(stated, expected):
            findings.right.append("verdict: one of the run's notes says it word for word")
            strange = sorted(stated.keys() - expected.keys())
            if strange:
                what = ", ".join(strange)
                findings.unchecked.append(f"verdict: this version does not know {what[:200]}")
            return
    if unsaid:
        findings.unchecked.append("verdict: the replay is not in this store, so no note compares")
    else:
        findings.wrong.append("verdict: no note of the run says it")


def _agree(stated: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Equal in what both versions know; what an older one had no word for must be empty here."""
    return stated.keys() & expected.keys() >= {"grade", "run", "at"} and all(
        _same(stated[name], value) if name in stated else not value
        for name, value in expected.items()
    )


def _same(one: Any, other: Any) -> bool:
    return digest.canonical_json(one) == digest.canonical_json(other)


def _replay(view: View, replay: str | None) -> View | None:
    if replay is None:
        return None
    try:
        return read_run(RunFolder(view.folder.store / "runs" / replay))
    except SamebitError:
        return None


def _compare_state(subject: Subject, view: View, findings: Findings) -> None:
    """The manifest's digest must be one that the run's journal has; its bytes, if they are here."""
    name = subject.name.removeprefix(OURS)
    rank, _, state = name.removeprefix("state/").rpartition("/")
    manifest = f"{digest.ALGORITHM}:{subject.digest.get('blake3', '')}"
    if manifest not in _manifests(view, rank, state):
        findings.wrong.append(f"{name}: the run recorded no such state")
        return
    try:
        data = Store(view.folder.store).read(manifest)
    except SamebitError as error:
        findings.unchecked.append(f"{name}: recorded so; its bytes: {in_a_line(error)}")
        return
    if _fits(subject, data):
        findings.right.append(f"{name}: the run recorded it, and its manifest has the stated bytes")
    else:
        findings.wrong.append(f"{name}: its manifest has another SHA-256")


def _manifests(view: View, rank: str, state: str) -> set[str]:
    """Every manifest that a rank gave this name, in whichever execution."""
    if rank and rank not in view.ranks:
        return set()
    of = view.at_rank(rank) if rank else view
    each = [of, *(of.at_execution(start.number) for start in of.starts)]
    facts = [fact for one in each for fact in one.all_facts("state")]
    return {fact["manifest"] for fact in facts if fact["name"] == state}


# Files -----------------------------------------------------------------------------------------


def check_files(statement: Statement, folders: Sequence[Path], findings: Findings) -> None:
    """The files that were written, wherever one of the folders has them."""
    right, absent = 0, list[str]()
    files = [one for one in statement.subject if not one.name.startswith(OURS)]
    for subject in files:
        places = list(_places(subject.name, folders))
        right += bool(places) and all([_compare_file(subject, at, findings) for at in places])
        if not places:
            absent.append(subject.name)
    if right:
        what = f"{right} of {len(files)} were found and have the stated bytes"
        findings.right.append(f"files: {what}")
    if absent:
        findings.unchecked.append(f"files: not found, so not compared: {_few(absent)}")
    undigested = {one.name for one in statement.predicate.outputs} - {one.name for one in files}
    if undigested:
        findings.unchecked.append(f"files: stated without a digest: {_few(sorted(undigested))}")


def _compare_file(subject: Subject, place: Path, findings: Findings) -> bool:
    digests = file_digests(place)
    if digests is None:
        findings.unchecked.append(f"file: {place} cannot be read")
        return False
    if not _has(subject, digest.hex_of(digests[0]), digests[1]):
        findings.wrong.append(f"file: {place} has other bytes than were stated")
        return False
    return True


def _places(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Where a file of that name lies; a stranger's name leads out of no folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or os.path.isabs(name):
        return
    for folder in folders:
        if os.path.lexists(folder / path):
            yield folder / path


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
