"""How the code of a run differs from its commit, also where several projects share a store."""

from pathlib import Path

import pytest

from samebit.server.code import patch
from tests.projects import Project

GIT = ("git", "-c", "user.email=a@b", "-c", "user.name=a")


def test_a_commit_is_looked_for_around_the_store_and_where_the_page_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "project")
    script = project.write("train.py", "import samebit; samebit.init()\n")
    for words in (("init", "-q"), ("add", "train.py"), ("commit", "-qm", "first")):
        project.call(*GIT, *words)
    script.write_text(script.read_text() + "# more\n")
    project.python("train.py")
    view = project.view()
    monkeypatch.chdir(tmp_path)
    assert "+# more" in (patch(view).text or "")
    (project.path / ".git").rename(tmp_path / "elsewhere")
    found = patch(view)
    assert found.text is None
    assert found.why is not None
    assert "start `samebit ui` in the run's project" in found.why
    (tmp_path / "again").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "again" / ".git")
    monkeypatch.chdir(tmp_path / "again")
    assert "+# more" in (patch(view).text or "")
