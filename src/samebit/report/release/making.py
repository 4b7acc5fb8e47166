"""Making a bundle: everything of it is written into a draft, summed, and last of all signed."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from samebit import __version__
from samebit.capture.unseeded import find_unseeded
from samebit.errors import UsageError
from samebit.objects.store import Store
from samebit.report.anonymous import Wording
from samebit.report.certificate import stated_verdict
from samebit.report.codecheck import codecheck_of_runs
from samebit.report.outputs import UNKNOWN
from samebit.report.release import record
from samebit.report.release.bundle import Release, ReleasedRun, encode, pretty
from samebit.report.release.card import model_card
from samebit.report.release.commands import command_of
from samebit.report.release.contents import Laid, metrics_csv
from samebit.report.release.crate import METADATA, crate
from samebit.report.release.files import lay_out_data, lay_out_outputs
from samebit.report.release.given import GivenRun, Wanted
from samebit.report.release.opening import CONTENTS, STATEMENT
from samebit.report.release.packages import Environment, pylock, requirements
from samebit.report.release.project import TOLD_IN, Project, citation_cff, read_project
from samebit.report.release.readme import readme, training_commands
from samebit.report.release.statement import payload
from samebit.report.release.writing import SUMS, Draft, sums_of

__all__ = ["Tables", "make"]

# Each table by its file's name, as text; those in Markdown go into the README, too.
Tables = dict[str, str]
_SECOND_NS = 10**9
_MOST_TOLD = 1000  # files of data that a crate tells one by one
_IMPORTS_US = re.compile(rb"^\s*(?:import|from)\s+samebit\b", re.MULTILINE)


def make(
    made: Draft,
    store: Store,
    runs: Sequence[GivenRun],
    wanted: Wanted,
    wording: Wording,
    *,
    author: Sequence[str] = (),
    tables: Callable[[], Tables] = dict,
    sign: Callable[[bytes], bytes],
    advance: Callable[[int], object] = int,
) -> Release:
    """Write a whole bundle into a draft.

    Args:
        made: empty.
        store: that of the runs.
        runs: at least one, each once.
        wanted: what was asked for.
        wording: open or anonymous.
        author: name and address under which git commits in the project.
        tables: makes the tables of results and hyper-parameters.
        sign: makes the signed statement of a payload.
        advance: is told of how many more bytes of data are laid out.

    Raises:
        UsageError: there is a run that cannot be released.
    """
    for run in runs:
        _refuse(run)
    made.top.mkdir()
    laid = Laid(made, store, wording)
    codes = _lay_out_codes(laid, runs)
    data = tuple(lay_out_data(laid, runs, advance, with_bytes=wanted.data))
    released = tuple(_run(laid, run, wanted, codes[at]) for at, run in enumerate(runs))
    files = _top_files(runs[0], store)
    project = read_project(files, author)
    newest = max(runs, key=lambda run: run.view.record.started_ns)
    environment = newest.environment
    made.write("requirements.txt", requirements(environment, wording))
    hashed = _lock(made, environment, wanted, laid)
    laid.left_out += _other_packages(runs, newest, wording)
    for name, text in tables().items():
        made.write(f"tables/{name}", text)
    kept = ""
    if not wording.is_anonymous:
        kept = record.FOLDER
        laid.left_out += record.add_records(made, store, [run.view for run in runs])
    else:
        laid.left_out.append(
            "the runs' own records, which tell whose they are: `samebit release test` runs the "
            "commands, and compares metrics, states and files"
        )
    if project.license_file is not None and not wording.is_anonymous:
        made.put("LICENSE", files[project.license_file])
    release = Release(
        wording.text(wanted.title),
        __version__,
        wording.is_anonymous,
        _date(runs),
        tuple(laid.codes.values()),
        tuple(laid.links),
        data,
        released,
        environment.python,
        environment.abi,
        len(environment.pins),
        hashed,
        _machine(newest),
        project.license,
        _needs_samebit(runs, store, released),
        tuple(dict.fromkeys(laid.left_out)),
        kept,
    )
    _write_texts(made, release, project, newest, wording)
    sums = sums_of(made).encode("utf-8", "surrogateescape")
    made.put(SUMS, sums)
    made.put(STATEMENT, sign(payload(release, sums)))
    return release


def _refuse(run: GivenRun) -> None:
    view = run.view
    if view.record.kind == "replay":
        raise UsageError(
            f"{view.id} is a replay, of run {view.record.of}",
            hint="its run is released, with the verdict",
        )
    if view.status == "running":
        raise UsageError(f"run {view.id} still goes on", hint="release it when it has ended")
    if view.code is None:
        raise UsageError(
            f"the code of run {view.id} was not recorded",
            hint="nobody could run it; `samebit show` tells what is missing",
        )


def _lay_out_codes(laid: Laid, runs: Sequence[GivenRun]) -> list[str]:
    """The folder of each run's code: `code`, or where there are several `code-1` and so on."""
    different = list(dict.fromkeys(run.tree for run in runs))
    folders: list[str] = []
    for run in runs:
        at = different.index(run.tree) + 1
        folder = "code" if len(different) == 1 else f"code-{at}"
        folders.append(laid.code(run, folder).folder)
    return folders


def _run(laid: Laid, run: GivenRun, wanted: Wanted, code: str) -> ReleasedRun:
    view, wording, made = run.view, laid.wording, laid.made
    identity = wording.id(view.id)
    folder = f"runs/{identity}"
    config = {wording.text(str(k)): _worded(value, wording) for k, value in run.config.items()}
    made.put(f"{folder}/config.json", pretty(config))
    made.write(f"{folder}/metrics.csv", wording.text(metrics_csv(view)))
    verdict = stated_verdict(run.verdict, wording) if run.verdict is not None else None
    if verdict is not None:
        made.put(f"{folder}/verdict.json", pretty(verdict))
    end, start = view.end, view.start
    began_ns = start.started_ns if start is not None else view.record.started_ns
    spans = zip(view.starts, view.ends, strict=True)
    taken = [(e.ended_ns - s.started_ns) / _SECOND_NS for s, e in spans if e is not None]
    return ReleasedRun(
        id=identity,
        name=wording.text(view.name or ""),
        status=view.status,
        started=_utc(began_ns),
        ended=_utc(end.ended_ns) if end is not None else None,
        seconds=round(sum(taken), 3) if taken else None,
        code=code,
        command=command_of(run, wording),
        seed=view.seed,
        config=config,
        results={wording.text(n): column.values[-1] for n, column in sorted(view.metrics.items())},
        volatile=tuple(wording.text(n) for n in sorted(view.metrics) if run.is_volatile(n)),
        steps=len(view.trace),
        metrics=f"{folder}/metrics.csv",
        states=laid.states(view),
        splits=laid.splits(view),
        written=tuple(lay_out_outputs(laid, run, with_bytes=wanted.outputs)),
        verdict=verdict,
        executions=len(view.starts),
        late=start is not None and start.how == "init",
        unseeded=tuple(
            wording.text(one.short)
            for one in find_unseeded(view.all_facts, view.seed)
            if one.matters == "likely" or (one.matters != "unlikely" and not one.given_back)
        ),
        person="" if wording.is_anonymous else view.record.user,
        doubts=tuple(wording.text(line) for line in run.doubts),
    )


def _worded(value: object, wording: Wording) -> object:
    if isinstance(value, str):
        return wording.text(value)
    if isinstance(value, dict):
        return {wording.text(str(key)): _worded(item, wording) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_worded(item, wording) for item in value]
    return value


def _lock(made: Draft, environment: Environment, wanted: Wanted, laid: Laid) -> str:
    if wanted.located is None:
        laid.left_out.append(f"pylock.toml: {wanted.no_lock}; requirements.txt has exact versions")
        return ""
    made.write("pylock.toml", pylock(environment, wanted.located))
    names = {one.name for one in wanted.located}
    missing = [pin.name for pin in environment.pins if pin.name not in names]
    if missing:
        laid.left_out.append(
            f"pylock.toml: {len(missing)} of {len(environment.pins)} packages, which no index "
            f"that was asked has: {', '.join(missing[:8])}"
        )
    return "resolved by an index when this was released"


def _other_packages(runs: Iterable[GivenRun], newest: GivenRun, wording: Wording) -> list[str]:
    theirs = {pin.line for pin in newest.environment.pins}
    return [
        f"the packages of run {wording.id(run.view.id)}, which were others: requirements.txt is "
        f"that of run {wording.id(newest.view.id)}"
        for run in runs
        if {pin.line for pin in run.environment.pins} != theirs
    ]


def _top_files(run: GivenRun, store: Store) -> dict[str, bytes]:
    """What tells whose the project is: as it was recorded, else as it lies there now.

    Outside of a repository only sources are recorded.
    """
    found: dict[str, bytes] = {}
    for folder in (run.root, store.path.parent):
        for name in TOLD_IN:
            with suppress(OSError):
                found[name] = (folder / name).read_bytes()
        if found:
            break
    return found | {
        entry.path: store.read(entry.digest)
        for entry in run.tree.entries
        if entry.path in TOLD_IN and entry.kind != "link"
    }


def _needs_samebit(runs: Sequence[GivenRun], store: Store, released: Sequence[ReleasedRun]) -> bool:
    sources = {
        entry.digest
        for run in runs
        for entry in run.tree.entries
        if entry.path.endswith(".py") and entry.kind != "link"
    }
    return any(run.command.is_by_samebit for run in released) or any(
        _IMPORTS_US.search(store.read(name)) for name in sorted(sources)
    )


def _machine(run: GivenRun) -> str:
    """The class of a machine, in a few words."""
    told = run.view.facts.get("machine") or {}
    cpu = (told.get("cpu") or {}).get("model")
    gpus = [g.get("model") if isinstance(g, dict) else str(g) for g in told.get("gpus") or []]
    counted = [f"{gpus.count(g)} × {g}" for g in dict.fromkeys(gpus)]
    named = [str(cpu)] if cpu else []
    return ", ".join([*counted, *named]) or run.environment.platform


def _date(runs: Sequence[GivenRun]) -> str:
    """Of the newest thing in it, so that the same release has the same date whenever it is made."""
    times = [end.ended_ns for run in runs for end in run.view.ends if end is not None]
    times += [run.verdict.at_ns for run in runs if run.verdict is not None]
    return _utc(max(times or [run.view.record.started_ns for run in runs]))[:10]


def _utc(ns: int) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // _SECOND_NS))
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00Z"  # no calendar reaches there; a damaged record does


def _write_texts(
    made: Draft, release: Release, project: Project, newest: GivenRun, wording: Wording
) -> None:
    """What people and other tools read: each made of the release, and of nothing else."""
    code = newest.view.code
    remote = code.remote if code is not None and not wording.is_anonymous else None
    repository = remote if remote and remote.startswith(("https://", "http://")) else None
    lines = [line for run in release.runs for line in training_commands(run)]
    made.write("commands.sh", "#!/usr/bin/env bash\nset -e\n" + "\n".join(lines) + "\n")
    tables = [
        (made.top / name).read_text(encoding="utf-8").rstrip("\n")
        for name in made.names()
        if name.startswith("tables/results") and name.endswith(".md")
    ]
    made.write("README.md", readme(release, tables))
    packages = frozenset(pin.name for pin in newest.environment.pins)
    made.write("MODEL_CARD.md", model_card(release, packages))
    made.put("CITATION.cff", citation_cff(release, project, repository))
    verdicts = [run.verdict for run in release.runs if run.verdict is not None]
    made.write(
        "codecheck.yml",
        codecheck_of_runs(
            verdicts,
            _manifest(release),
            title=release.title,
            repository=repository,
            statement=STATEMENT,
        ),
    )
    made.put(CONTENTS, encode(release))
    places = {one.place for one in release.data}
    places |= {one.place for run in release.runs for one in run.written}
    told = places if len(places) <= _MOST_TOLD else set[str]()
    whole = {code.folder for code in release.codes} | {release.record, "data", "elsewhere"}
    whole |= {"outputs"}
    described = [
        name
        for name in made.names()
        if "/" not in name or name in told or name.partition("/")[0] not in whole
    ]
    sizes = {name: (made.top / name).stat().st_size for name in described}
    made.put(METADATA, crate(release, project, described, sizes))


def _manifest(release: Release) -> list[tuple[str, str, str | None]]:
    """What the runs wrote; a file that several wrote alike once, by what is known of it."""
    found: dict[tuple[str, str | None], str] = {}
    for run in release.runs:
        for one in run.written:
            key = f"{run.code}/{one.path}", one.digest
            if found.get(key, UNKNOWN) == UNKNOWN:
                found[key] = one.replay
    return [(name, found[name, content], content) for name, content in sorted(found, key=str)]
