"""The code of a run, against real git repositories."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebit.capture import code
from samebit.capture import git as asking
from samebit.capture.code import Snapshot, take

pytestmark = pytest.mark.skipif(os.name == "nt", reason="names and modes of POSIX")

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0200",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_COMMITTER_DATE": "1700000000 +0200",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env={**clean, **IDENTITY},
        capture_output=True,
        check=check,
    )
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def make_repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit: train.py and model.py."""
    folder = make_repository(tmp_path / "project")
    write(folder, train="print('train')\n", model="layers = 3\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def named_like_a_secret(path: str) -> bool:
    return path.rpartition("/")[2] in (".env", "key.pem")


def taken(folder: Path, run_id: str = "run1", ref: str = "tag", **more: Path | None) -> Snapshot:
    return take(folder, run_id, ref=ref, script=more.get("script"), is_secret=named_like_a_secret)


def contents(snapshot: Snapshot) -> dict[str, bytes]:
    return {file.path: file.content for file in snapshot.files}


def committed(folder: Path, commit: str | None) -> dict[str, str]:
    """Path and mode of all that a commit holds."""
    assert commit is not None
    lines = git(folder, "ls-tree", "-r", "-z", commit).split("\0")
    return {line.partition("\t")[2]: line.partition(" ")[0] for line in lines if line}


def blob(folder: Path, commit: str | None, path: str) -> bytes:
    command = ["git", "cat-file", "blob", f"{commit}:{path}"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class Everything:
    """What a user could notice if it changed."""

    status: str
    head: str
    index: tuple[bytes, int] | None
    branch: str
    stash: str
    branches: str
    files: dict[str, tuple[int, int, bytes]]
    inside_git: frozenset[str]


def everything(folder: Path) -> Everything:
    def read(path: Path) -> bytes:
        if path.is_symlink():
            return os.fsencode(os.readlink(path))
        return path.read_bytes() if path.is_file() else b""

    index = Path(folder, git(folder, "rev-parse", "--git-path", "index"))
    before = (index.read_bytes(), index.stat().st_mtime_ns) if index.exists() else None
    inside = folder / ".git"
    return Everything(
        # Looking must not refresh the index, or the test itself would change what it watches.
        status=git(folder, "--no-optional-locks", "status", "--porcelain", "--branch"),
        head=(inside / "HEAD").read_text() if inside.is_dir() else "",
        index=before,
        branch=git(folder, "rev-parse", "--verify", "-q", "HEAD", check=False),
        stash=git(folder, "stash", "list"),
        branches=git(folder, "for-each-ref", "refs/heads"),
        files={
            str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, read(path))
            for path in sorted(folder.rglob("*"))
            if ".git" not in path.relative_to(folder).parts
        },
        inside_git=frozenset(
            str(path.relative_to(inside))
            for path in inside.rglob("*")
            if path.relative_to(inside).parts[0] not in ("objects", "refs")
        ),
    )


def crowd(folder: Path) -> None:
    """A working tree with every kind of change in it."""
    (folder / ".gitignore").write_text("*.ckpt\n")
    for name in ("staged", "unstaged", "both", "deleted", "dropped", "renamed", "turned"):
        (folder / f"{name}.py").write_text(f"# {name}\n" * 5)
    (folder / "binary.bin").write_bytes(bytes(range(256)))
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "data").mkdir()
    (folder / "data" / "a.txt").write_text("a")
    os.symlink("train.py", folder / "link")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "second")
    (folder / "staged.py").write_text("staged = 1\n")
    (folder / "both.py").write_text("staged = 1\n")
    git(folder, "add", "staged.py", "both.py")
    (folder / "both.py").write_text("and = 'edited again'\n")
    (folder / "unstaged.py").write_text("unstaged = 1\n")
    (folder / "deleted.py").unlink()
    git(folder, "rm", "-q", "dropped.py")
    git(folder, "mv", "renamed.py", "new name.py")
    (folder / "turned.py").unlink()
    (folder / "turned.py").mkdir()
    (folder / "turned.py" / "inner.py").write_text("inner = 1\n")
    shutil.rmtree(folder / "data")
    os.symlink("elsewhere", folder / "data")  # a tracked folder became a link
    (folder / "binary.bin").write_bytes(bytes(reversed(range(256))))
    (folder / "tool.sh").chmod(0o755)
    (folder / "untracked.py").write_text("untracked = 1\n")
    (folder / "epoch.ckpt").write_text("ignored")
    (folder / "notes").mkdir()
    (folder / "notes" / "more").mkdir()
    (folder / "notes" / "more" / "idea.txt").write_text("idea")
    (folder / "notes" / "more" / "late.ckpt").write_text("ignored too")
    os.symlink("nowhere", folder / "dangling")
    os.symlink("notes", folder / "to a folder")


CROWD = {
    ".gitignore",
    "binary.bin",
    "both.py",
    "dangling",
    "data",
    "link",
    "model.py",
    "new name.py",
    "notes/more/idea.txt",
    "staged.py",
    "to a folder",
    "tool.sh",
    "train.py",
    "turned.py/inner.py",
    "unstaged.py",
    "untracked.py",
}


def test_every_kind_of_change_is_in_the_copy_and_in_the_commit(repository: Path) -> None:
    crowd(repository)
    snapshot = taken(repository)
    assert set(contents(snapshot)) == CROWD
    assert set(committed(repository, snapshot.commit)) == CROWD
    for path, content in contents(snapshot).items():
        assert blob(repository, snapshot.commit, path) == content
        if not (repository / path).is_symlink():
            assert (repository / path).read_bytes() == content
    assert snapshot.notices == ()
    assert snapshot.left_out == ()


def test_kinds_are_those_of_the_working_tree_and_links_are_never_followed(repository: Path) -> None:
    crowd(repository)
    snapshot = taken(repository)
    kinds = {file.path: file.kind for file in snapshot.files}
    links = {"link", "dangling", "to a folder", "data"}
    assert {path for path, kind in kinds.items() if kind == "link"} == links
    assert {path for path, kind in kinds.items() if kind == "exec"} == {"tool.sh"}
    assert contents(snapshot)["to a folder"] == b"notes"
    modes = committed(repository, snapshot.commit)
    assert {path for path, mode in modes.items() if mode == "120000"} == links
    assert {path for path, mode in modes.items() if mode == "100755"} == {"tool.sh"}


def test_changed_says_how_each_file_differs_from_head(repository: Path) -> None:
    crowd(repository)
    snapshot = taken(repository)
    assert set(snapshot.changed) == {
        "M staged.py",
        "M unstaged.py",
        "M both.py",
        "D deleted.py",
        "D dropped.py",
        "R renamed.py -> new name.py",
        "D turned.py",
        "? turned.py/inner.py",
        "D data/a.txt",
        "? data",
        "M binary.bin",
        "M tool.sh",
        "? untracked.py",
        "? notes/more/idea.txt",
        "? dangling",
        "? to a folder",
    }


def test_nothing_of_the_users_changes(repository: Path) -> None:
    (repository / "set aside.py").write_text("x")
    git(repository, "stash", "-u")
    crowd(repository)
    before = everything(repository)
    assert taken(repository).commit is not None
    assert everything(repository) == before


def test_the_commit_is_a_child_of_head_under_its_tag(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://ada:pw@example.org/p.git")
    write(repository, train="changed = 1\n")
    snapshot = taken(repository)
    head = git(repository, "rev-parse", "HEAD")
    assert (snapshot.head, snapshot.branch, snapshot.root) == (head, "main", repository.resolve())
    assert snapshot.remote == "https://ada:pw@example.org/p.git"  # the caller masks
    assert snapshot.ref == "refs/tags/samebit/run1"
    assert git(repository, "rev-parse", "refs/tags/samebit/run1") == snapshot.commit
    form = "%P%n%an <%ae> %at%n%cn <%ce> %ct"
    who = "samebit <samebit@localhost> 1700000000"
    assert git(repository, "show", "-s", f"--format={form}", "samebit/run1").split("\n") == [
        head,
        who,
        who,
    ]


def test_a_hidden_ref_is_no_tag_and_none_makes_no_commit(repository: Path) -> None:
    hidden = taken(repository, ref="hidden")
    assert hidden.ref == "refs/samebit/run1"
    assert git(repository, "rev-parse", "refs/samebit/run1") == hidden.commit
    objects = set((repository / ".git" / "objects").rglob("*"))
    write(repository, train="changed = 1\n")
    none = taken(repository, ref="none")
    assert (none.commit, none.ref, none.notices) == (None, None, ())
    assert none.head == hidden.head
    assert set((repository / ".git" / "objects").rglob("*")) == objects
    assert git(repository, "tag") == ""


def test_equal_code_gives_the_equal_commit(repository: Path, tmp_path: Path) -> None:
    write(repository, train="changed = 1\n", new="new = 1\n")
    git(repository, "clone", "-q", str(repository), str(tmp_path / "clone"))
    write(tmp_path / "clone", train="changed = 1\n", new="new = 1\n")
    git(tmp_path / "clone", "config", "i18n.commitEncoding", "ISO-8859-1")
    git(tmp_path / "clone", "add", "-A")  # staged or not is no difference of the code
    first = taken(repository, "run1")
    again = taken(repository, "run2")
    elsewhere = taken(tmp_path / "clone", "run3")
    assert first.commit == again.commit == elsewhere.commit
    write(repository, new="new = 2\n")
    assert taken(repository, "run4").commit != first.commit


@pytest.mark.parametrize("how", [(), ("-a", "-m", "annotated")])
def test_a_clean_tree_gets_its_own_child_and_describe_says_the_same(
    repository: Path, how: tuple[str, ...]
) -> None:
    git(repository, "tag", *how, "v1.0")
    before = git(repository, "describe", "--tags"), git(repository, "describe", "--always")
    snapshot = taken(repository)
    assert snapshot.commit not in (None, snapshot.head)
    assert git(repository, "rev-parse", "samebit/run1^") == snapshot.head
    assert git(repository, "rev-parse", "samebit/run1^{tree}") == git(
        repository, "rev-parse", "HEAD^{tree}"
    )
    after = git(repository, "describe", "--tags"), git(repository, "describe", "--always")
    assert after == before
    assert before[0] == "v1.0"


def test_a_second_execution_with_other_code_keeps_the_first_ones_commit(repository: Path) -> None:
    first = taken(repository)
    assert taken(repository).ref == first.ref
    write(repository, train="changed = 1\n")
    second = taken(repository)
    assert first.ref is not None
    assert second.ref not in (None, first.ref)
    assert str(second.ref).startswith(first.ref + "-")
    assert git(repository, "rev-parse", first.ref) == first.commit
    assert git(repository, "rev-parse", str(second.ref)) == second.commit


def test_before_the_first_commit_there_is_a_commit_without_parent(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "fresh")
    write(folder, train="print(1)\n", staged="print(2)\n")
    git(folder, "add", "staged.py")
    snapshot = taken(folder)
    assert (snapshot.head, snapshot.branch) == (None, "main")
    assert set(committed(folder, snapshot.commit)) == {"train.py", "staged.py"}
    assert git(folder, "show", "-s", "--format=%P", str(snapshot.commit)) == ""
    assert set(snapshot.changed) == {"A staged.py", "? train.py"}
    empty = make_repository(tmp_path / "empty")
    assert taken(empty).files == ()
    assert taken(empty).commit is not None
    assert not (empty / ".git" / "index").exists()


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    snapshot = taken(repository)
    assert snapshot.branch is None
    assert snapshot.head == git(repository, "rev-parse", "HEAD")


def test_a_merge_with_conflicts_is_taken_as_it_lies_and_stays_one(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "other")
    write(repository, train="theirs\n", model="theirs\n")
    git(repository, "commit", "-q", "-a", "-m", "theirs")
    git(repository, "checkout", "-q", "main")
    write(repository, train="ours\n")
    (repository / "model.py").unlink()
    git(repository, "commit", "-q", "-a", "-m", "ours")
    git(repository, "merge", "other", check=False)
    (repository / "model.py").unlink()
    before = everything(repository)
    assert "UU train.py" in before.status
    snapshot = taken(repository)
    assert everything(repository) == before
    assert (repository / ".git" / "MERGE_HEAD").exists()
    assert set(snapshot.changed) == {"U train.py", "D model.py"}
    assert b"<<<<<<<" in contents(snapshot)["train.py"]
    assert blob(repository, snapshot.commit, "train.py") == contents(snapshot)["train.py"]
    assert set(committed(repository, snapshot.commit)) == {"train.py"}


def test_no_hook_of_the_users_runs(repository: Path, tmp_path: Path) -> None:
    mark = tmp_path / "a hook ran"
    for name in (
        "pre-commit",
        "commit-msg",
        "post-commit",
        "reference-transaction",
        "post-index-change",
    ):
        hook = repository / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> '{mark}'\nexit 1\n")
        hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(repository / ".git" / "hooks" / "pre-commit"))
    write(repository, train="changed = 1\n")
    assert taken(repository).ref is not None
    assert not mark.exists()


def test_submodules_are_copied_with_their_local_changes(repository: Path, tmp_path: Path) -> None:
    library = make_repository(tmp_path / "library")
    write(library, lib="lib = 1\n")
    git(library, "add", "-A")
    git(library, "commit", "-q", "-m", "lib")
    git(repository, "submodule", "--quiet", "add", str(library), "vendor/lib")
    git(repository, "commit", "-q", "-m", "with a submodule")
    clean = taken(repository, "clean")
    assert clean.notices == ()
    assert contents(clean)["vendor/lib/lib.py"] == b"lib = 1\n"
    write(repository / "vendor" / "lib", lib="lib = 2\n", extra="extra = 1\n")
    before = everything(repository), everything(repository / "vendor" / "lib")
    snapshot = taken(repository)
    assert (everything(repository), everything(repository / "vendor" / "lib")) == before
    assert contents(snapshot)["vendor/lib/lib.py"] == b"lib = 2\n"
    assert contents(snapshot)["vendor/lib/extra.py"] == b"extra = 1\n"
    assert committed(repository, snapshot.commit)["vendor/lib"] == "160000"
    assert set(snapshot.changed) == {"M vendor/lib/lib.py", "? vendor/lib/extra.py"}
    (notice,) = snapshot.notices
    assert notice.startswith("vendor/lib/")


def test_embedded_repositories_are_copied(repository: Path) -> None:
    for inside in ("embedded", "new/deeper/embedded"):
        folder = make_repository(repository / inside)
        (folder / ".gitignore").write_text("*.ckpt\n")
        write(folder, lib="lib = 1\n", tracked="tracked = 1\n")
        (folder / "big.ckpt").write_text("ignored there")
        git(folder, "add", "tracked.py")
    git(repository / "embedded", "commit", "-q", "-m", "one has a commit")
    before = everything(repository)
    snapshot = taken(repository)
    assert everything(repository) == before
    assert set(contents(snapshot)) == {
        "train.py",
        "model.py",
        *(f"embedded/{n}" for n in ("lib.py", "tracked.py", ".gitignore")),
        *(f"new/deeper/embedded/{n}" for n in ("lib.py", "tracked.py", ".gitignore")),
    }
    assert set(committed(repository, snapshot.commit)) == {"train.py", "model.py"}
    assert len(snapshot.notices) == 2


def test_a_broken_repository_inside_is_walked_and_spoils_nothing(repository: Path) -> None:
    broken = repository / "broken"
    broken.mkdir()
    (broken / ".git").write_text("gitdir: /nowhere/at/all\n")
    write(broken, lib="lib = 1\n")
    snapshot = taken(repository)
    assert snapshot.commit is not None
    assert contents(snapshot)["broken/lib.py"] == b"lib = 1\n"
    assert any(n.startswith("broken/: ") for n in snapshot.notices)


def test_names_that_trouble_others_are_taken(repository: Path) -> None:
    names = [
        "with space.py",
        "new\nline.py",
        "-rf",
        "--",
        "tab\there",
        "ümläut",
        '"quoted"',
        ":(top)x",
        "*",
        "\\back",
        " ",
    ]
    for name in names:
        (repository / name).write_text(name)
        (repository / ":(exclude)a *folder").mkdir(exist_ok=True)
        (repository / ":(exclude)a *folder" / name).write_text(name)
    snapshot = taken(repository)
    expected = {*names, *(f":(exclude)a *folder/{name}" for name in names), "train.py", "model.py"}
    assert set(contents(snapshot)) == expected
    assert set(committed(repository, snapshot.commit)) == expected
    assert snapshot.left_out == snapshot.notices == ()


def test_a_name_that_is_not_utf8_is_taken_and_said_in_utf8(repository: Path) -> None:
    names = {os.fsdecode(name) for name in (b"caf\xe9.py", b"tracked\xff.py")}
    for name in names:
        (repository / name).write_text("x = 1\n")
    git(repository, "add", os.fsdecode(b"tracked\xff.py"))
    snapshot = taken(repository)
    assert set(contents(snapshot)) == {"train.py", "model.py", *names}
    assert set(committed(repository, snapshot.commit)) == {"train.py", "model.py", *names}
    assert snapshot.changed == ("A tracked\\xff.py", "? caf\\xe9.py")
    assert snapshot.left_out == ()


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda name: name.lower() not in (".", "..") and not name.lower().startswith(".git"))


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=st.dictionaries(NAMES, st.binary(max_size=40), max_size=8))
def test_the_copy_is_the_working_tree_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = make_repository(tmp_path_factory.mktemp("any") / "project")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    known = {name for number, name in enumerate(sorted(files)) if number % 2}
    if known:
        git(folder, "--literal-pathspecs", "add", "--", *known)
    snapshot = taken(folder)
    assert contents(snapshot) == files
    assert set(committed(folder, snapshot.commit)) == set(files)


def test_large_untracked_files_stay_out_of_both(repository: Path) -> None:
    (repository / "just.bin").write_bytes(bytes(5_000_000))
    (repository / "large.bin").write_bytes(bytes(5_000_001))
    snapshot = taken(repository)
    assert snapshot.left_out == ("large.bin: larger than 5 MB",)
    assert "large.bin" not in committed(repository, snapshot.commit)
    assert "just.bin" in contents(snapshot)
    assert "? large.bin" not in snapshot.changed


def test_a_very_large_tracked_file_is_in_the_commit_only(repository: Path) -> None:
    with open(repository / "weights.bin", "wb") as stream:
        stream.truncate(50_000_001)
    with open(repository / "corpus.bin", "wb") as stream:
        stream.truncate(6_000_000)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "weights")
    snapshot = taken(repository)
    assert snapshot.left_out == ("weights.bin: larger than 50 MB",)
    assert "corpus.bin" in contents(snapshot)
    assert "weights.bin" in committed(repository, snapshot.commit)


def test_beyond_50_mb_programs_come_first_and_the_rest_is_counted(repository: Path) -> None:
    (repository / "data").mkdir()
    for number in range(30):
        with open(repository / "data" / f"{number:02}.bin", "wb") as stream:
            stream.truncate(2_000_000)
    (repository / "zoo" / "deep").mkdir(parents=True)
    write(repository / "zoo" / "deep", last="print('still here')\n")
    snapshot = taken(repository)
    assert "zoo/deep/last.py" in contents(snapshot)
    kept = [path for path in contents(snapshot) if path.startswith("data/")]
    assert len(kept) == 24
    assert snapshot.left_out == tuple(
        f"data/{number}.bin: beyond 5,000 untracked files or 50 MB of them"
        for number in range(24, 30)
    )


def test_beyond_5000_untracked_files_the_rest_is_counted(repository: Path) -> None:
    (repository / "images").mkdir()
    for number in range(5_010):
        (repository / "images" / f"{number}.png").write_bytes(b"")
    (repository / "images" / "30.py").write_bytes(b"")
    snapshot = taken(repository)
    assert len(snapshot.files) == 5_002
    assert "images/30.py" in contents(snapshot)
    assert len(snapshot.left_out) == 11
    for number in range(5_010, 5_030):
        (repository / "images" / f"{number}.png").write_bytes(b"")
    (line,) = taken(repository, "run2").left_out
    assert line.startswith("images/ (31 files): beyond 5,000")


def test_installed_folders_are_left_out_one_line_each(repository: Path) -> None:
    (repository / "frontend").mkdir()
    (repository / "frontend" / "app.js").write_text("app")
    (repository / "venv").mkdir()
    (repository / "venv" / "kept.py").write_text("tracked, so it stays")
    git(repository, "add", "-A")
    for name in (".venv", "venv", "frontend/node_modules", "new/__pycache__", "myenv", "new/conda"):
        (repository / name / "lib" / "deep").mkdir(parents=True)
        (repository / name / "lib" / "deep" / "x.py").write_text("installed")
    (repository / "myenv" / "pyvenv.cfg").write_text("home = /usr/bin")
    (repository / "new" / "conda" / "conda-meta").mkdir()
    (repository / "new" / "conda" / "conda-meta" / "history").write_text("")
    (repository / "new" / "mine.py").write_text("mine")
    snapshot = taken(repository)
    kept = {"train.py", "model.py", "frontend/app.js", "venv/kept.py", "new/mine.py"}
    assert set(contents(snapshot)) == kept
    assert set(committed(repository, snapshot.commit)) == kept
    assert {line.partition(": ")[0] for line in snapshot.left_out} == {
        ".venv/",
        "venv/",
        "frontend/node_modules/",
        "new/__pycache__/",
        "myenv/",
        "new/conda/",
    }
    assert len(snapshot.left_out) == 6


def test_very_many_untracked_folders_are_as_good_as_few(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".venv", "one", "two/three"):
        (repository / name).mkdir(parents=True)
        (repository / name / "x.txt").write_text(name)
    expected = taken(repository, ref="none")
    assert set(contents(expected)) == {"train.py", "model.py", "one/x.txt", "two/three/x.txt"}
    monkeypatch.setattr(asking, "_ARGUMENT_BYTES", 0)  # so many that no command line holds them
    assert taken(repository, ref="none") == expected


def test_a_file_that_goes_away_meanwhile_costs_nothing_else(repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.a filter=thief\n")
    git(repository, "config", "filter.thief.clean", "rm -f train.py z.py; cat")
    (repository / "first.a").write_text("the filter of this one removes two others\n")
    write(repository, train="changed = 1\n", z="z = 1\n")
    snapshot = taken(repository)
    assert snapshot.notices == ()
    assert set(committed(repository, snapshot.commit)) <= {
        ".gitattributes",
        "first.a",
        "model.py",
        "train.py",
    }


def test_our_own_store_is_never_taken(repository: Path) -> None:
    from samebit import places

    places.make_store(repository / ".samebit")
    (repository / ".git" / "info" / "exclude").write_text("")
    assert set(contents(taken(repository))) == {"train.py", "model.py"}


def test_secrets_stay_out_of_both_even_when_git_tracks_them(repository: Path) -> None:
    (repository / "tracked").mkdir()
    (repository / "tracked" / ".env").write_text("TOKEN=1")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "oh dear")
    (repository / "tracked" / ".env").write_text("TOKEN=2")
    (repository / "staged").mkdir()
    (repository / "staged" / ".env").write_text("TOKEN=3")
    git(repository, "add", "staged")
    (repository / "key.pem").write_text("-----BEGIN")
    before = everything(repository)
    snapshot = taken(repository)
    assert everything(repository) == before
    assert set(contents(snapshot)) == {"train.py", "model.py"}
    assert set(committed(repository, snapshot.commit)) == {"train.py", "model.py"}
    assert snapshot.left_out == (
        "key.pem: looks like a secret",
        "staged/.env: looks like a secret that git tracks",
        "tracked/.env: looks like a secret that git tracks",
    )
    (notice,) = snapshot.notices
    assert "tracked/.env" in notice
    assert "key.pem" in notice


def test_an_ignored_script_is_in_the_copy_and_named(repository: Path) -> None:
    (repository / ".gitignore").write_text("scratch/\n")
    (repository / "scratch").mkdir()
    write(repository / "scratch", quick="print('quick')\n")
    snapshot = taken(repository, script=repository / "scratch" / "quick.py")
    assert contents(snapshot)["scratch/quick.py"] == b"print('quick')\n"
    assert "scratch/quick.py" not in committed(repository, snapshot.commit)
    (notice,) = snapshot.notices
    assert notice.startswith("scratch/quick.py ")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda g: (g / "refs" / "tags" / "samebit").write_text("0" * 40), id="name"),
        pytest.param(
            lambda g: (
                (g / "refs" / "tags" / "samebit").mkdir(parents=True),
                (g / "refs" / "tags" / "samebit" / "run1.lock").write_text(""),
            ),
            id="ref lock",
        ),
        pytest.param(
            lambda g: [
                (g / "objects" / f"{n:02x}").write_text("not a folder")
                for n in range(256)
                if not (g / "objects" / f"{n:02x}").exists()
            ],
            id="no new object",
        ),
    ],
)
def test_what_git_refuses_means_store_copy_only_said_once(
    repository: Path, spoil: Callable[[Path], object]
) -> None:
    git(repository, "gc", "-q", "--prune=now")
    write(repository, train="changed = 1\n", extra="extra = 1\n")
    spoil(repository / ".git")
    snapshot = taken(repository)
    assert (snapshot.commit, snapshot.ref) == (None, None)
    assert set(contents(snapshot)) == {"train.py", "model.py", "extra.py"}
    assert snapshot.head == git(repository, "rev-parse", "HEAD")
    (notice,) = snapshot.notices
    assert notice.startswith("no commit was made, the code is in the store only: git ")


def test_a_filter_that_hangs_costs_the_commit_and_not_the_run(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_TIMEOUT_S", 0.5)
    (repository / ".gitattributes").write_text("*.slow filter=slow\n")
    (repository / "x.slow").write_text("x")
    git(repository, "config", "filter.slow.clean", "sleep 400 | cat")
    snapshot = taken(repository)  # which comes back: a test may take 300 s
    assert snapshot.commit is None
    assert contents(snapshot)["x.slow"] == b"x"
    (notice,) = snapshot.notices
    assert notice.endswith("took longer than 0.5 s")


def test_without_git_the_folder_is_walked(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (repository / ".venv").mkdir()
    (repository / ".venv" / "x.py").write_text("installed")
    (repository / ".env").write_text("TOKEN=1")
    (repository / "deep").mkdir()
    (repository / "deep" / "large.bin").write_bytes(bytes(5_000_001))
    os.symlink("..", repository / "deep" / "up")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    snapshot = taken(repository, script=repository / "train.py")
    assert (snapshot.head, snapshot.branch, snapshot.commit, snapshot.ref) == (None,) * 4
    assert snapshot.root == repository.resolve()
    assert set(contents(snapshot)) == {"train.py", "model.py", "deep/up"}
    assert set(snapshot.left_out) == {
        ".venv/: a folder of installed or generated files",
        ".env: looks like a secret",
        "deep/large.bin: larger than 5 MB",
    }
    assert snapshot.changed == ()
    assert "git cannot be started" in snapshot.notices[0]


def test_a_walk_does_not_go_on_for_ever(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(code, "_WALK_FILES", 10)
    monkeypatch.setenv("PATH", str(tmp_path))
    for number in range(20):
        (repository / f"d{number}").mkdir()
        (repository / f"d{number}" / "x").write_text("")
    snapshot = taken(repository)
    assert len(snapshot.files) == 10
    assert any("the rest was not looked at" in line for line in snapshot.left_out)


def test_a_repository_of_somebody_else_is_walked(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(asking, "_KEPT_VARIABLES", (*asking._KEPT_VARIABLES, "GIT_TEST_"))
    snapshot = taken(repository)
    assert set(contents(snapshot)) == {"train.py", "model.py"}
    assert snapshot.head is None
    assert "dubious ownership" in snapshot.notices[0]


def test_a_broken_repository_is_walked_and_not_taken_for_the_one_above(repository: Path) -> None:
    inner = repository / "inner"
    (inner / ".git").mkdir(parents=True)
    write(inner, train="print('inner')\n")
    snapshot = taken(inner)
    assert snapshot.root == inner.resolve()
    assert contents(snapshot) == {"train.py": b"print('inner')\n"}
    assert snapshot.head is None
    assert len(snapshot.notices) == 1
    assert git(repository, "tag") == ""


def test_crlf_files_keep_their_working_bytes_in_the_copy(repository: Path) -> None:
    git(repository, "config", "core.autocrlf", "true")
    git(repository, "config", "core.safecrlf", "true")
    (repository / "dos.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    (repository / "mixed.py").write_bytes(b"a = 1\r\nb = 2\n")
    snapshot = taken(repository)
    assert contents(snapshot)["dos.py"] == b"a = 1\r\nb = 2\r\n"
    assert contents(snapshot)["mixed.py"] == b"a = 1\r\nb = 2\n"
    assert blob(repository, snapshot.commit, "dos.py") == b"a = 1\nb = 2\n"


def test_variables_that_name_another_repository_are_not_obeyed(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other")
    write(repository, train="changed = 1\n")
    expected = taken(repository, "before")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "their index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "their objects"))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1 +0000")
    monkeypatch.setenv("GIT_TRACE", "1")
    snapshot = taken(repository, "after")
    assert snapshot.commit == expected.commit
    assert snapshot.files == expected.files
    assert git(repository, "tag").split() == ["samebit/after", "samebit/before"]
    assert not (tmp_path / "their index").exists()


def test_a_linked_working_tree_is_a_repository_like_any_other(
    repository: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", "-b", "side", str(linked))
    write(linked, train="linked = 1\n")
    write(repository, train="not this\n")
    before = everything(linked), everything(repository)
    snapshot = taken(linked)
    assert (everything(linked), everything(repository)) == before
    assert (snapshot.root, snapshot.branch) == (linked.resolve(), "side")
    assert blob(linked, snapshot.commit, "train.py") == b"linked = 1\n"
    assert git(repository, "tag") == "samebit/run1"


def test_a_split_index_is_left_alone(repository: Path) -> None:
    git(repository, "update-index", "--split-index")
    git(repository, "config", "core.splitIndex", "true")
    write(repository, train="changed = 1\n", extra="extra = 1\n")
    before = everything(repository)
    snapshot = taken(repository)
    assert everything(repository) == before
    assert set(committed(repository, snapshot.commit)) == {"train.py", "model.py", "extra.py"}


def test_from_a_folder_below_the_top_all_is_taken(repository: Path) -> None:
    (repository / "sub").mkdir()
    snapshot = taken(repository / "sub")
    assert snapshot.root == repository.resolve()
    assert set(contents(snapshot)) == {"train.py", "model.py"}


def test_outside_a_repository_the_script_alone_is_taken(tmp_path: Path) -> None:
    write(tmp_path, train="print(1)\n", other="print(2)\n")
    (tmp_path / "train.py").chmod(0o755)
    snapshot = taken(tmp_path, script=tmp_path / "train.py")
    assert [(f.path, f.kind, f.content) for f in snapshot.files] == [
        ("train.py", "exec", b"print(1)\n")
    ]
    assert snapshot.root == tmp_path.resolve()
    assert snapshot == Snapshot(root=snapshot.root, files=snapshot.files)
    assert taken(tmp_path) == Snapshot(root=tmp_path.resolve(), files=())


def test_a_script_that_is_a_link_is_taken_as_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    write(tmp_path / "real", train="print(1)\n")
    os.symlink("real/train.py", tmp_path / "run.py")
    snapshot = taken(tmp_path, script=tmp_path / "run.py")
    assert contents(snapshot) == {"train.py": b"print(1)\n"}
    assert snapshot.root == (tmp_path / "real").resolve()


def test_a_file_that_may_not_be_read_is_left_out(repository: Path) -> None:
    for name in ("tracked.py", "untracked.py"):
        (repository / name).write_text("closed")
    git(repository, "add", "tracked.py")
    (repository / "tracked.py").write_text("changed since")
    for name in ("tracked.py", "untracked.py"):
        (repository / name).chmod(0)
    if os.access(repository / "tracked.py", os.R_OK):
        pytest.skip("root may read everything")
    snapshot = taken(repository)
    assert set(contents(snapshot)) == set(committed(repository, snapshot.commit))
    assert snapshot.left_out == (
        "tracked.py: cannot be read (Permission denied)",
        "untracked.py: cannot be read (Permission denied)",
    )


def test_pipes_and_sockets_are_never_opened(repository: Path) -> None:
    os.mkfifo(repository / "pipe")
    (repository / "train.py").unlink()
    os.mkfifo(repository / "train.py")
    assert stat.S_ISFIFO((repository / "train.py").stat().st_mode)
    snapshot = taken(repository)
    assert set(contents(snapshot)) == {"model.py"}


def test_the_changes_are_those_of_a_snapshot_and_of_every_repository_inside(
    repository: Path,
) -> None:
    assert code.find_changes(repository) == []
    write(repository, train="print('edited')\n", new="")
    inner = make_repository(repository / "inner")
    write(inner, lib="")
    git(inner, "add", "-A")
    git(inner, "commit", "-q", "-m", "inner")
    assert code.find_changes(repository) == ["M train.py", "? new.py", "? inner/"]
    write(inner, more="")
    assert code.find_changes(inner.parent)[-1] == "? inner/more.py"
    assert code.find_changes(inner) == ["? more.py"]


def test_outside_a_repository_git_cannot_say_what_changed(tmp_path: Path) -> None:
    with pytest.raises(asking.Refused, match="no git repository"):
        code.find_changes(tmp_path)
