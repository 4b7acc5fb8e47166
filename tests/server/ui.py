"""`samebit ui` as a process, and what a browser asks it."""

import http.client
import json
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.projects import SAMEBIT, Project


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Ui:
    """A `samebit ui` that runs, and what a browser does with its link."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        self.process = process
        self.link = process.stdout.readline().strip()
        address = urlsplit(self.link)
        self.host = address.netloc
        self.key = f"Bearer {address.fragment.removeprefix('token=')}"

    def connect(self, path: str, **headers: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request("GET", path, headers={"authorization": self.key, **headers})
        return connection

    def get(self, path: str, **headers: str) -> Answer:
        with closing(self.connect(path, **headers)) as connection:
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())

    def ask(self, path: str) -> Any:
        return json.loads(self.get(f"/api/{path}").body)

    def stop(self, how: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextmanager
def started(project: Project, *words: str) -> Iterator[Ui]:
    """One over a project's store; nothing of it is left."""
    process = subprocess.Popen(
        [SAMEBIT, "ui", "--no-open", *words],
        cwd=project.path,
        env=project.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Ui(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def listening(
    ui: Ui, last: str = "", since: object = ""
) -> Iterator[Iterator[tuple[str, str, Any]]]:
    """Events as they come: id, name, value."""
    headers = {"last-event-id": last} if last else {}
    with closing(ui.connect(f"/api/events?since={since}", **headers)) as connection:
        answer = connection.getresponse()
        assert answer.headers["content-type"].startswith("text/event-stream")
        with closing(answer):
            yield _events(answer)


def _events(lines: Iterable[bytes]) -> Iterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "event" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}
