"""The kernel's fence around a replay, with real files and real children."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from samebit.errors import CannotStart
from samebit.launch import here, landlock
from samebit.launch.here import Outcome
from tests.descriptors import opened

pytestmark = pytest.mark.skipif(
    not landlock.available(), reason="this kernel has no Landlock, or a container forbids it"
)

BLOCKED = 77


@dataclass(frozen=True)
class Fenced:
    """A folder that may be written, the user's own beside it, and a way to run code."""

    inside: Path
    outside: Path
    run: Callable[..., Outcome]


@pytest.fixture
def fenced(tmp_path_factory: pytest.TempPathFactory) -> Fenced:
    # A short name: torch's workers have sockets in TMPDIR, and one may be 107 bytes long.
    folder = tmp_path_factory.mktemp("f")
    inside, outside = folder / "replay", folder / "mine"
    for folder in (inside, outside):
        (folder / "folder").mkdir(parents=True)
        (folder / "file").write_text("precious")

    def run(code: str, *allowed: Path) -> Outcome:
        """Run code that finds `inside` and `outside`; code 77 says that a write was blocked."""
        text = f"""
import os, shutil, subprocess, sys
from pathlib import Path
inside, outside = Path({str(inside)!r}), Path({str(outside)!r})
try:
    {code}
except OSError as error:
    print(type(error).__name__, error)
    raise SystemExit({BLOCKED} if error.errno in (13, 18) else 1)
"""
        env = {**os.environ, "TMPDIR": str(inside), "PYTHONDONTWRITEBYTECODE": "1"}
        with landlock.build([inside, *allowed]) as rules:
            with here.start([sys.executable, "-c", text], env=env, sandbox=rules) as child:
                return child.wait()

    return Fenced(inside, outside, run)


def everything_in(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


WRITES = {
    "write": "open({0} / 'file', 'r+').write('x')",
    "append": "open({0} / 'file', 'a').write('x')",
    "truncate on opening": "os.open({0} / 'file', os.O_RDONLY | os.O_TRUNC)",
    "truncate by name": "os.truncate({0} / 'file', 0)",
    "make a file": "open({0} / 'new', 'x')",
    "make a folder": "os.mkdir({0} / 'new')",
    "make a link": "os.symlink('file', {0} / 'new')",
    "make a hard link": "os.link({0} / 'file', {0} / 'new')",
    "make a pipe": "os.mkfifo({0} / 'new')",
    "rename": "os.rename({0} / 'file', {0} / 'new')",
    "replace": "os.replace({0} / 'file', {0} / 'folder' / 'file')",
    "remove a file": "os.unlink({0} / 'file')",
    "remove a folder": "os.rmdir({0} / 'folder')",
    "from a grandchild": "(_ for _ in ()).throw(PermissionError(13, '')) if subprocess.run("
    "['sh', '-c', 'echo x > \"$1\"', '-', {0} / 'file']).returncode else 0",
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_nothing_outside_the_folder_can_be_changed(fenced: Fenced, write: str) -> None:
    before = everything_in(fenced.outside)
    assert fenced.run(write.format("outside")) == Outcome(BLOCKED, None)
    assert everything_in(fenced.outside) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_everything_inside_the_folder_can_be_changed(fenced: Fenced, write: str) -> None:
    before = everything_in(fenced.inside)
    assert fenced.run(write.format("inside")) == Outcome(0, None)
    assert everything_in(fenced.inside) != before


@pytest.mark.parametrize(
    "way_out",
    [
        "os.rename(inside / 'file', outside / 'new')",
        "os.rename(outside / 'file', inside / 'new')",
        "os.link(outside / 'file', inside / 'new')",  # a hard link inside would be writable
        "os.symlink(outside / 'file', inside / 'new'); open(inside / 'new', 'a')",
        "open(inside / '..' / 'mine' / 'file', 'a')",
        "open(f'/proc/self/root{outside}/file', 'a')",
        "fd = os.open(outside / 'file', os.O_RDONLY); open(f'/proc/self/fd/{fd}', 'a')",
        "os.chdir(outside); open('/proc/self/cwd/file', 'a')",
    ],
)
def test_there_is_no_way_round_the_fence(fenced: Fenced, way_out: str) -> None:
    before = everything_in(fenced.outside)
    assert fenced.run(way_out) == Outcome(BLOCKED, None)
    assert everything_in(fenced.outside) == before


def test_reading_and_executing_is_free_everywhere(fenced: Fenced) -> None:
    program = fenced.outside / "program"
    program.write_text("#!/bin/sh\ntest $(cat file) = precious\n")
    program.chmod(0o755)
    code = "os.chdir(outside); os.listdir(); subprocess.run(['./program'], check=True)"
    assert fenced.run(code) == Outcome(0, None)


def test_a_single_file_can_be_allowed(fenced: Fenced) -> None:
    file = fenced.outside / "file"
    assert fenced.run("open(outside / 'file', 'w').write('new')", file) == Outcome(0, None)
    assert file.read_text() == "new"
    assert fenced.run("open(outside / 'folder' / 'x', 'w')", file) == Outcome(BLOCKED, None)


def test_devices_shared_memory_and_thread_names_stay_writable(fenced: Fenced) -> None:
    code = """
    open("/dev/null", "w").write("x")
    reader, writer = os.openpty()
    open(os.ttyname(writer), "w").write("x")
    import multiprocessing.shared_memory as shared
    block = shared.SharedMemory(create=True, size=10); block.close(); block.unlink()
    import multiprocessing as mp; mp.Lock()
    open(f"/proc/self/task/{os.getpid()}/comm", "w").write("named")
    assert open("/proc/self/comm").read() == "named\\n"
"""
    assert fenced.run(code.strip()) == Outcome(0, None)


def test_only_the_child_is_fenced_in(fenced: Fenced) -> None:
    assert fenced.run("pass") == Outcome(0, None)
    (fenced.outside / "file").write_text("still mine")


def test_fences_in_fences_end_with_a_clear_refusal(fenced: Fenced) -> None:
    code = f"""
import os
from pathlib import Path
from samebit.launch import here, landlock
rules = landlock.build([Path({str(fenced.inside)!r})])
for _ in range(16):  # as many as the kernel stacks
    rules.enter()
here.start(["true"], env=os.environ, sandbox=rules)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, stderr=-1, text=True)
    assert ended.returncode == 1
    assert "CannotStart: cannot start true" in ended.stderr
    assert "hint: the kernel refused the sandbox" in ended.stderr


def test_what_may_be_written_must_exist(tmp_path: Path) -> None:
    before = opened()
    with pytest.raises(CannotStart, match="gone: No such file") as caught:
        landlock.build([tmp_path, tmp_path / "gone"])
    assert caught.value.hint
    assert opened().items() <= before.items()


def test_the_rules_are_closed_and_not_handed_down(fenced: Fenced) -> None:
    before = opened()
    rules = landlock.build([fenced.inside])
    assert not opened().items() <= before.items()
    show = (
        "subprocess.run('ls -l /proc/self/fd | grep landlock; test $? = 1', shell=True, check=True)"
    )
    with rules:
        assert fenced.run(show) == Outcome(0, None)
    rules.close()
    assert opened().items() <= before.items()


SAVE = """
import torch
state = torch.nn.Linear(3, 3).state_dict()
torch.save(state, inside / "state.pt")
assert torch.load(inside / "state.pt")["weight"].shape == (3, 3)
try:
    torch.save(state, outside / "file")
except (PermissionError, RuntimeError) as error:
    print(type(error).__name__)
    raise SystemExit(77)
"""

TRAIN = """
import torch
from torch.utils.data import DataLoader, TensorDataset
data = TensorDataset(torch.randn(64, 4), torch.randint(2, (64,)))
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in DataLoader(data, batch_size=8, num_workers=2):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""


def test_torch_cannot_save_over_the_users_files(fenced: Fenced) -> None:
    pytest.importorskip("torch")
    assert fenced.run(SAVE.strip().replace("\n", "\n    ")) == Outcome(BLOCKED, None)
    assert (fenced.outside / "file").read_text() == "precious"


@pytest.mark.parametrize("sharing", ["file_descriptor", "file_system"])
@pytest.mark.slow
def test_torch_trains_with_loader_workers(fenced: Fenced, sharing: str) -> None:
    pytest.importorskip("torch")
    code = f"import torch\ntorch.multiprocessing.set_sharing_strategy({sharing!r})" + TRAIN
    assert fenced.run(code.strip().replace("\n", "\n    ")) == Outcome(0, None)
