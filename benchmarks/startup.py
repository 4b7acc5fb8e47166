"""What starting costs: the import, `init()`, `samebit --help`; whole processes taking turns.

Children run as a user's would, with bytecode cached, whatever this shell has set.
"""

import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import measure

RUNS = 25
INIT_RUNS = 15

_MODULES = """
import sys
before = set(sys.modules)
import samebit
loaded = sorted(set(sys.modules) - before)
ours = [name for name in loaded if name.partition(".")[0] == "samebit"]
standard = [n for n in loaded if n.partition(".")[0] in sys.stdlib_module_names]
others = [name for name in loaded if name not in ours and name not in standard]
print("ours:", *ours)
print("of the standard library:", *standard)
print("third-party:", *(others or ["none"]))
"""
_INIT = """
import time
{first}
began = time.perf_counter_ns()
import samebit
run = samebit.init(config={{"lr": 0.1}})
took = time.perf_counter_ns() - began
run.finish()
open("took", "w").write(str(took / 1e6))
"""


def main() -> None:
    """Print both tables."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        _processes(folder)
        _inits(folder)
    print(measure.load())


def _processes(folder: Path) -> None:
    env = measure.child_environment()
    command = Path(sys.executable).with_name("samebit")
    cases = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import samebit'": [sys.executable, "-c", "import samebit"],
        "samebit --help": [str(command), "--help"],
    }
    if not command.exists():
        cases["samebit --help"] = [sys.executable, "-m", "samebit.cli.main", "--help"]
    turns: dict[str, Callable[[], float]] = {
        name: lambda words=words: measure.time_process(words, env=env, cwd=folder)
        for name, words in cases.items()
    }
    measure.take_turns(turns, 2)  # writes the bytecode
    times = measure.take_turns(turns, RUNS)
    bare = times["python -c pass"]
    rows: list[list[str]] = []
    for name, taken in times.items():
        low, high = measure.quartiles(taken)
        over = statistics.median(a - b for a, b in zip(taken, bare, strict=True))
        ratio = f"{measure.median_ratio(taken, bare):.2f}"
        rows.append(
            [name, f"{statistics.median(taken):.1f}", f"{low:.1f} to {high:.1f}", f"{over:+.1f}"]
        )
        rows[-1].append(ratio)
    measure.print_table(["ms, whole process", "median", "quartiles", "over bare", "ratio"], rows)
    print("Targets: import at most +10 ms; --help under twice the interpreter's start.")
    loaded = subprocess.run(
        [sys.executable, "-c", _MODULES], env=env, capture_output=True, text=True, check=True
    )
    print(f"What `import samebit` loads:\n{loaded.stdout}", flush=True)


def _inits(folder: Path) -> None:
    kinds = {
        "init(), first run in a store": ("", True),
        "init(), later run": ("", False),
        "init(), later run in a git repository": ("", False),
    }
    if importlib.util.find_spec("torch") is not None:
        kinds["init(), later run, torch imported before"] = ("import torch", False)
    times: dict[str, list[float]] = {name: [] for name in kinds}
    wholes: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(INIT_RUNS + 1):
        for at, (name, (first, fresh)) in enumerate(kinds.items()):
            project = folder / (f"fresh-{number}" if fresh else f"project-{at}")
            project.mkdir(exist_ok=True)
            (project / "train.py").write_text(_INIT.format(first=first), encoding="utf-8")
            if "git" in name and number == 0:
                _make_repository(project)
            env = measure.child_environment()
            words = [sys.executable, "train.py"]
            whole = measure.time_process(words, env=env, cwd=project)
            if number:  # the first one writes bytecode and makes the stores
                wholes[name].append(whole)
                times[name].append(float((project / "took").read_text(encoding="utf-8")))
    rows: list[list[str]] = []
    for name, taken in times.items():
        if taken:
            low, high = measure.quartiles(taken)
            row = [name, f"{statistics.median(taken):.1f}", f"{low:.1f} to {high:.1f}"]
            rows.append([*row, f"{max(taken):.0f}", f"{statistics.median(wholes[name]):.0f}"])
    measure.print_table(["ms until it returns", "median", "quartiles", "worst", "process"], rows)
    print("Target: under 100 ms. Its import is counted in; the process ends with finish().")


def _make_repository(project: Path) -> None:
    who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org"]
    for number in range(200):
        (project / f"module_{number}.py").write_text(f"VALUE = {number}\n" * 40, encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *words], cwd=project, check=True)


if __name__ == "__main__":
    main()
