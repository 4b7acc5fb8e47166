"""What commands print that make something for others: tables, papers, certificates, releases."""

from typing import Any, TypedDict

from samebit.cli.seeds_early import Early
from samebit.records import Verdict
from samebit.report.certified import SignedBy
from samebit.report.release.bundle import Release
from samebit.report.release.comparing import Compared
from samebit.report.release.hurdles import Item
from samebit.report.release.searching import Place
from samebit.report.studied import Studied
from samebit.report.versus import Versus


class SeedsRun(TypedDict):
    """A run of a group; its trial, and the seeds of each kind, where a study started it."""

    run: str
    name: str | None
    state: str
    seed: int | None
    trial: int | None
    repeat: int
    seeds: dict[str, int]
    metrics: dict[str, Any]


class Seeds(TypedDict):
    """What a group of runs over seeds came to; no result where none has a metric."""

    group: str
    runs: list[SeedsRun]
    metrics: list[str]
    result: Studied | None
    early: Early | None  # of a study that stops all but the best seeds early
    than: Versus | None  # with `--than`


class LeftOut(TypedDict):
    """A run that is not in a table, and why."""

    run: str
    why: str


class Table(TypedDict):
    """A table; an estimate in its rows is an object, of its value with its bounds and its n."""

    shape: str
    columns: list[str]
    rows: list[dict[str, Any]]
    method: str
    notes: list[str]
    runs: list[str]
    left_out: list[LeftOut]
    records: Any


class Evidence(TypedDict):
    """What records show of an item."""

    about: str
    recorded: list[str]
    hint: str


class Answer(TypedDict):
    """An item of a checklist; its answer is left to people."""

    number: str
    title: str
    answer: None
    proposed: str | None
    why: str
    evidence: list[Evidence]


class Checklist(TypedDict):
    """A checklist, filled with evidence."""

    checklist: str
    title: str
    about: str
    answers: list[Answer]


class PaperInit(TypedDict):
    """What was written."""

    written: list[str]


class PaperBuild(TypedDict):
    """What was made."""

    written: list[str]
    values: int
    runs: int
    pdf: str | None
    kept_of: str | None
    errors: list[str]


class Finding(TypedDict):
    """A line of a paper that is not as the runs say."""

    level: str  # error, warning or note
    where: str
    what: str
    hint: str


class PaperCheck(TypedDict):
    """What was found."""

    findings: list[Finding]
    values: int
    runs: int
    exit: int


class Change(TypedDict):
    """What became of a number."""

    key: str
    old: str | None
    new: str | None


class Commit(TypedDict):
    """A commit of a paper."""

    commit: str
    at_s: int
    subject: str
    changes: list[Change]
    pdf: str | None
    damage: str | None


class PaperLog(TypedDict):
    """What became of the numbers."""

    commits: list[Commit]


class PaperPdf(TypedDict):
    """With --pdf: what was laid out."""

    commit: str
    path: str
    bytes: int


class StatedFile(TypedDict):
    """A file that a certificate states."""

    file: str
    blake3: str
    sha256: str
    replay: str


class CertificateMake(TypedDict):
    """What was stated and signed."""

    key: str
    key_file: str
    key_made: bool
    form: str
    folder: str
    run: str
    replay: str | None
    grade: str
    who: str
    files: list[StatedFile]


class CertificateCheck(TypedDict):
    """What a check found, a line each."""

    file: str
    result: str
    who: str
    signatures: list[SignedBy]
    right: list[str]
    wrong: list[str]
    unclear: list[str]
    unchecked: list[str]
    statement: dict[str, Any]


class ReleaseMake(TypedDict):
    """A bundle that was made."""

    path: str
    files: int
    bytes: int
    runs: list[str]
    key: str
    key_made: bool
    form: str
    sums: str
    left_out: list[str]
    tells: list[Place]
    doubts: dict[str, list[str]]


class ReleaseCheck(TypedDict):
    """With --check: what a look into a bundle found."""

    contents: Release
    right: list[str]
    wrong: list[str]
    unclear: list[str]
    unchecked: list[str]
    damaged: bool


class TriedRun(TypedDict):
    """How one documented command came out."""

    run: str
    grade: str
    why: str
    verdict: Verdict | None
    compared: Compared
    console: str


class ReleaseTest(TypedDict):
    """With --test: what came of doing what the README says."""

    grade: str
    environment: str
    runs: list[TriedRun]
    complete: list[Item]
    hits: list[str]
    right: list[str]
    wrong: list[str]
    unclear: list[str]
    unchecked: list[str]
