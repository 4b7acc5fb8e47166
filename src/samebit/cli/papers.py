"""`samebit paper`: a folder with a text whose numbers are those of its runs."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from samebit import disk, places
from samebit.cli.words import Screen, counted, size, visible, when
from samebit.digest import canonical_json
from samebit.errors import Damaged, Exit, NotFound, StoreNotFound, UsageError
from samebit.objects.store import Store
from samebit.query.volatile import is_volatile
from samebit.report.facts import facts
from samebit.report.paper import (
    checking,
    compiling,
    history,
    keeping,
    settings,
    starting,
    templates,
    tex,
)
from samebit.report.paper.finding import Finding
from samebit.report.paper.lock import NAME as LOCK
from samebit.report.paper.lock import Lock, read_lock
from samebit.report.paper.making import Made, make
from samebit.report.paper.settings import GENERATED, Paper
from samebit.report.paper.values import keys_of

__all__ = ["paper", "paper_arguments"]

_DRAWN = re.compile(r"(?:tables|figures)/[A-Za-z0-9][A-Za-z0-9._-]*\.tex")


def paper_arguments(parser: argparse.ArgumentParser) -> None:
    """What paper takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="init|build|check|log")
    init = commands.add_parser("init", help="a new folder, with values of the runs there are")
    init.add_argument(
        "path", metavar="FOLDER", type=Path, nargs="?", default=Path("paper"), help="default: paper"
    )
    build = commands.add_parser("build", help="values, tables and figures of the runs; then TeX")
    _path(build)
    build.add_argument("--no-pdf", action="store_true", help="write the files, and call no TeX")
    build.add_argument(
        "--draft", action="store_true", help="a red ?? for a key that is not there, and no error"
    )
    checks = commands.add_parser("check", help="which lines are not as the runs say")
    _path(checks)
    checks.add_argument("--strict", action="store_true", help="warnings fail, too")
    log = commands.add_parser("log", help="what became of the numbers, commit by commit")
    _path(log)
    log.add_argument("--all", action="store_true", help="commits that changed no number, too")
    log.add_argument("--pdf", metavar="COMMIT", help="the PDF that is kept of a commit, instead")
    log.add_argument("--to", metavar="FILE", type=Path, help="where to (with --pdf)")
    for one in (init, build, checks, log):
        one.add_argument("--json", action="store_true", help="as one JSON object")


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        type=Path,
        nargs="?",
        default=Path(),
        help="the paper's folder, or a file in it (default: here, or ./paper)",
    )


def paper(options: argparse.Namespace) -> int:
    """Do one of these."""
    does: dict[str, Callable[[argparse.Namespace, Screen], int]] = {
        "init": _init,
        "build": _build,
        "check": _check,
        "log": _log,
    }
    return does[options.action](options, Screen.of(sys.stdout))


def _init(options: argparse.Namespace, screen: Screen) -> int:
    folder: Path = options.path.absolute()
    rows = facts(places.find_store(_nearest(folder)))
    written = starting.start(folder, rows, is_volatile)
    if options.json:
        screen.say(canonical_json({"written": [str(path) for path in written]}).decode())
        return Exit.DONE
    finished = sum(row.get("state") == "finished" for row in rows)
    screen.say(f"{screen.paint.green('set up')} {visible(str(options.path))}")
    for path in written:
        screen.say(f"  {path.name}")
    if not finished:
        screen.say("no run has finished yet, so that no value could be proposed")
    screen.say(f"next: `samebit paper build{_word(options.path)}`")
    return Exit.DONE


def _nearest(folder: Path) -> Path:
    """The folder itself, or what is there above it."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def _word(path: Path) -> str:
    return "" if path == Path("paper") or path == Path() else f" {path}"


def _read(options: argparse.Namespace) -> tuple[Paper, Path]:
    """The paper that is meant, and the store of its project."""
    folder = settings.find_paper(options.path)
    found = settings.read_paper(folder)
    path: Path = options.path.absolute()
    if path.is_file() and path.name != settings.NAME and path.suffix == ".tex":
        name = path.relative_to(folder).as_posix()
        taken_in = {one.name for one in _sources(found)}
        if name not in taken_in:  # another text that uses the same values
            found = replace(found, main=name, template=False)
    try:
        return found, places.find_store(folder)
    except StoreNotFound as error:
        raise StoreNotFound(
            f"this paper belongs to no project with runs: {error.what}", hint=error.hint
        ) from error


def _sources(found: Paper) -> list[tex.Source]:
    return tex.read_sources(found.folder, found.main, GENERATED, template=found.template)


def _check(options: argparse.Namespace, screen: Screen) -> int:
    found, store = _read(options)
    rows = facts(store)
    made = make(store, found, rows)
    lock, damage = _lock(found)
    findings = damage + checking.check(found, made, lock, _sources(found), rows)
    fails = ("error", "warning") if options.strict else ("error",)
    code = Exit.DIFFERENT if any(one.level in fails for one in findings) else Exit.DONE
    if options.json:
        plain = [
            {"level": one.level, "where": one.where, "what": one.what, "hint": one.hint}
            for one in findings
        ]
        values = len(made.lock.values)
        said = {"findings": plain, "values": values, "runs": len(made.lock.runs), "exit": int(code)}
        screen.say(canonical_json(said).decode())
        return code
    _say_findings(screen, findings)
    count = f"{counted(len(made.lock.values), 'value')} of {counted(len(made.lock.runs), 'run')}"
    if not any(one.level == "error" for one in findings):
        good = f"{count}, {counted(len(made.claims), 'claim')}: as the runs say"
        screen.say(screen.paint.green(good))
    levels = Counter(one.level for one in findings)
    if levels:
        screen.say(", ".join(counted(number, level) for level, number in levels.items()))
    if code and "error" not in levels:
        screen.say("--strict: warnings fail")
    return code


def _lock(found: Paper) -> tuple[Lock | None, list[Finding]]:
    try:
        return read_lock(found.folder), []
    except Damaged as error:
        return None, [Finding("error", f"{GENERATED}/values.json", error.what, error.hint or "")]


def _say_findings(screen: Screen, findings: Sequence[Finding]) -> None:
    paint = {"error": screen.paint.red, "warning": screen.paint.yellow, "note": screen.paint.dim}
    for one in findings:
        where = f"{visible(one.where)}: " if one.where else ""
        screen.say(f"{where}{paint[one.level](one.level)}: {visible(one.what)}")
        if one.hint:
            screen.say(screen.paint.dim(f"  hint: {visible(one.hint)}"))


def _build(options: argparse.Namespace, screen: Screen) -> int:
    found, store = _read(options)
    made = make(store, found, facts(store))
    findings = [Finding("error", one.where, one.what, one.hint) for one in made.problems]
    if findings and not options.draft:
        _say_findings(screen, findings)
        raise NotFound(
            f"{counted(len(findings), 'value or drawing')} cannot be made, and nothing was written",
            hint="--draft goes on without them",
        )
    main, files = found.main, made.files
    if found.template:
        main = templates.rendered_name(found.main)
        text = templates.render(found, made)
        files = {**files, Path(main).name: text}
    changed = _write(found, files)
    compiled = clean = kept = None
    if not options.no_pdf:
        keys = keys_of(made.lock.values)
        clean = keeping.clean_commit(found.folder)
        at_s = clean[1] if clean is not None else None
        compiled = compiling.compile_tex(found, main, keys, draft=options.draft, at_s=at_s)
        findings += compiled.errors if compiled is not None else ()
    pdf = compiled.pdf if compiled is not None else None
    if pdf is not None and clean is not None and not options.draft:
        lock = found.generated / LOCK
        kept = keeping.keep(store, found.folder, found.main, clean[0], pdf=pdf, values=lock)
    of = kept.commit if kept is not None else None
    if options.json:
        said = {
            "written": changed,
            "values": len(made.lock.values),
            "runs": len(made.lock.runs),
            "pdf": str(pdf) if pdf else None,
            "kept_of": of,
            "errors": [f"{one.where}: {one.what}" for one in findings],
        }
        screen.say(canonical_json(said).decode())
    else:
        _say_built(screen, found, made, changed)
        _say_findings(screen, findings)
        if pdf is not None:
            kept_of = f", kept as that of commit {of[:8]}" if of is not None else ""
            screen.say(screen.paint.green(_shown(pdf)) + kept_of)
    if options.no_pdf or pdf is not None:
        return Exit.DONE
    if compiled is None:
        raise NotFound(
            f"there is no latexmk with {found.engine}, and no PDF; all other files were written",
            hint=compiling.install_hint(),
        )
    return Exit.USAGE


def _say_built(screen: Screen, found: Paper, made: Made, changed: Sequence[str]) -> None:
    values, runs = len(made.lock.values), len(made.lock.runs)
    screen.say(f"{counted(values, 'value')} of {counted(runs, 'run')}")
    for name in changed:
        is_there = (found.generated / name).exists()
        screen.say(f"  {'wrote' if is_there else 'removed'} {GENERATED}/{name}")
    if not changed:
        screen.say("  everything generated was up to date")


def _log(options: argparse.Namespace, screen: Screen) -> int:
    found, store = _read(options)
    if (options.pdf is None) is not (options.to is None):
        raise UsageError("--pdf COMMIT and --to FILE go together")
    if options.pdf is not None:
        return _give_pdf(options, screen, found, store)
    entries = history.history(store, found.folder)
    if options.json:
        plain = [
            {
                "commit": one.commit,
                "at_s": one.at_s,
                "subject": one.subject,
                "changes": [{"key": c.key, "old": c.old, "new": c.new} for c in one.changes],
                "pdf": one.pdf.pdf if one.pdf else None,
                "damage": one.damage or None,
            }
            for one in entries
        ]
        screen.say(canonical_json({"commits": plain}).decode())
        return Exit.DONE
    shown = [one for one in entries if options.all or one.changes or one.damage or one.pdf]
    for one in shown:
        pdf = screen.paint.green("  PDF") if one.pdf is not None else ""
        head = f"{screen.paint.cyan(one.commit[:8])}  {when(one.at_s * 10**9)}{pdf}"
        screen.say(f"{head}  {visible(one.subject)}")
        if one.damage:
            screen.say(f"  {screen.paint.yellow('unknown')}: {visible(one.damage)}")
        for change in one.changes:
            screen.say(f"  {change.key}: {visible(_became(change))}")
    if not shown:
        screen.say("no commit has changed a number of this paper; `--all` lists every commit")
    return Exit.DONE


def _give_pdf(options: argparse.Namespace, screen: Screen, found: Paper, store: Path) -> int:
    record = history.find_kept(store, options.pdf, found.folder)
    data = Store(store).read(record.pdf)
    to: Path = options.to
    to = to / f"{Path(record.main).stem}-{record.commit[:8]}.pdf" if to.is_dir() else to
    if to.exists():
        raise UsageError("there is such a file, and it was left as it is", path=to)
    disk.create(to, data, to.absolute().parent)
    if options.json:
        said = {"commit": record.commit, "path": str(to), "bytes": len(data)}
        screen.say(canonical_json(said).decode())
    else:
        what = f"the paper of commit {record.commit[:8]}, {size(len(data))}"
        screen.say(f"{visible(str(to))}: {what}")
    return Exit.DONE


def _became(change: history.Change) -> str:
    if change.old is None:
        return f"new, {change.new}"
    return (
        f"{change.old} → {change.new}" if change.new is not None else f"gone, it was {change.old}"
    )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _write(found: Paper, files: Mapping[str, str]) -> list[str]:
    """Write what is not there already; what is generated and not wanted any more goes."""
    changed: list[str] = []
    before = _lock(found)[0]
    for name, text in files.items():
        path = found.generated / name
        data = text.encode()
        if path.is_file() and path.read_bytes() == data:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.publish(path, [data], path.parent, replace=True)
        changed.append(name)
    for name in before.files if before is not None else ():
        path = found.generated / name
        # The lock may be a stranger's: of what it names only what we write is ever removed.
        if name not in files and _DRAWN.fullmatch(name) and path.is_file():
            path.unlink()
            changed.append(name)
    return changed
