"""What a real run says about its code and its environment, also where something is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samebit.objects.store import Store
from tests.projects import SAMEBIT, TOLD, Project


def git(project: Project, *words: str) -> None:
    settings = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *settings, *words], cwd=project.path, check=True, capture_output=True)


LATE = """
import os, subprocess, sys
import samebit
samebit.init(seed=1)
if os.path.exists("edit"):
    for name, text in (("late.py", "LR = 0.7"), ("early.py", "X = 3")):
        subprocess.run(["sh", "-c", f"echo '{text}' > {name}"], check=True)
import late
import torch
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=late.LR)
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
"""


@pytest.mark.slow
def test_a_source_edited_between_start_and_import_is_named_and_replayed_as_it_ran(
    project: Project,
) -> None:
    project.write("train.py", "import early\n" + LATE)
    project.write("late.py", "LR = 0.1\n")
    project.write("early.py", "X = 2\n")
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    project.write("edit", "")
    assert project.run("train.py").code == 0
    git(project, "checkout", "-q", "early.py", "late.py")
    (project.path / "edit").unlink()

    view = project.view()
    early = str(project.path / "early.py")
    assert [file for file, ran, _ in view.facts["sources"]["edited"] if ran] == [early]
    late = {f: c for _, f, c in view.facts["sources"]["modules"]}[str(project.path / "late.py")]
    assert Store(project.store).read(late) == b"LR = 0.7\n"
    shown = project.call(SAMEBIT, "show", view.id).out
    assert "late.py after the start, before it was imported" in shown
    assert "early.py while the run went on" in shown
    verified = project.call(SAMEBIT, "verify", view.id)
    assert verified.code == 0, verified.out + verified.err


def test_code_from_elsewhere_on_the_path_is_kept(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "lib-of-mine"
    elsewhere.mkdir()
    (elsewhere / "helper.py").write_text("H = 1\n")
    project.write("a.py", "import helper\n")
    assert project.run("a.py", PYTHONPATH=str(elsewhere)).code == 0
    modules = {name: (f, c) for name, f, c in project.view().facts["sources"]["modules"]}
    assert modules["helper"][0] == str(elsewhere / "helper.py")
    assert Store(project.store).read(modules["helper"][1]) == b"H = 1\n"
    assert modules["__main__"][0] == str(project.path / "a.py")


# A file system, an installation and a search path in which whatever can be broken is.
BROKEN = {
    "a package without metadata": "os.makedirs('site-packages/hollow-1.0.dist-info')",
    "a record of rubbish": """
os.makedirs('site-packages/odd-1.0.dist-info')
open('site-packages/odd-1.0.dist-info/METADATA', 'w')
open('site-packages/odd-1.0.dist-info/RECORD', 'wb').write(bytes(range(256)) * 9)
open('site-packages/odd-1.0.dist-info/direct_url.json', 'w').write('[1]')
open('site-packages/odd-1.0.dist-info/INSTALLER', 'wb').write(bytes([255, 10]))
open('site-packages/odd.py', 'w').write('')
import odd
""",
    "many strange modules": """
import types
class Strange(types.ModuleType):
    def __getattribute__(self, name):
        raise RuntimeError("no")
for n in range(20_000):
    sys.modules[f"strange{n}"] = Strange("strange") if n % 2 else None
""",
    "a lock of rubbish": "open('uv.lock', 'wb').write(bytes(range(256)))",
}


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_is_broken_the_script_goes_on_and_the_record_is_whole(
    project: Project, what: str
) -> None:
    (project.path / "site-packages").mkdir()
    code = "import os, sys\nsys.path.append(os.path.abspath('site-packages'))\n" + BROKEN[what]
    project.write("a.py", code + "\nimport samebit\nrun = samebit.init()\nprint('went on')\n")
    ended = project.python("a.py", PYTHONHASHSEED="0")
    assert (ended.code, ended.out, ended.err) == (0, "went on\n", "")
    facts = project.view().facts
    assert facts["packages"]["versions"]
    assert {"installed", "sources", "settings", "code"} <= facts.keys()
    assert project.view().all_facts("problem") == []
    shown = project.call(SAMEBIT, "show", project.view().id)
    assert shown.code == 0, shown.err


def test_an_edited_package_is_named_with_its_bytes(project: Project) -> None:
    folder = project.path / "site-packages"
    info = folder / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "toy.py").write_text("T = 2  # edited\n")
    (info / "METADATA").write_text("Name: toy\n")
    (info / "RECORD").write_text("toy.py,sha256=AAAA,16\n")
    project.write("a.py", "import sys; sys.path.append('site-packages'); import toy\n")
    for _ in range(20):  # half a second is given to hashing; the next run goes on with the rest
        assert project.run("a.py", PYTHONPATH=str(folder)).code == 0
        view = project.views()[-1]
        if not view.facts["installed"]["unchecked"]:
            break
    (name,) = view.facts["installed"]["edited"].values()
    assert Store(project.store).read(name) == b"T = 2  # edited\n"
    assert (
        "toy.py since its distribution was installed" in project.call(SAMEBIT, "show", view.id).out
    )


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read all")
def test_a_source_without_permission_is_named(project: Project) -> None:
    (project.write("helper.py", "")).chmod(0)
    project.write("a.py", "import sys; sys.modules['helper'] = sys; sys.__file__ = 'helper.py'")
    project.run("a.py")
    assert any("helper.py" in line for line in project.view().facts["sources"]["left_out"])


@pytest.mark.slow
def test_a_run_that_is_killed_has_told_what_it_had_loaded(project: Project) -> None:
    project.write("helper.py", "H = 1\n")
    project.write("told.py", TOLD)
    project.write(
        "a.py",
        """
        import os, signal
        import helper, torch
        from told import wait_until_told
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()
        wait_until_told("sources", "torch.threads")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    project.run("a.py")
    facts = project.view().facts
    assert "helper" in [name for name, _, _ in facts["sources"]["modules"]]
    assert facts["settings"]["torch.threads"] >= 1


def test_the_facts_are_plain_json(project: Project) -> None:
    project.write("a.py", "import numpy\n")
    assert project.run("a.py").code == 0
    shown = project.call(SAMEBIT, "show", "@last", "--json")
    facts = json.loads(shown.out)["facts"]
    assert facts["settings"]["numpy.version"]
    assert facts["installed"]["checked"] > 0
    assert sys.implementation.cache_tag in facts["interpreter"]["abi"]
