r"""A filled checklist as Markdown, LaTeX and JSON.

LaTeX has the macros of NeurIPS' style (`\answerTODO{}`, `\justificationTODO{}`), and gives them a
plain meaning where the style is not used. It answers nothing: what is proposed stands in a comment
above the answer, and what records show below it, to be turned into a justification by whoever
signs.
"""

from collections.abc import Iterator, Sequence

from msgspec import structs

from samebit.digest import canonical_json
from samebit.report.checklist.items import Answer, Checklist
from samebit.report.checklist.project import NOTHING, Evidence
from samebit.report.latex import comment, escape
from samebit.report.table import markup_free, visible

__all__ = ["to_json", "to_latex", "to_markdown"]

_MACROS = r"""% For documents without NeurIPS' style, which has its own.
\providecommand{\answerYes}[1][]{[Yes] #1}
\providecommand{\answerNo}[1][]{[No] #1}
\providecommand{\answerNA}[1][]{[NA] #1}
\providecommand{\answerTODO}[1][]{\textbf{[TODO]}}
\providecommand{\justificationTODO}[1][]{\textbf{[TODO]}}
"""


def to_markdown(checklist: Checklist) -> str:
    """For reading: each item with the answer that is proposed, the evidence, what to do."""
    lines = [f"# {checklist.title}", "", f"From the records of {checklist.about}.", ""]
    for answer, evidence in _once(checklist):
        lines += [f"## {answer.number}. {answer.title}", "", _proposal(answer), ""]
        for found, elsewhere in evidence:
            lines += _in_markdown(found, elsewhere)
        lines += [""] if evidence else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _once(checklist: Checklist) -> Iterator[tuple[Answer, list[tuple[Evidence, str]]]]:
    """Each item with its evidence, and in which item before the same was told."""
    told: dict[str, str] = {}
    for answer in checklist.answers:
        found = [(one, told.get(one.about, "")) for one in answer.evidence]
        told |= {one.about: answer.number for one, elsewhere in found if not elsewhere}
        yield answer, found


def _in_markdown(found: Evidence, elsewhere: str) -> Iterator[str]:
    if elsewhere:
        yield f"- **{found.about}**: as under {elsewhere}"
        return
    said = [markup_free(visible(line)) for line in found.lines] or [NOTHING]
    if said[1:]:
        yield f"- **{found.about}**:"
        yield from (f"  - {line}" for line in said)
    else:
        yield f"- **{found.about}**: {said[0]}"
    if found.hint:
        yield f"  *{found.hint}*"


def _proposal(answer: Answer) -> str:
    if answer.proposed:
        return f"TODO. Proposed: {answer.proposed}, because {answer.why}."
    if answer.why:
        return f"TODO. Nothing is proposed: {answer.why}."
    return "TODO." if answer.evidence else "TODO. No record knows."


def to_latex(checklist: Checklist) -> str:
    """For a paper: an enumeration of all items."""
    head = f"{checklist.title}, from the records of {checklist.about}, by samebit checklist.\n"
    head += "Every answer is yours: replace \\answerTODO{} and \\justificationTODO{}.\n"
    head += "samebit: typed throughout (or `samebit paper check` would want to know its numbers)"
    items = "".join(_item(answer, evidence) for answer, evidence in _once(checklist))
    title = f"\\section*{{{escape(checklist.title)}}}\n"
    return f"{comment(head)}{_MACROS}{title}\\begin{{enumerate}}\n{items}\\end{{enumerate}}\n"


def _item(answer: Answer, evidence: Sequence[tuple[Evidence, str]]) -> str:
    # A number that LaTeX would not count to itself is given.
    label = "" if answer.number.isdecimal() else f"[{{{escape(answer.number)}}}]"
    lines = [f"\\item{label} \\textbf{{{escape(answer.title)}}}"]
    if answer.proposed:
        lines.append(f"% proposed: {answer.proposed}, because {_in_comment(answer.why)}")
    elif answer.why:
        lines.append(f"% nothing is proposed: {_in_comment(answer.why)}")
    lines.append("\\item[] Answer: \\answerTODO{} % \\answerYes{}, \\answerNo{} or \\answerNA{}")
    lines.append("\\item[] Justification: \\justificationTODO{}")
    if evidence:
        lines.append("\\begin{itemize}")
        for found, elsewhere in evidence:
            said = [escape(line) for line in found.lines] or [NOTHING]
            said = [f"as under {escape(elsewhere)}"] if elsewhere else said
            lines.append(f"\\item \\emph{{{escape(found.about)}}}: " + "\\newline\n".join(said))
            if found.hint and not elsewhere:
                lines.append(f"% {_in_comment(found.hint)}")
        lines.append("\\end{itemize}")
    return "\n".join(lines) + "\n"


def _in_comment(text: str) -> str:
    return comment(text).removeprefix("% ").replace("\n% ", " ").rstrip("\n")


def to_json(checklist: Checklist) -> str:
    """For programs."""
    answers = [
        {
            "number": answer.number,
            "title": answer.title,
            "answer": None,
            "proposed": answer.proposed or None,
            "why": answer.why,
            "evidence": [
                {"about": one.about, "recorded": list(one.lines), "hint": one.hint}
                for one in answer.evidence
            ],
        }
        for answer in checklist.answers
    ]
    said = structs.asdict(checklist) | {"answers": answers}
    return (
        canonical_json({"checklist" if k == "key" else k: v for k, v in said.items()}).decode()
        + "\n"
    )
