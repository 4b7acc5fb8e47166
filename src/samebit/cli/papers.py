"""`samebit paper`: a folder with a text whose numbers are those of its runs."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec.structs import replace

from samebit import disk, places
from samebit.cli.words import Screen, counted, visible
from samebit.digest import canonical_json
from samebit.errors import Damaged, Exit, NotFound, StoreNotFound
from samebit.replay.results import VOLATILE
from samebit.report.facts import facts
from samebit.report.paper import checking, compiling, settings, starting, tex
from samebit.report.paper.finding import Finding
from samebit.report.paper.lock import Lock, read_lock
from samebit.report.paper.making import Made, make
from samebit.report.paper.settings import GENERATED, Paper

__all__ = ["paper", "paper_arguments"]


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
    for one in (init, build, checks):
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
    }
    return does[options.action](options, Screen.of(sys.stdout))


def _init(options: argparse.Namespace, screen: Screen) -> int:
    folder: Path = options.path.absolute()
    rows = facts(places.find_store(_nearest(folder)))
    written = starting.start(folder, rows, _is_volatile)
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


def _is_volatile(metric: str) -> bool:
    return any(fnmatchcase(metric.lower(), pattern) for pattern in VOLATILE)


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
    changed = _write(found, made)
    lines = [f"{counted(len(made.lock.values), 'value')} of {counted(len(made.lock.runs), 'run')}"]
    lines += [f"{GENERATED}/{name}" for name in changed]
    compiled = None
    if not options.no_pdf:
        keys = [f"{k}/{p}" if p else k for k, v in made.lock.values.items() for p in v.parts]
        compiled = compiling.compile_tex(found, found.main, keys, draft=options.draft)
        findings += compiled.errors if compiled is not None else ()
    pdf = compiled.pdf if compiled is not None else None
    if options.json:
        said = {
            "written": changed,
            "values": len(made.lock.values),
            "runs": len(made.lock.runs),
            "pdf": str(pdf) if pdf else None,
            "errors": [f"{one.where}: {one.what}" for one in findings],
        }
        screen.say(canonical_json(said).decode())
    else:
        screen.say(lines[0])
        for name in changed:
            screen.say(f"  wrote {GENERATED}/{name}")
        if not changed:
            screen.say("  everything generated was up to date")
        _say_findings(screen, findings)
        if pdf is not None:
            screen.say(screen.paint.green(f"{_shown(pdf)}"))
    if options.no_pdf or pdf is not None:
        return Exit.DONE
    if compiled is None:
        raise NotFound(
            f"there is no latexmk with {found.engine}, and no PDF; all other files were written",
            hint=compiling.install_hint(),
        )
    return Exit.USAGE


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _write(found: Paper, made: Made) -> list[str]:
    """Write what is not there already; what is generated and not wanted any more goes."""
    changed: list[str] = []
    before = _lock(found)[0]
    for name, text in made.files.items():
        path = found.generated / name
        data = text.encode()
        if path.is_file() and path.read_bytes() == data:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.publish(path, [data], path.parent, replace=True)
        changed.append(name)
    for name in before.files if before is not None else ():
        path = found.generated / name
        if name not in made.files and path.is_file() and ".." not in Path(name).parts:
            path.unlink()
            changed.append(name)
    return changed
