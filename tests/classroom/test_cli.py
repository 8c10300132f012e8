"""The command line: what it says, its exit codes, and a sentence for every mistake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.classroom import cli
from course_lib.datasets import creatures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path, monkeypatch, capsys):
    """course("build", ...) gives exit code, what was said, and what was said on stderr."""
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main(list(arguments))
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def write(root: Path, name: str, text: str) -> None:
    source = root / "notebooks" / "source" / f"{name}.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text, "utf-8")


def test_help_lists_everything(course):
    code, said, _ = course("--help")
    assert code == 0
    assert all(word in said for word in ("start", "build", "train", "experiments", "audit", cli.WORDS["build"][:40]))


def test_it_runs_as_a_program_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-c", "from course_lib.classroom.cli import main; main()", "train", "scenes_gab"],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("There is no network 'scenes_gab'") and done.stderr.count("\n") == 1


def test_a_lesson_is_built_and_then_in_step(course, tmp_path):
    lesson = '# %% id="a"\nclaim = print\nclaim("x", end="")\nprint("\\nclaim x holds: 1 = 1")\n'
    write(tmp_path, "01_good", lesson)
    write(tmp_path, "02_bad", '# %% id="b"\n1 / 0\n')
    code, said, wrong = course("build", "--quiet")
    assert code == 1
    assert said.startswith("01_good: claims checked: 1 of 1, ") and said.endswith(" MB\n")
    assert wrong == "02_bad: cell b fails with ZeroDivisionError: division by zero.\n"
    code, said, wrong = course("build", "--check", "--quiet", "1")
    assert (code, wrong) == (0, "") and said.startswith("01_good: in step, claims checked: 1 of 1, ")
    write(tmp_path, "01_good", lesson + '\n# %% [markdown] id="c"\n# More.\n')
    code, said, wrong = course("build", "--check", "--quiet", "1")
    assert (code, said) == (1, "")
    assert all(line.endswith("; `course build 01_good` mends it.") for line in wrong.splitlines())


def test_the_progress_over_cells_is_shown_on_stderr(course, tmp_path):
    write(tmp_path, "01_good", '# %% id="a"\n1\n\n# %% id="b"\n2\n')
    code, _, shown = course("build")
    assert code == 0 and "01_good" in shown and "2/2" in shown.replace("\r", "\n") + "2/2"


def test_an_unknown_lesson_gets_the_nearest_names(course, tmp_path):
    write(tmp_path, "01_good", '# %% id="a"\n1\n')
    assert course("build", "01_god") == (2, "", "There is no lesson '01_god'; the nearest is 01_good.\n")


def test_start_says_what_it_did(course, tmp_path):
    code, _, wrong = course("start", str(tmp_path / "mine"))
    assert code == 2 and wrong.startswith("There is nothing to copy: ")
    lesson = tmp_path / "notebooks" / "01_a.ipynb"
    lesson.parent.mkdir()
    lesson.write_text("first")
    code, said, _ = course("start", str(tmp_path / "mine"))
    assert code == 0
    assert said == f"Your copies are in {tmp_path / 'mine'}: 1 new, 0 brought up to date, 0 as they were.\n"
    (tmp_path / "mine/notebooks/01_a.ipynb").write_text("mine")
    assert "Changed by you and left alone: notebooks/01_a.ipynb.\n" in course("start", str(tmp_path / "mine"))[1]
    lesson.write_text("second")
    assert "beside yours: notebooks/01_a.new.ipynb.\n" in course("start", str(tmp_path / "mine"))[1]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that can't be made is named otherwise on Windows")
def test_a_folder_that_cant_be_made_gets_a_sentence(course, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_a.ipynb").write_text("first")
    (tmp_path / "file").write_text("")
    code, said, wrong = course("start", str(tmp_path / "file" / "mine"))
    assert (code, said) == (2, "")
    assert wrong == f"Not a directory: {tmp_path / 'file' / 'mine'}\n"


def test_training_says_what_was_reached_and_fails_below_what_is_required(course, tmp_path, monkeypatch):
    for reached, expected in ((0.991, 0), (0.5, 1)):
        monkeypatch.setattr("course_lib.networks.training.train", lambda name, out, progress, r=reached: r)
        code, said, _ = course("train", "scenes_gap", "--into", str(tmp_path / "w"))
        assert code == expected
        assert said == f"scenes_gap: {reached:.1%} of test pictures right (95% required), saved in {tmp_path / 'w'}\n"


def test_experiments_are_computed_by_name(course, tmp_path, monkeypatch):
    monkeypatch.setattr("course_lib.experiments.run", lambda names, out, progress: [out / f"{names[0]}.csv"])
    code, said, _ = course("experiments", "curve", "--into", str(tmp_path))
    assert (code, said) == (0, f"curve: computed, saved as {tmp_path / 'curve.csv'}\n")
    monkeypatch.undo()


def test_an_unknown_experiment_gets_a_sentence(course):
    code, _, wrong = course("experiments", "nothing-like-it")
    assert code == 2 and wrong.startswith("There is no experiment 'nothing-like-it'")


def test_without_the_authors_tools_build_says_how_to_get_them(course, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    code, _, wrong = course("build")
    assert code == 2 and wrong == cli.WORDS["no-tools"] + "\n"


def test_an_unknown_command_is_refused_without_a_traceback(course):
    code, said, wrong = course("bild")
    assert code == 2 and "build" in said + wrong and "Traceback" not in said + wrong


def test_two_folders_are_audited(course, tmp_path):
    a, b = creatures.write(tmp_path / "mine", 12, 0)
    arguments = ["audit", str(a), str(b), "--out", str(tmp_path / "new" / "report.html"), "--quiet"]
    code, said, wrong = course(*arguments, "--model", "creatures")
    assert (code, wrong) == (0, "")
    verdict, where = said.splitlines()
    assert verdict.startswith("The interventions show that this model goes by what the files bring along: with ")
    assert where == f"The report is in {tmp_path / 'new' / 'report.html'}."
    assert "12 real pictures" in (tmp_path / "new" / "report.html").read_text("utf-8")
    (a / "broken.png").write_text("no picture")
    assert "reading" in course(*arguments[:-1], "--model", "creatures")[2]


def test_what_cannot_be_audited_gets_a_sentence(course, tmp_path):
    a, b = (str(folder) for folder in creatures.write(tmp_path / "mine", 4, 0))
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        ([a, str(tmp_path / "none")], "There is no folder "),
        ([str(tmp_path / "empty"), b], "The folder "),
        ([a, a], "Both folders are "),
        ([a, b, "--model", "creature"], "There is no network 'creature'; there are creatures"),
        ([a, b, "--model", "scenes_gap"], "An audit needs a model with 2 classes"),
    ):
        code, said, wrong = course("audit", *arguments, "--quiet")
        assert (code, said, wrong.count("\n")) == (2, "", 1) and wrong.startswith(sentence)
    code, _, wrong = course("audit", a, b, "--out", str(tmp_path), "--quiet")
    assert code == 2 and "is a directory" in wrong and "Traceback" not in wrong
    code, said, _ = course("audit", "--help")
    assert code == 0 and all(word in said.lower() for word in ("folder_a", "folder_b", "--model", "--out", "--quiet"))
