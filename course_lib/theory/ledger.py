"""The ledger: each formula that a lesson prints, by id, and the notation that they share."""

from course_lib.theory.formula import FORMULAS, Formula
from course_lib.theory.identities import (
    beyond_classification,
    class_activation_maps,
    evaluation,
    grad_cam,
    gradient_and_propagation,
    linear_approximation,
    linear_models,
    perturbation,
    shortcut_learning,
)
from course_lib.theory.notation import NOTATION, SYMBOLS

__all__ = ["FORMULAS", "NOTATION", "SYMBOLS", "Formula"]
LESSONS = {
    1: linear_models,
    2: class_activation_maps,
    3: grad_cam,
    4: linear_approximation,
    5: shortcut_learning,
    6: beyond_classification,
    7: gradient_and_propagation,
    8: perturbation,
    9: evaluation,
}
"""Which lesson a file of identities belongs to."""
