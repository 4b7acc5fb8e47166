"""The batch script of an array of jobs: which command each task is, and what it does on signals.

The script is the only thing that is handed to Slurm, and its second line has the keys of its jobs
as JSON, so that whoever finds an array in the queue knows which jobs it is.
"""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from samebit.studies.places.place import Job

__all__ = ["AGAIN", "NEAR_LIMIT", "SAID", "keys_of", "script"]

_FORMAT = "# samebit-slurm 1 "
SAID = "samebit: "  # before what is said by us into Slurm's own file of a task
NEAR_LIMIT = f"{SAID}the time limit is near"
AGAIN = f"{SAID}started again by Slurm"

# `&` and `wait`, because a shell that waits in the foreground hears of a signal only afterwards. A
# `wait` that a signal has ended says nothing of the child, and the next one does; to one that was
# told already what the child ended with, it is unknown (127).
_END = """\
exec 3>&1 >>"$log" 2>&1
[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] || echo "$again" >&3
cd "$folder" || exit 125
child=
code=127
trap 'heard=yes' TERM  # Slurm tells the processes of a job by itself, and ends all with this one
trap 'heard=yes; near=yes; echo "$near_limit" >&3; [ -z "$child" ] || kill -TERM $child' USR1
"$@" 3>&- &
child=$!
while
    heard=
    wait $child
    now=$?
    [ $now -eq 127 ] || code=$now
    [ -n "$heard" ]
do :; done
if [ -n "$near" ] && [ $code -ne 0 ]; then
    # Why it is not queued again is for whoever controls the study, too.
    eval "$goes_on && scontrol requeue $SLURM_JOB_ID" >&3 2>&3 && exit 0
fi
exit $code
"""


def script(jobs: Sequence[Job], options: Sequence[str]) -> str:
    """A batch script of which the task `i` is `jobs[i]`.

    Args:
        jobs: what is run, with the variables that each has and this process has not, or otherwise;
            all others come with the job from who submits it.
        options: of sbatch, for whoever reads the script.
    """
    lines = [
        "#!/bin/sh",
        _FORMAT + json.dumps([job.key for job in jobs]),
        f"# sbatch {' '.join(map(_in_a_line, options))}",
        f"near_limit={shlex.quote(NEAR_LIMIT)}",
        f"again={shlex.quote(AGAIN)}",
        "case $SLURM_ARRAY_TASK_ID in",
    ]
    for index, job in enumerate(jobs):
        goes_on = job.goes_on or [
            *(sys.executable, "-m", "samebit.session.goes_on", str(job.run.path))
        ]
        lines += [f"{index})", f"log={shlex.quote(str(job.log))}"]
        lines += [f"folder={shlex.quote(str(job.cwd))}"]
        lines += [f"goes_on={shlex.quote(shlex.join(goes_on))}"]
        lines += ['[ -d "${log%/*}" ] || log=/dev/null'] if job.away else []
        lines += [
            f"export {name}={shlex.quote(value)}"
            for name, value in job.environ.items()
            if os.environ.get(name) != value
        ]
        lines += [f"set -- {shlex.join(job.argv)}", ";;"]
    return "\n".join([*lines, "esac", _END])


def keys_of(path: Path) -> list[str]:
    """The keys of the jobs of a script, by their index; none where it is no script of ours."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            second = [file.readline() for _ in range(2)][1]
    except OSError:
        return []
    return json.loads(second.removeprefix(_FORMAT)) if second.startswith(_FORMAT) else []


def _in_a_line(word: str) -> str:
    return shlex.quote(word).replace("\n", " ")
