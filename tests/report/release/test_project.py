"""What a project says of itself is taken as it says it, and nothing is guessed."""

import pytest
import yaml

from samebit.report.release.project import Author, read_project
from samebit.report.yaml import yaml_lines

TOML = b"""
[project]
name = "digits"
version = "0.3"
license = {text = "BSD-3-Clause"}
authors = [{name = "Ada Lovelace"}, {email = "b@example.org"}, 3]
"""


def test_its_own_files_come_before_git() -> None:
    found = read_project({"pyproject.toml": TOML}, ["Git Name", "git@example.org"])
    assert (found.name, found.version, found.license) == ("digits", "0.3", "BSD-3-Clause")
    assert found.authors == (Author("Ada Lovelace"), Author("b@example.org", "b@example.org"))
    assert read_project({}, ["Git Name", "g@e.org"]).authors == (Author("Git Name", "g@e.org"),)
    assert read_project({}, []).authors == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MIT License\n\nCopyright", "MIT"),
        ("   Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June", "GPL-3.0-only"),
        ("Redistribution and use in source and binary forms", "BSD-2-Clause"),
        ("Do what is right.", None),
        ("\xff\xfe", None),
    ],
)
def test_a_licence_is_known_by_its_words(text: str, name: str | None) -> None:
    assert read_project({"COPYING": text.encode("latin-1")}, []).license == name


@pytest.mark.parametrize(
    "data", [b"", b"[project", b"\xff", b"project = 3", b"[project]\nname = 3"]
)
def test_a_file_that_is_none_says_nothing(data: bytes) -> None:
    assert read_project({"pyproject.toml": data}, []).name is None


@pytest.mark.parametrize(
    "value",
    [1e-5, 1e16, 0.1, float("inf"), float("-inf"), 3, -4, True, "yes", "1.0", "~", "", "a: b\n- c"],
)
def test_yaml_gives_a_value_back(value: object) -> None:
    text = "\n".join(yaml_lines("key", {"in": [value, {"deep": value}], "empty": [], "none": {}}))
    found = yaml.safe_load(text)["key"]
    assert found == {"in": [value, {"deep": value}], "empty": [], "none": {}}
    assert type(found["in"][0]) is type(value)
