"""The questions of lesson 2: class activation maps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn
from course_lib.classroom.questions.material import scenes_network
from course_lib.datasets import scenes
from course_lib.networks.architectures import GapNetwork

COMPUTE = "2. compute it in two lines, and prove that it adds up to the logit"
READ = "3. read a heat map: what warm, cold, coarse and smooth mean in it, and what they don't"
BOX = "4. turn it into a box around an object without ever having trained on boxes, and measure how good that box is"
WHERE = "5. say for a given network whether CAM can be used, and why"


# --------------------------------------------------------------------------------------------- 1. the map


def class_map(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    return (weights[target][:, :, None, None] * activations).sum(1)


def _recorded(seed: int) -> list[tuple[Any, ...]]:
    one, three = torch.tensor([1]), torch.tensor([2, 0, 3])
    return [(drawn(seed, 1, 2, 1, 2), drawn(seed + 1, 3, 2), one),
            (drawn(seed + 2, 3, 4, 3, 5), drawn(seed + 3, 4, 4), three)]  # fmt: skip


CLASS_MAP = Question(
    name="class_map",
    objective=COMPUTE,
    minutes=10,
    difficulty=2,
    points=5,
    signature="def class_map(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:",
    shapes="activations (B, K, h, w), weights (classes, K), target (B,) -> raw maps (B, h, w), in logits",
    reference=class_map,
    inputs=_recorded,
    mistakes=(
        Mistake("the first picture's target for all", lambda A, w, c: (w[c[:1]][..., None, None] * A).sum(1),
                "Each picture has its own class: weights[target] has one row for each picture."),
        Mistake("weights transposed", lambda A, w, c: (w[:, c % w.shape[1]].T[:, : A.shape[1]][..., None, None]
                                                       * A[:, : w.shape[0]]).sum(1),
                "weights is (classes, channels): a row belongs to a class."),
        Mistake("all classes added up", lambda A, w, c: (w.sum(0)[:, None, None] * A).sum(1),
                "One class is asked for: pick its row of weights."),
        Mistake("the class with the largest logit", lambda A, w, c: (
            w[(A.mean((2, 3)) @ w.T).argmax(1)][..., None, None] * A).sum(1),
                "Explain the class that was asked for, which need not be the winner."),
        Mistake("the absolute weights", lambda A, w, c: (w[c].abs()[..., None, None] * A).sum(1),
                "A channel may speak against the class: keep the weight's sign."),
        Mistake("ReLU on the weights", lambda A, w, c: (w[c].relu()[..., None, None] * A).sum(1),
                "A channel with a negative weight belongs to the sum."),
        Mistake("without weights", lambda A, w, c: A.sum(1), "Each channel counts with the class's weight for it."),
        Mistake("the pooled channels", lambda A, w, c: (w[c] * A.mean((2, 3))).sum(1)[:, None, None].expand_as(A[:, 0]),
                "Averaging first loses the places: multiply the map itself by the weight."),
        Mistake("the mean over the channels", lambda A, w, c: (w[c][..., None, None] * A).mean(1),
                "The channels are added up; a mean stands only over the places."),
        Mistake("ReLU", lambda A, w, c: (w[c][..., None, None] * A).sum(1).relu(),
                "The raw map: evidence against the class is evidence too, and without it nothing adds up."),
        Mistake("the mean weight taken off", lambda A, w, c: ((w[c] - w.mean(0))[..., None, None] * A).sum(1),
                "That is the class-centred map, which question 4 asks for."),
        Mistake("divided by Z", lambda A, w, c: (w[c][..., None, None] * A).sum(1) / A[0, 0].numel(),
                "The map's *mean* is the logit less its bias, so nothing is divided by Z. (Grad-CAM's sum is.)"),
        Mistake("normalized", lambda A, w, c: _to_one((w[c][..., None, None] * A).sum(1)),
                "Leave the map in logits: after min-max no two maps can be compared."),
        Mistake("H and W swapped", lambda A, w, c: (w[c][..., None, None] * A).sum(1).transpose(1, 2),
                "Height comes before width: (B, h, w)."),
        Mistake("the sign flipped", lambda A, w, c: -(w[c][..., None, None] * A).sum(1),
                "Evidence for the class is positive."),
    ),
    hints=(
        "Two steps: the row of weights of each picture's class, then a weighted sum over the channels.",
        "weights[target] is (B, K); with [:, :, None, None] it meets the activations.",
        "(weights[target][:, :, None, None] * activations).sum(1)",
    ),
    picture="warm where a cell speaks for the class, cold where it speaks against it",
    draw=lambda: pictures.maps({f"picture {n + 1}": m for n, m in enumerate(class_map(*_recorded(SEED)[1]))}),
)  # fmt: skip


def _to_one(m: Tensor) -> Tensor:
    low, high = m.amin((1, 2), keepdim=True), m.amax((1, 2), keepdim=True)
    return (m - low) / (high - low)


# --------------------------------------------------------------------------------------------- 2. it adds up


def logit_from_map(maps: Tensor, bias: Tensor) -> Tensor:
    return maps.mean((1, 2)) + bias


LOGIT = Question(
    name="logit_from_map",
    objective="1. derive the class activation map (CAM) from the last two steps of a network, bias included",
    minutes=5,
    difficulty=1,
    points=3,
    signature="def logit_from_map(maps: Tensor, bias: Tensor) -> Tensor:",
    shapes="raw class activation maps (B, h, w) and the biases of their classes (B,) -> logits (B,)",
    reference=logit_from_map,
    inputs=lambda seed: [(drawn(seed, 1, 1, 2), drawn(seed + 1, 1)), (drawn(seed + 2, 3, 4, 5), drawn(seed + 3, 3))],
    mistakes=(
        Mistake("the sum for the mean", lambda m, b: m.sum((1, 2)) + b,
                "PyTorch's global average pooling is a mean, so the *mean* of the map plus the bias is the logit."),
        Mistake("the bias forgotten", lambda m, b: m.mean((1, 2)), "The bias has no place on the map: add it."),
        Mistake("the sum, and no bias", lambda m, b: m.sum((1, 2)), "The mean of the map, and the bias besides."),
        Mistake("the bias in each cell, then the sum", lambda m, b: (m + b[:, None, None]).sum((1, 2)),
                "The bias counts once, and the map's mean counts, not its sum."),
        Mistake("the bias divided by Z", lambda m, b: (m.sum((1, 2)) + b) / m[0].numel(),
                "Only the map is averaged; the bias counts whole."),
        Mistake("the largest cell", lambda m, b: m.amax((1, 2)) + b, "All cells count, not the largest alone."),
        Mistake("after a ReLU", lambda m, b: m.relu().mean((1, 2)) + b, "What is below 0 belongs to the logit too."),
        Mistake("averaged over the batch", lambda m, b: m.mean() + b, "Each picture has a logit of its own."),
        Mistake("the bias taken off", lambda m, b: m.mean((1, 2)) - b, "Mean of the map *plus* bias."),
        Mistake("over one side only", lambda m, b: m.mean(2)[:, 0] + b, "Both sides: height and width."),
        Mistake("a probability", lambda m, b: torch.sigmoid(m.mean((1, 2)) + b), "The logit, before any softmax."),
    ),
    hints=("Follow the formula from right to left: what does the 1/Z in front of the sum make of it?",
           "maps.mean(dim=(1, 2)) + bias"),
    picture="no picture: one number for each map",
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. a box


def box_around(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    rows, columns = torch.nonzero(heat_map > share * heat_map.max(), as_tuple=True)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _blobs(seed: int) -> list[tuple[Any, ...]]:
    generator = torch.Generator().manual_seed(seed)
    cases: list[tuple[Any, ...]] = []
    for h, w, (top, left, height, width) in ((4, 7, (1, 2, 2, 3)), (9, 12, (2, 3, 4, 6))):
        m = -0.7 - 0.2 * torch.rand(h, w, generator=generator, dtype=torch.float64)
        m[top : top + height, left : left + width] = 3 + torch.rand(height, width, generator=generator).double()
        m[top, left] = 5.0  # the maximum, so that the share is 1
        m[top + 1, left + width] = 1.2  # above it by a little
        m[top - 1, left + 1] = 0.7  # above 0.2, not above 0.2 of the maximum
        m[top, left - 1] = 0.1  # above 0 only
        m[top, left - 2] = -0.3  # above a share of the range only
        m[top, left + width + 1] = 1.0  # 0.2 of the maximum, and not above it
        m[top + height, left + 1] = -2.0  # large, and cold
        cases.append((m, 0.2))
    return cases


def _box_with(share: Any = lambda m, s: m > s * m.max(), end: int = 1) -> Any:
    def answer(m: Tensor, s: float) -> tuple[int, ...]:
        rows, columns = torch.nonzero(share(m, s), as_tuple=True)
        return int(columns.min()), int(rows.min()), int(columns.max()) + end, int(rows.max()) + end

    return answer


BOXES = Question(
    name="box_around",
    objective=BOX,
    minutes=10,
    difficulty=2,
    points=4,
    signature="def box_around(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:",
    shapes="a map (H, W) -> x0, y0, x1, y1 in cells; x1 and y1 are the first column and row outside",
    reference=box_around,
    inputs=_blobs,
    mistakes=(
        Mistake("rows for columns", lambda m, s: tuple(_box_with()(m.T, s)),
                "x counts columns, y counts rows, and x comes first."),
        Mistake("the last cell for the first outside", _box_with(end=0),
                "The box is half-open: x1 is the first column outside, one more than the last inside."),
        Mistake("at the share of the maximum too", _box_with(lambda m, s: m >= s * m.max()),
                "Above it: a cell at exactly share * maximum doesn't count."),
        Mistake("above the share itself", _box_with(lambda m, s: m > s),
                "The share is of the map's *maximum*: compare with share * maximum."),
        Mistake("above 0", _box_with(lambda m, s: m > 0), "Only cells above the share of the maximum."),
        Mistake("a share of the range", _box_with(lambda m, s: m > m.min() + s * (m.max() - m.min())),
                "Zhou et al. take a share of the maximum; a share of the range depends on the coldest cell."),
        Mistake("a share of the absolute maximum", _box_with(lambda m, s: m.abs() > s * m.abs().max()),
                "Cold cells speak against the class: they don't belong to its box."),
        Mistake("the best cell alone", _box_with(lambda m, s: m == m.max()), "All cells above the share."),
        Mistake("corner and size", lambda m, s: (lambda b: (b[0], b[1], b[2] - b[0], b[3] - b[1]))(box_around(m, s)),
                "Two corners are asked for, not a corner and a size."),
        Mistake("the whole map", lambda m, s: (0, 0, m.shape[1], m.shape[0]), "Only as large as needed."),
    ),
    hints=("Which cells are above share * heat_map.max()? torch.nonzero gives their rows and columns.",
           "x0 is the smallest column and y0 the smallest row; x1 and y1 are the largest, plus 1.",
           "rows, columns = torch.nonzero(heat_map > share * heat_map.max(), as_tuple=True)"),
    picture="a map, and the cells that decide about its box",
    draw=lambda: pictures.maps({"map": _blobs(SEED)[1][0], "above the share":
                                (_blobs(SEED)[1][0] > 0.2 * _blobs(SEED)[1][0].max()).double()}),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. class-centred


def centred_map(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    return class_map(activations, weights - weights.mean(0), target)


CENTRED = Question(
    name="centred_map",
    objective=READ,
    minutes=8,
    difficulty=2,
    points=3,
    signature="def centred_map(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:",
    shapes="activations (B, K, h, w), weights (classes, K), target (B,) -> class-centred maps (B, h, w), in logits",
    reference=centred_map,
    inputs=_recorded,
    mistakes=(
        Mistake("CAM itself", class_map,
                "Two models with the same probabilities have other CAMs: take the classes' mean map off."),
        Mistake("the mean over the channels taken off", lambda A, w, c: class_map(A, w - w.mean(1, keepdim=True), c),
                "The mean over the *classes*: weights.mean(0)."),
        Mistake("the mean over all weights taken off", lambda A, w, c: class_map(A, w - w.mean(), c),
                "Each channel has a mean of its own over the classes."),
        Mistake("the mean over the places taken off", lambda A, w, c: (
            class_map(A, w, c) - class_map(A, w, c).mean((1, 2), keepdim=True)),
                "That makes the map's mean 0, and the logit with it. Take off the other classes' maps."),
        Mistake("all classes' sum taken off", lambda A, w, c: class_map(A, w - w.sum(0), c),
                "Their mean, not their sum."),
        Mistake("the best other class taken off", lambda A, w, c: class_map(A, w, c) - class_map(
            A, w, (A.mean((2, 3)) @ w.T).scatter(1, c[:, None], -1e9).argmax(1)),
                "That asks: why this and not the runner-up? Here the average class is meant."),
        Mistake("the mean of the other classes taken off", lambda A, w, c: class_map(A, w, c) - (
            class_map(A, w.sum(0).expand_as(w), c) - class_map(A, w, c)) / (len(w) - 1),
                "The mean over all classes, the target among them."),
        Mistake("the mean added", lambda A, w, c: class_map(A, w + w.mean(0), c), "Take it off."),
        Mistake("the mean map", lambda A, w, c: class_map(A, w.mean(0).expand_as(w), c),
                "This is what is to be taken off."),
        Mistake("a ReLU at the end", lambda A, w, c: centred_map(A, w, c).relu(), "The raw map, of both signs."),
    ),
    hints=("The map is linear in the weights: take off the weights' mean over the classes, then do as in question 1.",
           "class_map(activations, weights - weights.mean(0), target), with your own class_map."),
    picture="a map that is the same for all models with these probabilities",
    draw=lambda: pictures.maps(
        {"CAM": class_map(*_recorded(SEED)[1])[0], "class-centred": centred_map(*_recorded(SEED)[1])[0]}),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. a counterexample


def bent_head() -> Tensor:
    return torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]])


def _bends(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    A = given.double()
    if A.shape != (2, 1, 2):
        return conditions({"the shape is (2, 1, 2)": False})

    def head(part: Tensor) -> Tensor:
        return (part[0].mean() - part[1].mean()).relu()

    left, right = A * torch.tensor([1.0, 0.0]), A * torch.tensor([0.0, 1.0])
    return conditions({
        "no activation is negative": (A >= 0).all(),
        "left and right together differ from their sum by 0.5 or more":
            abs(head(left) + head(right) - head(A)) >= 0.5 - 1e-9,
        "the left alone gives more than 0": head(left) > 0,
        "the right cell changes something": head(left) != head(A),
        "they differ at all": abs(head(left) + head(right) - head(A)) > 1e-9,
    })  # fmt: skip


BENT = Question(
    name="bent_head",
    objective=WHERE,
    minutes=8,
    difficulty=2,
    points=2,
    signature="def bent_head() -> Tensor:",
    shapes="-> activations (2, 1, 2): two channels, one row, a left and a right cell",
    reference=bent_head,
    inputs=lambda seed: [()],
    observe=_bends,
    mistakes=(
        Mistake("channels that don't compete", lambda: torch.tensor([[[2.0, 2.0]], [[0.0, 0.0]]]),
                "Where the ReLU stays open it is linear: let the right cell close it."),
        Mistake("negative activations", lambda: torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]]) * torch.tensor([1.0, -1.0])
                + torch.tensor([[[0.0, -2.0]], [[0.0, 4.0]]]),
                "These come after a ReLU, so none is negative."),
        Mistake("all zeros", lambda: torch.zeros(2, 1, 2), "0 + 0 = 0, on every head."),
        Mistake("everything in one cell", lambda: torch.tensor([[[3.0, 0.0]], [[1.0, 0.0]]]),
                "The right cell must do something as well."),
        Mistake("too small a difference", lambda: 0.1 * bent_head(), "Larger activations make a larger difference."),
        Mistake("the left cell closed", lambda: bent_head().flip(0), "The left cell alone should open the ReLU."),
    ),
    hints=("The ReLU reads mean(channel 1) - mean(channel 2). Where is it open for the left cell, and closed for both?",
           "Left: much of channel 1. Right: as much of channel 2."),
    picture="the logit of the left, of the right, of both added, and of both together",
    draw=lambda: pictures.bars(["left", "right", "added up", "together"], [1.0, 0.0, 1.0, 0.0], "logit"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. the course's network


def network_map(network: GapNetwork, pictures: Tensor, target: Tensor) -> Tensor:
    return _network_steps(network, pictures, target)


def _network_steps(
    network: GapNetwork,
    pictures: Tensor,
    target: Tensor,
    normalized: bool = True,
    layers: int | None = None,
    weights: Callable[[Tensor], Tensor] = lambda w: w,
) -> Tensor:
    """CAM of a network of the course, with each of its steps replaceable."""
    with torch.no_grad():
        activations = network.normalize(pictures) if normalized else pictures
        for block in [*network.features.children()][:layers]:
            activations = block(activations)
        return class_map(activations, weights(network.fc.weight), target)


def _before_relu(network: GapNetwork, pictures: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        activations = network.normalize(pictures)
        for layer in [layer for block in network.features.children() for layer in block.children()][:-1]:
            activations = layer(activations)
        return class_map(activations, network.fc.weight, target)


def _scenes(seed: int) -> list[tuple[Any, ...]]:
    found = scenes.scenes(3, seed)
    other = (found.labels + 1 + seed % 4) % len(scenes.CLASSES)
    pictures, target = found.pictures.double(), torch.stack([found.labels[0], other[1], other[2]])
    return [(pictures[:1], other[:1]), (pictures, target)]


NETWORK_MAP = Question(
    name="network_map",
    objective=COMPUTE,
    minutes=10,
    difficulty=2,
    points=4,
    signature="def network_map(network: GapNetwork, pictures: Tensor, target: Tensor) -> Tensor:",
    shapes="pictures (B, 3, 64, 64) in [0, 1], target (B,) -> raw maps (B, 16, 16), in logits",
    reference=network_map,
    inputs=_scenes,
    prepare=scenes_network,
    mistakes=(
        Mistake("the normalization left out", lambda n, x, c: _network_steps(n, x, c, normalized=False),
                "This network normalizes its own pictures first: network.normalize comes before network.features."),
        Mistake("normalized twice", lambda n, x, c: _network_steps(n, n.normalize(x), c),
                "Once is enough: network.normalize, then network.features."),
        Mistake("a layer too early", lambda n, x, c: _network_steps(n, x, c, layers=-1),
                "The head reads the activations of the last block; these are the last but one's."),
        Mistake("before the last ReLU", _before_relu, "The head averages what the last ReLU lets through."),
        Mistake("the class with the largest logit", lambda n, x, c: _network_steps(n, x, n(x).argmax(1)),
                "Explain the class that was asked for, which need not be the winner."),
        Mistake("the first picture's target for all", lambda n, x, c: _network_steps(n, x, c[:1].expand_as(c)),
                "Each picture has its own class."),
        Mistake("without weights", lambda n, x, c: _network_steps(n, x, c, weights=torch.ones_like),
                "Each channel counts with the class's weight for it: network.fc.weight[target]."),
        Mistake("the absolute weights", lambda n, x, c: _network_steps(n, x, c, weights=torch.abs),
                "A channel may speak against the class: keep the weight's sign."),
        Mistake("the bias in every cell", lambda n, x, c: network_map(n, x, c) + n.fc.bias[c][:, None, None],
                "The bias belongs to no place; the map's mean is the logit *less* the bias."),
        Mistake("divided by Z", lambda n, x, c: network_map(n, x, c) / 256,
                "The map's mean is the logit less its bias, so nothing is divided by Z."),
        Mistake("ReLU", lambda n, x, c: network_map(n, x, c).relu(), "The raw map: cold places count too."),
        Mistake("normalized for the eye", lambda n, x, c: _to_one(network_map(n, x, c)),
                "Leave the map in logits: after min-max no two maps can be compared."),
        Mistake("as large as the picture", lambda n, x, c: interpolate(
            network_map(n, x, c)[:, None], size=64, mode="bilinear")[:, 0],
                "The map has the size of the last activations; enlarging it is for the eye."),
    ),
    hints=("The way to the head: network.normalize, then network.features. No hook is needed here.",
           "What comes out is (B, 64, 16, 16); network.fc.weight is (classes, 64).",
           "torch.einsum('bk,bkhw->bhw', network.fc.weight[target], activations)"),
    picture="two scenes' maps for the class that was drawn there, and one for a class that isn't there",
    draw=lambda: pictures.maps({
        f"class {scenes.CLASSES[c]}": m
        for c, m in zip(_drawn_scenes()[1], network_map(*scenes_network(*_drawn_scenes())), strict=True)}),
)  # fmt: skip


def _drawn_scenes() -> tuple[Tensor, Tensor]:
    found = scenes.scenes(3, SEED)
    return found.pictures.double(), torch.tensor([*found.labels[:2].tolist(), (int(found.labels[2]) + 1) % 6])


# --------------------------------------------------------------------------------------------- 7. a choice

NETWORKS = choice(
    "where_cam_can_go",
    WHERE,
    "b",
    {
        "a": ("three fully connected layers",
              "Between the layers stand ReLUs, so no single weight leads from a channel to the logit."),
        "c": ("a hidden layer after the pooling",
              "The hidden layer's ReLU makes a channel's weight depend on the picture."),
        "d": ("flattened", "That head is linear, but each place has a weight of its own: a channel has none."),
    },
    ("CAM needs one number for each channel and class that holds at every place and for every picture.",
     "Which of the four has such numbers? Look at what stands between the last activations and the logit."),
)  # fmt: skip

QUESTIONS = (CLASS_MAP, LOGIT, BOXES, CENTRED, BENT, NETWORK_MAP, NETWORKS)
