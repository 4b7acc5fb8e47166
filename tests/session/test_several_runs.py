"""Runs one after another in one process: none leaves anything to the next."""

from tests.projects import Project

SCRIPT = """
import gc, json, os, threading
import samebit
from samebit.capture import importing
from samebit.session.recording import Recording

def held():
    gc.collect()
    waiting = sum(len(them) for them in importing._watcher.waiting.values())
    return [len(os.listdir("/dev/fd")), threading.active_count(), waiting]

def alive():
    gc.collect()
    return sum(type(one) is Recording for one in gc.get_objects())

after = []
for seed in (None, 5, None, 5, None, 5):
    run = samebit.init(seed=seed)
    with open("read.txt", "w") as stream:
        stream.write("x")
    run.log({"loss": 1.0})
    run.finish()
    after.append(held())
run = samebit.init()
import numpy
print(json.dumps([after, alive(), int(numpy.random.get_state()[1][0])]))
"""


def test_what_a_run_held_and_asked_for_ends_with_it(project: Project) -> None:
    project.write("a.py", SCRIPT)
    ended = project.python("a.py", PYTHONHASHSEED="0")
    assert ended.code == 0, ended.err
    after, alive, first_word = ended.json
    assert after[4:] == after[2:4]
    assert alive <= 2  # the last one, and one that has just ended
    assert first_word != 5  # NumPy has the seed of no earlier run
    assert [view.status for view in project.views()] == ["finished"] * 7
