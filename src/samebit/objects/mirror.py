"""A folder that mirrors absolute paths: `<files>/home/me/project` stands for `/home/me/project`.

So what `..` leads to stays inside, and words and folders can be led to where files are laid out.
"""

import os
from collections.abc import Collection
from pathlib import Path

__all__ = ["mirrored", "mirrored_word"]


def mirrored(files: Path, path: Path | str) -> Path:
    """The place in the mirror `files` of an absolute path."""
    absolute = Path(path)
    return files / absolute.relative_to(absolute.anchor)


def mirrored_word(word: str, laid_out: Collection[str], files: Path) -> str:
    """A word of a command; one that names a file that is laid out leads to it in the mirror.

    Args:
        word: as it was typed; `--option=/a/path` is understood.
        laid_out: the absolute paths of which the mirror has a copy.
        files: the mirror.
    """
    option, equals, value = word.rpartition("=") if word.startswith("-") else ("", "", word)
    if not os.path.isabs(value):
        return word
    # The script may have been named through a link to its folder.
    for path in (os.path.normpath(value), os.path.realpath(value)):
        if path in laid_out:
            return f"{option}{equals}{mirrored(files, path)}"
    return word
