"""Samebit: record a machine-learning run, run it again, and say whether the bits are the same."""

__version__ = "0.1.0.dev0"
