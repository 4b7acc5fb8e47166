r"""Numbers that somebody typed into a paper: which a run has, and which contradict one.

A number *equals* a record if a recorded number, rounded to as many digits, is the same. It must
have three digits that count; two are enough with a point or a percent sign, where its sentence
names the metric. It *contradicts* one if its sentence names the metric and cites nobody, and it
lies within 5 % of the value or within its interval, without being any recorded number. Years,
references, lengths, names such as ResNet-50, what stands before the document, in pictures and in
displayed formulas are no numbers of a result; neither is the level of an interval, as in `95 % t
interval`. `% samebit: typed` at the end of a line says that its numbers are meant so, and with
`throughout` those of the file.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from samebit.report.paper.finding import Finding
from samebit.report.paper.making import Made
from samebit.report.paper.settings import Paper
from samebit.report.paper.tex import Source, blank
from samebit.report.paper.values import Selected
from samebit.report.results import result

__all__ = ["Numeral", "numerals", "typed_numbers"]

_NEAR = 0.05  # of a value: what lies as near is taken to be meant for it
_ENOUGH = 3  # digits by which a number is hardly another one by chance
_MOST_METRICS = 40  # of a selection, whose means are compared without being values

_NO_RESULTS = (
    r"tikzpicture|axis|thebibliography|equation\*?|align\*?|gather\*?|multline\*?|algorithmic|"
    r"algorithm\*?"
)
# Commands by how many of their arguments are no text, options aside.
_ARGUMENTS = {
    1: r"[a-zA-Z]*cite[a-zA-Z]*|[a-zA-Z]*ref|label|include(?:graphics|only|pdf)?|input|subfile|"
    r"[vh]space|usepackage|RequirePackage|documentclass|bibliography(?:style)?|url|href|begin|end|"
    r"pagestyle|thispagestyle|bibitem|multicolumn|c?cmidrule|cline|hypersetup|geometry|textcolor|color|"
    r"scalebox|hyperlink|hypertarget|graphicspath|newcounter|val|claim|date|vskip|pgfplotsset",
    2: r"setlength|addtolength|setcounter|addtocounter|rule|raisebox|multirow|resizebox|fontsize|"
    r"titlespacing|parbox|makebox|import|subimport",
    3: r"definecolor",
}
_HIDDEN = re.compile(
    rf"\\begin\s*\{{(?P<env>{_NO_RESULTS})\}}.*?\\end\s*\{{(?P=env)\}}"
    + "".join(
        rf"|\\(?:{names})\*?(?![a-zA-Z])(?:\s*(?:\[[^\]]*\]|\([^)]*\)))*(?:\s*\{{[^{{}}]*\}}){{0,{count}}}"
        for count, names in _ARGUMENTS.items()
    )
    + r"|\\\\\s*\[[^\]]*\]|\\(?:new|renew|provide)command\*?\s*\{[^{}]*\}(?:\[[^\]]*\])*",
    re.DOTALL,
)
_BEFORE_THE_DOCUMENT = re.compile(r"\A.*?\\begin\s*\{document\}", re.DOTALL)
_NUMERAL = re.compile(
    r"""(?<![A-Za-z0-9_.\\@])(?<![A-Za-z]-)(?<![\^_])(?<![\^_]\{)(?<![\^_]\{-)
    (?P<sign>(?<![-\d])[-−])?
    (?P<digits>\d{1,3}(?:(?:,|\\,|\{,\})\d{3})+(?:\.\d+)? | \d+\.\d+ | \d+ | \.\d+)
    (?:[eE](?P<e>[-+]?\d+) | \s*(?:\\times|\\cdot)\s*10\s*\^\s*\{?\s*(?P<power>[-−]?\d+)\s*\}?)?
    (?P<percent>\}?\$?(?:\s|\\,|~|\\;)*(?:\\%|\\percent\b|percent\b))?
    (?![\d]|\.\d|[A-Za-z]|-[A-Za-z]|\s*(?:pt|cm|mm|em|ex|in|bp|pc|sp)\b
       |\s*\\(?:line|text|column|page|paper)(?:width|height))""",
    re.VERBOSE,
)
_NAMED_BEFORE = re.compile(
    r"(?:sec(?:tion|t)?|fig(?:ure)?|tab(?:le)?|eq(?:uation)?|chap(?:ter)?|app(?:endix)?|alg(?:orithm)?|"
    r"theorem|lemma|page|pp?|part|step|version|line|item|footnote|python|cuda|seeds?)s?\.?[~\s(]*\Z",
    re.IGNORECASE,
)
_LEVEL = re.compile(
    r"[\s~}$-]*(?:[a-z]+[\s~-]+){0,2}(?:interval|confidence|credible|CIs?\b|band|quantile|percentile)",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(r"[.!?](?=\s)|\n[ \t]*\n|\\\\|\\(?:item|section|paragraph|caption)\b")
_CITES = re.compile(r"\\[a-zA-Z]*cite[a-zA-Z]*\b")
_WORD = re.compile(r"[a-z0-9]+")
_GENERIC = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "eval", "dev", "mean", "best"}
    | {"final", "last", "epoch", "avg", "average", "metric", "score", "rate", "the", "of", "at"}
)
_ALSO = {
    "acc": ("accuracy", "accuracies"),
    "accuracy": ("acc", "accuracies"),
    "err": ("error", "errors"),
    "error": ("errors", "err"),
    "loss": ("losses",),
    "ppl": ("perplexity",),
    "perplexity": ("ppl",),
    "prec": ("precision",),
    "rec": ("recall",),
    "reward": ("rewards", "return", "returns"),
    "return": ("returns", "reward", "rewards"),
}


class Numeral(Struct, frozen=True):
    """A number as it was typed."""

    text: str
    at: int
    value: float
    unit: float  # of its last digit
    percent: bool
    significant: int  # digits that count
    has_point: bool

    @property
    def is_telling(self) -> bool:
        """Whether it is written as results are: with a point or a percent sign."""
        return self.significant >= 2 and (self.has_point or self.percent)


class _Recorded(Struct, frozen=True):
    """A number that runs have, and what to write for it."""

    number: float
    says: str  # what it is
    write: str
    percent: bool = False
    words: frozenset[str] = frozenset()  # of the metric
    is_itself: bool = False  # a value, and nothing that is said of one
    near: float = 0.0


def typed_numbers(paper: Paper, made: Made, sources: Sequence[Source]) -> Iterator[Finding]:
    """Typed numbers that a run has, and those that contradict one."""
    recorded = [*_values(paper, made), *_means(paper, made.selected)]
    recorded.sort(key=lambda each: not each.is_itself)
    for source in sources:
        ends = [0, *(found.end() for found in _SENTENCE_ENDS.finditer(source.prose))]
        for one in numerals(source):
            line = source.line(one.at)
            if line in source.typed:
                continue
            at = bisect_right(ends, one.at)
            sentence = source.prose[ends[at - 1] : ends[at] if at < len(ends) else None]
            words = frozenset(_WORD.findall(sentence.lower()))
            where = f"{source.name}:{line}"
            same = next((each for each in recorded if _equals(one, each, words)), None)
            if same is not None:
                what = f"{one.text} was typed, and is {same.says}"
                yield Finding("warning", where, what, f"write {same.write}")
                continue
            cites = _CITES.search(sentence) is not None
            other = None if cites else _contradicted(one, words, recorded)
            if other is not None:
                what = f"{one.text} was typed, and {other.says} is {_shown(one, other)}"
                hint = f"write {other.write}, or end the line with % samebit: typed"
                yield Finding("error", where, what, hint)


def numerals(source: Source) -> Iterator[Numeral]:
    """The numbers in the sentences and cells of a file that might be results."""
    text = blank(blank(source.prose, _BEFORE_THE_DOCUMENT), _HIDDEN)
    for found in _NUMERAL.finditer(text):
        digits = re.sub(r"[^\d.]", "", found["digits"])
        before = text[max(0, found.start() - 24) : found.start()]
        if _NAMED_BEFORE.search(before) or (not found["percent"] and _is_year(digits)):
            continue
        if found["percent"] and _LEVEL.match(text, found.end()):
            continue
        exponent = int((found["e"] or found["power"] or "0").replace("−", "-"))
        if abs(exponent) > 300 or len(digits) > 40:
            continue
        fraction = digits.partition(".")[2]
        plain = digits.replace(".", "").lstrip("0")
        significant = len(plain if fraction else plain.rstrip("0"))
        yield Numeral(
            " ".join(found[0].split()).strip("$}"),
            found.start("digits"),
            float(f"{'-' if found['sign'] else ''}{digits}e{exponent}"),
            10.0 ** (exponent - len(fraction)),
            found["percent"] is not None,
            significant,
            bool(fraction) or exponent != 0,
        )


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits[:2] in ("19", "20")


def _values(paper: Paper, made: Made) -> Iterator[_Recorded]:
    for key, value in made.lock.values.items():
        asked = paper.values[key]
        for name, part in value.parts.items():
            if part.number is None or not math.isfinite(part.number) or name in ("n", "all"):
                continue
            whole = f"{key}/{name}" if name else key
            is_itself = bool(not name and asked.metric and not asked.minus)
            half = value.parts["half"].number if is_itself and "half" in value.parts else None
            yield _Recorded(
                part.number,
                whole,
                f"\\val{{{whole}}}",
                asked.percent and name != "p",
                words=_words(asked.metric),
                is_itself=is_itself,
                near=max(_NEAR * abs(part.number), half or 0.0),
            )


def _means(paper: Paper, selected: Mapping[str, Selected]) -> Iterator[_Recorded]:
    """Means that are no values yet."""
    known = {(one.of, one.metric) for one in paper.values.values()}
    for of, one in selected.items():
        finished = [row for row in one.rows if row.get("state") == "finished"]
        names = dict.fromkeys(
            key[7:] for row in finished for key in row if key.startswith("metric.")
        )
        for metric in [name for name in names if (of, name) not in known][:_MOST_METRICS]:
            numbers = [row.get(f"metric.{metric}") for row in finished]
            if not all(type(x) in (int, float) for x in numbers if x is not None):
                continue
            estimate = result(finished, metric).estimate
            if estimate is not None:
                write = f'a value: "{of}/{metric}" = {{ of = "{of}", metric = "{metric}" }}'
                says = f"the mean of {metric} over {of}"
                yield _Recorded(estimate.value, says, write)


def _words(metric: str) -> frozenset[str]:
    own = [word for word in _WORD.findall(metric.lower().replace("_", " ")) if word not in _GENERIC]
    return frozenset({*own, *(other for word in own for other in _ALSO.get(word, ()))})


def _scales(one: Numeral, recorded: _Recorded) -> tuple[float, ...]:
    """By what a recorded number is written larger: a share of 0.91 is 91 %, and also 0.91."""
    if one.percent:
        return (100.0,)
    return (100.0, 1.0) if recorded.percent else (1.0,)


def _equals(one: Numeral, recorded: _Recorded, words: frozenset[str]) -> bool:
    if one.significant < _ENOUGH and not (one.is_telling and recorded.words & words):
        return False
    off = min(abs(recorded.number * s - one.value) for s in _scales(one, recorded))
    return off <= one.unit / 2 * (1 + 1e-9)


def _contradicted(
    one: Numeral, words: frozenset[str], recorded: Sequence[_Recorded]
) -> _Recorded | None:
    """The value that a number was meant for, of those whose metric its sentence names."""
    if not one.is_telling:
        return None
    near = [
        (abs(other.number * scale - one.value) / scale, at, other)
        for at, other in enumerate(recorded)
        if other.is_itself and other.words & words
        for scale in _scales(one, other)
        if abs(other.number * scale - one.value) <= other.near * scale
    ]
    return min(near)[2] if near else None


def _shown(one: Numeral, recorded: _Recorded) -> str:
    """A recorded number with one digit more than was typed."""
    places = max(0, 1 - round(math.log10(one.unit)))
    value = min(
        (recorded.number * s for s in _scales(one, recorded)), key=lambda x: abs(x - one.value)
    )
    return f"{value:.{places}f}" if places < 12 else f"{value:.4g}"
