"""Tables word for word, in every form, and compiled: what a paper has printed stays so."""

import os
import re
from pathlib import Path

import pytest

from samebit.report.tables import (
    Options,
    Table,
    make,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
)
from tests.report.tables.rows import settings, study
from tests.typeset import needs_tex, on_the_page

FOLDER = Path(__file__).parent / "tables"
FORMS = {
    ".tex": lambda table: to_latex(table, made_by="samebit table …"),
    ".plain.tex": lambda table: to_latex(table, plain=True, made_by="samebit table …"),
    ".md": to_markdown,
    ".html": to_html,
    ".csv": to_csv,
    ".json": to_json,
}
SEARCH = settings(
    search={"optim": {"lr": {"space": "LogUniform[1e-5, 1e-2]", "sampler": "random"}}},
)
TABLES: dict[str, tuple[str, Options]] = {
    "parameters": ("parameters", Options()),
    "parameters-methods": (
        "parameters",
        Options(group=("method",), caption="Settings of both methods", label="tab:settings"),
    ),
    "parameters-blocks": ("parameters", Options(group=("task", "method"))),
    "parameters-rows": ("parameters", Options(group=("task",), transpose=True)),
    "results": ("results", Options(group=("method", "task"))),
    "results-tested": ("results", Options(group=("method", "task"), test="wilcoxon")),
    "results-across": ("results", Options(group=("method",), transpose=True, how="sd")),
    "search": ("search", Options(metrics=("acc",), group=("task",), settings=SEARCH)),
    "supplement": ("supplement", Options()),
    "compute": ("compute", Options(group=("method",))),
    "seeds": ("seeds", Options(group=("method",))),
    "data": ("data", Options()),
    "runs": ("runs", Options(columns=("method", "task", "seed", "acc"))),
}


# Every table as LaTeX and as Markdown, and those that have something of everything in all forms.
WHOLE = ("parameters-methods", "results-tested", "search", "runs")
FILES = [
    (name, form) for name in TABLES for form in FORMS if form in (".tex", ".md") or name in WHOLE
]


def table(name: str) -> Table:
    shape, options = TABLES[name]
    return make(shape, study(), options)


@pytest.mark.parametrize(("name", "form"), FILES)
def test_a_table_is_word_for_word_what_it_was(name: str, form: str) -> None:
    """With SAMEBIT_WRITE_GOLDEN=1 they are written anew; the difference is then to be read."""
    file = FOLDER / (name + form)
    written = FORMS[form](table(name))
    if os.environ.get("SAMEBIT_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_bytes(written.encode())
    assert file.read_bytes().decode() == written


def test_no_golden_table_is_left_over() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {name + form for name, form in FILES}


@needs_tex
@pytest.mark.parametrize("form", [".tex", ".plain.tex"])
def test_every_golden_table_compiles_in_an_ordinary_document(form: str, tmp_path: Path) -> None:
    r"""By `\input`, with the packages that its header asks for and no others."""
    packages: dict[str, None] = {}
    names = [name for name, other in FILES if other == form]
    for name in names:
        text = (FOLDER / (name + form)).read_text(encoding="utf-8")
        needs = re.search(r"^% needs: \\usepackage\{(.+)\}$", text, flags=re.MULTILINE)
        assert needs is not None
        packages |= dict.fromkeys(needs[1].split(","))
        (tmp_path / f"{name}.tex").write_text(text, encoding="utf-8")
    assert ("siunitx" in packages) == (form == ".tex")
    body = "\n\n".join(f"\\section*{{{name}}}\\input{{{name}}}" for name in names)
    page = on_the_page(body, tmp_path, [f"{{{package}}}" for package in packages])
    page = " ".join(page.split())
    assert "0.940 ± 0.025" in page
    assert "linear warm-up 500 steps" in page
    assert "3 pairs cannot be significant" in page
    assert "Table 1: Settings of both methods" in page
