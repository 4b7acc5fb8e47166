"""`samebit release`: what lies in a bundle, whoever made the names in it; and what is refused."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from samebit import digest
from samebit.cli import releasing
from samebit.cli.main import main
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile
from samebit.records import Verdict
from samebit.report.release.packages import PUBLIC_HOST, Located
from samebit.report.release.writing import Draft, sums_of
from tests.cli import releases, stores
from tests.cli.releases import HOSTILE, record
from tests.cli.verdicts import COMMIT, HOST, USER, Verified
from tests.disks import fill

Released = Callable[..., dict[str, Any]]


@pytest.fixture
def released(capsys: pytest.CaptureFixture[str]) -> Released:
    """`samebit release` with words, as data; no index is asked."""

    def call(*words: object, ends: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        code = main(["release", *map(str, words), "--no-lock", "--json"])
        found = capsys.readouterr()
        assert code == ends, found.out + found.err
        return json.loads(found.out) if ends == 0 else {"error": found.err}

    return call


def lay_out_files(store: Path) -> None:
    """The files of the code, as they lie in the project."""
    for one in releases.FILES:
        path = store.parent / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if one.kind == "link":
            path.symlink_to(one.content.decode())
        else:
            path.write_bytes(one.content)
            path.chmod(0o755 if one.kind == "exec" else 0o644)


def bundle(top: Path) -> dict[str, Any]:
    return json.loads((top / "release.json").read_text())


def files_of(top: Path) -> set[str]:
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


def test_everything_is_in_it_and_sha256sum_agrees(store: Path, released: Released) -> None:
    run = record(store)
    said = released(run.id, "--to", "out", "--with", "data")
    top = Path("out")
    assert files_of(top) >= {
        "README.md",
        "MODEL_CARD.md",
        "CITATION.cff",
        "codecheck.yml",
        "commands.sh",
        "requirements.txt",
        "ro-crate-metadata.json",
        "release.json",
        "SHA256SUMS",
        "statement.dsse.json",
        "code/train.py",
        "code/line\nfeed.txt",
        "code/back\\slash.txt",
        f"runs/{run.id}/config.json",
        f"runs/{run.id}/metrics.csv",
        f"samebit/runs/{run.id}/run.json",
    }
    assert said["files"] == len(files_of(top))
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=top, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= said["files"] - 2
    assert not any(path.name.startswith(".out") for path in Path().iterdir())


def test_git_gives_the_code_the_same_name(store: Path, released: Released, tmp_path: Path) -> None:
    lay_out_files(store)
    released(record(store).id, "--to", tmp_path / "out")
    code = tmp_path / "out/code"
    for link in bundle(tmp_path / "out")["links"]:  # as the README says
        (tmp_path / "out" / link["path"]).symlink_to(link["target"])
    for words in (["init", "-q", "."], ["add", "-Af", "."]):
        subprocess.run(["git", "-c", "core.autocrlf=false", *words], cwd=code, check=True)
    tree = subprocess.run(["git", "write-tree"], cwd=code, capture_output=True, text=True)
    (known,) = bundle(tmp_path / "out")["codes"]
    assert known["swhid"] == f"swh:1:dir:{tree.stdout.strip()}"


def test_the_same_runs_give_the_same_bytes(store: Path, released: Released) -> None:
    runs = [record(store).id, record(store, name="second").id]
    for name in ("one.zip", "two.zip"):
        released(*runs, "--to", name)
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()
    with zipfile.ZipFile("one.zip") as archive:
        names = archive.namelist()
        assert names == sorted(names)
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert stat.S_IMODE(modes["code/sub/run.sh"]) == 0o755
    assert stat.S_IMODE(modes["code/train.py"]) == 0o644
    assert sum(name.startswith("code") and name.endswith("train.py") for name in names) == 1
    assert sum(name.startswith("states/") for name in names) == 2  # equal states lie there once


def test_a_link_that_leads_out_of_the_code_stays_here(store: Path, released: Released) -> None:
    inside = SourceFile("sub/in", "link", b"../train.py")
    outside = [SourceFile("data", "link", b"/etc"), SourceFile("sub/up", "link", b"../../x")]
    run = record(store, files=[SourceFile("train.py", "file", b""), inside, *outside])
    released(run.id, "--to", "out")
    found = bundle(Path("out"))
    assert found["links"] == [{"path": "code/sub/in", "target": "../train.py"}]
    assert len(found["codes"][0]["left_out"]) == 2
    assert main(["release", "check", "out"]) == 0


@pytest.mark.parametrize("ends", ["sums", "no sums"])
def test_whatever_is_taken_away_from_a_bundle_it_is_damaged_and_never_a_fault_of_ours(
    store: Path, released: Released, capsys: pytest.CaptureFixture[str], ends: str
) -> None:
    """Also where who took it away has summed the rest anew."""
    run = record(store, read=[(store.parent / "d.csv", digest.of_bytes(b"d"), "relative")])
    (store.parent / "d.csv").write_bytes(b"d")
    released(run.id, "--to", "out", "--with", "data")
    kinds = r"code/train|req|READ|rel|SHA|data/|.*(metrics|run\.json|model\.s|\.pack|\.sbj)"
    for name in filter(re.compile(kinds).match, sorted(files_of(Path("out")))):
        shutil.copytree("out", "less")
        (Path("less") / name).unlink()
        if ends == "sums" and name != "SHA256SUMS":
            (Path("less/statement.dsse.json")).unlink(missing_ok=True)
            Path("less/SHA256SUMS").unlink()
            Path("less/SHA256SUMS").write_text(sums_of(Draft(Path("less"))))
        capsys.readouterr()
        code = main(["release", "test", "less", "--env", "here", "--yes"])
        text = "".join(capsys.readouterr())
        assert "a fault of ours" not in text, (name, text)
        assert code in ((5, 6, 7) if ends == "sums" else (7, 5)), (name, text)
        shutil.rmtree("less")


def test_other_code_of_another_run_lies_beside_it(store: Path, released: Released) -> None:
    first = record(store)
    second = record(store, files=[SourceFile("train.py", "file", b"print(2)\n")])
    released(first.id, second.id, "--to", "out")
    assert Path("out/code-1/train.py").read_bytes() == releases.SCRIPT
    assert Path("out/code-2/train.py").read_bytes() == b"print(2)\n"


def test_whatever_a_name_holds_every_file_is_read_as_it_was_meant(
    store: Path, released: Released
) -> None:
    run = record(store, name=HOSTILE, argv=("train.py", HOSTILE, "--x=~/a b"), metric='a,"b" | c')
    released(run.id, "--to", "out", "--title", HOSTILE)
    top = Path("out")
    citation = yaml.safe_load((top / "CITATION.cff").read_text())
    assert citation["title"] == HOSTILE
    assert citation["cff-version"] == "1.2.0"
    assert citation["identifiers"][0]["value"].startswith("swh:1:dir:")
    card = (top / "MODEL_CARD.md").read_text()
    _, front, body = card.split("---\n", 2)
    index = yaml.safe_load(front)["model-index"][0]
    assert index["name"] == HOSTILE
    assert index["results"][0]["metrics"][0]["type"] == 'a,"b" | c'
    assert index["results"][0]["metrics"][0]["value"] == 2 / 3
    assert yaml.safe_load((top / "codecheck.yml").read_text())["paper"]["title"] == HOSTILE
    readme = (top / "README.md").read_text()
    assert "\x1b" not in (top / "commands.sh").read_text()
    for text in (readme, body):
        assert "\x1b" not in text
        assert "<b>" not in re.sub(r"(?ms)^(`{3,})bash\n.*?^\1$", "", text).replace("\\<b\\>", "")
    command = next(line for line in readme.splitlines() if line.startswith("(cd code"))
    echo = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = subprocess.run(
        ["bash", "-c", command.replace("samebit run", 'python -c "$SAY"')],
        cwd=top,
        env={**os.environ, "SAY": echo, "PATH": f"{Path(sys.executable).parent}:{os.defpath}"},
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == ["--seed", "7", "train.py", HOSTILE, "--x=~/a b"], done.stderr
    assert not list(Path().rglob("pwned"))


def test_a_crate_says_what_process_run_crate_asks_for(
    verified: Verified, released: Released
) -> None:
    released(verified.run.id, "--to", "new", "--with", "outputs")
    graph = json.loads(Path("new/ro-crate-metadata.json").read_text())
    assert graph["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {one["@id"]: one for one in graph["@graph"]}
    assert len(entities) == len(graph["@graph"])
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"}
    assert {"name", "description", "datePublished", "license"} <= set(root)
    profile = entities[root["conformsTo"]["@id"]]
    assert profile["@id"] == "https://w3id.org/ro/wfrun/process/0.5"
    assert profile["@type"] == "CreativeWork"
    assert profile["version"] == "0.5"
    actions = [entities[one["@id"]] for one in root["mentions"]]
    assert [one["@type"] for one in actions] == ["CreateAction"] * 2
    for action in actions:
        assert {"instrument", "name", "description", "endTime", "agent", "result"} <= set(action)
        assert re.fullmatch(
            r"#[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-\w{12}", action["@id"]
        )
    assert "identical" in actions[1]["name"]
    assert set(map(str, actions[0]["result"])) <= set(map(str, actions[1]["object"]))
    references = re.findall(r'\{\s*"@id": "([^"]+)"\s*\}', json.dumps(graph))
    for one in set(references):
        outside = one.startswith("http://schema.org/") or one == "https://w3id.org/ro/crate/1.1"
        assert outside or one in entities, one
    for one in entities.values():
        is_file = "File" in (one["@type"] if isinstance(one["@type"], list) else [one["@type"]])
        assert not is_file or {"@id": one["@id"]} in root["hasPart"]
    for part in root["hasPart"]:
        assert (Path("new") / part["@id"].replace("%20", " ")).exists(), part


def test_data_travels_when_asked_and_is_named_when_not(store: Path, released: Released) -> None:
    inside, outside = store.parent / "data/a b.csv", store.parent.parent / "shared.csv"
    inside.parent.mkdir()
    inside.write_text("one\n")
    outside.write_text("2\n")
    gone = store.parent / "gone.csv"
    read = [(path, digest.of_file(path)[0], "relative") for path in (inside, outside)]
    read.append((gone, digest.of_bytes(b"abc"), "relative"))
    run = record(store, read=read)
    released(run.id, "--to", "without")
    assert not Path("without/data").exists()
    assert {one["path"] for one in bundle(Path("without"))["data"]} == {
        "data/a b.csv",
        "gone.csv",
        str(outside),
    }
    said = released(run.id, "--to", "with", "--with", "data")
    assert Path("with/data/data/a b.csv").read_text() == "one\n"
    assert Path("with/elsewhere/1/shared.csv").read_text() == "2\n"
    assert any("gone.csv: its bytes are not here" in line for line in said["left_out"])
    assert any("gone.csv" in line for line in said["doubts"][run.id])
    inside.write_text("changed\n")
    said = released(run.id, "--to", "changed", "--with", "data")
    assert not Path("changed/data/data/a b.csv").exists()
    assert any("a b.csv: it has other bytes now" in line for line in said["left_out"])


def test_a_file_that_is_called_as_secrets_are_never_travels(
    store: Path, released: Released
) -> None:
    secret = store.parent / "credentials.json"
    secret.write_text("key")
    run = record(store, read=[(secret, digest.of_file(secret)[0], "relative")])
    said = released(run.id, "--to", "out", "--with", "data")
    assert "credentials.json: it is called as secrets are" in " ".join(said["left_out"])
    assert not any(path.read_bytes() == b"key" for path in Path("out").rglob("*.json"))


def test_no_address_with_a_password_and_no_path_is_a_requirement(
    store: Path, released: Released
) -> None:
    released(record(store).id, "--to", "out")
    text = Path("out/requirements.txt").read_text()
    assert "numpy==2.4.6\n" in text
    assert "hunter2" not in text
    assert "file:" not in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all("==" in line for line in lines)
    assert not Path("out/pylock.toml").exists()
    assert any("pylock.toml" in line for line in bundle(Path("out"))["left_out"])


def test_a_lock_has_the_hashes_and_no_index_of_the_users_own(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pylock = pytest.importorskip("packaging.pylock")
    digits = "ab/" + "cd/" + "e" * 60
    found = [
        Located(
            "numpy",
            "2.4.6",
            f"https://me:pw@index.example/x/packages/{digits}/numpy-2.4.6-cp311-cp311-linux_x86_64.whl",
            "a" * 64,
        ),
    ]
    monkeypatch.setattr(
        releasing.offered,
        "locate",
        lambda lines, uv, known: found,
    )
    run = record(store)
    assert main(["release", run.id, "--to", "out"]) == 0
    text = Path("out/pylock.toml").read_text()
    assert "index.example" not in text + capsys.readouterr().out
    lock = pylock.Pylock.from_dict(tomllib.loads(text))
    (package,) = lock.packages
    assert package.wheels[0].hashes == {"sha256": "a" * 64}
    assert package.wheels[0].url.startswith(f"https://{PUBLIC_HOST}/packages/{digits}/")
    assert "inferred" in lock.tool["samebit"]["note"]


def test_an_anonymous_one_tells_nothing_and_names_what_the_users_own_files_tell(
    verified: Verified, released: Released
) -> None:
    found = released(verified.run.id, "--to", "open", "--with", "outputs")
    assert USER in "".join(
        path.read_text(errors="replace") for path in Path("open").rglob("*.json")
    )
    assert found["tells"] == []
    said = released(
        verified.run.id, "--to", "hidden", "--anonymous", "--with", "outputs", "--anyway"
    )
    own = {one["file"] for one in said["tells"]}
    assert all(name.startswith(("code/", "outputs/")) for name in own), own
    for path in sorted(Path("hidden").rglob("*")):
        name = path.relative_to("hidden").as_posix()
        assert verified.run.id not in name
        if path.is_file() and name not in own:
            text = path.read_bytes().decode("latin-1").lower()
            ids = (COMMIT, verified.run.id, verified.replay.id)
            for word in (USER, HOST, *ids, "my thesis", "lovelace"):
                assert word not in text, (name, word)
    assert not Path("hidden/samebit").exists()
    notes = [note for note in verified.run.notes() if note.kind == "release"]
    assert len(notes) == 1
    assert len(notes[0].value["salt"]) == 64
    assert main(["release", "check", "hidden"]) == 0


def test_what_a_users_own_file_tells_is_refused_with_its_line(
    store: Path, released: Released
) -> None:
    script = b"import os\n# by ada, on the machine of ada\n"
    run = record(store, files=[SourceFile("train.py", "file", script)])
    end = releases.record(store, files=[SourceFile("ada.py", "file", b"")])
    for one, place in ((run, "code/train.py, line 2: ada"), (end, "code/ada.py, in its name: ada")):
        start = json.loads((one.path / "executions/1/start.json").read_text())
        assert start["user"] == "ada"
        refused = released(one.id, "--to", "out", "--anonymous", ends=2)
        assert place in refused["error"]
        assert "--anyway" in refused["error"]
        assert not Path("out").exists()


def test_what_nobody_could_run_is_not_released(store: Path, released: Released) -> None:
    without = record(store, code=False)
    running = record(store, ended=False, process=os.getpid())
    for run, why in ((without, "was not recorded"), (running, "not over yet")):
        refused = released(run.id, "--to", "new", ends=2)["error"]
        assert why in refused
        assert "hint: " in refused
        assert not Path("new").exists()


def test_a_replay_is_released_with_its_run(verified: Verified, released: Released) -> None:
    refused = released(verified.replay.id, "--to", "new", ends=2)["error"]
    assert f"release its run, {verified.run.id}" in refused


def test_a_failed_run_is_released_as_one(store: Path, released: Released) -> None:
    run = record(store, status="failed")
    released(run.id, "--to", "out")
    (only,) = bundle(Path("out"))["runs"]
    assert only["status"] == "failed"
    assert "| failed |" in Path("out/README.md").read_text()
    graph = json.loads(Path("out/ro-crate-metadata.json").read_text())["@graph"]
    (action,) = [one for one in graph if one["@type"] == "CreateAction"]
    assert action["actionStatus"]["@id"].endswith("FailedActionStatus")
    assert action["error"] == "failed"


def test_a_state_whose_bytes_are_gone_is_named_and_the_rest_is_released(
    store: Path, released: Released
) -> None:
    run = record(store)
    objects = Store(store)
    for path in list(objects.object_paths()):
        path.unlink()
    released(run.id, "--to", "out")
    (only,) = bundle(Path("out"))["runs"]
    assert all("is not in this store" in state["why"] for state in only["states"])
    assert "is not in this store" in Path("out/README.md").read_text()


def test_a_name_that_is_taken_is_left_as_it_is(
    store: Path, released: Released, capsys: pytest.CaptureFixture[str]
) -> None:
    run = record(store)
    Path("out").mkdir()
    Path("link").symlink_to("nowhere")
    for target in ("out", "link", "missing/out"):
        assert "path: " in released(run.id, "--to", target, ends=2)["error"]
    assert list(Path("out").iterdir()) == []
    assert "which runs?" in released("--to", "new", ends=2)["error"]
    assert "where does it go?" in released(run.id, ends=2)["error"]
    assert "there is no run" in released("zzz", "--to", "new", ends=7)["error"]
    for words, option in (
        (("check", "out", "--anonymous"), "--anonymous"),
        ((run.id, "--yes"), "--yes"),
    ):
        assert main(["release", *words]) == 2
        assert f"{option} is not for" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_behind_and_says_so_once(
    store: Path, released: Released, little_disk: Callable[..., Path]
) -> None:
    run = record(store)
    top = little_disk("size=2m")
    fill(top, but_bytes=100_000)
    for name in ("out", "out.zip"):
        error = released(run.id, "--to", top / name, ends=1)["error"]
        assert "No space left on device" in error
        assert error.count("samebit:") == 1
        assert sorted(path.name for path in top.iterdir()) == ["filling"]


def test_a_run_whose_verdict_is_known_says_it_everywhere(store: Path, released: Released) -> None:
    run = record(store)
    verdict = Verdict("identical", run.id, "abcdefghjk", scope=("steps 1 to 2",), at_ns=10**18)
    run.add_note("verdict", verdict)
    released(run.id, "--to", "out")
    (only,) = bundle(Path("out"))["runs"]
    assert only["verdict"]["grade"] == "identical"
    assert "| identical |" in Path("out/README.md").read_text()
    content = yaml.safe_load(Path("out/codecheck.yml").read_text())
    assert content["samebit"]["runs"] == [
        {"run": run.id, "grade": "identical", "replay": "abcdefghjk"}
    ]
    statement = json.loads(Path("out/statement.dsse.json").read_text())
    assert statement["payloadType"] == "application/vnd.in-toto+json"


def test_records_travel_so_that_whoever_has_samebit_reads_them(
    store: Path,
    released: Released,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = record(store)
    released(run.id, "--to", "out")
    shutil.rmtree(store)
    monkeypatch.setenv("SAMEBIT_DIR", str(Path("out/samebit").resolve()))
    capsys.readouterr()
    assert main(["show", run.id]) == 0
    assert "lr" in capsys.readouterr().out
    assert stores.said(capsys, "ls")[0] == 0


@pytest.mark.slow
def test_what_cannot_be_installed_is_told_and_nothing_is_run(
    store: Path,
    tmp_path: Path,
    released: Released,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    released(record(store).id, "--to", "out")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("PIP_CONFIG_FILE", "UV_NO_CONFIG", "UV_OFFLINE"):
        monkeypatch.setenv(name, os.devnull if name == "PIP_CONFIG_FILE" else "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    capsys.readouterr()
    assert main(["release", "test", "out", "--yes", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    assert found["grade"] == "unknown"
    assert found["runs"] == []
    assert not found["complete"][0]["good"]
    assert any(hit.startswith("packages: ") and "2.4.6" in hit for hit in found["hits"])


def test_reading_a_bundle_runs_nothing_of_it(
    store: Path, released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = b"open('sprung', 'w')\n"
    names = ("sitecustomize.py", "samebit.py", "numpy.py", "train.py", "conftest.py", "json.py")
    run = record(store, files=[SourceFile(name, "file", trap) for name in names])
    released(run.id, "--to", "out")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("samebit")), "release", "check", ".", "--json"],
        cwd="out/code/..",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not list(Path().rglob("sprung"))


def test_a_model_card_is_read_by_the_hubs_own_library(store: Path, released: Released) -> None:
    hub = pytest.importorskip("huggingface_hub")
    released(record(store).id, "--to", "out", "--title", "Digits")
    card = hub.ModelCard.load("out/MODEL_CARD.md")
    assert card.data.model_name == "Digits"
    assert card.data.eval_results[0].metric_value == 2 / 3
