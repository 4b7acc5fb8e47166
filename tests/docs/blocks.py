"""The code blocks of our documents, and when two outputs say the same."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("changes/*.md"), *ROOT.glob("docs/**/*.md")],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)

_FENCE = re.compile(r"^```(.*)$")
# What differs from run to run and machine to machine, and what stands for it in a comparison.
_MASKS = [
    (re.compile(r"\bSHA256:[A-Za-z0-9+/]{43}"), "FINGERPRINT"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b"), "DATE"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "DIGEST"),
    (re.compile(r"\b(?=[a-z]*\d)[0-9a-hjkmnp-tv-z]{10}\b"), "ID"),
    (re.compile(r"-?\b\d+\.\d+(e-?\d+)?"), "N"),
    (re.compile(r"\b\de-\d+\b"), "N"),
    (re.compile(r"[▁▂▃▄▅▆▇█ ]*[▁▂▃▄▅▆▇█]"), "CURVE"),
    (re.compile(r"\bin \d+ of them\b"), "in SOME of them"),
    (re.compile(r"\b\d+ (threads|packages|processors|objects|runs|files)\b"), r"SOME \1"),
    (re.compile(r"\b(N|\d+) (B|kB|MB|ms|s)\b"), "SIZE"),
]
ELISION = "…"


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its info string, its lines."""

    path: Path
    line: int
    info: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found: list[Block] = []
    inside: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence and inside is None:
            inside = (number, fence[1].strip(), [])
        elif fence and inside is not None:
            found.append(Block(path, inside[0], inside[1], tuple(inside[2])))
            inside = None
        elif inside is not None:
            inside[2].append(line)
    assert inside is None, f"{path}: a block is never closed"
    return found


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """A console block as (command, the lines that it prints)."""
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{block}: output before the first command"
            found[-1][1].append(line)
    return found


def masked(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in _MASKS:
        line = pattern.sub(word, line)
    return " ".join(line.split())


def fits(printed: str, wanted: str) -> bool:
    """Whether a masked line is the documented one; an id may look like a word, or a digest."""
    any_id = re.escape(wanted).replace("ID", "(?:ID|DIGEST|[a-hjkmnp-tv-z]{10})")
    return re.fullmatch(any_id, printed) is not None


def says(documented: list[str], printed: list[str]) -> str | None:
    """Why an output is not the documented one, or None; a line `…` stands for any lines."""
    left = [masked(line) for line in printed]
    may_skip = False
    for line in documented:
        if line.strip() == ELISION:
            may_skip = True
            continue
        wanted = masked(line)
        if may_skip:
            while left and not fits(left[0], wanted):
                left.pop(0)
        if not left or not fits(left[0], wanted):
            return f"documented: {wanted!r}\nprinted:    {left[0] if left else 'nothing more'!r}"
        left.pop(0)
        may_skip = False
    return None if may_skip or not any(left) else f"printed, not documented: {left[0]!r}"
