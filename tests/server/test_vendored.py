"""What is vendored is what was published; our own modules run nothing that a text could hold."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from samebit import places

STATIC = Path(places.__file__).parent / "server" / "static"
VENDOR = STATIC / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
OURS = sorted(
    path
    for path in STATIC.rglob("*")
    if path.suffix in (".js", ".html", ".css") and VENDOR not in path.parents
)
# Each would make code, or markup, of a text; of the last two the policy of the page knows nothing.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|srcdoc"
    r"|\beval\s*\(|new Function|setTimeout\(\s*[\"'`]|createContextualFragment|parseFromString"
    r"|setAttribute\(\s*[\"']style|\bstyle\s*=\s*[\"'][^\"']|\son[a-z]+\s*=\s*[\"']"
    r"|javascript:|https?://(?!www\.w3\.org/)|@import|url\((?!#)"
)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("package", MANIFEST, ids=lambda package: package["package"])
def test_a_vendored_file_is_as_it_was_published(package: dict[str, object]) -> None:
    assert package.keys() == {"package", "version", "licence", "files"}
    assert isinstance(package["files"], list)
    for entry in package["files"]:
        data = (VENDOR / entry["file"]).read_bytes()
        assert _sha256(data) == entry["sha256"], entry["file"]
        if "changed" in entry:  # a browser without a map of names finds files only
            before, after = (text.encode() for text in entry["changed"])
            assert data.count(after) == 1
            assert _sha256(data.replace(after, before)) == entry["published_sha256"]
    assert any(entry["file"].endswith(".LICENSE") for entry in package["files"])


def test_nothing_vendored_is_unnamed() -> None:
    named = {entry["file"] for package in MANIFEST for entry in package["files"]}
    assert {path.name for path in VENDOR.iterdir()} == named | {"manifest.json"}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_a_module_makes_no_code_of_a_text_and_fits_in_a_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert FORBIDDEN.findall(text) == []
    assert text.count("\n") <= 400
    if path.suffix == ".js":
        assert text.startswith("// "), "its first line says what it knows"


def test_a_module_takes_only_what_lies_beside_it() -> None:
    for path in OURS:
        if path.suffix != ".js":
            continue
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", text):
            assert name.startswith("."), f"{path.name}: {name}"
            assert (path.parent / name).resolve().is_relative_to(STATIC)
            assert (path.parent / name).is_file(), f"{path.name}: {name}"


def test_the_page_names_the_modules_of_its_first_view_at_once() -> None:
    """Found one after the other, each would take a round trip of its own."""

    def needed(path: Path, seen: set[Path]) -> set[Path]:
        for name in re.findall(r'from\s*"(\.[^"]+)"', path.read_text(encoding="utf-8")):
            found = (path.parent / name).resolve()
            if found not in seen:
                seen.add(found)
                needed(found, seen)
        return seen

    page = (STATIC / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'modulepreload" href="/static/([^"]+)"', page)
    modules = needed(STATIC / "app.js", set())
    assert named == sorted(path.relative_to(STATIC).as_posix() for path in modules)


@pytest.mark.parametrize(
    "evil",
    ["x.innerHTML = y", "eval(y)", '<b style="a">', '<a onclick="f()">', "setTimeout('f()')"],
)
def test_the_list_of_forbidden_words_finds_them(evil: str) -> None:
    assert FORBIDDEN.search(evil)
