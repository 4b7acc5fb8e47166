r"""`generated/values.tex`: `\val` and `\claim` with everything they stand for, in plain TeX.

It needs no package and no shell. `\val` expands to its text alone, so that it may stand in a title,
a bookmark, a table, or in `\num{\val{…}}`; a key that is not there is an error that stops the
compilation, and with `\samebitdraft` defined a red `??`.
"""

from collections.abc import Mapping

from samebit.digest import short
from samebit.report import latex
from samebit.report.paper.claims import Claim
from samebit.report.paper.values import Value
from samebit.report.table import few

__all__ = ["HEAD", "values_tex"]

HEAD = "Made by samebit of recorded runs. `samebit paper build` writes it anew; do not edit it."
_SHOWN_RUNS = 8

_MACROS = r"""
\def\samebitset#1#2#3{\expandafter\gdef\csname samebit/#1/\detokenize{#2}\endcsname{#3}}
\newcommand*{\val}[1]{\ifcsname samebit/val/\detokenize{#1}\endcsname
  \csname samebit/val/\detokenize{#1}\expandafter\endcsname
  \else\samebitunknown{val}{#1}\fi}
\newcommand*{\claim}[1]{\ifcsname samebit/claim/\detokenize{#1}\endcsname
  \csname samebit/claim/\detokenize{#1}\expandafter\endcsname
  \else\samebitunknown{claim}{#1}\fi}
\protected\def\samebitunknown#1#2{\ifdefined\samebitdraft
  \ifdefined\textcolor\textcolor{red}{\textbf{??}}\else\textbf{??}\fi
  \else\PackageError{samebit}{unknown key in \expandafter\string\csname #1\endcsname
    {\detokenize{#2}}}{It is not in generated/values.tex. Is it in samebit.toml,^^J%
    and has `samebit paper build' been run since?}\textbf{??}\fi}
"""


def values_tex(
    values: Mapping[str, Value], claims: Mapping[str, Claim], records: Mapping[str, str]
) -> str:
    """The whole file; `records` are the digests of the runs' records."""
    lines = [latex.comment(f"{HEAD}\nHow each came about is in values.json, too."), _MACROS]
    for key, value in sorted(values.items()):
        runs = few([f"{run} ({short(records[run])})" for run in value.runs], _SHOWN_RUNS)
        said = "; ".join([value.method, *value.notes]).replace("±", "+-")
        left_out = "; ".join(f"without {run}: {why}" for run, why in value.left_out[:_SHOWN_RUNS])
        lines.append("\n" + latex.comment(f"{key}: {said}\nruns: {runs or 'none'}"))
        if left_out:
            lines.append(latex.comment(left_out))
        number = value.parts[""].number
        if number is not None:
            lines.append(latex.comment(f"exactly {number!r}"))
        for part, one in sorted(value.parts.items()):
            whole = f"{key}/{part}" if part else key
            lines.append(f"\\samebitset{{val}}{{{whole}}}{{{one.text}}}%\n")
    for key, claim in sorted(claims.items()):
        lines.append(f"\\samebitset{{claim}}{{{key}}}{{{claim.text}}}%\n")
    return "".join(lines)
