"""Tables for papers: runs become a `Table` by `make`, and a table a text by `to_…`.

table = make("results", rows, Options(group=("lr",)))
Path("results.tex").write_text(to_latex(table))
"""

from samebit.report.tables.data_forms import to_csv, to_json
from samebit.report.tables.grouped import grouped
from samebit.report.tables.latex_form import to_latex
from samebit.report.tables.making import make
from samebit.report.tables.options import SHAPES, Options
from samebit.report.tables.settings import Settings
from samebit.report.tables.text_forms import to_html, to_markdown
from samebit.report.tables.values import Table

__all__ = [
    "SHAPES",
    "Options",
    "Settings",
    "Table",
    "grouped",
    "make",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
]
