r"""A paper through latexmk: without the shell, without rc files, and its errors in few words.

What is compiled is the author's own TeX. All that it makes goes into `build`.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from samebit.report.paper.finding import Finding, near
from samebit.report.paper.settings import Paper

__all__ = ["BUILD", "Compiled", "compile_tex", "install_hint"]

BUILD = "build"
_ENGINES = {"pdflatex": "-pdf", "lualatex": "-pdflua", "xelatex": "-pdfxe"}
_TIMEOUT_S = 600
_ERROR = re.compile(
    r"^(?:! (?P<bare>.+)|(?:\./)?(?P<file>[^:\n]{1,300}):(?P<line>\d+): (?P<what>.+))$",
    re.MULTILINE,
)
_UNKNOWN_KEY = re.compile(r"unknown key in \\(?P<what>val|claim)\s*\{?(?P<key>[^\s}]*)")
_MISSING = re.compile(r"File `([^']+\.(?:sty|cls))' not found")
_MOST = 8


class Compiled(Struct, frozen=True):
    """Where the PDF is, if there is one, and what went wrong."""

    pdf: Path | None
    errors: tuple[Finding, ...] = ()


def install_hint() -> str:
    """What to install where there is no TeX."""
    return "install TeX Live with latexmk: apt-get install latexmk texlive-latex-extra"


def compile_tex(
    paper: Paper, tex: str, keys: Iterable[str], *, draft: bool = False, at_s: int | None = None
) -> Compiled | None:
    """Compile a file of the paper's folder; None where there is no latexmk.

    Args:
        paper: whose folder and engine it is.
        tex: the file, below the folder.
        keys: those that the text may use, to name near ones.
        draft: show `??` for a key that is not there, and go on.
        at_s: the time that the PDF is to say it was made at; equal sources then make equal bytes.
    """
    latexmk = shutil.which("latexmk")
    if latexmk is None or shutil.which(paper.engine) is None:
        return None
    argv = [
        latexmk,
        "-norc",
        _ENGINES[paper.engine],
        f"-outdir={BUILD}",
        "-interaction=nonstopmode",
    ]
    argv += ["-halt-on-error", "-file-line-error", "-latexoption=-no-shell-escape", "-silent"]
    if draft:
        argv.append(r"-usepretex=\def\samebitdraft{}")
    environ = {**os.environ, "max_print_line": "10000", "openout_any": "p", "TEXMFOUTPUT": ""}
    if at_s is not None:
        environ |= {"SOURCE_DATE_EPOCH": str(at_s)}
    stem = Path(tex).stem
    pdf = paper.folder / BUILD / f"{stem}.pdf"
    # A compilation that fails must not leave the PDF of an earlier one to be taken for its own.
    pdf.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [*argv, "-g", tex],
            cwd=paper.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        what = f"TeX was still at work after {_TIMEOUT_S // 60} minutes, and was ended"
        return Compiled(None, (Finding("error", tex, what),))
    if done.returncode == 0 and pdf.is_file():
        return Compiled(pdf)
    log = paper.folder / BUILD / f"{stem}.log"
    text = log.read_bytes().decode("utf-8", "replace") if log.is_file() else ""
    errors = list(_errors(text, list(keys)))
    if not errors:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        what = next(
            (line for line in said if "rror" in line), said[-1] if said else "no reason given"
        )
        errors = [
            Finding("error", tex, f"latexmk failed: {what}", f"its log is {BUILD}/{stem}.log")
        ]
    return Compiled(None, tuple(errors[:_MOST]))


def _errors(log: str, keys: list[str]) -> Iterator[Finding]:
    """Each complaint once; one without a place has that of the stop which it led to."""
    bare: list[str] = []
    for found in _ERROR.finditer(log):
        if found["bare"]:
            bare.append(found["bare"].strip())
            continue
        where, what = f"{found['file']}:{found['line']}", found["what"].strip()
        if "Fatal error" in what:
            continue
        said = bare if what.startswith("Emergency stop") else [*bare, what]
        yield from (Finding("error", where, one, _hint(one, keys)) for one in said)
        bare = []
    yield from (Finding("error", "", one, _hint(one, keys)) for one in bare)


def _hint(what: str, keys: list[str]) -> str:
    if unknown := _UNKNOWN_KEY.search(what):
        return near(unknown["key"], keys)
    if missing := _MISSING.search(what):
        return f"{missing[1]} is in a package of TeX Live that is not installed"
    if "Undefined control sequence" in what:
        return r"is \input{generated/values} before \begin{document}?"
    return ""
