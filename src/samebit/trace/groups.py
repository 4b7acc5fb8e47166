"""The groups of fingerprints that a row of the trace may have (`docs/formats/trace.md`)."""

__all__ = ["FULL_ROWS_ONLY", "GROUPS", "NOT_IN_ALL_ROWS"]

# In causal order: the first group that differs in a step names the cause.
GROUPS = (
    "batch",
    "samples",
    "input",
    "rng.torch",
    "rng.numpy",
    "rng.python",
    "hyper",
    "entering",
    "output",
    "loss",
    "grad.local",
    "grad.raw",
    "grad",
    "param",
    "state",
    "buffers",
)
_CHEAP = {"batch", "input", "rng.torch", "rng.numpy", "rng.python", "hyper", "loss"}
FULL_ROWS_ONLY = frozenset(GROUPS) - _CHEAP
# Between two rows that have them lie steps of which nothing is known: Python's generator and, where
# reading it costs too much, what the model is given are no part of every row either.
NOT_IN_ALL_ROWS = FULL_ROWS_ONLY | {"batch", "input", "rng.python"}
