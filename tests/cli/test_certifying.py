"""A verdict is stated, with what it rests on, and signed; or so that nobody knows whose it is."""

import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from samebit import digest, places
from samebit.cli.main import main
from samebit.records import Verdict, encode, plain
from samebit.report import dsse, signing
from samebit.report.certificate import PAYLOAD_TYPE
from samebit.report.public_keys import read_key
from tests.cli.verdicts import (
    BOOT,
    COMMIT,
    HOST,
    OUTPUTS,
    TOKEN,
    USER,
    Certificate,
    Verified,
    envelope_of,
    made,
    placed,
    put_envelope,
    statement_of,
    verified_run,
)

pytest.importorskip("cryptography")


def test_a_certificate_states_the_run_its_state_and_its_files(verified: Verified) -> None:
    statement = statement_of(made(verified))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:samebit:verify:1"
    subjects = {one["name"]: one["digest"] for one in statement["subject"]}
    assert sorted(subjects) == [
        "model.bin",
        "out/table.csv",
        "outside/log.txt",
        f"samebit:run/{verified.run.id}",
        "samebit:state/final",
    ]
    for name, data in OUTPUTS.items():
        assert subjects[name] == {
            "blake3": digest.of_bytes(data).partition(":")[2],
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    predicate = statement["predicate"]
    record = {"format": "samebit-certificate 1", "files": predicate["record"]}
    assert (
        subjects[f"samebit:run/{verified.run.id}"]["sha256"]
        == hashlib.sha256(digest.canonical_json(record)).hexdigest()
    )
    for name, (size_bytes, content) in predicate["record"].items():
        assert digest.of_file(verified.run.path / name) == (content, size_bytes)


def test_the_predicate_has_all_of_the_verdict_and_where_it_was_found(verified: Verified) -> None:
    predicate = statement_of(made(verified))["predicate"]
    verdict = predicate["verdict"]
    assert verdict["grade"] == "identical"
    assert verdict["scope"] == list(verified.verdict.scope)
    assert verdict["at"] == "2026-09-21T14:13:20.123456789Z"
    assert (verdict["by"], verdict["host"], verdict["who"]) == (USER, HOST, "repeated")
    assert set(verdict) == {*plain(verified.verdict), "at"} - {"at_ns"}
    assert predicate["run"] == verified.run.id
    assert predicate["replay"] == verified.replay.id
    assert predicate["code"]["commit"] == COMMIT
    assert predicate["code"]["tree"].startswith("blake3:")
    assert predicate["seeds"]["seed"] == 7
    assert predicate["seeds"]["calls"][0]["value"] == {"$int": str(2**60)}
    environment = predicate["environment"]
    assert environment["python"] == "cpython 3.11.7"
    assert environment["packages"]["torch"] == "2.13.0"
    assert environment["machine"]["gpus"] == ["H100"]
    assert {one["name"]: one["replay"] for one in predicate["outputs"]} == {
        "model.bin": "other bytes",
        "out/table.csv": "same bytes",
        "outside/log.txt": "same bytes",
    }


def test_codecheck_reads_its_manifest_with_digests_and_what_the_replay_gave(
    verified: Verified,
) -> None:
    content = yaml.safe_load((made(verified) / "codecheck.yml").read_text(encoding="utf-8"))
    assert content["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    assert [one["file"] for one in content["manifest"]] == [
        "model.bin",
        "out/table.csv",
        "outside/log.txt",
    ]
    comment = content["manifest"][1]["comment"]
    sha256 = hashlib.sha256(OUTPUTS["out/table.csv"]).hexdigest()
    assert comment == f"the replay wrote the same bytes; sha256 {sha256}"
    assert content["manifest"][0]["comment"].startswith("the replay wrote other bytes")
    for value in (content["paper"]["title"], content["report"], content["certificate"]):
        assert value.startswith("TO BE FILLED")
    assert content["repository"] == f"https://git.example/{USER}/thesis"
    assert content["check_time"] == "2026-09-21 14:13:20"
    assert "found: identical." in content["summary"]
    assert "steps 1 to 12: batch, loss bit-identical" in content["summary"]
    assert content["samebit"]["statement"] == "statement.dsse.json"


def test_a_key_is_made_once_and_only_its_owner_may_read_it(
    verified: Verified, certificate: Certificate
) -> None:
    first = certificate("make", verified.run.id, "--to", "one", says="made a key for signing")
    assert "made a key" not in certificate("make", verified.run.id, "--to", "two")
    path = places.config_folder() / "certificate.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = [envelope_of(Path(name))["signatures"][0]["keyid"] for name in ("one", "two")]
    assert keys[0] == keys[1]
    assert keys[0] in first


def test_only_the_files_that_are_named_are_stated_and_one_not_written_is_refused(
    verified: Verified, certificate: Certificate
) -> None:
    statement = statement_of(made(verified, "--manifest", "out/table.csv"))
    assert [one["name"] for one in statement["predicate"]["outputs"]] == ["out/table.csv"]
    assert statement["predicate"]["outputs_left_out"] == 2
    text = certificate("make", verified.run.id, "--manifest", "train.py", ends=2)
    assert "the run did not write 'train.py'" in text
    assert "out/table.csv" in text


def test_an_older_verdict_is_named_by_its_place_or_its_replay(
    verified: Verified, certificate: Certificate
) -> None:
    later = replace(verified.verdict, grade="different", cause="step 3", replay="zzzzzzzzzz")
    verified.run.add_note("verdict", later)
    assert statement_of(made(verified, to="a"))["predicate"]["verdict"]["grade"] == "different"
    for word in ("newest-1", verified.replay.id[:6]):
        folder = made(verified, "--verdict", word, to=word)
        assert statement_of(folder)["predicate"]["verdict"]["grade"] == "identical"
    certificate(
        "make", verified.run.id, "--verdict", "newest-2", ends=7, says="newest different zzzzzzzzzz"
    )
    # A replay that is not here any more leaves open what it wrote.
    assert {
        one["replay"] for one in statement_of(verified.project.parent / "a")["predicate"]["outputs"]
    } == {"not known"}


def test_a_refusal_to_run_again_can_be_stated_too(verified: Verified) -> None:
    verified.run.add_note("verdict", Verdict("unknown", verified.run.id, cause="data is gone"))
    folder = made(verified)
    predicate = statement_of(folder)["predicate"]
    assert (predicate["replay"], predicate["replayed_in"]) == (None, None)
    assert predicate["verdict"]["at"].startswith("20")  # its note's time: it has none itself
    assert main(["certificate", "check", str(folder)]) == 0


def test_a_run_that_still_goes_on_has_no_certificate(
    verified: Verified, certificate: Certificate
) -> None:
    (verified.run.path / "executions/1/end.json").unlink()  # on another host, a moment ago
    certificate("make", verified.run.id, "--to", "given", ends=2, says="still goes on")
    assert not Path("given").exists()


def test_a_run_that_was_not_verified_has_no_certificate(
    verified: Verified, certificate: Certificate
) -> None:
    for note in (verified.run.path / "notes").iterdir():
        note.unlink()
    certificate("make", verified.run.id, ends=7, says=f"`samebit verify {verified.run.id}`")


def test_a_certificate_that_is_there_is_not_written_over(
    verified: Verified, certificate: Certificate
) -> None:
    before = (made(verified) / "statement.dsse.json").read_bytes()
    certificate(
        "make", verified.run.id, "--to", "../given", ends=2, says="there is a certificate already"
    )
    assert (verified.project.parent / "given/statement.dsse.json").read_bytes() == before


def test_a_changed_file_has_no_sha256_and_its_recorded_blake3(verified: Verified) -> None:
    (verified.project / "model.bin").write_bytes(b"written by a later run")
    subjects = {one["name"]: one["digest"] for one in statement_of(made(verified))["subject"]}
    content = digest.of_bytes(OUTPUTS["model.bin"]).partition(":")[2]
    assert subjects["model.bin"] == {"blake3": content}


def test_what_looks_like_a_secret_is_masked_in_every_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verified_run(tmp_path / "home", grade="unknown", cause=f"ValueError: {TOKEN}")
    folder = made(placed(found, tmp_path, monkeypatch))
    text = json.dumps(statement_of(folder)) + (folder / "codecheck.yml").read_text()
    assert TOKEN not in text
    assert "ValueError: ****" in text
    assert statement_of(folder)["predicate"]["command"]["argv"][4] == "****"
    assert main(["certificate", "check", str(folder)]) == 0  # the note has it unmasked


def test_an_anonymous_certificate_says_nothing_of_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    home = tmp_path / "home"
    cause = (
        f"wrote {home}/{USER}/my thesis/project/out/a.csv and /srv/{USER}/b c.txt, mail "
        f"{USER}@lab.example, see https://wandb.example/{USER}/x or git@git.example:{USER}/x"
    )
    found = placed(verified_run(home, grade="different", cause=cause), tmp_path, monkeypatch)
    certificate("make", found.run.id, "--anonymous")
    (folder,) = found.project.glob("certificate-*")
    # The fingerprint of a key and digests are the only words that are not read here.
    envelope = envelope_of(folder)
    everything = json.dumps(statement_of(folder)) + (folder / "codecheck.yml").read_text()
    everything += folder.name + json.dumps(envelope["signatures"])
    for word in (
        USER,
        HOST,
        HOST.partition(".")[0],
        BOOT,
        COMMIT,
        COMMIT[::-1],
        found.run.id,
        found.replay.id,
        str(tmp_path),
        "/home/",
        "/srv/",
        "my thesis",
        "scratch dir",
        "wandb.example",
        "git.example",
        "lab.example",
        "--entity",
        "lovelace-tools",
        "GPU-5ec2e7",
        *os.environ.get("USER", "\0").split(),
    ):
        assert word not in everything, word
    assert "out/a.csv" in everything  # the project's own names stay
    assert not {"by", "host"} & statement_of(folder)["predicate"]["verdict"].keys()
    assert statement_of(folder)["predicate"]["environment"]["packages"] == {
        "samebit": "0.1",
        "torch": "2.13.0",
    }
    assert (
        envelope["signatures"][0]["keyid"]
        != read_key(Path(f"{signing.own_key(anonymous=False)[0]}.pub")).fingerprint
    )


def test_an_anonymous_certificate_is_proven_by_the_store_that_has_its_salt(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified, "--anonymous")
    text = certificate("check", folder)
    assert "your own anonymous key" in text
    assert f"run: {verified.run.id}, 4 files of its record have the stated bytes" in text
    assert "verdict: one of the run's notes says it word for word" in text
    again = made(verified, "--anonymous", to="again")  # two of one run do not show that they are
    runs = [statement_of(one)["predicate"]["run"] for one in (folder, again)]
    assert runs[0] != runs[1]
    for note in (verified.run.path / "notes").glob("*.json"):
        if b'"certificate"' in note.read_bytes():
            note.unlink()
    certificate("check", folder, says="is not in this store")


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_certificate_signed_by_ssh_keygen_is_checked_by_us_and_by_it(
    verified: Verified,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Certificate,
) -> None:
    monkeypatch.setattr(signing, "_has_library", lambda: False)
    certificate("make", verified.run.id, "--to", "given", says="other tools for DSSE do not")
    found = json.loads(certificate("check", "given", "--json"))
    assert found["signatures"][0]["form"] == "sshsig"
    envelope = envelope_of(Path("given"))
    lines = ["-----BEGIN SSH SIGNATURE-----", envelope["signatures"][0]["sig"]]
    (tmp_path / "sig").write_text("\n".join([*lines, "-----END SSH SIGNATURE-----", ""]))
    (tmp_path / "allowed").write_text(f"me {envelope['signatures'][0]['public_key']}\n")
    payload = base64.b64decode(envelope["payload"])
    command = ["ssh-keygen", "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "me"]
    command += ["-n", "samebit-certificate", "-s", str(tmp_path / "sig")]
    message = dsse.signed_bytes(PAYLOAD_TYPE, payload)
    assert subprocess.run(command, input=message, capture_output=True).returncode == 0
    changed = envelope | {"payload": base64.b64encode(payload + b" ").decode()}
    put_envelope(Path("given"), changed)
    certificate("check", "given", ends=5)


def test_where_nothing_can_sign_it_says_what_to_install(
    verified: Verified, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    monkeypatch.setattr(signing, "_has_library", lambda: False)
    monkeypatch.setenv("PATH", "/nowhere")
    certificate("make", verified.run.id, ends=7, says="samebit[sign]")
    assert not list(verified.project.glob("certificate-*"))
    assert not (places.config_folder() / "certificate.key").exists()


def test_no_reading_command_minds_the_note_of_an_anonymous_certificate(
    verified: Verified, certificate: Certificate
) -> None:
    made(verified, "--anonymous")
    assert main(["show", verified.run.id]) == 0
    assert main(["ls"]) == 0
    assert main(["check"]) == 0
    assert encode(verified.verdict) in b"".join(
        note.read_bytes() for note in (verified.run.path / "notes").iterdir()
    )
