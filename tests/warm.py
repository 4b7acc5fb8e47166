"""Scripts in forks of a process that has torch already: its start takes two seconds, a fork none.

For a promise that is tried at one fault point after the other, or behind one framework after the
other. A script finds what plain
`python script` gives it: its folder, words, variables and files, a `__main__` of its own, an
interpreter's end. Only what a process has from its start (the order of hashes, the command line
that the system knows) is that of the first. This file is what runs there, too: it
imports nothing of ours, which begins anew in each fork.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

__all__ = ["Warm"]


class Warm:
    """A process with torch, or with other modules, of which each script is a fork; must be closed.

    What these modules read of the environment while they are imported they read of `env`.
    """

    def __init__(
        self,
        folder: Path,
        # The second is what the first optimizer of a process imports.
        modules: Iterable[str] = ("torch", "torch._dynamo"),
        **env: str,
    ) -> None:
        self._out, self._err = folder / "out", folder / "err"
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__, *modules],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *argv: str,
        cwd: Path,
        env: Mapping[str, str],
        ranks: Iterable[Mapping[str, str]] = ({},),
    ) -> subprocess.CompletedProcess[str]:
        """Run a script with these words, as `python` would there, to its end.

        Several `ranks` run at the same time, each with more variables; the exit code is that of
        the first that did not end well.
        """
        assert self._server.stdin
        assert self._server.stdout
        self._out.write_text("")
        self._err.write_text("")
        environs = [{**env, **more} for more in ranks]
        asked = (environs, (argv, str(cwd), str(self._out), str(self._err)))
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        out, err = self._out.read_text(), self._err.read_text()
        return subprocess.CompletedProcess(argv, code, out, err)

    def close(self) -> None:
        """End it."""
        self._server.communicate()


def _serve() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.freeze()  # or each fork goes through all of it at its end, and copies it
    for line in iter(sys.stdin.readline, ""):
        environs, asked = json.loads(line)
        forks: list[int] = []
        for env in environs:
            forks.append(os.fork())
            if forks[-1] == 0:
                return _become(env, *asked)  # and after it the end of an interpreter
        codes = [os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) for fork in forks]
        print(next((code for code in codes if code), 0), flush=True)
    return None


def _become(env: dict[str, str], argv: list[str], cwd: str, out: str, err: str) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate((os.devnull, out, err)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND
        os.dup2(opened := os.open(path, flags), number)
        os.close(opened)
    script = Path(cwd, argv[0])
    sys.argv[:], sys.path[0] = argv, str(script.parent)
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__ = str(script)
    exec(compile(script.read_bytes(), str(script), "exec"), vars(main))


if __name__ == "__main__":
    _serve()
