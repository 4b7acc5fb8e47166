"""`samebit publish`: runs as a page that is read by a link, or from a file, without a server."""

import argparse
import gc
import multiprocessing
import os
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from samebit import digest, disk, places
from samebit.capture.git import read_author
from samebit.capture.secrets import mask_text
from samebit.cli.gathering import tell
from samebit.cli.tables import Column, table
from samebit.cli.words import ProgressLine, Screen, counted, seconds_of, size, visible, when
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, UsageError
from samebit.folders.find import find_run
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.query import choosing, index
from samebit.remotes import listing, named, published
from samebit.remotes.named import Remote
from samebit.report.anonymous import numbered
from samebit.report.page import Page, Told, each_text, html
from samebit.report.table import runs_table, shown

__all__ = ["people", "publish", "publish_arguments"]

_COLUMNS = 320  # of a chart, at most; of each the lowest, the highest and the mean
_LEAST_COLUMNS = 60
_ALL_COLUMNS = 16_000  # of all curves of one chart together
_READ_HERE = 8  # runs; of more it pays to start processes
_FOR_OTHERS = ("endpoint", "region", "account")  # a profile is everybody's own
_NAMED_RUNS = 6  # in the commands
_SLUG_WORDS, _SLUG_LENGTH, _DIGITS = 6, 40, 12
_LONGEST_S = 7 * 86_400  # of a signed link, for S3 and Google Cloud Storage
_SHORTEST_NAME = 3  # letters of a part of a name that are worth hiding
Row = dict[str, Any]


def publish_arguments(parser: argparse.ArgumentParser) -> None:
    """What publish takes."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="which runs, in this order")
    parser.add_argument(
        "--where", metavar="EXPR", help="runs such as: acc > 0.9 and seed in [1, 2]"
    )
    parser.add_argument(
        "--to", required=True, metavar="REMOTE|PATH", help="a remote's name, or a file or folder"
    )
    parser.add_argument("--title", metavar="TEXT", help="the heading (default: the run's name)")
    parser.add_argument(
        "--anonymous", action="store_true", help="without people, hosts, paths and addresses"
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_time,
        metavar="TIME",
        help="sign a link that everybody can read for so long: 12h, 7d",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--ls", action="store_true", help="list what is published there, instead")
    instead.add_argument("--rm", metavar="LINK", help="take a page away again, instead")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _time(text: str) -> int:
    seconds = seconds_of(text) or 0
    if 1 <= seconds <= _LONGEST_S:
        return int(seconds)
    raise argparse.ArgumentTypeError(f"a time is like 30min, 12h or 7d (the longest), not {text!r}")


def publish(options: argparse.Namespace) -> int:
    """Do one of the three."""
    store = places.find_store(Path.cwd())
    target = _target(store, options.to)
    screen = Screen.of(sys.stdout)
    if options.ls or options.rm is not None:
        if isinstance(target, Path):
            raise UsageError("a page in a file is yours to list and delete", path=target)
        if options.ls:
            return _list(target, screen, options)
        return _remove(target, options.rm, screen, options)
    if isinstance(target, Path) and options.seconds is not None:
        raise UsageError("only a bucket has links that end", path=target, hint="leave out --for")
    folders = _chosen(store, options.runs, options.where)
    page = _page(store, folders, target, options)
    data = html(page).encode()
    name = f"{_slug(page.title)}-{digest.hex_of(digest.of_bytes(data))[:_DIGITS]}"
    said: Row = {"runs": [one.id for one in folders], "name": name, "bytes": len(data)}
    if isinstance(target, Path):
        path = _write(target, name, data)
        said |= {"path": str(path), "address": path.resolve().as_uri()}
    else:
        said |= _upload(target, name, data, options)
    _say(said, target, screen, options)
    return Exit.DONE


def _target(store: Path, word: str) -> Remote | Path:
    """A remote by its name, before a path of the same name; what can only be a path."""
    remotes = named.read_all(store)
    if word in remotes:
        return remotes[word]
    path = Path(word).expanduser()
    if "://" in word:
        raise UsageError(
            f"{word!r} is an address; --to takes the name of a remote",
            known=", ".join(sorted(remotes)) or "none yet",
            hint="samebit remote add NAME URL",
        )
    if "/" in word or word in (".", "..") or _is_page(path) or path.is_dir():
        return path
    raise NotFound(
        f"there is no remote {word!r}, and no folder",
        known=", ".join(sorted(remotes)) or "none yet",
        hint="a path has a / in it, or ends in .html",
    )


def _is_page(path: Path) -> bool:
    return path.suffix.lower() in (".html", ".htm")


def _chosen(store: Path, references: Sequence[str], condition: str | None) -> list[RunFolder]:
    if not references and condition is None:
        raise UsageError("which runs?", hint="samebit publish @last --to …, or --where EXPR")
    found = {one.id: one for one in (find_run(store, word) for word in references)}
    fits = choosing.fitting(index.rows(store), condition) if condition is not None else []
    for row in (row for row in fits if "damage" not in row):
        folder = RunFolder(store / "runs" / str(row["id"]))
        found.setdefault(folder.id, folder)
    if not found:
        raise NotFound("no run is so", hint="`samebit ls --where …` lists the same runs")
    return list(found.values())


def _page(
    store: Path, folders: Sequence[RunFolder], target: Remote | Path, options: argparse.Namespace
) -> Page:
    columns = min(max(_ALL_COLUMNS // len(folders), _LEAST_COLUMNS), _COLUMNS)
    told = _tell_all(folders, columns, anonymous=options.anonymous)
    labels = Counter(one.label for one in told)
    told = [
        replace(one, label=f"{one.label} ({folder.id})") if labels[one.label] > 1 else one
        for one, folder in zip(told, folders, strict=True)
    ]
    page = Page(options.title or _title(told), tuple(told))
    if len(folders) > 1:
        page = _with_table(page, store, folders, ids=not options.anonymous)
    page = each_text(page, mask_text)  # whichever version recorded it: this goes out of the house
    if not options.anonymous:
        return replace(page, check=_check(folders, target))
    called = {folder.id: f"run {at}" for at, folder in enumerate(folders, start=1)}
    wording = numbered(map(read_run, folders), called, people(store.parent))
    return each_text(page, wording.text)


def _tell_all(folders: Sequence[RunFolder], columns: int, *, anonymous: bool) -> list[Told]:
    """What is told of each run; many are read by as many processes as there are processors."""
    tell_one = partial(_tell, columns, anonymous)
    with (
        ProgressLine(Screen.of(sys.stderr), len(folders), "runs") as progress,
        ExitStack() as open_,
    ):
        found: Iterable[Told] = map(tell_one, folders)
        if len(folders) > _READ_HERE:
            workers = min(os.cpu_count() or 1, len(folders))
            spawn = multiprocessing.get_context("spawn")
            found = open_.enter_context(ProcessPoolExecutor(workers, spawn)).map(tell_one, folders)
        told: list[Told] = []
        for one in found:
            told.append(one)
            progress.advance()
    return told


def _tell(columns: int, anonymous: bool, folder: RunFolder) -> Told:
    gc.disable()  # millions of rows make no circle, and looking for one takes half of the time
    try:
        return tell(read_run(folder), columns, anonymous=anonymous)
    finally:
        gc.enable()


def _title(told: Sequence[Told]) -> str:
    return told[0].label if len(told) == 1 else f"{len(told)} runs"


def _with_table(page: Page, store: Path, folders: Sequence[RunFolder], *, ids: bool) -> Page:
    """The same with what differs between the runs, and what they came to, in a table."""
    every = {row["id"]: row for row in index.rows(store, replays=True)}
    rows = [every[folder.id] for folder in folders]
    headers, cells = runs_table(rows, None)
    lines = [[one.label, *line[:1], *line[2:]] for one, line in zip(page.runs, cells, strict=True)]
    headers = ["run", "id", *headers[2:]]
    if any(row.get("verdict") for row in rows):
        headers.append("verdict")
        lines = [[*line, row.get("verdict")] for line, row in zip(lines, rows, strict=True)]
    if not ids or all(
        one.label == folder.id for one, folder in zip(page.runs, folders, strict=True)
    ):
        headers = headers[:1] + headers[2:]
        lines = [line[:1] + line[2:] for line in lines]
    return replace(
        page,
        headers=tuple(headers),
        rows=tuple(tuple(map(shown, line)) for line in lines),
        numeric=tuple(map(_is_numeric, zip(*lines, strict=True))),
    )


def _is_numeric(column: Collection[object]) -> bool:
    filled = [cell for cell in column if cell is not None]
    return bool(filled) and all(type(cell) in (int, float) for cell in filled)


def _check(folders: Sequence[RunFolder], target: Remote | Path) -> tuple[str, tuple[str, ...]]:
    """How a reader runs them again."""
    verify = [f"samebit verify {folder.id}" for folder in folders[:_NAMED_RUNS]]
    if isinstance(target, Path):
        sentence = "In the project in which it was recorded, this runs it again and compares"
        return f"{sentence} every bit:", tuple(verify)
    words = ["samebit", "clone", target.url, "record"]
    for name in (name for name in _FOR_OTHERS if name in target.options):
        words += [f"--{name}", target.options[name]]
    sentence = "Whoever may read there gets the whole record, runs it again, and compares every"
    return f"{sentence} bit:", (shlex.join(words), "cd record", *verify)


def people(project: Path) -> set[str]:
    """Names under which commits are made here, whole and in parts, for no record has them."""
    found: set[str] = set()
    for said in read_author(project):
        parts = re.split(r"[\s@]+", said.partition("@")[0])
        found |= {said, *(part for part in parts if len(part) >= _SHORTEST_NAME)}
    return found


def _slug(title: str) -> str:
    words = re.findall("[a-z0-9]+", title.lower())[:_SLUG_WORDS]
    return "-".join(words)[:_SLUG_LENGTH].strip("-") or "runs"


def _write(target: Path, name: str, data: bytes) -> Path:
    """Write a page to a file, or into a folder under its name."""
    path = target if _is_page(target) and not target.is_dir() else target / f"{name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.publish(path, [data], path.parent, replace=True)
    return path


def _upload(remote: Remote, name: str, data: bytes, options: argparse.Namespace) -> Row:
    place = named.open_place(remote)
    seconds: int | None = options.seconds
    signed: Row = {}
    if seconds is not None:  # before anything is there that has no link
        until = time.time_ns() + seconds * 10**9
        signed = {"signed": published.signed(place, name, seconds), "until": _iso(until)}
    path = published.put_page(place, name, data)
    address = published.address(place, name)
    found: Row = {"remote": remote.name, "path": path, "address": address, **signed}
    if address.startswith(("https://", "http://")):
        found["open"] = published.is_open(address, data)
    return found


def _say(said: Row, target: Remote | Path, screen: Screen, options: argparse.Namespace) -> None:
    missing = [] if isinstance(target, Path) or options.anonymous else _not_there(said, target)
    if options.json:
        screen.say(canonical_json(said | {"not_pushed": missing}).decode())
        return
    paint = screen.paint
    where_to = str(said["path"]) if isinstance(target, Path) else target.name
    what = f"{counted(len(said['runs']), 'run')}, {size(said['bytes'])}"
    screen.say(f"{paint.green('published')} to {visible(where_to)}: {what}")
    screen.say(f"  {said['address']}")
    if "open" in said:
        screen.say(f"    {_readers(said['open'], 'signed' in said)}")
    if "signed" in said:
        screen.say(f"  {said['signed']}")
        screen.say(f"    everybody can read this one, until {said['until']} at the latest")
    if options.anonymous and not isinstance(target, Path):
        screen.say(paint.yellow("the links name the place: look whether that says whose it is"))
    if missing:
        runs = " ".join(missing[:_NAMED_RUNS]) + (" …" if missing[_NAMED_RUNS:] else "")
        screen.say(f"  the runs themselves are not there yet: samebit push {runs}")


def _readers(is_open: bool | None, is_signed: bool) -> str:
    if is_open:
        return "everybody can read it: the bucket gives it without credentials"
    if is_open is None:
        return "whether everybody can read it could not be tried"
    hint = "" if is_signed else "; `--for 7d` makes a link for everybody"
    return f"only those who have credentials for the bucket can read it{hint}"


def _iso(ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // 10**9))


def _not_there(said: Row, remote: Remote) -> list[str]:
    there = set(listing.list_runs(named.open_place(remote)))
    return [run for run in said["runs"] if run not in there]


def _list(remote: Remote, screen: Screen, options: argparse.Namespace) -> int:
    place = named.open_place(remote)
    pages = sorted(published.list_pages(place), key=lambda page: (-page[1].modified_ns, page[0]))
    if options.json:
        listed = [
            {"name": name, "address": published.address(place, name)}
            | {"bytes": one.size_bytes, "published": _iso(one.modified_ns)}
            for name, one in pages
        ]
        screen.say(canonical_json({"remote": remote.name, "pages": listed}).decode())
    elif pages:
        columns = [Column("published"), Column("size", "right"), Column("address")]
        cells = [
            [when(one.modified_ns), size(one.size_bytes), published.address(place, name)]
            for name, one in pages
        ]
        screen.say(table(columns, cells, columns_wide=None, color=screen.color))
    else:
        screen.say(f"nothing is published at {remote.name}")
    return Exit.DONE


def _remove(remote: Remote, link: str, screen: Screen, options: argparse.Namespace) -> int:
    name = published.name_in(link)
    published.remove_page(named.open_place(remote), name)
    if options.json:
        screen.say(canonical_json({"remote": remote.name, "removed": name}).decode())
    else:
        screen.say(f"taken away from {remote.name}: {name}; its links lead nowhere now")
    return Exit.DONE
