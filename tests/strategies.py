"""Hypothesis strategies that several rooms share."""

from hypothesis import strategies as st

numbers = st.one_of(
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
metric_rows = st.dictionaries(names, numbers, max_size=6)
plain_values = st.recursive(
    st.one_of(st.none(), numbers),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
