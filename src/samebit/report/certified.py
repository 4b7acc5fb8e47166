"""Checking a certificate: its signatures, the run that it names, the files that it names.

What was compared and agrees, what does not, and what could not be told are kept apart, a line each:
silence would be taken for a yes.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct, field

from samebit import digest
from samebit.errors import Exit, NotFound, SamebitError, in_a_line
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder, is_run_id
from samebit.folders.read import View, read_run
from samebit.objects.store import Store
from samebit.records import Verdict
from samebit.report import public_keys, signatures
from samebit.report.anonymous import OPEN, anonymous
from samebit.report.certificate import (
    NOTE,
    read_replay,
    record_digests,
    record_of,
    stated_verdict,
)
from samebit.report.dsse import Envelope, EnvelopeSignature, signed_bytes
from samebit.report.outputs import OURS, digests_of_bytes, file_digests
from samebit.report.public_keys import Named, PublicKey
from samebit.report.statement import Digests, Predicate, Statement
from samebit.report.table import few

__all__ = [
    "Findings",
    "SignedBy",
    "answered_for",
    "check_files",
    "check_run",
    "check_signatures",
    "check_who",
]

_STATE = OURS + "state/"
_CLAIMED = " (claimed)"  # ends what a verdict says of who found it, where it is not the same user


class SignedBy(Struct, frozen=True):
    """What is known of one signature."""

    form: str  # ed25519 | sshsig | other
    right: bool | None  # None: its key is not here, so nobody can tell
    key: str | None = None  # its fingerprint
    known_as: str | None = None  # whose it is; None: nobody named it


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
    is_known = any(one.right and one.known_as for one in found)
    for one in found:
        name = f" {one.key}" if one.key else ""
        if one.right is False:
            findings.wrong.append(f"signature: not that of the key{name}, or the text was changed")
        elif one.right and one.known_as:
            findings.right.append(f"signature: right, by {one.known_as}{name}")
        elif not is_known:
            what = f"signed by an unknown key{name}" if one.right else "its key is not here"
            findings.unclear.append(f"signature: {what}")
    return found


def _signed_by(one: EnvelopeSignature, message: bytes, trusted: Sequence[Named]) -> SignedBy:
    form, inside = signatures.form_of(one.sig), _key_inside(one)
    named = [known.key for known in trusted if known.key is not None]
    for key in [inside, *named] if inside is not None else named:
        if signatures.is_by(key, one.sig, message):
            words = next((n.words for n in trusted if n.fingerprint == key.fingerprint), None)
            return SignedBy(form, True, key.fingerprint, words)
    # Without a key beside it the hint says which one it should have been.
    meant = inside or next((key for key in named if key.fingerprint == one.keyid), None)
    if meant is not None:
        return SignedBy(form, False, meant.fingerprint)
    return SignedBy(form, False if form == "other" else None)


def _key_inside(one: EnvelopeSignature) -> PublicKey | None:
    """The key that a signature brings along; whether it fits is not known yet."""
    try:
        if signatures.form_of(one.sig) == "sshsig":
            return signatures.read_openssh(one.sig).key
        return public_keys.from_line(one.public_key) if one.public_key else None
    except ValueError:
        return None


def answered_for(who: str) -> str:
    """What a verdict says of who found it, where somebody who is known answers for it."""
    return who.removesuffix(_CLAIMED)


def check_who(stated: str, signed: Sequence[SignedBy], findings: Findings) -> str:
    """What is to be said of who found the verdict, once all else was checked.

    `reproduced (claimed)` may have been written by anybody; under a right signature by a key that
    the reader knows, its holder answers for it. Where anything does not match nobody does.
    """
    if answered_for(stated) == stated:
        return stated
    known = [f"{one.known_as} {one.key}" for one in signed if one.right and one.known_as]
    if findings.exit is not Exit.DONE:
        why = "not everything matches" if findings.wrong else "no key that is known here signed it"
        findings.unchecked.append(f"who: {stated}, for {why}")
        return stated
    findings.right.append(f"who: {answered_for(stated)}, as stated by {' and '.join(known)}")
    return answered_for(stated)


# The run ---------------------------------------------------------------------------------------


def check_run(
    statement: Statement, envelope: Envelope, store: Path | None, findings: Findings
) -> None:
    """The run's record, its verdict and its final states, where the run is in this store."""
    predicate = statement.predicate
    of_record = statement.digests.get(f"{OURS}run/{predicate.run}")
    if of_record is None or not of_record.fit(**record_digests(predicate.record)):
        findings.wrong.append("run: the digest of its record is not that of the files listed")
        return
    if store is None:
        findings.unchecked.append("run: there is no store here, so its record was not compared")
        return
    found = _find_run(predicate, envelope, store)
    if found is None:
        findings.unchecked.append(f"run: {predicate.run} is not in this store")
        return
    folder, salt = found
    try:
        _compare_record(predicate, folder, findings)
        view = read_run(folder)
        _compare_verdict(predicate.verdict, view, salt, findings)
        for name, digests in statement.digests.items():
            if name.startswith(_STATE):
                _compare_state(name.removeprefix(OURS), digests, view, findings)
    except (SamebitError, OSError) as error:
        findings.wrong.append(f"run: {in_a_line(error)}")


def _find_run(
    predicate: Predicate, envelope: Envelope, store: Path
) -> tuple[RunFolder, bytes | None] | None:
    """The run, and the salt of an anonymous certificate, which is in a note of the run."""
    if not predicate.anonymous:
        folder = RunFolder(store / "runs" / predicate.run)
        return (folder, None) if is_run_id(predicate.run) and folder.path.is_dir() else None
    payload = hashlib.sha256(envelope.payload).hexdigest()
    for folder in list_runs(store):
        try:
            for note in folder.notes():
                is_map = note.kind == NOTE and isinstance(note.value, dict)
                if is_map and note.value.get("payload") == payload:
                    return folder, bytes.fromhex(note.value["salt"])
        except (NotFound, KeyError, TypeError, ValueError):
            continue  # of a damaged run, or a salt that is none
    return None


def _compare_record(predicate: Predicate, folder: RunFolder, findings: Findings) -> None:
    stated, here = predicate.record, record_of(folder)
    gone = [name for name in stated if name not in here]
    other = [name for name in stated if name in here and here[name] != stated[name]]
    if gone:
        findings.wrong.append(f"run: of its record {few(gone)} is not in this store any more")
    if other:
        findings.wrong.append(f"run: of its record {few(other)} has other bytes in this store")
    if not gone and not other:
        later = len(here) - len(stated)
        more = f"; {later} files came later, as a further execution adds them" if later else ""
        what = f"{folder.id}, {len(stated)} files of its record have the stated bytes{more}"
        findings.right.append(f"run: {what}")


def _compare_verdict(
    stated: dict[str, Any], view: View, salt: bytes | None, findings: Findings
) -> None:
    """Whether the run's notes hold this verdict, word for word."""
    notes = [_as_stated(verdict, view, salt) for verdict in reversed(view.verdicts)]
    found = next((note for note in notes if note is not None and _agree(stated, note)), None)
    if found is not None:
        findings.right.append("verdict: one of the run's notes says it word for word")
        if strange := sorted(stated.keys() - found.keys()):
            what = ", ".join(strange)
            findings.unchecked.append(f"verdict: this version does not know {what[:200]}")
    elif None in notes:
        findings.unchecked.append("verdict: the replay is not in this store, so no note compares")
    else:
        findings.wrong.append("verdict: no note of the run says it")


def _as_stated(verdict: Verdict, view: View, salt: bytes | None) -> dict[str, Any] | None:
    """A note as a certificate has it; None where names that were taken out are not here."""
    if salt is None:
        return stated_verdict(verdict, OPEN)
    replay = read_replay(view, verdict)
    if replay is None and verdict.replay:
        return None
    return stated_verdict(verdict, anonymous(salt, view, replay, verdict))


def _agree(stated: dict[str, Any], note: dict[str, Any]) -> bool:
    """Equal in what both versions know; what an older one had no word for must be empty here."""
    return stated.keys() & note.keys() >= {"grade", "run", "at"} and all(
        digest.canonical_json(stated[name]) == digest.canonical_json(value)
        if name in stated
        else not value
        for name, value in note.items()
    )


def _compare_state(name: str, digests: Digests, view: View, findings: Findings) -> None:
    """The manifest's digest must be one that the run's journal has; its bytes, if they are here."""
    rank, _, state = name.removeprefix("state/").rpartition("/")
    manifest = f"{digest.ALGORITHM}:{digests.blake3}"
    if manifest not in _manifests(view, rank, state):
        findings.wrong.append(f"{name}: the run recorded no such state")
        return
    try:
        found = digests_of_bytes(Store(view.folder.store).read(manifest))
    except SamebitError as error:
        findings.unchecked.append(f"{name}: recorded so; its bytes: {in_a_line(error)}")
        return
    if digests.fit(**found):
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
    files = {n: found for n, found in statement.digests.items() if not n.startswith(OURS)}
    for name, digests in files.items():
        places = _places(name, folders)
        right += bool(places) and all([_compare_file(at, digests, findings) for at in places])
        if not places:
            absent.append(name)
    if right:
        what = f"{right} of {len(files)} were found and have the stated bytes"
        findings.right.append(f"files: {what}")
    if absent:
        findings.unchecked.append(f"files: not found, so not compared: {few(absent)}")
    undigested = {one.name for one in statement.predicate.outputs} - files.keys()
    if undigested:
        findings.unchecked.append(f"files: stated without a digest: {few(sorted(undigested))}")


def _compare_file(place: Path, digests: Digests, findings: Findings) -> bool:
    found = file_digests(place)
    if found is None:
        findings.unchecked.append(f"file: {place} cannot be read")
        return False
    is_same = digests.fit(**found)
    if not is_same:
        findings.wrong.append(f"file: {place} has other bytes than were stated")
    return is_same


def _places(name: str, folders: Sequence[Path]) -> list[Path]:
    """Where a file of that name lies; a stranger's name leads out of no folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or os.path.isabs(name):
        return []
    return [folder / path for folder in folders if os.path.lexists(folder / path)]
