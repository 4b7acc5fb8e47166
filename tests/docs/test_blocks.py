"""Every code block of the documents is run, or says that it is not."""

import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from samebit.places import Settings, read_settings
from tests.docs.blocks import DOCUMENTS, ROOT, Block, blocks, commands, masked, says
from tests.docs.conftest import Demo

pytestmark = pytest.mark.slow  # they need the runs of a demo

ALL = [block for path in DOCUMENTS for block in blocks(path)]


def of(info: str) -> list[Block]:
    return [block for block in ALL if block.info == info]


def ids(block: Block) -> str:
    return str(block)


@pytest.mark.parametrize("block", ALL, ids=ids)
def test_a_block_is_of_a_kind_that_is_run_or_says_that_it_is_not(block: Block) -> None:
    assert block.info in ("console", "python", "toml", "sh not-run", "text not-run", "")
    if not block.info:  # a picture of a layout
        assert block.path.parent.name == "formats"
        assert not any(line.startswith("$ ") for line in block.lines)


def test_the_readme_begins_with_two_commands_that_make_knows() -> None:
    first = blocks(ROOT / "README.md")[0]
    assert first.lines == ("make demo", "make test")
    targets = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    for command in first.lines:
        target = command.removeprefix("make ")
        assert any(line.startswith(f"{target}:") for line in targets)


@pytest.mark.parametrize("block", of("console"), ids=ids)
def test_a_console_block_prints_what_it_says(block: Block, demo: Demo, project: Path) -> None:
    if block.lines[0] == "$ samebit demo":
        assert says(list(block.lines[1:]), demo.printed.split("\n")) is None
        return
    for command, documented in commands(block):
        assert command.startswith("samebit ")
        done = subprocess.run(
            command,
            shell=True,
            cwd=project,
            env=demo.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        why = says(documented, done.stdout.decode().split("\n"))
        assert why is None, f"{block}\n$ {command}\n{why}"


@pytest.mark.parametrize("block", of("python"), ids=ids)
def test_a_python_block_runs_and_prints_what_it_says(
    block: Block, demo: Demo, tmp_path: Path
) -> None:
    script = tmp_path / "block.py"
    script.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=demo.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "no record is kept" not in done.stderr
    if 'run.log({"loss": 0.25})' in script.read_text(encoding="utf-8"):
        assert done.stdout.splitlines()[-1] == "[0.25]"
    printed = [line.removeprefix("# > ") for line in block.lines if line.startswith("# > ")]
    if printed:
        assert done.stdout.splitlines() == printed


@pytest.mark.parametrize("block", of("toml"), ids=ids)
def test_a_toml_block_holds_every_setting_and_its_default(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for field in fields(Settings):
        monkeypatch.delenv(f"SAMEBIT_{field.name.upper()}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    text = "\n".join(block.lines)
    (tmp_path / "samebit.toml").write_text(text, encoding="utf-8")
    assert read_settings(tmp_path / ".samebit") == Settings()
    named = {
        f"{section}_{name}" if isinstance(content, dict) else section
        for section, content in tomllib.loads(text).items()
        for name in (content if isinstance(content, dict) else [""])
    }
    assert named == {field.name for field in fields(Settings)}


# The comparison itself: one that cannot fail would be worse than none.


def test_ids_digests_and_numbers_may_differ_and_words_may_not() -> None:
    ours = "0aayyrw4s6  finished  0.9966  ef0072d2  50.0 kB  2026-01-02 03:04  ▁▂█"
    theirs = "z4ygh6svr1  finished  0.25  00000001  3 MB  2027-11-12 13:14  █▁"
    assert masked(ours) == masked(theirs)
    assert masked(ours) != masked(theirs.replace("finished", "failed"))
    assert masked("step 1: the batch differed") != masked("step 2: the batch differed")


@pytest.mark.parametrize(
    ("documented", "printed", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "…"], ["a", "b", "c"], True),
        (["…", "c"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "c"], True),
        (["a"], ["a", "b"], False),
        (["a", "b"], ["a"], False),
        (["a", "…", "d"], ["a", "b", "c"], False),
    ],
)
def test_an_elision_stands_for_lines_and_never_for_words(
    documented: list[str], printed: list[str], same: bool
) -> None:
    assert (says(documented, printed) is None) is same
