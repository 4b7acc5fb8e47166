"""`samebit ui` as a process: it prints a link, answers, and ends when it is told to."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.projects import SAMEBIT, Project
from tests.server.recorded import begin, finish, record
from tests.server.ui import Ui, listening, started


@pytest.fixture
def project(tmp_path: Path, store: Path) -> Project:
    return Project(store.parent)


@pytest.fixture
def serve(project: Project) -> Iterator[Callable[..., Ui]]:
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(started(project, *words))


def test_a_link_on_one_line_and_an_end_without_a_word(serve: Callable[..., Ui]) -> None:
    ui = serve()
    assert ui.link.startswith("http://127.0.0.1:")
    assert ui.ask("store")["runs"] == 0
    with listening(ui):
        assert ui.stop() == (0, "")
    assert ui.process.stdout is not None


def test_several_at_once_each_with_its_own_key(serve: Callable[..., Ui]) -> None:
    one, other = serve(), serve()
    assert one.ask("store") == other.ask("store")
    assert one.get("/api/store", authorization=other.key).status == 403
    assert one.stop()[0] == 0
    assert other.ask("store")["runs"] == 0


def test_a_port_that_somebody_has_is_said(serve: Callable[..., Ui], project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = project.call(SAMEBIT, "ui", "--port", str(port))
        assert ended.code == 1
        assert ended.err.startswith(f"samebit: cannot listen on port {port}: somebody else has it")
    ui = serve("--port", str(port))
    assert ui.host == f"127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_others_are_sent_to_a_tunnel(project: Project, host: str) -> None:
    ended = project.call(SAMEBIT, "ui", "--host", host)
    assert ended.code == 2
    assert "ssh -L" in ended.err


def test_no_store_no_page(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    project = Project(tmp_path / "empty")
    assert project.call(SAMEBIT, "ui").code == 7


def test_what_happens_is_told_and_a_page_goes_on_where_it_was(
    serve: Callable[..., Ui], store: Path
) -> None:
    ui = serve()
    assert ui.ask("runs")["ids"] == []
    with listening(ui) as events:
        run, writer = begin(store)
        writer.row({"a": 1.0}, 1)
        number, name, value = next(events)
        assert (name, value["ids"]) == ("rows", [run.id])
        writer.row({"a": 2.0}, 2)
        told = {next(events)[1], next(events)[1]}
        assert told == {"grown", "rows"}
    finish(run, writer)
    until(lambda: ui.ask("runs?columns=state")["columns"]["state"] == {"same": "finished"})
    with listening(ui, last=number) as events:
        assert {next(events)[1], next(events)[1]} == {"grown", "rows"}
        shutil.rmtree(run.path)
        found = next(event for event in events if event[1] == "gone")
        assert found[2]["ids"] == [run.id]


def test_a_run_that_goes_while_a_page_loads_does_not_stay_in_it(
    serve: Callable[..., Ui], store: Path
) -> None:
    run = record(store)
    ui = serve()
    answer = ui.ask("runs?columns=id")
    shutil.rmtree(run.path)
    until(lambda: ui.ask("runs?columns=id")["ids"] == [])
    with listening(ui, since=answer["version"]) as events:
        _, name, value = next(events)
        assert (name, value["ids"]) == ("gone", [run.id])


def test_ten_runs_at_once_and_one_that_is_deleted_as_it_goes_on(
    serve: Callable[..., Ui], store: Path
) -> None:
    going = [begin(store) for _ in range(10)]
    ui = serve()
    for step in range(300):
        for number, (_, writer) in enumerate(going):
            writer.row({"a": number + step / 1000}, step)
        if step % 50 == 0:
            assert ui.get("/api/runs?columns=id,metric.a").status == 200
    until(lambda: len(last_values(ui)) == 10)
    until(lambda: all(value % 1 == pytest.approx(0.299) for value in last_values(ui).values()))
    gone, left = going[0][0].id, going[1][0].id
    curves = f"/api/curves?metric=a&ids={gone},{left}"
    assert b'"missing":[]' in ui.get(curves).body
    shutil.rmtree(going[0][0].path)
    assert f'"missing":["{gone}"]'.encode() in ui.get(curves).body
    assert ui.get(f"/api/runs/{gone}").status == 404
    going[1][1].row({"a": 7.5}, 300)
    until(lambda: last_values(ui).get(left) == 7.5)
    assert gone not in last_values(ui)
    for _, writer in going:
        writer.close()


def last_values(ui: Ui) -> dict[str, float]:
    answer = ui.ask("runs?columns=metric.a")
    column = answer["columns"]["metric.a"]
    values = column.get("values") or [column["same"]] * len(answer["ids"])
    return {run: value for run, value in zip(answer["ids"], values, strict=True) if value}


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come about."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_store_that_is_gone_is_said_until_it_is_back(
    serve: Callable[..., Ui], store: Path, tmp_path: Path
) -> None:
    record(store)
    ui = serve()
    assert len(ui.ask("runs")["ids"]) == 1
    with listening(ui) as events:
        os.rename(store, tmp_path / "away")
        assert next(events)[1] == "again"
        answer = ui.get("/api/runs")
        assert answer.status == 404
        assert json.loads(answer.body)["error"]["what"] == "the store is gone"
        os.rename(tmp_path / "away", store)
        assert next(events)[1] == "again"
        assert len(ui.ask("runs")["ids"]) == 1


def test_a_request_may_name_ten_thousand_runs_and_no_more_than_fit(
    serve: Callable[..., Ui], store: Path
) -> None:
    run = record(store)
    ui = serve()
    many = "%2C".join([run.id] + ["0123456789"] * 10_000)
    assert ui.ask(f"runs?columns=id&ids={many}")["ids"] == [run.id]
    assert ui.get(f"/api/runs?x={'a' * 280_000}").status == 400


def test_importing_samebit_loads_no_server(project: Project) -> None:
    script = "import samebit, sys; samebit.init; print({'starlette', 'uvicorn'} & set(sys.modules))"
    assert project.python("-c", script).out == "set()\n"


def test_a_browser_is_started_with_an_address_that_leads_to_the_link_once(
    project: Project,
) -> None:
    browser = project.write("browser", '#!/bin/sh\necho "$1" > given.new; mv given.new given\n')
    browser.chmod(0o755)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [SAMEBIT, "ui"],
        cwd=project.path,
        env=project.environ(DISPLAY=":9", BROWSER=f"{browser} %s", SSH_CONNECTION=""),
        stdout=theirs,
        stderr=theirs,
    ) as ui:
        os.close(theirs)
        try:
            given = urlsplit(project.wait_for("given").strip())
            link = urlsplit(os.read(ours, 4096).decode().split()[0])
            assert (given.netloc, given.fragment) == (link.netloc, "")
            assert not any(half in given.geturl() for half in link.fragment[6:].split("."))
            for leads in (f"/#{link.fragment}", None):
                with closing(HTTPConnection(given.netloc, timeout=60)) as connection:
                    connection.request("GET", given.path)
                    assert connection.getresponse().headers["location"] == leads
        finally:
            ui.send_signal(signal.SIGINT)
            os.close(ours)
