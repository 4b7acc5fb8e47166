"""What a traceback says in one line, and what kind of end that was."""

import traceback

import pytest

from samebit.folders.ending import cause, raised


def _told(error: BaseException) -> str:
    try:
        raise error
    except BaseException as caught:
        return "".join(traceback.format_exception(caught))


class Ours(ValueError):
    """An error of several lines, as ours are."""


def test_the_line_that_names_an_exception_need_not_be_the_last() -> None:
    told = _told(Ours("the role 'init' has no seed\n  roles: none\nhint: samebit.seeds(init=1)"))
    assert raised(told).endswith("Ours: the role 'init' has no seed")
    assert cause(None, told, None) == "Ours"
    noted = ValueError("too wide")
    noted.add_note("of the second layer: 64")
    assert raised(_told(noted)) == "ValueError: too wide"


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("", ""),
        (None, ""),
        ("ValueError: two\n  lines of it", "ValueError: two"),
        (_told(KeyError("a")), "KeyError: 'a'"),
        (
            '  File "t.py", line 1\n    f(\n     ^\nSyntaxError: not closed\n',
            "SyntaxError: not closed",
        ),
        # What a loader's process raised is told inside the message of another exception.
        (
            'Traceback (most recent call last):\n  File "t.py", line 1, in <module>\n    f()\n'
            "MemoryError: Caught MemoryError in DataLoader worker process 0.\n"
            'Original Traceback (most recent call last):\n  File "d.py", line 9, in f\n    g()\n'
            "MemoryError: no room\n",
            "MemoryError: no room",
        ),
    ],
)
def test_of_each_form_the_line_that_names_it(told: object, line: str) -> None:
    assert raised(told) == line
