"""A folder as a sorted list of paths, kinds and digests; putting one in, laying one out."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from msgspec import Struct

from samebit import digest
from samebit.errors import Damaged
from samebit.objects.store import Reads, Store
from samebit.records import TreeEntry, TreeRecord, decode, encode

__all__ = ["SourceFile", "lay_out", "read_tree", "save_tree"]

_KINDS = ("file", "exec", "link")


class SourceFile(Struct, frozen=True):
    """One file to be put into a tree: its bytes, or for a link its target."""

    path: str  # relative, with forward slashes
    kind: str  # file | exec | link
    content: bytes


def save_tree(store: Store, files: Iterable[SourceFile]) -> tuple[str, TreeRecord]:
    """Put a folder's files into the store as one pack; the tree's digest and its record."""
    sources = sorted(files, key=lambda file: file.path)
    digests = [digest.of_bytes(file.content) for file in sources]
    entries = tuple(
        TreeEntry(file.path, name, len(file.content), file.kind)
        for file, name in zip(sources, digests, strict=True)
    )
    tree = TreeRecord(entries)
    *_, name = store.put_all([*(file.content for file in sources), encode(tree)])
    return name, tree


def read_tree(store: Reads, name: str) -> TreeRecord:
    """The record of a tree; one that names paths outside itself raises Damaged."""
    tree = decode(store.read(name), TreeRecord, where=name)
    paths = [PurePosixPath(entry.path) for entry in tree.entries]
    known = set(paths)
    for entry, path in zip(tree.entries, paths, strict=True):
        if (
            entry.kind not in _KINDS
            or path.is_absolute()
            or not path.parts
            or ".." in path.parts
            or "\0" in entry.path
            or ".git" in map(str.lower, path.parts)
            or not known.isdisjoint(path.parents)  # below a file, or through a link
        ):
            raise Damaged("a tree names a path that it may not", tree=name, path=repr(entry.path))
    if len(known) < len(paths):
        raise Damaged("a tree names a path twice", tree=name)
    return tree


def lay_out(store: Store, tree: TreeRecord, folder: Path) -> None:
    """Write a tree's files into a new or empty folder, every byte verified.

    Folders come first and links last, so that nothing is ever written through a link.
    """
    for parent in {(folder / entry.path).parent for entry in tree.entries}:
        parent.mkdir(parents=True, exist_ok=True)
    links: list[TreeEntry] = []
    for entry in tree.entries:
        if entry.kind == "link":
            links.append(entry)
            continue
        content = store.read(entry.digest)
        mode = 0o755 if entry.kind == "exec" else 0o644
        fd = os.open(folder / entry.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(fd, "wb") as stream:
            stream.write(content)
    for entry in links:
        os.symlink(os.fsdecode(store.read(entry.digest)), folder / entry.path)
