"""What the course says of x³, ln x and their relatives, in numbers that can be worked out on paper."""

import pytest
import sympy as sp
import torch

from course_lib.theory.approximation import (
    averaging_gap,
    degree,
    gradient_times_input,
    integrated_gradients,
    proportional_functions,
    remainder,
)

x, y, a = sp.symbols("x y a", positive=True)


def test_the_cube_at_8():
    assert (x**3).subs(x, 8) == 512
    assert gradient_times_input(x**3, {x: 0})[x].subs(x, 8) == 1536
    assert remainder(x**3, x) == -2 * x**3 and remainder(x**3, x).subs(x, 8) == 512 - 1536
    assert integrated_gradients(x**3, {x: 0})[x] == x**3


def test_the_logarithm():
    estimate = gradient_times_input(sp.log(x), {x: 0})[x]
    assert estimate == 1
    assert sp.log(8).evalf(4) == pytest.approx(2.079, abs=5e-4)
    assert sp.log(x).subs(x, 1) == 0, "at 1 the value is 0 and the estimate is 1"
    assert sp.sign(sp.log(sp.Rational(1, 2))) == -1, "below 1 the sign is wrong"


def test_the_logarithm_from_a_baseline_where_it_has_a_value():
    assert gradient_times_input(sp.log(x), {x: 1})[x].subs(x, 8) == sp.Rational(7, 8)
    assert integrated_gradients(sp.log(x), {x: 1})[x].subs(x, 8) == sp.log(8)
    from_a = integrated_gradients(sp.log(x), {x: a})[x]
    assert sp.expand_log(sp.simplify(from_a - sp.log(x) + sp.log(a))) == 0
    assert sp.limit(from_a.subs(x, 8), a, 0) == sp.oo, "0 is no baseline for a logarithm"


@pytest.mark.parametrize("f", [sp.log(x), x**3, sp.exp(x), 1 / (1 + sp.exp(-x))])
def test_the_remainder_closes_the_gap_from_any_baseline(f):
    gap = f - f.subs(x, 2) - (x - 2) * sp.diff(f, x) - remainder(f, x, 2)
    assert float(gap.subs(x, 5)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, sp.Rational(1, 2), -1])
def test_proportional_functions_are_powers(k):
    assert sp.simplify((proportional_functions(k) / x**k).diff(x)) == 0


def test_degree():
    assert [degree(f, x, y) for f in (x**3 + x * y**2, x / y, sp.sqrt(x * y))] == [3, 0, 1]
    assert [degree(f, x, y) for f in (x**3 + y, x + y + 1, sp.exp(x))] == [None] * 3
    assert degree(sp.log(x), x) is None


def test_the_order_that_flips():
    f, at = x**3 + y, {x: 1, y: 2}
    assert [share.subs(at) for share in gradient_times_input(f, {x: 0, y: 0}).values()] == [3, 2]
    assert [share.subs(at) for share in integrated_gradients(f, {x: 0, y: 0}).values()] == [1, 2]


def test_a_product_is_given_away_twice():
    assert list(gradient_times_input(x * y, {x: 0, y: 0}).values()) == [x * y, x * y]
    assert list(integrated_gradients(x * y, {x: 0, y: 0}).values()) == [x * y / 2, x * y / 2]


def test_saturation():
    f = 1 - sp.Piecewise((1 - x, x < 1), (0, True))
    assert gradient_times_input(f, {x: 0})[x].subs(x, 2) == 0
    assert integrated_gradients(f, {x: 0})[x].subs(x, 2) == 1 == f.subs(x, 2) - f.subs(x, 0)


def test_averaging_gap_by_hand_and_in_batches():
    A, g = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, 0.0]]])  # HiResCAM 1 + 0, Grad-CAM 0.5 + 1.5
    assert averaging_gap(A, g) == -1
    assert averaging_gap(A, torch.ones(1, 1, 2)) == 0, "a gradient that is the same in each cell loses nothing"
    assert averaging_gap(torch.rand(5, 4, 3, 2), torch.rand(5, 4, 3, 2)).shape == (5,)


def test_the_path_may_start_where_the_variables_change_places():
    found = integrated_gradients(x**2 * y, {x: y, y: x})
    assert sp.simplify(sum(found.values()) - (x**2 * y - y**2 * x)) == 0
