"""Real compilation: a document through pdfLaTeX, and what can be read on its pages."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["HOSTILE", "needs_tex", "on_the_page"]

# What a stranger may have called a setting: commands, ends of things, and every alphabet.
HOSTILE = [
    r"\input{/etc/passwd}",
    r"\immediate\write18{touch pwned}",
    r"\end{document}",
    r"\end{tabular}\def\x{",
    "^^5cinput{/etc/passwd}",
    r"100% of $x_1^2$ & #1 ~ {a} \\ [b] * <c> | `d` \"e\" 'f' ''g'' --h--",
    "two\nlines\r\nand\ttabs\x00\x1b[31m",
    "\u202eright to left\u202c \u05d0\u05d1\u05d2 \u0627\u0644",
    "caf\u00e9 na\u00efve \u0142\u00f3d\u017a \u015a \u00ef \u0130 \u01f0 \u1ebf \u0105",
    "\u4e2d\u6587 \U0001f600 \ufb01 \u2028 \ud800 \u200b \ufeff \ue000 \u0301",
    "\u03bb \u03b1\u0392\u03c9 \u00d7 \u00b1 \u2264 \u2192 \u221e 10\u207b\u2074 x\u2081 \u00b5",
    "[5cm]",
    "*",
    "",
    " ",
    "%",
    "\\",
]

_PROGRAMS = ("pdflatex", "pdftotext")
_MISSING = [program for program in _PROGRAMS if shutil.which(program) is None]
if not _MISSING:
    styles = ("booktabs.sty", "siunitx.sty", "longtable.sty")
    found = subprocess.run(["kpsewhich", *styles], capture_output=True, text=True, check=False)
    _MISSING += [style for style in styles if style not in found.stdout]
needs_tex = pytest.mark.skipif(
    bool(_MISSING), reason=f"needs TeX Live and Poppler: no {', '.join(_MISSING)} here"
)


def on_the_page(body: str, folder: Path, packages: Sequence[str] = ()) -> str:
    """The words of the pages that a body makes; an error of TeX fails the test with its line."""
    loaded = "".join(f"\\usepackage{package}\n" for package in packages)
    source = f"\\documentclass{{article}}\n{loaded}\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (folder / "page.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "page.tex"]
    for _ in range(1 + ("longtable" in body)):  # its columns have their widths in the second pass
        run = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
        said = run.stdout.decode("utf-8", "replace")
        assert run.returncode == 0, said[said.find("\n!") :][:1500]
        assert "Missing character" not in (folder / "page.log").read_text(errors="replace")
    read = ["pdftotext", "-layout", "page.pdf", "-"]
    return subprocess.run(read, cwd=folder, capture_output=True, check=True, text=True).stdout
