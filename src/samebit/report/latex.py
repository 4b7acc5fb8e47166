r"""Text, numbers and estimates as LaTeX, of which a stranger's text can be no command.

What comes out is ASCII that every engine and font encoding knows: letters with accents, Greek and
common signs are written as commands, any other character by its number (`U+4E2D`), since an unknown
one stops pdfLaTeX and a font without it leaves a gap. It may stand anywhere in running text, also
first in a row of a table, where a bare `[` or `*` would be an option of `\\`.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from samebit.report.numerals import numeral
from samebit.report.table import visible

if TYPE_CHECKING:
    from samebit.stats import Estimate

__all__ = ["bare", "comment", "escape", "interval", "number", "numbers_in", "typeset"]

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "#": r"\#",
    "%": r"\%",
    "&": r"\&",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Babel makes commands of a bare `"` and backquote in some languages.
    '"': r"\symbol{34}",
    "`": r"\symbol{96}",
    # First in a row these would be options of the `\\` before.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\u00a0": "~",
    "\u00ad": r"\-",
    "\u2010": "-",
    "\u2011": r"\mbox{-}",
    "\u2013": r"\textendash{}",
    "\u2014": r"\textemdash{}",
    "\u2018": r"\textquoteleft{}",
    "\u2019": r"\textquoteright{}",
    "\u201c": r"\textquotedblleft{}",
    "\u201d": r"\textquotedblright{}",
    "\u2026": r"\ldots{}",
    "\u2022": r"\textbullet{}",
    "\u2020": r"\dag{}",
    "\u2021": r"\ddag{}",
    "¡": r"\textexclamdown{}",
    "¿": r"\textquestiondown{}",
    "£": r"\pounds{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "©": r"\copyright{}",
    "®": r"\textregistered{}",
    "™": r"\texttrademark{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ß": r"\ss{}",
    "å": r"\aa{}",
    "Å": r"\AA{}",
    "ı": r"\i{}",
    "ȷ": r"\j{}",
}
_MATHS = {
    "«": r"\ll",
    "»": r"\gg",
    "×": r"\times",
    "÷": r"\div",
    "±": r"\pm",
    "∓": r"\mp",
    "·": r"\cdot",
    "¬": r"\neg",
    "°": r"^{\circ}",
    "−": "-",
    "∗": r"\ast",
    "∞": r"\infty",
    "≤": r"\leq",
    "≥": r"\geq",
    "≠": r"\neq",
    "≈": r"\approx",
    "≡": r"\equiv",
    "∼": r"\sim",
    "∝": r"\propto",
    "∈": r"\in",
    "∉": r"\notin",
    "∅": r"\emptyset",
    "∩": r"\cap",
    "∪": r"\cup",
    "⊂": r"\subset",
    "⊆": r"\subseteq",
    "∀": r"\forall",
    "∃": r"\exists",
    "∂": r"\partial",
    "∇": r"\nabla",
    "√": r"\surd",
    "∑": r"\sum",
    "∏": r"\prod",
    "∫": r"\int",
    "⊕": r"\oplus",
    "⊗": r"\otimes",
    "⊙": r"\odot",
    "∘": r"\circ",
    "←": r"\leftarrow",
    "→": r"\rightarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "↔": r"\leftrightarrow",
    "⇒": r"\Rightarrow",
    "⇐": r"\Leftarrow",
    "⟨": r"\langle",
    "⟩": r"\rangle",
    "ℓ": r"\ell",
    "µ": r"\mu",
    "ο": "o",
    "ϵ": r"\epsilon",
    "ε": r"\varepsilon",
    "φ": r"\varphi",
    "ϕ": r"\phi",
    "ς": r"\varsigma",
    "ϑ": r"\vartheta",
    "ϱ": r"\varrho",
    **{digit: f"^{{{at}}}" for at, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "⁻": "^{-}",
    "⁺": "^{+}",
    **{digit: f"_{{{at}}}" for at, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")},
}
_GREEK = (
    "alpha beta gamma delta zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon chi "
    "psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0331": "b",
}
_LIGATURES = frozenset("-',")  # `--` would be a dash, `''` a quote, `,,` a low one in some fonts
_WITH_EXPONENT = re.compile(r"(?<![\w.^-])-?[0-9]+(?:\.[0-9]+)?e-?[0-9]+(?![\w.])")
_ENOUGH_DIGITS = 5  # from which on an integer has thin spaces


def escape(text: str) -> str:
    """A text as it reads; its control characters and those that turn the line stand as escapes."""
    pieces: list[str] = []
    signs: list[str] = []
    before = ""
    for character in visible(text):
        if (sign := _SIGNS.get(character)) is not None:
            signs.append(sign)
            continue
        pieces += [_formula(signs), "{}" * (character == before and character in _LIGATURES)]
        pieces.append(_character(character))
        signs, before = [], character
    return "".join([*pieces, _formula(signs)])


def _formula(signs: Sequence[str]) -> str:
    r"""Signs as one formula; of two exponents in a row TeX makes an error."""
    found = last = ""
    for sign in signs:
        if sign[:2] == last[:2] and sign[0] in "^_":
            found = found[:-1] + sign[2:]
        else:
            found += "{}" * (sign[0] in "^_" and last[:1] in ("^", "_"))
            found += " " * (sign[0].isalpha() and bool(last)) + sign
        last = sign
    return rf"\ensuremath{{{found}}}" if found else ""


def _character(character: str) -> str:
    if (known := _COMMANDS.get(character)) is not None:
        return known
    if character.isascii():
        return character
    base, *marks = unicodedata.normalize("NFD", character)
    if len(marks) == 1 and base.isascii() and base.isalpha() and marks[0] in _ACCENTS:
        dotless = rf"\{base}{{}}" if base in "ij" and marks[0] not in "\u0323\u0327\u0331" else base
        return rf"\{_ACCENTS[marks[0]]}{{{dotless}}}"
    return f"U+{ord(character):04X}"


def _letters() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _GREEK.split():
        case = "CAPITAL" if name[0].isupper() else "SMALL"
        spelled = name.upper().replace("LAMBDA", "LAMDA")
        found[unicodedata.lookup(f"GREEK {case} LETTER {spelled}")] = f"\\{name}"
    return found


_SIGNS = _MATHS | _letters()


def number(value: float) -> str:
    r"""A number in a text: `$3\times10^{-4}$`, `$10^{-4}$`, `0.999`, `65\,536`."""
    if not isinstance(value, int) and not math.isfinite(value):
        return {math.inf: r"$\infty$", -math.inf: r"$-\infty$"}.get(value, "NaN")
    return typeset(numeral(value))


def typeset(digits: str) -> str:
    """A decimal number in the language of LaTeX."""
    plain = bare(digits)
    return f"${plain}$" if "\\times" in plain or plain.startswith(("-", "10^")) else plain


def bare(digits: str) -> str:
    """The same, as it stands inside of a formula."""
    mantissa, e, exponent = digits.partition("e")
    if e:
        power = f"10^{{{int(exponent)}}}"
        sign = "-" if mantissa.startswith("-") else ""
        return sign + power if mantissa.lstrip("-") == "1" else rf"{mantissa}\times{power}"
    whole, point, fraction = digits.partition(".")
    if len(whole.lstrip("-")) >= _ENOUGH_DIGITS and whole.lstrip("-").isdecimal():
        whole = f"{int(whole):,}".replace(",", r"\,")
    return whole + point + fraction


def interval(estimate: "Estimate") -> str:
    r"""An estimate in a text: `$0.910 \pm 0.020$`, or `$0.980$ $[0.920, 0.990]$`."""
    digits = estimate.digits()
    if digits.half is not None:
        return rf"${bare(digits.value)} \pm {bare(digits.half)}$"
    if digits.low is None or digits.high is None:
        return typeset(digits.value)
    return f"${bare(digits.value)}$ $[{bare(digits.low)}, {bare(digits.high)}]$"


def numbers_in(text: str) -> str:
    """A sentence about numbers, escaped, in which `3e-4` is set as a number."""
    pieces: list[str] = []
    at = 0
    for found in _WITH_EXPONENT.finditer(text):
        pieces += [escape(text[at : found.start()]), typeset(found[0])]
        at = found.end()
    return "".join([*pieces, escape(text[at:])])


def comment(text: str) -> str:
    """Any text as lines of a comment; none of it can begin a line of its own."""
    lines = (visible(line).encode("ascii", "backslashreplace") for line in text.split("\n"))
    return "".join(f"% {line.decode()}".rstrip() + "\n" for line in lines)
