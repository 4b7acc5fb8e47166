"""`samebit certificate`: a verdict as a signed statement for others, and the check of one."""

import argparse
import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit import disk, places, records
from samebit.cli.words import ProgressLine, Screen, say_list, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, StoreNotFound, UsageError
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.report import certified, signing
from samebit.report.anonymous import OPEN, anonymous, new_salt
from samebit.report.certificate import (
    NOTE,
    PAYLOAD_TYPE,
    choose_verdict,
    make_statement,
    read_replay,
)
from samebit.report.certified import Findings, SignedBy
from samebit.report.codecheck import codecheck_yaml
from samebit.report.dsse import (
    LARGEST_BYTES,
    Envelope,
    encode_envelope,
    read_envelope,
    signed_bytes,
)
from samebit.report.outputs import Output, choose, digests_of, without_waiting, written_by
from samebit.report.public_keys import Named, allowed_signers, named_by
from samebit.report.signatures import form_of
from samebit.report.statement import Predicate, Statement, read_statement

__all__ = [
    "RESULTS",
    "STATEMENT",
    "Checked",
    "certificate",
    "certificate_arguments",
    "check",
    "read",
    "say_findings",
]

STATEMENT = "statement.dsse.json"
_MANIFEST = "codecheck.yml"
RESULTS = {Exit.DONE: "good", Exit.DIFFERENT: "does not match", Exit.UNKNOWN: "cannot be told"}


def certificate_arguments(parser: argparse.ArgumentParser) -> None:
    """What certificate takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="make|check")
    making = commands.add_parser("make", help="state and sign a verdict on a run")
    making.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    making.add_argument(
        "--verdict", metavar="VERDICT", help="newest (default), newest-1, …, or its replay's id"
    )
    making.add_argument(
        "--to", type=Path, metavar="FOLDER", help="where it goes (default: certificate-RUN)"
    )
    making.add_argument(
        "--manifest", nargs="+", metavar="FILES", help="only these of the files that it wrote"
    )
    making.add_argument(
        "--anonymous", action="store_true", help="without names, paths, command and git's ids"
    )
    making.add_argument(
        "--key", type=Path, metavar="PRIVATE", help="an ed25519 key of OpenSSH, not your own one"
    )
    making.add_argument("--json", action="store_true", help="as one JSON object")
    checking = commands.add_parser("check", help="whether a certificate is right, and whose")
    checking.add_argument("file", type=Path, metavar="FILE|FOLDER", help="what make wrote")
    trusted = checking.add_mutually_exclusive_group()
    trusted.add_argument(
        "--key", metavar="PUBLIC", help="whose it should be: a file in .pub, or SHA256:…"
    )
    trusted.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="whose it may be, as ssh-keygen has it"
    )
    checking.add_argument(
        "--files",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="where the files lie that the run wrote (default: beside it)",
    )
    checking.add_argument("--json", action="store_true", help="as one JSON object")


def certificate(options: argparse.Namespace) -> int:
    """Do one of the two."""
    return _make(options) if options.action == "make" else _check(options)


# Making ----------------------------------------------------------------------------------------


def _make(options: argparse.Namespace) -> int:
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    verdict = choose_verdict(view, options.verdict)
    if view.record.kind == "replay" and view.record.of is not None:  # stands for its run
        view = read_run(find_run(view.folder.store, view.record.of))
    replay = read_replay(view, verdict)
    salt = new_salt() if options.anonymous else None
    wording = OPEN if salt is None else anonymous(salt, view, replay, verdict)
    folder: Path = options.to or Path(f"certificate-{wording.id(view.id)}")
    for name in (STATEMENT, _MANIFEST):
        if (folder / name).exists():
            raise UsageError(
                "there is a certificate already", path=folder / name, hint="--to names a folder"
            )
    found = written_by(view, replay, wording, verdict.until)
    chosen = found if options.manifest is None else choose(found, options.manifest, Path.cwd())
    stated: list[Output] = []
    with ProgressLine(Screen.of(sys.stderr), len(chosen), "files") as progress:
        for output in digests_of(view, chosen):
            stated.append(output)
            progress.advance()
    left_out = len(found) - len(stated)
    payload = canonical_json(
        make_statement(view, replay, verdict, stated, wording=wording, left_out=left_out)
    )
    key, is_new = options.key, False
    if key is None:
        key, is_new = signing.own_key(anonymous=options.anonymous)
    signature = signing.sign(signed_bytes(PAYLOAD_TYPE, payload), key)
    manifest = codecheck_yaml(
        verdict,
        stated,
        wording=wording,
        repository=None if options.anonymous else _repository(view),
        statement=STATEMENT,
    )
    if salt is not None:
        name = hashlib.sha256(payload).hexdigest()
        view.folder.add_note(NOTE, {"payload": name, "salt": salt.hex()})
    envelope = encode_envelope(Envelope(payload, PAYLOAD_TYPE, (signature,)))
    _write(folder, {STATEMENT: envelope, _MANIFEST: manifest.encode()})
    said = {
        "key": signature.keyid,
        "key_file": str(key),
        "key_made": is_new,
        "form": form_of(signature.sig),
        "folder": str(folder),
        "run": view.id,
        "replay": verdict.replay,
        "grade": verdict.grade,
        "who": verdict.who,
        "files": [
            {
                "file": output.name,
                "blake3": output.blake3,
                "sha256": output.sha256,
                "replay": output.replayed,
            }
            for output in stated
        ],
    }
    screen = Screen.of(sys.stdout)
    if options.json:
        screen.say(canonical_json(said).decode())
    else:
        _say_made(screen, said, is_anonymous=options.anonymous, is_own=options.key is None)
    return 0


def _repository(view: View) -> str | None:
    """The address of the code, where it is one that a browser opens."""
    remote = view.code.remote if view.code is not None else None
    return remote if remote and remote.startswith(("https://", "http://")) else None


def _write(folder: Path, files: dict[str, bytes]) -> None:
    if len(files[STATEMENT]) > LARGEST_BYTES:
        raise UsageError(
            f"a certificate of more than {LARGEST_BYTES >> 20} MiB, which no reader takes",
            hint="--manifest names the files that matter",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        disk.create(folder / name, data, folder)


def _say_made(screen: Screen, said: dict[str, Any], *, is_anonymous: bool, is_own: bool) -> None:
    paint = screen.paint
    if said["key_made"]:
        screen.say(f"made a key for signing, which you alone can read: {visible(said['key_file'])}")
        screen.say(f"  who is to trust it gets {visible(said['key_file'])}.pub")
    folder = visible(said["folder"])
    screen.say(f"{paint.bold(said['grade'])}: stated of run {said['run']}, signed by {said['key']}")
    screen.say(f"  {folder}/{STATEMENT}")
    screen.say(f"  {folder}/{_MANIFEST}, in which what only you know is marked TO BE FILLED")
    if (who := certified.answered_for(said["who"])) != said["who"]:
        screen.say(f"  {said['who']}: to a reader who knows this key, {who}")
    if said["form"] == "sshsig":
        screen.say(
            "  the signature has the form of OpenSSH, which `samebit certificate check` and\n"
            "  ssh-keygen know, and other tools for DSSE do not"
        )
    files = said["files"]
    bare = sum(one["sha256"] is None for one in files)
    if bare:
        screen.say(f"  {bare} of {len(files)} files have no SHA-256: their bytes are gone")
    if is_anonymous:
        screen.say("  read it before you give it away: samebit certificate check … --json")
        if not is_own:
            screen.say(paint.yellow("  --key: others may know whose key this is"))


# Checking --------------------------------------------------------------------------------------


class Checked(Struct, frozen=True):
    """A certificate that was checked: what was found, who answers for it, and each signature."""

    findings: Findings
    who: str
    signed: list[SignedBy]


def read(path: Path) -> tuple[Envelope, Statement]:
    """A certificate, of which nothing was checked; raises NotFound or Damaged."""
    envelope = read_envelope(_read(path), path)
    statement, _ = read_statement(envelope, path)
    return envelope, statement


def check(
    envelope: Envelope,
    statement: Statement,
    trusted: list[Named],
    store: Path | None,
    folders: list[Path],
) -> Checked:
    """Check its signatures, its run where that is in the store, and its files in some folders."""
    findings = Findings()
    signed = certified.check_signatures(envelope, trusted, findings)
    certified.check_run(statement, envelope, store, findings)
    certified.check_files(statement, folders, findings)
    who = certified.check_who(statement.predicate.shown.who, signed, findings)
    return Checked(findings, who, signed)


def _check(options: argparse.Namespace) -> int:
    path: Path = options.file / STATEMENT if options.file.is_dir() else options.file
    envelope = read_envelope(_read(path), path)
    statement, plain = read_statement(envelope, path)
    folders = options.files or [path.parent]
    checked = check(envelope, statement, _trusted(options), _store(), folders)
    findings = checked.findings
    if (path.parent / _MANIFEST).exists():
        what = "it is filled in by people, and no signature covers it"
        findings.unchecked.append(f"{_MANIFEST}: {what}")
    screen = Screen.of(sys.stdout)
    if options.json:
        found = {
            "file": str(path),
            "result": RESULTS[findings.exit],
            "who": checked.who,
            "signatures": records.plain(checked.signed),
            **records.plain(findings),
            "statement": plain,
        }
        screen.say(canonical_json(found).decode())
    else:
        _say_statement(screen, statement.predicate)
        say_findings(screen, findings)
    return int(findings.exit)


def _read(path: Path) -> bytes:
    """A certificate's bytes; a pipe is not waited for, and no more is read than one can have."""
    try:
        with open(path, "rb", opener=without_waiting) as stream:
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise NotFound(
            f"cannot read the certificate: {why}",
            path=path,
            hint=f"give {STATEMENT}, or the folder that it lies in",
        ) from error
    raise NotFound("this is no file", path=path)


def _trusted(options: argparse.Namespace) -> list[Named]:
    if options.key is not None:
        return [named_by(options.key)]
    if options.allowed_signers is not None:
        return allowed_signers(options.allowed_signers)
    return signing.own_keys()


def _store() -> Path | None:
    try:
        return places.find_store(Path.cwd())
    except StoreNotFound:
        return None


def _say_statement(screen: Screen, predicate: Predicate) -> None:
    """What is stated, before anything is said of whether it can be believed."""
    shown = predicate.shown
    until = f" (steps 1 to {shown.until})" if shown.until else ""
    cause = f": {shown.cause}" if shown.cause else ""
    screen.say(f"stated: {screen.paint.bold(visible(shown.grade))}{visible(until + cause)}")
    for line in shown.scope:
        screen.say(f"  {visible(line)}")
    replay = f", replay {predicate.replay}" if predicate.replay else ""
    by = f" by {shown.by}" if shown.by else ""
    who = f"; {shown.who}{by}" if shown.who else ""
    at = f", {shown.at[:19]} UTC" if shown.at else ""
    screen.say(screen.paint.dim(visible(f"  run {predicate.run}{replay}{who}{at}")))


def say_findings(screen: Screen, findings: Findings) -> None:
    """What was found, worst first."""
    paint = screen.paint
    for title, lines, color in (
        ("does not match", findings.wrong, paint.red),
        ("cannot be told", findings.unclear, paint.yellow),
        ("checked", findings.right, paint.green),
        ("not checked", findings.unchecked, paint.dim),
    ):
        say_list(screen, color(title), lines)
