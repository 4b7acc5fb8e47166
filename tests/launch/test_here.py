"""The supervisor as the shell, the terminal and the batch system see it: real processes only."""

import errno
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from samebit.errors import CannotStart, Exit
from samebit.launch import here
from samebit.launch.here import Outcome
from tests.descriptors import opened

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

# The witness may take its time: on a busy machine it is not lost because it does not answer.
SUPERVISE = """
import os, sys
from samebit.launch import here
here._ANSWER_S = float(os.environ.get("ANSWER_S", "60"))
here._SETTLE_S = float(os.environ.get("SETTLE_S", "0.02"))
here.end_like(here.start(sys.argv[1:], env=os.environ).wait())
"""

# Counts what it is sent, and says so when it is asked through its stdin.
COUNTING = """
import os, signal, sys
counts = {}
def count(number, frame):
    counts[number] = counts.get(number, 0) + 1
for name in ("TERM", "HUP", "USR1", "USR2", "CONT", "INT", "QUIT"):
    signal.signal(getattr(signal, "SIG" + name), count)
print(os.getpid(), flush=True)
for line in sys.stdin:
    counted, counts = counts, {}
    print(" ".join(f"{signal.Signals(n).name}:{c}" for n, c in sorted(counted.items())), flush=True)
"""


class Supervised:
    """A supervisor in a session of its own, and the talk with its child."""

    def __init__(self, *argv: str, **options: Any) -> None:
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, *argv], start_new_session=True, **options
        )
        self.pid = self.process.pid

    def ask(self, line: str = "?") -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.hear()

    def gets(self, *names: str) -> None:
        """Wait until each of these signals has come to the script; nothing comes twice."""
        counts: Counter[str] = Counter()

        def take() -> bool:
            for word in self.ask().split():
                name, _, times = word.partition(":")
                counts[name] += int(times)
            return len(counts) >= len(names)

        until(take)
        time.sleep(SETTLED_S)
        take()
        assert counts == dict.fromkeys(names, 1)

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def members(self) -> list[int]:
        """Everything in the session, oldest first: supervisor, child, witness."""
        found = [pid for pid in pids() if session_of(pid) == self.pid]
        return sorted(found, key=lambda pid: (began(pid), pid))

    def close(self) -> None:
        for pid in self.members():
            send(pid, signal.SIGKILL)
        self.process.communicate()


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat_of(pid: int) -> list[str]:
    """State, parent, group, session … of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def session_of(pid: int) -> int | None:
    fields = stat_of(pid)
    return int(fields[3]) if fields else None


def began(pid: int) -> int:
    """When it did, in ticks of the system's clock; numbers of processes begin again at 1."""
    fields = stat_of(pid)
    return int(fields[19]) if fields else 0


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came so"
        time.sleep(0.005)


def python(code: str, *arguments: str) -> Sequence[str]:
    return (sys.executable, "-c", code, *arguments)


@pytest.fixture
def supervised() -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def supervise(*argv: str, **options: Any) -> Supervised:
        made.append(Supervised(*argv, **options))
        return made[-1]

    yield supervise
    for one in made:
        one.close()


def listens(pid: int) -> bool:
    """Whether a process blocks no signal any more, as the witness from when it can tell of them."""
    return "SigBlk:\t0000000000000000" in Path(f"/proc/{pid}/status").read_text()


@pytest.fixture
def counting(supervised: Callable[..., Supervised]) -> Supervised:
    one = supervised(*python(COUNTING))
    one.hear()
    until(lambda: len(one.members()) == 3 and listens(one.members()[-1]))
    return one


SETTLED_S = 0.25  # after it, for a wrong second signal


# How it ends


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_supervisor_ends_with_the_code_of_the_script(
    supervised: Callable[..., Supervised], code: int
) -> None:
    one = supervised(*python(f"raise SystemExit({code})"))
    assert one.process.wait() == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGINT])
def test_the_supervisor_ends_by_the_signal_that_ended_the_script(
    supervised: Callable[..., Supervised], number: int
) -> None:
    one = supervised("sh", "-c", f"kill -{number} $$")
    assert one.process.wait() == -number


def test_a_realtime_signal_has_a_name_and_is_ended_like() -> None:
    child = here.start(python("import os; os.kill(os.getpid(), 37)"), env=os.environ)
    assert child.wait() == Outcome(None, "SIGRTMIN+3")
    ended = subprocess.run(
        python(
            "from samebit.launch.here import *; print('said');end_like(Outcome(None, 'SIGRTMIN+3'))"
        ),
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (-37, b"said\n")


def test_a_signal_that_ends_nobody_becomes_an_exit_code() -> None:
    code = "from samebit.launch.here import *; end_like(Outcome(None, 'SIGWINCH'))"
    assert subprocess.run(python(code), check=False).returncode == 128 + signal.SIGWINCH


def test_it_ends_by_a_signal_that_it_had_ignored_or_blocked() -> None:
    code = """
import signal
from samebit.launch.here import *
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
end_like(Outcome(None, "SIGTERM"))
"""
    assert subprocess.run(python(code), check=False).returncode == -signal.SIGTERM


def test_ending_like_a_crashed_script_dumps_no_core_of_ours(tmp_path: Path) -> None:
    code = "from samebit.launch.here import *; end_like(Outcome(None, 'SIGSEGV'))"
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    process = subprocess.Popen(
        python(code),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
    )
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0  # reaped by us, to see the whole status
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


# Signals


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT"])
def test_a_signal_to_the_supervisor_alone_reaches_the_script_once(
    counting: Supervised, name: str
) -> None:
    for _ in range(3):
        send(counting.pid, signal.Signals[name])
        counting.gets(name)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT"])
def test_a_signal_to_the_group_reaches_the_script_once(counting: Supervised, name: str) -> None:
    for _ in range(3):
        os.killpg(counting.pid, signal.Signals[name])
        counting.gets(name)


def test_a_signal_to_each_process_in_turn_reaches_the_script_once(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("SETTLE_S", "1")  # on a busy machine we may be slow to go through them
    counting: Supervised = request.getfixturevalue("counting")
    for pid in counting.members():  # what `pkill -f script` and Slurm do
        send(pid, signal.SIGUSR1)
    counting.gets("SIGUSR1")


def test_different_signals_at_once_each_take_their_own_way(counting: Supervised) -> None:
    os.killpg(counting.pid, signal.SIGUSR1)
    send(counting.pid, signal.SIGUSR2)
    os.killpg(counting.pid, signal.SIGHUP)
    send(counting.pid, signal.SIGTERM)
    counting.gets("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM")


@pytest.mark.slow
def test_a_signal_to_the_group_reaches_the_script_once_on_a_busy_machine(
    counting: Supervised,
) -> None:
    busy = [subprocess.Popen(python("while True: pass")) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        for _ in range(10):
            os.killpg(counting.pid, signal.SIGUSR1)
            counting.gets("SIGUSR1")
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_what_comes_while_the_witness_is_asked_takes_its_own_way(counting: Supervised) -> None:
    witness = counting.members()[-1]
    send(witness, signal.SIGSTOP)  # makes the question last
    send(counting.pid, signal.SIGUSR1)
    time.sleep(0.1)
    send(counting.pid, signal.SIGUSR2)
    for pid in counting.members():
        send(pid, signal.SIGHUP)
    send(witness, signal.SIGCONT)
    counting.gets("SIGHUP", "SIGUSR1", "SIGUSR2")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_signals_are_still_passed_on_when_the_witness_is_lost(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, number: int
) -> None:
    monkeypatch.setenv("ANSWER_S", "0.5")
    counting: Supervised = request.getfixturevalue("counting")
    witness = counting.members()[-1]
    send(witness, number)
    send(counting.pid, signal.SIGUSR1)
    counting.gets("SIGUSR1")
    os.killpg(counting.pid, signal.SIGUSR1)  # there is a new witness
    counting.gets("SIGUSR1")
    assert len(counting.members()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_what_the_terminal_sends_to_all_is_the_scripts_affair(
    counting: Supervised, number: int
) -> None:
    os.killpg(counting.pid, number)
    counting.gets(signal.Signals(number).name)


def test_an_unhandled_signal_to_the_group_ends_both_by_it(
    supervised: Callable[..., Supervised],
) -> None:
    one = supervised(*python("import time; print('ready', flush=True); time.sleep(60)"))
    one.hear()
    os.killpg(one.pid, signal.SIGUSR1)
    assert one.process.wait() == -signal.SIGUSR1
    until(lambda: not one.members())


SHOW_SIGNALS = """
for line in open("/proc/self/status"):
    if line.startswith(("SigIgn", "SigBlk")):
        print(*line.split(), end=" ")
"""


def masks(argv: Sequence[str], prepare: Callable[[], object] | None) -> str:
    return subprocess.run(argv, preexec_fn=prepare, check=True, stdout=-1, text=True).stdout


def ignore_some() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # as `nohup` and a background job of sh do
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGALRM])


@pytest.mark.parametrize("prepare", [None, ignore_some])
def test_the_script_finds_signals_as_it_would_without_us(
    prepare: Callable[[], object] | None,
) -> None:
    alone = python(SHOW_SIGNALS)
    assert masks((sys.executable, "-c", SUPERVISE, *alone), prepare) == masks(alone, prepare)


def test_a_script_that_ignores_interrupts_under_nohup_stays_ignoring(
    supervised: Callable[..., Supervised],
) -> None:
    code = "print('ready', flush=True); print(input(), flush=True)"
    one = supervised(*python(code), preexec_fn=ignore_some)
    one.hear()
    os.killpg(one.pid, signal.SIGINT)
    time.sleep(SETTLED_S)
    assert one.ask("still here") == "still here"
    assert one.process.wait() == 0


def test_our_own_signals_mean_again_what_they_meant() -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]  # SIGCHLD's does nothing, and stays
    before = [signal.getsignal(number) for number in numbers]
    open_before = opened()
    with here.start(["sleep", "60"], env=os.environ) as child:
        assert [signal.getsignal(number) for number in numbers] != before
        with pytest.raises(TimeoutError):
            child.wait(0.05)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(60) == Outcome(None, "SIGKILL")
    with pytest.raises(CannotStart):
        here.start(["no-such-command"], env=os.environ)
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    assert opened().items() <= open_before.items()


def test_one_child_at_a_time_is_supervised() -> None:
    with here.start(["sleep", "60"], env=os.environ) as child:
        with pytest.raises(RuntimeError, match="one child at a time"):
            here.start(python(""), env=os.environ)
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait() == Outcome(None, "SIGTERM")


# The terminal


class Terminal:
    """A terminal, and a program in it as its foreground group."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.pid, self.keys = pty.fork()
        if self.pid == 0:
            os.execv(program, [program, *arguments])
        self.screen = b""

    def until(self, text: bytes) -> None:
        """Read until the screen shows a text, and forget what it showed up to there."""
        while text not in self.screen:
            assert select.select([self.keys], [], [], 60)[0], self.screen
            self.screen += os.read(self.keys, 4096)
        self.screen = self.screen.partition(text)[2]

    def type(self, keys: bytes) -> None:
        os.write(self.keys, keys)

    def end(self) -> int:
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.keys)
        return os.waitstatus_to_exitcode(status)


def in_terminal(*argv: str) -> Terminal:
    return Terminal(*python(SUPERVISE), *argv)


def test_a_script_that_handles_ctrl_c_ends_the_supervisor_as_it_likes() -> None:
    code = """
import sys, time
assert sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("saved", flush=True)
"""
    terminal = in_terminal(*python(code))
    terminal.until(b"ready")
    terminal.type(b"\x03")
    terminal.until(b"saved")
    assert terminal.end() == 0


def test_a_script_that_dies_of_ctrl_c_ends_the_supervisor_by_it() -> None:
    terminal = in_terminal("sh", "-c", "echo ready; exec sleep 60")
    terminal.until(b"ready")
    terminal.type(b"\x03")
    assert terminal.end() == -signal.SIGINT


def test_a_script_can_ask_a_question_at_the_terminal() -> None:
    terminal = in_terminal(*python("print(input('name? ')[::-1], flush=True)"))
    terminal.until(b"name? ")
    terminal.type(b"abc\n")
    terminal.until(b"cba")
    assert terminal.end() == 0


def test_when_the_terminal_goes_away_the_script_gets_one_hangup(tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = f"""
import os, signal, sys, time
def hangup(number, frame):
    with open({str(told)!r}, "a") as stream: stream.write("HUP ")
signal.signal(signal.SIGHUP, hangup)
print("ready", flush=True)
while not os.path.exists({str(told)!r}): time.sleep(0.01)
time.sleep({SETTLED_S})
sys.exit(4)
"""
    terminal = in_terminal(*python(code))
    terminal.until(b"ready")
    time.sleep(0.1)
    os.close(terminal.keys)
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 4
    assert told.read_text() == "HUP "


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs a shell with job control")
def test_ctrl_z_stops_all_and_fg_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "supervise.py").write_text(SUPERVISE)
    (tmp_path / "script.py").write_text("print('rea' + 'dy'); print(input('na' + 'me? ')[::-1])")
    monkeypatch.setenv("PS1", "$ ")
    shell = Terminal("/bin/bash", "--norc", "--noprofile", "-i")
    shell.until(b"$ ")
    shell.type(
        f"cd {tmp_path}; {sys.executable} supervise.py {sys.executable} script.py\n".encode()
    )
    shell.until(b"ready")
    shell.until(b"name? ")

    def states() -> list[str]:
        mine = [pid for pid in pids() if session_of(pid) == shell.pid and pid != shell.pid]
        return [stat_of(pid)[0] for pid in mine]

    until(lambda: states() == ["S", "S", "S"])
    shell.type(b"\x1a")
    shell.until(b"Stopped")
    until(lambda: states() == ["T", "T", "T"])
    shell.type(b"fg\n")
    shell.until(b"script.py")
    until(lambda: states() == ["S", "S", "S"])
    shell.type(b"abc\n")
    shell.until(b"cba")
    shell.type(b"exit $?\n")
    assert shell.end() == 0


# Descriptors, folder, environment


def test_the_script_has_our_descriptors(supervised: Callable[..., Supervised]) -> None:
    reader, writer = os.pipe()  # as batch systems hand one down, by its number
    code = f"import os; print(input()); os.write({writer}, b'handed down')"
    one = supervised(*python(code), pass_fds=[writer])
    os.close(writer)
    assert one.ask("through stdin") == "through stdin"
    assert one.process.wait() == 0
    assert os.read(reader, 100) == b"handed down"
    assert os.read(reader, 100) == b""  # nothing of ours holds it open
    os.close(reader)


def test_a_script_whose_reader_we_close_gets_its_broken_pipe() -> None:
    reader, writer = os.pipe()
    with here.start(["timeout", "60", "yes"], env=os.environ, stdout=writer) as child:
        os.close(writer)
        os.close(reader)
        assert child.wait(90) != Outcome(124, None)  # what `timeout` says when nothing broke


def test_the_script_is_in_our_group_and_gets_the_folder_and_variables_given(
    tmp_path: Path,
) -> None:
    code = "import os; print(os.getcwd(), os.environ['A'], 'PATH' in os.environ, os.getpgrp())"
    reader, writer = os.pipe()
    child = here.start(python(code), env={"A": "b"}, cwd=tmp_path, stdout=writer)
    assert child.wait() == Outcome(0, None)
    os.close(writer)
    assert os.read(reader, 9999).decode().split() == [
        str(tmp_path),
        "b",
        "False",
        str(os.getpgrp()),
    ]
    os.close(reader)


def test_a_killed_supervisor_leaves_the_script_to_finish(
    supervised: Callable[..., Supervised], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    code = f"print('ready', flush=True); input(); open({str(told)!r}, 'w').write('finished')"
    one = supervised(*python(code))
    one.hear()
    until(lambda: len(one.members()) == 3)
    send(one.pid, signal.SIGKILL)
    until(lambda: len([pid for pid in one.members() if stat_of(pid)[0] != "Z"]) == 1)
    assert one.process.wait() == -signal.SIGKILL
    assert one.process.stdin is not None
    one.process.stdin.write(b"go on\n")
    one.process.stdin.flush()
    until(lambda: told.exists() and told.read_text() == "finished")


# What cannot be started


def broken(folder: Path, name: str, text: str, mode: int = 0o755) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_command_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    for argv, reason, hint in [
        (["no-such-command"], errno.ENOENT, "spelling"),
        ([broken(tmp_path, "a", "#!/no/interpreter\n")], errno.ENOENT, "#!"),
        ([broken(tmp_path, "b", "", 0o644)], errno.EACCES, "chmod +x"),
        ([str(tmp_path)], errno.EACCES, "must be a file"),
        ([broken(tmp_path, "c", "\x7fELF no program")], errno.ENOEXEC, "in front of it"),
        ([broken(tmp_path, "d", "") + "/e"], errno.ENOTDIR, "spelling"),
        (["true", "x" * (1 << 22)], errno.E2BIG, "too long"),
    ]:
        with pytest.raises(CannotStart) as caught:
            here.start(argv, env=os.environ)
        assert caught.value.exit_code == Exit.CANNOT_START == 125
        assert caught.value.facts["reason"] == os.strerror(reason)
        assert hint in str(caught.value.hint)
        assert argv[0] in caught.value.what


def test_a_missing_working_folder_is_named_and_not_the_command(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="cannot enter the folder") as caught:
        here.start(["true"], env=os.environ, cwd=tmp_path / "gone")
    assert caught.value.facts["folder"] == tmp_path / "gone"


@pytest.mark.parametrize("argv", [[], ["true", "a\0b"]])
def test_arguments_that_no_command_can_have_are_refused(argv: list[str]) -> None:
    with pytest.raises(CannotStart):
        here.start(argv, env=os.environ)
