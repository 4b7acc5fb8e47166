"""What stands behind a run's tabs: data and its leaks, lineage, certificates, machine, rates."""

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from samebit import places
from samebit.cli.main import main
from samebit.cli.schemas.details import DETAILS
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.server import answers
from tests.cli.verdicts import made, placed, put_envelope, verified_run
from tests.projects import Project
from tests.server.asking import ask, opened, refusal
from tests.server.recorded import begin, finish, record
from tests.server.test_contract import fits

SPLITS = """
import numpy as np, samebit
run = samebit.init()
rows = np.arange(40.0).reshape(20, 2)
rows[15] = rows[2]
run.data("rows", rows)
run.splits(train=list(range(12)), test=list(range(10, 20)), of=rows, name="mine")
open("model.bin", "wb").write(b"made here")
"""
READS = "import samebit; samebit.init(); open('model.bin', 'rb').read()\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run with a split that leaks, which made a file that another one read."""
    found = Project(tmp_path_factory.mktemp("detailing") / "project")
    found.write("make.py", SPLITS)
    found.write("read.py", READS)
    places.make_store(found.store)
    for script in ("make.py", "read.py"):
        done = found.run(script)
        assert done.code == 0, done.err
    return found


def test_data_is_told_with_its_splits_and_what_leaks_there(project: Project) -> None:
    with opened(project.store) as browser:
        run = ask(browser, "runs/filter", where="id != ''")["ids"][0]
        found = ask(browser, f"runs/{run}/data")
    assert [(one["name"], one["rows"]) for one in found["data"]] == [("rows", 20)]
    (split,) = [one for one in found["splits"] if one["name"] == "mine"]
    assert split["parts"] == [{"name": "train", "rows": 12}, {"name": "test", "rows": 10}]
    leaks = {one["kind"]: (one["count"], one["of"], one["second"]) for one in split["leaks"]}
    assert leaks == {"same_rows": (2, 10, "test"), "equal_rows": (1, 10, "test")}
    assert found["not_looked_at"]
    msgspec.convert(found, DETAILS["data"])  # what is as it would be anyway is not sent


def test_lineage_names_the_runs_at_both_ends(project: Project) -> None:
    with opened(project.store) as browser:
        maker, reader = ask(browser, "runs/filter", where="id != ''")["ids"]
        made_by, used_by = (ask(browser, f"runs/{run}/lineage") for run in (maker, reader))
    assert [(one["run"], Path(one["name"]).name) for one in made_by["to"]] == [
        (reader, "model.bin")
    ]
    assert [(one["run"], one["nearest"]) for one in used_by["from"]] == [(maker, True)]
    assert made_by["from"] == [] == used_by["to"]


def test_lineage_goes_on_behind_the_runs_next_to_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.path / "raw.txt").write_text("raw")
    names = ["raw.txt", "clean.txt", "features.txt", "model.txt"]
    for at, (before, after) in enumerate(itertools.pairwise(names)):
        (project.path / f"s{at}.py").write_text(
            f"import samebit; samebit.init(name='s{at}')\n"
            f"text = open('{before}').read()\nopen('{after}', 'w').write(text + '{at}')\n"
        )
        project.python(f"s{at}.py")
    with opened(project.store) as browser:
        ids = ask(browser, "runs/filter", where="id != ''")["ids"]
        found = [fits(ask(browser, f"runs/{run}/lineage"), DETAILS["lineage"]) for run in ids]
    chains = [
        [[(one["label"], one["level"]) for one in answer[way]] for way in ("from", "to")]
        for answer in found
    ]
    assert chains == [
        [[], [("s1", 1), ("s2", 2)]],
        [[("s0", 1)], [("s2", 1)]],
        [[("s1", 1), ("s0", 2)], []],
    ]


def test_certificates_in_the_project_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = placed(verified_run(tmp_path), tmp_path, monkeypatch)
    folder = verified.project / f"certificate-{verified.run.id}"
    assert main(["certificate", "make", verified.run.id]) == 0
    made(verified, "--anonymous", to=f"{verified.project.name}/certificate-hidden")
    capsys.readouterr()
    with opened(verified.store) as browser:
        good, hidden = certificates(browser, verified.run.id, folder.name)
        assert (good["folder"], good["result"], good["grade"]) == (folder.name, "good", "identical")
        assert good["right"][0].startswith("signature: right")
        assert (hidden["folder"], hidden["anonymous"]) == ("certificate-hidden", True)
        assert ask(browser, f"runs/{verified.replay.id}/certificates")["certificates"] == []
        envelope = json.loads((folder / "statement.dsse.json").read_bytes())
        envelope["signatures"][0]["sig"] = "AAAA" + envelope["signatures"][0]["sig"][4:]
        put_envelope(folder, envelope)
        changed, _ = certificates(browser, verified.run.id, folder.name)
        assert changed["result"] == "does not match"
        (folder / "statement.dsse.json").write_bytes(b"{")
        broken, _ = certificates(browser, verified.run.id, folder.name)
        assert "error" in broken


def certificates(browser: Any, run: str, first: str) -> list[dict[str, Any]]:
    """Those of a run, this one first."""
    answer = fits(ask(browser, f"runs/{run}/certificates"), DETAILS["certificates"])
    found: list[dict[str, Any]] = answer["certificates"]
    return sorted(found, key=lambda one: one["folder"] != first)


def sampled(store: Path) -> str:
    run, writer = begin(store)
    for at in range(5):
        writer.sample({"cpu_percent": 10.0 * at, "gpu0_percent": None if at < 2 else 50.0})
    writer.row({"machine:cpu_percent": 7.0}, 1)
    return finish(run, writer).id


def test_samples_of_the_machine_are_curves(store: Path) -> None:
    run = sampled(store)
    with opened(store) as browser:
        found = fits(ask(browser, f"runs/{run}/machine"), answers.Sampled)
        assert found.values == [["cpu_percent", 5], ["gpu0_percent", 3]]
        of_gpu: dict[str, Any] = {"id": run, "metric": "machine:gpu0_percent"}
        assert [one[1] for one in ask(browser, "curves/points", **of_gpu)["points"]] == [50.0] * 3
        drawn = browser.get("/api/curves", params={"ids": run, "metric": "machine:gpu0_percent"})
        numbers = np.frombuffer(drawn.content[-5 * 3 * 8 :], "<f8").reshape(5, 3)
        assert numbers[0].tolist() == [2.0, 3.0, 4.0]
        # A metric that somebody gave that very name is the metric.
        own = ask(browser, "curves/points", id=run, metric="machine:cpu_percent")
        assert [one[1] for one in own["points"]] == [7.0]
        drawn = browser.get("/api/curves", params={"ids": run, "metric": "machine:cpu_percent"})
        assert np.frombuffer(drawn.content[-5 * 8 :], "<f8").tolist() == [1.0, *[7.0] * 4]


def test_rates_are_lines_and_a_constant_one_is_none(store: Path) -> None:
    run, writer = begin(store)
    writer.fact("trace", {"algorithm": "xxh3-128/8", "groups": ["loss"]})
    for count, rate in ((1, 0.1), (5, 0.01)):
        writer.hyper(0, count, 0, {"lr": rate, "eps": 1e-8})
    for count in range(1, 11):
        writer.trace(0, count, 1, b"12345678")
    finish(run, writer)
    plain = record(store)
    with opened(store) as browser:
        (rate,) = fits(ask(browser, f"runs/{run.id}/rates"), DETAILS["rates"])["rates"]
        assert (rate["title"], rate["points"][0], rate["points"][-1]) == (
            *("learning rate", [1.0, 0.1], [10.0, 0.01]),
        )
        assert ask(browser, f"runs/{plain.id}/rates")["rates"] == []
        assert refusal(browser, "runs/0000000000/rates")[0] == 404


def test_a_run_says_what_is_recorded_and_what_not(store: Path) -> None:
    run = record(store, config={"lr": 0.1}, rows=[({"loss": 1.0}, 1)])
    Writer(run.journal, run.id).fact("packages", {"versions": {"numpy": "2"}})
    with opened(store) as browser:
        found = fits(ask(browser, f"runs/{run.id}"), answers.RunAnswer)
    states = {one.name: one.state for one in found.aspects}
    assert (states["configuration"], states["lock"], states["splits"]) == ("ok", "missing", "none")
    (lock,) = next(one for one in found.aspects if one.name == "lock").lacks
    assert "`uv lock`" in lock.fix


def test_a_replay_is_compared_by_the_code_that_was_laid_out_for_it(store: Path) -> None:
    tree, _ = save_tree(Store(store), [SourceFile("train.py", "file", b"print(1)\n")])
    run = record(store, tree=tree)
    replay = record(store, kind="replay", of=run.id, tree=None)
    stray = record(store, kind="replay", of="../../x", tree=None)
    with opened(store) as browser:
        found = ask(browser, "compare", ids=f"{run.id},{replay.id}")
        (code,) = (one for one in found["sections"] if one["title"] == "code")
        assert [(row["key"], row["same"]) for row in code["rows"]] == [
            ("(commit)", True),
            ("train.py", True),
        ]
        assert ask(browser, f"runs/{replay.id}/files") == ask(browser, f"runs/{run.id}/files")
        assert refusal(browser, f"runs/{stray.id}/files")[0] == 404
