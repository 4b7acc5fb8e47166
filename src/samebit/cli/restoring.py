"""`samebit data restore`: the files that a run read and kept, laid where they were."""

import argparse
import os
from functools import partial
from pathlib import Path

from samebit import digest, places
from samebit.cli.words import Screen, few, size, visible
from samebit.data.linking import Stored, kept_by_run, kept_files
from samebit.data.placing import write_aside, write_file
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, SamebitError, UsageError
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.objects.store import Store

__all__ = ["arguments", "restore"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """What data restore takes."""
    parser.add_argument("run", metavar="RUN", help="a run with --save-data")
    parser.add_argument(
        "--to", metavar="DIR", type=Path, help="below this folder, by their whole paths"
    )
    parser.add_argument("--force", action="store_true", help="write over files that differ")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def restore(options: argparse.Namespace, screen: Screen) -> int:
    """All or none where files of another content are in the way."""
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    store = Store(view.folder.store)
    kept = _kept(view, store)
    wanted = {_place(path, options.to): stored for path, stored in kept.items()}
    there = {place for place, one in wanted.items() if _is_there(place, one)}
    others = [str(place) for place in wanted if place not in there and os.path.lexists(place)]
    if others and not options.force:
        raise UsageError(
            f"{len(others):,} of the files are others now",
            files=few(others, 3),
            hint="--to DIR lays them out elsewhere; --force writes over them",
        )
    laid = [place for place in wanted if place not in there]
    for place in laid:
        _lay_out(store, wanted[place], place)
    if options.json:
        said = {"run": view.id, "laid_out": list(map(str, laid)), "same": len(there)}
        screen.say(canonical_json(said).decode())
        return Exit.DONE
    total = size(sum(wanted[place].item.size_bytes for place in laid))
    screen.say(f"{screen.paint.green('laid out')} {len(laid):,} of {len(wanted):,} files, {total}")
    if laid:
        screen.say(f"  {visible(few(list(map(str, laid)), 3))}")
    if there:
        screen.say(f"  {len(there):,} were there")
    return Exit.DONE


def _kept(view: View, store: Store) -> dict[str, Stored]:
    facts = kept_files(view.files)
    if not facts:
        raise NotFound(
            f"run {view.id} kept no files that it read",
            hint="`samebit run --save-data` keeps them; `samebit data ls` lists versions of data",
        )
    found = {path: kept_by_run(store, fact) for path, fact in facts.items()}
    if gone := [path for path, one in found.items() if one is None]:
        raise NotFound(
            f"{len(gone):,} of {len(found):,} files are not whole in the store",
            files=few(gone, 3),
            hint="`samebit check` says what is damaged",
        )
    return {path: one for path, one in found.items() if one is not None}


def _place(path: str, below: Path | None) -> Path:
    return Path(path) if below is None else below / os.path.relpath(path, os.sep)


def _is_there(place: Path, one: Stored) -> bool:
    try:
        if place.stat().st_size != one.item.size_bytes:
            return False
        return digest.of_file(place)[0] == one.item.digest
    except OSError:
        return False


def _lay_out(store: Store, one: Stored, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise SamebitError(f"cannot be written: {why}", path=place.parent) from error
    write_aside(partial(write_file, store, one.item), one.item, os.fsencode(place))
