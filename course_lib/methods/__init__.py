"""One family of explanations a file; importing the package fills the registry with all of them."""

from course_lib.methods import cam, gradients, perturbation, propagation, relevance  # noqa: F401
