"""What a project says of itself: authors, licence, version; by its own files, or by git.

What nobody said is marked, never guessed.
"""

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from samebit.report.codecheck import TO_FILL
from samebit.report.release.bundle import Release
from samebit.report.yaml import yaml_lines

__all__ = ["TOLD_IN", "Author", "Project", "citation_cff", "read_project"]

_LICENCES = (
    ("MIT", r"\bMIT License\b|Permission is hereby granted, free of charge, to any person"),
    ("Apache-2.0", r"Apache License\s+Version 2\.0"),
    ("BSD-3-Clause", r"Redistribution and use[\s\S]*Neither the name"),
    ("BSD-2-Clause", r"Redistribution and use in source and binary forms"),
    ("AGPL-3.0-only", r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-3.0-only", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-3.0-only", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-2.0-only", r"GNU GENERAL PUBLIC LICENSE\s+Version 2"),
    ("MPL-2.0", r"Mozilla Public License Version 2\.0"),
    ("CC-BY-4.0", r"Creative Commons Attribution 4\.0"),
    ("CC0-1.0", r"CC0 1\.0 Universal"),
    ("ISC", r"\bISC License\b"),
    ("Unlicense", r"This is free and unencumbered software"),
)
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING")
TOLD_IN = (*_LICENCE_FILES, "pyproject.toml", "CITATION.cff")  # at the top of a project
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")


class Author(Struct, frozen=True):
    """Somebody."""

    name: str
    email: str = ""


class Project(Struct, frozen=True):
    """What its files say."""

    name: str | None = None
    version: str | None = None
    authors: tuple[Author, ...] = ()
    license: str | None = None  # an SPDX identifier
    license_file: str | None = None
    citation: bytes | None = None  # its own CITATION.cff


def read_project(files: dict[str, bytes], author: Sequence[str]) -> Project:
    """Read what lies at the top of the code.

    Args:
        files: by name.
        author: the name and address under which git commits there, as far as they are set.
    """
    told = _pyproject(files.get("pyproject.toml", b""))
    authors = tuple(
        Author(str(one.get("name") or one.get("email")), str(one.get("email") or ""))
        for one in told.get("authors") or ()
        if isinstance(one, dict) and (one.get("name") or one.get("email"))
    )
    if not authors and author:
        authors = (Author(author[0], author[1] if len(author) > 1 else ""),)
    name = next((name for name in _LICENCE_FILES if name in files), None)
    return Project(
        _text(told.get("name")),
        _text(told.get("version")),
        authors,
        _licence(told.get("license"), files[name] if name else b""),
        name,
        files.get("CITATION.cff"),
    )


def _pyproject(data: bytes) -> dict[str, Any]:
    try:
        found = tomllib.loads(data.decode("utf-8")).get("project")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _licence(said: object, text: bytes) -> str | None:
    if isinstance(said, dict):
        said = said.get("text")
    if isinstance(said, str) and _SPDX.fullmatch(said):
        return said
    body = text[:20_000].decode("utf-8", "replace")
    return next((name for name, mark in _LICENCES if re.search(mark, body)), None)


def citation_cff(release: Release, project: Project, repository: str | None) -> bytes:
    """`CITATION.cff` (1.2.0): the project's own where it has one and may be known."""
    if project.citation is not None and not release.anonymous:
        return project.citation
    authors: list[dict[str, str]] = []
    for author in () if release.anonymous else project.authors:
        given, _, family = author.name.rpartition(" ")
        names = {"family-names": family, "given-names": given} if given else {"name": author.name}
        authors.append(names | ({"email": author.email} if "@" in author.email else {}))
    if release.anonymous:
        authors = [{"name": "Anonymous"}]
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this, please cite it as below.",
        "type": "software",
        "title": release.title,
        "authors": authors or [{"name": f"{TO_FILL}: the authors"}],
        "date-released": release.date,
        "identifiers": [
            {"type": "swh", "value": code.swhid, "description": f"the code in {code.folder}/"}
            for code in release.codes
        ],
    }
    if project.version is not None:
        content["version"] = project.version
    if project.license is not None:
        content["license"] = project.license
    if repository is not None:
        content["repository-code"] = repository
    lines = [line for name, value in content.items() for line in yaml_lines(name, value)]
    note = [] if project.license else [f"# license: {TO_FILL}, an identifier of SPDX"]
    return ("\n".join([*lines, *note]) + "\n").encode()
