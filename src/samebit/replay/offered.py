"""Which files the configured indexes have for a pin; uv and pip are asked, and install nothing."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from samebit.capture.environment import normalised
from samebit.replay.installers import Tool, pip_for, run

__all__ = ["Offered", "locate"]


class Offered(Struct, frozen=True):
    """A file that an index offers for a pin."""

    name: str
    version: str
    url: str
    sha256: str


def locate(lines: Sequence[str], uv: Tool | None, known: Callable[[], object]) -> list[Offered]:
    """Of each pin the files that the configured indexes have for this Python; installs nothing.

    uv is asked for all, and pip for what it did not find: each has a configuration of its own. No
    archive is looked into, since that would run its code. What nobody has is left out.

    Args:
        lines: such as `numpy==2.4.6`.
        uv: where there is one.
        known: called when it is known of one more of them.
    """
    found: list[Offered] = []
    with tempfile.TemporaryDirectory(prefix="samebit-") as aside:
        left = list(lines)
        if uv is not None:
            left = _asked(_of_uv_lock, uv, left, Path(aside), found, known)
        if left and (pip := pip_for(sys.executable, Path(aside) / "pip")) is not None:
            _asked(_of_pip_report, pip, left, Path(aside), found, known)
    return found


def _asked(
    ask: Callable[[Tool, Path, Path], list[Offered] | None],
    tool: Tool,
    lines: list[str],
    aside: Path,
    found: list[Offered],
    known: Callable[[], object],
) -> list[str]:
    """Ask for all, and where that fails for halves; those that were not found."""
    if not lines:
        return []
    listed = aside / "requirements.in"
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    offered = ask(tool, listed, aside / "answer")
    if offered is not None:
        found += offered
        for _ in lines:
            known()
        return []
    if len(lines) == 1:
        return lines
    half = len(lines) // 2
    return [
        line
        for some in (lines[:half], lines[half:])
        for line in _asked(ask, tool, some, aside, found, known)
    ]


def _of_uv_lock(uv: Tool, listed: Path, answer: Path) -> list[Offered] | None:
    answer = answer.with_name("pylock.toml")  # uv knows the form by the name
    asked = ["pip", "compile", "--no-deps", "--no-header", "--quiet", "--no-build"]
    own = ["--format", "pylock.toml", "-o", str(answer), "--python", sys.executable]
    answer.unlink(missing_ok=True)
    if run([*uv.words, *asked, *own, str(listed)])[0]:
        return None
    import tomllib  # noqa: PLC0415  (only here)

    locked = tomllib.loads(answer.read_text(encoding="utf-8"))
    return [
        Offered(normalised(one["name"]), one["version"], file["url"], file["hashes"]["sha256"])
        for one in locked.get("packages", ())
        for file in [*one.get("wheels", ()), *filter(None, [one.get("sdist")])]
        if "url" in file and "sha256" in file["hashes"]
    ]


def _of_pip_report(pip: Tool, listed: Path, answer: Path) -> list[Offered] | None:
    asked = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"]
    own = ["--no-input", "--disable-pip-version-check", "--no-color", "--quiet"]
    words = [*pip.words, *asked, *own, "--report", str(answer), "-r", str(listed)]
    if run(words)[0]:
        return None
    return [
        Offered(
            normalised(one["metadata"]["name"]),
            one["metadata"]["version"],
            one["download_info"]["url"],
            hashes["sha256"],
        )
        for one in json.loads(answer.read_text(encoding="utf-8"))["install"]
        for hashes in [(one["download_info"].get("archive_info") or {}).get("hashes") or {}]
        if "sha256" in hashes
    ]
