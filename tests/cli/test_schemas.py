"""Every command that has `--json` prints what its schema says, and has one."""

import argparse
import importlib
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from samebit.cli.main import COMMANDS, main
from samebit.cli.schemas.making import OUTPUTS, make_schema
from samebit.digest import canonical_json
from samebit.query.tabular.shapes import SHAPES
from tests.cli import strictly
from tests.cli.everything import golden_store
from tests.docs.blocks import ROOT

FINISHED, BROKEN_OFF = "f1n1shed00", "br0ken0ff0"
# `--json` of these is the form of a file: `samebit schema export TABLE` has it.
FILES = {"export"}
# What looks at things and prints no facts of them, or shows them to people by its nature.
WITHOUT = {"ui", "demo", "run", "schema"}


def parsers() -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for name, (module, _) in COMMANDS.items():
        parser = argparse.ArgumentParser()
        getattr(importlib.import_module(module), f"{name}_arguments")(parser)
        below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if below:
            found |= {f"{name} {word}": one for word, one in below[0].choices.items()}
        else:
            found[name] = parser
    return found


def has_json(parser: argparse.ArgumentParser) -> bool:
    return any("--json" in action.option_strings for action in parser._actions)


def test_a_command_has_json_and_a_schema_or_neither() -> None:
    with_json = {name for name, parser in parsers().items() if has_json(parser)}
    assert with_json - FILES == set(OUTPUTS)


def test_only_what_writes_has_no_json() -> None:
    without = {name for name, parser in parsers().items() if not has_json(parser)} - WITHOUT
    verbs = {name.split()[-1] for name in without}
    assert verbs <= {"rm", "export", "use", "push"}, without


@pytest.mark.parametrize("command", [*OUTPUTS, *(f"export {name}" for name in SHAPES)])
def test_a_schema_is_one_and_is_printed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *command.split()]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == make_schema(command)
    Draft202012Validator.check_schema(printed)
    assert printed["$id"] == f"urn:samebit:json:1:{command.replace(' ', ':')}"
    for reference in re.findall(r'"#/\$defs/(\w+)"', json.dumps(printed)):
        assert reference in printed["$defs"]


def test_without_a_command_those_that_have_a_schema_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["schema"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [*OUTPUTS, *(f"export {name}" for name in SHAPES)]
    assert main(["schema", "run"]) == 7
    assert "'run' prints no JSON" in capsys.readouterr().err


@pytest.fixture
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    store = golden_store(tmp_path)
    monkeypatch.chdir(tmp_path)
    return store


@pytest.mark.parametrize(
    "words",
    [
        "ls",
        "ls --replays --where loss --sort seed",
        f"show {FINISHED}",
        f"show {BROKEN_OFF}",
        "show p1ctvres00",
        f"show {FINISHED} --schedule",
        f"metrics {FINISHED}",
        f"metrics {FINISHED} --machine",
        "media ls p1ctvres00",
        f"diff {FINISHED} {BROKEN_OFF}",
        f"diff {FINISHED} rep1ay0000",
        f"diff {FINISHED} {BROKEN_OFF} --op",
        f"verify {FINISHED} --plan",
        f"verify {BROKEN_OFF}",
        f"lineage {FINISHED}",
        "env ls",
        f"state ls {FINISHED}",
        f"state show {FINISHED}:final",
        f"state diff {FINISHED}:final {FINISHED}:initial",
        f"split show {FINISHED}",
        "fingerprint .samebit/format",
        "data ls",
        "remote ls",
        "check",
        "repair",
        "du",
        "gc",
        "table",
        "table --metric loss --group lr",
        "checklist",
        "seeds show golden",
        "versus lr=0.1 lr=0.2 --better lower",
    ],
)
def test_what_is_printed_is_what_the_schema_says(
    words: str, golden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*words.split(), "--json"])
    said = capsys.readouterr()
    assert code in (0, 5, 6, 7), said.err
    strictly.check(words.split(), said.out)


def test_a_table_that_is_exported_is_what_its_schema_says(
    golden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SHAPES:
        assert main(["export", "--replays", "--table", name, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        schema = strictly.strict(make_schema(f"export {name}"))
        Draft202012Validator(schema).validate(rows)


@pytest.mark.parametrize(
    "words", ["show nobody", "ls --where nope>1", "metrics nobody", "state show x:y", "verify x"]
)
def test_where_something_is_wrong_nothing_is_printed_and_the_error_is_text(
    words: str, golden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--json"]) in (2, 7)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("samebit: ")


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2**60, "x\udcff"])
def test_what_json_cannot_hold_is_wrapped_as_the_schema_says(value: object) -> None:
    row = {"id": "x", "note": value} if isinstance(value, str) else {"id": "x", "steps": value}
    strictly.check(["ls"], canonical_json([row]).decode())


def test_a_key_that_is_unknown_or_lacking_would_be_seen() -> None:
    tags = Draft202012Validator(strictly.strict(make_schema("tags ls")))
    tags.validate({"tags": ["refs/tags/samebit/x"]})
    for odd in ({"tags": [1]}, {"tags": [], "more": 1}, {}):
        with pytest.raises(ValidationError):
            tags.validate(odd)
    Draft202012Validator(make_schema("tags ls")).validate({"tags": [], "more": 1})  # of a later one


def test_the_guide_names_every_command_that_has_a_schema() -> None:
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z ]+)` \|", text, flags=re.MULTILINE)
    assert documented == list(OUTPUTS)
