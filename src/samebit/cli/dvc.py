"""What a run read that DVC keeps, in words and as data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samebit.cli.words import few, visible
from samebit.data.dvc.linking import Link, Projects
from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.objects.tree import read_tree

__all__ = ["as_data", "dvc_lines", "dvc_links"]

_QUICK_BYTES = 256 << 20  # read at most where a run is only shown: half a second
_NAMED = 3
_MOST_LINES = 8


def dvc_links(view: View, *, thorough: bool) -> list[Link]:
    """What DVC keeps of that which it read.

    Args:
        view: the run.
        thorough: whether all bytes are compared, however many they are.
    """
    if view.code is None:
        return []
    store = Store(view.folder.store)
    try:
        entries = read_tree(store, view.code.tree).entries
    except SamebitError:
        return []  # a damaged tree is said where the run is verified
    read = {str(fact["path"]): fact.get("digest") for fact in view.files if fact["how"] == "read"}
    projects = Projects(Path(view.code.root), entries, store)
    return projects.links(read, float("inf") if thorough else _QUICK_BYTES)


def dvc_lines(view: View, links: list[Link]) -> Iterator[tuple[str, object]]:
    """Of each of them how much was read, and whether it was what DVC had."""
    for link in links[:_MOST_LINES]:
        text = f"{link.kept.out.path}: {_judged(link)}"
        yield "dvc", visible(text.replace(" RUN", f" {view.id}"))
    if len(links) > _MOST_LINES:
        yield "", f"and {len(links) - _MOST_LINES} more; samebit show {view.id} --json"


def _judged(link: Link) -> str:
    out = link.kept.out
    file = out.file + (f", stage {out.stage}," if out.stage else "")
    file = f"{file} as it lies there now" if link.kept.is_now else file
    if not out.is_folder:
        if link.same:
            return f"as {file} has it (md5 {out.name[:8]})"
        if link.differs:
            return f"differs from {file} (md5 {out.name[:8]})"
        return f"of {file} (md5 {out.name[:8]}), not compared: {link.why}"
    count = f"{link.files:,} file" + ("" if link.files == 1 else "s")
    if link.total is not None and link.total != link.files:
        count = f"{link.files:,} of {link.total:,} files"
    elif link.files > 1 and not link.differs:
        count = f"all {count}"
    them = "it" if link.files == 1 else "them"
    if not link.differs and not link.unknown:
        return f"{count}, as {file} has {them} (md5 {out.name[:8]})"
    words = [f"{count} of {file} (md5 {out.name[:8]})"]
    if link.differs:
        differ = "differs" if len(link.differs) == 1 else "differ"
        words.append(f"{len(link.differs):,} {differ} from it: {few(link.differs, _NAMED)}")
    if link.unknown:
        words.append(f"{len(link.unknown):,} not compared: {link.why}")
    return "; ".join(words)


def as_data(link: Link) -> dict[str, Any]:
    """The same for programs."""
    out = link.kept.out
    return {
        "path": link.kept.place,
        "file": out.file,
        "stage": out.stage or None,
        "hash": out.hash,
        "md5": out.name,
        "recorded": not link.kept.is_now,
        "files": link.files,
        "of": link.total,
        "same": len(link.same),
        "differs": link.differs,
        "not_compared": link.unknown,
        "why": link.why or None,
    }
