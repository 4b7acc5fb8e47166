"""A paper whose numbers are derived from runs, and derived again to see that they still are."""
