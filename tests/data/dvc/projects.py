"""Projects as DVC writes them, by hand; that DVC writes the same is seen in `tests/walks`."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

Content = bytes | Mapping[str, bytes]


class DvcProject:
    """A folder that uses DVC: of version 3, or, `legacy`, as versions 1 and 2 wrote it."""

    def __init__(self, path: Path, *, legacy: bool = False, cache: Path | None = None) -> None:
        self.path = path
        self.legacy = legacy
        self.cache = cache or path / ".dvc/cache"
        (path / ".dvc").mkdir(parents=True, exist_ok=True)
        (path / ".dvc/config").write_text("")

    def write(self, name: str, content: Content) -> None:
        """What lies in the working tree."""
        files = {"": content} if isinstance(content, bytes) else content
        for below, data in files.items():
            place = self.path / name / below if below else self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    def add(self, name: str, content: Content, *, commit: bool = True, tree: bool = True) -> str:
        """As `dvc add`: working tree, cache, `.dvc` file; the md5."""
        if tree:
            self.write(name, content)
        entry = self.entry(name, content, commit=commit)
        rows = [f"{key}: {value}" for key, value in entry.items()]
        rows.append(f"path: {os.path.basename(name)}")
        text = "outs:\n- " + "\n  ".join(rows) + "\n"
        place = self.path / f"{name}.dvc"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return str(entry["md5"])

    def entry(self, name: str, content: Content, *, commit: bool = True) -> dict[str, object]:
        """What DVC says of an out; its bytes are in the cache then."""
        keep = self.keep if commit else self.name
        if isinstance(content, bytes):
            found: dict[str, object] = {"md5": keep(content), "size": len(content)}
        else:
            rows = [{"md5": keep(data), "relpath": path} for path, data in sorted(content.items())]
            listed = json.dumps(rows, sort_keys=True).encode()
            found = {"md5": keep(listed, ".dir"), "size": sum(map(len, content.values()))}
            found["nfiles"] = len(content)
        return found if self.legacy else {**found, "hash": "md5"}

    def lock(self, stages: Mapping[str, Mapping[str, Content]], name: str = "dvc.lock") -> None:
        """As `dvc repro`: each stage with its outs."""
        lines = ["schema: '2.0'", "stages:"]
        for stage, outs in stages.items():
            lines += [f"  {stage}:", "    cmd: python make.py --of a#b and some more words that",
                      "      make it longer than a line", "    params:", "      params.yaml:",
                      "        deep:", "        - x: y", "        none:", "    outs:"]  # fmt: skip
            for path, content in outs.items():
                entry = self.entry(path, content)
                lines.append(f"    - path: {path}")
                lines += [f"      {key}: {value}" for key, value in entry.items()]
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text("\n".join(lines) + "\n")

    def name(self, data: bytes, suffix: str = "") -> str:
        """The md5 of some bytes: these are small, and in DVC 2 all of them texts or none."""
        if self.legacy and b"\0" not in data:
            data = data.replace(b"\r\n", b"\n")
        return hashlib.md5(data).hexdigest() + suffix

    def keep(self, data: bytes, suffix: str = "") -> str:
        name = self.name(data, suffix)
        place = self.at(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_bytes(data)
            place.chmod(0o444)
        return name

    def at(self, name: str) -> Path:
        """Where the cache has it."""
        folder = self.cache if self.legacy else self.cache / "files/md5"
        return folder / name[:2] / name[2:]

    def lose(self, name: str) -> None:
        self.at(name).unlink()

    def damage(self, name: str) -> None:
        self.at(name).chmod(0o644)
        self.at(name).write_bytes(b"damaged")
        self.at(name).chmod(0o444)


def everything(path: Path, *but: str) -> dict[str, tuple[object, ...]]:
    """Each name below a folder: kind, content, times, mode."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in but]
        for name in [*folders, *files, ""]:
            place = Path(folder, name)
            status = place.lstat()
            content = place.read_bytes() if place.is_file() else b""
            facts = status.st_mtime_ns, status.st_ctime_ns, status.st_mode, status.st_ino
            found[str(place)] = (*facts, content)
    return found
