"""The door of the command line: finds the command, loads it alone, turns errors into exit codes."""

import errno
import os
import sys

__all__ = ["COMMANDS", "main"]

# name: module, what it does. A module has `<name>_arguments(parser)` and `<name>(options) -> int`.
COMMANDS = {
    "run": ("samebit.cli.running", "run a script and record everything about it"),
    "seeds": ("samebit.cli.seeding", "one script with many seeds; what they came to"),
    "sweep": ("samebit.cli.searching", "one script with many settings, searched; what was found"),
    "versus": ("samebit.cli.versus", "two groups of runs: which is better, in plain words"),
    "doctor": ("samebit.cli.doctoring", "what a script's record would lack, before the long run"),
    "ls": ("samebit.cli.listing", "list runs; filter and sort them"),
    "show": ("samebit.cli.showing", "everything that is recorded about a run"),
    "verify": ("samebit.cli.verifying", "run a recorded run again and compare every bit"),
    "env": ("samebit.cli.environments", "list and remove the environments of replays"),
    "certificate": ("samebit.cli.certifying", "state and sign a verdict for others; check one"),
    "release": ("samebit.cli.releasing", "runs as a bundle that a stranger can use; test one"),
    "diff": ("samebit.cli.comparing", "what differs between two runs"),
    "metrics": ("samebit.cli.listing", "the metrics of a run"),
    "media": ("samebit.cli.media", "pictures, tables, sound that a run logged: list, export"),
    "import": ("samebit.cli.imports", "runs that TensorBoard, wandb or MLflow recorded"),
    "export": ("samebit.cli.exporting", "everything of runs as tables, or as event files"),
    "table": ("samebit.cli.tabling", "tables for papers: settings, results, searches, compute"),
    "paper": ("samebit.cli.papers", "a paper's numbers from its runs: set up, check, build, log"),
    "checklist": ("samebit.cli.checklisting", "a reproducibility checklist, filled with evidence"),
    "state": ("samebit.cli.states", "list, show, compare, export and let go of states"),
    "split": ("samebit.cli.splitting", "show, export and use the splits of runs"),
    "identify": ("samebit.cli.identifying", "the identity of a model in a file; compare two"),
    "fingerprint": ("samebit.cli.fingerprinting", "the name of data by its content"),
    "data": ("samebit.cli.versions", "versions of data: add, list, compare, lay out, let go of"),
    "remote": ("samebit.cli.remotes", "places elsewhere that hold the same objects and runs"),
    "push": ("samebit.cli.pushing", "send runs and data to a remote"),
    "pull": ("samebit.cli.pulling", "get runs and data from a remote"),
    "sync": ("samebit.cli.pulling", "pull and push everything"),
    "clone": ("samebit.cli.pulling", "a new folder with everything of a remote"),
    "publish": ("samebit.cli.publishing", "runs as a page that others read by a link"),
    "ui": ("samebit.cli.looking", "the page: runs, curves, differences, in a browser"),
    "lineage": ("samebit.cli.lineage", "which run made a file or state, and what came of it"),
    "check": ("samebit.cli.checking", "read every stored byte and every journal"),
    "repair": ("samebit.cli.repairing", "heal what is damaged from another store"),
    "du": ("samebit.cli.usage", "who uses the space, and what was saved"),
    "gc": ("samebit.cli.sweeping", "remove what no run names any more"),
    "tags": ("samebit.cli.tagging", "list or remove the git tags of runs"),
    "schema": ("samebit.cli.describing", "the shape of what a command prints with --json"),
    "demo": ("samebit.cli.demonstrating", "record, verify and compare a small training"),
}

_SENDING = frozenset({"push", "pull", "sync", "clone", "remote"})  # which send themselves
# A full, read-only or broken disk, and what this user may not do: nothing to report to us.
_OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and give its exit code; never lets a traceback of ours out."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us, as in `samebit run a.py 2>&-`
            # Ours alone, and open as long as we live: a child does not inherit it.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0 if words else 2
    if words[0] in ("-V", "--version", "version"):
        from samebit import __version__  # noqa: PLC0415  (each command loads only what it needs)

        sys.stdout.write(f"samebit {__version__}\n")
        return 0
    if words[0] not in COMMANDS:
        _say(f"samebit: there is no command {words[0]!r}\n{_nearest(words[0])}")
        return 2
    return _call(words[0], words[1:])


def _call(name: str, words: list[str]) -> int:
    import importlib  # noqa: PLC0415

    from samebit.cli.parsing import Parser  # noqa: PLC0415
    from samebit.errors import SamebitError  # noqa: PLC0415

    module = importlib.import_module(COMMANDS[name][0])
    parser = Parser(
        prog=f"samebit {name}",
        description=COMMANDS[name][1][0].upper() + COMMANDS[name][1][1:] + ".",
        allow_abbrev=False,
    )
    getattr(module, f"{name}_arguments")(parser)
    function = f"{name}_" if name == "import" else name  # a word that Python keeps for itself
    try:
        code = int(getattr(module, function)(parser.parse_args(words)))
        _catch_up(name)
        return code
    except SamebitError as error:
        sys.stdout.flush()
        _say(f"samebit: {error}")
        return int(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): not an error, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("\nsamebit: stopped\n")
        return 130
    except Exception as error:
        if os.environ.get("SAMEBIT_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            where = f"\n  path: {error.filename}" if error.filename else ""
            _say(f"samebit: the system refuses it: {error.strerror}{where}")
            return 1
        _say(
            f"samebit: a fault of ours: {type(error).__name__}: {error}\n"
            "hint: SAMEBIT_DEBUG=1 shows where it came from; please report it"
        )
        return 1


def _say(error: str) -> None:
    """Its lines are ours, but a stranger's text may be in them."""
    from samebit.cli.words import Screen, say_wrapped  # noqa: PLC0415

    say_wrapped(Screen.of(sys.stderr), error.split("\n"))


def _catch_up(name: str) -> None:
    """Have sent what runs that are pushed by themselves have left behind."""
    if name in _SENDING:
        return
    from pathlib import Path  # noqa: PLC0415

    from samebit import places  # noqa: PLC0415

    try:
        here = Path.cwd()
        is_wanted = (places.choose_store(here) / "unpushed").is_dir()
    except OSError:
        return  # the command has done what it was asked for
    if is_wanted:
        from samebit.launch import sending  # noqa: PLC0415  (seldom needed)

        sending.catch_up(here)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return (
        "usage: samebit COMMAND …\n\n"
        "Records a training run, runs it again, and says whether the bits are the same.\n\n"
        + "\n".join(lines)
        + "\n\nRUN is an id, a name, any beginning of an id, @last, or @last-1.\n"
        "`samebit COMMAND --help` tells the options.\n"
        "Exit codes: 0 done or identical, 1 our fault, 2 usage, 3 close, 4 compatible,\n"
        "5 different, 6 unknown, 7 not found or damaged, 125 could not start.\n"
    )


def _nearest(word: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(word, COMMANDS, n=1)
    known = ", ".join(COMMANDS)
    return f"hint: did you mean {near[0]!r}?" if near else f"hint: the commands are {known}"


if __name__ == "__main__":
    sys.exit(main())
