import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebit.launch import alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

OTHER_BOOT = "00000000-0000-0000-0000-000000000000"
NO_PID = 2**22 + 1  # above what Linux ever gives


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def odd_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose name is made to mislead who reads /proc/<pid>/stat from the left."""
    code = "open('/proc/self/comm', 'w').write('a) Z (b c'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_an_end_is_waited_for_also_where_nobody_has_looked_at_it_yet(
    child: subprocess.Popen[bytes],
) -> None:
    alive.wait_for_end([child.pid, NO_PID], 0.01)
    assert child.poll() is None
    child.kill()
    began = time.monotonic()
    alive.wait_for_end([NO_PID, child.pid], 500)
    assert time.monotonic() < began + 500
    assert child.poll() == -signal.SIGKILL


def test_where_no_process_can_be_opened_the_time_is_waited_for(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    alive.wait_for_end([NO_PID], 1)
    alive.wait_for_end([], 2)
    monkeypatch.delattr(os, "pidfd_open")
    alive.wait_for_end([child.pid], 3)
    assert slept == [1, 2, 3]


def test_this_process_is_alive() -> None:
    started = alive.process_started(os.getpid())
    assert started
    assert alive.is_alive(os.getpid(), started, alive.boot_id()) is True


def test_a_child_is_alive_until_it_is_killed(child: subprocess.Popen[bytes]) -> None:
    started = alive.process_started(child.pid)
    assert started
    assert alive.is_alive(child.pid, started, alive.boot_id()) is True
    child.kill()
    # Until it is waited for it is a zombie: its pid is taken, and it does nothing any more.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{child.pid}").exists()
    assert alive.is_alive(child.pid, started, alive.boot_id()) is False
    child.wait()
    assert not Path(f"/proc/{child.pid}").exists()
    assert alive.is_alive(child.pid, started, alive.boot_id()) is False


def test_another_process_with_the_same_number_is_not_the_one_that_was(
    child: subprocess.Popen[bytes],
) -> None:
    started = alive.process_started(child.pid)
    assert started
    assert alive.is_alive(child.pid, started - 1, alive.boot_id()) is False


def test_the_start_is_read_whatever_the_program_is_called(tmp_path: Path) -> None:
    strange = tmp_path / "a) R 1 (b) 2"
    strange.symlink_to(sys.executable)
    before = alive.process_started(os.getpid())
    command = [str(strange), "-c", "print(1, flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env={"PYTHONHOME": sys.base_prefix}, **pipes) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert ") R 1" in Path(f"/proc/{process.pid}/stat").read_text()
        started = alive.process_started(process.pid)
        process.kill()
    assert before is not None
    assert started is not None
    assert started >= before


def test_a_process_of_another_boot_is_not_alive() -> None:
    started = alive.process_started(os.getpid()) or 0
    assert alive.is_alive(os.getpid(), started, "00000000-0000-0000-0000-000000000000") is False


def test_without_a_boot_nothing_is_known() -> None:
    assert alive.is_alive(os.getpid(), alive.process_started(os.getpid()) or 0, "") is None


def test_without_a_start_time_only_the_dead_are_known() -> None:
    assert alive.is_alive(os.getpid(), 0, alive.boot_id()) is None
    assert alive.is_alive(NO_PID, 0, alive.boot_id()) is False


def test_what_is_gone_has_no_start() -> None:
    assert alive.process_started(NO_PID) is None


def test_the_boot_stays_the_same() -> None:
    assert alive.boot_id() == alive.boot_id()
    assert len(alive.boot_id()) == 36


def test_a_process_is_known_by_its_start_though_its_name_misleads(
    odd_process: subprocess.Popen[bytes],
) -> None:
    started = alive.process_started(odd_process.pid)
    boot = alive.boot_id()
    assert started is not None
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(started / os.sysconf("SC_CLK_TCK") - uptime_s) < 60
    assert alive.is_alive(odd_process.pid, started, boot) is True
    assert alive.is_alive(odd_process.pid, started + 1, boot) is False
    assert alive.is_alive(odd_process.pid, started, OTHER_BOOT) is False
    assert alive.is_alive(odd_process.pid, started, "") is None
    assert alive.is_alive(odd_process.pid, 0, boot) is None


def test_a_killed_process_is_dead_even_before_its_parent_looks(
    odd_process: subprocess.Popen[bytes],
) -> None:
    started = alive.process_started(odd_process.pid)
    assert started is not None
    odd_process.kill()
    os.waitid(os.P_PID, odd_process.pid, os.WEXITED | os.WNOWAIT)
    assert alive.is_alive(odd_process.pid, started, alive.boot_id()) is False
    odd_process.wait()
    assert alive.is_alive(odd_process.pid, started, alive.boot_id()) is False
    assert alive.process_started(odd_process.pid) is None


def test_a_process_that_proc_hides_is_not_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd_process: subprocess.Popen[bytes]
) -> None:
    boot = tmp_path / "sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("today\n")
    monkeypatch.setattr(alive, "_PROC", tmp_path)
    assert alive.is_alive(odd_process.pid, 5, "today") is None
    odd_process.kill()
    odd_process.wait()
    assert alive.is_alive(odd_process.pid, 5, "today") is False


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**80])
def test_numbers_that_are_no_process_are_no_error(pid: int) -> None:
    assert alive.process_started(pid) is None
    assert alive.is_alive(pid, 1, alive.boot_id()) is not True
