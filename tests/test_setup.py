"""The set-up: a sentence for each machine that can't be served, and files that say the same of one environment."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib import __main__ as start

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
GROUPS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["dependency-groups"].items()}
IMPORTED_AS = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "pyyaml"}
COME_ALONG = {
    "IPython": "ipywidgets",
    "jupyter_client": "nbclient",
    "nbformat": "nbclient",
    "packaging": "jupyterlab",
    "psutil": "jupyterlab",
    "traitlets": "ipywidgets",
}
COMMANDS = re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def specifiers(requirements: list[Requirement]) -> dict[str, SpecifierSet]:
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in requirements}


# ------------------------------------------------------------------------------------------------ python -m course_lib


@pytest.mark.parametrize("version", [(3, 7, 16), (3, 10, 13), (3, 14, 0), (4, 0, 0)])
def test_another_python_gets_a_sentence_that_says_what_to_do(version, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(start, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: pytest.fail("nothing may be started"))
    assert start.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("This is Python " + ".".join(map(str, version)))
    assert "python3.13 -m course_lib" in said and said.count("\n") == 1


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 99)])
def test_each_python_from_3_11_to_3_13_is_served(version):
    assert start.problem(version, "Linux", "x86_64") is None
    assert start.problem(version, "Darwin", "arm64") is None
    assert start.problem(version, "Darwin", "x86_64") == start.WORDS["intel-mac"]


def test_the_pythons_served_are_those_of_the_project():
    served = SpecifierSet(PROJECT["project"]["requires-python"])
    for minor in range(6, 20):
        assert (start.problem((3, minor, 1), "Linux", "x86_64") is None) == (f"3.{minor}.1" in served)


def test_a_missing_uv_gets_a_sentence_with_the_readme_s_commands(monkeypatch, capsys):
    monkeypatch.setattr(start, "find_uv", list)
    assert start.main([]) == 1
    assert capsys.readouterr().err == start.WORDS["uv"] + "\n"
    for command in ("python3 -m venv ~/.course", ". ~/.course/bin/activate", COMMANDS[0].strip()):
        assert command in start.WORDS["uv"] and command in README


def test_uv_is_this_python_s_own_or_a_working_one_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: object())
    assert start.find_uv() == [sys.executable, "-m", "uv"]
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)
    for found, expected in ((None, []), (sys.executable, [sys.executable]), ("broken", [])):
        monkeypatch.setattr(start.shutil, "which", lambda name, found=found: found)
        code = 1 if found == "broken" else 0
        monkeypatch.setattr(subprocess, "call", lambda *a, code=code, **k: code)
        assert start.find_uv() == expected


def test_it_runs_jupyterlab_at_the_root_on_the_first_lesson(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(start, "find_uv", lambda: ["uv"])
    monkeypatch.setattr(start.signal, "signal", lambda *_: None)
    monkeypatch.setattr(subprocess, "call", lambda command, **options: calls.append((command, options)) or 0)
    assert start.main(["--no-browser"]) == 0
    (command, options) = calls.pop()
    assert command[:4] == ["uv", "run", "jupyter", "lab"] and command[-1] == "--no-browser"
    assert f"--ServerApp.root_dir={ROOT}" in command and options["cwd"] == str(ROOT)
    assert Path(command[-2]).parts == ("notebooks", "00_start_here.ipynb")

    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start.os, "access", lambda *_: False)
    assert start.main([]) == 1 and not calls  # read-only, and nothing installed
    (tmp_path / ".venv").mkdir()
    assert start.main([]) == 0 and calls[0][0][:3] == ["uv", "run", "--no-sync"]


def test_old_pythons_can_read_it():
    source = Path(start.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported = {name.split(".")[0] for name in plain}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names and "tomllib" not in imported


def test_the_course_runs_from_a_read_only_folder(tmp_path):
    course, home = tmp_path / "course", tmp_path / "home"
    home.mkdir()
    for part in ("course_lib", "notebooks"):
        shutil.copytree(ROOT / part, course / part, ignore=shutil.ignore_patterns("__pycache__"))
    (course / "notebooks" / "00_mine.ipynb").write_text("{}", encoding="utf-8")  # a lesson, whatever else is built
    there = {path: path.stat().st_mtime_ns for path in course.rglob("*")}
    for path in (course, *there):
        path.chmod(path.stat().st_mode & ~0o222)
    code = (
        # root may write anywhere, so it has to be told
        "import os; os.access = lambda path, mode, access=os.access: mode != os.W_OK and access(path, mode)\n"
        "from course_lib import networks\n"
        "networks.load('scenes_gap')\n"
        "from course_lib.classroom.cli import main\n"
        "main()"
    )
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(course)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, "start"], cwd=course, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert {path: path.stat().st_mtime_ns for path in course.rglob("*")} == there
    finally:
        for path in (course, *there):
            path.chmod(path.stat().st_mode | 0o200)
    assert [path.name for path in home.rglob("00_mine.ipynb")] == ["00_mine.ipynb"]


# ------------------------------------------------------------------------------------------------- one environment


def test_environment_yml_is_in_step_with_pyproject_toml():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["project"]["name"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    found = specifiers([Requirement(line) for line in conda])
    expected = specifiers(RUNTIME + GROUPS["dev"])
    expected["pytorch"] = expected.pop("torch")  # conda-forge's name
    expected |= {"python": SpecifierSet(PROJECT["project"]["requires-python"]), "pip": SpecifierSet()}
    assert found == expected


def test_each_direct_dependency_has_bounds_and_one_version_within_them():
    bounds = specifiers(RUNTIME + GROUPS["dev"] + GROUPS["full"])
    pins = [Requirement(line) for line in PROJECT["tool"]["uv"]["constraint-dependencies"]]
    assert [pin.name for pin in pins] == sorted(bounds)
    for pin in pins:
        (exactly,) = pin.specifier
        assert exactly.operator == "==" and exactly.version in bounds[pin.name]
        assert {one.operator for one in bounds[pin.name]} - {"!="} == {">=", "<"}


def test_what_the_library_imports_is_declared():
    runtime, teaching = set(specifiers(RUNTIME)), set(specifiers(GROUPS["dev"]))
    for path in sorted((ROOT / "course_lib").rglob("*.py")):
        allowed = runtime | teaching if "classroom" in path.parts else runtime
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"course_lib"}:
                assert COME_ALONG.get(name, IMPORTED_AS.get(name, name)) in allowed, f"{path.name} imports {name}"


# --------------------------------------------------------------------------------------------- what the papers say


def test_ci_runs_the_readme_s_test_command():
    assert COMMANDS[:2] == ["python -m pip install uv; python -m course_lib\n", "python -m uv run pytest\n"]
    assert COMMANDS[1].strip() in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_no_command_needs_what_powershell_5_lacks():
    assert not any("&&" in command or "||" in command for command in COMMANDS)


def test_the_files_that_readme_and_contributing_link_to_are_there():
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{name} links to {target}"


def test_every_lesson_stands_in_both_tables_with_the_minutes_that_it_names_itself():
    sources = ROOT / "notebooks" / "source"
    first = (sources / "00_start_here.py").read_text(encoding="utf-8")
    lessons = sorted(sources.glob("[0-9][0-9]_*.py"))
    minutes = {path.stem: re.search(r"About (\d+) minutes", path.read_text(encoding="utf-8")) for path in lessons}
    assert len(minutes) >= 5 and all(minutes.values())
    for stem, found in minutes.items():
        for text in (README, first):
            (row,) = re.findall(rf"^(?:# )?\|.*{stem}\.ipynb.*$", text, re.MULTILINE)
            assert row.split("|")[4].strip() == found.group(1), stem


def test_licence_and_citation():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence and "WITHOUT WARRANTY OF ANY KIND" in licence and "CC BY 4.0" in licence
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["version"] == PROJECT["project"]["version"]
    (article,) = citation["references"]
    assert article["authors"][0]["family-names"] == "Tang" and article["year"] == 2020
