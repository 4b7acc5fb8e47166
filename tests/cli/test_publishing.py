"""A page of runs: put at real servers and read there by plain HTTP, or written to a file."""

import contextlib
import json
import math
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.cli.main import main
from samebit.cli.publishing import publish_arguments
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart, Verdict
from tests import servers
from tests.cli import stores
from tests.servers import Server

Said = Callable[..., dict[str, Any]]

TELLING = ("lovelace", "engine7", "analytical", "babbage", "secretlab", "difference")


def record(store: Path, name: str | None, *, seed: int = 7, **config: object) -> RunFolder:
    """A finished run with two metrics, a changing learning rate and some facts."""
    folder = runs.begin(store, name=name)
    project = str(store.parent)
    argv = ("train.py", "--lr", str(config.get("lr", 0.1)))
    folder.begin_execution(ExecutionStart(0, time.time_ns(), "script", argv, project, seed=seed))
    writer = Writer(folder.journal, folder.id)
    writer.fact("config", {"lr": 0.1, "width": 64} | config)
    for step in range(1, 21):
        writer.row({"loss": math.exp(-step / 5) + seed, "acc": step / 20}, step)
    writer.row({"best": "epoch <3>"}, 20)
    writer.close()
    folder.end_execution(1, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return folder


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """`samebit publish` with words, as data."""

    def call(*words: object, ends: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        code = main(["publish", *map(str, words), "--json"])
        found = capsys.readouterr()
        assert code == ends, found.out + found.err
        return json.loads(found.out) if ends == 0 else {"error": found.err}

    return call


@pytest.fixture(scope="module", params=["moto", "rclone"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    """Of moto, which knows policies of buckets, and of rclone, which looks at signatures."""
    folder = tmp_path_factory.mktemp(request.param)
    with servers.started(request.param, folder) as running:
        running.make_bucket("pages")
        yield running


@contextlib.contextmanager
def readable_by_all(server: Server) -> Generator[bool]:
    """A policy that gives pages to everybody, where the server knows such; whether it does."""
    if server.folder is not None:
        yield False
        return
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    allow |= {"Resource": "arn:aws:s3:::pages/*/published/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]}).encode()
    for data, method in ((policy, "PUT"), (None, "DELETE")):
        media = {"Content-Type": "application/json"}
        link = f"{server.endpoint}/pages?policy"
        asked = urllib.request.Request(link, data, media, method=method)
        urllib.request.urlopen(asked, timeout=60).close()
        if method == "PUT":
            yield True


def get(link: str) -> tuple[int, str, bytes]:
    """Status, content type and bytes of an address, without credentials."""
    try:
        with urllib.request.urlopen(link, timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, "", b""


def test_a_page_in_a_bucket_is_read_by_a_link_and_taken_away_again(
    server: Server, store: Path, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(store, "base")
    where = ["--endpoint", server.endpoint]
    assert main(["remote", "add", "lab", f"s3://pages/{folder.id}", *where]) == 0
    with readable_by_all(server) as is_open:
        done = said("base", "--to", "lab", "--for", "12h", "--title", "The base <1>")
        assert done["open"] == is_open
        assert (get(done["address"])[0] == 200) == is_open
        capsys.readouterr()
        assert main(["publish", "base", "--to", "lab"]) == 0
        text = capsys.readouterr().out
    assert ("everybody can read it" in text) == is_open
    assert ("`--for 7d` makes a link for everybody" in text) == (not is_open)
    assert f"samebit push {folder.id}" in text
    assert re.fullmatch(r"published/the-base-1-[0-9a-f]{12}/index\.html", done["path"])
    assert done["address"] == f"{server.endpoint}/pages/{folder.id}/{done['path']}"
    assert done["not_pushed"] == [folder.id]
    until = datetime.fromisoformat(done["until"])
    assert abs(until.timestamp() - time.time() - 43_200) < 600
    status, media, page = get(done["signed"])
    assert (status, media) == (200, "text/html; charset=utf-8")
    assert len(page) == done["bytes"]
    assert b"<h1>The base &lt;1&gt;</h1>" in page
    assert f"samebit verify {folder.id}".encode() in page
    clone = f"samebit clone s3://pages/{folder.id} record --endpoint {server.endpoint}"
    assert clone.encode() in page
    again = said("base", "--to", "lab", "--title", "The base <1>")
    assert (again["path"], again["open"]) == (done["path"], False)
    # The rest of the remote does not mind it.
    assert main(["push"]) == main(["remote", "check", "lab", "--full"]) == main(["pull"]) == 0
    assert said("base", "--to", "lab")["not_pushed"] == []
    pages = said("--ls", "--to", "lab")["pages"]
    assert {page["address"] for page in pages} > {done["address"]}
    assert len(pages) == 2
    assert said("--rm", done["signed"], "--to", "lab") == {"remote": "lab", "removed": done["name"]}
    assert get(done["signed"])[0] == 404
    assert "no page" in said("--rm", done["name"], "--to", "lab", ends=7)["error"]
    assert "no link" in said("--rm", "https://x.example/y", "--to", "lab", ends=2)["error"]


def test_a_remote_that_is_a_folder_has_a_file_and_no_signed_link(
    store: Path, said: Said, tmp_path: Path
) -> None:
    record(store, "base")
    assert main(["remote", "add", "share", str(tmp_path / "a share")]) == 0
    done = said("base", "--to", "share")
    page = tmp_path / "a share" / done["path"]
    assert done["address"] == page.as_uri()
    assert len(page.read_bytes()) == done["bytes"]
    assert "open" not in done
    assert "only a bucket" in said("base", "--to", "share", "--for", "7d", ends=2)["error"]
    assert [one["name"] for one in said("--ls", "--to", "share")["pages"]] == [done["name"]]
    said("--rm", done["address"], "--to", "share")
    assert said("--ls", "--to", "share")["pages"] == []


def test_a_page_can_be_a_file_and_the_same_runs_make_the_same_bytes(
    store: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = record(store, None), record(store, "wide", seed=8, width=128)
    done = said(first.id, "wide", "--to", "report.html")
    assert Path(done["path"]) == Path("report.html")
    page = Path("report.html").read_bytes()
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            again = said(first.id, "wide", "--to", "site/")
    finally:
        time.tzset()
    assert again["path"] == f"site/{done['name']}.html"
    assert Path(store.parent, again["path"]).read_bytes() == page
    assert said("wide", first.id, "--to", "report.html")["name"] != done["name"]  # another order
    assert sorted(path.name for path in store.parent.iterdir()) == [
        *(".samebit", "report.html", "site")
    ]


def test_several_runs_have_a_table_and_say_once_what_they_share(store: Path, said: Said) -> None:
    record(store, "base")
    record(store, "wide", seed=8, width=128)
    said("--where", "seed > 6", "--to", "report.html")
    text = Path("report.html").read_text()
    head = text[: text.index('<section class="charts">')]
    assert re.findall(r'<th scope="col" class="\w*">(\w+)</th>', head) == [
        *("run", "id", "state", "width", "seed", "loss", "acc", "best")
    ]
    assert head.index("base") < head.index("wide")
    assert text.count("<dt>lr</dt>") == 1
    assert text.count("<dt>width</dt>") == 2
    assert text.count("<figure") == 2
    assert "epoch &lt;3&gt; at step 20" in text
    assert text.count("samebit verify ") == 2


def test_what_looks_like_a_secret_is_masked_whoever_recorded_it(store: Path, said: Said) -> None:
    token = "ghp_" + "a1B2" * 9
    record(store, f"with {token}", note=f"https://me:{token}@h.example/x")
    said("--where", "seed == 7", "--to", "report.html", "--title", token)
    text = Path("report.html").read_text()
    assert token not in text
    assert text.count("****") >= 3


def test_a_verdict_is_told_with_where_the_two_part(store: Path, said: Said) -> None:
    folder = record(store, "base")
    evidence = {"divergence": {"where": "step 3", "what": "loss", "facts": ["the same batch"]}}
    verdict = Verdict("different", folder.id, "r3p1ay0000", "the loss differs", evidence=evidence)
    folder.add_note("verdict", verdict)
    said("base", "--to", "report.html")
    text = Path("report.html").read_text()
    assert '<span class="mark bad">different</span>' in text
    assert "different: step 3, the loss differs" in text
    assert "<dd>the same batch</dd>" in text


def test_an_anonymous_page_has_not_one_telling_word_in_its_bytes(
    store: Path, said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = "/home/author/ada-lovelace"
    monkeypatch.setenv("LOGNAME", "ada-lovelace")
    monkeypatch.setattr(socket, "gethostname", lambda: "engine7.secretlab.example")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "config", "user.name", "Charles Babbage"], check=True)
    subprocess.run(["git", "config", "user.email", "difference@secretlab.example"], check=True)
    folder = runs.begin(store, name="ada-lovelace's best")
    argv = ("train.py", f"--data={home}/corpora/x.bin", "--owner", "ada-lovelace2", "--lr", "0.1")
    start = ExecutionStart(
        0, time.time_ns(), "script", argv, f"{home}/analytical", user="ada-lovelace", seed=7
    )
    folder.begin_execution(replaced(start, host="engine7.secretlab.example"))
    writer = Writer(folder.journal, folder.id)
    commit = "8b3f" * 10
    writer.fact(
        "config",
        {
            "lr": 0.1,
            "out": f"{home}/analytical/out",
            "mail": "difference@secretlab.example",
            "author": "Charles Babbage",
            "sha": commit[:8],
            "of": folder.id,
        },
    )
    writer.fact(
        "code",
        {
            "root": f"{home}/analytical",
            "tree": "blake3:" + "0" * 64,
            "files": 1,
            "size_bytes": 3,
            "head": commit,
            "branch": "ada-lovelace/engine",
            "ref": "refs/tags/samebit/x",
            "remote": "git@git.secretlab.example:ada-lovelace/analytical.git",
            "changed": ["M src/ada-lovelace.py"],
        },
    )
    versions = {"torch": "2.9", "lovelace-tools": "1.0"}
    origins = {"lovelace-tools": {"url": f"file://{home}/tools"}}
    writer.fact("packages", {"versions": versions, "origins": origins})
    writer.fact("machine", {"host": "engine7", "cpu": {"model": "EPYC", "allowed": 2}})
    writer.fact("interpreter", {"executable": f"{home}/venv/bin/python", "version": "3.11"})
    variables = {"HOME": home, "USER": "ada-lovelace", "PYTHONHASHSEED": "7"}
    writer.fact("variables", variables | {"PYTHONPATH": f"{home}/lib", "HYDRA_OUT": f"{home}/h"})
    writer.fact("exception", f"ValueError: {home}/corpora/x.bin of ada-lovelace on engine7")
    for path in (f"{home}/corpora/x.bin", "/scratch/secretlab/y.bin"):
        writer.fact("file", {"path": path, "how": "read", "size_bytes": 1, "modified_ns": 1})
    for step in range(3):
        writer.row({"loss": 1.0 / (step + 1), "ada-lovelace/loss": step * 1.0}, step)
    writer.close()
    folder.end_execution(1, ExecutionEnd(time.time_ns(), "failed", exit_code=1))
    folder.add_note("remark", "ada-lovelace likes it")
    cause = f"{home}/corpora/x.bin differs"
    people = {"by": "ada-lovelace", "who": "repeated"}
    verdict = Verdict("different", folder.id, "r3p1ay0000", cause, **people)
    folder.add_note("verdict", verdict)
    record(store, "other")
    assert main(["remote", "add", "lab", str(tmp_path / "secretlab")]) == 0
    words = (folder.id, "other", "--to", "lab", "--title", "Of ada-lovelace")
    done = said(*words, "--anonymous")
    page = (tmp_path / "secretlab" / done["path"]).read_text().lower()
    for word in (*TELLING, folder.id, "r3p1ay0000", commit[:7], "samebit clone"):
        assert word not in page, word
    for line in ("by", "on", "commit", "kept as", "repository"):
        assert f"<dt>{line}</dt>" not in page
    for word in ("0.1", "epyc", "train.py", "torch 2.9", "run 1", "x.bin", "pythonhashseed=7"):
        assert word in page, word
    assert "lovelace" not in done["name"]
    assert said(*words, "--anonymous")["name"] == done["name"]
    # Without it they are there, or this test would see nothing.
    whole = (tmp_path / "secretlab" / said(*words)["path"]).read_text().lower()
    assert all(word in whole for word in (*TELLING, folder.id, commit[:7], "r3p1ay0000"))
    assert "<dt>repository</dt>" in whole


def replaced(start: ExecutionStart, **fields: str) -> ExecutionStart:
    from msgspec.structs import replace

    return replace(start, **fields)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--to", "report.html"], 2, "which runs?"),
        (["base", "--to", "nowhere"], 7, "no remote 'nowhere', and no folder"),
        (["base", "--to", "s3://bucket/x"], 2, "takes the name of a remote"),
        (["none", "--to", "report.html"], 7, "no run 'none'"),
        (["--where", "seed > 100", "--to", "report.html"], 7, "no run is so"),
        (["base", "--to", "report.html", "--for", "7d"], 2, "only a bucket"),
        (["--ls", "--to", "report.html"], 2, "yours to list and delete"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_written(
    words: list[str], code: int, says: str, store: Path, said: Said
) -> None:
    record(store, "base")
    assert says in said(*words, ends=code)["error"]
    assert not Path("report.html").exists()


@pytest.mark.parametrize("time", ["8d", "0h", "2w", "-1d", "d", ""])
def test_a_link_lasts_seven_days_at_most(time: str, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    publish_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["x", "--to", "y", f"--for={time}"])
    assert "7d" in capsys.readouterr().err


def test_a_run_that_goes_on_is_published_as_it_is(store: Path, said: Said) -> None:
    folder, _ = stores.record(places.make_store(store), {"step 0": 1}, name="on", ended=False)
    said("on", "--to", "report.html")
    text = Path("report.html").read_text()
    assert folder.id in text
    assert "identity of model: blake3:" in text


def test_many_runs_are_read_by_several_processes_in_their_order(store: Path, said: Said) -> None:
    for seed in range(10):
        record(store, f"r{seed}", seed=seed)
    said(*(f"r{seed}" for seed in range(9, -1, -1)), "--to", "report.html")
    text = Path("report.html").read_text()
    found = re.findall(r"<h2><svg.*?</svg> (r\d)", text)
    assert found == [f"r{seed}" for seed in range(9, -1, -1)]
