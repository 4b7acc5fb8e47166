"""The kernel's counts of what it killed for want of memory, as each version of cgroups has them."""

from pathlib import Path

import pytest

from samebit.launch.memory import oom_kills

FILES = {
    "version 2": ("0::/job/step\n", "sys/fs/cgroup/job/step/memory.events", "high 3\noom_kill 2\n"),
    "version 2, in a container": ("0::/\n", "sys/fs/cgroup/memory.events", "oom 1\noom_kill 2\n"),
    "version 1": (
        "9:cpu:/x\n4:memory:/job\n0::/\n",
        "sys/fs/cgroup/memory/job/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    ),
    "version 1, in a container": (
        "4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.oom_control",
        "under_oom 0\noom_kill 2\n",
    ),
}


@pytest.mark.parametrize("version", FILES)
def test_the_count_of_our_group_is_found(tmp_path: Path, version: str) -> None:
    groups, name, text = FILES[version]
    for path, content in {"proc/self/cgroup": groups, name: text}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    assert oom_kills(tmp_path) == {"group": 2}


def test_the_machine_counts_too_and_what_is_not_there_is_missing(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) == {}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("pgfault 9\noom_kill 5\noom_killer 7\n")
    assert oom_kills(tmp_path) == {"machine": 5}
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/cgroup").write_text("rubbish\n1:2\n\n")
    assert oom_kills(tmp_path) == {"machine": 5}
