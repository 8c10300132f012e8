"""Wheel and metal score: on shapes with known answers, and judged against the truth of the vehicles."""

import time
import timeit

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from course_lib.experiments.vehicles import vehicles_test_set
from course_lib.hand_crafted import _squared_distances, find_ellipses, main_region, metal_score, wheel_score

Y, X = np.mgrid[:64, :64]


def grey(brightness):
    return np.broadcast_to(brightness, (64, 64))[..., None].repeat(3, -1)


def dark_ellipse(x, y, a, b, angle=0.0):
    """Soft at its edge, which lies at brightness 0.4."""
    along, across = (X - x) * np.cos(angle) + (Y - y) * np.sin(angle), (Y - y) * np.cos(angle) - (X - x) * np.sin(angle)
    return np.clip(0.4 + (np.hypot(along / a, across / b) - 1) * np.sqrt(a * b), 0.1, 0.9)


def arrays(drawn):
    return drawn.pictures.permute(0, 2, 3, 1).numpy()


# ------------------------------------------------------------------------------------------------- shapes by hand


def test_a_turned_ellipse_is_found_where_it_is():
    (found,) = find_ellipses(grey(dark_ellipse(30, 27, 11, 8, angle=0.5)))
    assert (found.x, found.y) == pytest.approx((30, 27), abs=0.2)
    long, short = sorted((found.a, found.b), reverse=True)
    assert (long, short) == pytest.approx((11, 8), abs=0.6)
    turned = found.angle if found.a > found.b else found.angle + np.pi / 2
    assert np.cos(2 * (turned - 0.5)) > 0.99
    assert found.score > 0.8


@pytest.mark.parametrize(("a", "b"), [(9.0, 9.0), (11.0, 7.0), (5.0, 9.0)])
def test_a_points_distance_from_an_ellipse_is_that_from_its_nearest_point(a, b):
    points = np.random.default_rng(0).uniform(-15, 15, (200, 2))
    angle = np.linspace(0, 2 * np.pi, 20_000)[:, None]
    x, y = a * np.cos(angle), b * np.sin(angle)
    turned = np.hstack([x * np.cos(0.7) - y * np.sin(0.7), x * np.sin(0.7) + y * np.cos(0.7)])
    nearest = [((turned - point) ** 2).sum(1).min() for point in points]
    assert _squared_distances(points, a, b, 0.7) == pytest.approx(nearest, abs=1e-4)


def test_two_discs_score_about_two_and_a_third_adds_nothing():
    discs = [dark_ellipse(x, 30, 7, 7) for x in (10, 30, 50)]
    one, two, three = (wheel_score(grey(np.min(discs[:n], 0))) for n in (1, 2, 3))
    assert 0.9 < one <= 1 and two == pytest.approx(2 * one, rel=0.02) and three == pytest.approx(two, rel=0.02)
    assert len(find_ellipses(grey(np.min(discs, 0)))) == 3
    assert len(find_ellipses(grey(np.min(discs, 0)), most=2)) == 2


def test_what_is_no_ellipse_of_a_wheels_size_scores_less():
    disc = wheel_score(grey(dark_ellipse(30, 30, 7, 7)))
    square = wheel_score(grey(np.where(np.maximum(abs(X - 30), abs(Y - 30)) < 7, 0.1, 0.9)))
    half = wheel_score(grey(np.where(Y < 30, 0.9, dark_ellipse(30, 30, 7, 7))))
    assert square < 0.6 * disc and half < 0.3 * disc
    for a, b in ((25, 25), (1.5, 1.5), (12, 4)):  # too large, too small, too narrow
        assert wheel_score(grey(dark_ellipse(30, 30, a, b))) == 0


def test_metal_is_the_brightest_row_over_the_middle_one():
    inside = (abs(X - 32) < 14) & (abs(Y - 32) < 12)
    flat, band = np.where(inside, 0.5, 0.1), np.where(inside, np.where(abs(Y - 26) < 3, 0.8, 0.5), 0.1)
    assert metal_score(grey(flat)) == 0
    assert metal_score(grey(band)) == pytest.approx((0.8 - 0.5) / (0.5 + 0.1) / 0.8)
    assert metal_score(grey(np.where(band == 0.8, 1.0, np.where(inside, 0.25, 0.1)))) == 1  # at most


def test_the_main_region_is_the_largest_thing_that_is_not_at_a_side():
    subject, small, larger = (np.hypot(X - x, Y - y) < r for x, y, r in ((32, 20, 9), (12, 50, 4), (60, 46, 14)))
    region = main_region(grey(np.where(subject | small | larger, 0.8, 0.2)))
    assert region[20, 32] and not region[50, 12] and not region[46, 60] and not region[2, 2]
    assert abs(int(region.sum()) - int(subject.sum())) < 0.4 * subject.sum()
    assert main_region(grey(0.5)).all()  # nothing stands out: the whole picture


@pytest.mark.parametrize("picture", [np.zeros((96, 96, 3)), np.ones((50, 70, 3)), np.full((8, 8, 3), 128, np.uint8)])
def test_an_empty_picture_scores_nothing(picture):
    assert wheel_score(picture) == 0 and metal_score(picture) == 0


@pytest.mark.parametrize("score", [wheel_score, metal_score, find_ellipses, main_region])
def test_what_is_no_picture_gets_a_sentence(score):
    for wrong in (np.zeros((96, 96)), np.zeros((3, 96, 96))):
        with pytest.raises(ValueError, match=r"\(height, width, 3\); this one is \("):
            score(wrong)
    with pytest.raises(ValueError, match="nan to nan"):
        score(np.full((40, 40, 3), np.nan))
    with pytest.raises(ValueError, match="0 to 255"):
        score(np.full((40, 40, 3), 128.0))


# --------------------------------------------------------------------------------------- judged against the truth


def test_bytes_and_floats_score_alike():
    picture = arrays(vehicles_test_set()[0])[0]
    as_bytes = (picture * 255).round().astype(np.uint8)
    assert wheel_score(as_bytes) == pytest.approx(wheel_score(picture), abs=1e-5)
    assert metal_score(as_bytes) == pytest.approx(metal_score(picture), abs=1e-5)


def test_each_score_tells_something_and_neither_everything():
    drawn, features = vehicles_test_set()
    wheel, metal = (roc_auc_score(drawn.labels, column) for column in features.T)
    print(f"AUC for vehicles: wheel score {wheel:.3f}, metal score {metal:.3f}")
    assert 0.72 < wheel < 0.9 and 0.78 < metal < 0.92


def test_the_metal_score_measures_metal_not_vehicles():
    drawn, features = vehicles_test_set()
    auc = [roc_auc_score(drawn.metal[chosen], features[chosen, 1]) for chosen in (drawn.labels == 1, drawn.labels == 0)]
    print(f"AUC for metal: among vehicles {auc[0]:.3f}, among the others {auc[1]:.3f}")
    assert min(auc) > 0.75


def test_ellipses_lie_on_the_wheels_and_the_main_region_on_the_body():
    drawn, _ = vehicles_test_set()
    found, overlap = [], []
    for picture, wheels, body in zip(arrays(drawn)[:80], drawn.wheels, drawn.bodies.numpy(), strict=False):
        ellipses, region = find_ellipses(picture), main_region(picture)
        found += [any(np.hypot(e.x - x, e.y - y) < 3 for e in ellipses) for x, y, *_ in wheels]
        overlap.append((region & body).sum() / (region | body).sum())
    print(f"wheels found: {np.mean(found):.1%}; median IoU of main region and body: {np.median(overlap):.2f}")
    assert np.mean(found) > 0.9 and np.median(overlap) > 0.35


@pytest.mark.full
@pytest.mark.measures
def test_a_picture_takes_about_15_milliseconds():
    pictures = arrays(vehicles_test_set()[0])[:20]
    both = lambda: [(wheel_score(p), metal_score(p)) for p in pictures]  # noqa: E731
    seconds = min(timeit.repeat(both, timer=time.process_time, number=1, repeat=5)) / 20
    print(f"both scores of a picture: {1000 * seconds:.0f} ms")
    assert seconds < 0.03
