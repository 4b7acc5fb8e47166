"""A Slurm cluster of one machine on loopback: real daemons, for the tests that need them."""

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SBIN = "/usr/sbin:/usr/local/sbin:/sbin"  # where daemons lie; not always on a user's PATH
_STARTS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 20.0
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}

# Eight processors are promised whatever the machine has: the tests' jobs wait more than they work.
_SLURM_CONF = """
ClusterName=samebit
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits for as long as a credential lasts: the least that is allowed.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
KillWait={kill_wait_s}
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=10 State=UP
"""
KILL_WAIT_S = 10  # between SIGTERM and SIGKILL of a job that is to go


class NoCluster(Exception):
    """Why there is none on this machine."""


@dataclass(frozen=True)
class Slurm:
    """A cluster that takes jobs, and what its commands need to find it."""

    folder: Path
    environ: Mapping[str, str]
    daemons: dict[str, "_Daemon"] = field(default_factory=dict[str, "_Daemon"])

    @contextlib.contextmanager
    def away(self, name: str) -> Iterator[None]:
        """One of its daemons, slurmctld or slurmd, is not there for as long as the block lasts.

        It is ended, not killed: a slurmctld that is killed forgets what its last seconds brought.
        """
        daemon = self.daemons[name]
        daemon.child.terminate()
        daemon.child.wait(_ENDS_WITHIN_S)
        try:
            yield
        finally:
            daemon.start()
            _wait_for(self.folder, lambda: _is_idle(self))

    def call(self, *words: str, env: Mapping[str, str] | None = None, **more: object) -> str:
        """What one of its commands prints; an error where the command fails."""
        done = subprocess.run(
            words,
            env={**(env or os.environ), **self.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            **more,  # pyright: ignore
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def field(self, job: str, name: str) -> str:
        """One of the fields that `scontrol show job` has of a job."""
        shown = self.call("scontrol", "--oneliner", "show", "job", job)
        fields = dict(word.split("=", 1) for word in shown.split() if "=" in word)
        return fields[name]

    def wait(self, job: str, timeout_s: float = 200) -> str:
        """The state in which a job ends."""
        until = time.monotonic() + timeout_s
        while (state := self.field(job, "JobState")) not in _ENDED:
            assert time.monotonic() < until, f"job {job} is {state} after {timeout_s} s"
            time.sleep(0.3)
        return state


@contextlib.contextmanager
def start_slurm(more: str = "") -> Iterator[Slurm]:
    """A cluster for as long as the block lasts; `more` are lines for its slurm.conf.

    Raises:
        NoCluster: Slurm or MUNGE is not installed, or cannot start here.
    """
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    for program in ("munged", "slurmctld", "slurmd", "sbatch", "srun"):
        if shutil.which(program, path=path) is None:
            raise NoCluster(f"no Slurm on this machine: {program} is not installed")
    # Not pytest's folder: the path of a socket may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="samebit-slurm-"))
    environ = {"SLURM_CONF": f"{folder}/slurm.conf"}
    try:
        with contextlib.ExitStack() as stack:
            _configure(folder, more)
            slurm = Slurm(folder, environ)
            munge = [f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file")]
            munge += [f"--key-file={folder}/munge.key", f"--seed-file={folder}/munge.seed"]
            munge += [f"--log-file={folder}/munge.log", "--num-threads=2", "--force"]
            for words in (
                ["munged", "--foreground", *munge],
                ["slurmctld", "-D", "-f", f"{folder}/slurm.conf"],
                ["slurmd", "-D", "-f", f"{folder}/slurm.conf", "-N", _host()],
            ):
                of = {**os.environ, **environ, "PATH": path}
                slurm.daemons[words[0]] = stack.enter_context(_Daemon(words, folder, of))
                if words[0] == "munged":
                    _wait_for(folder, (folder / "munge.socket").exists)
            _wait_for(folder, lambda: _is_idle(slurm))
            yield slurm
            subprocess.run(
                ["scancel", "--user", getpass.getuser()], env={**os.environ, **environ}, check=False
            )
            _wait_for(folder, lambda: not slurm.call("squeue", "--noheader"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, more: str) -> None:
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    controller_port, node_port = free_ports(2)
    (folder / "slurm.conf").write_text(
        _SLURM_CONF.format(
            host=_host(),
            user=getpass.getuser(),
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            kill_wait_s=KILL_WAIT_S,
        )
        + more
    )
    # Newer ones ask for cgroups unless they are told that there are none; older do not know how.
    if _version() >= (23, 11):
        (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")


def _version() -> tuple[int, ...]:
    told = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=False)
    return tuple(int(part) for part in re.findall(r"[0-9]+", told.stdout)[:2])


class _Daemon:
    """A daemon that runs for as long as the block lasts, and may be started again in it."""

    def __init__(self, words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._words, self._folder, self._environ = words, folder, environ

    def start(self) -> None:
        with (self._folder / f"{self._words[0]}.out").open("ab") as out:
            self.child = subprocess.Popen(
                self._words,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> "_Daemon":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.child.terminate()
        try:
            self.child.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def _is_idle(slurm: Slurm) -> bool:
    told = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"],
        env={**os.environ, **slurm.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() == "idle"


def _wait_for(folder: Path, is_so: "object") -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while not is_so():  # pyright: ignore
        if time.monotonic() > until:
            said = [
                line
                for name in ("munged", "slurmctld", "slurmd")
                if (folder / f"{name}.out").exists()
                for line in (folder / f"{name}.out").read_text(errors="replace").splitlines()[-4:]
            ]
            raise NoCluster("Slurm does not start here: " + " | ".join(said))
        time.sleep(0.1)


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
