"""Student's t, F and the normal distribution, against arbitrary precision and against scipy."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy

from samebit.errors import UsageError
from samebit.stats.distributions import (
    f_cdf,
    f_quantile,
    f_sf,
    normal_cdf,
    normal_quantile,
    normal_sf,
    t_cdf,
    t_quantile,
    t_sf,
)

# Of hypergeometric series with 60 digits. scipy itself is off by up to 3e-11 here and there.
T_TAILS = [
    (0.001, 1, 0.49968169021991944),
    (12.7, 1, 0.02501216384467208),
    (1e8, 1, 3.1830988618379066e-9),
    (2.5, 0.3, 0.26444271960917246),
    (3.75, 2.5, 0.022510203946744291),
    (2.776, 4, 0.025011389159988206),
    (1e5, 4, 2.999999998e-20),
    (2.4003967926, 7.7199, 0.022115870054369025),
    (40.0, 30, 6.8630225972032014e-28),
    (30.0, 1e4, 1.0221635237127853e-189),
    (1.96, 1e6, 0.024998033792634895),
    (36.0, 1e6, 6.3669955601995134e-284),
]
F_PARTS = [
    (26.7931034482, 2, 6, 0.99897902165583496, 0.0010209783441650351),
    (0.05, 1, 1, 0.14004869609310203, 0.85995130390689797),
    (1e6, 1, 3, 0.99999999779469236, 2.2053076425765927e-9),
    (0.9677, 1e6, 30, 0.41534335376779195, 0.58465664623220805),
    (3.5, 0.3, 2.5, 0.86492801498519322, 0.13507198501480678),
    (1.01, 1e6, 1e6, 0.99999967402092627, 3.2597907372698106e-7),
    (50.0, 5, 1e4, 1.0, 2.4642166584036413e-51),
    (58.0, 56, 1e3, 1.0, 8.4204109684970747e-273),
    (0.0001, 9, 4.5, 1.7265374075327384e-16, 0.99999999999999983),
]
T_QUANTILES = [
    (0.975, 4, 2.7764451051977935),
    (0.975, 1, 12.706204736174693),
    (0.975, 1e6, 1.9599663568141067),
    (0.501, 4, 0.0026666706172941368),
    (0.9995, 2.5, 18.277893528131458),
    (0.75, 0.3, 3.0273369408647997),
]

freedoms = st.sampled_from([0.5, 1, 2, 3, 4.5, 7.7199, 30, 1e3, 1e6]) | st.floats(0.5, 1e5)
chances = st.floats(1e-12, 1 - 1e-12)


@pytest.mark.parametrize(("t", "freedom", "tail"), T_TAILS)
def test_tails_of_t_have_twelve_digits(t: float, freedom: float, tail: float) -> None:
    assert t_sf(t, freedom) == pytest.approx(tail, rel=1e-12, abs=0)
    assert t_cdf(-t, freedom) == t_sf(t, freedom)
    assert t_cdf(t, freedom) == pytest.approx(1 - tail, rel=1e-12, abs=0)


@pytest.mark.parametrize(("f", "above", "below", "cdf", "sf"), F_PARTS)
def test_both_tails_of_f_have_twelve_digits(
    f: float, above: float, below: float, cdf: float, sf: float
) -> None:
    assert f_cdf(f, above, below) == pytest.approx(cdf, rel=1e-12, abs=0)
    assert f_sf(f, above, below) == pytest.approx(sf, rel=1e-12, abs=0)


@pytest.mark.parametrize(("p", "freedom", "t"), T_QUANTILES)
def test_quantiles_of_t_have_twelve_digits(p: float, freedom: float, t: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(t, rel=1e-12, abs=0)


def test_quantiles_next_to_the_middle_keep_their_digits() -> None:
    for off in (2**-10, 2**-30, 2**-50):
        assert t_quantile(0.5 + off, 1) == pytest.approx(math.tan(math.pi * off), rel=1e-12, abs=0)


# Nearer to 0 scipy gives a half, and is off by up to 3e-9.
@given(st.floats(1e-3, 1e4), freedoms)
def test_t_is_that_of_scipy(t: float, freedom: float) -> None:
    assert t_sf(t, freedom) == pytest.approx(scipy.t.sf(t, freedom), rel=1e-10, abs=1e-290)


# Of tails below 1e-270 scipy has six digits, or nothing: 5e-282 of F(1e6, 30) at 0.021 is 0 to it.
@given(st.floats(1e-3, 1e3), freedoms, freedoms)
def test_f_is_that_of_scipy(f: float, above: float, below: float) -> None:
    for ours, theirs in ((f_sf, scipy.f.sf), (f_cdf, scipy.f.cdf)):
        assert ours(f, above, below) == pytest.approx(theirs(f, above, below), rel=1e-9, abs=1e-250)


@given(chances, freedoms)
def test_a_quantile_of_t_has_its_probability_below_it(p: float, freedom: float) -> None:
    t = t_quantile(p, freedom)
    assert t_cdf(t, freedom) == pytest.approx(p, rel=1e-11, abs=0)
    assert t_quantile(1 - p, freedom) == pytest.approx(-t, rel=1e-3, abs=1e-9)


@given(chances, freedoms, freedoms)
def test_a_quantile_of_f_has_its_probability_below_it(p: float, above: float, below: float) -> None:
    assume(min(above, below) >= 1 or 1e-4 < p < 1 - 1e-4)
    f = f_quantile(p, above, below)
    assert f_cdf(f, above, below) == pytest.approx(p, rel=1e-11, abs=0)


@given(st.floats(-37, 37))
def test_the_normal_distribution_is_that_of_scipy_out_to_its_tails(z: float) -> None:
    assert normal_sf(z) == pytest.approx(scipy.norm.sf(z), rel=1e-12, abs=0)
    assert normal_cdf(z) == pytest.approx(scipy.norm.cdf(z), rel=1e-12, abs=0)


@given(st.floats(1e-300, 0.5) | chances)
def test_quantiles_of_the_normal_distribution_are_those_of_scipy(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(scipy.norm.ppf(p), rel=1e-12, abs=1e-15)


def test_infinities_have_all_or_nothing_beyond_them() -> None:
    assert (t_sf(math.inf, 3), t_sf(-math.inf, 3), t_sf(0, 3)) == (0, 1, 0.5)
    assert (f_sf(math.inf, 3, 4), f_sf(0, 3, 4), f_cdf(-1, 3, 4)) == (0, 1, 0)
    assert t_quantile(0.5, 3) == 0


@pytest.mark.parametrize("p", [0, 1, -0.1, 95, math.nan])
def test_what_is_no_probability_is_refused(p: float) -> None:
    for quantile in (normal_quantile, lambda p: t_quantile(p, 3), lambda p: f_quantile(p, 3, 3)):
        with pytest.raises(UsageError, match="between 0 and 1"):
            quantile(p)


@pytest.mark.parametrize("freedom", [0, -1, math.inf, math.nan])
def test_what_are_no_degrees_of_freedom_is_refused(freedom: float) -> None:
    with pytest.raises(UsageError, match="degrees of freedom"):
        t_sf(1, freedom)
    with pytest.raises(UsageError, match="degrees of freedom"):
        f_sf(1, 2, freedom)


def test_a_quantile_that_no_float_holds_is_refused() -> None:
    with pytest.raises(UsageError, match="too large"):
        t_quantile(1e-200, 0.5)
