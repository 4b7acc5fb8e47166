"""A port of this machine on which the page is answered, until somebody stops it."""

import errno
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from samebit.errors import SamebitError
from samebit.server.app import Page
from samebit.server.given import Given
from samebit.server.guard import new_token

__all__ = ["serve"]

_ADDRESS = "127.0.0.1"
_LONGEST_LINE = 300_000  # bytes of a request before its body: it may name ten thousand runs
_GRACE_S = 1  # that answers under way have when it is stopped


class _Server(uvicorn.Server):
    """Ends the streams of events when it is stopped: they would go on for ever."""

    page: Page

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.page.close()
        super().handle_exit(sig, frame)


def serve(given: Given, port: int, ready: Callable[[str, str], None]) -> None:
    """Answer until a signal comes; that one is raised again when all is closed.

    Args:
        given: what is shown.
        port: to listen on; 0 is any that is free.
        ready: called when it can be opened, with the link, and with an address that leads there
            once: for a browser's command line.

    Raises:
        SamebitError: somebody else has the port.
    """
    listening = _listen(port)
    port = listening.getsockname()[1]
    token = new_token()
    page = Page(given, token)
    config = uvicorn.Config(
        page.app,
        log_level="critical",  # what goes wrong is an answer, and a page tells it
        access_log=False,
        server_header=False,
        date_header=False,
        ws="none",
        http="h11",
        h11_max_incomplete_event_size=_LONGEST_LINE,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    server.page = page
    # Connections wait in the socket's queue until the server takes them. What stands behind the #
    # of a link is sent to nobody.
    here = f"http://{_ADDRESS}:{port}"
    ready(f"{here}/#token={token}", here + page.app.once())
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Or a port that was just let go of would be taken for a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((_ADDRESS, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "somebody else has it" if is_taken else str(error)
        hint = "without --port a free one is taken"
        raise SamebitError(f"cannot listen on port {port}: {why}", hint=hint) from error
    return listening
