"""What a class gets, and what it doesn't."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.classroom import cli
from course_lib.classroom.release import release

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def handed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "course"
    return folder, release(ROOT, folder)


def test_lessons_exercises_and_the_library_are_in_it_and_nothing_else(handed):
    folder, names = handed
    assert names == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert {name.partition("/")[0] for name in names} == {
        "README.md", "LICENSE", "CITATION.cff", "pyproject.toml", "environment.yml", ".gitignore",
        "notebooks", "exercises", "course_lib"}  # fmt: skip
    unwanted = re.compile(r"solution|slides\.md|test_|\.pyc|notebooks/source/.*\.py$")
    assert [name for name in names if unwanted.search(name)] == []
    assert sum(name.startswith("notebooks/") and name.endswith(".ipynb") for name in names) == 11
    assert sum(name.startswith("exercises/") for name in names) == 9


def test_no_link_of_its_readme_leads_nowhere(handed):
    folder, _ = handed
    text = (folder / "README.md").read_text("utf-8")
    assert "## Start" in text and "## Grading" not in text
    links = re.findall(r"\]\(([^):]+)\)", text)
    assert links and [link for link in links if not (folder / link).exists()] == []


def test_a_learner_starts_from_it_and_a_blank_exercise_runs_and_earns_nothing(handed, tmp_path):
    folder, _ = handed
    cells = json.loads((folder / "exercises" / "03_grad_cam_exercise.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code = re.sub(r"^(check\(\w+\)\.points)$", r"print('points', \1)", code, flags=re.M)
    (tmp_path / "blank.py").write_text(code, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments):
        return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True)

    begin = "import sys; from course_lib.classroom.cli import main; main(sys.argv[1:])"
    assert "20 new" in run("-c", begin, "start", str(tmp_path / "mine")).stdout
    said = run(str(tmp_path / "blank.py")).stdout
    assert said.count("points 0") == said.count("Not attempted yet.") == 6


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="isn't empty: name a new folder"):
        release(ROOT, tmp_path)
    with pytest.raises(ValueError, match="outside course_lib"):
        release(ROOT, ROOT / "course_lib" / "out")


def test_the_command_line_says_that_the_solutions_are_public(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["release", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert end.value.code == 0 and "11 lessons, 9 exercises" in said and "solutions are public" in said
