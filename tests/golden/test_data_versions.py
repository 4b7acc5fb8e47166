"""A version of data that was written once opens for ever, and equal data has the same manifest."""

import os
import shutil
from pathlib import Path

import pytest

from samebit import places
from samebit.cli.checking import examine
from samebit.data import adding, files, manifests, placing, versions
from samebit.data.fingerprints import fingerprint
from samebit.objects.store import Store

GOLDEN = Path(__file__).parent / "data-1"
FINGERPRINT = "fp1:folder:b414d4f8dfe8b2c9eedc469a9cf4e429bf9d4ebf0f8ffd21acb706da97bd26b6"
MANIFEST = "blake3:6488179d10554c8a9a4074508ff96160b02e6e2ab4babf0ebfb9d7c550db15c6"


def make(folder: Path) -> Path:
    """What lies in the golden version: a large file, a small one, a program, links, a folder."""
    (folder / "b").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "b/large.txt").write_text("".join(f"{n % 97} {n % 89}\n" for n in range(200_000)))
    (folder / "b/small").write_bytes(b"\x00\xff")
    (folder / "a.sh").write_text("echo\n")
    (folder / "a.sh").chmod(0o755)
    os.symlink("b/small", folder / "link")
    (folder / os.fsdecode(b"\xff.txt")).write_bytes(b"")
    return folder


@pytest.fixture
def golden(tmp_path: Path) -> Store:
    shutil.copytree(GOLDEN, tmp_path / "golden" / ".samebit")
    return Store(places.make_store(tmp_path / "golden" / ".samebit"))


def test_a_golden_version_is_laid_out(golden: Store, tmp_path: Path) -> None:
    assert examine(golden).damage == []
    version = versions.find_version(golden.path, "golden")
    assert (version.fingerprint, version.manifest) == (FINGERPRINT, MANIFEST)
    plan = placing.make_plan(golden, version, tmp_path / "place")
    placing.lay_out(golden, plan)
    expected = make(tmp_path / "made")
    for level in ("content", "strict"):
        assert fingerprint(tmp_path / "place", level=level) == fingerprint(expected, level=level)
    assert str(fingerprint(expected)) == FINGERPRINT


def test_equal_data_has_the_same_manifest_and_shares_every_piece(
    golden: Store, tmp_path: Path
) -> None:
    found = adding.add(golden, files.survey(make(tmp_path / "made")), "golden")
    assert not found.is_new
    manifest = manifests.read_manifest(golden, MANIFEST)
    assert (manifest.files, manifest.items) == (4, 6)
