"""Building made-up lessons, and finding each way in which a notebook can be out of step with its source."""

import contextlib
import copy
import shutil
from pathlib import Path

import nbformat
import psutil
import pytest

from course_lib.classroom import build as building
from course_lib.classroom.build import build, check, differences, fingerprint, run_faults
from course_lib.classroom.lesson import LessonError, read_lesson
from course_lib.classroom.run import Run, find_weights, networks_of, run_lesson

LESSON = """# %% [markdown] id="opening"
# # A lesson
# of {{Z}} places.

# %% id="sum" tags=["warns"]
import sys

from course_lib.claims import claim

print("before")
claim("sum", 1 + 1, 2)
for step in range(2):
    claim(f"step-{step}", step, step)
print("a warning", file=sys.stderr)

# %% id="object"
from pathlib import Path

assert list(Path().iterdir()) == []
object()

# %% id="silent"
memory = bytearray(300_000_000)

# %% id="widget"
from course_lib.widgets.page import PageWidget


class Small(PageWidget):
    _esm = "export default {}"

    def _page_state(self):
        return {}

    def _page_picture(self):
        return "data:image/png;base64,AAAA", "A small widget."


Small()
"""


def write(root: Path, text: str, name: str = "01_fake") -> Path:
    source = root / "notebooks" / "source" / f"{name}.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text, "utf-8")
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    root = write(tmp_path_factory.mktemp("course"), LESSON)
    return root, build("01_fake", root, progress=False)


@pytest.fixture
def root(built: tuple[Path, Run], tmp_path: Path) -> Path:
    return Path(shutil.copytree(built[0], tmp_path / "course"))


# --------------------------------------------------------------------------------------------------------- building


def test_a_lesson_is_built_with_its_outputs_claims_time_and_memory(built):
    root, run = built
    notebook = nbformat.read(root / "notebooks/01_fake.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == ["opening", "sum", "object", "silent", "widget"]
    assert notebook.cells[0].source == "# A lesson\nof $Z$ places."
    assert [cell.get("execution_count") for cell in notebook.cells] == [None, 1, 2, 3, 4]
    said, warned = notebook.cells[1].outputs
    assert said.text.splitlines()[:2] == ["before", "claim sum holds: 2 = 2 (rtol 1e-10)"]
    assert (warned.name, warned.text) == ("stderr", "a warning\n")
    assert notebook.cells[2].outputs[0].data == {"text/plain": "<object>"}
    assert list(notebook.cells[4].outputs[0].data) == ["text/html"]
    assert notebook.metadata.course == {"lesson": "01_fake", "hash": fingerprint("01_fake", root)}
    assert set(notebook.metadata) == {"course", "kernelspec", "language_info"}
    assert (run.held, run.total) == (("sum", "step-*"), 2)
    assert 300 < run.megabytes < 1500 and 0 < run.seconds < 60
    assert run.summary() == f"claims checked: 2 of 2, {run.seconds:.0f} s, {run.megabytes:.0f} MB"


def test_a_built_lesson_is_in_step(root):
    faults, run = check("01_fake", root, progress=False)
    assert faults == [] and run is not None and run.held == ("sum", "step-*")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            'from course_lib.claims import claim\nclaim("sum", 1, 2)',
            "cell bad fails with AssertionError: Claim sum fails: 1 is not 2 (the largest",
        ),
        ('raise ValueError("no\\nmore")', "cell bad fails with ValueError: no"),
        ("import os\nos._exit(1)", "the kernel died in cell bad, mostly a sign that memory ran out"),
        ('if False:\n    claim("never", 1, 1)', "the claim never in cell bad was not checked"),
        ('print("at", Path.cwd())', "cell bad shows a path of this machine: "),
        ('import sys\nprint("oh", file=sys.stderr)', 'cell bad writes to stderr ("oh"); mend the cause'),
        ('Path("left.txt").write_text("")', "the lesson leaves files in the folder where it is started: left.txt"),
        ("import ipywidgets\nipywidgets.IntSlider()", "cell bad shows a widget that leaves nothing in a page"),
    ],
)
def test_what_is_wrong_is_said_and_no_notebook_is_written(tmp_path, code, sentence):
    write(tmp_path, f'# %% id="good"\nfrom pathlib import Path\n\n# %% id="bad"\n{code}\n')
    with pytest.raises(LessonError) as error:
        build("01_fake", tmp_path, progress=False)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "notebooks").iterdir()] == ["source"]


def test_a_cell_that_takes_too_long_is_stopped(tmp_path):
    lesson = read_lesson("01_fake", write(tmp_path, '# %% id="long"\nimport time\ntime.sleep(60)\n'))
    with pytest.raises(LessonError, match="^cell long took more than 1 s$"):
        run_lesson(lesson, progress=False, limit=1)


@pytest.mark.parametrize("code", ["1 + 1", "1 / 0"])
def test_a_kernel_ends_with_its_lesson(tmp_path, code):
    """Otherwise a build of twenty notebooks holds twenty kernels, of up to 1.5 GB each."""
    lesson = read_lesson("01_fake", write(tmp_path, f'# %% id="one"\n{code}\n'))
    before = set(psutil.Process().children())
    with contextlib.suppress(LessonError):
        run_lesson(lesson, progress=False)
    assert psutil.wait_procs(set(psutil.Process().children()) - before, timeout=5)[1] == []


def test_a_failing_build_leaves_the_old_notebook(root):
    before = (root / "notebooks/01_fake.ipynb").read_bytes()
    write(root, '# %% id="bad"\n1 / 0\n')
    with pytest.raises(LessonError, match="cell bad fails with ZeroDivisionError: division by zero"):
        build("01_fake", root, progress=False)
    assert (root / "notebooks/01_fake.ipynb").read_bytes() == before


# --------------------------------------------------------------------------------------------------------- checking


def edited(root: Path, change) -> list[str]:
    """The static differences after a change of the notebook."""
    path = root / "notebooks/01_fake.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    return list(differences(read_lesson("01_fake", root), notebook))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda nb: nb.cells.pop(1), "(first difference: object where the source has sum)"),
        (
            lambda nb: nb.cells.append(nbformat.v4.new_code_cell("1", id="new")),
            "(first difference: new where the source",
        ),
        (lambda nb: nb.cells.reverse(), "(first difference: widget where the source has opening)"),
        (lambda nb: nb.cells[2].update(id="other"), "(first difference: other where the source has object)"),
        (lambda nb: nb.cells[1].update(source="1"), "cell sum: its text isn't that of the source"),
        (lambda nb: nb.cells[0].update(source="{{Z}}"), "cell opening: its text isn't that of the source"),
        (lambda nb: nb.cells[1].metadata.update(tags=[]), "cell sum: its tags isn't that of the source"),
        (lambda nb: nb.cells[3].update(cell_type="raw"), "cell silent: its kind isn't that of the source"),
        (lambda nb: nb.metadata.kernelspec.update(name="other"), "the notebook's metadata is not what a build writes"),
        (lambda nb: nb.metadata.update(widgets={}), "the notebook's metadata is not what a build writes"),
        (lambda nb: nb.metadata.pop("course"), "the notebook's metadata is not what a build writes"),
        (lambda nb: nb.metadata.course.update(hash="0"), "the library, its weights or its results have changed since"),
    ],
)
def test_each_difference_from_the_source_is_said(root, change, sentence):
    assert edited(root, lambda notebook: None) == []
    found = edited(root, change)
    assert sentence in found[0]


def test_a_changed_source_is_found(root, built, monkeypatch):
    monkeypatch.setattr(building, "run_lesson", lambda *_, **__: built[1])
    write(root, LESSON.replace("places", "spots"))
    faults, _ = check("01_fake", root, progress=False)
    assert faults[0] == "cell opening: its text isn't that of the source"
    assert "have changed since the notebook was built" in faults[1]


def test_outputs_of_another_kind_are_found(built):
    run = built[1]
    stored = copy.deepcopy(run.notebook)
    assert list(run_faults(run, stored)) == []
    stored.cells[1].outputs.pop()
    stored.cells[3].outputs = [nbformat.v4.new_output("display_data", {"image/png": "AAAA"})]
    assert list(run_faults(run, stored)) == [
        "cell sum gives stdout, stderr, and the notebook holds stdout",
        "cell silent gives nothing, and the notebook holds image/png",
    ]


def test_a_leak_in_the_stored_outputs_is_found(root, built, monkeypatch):
    monkeypatch.setattr(building, "run_lesson", lambda *_, **__: built[1])
    path = root / "notebooks/01_fake.ipynb"
    path.write_text(path.read_text().replace('"before\\n', f'"before {Path.home()}/x\\n'))
    assert check("01_fake", root, progress=False)[0] == [f"cell sum shows a path of this machine: {Path.home()}/x"]


def test_a_lesson_that_fails_a_missing_and_a_broken_notebook_are_found(root):
    (root / "notebooks/01_fake.ipynb").write_text("{")
    assert check("01_fake", root)[0][0].startswith("the notebook can't be read (")
    (root / "notebooks/01_fake.ipynb").unlink()
    assert check("01_fake", root) == (["there is no notebook yet"], None)
    write(root, "# %%\n")
    assert check("01_fake", root)[0][0].startswith("notebooks/source/01_fake.py, line 1: this cell has no id")


def test_the_hash_follows_source_library_weights_and_results_and_not_the_classroom(tmp_path, monkeypatch):
    library = tmp_path / "course_lib"
    names = ["cam.py", "widgets/a.js", "widgets/a.css", "networks/weights/a.safetensors", "results/a.csv"]
    for name in [*names, "classroom/build.py", "notes.txt", "__pycache__/cam.pyc"]:
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_bytes(b"one\n")
    monkeypatch.setattr(building, "LIBRARY", library)
    write(tmp_path, LESSON)
    seen = {fingerprint("01_fake", tmp_path)}
    for name in names:
        (library / name).write_bytes(b"two\n")
        seen.add(fingerprint("01_fake", tmp_path))
    write(tmp_path, LESSON + "\n")
    seen.add(fingerprint("01_fake", tmp_path))
    assert len(seen) == 7
    (library / "classroom/build.py").write_bytes(b"two\n")
    (library / "notes.txt").write_bytes(b"two\n")
    (library / "cam.py").write_bytes(b"two\r\n")  # as git may write it on Windows
    assert fingerprint("01_fake", tmp_path) in seen
    (library / "cam.py").rename(library / "camera.py")
    assert fingerprint("01_fake", tmp_path) not in seen


# ------------------------------------------------------------------------------------------------ pretrained weights

PRETRAINED = """# %% id="setup"
import os
from pathlib import Path

# %% id="real" tags=["pretrained"]
def pretrained(name):
    return sorted(path.name for path in (Path(os.environ["TORCH_HOME"]) / "hub/checkpoints").iterdir())


pretrained("squeezenet1_0")

# %% id="late" tags=["pretrained"]
def claim(name, got, expected):
    print(f"claim {name} holds: {got} = {expected}")


claim("late", 1, 1)
"""


@pytest.fixture
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("COURSE_REAL_DIR", raising=False)


@pytest.mark.usefixtures("nothing_cached")
def test_cells_that_need_weights_run_with_them_and_keep_their_outputs_without(tmp_path, monkeypatch):
    write(tmp_path, PRETRAINED)
    with pytest.raises(LessonError, match="^there are no stored outputs for real, late, whose pretrained weights"):
        build("01_fake", tmp_path, progress=False)
    weights = tmp_path / "real" / "weights" / "squeezenet1_0.pth"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"")
    monkeypatch.setenv("COURSE_REAL_DIR", str(tmp_path / "real"))
    run = build("01_fake", tmp_path, progress=False)
    file = "squeezenet1_0-b66bff10.pth"
    assert run.notebook.cells[1].outputs[0].data["text/plain"] == f"['{file}']"
    assert (run.held, run.kept) == (("late",), ())

    monkeypatch.delenv("COURSE_REAL_DIR")
    before = (tmp_path / "notebooks/01_fake.ipynb").read_bytes()
    run = build("01_fake", tmp_path, progress=False)
    assert (run.held, run.kept, run.missing) == (("late",), ("real", "late"), ("squeezenet1_0",))
    assert run.summary().endswith("MB, without squeezenet1_0, so the stored outputs stay in real, late")
    assert (tmp_path / "notebooks/01_fake.ipynb").read_bytes() == before


@pytest.mark.usefixtures("nothing_cached")
def test_weights_are_found_in_torchs_own_cache(tmp_path):
    assert find_weights("squeezenet1_0") is None
    cached = tmp_path / "torch/hub/checkpoints/squeezenet1_0-b66bff10.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")
    assert find_weights("squeezenet1_0") == cached
    cells = read_lesson("01_fake", write(tmp_path, PRETRAINED)).notebook.cells
    assert networks_of(cells) == {"squeezenet1_0"}
