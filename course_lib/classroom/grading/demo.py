"""A class of 30 made-up submissions to an exercise: right, wrong in known ways, blank, damaged, and hostile."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

SEED = 2026
NAMES = (
    "Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Sofja Kowalewskaja", "Carl Friedrich Gauß",
    "Hermann Graßmann", "Søren Ågesen", "Łukasz Żak", "José Núñez", "李小明", "王美玲", "陳大文", "Nguyễn Thị Lan",
    "Fatima az-Zahra", "Ivan Petrov", "Мария Иванова", "Akira Tanaka", "Chidi Okafor", "Amara Diallo", "Tomás O'Brien",
    "Zoë van Dijk", "Lars Müller", "Anaïs Dubois", "Priya Sharma", "Ravi Kumar", "Elif Şahin", "Noa Levi",
    "Mateo García", "Hana Kim")  # fmt: skip
ABSENT = ("Leonhard Euler", "林雅婷")
HEAD = "import torch\nfrom torch import Tensor\n\nfrom course_lib.classroom.check import check, hint\n"
RIGHT = {
    "alpha": "def alpha(gradients):\n    return gradients.mean(dim=(2, 3))",
    "grad_cam": (
        "def grad_cam(model, pictures, target):\n"
        "    activations = model.conv(pictures).relu().requires_grad_()\n"
        "    score = model.head(activations).gather(1, target[:, None]).sum()\n"
        "    gradients = torch.autograd.grad(score, activations)[0]\n"
        "    weights = gradients.mean(dim=(2, 3))[:, :, None, None]\n"
        "    return (weights * activations).sum(1).relu().detach()"
    ),
    "bias_from_map": "def bias_from_map(raw, logit):\n    return logit - raw.sum(dim=(1, 2))",
    "counterfactual_map": (
        "def counterfactual_map(activations, gradients):\n"
        "    return (-(gradients.mean((2, 3), keepdim=True) * activations).sum(1)).relu()"
    ),
    "killing_input": (
        "def killing_input():\n    torch.manual_seed(0)\n"
        "    return torch.randn(2, 3, 2, 4), torch.randn(2, 3, 2, 4)"
    ),
    "equal_heads": 'def equal_heads():\n    return "c"',
}  # fmt: skip
ANSWERED = (HEAD, *RIGHT.values())
"""The cells of a notebook that earns everything."""
WRONG = {
    "alpha": (
        "def alpha(gradients):\n    return gradients.sum(dim=(2, 3))",
        "def alpha(gradients):\n    return gradients.mean(dim=1)",
    ),
    "grad_cam": (
        RIGHT["grad_cam"].replace(".relu().detach()", ".detach()"),
        RIGHT["grad_cam"].replace("model.head(activations)", "model.head(activations).softmax(1)"),
        RIGHT["grad_cam"].replace("    score", "    target = model(pictures).argmax(1)\n    score"),
        "def grad_cam(model, pictures, target):\n    return pictures.mean(1).relu()",
    ),
    "bias_from_map": (
        "def bias_from_map(raw, logit):\n    return logit - raw.mean(dim=(1, 2))",
        "def bias_from_map(raw, logit):\n    return logit - raw.sum()",
    ),
    "counterfactual_map": (
        RIGHT["counterfactual_map"].replace("(-(", "((").replace("))", "))", 1),
        RIGHT["counterfactual_map"].replace(".relu()", ".abs()"),
    ),
    "killing_input": ("def killing_input():\n    return torch.ones(2, 2, 2, 2), torch.ones(2, 2, 2, 2)",),
    "equal_heads": ('def equal_heads():\n    return "a"', 'def equal_heads():\n    return "b"'),
}
BLANK = "def {name}(*arguments):\n    raise NotImplementedError"
HOSTILE = (
    "import os, sys\nsys.exit(0)",
    "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True",
    "print('flood ' * 2_000_000)",
    "def alpha(gradients):\n    while True:\n        pass",
)
"""Cells that come after the answers of the last students."""


def notebook(cells: Sequence[str]) -> str:
    """A notebook with these code cells, as text."""
    made: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def make_class(folder: Path) -> tuple[Path, Path]:
    """Write the submissions, a folder for each student as Moodle does it, and the roster; the same ones each time."""
    source = random.Random(SEED)
    submissions = folder / "submissions"
    for number, name in enumerate(NAMES):
        cells = [HEAD]
        for question, right in RIGHT.items():
            draw = source.random()
            wrong = source.choice(WRONG[question])
            cells.append(right if draw < 0.65 else wrong if draw < 0.9 else BLANK.format(name=question))
        late = number - (len(NAMES) - len(HOSTILE))
        cells += [HOSTILE[late]] if late >= 0 else []
        place = submissions / f"{name}_{4000 + number}_assignsubmission_file_"
        place.mkdir(parents=True, exist_ok=True)
        text = notebook(cells) if number != 10 else notebook(cells)[:200]  # a download that broke off
        (place / "03_grad_cam_exercise.ipynb").write_text(text, "utf-8")
    roster = folder / "roster.csv"
    roster.write_text("student\n" + "".join(f"{name}\n" for name in (*NAMES, *ABSENT)), "utf-8")
    return submissions, roster
