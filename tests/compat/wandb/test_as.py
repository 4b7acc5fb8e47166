"""`samebit run --as wandb`: a module with a spec and metadata, for this run and its children."""

import sys
import textwrap
from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project

LOOK = """
    import importlib.metadata, importlib.util, json, subprocess, sys
    spec = importlib.util.find_spec("wandb")
    import wandb
    from wandb import Table, init
    from wandb.sdk.lib import RunDisabled
    from wandb.sdk.lib.config_util import ConfigError
    from wandb.wandb_run import Run
    import wandb.env, wandb.data_types, wandb.errors, wandb.plot, wandb.apis.public, wandb.util
    import samebit.compat.wandb as ours
    assert wandb is ours and Run is wandb.Run and wandb.run is None
    assert issubclass(ConfigError, wandb.Error) and wandb.errors.Error is wandb.Error
    assert wandb.data_types.Table is Table and importlib.util.find_spec("wandb") is not None
    assert wandb.sdk.wandb_run.Run is wandb.wandb_sdk.wandb_run.Run is Run
    assert wandb.apis.public.Api is wandb.Api and len(wandb.util.generate_id()) == 8
    assert hasattr(wandb, "run") and not hasattr(wandb, "keras") and not hasattr(wandb, "nothing")
    run = init(project="p")
    assert wandb.run is run and isinstance(run, Run)
    wandb.log({"a": 1})
    child = subprocess.run([sys.executable, "-c", "import wandb; print(wandb.__file__)"],
                           capture_output=True, text=True, check=True)
    print(json.dumps({
        "origin": spec.origin, "version": importlib.metadata.version("wandb"),
        "module": wandb.__version__, "child": child.stdout.strip(), "file": wandb.__file__,
    }))
    wandb.finish()
    init(name="second").finish()
"""


def test_the_module_has_a_spec_metadata_and_children(project: Project) -> None:
    project.write("a.py", textwrap.dedent(LOOK))
    ended = project.run("--as", "wandb", "a.py")
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["origin"].endswith("shapes/wandb/wandb/__init__.py")
    assert found["version"] == found["module"] == "0.31.0"
    assert found["child"] == found["file"]
    view, second = project.views()
    assert view.metrics["a"].values == [1]
    assert second.name == "second"
    for one in (view, second):  # each is verified with a module of this name
        assert one.start is not None
        assert one.start.shape == "wandb"
    assert "wandb" not in view.facts["packages"]["versions"]  # nobody installed it


def test_without_it_nothing_answers_to_the_name(project: Project) -> None:
    text = "import importlib.util; print(importlib.util.find_spec('wandb'))"
    project.write("a.py", text)
    plain = project.python("a.py")
    assert project.run("a.py").out == plain.out
    (view,) = project.views()
    assert view.start is not None
    assert view.start.shape == ""
    start = (view.folder.path / "executions" / "1" / "start.json").read_text()
    assert "shape" not in start  # older records keep their form


def test_a_module_of_the_scripts_own_is_before_ours(project: Project) -> None:
    (project.path / "wandb.py").write_text("own = True")
    project.write("a.py", "import wandb; print(wandb.own)")
    assert project.run("--as", "wandb", "a.py").out == "True\n"


def test_the_folder_of_wandbs_own_runs_is_not_in_the_way(project: Project) -> None:
    (project.path / "wandb" / "run-1").mkdir(parents=True)
    project.write("a.py", "import wandb; print(wandb.init().disabled)")
    assert project.run("--as", "wandb", "a.py").out == "False\n"


def test_other_trackers_are_refused(project: Project) -> None:
    project.write("a.py", "print('ran')")
    ended = project.run("--as", "mlflow", "a.py")
    assert (ended.code, ended.out) == (2, "")
    assert "wandb" in ended.err


@pytest.mark.slow
def test_a_strangers_record_leads_to_no_other_folder(project: Project, tmp_path: Path) -> None:
    project.write("a.py", "import torch, wandb; wandb.init()")
    assert project.run("--as", "wandb", "a.py").code == 0
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    path = project.view().folder.path / "executions" / "1" / "start.json"
    text = path.read_text()
    assert '"shape":"wandb"' in text
    other = f"../../../../../../../../../../..{evil}"
    path.write_text(text.replace('"shape":"wandb"', f'"shape":"{other}"'))
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 125, ended.out
    assert "there is no shape of" in ended.err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["sweep", "agent", "controller", "keras", "sklearn", "gym"])
def test_what_is_not_offered_says_what_there_is_instead(project: Project, name: str) -> None:
    text = f"""
        import samebit.compat.wandb as wandb
        try:
            wandb.{name}({{}})
        except wandb.errors.UnsupportedError as error:
            print(error)
    """
    project.write("a.py", textwrap.dedent(text))
    ended = project.python("a.py")
    assert f"wandb.{name} is not offered by Samebit: " in ended.out, ended.err
    assert ("samebit sweep" in ended.out) == (name in ("sweep", "agent", "controller"))


def test_importing_it_does_nothing_and_loads_nothing_heavy() -> None:
    import subprocess

    text = """
import sys
import samebit.compat.wandb
heavy = {"torch", "numpy", "pandas", "PIL", "sklearn", "sqlite3", "yaml"} & set(sys.modules)
assert not heavy, heavy
import threading
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", text], check=True)
