"""How a script under plain `init()` ended: what its exit code was, where that can be known."""

import pytest

from tests.projects import Project

BEGIN = """
import sys, samebit
run = samebit.init()
def main(code=None):
    return code
def deep(code):
    raise SystemExit(code)
def caught():
    try:
        sys.exit(1)
    except SystemExit:
        pass
"""
# What the script does; the exit code that is recorded (None: not known, or none was given).
ENDS = {
    "sys.exit(3)": ("failed", 3),
    "sys.exit()": ("finished", 0),
    "sys.exit('a message')": ("failed", 1),
    "sys.exit(-1)": ("failed", 255),
    "quit(6)": ("failed", 6),
    "raise SystemExit(5)": ("failed", 5),
    "raise SystemExit('a message')": ("failed", 1),
    "raise SystemExit": ("finished", 0),
    "raise SystemExit()": ("finished", 0),
    "raise SystemExit(0)": ("finished", 0),
    "with run: raise SystemExit(7)": ("failed", 7),
    "caught()": ("finished", None),
    "caught(); print('went on')": ("finished", None),
    "import threading; t = threading.Thread(target=sys.exit, args=[2]); t.start(); t.join()": (
        "finished",
        None,
    ),
    "import argparse; argparse.ArgumentParser().parse_args(['--no'])": ("failed", 2),
    # Not known from inside: the code of a SystemExit that was made elsewhere, or computed.
    "deep(4)": ("failed", None),
    "raise SystemExit(main())": ("finished", None),
    "raise SystemExit(main() or 0)": ("failed", None),
    "raise SystemExit(f'{main()}')": ("failed", None),
    "1 / 0": ("failed", None),
}
QUICK = ("sys.exit(3)", "raise SystemExit(5)", "caught()", "deep(4)", "raise SystemExit(main())")


@pytest.mark.parametrize(
    "end",
    [pytest.param(end, marks=() if end in QUICK else pytest.mark.slow) for end in ENDS],
)
def test_an_exit_is_recorded_as_it_was(project: Project, end: str) -> None:
    project.write("a.py", BEGIN + end + "\n")
    ended = project.python("a.py", PYTHONHASHSEED="1")
    without_us = BEGIN.replace("samebit.init()", "contextlib.nullcontext()")
    project.write("b.py", without_us.replace("samebit", "contextlib") + end + "\n")
    plain = project.python("b.py")
    status, code = ENDS[end]
    view = project.view()
    assert ended.code == plain.code
    assert (view.status, view.end.exit_code) == (status, code)
    if code is not None:
        assert code == ended.code
    assert ("SystemExit with a code that is not known" in (view.end.exception or "")) == (
        status == "failed" and code is None and "/" not in end
    )


@pytest.mark.slow
def test_an_exit_that_was_caught_before_another_run_began_is_not_its_own(project: Project) -> None:
    project.write("a.py", BEGIN + "caught()\nagain = samebit.init()\nraise SystemExit(main())\n")
    assert project.python("a.py", PYTHONHASHSEED="1").code == 0
    assert [view.end.exit_code for view in project.views()] == [None, None]
    assert [view.status for view in project.views()] == ["finished", "finished"]


@pytest.mark.slow
def test_a_module_and_a_text_end_as_a_script_does(project: Project) -> None:
    project.write("module.py", BEGIN + "deep(4)\n")
    assert project.python("-m", "module", PYTHONHASHSEED="1").code == 4
    assert project.python("-c", BEGIN + "raise SystemExit(5)", PYTHONHASHSEED="1").code == 5
    assert project.python("-c", BEGIN, PYTHONHASHSEED="1").code == 0
    assert [view.status for view in project.views()] == ["failed", "failed", "finished"]
    assert [view.end.exit_code for view in project.views()] == [None, 5, None]
