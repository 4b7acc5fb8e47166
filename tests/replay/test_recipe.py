"""What an environment is made from, by the facts of a record."""

from pathlib import Path
from typing import Any

import pytest

from samebit.capture import environment
from samebit.replay.recipe import Mapped, Recipe, key_of, likeness, make_recipe

ROOT = Path("/home/me/work")
OURS = {"blake3": "1.0", "msgspec": "0.22", "xxhash": "4.1", "backports-zstd": "1.8"}


def recipe(
    versions: dict[str, str],
    origins: dict[str, Any] | None = None,
    files: tuple[str, ...] = (),
    python: str = "3.11.7",
    here: dict[str, str] | None = None,
    **more: Any,
) -> Recipe:
    packages = {"versions": {**OURS, **versions}, "origins": origins or {}, "installers": {}}
    packages |= {"broken": [], "conda": [], **more}
    facts = {"packages": packages, "interpreter": {"version": python, "abi": "cpython-311"}}
    return make_recipe(facts, ROOT, files, here or {})


def lines(made: Recipe) -> list[str]:
    return [pin.line for pin in made.pins if pin.name not in OURS]


def test_every_distribution_has_the_very_version_that_it_had() -> None:
    made = recipe({"numpy": "2.4.6", "torch": "2.13.0+cpu", "samebit": "0.0.1"})
    assert lines(made) == ["numpy==2.4.6", "torch==2.13.0+cpu"]
    assert (made.python, made.minor, made.names_ours) == ("3.11.7", "3.11", True)
    assert (made.mapped, made.left_out, made.problems) == ((), (), ())


DIRECT = [
    (
        {"kind": "git", "url": "https://host/a/b.git", "commit": "c0ffee", "revision": "main"},
        "x @ git+https://host/a/b.git@c0ffee",
    ),
    (
        {"kind": "git", "url": "ssh://git@host/a.git", "commit": "c0ffee", "part": "python"},
        "x @ git+ssh://git@host/a.git@c0ffee#subdirectory=python",
    ),
    (
        {"kind": "hg", "url": "https://host/a", "commit": "abc"},
        "x @ hg+https://host/a@abc",
    ),
    (
        {"kind": "archive", "url": "https://host/x-1.whl", "hash": "sha256=aa", "part": "p"},
        "x @ https://host/x-1.whl#sha256=aa&subdirectory=p",
    ),
    ({"kind": "archive", "url": "https://host/x-1.zip#egg=x"}, "x @ https://host/x-1.zip"),
]


@pytest.mark.parametrize(("origin", "line"), DIRECT)
def test_what_came_from_an_address_comes_from_there_again(
    origin: dict[str, str], line: str
) -> None:
    made = recipe({"x": "1"}, {"x": origin})
    assert lines(made) == [line]
    assert [pin.is_direct for pin in made.pins if pin.name == "x"] == [True]


def test_an_editable_project_is_run_from_its_recorded_sources() -> None:
    origin = {"kind": "editable", "url": "file:///home/me/other%20lib"}
    made = recipe({"other-lib": "0.1"}, {"other-lib": origin})
    assert lines(made) == []
    assert made.mapped == (
        Mapped("other-lib", "0.1", "editable", origin["url"], "/home/me/other lib"),
    )
    assert made.problems == ()


def test_a_folder_that_is_no_part_of_the_record_cannot_be_had() -> None:
    versions = {"own": "1", "near": "2", "far": "3"}
    urls = {"own": ROOT, "near": "/home/me/near", "far": "/mnt/far"}
    origins = {name: {"kind": "folder", "url": f"file://{urls[name]}"} for name in versions}
    made = recipe(versions, origins, files=("/home/me/near/src/near.py",))
    assert [each.name for each in made.mapped] == ["near", "own"]
    assert made.problems == ("far 3 came from the folder /mnt/far, of which nothing is recorded",)


def test_an_archive_of_this_machine_must_still_be_there(tmp_path: Path) -> None:
    there = tmp_path / "x-1-py3-none-any.whl"
    origin = {"kind": "archive", "url": f"file://{there}", "hash": "sha256=aa"}
    made = recipe({"x": "1"}, {"x": origin})
    assert made.problems == (f"x 1 came from {there}, which is not there any more",)
    there.touch()
    assert lines(recipe({"x": "1"}, {"x": origin})) == [f"x @ file://{there}#sha256=aa"]


def test_credentials_that_were_masked_are_no_address() -> None:
    origin = {"kind": "git", "url": "https://****@host/a", "commit": "abc"}
    made = recipe({"x": "1"}, {"x": origin})
    assert lines(made) == []
    assert made.problems == ("x 1 came from an address with credentials, which are not recorded",)


def test_what_conda_built_is_named_at_once_and_the_rest_is_pinned() -> None:
    versions = {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
    made = recipe(
        versions, conda=["mkl-2024-0", "a-1-0"], installers={"conda": ["a", "b", "c", "d"]}
    )
    assert lines(made) == ["e==5"]
    (problem,) = made.problems
    assert problem.startswith("2 packages were installed by conda, a 1, b 2, c 3 and 1 more among")


def test_a_broken_installation_is_left_out_and_said() -> None:
    made = recipe({}, broken=["~umpy-2.0.dist-info"])
    assert made.left_out == ("~umpy-2.0.dist-info is what a broken installation left",)
    assert made.problems == ()


def test_what_the_recorder_needs_is_added_only_where_the_run_had_none() -> None:
    facts: dict[str, Any] = {
        "packages": {
            "versions": {"msgspec": "0.20"},
            "origins": {},
            "installers": {},
            "broken": [],
        },
        "interpreter": {"version": "3.14.1", "abi": "cpython-314"},
    }
    made = make_recipe(facts, ROOT, (), {**OURS, "msgspec": "0.22"})
    assert [pin.line for pin in made.pins] == ["blake3==1.0", "msgspec==0.20", "xxhash==4.1"]
    assert made.left_out == (
        "blake3 is there for the recorder; the run had none",
        "xxhash is there for the recorder; the run had none",
    )


def test_a_record_without_packages_makes_no_environment() -> None:
    assert make_recipe({}, ROOT, (), {}).problems == (
        "its packages and interpreter were not recorded",
    )


def test_this_process_gives_a_recipe() -> None:
    facts = {"packages": environment.packages(), "interpreter": environment.interpreter()}
    made = make_recipe(facts, ROOT, (), {})
    assert len(made.pins) + len(made.mapped) >= len(facts["packages"]["versions"]) - 1


def test_the_key_is_of_what_it_is_made_from_alone() -> None:
    one = recipe({"a": "1", "b": "2"})
    same = recipe({"b": "2", "a": "1"}, broken=["~x-1.dist-info"], here=OURS)
    assert key_of(one, "3.11.7", "linux-x86_64") == key_of(same, "3.11.7", "linux-x86_64")
    others = [
        key_of(recipe({"a": "1", "b": "3"}), "3.11.7", "linux-x86_64"),
        key_of(recipe({"a": "1"}), "3.11.7", "linux-x86_64"),
        key_of(one, "3.11.8", "linux-x86_64"),
        key_of(one, "3.11.7", "linux-aarch64"),
        key_of(one, "3.11.7", "linux-x86_64"),
    ]
    assert len(set(others)) == 5


def test_how_much_is_as_it_was_is_one_sentence() -> None:
    then = {"samebit": "1", "a": "1", "b": "1", "numpy": "2.4.6"}
    assert likeness(then, then) == "3 of 3 packages as recorded"
    now = {"a": "1", "numpy": "2.5"}
    assert likeness(then, now) == (
        "1 of 3 packages as recorded; differs: b 1 then, not here, numpy 2.4.6 then, 2.5 now"
    )
    many = {f"p{number}": "1" for number in range(5)}
    assert likeness(many, {}).endswith("p2 1 then, not here; and 2 more")
