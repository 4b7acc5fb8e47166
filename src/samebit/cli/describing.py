"""`samebit schema`: the shape of what a command prints with `--json`, as JSON Schema."""

import argparse
import json

from samebit.cli.schemas.making import OUTPUTS, make_schema
from samebit.cli.words import write_data
from samebit.errors import Exit
from samebit.query.tabular.shapes import SHAPES

__all__ = ["schema", "schema_arguments"]


def schema_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which command."""
    parser.add_argument(
        "command", metavar="COMMAND", nargs="*", help="`ls`, `state show`; without one, a list"
    )


def schema(options: argparse.Namespace) -> int:
    """Print it; without a command the names of those that have one."""
    if not options.command:
        names = [*OUTPUTS, *(f"export {table}" for table in SHAPES)]
        write_data("".join(f"{name}\n" for name in names))
        return Exit.DONE
    found = make_schema(" ".join(options.command))
    write_data(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return Exit.DONE
