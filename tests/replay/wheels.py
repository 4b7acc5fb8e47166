"""A shelf of real wheels on the disk, from which pip and uv install without any index."""

import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

SOURCES = Path(__file__).parent.parent.parent / "src"
NEEDED = ["msgspec", "blake3", "xxhash"]
if sys.version_info < (3, 14):
    NEEDED.append("backports.zstd")


def make_wheel(shelf: Path, name: str, version: str, *, python: str = "py3", **files: str) -> Path:
    """A wheel with modules; a name may hold `__` for a slash, and `.py` is added to one without."""
    told = f"{name}-{version}.dist-info"
    texts = {
        key.replace("__", "/") + ("" if "." in key else ".py"): text for key, text in files.items()
    }
    texts[f"{told}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    texts[f"{told}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {python}-none-any\n"
    texts[f"{told}/RECORD"] = "".join(f"{each},,\n" for each in [*texts, f"{told}/RECORD"])
    path = shelf / f"{name}-{version}-{python}-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in texts.items():
            wheel.writestr(each, text)
    return path


def pack_installed(shelf: Path, name: str) -> None:
    """The wheel of a distribution that is installed here."""
    found = metadata.distribution(name)
    tags = (found.read_text("WHEEL") or "").split("Tag: ")
    stem = f"{name.replace('.', '_')}-{found.version}-{tags[1].split()[0]}"
    with zipfile.ZipFile(shelf / f"{stem}.whl", "w") as wheel:
        for each in found.files or []:
            if (
                not each.name.endswith((".pyc", "REQUESTED", "INSTALLER"))
                and ".." not in each.parts
            ):
                wheel.write(str(each.locate()), str(each))


def fill(shelf: Path) -> Path:
    """What the recorder needs, and `leaf` in two versions."""
    shelf.mkdir()
    for name in NEEDED:
        pack_installed(shelf, name)
    for number in ("1.0", "2.0"):
        make_wheel(shelf, "leaf", number, leaf=f"VALUE = {number}\n")
    return shelf


def environ(shelf: Path) -> dict[str, str]:
    """The variables by which pip and uv know of the shelf alone."""
    empty = shelf.parent / "index"
    empty.mkdir(exist_ok=True)
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shelf),
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": f"file://{empty}",
        "UV_FIND_LINKS": str(shelf),
        "UV_CACHE_DIR": str(shelf / "uv"),
    }


def make_recording_environment(folder: Path, shelf: Path, *lines: str) -> Path:
    """A user's environment that can record; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    needed = [f"{name}=={metadata.version(name)}" for name in NEEDED]
    words = ["-m", "pip", "-q", "--python", python, "install", "--no-deps", *needed, *lines]
    subprocess.run([sys.executable, *words], env={**os.environ, **environ(shelf)}, check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "samebit.pth").write_text(f"{SOURCES}\n")
    return python
