"""The audit on real sprites: animals as PNG with transparency, demons as JPEG on white."""

from pathlib import Path

import pytest
from PIL import Image

from course_lib import audit as auditing
from course_lib.audit import audit
from course_lib.audit.pictures import AS_THEY_ARE, BACKGROUNDS, FORMATS, INTERVENTIONS, REPAIRED
from course_lib.audit.report import Audit
from course_lib.datasets.creatures import composite
from tests.real.material import folder

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = tmp_path_factory.mktemp("sprites")
    for name in ("animals", "demons"):
        (made / name).mkdir()
        for path in (folder() / "sprites" / name).rglob("*.png"):
            with Image.open(path) as opened:
                drawn = opened.convert("RGBA")
            if name == "animals":
                drawn.save(made / name / path.name)
            else:
                composite(drawn).save(made / name / f"{path.stem}.jpg", quality=90)
    return made / "animals", made / "demons"


@pytest.fixture(scope="module")
def found(folders: tuple[Path, Path]) -> Audit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "FOLDS", 3)  # as shipped but for fewer networks, which each see fewer pictures
        return audit(*folders, progress=False)


def test_the_files_are_what_was_written(found: Audit) -> None:
    animals, demons = found.folders
    assert (len(animals.files), len(demons.files), animals.unreadable, demons.unreadable) == (75, 47, {}, {})
    assert animals.kinds == {("PNG", True): 75} and demons.kinds == {("JPEG", False): 47}
    assert sum(animals.hidden.values()) == 75 and len(animals.hidden) > 5, "not all sprites hide black"
    assert animals.without_mask == 0 and demons.without_mask <= 5


def test_the_shortcut_is_found(found: Audit) -> None:
    model, control = found.sides
    for name in INTERVENTIONS:
        print(f"{name:26}", *(f"{value:6.3f}" for side in found.sides for value in side.accuracy(name)[:3]))
    assert model.accuracy(AS_THEY_ARE)[0] > 0.9
    assert model.accuracy(FORMATS)[2] < 0.5 and model.accuracy(BACKGROUNDS)[2] < 0.5
    assert model.accuracy(REPAIRED)[2] < model.accuracy(AS_THEY_ARE)[1]
    assert found.verdict.startswith("The interventions show that this model goes by what the files bring along: with")
    assert "fewer than a coin" in found.verdict
    assert control.accuracy(FORMATS)[2] > control.accuracy(AS_THEY_ARE)[1], "a repaired loader: no fall beyond chance"
    assert min(model.blanks["both black"]) > 0 > max(model.blanks["both white"])


def test_the_report_says_on_how_many_pictures_each_number_rests(found: Audit, tmp_path: Path) -> None:
    page = found.save(tmp_path / "report.html").read_text("utf-8")
    assert "75 of 75 pictures read in animals" in page and "47 of 47 pictures read in demons" in page
    assert "75 + 47" in page and f"75 + {47 - found.folders[1].without_mask}" in page
    assert page.count("<img ") == 3 and len(page) < 1_000_000
