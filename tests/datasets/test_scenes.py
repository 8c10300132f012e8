"""The scenes are accepted by numbers: no shortcut, objects of a fair size, no use in guessing the centre."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_lib.datasets.scenes import CLASSES, COLOURS, SHAPES, VISIBLE, pairs, scenes
from course_lib.networks import load
from course_lib.networks.recipes import TEST_SEED, TRAIN_SEED
from course_lib.networks.training import accuracy


@pytest.fixture(scope="module")
def train():
    return scenes(1500, TRAIN_SEED)


@pytest.fixture(scope="module")
def test():
    return scenes(600, TEST_SEED)


def _linear(x, y, x_test, y_test):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    return model.fit(x, y).score(x_test, y_test)


def _histogram(pictures):
    bins = (pictures * 3.999).long().clamp(0, 3)  # 4 x 4 x 4 colours
    codes = (bins[:, 0] * 16 + bins[:, 1] * 4 + bins[:, 2]).flatten(1)
    return torch.stack([row.bincount(minlength=64) for row in codes]).float().sqrt()


def test_the_network_sees_what_a_linear_model_cannot(train, test):
    small = torch.nn.functional.avg_pool2d  # 16 x 16 pixels: fewer weights, so a fairer chance on 1,500 pictures
    on_pixels = _linear(
        small(train.pictures, 4).flatten(1), train.labels, small(test.pictures, 4).flatten(1), test.labels
    )
    on_colours = _linear(_histogram(train.pictures), train.labels, _histogram(test.pictures), test.labels)
    assert on_pixels < 0.6 and on_colours < 0.6
    assert accuracy(load("scenes_gap").model, test.pictures, test.labels) > 0.95


def test_objects_have_a_fair_size_and_no_favourite_place(test):
    masks = test.masks[torch.arange(600), test.decisive]
    area = masks.float().mean((1, 2))
    assert VISIBLE == (0.03, 0.25) and area.min() >= 0.03 and area.max() <= 0.25
    assert masks[:, 32, 32].float().mean() < 0.3


def test_neither_colour_nor_place_gives_the_class_away(test):
    colours = test.colours[torch.arange(600), test.decisive]
    table = torch.zeros(len(CLASSES), len(COLOURS))
    for label, colour in zip(test.labels, colours, strict=True):
        table[label, colour] += 1
    assert (table / table.sum(1, keepdim=True)).max() < 0.35
    assert test.labels.bincount().min() > 60


def test_truth_fits_the_pictures(test):
    for i in range(20):
        k = int(test.decisive[i])
        x0, y0, x1, y1 = test.boxes[i, k].tolist()
        mask = test.masks[i, k]
        assert mask[y0:y1, x0:x1].sum() == mask.sum() and mask[y0].any() and mask[y1 - 1].any()
        assert SHAPES[test.shapes[i, k]] == CLASSES[test.labels[i]]
        assert CLASSES[test.labels[i]] in test.captions[i]
    assert (test.masks.sum(1) <= 1).all()  # a pixel shows one object
    assert ((test.shapes < len(CLASSES)) & (test.shapes >= 0)).sum(1).eq(1).all()  # one object decides
    relations = ("left of", "right of", "above", "below")
    assert all(any(word in caption for caption in test.captions) for word in relations)


def test_pairs_show_two_classes():
    drawn = pairs(20, seed=5)
    assert (drawn.shapes[:, :2] < len(CLASSES)).all() and (drawn.shapes[:, 0] != drawn.shapes[:, 1]).all()
    assert (drawn.masks[:, :2].float().mean((2, 3)) >= VISIBLE[0]).all()
    assert drawn.labels.equal(drawn.shapes[torch.arange(20), drawn.decisive])


def test_a_seed_means_the_same_pictures_and_another_seed_others():
    few, many, other = scenes(3, seed=7), scenes(6, seed=7), scenes(3, seed=8)
    assert few.pictures.equal(many.pictures[:3]) and few.captions == many.captions[:3]
    assert not few.pictures.equal(other.pictures)
    with pytest.raises(ValueError, match="at least one scene, not 0"):
        scenes(0, seed=1)
