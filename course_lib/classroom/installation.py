"""What a reader's machine has and lacks, in words: lesson 0 prints it."""

import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch
import torchvision
from packaging.requirements import Requirement

from course_lib import networks
from course_lib.networks.recipes import RECIPES

PROJECT = "why-does-the-model-think-so"
PHOTOGRAPHS = "squeezenet1_0"
MEMORY = 1.5e9
WIDGETS = {"ipywidgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
"""package -> the folder of its part in JupyterLab"""
WORDS = {
    "good": "ok    ",
    "bad": "MEND  ",
    "python": "Python {version} on {system}",
    "packages": "{count} packages, each in a version that the course was made for",
    "package": "{name} {found} is installed, and the course needs {needed}: install it as the README says",
    "no-package": "{name} isn't installed: install the course as the README says",
    "no-project": "The course itself isn't installed in this Python: start JupyterLab as the README says",
    "torch": "PyTorch {version} computes on {threads} thread(s) of the processor",
    "widgets": "widgets: Python and JupyterLab both have their part",
    "no-widgets": "JupyterLab's part of {name} is missing, so widgets stay plain text: install the course as the "
    "README says",
    "memory": "{free:.1f} GB of memory are free, and no lesson takes more than {needed:.1f} GB",
    "little-memory": "{free:.1f} GB of memory are free, and a lesson can take {needed:.1f} GB: close other programs",
    "networks": "{count} trained networks of the course load and answer: {names}",
    "no-network": "The network {name} doesn't load ({error}): get the course's folder again",
    "photographs": "optional: {name}, a network for photographs, is here",
    "no-photographs": "optional: {name}, a network for photographs, isn't here; the lessons do without it\n"
    '      networks.pretrained("{name}") fetches it ({megabytes:.0f} MB)',
    "all-good": "Everything that the lessons need is there.",
    "not-good": "{count} thing(s) to mend, marked above.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it serves, and a sentence."""

    good: bool
    words: str


def check_installation() -> str:
    """Look at everything that the lessons need, and say in words what was found."""
    found = [_python(), *packages(), *_widgets(), _memory(psutil.virtual_memory().available), *_networks()]
    return report([*found, photographs()])


def report(findings: Iterable[Finding]) -> str:
    """The findings, one a line, and what they come to.

    >>> print(report([Finding(True, "Python"), Finding(False, "No widgets")]))
    ok    Python
    MEND  No widgets
    1 thing(s) to mend, marked above.
    """
    lines, bad = [], 0
    for finding in findings:
        lines.append(WORDS["good" if finding.good else "bad"] + finding.words)
        bad += not finding.good
    return "\n".join([*lines, WORDS["not-good"].format(count=bad) if bad else WORDS["all-good"]])


def packages(needed: Iterable[str] | None = None, version: Callable[[str], str] = metadata.version) -> list[Finding]:
    """Whether each dependency of the course is installed in a version within its bounds.

    >>> packages(["numpy>=99"], version=lambda name: "2.4.6")[0].words
    'numpy 2.4.6 is installed, and the course needs >=99: install it as the README says'
    """
    try:
        requirements = [Requirement(line) for line in (metadata.requires(PROJECT) or [] if needed is None else needed)]
    except metadata.PackageNotFoundError:
        return [Finding(False, WORDS["no-project"])]
    bad = []
    for requirement in requirements:
        try:
            found = version(requirement.name)
        except metadata.PackageNotFoundError:
            bad.append(Finding(False, WORDS["no-package"].format(name=requirement.name)))
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            values = {"name": requirement.name, "found": found, "needed": requirement.specifier}
            bad.append(Finding(False, WORDS["package"].format(**values)))
    return bad or [Finding(True, WORDS["packages"].format(count=len(requirements)))]


def photographs() -> Finding:
    """Whether torchvision's network for photographs is already here; the lessons do without it."""
    weights = torchvision.models.get_model_weights(PHOTOGRAPHS)["IMAGENET1K_V1"]
    here = (Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name).exists()
    values = {"name": PHOTOGRAPHS, "megabytes": weights.meta["_file_size"]}
    return Finding(True, WORDS["photographs" if here else "no-photographs"].format(**values))


def _python() -> Finding:
    return Finding(True, WORDS["python"].format(version=platform.python_version(), system=platform.system()))


def _widgets(prefix: Path = Path(sys.prefix)) -> list[Finding]:
    folder = prefix / "share" / "jupyter" / "labextensions"
    missing = [name for name, part in WIDGETS.items() if not (folder / part).exists()]
    bad = [Finding(False, WORDS["no-widgets"].format(name=name)) for name in missing]
    return bad or [Finding(True, WORDS["widgets"])]


def _memory(free: float) -> Finding:
    good = free >= MEMORY
    return Finding(good, WORDS["memory" if good else "little-memory"].format(free=free / 1e9, needed=MEMORY / 1e9))


def _networks() -> list[Finding]:
    found = [Finding(True, WORDS["torch"].format(version=torch.__version__, threads=torch.get_num_threads()))]
    for name in RECIPES:
        try:
            network = networks.load(name)
            size = network.preprocessing.size
            with torch.no_grad():
                network.model(torch.zeros(1, 3, size, size))
        except (OSError, RuntimeError) as error:
            found.append(Finding(False, WORDS["no-network"].format(name=name, error=str(error).split("\n")[0])))
    if len(found) == 1:
        found.append(Finding(True, WORDS["networks"].format(count=len(RECIPES), names=", ".join(RECIPES))))
    return found
