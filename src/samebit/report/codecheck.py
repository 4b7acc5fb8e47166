"""`codecheck.yml`: a verdict in the form in which CODECHECK's community keeps its own (1.0).

What only people know is left to them and clearly marked. YAML is written, never read: every text is
in double quotes on one line, with each character that YAML or a terminal might take for something
else escaped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from samebit.records import Verdict
from samebit.report.anonymous import Wording
from samebit.report.certificate import stated_verdict
from samebit.report.outputs import ABSENT, OTHER, SAME, Output

__all__ = ["SPECIFICATION", "TO_FILL", "codecheck_yaml", "quoted"]

SPECIFICATION = "https://codecheck.org.uk/spec/config/1.0/"
TO_FILL = "TO BE FILLED"

_COMMENTS = {
    SAME: "the replay wrote the same bytes",
    OTHER: "the replay wrote other bytes",
    ABSENT: "the replay did not write it",
}
_NOT_KNOWN = "not known whether the replay wrote the same bytes"
_HEAD = f"""\
%YAML 1.1
# CODECHECK, with what Samebit recorded. "{TO_FILL}" marks what only you know.
# This file belongs into the folder to which the paths under `manifest` are relative.
# It is not signed, so that it can be filled in; {{statement}} is.
---
"""


def quoted(text: str) -> str:
    """A text as YAML 1.1, YAML 1.2 and, but for rare characters, JSON read it back."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        return f"\\\\u{code:04x}"  # no reader takes a lone surrogate: its name stands for it
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def codecheck_yaml(
    verdict: Verdict,
    outputs: Sequence[Output],
    *,
    wording: Wording,
    repository: str | None,
    statement: str,
) -> str:
    """The whole file.

    Args:
        verdict: what was found.
        outputs: the manifest.
        wording: open or anonymous.
        repository: an address of the code for anybody, or None.
        statement: the name of the signed file beside it.
    """
    stated = stated_verdict(verdict, wording)
    at = stated["at"]
    user = f" (as the user {stated['by']})" if stated.get("by") else ""
    content: dict[str, Any] = {
        "version": SPECIFICATION,
        "manifest": [{"file": output.name, "comment": _comment(output)} for output in outputs],
        "paper": {
            "title": f"{TO_FILL}: the paper's title",
            "authors": [_person("the corresponding author, then the others")],
            "reference": f"{TO_FILL}: a DOI, or where it is under review",
        },
        "codechecker": [_person(f"who ran it again{user}")],
        "report": f"{TO_FILL}: the DOI of the published report",
        "summary": _summary(stated),
        "repository": repository or f"{TO_FILL}: the address of the code",
        # In UTC, in the form of the specification's own example.
        "check_time": at[:19].replace("T", " ") if at else f"{TO_FILL}: when it was run again",
        "certificate": f"{TO_FILL}: the number in CODECHECK's register",
        # What is not of the specification stands below one name, as it asks.
        "samebit": {
            "grade": stated["grade"],
            "run": stated["run"],
            "replay": stated["replay"] or "",
            "statement": statement,
            "files": [
                {"file": output.name, **output.digests, "replay": output.replayed}
                for output in outputs
            ],
        },
    }
    lines = [line for name, value in content.items() for line in _lines(name, value, "")]
    return _HEAD.format(statement=statement) + "\n".join(lines) + "\n"


def _person(who: str) -> dict[str, str]:
    return {"name": f"{TO_FILL}: {who}", "ORCID": f"{TO_FILL}: 0000-0000-0000-0000"}


def _comment(output: Output) -> str:
    found = _COMMENTS.get(output.replayed, _NOT_KNOWN)
    for name in ("sha256", "blake3"):
        if digits := output.digests.get(name):
            return f"{found}; {name} {digits}"
    return f"{found}; its digest was not recorded"


def _summary(stated: Mapping[str, Any]) -> str:
    """The verdict in its own words, in one paragraph."""
    what = "ran the recorded command again and found"
    if not stated["replay"]:
        what = "could not run the recorded command again"
    until = f" (steps 1 to {stated['until']})" if stated.get("until") else ""
    parts = {
        f"Samebit {what}": f"{stated['grade']}{until}",
        "Why": stated["cause"],
        "Compared": "; ".join(stated["scope"]),
        "Another environment": "; ".join(stated["differences"]),
        "Kind": stated.get("kind"),
        "What to do": "; ".join(stated.get("remedies", ())),
        "In ACM's words": stated["who"],
    }
    return ". ".join(f"{name}: {text}" for name, text in parts.items() if text) + "."


def _lines(name: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, str):
        return [f"{indent}{name}: {quoted(value)}"]
    if isinstance(value, Mapping):
        below = [line for key, item in value.items() for line in _lines(key, item, indent + "  ")]
        return [f"{indent}{name}:", *below]
    if not value:
        return [f"{indent}{name}: []"]
    found = [f"{indent}{name}:"]
    for item in value:
        first, *others = [
            line for key, part in item.items() for line in _lines(key, part, indent + "    ")
        ]
        found += [f"{indent}  - {first.lstrip()}", *others]
    return found
