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
    Verified,
    envelope_of,
    made,
    placed,
    said,
    signed_anew,
    signed_as,
    statement_of,
    verified_run,
)

pytest.importorskip("cryptography")


def test_a_good_certificate_is_checked_down_to_its_files(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    code, text = said(capsys, "check", str(folder), "--files", str(verified.project))
    assert code == 0
    assert "signature: right, by your own key SHA256:" in text
    assert "verdict: one of the run's notes says it word for word" in text
    assert "state/final: the run recorded it, and its manifest has the stated bytes" in text
    assert "files: 2 of 3 were found and have the stated bytes" in text
    assert "files: not found, so not compared: outside/log.txt" in text
    assert "codecheck.yml: it is filled in by people" in text
    code, text = said(capsys, "check", str(folder / "statement.dsse.json"), "--json")
    found = json.loads(text)
    assert (code, found["result"]) == (0, "good")
    assert found["statement"] == statement_of(folder)
    assert found["signatures"][0]["form"] == "ed25519"


def test_without_the_store_the_signature_and_the_files_are_checked(
    verified: Verified,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = made(verified)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    shutil.copy(verified.project / "model.bin", elsewhere)
    monkeypatch.chdir(elsewhere)
    code, text = said(capsys, "check", ".")
    assert code == 0
    assert "there is no store here, so its record was not compared" in text
    assert "files: 1 of 3 were found" in text


def test_a_key_that_nobody_named_is_unknown_and_named_it_is_good(
    verified: Verified,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = made(verified)
    public = Path(f"{signing.own_key(anonymous=False)[0]}.pub")
    fingerprint = read_key(public).fingerprint
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "reviewer"))
    code, text = said(capsys, "check", str(folder))
    assert code == 6
    assert f"signed by an unknown key {fingerprint}" in text
    for named in (str(public), fingerprint):
        code, text = said(capsys, "check", str(folder), "--key", named)
        assert code == 0
        assert f"by the key that you named {fingerprint}" in text
    signers = tmp_path / "allowed"
    signers.write_text(f"ada@lab.example {public.read_text()}")
    code, text = said(capsys, "check", str(folder), "--allowed-signers", str(signers))
    assert code == 0
    assert "by the key of ada@lab.example" in text
    signers.write_text(f'ada@lab.example namespaces="git" {public.read_text()}')
    assert said(capsys, "check", str(folder), "--allowed-signers", str(signers))[0] == 6
    signing.own_key(anonymous=False)  # another's
    other = f"{places.config_folder()}/certificate.key.pub"
    code, text = said(capsys, "check", str(folder), "--key", other)
    assert code == 6
    assert f"signed by an unknown key {fingerprint}" in text


CLAIMED = "who: reproduced (claimed), for which nobody known here answers"


def test_a_key_that_is_known_answers_for_what_was_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = placed(
        verified_run(tmp_path / "home", who="reproduced (claimed)"), tmp_path, monkeypatch
    )
    code, text = said(capsys, "make", found.run.id, "--to", "given")
    assert "reproduced (claimed): to a reader who knows this key, reproduced" in text
    stated = statement_of(Path("given"))["predicate"]["verdict"]["who"]
    summary = Path("given/codecheck.yml").read_text(encoding="utf-8")
    assert (code, stated, f"{stated}." in summary) == (0, "reproduced (claimed)", True)
    fingerprint = envelope_of(Path("given"))["signatures"][0]["keyid"]
    code, text = said(capsys, "check", "given")
    assert (code, CLAIMED in text) == (0, False)
    assert f"who: reproduced, as stated by your own key {fingerprint}" in text
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "reviewer"))
    for words, code, who in (
        ([], 6, "reproduced (claimed)"),
        (["--key", fingerprint], 0, "reproduced"),
    ):
        ended, text = said(capsys, "check", "given", "--json", *words)
        assert (ended, json.loads(text)["who"]) == (code, who)
        assert (CLAIMED in json.loads(text)["unchecked"]) is (who != "reproduced")
    (Path("given") / "model.bin").write_bytes(b"another")
    code, text = said(capsys, "check", "given", "--key", fingerprint)
    assert (code, CLAIMED in text) == (5, True)


def test_of_several_signatures_the_one_by_a_known_key_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    folder = made(
        placed(verified_run(home, who="reproduced (claimed)"), tmp_path, monkeypatch), "--anonymous"
    )
    envelope = envelope_of(folder)
    signed_as(folder, base64.b64decode(envelope["payload"]))  # by the other own key
    both = [*envelope["signatures"], *envelope_of(folder)["signatures"]]
    (folder / "statement.dsse.json").write_text(json.dumps(envelope | {"signatures": both}))
    for one in both:
        code, text = said(capsys, "check", str(folder), "--key", one["keyid"])
        who = f"who: reproduced, as stated by the key that you named {one['keyid']}\n"
        assert (code, who in text) == (0, True)


def test_what_is_repeated_stays_so_whoever_signed(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "check", str(made(verified)), "--json")
    assert (code, json.loads(text)["who"]) == (0, "repeated")
    assert "who:" not in text


def test_a_changed_statement_does_not_match_its_signature(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    envelope = envelope_of(folder)
    payload = base64.b64decode(envelope["payload"]).replace(b'"identical"', b'"different"')
    envelope["payload"] = base64.b64encode(payload).decode()
    (folder / "statement.dsse.json").write_text(json.dumps(envelope))
    code, text = said(capsys, "check", str(folder))
    assert code == 5
    assert "signature: not that of the key SHA256:" in text
    assert "verdict: no note of the run says it" in text


def test_an_envelope_without_our_field_is_checked_by_the_keys_that_are_known(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    """As another tool writes them: what is ours in the envelope is no part of DSSE."""
    folder = made(verified)
    envelope = envelope_of(folder)
    del envelope["signatures"][0]["public_key"]
    (folder / "statement.dsse.json").write_text(json.dumps(envelope))
    assert said(capsys, "check", str(folder))[0] == 0
    del envelope["signatures"][0]["keyid"]
    url_safe = base64.urlsafe_b64encode(base64.b64decode(envelope["payload"])).decode()
    envelope["payload"] = url_safe
    (folder / "statement.dsse.json").write_text(json.dumps(envelope))
    assert said(capsys, "check", str(folder))[0] == 0
    unknown = signing.own_key(anonymous=True)[0]
    code, text = said(capsys, "check", str(folder), "--key", f"{unknown}.pub")
    assert code == 6
    assert "its key is not here" in text


def test_a_file_with_other_bytes_does_not_match(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    (folder / "model.bin").write_bytes(b"another model")
    code, text = said(capsys, "check", str(folder))
    assert code == 5
    assert "model.bin has other bytes than were stated" in text


@pytest.mark.parametrize("name", ["run.json", "executions/1/end.json", "journal"])
def test_a_record_that_was_changed_since_does_not_match(
    verified: Verified, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    path = verified.run.path / name
    if path.is_dir():
        (path,) = path.iterdir()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    code, text = said(capsys, "check", str(folder))
    assert code == 5
    assert "of its record" in text
    assert "other bytes in this store" in text
    assert "files of its record have the stated bytes" not in text
    path.unlink()
    code, text = said(capsys, "check", str(folder))
    assert code == 5
    assert "is not in this store any more" in text


def test_a_verdict_that_the_run_has_not_does_not_match(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    signed_anew(folder, lambda s: s["predicate"]["verdict"].update(grade="close"))
    code, text = said(capsys, "check", str(folder))
    assert code == 5
    assert "verdict: no note of the run says it" in text


def test_a_state_that_the_run_has_not_does_not_match(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)

    def change(statement: dict[str, Any]) -> None:
        for one in statement["subject"]:
            if one["name"] == "samebit:state/final":
                one["digest"] = {"blake3": "0" * 64}

    signed_anew(folder, change)
    code, text = said(capsys, "check", str(folder))
    assert code == 5
    assert "state/final: the run recorded no such state" in text


def test_a_run_that_went_on_since_is_still_the_one(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    verified.run.begin_execution(verified.run.start(1))
    code, text = said(capsys, "check", str(folder))
    assert code == 0
    assert "1 files came later" in text


@pytest.mark.parametrize(("name", "code"), [("step", 0), ("scope", 5)])
def test_a_field_that_an_older_version_had_not_must_be_empty(
    verified: Verified, name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    signed_anew(folder, lambda s: s["predicate"]["verdict"].pop(name))
    assert said(capsys, "check", str(folder))[0] == code


def test_fields_of_a_later_version_are_named_and_do_not_hurt(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(verified)
    signed_anew(
        folder,
        lambda s: (s["predicate"]["verdict"].update(luck=0.5), s["predicate"].update(more=[1])),
    )
    code, text = said(capsys, "check", str(folder))
    assert code == 0
    assert "verdict: this version does not know luck" in text
