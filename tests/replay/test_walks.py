"""Run, then verify: what a user does, with real processes in real projects."""

import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from samebit.launch import landlock
from tests.replay.conftest import SAMEBIT, Project, Verified, make_project

needs_landlock = pytest.mark.skipif(
    not landlock.available(), reason="this kernel has no Landlock, or a container forbids it"
)

# A training that depends on everything it can read, so that nothing can be wrong unnoticed.
TRAIN = """
import sys, time
from pathlib import Path
import torch
import samebit
import helper
from pkg import factor

run = samebit.init(seed=3)
here, beside = Path(sys.argv[1]), Path(sys.argv[2])
texts = [
    Path("data/deep/numbers.txt").read_text(),
    Path("../beside/numbers.txt").read_text(),
    (here / "data/inside.txt").read_text(),
    (beside / "outside.txt").read_text(),
    (Path(__file__).parent / "data/by_file.txt").read_text(),
    Path("data/state.txt").read_text(),
    "".join(hash(word) % 7 and word or "1" for word in {"a", "b", "c", "d", "e"}).translate(
        {ord(c): str(ord(c) - 96) for c in "abcde"}),
    sys.stdin.read() or "0",
]
Path("data/state.txt").write_text("overwritten")
Path("out/log.txt").write_text("some output")
numbers = [float(text) * factor.FACTOR * helper.HELP for text in texts]
inputs = torch.tensor(numbers).reshape(-1, 1) / 1e5
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for at in range(4):
    optimizer.zero_grad()
    loss = (model(inputs) ** 2).mean()
    loss.backward()
    optimizer.step()
    run.log({"loss": loss.item(), "time_s": time.time()})
    torch.save(model.state_dict(), "best.pt")
model.load_state_dict(torch.load("best.pt"))
optimizer.step()
"""

# What an editable installation does: the working tree on the search path, after everything else.
EDITABLE = "import sys\nsys.path.append({src!r})\n"


@pytest.fixture(scope="module")
def full(make: Callable[..., Project]) -> Project:
    """A project that has been run once; its own files have been edited since."""
    project = make("full")
    folder, beside = project.folder, project.folder.parent / "beside"
    beside.mkdir()
    (beside / "numbers.txt").write_text("22")
    (beside / "outside.txt").write_text("33")
    (beside / "helper.py").write_text("HELP = 1.5\n")
    project.write(train=TRAIN, src__pkg__factor="FACTOR = 2.0\n")
    (folder / "data/deep").mkdir(parents=True)
    (folder / "out").mkdir()
    for name, text in (("deep/numbers", "11"), ("inside", "44"), ("by_file", "55"), ("state", "6")):
        (folder / f"data/{name}.txt").write_text(text)
    (beside / "sitecustomize.py").write_text(EDITABLE.format(src=str(folder / "src")))
    project.environ["PYTHONPATH"] = str(beside)
    project.run("train.py", str(folder), str(beside), OMP_NUM_THREADS="1")
    project.write(train="raise SystemExit('edited')\n", src__pkg__factor="FACTOR = 3.0\n")
    return project


def user_files(project: Project) -> dict[str, tuple[bytes, int]]:
    around = project.folder.parent
    return {
        str(path.relative_to(around)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(around.rglob("*"))
        if path.is_file() and ".samebit" not in path.parts
    }


@pytest.fixture(scope="module")
def verified(full: Project) -> Verified:
    """Verified in another environment; not one of the user's files may be another afterwards."""
    before = user_files(full)
    found = full.verify(OMP_NUM_THREADS="2", PYTHONHASHSEED="99")
    assert user_files(full) == before
    return found


def test_the_recorded_code_and_data_are_run_again_and_the_users_files_stay(
    verified: Verified,
) -> None:
    assert (verified.code, verified.text) == (0, "identical: ")
    assert any(line.startswith("final state identical") for line in verified.verdict["scope"])
    assert verified.verdict["differences"] == []


def test_the_scope_says_what_was_read_and_what_was_not_judged(verified: Verified) -> None:
    scope = verified.verdict["scope"]
    assert "data: 6 files that were read had the recorded bytes" in scope
    assert "not judged (clock or machine): time_s" in scope
    assert "all with 1 thread" in scope  # the recorded number, not the verifier's
    assert any("OMP_NUM_THREADS" in line for line in verified.verdict["evidence"]["variables_set"])


def test_a_verdict_is_noted_with_both_runs_and_leaves_no_other_trace(
    full: Project, verified: Verified
) -> None:
    run, replay = verified.verdict["run"], verified.verdict["replay"]
    for name in (run, replay):
        assert [v.grade for v in full.view(name).verdicts if v.replay == replay] == ["identical"]
    assert full.view(replay).record.of == run
    listed = json.loads(full.call(*SAMEBIT, "ls", "--json").stdout)
    assert replay not in json.dumps(listed)
    tags = full.call("git", "tag").stdout.split()
    assert tags == [f"samebit/{run}"]
    full.call(*SAMEBIT, "check")


def test_verifying_a_replay_names_the_run_to_verify(full: Project, verified: Verified) -> None:
    code, said = full.refused(verified.verdict["replay"])
    assert code == 2
    assert f"samebit verify {verified.verdict['run']}" in said


@pytest.fixture
def untouched(full: Project) -> Generator[Path]:
    """The folder around the project; what a test changes there is put back."""
    around = full.folder.parent
    before = user_files(full)
    yield around
    for name, (data, mtime_ns) in before.items():
        (around / name).write_bytes(data)
        # With another time, Python would write its bytecode anew, whoever runs next.
        os.utime(around / name, ns=(mtime_ns, mtime_ns))


READ = ["project/data/deep/numbers.txt", "project/data/inside.txt", "project/data/by_file.txt"]
READ += ["beside/numbers.txt", "beside/outside.txt"]


@pytest.mark.parametrize("name", READ)
def test_data_that_changed_or_went_away_is_unknown_and_nothing_runs(
    full: Project, untouched: Path, name: str
) -> None:
    (untouched / name).write_text("99")
    found = full.verify()
    assert (found.code, found.verdict["replay"]) == (6, None)
    assert f"{untouched / name}, whose content is another now" in found.text
    (untouched / name).unlink()
    assert f"{untouched / name}, which is not there any more" in full.verify().text


@pytest.mark.slow
def test_a_helper_outside_the_repository_edited_since_is_other_code(
    full: Project, untouched: Path
) -> None:
    (untouched / "beside/helper.py").write_text("HELP = 1.5  # edited\n")
    plan = full.call(*SAMEBIT, "verify", "@last", "--plan").stdout
    assert f"helper from {untouched / 'beside/helper.py'}: another code now" in plan
    found = full.verify()
    assert found.code == 6
    assert f"ran other code: helper from {untouched / 'beside/helper.py'}" in found.text


SMALL = """
import torch
torch.manual_seed(1)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for at in range(1, 5):
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    {at_step}
{at_end}
"""


def small(at_step: str = "pass", at_end: str = "") -> str:
    return SMALL.format(at_step=at_step, at_end=at_end)


# As small, where it does not matter who trains: without the start of torch.
OWN_LOOP = """
import numpy as np
import samebit
run = samebit.init(seed=1)
w = np.zeros(2)
run.trace(params={{"w": w}})
for at in range(1, 5):
    w -= 0.1
    run.trace(loss=float(w.sum()), params={{"w": w}})
    {at_step}
{at_end}
"""


def own_loop(at_step: str = "pass", at_end: str = "") -> str:
    return OWN_LOOP.format(at_step=at_step, at_end=at_end)


@needs_landlock
def test_a_write_to_an_absolute_path_is_held_back_and_named(project: Project) -> None:
    mine = project.folder / "mine.log"
    project.write(train=f"open({str(mine)!r}, 'w').write('output')\n")
    project.run("train.py")
    mine.write_text("precious")
    os.utime(mine, ns=(1, 1))
    found = project.verify()
    assert found.code == 6
    assert "a write outside the replay's folder was held back" in found.text
    assert str(mine) in found.text
    assert any("--allow-writes` lets it write there" in line for line in found.verdict["remedies"])
    written = [line for line in found.verdict["scope"] if line.startswith("files written")]
    assert written == []  # what lies there is not the replay's
    assert (mine.read_text(), mine.stat().st_mtime_ns) == ("precious", 1)


@needs_landlock
@pytest.mark.slow
def test_a_tensor_saved_to_an_absolute_path_is_held_back(project: Project) -> None:
    mine = project.folder / "mine.pt"
    project.write(train=small(at_end=f"torch.save(model, {str(mine)!r})"))
    project.run("train.py")
    mine.write_text("precious")
    found = project.verify()
    assert found.code == 6
    assert "a write outside the replay's folder was held back" in found.text
    assert mine.read_text() == "precious"


def test_data_read_in_place_and_overwritten_since_does_not_pass_for_what_it_was(
    project: Project,
) -> None:
    state = project.folder / "data/state.txt"
    state.parent.mkdir()
    state.write_text("before")
    write = f"open({str(state)!r}, 'w').write('after')"
    project.write(train=f"open({str(state)!r}).read()\ntry: {write}\nexcept OSError: pass\n")
    project.run("train.py")
    found = project.verify()
    assert found.code == 6
    assert f"read other data: {state}" in found.text
    assert state.read_text() == "after"


def test_a_folder_that_the_run_made_itself_is_absent_at_its_replay(project: Project) -> None:
    project.write(train="import os\nos.mkdir('out')\nopen('out/a', 'w').write('x')\n")
    project.run("train.py")
    found = project.verify()
    assert found.verdict["cause"].startswith("no optimizer of PyTorch stepped and")  # it finished


@pytest.mark.slow
def test_a_script_outside_any_repository_brings_the_sources_it_loaded(tmp_path: Path) -> None:
    project = make_project(tmp_path, repository=False)
    project.write(train="import sibling\n" + own_loop(at_end="print(sibling.X)"), sibling="X = 1\n")
    project.run("train.py")
    project.write(train="1 / 0\n", sibling="1 / 0\n")
    assert project.verify().text == "identical: "


BY_ANY_WAY = {
    "module": (*SAMEBIT, "run", "-m", "pkg.train"),
    "command": (*SAMEBIT, "run", "--", sys.executable, "-O", "pkg/train.py"),
    "init": (sys.executable, "-m", "pkg.train"),
}


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=pytest.mark.slow if w == "command" else []) for w in BY_ANY_WAY]
)
@pytest.mark.slow
def test_however_a_run_was_begun_it_verifies(project: Project, way: str) -> None:
    begin = "import samebit\nsamebit.init(seed=1)\n" if way == "init" else ""
    project.write(pkg__train=begin + small(), pkg____init__="")
    project.call(*BY_ANY_WAY[way], PYTHONHASHSEED="0")
    project.write(pkg__train="1 / 0\n")
    found = project.verify()
    assert found.text == "identical: "
    assert found.code == 0


ENDS = {
    "exception": ("if at == 3: raise ValueError('no')", "the run failed", 1),
    "kill": ("if at == 3: import os; os.kill(os.getpid(), 9)", "the run killed", -9),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.slow
def test_a_run_that_broke_is_unknown_with_what_agrees_up_to_there(
    project: Project, how: str
) -> None:
    line, said, code = ENDS[how]
    project.write(train=own_loop(at_step=line))
    project.run("train.py", expect=code)
    found = project.verify()
    assert found.code == 6
    assert said in found.text
    assert any(line.startswith("steps 1 to 3") for line in found.verdict["scope"])


@pytest.mark.slow
def test_a_metric_drawn_without_a_seed_differs_alone(project: Project) -> None:
    log = "import os; run.log({'acc': os.urandom(8).hex()})"
    project.write(train=own_loop(at_end=log))
    project.run("train.py")
    found = project.verify()
    assert found.code == 5
    assert "metric only (evaluation): acc" in found.text


@pytest.mark.slow
def test_code_that_gets_ahead_of_the_search_path_is_found_out(project: Project) -> None:
    """Some editable installations put a finder before all others."""
    beside = project.folder.parent / "beside"
    beside.mkdir()
    file = project.folder / "src/fast.py"
    finder = (
        "import sys, importlib.util\n"
        "class F:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'fast':\n"
        f"            return importlib.util.spec_from_file_location('fast', {str(file)!r})\n"
        "sys.meta_path.insert(0, F)\n"
    )
    (beside / "sitecustomize.py").write_text(finder)
    project.write(src__fast="X = 1\n", train="import fast\n" + own_loop())
    project.run("train.py", PYTHONPATH=str(beside))
    assert project.verify(PYTHONPATH=str(beside)).text == "identical: "
    project.write(src__fast="X = 2\n")
    found = project.verify(PYTHONPATH=str(beside))
    assert found.code == 6
    assert f"ran other code: fast from {file}" in found.text


def test_a_secret_in_the_command_cannot_be_given_back(project: Project) -> None:
    project.write(train="")
    project.run("train.py", "--api-key", "abcdefgh12345678")
    found = project.verify()
    assert found.code == 6
    assert "its command holds a secret" in found.text


def test_a_run_that_is_going_on_is_not_verified(project: Project) -> None:
    verify = [*SAMEBIT, "verify", "@last"]
    project.write(
        train=f"import subprocess, sys\nd = subprocess.run({verify!r}, capture_output=True)\n"
        "sys.exit(0 if d.returncode == 2 and b'still going on' in d.stderr else 9)\n"
    )
    project.run("train.py")


def test_unknown_and_ambiguous_names_have_their_exit_codes(project: Project) -> None:
    project.write(train="")
    for _ in range(2):
        project.call(*SAMEBIT, "run", "--quiet", "--name", "same", "train.py")
    assert project.refused("nothing")[0] == 7
    assert project.refused("same")[0] == 2


def test_a_run_whose_code_is_damaged_says_so(project: Project) -> None:
    project.write(train="x = 1\n" * 50)
    project.run("train.py")
    for pack in (project.folder / ".samebit/packs").glob("*.pack"):
        data = bytearray(pack.read_bytes())
        data[len(data) // 4] ^= 1
        pack.chmod(0o644)
        pack.write_bytes(data)
    done = project.call(*SAMEBIT, "verify", "@last", expect=None)
    assert done.returncode in (6, 7)
    assert "damaged" in done.stdout + done.stderr


def test_a_run_whose_code_is_gone_is_unknown(project: Project) -> None:
    project.write(train="x = 1\n" * 50)
    project.run("train.py")
    for pack in (project.folder / ".samebit/packs").glob("*.pack"):
        pack.unlink()
    found = project.verify()
    assert found.code == 6
    assert "its code cannot be read" in found.text


def test_a_folder_for_the_replay_stays_and_must_be_new(project: Project, tmp_path: Path) -> None:
    project.write(train="open('out.log', 'w').write('made')\n")
    project.run("train.py")
    place = tmp_path / "laid out"
    project.verify("@last", "--folder", str(place))
    inside = place / "fs" / project.folder.relative_to("/")
    assert (inside / "out.log").read_text() == "made"
    code, said = project.refused("@last", "--folder", str(place))
    assert code == 2
    assert "must be new" in said


LISTING = """
import glob, os
import torch
names = sorted(glob.glob("data/*.txt"))
first = [float(open(name).read()) for name in names[:2]]  # of five, only two are opened
print(len(os.listdir("data")), sorted(entry.name for entry in os.scandir("data/deep")))
torch.manual_seed(len(names))
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.tensor(first)).sum().backward()
optimizer.step()
open("data/made_here.out", "w").write("x")
"""


@pytest.mark.slow
def test_a_folder_that_was_listed_shows_the_same_names(project: Project) -> None:
    files = {f"data__{name}.txt": str(at) for at, name in enumerate("abcde")}
    project.write(train=LISTING, **{".gitignore": "data/\n"}, **files)
    project.write(**{"data__deep__one.bin": "1", "data__deep__two.bin": "2"})
    run = project.run("train.py")
    assert project.verify(run).text == "identical: "
    project.write(data__later="new since then")  # what came later is not shown to the replay
    assert project.verify(run).text == "identical: "
    (project.folder / "data" / "e.txt").unlink()
    verified = project.verify(run)
    assert verified.code == 6
    assert "where e.txt is not there any more" in verified.text
