"""Every formula of the ledger is proved, holds on running code, and a wrong one would be found."""

import ast
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import matplotlib.mathtext
import numpy as np
import pytest
import sympy as sp
import torch

from course_lib.theory import formula as mechanism
from course_lib.theory.formula import KINDS, Formula, formula, gradient, softmax, symbols
from course_lib.theory.ledger import FORMULAS, LESSONS, NOTATION, SYMBOLS

every = pytest.mark.parametrize("one", FORMULAS.values(), ids=list(FORMULAS))


def agree(pair, rtol=1e-10):
    """The two sides are the same finite numbers, and not all 0: an equality of zeros shows nothing."""
    got, expected = (torch.as_tensor(side, dtype=torch.float64).detach() for side in pair)
    close = (got - expected).abs().max() <= rtol * expected.abs().max()
    return got.shape == expected.shape and bool(close) and bool(expected.any())


def faults(one: Formula) -> list[str]:
    """What is wrong with a formula, in words; nothing for one that stands."""
    found = [f"the proof leaves {left}" for left in one.prove() if left != 0]
    found += [f"the converse leaves {left}" for left in (one.converse() if one.converse else []) if left != 0]
    found += [f"check {place} fails" for place, pair in enumerate(one.check()) if not agree(pair)]
    differ = {name: [torch.as_tensor(side, dtype=torch.float64) for side in pair()]
              for name, pair in one.counterexamples.items()}
    return found + [f"{name!r} is no counterexample" for name, (got, expected) in differ.items()
                    if got.shape == expected.shape and torch.allclose(got, expected, rtol=1e-3, atol=0)]


@every
def test_formula_stands(one):
    assert faults(one) == []


@every
def test_each_kind_has_what_it_claims(one):
    assert one.kind in KINDS and one.check()
    assert bool(one.prove()) == (one.kind != "definition")
    if one.kind == "theorem":
        assert one.converse and one.converse() and one.counterexamples
    assert one.says.endswith(".") and one.source and re.fullmatch(r"[a-z0-9-]+", one.id)


@every
def test_a_wrong_side_fails(one):
    for got, expected in one.check():
        assert not agree((torch.as_tensor(got) * 1.01, expected)), "one per cent more went unnoticed"
        assert not agree((torch.as_tensor(got) + 0.01, expected))


@every
def test_latex_can_be_typeset(one):
    matplotlib.mathtext.MathTextParser("path").parse(f"${_plain(one.latex)}$")


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbols_can_be_typeset(name):
    assert NOTATION[name][1]
    matplotlib.mathtext.MathTextParser("path").parse(f"${_plain(SYMBOLS[name])}$")


def _plain(latex: str) -> str:
    """Spelt for matplotlib's small dialect, which lacks a few commands of MathJax."""
    for ours, theirs in {r"\iff": r"\Leftrightarrow", r"\implies": r"\Rightarrow", r"\tfrac": r"\frac"}.items():
        latex = latex.replace(ours, theirs)
    return re.sub(r"\\(Big|big)(?=[()|])", "", latex)


def test_wrong_formulas_are_found():
    """The harness itself: each way of being wrong is noticed."""
    good = dict(kind="identity", latex="", says="", source="")

    def of(holds, **more):
        formula("wrong", holds=holds, **good, **more)
        return faults(FORMULAS.pop("wrong"))

    assert of(lambda x: [(x + x, 2 * x)]) == []
    assert of(lambda x: [(x + x, 2.02 * x)])
    assert "proof" in of(lambda x: [(x.sum() ** 2, (x**2).sum())])[0]
    assert of(lambda x: [(2 * x, 2 * x)], prove=lambda: [sp.Symbol("x")]) == ["the proof leaves x"]
    assert of(lambda x: [(x, x)], converse=lambda: [sp.Symbol("x")]) == ["the converse leaves x"]
    assert of(lambda x: [(x + (1e-8 if isinstance(x, torch.Tensor) else 0), x)]) == ["check 0 fails"]
    assert of(lambda x: [(x - x, x - x)]) == ["check 0 fails"], "zeros show nothing"
    assert of(lambda x: [(x, x)], counterexamples={"same": lambda: (1.0, 1.0)}) == ["'same' is no counterexample"]
    stands = FORMULAS["cam-sum-swap"]
    assert faults(replace(stands, check=lambda: [(got * 6, expected) for got, expected in stands.check()]))


def test_ids_and_kinds_are_guarded():
    with pytest.raises(ValueError, match="'cam'.*an id is used once"):
        formula("cam", "definition", "", "", "", lambda: [])
    with pytest.raises(ValueError, match="definition, identity, theorem, not 'guess'"):
        formula("new", "guess", "", "", "", lambda: [])


def test_each_lesson_has_its_file_and_imports_no_method():
    """Theory stands below methods: its modules name none of them when they are imported."""
    folder = Path(mechanism.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib"):
                assert node.module.startswith("course_lib.theory"), f"{path.name} imports {node.module}"
    assert list(LESSONS) == list(range(1, 10))
    assert {module.__name__.rpartition(".")[2] for module in LESSONS.values()} == {
        path.stem for path in (folder / "identities").glob("*.py") if path.stem != "__init__"}


def test_what_a_proof_runs_is_the_library():
    """CAM's proof runs `methods.cam.cam` itself on symbols."""
    cam = import_module("course_lib.methods.cam").cam
    A, w = symbols("A"), symbols("w")
    assert sp.simplify(cam(A, w)[0, 1] - (w[0] * A[0, 0, 1] + w[1] * A[1, 0, 1])) == 0


def test_gradient_and_softmax_serve_symbols_and_numbers():
    z = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    free = symbols("z")
    values = dict(zip(free, z.tolist(), strict=True))
    slopes = [float(one.subs(values)) for one in gradient(lambda at: softmax(at)[0], free)]
    assert np.allclose(slopes, gradient(lambda at: softmax(at)[0], z), rtol=1e-12)
