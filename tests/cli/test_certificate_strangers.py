"""A stranger wrote the certificate: it is refused with the reason, or checked; never believed."""

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebit.cli.main import main
from samebit.journal.frame import Kind
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd
from samebit.report.certificate import PAYLOAD_TYPE
from tests.cli.test_strangers import FILES, SOUND, strange
from tests.cli.verdicts import (
    Certificate,
    Verified,
    made,
    signed_anew,
    signed_as,
    statement_of,
)

pytest.importorskip("cryptography")


def test_a_name_that_leads_elsewhere_is_not_followed(
    verified: Verified, tmp_path: Path, certificate: Certificate
) -> None:
    folder = made(verified)
    (folder.parent / "secret").write_bytes(b"x")
    names = ["../secret", str(folder.parent / "secret"), "a/../../secret", "\0", "..", "x" * 5000]

    def change(statement: dict[str, Any]) -> None:
        statement["subject"] += [{"name": n, "digest": {"sha256": "0" * 64}} for n in names]

    signed_anew(folder, change)
    certificate("check", folder, says="not found, so not compared")


def test_what_is_no_certificate_is_damaged_or_not_there(
    verified: Verified, tmp_path: Path, certificate: Certificate
) -> None:
    certificate("check", str(tmp_path / "nothing"), ends=7)
    certificate("check", str(tmp_path), ends=7)
    os.mkfifo(tmp_path / "pipe")
    certificate("check", str(tmp_path / "pipe"), ends=7, says="this is no file")
    certificate("check", "/dev/zero", ends=7)
    folder = made(verified)
    path = folder / "statement.dsse.json"
    whole = path.read_bytes()
    hostile = {
        b"": "not readable as JSON",
        b"\xff\xfe": "not readable as JSON",
        b"[" * 200_000: "nested too deep",
        b'{"payload":' + b"[" * 100 + b"]" * 100 + b"}": "nested deeper than 64",
        b"[1]": "no DSSE envelope",
        b'{"payload": "!", "payloadType": "x", "signatures": [{"sig": ""}]}': "Invalid base64",
        b'{"payload": 1, "payloadType": "x", "signatures": []}': "no DSSE envelope",
        b'{"payload": "", "payloadType": "x", "signatures": []}': "length >= 1",
        whole.replace(b'"payload":', b'"payload":"e30=","payload":'): "stands there twice",
        whole.replace(b'"keyid":"', b'"keyid":"\\ud800'): "",
        whole.replace(PAYLOAD_TYPE.encode(), b"text/html"): "the envelope holds 'text/html'",
        b" " * (17 << 20): "larger than 16 MiB",
        b'{"a": ' + b"9" * 5000 + b"}": "not readable as JSON",
        b'{"a": NaN}': "NaN is no JSON",
    }
    for data, why in hostile.items():
        path.write_bytes(data)
        text = certificate("check", path, ends=7 if why else {0, 5, 6, 7})
        assert why in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "not an in-toto statement"),
        (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "something else"),
        (lambda s: s.update(predicateType="urn:samebit:verify:2"), "install a newer Samebit"),
        (lambda s: s.update(predicateType=[]), "something else"),
        (lambda s: s["predicate"].update(format="x"), "`$.predicate.format`"),
        (lambda s: s["predicate"].update(verdict=3), "no statement of a certificate"),
        (lambda s: s["predicate"]["verdict"].update(grade=[]), "no statement of a certificate"),
        (lambda s: s["predicate"].pop("record"), "no statement of a certificate"),
        (
            lambda s: s["predicate"]["record"].update({"../x": [1, "blake3:" + "0" * 64]}),
            "`key` in `$.predicate.record`",
        ),
        (
            lambda s: s["predicate"]["record"].update({"run.json": [1, "md5:1"]}),
            "`$.predicate.record[...][1]`",
        ),
        (lambda s: s["subject"].append(s["subject"][0]), "two subjects have one name"),
        (lambda s: s["subject"][0].update(digest={}), "no digest"),
        (lambda s: s["subject"][0].update(digest={"sha256": "AB"}), "`$.subject[0].digest.sha256`"),
        (lambda s: s.update(subject={}), "no statement of a certificate"),
    ],
)
def test_a_statement_of_another_shape_is_refused_with_the_reason(
    verified: Verified, change: Any, why: str, certificate: Certificate
) -> None:
    folder = made(verified)
    signed_anew(folder, change)
    certificate("check", folder, ends=7, says=why)


def parts(value: Any) -> Iterator[list[Any]]:
    """The way to each part of a value."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield [key]
            yield from ([key, *way] for way in parts(item))


@pytest.mark.slow
def test_whatever_is_signed_is_checked_or_refused_and_never_a_fault_of_ours(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified)
    whole = json.dumps(statement_of(folder))
    for way in list(parts(json.loads(whole))):
        for odd in (None, -1, "\x1b[2J", [["\0"]], {"a": "b"}, {}):
            statement = inner = json.loads(whole)
            for key in way[:-1]:
                inner = inner[key]
            inner[way[-1]] = odd
            signed_as(folder, json.dumps(statement).encode())
            assert "\x1b" not in certificate("check", folder, ends={0, 5, 7})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_flipped_byte_is_never_good_unless_it_says_the_same(
    verified: Verified, at: int, other: int
) -> None:
    folder = verified.project.parent / "given"
    if not folder.exists():
        made(verified)
        (folder / "whole").write_bytes((folder / "statement.dsse.json").read_bytes())
    whole = (folder / "whole").read_bytes()
    data = bytearray(whole)
    data[at % len(data)] = other
    (folder / "statement.dsse.json").write_bytes(data)
    code = main(["certificate", "check", str(folder)])
    assert code in (0, 5, 6, 7)
    if code == 0:
        ours, theirs = json.loads(whole), json.loads(data)
        assert base64.b64decode(ours["payload"]) == base64.b64decode(
            theirs["payload"].replace("-", "+").replace("_", "/")
        )


def test_a_stranger_s_words_reach_the_screen_escaped(
    verified: Verified, certificate: Certificate
) -> None:
    folder = made(verified)
    signed_anew(
        folder,
        lambda s: s["predicate"]["verdict"].update(
            grade="identical\x1b[2J", cause="\u202e\x07", by="\x9b", until={"a": "\x1b"}
        ),
    )
    text = certificate("check", folder, ends=5)
    assert not set(text) & set("\x1b\x07\x9b\u202e")


READ = ("asked", "code", "interpreter", "machine", "packages", "seed_call", "state", "variables")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*READ, "seeds", "unseeded", "file"])
def test_a_record_that_a_stranger_wrote_is_stated_or_refused(
    verified: Verified, name: str, certificate: Certificate
) -> None:
    before = set(verified.run.journal.iterdir())
    values = list(FILES.values()) if name == "file" else [SOUND.get(name, {"a": {"b": 1}})]
    for odd in (odd for value in values for odd in [value, *strange(value)]):
        writer = Writer(verified.run.journal, verified.run.id)
        payload = (int(Kind.FACT), time.monotonic_ns(), name, odd)
        writer._write(msgspec.msgpack.encode(payload))
        writer.close()
        (verified.run.path / "executions/1/end.json").unlink()
        verified.run.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
        for how in ([], ["--anonymous"]):
            assert "\x1b[2J" not in certificate("make", verified.run.id, "--to", "odd", *how)
            assert yaml.safe_load(Path("odd/codecheck.yml").read_text(encoding="utf-8"))
            certificate("check", "odd")
            shutil.rmtree("odd")
        for path in set(verified.run.journal.iterdir()) - before:
            path.unlink()
