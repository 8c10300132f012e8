"""The committed tables: complete, what the code computes, and honest about how they were made."""

import random
from importlib.metadata import version
from statistics import mean, stdev

import pytest
import torch
from scipy.stats import t

from course_lib import experiments
from course_lib.evaluation import interval95
from course_lib.experiments import EXPERIMENTS, RESULTS, Experiment, read, run
from course_lib.experiments.scoreboard import CASES, FEW, FEWEST, MOST, SCORES, WORK, maps_of, pictures_of
from course_lib.networks import load

SLOW = ("words_pointing", "questions_pointing", "transformer_pointing", "transformer_tokens")
"""Tables whose trained rows of seeds 1 to 4 take minutes each, since a network is trained for them."""


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


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    done: list[tuple[str, int]] = []
    stop = {("b", 1)}

    def measure(name: str, seed: int) -> dict[str, float | str]:
        if (name, seed) in stop:
            raise KeyboardInterrupt
        done.append((name, seed))
        return {"score": float("nan") if seed else 0.5, "why": "no, none" if seed else ""}

    made = Experiment({"name": ("a", "b"), "seed": (0, 1)}, measure, texts=("why",))
    monkeypatch.setitem(EXPERIMENTS, "made_up", made)
    with pytest.raises(KeyboardInterrupt):
        list(run(["made_up"], tmp_path, progress=False))
    (path,) = tmp_path.iterdir()
    lines = path.read_text("utf-8").splitlines()
    assert lines[1:] == ["name,seed,score,why", "a,0,0.5,", 'a,1,,"no, none"', "b,0,0.5,"]
    stop.clear()
    list(run(["made_up"], tmp_path, progress=False))
    assert done == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]  # the row that was missing, and no other
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    last = read("made_up")[3]
    assert (last["name"], last["seed"], last["why"]) == ("b", 1, "no, none") and last["score"] != last["score"]
    narrower = Experiment({"name": ("b",), "seed": (0, 1)}, measure, texts=("why",))
    monkeypatch.setitem(EXPERIMENTS, "made_up", narrower)
    list(run(["made_up"], tmp_path, progress=False))
    assert len(done) == 4 and [row["name"] for row in read("made_up")] == ["b", "b"]
    path.write_text(path.read_text("utf-8").replace("torch ", "torch 0."), "utf-8")
    list(run(["made_up"], tmp_path, progress=False))
    assert len(done) == 4 + 2  # rows of other versions aren't mixed in


def test_an_unknown_experiment_gets_the_nearest_name(tmp_path):
    for ask in (lambda: list(run(["vehicle_learning"], tmp_path, progress=False)), lambda: read("vehicle_learning")):
        with pytest.raises(LookupError, match="no experiment 'vehicle_learning'; there are vehicles_learning_curve"):
            ask()
    assert not any(tmp_path.iterdir())


@pytest.mark.full
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_random_row_comes_out_again(name):
    rows = read(name)
    if name in SLOW:
        rows = [row for row in rows if row["seed"] == 0 or row.get("trained") == 0]
    row = random.choice(rows)
    keys = EXPERIMENTS[name].settings
    setting = {key: row[key] if isinstance(row[key], str) else int(row[key]) for key in keys}
    again = EXPERIMENTS[name].measure(**setting)
    print(name, setting, again)
    others = [r for r in rows if all(r[key] == row[key] for key in keys if key != "seed")]
    for column, value in again.items():
        if isinstance(value, str):
            assert value == row[column]
        elif name.startswith("creatures"):  # trained on another machine, a network ends where another seed's might:
            seeds = [other[column] for other in others]  # within Student's interval for one more number, 99.9 %
            spread = t.ppf(0.9995, len(seeds) - 1) * stdev(seeds) * (1 + 1 / len(seeds)) ** 0.5
            assert value == pytest.approx(mean(seeds), abs=max(0.05, spread))
        else:
            wide = name.startswith("scoreboard") or name in SLOW or column == "network"
            slack = {"abs": 0.05, "rel": 0.02} if wide else {"abs": 0.005}
            assert value == pytest.approx(row[column], nan_ok=True, **slack)


# --------------------------------------------------------------------------------------------------- the scoreboard


BOARD = {(row["network"], row["method"]): row for row in read("scoreboard")}


@pytest.mark.parametrize("key", BOARD, ids=" ".join)
def test_a_row_has_every_score_with_its_interval_and_number_or_says_why_not(key):
    row = BOARD[key]
    if row["why not"]:
        assert row["why not"].endswith((".", "?")) and all(row[score] != row[score] for score in SCORES)
        return
    for score in SCORES:
        if score == "completeness gap" and row[score] != row[score]:
            continue  # the map isn't in logits
        low, high = row[f"{score} low"], row[f"{score} high"]
        assert low - 1e-9 <= row[score] <= high + 1e-9 and row[f"{score} n"] >= FEW
    assert row["pointing n"] == max(FEWEST, min(MOST, int(WORK // max(row["passes"], 1))))


@pytest.mark.parametrize("network", CASES)
def test_controls_do_what_they_must(network):
    noise, edges = BOARD[network, "random map"], BOARD[network, "edge detector"]
    area = float(pictures_of(network)[2].float().mean())
    assert noise["mass in mask"] == pytest.approx(area, abs=0.01)
    assert noise["pointing low"] <= area <= noise["pointing high"]
    assert abs(noise["other class"]) < 0.01 and abs(noise["all random"]) < 0.01 and abs(noise["occlusion"]) < 0.06
    assert edges["other class"] == edges["last layer random"] == edges["all random"] == 1
    assert BOARD[network, "Grad-CAM"]["passes"] == BOARD[network, "re-initialized model"]["passes"] == 2
    assert BOARD[network, "integrated gradients"]["passes"] == 128 and noise["passes"] == 0


def test_what_theory_says_stands_in_the_table():
    for network in ("scenes_gap", "vehicles"):
        rows = [BOARD[network, name] for name in ("CAM", "Grad-CAM", "HiResCAM")]
        assert len({(row["pointing"], round(row["deletion, mean"], 4)) for row in rows}) == 1
        assert all(row["completeness gap"] < 1e-3 for row in rows)
    assert BOARD["scenes_two_fc", "Grad-CAM"]["completeness gap"] > 10 * BOARD["scenes_two_fc", "HiResCAM"][
        "completeness gap"]  # fmt: skip
    assert "CAM does not hold here" in BOARD["scenes_two_fc", "CAM"]["why not"]


@pytest.mark.parametrize("network", CASES)
def test_pictures_are_right_and_show_their_object(network):
    pictures, labels, masks = pictures_of(network)
    assert len(pictures) == len(labels) == len(masks) == MOST and masks.flatten(1).any(1).all()
    assert (load(network).model(pictures[:20]).argmax(1) == labels[:20]).all()


def test_maps_of_many_classes_are_put_back_in_order():
    pictures, target = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2), torch.tensor([2, 0, 2, 1])
    maps = maps_of(lambda model, of, c: of[:, 0] + 10 * c, torch.nn.Identity(), pictures, target)
    assert maps[:, 0, 0].tolist() == [20, 1, 22, 13]
