"""What the documents name is there; what is tracked names no machine."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT

PACKAGE = ROOT / "src/samebit"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
# A path in backticks: in the repository, or in the package. Formats and designs speak of files of
# the store and of the system, too, so there only links and what lies in the repository count.
_NAMED = re.compile(r"`((?:src|tests|docs|tools|benchmarks|changes)/[\w./-]*|[\w/]+\.(?:py|toml))`")
_LINKED = re.compile(r"\]\(([^)#]+)\)")
# A home or a work folder, but for those of invented people, and the address of a package registry.
_PERSONAL = re.compile(
    rb"(?<![\w.])/(?:(?:Users|root|work)/[\w.-]+|home/(?!(?:me|author|verifier|local)\b)[\w.-]+)"
    rb"|https?://[\w.:-]*(?:pypi|artifactory|nexus|registry|proxy|mirror)[\w.:-]*"
)
_MADE_ELSEWHERE = {
    *("train.py", "samebit.toml", "claims.toml", "config.toml", "local.toml", "pylock.toml"),
    "openapi.json",  # by the server of the page
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in _NAMED.findall(text):
        if Path(name).name not in _MADE_ELSEWHERE:
            assert (ROOT / name).exists() or (PACKAGE / name).exists(), name
    for name in _LINKED.findall(text):
        assert (path.parent / name).exists(), name


def test_every_room_is_in_the_architecture_and_every_room_in_it_exists() -> None:
    table = ARCHITECTURE.partition("## Rooms")[2].partition("## Three walks")[0]
    named = re.findall(r"^\| `([\w.]+/?)` \|", table, flags=re.MULTILINE)
    rooms = [
        path.name + ("/" if path.is_dir() else "")
        for path in PACKAGE.iterdir()
        if path.name not in ("__pycache__", "py.typed", "__main__.py")
    ]
    assert sorted(named) == sorted(rooms)


def test_the_floors_are_those_of_the_contract() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    there = {path.stem for path in PACKAGE.iterdir()}
    contract = [
        {name for name in re.findall(r"\w+", layer) if name in there and name != "__main__"}
        for layer in layers
    ]
    table = ARCHITECTURE.partition("## Rooms")[0]
    documented = [
        set(re.findall(r"`(\w+)`", cell))
        for cell in re.findall(r"^\| \d+ \| ([^|]+) \|", table, flags=re.MULTILINE)
    ]
    assert documented == [layer for layer in contract if layer]


def test_every_function_of_the_walks_is_where_it_is_said_to_be() -> None:
    named = re.findall(r"`([A-Za-z_.]+)` \(`([\w/]+\.py)`", ARCHITECTURE)
    assert len(named) > 20
    for name, file in named:
        text = (PACKAGE / file).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"^\s*(?:def|class) {part}\b", text, re.MULTILINE), (name, file)


def test_contributing_fits_a_screen() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 50


def test_changes_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (ROOT / "changes").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not in a git checkout")
    found = [
        f"{name}: {match[0].decode()}"
        for name in listed.decode().split("\0")
        if name and (ROOT / name).is_file()
        for match in _PERSONAL.finditer((ROOT / name).read_bytes())
    ]
    assert found == []


def test_the_search_for_machines_finds_one() -> None:
    for line in (b"see /ho" + b"me/ada/x", b'"/wo' + b'rk/x"', b"https://py" + b"pi.example.org/s"):
        assert _PERSONAL.search(line), line
    assert not _PERSONAL.search(b"/ho" + b"me/me/x and docs/wo" + b"rk/x")
