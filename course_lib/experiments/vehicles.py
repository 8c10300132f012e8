"""Lesson 1's tables: hand-crafted features, a network, and transfer, on the same pictures of vehicles."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.datasets.vehicles import Vehicles, vehicles
from course_lib.hand_crafted import metal_score, wheel_score
from course_lib.networks import load
from course_lib.networks.recipes import RECIPES, TEST_SEED
from course_lib.networks.training import accuracy, fit

Array = NDArray[np.float64]


def hand_crafted_features(drawn: Vehicles) -> Array:
    """Wheel score and metal score of each picture, (n, 2)."""
    arrays = drawn.pictures.permute(0, 2, 3, 1).numpy()
    return np.array([(wheel_score(one), metal_score(one)) for one in arrays])


@cache
def vehicles_test_set() -> tuple[Vehicles, Array]:
    """The 400 pictures on which every row is tested, and their hand-crafted features, (400, 2)."""
    drawn = vehicles(400, TEST_SEED)
    return drawn, hand_crafted_features(drawn)


def learning_curve_row(pictures: int, seed: int) -> dict[str, float]:
    """Accuracy on the test set of three classifiers trained on so many pictures drawn from seed + 1.

    "features": logistic regression on the two hand-crafted features; "network": a small network from pixels to answer;
    "transfer": logistic regression on the pooled last map of the network that was trained on the scenes.
    """
    train, (test, test_features) = vehicles(pictures, seed + 1), vehicles_test_set()
    recipe = replace(RECIPES["vehicles"], steps=300, batch=32)
    torch.manual_seed(seed)
    network = recipe.build()
    fit(network, train.pictures, train.labels, recipe, seed, tqdm(disable=True))
    linear = LogisticRegression().fit(hand_crafted_features(train), train.labels)
    transfer = make_pipeline(StandardScaler(), LogisticRegression()).fit(_pooled(train.pictures), train.labels)
    return {
        "features": float(linear.score(test_features, test.labels)),
        "network": accuracy(network, test.pictures, test.labels),
        "transfer": float(transfer.score(_pooled(test.pictures), test.labels)),
    }


@torch.no_grad()
def _pooled(pictures: Tensor) -> Array:
    model = load("scenes_gap").model
    trunk = torch.nn.Sequential(*(model.get_submodule(name) for name in ("normalize", "features", "pool")))
    pooled: Array = torch.cat([trunk(part) for part in pictures.split(100)]).flatten(1).double().numpy()
    return pooled


def classifiers_row(seed: int) -> dict[str, float]:
    """Accuracy on the test set after training on 300 pictures drawn from seed + 1, with one feature and with both."""
    train, (test, tested) = vehicles(300, seed + 1), vehicles_test_set()
    logistic, both, trained = LogisticRegression, [0, 1], hand_crafted_features(train)
    tried = {
        "wheel score alone": (logistic(), [0]),
        "metal score alone": (logistic(), [1]),
        "logistic regression": (logistic(), both),
        "linear SVM": (LinearSVC(), both),
        "tree of depth 2": (DecisionTreeClassifier(max_depth=2, random_state=0), both),
        "tree of depth 3": (DecisionTreeClassifier(max_depth=3, random_state=0), both),
    }
    return {
        name: float(model.fit(trained[:, use], train.labels).score(tested[:, use], test.labels))
        for name, (model, use) in tried.items()
    }
