"""A parser of options whose errors are said as all others are."""

import argparse
import sys
from typing import NoReturn

from samebit.cli.words import Screen, say_wrapped
from samebit.errors import Exit

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """Of a command, and of what is below it."""

    def error(self, message: str) -> NoReturn:
        """Say what the usage is and what is wrong, and end with the code of wrong usage."""
        self.print_usage(sys.stderr)
        say_wrapped(Screen.of(sys.stderr), [f"{self.prog}: error: {message}"])
        sys.exit(Exit.USAGE)
