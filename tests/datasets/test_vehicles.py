"""The world of vehicles: its truth fits its pictures, and it is hard enough that both features matter."""

import numpy as np
import pytest

from course_lib.datasets.vehicles import OTHERS, VEHICLES, vehicles
from course_lib.evaluation import interval95
from course_lib.experiments import read
from course_lib.experiments.vehicles import vehicles_test_set


@pytest.fixture(scope="module")
def drawn():
    return vehicles_test_set()[0]


def test_a_vehicle_has_wheels_and_nothing_else_has(drawn):
    assert drawn.pictures.shape == (400, 3, 96, 96) and 0 <= drawn.pictures.min() and drawn.pictures.max() <= 1
    assert [bool(wheels) for wheels in drawn.wheels] == drawn.labels.bool().tolist()
    assert [kind in VEHICLES for kind in drawn.kinds] == drawn.labels.bool().tolist()
    assert 0.4 < drawn.labels.float().mean() < 0.6


def test_wheels_lie_inside_the_picture_and_are_darker_than_the_rest_of_the_vehicle(drawn):
    brightness, lighter = drawn.pictures.mean(1), []
    for picture, body, wheels in zip(brightness, drawn.bodies, drawn.wheels, strict=True):
        for x, y, rx, ry in wheels:
            assert rx <= x < 96 - rx and ry <= y < 96 - ry and 0.69 < rx / ry <= 1
            tyre = picture[round(y - 0.8 * ry), int(x)]
            lighter.append(bool(tyre < picture[body].mean()))
    assert np.mean(lighter) > 0.95


def test_bodies_are_a_good_part_of_the_picture(drawn):
    shares = drawn.bodies.flatten(1).float().mean(1)
    assert shares.min() > 0.005 and 0.05 < shares.median() < 0.25 and shares.max() < 0.6


def test_distractors_are_there(drawn):
    assert set(drawn.kinds) == set(VEHICLES) | set(OTHERS)
    assert drawn.metal[drawn.labels == 0].sum() > 25  # metallic things that are no vehicles
    assert (~drawn.metal[drawn.labels == 1]).sum() > 5  # and vehicles that aren't
    assert sum(kind in ("balls", "clock", "boat", "house") for kind in drawn.kinds) > 100  # round things


def test_shares_of_the_kinds_add_up():
    assert [sum(share for share, _ in table.values()) for table in (VEHICLES, OTHERS)] == pytest.approx([1, 1])


def test_both_features_together_beat_each_alone():
    rows = read("vehicles_classifiers")
    for alone in ("wheel score alone", "metal score alone"):
        low, _ = interval95([row["logistic regression"] - row[alone] for row in rows])
        assert low > 0


def test_a_picture_follows_from_its_seed_and_place():
    five, other = vehicles(5, seed=11), vehicles(5, seed=12)
    assert vehicles(2, seed=11).pictures.equal(five.pictures[:2])
    assert not five.pictures.equal(other.pictures)


def test_no_picture_is_no_data():
    with pytest.raises(ValueError, match="at least one picture, not 0"):
        vehicles(0, seed=1)
