"""A report says everything, its numbers are right, and it can't be had without its controls."""

import re

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from course_lib import figures
from course_lib.datasets.scenes import pairs
from course_lib.methods.registry import METHODS, explain
from course_lib.networks import Network, load
from course_lib.preprocessing import Preprocessing
from course_lib.report import FACTS, SQUARES, WORDS, Report, occluded, report


class Sum(nn.Module):
    """Two logits: the weighted sum of the pixels' mean over the colours, and 0."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, pictures: Tensor) -> Tensor:
        score = (pictures.mean(1) * self.weights).sum((1, 2))
        return torch.stack([score, 0 * score], 1)


def linear(weights: Tensor) -> Network:
    return Network(Sum(weights).eval(), ("yes", "no"), Preprocessing(len(weights)), "sum")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Report:
    picture = pairs(1, seed=20_002).pictures[0]
    folder = tmp_path_factory.mktemp("reports") / "new"
    return report(load("scenes_gap"), picture, "Two shapes", folder / "mine.v2", target=4, layer="features")


def words_on(page: Report) -> str:
    """All text that is drawn on the page."""
    texts = [text.get_text() for text in page.figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return re.sub(r"\s+", " ", " ".join(texts))


def test_all_that_must_be_reported_is_on_the_page(page):
    assert list(page.facts) == list(FACTS)
    drawn = words_on(page)
    for heading, fact in page.facts.items():
        assert heading in drawn and fact in drawn
        assert "{" not in fact
    for words in ("Grad-CAM", WORDS["caution"], WORDS["answers"], "cross", "circle", "logits", WORDS["drop"]):
        assert words in drawn and len(words) > 3


def test_the_facts_are_those_of_the_explanation(page):
    network, picture = load("scenes_gap"), pairs(1, seed=20_002).pictures
    found = explain(network.model, picture, 4, "Grad-CAM", "features")
    logit, p = found.logits[0, 4], found.logits.softmax(1)[0, 4]
    assert page.facts["Class"] == "cross, answer 2 of 6"
    assert page.facts["Score"].startswith(f"the logit, {logit:.3g} (probability {p:.3f}")
    assert page.facts["Layer"] == "features (Sequential): 16 x 16 cells of 4 pixels"
    assert page.facts["Scale"] == f"from {found.map.min():.3g} to {found.map.max():.3g} logits"
    assert "Selvaraju" in page.facts["Method"] and "no ReLU" in page.facts["Method"]
    assert "seeds 0, 1, 2, 3, 4; the first is drawn" in page.facts["Re-initialized"]
    assert f"loses is {page.agreement[0]:.2f} (re-init" in page.facts["Covered squares"]
    assert len(page.chance) == 5 and len(page.agreement) == 6 and "Note" not in page.facts


def test_the_alternative_text_says_what_the_page_says(page):
    assert all(fact in page.alt for fact in page.facts.values()) and page.alt.endswith(WORDS["caution"])


def test_the_files_are_one_page_each_with_letters_and_words_for_the_blind(page):
    png, pdf = page.files
    assert (png.name, pdf.name) == ("mine.v2.png", "mine.v2.pdf")
    with Image.open(png) as picture:
        assert picture.text["Description"] == page.alt and 1200 < picture.width < 1300
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b", content)) == 1
    assert b"/FontFile2" in content and b"/Title (Two shapes)" in content and b"/CreationDate" not in content
    sides = [int(side) for side in re.findall(rb"/Width (\d+)", content)]
    assert sides and max(sides) <= 256, "the pictures keep their own pixels; all else is letters and lines"


def test_the_page_is_small_enough_for_a_notebook(page):
    figures.show(page.figure, page.alt)


def test_covering_a_linear_model_costs_its_weights():
    """w x less w m over a square: with a picture of one 1 among 0, in closed form."""
    weights = torch.arange(256.0).view(16, 16)
    x = torch.zeros(1, 3, 16, 16)
    x[:, :, 5, 9] = 1
    mean = 1 / 256
    expected = -mean * weights.view(8, 2, 8, 2).sum((1, 3))
    expected[2, 4] += weights[5, 9]
    torch.testing.assert_close(occluded(linear(weights), x, 0, batch=5), expected)
    assert not occluded(linear(weights), x, 1).any()


def test_a_map_that_is_the_truth_agrees_with_what_covering_costs(tmp_path):
    """For a linear model on pictures with mean 0 in all colours, gradient x input is what a square costs."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(3, 16, 16, generator=generator)
    mean = tuple(picture.mean((1, 2)).tolist())
    network = linear(torch.randn(16, 16, generator=generator))
    network = Network(network.model, network.classes, Preprocessing(16, mean=mean), "sum")
    made = report(network, picture, "Noise", tmp_path / "a.png", 0, "gradient x input")
    assert made.agreement[0] == pytest.approx(1)
    assert not any(abs(rank) > 0.6 for rank in made.agreement[1:] + made.chance)
    assert made.facts["Layer"] == WORDS["pixels"] and made.files[0].name == "a.png"


def test_a_map_of_nothing_is_said_to_be_one(tmp_path):
    made = report(linear(torch.ones(16, 16)), torch.rand(3, 16, 16), "Noise", tmp_path / "a", 1, "gradient x input")
    assert "exactly 0 everywhere" in made.facts["Note"]
    assert made.agreement[0] != made.agreement[0] and "undefined (a constant map)" in made.facts["Covered squares"]


def test_methods_with_passes_of_their_own_take_their_options(tmp_path):
    picture = pairs(1, seed=20_002).pictures[0]
    made = report(load("scenes_gap"), picture, "x", tmp_path / "a", method="guided backpropagation", seeds=[7])
    assert len(made.chance) == 1 and "(seeds 7;" in made.facts["Re-initialized"]
    assert METHODS["guided backpropagation"].units in made.facts["Scale"]
    with pytest.raises(TypeError):
        report(load("scenes_gap"), picture, "x", tmp_path / "a", method="guided backpropagation", stepz=3)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"title": " "}, ValueError, "title is empty: say what the picture shows and where it comes from"),
        ({"seeds": ()}, ValueError, "Without its control a map can't be told from a pretty picture"),
        ({"method": "Grad-CAN"}, LookupError, "no method 'Grad-CAN'; there are Grad-CAM"),
        ({"layer": "feature"}, LookupError, "no layer 'feature'"),
        ({"target": 6}, ValueError, "There is no class 6"),
        ({"picture": "none.png"}, ValueError, "There is no file 'none.png'"),
    ],
)
def test_what_must_be_reported_cannot_be_left_out(change, error, sentence, tmp_path):
    given = {"picture": pairs(1, seed=1).pictures[0], "title": "Two shapes", "path": tmp_path / "a"} | change
    with pytest.raises(error, match=sentence):
        report(load("scenes_gap"), **given)
    assert not list(tmp_path.iterdir())


def test_long_names_stay_on_the_page(tmp_path):
    network = load("scenes_gap")
    long = Network(network.model, tuple(30 * f"{c} " for c in network.classes), network.preprocessing, "n" * 40)
    made = report(long, pairs(1, seed=1).pictures[0], 12 * "a long title ", tmp_path / "a", layer="features")
    made.figure.canvas.draw()
    for text in made.figure.findobj(lambda artist: len(getattr(artist, "get_text", str)()) > 8):  # no numbers of axes
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= made.figure.bbox.x1 + 1, text.get_text()


def test_there_are_as_many_squares_as_the_page_says(page):
    assert f"{SQUARES} x {SQUARES} squares" in page.facts["Covered squares"]
