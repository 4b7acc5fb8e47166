"""Real compilation: a document through pdfLaTeX, and what can be read on its pages."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["needs_tex", "on_the_page"]

_PROGRAMS = ("pdflatex", "pdftotext")
_MISSING = [program for program in _PROGRAMS if shutil.which(program) is None]
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
