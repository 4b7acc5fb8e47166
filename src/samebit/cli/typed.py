"""What the text of an option means: a seed, an amount of memory."""

import argparse
import re

from samebit.capture import randomness
from samebit.errors import UsageError

__all__ = ["memory", "seed"]

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMGT])i?B?", re.IGNORECASE)


def seed(text: str) -> int:
    """A seed as an option has it; argparse says why one is none."""
    try:
        return randomness.check_seed(int(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number, not {text!r}") from None
    except UsageError as error:
        raise argparse.ArgumentTypeError(error.what) from None


def memory(text: str) -> int:
    """An amount of memory in bytes, from `512M` or `4G`: powers of 1024, as batch systems count."""
    found = _MEMORY.fullmatch(text)
    if found is None or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"an amount as in 512M or 4G, not {text!r}")
    return int(float(found[1]) * 1024 ** ("KMGT".index(found[2].upper()) + 1))
