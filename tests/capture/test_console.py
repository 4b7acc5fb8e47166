import contextlib
import copy
import io
import os
import pickle
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.capture.console import Installed, Keeper, Tee, install, say
from samebit.capture.secrets import MASK

Kept = tuple[Tee, io.StringIO, list[bytes], Keeper]

# The first lines of a child script: everything that it prints goes to the file named first.
INSTALL = """
import os, sys
from samebit.capture import console

kept = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
installed = console.install(lambda data: os.write(kept, data), lambda error: os._exit(99))
"""


def fail(error: Exception) -> None:
    raise AssertionError("the tee reported a problem") from error


def tee_on(stream: io.StringIO, problem: Callable[[Exception], None] = fail) -> Kept:
    kept: list[bytes] = []
    keeper = Keeper(kept.append, problem)
    return Tee(stream, keeper), stream, kept, keeper


def after(*texts: str) -> str:
    """What is kept of these writes, the rest included."""
    tee, stream, kept, keeper = tee_on(io.StringIO(newline=""))
    for text in texts:
        assert tee.write(text) == len(text)
    keeper.flush_rest()
    assert stream.getvalue() == "".join(texts)
    return b"".join(kept).decode()


@contextlib.contextmanager
def teed_streams() -> Iterator[list[bytes]]:
    """Other streams for this process, whose lines are kept in the list."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        kept: list[bytes] = []
        installed = install(kept.append, fail)
        try:
            yield kept
        finally:
            installed.remove()


def run(code: str, folder: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    script = folder / "script.py"
    script.write_text(INSTALL + code)
    command = [sys.executable, str(script), str(folder / "kept")]
    return subprocess.run(command, capture_output=True, check=True, timeout=60, **options)  # type: ignore[call-overload]


def test_the_stream_gets_everything_unchanged_and_lines_are_kept() -> None:
    with teed_streams() as kept:
        print("loss", 0.5)
        print("warned", file=sys.stderr)
        sys.stdout.writelines(["a\n", "b", "c\n"])
        assert sys.stdout.getvalue() == "loss 0.5\na\nbc\n"
        assert sys.stderr.getvalue() == "warned\n"
    assert b"".join(kept) == b"loss 0.5\nwarned\na\nbc\n"
    assert all(line.endswith(b"\n") for line in kept)


@given(st.lists(st.text(st.characters(exclude_characters="\r"), max_size=20), max_size=10))
def test_what_is_kept_is_what_was_printed(texts: list[str]) -> None:
    assert after(*texts) == "".join(texts).encode("utf-8", "backslashreplace").decode()


@given(st.text("ab\r\n ", max_size=40), st.data())
def test_it_does_not_matter_in_which_pieces_a_text_was_written(
    text: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(text)))
    assert after(text) == after(text[:cut], text[cut:]) == after(*text)


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["\r  0%", "\r 50%", "\r100%", "\n"], "100%\n"),
        (["  0%\r", " 50%\r", "100%\r", "\n"], "100%\n"),
        (["\r 50%", "\r     \r", "done\n"], "done\n"),
        (["one\r\n", "two\r\n"], "one\ntwo\n"),
        (["\r 10%", "\r 20%"], " 20%"),
    ],
)
def test_of_a_progress_bar_only_the_last_state_is_kept(texts: list[str], kept: str) -> None:
    assert after(*texts) == kept


def test_a_bar_that_never_ends_does_not_fill_the_memory() -> None:
    tee, _, kept, keeper = tee_on(io.StringIO())
    for step in range(20_000):
        tee.write(f"\r{step:090}")
    keeper.flush_rest()
    assert b"".join(kept) == f"{19_999:090}".encode()


def test_a_line_without_end_is_handed_over_at_last() -> None:
    tee, _, kept, keeper = tee_on(io.StringIO())
    word = "a1b2c3d " * 1000
    for _ in range(100):
        tee.write(word)
    assert sum(map(len, kept)) > 100 * len(word) - 3 * (64 << 10)
    assert all(piece.endswith(b" ") for piece in kept)
    keeper.flush_rest()
    assert b"".join(kept).decode() == word * 100


def test_secrets_are_masked_before_they_are_kept_and_only_there() -> None:
    token = "ghp_" + "aB3" * 12
    text = f"using {token}\nhttps://me:hunter2@h/\npassword='x'\n"
    assert after(text[:10], text[10:]) == f"using {MASK}\nhttps://me:{MASK}@h/\npassword='{MASK}'\n"
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nend\n"
    assert "MIIEow" not in after(*key.splitlines(keepends=True))
    assert after(key).endswith("\nend\n")


def test_lone_surrogates_are_escaped() -> None:
    assert after("caf\udce9\n") == "caf\\udce9\n"


def test_after_the_limit_one_line_says_that_it_was_cut() -> None:
    kept: list[bytes] = []
    tee = Tee(io.StringIO(), Keeper(kept.append, fail, limit_bytes=100))
    for _ in range(50):
        tee.write("twenty bytes of text\n"[-20:])
    assert kept[:-1] == [b"wenty bytes of text\n"] * 5
    assert kept[-1] == b"[samebit: the console was cut here, after 100 bytes]\n"


def test_our_failure_is_told_once_and_never_to_the_script() -> None:
    problems: list[Exception] = []

    def broken(data: bytes) -> None:
        raise OSError(28, "no space left on device")

    def told(error: Exception) -> None:
        problems.append(error)
        raise RuntimeError("and this fails too")

    keeper = Keeper(broken, told)
    stream = io.StringIO()
    tee = Tee(stream, keeper)
    for _ in range(3):
        assert tee.write("a\n") == 2
    keeper.flush_rest()
    assert stream.getvalue() == "a\na\na\n"
    assert [type(problem) for problem in problems] == [OSError]


def test_an_error_of_the_real_stream_is_the_script_s() -> None:
    tee, stream, kept, keeper = tee_on(io.StringIO())
    with pytest.raises(TypeError):
        tee.write(5)  # type: ignore[arg-type]
    stream.close()
    with pytest.raises(ValueError, match="closed file"):
        tee.write("a\n")
    keeper.flush_rest()
    assert kept == []
    assert tee.closed


def test_for_everything_else_the_tee_is_the_stream(tmp_path: Path) -> None:
    stream = open(tmp_path / "out", "w+", encoding="latin-1", errors="replace")  # noqa: SIM115
    tee = Tee(stream, Keeper(lambda data: None, fail))
    for name in ("encoding", "errors", "buffer", "name", "mode", "line_buffering", "newlines"):
        assert getattr(tee, name) == getattr(stream, name)
    assert tee.fileno() == stream.fileno()
    assert not tee.isatty()
    assert tee.writable()
    assert isinstance(tee, io.TextIOWrapper)
    tee.reconfigure(line_buffering=True)
    assert stream.line_buffering
    tee.write("one\ntwo\n")
    assert (tmp_path / "out").read_text() == "one\ntwo\n"
    tee.seek(0)
    assert next(tee) == "one\n"
    assert list(tee) == ["two\n"]
    subprocess.run([sys.executable, "-c", "print('from a child')"], stdout=tee, check=True)
    assert "from a child" in (tmp_path / "out").read_text()
    for make in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            make(tee)
    with tee as entered:
        assert entered is tee
    assert stream.closed
    with pytest.raises(AttributeError):
        _ = tee.nothing


def test_a_collected_tee_does_not_close_the_stream() -> None:
    stream = io.StringIO()
    tee = Tee(stream, Keeper(lambda data: None, fail))
    del tee
    assert not stream.closed


def test_removing_puts_back_only_what_is_still_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err, other = io.StringIO(), io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    kept: list[bytes] = []
    installed = install(kept.append, fail)
    tee = sys.stderr
    monkeypatch.setattr(sys, "stderr", other)
    print("half", end="")
    installed.remove()
    print("not kept")
    print("nor this", file=tee)
    assert (sys.stdout, sys.stderr) == (out, other)
    assert kept == [b"half"]
    assert out.getvalue() == "halfnot kept\n"
    assert err.getvalue() == "nor this\n"


def test_a_process_without_streams_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    installed = install(fail, fail)  # type: ignore[arg-type]
    assert isinstance(installed, Installed)
    print("nowhere")
    installed.remove()
    assert sys.stdout is None


def test_lines_of_many_threads_come_whole_and_none_is_lost() -> None:
    def work(name: int) -> None:
        for number in range(2000):
            sys.stdout.write(f"{name} {number}\n")

    with teed_streams() as kept:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = b"".join(kept).decode().splitlines()
    assert sorted(lines) == sorted(f"{n} {m}" for n in range(8) for m in range(2000))


def test_nobody_waits_for_a_slow_writer() -> None:
    entered, let_go = threading.Event(), threading.Event()
    kept: list[bytes] = []

    def slow(data: bytes) -> None:
        kept.append(data)
        entered.set()
        assert let_go.wait(60)

    tee = Tee(io.StringIO(), Keeper(slow, fail))
    first = threading.Thread(target=tee.write, args=("first\n",))
    first.start()
    assert entered.wait(60)
    tee.write("second\n")  # would hang here
    assert kept == [b"first\n"]
    let_go.set()
    first.join()
    assert kept == [b"first\n", b"second\n"]


def test_what_is_printed_while_a_line_is_handed_over_waits_its_turn() -> None:
    kept: list[bytes] = []

    def write(data: bytes) -> None:
        if data == b"first\n":
            tee.write("second\n")  # as a signal handler or a finalizer would
        kept.append(data)

    tee = Tee(io.StringIO(), Keeper(write, fail))
    tee.write("first\n")
    assert kept == [b"first\n", b"second\n"]


def test_a_signal_handler_may_print_at_any_moment(tmp_path: Path) -> None:
    code = """
import signal
handled = 0
def handler(*_):
    global handled
    handled += 1
    sys.stderr.write(f"handler {handled}\\n")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
number = 0
while handled < 500:
    sys.stdout.write(f"line {number}\\n")
    number += 1
signal.setitimer(signal.ITIMER_REAL, 0)
installed.remove()
"""
    done = run(code, tmp_path)
    kept = (tmp_path / "kept").read_bytes().splitlines()
    assert [line for line in kept if line[:1] == b"l"] == done.stdout.splitlines()
    # The next signal may come between a handler's line on the stream and the same line with us,
    # so two of them can change places; none is lost, doubled or cut.
    assert sorted(line for line in kept if line[:1] == b"h") == sorted(done.stderr.splitlines())
    assert len(kept) == len(done.stdout.splitlines()) + len(done.stderr.splitlines())


def test_after_an_interrupt_the_lines_go_on(tmp_path: Path) -> None:
    code = """
import signal
signal.signal(signal.SIGALRM, signal.default_int_handler)
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0003)
        while True:
            sys.stdout.write("x\\n")
    except KeyboardInterrupt:
        pass
print("the end")
installed.remove()
"""
    run(code, tmp_path)
    assert (tmp_path / "kept").read_bytes().endswith(b"x\nthe end\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_goes_on_though_another_thread_held_the_lock(tmp_path: Path) -> None:
    code = """
import threading, warnings
warnings.simplefilter("ignore")
in_write, go_on = threading.Event(), threading.Event()
real_write = installed._keeper._write
def slow(data):
    real_write(data)
    if b"thread" in data:
        in_write.set()
        go_on.wait(60)
installed._keeper._write = slow
thread = threading.Thread(target=print, args=("thread",))
thread.start()
in_write.wait(60)
print("waits in the parent")
print("unfinished", end="")
sys.stdout.flush()
child = os.fork()
if child == 0:
    print("child")
    installed.flush_rest()
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
go_on.set()
thread.join()
print(" and finished")
installed.remove()
"""
    run(code, tmp_path)
    assert (tmp_path / "kept").read_text().splitlines() == [
        "thread",
        "child",
        "waits in the parent",
        "unfinished and finished",
    ]


def test_a_traceback_is_kept_too(tmp_path: Path) -> None:
    code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    sys.excepthook(*sys.exc_info())\n"
    done = run(code, tmp_path)
    assert b"ZeroDivisionError" in done.stderr
    assert (tmp_path / "kept").read_bytes() == done.stderr


def talk(command: list[str], answers: list[tuple[bytes, bytes]]) -> bytes:
    """Run a program on a real terminal, answering each prompt; returns all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.environ["PYTHONUNBUFFERED"] = ""
        os.execv(command[0], command)
    shown = b""
    seen = 0
    waiting = list(answers)
    ends = time.monotonic() + 60
    try:
        while time.monotonic() < ends:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                piece = b""
            if not piece:
                break
            shown += piece
            while waiting and waiting[0][0] in shown[seen:]:
                prompt, answer = waiting.pop(0)
                seen = shown.index(prompt, seen) + len(prompt)
                os.write(terminal, answer)
        else:
            os.kill(pid, signal.SIGKILL)
            pytest.fail(f"the program hangs; it showed {shown!r}")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    assert not waiting, shown
    return shown


def with_and_without_tee(
    code: str, folder: Path, answers: list[tuple[bytes, bytes]]
) -> tuple[bytes, bytes]:
    """What a terminal shows of a script without the tee and with it."""
    script = folder / "script.py"
    shown: list[bytes] = []
    for beginning in ("\n" * INSTALL.count("\n"), INSTALL):
        script.write_text(beginning + code)
        shown.append(talk([sys.executable, str(script), str(folder / "kept")], answers))
    return shown[0], shown[1]


def test_input_keeps_its_line_editing_on_a_terminal(tmp_path: Path) -> None:
    code = (
        "import readline, sys\n"
        "answer = input('name? ')\n"
        "print(f'got <{answer}> tty={sys.stdout.isatty()}')\n"
    )
    # Ctrl-A goes to the beginning of the line, if readline is at work.
    plain, teed = with_and_without_tee(code, tmp_path, [(b"name? ", b"world\x01hello \n")])
    assert b"got <hello world> tty=True" in plain
    assert teed == plain
    assert (tmp_path / "kept").read_text() == "got <hello world> tty=True\n"


def test_pdb_works_on_a_terminal(tmp_path: Path) -> None:
    code = "def train():\n    loss = 41\n    breakpoint()\n    print('went on', loss)\ntrain()\n"
    prompt = b"(Pdb) "
    answers = [(prompt, b"p loss + 1\n"), (prompt, b"n\n"), (prompt, b"c\n")]
    plain, teed = with_and_without_tee(code, tmp_path, answers)
    assert b"42" in plain
    assert b"went on 41" in plain
    assert teed == plain
    assert "42\n" in (tmp_path / "kept").read_text()


class Writes(io.StringIO):
    """A stream that remembers each call of write."""

    def __init__(self) -> None:
        super().__init__(newline="")
        self.calls: list[str] = []

    def write(self, text: str) -> int:
        self.calls.append(text)
        return super().write(text)


@pytest.mark.parametrize(
    ("before", "ours"),
    [
        (["a line", "\n"], "ours\n"),
        (["half a line"], "\nours\n"),
        (["one\n", "half"], "\nours\n"),
        (["one\n", ""], "ours\n"),
        (["half", ""], "\nours\n"),
        (["\r 10%|#   "], "\nours\n"),
        ([], "ours\n"),
    ],
)
def test_a_line_of_ours_comes_whole_and_never_inside_one_of_the_script(
    monkeypatch: pytest.MonkeyPatch, before: list[str], ours: str
) -> None:
    stream = Writes()
    monkeypatch.setattr(sys, "stderr", Tee(stream, Keeper(lambda data: None, fail)))
    for text in before:
        sys.stderr.write(text)
    say("ours")
    assert stream.calls == [*before, ours]


@pytest.mark.parametrize("stream", ["none", "closed", "odd"])
def test_a_line_that_nobody_can_read_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", {"none": None, "closed": closed, "odd": 3}[stream])
    say("ours")
