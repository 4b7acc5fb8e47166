"""The README of a bundle, in the shape of Papers with Code, with the exact commands.

Requirements, Training, Evaluation, Pre-trained models, Results, Contributing: each made from what
was recorded. A stranger's text can neither end a code block nor become markup.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from samebit.report.codecheck import TO_FILL
from samebit.report.release.bundle import Command, Release, ReleasedRun
from samebit.report.release.writing import SUMS
from samebit.report.table import few, markup_free, number, rows_to_markdown, visible

__all__ = ["fenced", "inline", "readme", "shell_line", "training_commands"]

_MOST_COMMANDS = 40  # in the text; the others are in `commands.sh`
_MOST_DATA = 30


def readme(release: Release, tables: Sequence[str]) -> str:
    """The whole text."""
    parts = [
        f"# {markup_free(visible(release.title))}",
        _summary(release),
        "## Requirements",
        *_requirements(release),
        "## Training",
        *_training(release),
        "## Evaluation",
        _evaluation(release),
        "## Pre-trained models",
        *_models(release),
        "## Results",
        *_results(release, tables),
        "## Checking this release",
        *_checking(release),
        "## What is in here",
        _contents(release),
        "## Contributing",
        _contributing(release),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _summary(release: Release) -> str:
    runs = _count(len(release.runs), "run")
    said: dict[str, int] = {}
    for run in release.runs:
        grade = run.verdict["grade"] if run.verdict else "not verified"
        said[grade] = said.get(grade, 0) + 1
    grades = ", ".join(f"{count} {grade}" for grade, count in said.items())
    return (
        f"{runs}, recorded with Samebit {markup_free(release.samebit)}; run again: {grades}. "
        "Everything below is made from the records, and `release.json` has it for programs."
    )


def _requirements(release: Release) -> Iterator[str]:
    version = ".".join(release.python.split(".")[:2])
    yield (
        f"Python {markup_free(release.python)} ({markup_free(release.machine)}), and the "
        f"{release.packages} packages that were there, in exactly these versions:"
    )
    install = "pip install -r requirements.txt"
    yield fenced([f"python{version} -m venv env", ". env/bin/activate", install])
    if release.hashed:
        yield "`pylock.toml` has the same with hashes, for `pip install -r pylock.toml` or `uv`."
    if release.needs_samebit:
        why = "The code imports Samebit"
        if any(run.command.is_by_samebit for run in release.runs):
            why = "The runs were seeded by `samebit run`, which their commands begin with"
        yield f"{why}: `pip install samebit`, where the list has not got it."
    if release.links:
        yield "The code has links, which a bundle has not:"
        yield fenced(
            " ".join(map(quoted_word, ("ln", "-s", "--", one.target, one.path)))
            for one in release.links
        )
    yield from _data(release)


def _data(release: Release) -> Iterator[str]:
    if not release.data:
        return
    yield "### Data"
    here = [one for one in release.data if one.place]
    inside = [one for one in here if one.is_inside]
    gone = [one for one in release.data if not one.place]
    if inside:
        yield "The commands look for data beside the code:"
        yield fenced(f"cp -r data/. {code.folder}/" for code in release.codes)
    if gone:
        yield (
            f"{_count(len(gone), 'file')} that the runs read {_is(len(gone))} not in this bundle. "
            f"Relative paths are within {_folders(release)}; the bytes must be these:"
        )
    rows = [
        [
            one.path,
            one.size_bytes,
            one.digest or "not recorded",
            one.place or "not here",
            one.of,
        ]
        for one in release.data[:_MOST_DATA]
    ]
    headers = ["file", "bytes", "BLAKE3", "in this bundle", "version"]
    yield rows_to_markdown(headers, rows).rstrip("\n")
    if len(release.data) > _MOST_DATA:
        yield f"… and {len(release.data) - _MOST_DATA} more, in `release.json`."
    if outside := [one for one in here if not one.is_inside]:
        yield (
            f"{_count(len(outside), 'file')} under `elsewhere/` must lie where the script "
            "looks for them, at the path in the first column."
        )


def _training(release: Release) -> Iterator[str]:
    trained = [run for run in release.runs if run.steps or not _is_evaluation(run)]
    if not trained:
        yield "No run of this release trained anything."
        return
    yield from _commands(trained)
    if any(run.executions > 1 for run in trained):
        yield (
            "A run of several executions was stopped and resumed. Above is its first command "
            "alone: `samebit release test` runs all of them, one after the other."
        )
    if unseeded := [run.id for run in trained if run.unseeded]:
        yield (
            f"Nobody seeded all generators of {few(unseeded)}: these commands give other numbers "
            "each time."
            + " `samebit verify`, with the records in `samebit/`, gives back what they began from."
            * bool(release.record)
        )
    for run in trained:
        for doubt in run.doubts[:4]:
            yield f"Run {inline(run.id)} cannot be run again as it was: {markup_free(doubt)}."


def _commands(runs: Sequence[ReleasedRun]) -> Iterator[str]:
    shown = runs[:_MOST_COMMANDS]
    yield f"From the top of this folder, {_each(len(shown))}:"
    yield fenced(line for run in shown for line in training_commands(run))
    if len(runs) > len(shown):
        yield f"… and {len(runs) - len(shown)} more, in `commands.sh`."


def training_commands(run: ReleasedRun) -> list[str]:
    """A comment that says which run it is, and the command, each a line."""
    folder = run.code if run.command.cwd == "." else f"{run.code}/{run.command.cwd}"
    about = f"# {run.id}" + (f" ({visible(run.name)})" if run.name else "")
    took = f", {run.seconds:.0f} s" if run.seconds is not None else ""
    return [f"{about}{took}", f"(cd {quoted_word(folder)} && {shell_line(run.command)})"]


def shell_line(command: Command) -> str:
    """A command on one line, as bash, zsh and ksh take it, whatever is in it."""
    given = [f"{name}={value}" for name, value in command.said_variables.items()]
    words = [*(["env", *given] if given else []), *command.argv]
    return " ".join(map(quoted_word, words))


def quoted_word(word: str) -> str:
    r"""A word for the shell; control characters as `$'\x1b'`, so that no terminal obeys them."""
    if word.isprintable():
        return shlex.quote(word)
    found = ""
    for letter in word:
        if letter in "\\'":
            found += "\\" + letter
        elif letter.isprintable():
            found += letter
        else:
            found += "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
    return f"$'{found}'"


def _is_evaluation(run: ReleasedRun) -> bool:
    return run.steps == 0 and bool(run.results)


def _evaluation(release: Release) -> str:
    alone = [run for run in release.runs if _is_evaluation(run)]
    if alone:
        return "\n\n".join(_commands(alone))
    logged = list(dict.fromkeys(n for run in release.runs for n in _results_of(run)))
    if not logged:
        return f"{TO_FILL}: no run of this release logged a metric."
    names = ", ".join(map(inline, logged[:8])) + (" …" if len(logged) > 8 else "")
    return (
        f"The training commands evaluate: they logged {names}. Every point is in the `metrics.csv` "
        "of each run, and the last ones are below."
    )


def _results_of(run: ReleasedRun) -> dict[str, object]:
    return {n: value for n, value in run.results.items() if n not in run.volatile}


def _models(release: Release) -> Iterator[str]:
    rows: list[list[object]] = []
    for run in release.runs:
        for state in run.states:
            files = [name for name in state.files.values() if "/model" in name] or [
                *state.files.values()
            ]
            where = few(files, 3) if files else state.why or "not kept"
            called = "initial" if state.name == "step 0" else state.name
            rows.append([run.id, called, state.step, state.parameters, where])
    if not rows:
        yield "No states were recorded."
        return
    yield "As safetensors, which hold arrays and no code:"
    yield rows_to_markdown(["run", "state", "step", "numbers", "file"], rows).rstrip("\n")


def _results(release: Release, tables: Sequence[str]) -> Iterator[str]:
    names = list(dict.fromkeys(n for run in release.runs for n in _results_of(run)))
    if not names:
        yield "No metrics were logged."
        return
    yield from tables
    rows = [
        [
            run.id,
            run.seed,
            *(run.results.get(name) for name in names),
            run.status,
            run.verdict["grade"] if run.verdict else "not verified",
        ]
        for run in release.runs
    ]
    yield "The last value of each metric:"
    yield rows_to_markdown(["run", "seed", *names, "state", "verdict"], rows).rstrip("\n")


def _checking(release: Release) -> Iterator[str]:
    yield "Nothing of this needs Samebit; the first line says whether every file is what it was:"
    yield fenced([f"sha256sum -c {SUMS}", "pip install samebit", "samebit release check ."])
    yield (
        "`samebit release test .` builds the environment, runs the commands above in a folder of "
        "their own, and compares every bit with what was recorded. It runs the code of this "
        "bundle; nothing else here does."
    )


def _contents(release: Release) -> str:
    rows = [
        *([f"{code.folder}/", f"the code as it ran, `{code.swhid}`"] for code in release.codes),
        ["commands.sh", "every command"],
        ["requirements.txt", "exact versions of every package"],
    ]
    rows += [["pylock.toml", f"the same with hashes; {release.hashed}"]] if release.hashed else []
    if any(one.place and one.is_inside for one in release.data):
        rows.append(["data/", "the data, as it lies beside the code"])
    if any(one.place and not one.is_inside for one in release.data):
        rows.append(["elsewhere/", "data from outside of the project"])
    rows.append(["runs/", "of each run: configuration, metrics, verdict"])
    if any(state.files for run in release.runs for state in run.states):
        rows.append(["states/", "initial and final states"])
    if any(run.splits for run in release.runs):
        rows.append(["splits/", "which rows were in which part"])
    if any(one.place for run in release.runs for one in run.written):
        rows.append(["outputs/", "what the runs wrote"])
    rows.append(["tables/", "results and hyper-parameters, for a paper"])
    if release.record:
        rows.append([f"{release.record}/", "the records, from which Samebit runs them again"])
    rows += [
        ["MODEL_CARD.md, CITATION.cff, codecheck.yml", f"look for {TO_FILL}"],
        ["ro-crate-metadata.json", "the same as RO-Crate 1.1, Process Run Crate 0.5"],
        ["SHA256SUMS, statement.dsse.json", "the sum of every file, and a signature of these"],
    ]
    lines = [f"* `{name}`: {what}" for name, what in rows]
    if release.left_out:
        lines += ["", "Not in here:", ""]
        lines += [f"* {markup_free(visible(line))}" for line in release.left_out]
    return "\n".join(lines)


def _contributing(release: Release) -> str:
    said = f"Licence: {markup_free(release.license)}." if release.license else ""
    said = said or f"Licence: {TO_FILL}; without one nobody may use the code."
    return f"{said} {TO_FILL}: how to report a problem, and to whom."


def _count(number_of: int, noun: str) -> str:
    return f"{number(number_of)} {noun}{'' if number_of == 1 else 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _each(count: int) -> str:
    return "run" if count == 1 else "run each of these"


def _folders(release: Release) -> str:
    return ", ".join(f"`{code.folder}/`" for code in release.codes)


def inline(text: str) -> str:
    """A text as code within a line."""
    shown = visible(text)
    ticks = "`" * (1 + max((len(found) for found in re.findall("`+", shown)), default=0))
    gap = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{ticks}{gap}{shown}{gap}{ticks}"


def fenced(lines: Iterable[str]) -> str:
    """Lines as a block of code, which nothing in them can end."""
    text = "\n".join(lines)
    ticks = "`" * max(3, 1 + max((len(found) for found in re.findall("`+", text)), default=0))
    return f"{ticks}bash\n{text}\n{ticks}"
