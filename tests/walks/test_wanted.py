"""A replay whose script wants something from outside: an answer, a port."""

import socket

import pytest

from tests.projects import SAMEBIT, Project

pytestmark = pytest.mark.slow


ASKS = """
import samebit
run = samebit.init()
for number in range(int(input("how many? "))):
    run.log({"x": number * 2}, number)
"""


def test_what_a_script_asks_can_be_given_and_is_missed_otherwise(project: Project) -> None:
    project.write("a.py", ASKS)
    assert project.run("a.py", stdin="5\n").code == 0
    without = project.call(SAMEBIT, "verify", "@last")
    assert without.code == 6
    assert "verify RUN --stdin" in " ".join(without.out.split())
    project.write("five", "5\n")
    for file in ("five", "-"):
        given = project.call(
            SAMEBIT, "verify", "@last", "--stdin", file, "--json", stdin="5\n" * (file == "-")
        )
        assert given.json["evidence"]["metrics"] == 1
        assert "metrics identical: 1 name, 5 values" in given.json["scope"]
    other = project.call(SAMEBIT, "verify", "@last", "--stdin", "-", stdin="6\n")
    assert (other.code, "x at step 5" in other.out) == (5, True)
    assert project.call(SAMEBIT, "verify", "@last", "--stdin", "nope").code == 2


def test_a_port_that_is_taken_is_said(project: Project) -> None:
    project.write(
        "a.py",
        """
        import socket, sys
        s = socket.socket()
        s.bind(("127.0.0.1", int(sys.argv[1])))
        s.listen()
        """,
    )
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        port = there.getsockname()[1]
    assert project.run("a.py", str(port)).code == 0
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        there.bind(("127.0.0.1", port))
        there.listen()
        ended = project.call(SAMEBIT, "verify", "@last", "--json")
    assert ended.code == 6
    assert "Address already in use" in ended.json["cause"]
    assert "end what holds it" in ended.json["remedies"][0]
