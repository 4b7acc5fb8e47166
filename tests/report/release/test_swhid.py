"""The name of a folder is git's, whatever is in it."""

import subprocess
from pathlib import Path

from samebit import digest
from samebit.records import TreeEntry
from samebit.report.release import swhid

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_of_nothing_it_is_gits_empty_tree() -> None:
    assert swhid.of_tree([], bytes.fromhex) == f"swh:1:dir:{EMPTY}"


def test_order_kinds_and_names_are_gits(tmp_path: Path) -> None:
    files = {
        "a": ("file", b"1"),
        "a.b/c": ("file", b"2"),
        "a-b": ("exec", b"3"),
        "ab/c/d": ("file", b""),
        "ab/c.d": ("link", b"../a"),
        "ü\n'": ("file", b"4"),
        "byte\udcff": ("file", b"5"),
    }
    objects = {digest.of_bytes(data): data for _, data in files.values()}
    entries = [
        TreeEntry(path, digest.of_bytes(data), len(data), kind)
        for path, (kind, data) in files.items()
    ]
    for path, (kind, data) in files.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            place.symlink_to(data.decode())
        else:
            place.write_bytes(data)
            place.chmod(0o755 if kind == "exec" else 0o644)
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    done = subprocess.run(["git", "write-tree"], cwd=tmp_path, capture_output=True, text=True)
    assert swhid.of_tree(entries, objects.__getitem__) == f"swh:1:dir:{done.stdout.strip()}"
