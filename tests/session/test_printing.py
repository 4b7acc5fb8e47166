"""What real programs print: bars, colours, threads, far too much; and secrets that slip into it."""

import json
import sys

import pytest

from tests.projects import Project

SECRET = "hunter2andmore"  # a password, in each place from which one gets out
TOKEN = "ghp_" + "a1B2c3D4e5" * 4


def console(project: Project) -> str:
    """The one console log of the one run."""
    (log,) = project.view().folder.console(1).iterdir()
    return log.read_text(encoding="utf-8")


def test_of_the_bars_of_tqdm_and_rich_the_last_state_is_kept(project: Project) -> None:
    pytest.importorskip("tqdm")
    pytest.importorskip("rich")
    project.write(
        "bars.py",
        """
        import time
        from tqdm import tqdm
        from rich.console import Console
        from rich.progress import track
        for _ in tqdm(range(300), desc="epoch 1", mininterval=0):
            pass
        for _ in tqdm(range(3), desc="epoch 2", leave=False, mininterval=0):
            tqdm.write("between")
        screen = Console(force_terminal=True, width=60)
        for _ in track(range(300), description="rich", console=screen):
            time.sleep(0.001)
        print("done")
        """,
    )
    plain, recorded = project.python("bars.py"), project.run("bars.py")
    assert plain.code == recorded.code == 0, recorded.err
    states = plain.err.count("epoch 1")
    assert recorded.err.count("epoch 1") == states > 300  # the user sees it move
    kept = console(project)
    assert kept.count("epoch 1") == 1
    assert "epoch 1: 100%" in kept
    assert kept.count("between\n") == 3
    assert kept.count("rich") < 5  # one bar, of which the terminal was shown hundreds
    assert "100%" in kept.split("rich")[-1]
    assert kept.rstrip().endswith("done")  # after it only the blanks that took a bar away


@pytest.mark.slow
def test_a_script_that_prints_without_end_neither_fills_the_disk_nor_waits(
    project: Project,
) -> None:
    line = "x" * 99
    project.write(
        "much.py",
        f"""
        import sys
        for number in range(1_000_000):
            print("{line}")
        print("the end", file=sys.stderr)
        """,
    )
    done = project.call(
        "sh", "-c", f"{sys.executable} -m samebit.cli.main run --quiet much.py | wc -c"
    )
    assert int(done.out) == 100_000_000
    assert done.err == "the end\n"
    size = sum(path.stat().st_size for path in project.view().folder.console(1).iterdir())
    assert 60e6 < size < 70e6
    (log,) = project.view().folder.console(1).iterdir()
    with log.open("rb") as stream:
        stream.seek(-300, 2)
        assert b"cut" in stream.read().splitlines()[-1]
    assert project.view().status == "finished"
    assert max(use["peak_rss_bytes"] for use in project.view().all_facts("use")) < 200e6


def test_threads_that_print_at_once_are_kept_line_by_line(project: Project) -> None:
    project.write(
        "threads.py",
        """
        import sys, threading
        def say(number):
            for at in range(200):
                sys.stdout.write(f"thread {number} line {at}\\n")
        threads = [threading.Thread(target=say, args=[number]) for number in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    )
    done = project.run("threads.py")
    assert done.code == 0
    kept = console(project).splitlines()
    assert sorted(kept) == sorted(
        f"thread {number} line {at}" for number in range(8) for at in range(200)
    )
    assert len(kept) == len(done.out.splitlines())


def test_no_secret_gets_into_the_store_by_any_way_out(project: Project) -> None:
    """In pieces, in a traceback, in an argument, a variable, an address, a configuration."""
    project.write(
        "leaks.py",
        """
        import logging, os, sys, time, warnings
        word, token = os.environ.pop("TEST_WORD"), os.environ.pop("TEST_TOKEN")
        os.environ["MY_PASSWORD"] = word
        sys.stdout.write("password="); sys.stdout.flush()
        time.sleep(0.3)
        sys.stdout.write(word + "\\n")
        sys.stdout.write("it is ghp_"); sys.stdout.flush()
        sys.stdout.write(token.removeprefix("ghp_") + "\\n")
        logging.warning("Authorization: Bearer %s", token)
        warnings.warn(f"https://me:{word}@host/simple")
        import samebit
        run = samebit.init({"db": {"password": word}, "url": f"https://me:{word}@host"})
        run.log({"loss": 1.0}, step=1)
        raise RuntimeError(f"cannot log in with password={word} and {token}")
        """,
    )
    given = {"TEST_WORD": SECRET, "TEST_TOKEN": TOKEN}
    for how in (project.run, project.python):
        done = how("leaks.py", f"--api-key={SECRET}", **given)
        assert done.code == 1
        assert f"password={SECRET}" in done.out  # the user's own terminal is the user's
    runs = project.views()
    assert [view.cause for view in runs] == ["RuntimeError", "RuntimeError"]
    for view in runs:
        assert "cannot log in with password=****" in json.dumps(view.facts)
    stored = [path for path in project.store.rglob("*") if path.is_file()]
    assert len(stored) > 15
    for secret in (SECRET, TOKEN):
        assert [path for path in stored if secret.encode() in path.read_bytes()] == []
