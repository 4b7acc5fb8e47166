"""What of a paper is not as its runs say: each finding with its file and line."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from samebit import digest
from samebit.report.paper import typed
from samebit.report.paper.finding import Finding, Level, near
from samebit.report.paper.lock import NAME as LOCK_NAME
from samebit.report.paper.lock import Lock
from samebit.report.paper.making import Made
from samebit.report.paper.settings import CLAIMS, GENERATED, Paper
from samebit.report.paper.tex import Source, Use, uses
from samebit.report.paper.values import Row, keys_of
from samebit.report.table import few, shown

__all__ = ["check"]

_LISTED = 6
_BUILD = "`samebit paper build` brings it up to date"


def check(
    paper: Paper, made: Made, lock: Lock | None, sources: Sequence[Source], rows: Sequence[Row]
) -> list[Finding]:
    """Everything that is to be said, errors first, in the order of the text.

    Args:
        paper: its settings.
        made: what would be built now.
        lock: what was built last; None where nothing was.
        sources: the TeX.
        rows: of `report.facts`, of all runs of the store.
    """
    found = uses(sources)
    findings = [Finding("error", one.where, one.what, one.hint) for one in made.problems]
    findings += _unknown(paper, made, found)
    if lock is None:
        what = f"{GENERATED}/{LOCK_NAME} is not there: this paper was never built"
        findings.append(Finding("error", paper.main, what, "`samebit paper build` does it"))
    else:
        findings += _stale(paper, made, lock, found)
        findings += _gone(lock, rows)
        findings += _files(paper, made, lock, sources)
    findings += _alone(made, found)
    findings += _claims(made, lock, sources, found)
    findings += typed.typed_numbers(paper, made, sources)
    findings += _doubtful(made, rows)
    findings += _noted(made)
    findings += _unused(paper, made, sources, found)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(dict.fromkeys(findings), key=lambda one: order[one.level])


def _unknown(paper: Paper, made: Made, found: Sequence[Use]) -> Iterator[Finding]:
    keys = keys_of(made.lock.values)
    hidden = [key for key in paper.values if key not in made.lock.values]
    for use in found:
        if use.what == "claim":
            if use.key not in made.claims:
                yield Finding(
                    "error",
                    _at(use),
                    f"\\claim{{{use.key}}} is in no {CLAIMS}",
                    near(use.key, made.claims),
                )
        elif use.key not in keys:
            if any(use.key == key or use.key.startswith(f"{key}/") for key in hidden):
                what = f"\\val{{{use.key}}} cannot be derived any more"
                yield Finding(
                    "error", _at(use), what, f"see {paper.where('paper.values', use.key)}"
                )
            else:
                yield Finding(
                    "error", _at(use), f"\\val{{{use.key}}} is not defined", near(use.key, keys)
                )


def _at(use: Use) -> str:
    return f"{use.file}:{use.line}"


def _stale(paper: Paper, made: Made, lock: Lock, found: Sequence[Use]) -> Iterator[Finding]:
    """Values that are no longer what was built."""
    now, then = keys_of(made.lock.values), keys_of(lock.values)
    used = {use.key for use in found}
    for use in found:
        if use.what != "val" or use.key not in now:
            continue
        key, part = now[use.key]
        new = made.lock.values[key].parts[part].text
        if use.key not in then:
            what = f"\\val{{{use.key}}} was not built yet; its runs say {new}"
            yield Finding("error", _at(use), what, _BUILD)
            continue
        old = lock.values[key].parts[part].text
        if old != new:
            why = _why(lock, made, key)
            what = f"\\val{{{use.key}}} says {old}, and its runs say {new}{why}"
            yield Finding("error", _at(use), what, _BUILD)
    for key, value in made.lock.values.items():
        before = lock.values.get(key)
        whole = keys_of({key: value}).keys()
        if before is None or used & whole or before == value:
            continue
        what = f"{key} has changed since the build{_why(lock, made, key)}; no text uses it"
        yield Finding("warning", paper.where("paper.values", key), what, _BUILD)
    for key, value in made.lock.values.items():
        before = lock.values.get(key)
        if before is not None and before.parts == value.parts and (why := _why(lock, made, key)):
            yield Finding(
                "warning",
                paper.where("paper.values", key),
                f"{key} is what it was, of other records{why}",
                _BUILD,
            )


def _why(lock: Lock, made: Made, key: str) -> str:
    """Which runs came, went or changed."""
    old, new = set(lock.values[key].runs), set(made.lock.values[key].runs)
    changed = [r for r in sorted(old & new) if lock.runs.get(r) != made.lock.runs.get(r)]
    parts = [
        f"{word} {few(runs)}"
        for word, runs in (
            ("new:", sorted(new - old)),
            ("no longer:", sorted(old - new)),
            ("another record:", changed),
        )
        if runs
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _alone(made: Made, found: Sequence[Use]) -> Iterator[Finding]:
    """Intervals in the text that one run has not."""
    keys = keys_of(made.lock.values)
    for use in found:
        key, part = keys.get(use.key, ("", ""))
        if part == "interval" and made.lock.values[key].n == 1:
            what = f"\\val{{{use.key}}} is a number without an interval: one run has none"
            yield Finding("warning", _at(use), what, "further seeds give it one")


def _gone(lock: Lock, rows: Sequence[Row]) -> Iterator[Finding]:
    here = {str(row["id"]) for row in rows if "damage" not in row}
    for run in lock.runs:
        if run not in here:
            behind = [key for key, value in lock.values.items() if run in value.runs]
            behind += [name for name, runs in lock.drawn.items() if run in runs]
            what = f"run {run} is gone or damaged; behind {few(behind, _LISTED) or 'a claim'}"
            yield Finding("error", f"{GENERATED}/{LOCK_NAME}", what, "`samebit pull` may have it")


def _files(paper: Paper, made: Made, lock: Lock, sources: Sequence[Source]) -> Iterator[Finding]:
    """Generated files that somebody edited or that are gone, and drawings of other data."""
    for name, stored in lock.files.items():
        path = paper.generated / name
        where = _included(name, sources) or f"{GENERATED}/{name}"
        try:
            found, _ = digest.of_file(path)
        except OSError:
            yield Finding("error", where, f"{GENERATED}/{name} is not there", _BUILD)
            continue
        if found != stored:
            what = f"{GENERATED}/{name} was changed by hand"
            yield Finding("error", where, what, "`samebit paper build` writes it anew")
        if name in made.files and "/" in name and made.lock.files[name] != stored:
            runs = set(lock.drawn.get(name, ())) ^ set(made.lock.drawn.get(name, ()))
            why = f" (other runs: {few(sorted(runs))})" if runs else ""
            yield Finding("error", where, f"what {name} shows has changed{why}", _BUILD)
    for name in made.lock.drawn.keys() - lock.files.keys():
        where = _included(name, sources) or f"{GENERATED}/{name}"
        yield Finding("error", where, f"{name} was not built yet", _BUILD)


def _included(name: str, sources: Sequence[Source]) -> str:
    """Where a text takes in a generated file."""
    wanted = f"{GENERATED}/{name}".removesuffix(".tex")
    for source in sources:
        at = source.masked.find(wanted)
        if at >= 0:
            return f"{source.name}:{source.line(at)}"
    return ""


def _claims(
    made: Made, lock: Lock | None, sources: Sequence[Source], found: Sequence[Use]
) -> Iterator[Finding]:
    texts = [(source, *_squeezed(source.masked)) for source in sources]
    used = {use.key: _at(use) for use in reversed(found) if use.what == "claim"}
    for key, claim in made.claims.items():
        where, place = f"{CLAIMS}:{claim.line}", used.get(key, "")
        if not place:
            wanted, _ = _squeezed(claim.text)
            hits = (
                (source, places[text.find(wanted)])
                for source, text, places in texts
                if wanted in text
            )
            source, at = next(hits, (None, 0))
            place = f"{source.name}:{source.line(at)}" if source is not None else ""
        if not place:
            yield Finding(
                "warning",
                where,
                f"claim {key} stands in no text any more: “{shown(claim.text)}”",
                f"its words must be those of the text; or \\claim{{{key}}} prints them",
            )
        judged = made.lock.claims[key]
        if judged.holds == "holds":
            continue
        before = lock.claims.get(key) if lock is not None else None
        any_more = " any more" if before is not None and before.holds == "holds" else ""
        level: Level = "error" if judged.holds == "does not hold" else "warning"
        how = f"does not hold{any_more}" if level == "error" else "cannot be known"
        yield Finding(level, place or where, f"claim {key} {how}: {judged.evidence}")


def _squeezed(text: str) -> tuple[str, list[int]]:
    """A text with one space for any white space, and where each of its characters stood."""
    characters: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text):
        if character.isspace():
            if not characters or characters[-1] == " ":
                continue
            character = " "
        characters.append(character)
        places.append(at)
    if characters and characters[-1] == " ":
        characters.pop()
    return "".join(characters), places


def _doubtful(made: Made, rows: Sequence[Row]) -> Iterator[Finding]:
    """Runs behind numbers that nobody verified, that came out otherwise, or of dirty code."""
    by_id = {str(row["id"]): row for row in rows}
    behind: dict[str, list[str]] = defaultdict(list)
    for key, value in made.lock.values.items():
        for run in value.runs:
            behind[run].append(key)
    for name, runs in made.lock.drawn.items():
        for run in runs:
            behind[run].append(name)
    doubts: dict[tuple[Level, str, str], list[str]] = defaultdict(list)
    for run in behind:
        row = by_id.get(run, {})
        grade = row.get("verified")
        if grade == "different":
            doubts["error", "came out different when verified", "`samebit show RUN`"].append(run)
        elif grade is None:
            doubts["warning", "not verified", "`samebit verify RUN` does it"].append(run)
        elif grade not in ("identical", "close"):
            doubts["warning", f"verified as {grade}", "`samebit show RUN`"].append(run)
        if row.get("code.dirty"):
            doubts["warning", "of code that no commit has", "commit, and run it again"].append(run)
    for (level, what, hint), runs in doubts.items():
        keys = list(dict.fromkeys(key for run in runs for key in behind[run]))
        yield Finding(
            level, "samebit.toml", f"{_counted(runs)} {what}: {few(runs)}; behind {few(keys)}", hint
        )
    left_out: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, value in made.lock.values.items():
        for run, why in value.left_out:
            left_out[run, why].append(key)
    for (run, why), keys in left_out.items():
        yield Finding(
            "warning",
            "samebit.toml",
            f"run {run} is left out of {few(keys)}: {why}",
            "a mean over the runs that went well is one over chosen runs",
        )


def _noted(made: Made) -> Iterator[Finding]:
    """What a mean would hide: runs that differ in more than seeds, the best of many points."""
    notes: dict[str, list[str]] = defaultdict(list)
    for key, value in made.lock.values.items():
        for note in value.notes:
            notes[note].append(key)
    for note, keys in notes.items():
        yield Finding("warning", "samebit.toml", f"{few(keys)}: {note}")


def _counted(runs: Sequence[str]) -> str:
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'} behind numbers"


def _unused(
    paper: Paper, made: Made, sources: Sequence[Source], found: Sequence[Use]
) -> Iterator[Finding]:
    used = {use.key for use in found if use.what == "val"}
    for key, value in made.lock.values.items():
        if not used & keys_of({key: value}).keys():
            yield Finding("note", paper.where("paper.values", key), f"{key} is used nowhere")
    for name in made.lock.drawn:
        if not _included(name, sources):
            kind, _, stem = name.removesuffix(".tex").partition("/")
            yield Finding(
                "note",
                paper.where(f"paper.{kind}", stem),
                f"{GENERATED}/{name} is taken in nowhere",
            )
