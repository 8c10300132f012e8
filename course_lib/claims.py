"""Claims: what a lesson says in words, checked on live values in the same cell, by a check that is able to fail."""

from typing import Any

import numpy as np
import sympy as sp
from torch import Tensor


def claim(name: str, got: Any, expected: Any, rtol: float = 1e-10, atol: float = 0.0, scale: float = 1.0) -> None:
    """Hold two values against each other, and prove that the check could fail; prints one line.

    Numbers, arrays and tensors of one shape agree where |got - expected| <= atol + rtol |expected|. Then either one is
    moved by one per cent of its size (one that is 0 everywhere by one per cent of `scale`), and the check must fail.
    Sympy expressions, strings and truth values must be exactly equal.

    Raises:
        AssertionError: "Claim cam-sum fails: 1 is not 2 ...", or "Claim cam-sum can't fail: ..."

    >>> claim("cam-sum", 0.1 + 0.2, 0.3)
    claim cam-sum holds: 0.3 = 0.3 (rtol 1e-10)
    """
    left, right = _value(got), _value(expected)
    if isinstance(left, sp.Basic) != isinstance(right, sp.Basic):  # an expression against a number: both as numbers
        left, right = (np.asarray(float(value)) for value in (left, right))
    how = f"rtol {rtol:g}" + (f", atol {atol:g}" if atol else "") if _numeric(left) else "exactly"
    if not _agree(left, right, rtol, atol):
        if _numeric(left) and _numeric(right) and left.shape == right.shape:
            how = f"the largest difference is {np.abs(left - right).max():.6g}, tolerance: {how}"
        raise AssertionError(f"Claim {name} fails: {_text(left)} is not {_text(right)} ({how}).")
    if _agree(_moved(left, scale), right, rtol, atol) or _agree(left, _moved(right, scale), rtol, atol):
        moved = f"{_text(left)} would count as {_text(right)} even if one of them were moved by one per cent"
        raise AssertionError(f"Claim {name} can't fail: {moved}; make the tolerance ({how}) smaller.")
    print(f"claim {name} holds: {_text(left)} = {_text(right)} ({how})")


def _value(operand: Any) -> Any:
    if isinstance(operand, sp.Basic | str):
        return operand
    array = np.asarray(operand.tolist() if isinstance(operand, Tensor) else operand)
    return array.astype(np.float64) if array.dtype.kind in "iuf" else array


def _numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64


def _agree(left: Any, right: Any, rtol: float, atol: float) -> bool:
    if isinstance(left, sp.Expr) and isinstance(right, sp.Expr):
        return bool(left == right or sp.simplify(left - right) == 0)
    if _numeric(left) and _numeric(right):
        return left.shape == right.shape and bool(np.isclose(left, right, rtol, atol).all())
    return np.array_equal(left, right)


def _moved(value: Any, scale: float) -> Any:
    if isinstance(value, sp.Expr) and value.is_infinite is not True:
        return value + (value / 100 if value != 0 else sp.nsimplify(scale) / 100)
    return np.asarray(value + 0.01 * (np.abs(value) if value.any() else scale)) if _numeric(value) else None


def _text(value: Any) -> str:
    if not _numeric(value) or value.ndim == 0:
        return f"{value:.6g}" if _numeric(value) else str(value)
    shape = " x ".join(map(str, value.shape))
    return f"{shape} values" + (f" from {value.min():.6g} to {value.max():.6g}" if value.size else "")
