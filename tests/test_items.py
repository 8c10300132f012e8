"""Each item of the article and each of its errors has a cell that says it, in the field's own term."""

import re
from collections import Counter
from pathlib import Path

import jupytext
import pytest

SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "source"

ITEMS: dict[str, tuple[str, str, str]] = {
    # why explain, and the two ways to build a classifier
    "1 deep learning is the mainstream": ("01", "opening", "deep learning"),
    "2 applications": ("01", "opening", "image classification, object detection, speaker identification"),
    "3 why did the model predict this": ("01", "opening", "why does it think so"),
    "4 failures cannot be traced": ("01", "black-box", "trace a failure"),
    "5 the field guide": ("01", "field-guide", "field guide"),
    "6 scope: CAM and Grad-CAM": ("01", "field-guide", "cam and grad-cam"),
    "7 hand-crafted features": ("01", "two-ways", "hand-crafted feature"),
    "8 hidden layers": ("01", "end-to-end", "hidden layers"),
    "9 wheel score from ellipses": ("01", "features-read", "ellipse"),
    "10 metallic colour of the main region": ("01", "features-read", "main region"),
    "11 a classifier gives a probability": ("01", "weight-times-input", "log-odds"),
    "12 logistic regression": ("01", "judge-read", "logistic regression"),
    "13 support vector machine": ("01", "judge-read", "support vector machine"),
    "14 decision tree": ("01", "judge-read", "decision tree"),
    "15 explain by reading back the features": ("01", "two-ways", "interpretable"),
    "16 end to end": ("01", "end-to-end", "end to end"),
    "17 transfer learning": ("01", "end-to-end", "transfer learning"),
    "18 black box": ("01", "black-box", "black box"),
    "19 two directions of research": ("01", "black-box", "two directions"),
    "20 early networks worked poorly": ("01", "history", "worked so poorly"),
    "21 too complex for intuitive methods": ("01", "history", "too complex"),
    # linear models
    "22 notation of inputs, outputs, weights": ("01", "linear-layer", "w_ij"),
    "23 the output is a weighted sum": ("01", "linear-layer", "formula:linear-layer"),
    "24 the contribution": ("01", "weight-times-input", "contribution"),
    "25 CAM extends this": ("02", "opening", "weight times its value"),
    "26 Grad-CAM extends CAM by derivatives": ("03", "weight-to-derivative", "partial derivative"),
    # CAM
    "27 which place contributed": ("02", "opening", "which places"),
    "28 convolution, GAP, fully connected layer, softmax": ("02", "anatomy-read", "global average pooling"),
    "29 the logit": ("02", "opening-read", "logit"),
    "30 the weight of a channel for a class": ("02", "anatomy-read", "bias of the class"),
    "31 the activation of a channel at a place": ("02", "anatomy-read", "activation map"),
    "32 the logit from the channel means": ("02", "sum-swap", "formula:cam-line-1"),
    "33 a linear model": ("02", "sum-swap", "linear model"),
    "34 the sums change places": ("02", "sum-swap", "formula:cam-sum-swap"),
    "35 the class activation map": ("02", "cam", "class activation map"),
    "36 the heat map": ("02", "zero-a-place-read", "heat map"),
    "37 two fully connected layers or an RNN": ("02", "where-not", "fully connected"),
    "38 why not": ("02", "refusals-read", "no single linear map"),
    # Grad-CAM
    "39 the same goal as CAM": ("03", "opening", "cam"),
    "40 a derivative for the weight": ("03", "weight-to-derivative", "derivative"),
    "41 the neuron importance weight": ("03", "definition", "formula:grad-cam-alpha"),
    "42 any layer can be chosen": ("03", "picker-intro", "layer"),
    "43 the map": ("03", "definition", "formula:grad-cam"),
    "44 ReLU": ("03", "definition", "rectified linear unit"),
    "45 a linear model in place of a network": ("04", "opening-read", "as if it were"),
    "46 for networks that end in a fully connected layer": ("02", "where-not", "end in a fully connected layer"),
    "47 there it is linear": ("03", "theorem", "formula:grad-cam-theorem"),
    "48 no distortion on linear models": ("03", "no-distortion", "no distortion"),
    "49 Grad-CAM generalizes CAM": ("03", "theorem", "generalizes cam"),
    "50 all kinds of models": ("03", "measure", "any network"),
    "51 the picture must pass a global average": ("03", "what-is-averaged", "global average"),
    "52 image classification": ("03", "measure", "classifies well"),
    "53 image captioning": ("06", "opening-read", "圖說生成"),
    "54 models with attention": ("06", "questions-read", "attention"),
    "55 linearity is strength and weakness": ("03", "end", "strength"),
    "56 simple, one backpropagation": ("03", "end", "one backpropagation"),
    "57 a complex model may be misjudged": ("03", "end", "misjudged"),
    # linear approximation
    "58 x³ at 8: 512 and 1536": ("04", "cube-and-logarithm", "1536"),
    "59 always three times": ("04", "euler", "homogeneous"),
    "60 log x at 8: 1 at every x": ("04", "cube-and-logarithm-read", "1 at every x"),
    # why a good score is not enough
    "61 a good score is not the right thing learnt": ("05", "opening", "shortcut learning"),
    "62 important pixels of Pokémon and Digimon": ("05", "story", "saliency map"),
    "63 the blank area was the evidence": ("05", "story", "blank area outside the object"),
    "64 PNG and JPEG": ("05", "story", "jpeg"),
    "65 black and white after loading": ("05", "blank-read", "alpha channel"),
    "66 good training and test, wrong reason": ("05", "iid", "i.i.d."),
    "67a the derivative as a heat map": ("07", "saliency-intro", "saliency"),
    "67b cover a block": ("08", "occlusion", "occlusion"),
    "67c the picture that one neuron likes best": ("07", "controls-read", "activation maximization"),
    "68 references": ("00", "references", "grad-cam"),
    # what the article gets wrong
    "E1 what is averaged is the gradient": ("03", "what-is-averaged", "it is the gradient"),
    "E2 linear is not enough": ("03", "no-distortion", "that is wrong"),
    "E3 VGG ends in fully connected layers": ("02", "where-not", "vgg"),
    "E4 mean or sum": ("02", "mean-or-sum", "mean or sum"),
    "E5 the bias": ("02", "mean-or-sum", "no place on the map"),
    "E6 up to 1/Z and the ReLU": ("03", "theorem", "up to the factor"),
    "E7 with respect to activations, not pixels": ("03", "what-is-averaged", "saliency map"),
    "E8 captions are not all of understanding": ("06", "opening-read", "a wider term"),
    "E9 the last patch tokens get nothing": ("06", "tokens-read", "just differentiate back"),
    "E10 which logarithm": ("04", "cube-and-logarithm-read", "log₁₀ 8 is 0.903"),
    "E11 wrong sign below 1, no value at 0": ("04", "cube-and-logarithm-read", "even the *sign* is wrong"),
    "E12 proportion is harmless in one degree only": ("04", "order-flip-read", "the order has flipped"),
    "E13 the remainder": ("04", "remainder-intro", "remainder"),
    "E14 a baseline, the bias, the model and not the data": ("01", "suppressor-read", "bias"),
    "E15 not unique under softmax": ("02", "softmax", "unique"),
    "E16 warm and cold are relative": ("02", "steps-read", "cannot be compared"),
    "E17 what the ReLU hides": ("03", "relu", "no longer adds up"),
    "E18 a margin is no probability": ("01", "classifiers-read", "platt"),
    "E19 more than the data change": ("01", "transfer", "learning rate"),
    "E20 the right reason": ("02", "refusals-read", "depends on the picture"),
    "E21 explaining is not new": ("01", "history", "2013"),
    "E22 not a property of the formats": ("05", "blank-read", "is not a law"),
    "E23 the numbers, and most of the Digimon": ("05", "story-read", "*most*"),
    "E24 of the score, not of the loss": ("07", "saliency-intro", "loss"),
    "E25 a map is a hypothesis": ("05", "normalization-read", "a map is a hypothesis"),
    "E26 what equals the baseline is invisible": ("05", "blind-read", "exactly 0"),
    "E27 the order of the authors": ("01", "field-guide", "ras comes first"),
    "E28 names and spellings": ("00", "references", "李宏毅"),
}
"""item -> lesson, cell, the term that the cell must contain"""


@pytest.fixture(scope="module")
def cells() -> dict[tuple[str, str], str]:
    found = {}
    for source in SOURCES.glob("[0-9][0-9]_*.py"):
        for cell in jupytext.read(source).cells:
            found[source.name[:2], cell.metadata["id"]] = re.sub(r"\s+", " ", cell.source).lower()
    return found


@pytest.mark.parametrize("item", ITEMS)
def test_each_item_has_its_cell(item: str, cells: dict[tuple[str, str], str]) -> None:
    lesson, cell, term = ITEMS[item]
    assert term in cells[lesson, cell]


def test_no_cell_serves_more_than_three() -> None:
    served = Counter((lesson, cell) for lesson, cell, _ in ITEMS.values())
    assert {cell: count for cell, count in served.items() if count > 3} == {}
