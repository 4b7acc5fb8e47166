"""`docs/commands.md` and the command line say the same, both ways."""

import argparse
import importlib
import re
from functools import cache

import pytest

from samebit.cli.main import COMMANDS
from samebit.errors import Exit
from samebit.query.volatile import VOLATILE
from tests.docs.blocks import ROOT

TEXT = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def sections() -> dict[str, str]:
    """What stands under each heading."""
    parts = re.split(r"^#{2,3} (.+)$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command and every one below it, by its full name."""
    found: dict[str, argparse.ArgumentParser] = {}
    for name, (module, _) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"samebit {name}")
        getattr(importlib.import_module(module), f"{name}_arguments")(parser)
        _collect(f"samebit {name}", parser, found)
    return found


def _collect(
    name: str, parser: argparse.ArgumentParser, found: dict[str, argparse.ArgumentParser]
) -> None:
    found[name] = parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below, inner in action.choices.items():
                _collect(f"{name} {below}", inner, found)


def test_every_command_is_documented_and_every_documented_command_is_there() -> None:
    documented = {title for title in sections() if title.startswith("samebit ")}
    assert documented == set(parsers())


@pytest.mark.parametrize("name", sorted(parsers()))
def test_every_option_is_documented_and_every_documented_option_is_there(name: str) -> None:
    options = {
        option
        for action in parsers()[name]._actions
        if action.help is not argparse.SUPPRESS  # Python's own -I, -E, -S, which are refused
        for option in action.option_strings
        if option not in ("-h", "--help")
    }
    documented = re.findall(r"^\| `(--?[\w-]+)`", sections()[name], flags=re.MULTILINE)
    assert sorted(documented) == sorted(options)


@pytest.mark.parametrize("name", sorted(parsers()))
def test_every_argument_of_a_command_is_in_its_usage(name: str) -> None:
    usage = sections()[name]
    for action in parsers()[name]._actions:
        if action.option_strings or isinstance(action, argparse._SubParsersAction):
            continue
        shown = action.metavar or action.dest
        if action.help is not argparse.SUPPRESS and name not in ("samebit show", "samebit verify"):
            assert str(shown).upper() in usage


@pytest.mark.parametrize("name", sorted(parsers()))
def test_the_help_of_a_command_fits_a_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, parsers()[name].format_help().splitlines())) <= 80


def test_exit_codes_are_those_of_the_error_tree() -> None:
    documented = re.findall(r"^\| (\d+) \| (.+) \|$", sections()["Exit codes"], flags=re.MULTILINE)
    assert [int(code) for code, _ in documented] == [int(code) for code in Exit]
    words = {int(code): text for code, text in documented}
    for code in (Exit.CLOSE, Exit.COMPATIBLE, Exit.DIFFERENT, Exit.UNKNOWN):
        assert words[code] == f"`{code.name.lower()}`"


def test_every_variable_that_the_code_reads_is_documented() -> None:
    read = {
        name
        for path in SOURCES
        for name in re.findall(r"[\"']?\b(SAMEBIT_[A-Z]+(?:_[A-Z]+)*)\b", path.read_text("utf-8"))
    }
    section = sections()["Environment variables"] + sections()["Settings"]
    assert read == set(re.findall(r"SAMEBIT_[A-Z_]+", section))


def test_volatile_patterns_are_those_of_the_verdict() -> None:
    assert re.findall(r"`(\*[a-z_]+\*?)`(?=[ .\n])", sections()["samebit verify"]) == [*VOLATILE]


def test_the_help_names_the_same_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    from samebit.cli.main import main

    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for code in Exit:
        assert re.search(rf"\b{int(code)} [a-z]", told)
