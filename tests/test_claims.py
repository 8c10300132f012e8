"""Claims hold or fail as they say, and every claim is able to fail."""

from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from course_lib.claims import claim

x = sp.Symbol("x", positive=True)
HOLDING: list[tuple[Any, Any]] = [
    (1.5, 1.5),
    (3, 3),
    (3, 3.0),
    (0.0, 0.0),
    (-2.0, -2.0),
    (1e-30, 1e-30),
    (torch.tensor(2.0), 2.0),
    (torch.tensor(2.0, dtype=torch.bfloat16), 2.0),
    (torch.tensor([1.0, -2.0, 0.0], requires_grad=True), np.array([1.0, -2.0, 0.0])),
    (torch.zeros(2, 2), torch.zeros(2, 2)),
    ((1, 2), [1.0, 2.0]),
    ((x + 1) ** 2, x**2 + 2 * x + 1),
    (sp.Integer(0), x - x),
    (sp.log(8), 3 * sp.log(2)),
    (sp.log(8), float(np.log(8))),
    (sp.Integer(512), 512),
    (sp.oo, sp.oo),
    ("tabby", "tabby"),
    (True, True),
    (torch.tensor([True, False]), np.array([True, False])),
]


@pytest.mark.parametrize(("got", "expected"), HOLDING)
def test_equal_values_hold_and_print_one_line(got: Any, expected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    claim("a-name", got, expected)
    printed = capsys.readouterr().out
    assert printed.startswith("claim a-name holds: ") and printed.count("\n") == 1


@pytest.mark.parametrize("value", [1.5, 3, -2.0, 1e-30, torch.tensor([1.0, -2.0, 0.0]), torch.eye(2)])
def test_one_per_cent_makes_a_claim_fail(value: Any) -> None:
    for got, expected in ((1.01 * value, value), (value, 1.01 * value)):
        with pytest.raises(AssertionError, match="Claim a-name fails"):
            claim("a-name", got, expected, rtol=1e-3)


def test_the_sentence_gives_both_values_their_difference_and_the_tolerance() -> None:
    with pytest.raises(AssertionError) as raised:
        claim("cam-sum", 1.0, 1.25, rtol=1e-3, atol=1e-6)
    assert str(raised.value) == (
        "Claim cam-sum fails: 1 is not 1.25 (the largest difference is 0.25, tolerance: rtol 0.001, atol 1e-06)."
    )


@pytest.mark.parametrize(
    ("got", "expected", "tolerance"),
    [
        (1.0, 1.0, {"rtol": 0.02}),
        (1.0, 1.009, {"rtol": 0.0095}),  # one operand moved away, the other moved closer
        (1e-4, 1e-4, {"atol": 1e-3}),
        (torch.full((3,), 0.5), torch.full((3,), 0.5), {"atol": 0.1}),
        (0.0, 0.0, {"atol": 0.1}),
        (0.0, 0.0, {"scale": 1e-6, "atol": 1e-7}),
        (torch.tensor([0.0, 1e-4]), torch.tensor([0.0, 1e-4]), {"atol": 1e-3}),  # an exact zero hides nothing
        (float("inf"), float("inf"), {}),
    ],
)
def test_a_claim_that_one_per_cent_cannot_break_is_refused(
    got: Any, expected: Any, tolerance: dict[str, float]
) -> None:
    with pytest.raises(AssertionError, match="can't fail"):
        claim("loose", got, expected, **tolerance)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (x**2, x**2 + x / 1000),
        ("tabby", "tiger"),
        (True, False),
        (sp.oo, -sp.oo),
        (float("nan"), float("nan")),
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 2.0])),
        (torch.tensor([True, False]), torch.tensor([True, True])),
    ],
)
def test_unequal_values_fail(got: Any, expected: Any) -> None:
    with pytest.raises(AssertionError, match="Claim wrong fails"):
        claim("wrong", got, expected)


@pytest.mark.parametrize(("got", "expected"), [(torch.ones(3), 1.0), (torch.ones(2, 1), torch.ones(2)), (1, "1")])
def test_values_of_two_shapes_or_kinds_are_not_equal(got: Any, expected: Any) -> None:
    with pytest.raises(AssertionError, match="fails"):
        claim("shapes", got, expected)


def test_nothing_claims_nothing() -> None:
    with pytest.raises(AssertionError, match="can't fail: 0 values"):
        claim("empty", torch.zeros(0), torch.zeros(0))


def test_within_a_tolerance_that_can_fail(capsys: pytest.CaptureFixture[str]) -> None:
    claim("close", torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-6]), rtol=1e-5)
    assert capsys.readouterr().out == "claim close holds: 2 values from 1 to 2 = 2 values from 1 to 2 (rtol 1e-05)\n"
