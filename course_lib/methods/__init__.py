"""One family of explanations a file; importing the package fills the registry with all of them."""

from course_lib.methods import cam, gradients, perturbation, propagation, relevance  # noqa: F401, I001
from course_lib.methods import attention  # noqa: F401  # last: it serves the fewest networks
