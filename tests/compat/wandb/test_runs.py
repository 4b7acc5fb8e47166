"""Runs as a script meets them: begun, joined, finished, in several processes."""

import json
import textwrap
from typing import Any

import pytest

from samebit.folders.find import list_runs
from samebit.folders.read import read_run
from tests.projects import SAMEBIT, Ended, Project

IMPORT = "import samebit.compat.wandb as wandb\n"


def script(project: Project, text: str, *, name: str = "a.py", first: str = IMPORT) -> str:
    project.write(name, first + textwrap.dedent(text))
    return name


def ran(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    return ended


def printed(ended: Ended) -> Any:
    return json.loads(ran(ended).out.splitlines()[-1])


def test_a_run_is_begun_by_init_and_ended_by_finish(project: Project) -> None:
    text = """
        assert wandb.run is None
        run = wandb.init(
            project="p", entity="e", group="g", job_type="train", name="brave", notes="why",
            tags=["a", "b"], config={"lr": 0.1, "net": {"layers": 2}},
        )
        assert wandb.run is run and isinstance(run, wandb.Run)
        assert (run.project, run.entity, run.group, run.job_type) == ("p", "e", "g", "train")
        assert (run.name, run.notes, run.tags) == ("brave", "why", ("a", "b"))
        assert run.url is None and run.get_url() is None and not run.resumed and not run.disabled
        assert run.path == f"e/p/{run.id}"
        assert wandb.config.lr == 0.1 and wandb.config is run.config
        for step in range(3):
            wandb.log({"loss": 3.0 - step, "n": {"x": step}})
        assert run.step == 3
        assert wandb.summary["loss"] == 1.0 and wandb.summary["n"]["x"] == 2
        run.tags = run.tags + ("c",)
        run.name = "braver"
        wandb.finish()
        assert wandb.run is None
        wandb.finish()
        try:
            run.log({"loss": 1})
        except wandb.errors.UsageError as error:
            assert "is finished" in str(error)
        else:
            raise SystemExit("nothing was raised")
    """
    ran(project.python(script(project, text)))
    view = project.view()
    assert (view.status, view.name, view.group) == ("finished", "braver", "g")
    assert view.said.tags == ("a", "b", "c")
    assert view.said.text == "why"
    assert view.facts["config"] == {"lr": 0.1, "net": {"layers": 2}}
    assert view.metrics["loss"].steps == [0, 1, 2]
    assert view.metrics["n.x"].values == [0, 1, 2]
    assert (view.facts["wandb"]["project"], view.facts["wandb"]["job_type"]) == ("p", "train")


def test_projects_and_kinds_of_jobs_can_be_asked_for(project: Project) -> None:
    text = "wandb.init(project='mnist', job_type='eval'); wandb.log({'a': 1})"
    ran(project.python(script(project, text)))

    asked = "project = mnist and job_type = eval"
    found = project.call(SAMEBIT, "ls", "--json", "--where", asked)
    assert [row["id"] for row in json.loads(found.out)] == [project.view().id]
    shown = project.call(SAMEBIT, "ls", "--json", "--where", "project = other")
    assert json.loads(shown.out) == []


def test_before_init_every_use_is_an_error_with_its_name(project: Project) -> None:
    text = """
        for use in (
            lambda: wandb.config.lr,
            lambda: wandb.config.update({}),
            lambda: setattr(wandb.config, "lr", 1),
            lambda: wandb.config["lr"],
            lambda: wandb.summary["lr"],
            lambda: dict(wandb.summary),
            lambda: wandb.log({}),
            lambda: wandb.save("x"),
            lambda: wandb.watch(None),
            lambda: wandb.define_metric("x"),
        ):
            try:
                use()
            except wandb.Error as error:
                assert "You must call wandb.init() before wandb." in str(error)
            else:
                raise SystemExit("nothing was raised")
        assert wandb.login() is True and wandb.finish() is None
    """
    ran(project.python(script(project, text)))
    assert list(list_runs(project.store)) == []


def test_a_run_that_samebit_run_began_is_joined_and_goes_on_after_finish(project: Project) -> None:
    text = """
        run = wandb.init(name="mine", group="g", config={"lr": 1})
        wandb.log({"a": 1})
        wandb.finish()
        import os
        print(os.environ["SAMEBIT_RUN"].endswith(run.id))
    """
    ended = ran(project.run(script(project, text)))
    assert ended.out == "True\n"
    view = project.view()
    assert (view.name, view.group, view.status) == ("mine", "g", "finished")
    assert view.start is not None
    assert view.start.how == "script"
    assert view.missing == [] or not any("group" in line for line in view.missing)


def test_the_group_of_the_command_counts_and_the_scripts_is_said(project: Project) -> None:
    ended = ran(project.run("--group", "ours", script(project, "wandb.init(group='theirs')")))
    assert project.view().group == "ours"
    assert "--group ours" in ended.err


def test_a_run_that_the_script_began_is_joined_and_left_to_it(project: Project) -> None:
    text = """
        import samebit
        ours = samebit.init(config={"a": 1})
        run = wandb.init(project="p", config={"b": 2})
        assert run.id == ours.id
        wandb.log({"x": 1})
        run.finish()
        again = wandb.init()
        assert again.id == ours.id
        again.finish()
        ours.log({"y": 2})
        ours.finish()
    """
    ran(project.python(script(project, text)))
    view = project.view()
    assert sorted(view.metrics) == ["x", "y"]
    assert view.status == "finished"


def test_init_again_gives_the_same_run_unless_it_is_finished_first(project: Project) -> None:
    text = """
        import json
        first = wandb.init(project="p", config={"a": 1})
        assert wandb.init(project="q", config={"b": 2}) is first
        assert dict(wandb.config) == {"a": 1, "b": 2}
        assert wandb.init(reinit="return_previous") is first
        second = wandb.init(reinit=True)
        assert second is not first and second.id != first.id
        try:
            first.log({"a": 1})
        except wandb.UsageError as error:
            assert first.id in str(error)
        else:
            raise SystemExit("nothing was raised")
        third = wandb.init(reinit="create_new")
        for wrong in ({"reinit": "foo"}, {"mode": "foo"}, {"resume": "foo"}, {"id": "a/b"}):
            try:
                wandb.init(**{"reinit": True, **wrong})
            except wandb.UsageError:
                continue
            raise SystemExit(f"{wrong} was taken")
        wandb.finish()
        print(json.dumps([first.id, second.id, third.id]))
    """
    ended = project.python(script(project, text))
    ids = printed(ended)
    assert [view.id for view in project.views()] == ids
    assert [view.status for view in project.views()] == ["finished"] * 3
    assert ended.err.count("one process records one run at a time") == 1


def test_runs_one_after_the_other_are_runs_of_their_own_also_when_supervised(
    project: Project,
) -> None:
    text = """
        for seed in range(3):
            run = wandb.init(name=f"seed {seed}", config={"seed": seed})
            run.log({"acc": seed})
            run.finish()
    """
    ran(project.run(script(project, text)))
    views = project.views()
    assert [view.name for view in views] == ["seed 0", "seed 1", "seed 2"]
    assert [view.metrics["acc"].values for view in views] == [[0], [1], [2]]
    assert [view.record.parent for view in views[1:]] == [views[0].id] * 2


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("with wandb.init() as run: run.log({'a': 1})", "finished"),
        ("with wandb.init() as run: raise ValueError('x')", "failed"),
        ("wandb.init(); wandb.finish(exit_code=3)", "failed"),
        ("wandb.init(); wandb.teardown()", "finished"),
        ("wandb.init(); wandb.log({'a': 1})", "finished"),
    ],
)
def test_how_it_ended_is_known(project: Project, text: str, status: str) -> None:
    ended = project.python(script(project, text))
    view = project.view()
    assert view.status == status
    assert ("ValueError: x" in ended.err) == ("ValueError" in text)


@pytest.mark.parametrize("how", ["argument", "variable", "older variable"])
def test_a_disabled_run_takes_everything_and_keeps_nothing(project: Project, how: str) -> None:
    text = """
        import sys
        said = {"mode": "disabled"} if sys.argv[1] == "argument" else {}
        run = wandb.init(**said, config={"a": 1})
        assert run.disabled and wandb.config.a == 1
        wandb.log({"loss": 2.0})
        assert wandb.summary["loss"] == 2.0
        artifact = wandb.Artifact("x", "y")
        run.log_artifact(artifact)
        wandb.save("a.py")
        run.finish()
        assert wandb.run is None
    """
    more = {"variable": {"WANDB_MODE": "disabled"}, "older variable": {"WANDB_DISABLED": "true"}}
    ran(project.python(script(project, text), how, **more.get(how, {})))
    assert list(list_runs(project.store)) == []


def test_variables_and_settings_are_read_where_no_argument_says(project: Project) -> None:
    text = """
        settings = wandb.Settings(run_name="by settings", console="off", start_method="fork")
        run = wandb.init(settings=settings)
        print([run.name, run.project, run.tags, run.group, run.notes, run.job_type, run.entity])
        had = run.settings
        assert (had.run_id, had.run_name, had.project) == (run.id, "by settings", "p")
        assert (had.run_tags, had.run_group, had.mode) == (("a", "b"), "g", "offline")
        assert (had.console, settings.run_id) == ("off", None)  # another run may be given the same
    """
    environ = {
        "WANDB_NAME": "by variable",
        "WANDB_PROJECT": "p",
        "WANDB_TAGS": "a,b",
        "WANDB_RUN_GROUP": "g",
        "WANDB_NOTES": "n",
        "WANDB_JOB_TYPE": "j",
        "WANDB_ENTITY": "e",
    }
    ended = ran(project.python(script(project, text), **environ))
    assert ended.out == "['by settings', 'p', ('a', 'b'), 'g', 'n', 'j', 'e']\n"


def test_what_has_no_meaning_here_is_taken_and_said_once(project: Project) -> None:
    text = """
        for _ in range(2):
            wandb.init(
                force=True, anonymous="allow", save_code=True, monitor_gym=True, made_up=3,
                sync_tensorboard=True, mode="online", fork_from="x?_step=3", reinit=True,
            )
        wandb.watch(__import__("types").SimpleNamespace(named_parameters=None)), wandb.unwatch()
        wandb.alert("title", "text", level=wandb.AlertLevel.WARN), wandb.mark_preempting()
        wandb.run.log_code("."), wandb.require("service"), wandb.setup(), wandb.run._label(code="x")
    """
    ended = project.python(script(project, text))
    said = [line for line in ended.err.splitlines() if line.startswith("samebit: wandb: ")]
    assert len(said) == len(set(said)) == 4
    assert any("made_up" in line for line in said)
    assert any("fork_from" in line for line in said)
    assert "wandb: WARNING title: text" in ended.err


def test_a_run_goes_on_by_the_id_that_its_script_gave_it(project: Project) -> None:
    text = """
        run = wandb.init(id="my-run", resume="allow")
        print(run.resumed, run.starting_step, run.step)
        for _ in range(3):
            wandb.log({"a": run.step})
    """
    name = script(project, text)
    assert ran(project.python(name)).out == "False 0 0\n"
    assert ran(project.python(name)).out == "True 3 3\n"
    view = project.view()
    assert len(view.starts) == 2
    assert view.metrics["a"].steps == [0, 1, 2, 3, 4, 5]
    must = script(project, "wandb.init(id='other', resume='must')", name="must.py")
    ended = project.python(must)
    assert ended.code == 1
    assert "UsageError: there is no run 'other' to resume" in ended.err
    ours = script(project, f"print(wandb.init(id='{view.id}', resume='must').id)", name="o.py")
    assert ran(project.python(ours)).out == f"{view.id}\n"


@pytest.mark.parametrize(
    ("resume", "there", "gone"),
    [
        ("'must'", "True 1", "UsageError: there is no run 'other' to resume"),
        ("'allow'", "True 1", "False 0"),
        ("'auto'", "True 1", "False 0"),
        ("True", "True 1", "False 0"),
        ("'never'", "UsageError: there is a run 'mine' already", "False 0"),
        ("None", "False 0", "False 0"),
    ],
)
def test_resume_means_what_wandb_says_of_it(
    project: Project, resume: str, there: str, gone: str
) -> None:
    first = script(project, "wandb.init(id='mine'); wandb.log({'a': 1})", name="first.py")
    assert project.python(first).code == 0
    for id, expected in (("mine", there), ("other", gone)):
        text = f"""
            run = wandb.init(id={id!r}, resume={resume})
            print(run.resumed, run.starting_step)
        """
        ended = project.python(script(project, text))
        is_refused = "Error" in expected
        assert ended.code == is_refused, ended.err
        assert expected in (ended.err if is_refused else ended.out)
    assert any(view.metrics.get("a") for view in project.views())  # it is nobody's to write over


def test_a_script_of_samebit_run_goes_on_by_its_id_too(project: Project) -> None:
    first = script(project, "wandb.init(id='mine')", name="first.py")
    assert project.python(first).code == 0
    earlier = project.view().id
    again = script(project, "print(wandb.init(id='mine', resume='must').id)", name="again.py")
    ended = ran(project.run(again))
    assert ended.out == f"{earlier}\n"
    assert f"the script went on in run {earlier}" in ended.err


def test_summaries_are_what_was_said_defined_or_logged_last(project: Project) -> None:
    text = """
        import json
        run = wandb.init()
        run.define_metric("loss", summary="min")
        run.define_metric("acc", summary="max,mean")
        run.define_metric("none", summary="none")
        for at, (loss, acc) in enumerate([(3, 1), (1, 5), (2, 3)]):
            wandb.log({"loss": loss, "acc": acc, "none": 1, "plain": at})
        run.summary["best"] = 7
        run.summary.update({"plain": 100, "nested": {"x": {"y": 1}}})
        run.summary.gone = 3
        del run.summary["gone"]
        assert run.summary["nested"]["x"]["y"] == 1
        found = {key: value for key, value in run.summary.items() if key[0] != "_"}
        found = {k: dict(v) if hasattr(v, "keys") else v for k, v in found.items()}
        found["nested"] = 0
        wandb.log({"plain": 3})
        assert run.summary["plain"] == 3 and "none" not in run.summary
        try:
            run.summary["zz"]
        except KeyError:
            print(json.dumps(found))
    """
    assert printed(project.python(script(project, text))) == {
        "loss": {"min": 1},
        "acc": {"max": 5, "mean": 3.0},
        "plain": 100,
        "best": 7,
        "nested": 0,
    }
    metrics = project.view().metrics
    assert metrics["best"].values == [7]
    assert metrics["summary.plain"].values == [100]  # beside its curve, and no point of it
    assert metrics["plain"].values == [0, 1, 2, 3]
    assert metrics["nested.x.y"].values == [1]


def test_hostile_values_never_end_a_training(project: Project) -> None:
    text = """
        import collections, datetime, enum
        import numpy as np
        class Odd:
            def __eq__(self, other): raise RuntimeError("eq")
            def __str__(self): raise RuntimeError("str")
            __repr__ = __str__
            __hash__ = object.__hash__
        when, member = datetime.date(2026, 1, 2), enum.Enum("E", "A").A
        run = wandb.init(config={"odd": Odd(), "when": when, "e": member})
        wandb.config.update({"odd": Odd()}, allow_val_change=True)
        for _ in range(3):
            wandb.log({"odd": Odd(), "fn": print, "set": {1, 2}, "loss": 1.0, "text": "\\ud800",
                       "nan": float("nan"), "big": 1 << 80, "deep": {"a": {"b": Odd()}}})
        wandb.log(collections.OrderedDict(a=np.float16(0.5)))
        wandb.log({"images": [wandb.Image(np.full((2, 2), np.nan))], "obj": wandb.Object3D([1])})
        wandb.log({"boxes": wandb.Image(np.zeros((2, 2)), boxes={"x": 1}, masks={})})
        wandb.summary["odd"] = Odd()
        wandb.run.tags = ["a,b", "x" * 500]
        wandb.run.name = "y" * 500
        print("alive")
    """
    ended = project.python(script(project, text))
    assert ended.out == "alive\n", ended.err
    assert "Traceback" not in ended.err
    view = project.view()
    assert view.metrics["loss"].values == [1.0] * 3
    assert view.metrics["a"].values == [0.5]
    assert view.metrics["big"].values == [1 << 80] * 3
    assert any("odd" in line for line in view.missing)
    assert any("boxes" in line for line in view.missing)


@pytest.mark.parametrize(
    "fault", ["run.log=error", "journal.write=full@20+", "disk.rename=error@9+"]
)
def test_trouble_of_the_disk_is_ours_alone(project: Project, fault: str) -> None:
    text = """
        run = wandb.init(name="n", tags=["t"], config={"a": 1})
        for at in range(200):
            wandb.log({"loss": at})
        wandb.summary["x"] = 1
        open("f.txt", "w").write("x")
        wandb.save("f.txt")
        artifact = wandb.Artifact("d", "dataset")
        artifact.add_file("f.txt")
        run.log_artifact(artifact)
        wandb.finish()
        print("alive")
    """
    ended = project.python(script(project, text), SAMEBIT_FAULTS=fault)
    assert (ended.code, ended.out) == (0, "alive\n"), ended.err
    assert "Traceback" not in ended.err


def test_workers_of_multiprocessing_are_said_and_pickled_runs_come_back(project: Project) -> None:
    text = """
        import multiprocessing, sys

        def begin(name):
            wandb.init(name=name)
            wandb.log({"worker": 1})

        def log(run):
            assert wandb.run is run
            run.log({"child": 1, "step": 40})
            run.log({"child": 2, "step": 50})
            run.finish()

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            alone = context.Process(target=begin, args=["w"])
            alone.start(), alone.join()
            run = wandb.init(project="p")
            run.define_metric("child", step_metric="step")
            wandb.log({"parent": 1})
            other = context.Process(target=log, args=[run])
            other.start(), other.join()
            wandb.log({"parent": 2})
            assert (alone.exitcode, other.exitcode) == (0, 0)
    """
    ended = ran(project.python(script(project, text), "spawn"))
    assert "its wandb run is not recorded" in ended.err
    view = project.view()
    assert view.metrics["parent"].values == [1, 2]
    assert view.metrics["child"].steps == [40, 50]


def test_a_forked_child_logs_into_the_run_and_does_not_end_it(project: Project) -> None:
    text = """
        import os
        run = wandb.init()
        wandb.log({"a": 1})
        if not (child := os.fork()):
            wandb.log({"b": 2})
            wandb.finish()
            os._exit(0)
        os.waitpid(child, 0)
        wandb.log({"c": 3})
    """
    ran(project.python(script(project, text)))
    view = project.view()
    assert sorted(view.metrics) == ["a", "b", "c"]
    assert view.status == "finished"


@pytest.mark.slow
def test_in_a_replay_ids_are_those_of_the_run_and_nothing_is_said_or_kept(project: Project) -> None:
    text = """
        import os, pathlib, torch
        run = wandb.init(name="named", id="given", tags=["t"], group="g", config={"lr": 0.1})
        folder = pathlib.Path("out", run.id)
        folder.mkdir(parents=True)
        wandb.log({"first letter": ord(run.id[0])})
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        wandb.watch(model)
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        torch.save(model.state_dict(), folder / "m.pt")
        wandb.save(folder / "m.pt")
        artifact = wandb.Artifact("model", "model")
        artifact.add_dir(folder)
        run.log_artifact(artifact, aliases=["best"])
        used = run.use_artifact("model:best")
        wandb.log({"version": int(artifact.version[1:]), "used": len(used.files())})
        pathlib.Path(run.dir, "left.txt").write_text("x")
    """
    from samebit.data import versions

    ran(project.run("--seed", "1", script(project, text)))
    before = {name: len(versions.read_records(project.store, name)) for name in _names(project)}
    assert before == {"m.pt": 1, "model": 1, "left.txt": 1}
    ended = project.call(SAMEBIT, "verify", "named")
    assert ended.out.startswith("identical"), ended.out + ended.err
    assert "metrics identical: 3 names, 3 values" in ended.out
    assert before == {n: len(versions.read_records(project.store, n)) for n in _names(project)}
    replay = next(view for view in project.views() if view.record.kind == "replay")
    assert [note.kind for note in replay.notes] == ["verdict"]


def _names(project: Project) -> list[str]:
    from samebit.data import versions

    return versions.list_names(project.store)


def test_log_is_seen_after_kill(project: Project) -> None:
    text = """
        import os, signal
        wandb.init()
        wandb.define_metric("a", summary="max")
        wandb.log({"a": 1}, commit=False)
        wandb.summary["b"] = 2
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert project.python(script(project, text)).code == -9
    view = read_run(next(iter(list_runs(project.store))))
    assert view.metrics["a"].values == [1]
    assert view.facts["wandb"]["said"] == ["b"]


@pytest.mark.slow
@pytest.mark.parametrize("supervised", [True, False])
def test_a_script_that_reads_its_own_run_reads_it_in_a_replay_too(
    project: Project, supervised: bool
) -> None:
    """The first example of the guide: its store is not there in a replay."""
    text = """
        run = wandb.init(project="mnist", config={"lr": 0.1})
        for step in range(3):
            wandb.log({"loss": 1.0 / (step + 1)})
        api = wandb.Api()
        assert not api.artifact_exists("mnist/net:latest") and not api.artifacts("model", "net")
        made = wandb.Artifact("net", "model", metadata={"acc": np.float32(0.5)})
        with made.new_file("net.txt") as stream:
            stream.write("weights")
        run.log_artifact(made, aliases=["best"]).wait()
        assert api.artifact_exists("mnist/net:latest")
        assert api.artifact("mnist/net:latest").metadata == {"acc": 0.5}
        wandb.finish()
        assert api.run(run.id).id == run.id
        assert api.artifact("net:best").version == "v0"
        assert [one.name for one in api.artifacts("model", "net")] == ["net:v0"]
        recorded = wandb.Api().run(f"{run.entity}/{run.project}/{run.id}")
        assert recorded.id == run.id and recorded.config == {"lr": 0.1}
        assert recorded.summary["loss"] == 1 / 3 and recorded.project == "mnist"
        assert [row["loss"] for row in recorded.scan_history()][0] == 1.0
    """
    name = script(project, text, first="import numpy as np\n" + IMPORT)
    named = {"SAMEBIT_DIR": ""}  # else the replay would find the store by it
    ran(project.run(name, **named) if supervised else project.python(name, **named))
    (view,) = project.views()
    (project.path / "other.txt").write_text("of another run")
    ran(project.call(SAMEBIT, "data", "add", "other.txt", "--name", "net", **named))
    ended = project.call(SAMEBIT, "verify", view.id, **named)
    assert ended.out.startswith("unknown: metrics agree, but no optimizer"), ended
