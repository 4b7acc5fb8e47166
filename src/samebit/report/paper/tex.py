r"""The TeX of a paper as far as it must be understood: its files, `\val{…}` in them, its sentences.

Nothing is run or expanded. What is no text of the paper (comments, verbatim, what `\iffalse` hides,
what stands behind `\end{document}`) becomes spaces, so that every place keeps its line. Bytes that
are no UTF-8 are read as Latin-1.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from samebit.errors import NotFound, UsageError

__all__ = ["Source", "Use", "blank", "read_sources", "uses"]

_LARGEST_BYTES = 20_000_000
_MOST_FILES = 2_000
_VERBATIM = r"verbatim\*?|Verbatim\*?|BVerbatim|LVerbatim|lstlisting|minted|comment|filecontents\*?"
# From left to right, since a % in \verb is none, and a \begin{verbatim} in a comment neither.
_NO_TEXT = re.compile(
    rf"""(?P<kept>\\(?![a-zA-Z]).)
      | (?P<verb>\\verb\*?(?P<quote>[^a-zA-Z\s*])[^\n]*?(?P=quote)
            | \\lstinline\s*(?P<bar>[|!+/])[^\n]*?(?P=bar))
      | (?P<environment>\\begin\s*\{{(?P<name>{_VERBATIM})\}}.*?\\end\s*\{{(?P=name)\}})
      | (?P<hidden>\\iffalse\b.*?\\fi\b)
      | (?P<behind>\\end\s*\{{document\}}.*)
      | (?P<comment>%[^\n]*)""",
    re.VERBOSE | re.DOTALL,
)
_REMARK = re.compile(r"#=.*?=#", re.DOTALL)
_TEMPLATE = re.compile(r"#<.*?>#|<<.*?>>", re.DOTALL)
_NOT_NEWLINE = re.compile(r"[^\n]")
_TYPED = re.compile(r"%\s*samebit:\s*typed\b(?P<all>\s+throughout\b)?", re.IGNORECASE)
_INCLUDED = re.compile(
    r"\\(?:input|include|subfile|InputIfFileExists)\s*(?:\{\s*([^{}]+?)\s*\}|([^\s{}\\]+))"
    r"|\\(?:sub)?import\*?\s*\{\s*([^{}]*?)\s*\}\s*\{\s*([^{}]+?)\s*\}"
)
_USE = re.compile(r"\\(val|claim)\s*\{\s*([^{}]*?)\s*\}")
_USE_IN_TEMPLATE = re.compile(r"""\b(val|claim)(?:\s*\(|\s*\[)\s*["']([^"']*)["']""")


class Source(Struct, frozen=True, dict=True):
    """One file of a paper."""

    name: str  # below the paper's folder
    text: str
    template: bool = False

    @cached_property
    def masked(self) -> str:
        """The text with spaces for what is no text of the paper."""
        text = blank(self.text, _REMARK) if self.template else self.text
        return blank(text, _NO_TEXT, keep=lambda found: found["kept"] is not None)

    @cached_property
    def prose(self) -> str:
        """The same without what only a template reads."""
        return blank(self.masked, _TEMPLATE) if self.template else self.masked

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(r"\n", self.text))]

    def line(self, at: int) -> int:
        """The number of the line that a place lies in."""
        return bisect_right(self._lines, at)

    @cached_property
    def typed(self) -> frozenset[int]:
        """Lines that say their numbers are typed on purpose: `% samebit: typed`.

        With the word `throughout` one line says it of the whole file.
        """
        said = list(_TYPED.finditer(self.text))
        if any(found["all"] for found in said):
            return frozenset(range(1, len(self._lines) + 1))
        return frozenset(self.line(found.start()) for found in said)


class Use(Struct, frozen=True):
    r"""A `\val{key}` or `\claim{key}` and where it stands."""

    what: str  # val | claim
    key: str
    file: str
    line: int


def blank(
    text: str, pattern: "re.Pattern[str]", keep: Callable[["re.Match[str]"], bool] | None = None
) -> str:
    """Spaces for what a pattern finds, and every line as long as it was."""

    def spaces(found: "re.Match[str]") -> str:
        if keep is not None and keep(found):
            return found[0]
        return _NOT_NEWLINE.sub(" ", found[0])

    return pattern.sub(spaces, text)


def read_sources(
    folder: Path, main: str, generated: str, *, template: bool = False
) -> list[Source]:
    """The main file and every file that it takes in, each once; none of those we generate.

    A file that is taken in and is not there is passed over: TeX says so itself.

    Raises:
        NotFound: the main file is not there.
        UsageError: it has more files than a paper can have.
    """
    found: dict[str, Source] = {}
    waiting = [main]
    while waiting:
        name = waiting.pop(0)
        path = folder / name
        if name in found or Path(name).parts[:1] == (generated,):
            continue
        text = _text_of(path)
        if text is None:
            if name == main:
                raise NotFound(
                    f"there is no {main}", path=path, hint='main = "…" in samebit.toml names it'
                )
            continue
        found[name] = source = Source(name, text, template=template)
        if len(found) > _MOST_FILES:
            raise UsageError(f"{main} takes in more than {_MOST_FILES} files", path=path)
        waiting += [one for one in _taken_in(folder, source) if one not in found]
    return list(found.values())


def _text_of(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            return None
        data = path.read_bytes()
    except (OSError, ValueError):  # a name with a NUL is none
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _taken_in(folder: Path, source: Source) -> Iterator[str]:
    for found in _INCLUDED.finditer(source.masked):
        name = found[1] or found[2] or f"{found[3]}/{found[4]}"
        for candidate in (f"{name}.tex", name):
            path = Path(candidate)
            if path.is_absolute() or ".." in path.parts:
                continue  # not of this folder: it cannot be handed in either
            if (folder / path).is_file():
                yield path.as_posix()
                break


def uses(sources: Iterable[Source]) -> list[Use]:
    r"""Every `\val` and `\claim`, in the order of reading."""
    found: list[Use] = []
    for source in sources:
        patterns = [_USE, _USE_IN_TEMPLATE] if source.template else [_USE]
        hits = [one for pattern in patterns for one in pattern.finditer(source.masked)]
        for one in sorted(hits, key=lambda hit: hit.start()):
            if "#" not in one[2]:  # the parameter of a macro of the author's
                found.append(Use(one[1], one[2], source.name, source.line(one.start())))
    return found
