"""`samebit release`: runs as a folder or zip for strangers; the check of one, and its test."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from samebit import places, records
from samebit.capture.config import flat
from samebit.capture.git import read_author
from samebit.cli import release_test
from samebit.cli.publishing import people
from samebit.cli.words import ProgressLine, Screen, counted, few, say_list, size, visible
from samebit.data.placing import write_file
from samebit.digest import canonical_json
from samebit.errors import Exit, UsageError
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.objects.store import Store
from samebit.query import choosing, index
from samebit.replay import offered
from samebit.replay.inputs import Input
from samebit.replay.installers import find_uv
from samebit.replay.plan import Plan, make_plan
from samebit.replay.recipe import make_recipe
from samebit.replay.results import is_volatile
from samebit.report import signing, tables
from samebit.report.anonymous import OPEN, Wording, new_salt, salted
from samebit.report.certificate import PAYLOAD_TYPE, read_replay
from samebit.report.dsse import Envelope, encode_envelope, signed_bytes
from samebit.report.facts import facts
from samebit.report.release import making, searching
from samebit.report.release.bundle import Release
from samebit.report.release.given import GivenFile, GivenRun, Wanted
from samebit.report.release.making import Tables
from samebit.report.release.packages import Environment, Located, Pinned
from samebit.report.release.searching import Place
from samebit.report.release.writing import SUMS, draft, publish, sha256_of
from samebit.report.signatures import form_of
from samebit.report.tables.settings import of_project

__all__ = ["release", "release_arguments"]

_NOTE = "release"  # the kind of the note that has the salt of an anonymous one
_SHOWN = 12
# Some are called so; a command without these words would be another one.
_WORDS = frozenset(
    {
        *(
            "seed",
            "run",
            "code",
            "data",
            "test",
            "train",
            "model",
            "state",
            "loss",
            "step",
            "batch",
        ),
        *("python", "release", "samebit", "file", "split", "table", "read", "note", "key", "name"),
    }
)
_TABLES = {"results": "results", "hyperparameters": "parameters"}  # file: shape
_OF_MAKING = {
    "where": "--where",
    "parts": "--with",
    "title": "--title",
    "anonymous": "--anonymous",
    "anyway": "--anyway",
    "no_lock": "--no-lock",
}
_OF_TESTING = {
    "env": "--env",
    "only": "--only",
    "folder": "--folder",
    "yes": "--yes",
    "allow_writes": "--allow-writes",
}
_ACTIONS = ("check", "test")


def release_arguments(parser: argparse.ArgumentParser) -> None:
    """What release takes."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="runs; or `check BUNDLE`, or `test BUNDLE`"
    )
    making_options = parser.add_argument_group("making one")
    making_options.add_argument(
        "--to", type=Path, metavar="FOLDER|ZIP", help="where it goes: a new name"
    )
    making_options.add_argument("--where", metavar="EXPR", help="runs such as: acc > 0.9")
    making_options.add_argument(
        "--with",
        dest="parts",
        action="append",
        default=[],
        choices=("data", "outputs"),
        help="the bytes, too, of data, or of what the runs wrote",
    )
    making_options.add_argument(
        "--title", metavar="TITLE", help="its heading (default: the project's name)"
    )
    making_options.add_argument(
        "--anonymous", action="store_true", help="without names, hosts, paths, git and records"
    )
    making_options.add_argument(
        "--anyway", action="store_true", help="with --anonymous: though files tell whose it is"
    )
    making_options.add_argument(
        "--no-lock", action="store_true", help="ask no index for hashes, and write no pylock.toml"
    )
    making_options.add_argument(
        "--key", metavar="KEY", help="sign with this key; for check: whose it should be"
    )
    release_test.arguments(parser.add_argument_group("testing one"))
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def release(options: argparse.Namespace) -> int:
    """Make, check or test."""
    words: list[str] = options.runs
    if words[:1] and words[0] in _ACTIONS and options.to is None:
        if len(words) != len(_ACTIONS):
            raise UsageError(f"samebit release {words[0]} takes one bundle")
        _refuse_others(options, _OF_MAKING, f"release {words[0]}")
        act = release_test.check if words[0] == "check" else release_test.test
        return act(options, Path(words[1]))
    _refuse_others(options, _OF_TESTING, "making a release")
    if options.to is None:
        raise UsageError("where does it go?", hint="--to FOLDER, or --to FILE.zip")
    return _make(options)


def _refuse_others(options: argparse.Namespace, others: Mapping[str, str], what: str) -> None:
    """An option of something else was meant for something."""
    for name, option in others.items():
        if getattr(options, name) not in (None, False, []):
            raise UsageError(f"{option} is not for {what}")


# Making -----------------------------------------------------------------------------------------


def _make(options: argparse.Namespace) -> int:
    store = places.find_store(Path.cwd())
    rows = _chosen(store, options)
    views = [read_run(find_run(store, str(row["id"]))) for row in rows]
    target: Path = options.to
    runs = [_given(view) for view in views]
    author = read_author(store.parent)
    salt = new_salt() if options.anonymous else None
    wording = _wording(salt, runs, store.parent, author)
    key, is_new = Path(options.key) if options.key else None, False
    if key is None:
        key, is_new = signing.own_key(anonymous=options.anonymous)
    forms: list[str] = []
    sign = partial(_signed, key, forms)
    with draft(target) as made:
        located, no_lock = _located(runs, options)
        wanted = Wanted(
            options.title or _title(runs, store, anonymous=options.anonymous),
            options.anonymous,
            "data" in options.parts,
            "outputs" in options.parts,
            located,
            no_lock,
        )
        total = sum(item.size_bytes for run in runs for item in run.inputs) if wanted.data else 0
        with ProgressLine(Screen.of(sys.stderr), total, "release", amount=size) as progress:
            done = making.make(
                made,
                Store(store),
                runs,
                wanted,
                wording,
                author=author,
                tables=partial(_tables, store, [view.id for view in views], wording),
                sign=sign,
                advance=progress.advance,
            )
        told = searching.search(made, wording) if options.anonymous else []
        if told and not options.anyway:
            raise UsageError(
                f"{counted(len(told), 'place')} in these files would tell whose it is",
                **{f"place_{at}": _place(one) for at, one in enumerate(told[:_SHOWN], start=1)},
                hint="change them and run again; --anyway releases them as they are",
            )
        total = sum((made.top / name).stat().st_size for name in made.names())
        count = len(made.names())
        sums = sha256_of(made.top / SUMS)
        publish(made, target)
    if salt is not None:
        for view in views:
            view.folder.add_note(_NOTE, {"sums": sums, "salt": salt.hex()})
    said = {
        "path": str(target),
        "files": count,
        "bytes": total,
        "runs": [run.id for run in done.runs],
        "key": str(key),
        "key_made": is_new,
        "form": forms[-1],
        "sums": sums,
        "left_out": list(done.left_out),
        "tells": [records.plain(one) for one in told],
        "doubts": {run.id: list(run.doubts) for run in done.runs if run.doubts},
    }
    screen = Screen.of(sys.stdout)
    if options.json:
        screen.say(canonical_json(said).decode())
    else:
        _say_made(screen, said, done, told)
    return Exit.DONE


def _chosen(store: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    if not options.runs and options.where is None:
        raise UsageError("which runs?", hint="samebit release RUN… --to FOLDER; or --where EXPR")
    rows = choosing.choose(
        store, index.rows(store, replays=bool(options.runs)), options.runs, options.where
    )
    if not rows:
        raise UsageError("no run fits that", where=options.where)
    return list(rows)


def _title(runs: Sequence[GivenRun], store: Path, *, anonymous: bool) -> str:
    """Of an anonymous one nothing: a project's name may be known."""
    if anonymous:
        return "Anonymous release"
    names = list(dict.fromkeys(run.view.name for run in runs if run.view.name))
    return names[0] if len(names) == 1 else f"Runs of {store.parent.name}"


def _wording(
    salt: bytes | None, runs: Sequence[GivenRun], project: Path, author: Sequence[str]
) -> Wording:
    if salt is None:
        return OPEN
    views = [run.view for run in runs]
    views += [run.replay for run in runs if run.replay is not None]
    names = {name for name in people(project) | set(author) if name.lower() not in _WORDS}
    return salted(salt, views, names)


def _given(view: View) -> GivenRun:
    """A run with what its plan says; of a replay and a run that goes on, nothing is planned."""
    if view.record.kind == "replay" or view.status == "running" or view.start is None:
        raise UsageError(
            f"run {view.id} cannot be released: it is "
            + ("a replay" if view.record.kind == "replay" else "not over yet"),
            hint=f"release its run, {view.record.of}" if view.record.of else "wait for its end",
        )
    plan = make_plan(view, os.environ, elsewhere=True)
    verdict = view.verdicts[-1] if view.verdicts else None
    store = Store(view.folder.store)
    config = view.facts.get("config")
    how, words = _command(plan)
    return GivenRun(
        view=view,
        verdict=verdict,
        replay=read_replay(view, verdict) if verdict is not None else None,
        how=how,
        words=words,
        root=plan.root,
        tree=plan.tree,
        import_roots=plan.import_roots,
        sources=tuple((file, content) for _, file, content in plan.sources),
        inputs=tuple(_given_file(item, store) for item in plan.inputs if _is_data(item, plan)),
        environment=_environment(view, plan),
        doubts=plan.blockers,
        is_volatile=partial(_is_volatile, view),
        config=flat(config) if isinstance(config, dict) else {},
    )


def _is_volatile(view: View, name: str) -> bool:
    return is_volatile(name, view)


def _command(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """How it was started, as a stranger would: by `python`, wherever that lies."""
    if plan.how != "command" or plan.words[:1] != (sys.executable,):
        return plan.how, plan.words
    if len(plan.words) > 1 and not plan.words[1].startswith("-"):
        return "script", plan.words[1:]
    return "command", ("python", *plan.words[1:])


def _is_data(item: Input, plan: Plan) -> bool:
    """Git's own files change with every commit, and are no data."""
    return not item.path.is_relative_to(plan.root / ".git")


def _given_file(item: Input, store: Store) -> GivenFile:
    of = item.stored.name if item.stored is not None and item.stored.version is not None else ""
    if item.stored is not None and item.stored.version is not None and item.stored.version.source:
        of += f", from {item.stored.version.source}"
    content = item.kept or item.digest
    copy: Callable[[int], None] | None = None
    if item.kept is not None and store.has(item.kept):
        copy = partial(_write_object, store, item.kept)
    elif item.stored is not None:
        copy = partial(write_file, store, item.stored.item)
    elif (item.cached or item.path).is_file():
        copy = partial(_write_copy, item.cached or item.path)
    return GivenFile(item.path, item.size_bytes, content, item.is_absolute, copy, of)


def _write_object(store: Store, name: str, fd: int) -> None:
    with open(fd, "wb", closefd=False) as into:
        into.write(store.read(name))


def _write_copy(path: Path, fd: int) -> None:
    with open(path, "rb") as source, open(fd, "wb", closefd=False) as into:
        shutil.copyfileobj(source, into, 1 << 20)


def _environment(view: View, plan: Plan) -> Environment:
    files = [file for _, file, _ in plan.sources]
    recipe = make_recipe(view.facts, plan.root, files, {})
    told = view.facts.get("interpreter") or {}
    cpu = (view.facts.get("machine") or {}).get("cpu") or {}
    left_out = [f"{one.name} {one.version}: its sources are recorded" for one in recipe.mapped]
    pins = [Pinned(pin.name, pin.version, pin.line) for pin in recipe.pins]
    packages = view.facts.get("packages") or {}
    if ours := (packages.get("versions") or {}).get("samebit"):
        if (packages.get("origins") or {}).get("samebit") is None:
            pins.append(Pinned("samebit", ours, f"samebit=={ours}"))
        else:
            left_out.append(f"samebit {ours}: it was not installed from an index")
    return Environment(
        recipe.python or str(told.get("version") or "3"),
        str(told.get("abi") or ""),
        {"cpython": "CPython", "pypy": "PyPy"}.get(str(told.get("implementation")), "Python"),
        str(told.get("platform") or sys.platform),
        str(cpu.get("architecture") or "unknown"),
        tuple(sorted(pins, key=lambda pin: pin.name)),
        (*left_out, *recipe.left_out, *recipe.problems),
    )


def _located(
    runs: Sequence[GivenRun], options: argparse.Namespace
) -> tuple[tuple[Located, ...] | None, str]:
    """What the index that pip is set up with has for each pin now; or why that is not known."""
    if options.no_lock:
        return None, "no index was asked for hashes"
    environment = max(runs, key=lambda run: run.view.record.started_ns).environment
    pins = [pin for pin in environment.pins if not pin.address]
    if not pins:
        return None, "no package came from an index"
    with ProgressLine(Screen.of(sys.stderr), len(pins), "hashes of packages") as progress:
        uv = find_uv(os.environ)
        found = offered.locate([pin.line for pin in pins], uv, progress.advance)
    if not found:
        return None, "no index answered"
    return tuple(Located(one.name, one.version, one.url, one.sha256) for one in found), ""


def _tables(store: Path, ids: Sequence[str], wording: Wording) -> Tables:
    """Results and hyper-parameters, for the README and for papers."""
    every = {str(row["id"]): row for row in facts(store)}
    rows = [_worded(every[one], wording) for one in ids]
    settings = of_project(store)
    found: Tables = {}
    for name, shape in _TABLES.items():
        try:
            table = tables.make(shape, rows, tables.Options(settings=settings))
        except UsageError:
            continue  # these runs have no such thing: no metric, for one
        found[f"{name}.md"] = tables.to_markdown(table)
        found[f"{name}.tex"] = tables.to_latex(table, made_by="samebit release")
        found[f"{name}.csv"] = tables.to_csv(table)
    return found


def _worded(row: Mapping[str, object], wording: Wording) -> dict[str, object]:
    """A row without names, before a table is made of it: markup is no text of anybody's."""
    worded = {
        wording.text(key): wording.text(value) if isinstance(value, str) else value
        for key, value in row.items()
    }
    return worded | {"id": wording.id(str(row["id"]))}


def _signed(key: Path, forms: list[str], payload: bytes) -> bytes:
    signature = signing.sign(signed_bytes(PAYLOAD_TYPE, payload), key)
    forms.append(form_of(signature.sig))
    return encode_envelope(Envelope(payload, PAYLOAD_TYPE, (signature,)))


def _place(one: Place) -> str:
    where = {0: "in its name", -1: "no text"}.get(one.line, f"line {one.line}")
    return f"{visible(one.file)}, {where}: {visible(one.found)}"


def _say_made(screen: Screen, said: dict[str, Any], done: Release, told: Sequence[Place]) -> None:
    paint = screen.paint
    if said["key_made"]:
        screen.say(f"made a key for signing, which you alone can read: {visible(said['key'])}")
    what = f"{counted(len(done.runs), 'run')}, {said['files']} files, {size(said['bytes'])}"
    screen.say(f"{paint.green('released')} {visible(said['path'])}: {what}")
    for code in done.codes:
        screen.say(f"  {code.folder}: {code.files} files, {code.swhid}")
    grades = [run.verdict["grade"] if run.verdict else "not verified" for run in done.runs]
    counts = {grade: grades.count(grade) for grade in dict.fromkeys(grades)}
    screen.say("  runs: " + ", ".join(f"{count} {grade}" for grade, count in counts.items()))
    if not_here := [one.path for one in done.data if not one.place]:
        screen.say(f"  data that is named and not in it: {visible(few(not_here, 3))}")
    say_list(screen, "  not in it", done.left_out, indent="  ")
    for run, lines in said["doubts"].items():
        say_list(screen, paint.yellow(f"  run {run} cannot be run again"), lines, indent="  ")
    if done.anonymous:
        say_list(screen, paint.yellow("  tells whose it is"), list(map(_place, told)), indent="  ")
    else:
        screen.say("  it tells your name, host and paths; --anonymous leaves them out")
    screen.say(f"  try it as a stranger: samebit release test {visible(said['path'])}")
