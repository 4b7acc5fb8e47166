import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import disk, places
from samebit.errors import Damaged, SamebitError, StoreNotFound, StoreTooNew, UsageError
from samebit.objects.store import Store

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home around everything, so that no search leaves the test's own folder."""
    for name in list(os.environ):
        if name.startswith(("SAMEBIT_", "GIT_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return tmp_path


def folders(top: Path, path: str) -> Path:
    (top / path).mkdir(parents=True, exist_ok=True)
    return top / path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def repository(home: Path) -> Path:
    top = folders(home, "project")
    git(top, "init", "-q", "-b", "main")
    (top / "train.py").write_text("print(1)\n")
    git(top, "add", ".")
    git(top, "commit", "-qm", "first")
    return top


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# Where the store lies.


def test_a_store_is_found_from_any_folder_below_it(home: Path) -> None:
    store = places.make_store(home / "project" / ".samebit")
    for start in ("project", "project/src", "project/src/deep/er"):
        assert places.find_store(folders(home, start)) == store
        assert places.choose_store(home / start) == store


def test_the_nearest_store_is_the_one(home: Path) -> None:
    places.make_store(home / "project" / ".samebit")
    near = places.make_store(home / "project" / "paper" / ".samebit")
    assert places.find_store(folders(home, "project/paper/code")) == near


def test_a_store_is_found_from_inside_itself(home: Path) -> None:
    store = places.make_store(home / "project" / ".samebit")
    for inside in (store, folders(store, "runs/0123456789")):
        assert places.find_store(inside) == store
        assert places.choose_store(inside) == store


def test_nothing_is_searched_above_the_git_top_level(repository: Path, home: Path) -> None:
    outer = places.make_store(home / ".samebit")
    below = folders(repository, "src/deep")
    with pytest.raises(StoreNotFound, match=r"no \.samebit store"):
        places.find_store(below)
    assert places.choose_store(below) == repository / ".samebit"
    inner = places.make_store(repository / ".samebit")
    assert places.find_store(below) == inner
    assert places.find_store(folders(home, "elsewhere")) == outer


def test_nothing_is_searched_above_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = folders(home, "ada")
    monkeypatch.setenv("HOME", str(ada))
    monkeypatch.setenv("USERPROFILE", str(ada))
    outer = places.make_store(home / ".samebit")
    with pytest.raises(StoreNotFound):
        places.find_store(folders(ada, "project"))
    with pytest.raises(StoreNotFound):
        places.find_store(ada)
    # Somebody else's home is no border.
    assert places.find_store(folders(home, "bob/project")) == outer


@pytest.fixture
def other_file_system(home: Path) -> Iterator[Path]:
    """A folder below `home` that lies on a file system of its own."""
    mounted = folders(home, "mounted")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)], capture_output=True
    )
    if made.returncode:
        pytest.skip("a file system can be mounted by root only")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_nothing_is_searched_beyond_a_file_system_border(
    home: Path, other_file_system: Path
) -> None:
    places.make_store(home / ".samebit")
    below = folders(other_file_system, "project/src")
    with pytest.raises(StoreNotFound):
        places.find_store(below)
    assert places.choose_store(below) == below / ".samebit"
    here = places.make_store(other_file_system / ".samebit")
    assert places.find_store(below) == here


def test_samebit_dir_names_the_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places.make_store(home / "project" / ".samebit")
    elsewhere = home / "shared" / "lab-store"
    monkeypatch.setenv("SAMEBIT_DIR", str(elsewhere))
    assert places.choose_store(home / "project") == elsewhere
    with pytest.raises(StoreNotFound):
        places.find_store(home / "project")
    places.make_store(elsewhere)
    assert places.find_store(home / "project") == elsewhere
    monkeypatch.chdir(folders(home, "shared"))
    monkeypatch.setenv("SAMEBIT_DIR", "lab-store")
    assert places.find_store(home / "project") == elsewhere


def test_a_new_store_lies_at_the_git_top_level(repository: Path) -> None:
    assert places.choose_store(folders(repository, "a/b")) == repository / ".samebit"


def test_outside_git_a_new_store_lies_in_the_working_directory(home: Path) -> None:
    assert places.choose_store(folders(home, "a/b")) == home / "a" / "b" / ".samebit"


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "getuid"), reason="users of POSIX")
def test_a_user_without_a_home_has_a_store_all_the_same(home: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user that does not exist")
    place = Path(tempfile.mkdtemp())
    place.chmod(0o777)
    code = (
        "import os, pwd; from pathlib import Path; from samebit import places;"
        f"os.setuid(54321); s = places.make_store(places.choose_store(Path({str(place)!r})));"
        "print(places.find_store(s.parent) == s, places.read_settings(s), places.cache_folder())"
    )
    clean = {name: value for name, value in os.environ.items() if name != "HOME"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=clean, capture_output=True, text=True
        )
        assert done.stdout.startswith("True Settings("), done.stderr
    finally:
        shutil.rmtree(place)


# Making one.


def test_a_store_says_its_format_and_a_random_id(home: Path) -> None:
    one, other = (places.make_store(home / name / ".samebit") for name in "ab")
    first, second = (one / "format").read_text().splitlines()
    assert first == places.FORMAT_LINE == "samebit-store 1"
    assert second == f"id {places.store_id(one)}"
    assert len(places.store_id(one)) == 32
    assert places.store_id(one) != places.store_id(other)
    assert not os.listdir(one / "tmp")


def test_making_a_store_that_is_there_changes_nothing(home: Path) -> None:
    store = places.make_store(home / ".samebit")
    before = everything(store)
    assert places.make_store(store) == store
    assert everything(store) == before


def test_many_processes_make_one_store(repository: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from samebit import places; sys.stdin.readline();"
        "store = places.make_store(places.choose_store(Path.cwd())); print(places.store_id(store))"
    )
    below = folders(repository, "src")
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=below,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(12)
    ]
    told = set()
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("now\n")
        maker.stdin.flush()
    for maker in makers:
        told.add(maker.communicate()[0].strip())
    assert told == {places.store_id(repository / ".samebit")}
    exclude = (repository / ".git" / "info" / "exclude").read_text().splitlines()
    assert exclude.count("/.samebit/") == 1


def test_who_comes_second_in_making_a_store_takes_what_is_there(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, publish = repository / ".samebit", disk.publish

    def late(*given: Any) -> bool:
        monkeypatch.setattr(disk, "publish", publish)
        places.make_store(store)  # another process, between our look and our making
        return publish(*given)

    monkeypatch.setattr(disk, "publish", late)
    places.make_store(store)
    assert not os.listdir(store / "tmp")
    exclude = (repository / ".git" / "info" / "exclude").read_text().splitlines()
    assert exclude.count("/.samebit/") == 1


def test_where_no_store_can_be_made_it_says_where(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(SamebitError, match=r"cannot make a store(.|\n)*SAMEBIT_DIR"):
        places.make_store(home / "file" / ".samebit")


def test_a_newer_format_is_refused_and_nothing_is_written(home: Path) -> None:
    store = places.make_store(home / ".samebit")
    (store / "format").write_text(f"samebit-store 2\nid {ID}\nsomething new\n")
    before = everything(home)
    attempts: list[Callable[[], object]] = [
        lambda: places.find_store(home),
        lambda: places.make_store(store),
        lambda: places.store_id(store),
        lambda: places.check_format(store),
        lambda: Store(store),
    ]
    for attempt in attempts:
        with pytest.raises(StoreTooNew, match="format 2") as error:
            attempt()
        assert "newer Samebit" in str(error.value)
    assert everything(home) == before


def test_lines_that_a_later_version_adds_are_passed_over(home: Path) -> None:
    store = places.make_store(home / ".samebit")
    (store / "format").write_text(f"samebit-store 1\nsince tomorrow\nid {ID}\n")
    assert places.store_id(store) == ID


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"samebit-store\n", b"something else 1\nid 1\n", b"\xff\xfe", b"x" * 99]
)
def test_a_damaged_format_file_is_said_with_its_path(home: Path, content: bytes) -> None:
    store = places.make_store(home / ".samebit")
    (store / "format").write_bytes(content)
    with pytest.raises(Damaged) as error:
        places.find_store(home)
    assert str(store / "format") in str(error.value)


# Beside git.


def assert_git_walks_around(top: Path) -> None:
    store = places.make_store(places.choose_store(top))
    assert store == top / ".samebit"
    Store(store).put(b"precious" * 20_000)
    before = everything(store)
    assert "samebit" not in git(top, "status", "--porcelain", "--untracked-files=all")
    (top / "rubbish").write_text("untracked")
    git(top, "clean", "-fdxq")
    assert not (top / "rubbish").exists()
    assert everything(store) == before
    git(top, "stash", "--include-untracked")
    git(top, "add", "-A")
    assert git(top, "diff", "--cached", "--name-only") == ""
    assert everything(store) == before


def test_git_neither_shows_nor_cleans_the_store(repository: Path) -> None:
    assert_git_walks_around(repository)


def test_nor_does_it_in_a_linked_working_tree(repository: Path, home: Path) -> None:
    git(repository, "worktree", "add", "-q", str(home / "linked"), "-b", "other")
    assert_git_walks_around(home / "linked")


def test_nor_does_it_in_a_submodule(repository: Path, home: Path) -> None:
    git(
        repository,
        *("-c", "protocol.file.allow=always", "submodule", "--quiet", "add"),
        *(str(repository), "inner"),
    )
    assert_git_walks_around(repository / "inner")


def test_a_store_below_the_top_level_is_excluded_by_its_path(repository: Path) -> None:
    places.make_store(folders(repository, "paper") / ".samebit")
    lines = (repository / ".git" / "info" / "exclude").read_text().splitlines()
    assert lines.count("/paper/.samebit/") == 1
    assert "samebit" not in git(repository, "status", "--porcelain", "--untracked-files=all")


def test_the_users_own_excludes_stay(repository: Path) -> None:
    exclude = repository / ".git" / "info" / "exclude"
    exclude.write_text("*.ckpt")  # and no newline at the end
    shutil.rmtree(places.make_store(repository / ".samebit"))
    places.make_store(repository / ".samebit")
    assert exclude.read_text() == "*.ckpt\n/.samebit/\n"


# Settings.


def settings_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_later_source_of_a_setting_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = places.make_store(home / "project" / ".samebit")
    found = [places.read_settings(store).states_budget_mb]
    settings_file(home / ".config" / "samebit" / "config.toml", "[states]\nbudget_mb = 1\n")
    found.append(places.read_settings(store).states_budget_mb)
    settings_file(home / "project" / "samebit.toml", "states.budget_mb = 2\n")
    found.append(places.read_settings(store).states_budget_mb)
    settings_file(store / "local.toml", "[states]\nbudget_mb = 3\n")
    found.append(places.read_settings(store).states_budget_mb)
    monkeypatch.setenv("SAMEBIT_STATES_BUDGET_MB", "4")
    found.append(places.read_settings(store).states_budget_mb)
    found.append(places.read_settings(store, {"states_budget_mb": 5}).states_budget_mb)
    found.append(places.read_settings(store, {"states_budget_mb": None}).states_budget_mb)
    assert found == [1024, 1, 2, 3, 4, 5, 4]


def test_a_source_that_says_nothing_about_a_setting_leaves_it(home: Path) -> None:
    store = places.make_store(home / "project" / ".samebit")
    settings_file(home / "project" / "samebit.toml", '[code]\nref = "none"\n')
    settings_file(store / "local.toml", '[console]\n[env]\nallow = ["LAB_*"]\n')
    assert places.read_settings(store) == places.Settings(code_ref="none", env_allow=("LAB_*",))


def test_a_list_in_the_environment_is_split_at_commas(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEBIT_ENV_ALLOW", "LAB_*, MODE,")
    assert places.read_settings(None).env_allow == ("LAB_*", "MODE")
    monkeypatch.setenv("SAMEBIT_ENV_ALLOW", "")
    assert places.read_settings(None).env_allow == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[code]\nrefs = 1\n", r"no setting code\.refs"),
        ("[nothing]\nhere = 1\n", r"no setting nothing\.here"),
        ("colour = 1\n", "no setting colour"),
        ('[code]\nref = "branch"\n', r"code\.ref cannot be 'branch'"),
        ("[code]\nref = []\n", r"code\.ref cannot be \[\]"),
        ("[states]\nbudget_mb = 1.5\n", r"states\.budget_mb must be a whole number, not 1\.5"),
        ("[states]\nbudget_mb = true\n", r"states\.budget_mb must be a whole number"),
        ("[states]\nbudget_mb = -1\n", r"states\.budget_mb must be a whole number"),
        ("[env]\nallow = 5\n", r"env\.allow must be a list of texts"),
        ("[env]\nallow = [5]\n", r"env\.allow must be a list of texts"),
        ("[env\n", "cannot read the settings"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused_with_its_file(
    home: Path, text: str, message: str
) -> None:
    store = places.make_store(home / ".samebit")
    settings_file(home / "samebit.toml", text)
    with pytest.raises(UsageError, match=message) as error:
        places.read_settings(store)
    assert str(home / "samebit.toml") in str(error.value)


def test_what_is_refused_is_told_with_what_there_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        UsageError, match=r"known: code\.on_changed, code\.ref, console, data\.save, env\.allow"
    ):
        places.read_settings(None, {"colour": "red"})
    monkeypatch.setenv("SAMEBIT_CONSOLE", "loud")
    with pytest.raises(UsageError, match=r"SAMEBIT_CONSOLE\n(.|\n)*known: tee, off"):
        places.read_settings(None)


toml_like = st.recursive(
    st.booleans() | st.integers(-9, 2000) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@given(st.sampled_from(list(asdict(places.Settings()))), toml_like)
def test_settings_have_their_type_or_are_refused(name: str, value: Any) -> None:
    try:
        found = getattr(places.read_settings(None, {name: value}), name)
    except UsageError:
        return
    assert type(found) is type(getattr(places.Settings, name))


def test_the_cache_lies_outside_the_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.cache_folder() == home / ".cache" / "samebit"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert places.cache_folder() == home / "xdg" / "samebit"
    monkeypatch.setenv("SAMEBIT_CACHE", str(home / "mine"))
    assert places.cache_folder() == home / "mine"
