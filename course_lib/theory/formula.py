"""A formula with its proof, its check on running code and its counterexamples."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import sympy as sp
import torch

from course_lib.theory.notation import SHAPES

Array = Any
"""An object array of sympy symbols in a proof, a float64 tensor in a check."""
Pairs = list[tuple[Array, Array]]
KINDS = ("definition", "identity", "theorem")
FORMULAS: dict[str, "Formula"] = {}


@dataclass(frozen=True)
class Formula:
    """One formula of the course.

    A definition is what a function of the library implements; an identity holds for all values; a theorem has a
    converse as well, and a counterexample for each condition that is dropped.

    `prove()` gives expressions that simplify to 0, `converse()` likewise; `check()` gives pairs (got, expected) that
    agree to 1e-10; each of `counterexamples` gives a pair that doesn't.
    """

    id: str
    kind: str
    latex: str
    says: str
    source: str
    prove: Callable[[], list[Any]]
    check: Callable[[], Pairs]
    converse: Callable[[], list[Any]] | None = None
    counterexamples: Mapping[str, Callable[[], tuple[Array, Array]]] = field(default_factory=dict)


class Lazy:
    """A module that is imported when it is first used: checks run methods, and methods stand above theory."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def formula(id: str, kind: str, latex: str, says: str, source: str, holds: Callable[..., Pairs], **more: Any) -> None:
    """Enter a formula into the ledger.

    `holds` gives the two sides for arrays that it names (`SHAPES`): with symbols it is the proof, with numbers the
    check, so that both run the same code. `prove` replaces the first where the code needs a tensor; a definition has
    none. Raises ValueError for an unknown kind or an id that is taken.

    >>> formula("demo", "identity", "x + x = 2x", "Twice.", "", lambda x: [(x + x, 2 * x)])
    >>> FORMULAS.pop("demo").prove()
    [0, 0, 0]
    """
    if kind not in KINDS or id in FORMULAS:
        raise ValueError(f"Formula {id!r}: the kind is one of {', '.join(KINDS)}, not {kind!r}; an id is used once.")
    names = list(inspect.signature(holds).parameters)

    def prove() -> list[Any]:
        pairs = [] if kind == "definition" else holds(*map(symbols, names))
        return [sp.simplify(gap) for got, expected in pairs for gap in np.atleast_1d(got - expected).ravel()]

    def check() -> Pairs:
        random = torch.Generator().manual_seed(1)
        return holds(*(torch.randn(SHAPES[name], generator=random, dtype=torch.float64) for name in names))

    FORMULAS[id] = Formula(id, kind, latex, says, source, **{"prove": prove, "check": check, **more})


def symbols(name: str) -> Array:
    """Free real symbols in the shape that `SHAPES` gives the name."""
    shape = SHAPES[name]
    free = [sp.Symbol("_".join(map(str, (name, *place))), real=True) for place in np.ndindex(shape)]
    return np.array(free, dtype=object).reshape(shape) if shape else free[0]


def gradient(score: Callable[[Array], Array], at: Array) -> Array:
    """∂score/∂at, by sympy for symbols and by autograd for tensors.

    >>> gradient(lambda x: (x**3).sum(), torch.tensor([2.0]))
    tensor([12.])
    """
    if isinstance(at, torch.Tensor):
        leaf = at.detach().clone().requires_grad_()
        return torch.autograd.grad(score(leaf), leaf)[0]
    return np.vectorize(lambda one: sp.diff(score(at), one), otypes=[object])(at)


def softmax(logits: Array) -> Array:
    """p_c = exp(S_c) / Σ_j exp(S_j), of tensors or symbols."""
    if isinstance(logits, torch.Tensor):
        return logits.softmax(-1)
    powers = np.vectorize(sp.exp, otypes=[object])(logits)
    return powers / powers.sum()
