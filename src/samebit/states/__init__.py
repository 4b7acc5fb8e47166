"""A nested state as a skeleton and named leaves, and back; saved leaf by leaf, never pickled."""
