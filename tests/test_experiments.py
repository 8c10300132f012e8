"""The committed tables: complete, what the code computes, and honest about how they were made."""

import random
from importlib.metadata import version

import pytest

from course_lib import experiments
from course_lib.evaluation import interval95
from course_lib.experiments import EXPERIMENTS, RESULTS, Experiment, read, run


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_committed_table_has_every_setting_once_and_says_how_it_was_made(name):
    settings, rows = EXPERIMENTS[name].settings, read(name)
    seen = {tuple(row[setting] for setting in settings) for row in rows}
    count = 1
    for values in settings.values():
        count *= len(values)
    assert len(rows) == len(seen) == count
    assert all({row[s] for row in rows} == set(values) for s, values in settings.items())
    first = (RESULTS / f"{name}.csv").read_text("utf-8").splitlines()[0]
    assert first.startswith(f"# course experiments {name} (torch ") and "scikit-learn" in first


def test_every_committed_table_belongs_to_an_experiment():
    assert {path.stem for path in RESULTS.glob("*.csv")} == set(EXPERIMENTS)


def columns(name, **chosen):
    rows = [row for row in read(name) if all(row[k] == v for k, v in chosen.items())]
    return {column: [row[column] for row in rows] for column in rows[0]}


def gain(pictures):
    row = columns("vehicles_learning_curve", pictures=pictures)
    return interval95([n - f for n, f in zip(row["network"], row["features"], strict=True)])


def test_features_win_with_few_pictures_tie_at_a_hundred_and_lose_above():
    assert gain(30)[1] < 0 and gain(100)[0] < 0 < gain(100)[1] and gain(300)[0] > 0 and gain(1000)[0] > 0
    curve = [sum(columns("vehicles_learning_curve", pictures=n)["network"]) / 5 for n in (30, 100, 300, 1000)]
    assert curve == sorted(curve) and curve[-1] > 0.95


def test_a_small_table_is_written_and_read_back(tmp_path, monkeypatch):
    made = Experiment({"a": (1, 2), "seed": (0, 1)}, lambda a, seed: {"score": a / 3 + seed})
    monkeypatch.setitem(EXPERIMENTS, "made_up", made)
    (path,) = run(["made_up"], tmp_path / "new", progress=False)
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith("# course experiments made_up (torch") and version("torch") in lines[0]
    assert lines[1:] == ["a,seed,score", "1,0,0.333333", "1,1,1.33333", "2,0,0.666667", "2,1,1.66667"]
    monkeypatch.setattr(experiments, "RESULTS", tmp_path / "new")
    assert read("made_up")[1] == {"a": 1, "seed": 1, "score": 1.33333}


def test_an_unknown_experiment_gets_the_nearest_name(tmp_path):
    for ask in (lambda: list(run(["vehicle_learning"], tmp_path, progress=False)), lambda: read("vehicle_learning")):
        with pytest.raises(LookupError, match="no experiment 'vehicle_learning'; there are vehicles_learning_curve"):
            ask()
    assert not any(tmp_path.iterdir())


@pytest.mark.full
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_random_row_comes_out_again(name):
    row = random.choice(read(name))
    setting = {key: int(row[key]) for key in EXPERIMENTS[name].settings}
    again = EXPERIMENTS[name].measure(**setting)
    print(name, setting, again)
    for column, value in again.items():
        # training on another machine rounds otherwise, and ends a little elsewhere
        assert value == pytest.approx(row[column], abs=0.05 if column == "network" else 0.005)
