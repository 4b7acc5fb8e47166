"""What a study costs: a run over the bare script, 1,000 short ones, 10,000 that are finished.

`python benchmarks/studies.py [RUNS] [FINISHED]`: so many short runs, so many finished trials.
"""

import statistics
import sys
import time
from pathlib import Path

import measure

from samebit import places
from samebit.folders import folder as runs
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.studies.declared import Study, design, folder_of, join_or_declare, study_id
from samebit.studies.trials import Trials

SHORT, FINISHED = 1000, 10_000
SINGLE = 15  # runs that are timed beside the bare script
ROUNDS = 5
JOBS = 2
AGO_NS = 60_000_000_000
SCRIPT = "import sys\nprint(sys.argv[1])\n"


def main() -> None:
    """Print the tables."""
    short = int(sys.argv[1]) if len(sys.argv) > 1 else SHORT
    finished = int(sys.argv[2]) if len(sys.argv) > 2 else FINISHED
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        env = measure.child_environment(SAMEBIT_CACHE=str(folder / "cache"))
        for name in ("short", "finished"):
            (folder / name).mkdir()
            (folder / name / "t.py").write_text(SCRIPT, encoding="utf-8")
        _short(folder / "short", env, short)
        _finished(folder / "finished", env, finished)
    print(f"Target: 10,000 finished trials open in under a second. {measure.load()}")


def _short(project: Path, env: dict[str, str], count: int) -> None:
    """Short runs by a study, as `samebit run`, and as the script alone."""
    samebit = [sys.executable, "-m", "samebit.cli.main"]

    def timed(words: list[str]) -> float:
        return measure.time_process(words, env=env, cwd=project)

    timed([*samebit, "run", "--quiet", "t.py", "0"])  # writes the bytecode
    cases = {
        "the bare script": lambda: timed([sys.executable, "t.py", "0"]),
        "samebit run": lambda: timed([*samebit, "run", "--quiet", "t.py", "0"]),
    }
    taken = measure.take_turns(cases, SINGLE)
    rows = [[name, f"{statistics.median(times):.0f}"] for name, times in taken.items()]
    words = ["seeds", "t.py", "--n", str(count), "--jobs", str(JOBS), "--name", "short"]
    each = JOBS * timed([*samebit, *words, "--", "{seed}"]) / count
    rows.append([f"of {count:,} by samebit seeds --jobs {JOBS}", f"{each:.0f}"])
    measure.print_table(["ms, one run", "median, or mean of all"], rows)


def _finished(project: Path, env: dict[str, str], count: int) -> None:
    """A study of which all trials have finished is taken up, and shown."""
    began = time.monotonic()
    words = _make(project, count)
    print(f"\n{count:,} finished trials made in {time.monotonic() - began:.0f} s\n", flush=True)
    samebit = [sys.executable, "-m", "samebit.cli.main"]

    def timed(words: list[str]) -> float:
        return measure.time_process([*samebit, *words], env=env, cwd=project)

    first = timed(["seeds", "show", "done"])
    cases = {
        "samebit --help": lambda: timed(["--help"]),
        "the same command, with nothing to do": lambda: timed(words),
        "samebit seeds show": lambda: timed(["seeds", "show", "done"]),
    }
    taken = measure.take_turns(cases, ROUNDS)
    rows = [["samebit seeds show, index cold", f"{first:.0f}", ""]]
    for name, times in taken.items():
        low, high = measure.quartiles(times)
        rows.append([name, f"{statistics.median(times):.0f}", f"{low:.0f} to {high:.0f}"])
    measure.print_table(["ms, whole process", "median", "quartiles"], rows)


def _make(project: Path, count: int) -> list[str]:
    """A study with finished runs; the command that it is of."""
    store = places.make_store(project / places.STORE_NAME)
    study = Study(
        study_id(store, "done"), "done", "script", ("t.py", "{seed}"), str(project), ("all",),
        False, 1, first=0,
    )  # fmt: skip
    join_or_declare(store, study)
    with Trials(folder_of(store, study.id), study.id) as log:
        log.want({"all": count}, 0)
        for one in design(study, {"all": count}, 0):
            start = log.start(log.decide(one).number).last
            assert start is not None
            _make_run(store, study.id, log.history.trials[-1].number, start.run)
    return ["seeds", "t.py", "--n", str(count), "--from", "0", "--name", "done", "--", "{seed}"]


def _make_run(store: Path, study: str, number: int, run_id: str) -> None:
    trial = runs.Trial(study, number, run_id)
    run = runs.begin(store, name=f"done-{number + 1}", group="done", trial=trial)
    at_ns = time.time_ns() - AGO_NS
    start = run.begin_execution(
        ExecutionStart(0, at_ns, "script", ("t.py", str(number)), str(store.parent), seed=number)
    )
    writer = Writer(run.journal, run.id)
    writer.fact("config", {"lr": 0.1, "batch": 32})
    for step in range(1, 11):
        writer.row({"acc": (number * 7919 % 10_007) / 10_007 + step / 100, "loss": 1 / step}, step)
    writer.close()
    run.end_execution(start.number, ExecutionEnd(at_ns + 1, "finished", exit_code=0))


if __name__ == "__main__":
    main()
