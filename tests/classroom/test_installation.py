"""What lesson 0 says of an installation: everything is there, or what to mend."""

from importlib import metadata

import pytest
import torch

from course_lib import networks
from course_lib.classroom import installation
from course_lib.classroom.installation import WORDS, check_installation, packages


def test_this_installation_is_complete():
    said = check_installation()
    assert said.endswith(WORDS["all-good"]) and WORDS["bad"].strip() not in said
    assert f"PyTorch {torch.__version__}" in said


def test_a_wrong_version_and_a_missing_package_are_named():
    def version(name):
        if name == "sympy":
            raise metadata.PackageNotFoundError(name)
        return "1.25.0"

    found = packages(["numpy>=1.26,<3", "sympy>=1.13", "tqdm>=1"], version)
    assert [one.good for one in found] == [False, False]
    assert found[0].words.startswith("numpy 1.25.0 is installed, and the course needs <3,>=1.26")
    assert found[1].words.startswith("sympy isn't installed")
    assert packages(["tqdm>=1"], version) == [installation.Finding(True, WORDS["packages"].format(count=1))]


def test_a_course_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr(installation, "PROJECT", "no-such-project-anywhere")
    assert packages() == [installation.Finding(False, WORDS["no-project"])]


def test_jupyterlab_without_a_widget_s_part(tmp_path):
    assert [one.good for one in installation._widgets(tmp_path)] == [False, False]
    for part in installation.WIDGETS.values():
        (tmp_path / "share" / "jupyter" / "labextensions" / part).mkdir(parents=True)
    assert [one.good for one in installation._widgets(tmp_path)] == [True]


@pytest.mark.parametrize("free, good", [(1.4e9, False), (1.6e9, True)])
def test_memory(free, good):
    found = installation._memory(free)
    assert found.good is good and f"{free / 1e9:.1f} GB of memory are free" in found.words


def test_a_network_that_does_not_load_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    bad = [one for one in installation._networks() if not one.good]
    assert len(bad) == len(installation.RECIPES) and "scenes_gap" in bad[0].words


def test_the_network_for_photographs_is_optional(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert installation.photographs().good and "isn't here" in installation.photographs().words
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "squeezenet1_0-b66bff10.pth").touch()
    assert installation.photographs().words.endswith("is here")
