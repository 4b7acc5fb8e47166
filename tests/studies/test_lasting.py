"""How long a study goes on, and what its trials come to, without counting each at every look."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from samebit.studies.fates import Fate, Fates
from samebit.studies.lasting import Covered, covered, time_left
from samebit.studies.trials import Trial

SECONDS = st.integers(0, 9).map(float)


@given(SECONDS, st.lists(SECONDS, max_size=4), st.integers(0, 20), st.integers(0, 3))
def test_each_waiting_run_goes_to_whichever_place_is_free_first(
    each: float, running: list[float], waiting: int, free: int
) -> None:
    slots = [0.0] * free + [max(0.0, each - seconds) for seconds in running]
    for _ in range(waiting if slots else 0):
        slots.sort()
        slots[0] += each
    assert time_left(each, running, waiting, free) == max(slots, default=None)
    assert time_left(None, running, waiting, free) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["running", "failed"]), st.none() | SECONDS)
    )
)
def test_what_trials_come_to_is_kept_up(told: list[tuple[int, str, float | None]]) -> None:
    found = Fates()
    for number, state, seconds in told:
        found[number] = Fate(Trial(number, {}), state, seconds=seconds)
    took = [one.seconds for one in found.values() if one.seconds is not None]
    assert +found.counts == Counter(one.state for one in found.values())
    assert found.mean_seconds == (sum(took) / len(took) if took else None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.booleans()), max_size=12))
def test_the_time_in_which_any_run_went_on_is_kept_up(runs: list[tuple[int, int, bool]]) -> None:
    """Runs begin one after the other; each is over when it is said to be, in any order."""
    found, now = Covered(), 0
    over, going = list[tuple[float, float]](), list[tuple[int, int]]()
    for later, lasts, is_looked_at in runs:
        now += later
        going.append((now, now + lasts))
        over += (ended := [one for one in going if one[1] <= now])
        found.add(ended)
        going = [one for one in going if one[1] > now]
        if is_looked_at:
            growing = [(begin, now) for begin, _ in going]
            assert found.total(growing) == len({
                at for begin, end in [*over, *growing] for at in range(int(begin), int(end))
            })  # fmt: skip
    assert found.total(going) == covered([*over, *going])
