"""Shipped weights reach what their recipes require, on pictures that training never saw."""

import json
from dataclasses import replace
from urllib.error import URLError

import pytest
import torch
from safetensors import safe_open

from course_lib.networks import WEIGHTS, load, pretrained, untrained
from course_lib.networks.recipes import RECIPES, TEST_SEED, TRAIN_SEED
from course_lib.networks.training import accuracy, train


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_weights_reach_the_accuracy(name):
    recipe, network = RECIPES[name], load(name)
    assert TRAIN_SEED != TEST_SEED and not network.model.training
    assert accuracy(network.model, *recipe.data(400, TEST_SEED + 1), recipe.right) >= recipe.required
    assert accuracy(untrained(name).model, *recipe.data(400, TEST_SEED + 1), recipe.right) < 0.65


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_weights_are_small_and_say_how_they_were_made(name):
    path = WEIGHTS / f"{name}.safetensors"
    assert path.stat().st_size < 1_000_000
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["recipe"])
    recipe = RECIPES[name]
    assert (facts["steps"], facts["pictures"], facts["seed"]) == (recipe.steps, recipe.pictures, recipe.seed)
    assert facts["accuracy"] >= recipe.required


def test_all_weights_together_stay_below_ten_megabytes():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 10_000_000


def test_training_follows_from_the_seeds(tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, "scenes_rnn", replace(RECIPES["scenes_rnn"], steps=2, pictures=80))
    first, second = (
        train("scenes_rnn", tmp_path / "a", progress=False),
        train("scenes_rnn", tmp_path / "b", progress=False),
    )
    assert first == second
    a, b = ((tmp_path / folder / "scenes_rnn.safetensors").read_bytes() for folder in "ab")
    assert a == b


def test_random_weights_leave_the_random_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = untrained("scenes_gap", seed=4)
    assert torch.rand(3).equal(expected)
    assert first.model.fc.weight.equal(untrained("scenes_gap", seed=4).model.fc.weight)


def test_unknown_names_get_the_nearest():
    with pytest.raises(LookupError, match="no network 'scene_gap'; there are scenes_gap"):
        load("scene_gap")
    with pytest.raises(LookupError, match="squeezenet1_0"):
        pretrained("squeezenet")


def test_offline_without_weights_says_what_works(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr("torch.hub.urlopen", no_network)
    with pytest.raises(ConnectionError, match="aren't on this machine.*Offline.*scenes_gap"):
        pretrained("squeezenet1_0")
