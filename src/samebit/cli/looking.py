"""`samebit ui`: the page, on this machine."""

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from samebit import places
from samebit.cli.words import Screen
from samebit.errors import Exit, UsageError
from samebit.journal.traced import load_numpy_when_it_pays
from samebit.remotes import named

__all__ = ["ui", "ui_arguments"]

_LARGEST_PORT = 65_535


def ui_arguments(parser: argparse.ArgumentParser) -> None:
    """What ui takes."""
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="default: a free one")
    parser.add_argument("--no-open", action="store_true", help="print the link, open no browser")
    parser.add_argument("--edit", action="store_true", help="names, tags and notes may be written")
    parser.add_argument("--remote", metavar="NAME", help="the runs that lie there")
    parser.add_argument("--host", metavar="ADDRESS", help="127.0.0.1 alone; others: ssh -L")


def _port(text: str) -> int:
    if text.isdecimal() and 0 <= int(text) <= _LARGEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number up to {_LARGEST_PORT}, not {text!r}")


def ui(options: argparse.Namespace) -> int:
    """Answer the page until Ctrl-C."""
    if options.host is not None and not _is_loopback(options.host):
        raise UsageError(
            f"the page is for this machine alone, not for {options.host!r}",
            hint="on your own machine: ssh -L PORT:127.0.0.1:PORT THIS_MACHINE, with --port PORT "
            "here; `samebit publish` makes a page for others",
        )
    store = places.find_store(Path.cwd())
    if options.remote is not None:
        named.choose(store, options.remote)
    # What these load takes a while, and all that may be wrong has been said.
    from samebit.cli.telling import given  # noqa: PLC0415
    from samebit.server.serving import serve  # noqa: PLC0415

    screen = Screen.of(sys.stdout)

    def ready(link: str, once: str) -> None:
        screen.say(link)
        sys.stdout.flush()
        if screen.width is not None:
            screen.say(screen.paint.dim("the link is good until Ctrl-C stops this"))
            if not options.no_open and _has_display():
                import webbrowser  # noqa: PLC0415  (seldom needed)

                webbrowser.open(once)  # every user can read what a browser was started with

    try:
        load_numpy_when_it_pays()
        shown = given(store, remote=options.remote or "", may_edit=bool(options.edit))
        serve(shown, options.port, ready)
    except KeyboardInterrupt:
        if screen.width is not None:
            screen.say()
    return int(Exit.DONE)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_display() -> bool:
    is_remote = bool(os.environ.get("SSH_CONNECTION"))
    has_screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return has_screen and not is_remote
