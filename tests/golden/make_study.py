"""Makes the golden store of a study; was run once for `study-1`, which never changes.

    python -m tests.golden.make_study FOLDER

As `make_store`, whose clock and chance it has. Two seeds of init are crossed with three of order,
the first cell is run once more; one trial was killed at its first start, and its second finished.
"""

import shutil
import sys
import time
from pathlib import Path

from samebit import disk, places
from samebit.errors import SamebitError
from samebit.folders import folder as runs
from samebit.folders.folder import Trial as Of
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.studies import declared
from samebit.studies.trials import Trial, Trials
from tests.golden import make_store

NAME = "crossed"
FACTORS = ("init", "order")
COUNTS = {"init": 2, "order": 3}
ACC = [[0.88, 0.86, 0.90], [0.84, 0.83, 0.87]]  # rows init, columns order
KILLED = 2


def make(store: Path) -> None:
    """Write the store."""
    with make_store._fixed():
        places.make_store(store)
        words = ("train.py", "--init", "{init}")
        study = declared.Study(
            id=declared.study_id(store, NAME),
            name=NAME,
            how="script",
            words=words,
            cwd=make_store.ROOT,
            factors=FACTORS,
            crossed=True,
            threads=1,
            metric="acc",
            at_ns=time.time_ns(),
        )
        declared.join_or_declare(store, study)
        with Trials(declared.folder_of(store, study.id), study.id) as trials:
            trials.want(COUNTS, 1)
            for at, wanted in enumerate(declared.design(study, COUNTS, 1)):
                trials.decide(wanted.values, wanted.repeat)
                value = ACC[0][0] if wanted.repeat else ACC[at // 3][at % 3]
                if at == KILLED:
                    _run(store, study, trials.start(at), value, "killed")
                _run(store, study, trials.start(at), value, "finished")
    for record in store.glob("runs/*/run.json"):
        record.write_bytes(record.read_bytes().replace(bytes(store.parent), b"/project"))
    shutil.rmtree(store / ".git")
    (store / "tmp").rmdir()


def _run(store: Path, study: declared.Study, trial: Trial, value: float, status: str) -> None:
    assert trial.last is not None
    words, seed = declared.filled(study, trial.values)
    name = f"{NAME}-{trial.number + 1}"
    of = Of(study.id, trial.number, trial.last.run)
    folder = runs.begin(store, group=NAME, name=name, trial=of)
    folder.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how="script",
            argv=tuple(words),
            cwd=make_store.ROOT,
            python="/usr/bin/python3",
            host="golden",
            boot="00000000-0000-0000-0000-000000000000",
            pid=4242,
            pid_started=1,
            user="ada",
            seed=seed,
            hash_seed=str(seed),
            roles=declared.roles(trial.values),
        )
    )
    writer = Writer(folder.journal, folder.id)
    writer.fact("config", {"init": trial.values["init"]})
    last = 2 if status == "killed" else 4
    for step in range(1, last + 1):
        writer.row({"acc": value - (4 - step) / 100}, step)
    writer.close()
    killed = "SIGKILL" if status == "killed" else None
    code = None if killed else 0
    folder.end_execution(1, ExecutionEnd(time.time_ns(), status, exit_code=code, signal=killed))


if __name__ == "__main__":
    if disk.FAULTS is not None:
        raise SamebitError("not with fault points armed")
    make(Path(sys.argv[1]))
