"""`samebit demo`: the main job on real data: record, look, verify, then find a fault."""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from samebit.cli.words import Screen
from samebit.errors import Exit, NotFound, SamebitError, UsageError

__all__ = ["demo", "demo_arguments"]

_NEEDS = {"torch": "torch", "sklearn": "scikit-learn"}
_SCRIPT = Path(__file__).parent.parent / "demo" / "train.py"
_MARK = ".samebit-demo"


def demo_arguments(parser: argparse.ArgumentParser) -> None:
    """What demo takes."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("samebit-demo"),
        help="where it works (default: ./samebit-demo, made anew)",
    )


def demo(options: argparse.Namespace) -> int:
    """Play it; the exit code is that of the first step that did not do what it should."""
    missing = [name for module, name in _NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise NotFound(
            f"the demo trains a small network, and needs {' and '.join(missing)}",
            python=sys.executable,
            hint=f"{Path(sys.executable).name} -m pip install {' '.join(missing)}",
        )
    screen = Screen.of(sys.stdout)
    folder = _prepare(options.folder)
    screen.say(f"A small network, trained on handwritten digits, in {options.folder}/")
    steps = [
        ("Record a run.", ["run", "--seed", "7", "train.py"], Exit.DONE),
        ("Look at the record.", ["show", "@last"], Exit.DONE),
        ("Run it again, from the record alone, and compare.", ["verify", "@last"], Exit.DONE),
        (
            "Now the same script with a fault: the shuffle is not seeded.",
            ["run", "--seed", "7", "train.py", "--forget-seed"],
            Exit.DONE,
        ),
        (
            "Where do the two runs part?",
            ["diff", "@last-1", "@last", "--trace"],
            Exit.DIFFERENT,
        ),
    ]
    for title, words, expected in steps:
        screen.say("\n" + screen.paint.bold(title))
        screen.say(screen.paint.cyan(f"$ samebit {' '.join(words)}"))
        sys.stdout.flush()
        code = subprocess.run([sys.executable, "-m", "samebit.cli.main", *words], cwd=folder)
        if code.returncode != expected:
            raise SamebitError(
                f"`samebit {words[0]}` should have ended with {int(expected)}",
                ended_with=code.returncode,
                folder=folder,
            )
    _check_cause(folder)
    screen.say("\n" + screen.paint.bold("What to type next"))
    for line in (
        f"cd {options.folder}",
        "samebit ls",
        "samebit diff @last-1 @last",
        "samebit metrics @last loss",
        "samebit state export @last model.safetensors",
        "samebit run --seed 1 --deterministic YOUR_SCRIPT.py",
    ):
        screen.say(f"  {line}")
    return 0


def _prepare(folder: Path) -> Path:
    """A fresh folder with the script in it, and a git repository where git is."""
    if folder.exists():
        if not (folder / _MARK).exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty, and not from an earlier demo")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()
    shutil.copyfile(_SCRIPT, folder / "train.py")
    os.environ.pop("SAMEBIT_DIR", None)  # the demo's runs stay with the demo
    if shutil.which("git") is None:
        return folder
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
    for words in (
        ["init", "--quiet"],
        ["add", "train.py", _MARK],
        [*identity, "commit", "--quiet", "--message", "A script to be recorded"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def _check_cause(folder: Path) -> None:
    """The demo proves itself: the cause it has just shown must be the one that was built in."""
    words = [sys.executable, "-m", "samebit.cli.main", "diff", "@last-1", "@last", "--json"]
    found = json.loads(subprocess.run(words, cwd=folder, capture_output=True).stdout)
    if not any("step 1: the batch differed" in line for line in found["trace"]):
        raise SamebitError("the demo did not find its own fault", trace=found["trace"])
