r"""A paper as a Jinja template: `<< value >>`, `#< for … >#`, `#= a remark =#`.

These delimiters do not get in the way of TeX (they are those of ibab/fully-reproducible, whose
paper took its numbers from a script's variables; here they are those of recorded runs). What is not
defined is an error. The template runs in a sandbox, and every text that it puts in is escaped.
"""

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError
from samebit.report import latex
from samebit.report.paper.finding import near
from samebit.report.paper.making import Made
from samebit.report.paper.settings import GENERATED, Paper
from samebit.report.paper.values import Row, keys_of
from samebit.stats import Estimate

__all__ = ["render", "rendered_name"]


class _Tex(str):
    """What is TeX already."""

    __slots__ = ()


class _Values(Struct, frozen=True):
    r"""`val("key")` or `val["key"]`: the text that `\val{key}` has."""

    parts: Mapping[str, str]
    what: str = "value"

    def __call__(self, key: str) -> _Tex:
        """The text of a key."""
        if key not in self.parts:
            raise UsageError(f"unknown {self.what} {key!r}", hint=near(key, self.parts))
        return _Tex(self.parts[key])

    __getitem__ = __call__


def rendered_name(main: str) -> str:
    """Where the TeX that a template makes lies, below the paper's folder."""
    return f"{GENERATED}/{Path(main).name.removesuffix('.j2')}"


def render(paper: Paper, made: Made) -> str:
    """The TeX of a paper's template; UsageError names the line that cannot be rendered."""
    jinja = _jinja()
    environment = jinja.sandbox.ImmutableSandboxedEnvironment(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="#<",
        block_end_string=">#",
        comment_start_string="#=",
        comment_end_string="=#",
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja.StrictUndefined,
        loader=jinja.FileSystemLoader(paper.folder),
        finalize=lambda value: _as_tex(value, jinja),
    )
    environment.filters |= {"tex": _escaped, "number": _number, "error": _error, "raw": _Tex}
    try:
        text = environment.get_template(paper.main).render(_variables(made))
    except UsageError as error:
        raise _at(error.what, error, paper, error.hint) from error
    except jinja.TemplateNotFound as error:
        raise UsageError(f"{paper.main}: there is no file {error.name}") from error
    except jinja.TemplateSyntaxError as error:
        raise UsageError(f"{error.name or paper.main}:{error.lineno}: {error.message}") from error
    except Exception as error:  # whatever an expression of the template does
        raise _at(f"{error}", error, paper, None) from error
    return latex.comment(f"Made by samebit of {paper.main}; do not edit it.") + text


def _jinja() -> Any:
    try:
        import_module("jinja2.sandbox")  # an extra, for templates alone
        return import_module("jinja2")
    except ModuleNotFoundError as error:
        raise UsageError(
            "templates need Jinja2", hint="install it: pip install 'samebit[paper]'"
        ) from error


def _at(what: str, error: BaseException, paper: Paper, hint: str | None) -> UsageError:
    """An error with the line of the template in which it came up."""
    where, trace = paper.main, error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if "__jinja_exception__" in frame.f_globals:  # a line of a template, as Jinja shows it
            where = f"{Path(frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return UsageError(f"{where}: {what}", hint=hint)


def _variables(made: Made) -> dict[str, Any]:
    values = made.lock.values
    parts = {whole: values[key].parts[part] for whole, (key, part) in keys_of(values).items()}
    texts = {whole: one.text for whole, one in parts.items()}
    numbers = {whole: one.number for whole, one in parts.items() if one.number is not None}
    claims = {key: claim.text for key, claim in made.claims.items()}
    return {
        "val": _Values(texts),
        "exact": numbers,
        "claim": _Values(claims, "claim"),
        "runs": {name: [_nested(row) for row in one.rows] for name, one in made.selected.items()},
    }


def _nested(row: Row) -> dict[str, Any]:
    """`run.config.lr` and `run.metric["val/acc"]` of a flat row."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        group, dot, name = key.partition(".")
        if dot:
            inner = found.setdefault(group, {})
            if isinstance(inner, dict):
                inner[name] = value
        else:
            found[key] = value
    return found


def _as_tex(value: Any, jinja: Any) -> Any:
    if isinstance(value, (_Tex, jinja.Undefined)):
        return value  # the second raises by itself
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return latex.number(value)
    return "" if value is None else latex.escape(str(value))


def _escaped(value: object) -> _Tex:
    return _Tex(latex.escape(str(value)))


def _number(value: float, digits: int | None = None) -> _Tex:
    """A number; with so many decimals."""
    if digits is None or not math.isfinite(value):
        return _Tex(latex.number(value))
    return _Tex(latex.typeset(f"{value:.{digits}f}"))


def _error(value: float, half: float) -> _Tex:
    r"""A value and how sure it is, both to two digits of that: `$0.910 \pm 0.020$`."""
    return _Tex(latex.interval(Estimate(value, 1, "", "mean", value - half, value + half)))
