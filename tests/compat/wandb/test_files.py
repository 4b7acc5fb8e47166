"""Saved files, artifacts and the reading interface, as a script and a person meet them."""

import json
from pathlib import Path

from samebit.data import versions
from tests.compat.wandb.test_runs import ran, script
from tests.projects import SAMEBIT, Project


def test_save_keeps_a_copy_that_a_later_write_does_not_change(project: Project) -> None:
    text = """
        from pathlib import Path
        run = wandb.init()
        here = Path.cwd()
        Path("init.pt").write_text("first")
        assert wandb.save("init.pt") == [str(here / "init.pt")]
        Path("init.pt").write_text("second")
        Path("sub/d").mkdir(parents=True)
        Path("sub/d/g.txt").write_text("g")
        assert wandb.save("sub/*/*.txt") == [str(here / "sub/d/g.txt")]
        assert wandb.save(Path("sub/d/g.txt"), base_path="sub", policy="now")
        Path("at_end.txt").write_text("early")
        wandb.save("at_end.txt", policy="end")
        Path("at_end.txt").write_text("late")
        Path("same.txt").write_text("x")
        wandb.save("same.txt")
        assert wandb.save("nope*") == wandb.save("s3://bucket/key") == []
        for wrong in (dict(policy="foo"), dict(base_path="/usr")):
            try:
                wandb.save("init.pt", **wrong)
            except ValueError:
                continue
            raise SystemExit(f"{wrong} was taken")
        try:
            wandb.save("sub")
        except IsADirectoryError:
            print("done")
    """
    ended = ran(project.python(script(project, text)))
    assert ended.out == "done\n"
    assert _count(project, "init.pt") == 2  # as it was, and as it was left
    assert (_count(project, "at_end.txt"), _count(project, "same.txt")) == (1, 1)
    old = versions.read_records(project.store, "init.pt")[0]
    digits = versions.digits_of(old)[:12]
    project.call(SAMEBIT, "data", "checkout", f"init.pt@{digits}", "back.pt")
    assert (project.path / "back.pt").read_text() == "first"
    assert {old.origin["file"], old.origin["run"]} == {"init.pt", project.view().id}
    shown = project.call(SAMEBIT, "show", "@last").out
    assert "saved as data  init.pt@" in shown


def _count(project: Project, name: str) -> int:
    return len(versions.read_records(project.store, name))


def test_what_lies_in_the_runs_folder_is_saved_at_the_end(project: Project) -> None:
    text = """
        import os
        run = wandb.init()
        assert os.path.isdir(wandb.run.dir)
        open(os.path.join(wandb.run.dir, "model.h5"), "w").write("weights")
        wandb.save(os.path.join(wandb.run.dir, "*.h5"))
        wandb.finish()
        assert [file.name for file in wandb.Api().run(run.id).files()] == ["model.h5"]
    """
    ran(project.python(script(project, text)))
    (record,) = versions.read_records(project.store, "model.h5")
    assert record.origin["file"] == "model.h5"
    assert (project.path / "wandb" / ".gitignore").read_text() == "*\n"


def test_artifacts_are_versions_of_data(project: Project) -> None:
    text = """
        import json
        from pathlib import Path
        Path("d/e").mkdir(parents=True)
        Path("d/a.csv").write_text("1,2")
        Path("d/e/b.csv").write_text("3,4")
        run = wandb.init(project="p", job_type="make")
        made = wandb.Artifact("set", "dataset", description="why", metadata={"rows": 2})
        assert made.is_draft() and made.name == "set"
        try:
            made.version
        except wandb.errors.ArtifactNotLoggedError:
            pass
        made.add_dir("d")
        made.add_file("d/a.csv", name="copy.csv")
        with made.new_file("notes/n.txt") as stream:
            stream.write("hello")
        made.add(wandb.Table(columns=["x"], data=[[1]]), "tab")
        made.add_reference("s3://bucket/key", name="far")
        Path("d/a.csv").write_text("changed after it was added")
        for wrong in (
            lambda: made.add_file("nope"),
            lambda: made.add_dir("nope"),
            lambda: made.add_file("d/a.csv", name="../x"),
            lambda: wandb.Artifact("a/b", "t"),
            lambda: run.log_artifact(made, aliases=["a:b"]),
            lambda: run.log_artifact("zz"),
        ):
            try:
                wrong()
            except ValueError:
                continue
            raise SystemExit("nothing was raised")
        assert run.log_artifact(made, aliases=["best"]) is made
        assert made.wait() is made and made.state == "COMMITTED"
        assert (made.name, made.version) == ("set:v0", "v0")
        assert sorted(made.aliases) == ["best", "latest"]
        run.log_artifact("d", name="set", type="dataset")
        run.log_artifact("d", name="set", type="dataset", aliases=["again"])
        wandb.finish()

        run = wandb.init(project="p", job_type="use")
        used = run.use_artifact("e/p/set:best", type="dataset")
        assert (used.name, used.metadata, used.description) == ("set:v0", {"rows": 2}, "why")
        folder = Path(used.download())
        assert folder == Path("artifacts/set:v0").absolute()
        found = [path for path in folder.rglob("*") if path.is_file()]
        files = {str(path.relative_to(folder)): path.read_text() for path in found}
        assert files.pop("tab.table.json")
        assert files == {
            "a.csv": "1,2", "copy.csv": "1,2", "e/b.csv": "3,4", "notes/n.txt": "hello"}
        (folder / "a.csv").write_text("damaged")
        try:
            used.verify()
        except ValueError:
            used.download()
        used.verify()
        assert used.get("tab").data == [[1]] and used.get("nope") is None
        assert Path(used.get_entry("e/b.csv").download(root="elsewhere")).read_text() == "3,4"
        assert sorted(used.manifest.entries) == [
            "a.csv", "copy.csv", "e/b.csv", "far", "notes/n.txt", "tab.table.json"]
        assert run.use_artifact("set").version == run.use_artifact("set:again").version == "v1"
        for missing in ("set:v9", "nope:latest", "set:other"):
            try:
                run.use_artifact(missing)
            except wandb.CommError:
                continue
            raise SystemExit("nothing was raised")
        run.log_model("d/a.csv", name="net", aliases=["prod"])
        assert Path(run.use_model("net:prod")).read_text() == "changed after it was added"
        draft = used.new_draft()
        draft.remove("copy.csv")
        run.log_artifact(draft)
        assert draft.version == "v2"
        draft.metadata["z"] = 1
        draft.aliases = ["new"]
        draft.save()
        assert wandb.Api().artifact("set:new").metadata == {"rows": 2, "z": 1}
        print("done")
    """
    ended = ran(project.python(script(project, text)))
    assert ended.out == "done\n"
    listed = project.call(SAMEBIT, "data", "ls", "--json").json["data"]
    assert {row["name"]: row["origin"]["type"] for row in listed} == {
        "set": "dataset",
        "net": "model",
    }
    shown = project.call(SAMEBIT, "show", "@last").out
    assert "logged as data  net@" in shown
    assert "used as data    set@" in shown
    first, second = project.views()
    assert [fact["how"] for fact in first.all_facts("artifact")] == ["logged"] * 3
    assert second.all_facts("artifact")[0]["given"] == "e/p/set:best"


def test_a_version_is_kept_while_its_run_names_it_and_checked(project: Project) -> None:
    text = """
        run = wandb.init()
        artifact = wandb.Artifact("big", "dataset")
        with artifact.new_file("x", mode="wb") as stream:
            stream.write(bytes(range(256)) * 8000)
        run.log_artifact(artifact)
    """
    ran(project.python(script(project, text)))
    assert project.call(SAMEBIT, "check").code == 0
    (record,) = versions.read_records(project.store, "big")
    assert record.new_bytes > 0
    assert (record.files, record.size_bytes) == (1, 2_048_000)


def test_the_api_reads_what_runs_recorded(project: Project) -> None:
    text = """
        import json
        from pathlib import Path
        for at in range(3):
            with wandb.init(
                project="p" if at else "q", name=f"n{at}", group="g", tags=[f"t{at}"],
                notes="text", job_type="train", config={"lr": at / 10, "net": {"depth": at}},
            ) as run:
                run.define_metric("loss", summary="min")
                for step in range(10):
                    run.log({"loss": abs(5 - step) + at, "acc": step})
                run.summary["best"] = at
                Path("f.txt").write_text(str(at))
                run.save("f.txt")
                run.log_artifact("f.txt", name="art", type="t")
        api = wandb.Api()
        assert [run.name for run in api.runs()] == ["n0", "n1", "n2"]
        assert [run.name for run in api.runs("e/p")] == ["n1", "n2"]
        assert [run.name for run in api.runs(order="-summary_metrics.best")] == ["n2", "n1", "n0"]
        for filters, found in (
            ({"config.lr": {"$gt": 0.05}}, ["n1", "n2"]),
            ({"config.net.depth": 1}, ["n1"]),
            ({"tags": {"$in": ["t0", "t2"]}}, ["n0", "n2"]),
            ({"$or": [{"display_name": "n0"}, {"display_name": {"$regex": "2$"}}]}, ["n0", "n2"]),
            ({"group": "g", "state": "finished", "jobType": "train"}, ["n0", "n1", "n2"]),
            ({"config.none": {"$exists": False}, "config.lr": {"$not": {"$eq": 0.1}}},
             ["n0", "n2"]),
            ({"config.none": {"$lt": 3}}, []),
        ):
            assert [run.name for run in api.runs(filters=filters)] == found, filters
        try:
            api.runs(filters={"a": {"$zz": 1}})
        except wandb.UsageError:
            pass
        run = api.run("e/p/" + api.runs()[1].id)
        assert api.run("n1").id == run.id
        assert (run.state, run.group, run.tags, run.notes) == ("finished", "g", ["t1"], "text")
        assert (run.config, run.summary["best"]) == ({"lr": 0.1, "net": {"depth": 1}}, 1)
        assert run.summary["loss"] == {"min": 1} and run.summary["acc"] == 9
        assert run.summary._json_dict == {**run.summary}
        rows = list(run.scan_history(keys=["_step", "acc"]))
        assert rows == [{"_step": at, "acc": at} for at in range(10)]
        assert list(run.history(keys=["acc"], pandas=False))[0] == {"_step": 0, "acc": 0}
        assert len(run.history(samples=5, pandas=False)) == 5
        frame = run.history()
        assert list(frame["acc"].dropna()) == list(range(10))
        assert [file.name for file in run.files()] == ["f.txt"]
        assert run.file("f.txt").download(root="got").read() == "1"
        try:
            run.file("f.txt").download(root="got")
        except ValueError:
            assert run.file("f.txt").download(root="got", exist_ok=True).read() == "1"
        assert wandb.restore("f.txt", run_path=run.id, root="back").read() == "1"
        assert [a.name for a in run.logged_artifacts()] == ["art:v1"]
        assert api.artifact("art:v1").logged_by().id == run.id
        assert api.artifact_exists("art:latest") and not api.artifact_exists("art:v7")
        assert [a.version for a in api.artifacts("t", "art")] == ["v2", "v1", "v0"]
        assert [p.name for p in api.projects()] == ["p", "q"]
        run.tags.append("new")
        run.name = "renamed"
        run.update()
        assert "new" in wandb.Api().run("renamed").tags
        for wrong in (lambda: api.run("nope"), lambda: api.artifact("nope"), run.delete):
            try:
                wrong()
            except wandb.CommError:
                continue
            raise SystemExit("nothing was raised")
        print("done")
    """
    ended = ran(project.python(script(project, text)))
    assert ended.out == "done\n"


def test_the_api_says_where_there_is_no_store(tmp_path: Path, project: Project) -> None:
    text = """
        try:
            wandb.Api().runs()
        except wandb.CommError as error:
            print(error)
    """
    ended = ran(project.python(script(project, text)))
    assert "store" in ended.out


def test_an_artifact_of_a_hostile_store_stays_below_its_folder(project: Project) -> None:
    """Names that lead out are refused where manifests are read."""
    text = """
        run = wandb.init()
        artifact = wandb.Artifact("a", "t")
        for name in ("/etc/x", "../../x"):
            try:
                with artifact.new_file(name) as stream:
                    stream.write("x")
            except ValueError:
                continue
            raise SystemExit(f"{name} was taken")
    """
    ran(project.python(script(project, text)))


def test_files_that_nobody_can_read_are_said(project: Project) -> None:
    text = """
        import json
        from pathlib import Path
        run = wandb.init()
        artifact = wandb.Artifact("a", "t")
        Path("f").mkdir()
        Path("f/ok.txt").write_text("x")
        Path("f/.git").mkdir()
        Path("f/.git/config").write_text("x")
        artifact.add_dir("f")
        run.log_artifact(artifact)
        print(json.dumps(artifact.is_draft()))
    """
    ended = ran(project.python(script(project, text)))
    assert json.loads(ended.out) is True
    assert "git repository" in ended.err
    assert any("artifact 'a'" in line for line in project.view().missing)
