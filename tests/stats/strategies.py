"""Scores as they are reported, with a few decimals, so that ties happen."""

from hypothesis import strategies as st

scores = st.integers(-2_000, 2_000).map(lambda n: n / 1_000)
samples = st.lists(scores, min_size=2, max_size=12)
