"""The audit of two folders: what is read, what the interventions make, and the verdicts on models set by hand."""

import re
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

import course_lib.audit as auditing
from course_lib.audit import audit, pictures
from course_lib.audit.pictures import (
    AS_THEY_ARE,
    BACKGROUNDS,
    FORMATS,
    INTERVENTIONS,
    KNOWN,
    REPAIRED,
    WHITE,
    Folder,
    encoded,
    interventions,
    read,
    repaired,
    survey,
)  # fmt: skip
from course_lib.audit.report import Audit, Side
from course_lib.figures import embedded
from course_lib.networks import Network, load
from course_lib.networks.recipes import Recipe
from course_lib.preprocessing import Preprocessing

RED, BLUE = (220, 40, 30), (30, 40, 220)


def fill(folder: Path, n: int, colour: tuple[int, int, int], way: str, size: int = 64) -> Path:
    """n objects of a colour: "png" has transparency (black beneath), "jpeg" is on white, else a ground for a PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(n):
        drawn = Image.new("RGBA", (size, size))
        unit = size // 16
        ImageDraw.Draw(drawn).ellipse([3 * unit, 4 * unit, (7 + place % 5) * unit, (9 + place % 3) * unit], colour)
        ground = Image.new("RGBA", drawn.size, "white" if way == "jpeg" else way if way != "png" else "black")
        on = Image.alpha_composite(ground, drawn).convert("RGB")
        if way == "jpeg":
            on.save(folder / f"{place:02}.jpg", quality=85)
        else:
            (drawn if way == "png" else on).save(folder / f"{place:02}.png")
    return folder


def linear(weights: list[float], bias: float) -> nn.Module:
    """The margin is 2 (weights · mean colour + bias)."""
    model = nn.Sequential(nn.AvgPool2d(64), nn.Flatten(), nn.Linear(3, 2))
    row = torch.tensor(weights, dtype=torch.float)
    model[2].weight.data, model[2].bias.data = torch.stack([row, -row]), torch.tensor([bias, -bias], dtype=torch.float)
    return model.eval()


DARK, REDDISH = linear([-1, -1, -1], 1.5), linear([9, 0, -9], 0)


@pytest.fixture
def two(tmp_path):
    """Red objects as PNG with transparency, blue ones as JPEG on white."""
    return fill(tmp_path / "red", 12, RED, "png"), fill(tmp_path / "blue", 10, BLUE, "jpeg")


# ------------------------------------------------------------------------------------------------------ what is read


def test_a_picture_is_read_as_a_careless_loader_reads_it_and_what_lies_hidden_is_told(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., :3], rgba[1, 1:3] = (200, 30, 60), (10, 20, 30, 255)
    rgba[2, 1] = (50, 60, 70, 128)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert (picture.rgb == rgba[..., :3]).all() and np.allclose(picture.alpha, rgba[..., 3] / 255)
    assert (picture.transparent, picture.background, picture.several) == (True, (200, 30, 60), False)
    assert (picture.format, picture.jpeg) == ("PNG", None)
    share = 128 / 255
    laid = picture.laid_on((255, 255, 255))
    assert laid[2, 1].tolist() == [round(share * c + (1 - share) * 255) for c in (50, 60, 70)]
    assert laid[0, 0].tolist() == [255] * 3 and laid[1, 1].tolist() == [10, 20, 30]
    rgba[0, 0, :3] = 1, 2, 3
    Image.fromarray(rgba).save(tmp_path / "b.png")
    several = read(tmp_path / "b.png")
    assert several.several and several.background == (200, 30, 60)


def test_what_is_hidden_is_looked_up_before_a_large_picture_is_made_smaller(tmp_path):
    drawn = Image.new("RGBA", (1200, 600), (9, 8, 7, 0))
    ImageDraw.Draw(drawn).rectangle([300, 150, 800, 450], RED)
    drawn.save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert picture.rgb.shape == (256, 512, 3) and picture.alpha.shape == (256, 512)
    assert (picture.several, picture.background) == (False, (9, 8, 7))


def test_a_flood_fill_from_an_even_border_finds_the_object_and_not_its_hole(tmp_path):
    grid = np.array([list("....."), list(".###."), list(".#.#."), list(".###."), list(".....")])
    rgb = np.where((grid == "#")[..., None], np.uint8(RED), np.uint8((250, 250, 250)))
    rgb[0, 0] = 240, 245, 250  # near-constant is enough
    Image.fromarray(rgb.astype(np.uint8)).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert picture.alpha.tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5]
    assert (picture.transparent, picture.background) == (False, (250, 250, 250))


@pytest.mark.parametrize("what", ["an uneven border", "nothing but ground", "nothing opaque"])
def test_without_an_object_there_is_no_mask(tmp_path, what):
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    picture = Image.fromarray(values if what == "an uneven border" else np.full((16, 16, 3), 99, np.uint8))
    if what == "nothing opaque":
        picture = Image.new("RGBA", (16, 16))
    picture.save(tmp_path / "a.png")
    found = read(tmp_path / "a.png")
    assert found.alpha is None and found.laid_on(WHITE) is found.rgb


def test_unreadable_files_are_listed_and_skipped(two):
    red, blue = two
    (red / "text.png").write_text("no picture")
    whole = (red / "00.png").read_bytes()
    (red / "cut.png").write_bytes(whole[: len(whole) // 2])
    (red / "notes.txt").write_text("not even called a picture")
    found = audit(red, blue, DARK, progress=False)
    folder = found.folders[0]
    assert (folder.found, len(folder.files), sorted(folder.unreadable)) == (14, 12, ["cut.png", "text.png"])
    assert "is not a picture that can be read" in folder.unreadable["text.png"]
    assert "Skipped in red: cut.png: This picture may be damaged" in found._repr_html_()


def test_at_most_so_many_are_drawn_and_the_report_says_so(two):
    found = audit(*two, DARK, most=4, progress=False)
    assert [len(folder.files) for folder in found.folders] == [4, 4]
    assert "4 of 12 pictures read in red (drawn at random, since there are more)" in found._repr_html_()
    assert found.folders[0].files == audit(*two, DARK, most=4, progress=False).folders[0].files


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path, monkeypatch):
    ever, largest, passes = [], [], []

    def counted(path):
        picture = read(path)
        ever.append(weakref.ref(picture))
        largest.append(sum(one() is not None for one in ever))
        return picture

    for module in (auditing, pictures):
        monkeypatch.setattr(module, "read", counted)
    model = linear([-1, -1, -1], 1.5)
    model.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    for n in (6, 70):
        largest.clear()
        a, b = fill(tmp_path / f"{n}a", n, RED, "png"), fill(tmp_path / f"{n}b", n, BLUE, "jpeg")
        found = audit(a, b, model, progress=False)
        assert len(largest) == 4 * n and max(largest) <= 3, "the new one, and those that a loop's names still hold"
    assert max(passes) == auditing.BATCH == 32
    held = [value for side in found.sides for value in side.examples["saliency"].values()]
    assert len(held) == 4, "one example for each folder and side"


# --------------------------------------------------------------------------------------------- what the swaps make


def surveyed(folder: Path) -> Folder:
    return survey(folder, pictures.pictures_in(folder), 100, 0, lambda: None)


def test_formats_swapped_puts_the_other_ground_beneath_or_encodes_like_the_other_folder(two):
    red, blue = (surveyed(folder) for folder in two)
    assert (red.kind, blue.kind) == (("PNG", True), ("JPEG", False))
    assert set(red.hidden) == {(0, 0, 0)} and len(blue.jpegs) == 10 and not red.jpegs
    picture = read(red.files[0])
    made = interventions(picture, 0, red, blue)
    assert list(made) == [AS_THEY_ARE, KNOWN, FORMATS, BACKGROUNDS, "both white", "both black", "both grey"]
    assert (made[FORMATS].rgb == encoded(picture.laid_on(blue.backgrounds[0]), "JPEG", blue.jpegs[0])).all()
    assert made[FORMATS].jpeg is blue.jpegs[0] and not made[FORMATS].transparent
    assert (made[BACKGROUNDS].rgb == picture.laid_on(blue.backgrounds[0])).all()
    assert (made["both grey"].rgb[0, 0] == 128).all() and (made[AS_THEY_ARE].rgb == picture.rgb).all()
    picture = read(blue.files[3])
    swapped = interventions(picture, 3, blue, red)[FORMATS]
    outside = picture.alpha == 0
    assert (swapped.rgb[outside] == 0).all() and (swapped.rgb[~outside] == picture.rgb[~outside]).all()
    assert (swapped.transparent, swapped.jpeg, swapped.format) == (True, None, "PNG")


def test_folders_of_one_format_have_no_formats_to_swap_and_no_mask_no_swap(tmp_path):
    a, b = (surveyed(fill(tmp_path / name, 2, RED, ground)) for name, ground in (("a", "black"), ("b", "white")))
    made = interventions(read(a.files[0]), 0, a, b)
    assert FORMATS not in made and (made[BACKGROUNDS].rgb[0, 0] == 255).all()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert list(interventions(read(tmp_path / "noise.png"), 0, a, b)) == [AS_THEY_ARE]


def test_a_repaired_loader_gives_all_one_history_of_jpeg_on_white(two):
    red, blue = (surveyed(folder) for folder in two)
    last = {"quality": 75}
    png, jpeg = read(red.files[1]), read(blue.files[1])
    once = encoded(png.laid_on(WHITE), "JPEG", blue.jpegs[1])
    assert (repaired(png, 1, blue.jpegs) == encoded(once, "JPEG", last)).all()
    assert (repaired(jpeg, 1, blue.jpegs) == encoded(jpeg.rgb, "JPEG", last)).all(), "on near-white it stays"
    assert (repaired(png, 1, []) == encoded(png.laid_on(WHITE), "JPEG", last)).all(), "no JPEG, no history to match"
    made = interventions(png, 1, red, blue)
    assert np.abs(repaired(made["both black"], 1, []).astype(int) - repaired(png, 1, []).astype(int)).max() < 99


# ------------------------------------------------------------------------------------------------------ the verdicts


def test_a_model_of_the_background_is_found(two):
    found = audit(*two, DARK, progress=False)
    model = found.sides[0]
    assert model.accuracy(AS_THEY_ARE)[0] == 1 and model.accuracy(FORMATS)[0] == 0
    assert found.verdict.startswith("The interventions show that this model goes by what the files bring along: with")
    assert "fewer than a coin" in found.verdict and found.verdict.endswith("A map is a hypothesis; the swap proves it.")
    assert str(found) == repr(found) == found.verdict
    assert [len(right) for right in model.right[BACKGROUNDS]] == [12, 10]


def test_a_model_of_the_objects_is_steady(two):
    found = audit(*two, REDDISH, progress=False)
    assert [found.sides[0].accuracy(name)[0] for name in found._made()] == [1.0] * 7
    assert found.verdict.startswith("The interventions show no shortcut by the background or the format: none took it")
    assert "100.0% right (95 % interval" in found.verdict and "22 pictures" in found.verdict


def test_margins_on_blanks_are_the_models_own(two):
    found = audit(*two, DARK, progress=False)
    blanks = found.sides[0].blanks
    assert blanks["both black"] == pytest.approx([3.0]) and blanks["both white"] == pytest.approx([-3.0])
    assert blanks["both grey"] == pytest.approx([3 - 6 * 128 / 255], abs=1e-3)
    assert len(found.sides[0].margins) == 22 and found.networks == 1 and not found.trained


def test_an_even_map_gets_the_area_and_gradient_times_input_is_blind_on_black(two):
    found = audit(*two, DARK, methods=("saliency", "gradient x input"), progress=False)
    for folder in (0, 1):
        shares = np.array(found.sides[0].evidence["saliency"][folder])
        assert shares == pytest.approx(np.array(found.area[folder])), "the gradient is the same at every pixel"
        assert (shares[:, 0] > shares[:, 1]).all() and (shares[:, 1] > 0.1).all()
    on_black = found.sides[0].evidence["gradient x input"][0]
    assert all(share == (0, 0) for share in on_black)
    assert len(found.sides[0].evidence["saliency"][1]) == 10


def test_the_control_of_a_given_model_has_its_weights_in_random_order(two):
    found = audit(*two, DARK, progress=False, seed=3)
    assert found.sides[1].right.keys() == found.sides[0].right.keys()
    assert found.sides[1].margins != found.sides[0].margins
    assert torch.equal(DARK[2].weight, torch.tensor([[-1.0] * 3, [1.0] * 3])), "the model stays as it is"


def test_a_network_reads_through_its_own_preprocessing(two):
    model = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3, 2)).eval()
    model[2].weight.data, model[2].bias.data = DARK[2].weight.data, torch.zeros(2)
    network = Network(model, ("a", "b"), Preprocessing(32, mean=(0.5,) * 3, std=(1.0,) * 3), "mine")
    found = audit(*two, network, progress=False)
    assert found.sides[0].blanks["both black"] == pytest.approx([3.0])
    assert found.sides[0].pictures[0][0].shape == (3, 32, 32)
    assert found.sides[0].pictures[0][0].min() == 0, "shown without the normalization"


def test_no_verdict_where_nothing_was_learnt_or_the_folders_are_the_other_way_round(two):
    assert audit(*two, linear([0, 0, 0], 1), progress=False).verdict.startswith("No verdict: as the files are, the mod")
    swapped = audit(two[1], two[0], DARK, progress=False).verdict
    assert swapped.startswith("No verdict") and swapped.endswith("Is the first folder its class 0?")


def noise_with(folder: Path, colour: int, n: int = 12) -> Path:
    folder.mkdir()
    for place in range(n):
        values = np.random.default_rng(place).integers(0, 120, (16, 16, 3), np.uint8)
        values[..., colour] += 120
        Image.fromarray(values).save(folder / f"{place}.png")
    return folder


def test_pictures_without_an_object_are_counted_and_left_out(tmp_path):
    a, b = noise_with(tmp_path / "a", 0), noise_with(tmp_path / "b", 2)
    found = audit(a, b, REDDISH, progress=False)
    assert found.verdict == "No verdict: no object could be told from its ground, so nothing could be swapped."
    assert [folder.without_mask for folder in found.folders] == [12, 12] and found.area == ([], [])
    page = found._repr_html_()
    assert "12 without a known object (no alpha, no even border): left out" in page and "Example maps" not in page
    fill(tmp_path / "a2", 3, RED, "white")
    mixed = [*noise_with(tmp_path / "c", 0, 9).iterdir(), *(tmp_path / "a2").iterdir()]
    for place, path in enumerate(mixed):
        path.rename(tmp_path / "c" / f"mixed{place}.png")
    found = audit(tmp_path / "c", b, REDDISH, progress=False)
    assert found.sides[0].right[KNOWN] == ([True] * 3, []) and KNOWN in found._made()
    assert found.sides[0].accuracy(KNOWN)[::3] == (1.0, 3), "the folder without such pictures has no part in it"
    assert "3 + 0" in found._repr_html_()


def sides(**right: list[bool]) -> tuple[Side, Side]:
    base = {AS_THEY_ARE: [True] * 40, KNOWN: [True] * 40, BACKGROUNDS: [True] * 40}
    both = {name: (values, values) for name, values in (base | right).items()}
    return Side(both), Side(both)


def test_the_other_verdicts_from_what_was_answered():
    folders = Folder(Path("a"), 40), Folder(Path("b"), 40)
    half = [True, False] * 20
    equal = Audit(folders, True, sides=sides(**{"both grey": half})).verdict
    assert "or has never seen such pictures: with both grey it gets 50.0% right" in equal and "fewer" not in equal
    swapped = Audit(folders, True, sides=sides(**{"both grey": half, FORMATS: half})).verdict
    assert "bring along: with formats swapped it gets 50.0% right" in swapped and "fewer than a coin" not in swapped
    chance = Audit(folders, True, sides=sides(**{FORMATS: [True] * 38 + [False] * 2})).verdict
    assert "no shortcut" in chance, "two of forty can be chance"
    known = sides(**{AS_THEY_ARE: [True] * 80, KNOWN: half, BACKGROUNDS: half})
    assert "no shortcut" in Audit(folders, True, sides=known).verdict, "the same pictures were as bad unswapped"


# ------------------------------------------------------------------------------------------------------ training


def test_a_network_is_trained_and_tested_on_what_it_has_not_seen(two, monkeypatch):
    trained = []

    def fit(model, seen, labels, recipe, seed, bar):
        assert isinstance(recipe, Recipe) and seen.shape[1:] == (3, 64, 64) and 0 <= seen.min() <= seen.max() <= 1
        trained.append((seen, labels))
        model.eval()

    monkeypatch.setattr(auditing, "fit", fit)
    found = audit(*two, progress=False)
    assert (found.networks, found.trained, len(trained)) == (5, True, 10)
    assert [len(right) for right in found.sides[0].right[AS_THEY_ARE]] == [12, 10]
    assert [len(labels) for _, labels in trained[::2]] == [17, 17, 18, 18, 18], "each has not seen its fifth"
    assert all((a[1] == b[1]).all() for a, b in zip(trained[::2], trained[1::2], strict=True))
    assert trained[0][0][0, :, 0, 0].tolist() == [0] * 3 and trained[1][0][0, :, 0, 0].min() > 0.98, "repaired: white"
    assert [len(blanks) for blanks in found.sides[0].blanks.values()] == [5] * 3
    trained.clear()
    monkeypatch.setattr(auditing, "FEW", 10)
    found = audit(*two, progress=False)
    assert (found.networks, len(trained)) == (1, 2)
    assert [len(right) for right in found.sides[0].right[AS_THEY_ARE]] == [3, 2]


def test_trained_networks_take_the_shortcut_and_a_control_does_not(two, monkeypatch, capsys):
    monkeypatch.setattr(auditing, "STEPS", 30)
    monkeypatch.setattr(auditing, "FOLDS", 2)
    red, _ = two
    found = audit(red, fill(red.parent / "also red", 12, RED, "jpeg"), progress=True)
    assert "goes by what the files bring along" in found.verdict
    assert abs(found.sides[1].accuracy(AS_THEY_ARE)[0] - 0.5) < 0.4, "the objects are the same"
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("reading", "training", "testing", "24/24"))
    again = audit(red, red.parent / "also red", progress=False)
    assert again.sides[0].margins == found.sides[0].margins and again._repr_html_() == found._repr_html_()


def test_trained_networks_are_steady_where_only_the_objects_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(auditing, "STEPS", 30)
    monkeypatch.setattr(auditing, "FOLDS", 2)
    a, b = fill(tmp_path / "a", 14, RED, "white"), fill(tmp_path / "b", 14, BLUE, "white")
    found = audit(a, b, progress=False)
    assert found.sides[0].accuracy(AS_THEY_ARE)[0] == 1
    assert found.sides[0].accuracy(BACKGROUNDS)[0] == 1 and FORMATS not in found.sides[0].right
    assert "goes by" not in found.verdict


# -------------------------------------------------------------------------------------------------------- the report


def test_the_report_is_one_page_whose_tables_are_whole(two, tmp_path):
    found = audit(*two, DARK, methods=("CAM", "saliency"), progress=False)
    path = found.save(tmp_path / "new" / "report.html")
    page = path.read_text("utf-8")
    assert page.startswith("<!doctype html>") and found._repr_html_() in page and "http" not in page
    for table in re.findall("<table>.*?</table>", page, re.S):
        cells = {len(re.findall("<t[hd]", row)) for row in re.findall("<tr>.*?</tr>", table, re.S)}
        assert len(cells) == 1
    images = re.findall('<img alt="([^"]*)"', page)
    assert len(images) == 3 and all(len(alt) > 60 for alt in images)
    assert "formats swapped 0%" in images[0] and all(name in page for name in INTERVENTIONS if name != KNOWN)
    assert "under transparent pixels lies" in page and "rgb(0, 0, 0) in 12" in page and "10 JPEG" in page
    assert list(found.left_out) == ["CAM"] and "CAM is left out: " in page
    assert "12 / 12 / 12" in page and REPAIRED in page


def test_names_are_told_apart_and_escaped(tmp_path):
    a, b = fill(tmp_path / "x&y" / "same", 3, RED, "png"), fill(tmp_path / "z" / "same", 3, BLUE, "jpeg")
    found = audit(a, b, REDDISH, progress=False)
    assert found.names == ("x&y/same", "z/same") and "x&amp;y/same" in found._repr_html_()
    assert "x&y" not in found._repr_html_()


def test_a_figure_of_a_report_may_be_larger_than_one_of_a_lesson():
    import matplotlib.pyplot as plt

    def noisy():
        figure, ax = plt.subplots()
        ax.imshow(np.random.default_rng(0).random((300, 300, 3)))
        return figure

    alt = "Noise, in which there is nothing to see."
    assert embedded(noisy(), alt, most=500_000).startswith(f'<img alt="{alt}" src="data:image/png;base64,')
    with pytest.raises(ValueError, match=r"and 60 are allowed: make it smaller"):
        embedded(noisy(), alt)


# -------------------------------------------------------------------------------------------------------- sentences


class Fails(nn.Module):
    def forward(self, x):
        raise RuntimeError("16 x 16 only")


@pytest.mark.parametrize(
    ("model", "kind", "sentence"),
    [
        (linear([1, 1, 1], 0)[:1], ValueError, "An audit needs a model with 2 classes, one a folder, that"),
        (load("scenes_gap"), ValueError, "this one gives (1, 6). Without a model the audit trains one."),
        (Fails(), ValueError, "The model can't take a picture of 3 x 64 x 64 (16 x 16 only): give a Network"),
        ("creatures", TypeError, "A model is a torch.nn.Module, not a str."),
        (nn.Sequential(nn.Dropout(), nn.Flatten()), ValueError, "Call model.eval() first."),
    ],
)
def test_a_model_that_cannot_be_audited_gets_a_sentence(two, model, kind, sentence):
    with pytest.raises(kind) as raised:
        audit(*two, model, progress=False)
    assert sentence in str(raised.value)


def test_folders_that_cannot_be_audited_get_a_sentence(two, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.png").write_text("no picture")
    red, blue = two
    for folder, sentence in (
        (tmp_path / "nowhere", "There is no folder "),
        (tmp_path / "empty", "holds no picture: no file ends in .bmp, .gif, "),
        (tmp_path / "one", "holds 0 readable pictures of 1 (This is not a picture"),
        (red, "an audit compares two kinds of pictures, a folder each."),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            audit(red, folder, DARK, progress=False)
    (tmp_path / "one" / "b.jpg").write_bytes((blue / "01.jpg").read_bytes())
    with pytest.raises(ValueError, match="holds 1 readable picture of 2 "):
        audit(tmp_path / "one", red, progress=False)
    with pytest.raises(ValueError, match="two pictures or more of each folder, not at most 1"):
        audit(*two, most=1, progress=False)
    with pytest.raises(LookupError, match="Grad-CAM"):
        audit(*two, methods=["Gard-CAM"], progress=False)
