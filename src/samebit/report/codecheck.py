"""`codecheck.yml`: a verdict in the form in which CODECHECK's community keeps its own (1.0).

What only people know is left to them and clearly marked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from samebit.records import Verdict
from samebit.report.anonymous import Wording
from samebit.report.certificate import stated_verdict
from samebit.report.outputs import ABSENT, OTHER, SAME, Output
from samebit.report.yaml import quoted, yaml_lines

__all__ = ["SPECIFICATION", "TO_FILL", "codecheck_of_runs", "codecheck_yaml", "quoted"]

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
    manifest = [{"file": output.name, "comment": _comment(output)} for output in outputs]
    details = {
        "grade": stated["grade"],
        "run": stated["run"],
        "replay": stated["replay"] or "",
        "statement": statement,
        "files": [
            {"file": output.name, **output.digests, "replay": output.replayed} for output in outputs
        ],
    }
    return _document([stated], manifest, details, repository=repository, statement=statement)


def codecheck_of_runs(
    verdicts: Sequence[Mapping[str, Any]],
    written: Sequence[tuple[str, str, str | None]],
    *,
    title: str,
    repository: str | None,
    statement: str,
) -> str:
    """The same of several runs.

    Args:
        verdicts: as stated; of runs that were not verified there is none.
        written: of each file its name, what the replay wrote, and its digest.
        title: of the paper or of the code.
        repository: an address of the code for anybody, or None.
        statement: the name of the signed file beside it.
    """
    manifest = [
        {"file": name, "comment": _comment(Output(name, "", content, replayed=replayed))}
        for name, replayed, content in written
    ]
    runs = [
        {"run": one["run"], "grade": one["grade"], "replay": one["replay"] or ""}
        for one in verdicts
    ]
    details = {"statement": statement, "runs": runs}
    return _document(
        verdicts, manifest, details, title=title, repository=repository, statement=statement
    )


def _document(
    verdicts: Sequence[Mapping[str, Any]],
    manifest: list[dict[str, str]],
    details: Mapping[str, Any],
    *,
    title: str | None = None,
    repository: str | None,
    statement: str,
) -> str:
    last: Mapping[str, Any] = max(verdicts, key=lambda one: str(one["at"]), default={})
    at = last.get("at")
    user = f" (as the user {last['by']})" if last.get("by") else ""
    summary = " ".join(map(_summary, verdicts)) or f"{TO_FILL}: nothing was run again yet"
    content: dict[str, Any] = {
        "version": SPECIFICATION,
        "manifest": manifest,
        "paper": {
            "title": title or f"{TO_FILL}: the paper's title",
            "authors": [_person("the corresponding author, then the others")],
            "reference": f"{TO_FILL}: a DOI, or where it is under review",
        },
        "codechecker": [_person(f"who ran it again{user}")],
        "report": f"{TO_FILL}: the DOI of the published report",
        "summary": summary,
        "repository": repository or f"{TO_FILL}: the address of the code",
        # In UTC, in the form of the specification's own example.
        "check_time": at[:19].replace("T", " ") if at else f"{TO_FILL}: when it was run again",
        "certificate": f"{TO_FILL}: the number in CODECHECK's register",
        # What is not of the specification stands below one name, as it asks.
        "samebit": details,
    }
    lines = [line for name, value in content.items() for line in yaml_lines(name, value)]
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
