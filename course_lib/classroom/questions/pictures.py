"""The pictures in the statements of questions: what a right answer makes, drawn from the reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def maps(named: Mapping[str, Tensor], label: str = "logits") -> Any:
    """Heat maps (h, w) by title, on one colour scale, four in a row."""
    from course_lib.figures import Panel, compare

    panels = [Panel(title, heat_map=values.float()) for title, values in named.items()]
    return compare([panels[n : n + 4] for n in range(0, len(panels), 4)], label=label)


def bars(names: Sequence[str], values: Any, label: str) -> Any:
    """One bar for each name, from 0."""
    import matplotlib.pyplot as plt

    from course_lib.figures import PALETTE

    figure, ax = plt.subplots(figsize=(4.2, 0.5 + 0.36 * len(names)), layout="constrained")
    numbers = [float(value) for value in values]
    ax.barh(list(names)[::-1], numbers[::-1], color=[PALETTE["blue" if v < 0 else "orange"] for v in numbers[::-1]])
    ax.axvline(0, color="black", lw=0.8)
    ax.set_xlabel(label)
    return figure


def curves(x: Any, named: Mapping[str, Any], x_label: str, y_label: str) -> Any:
    """Lines over x, by label."""
    import matplotlib.pyplot as plt

    from course_lib.figures import PALETTE, STYLES

    figure, ax = plt.subplots(figsize=(4.6, 2.6), layout="constrained")
    for (label, y), (colour, line, _) in zip(named.items(), STYLES, strict=False):
        ax.plot(x, y, color=PALETTE[colour], linestyle=line, label=label)
    ax.axhline(0, color="black", lw=0.5)
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.legend(fontsize=8)
    return figure
