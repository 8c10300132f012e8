"""Submissions are found in every form in which platforms and people hand them on."""

import zipfile

import pytest

from course_lib.classroom.grading.collect import collect


def students(path):
    return [(one.student, one.id, one.name) for one in collect(path)]


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", "utf-8")
    return folder


NAME = "03_grad_cam_exercise.ipynb"
FORMS = {
    f"ada/{NAME}": ("ada", ""),
    f"submitted/ada/03_grad_cam/{NAME}": ("ada", ""),
    f"ada_{NAME}": ("ada", ""),
    f"Jürgen Groß_{NAME}": ("Jürgen Groß", ""),
    "李小明.ipynb": ("李小明", ""),
    f"ada-2/{NAME}": ("ada-2", ""),
    f"Ada Lovelace_4711_assignsubmission_file_/{NAME}": ("Ada Lovelace", "4711"),
    f"Ada Lovelace_4711_assignsubmission_file_{NAME}": ("Ada Lovelace", "4711"),
    f"lovelaceada_4711_9932_{NAME}": ("lovelaceada", "4711"),
    "lovelaceada_LATE_4711_9932_03_grad_cam_exercise-2.ipynb": ("lovelaceada", "4711"),
    f"ada/{NAME}.txt": ("ada", ""),
    "ada/03_grad_cam_exercise.html": ("ada", ""),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_student_is_told_by_folder_or_file(tmp_path, name):
    found = collect(write(tmp_path, name))
    assert [(one.student, one.id) for one in found] == [FORMS[name]]


@pytest.mark.parametrize("name", FORMS)
def test_a_zip_tells_the_same_as_the_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(name, "{}")
    found = collect(tmp_path / "class.zip")
    assert [(one.student, one.id) for one in found] == [FORMS[name]]
    assert found[0].read() == b"{}"


def test_a_zip_that_does_not_say_its_names_are_utf_8(tmp_path):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        entry = zipfile.ZipInfo("X" * len("Jürgen/a.ipynb".encode()))
        archive.writestr(entry, "{}")
    raw = (tmp_path / "class.zip").read_bytes().replace(b"X" * len(entry.filename), "Jürgen/a.ipynb".encode())
    (tmp_path / "class.zip").write_bytes(raw)
    assert students(tmp_path / "class.zip") == [("Jürgen", "", "a.ipynb")]


def test_the_newest_of_one_student_comes_last(tmp_path):
    names = ["a/x-2.ipynb", "a/x-10.ipynb", "a/x.ipynb", "a/x (1).ipynb"]
    found = [one.name for one in collect(write(tmp_path, *names))]
    assert found == ["x.ipynb", "x (1).ipynb", "x-2.ipynb", "x-10.ipynb"]


def test_hidden_files_pictures_and_links_are_no_submissions(tmp_path):
    write(tmp_path, "ada/a.ipynb", "ada/.ipynb_checkpoints/a.ipynb", "ada/plot.png", "__MACOSX/ada/._a.ipynb")
    (tmp_path / "ada" / "b.ipynb").symlink_to(tmp_path / "ada" / "a.ipynb")
    assert students(tmp_path) == [("ada", "", "a.ipynb")]


def test_a_path_that_leads_out_of_a_zip_is_only_a_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("../../ada/a.ipynb", "{}")
    assert collect(tmp_path / "class.zip")[0].read() == b"{}"
    assert [path.name for path in tmp_path.iterdir()] == ["class.zip"]


def test_nothing_to_grade_is_said(tmp_path):
    with pytest.raises(ValueError, match="nothing to grade"):
        collect(write(tmp_path, "notes.docx"))
    with pytest.raises(ValueError, match="no file or folder"):
        collect(tmp_path / "elsewhere")
