"""The groups of fingerprints that a row of the trace may have (`docs/formats/trace.md`)."""

__all__ = ["FULL_ROWS_ONLY", "GROUPS", "NOT_IN_ALL_ROWS", "OF_DATA"]

# In causal order: the first group that differs in a step names the cause.
GROUPS = (
    "batch",
    "samples",
    "input",
    "rng.torch",
    "rng.cuda",
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
OF_DATA = frozenset({"batch", "input"})  # what the model is given
_CHEAP = {"rng.torch", "rng.cuda", "rng.numpy", "rng.python", "hyper", "loss"}
FULL_ROWS_ONLY = frozenset(GROUPS) - _CHEAP - OF_DATA
# Between two rows that have them lie steps of which nothing is known: Python's generator and, where
# reading it costs too much, what the model is given are no part of every row either.
NOT_IN_ALL_ROWS = FULL_ROWS_ONLY | OF_DATA | {"rng.python"}
