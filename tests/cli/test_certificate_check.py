"""A certificate is checked: what does not match and what cannot be told is said."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.report import signing
from samebit.report.public_keys import read_key
from tests.cli.verdicts import (
    Certificate,
    Verified,
    envelope_of,
    made,
    placed,
    put_envelope,
    signed_anew,
    signed_as,
    statement_of,
    verified_run,
)

pytest.importorskip("cryptography")


def test_a_good_certificate_is_checked_down_to_its_files(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified)
    text = certificate("check", folder, "--files", str(verified.project))
    assert "signature: right, by your own key SHA256:" in text
    assert "verdict: one of the run's notes says it word for word" in text
    assert "state/final: the run recorded it, and its manifest has the stated bytes" in text
    assert "files: 2 of 3 were found and have the stated bytes" in text
    assert "files: not found, so not compared: outside/log.txt" in text
    assert "codecheck.yml: it is filled in by people" in text
    found = json.loads(certificate("check", folder / "statement.dsse.json", "--json"))
    assert found["result"] == "good"
    assert found["statement"] == statement_of(folder)
    assert found["signatures"][0]["form"] == "ed25519"


def test_without_the_store_the_signature_and_the_files_are_checked(
    verified: Verified,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Certificate,
) -> None:
    folder = made(verified)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    shutil.copy(verified.project / "model.bin", elsewhere)
    monkeypatch.chdir(elsewhere)
    text = certificate("check", ".")
    assert "there is no store here, so its record was not compared" in text
    assert "files: 1 of 3 were found" in text


def test_a_key_that_nobody_named_is_unknown_and_named_it_is_good(
    verified: Verified,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Certificate,
) -> None:
    folder = made(verified)
    public = Path(f"{signing.own_key(anonymous=False)[0]}.pub")
    fingerprint = read_key(public).fingerprint
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "reviewer"))
    certificate("check", folder, ends=6, says=f"signed by an unknown key {fingerprint}")
    for named in (public, fingerprint):
        certificate(
            "check", folder, "--key", named, says=f"by the key that you named {fingerprint}"
        )
    signers = tmp_path / "allowed"
    signers.write_text(f"ada@lab.example {public.read_text()}")
    certificate(
        "check", folder, "--allowed-signers", str(signers), says="by the key of ada@lab.example"
    )
    signers.write_text(f'ada@lab.example namespaces="git" {public.read_text()}')
    certificate("check", folder, "--allowed-signers", str(signers), ends=6)
    signing.own_key(anonymous=False)  # another's
    other = f"{places.config_folder()}/certificate.key.pub"
    certificate(
        "check", folder, "--key", other, ends=6, says=f"signed by an unknown key {fingerprint}"
    )


CLAIMED = "who: reproduced (claimed), for no key that is known here signed it"


def test_a_key_that_is_known_answers_for_what_was_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    found = placed(
        verified_run(tmp_path / "home", who="reproduced (claimed)"), tmp_path, monkeypatch
    )
    text = certificate("make", found.run.id, "--to", "given")
    assert "reproduced (claimed): to a reader who knows this key, reproduced" in text
    stated = statement_of(Path("given"))["predicate"]["verdict"]["who"]
    summary = Path("given/codecheck.yml").read_text(encoding="utf-8")
    assert (stated, f"{stated}." in summary) == ("reproduced (claimed)", True)
    fingerprint = envelope_of(Path("given"))["signatures"][0]["keyid"]
    text = certificate("check", "given")
    assert "who: reproduced (claimed)" not in text
    assert f"who: reproduced, as stated by your own key {fingerprint}" in text
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "reviewer"))
    for words, code, who in (
        ([], 6, "reproduced (claimed)"),
        (["--key", fingerprint], 0, "reproduced"),
    ):
        found = json.loads(certificate("check", "given", "--json", *words, ends=code))
        assert (found["who"], CLAIMED in found["unchecked"]) == (who, who != "reproduced")
    (Path("given") / "model.bin").write_bytes(b"another")
    says = "who: reproduced (claimed), for not everything matches"
    certificate("check", "given", "--key", fingerprint, ends=5, says=says)


def test_of_several_signatures_the_one_by_a_known_key_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    home = tmp_path / "home"
    folder = made(
        placed(verified_run(home, who="reproduced (claimed)"), tmp_path, monkeypatch), "--anonymous"
    )
    envelope = envelope_of(folder)
    signed_as(folder, base64.b64decode(envelope["payload"]))  # by the other own key
    both = [*envelope["signatures"], *envelope_of(folder)["signatures"]]
    put_envelope(folder, envelope | {"signatures": both})
    for one in both:
        who = f"who: reproduced, as stated by the key that you named {one['keyid']}\n"
        certificate("check", folder, "--key", one["keyid"], says=who)


def test_what_is_repeated_stays_so_whoever_signed(
    verified: Verified, certificate: Certificate
) -> None:
    text = certificate("check", made(verified), "--json")
    assert json.loads(text)["who"] == "repeated"
    assert "who:" not in text


def test_a_changed_statement_does_not_match_its_signature(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified)
    envelope = envelope_of(folder)
    payload = base64.b64decode(envelope["payload"]).replace(b'"identical"', b'"different"')
    envelope["payload"] = base64.b64encode(payload).decode()
    put_envelope(folder, envelope)
    text = certificate("check", folder, ends=5)
    assert "signature: not that of the key SHA256:" in text
    assert "verdict: no note of the run says it" in text


def test_an_envelope_without_our_field_is_checked_by_the_keys_that_are_known(
    verified: Verified, certificate: Certificate
) -> None:
    """As another tool writes them: what is ours in the envelope is no part of DSSE."""
    folder = made(verified)
    envelope = envelope_of(folder)
    del envelope["signatures"][0]["public_key"]
    put_envelope(folder, envelope)
    certificate("check", folder)
    del envelope["signatures"][0]["keyid"]
    url_safe = base64.urlsafe_b64encode(base64.b64decode(envelope["payload"])).decode()
    envelope["payload"] = url_safe
    put_envelope(folder, envelope)
    certificate("check", folder)
    unknown = signing.own_key(anonymous=True)[0]
    certificate("check", folder, "--key", f"{unknown}.pub", ends=6, says="its key is not here")


def test_a_file_with_other_bytes_does_not_match(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified)
    (folder / "model.bin").write_bytes(b"another model")
    certificate("check", folder, ends=5, says="model.bin has other bytes than were stated")


@pytest.mark.parametrize("name", ["run.json", "executions/1/end.json", "journal"])
def test_a_record_that_was_changed_since_does_not_match(
    verified: Verified, name: str, certificate: Certificate
) -> None:
    folder = made(verified)
    path = verified.run.path / name
    if path.is_dir():
        (path,) = path.iterdir()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    text = certificate("check", folder, ends=5)
    assert "of its record" in text
    assert "other bytes in this store" in text
    assert "files of its record have the stated bytes" not in text
    path.unlink()
    certificate("check", folder, ends=5, says="is not in this store any more")


def test_a_run_that_went_on_since_is_still_the_one(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified)
    verified.run.begin_execution(verified.run.start(1))
    certificate("check", folder, says="1 files came later")


def other_state(statement: dict[str, Any]) -> None:
    digests = {one["name"]: one["digest"] for one in statement["subject"]}
    digests["samebit:state/final"].update(blake3="0" * 64)


@pytest.mark.parametrize(
    ("change", "ends", "says"),
    [
        # What the run has not does not match,
        (lambda s: s["predicate"]["verdict"].update(grade="close"), 5, "no note of the run says"),
        (other_state, 5, "state/final: the run recorded no such state"),
        (lambda s: s["predicate"]["record"].pop("run.json"), 5, "not that of the files listed"),
        # a field that an older version had not must be empty,
        (lambda s: s["predicate"]["verdict"].pop("step"), 0, "says it word for word"),
        (lambda s: s["predicate"]["verdict"].pop("scope"), 5, "no note of the run says"),
        # and those of a later version are named and do not hurt.
        (lambda s: s["predicate"]["verdict"].update(luck=0.5), 0, "does not know luck"),
        (lambda s: s["predicate"].update(more=[1]), 0, "says it word for word"),
    ],
)
def test_what_is_stated_is_compared_with_the_run(
    verified: Verified, change: Any, ends: int, says: str, certificate: Certificate
) -> None:
    folder = made(verified)
    signed_anew(folder, change)
    certificate("check", folder, ends=ends, says=says)
