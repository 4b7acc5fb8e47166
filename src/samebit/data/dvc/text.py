"""The part of YAML in which DVC writes its files, read strictly and without a library.

Blocks of keys and lists, and texts, plain or in quotes, on one line or several. Every scalar is
its text. What DVC never writes for itself, but people may in a parameter or a description (flow
collections, block texts, aliases), is `SKIPPED`: it can stand there, and is no value that anything
is read from. So there is nothing to expand, and no object to make.
"""

import re
from typing import Any

from samebit.errors import SamebitError

__all__ = ["MOST_BYTES", "SKIPPED", "Unreadable", "read"]

MOST_BYTES = 64 << 20
_MOST_DEEP = 64
_PLAIN_KEY = re.compile(r"""(?![?][ \t])([^ \t'"#&*!|>%@`\[\]{},].*?)[ \t]*:(?=[ \t]|$)""")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPES = {
    **{"0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f"},
    **{"r": "\r", "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85"},
    **{"_": "\xa0", "L": "\u2028", "P": "\u2029"},
}


class _Skipped:
    """A value that stands there and is not read."""

    def __repr__(self) -> str:
        return "(not read)"


SKIPPED = _Skipped()


class Unreadable(SamebitError):
    """A file that is not as DVC writes it, with the line."""


def read(data: bytes) -> Any:
    """Dicts, lists, texts, None and `SKIPPED`; raises Unreadable."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is no UTF-8 at byte {error.start}") from error
    return _Reader(re.split(r"\r\n|\r|\n", text)).document()


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    def document(self) -> Any:
        self._next()
        if self._at < len(self._lines) and self._lines[self._at].rstrip() == "---":
            self._at += 1
        found = self._block(-1, 0)
        if self._next():
            raise self._odd("it does not belong to what stands above it")
        return found

    def _odd(self, why: str, at: int | None = None) -> Unreadable:
        number = min(self._at if at is None else at, len(self._lines) - 1) + 1
        return Unreadable(f"line {number} is not as DVC writes it: {why}")

    def _next(self) -> bool:
        """Go to the next line that says something."""
        while self._at < len(self._lines):
            bare = self._lines[self._at].strip(" ")
            if bare and not bare.startswith("#"):
                if bare.startswith("\t"):
                    raise self._odd("a tab is no indentation")
                return True
            self._at += 1
        return False

    def _indent(self) -> int:
        line = self._lines[self._at]
        return len(line) - len(line.lstrip(" "))

    def _block(self, above: int, deep: int) -> Any:
        """What is indented further than `above`."""
        if deep > _MOST_DEEP:
            raise self._odd("it is nested too deep")
        if not self._next() or self._indent() <= above:
            return None
        indent = self._indent()
        bare = self._lines[self._at][indent:]
        if _is_item(bare):
            return self._list(indent, deep)
        if self._key(bare) is not None:
            return self._mapping(indent, deep)
        self._at += 1
        return self._scalar(bare, above)

    def _list(self, indent: int, deep: int) -> list[Any]:
        found: list[Any] = []
        while self._next() and self._indent() == indent:
            line = self._lines[self._at]
            if not _is_item(line[indent:]):
                break
            rest = _unnamed(line[indent + 1 :])
            bare = rest.strip(" ")
            if not bare or bare.startswith("#"):
                self._at += 1
                found.append(self._block(indent, deep + 1))
            elif _is_item(bare) or self._key(bare) is not None:
                # What stands behind the dash is a block of its own, as deep as it stands there.
                self._lines[self._at] = " " * (indent + 1) + rest
                found.append(self._block(indent, deep + 1))
            else:
                self._at += 1
                found.append(self._scalar(bare, indent))
        return found

    def _mapping(self, indent: int, deep: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._next() and self._indent() == indent:
            bare = self._lines[self._at][indent:]
            split = self._key(bare)
            if split is None:
                raise self._odd("a key was expected")
            key, rest = split
            if key in found:
                raise self._odd(f"{key!r} stands there twice")
            self._at += 1
            rest = _unnamed(rest).strip(" ")
            if rest and not rest.startswith("#"):
                found[key] = self._scalar(rest, indent)
            elif self._next() and self._indent() == indent and _is_item(self._here(indent)):
                found[key] = self._list(indent, deep + 1)
            else:
                found[key] = self._block(indent, deep + 1)
        return found

    def _here(self, indent: int) -> str:
        return self._lines[self._at][indent:]

    def _key(self, bare: str) -> tuple[str, str] | None:
        """A key and what stands behind its colon; None where there is none."""
        if bare[:1] in ("'", '"'):
            end = _closed(bare, bare[0], 1)
            behind = bare[end:].lstrip(" ") if end else ""
            if not end or not re.match(r":([ \t]|$)", behind):
                return None
            return self._quoted(bare[:end]), behind[1:].strip(" ")
        match = _PLAIN_KEY.match(bare)
        if match is None or " #" in match[1]:
            return None
        return match[1], bare[match.end() :].strip(" ")

    def _scalar(self, first: str, above: int) -> Any:
        """A text that begins on the line before this one, and goes on while it is deeper."""
        begin = self._at - 1
        sign = first[0]
        if sign in ("'", '"'):
            return self._quoted_over(first, begin)
        if sign in "|>":
            self._take_deeper(above)
            return SKIPPED
        if sign in "[{":
            return self._flow(first, begin)
        if sign == "*":
            return SKIPPED
        if sign in "&!%@`#" or first.startswith(("- ", ": ", "? ")):
            raise self._odd(f"a value begins with {sign!r}", begin)
        lines = [_uncommented(first), *map(_uncommented, self._take_deeper(above))]
        if any(re.search(r":([ \t]|$)", line) for line in lines):
            raise self._odd("a colon in a text that is in no quotes", begin)
        return _value(_folded(lines))

    def _take_deeper(self, above: int) -> list[str]:
        found: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.strip(" ") and self._indent() <= above:
                break
            found.append(line.strip(" \t"))
            self._at += 1
        return found

    def _quoted_over(self, first: str, begin: int) -> str:
        lines = [first]
        end = _closed(first, first[0], 1)
        while not end:
            if self._at >= len(self._lines):
                raise self._odd("a quote that is never closed", begin)
            lines.append(self._lines[self._at].strip(" \t"))
            end = _closed(lines[-1], first[0], 0)
            self._at += 1
        behind = lines[-1][end:].strip(" \t")
        if behind and not behind.startswith("#"):
            raise self._odd("something stands behind a quote", begin)
        lines[-1] = lines[-1][:end]
        return self._quoted(lines, begin)

    def _quoted(self, text: str | list[str], begin: int | None = None) -> str:
        lines = [text] if isinstance(text, str) else text
        sign = lines[0][0]
        lines[0] = lines[0][1:]
        lines[-1] = lines[-1][:-1]
        if sign == "'":
            return _folded(lines).replace("''", "'")
        joined = _folded(lines, is_escaping=True)

        def unescape(match: re.Match[str]) -> str:
            digits = match[1] or match[2] or match[3]
            if digits:
                letter = chr(int(digits, 16))
                letter.encode()  # half of a pair is no letter
                return letter
            return _ESCAPES[match[4]]

        try:
            return _ESCAPE.sub(unescape, joined)
        except (KeyError, ValueError, OverflowError):
            raise self._odd("an escape that is none", begin) from None

    def _flow(self, first: str, begin: int) -> Any:
        """Brackets, up to the end of the line at which they are closed."""
        text, deep = first, 0
        while True:
            quote = ""
            for at, letter in enumerate(text):
                if quote:
                    quote = "" if letter == quote and text[at - 1] != "\\" else quote
                elif letter in "'\"":
                    quote = letter
                elif letter in "[{":
                    deep += 1
                elif letter in "]}":
                    deep -= 1
            if deep <= 0:
                break
            if self._at >= len(self._lines):
                raise self._odd("a bracket that is never closed", begin)
            text = self._lines[self._at]
            self._at += 1
        return {"[]": [], "{}": {}}.get(first.replace(" ", ""), SKIPPED)


def _is_item(bare: str) -> bool:
    return bare == "-" or bare.startswith("- ")


def _unnamed(rest: str) -> str:
    """Without an anchor, a name for what follows; nothing here asks for one."""
    return re.sub(r"^ *&[^ \t]+", lambda match: " " * len(match[0]), rest)


def _closed(text: str, sign: str, at: int) -> int:
    """Behind the closing quote; 0 where it is not on this line."""
    while at < len(text):
        if sign == '"' and text[at] == "\\":
            at += 2
            continue
        if text[at] == sign:
            if sign == '"' or text[at + 1 : at + 2] != "'":
                return at + 1
            at += 1
        at += 1
    return 0


def _uncommented(line: str) -> str:
    """A line of a plain text without the comment behind it."""
    if line.startswith("#"):
        return ""
    return re.split(r"[ \t]#", line, maxsplit=1)[0].strip(" ")


def _folded(lines: list[str], *, is_escaping: bool = False) -> str:
    """Lines as one text: a break is a space or, escaped, nothing, and each empty line a break."""
    parts = [lines[0]]
    blank = 0
    for at, line in enumerate(lines[1:], 1):
        last = parts[-1]
        slashes = len(last) - len(last.rstrip("\\"))
        if is_escaping and slashes % 2 and not blank:
            parts[-1] = last[:-1]
        elif line or at == len(lines) - 1:
            parts[-1] = last.rstrip(" \t")
            parts.append("\n" * blank or " ")
            blank = 0
        else:
            blank += 1
            continue
        parts.append(line)
    return "".join(parts)


def _value(text: str) -> str | None:
    text = text.strip(" \t")
    return None if text in ("", "~", "null") else text
