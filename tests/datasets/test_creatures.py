"""The creatures' files: what comes back from a format, and that nothing but the format makes it so."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.datasets.creatures import FAMILIES, SIZE, WAYS, ceiling, composite, creatures, masks, read, write


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folders = write(tmp_path_factory.mktemp("plain"), 12, seed=3)
    return folders, *read(folders)


def test_the_files_are_what_they_are_called(plain):
    formats = [{Image.open(path).format for path in folder.iterdir()} for folder in plain[0]]
    modes = [{Image.open(path).mode for path in folder.iterdir()} for folder in plain[0]]
    assert formats == [{"PNG"}, {"JPEG"}] and modes == [{"RGBA"}, {"RGB"}]
    assert [folder.name for folder in plain[0]] == list(FAMILIES)


def test_dropping_alpha_shows_black_and_jpeg_has_white_with_ringing(plain):
    _, pictures, families = plain
    assert pictures.shape == (12, 3, SIZE, SIZE) and families.tolist() == [0, 1] * 6
    outside = ~masks(12, seed=3)[:, None].expand_as(pictures)
    assert not pictures[0::2][outside[0::2]].any()
    white = pictures[1::2][outside[1::2]]
    assert white.median() == 1 and 0.02 < (white < 1).float().mean() < 0.6


@pytest.mark.parametrize(("under", "seen"), [((0, 0, 0), "black"), ((255, 255, 255), "white"), ((200, 30, 60), "red")])
def test_what_lies_under_transparent_pixels_is_what_dropping_alpha_shows(under, seen, tmp_path):
    Image.new("RGBA", (4, 4), (*under, 0)).save(tmp_path / "one.png")
    assert Image.open(tmp_path / "one.png").convert("RGB").getpixel((1, 1)) == under, seen


def test_jpeg_has_no_transparency(tmp_path):
    with pytest.raises(OSError, match="RGBA"):
        Image.new("RGBA", (4, 4)).save(tmp_path / "one.jpg")


def test_compositing_blends():
    quarter = Image.new("RGBA", (1, 1), (200, 30, 60, 51))
    assert composite(quarter).getpixel((0, 0)) == (244, 210, 216)  # 0.2 F + 0.8 · 255
    assert composite(quarter, (0, 0, 0)).getpixel((0, 0)) == (40, 6, 12)


def test_ways_differ_in_nothing_but_background_codec_and_edge(tmp_path):
    written = {way: read(write(tmp_path / way, 6, seed=4, ways=(way, way)))[0] for way in WAYS}
    drawn = [np.asarray(picture) for picture, _ in creatures(6, seed=4)]
    alpha = torch.from_numpy(np.stack(drawn))[..., 3]
    full, none = ((alpha == value)[:, None].expand(-1, 3, -1, -1) for value in (255, 0))
    for way in set(WAYS) - {"jpeg"}:
        assert written[way][full].equal(written["png"][full])
    for way, value in {"png": 0, "hard": 1, "white": 1, "black": 0, "grey": 128 / 255}.items():
        assert (written[way][none] == value).all()
    partly = ~(full | none)
    assert (written["hard"][partly] <= written["white"][partly] + 0.01).all() and partly.float().mean() > 0.03
    assert 0 < (written["jpeg"] - written["white"]).abs().mean() < 0.02
    assert written["hard"][partly].equal(written["png"][partly])


def test_the_repair_makes_formats_nearly_alike_and_backgrounds_white(tmp_path):
    sets = {ways: read(write(tmp_path / "-".join(ways), 6, seed=4, ways=ways), "re-encoded")[0]
            for ways in (("png", "jpeg"), ("jpeg", "png"), ("white", "white"))}  # fmt: skip
    first, second, third = sets.values()
    assert first[0].equal(third[0]) and second[1].equal(third[1])
    assert (first - second).abs().mean() < 0.02


def test_the_same_history_for_all(tmp_path):
    lossless, compressed = (write(tmp_path / way, 6, seed=4, ways=(way, way)) for way in ("png", "jpeg"))
    once, twice = (read(lossless, repair)[0] for repair in ("re-encoded", "same history"))
    assert not once.equal(twice) and read(compressed, "re-encoded")[0].equal(read(compressed, "same history")[0])
    with pytest.raises(ValueError, match="no repair 'all'; there are none, re-encoded, same history"):
        read(lossless, "all")


def test_a_creature_follows_from_its_seed_and_place():
    first, more, other = ([p.tobytes() for p, _ in creatures(n, seed)] for n, seed in ((2, 5), (4, 5), (2, 6)))
    assert first == more[:2] and first != other
    assert len(set(more)) == 4


def test_with_mixed_parts_the_best_accuracy_is_known():
    assert ceiling(0) == 1 and ceiling(0.5) == pytest.approx(0.5)
    assert ceiling(0.25, parts=1) == 0.75 and ceiling(0.1, parts=3) == pytest.approx(0.9**3 + 3 * 0.9**2 * 0.1)


def test_shapes_are_a_good_part_of_the_picture_and_all_within_it():
    share = masks(40, seed=6).flatten(1).float().mean(1)
    assert 0.15 < share.min() and share.max() < 0.8


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"aren't written as \['gif'\]; the ways are png, jpeg, hard"):
        write(tmp_path, 4, 1, ways=("gif", "png"))
    for n, mix in ((1, 0.1), (4, 0.7)):
        with pytest.raises(ValueError, match="at least two creatures and a mix from 0 to 0.5"):
            list(creatures(n, 1, mix))
